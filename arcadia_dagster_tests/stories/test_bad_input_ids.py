"""Ids that a program has changed on their way: they are no ids, and make no invoice."""

import pytest

from arcadia_dagster_tests.kit.aws import as_csv as aws_csv
from arcadia_dagster_tests.kit.aws import item
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import as_csv, as_parquet, charge, lines_of
from arcadia_dagster_tests.kit.outcomes import hold_reasons, pushed
from arcadia_dagster_tests.kit.project import Project

MANGLED = {
    "an invoice in exponent notation": {"InvoiceId": "2.1E+09"},
    "with a decimal comma": {"InvoiceId": "2,1E+09"},
    "an account in exponent notation": {"BillingAccountId": "1.23457E+10"},
    "a byte order mark": {"InvoiceId": "\ufeff2100002601"},
    "a zero-width space": {"InvoiceId": "21000\u200b02601"},
    "a float": {"InvoiceId": "2100000001.0"},
    "an account as a float": {"BillingAccountId": "123456789012.0"},
    "a formula": {"InvoiceId": '="2100000002"'},
    "a leading apostrophe": {"InvoiceId": "'2100000003"},
    "thousands": {"InvoiceId": "2,100,000,004"},
    "no value of pandas": {"InvoiceId": "nan"},
    "no value of a database": {"InvoiceId": "\\N"},
    "no value of a spreadsheet": {"InvoiceId": "#N/A"},
    "a column too narrow": {"InvoiceId": "########"},
    "a day": {"InvoiceId": "Nov-26"},
    "a no-break space": {"BillingAccountId": "012345678901\u00a0"},
}


@case("168")
@pytest.mark.parametrize("order", [("00", ""), ("", "00")], ids=["whole first", "shortened first"])
def test_an_account_and_an_id_that_lost_their_zeros_are_no_other_invoice(
    project_with_finance: Project, order: tuple[str, str]
) -> None:
    project = project_with_finance
    own = {"InvoiceIssuerName": "Examplecloud", "ProviderName": "Examplecloud"}
    for ordinal, zeros in enumerate(order):
        # Two that have nothing to do with it: another number, and another account.
        rows = [
            charge(BillingAccountId=f"{zeros}123", InvoiceId=f"{zeros}801", **own),
            charge(
                BillingAccountId=f"{zeros}124", InvoiceId=f"{zeros}80{ordinal}0", BilledCost=f"{ordinal + 7}", **own
            ),
        ]
        project.drop(f"{ordinal}.csv", as_csv(*rows))
        project.build()
    held = project.query(
        "SELECT external_id, hold_reasons FROM tax_split_totals WHERE status = 'held' ORDER BY external_id"
    )
    assert [row["external_id"] for row in held] == ["00801", "801"]
    assert all("only by zeros at the beginning of both" in row["hold_reasons"][0] for row in held)
    assert project.sandbox is not None
    amounts = sorted(row["amount_gross_minor"] for row in project.sandbox.invoices())
    assert amounts == [600, 700, 800], "one of the two is pushed, once"


@case("48")
def test_an_id_that_a_program_has_rewritten_is_no_id(project: Project) -> None:
    for name, values in MANGLED.items():
        project.drop(f"{name}.csv", as_csv(*lines_of("INV-1", 1, 2), charge(**values)))
        project.drop(f"{name}.parquet", as_parquet(charge(**values)))
    project.drop(
        "an id with an E.csv", as_csv(*lines_of("12E4", 1), *lines_of("INVOICE-5", 2), *lines_of("Straße-7", 3))
    )
    assert pushed(project) == {"12E4": 1000, "INVOICE-5": 1000, "Straße-7": 1000}
    rejected = project.query("SELECT file_name, reason FROM documents WHERE status = 'rejected'")
    assert {row["file_name"] for row in rejected} == {
        f"{name}.{ending}" for name in MANGLED for ending in ("csv", "parquet")
    }
    assert all("a spreadsheet or an editor has rewritten this one" in row["reason"] for row in rejected)


@case("48")
def test_an_account_of_aws_that_has_lost_its_zeros_is_held(project: Project) -> None:
    project.drop("saved.csv", as_csv(*lines_of("A", 1, BillingAccountId="12345678901")))
    project.drop("cur.csv", aws_csv(item(InvoiceId="B", PayerAccountId="1234567890")))
    project.drop("original.csv", as_csv(*lines_of("C", 1, BillingAccountId="012345678901")))
    elsewhere = {
        "BillingAccountId": "12345678901",
        "InvoiceIssuerName": "Examplecloud Ltd",
        "ProviderName": "Examplecloud",
    }
    project.drop("elsewhere.csv", as_csv(*lines_of("D", 1, **elsewhere)))
    assert pushed(project) == {"C": 1000, "D": 1000}
    for invoice, account in (("A", "12345678901"), ("B", "1234567890")):
        [reason] = hold_reasons(project, invoice)
        assert f": its account {account} is not one of AWS, which have 12 digits" in reason
