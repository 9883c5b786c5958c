"""The normalised invoice that finance gets, and the hash that tells whether finance has it already.

The same facts always give the same payload: nothing in it comes from the clock, an attempt count or chance. The hash covers the
business fields, and what issuers state besides; the evidence (line count, document) may change without anything to tell
finance, as when the same invoice is exported again with other line ends.
"""

from collections.abc import Mapping
from typing import Any

VENDOR_CATEGORY = "cloud"

BUSINESS_FIELDS = (
    "source",
    "external_id",
    "invoice_number",
    "vendor_name",
    "currency",
    "amount_gross_minor",
    "amount_net_minor",
    "amount_tax_minor",
    "issued_on",
    "period_start",
    "period_end",
)
"""What the hash covers, in this order, joined by the unit separator U+001F; a missing value is empty."""

TERMS = ("due_on", "purchase_order", "seller_tax_id", "buyer_tax_id", "kind", "reference")
"""What issuers state besides. The hash covers each term that is known, as `name=value` behind the business fields, so an
invoice without known terms keeps the hash of earlier versions. The kind `invoice` counts as not known (`NO_NEWS`)."""

NO_NEWS = {"kind": "invoice"}
"""The values of `TERMS` that are as good as not known."""

SYNTHETIC_ACCOUNT = "0000000"
"""The account of sample documents, which no real account has: they may go to a sandbox only."""


def build(invoice: Mapping[str, Any], *, with_optional_fields: bool = True) -> dict[str, Any]:
    """The body of the request, as finance-contract has it: dates as ISO 8601 text, amounts as integers in minor units.

    Args:
        invoice: A row of `warehouse.relations.ready_invoices_sql`.
        with_optional_fields: Whether to send what finance does not need to tell invoices apart: number, dates, evidence, and
            the `TERMS` as far as they are known.
    """
    needed = {
        "source": invoice["source"],
        "external_id": invoice["external_id"],
        "vendor": {"name": invoice["vendor_name"], "category": VENDOR_CATEGORY},
        "currency": invoice["currency"],
        "amount_gross_minor": invoice["amount_gross_minor"],
        "amount_net_minor": invoice["amount_net_minor"],
        "amount_tax_minor": invoice["amount_tax_minor"],
    }
    if not with_optional_fields:
        return needed
    return {
        **needed,
        "invoice_number": invoice["invoice_number"],
        **{name: _date(invoice[name]) for name in ("issued_on", "period_start", "period_end")},
        "line_count": invoice["line_count"],
        "document_sha256": invoice["document_sha256"],
        **{name: invoice[name] for name in TERMS if name != "due_on" and invoice[name] is not None},
        **({} if invoice["due_on"] is None else {"due_on": _date(invoice["due_on"])}),
    }


def _date(value: Any) -> str | None:  # noqa: ANN401 - a date of the database, or nothing
    return None if value is None else str(value.isoformat())
