"""The notebook in docs/ answers what it says, from the sample invoices, and changes nothing."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from arcadia_dagster.sample import FOLDER as SAMPLE
from arcadia_dagster_tests.kit import notebook
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.plain import build
from arcadia_dagster_tests.kit.project import Project

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "questions.ipynb"


@pytest.fixture
def sampled(project_with_finance: Project) -> Project:
    project = project_with_finance
    for file in (SAMPLE / "inbox").iterdir():
        project.drop_copy(file)
    build(project.warehouse, resources=True)
    assert project.finance.deliver(project.warehouse).failure is None
    return project


def test_every_cell_shows_what_is_stored_in_the_notebook(sampled: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCADIA_HOME", str(sampled.home))
    monkeypatch.setenv("SKYAI_FINANCE_URL", sampled.finance.base_url)
    with sampled.warehouse.write() as connection:
        # What another finance service has is counted by nobody.
        connection.execute(
            "INSERT INTO finance_records SELECT * REPLACE ('https://another.example' AS target) FROM finance_records"
        )
    before = sampled.warehouse.path.read_bytes()
    cells = notebook.cells_of(NOTEBOOK)
    assert notebook.run(cells) == [cell.stored for cell in cells]
    assert sampled.warehouse.path.read_bytes() == before
    assert sum(bool(cell.stored) for cell in cells) == 5
    amounts = re.findall(r"([\d.]+) USD +([\d.]+) USD$", cells[-1].stored, re.MULTILINE)
    debit, credit = (sum(map(Decimal, column)) for column in zip(*amounts, strict=True))
    assert debit == credit == Decimal("86.92")


def test_its_figures_are_those_of_the_reference_case(sampled: Project) -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    april = sampled.invoice("900000004")
    assert (april["amount_gross_minor"], april["amount_tax_minor"]) == (8692, 790)
    assert "2026-04  ready  delivered         1   86.92 USD   79.02 USD   7.90 USD" in text


def test_an_invoice_whose_lines_cannot_be_added_has_a_dash(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCADIA_HOME", str(project.home))
    project.drop("mixed.csv", as_csv(charge(), charge(BillingCurrency="EUR")))
    project.build()
    totals, held = notebook.run(notebook.cells_of(NOTEBOOK))[2:4]
    assert totals.splitlines()[-1].split()[-3:] == ["-", "-", "-"]
    assert "its lines are in several currencies (EUR, USD), which are never summed" in held
