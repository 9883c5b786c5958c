"""What AWS states of its invoices, as its command line prints it and its API answers."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from arcadia_dagster.reading.statements import InvoiceStatement, StatedTax
from arcadia_dagster_tests.kit.aws import comes_to, credit_memo, summaries
from arcadia_dagster_tests.kit.documents import Desk

WHOLE: dict[str, Any] = {
    "AccountId": "111122223333",
    "InvoiceId": "EUINDE26-1001",
    "IssuedDate": "2026-11-02T23:30:00-02:00",
    "DueDate": 1767225600.0,
    "BillSourceAccounts": ["111122223333"],
    "BillSourceAccountsTotalCount": 1,
    "ReceiverRole": "BUYER",
    "Entity": {"InvoicingEntity": "Amazon Web Services EMEA SARL", "BillingEntity": "AWS"},
    "BillingPeriod": {"Month": 10, "Year": 2026},
    "InvoiceFrequency": "RECURRING",
    "BillType": "ANNIVERSARY",
    "InvoiceType": "INVOICE",
    "PurchaseOrderNumber": "PO-4711",
    "BaseCurrencyAmount": {
        "TotalAmount": "119.00",
        "TotalAmountBeforeTax": "100.00",
        "CurrencyCode": "USD",
        "AmountBreakdown": {
            "SubTotalAmount": "110.00",
            "Discounts": {
                "TotalAmount": "-10.00",
                "Breakdown": [{"Description": "EDP", "Amount": "-10.00", "Rate": "9"}],
            },
            "Taxes": {"TotalAmount": "19.00", "Breakdown": [{"Description": "VAT", "Amount": "19.00", "Rate": "19"}]},
            "Fees": {"TotalAmount": "0", "Breakdown": []},
        },
    },
    "TaxCurrencyAmount": {"TotalAmount": "110.00", "TotalAmountBeforeTax": "92.44", "CurrencyCode": "EUR"},
    "PaymentCurrencyAmount": {
        "TotalAmount": "110.00",
        "TotalAmountBeforeTax": "92.44",
        "CurrencyCode": "EUR",
        "CurrencyExchangeDetails": {"SourceCurrencyCode": "USD", "TargetCurrencyCode": "EUR", "Rate": "0.92437"},
    },
}
"""One with every member that the API documents."""


def only(desk: Desk, content: bytes) -> InvoiceStatement:
    [found] = desk.read(content)
    assert (found.format, found.reason) == ("aws_invoice_summaries", None)
    [statement] = found.statements
    return statement


def test_every_documented_member_is_read_or_kept_apart(large_desk: Desk) -> None:
    assert only(large_desk, summaries(WHOLE)) == InvoiceStatement(
        source="aws",
        account_id="111122223333",
        external_id="EUINDE26-1001",
        currency="USD",
        gross=Decimal("119.00"),
        net=Decimal("100.00"),
        tax=Decimal("19.00"),
        taxes=(StatedTax(None, Decimal(19), None, Decimal("19.00"), "VAT"),),
        issued_on=date(2026, 11, 3),
        due_on=date(2026, 1, 1),
        period_start=date(2026, 10, 1),
        period_end=date(2026, 10, 31),
        purchase_order="PO-4711",
        seller_name="Amazon Web Services EMEA SARL",
        payment_currency="EUR",
        payment_amount=Decimal("110.00"),
        payment_rate=Decimal("0.92437"),
    )


@pytest.mark.parametrize("amounts", [comes_to("11.90", "10.00"), comes_to("-11.90", "-10.00")], ids=["plus", "minus"])
def test_a_credit_memo_counts_below_zero_whatever_its_sign_and_names_its_invoice(
    large_desk: Desk, amounts: dict[str, dict[str, str]]
) -> None:
    paid = {"PaymentCurrencyAmount": {"TotalAmount": "10.00", "CurrencyCode": "EUR"}}
    found = only(large_desk, summaries(credit_memo("CN-1", **amounts, **paid)))
    assert (found.kind, found.refers_to) == ("credit_note", "INV-1")
    assert (found.gross, found.net, found.tax) == (Decimal("-11.90"), Decimal("-10.00"), Decimal("-1.90"))
    assert (found.payment_currency, found.payment_amount) == ("EUR", Decimal("-10.00"))


@pytest.mark.parametrize(
    "written", ["2026-10-31", "2026-10-31T00:00:00Z", "2026-10-31T00:00:00+00:00", 1793404800, 1.7934048e9]
)
def test_times_are_iso_8601_or_seconds_since_1970(large_desk: Desk, written: float | str) -> None:
    assert only(large_desk, summaries({"IssuedDate": written})).issued_on == date(2026, 10, 31)


def test_the_tax_is_that_of_the_breakdown_where_the_total_before_it_is_not_told(large_desk: Desk) -> None:
    base = {"TotalAmount": "11.90", "CurrencyCode": "USD", "AmountBreakdown": {"Taxes": {"TotalAmount": "1.90"}}}
    found = only(large_desk, summaries({"BaseCurrencyAmount": base}))
    assert (found.gross, found.net, found.tax) == (Decimal("11.90"), None, Decimal("1.90"))


def test_a_payment_receipt_is_left_out_and_a_tax_invoice_states_its_commercial_invoice(large_desk: Desk) -> None:
    content = summaries(
        {},
        {"InvoiceId": "R-1", "InvoiceType": "PAYMENT_RECEIPT"},
        {"InvoiceId": "T-1", "CommercialInvoiceId": "INV-1", "TaxAuthorityStatus": "ISSUED"},
        {"InvoiceId": "INV-9", "TaxAuthorityStatus": "CANCELLED"},
    )
    [found] = large_desk.read(content)
    named = [(one.external_id, one.invoice_number, one.status) for one in found.statements]
    assert named == [("INV-1", None, "issued"), ("INV-1", "T-1", "issued"), ("INV-9", None, "voided")]
    assert [invoice.withdrawn for invoice in found.invoices] == [None, None, "voided"]


def test_a_rate_of_the_other_direction_is_not_taken_for_one_of_this(large_desk: Desk) -> None:
    paid = {
        "TotalAmount": "10.00",
        "CurrencyCode": "EUR",
        "CurrencyExchangeDetails": {"SourceCurrencyCode": "EUR", "TargetCurrencyCode": "USD", "Rate": "1.08"},
    }
    assert only(large_desk, summaries({"PaymentCurrencyAmount": paid})).payment_rate is None


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no id": ({"InvoiceId": None}, "InvoiceSummaries, 2, InvoiceId: missing; expected a text"),
    "another type": (
        {"InvoiceType": "PROFORMA"},
        "InvoiceSummaries, 2, InvoiceType: 'PROFORMA'; expected INVOICE or CREDIT_MEMO",
    ),
    "no number": (
        comes_to("1,234.00", "1"),
        "InvoiceSummaries, 2, BaseCurrencyAmount, TotalAmount: '1,234.00'; expected an amount",
    ),
    "no total": (
        {"BaseCurrencyAmount": {"CurrencyCode": "USD"}},
        "InvoiceSummaries, 2, BaseCurrencyAmount: TotalAmount is missing",
    ),
    "no currency": (
        {"BaseCurrencyAmount": {"TotalAmount": "1"}},
        "InvoiceSummaries, 2, BaseCurrencyAmount, CurrencyCode: missing",
    ),
    "no base": ({"BaseCurrencyAmount": None}, "InvoiceSummaries, 2, BaseCurrencyAmount, CurrencyCode: missing"),
    "no month": (
        {"BillingPeriod": {"Month": 13, "Year": 2026}},
        "InvoiceSummaries, 2, BillingPeriod: month 13 of 2026",
    ),
    "no day": ({"DueDate": "soon"}, "InvoiceSummaries, 2, DueDate: 'soon'; expected a day such as 2026-10-31"),
    "no object": ({"Entity": "AWS"}, "InvoiceSummaries, 2, Entity: 'AWS'; expected an object"),
    "huge": (comes_to("1e15", "1"), "InvoiceSummaries, 2, BaseCurrencyAmount, TotalAmount: '1e15'; expected an amount"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_value_that_cannot_be_read_is_named_with_its_place_and_nothing_is_taken(large_desk: Desk, case: str) -> None:
    member, reason = WRONG[case]
    [found] = large_desk.read(summaries({}, member))
    assert str(found.reason).startswith(reason)
    assert (found.invoices, found.statements) == ((), ())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"InvoiceSummaries": [], "NextToken": "abc"}, "NextToken: the rest of the list"),
        ({"InvoiceSummaries": []}, "it states no invoice"),
        ({"InvoiceSummaries": "none"}, "InvoiceSummaries: 'none'; expected a list of objects"),
        ({"InvoiceSummaries": [7]}, "InvoiceSummaries: ['7']; expected a list of objects"),
    ],
)
def test_a_list_that_is_not_whole_is_rejected(large_desk: Desk, content: dict[str, Any], reason: str) -> None:
    [found] = large_desk.read(json.dumps(content))
    assert str(found.reason).startswith(reason)
