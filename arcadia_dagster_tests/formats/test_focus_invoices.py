"""FOCUS 1.4 Invoice Detail and Billing Period, whatever they are written as."""

import gzip
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from arcadia_dagster.reading.format import BillingPeriod
from arcadia_dagster.reading.statements import InvoiceStatement
from arcadia_dagster_tests.kit.documents import Desk
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.stated import closed, detail, detail_of_tax, details_csv, details_parquet, period

ROWS = (
    detail(BilledCost="4.00", PaymentCurrency="EUR", PaymentCurrencyBilledCost="3.60", PurchaseOrderNumber="PO-1"),
    detail(BilledCost="2.00", PaymentCurrency="EUR", PaymentCurrencyBilledCost="1.80", PurchaseOrderNumber="PO-1"),
    detail_of_tax(PaymentCurrency="EUR", PaymentCurrencyBilledCost="0.54", PurchaseOrderNumber="PO-1"),
)
STATED = InvoiceStatement(
    source="aws",
    account_id="111",
    external_id="INV-1",
    currency="USD",
    gross=Decimal("6.60"),
    net=Decimal("6.00"),
    tax=Decimal("0.60"),
    issued_on=date(2026, 5, 2),
    due_on=date(2026, 6, 1),
    period_start=date(2026, 4, 1),
    period_end=date(2026, 4, 30),
    terms="Net 30",
    purchase_order="PO-1",
    seller_name="Amazon Web Services, Inc.",
    payment_currency="EUR",
    payment_amount=Decimal("5.94"),
)
SHUFFLED = tuple(dict(sorted(row.items(), key=lambda item: item[0][::-1])) for row in ROWS)
WITH_COMMAS = tuple(
    {name: value.replace(".", ",") if value and name.endswith("BilledCost") else value for name, value in row.items()}
    for row in ROWS
)
WRITTEN = {
    "csv": details_csv(*ROWS),
    "csv with NULL": details_csv(*ROWS, null="NULL"),
    "csv, columns in another order": details_csv(*SHUFFLED),
    "csv, columns in small letters": details_csv(
        *({name.lower(): value for name, value in row.items()} for row in ROWS)
    ),
    "csv with a byte order mark and CR LF": b"\xef\xbb\xbf" + details_csv(*ROWS).replace(b"\n", b"\r\n"),
    "gzip": gzip.compress(details_csv(*ROWS)),
    "semicolons": details_csv(*ROWS, delimiter=";"),
    "semicolons and decimal commas": details_csv(*WITH_COMMAS, delimiter=";"),
    "parquet": details_parquet(*ROWS),
    "parquet of binary fractions": details_parquet(*ROWS, cost=pa.float64()),
}


@pytest.mark.parametrize("written", WRITTEN)
def test_the_rows_of_an_invoice_are_one_statement_whatever_they_are_written_as(large_desk: Desk, written: str) -> None:
    [found] = large_desk.read(WRITTEN[written])
    assert (found.format, found.reason) == ("focus_invoice_detail", None)
    assert found.statements == (STATED,)
    [invoice] = found.invoices
    assert (invoice.is_statement, invoice.month, invoice.stated_total) == (True, date(2026, 4, 1), Decimal("6.60"))


def test_a_voided_invoice_is_voided_an_open_one_is_a_preview_and_a_correction_names_what_it_corrects(
    large_desk: Desk,
) -> None:
    content = details_csv(
        detail(InvoiceId="V", InvoiceIssueStatus="Voided"),
        detail(InvoiceId="O", InvoiceIssueStatus="Open", InvoiceIssueDate=None, PaymentDueDate=None),
        detail(InvoiceId="C", BilledCost="-1.00", ChargeCategory="Credit", ReferenceInvoiceId="A"),
        detail(InvoiceId="C", BilledCost="-2.00", ChargeCategory="Adjustment", ReferenceInvoiceId="B"),
        detail(InvoiceId="N", BilledCost="-1.00", ChargeCategory="Credit"),
    )
    [found] = large_desk.read(content)
    told = {one.external_id: (one.status, one.kind, one.gross, one.refers_to) for one in found.statements}
    assert told == {
        "V": ("voided", "invoice", Decimal("6.00"), None),
        "O": ("draft", "invoice", Decimal("6.00"), None),
        "C": ("issued", "credit_note", Decimal("-3.00"), "A, B"),
        "N": ("issued", "invoice", Decimal("-1.00"), None),
    }
    assert [(one.external_id, one.is_final, one.withdrawn) for one in found.invoices[:2]] == [
        ("V", True, "voided"),
        ("O", False, None),
    ]


def test_one_id_of_two_issuers_or_accounts_is_two_invoices_and_of_two_companies_of_a_provider_one(
    large_desk: Desk,
) -> None:
    content = details_csv(
        detail(),
        detail(InvoiceIssuerName="AWS EMEA SARL"),
        detail(InvoiceIssuerName="Examplecloud Ltd"),
        detail(BillingAccountId="222"),
    )
    [found] = large_desk.read(content)
    keys = [(one.source, one.account_id, one.gross) for one in found.statements]
    assert keys == [("aws", "111", Decimal(12)), ("examplecloud", "111", Decimal(6)), ("aws", "222", Decimal(6))]


