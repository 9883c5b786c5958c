"""Bills of OVHcloud as its API gives them: a bill and its details, put together.

    {"kind": "ovhcloud_bill", "account": "...", "bill": {...}, "details": [...]}

`bill` is the answer of `GET /me/bill/{billId}`, `details` the answers of `GET /me/bill/{billId}/details/{billDetailId}`;
`account` may be left out. Each detail is a line with its `totalPrice`, and the bill's `tax` is a line of tax. They must come
to `priceWithTax`. A price is `{"currencyCode": "EUR", "text": "45.44 €", "value": 45.44}`; its `value` is read. The month is
that in which most details begin, or, where none says when, that of the bill's `date`. Refunds (`/me/refund`) have documents
of their own and are not read.
Source: OVHcloud's public API schemas billing.Bill, billing.BillDetail and order.Price, as its clients have them. Not
confirmed by a bill of our own: that `totalPrice` is before tax (where it is not, the bill is held), and whether `periodEnd`
is inclusive; it is taken as it is.
"""

from typing import Any

from arcadia_dagster.formats.api_json import ApiLayout, Envelope, list_in

_RECORD = "{{'account': account, 'bill': bill, 'detail': {detail}, 'price': {price}, 'is_tax': {is_tax}}}"


class _Layout(ApiLayout):
    """See the module."""

    source = "ovhcloud"
    columns = {"account": "VARCHAR", "bill": "JSON", "details": "JSON[]"}  # noqa: RUF012 - a constant
    records = (
        f"""list_concat([{_RECORD.format(detail="x", price="x->'$.totalPrice'", is_tax="false")} FOR x IN details], """
        f"""[{_RECORD.format(detail="CAST(NULL AS JSON)", price="bill->'$.tax'", is_tax="true")}])"""
    )
    fields = {  # noqa: RUF012
        "account": "account",
        "external_id": "bill->>'$.billId'",
        "issued": "bill->>'$.date'",
        "total": "bill->>'$.priceWithTax.value'",
        "tax": "bill->>'$.tax.value'",
        "category": "CASE WHEN is_tax THEN 'Tax' WHEN starts_with(price->>'$.value', '-') THEN 'Credit' ELSE 'Usage' END",
        "service": "CASE WHEN is_tax THEN 'Taxes' END",
        "description": "CASE WHEN is_tax THEN 'Tax' ELSE detail->>'$.description' END",
        "resource_id": "detail->>'$.domain'",
        "resource_name": "detail->>'$.domain'",
        "start": "detail->>'$.periodStart'",
        "end": "detail->>'$.periodEnd'",
        "quantity": "detail->>'$.quantity'",
        "amount": "price->>'$.value'",
        "currency": "price->>'$.currencyCode'",
    }
    named = {  # noqa: RUF012
        "external_id": "bill.billId",
        "total": "bill.priceWithTax",
        "issued": "bill.date",
        "amount": "totalPrice or tax",
        "start": "periodStart",
        "end": "periodEnd",
    }

    def count(self, document: dict[str, Any]) -> int:
        """See `ApiLayout`."""
        return len(list_in(document, "details")) + 1


class OvhCloud(Envelope):
    """The format itself."""

    name = "ovhcloud_json"
    kind = "ovhcloud_bill"
    layout = _Layout()
