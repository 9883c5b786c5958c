"""Invoices whose lines come to something else than what is invoiced: finance gets what is stated, and says where it is from."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from arcadia_dagster.reports.focus import export_months
from arcadia_dagster.stages.reconciling import unreconciled
from arcadia_dagster.stages.stated import NotStatedError
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.shell import Shell

AZURE = {"InvoiceIssuerName": "Microsoft Ireland Operations Limited", "ProviderName": "Microsoft"}
PENCES = as_csv(*(charge(BilledCost="10.0049", ChargeDescription=f"{n}") for n in range(10)), tax(BilledCost="10.00"))
"""Lines that come to 110.049, which is 110.05."""


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, monkeypatch, capsys)


def in_finance(project: Project) -> dict[str, tuple[int, int, int]]:
    """Gross, net and tax of each invoice, in minor units."""
    assert project.sandbox is not None
    return {
        row["external_id"]: (row["amount_gross_minor"], row["amount_net_minor"], row["amount_tax_minor"])
        for row in project.sandbox.invoices()
    }


def test_what_may_be_tax_is_never_booked_as_a_rounding(project: Project) -> None:
    project.drop("a.csv", as_csv(charge(InvoiceId="A", BilledCost="100.00")))
    project.drop("a.csv.total", b"USD 119.00")
    project.build()
    [reason] = project.invoice("A")["hold_reasons"]
    assert "which have no tax: if the difference is its tax, write USD 119 tax 19 into a.csv.total" in reason
    with pytest.raises(NotStatedError, match="tax 0 says that there is none"):
        project.release_as_stated("A")
    project.drop("a.csv.total", b"USD 119.00 tax 19")
    project.build()
    assert in_finance(project) == {"A": (11900, 10000, 1900)}


def test_the_total_of_an_id_with_a_blank_is_read(project: Project) -> None:
    lines = [charge(InvoiceId=f"INV 00{number}", ChargeDescription=f"{number}", **AZURE) for number in (1, 2)]
    project.drop("az.csv", as_csv(*lines))
    project.drop("az.csv.total", b"INV 001 USD 7.14 tax 1.14\nINV 002: 7.14 USD tax 1.14")
    project.build()
    assert in_finance(project) == {"INV 001": (714, 600, 114), "INV 002": (714, 600, 114)}


@case("104")
def test_an_export_before_tax_is_ready_with_the_tax_that_is_stated_beside_it(project: Project) -> None:
    project.drop("azure.csv", as_csv(charge(InvoiceId="G1", BilledCost="1249.995", **AZURE)))
    project.drop("azure.csv.total", b"USD 1568.75")
    project.build()
    [reason] = project.invoice("G1")["hold_reasons"]
    assert (
        "which have no tax: if the difference is its tax, write USD 1568.75 tax 318.75 into azure.csv.total" in reason
    )
    assert in_finance(project) == {}
    project.drop("azure.csv.total", b"1568.75 USD tax 318.75")
    project.build()
    assert in_finance(project) == {"G1": (156875, 125000, 31875)}
    [line] = [row for row in project.lines("G1") if row["charge_category"] == "Tax"]
    assert (line["tax_basis"], line["line_number"] < 0) == ("stated", True)
    assert line["added_by"] == "azure.csv.total states USD 1568.75 tax 318.75"
    # A total that is corrected is a line that is corrected.
    project.drop("azure.csv.total", b"1562.50 USD tax 312.50")
    project.build()
    assert in_finance(project) == {"G1": (156250, 125000, 31250)}


@case("106")
def test_each_invoice_of_a_document_has_its_own_stated_total_and_tax(project: Project) -> None:
    rows = [
        charge(InvoiceId=name, BilledCost=cost, ChargeDescription=name, **AZURE)
        for name, cost in (("G1", "10"), ("G2", "20"))
    ]
    project.drop("azure.csv", as_csv(*rows))
    project.drop("azure.csv.total", b"G1 USD 11.00 tax 1.00\nG2 USD 22.00 tax 2.00\n")
    project.build()
    assert in_finance(project) == {"G1": (1100, 1000, 100), "G2": (2200, 2000, 200)}


def test_tax_stated_beside_lines_that_differ_otherwise_is_no_way_past_the_difference(project: Project) -> None:
    project.drop("azure.csv", as_csv(charge(InvoiceId="G1", BilledCost="100.00", **AZURE)))
    project.drop("azure.csv.total", b"USD 125.00 tax 20.00")
    project.build()
    assert in_finance(project) == {}
    assert any(
        "differs from the sum of its lines, 100.00 USD" in reason for reason in project.invoice("G1")["hold_reasons"]
    )


@case("105")
def test_a_release_as_stated_books_what_the_invoice_says_with_one_line_for_the_difference(project: Project) -> None:
    project.drop("a.csv", PENCES)
    project.drop("a.csv.total", b"USD 110.00")
    project.build()
    assert project.invoice("INV-1")["amount_gross_minor"] == 11005
    [reason] = project.invoice("INV-1")["hold_reasons"]
    assert 'to push what it states: arcadia release aws/111/INV-1 --as-stated --reason "..."' in reason

    project.release_as_stated("INV-1", reason="the bank says so")
    project.build()
    assert in_finance(project) == {"INV-1": (11000, 10000, 1000)}
    [added] = [row for row in project.lines("INV-1") if row["added_by"]]
    assert (added["charge_category"], f"{added['amount'].normalize():f}") == ("Adjustment", "-0.049")
    assert added["added_by"] == "a.csv.total states USD 110; released as stated by ann: the bank says so"
    [sums] = project.query("SELECT sum(amount) AS gross, count(*) AS lines FROM cost_lines")
    total = project.invoice("INV-1")
    assert (sums["gross"], sums["lines"]) == (total["amount_gross"], total["line_count"])
    with project.warehouse.read() as connection:
        assert unreconciled(connection) == []

    # The decision is in the archive, as others are.
    before = project.query("SELECT * FROM cost_lines ORDER BY ALL"), project.query("SELECT * FROM decisions")
    project.forget_warehouse()
    project.build()
    assert (project.query("SELECT * FROM cost_lines ORDER BY ALL"), project.query("SELECT * FROM decisions")) == before
    assert in_finance(project) == {"INV-1": (11000, 10000, 1000)}

    # It was made of these figures: others are a new question.
    project.drop("a.csv.total", b"USD 109.00")
    project.build()
    assert project.invoice("INV-1")["status"] == "held"
    assert [row for row in project.lines("INV-1") if row["added_by"]] == []


def test_a_released_invoice_is_in_the_focus_files_as_it_is_in_finance(project: Project, tmp_path: Path) -> None:
    project.drop("a.csv", PENCES)
    project.drop("a.csv.total", b"USD 110.00 tax 9.99")
    project.build()
    project.release_as_stated("INV-1")
    project.build()
    assert in_finance(project) == {"INV-1": (11000, 10001, 999)}
    with project.warehouse.read() as connection:
        export_months(connection, tmp_path, [date(2026, 4, 1)])
        path = tmp_path / "2026-04" / "*cost*.parquet"
        rows = connection.execute(
            f"SELECT ChargeCategory, sum(BilledCost)::VARCHAR FROM read_parquet('{path}') GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    assert [(category, f"{Decimal(amount):.3f}") for category, amount in rows] == [
        ("Adjustment", "-0.039"),
        ("Tax", "9.990"),
        ("Usage", "100.049"),
    ]


def test_what_nobody_stated_cannot_be_released_as_stated(project: Project) -> None:
    project.drop("a.csv", as_csv(charge(InvoiceId="only tax"), tax(InvoiceId="only tax", BilledCost="60.00")))
    project.drop("azure.csv", as_csv(charge(InvoiceId="G1", ChargeDescription="x", **AZURE)))
    project.drop("azure.csv.total", b"USD 7.00")
    project.drop("odd.csv", as_csv(charge(InvoiceId="odd", ChargeDescription="y")))
    project.drop("odd.csv.total", b"USD 6.005")
    project.build()
    for name, words in (
        ("only tax", "no stated total differs from the sum of its lines"),
        ("G1", "no document states which part of USD 7 is tax: write it"),
        ("odd", "USD 6.005 has more decimals than USD has"),
    ):
        with pytest.raises(NotStatedError, match=words):
            project.release_as_stated(name)
    assert in_finance(project) == {}


def test_the_command_line_releases_as_stated_and_explains_it(shell: Shell) -> None:
    (shell.inbox / "a.csv").write_bytes(PENCES)
    (shell.inbox / "a.csv.total").write_text("USD 110.00")
    shell.build()
    shell("release", "INV-1", "--as-stated", "--reason", "the bank says so")
    shell.build()
    told = shell("explain", "INV-1").stdout
    assert "gross 110.00 USD, net 100.00 USD, tax 10.00 USD" in told
    assert (
        "added to reach the stated total: rounding of -0.049 USD, for a.csv.total states USD 110; released as stated by"
        in told
    )
    assert json.loads(shell("explain", "INV-1", "--json").stdout)["decisions"][0]["stated_total"] == "110"
    assert "is not held" in shell("release", "INV-1", "--reason", "again", code=1).stderr
