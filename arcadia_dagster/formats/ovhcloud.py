"""Bills and refunds of OVHcloud as its API gives them: a bill, or a refund, and its details, put together.

    {"kind": "ovhcloud_bill", "account": "...", "bill": {...}, "details": [...]}
    {"kind": "ovhcloud_refund", "account": "...", "refund": {...}, "details": [...]}

`bill` is the answer of `GET /me/bill/{billId}`, `details` the answers of `GET
/me/bill/{billId}/details/{billDetailId}`; `refund` that of `GET /me/refund/{refundId}`, with details likewise.
`account` may be left out. Each detail is a line with its `totalPrice`, and the `tax` is a line of tax. The sum of the
lines must equal `priceWithTax`. A price is `{"currencyCode": "EUR", "text": "45.44 €", "value": 45.44}`; its `value` is
read. A refund counts negative, whatever the sign of its prices, and names the bill that it is about (`originalBillId`).
The month is the month of most details. If no detail has a date, it is the month of `date`.
Source: OVHcloud's public API schemas billing.Bill, billing.BillDetail, billing.Refund, billing.RefundDetail and
order.Price, as its clients have them. Not confirmed by a bill of our own: that `totalPrice` is before tax (where it is
not, the bill is held), whether `periodEnd` is inclusive, for it is taken as it is, and the sign of a refund's prices.
"""

from collections.abc import Iterator
from typing import Any

from arcadia_dagster.formats.api_json import Envelope, StatingLayout, credited_sql, list_in
from arcadia_dagster.reading.json_values import Node
from arcadia_dagster.reading.statements import InvoiceStatement


class _Layout(StatingLayout):
    """A bill; see the module."""

    source = "ovhcloud"
    what = "bill"
    """The member that has the bill or the refund, and how its id is called: `billId`."""
    is_credit = "false"
    """SQL: whether it gives back what was billed."""

    def __init__(self) -> None:
        """The same fields for a bill and for a refund, but for what they are called."""
        what = self.what
        record = f"{{{{'account': account, 'bill': {what}, 'detail': {{detail}}, 'price': {{price}}, 'is_tax': {{is_tax}}}}}}"
        self.columns = {"account": "VARCHAR", what: "JSON", "details": "JSON[]"}
        self.records = (
            f"""list_concat([{record.format(detail="x", price="x->'$.totalPrice'", is_tax="false")} FOR x IN details], """
            f"""[{record.format(detail="CAST(NULL AS JSON)", price=f"{what}->'$.tax'", is_tax="true")}])"""
        )
        total, tax, price = "(bill->>'$.priceWithTax.value')", "(bill->>'$.tax.value')", "(price->>'$.value')"
        self.fields = {
            "account": "account",
            "external_id": f"bill->>'$.{what}Id'",
            "issued": "bill->>'$.date'",
            "total": credited_sql(total, is_credit=self.is_credit, total=total),
            "tax": credited_sql(tax, is_credit=self.is_credit, total=total),
            "category": f"CASE WHEN is_tax THEN 'Tax' WHEN {self.is_credit} OR starts_with({price}, '-') THEN 'Credit' "
            "ELSE 'Usage' END",
            "service": "CASE WHEN is_tax THEN 'Taxes' END",
            "description": "CASE WHEN is_tax THEN 'Tax' ELSE detail->>'$.description' END",
            "resource_id": "detail->>'$.domain'",
            "resource_name": "detail->>'$.domain'",
            "start": "detail->>'$.periodStart'",
            "end": "detail->>'$.periodEnd'",
            "quantity": "detail->>'$.quantity'",
            "amount": credited_sql(price, is_credit=self.is_credit, total=total),
            "currency": "price->>'$.currencyCode'",
            "refers_to": f"CASE WHEN {self.is_credit} THEN bill->>'$.originalBillId' END",
        }
        self.named = {
            "external_id": f"{what}.{what}Id",
            "total": f"{what}.priceWithTax",
            "issued": f"{what}.date",
            "amount": "totalPrice or tax",
            "start": "periodStart",
            "end": "periodEnd",
        }

    def stated(self, document: Node) -> Iterator[InvoiceStatement]:
        """Its prices with and without tax, and its date; a refund below 0, with the bill that it is about."""
        bill = document.object(self.what)
        is_credit = self.what == "refund"
        gross, net, tax = (
            None if (price := bill.object(name).amount("value")) is None else -abs(price) if is_credit else price
            for name in ("priceWithTax", "priceWithoutTax", "tax")
        )
        yield InvoiceStatement(
            source=self.source,
            account_id=document.text("account"),
            external_id=bill.needed_text(f"{self.what}Id"),
            currency=bill.object("priceWithTax").needed_text("currencyCode"),
            kind="credit_note" if is_credit else "invoice",
            gross=gross,
            net=net,
            tax=tax,
            issued_on=bill.local_day("date"),
            refers_to=bill.text("originalBillId") if is_credit else None,
        )

    def count(self, document: dict[str, Any]) -> int:
        """See `ApiLayout`."""
        return len(list_in(document, "details")) + 1


class _Refund(_Layout):
    """A refund."""

    what = "refund"
    is_credit = "true"


class OvhCloud(Envelope):
    """The format itself."""

    name = "ovhcloud_json"
    reading = 4
    layouts = {"ovhcloud_bill": _Layout(), "ovhcloud_refund": _Refund()}  # noqa: RUF012 - a constant
