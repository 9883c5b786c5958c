"""Tables that a program has written in another shape, as JSON or with semicolons, are the invoices that they were."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster_tests.formats.focus import as_csv, charge, tax
from arcadia_dagster_tests.formats.test_json_records import lines
from arcadia_dagster_tests.plain import build
from arcadia_dagster_tests.project import SECRET, Project
from arcadia_dagster_tests.stories.bad_input import case
from arcadia_dagster_tests.stories.test_focus_deliveries import in_finance, reasons


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET) as sandbox:
        yield Project(tmp_path / "home", sandbox=sandbox)


@case("82")
def test_focus_as_json_is_the_invoice_that_it_is_as_csv(project: Project) -> None:
    rows = {
        invoice: (charge(InvoiceId=invoice, ChargeDescription=f"of {invoice}"), tax(InvoiceId=invoice))
        for invoice in ("J-1", "J-2", "J-3")
    }
    project.drop("1/focus.jsonl", lines(*rows["J-1"]))
    project.drop("2/focus.ndjson.gz", gzip.compress(lines(*rows["J-2"], leaves_out=True)))
    project.drop("3/focus.json", b"[" + lines(*rows["J-3"], end=",\n") + b"]")
    build(project.warehouse)
    assert in_finance(project) == dict.fromkeys(rows, (660, 600, 60, 2))

    # The same invoice as CSV later is the same one, and two parts of one folder add up, whatever each is written as.
    project.drop("4/focus.csv", as_csv(*rows["J-1"]))
    project.drop("5/part-1.csv", as_csv(charge(InvoiceId="J-5", ChargeDescription="first")))
    project.drop("5/part-2.jsonl", lines(charge(InvoiceId="J-5", ChargeDescription="second", BilledCost="1.50")))
    build(project.warehouse)
    assert in_finance(project) == dict.fromkeys(rows, (660, 600, 60, 2)) | {"J-5": (750, 750, 0, 2)}
    assert reasons(project, "J-1") == []
