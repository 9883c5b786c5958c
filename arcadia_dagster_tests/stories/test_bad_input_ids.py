"""Ids that a program has changed on their way: they are no ids, and make no invoice."""

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
