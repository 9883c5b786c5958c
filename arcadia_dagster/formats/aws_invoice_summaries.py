"""AWS's own statement of its invoices: what `aws invoicing list-invoice-summaries` prints, and the API of that name answers.

    {"InvoiceSummaries": [{"AccountId": "111122223333", "InvoiceId": "EUINGB26-1001", "InvoiceType": "INVOICE",
     "IssuedDate": ..., "DueDate": ..., "Entity": {"InvoicingEntity": "Amazon Web Services EMEA SARL"},
     "BillingPeriod": {"Month": 10, "Year": 2026}, "BaseCurrencyAmount": {"TotalAmount": "119.00",
     "TotalAmountBeforeTax": "100.00", "CurrencyCode": "USD", "AmountBreakdown": {"Taxes": {"Breakdown":
     [{"Description": "VAT", "Amount": "19.00", "Rate": "19"}], "TotalAmount": "19.00"}}}, "PaymentCurrencyAmount": {...}}]}

It states each invoice and credit memo as AWS issued it, in its base currency. This is also the currency of cost and
usage reports, and the program compares their lines with it. It also keeps the amount that is paid in another currency,
and the rate. It does not read the amounts in the currency of the tax authority, because they repeat the same amounts.
An invoice whose net and tax do not come to its total is held.
It leaves out a payment receipt, which is not an invoice. A tax invoice names its commercial invoice and counts as a
statement of it. An invoice that the tax authority knows as cancelled is voided. Times are ISO 8601, as the command line
prints them, or seconds since 1970, as the API answers.
Source: the public API reference of AWS Invoicing 2024-12-01, ListInvoiceSummaries, and the service's model of that
version in AWS's own client. Not confirmed by an invoice of our own: whether the amounts of a credit memo have a sign
(they count below 0 either way), and that a tax invoice's amounts are those of its commercial invoice (where they are
not, the two are held).
"""

import calendar
from datetime import date
from decimal import Decimal
from pathlib import Path

from arcadia_dagster.reading.format import Head, NameFacts, UnreadableError
from arcadia_dagster.reading.json_document import exact_json_object
from arcadia_dagster.reading.json_values import Node
from arcadia_dagster.reading.statements import InvoiceStatement, Kind, StatedTax, StatementsOnly

_LIST = "InvoiceSummaries"
_KINDS: dict[str, Kind] = {"INVOICE": "invoice", "CREDIT_MEMO": "credit_note"}
_RECEIPT = "PAYMENT_RECEIPT"
_CANCELLED = "CANCELLED"
_SOURCE = "aws"
_SELLER = "Amazon Web Services"


class AwsInvoiceSummaries:
    """The format itself."""

    name = "aws_invoice_summaries"
    reading = 2

    def recognise(self, head: Head) -> "_Summaries | None":
        """Known by the member that is the list."""
        return _Summaries() if isinstance(head.json, dict) and _LIST in head.json else None

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """The document tells all itself."""
        return None


class _Summaries(StatementsOnly):
    def statements(self, path: Path) -> list[InvoiceStatement]:
        document = Node(exact_json_object(path))
        if document.text("NextToken"):
            raise UnreadableError("NextToken: the rest of the list is not in this file; expected all of it")
        return [_statement(summary) for summary in document.list(_LIST) if summary.text("InvoiceType") != _RECEIPT]


def _statement(invoice: Node) -> InvoiceStatement:
    base = invoice.object("BaseCurrencyAmount")
    paid = invoice.object("PaymentCurrencyAmount")
    kind = invoice.one_of("InvoiceType", _KINDS)
    sign = -1 if kind == "credit_note" else 1
    currency = base.needed_text("CurrencyCode")
    gross, net = (_signed(base.amount(name), sign) for name in ("TotalAmount", "TotalAmountBeforeTax"))
    if gross is None:
        raise UnreadableError(f"{base.place}: TotalAmount is missing; expected an amount")
    taxes = base.object("AmountBreakdown").object("Taxes")
    seller = invoice.object("Entity").text("InvoicingEntity") or _SELLER
    period = invoice.object("BillingPeriod")
    start = _first_day(period)
    commercial = invoice.text("CommercialInvoiceId")
    other = paid.text("CurrencyCode")
    named_tax = _signed(taxes.amount("TotalAmount"), sign)
    is_paid_otherwise = other is not None and other != currency
    return InvoiceStatement(
        source=_SOURCE,
        account_id=invoice.text("AccountId"),
        external_id=commercial or invoice.needed_text("InvoiceId"),
        invoice_number=None if commercial is None else invoice.needed_text("InvoiceId"),
        currency=currency,
        kind=kind,
        status="voided" if invoice.text("TaxAuthorityStatus") == _CANCELLED else "issued",
        gross=gross,
        net=net,
        tax=named_tax if named_tax is not None or net is None else gross - net,
        taxes=tuple(
            StatedTax(
                category=None,
                rate=tax.amount("Rate"),
                taxable=None,
                amount=_signed(tax.amount("Amount"), sign),
                reason=tax.text("Description"),
            )
            for tax in taxes.list("Breakdown", default=())
        ),
        issued_on=invoice.day("IssuedDate"),
        due_on=invoice.day("DueDate"),
        period_start=start,
        period_end=None if start is None else start.replace(day=calendar.monthrange(start.year, start.month)[1]),
        purchase_order=invoice.text("PurchaseOrderNumber"),
        seller_name=seller,
        refers_to=invoice.text("OriginalInvoiceId"),
        payment_currency=other if is_paid_otherwise else None,
        payment_amount=_signed(paid.amount("TotalAmount"), sign) if is_paid_otherwise else None,
        payment_rate=_rate(paid.object("CurrencyExchangeDetails"), currency, other) if is_paid_otherwise else None,
    )


def _signed(amount: Decimal | None, sign: int) -> Decimal | None:
    return None if amount is None else abs(amount) * sign if sign < 0 else amount


def _rate(exchange: Node, currency: str, other: str | None) -> Decimal | None:
    """What one unit of the currency is in the other; None where the rate is that of the other direction."""
    is_of_it = exchange.text("SourceCurrencyCode") in {None, currency} and exchange.text("TargetCurrencyCode") in {
        None,
        other,
    }
    return exchange.amount("Rate") if is_of_it else None


def _first_day(period: Node) -> date | None:
    year, month = (period.whole(name) for name in ("Year", "Month"))
    if year is None or month is None:
        return None
    try:
        return date(year, month, 1)
    except ValueError as error:
        raise UnreadableError(f"{period.place}: month {month} of {year}; expected a month") from error
