"""The normalised invoice that finance gets, and the hash that tells whether finance has it already.

The same facts always give the same payload: nothing in it comes from the clock, an attempt count or chance. The hash covers the
business fields, and what issuers state besides; the evidence (line count, document) may change without anything to tell
finance, as when the same invoice is exported again with other line ends.
"""

from collections.abc import Mapping
from typing import Any

from arcadia_dagster.billing.vendors import vendor_sql

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
"""What issuers state besides. The hash covers what is known of it, as `name=value` behind the others, so that an invoice of which
nothing is known has the hash that it had before there were terms. That it is no credit note is not news to finance."""

_NO_NEWS = {"kind": "invoice"}

SYNTHETIC_ACCOUNT = "0000000"
"""The account of sample documents, which no real account has: they may go to a sandbox only."""


_REFERRED = """
      SELECT note.source, note.account_id, note.external_id, part.tenant_id,
        arg_min(part.finance_external_id, (part.account_id <> note.account_id, part.account_id, part.finance_external_id))
          AS reference
      FROM (FROM invoice_terms WHERE refers_to IS NOT NULL) AS note
      JOIN (
        SELECT DISTINCT source, account_id, external_id, unnest([external_id, stated_id, invoice_number]) AS name
        FROM current_invoices
      ) AS named ON named.source = note.source AND named.name = note.refers_to
      JOIN allocations AS part
        ON part.source = named.source AND part.account_id = named.account_id AND part.external_id = named.external_id
      WHERE (named.account_id, named.external_id) <> (note.account_id, note.external_id)
      GROUP BY ALL"""
"""SQL: by what id finance knows the invoice that one refers to, for each tenant; no row where we have no such invoice."""


def ready_invoices_sql() -> str:
    """SQL: every invoice that is ready to be pushed, with the fields of its payload and `payload_sha256`; a row for each part.

    `tenant_id` is who bears it, `external_id` what finance knows it by, `invoice_external_id` the invoice's own id, and
    `projects` what the part bears.

    Totals wait where the register says otherwise by now: the document was dismissed, the invoice has another id or month,
    or was voided; and where their month is not built yet from the lines, or by the routes, as they are now.
    """
    fields = ", ".join(
        [
            *(f"coalesce(CAST({name} AS VARCHAR), '')" for name in BUSINESS_FIELDS),
            *(f"'{name}=' || nullif(CAST({name} AS VARCHAR), '{_NO_NEWS.get(name, '')}')" for name in TERMS),
        ]
    )
    return f"""
    SELECT *, sha256(concat_ws(chr(31), {fields})) AS payload_sha256
    FROM (
      SELECT total.source, total.account_id, total.external_id AS invoice_external_id, total.invoice_month, total.currency,
        part.tenant_id, part.finance_external_id AS external_id, part.projects, part.amount_gross_minor,
        part.amount_net_minor, part.amount_tax_minor, part.line_count,
        total.document_sha256, raw.invoice_number, raw.issued_on, raw.period_start, raw.period_end,
        {vendor_sql("total.source", "raw.vendor_name", "raw.vendor_by_rule")} AS vendor_name,
        terms.due_on, terms.purchase_order, terms.seller_tax_id, terms.buyer_tax_id, terms.kind,
        coalesce(referred.reference, terms.refers_to) AS reference
      FROM tax_split_totals AS total
      JOIN current_invoices AS raw USING (source, account_id, external_id, document_sha256, invoice_month)
      JOIN allocations AS part USING (source, account_id, external_id, invoice_month)
      LEFT JOIN invoice_terms AS terms USING (source, account_id, external_id)
      LEFT JOIN ({_REFERRED}) AS referred
        ON referred.source = total.source AND referred.account_id = total.account_id
        AND referred.external_id = total.external_id AND referred.tenant_id = part.tenant_id
      SEMI JOIN document_invoices AS stated
        ON stated.source = total.source AND stated.account_id = total.account_id
        AND stated.external_id = total.external_id AND stated.document_sha256 = total.document_sha256
        AND (stated.invoice_month = total.invoice_month OR stated.may_be_part)
      ANTI JOIN void_invoices USING (source, account_id, external_id)
      ANTI JOIN (
        SELECT lines.invoice_month FROM (FROM stage_versions WHERE stage = 'cost_lines') AS lines
        LEFT JOIN (FROM stage_versions WHERE stage = 'tax_split_totals') AS totals USING (invoice_month)
        WHERE totals.built_from IS NULL OR totals.built_from < lines.version
      ) AS behind USING (invoice_month)
      WHERE total.status = 'ready'
    )
    """


def build(invoice: Mapping[str, Any], *, with_optional_fields: bool = True) -> dict[str, Any]:
    """The body of the request, as finance-contract has it: dates as ISO 8601 text, amounts as integers in minor units.

    Args:
        invoice: A row of `ready_invoices_sql`.
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
