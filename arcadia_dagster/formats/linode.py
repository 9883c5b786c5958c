"""Invoices of Akamai's Linode as its API gives them: an invoice and its items, put together.

    {"kind": "linode_invoice", "account": "...", "invoice": {...}, "items": [...]}

`invoice` is the answer of `GET /v4/account/invoices/{invoiceId}`, `items` what `data` has on all pages of `GET
/v4/account/invoices/{invoiceId}/items`; `account` may be left out. Each item is a line with its `amount` before tax.
Each entry of the invoice's `tax_summary` is a line of tax; if there is no entry, its `tax` is. The sum of all lines
must equal the invoice's `total`, and the sum of the tax lines its `tax`. Money is in US dollars, times are in UTC. The
invoice's month is the month of most of its items. An invoice that gives money back has negative amounts. A payment
(`GET /v4/account/payments`) is not an invoice and is not read.
Source: the public API description of Linode (schemas Invoice and InvoiceItem). Not confirmed by an invoice of our own:
that an item's label ends with the resource's name and id, and that items without tax always come to `subtotal`; where
they do not, the invoice is held.
"""

from collections.abc import Iterator
from typing import Any

from arcadia_dagster.formats.api_json import Envelope, StatingLayout, list_in
from arcadia_dagster.reading.json_values import Node
from arcadia_dagster.reading.statements import InvoiceStatement, StatedTax

_CURRENCY = "USD"
_TAXES = "CAST(invoice->'$.tax_summary' AS JSON[])"
_HAS_TAXES = "coalesce(json_array_length(invoice->'$.tax_summary'), 0) > 0"
_RECORD = "{{'account': account, 'invoice': invoice, 'item': {item}, 'is_tax': {is_tax}}}"


class _Layout(StatingLayout):
    """See the module."""

    source = "linode"
    columns = {"account": "VARCHAR", "invoice": "JSON", "items": "JSON[]"}  # noqa: RUF012 - a constant
    records = (
        f"list_concat([{_RECORD.format(item='x', is_tax='false')} FOR x IN items], "
        f"CASE WHEN {_HAS_TAXES} THEN [{_RECORD.format(item='x', is_tax='true')} FOR x IN {_TAXES}] "
        f"ELSE [{_RECORD.format(item='invoice', is_tax='true')}] END)"
    )
    fields = {  # noqa: RUF012
        "account": "account",
        "external_id": "invoice->>'$.id'",
        "issued": "invoice->>'$.date'",
        "total": "invoice->>'$.total'",
        "tax": "invoice->>'$.tax'",
        "category": "CASE WHEN is_tax THEN 'Tax' WHEN starts_with(item->>'$.amount', '-') THEN 'Credit' ELSE 'Usage' END",
        "service": "CASE WHEN is_tax THEN 'Taxes' ELSE regexp_replace(item->>'$.label', ' - [^ ]+ \\(\\d+\\)$', '') END",
        "description": "CASE WHEN is_tax THEN coalesce(item->>'$.name', 'Tax') ELSE item->>'$.label' END",
        "resource_id": "CASE WHEN NOT is_tax THEN regexp_extract(item->>'$.label', ' \\((\\d+)\\)$', 1) END",
        "resource_name": "CASE WHEN NOT is_tax THEN regexp_extract(item->>'$.label', '([^ ]+) \\(\\d+\\)$', 1) END",
        "start": "CASE WHEN NOT is_tax THEN item->>'$.from' END",
        "end": "CASE WHEN NOT is_tax THEN item->>'$.to' END",
        "quantity": "CASE WHEN NOT is_tax THEN item->>'$.quantity' END",
        "unit": "CASE item->>'$.type' WHEN 'hourly' THEN 'Hours' END",
        "amount": "CASE WHEN is_tax THEN item->>'$.tax' ELSE item->>'$.amount' END",
        "currency": f"'{_CURRENCY}'",
    }
    named = {"external_id": "invoice.id", "total": "invoice.total", "tax": "invoice.tax", "issued": "invoice.date"}  # noqa: RUF012

    def stated(self, document: Node) -> Iterator[InvoiceStatement]:
        """Its total, its tax by name, and its date."""
        invoice = document.object("invoice")
        gross = invoice.amount("total")
        yield InvoiceStatement(
            source=self.source,
            account_id=document.text("account"),
            external_id=invoice.needed_text("id"),
            currency=_CURRENCY,
            kind="credit_note" if gross is not None and gross < 0 else "invoice",
            gross=gross,
            net=invoice.amount("subtotal"),
            tax=invoice.amount("tax"),
            taxes=tuple(
                StatedTax(None, None, None, tax.amount("tax"), tax.text("name"))
                for tax in invoice.list("tax_summary", default=())
            ),
            issued_on=invoice.local_day("date"),
        )

    def count(self, document: dict[str, Any]) -> int:
        """See `ApiLayout`."""
        invoice = document.get("invoice")
        taxes = invoice.get("tax_summary") if isinstance(invoice, dict) else None
        return len(list_in(document, "items")) + (len(taxes) if isinstance(taxes, list) and taxes else 1)


class Linode(Envelope):
    """The format itself."""

    name = "linode_json"
    reading = 4
    layouts = {"linode_invoice": _Layout()}  # noqa: RUF012 - a constant
