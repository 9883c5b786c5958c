"""Documents that cannot state tax: no tax stated is not a tax of 0."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster_tests.formats.focus import as_csv, charge, tax
from arcadia_dagster_tests.project import SECRET, Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET) as sandbox:
        yield Project(tmp_path / "home", sandbox=sandbox)


def test_an_export_of_azure_is_before_tax_until_its_total_is_stated(project: Project) -> None:
    azure = {"InvoiceIssuerName": "Microsoft Ireland Operations Limited", "ProviderName": "Microsoft"}
    project.drop("charges.csv", as_csv(charge(InvoiceId="G1", **azure)))
    project.drop(
        "with tax.csv", as_csv(charge(InvoiceId="G2", ChargeDescription="b", **azure), tax(InvoiceId="G2", **azure))
    )
    project.drop("free of tax.csv", as_csv(charge(InvoiceId="G3", ChargeDescription="c", **azure)))
    project.drop("free of tax.csv.total", b"USD 6.00")
    project.build()
    assert project.sandbox is not None
    assert {row["external_id"]: row["amount_tax_minor"] for row in project.sandbox.invoices()} == {"G2": 60, "G3": 0}
    [reason] = project.invoice("G1")["hold_reasons"]
    assert reason.startswith("its document states amounts before tax, and not the tax")