def test_many_rows_come_to_what_they_come_to_exactly(large_desk: Desk) -> None:
    [found] = large_desk.read(details_csv(*[detail(BilledCost="0.000000000000000001"), detail(BilledCost="0.1")] * 500))
    [statement] = found.statements
    assert statement.gross == Decimal("50.0000000000000005")


WRONG = {
    "no amount": (detail(BilledCost="six"), "line 3, column BilledCost: 'six'; expected an amount"),
    "no amount at all": (detail(BilledCost=None), "line 3, column BilledCost: blank; expected an amount"),
    "a category of its own": (detail(ChargeCategory="Fee"), "line 3, column ChargeCategory: 'Fee'; expected Usage or"),
    "a status of its own": (
        detail(InvoiceIssueStatus="Lost"),
        "line 3, column InvoiceIssueStatus: 'Lost'; expected Open",
    ),
    "no id": (detail(InvoiceId=None), "line 3, column InvoiceId: blank; expected a value"),
    "no time": (detail(PaymentDueDate="soon"), "line 3, column PaymentDueDate: 'soon'; expected a time"),
    "a period that ends before it begins": (
        detail(BillingPeriodEnd="2026-03-01T00:00:00Z"),
        "line 3, column BillingPeriodEnd: 2026-03-01 00:00:00; expected a time after its start",
    ),
    "two currencies": (
        detail(BillingCurrency="EUR"),
        "line 3, column BillingCurrency: EUR, and USD in line 2 of the same invoice; expected one for all of its rows",
    ),
    "two states": (
        detail(InvoiceIssueStatus="Voided"),
        "line 3, column InvoiceIssueStatus: Voided, and Issued in line 2",
    ),
    "two days of payment": (
        detail(PaymentDueDate=None),
        "line 3, column PaymentDueDate: blank, and 2026-06-01 00:00:00",
    ),
    "too much": (detail(BilledCost="99999999999999"), "line 3, column BilledCost: with it the invoice comes to"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_value_that_cannot_be_read_is_named_with_its_place_and_nothing_is_taken(large_desk: Desk, case: str) -> None:
    row, reason = WRONG[case]
    [found] = large_desk.read(details_csv(detail(), row))
    assert str(found.reason).startswith(reason)
    assert (found.invoices, found.statements) == ((), ())


def test_a_header_that_lacks_what_every_row_must_tell_or_tells_it_twice_is_rejected(large_desk: Desk) -> None:
    without = {name: value for name, value in detail().items() if name != "BillingCurrency"}
    twice = details_csv(detail()).replace(b"PaymentTerms", b"invoiceid")
    short = details_csv(detail()) + b"1,2,3\n"
    found = large_desk.read(details_csv(without), twice, short)
    assert [one.reason for one in found] == [
        "line 1: column BillingCurrency is missing, which FOCUS has as mandatory",
        "line 1: column invoiceid occurs more than once; expected each once",
        "line 3: 3 values; expected 19, as there are columns",
    ]


def test_cost_and_usage_stays_what_it_is(large_desk: Desk) -> None:
    [found] = large_desk.read(as_csv(charge()))
    assert (found.format, len(found.lines)) == ("focus", 1)


def test_a_billing_period_states_who_has_which_period_open_and_no_invoice(large_desk: Desk) -> None:
    rows = (period(), closed(InvoiceIssuerName="Examplecloud Ltd", BillingPeriodLastUpdated=None))
    of_account = {**period(), "BillingAccountId": "111"}
    both, one = large_desk.read(details_csv(*rows), details_csv(of_account))
    assert (both.format, both.reason, both.invoices, both.statements) == ("focus_billing_period", None, (), ())
    april, updated, may = (datetime.fromisoformat(f"2026-{day}") for day in ("04-01", "05-02", "05-01"))
    aws = BillingPeriod("aws", "Amazon Web Services, Inc.", None, april, may, True, updated)
    assert both.periods == (aws, BillingPeriod("examplecloud", "Examplecloud Ltd", None, april, may, False, None))
    assert one.periods == (replace(aws, account_id="111"),)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (period(BillingPeriodStatus="Ajar"), "line 3, column BillingPeriodStatus: 'Ajar'; expected Open or Closed"),
        (period(BillingPeriodEnd="soon"), "line 3, column BillingPeriodEnd: 'soon'; expected a time such as"),
        (period(InvoiceIssuerName=None), "line 3, column InvoiceIssuerName: blank; expected a value"),
        (
            period(BillingPeriodEnd="2026-04-01T00:00:00Z"),
            "line 3, column BillingPeriodEnd: 2026-04-01 00:00:00; expected a time after its start",
        ),
    ],
)
def test_a_billing_period_with_a_value_that_cannot_be_read_is_rejected_whole(
    large_desk: Desk, row: dict[str, str | None], reason: str
) -> None:
    [found] = large_desk.read(details_csv(period(), row))
    assert str(found.reason).startswith(reason)
    assert found.periods == ()
