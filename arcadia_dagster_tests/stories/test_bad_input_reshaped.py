"""Tables that a program has written in another shape, as JSON or with semicolons, are the invoices that they were."""

import gzip

from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.json_records import lines
from arcadia_dagster_tests.kit.outcomes import hold_reasons, in_finance
from arcadia_dagster_tests.kit.plain import build
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line
from arcadia_dagster_tests.kit.project import tax as tax_line
from arcadia_dagster_tests.kit.spreadsheets import saved_anew


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

    # The same invoice as CSV elsewhere is never added, and two parts of one folder add up, whatever each is written as.
    project.drop("4/focus.csv", as_csv(*rows["J-1"]))
    project.drop("5/part-1.csv", as_csv(charge(InvoiceId="J-5", ChargeDescription="first")))
    project.drop("5/part-2.jsonl", lines(charge(InvoiceId="J-5", ChargeDescription="second", BilledCost="1.50")))
    build(project.warehouse)
    assert in_finance(project) == dict.fromkeys(rows, (660, 600, 60, 2)) | {"J-5": (750, 750, 0, 2)}
    [reason] = hold_reasons(project, "J-1")
    assert reason.startswith(
        "it came last as focus.csv (6.60), and nothing says that this is newer than focus.jsonl (6.60)"
    )


@case("83")
def test_a_table_that_a_spreadsheet_saved_anew_is_the_invoice_that_it_was_or_is_rejected(project: Project) -> None:
    rows = (charge(BilledCost="1234.50", ChargeDescription="a;b, c"), tax(BilledCost="0.125"))
    project.drop("german.csv", saved_anew(as_csv(*rows)))
    # Another invoice has charges of its own.
    others = [row | {"InvoiceId": "INV-2", "ChargeDescription": f"other {n}"} for n, row in enumerate(rows)]
    project.drop("grouped.csv", saved_anew(as_csv(*others), ",", "."))
    project.drop(
        "points.csv", saved_anew(as_csv(charge(InvoiceId="INV-3", BilledCost="1.5", ChargeDescription="third")), ".")
    )
    charged = digitalocean(line(amount="1234.50"), tax_line(amount="0.60"))
    project.drop(invoice_name(), saved_anew(charged, ",", ".", numbers=("USD", "hours")))
    project.drop("unclear.csv", saved_anew(as_csv(charge(InvoiceId="INV-4", BilledCost="1.234")), "."))
    project.drop(
        "mixed.csv",
        saved_anew(as_csv(charge(InvoiceId="INV-5", BilledCost="0,5"), charge(BilledCost="0.5")), numbers=()),
    )
    build(project.warehouse)
    assert in_finance(project) == {
        "INV-1": (123463, 123450, 13, 2),
        "INV-2": (123463, 123450, 13, 2),
        "INV-3": (150, 150, 0, 1),
        "1001": (123510, 123450, 60, 2),
    }
    rejected = project.query("SELECT file_name, reason FROM documents WHERE status = 'rejected' ORDER BY 1")
    assert [row["file_name"] for row in rejected] == ["mixed.csv", "unclear.csv"]
    assert all("without opening it in a spreadsheet" in row["reason"] for row in rejected)
