"""Which columns each column is made of: from finance's record back to the document.

A column comes from the column of the same name in the table before; every other source of a column stands here.
"""

from collections.abc import Mapping
from typing import Final

from arcadia_dagster.store.table import Table
from arcadia_dagster.warehouse import schema

_DOCUMENT: Final = "documents.document_sha256"
_FILE_NAME: Final = "documents.file_name"
_AMOUNT: Final = ("cost_lines.amount", "cost_lines.currency")
_TAX: Final = (*_AMOUNT, "cost_lines.charge_category")
_RESOURCE: Final = ("cloud_resources.resource_id", "cloud_resources.resource_name", "cloud_resources.account_id")
_SPLIT: Final = tuple(
    f"tax_split_totals.{name}"
    for name in ("amount_gross_minor", "amount_net_minor", "amount_tax_minor", "currency", "external_id", "source")
)

# The document's bytes state it, or else a provider's file name.
_NAMED: Final = dict.fromkeys(("account_id", "external_id", "invoice_number", "invoice_month"), (_DOCUMENT, _FILE_NAME))

_MADE_OF: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "raw_invoices": {
        **{column.name: (_DOCUMENT,) for column in schema.RAW_INVOICES.columns},
        **_NAMED,
        "names_conflict": (_FILE_NAME,),
        "status": ("documents.received_at", "documents.status"),
        "period_start": (_DOCUMENT, _FILE_NAME),
        "period_end": (_DOCUMENT, _FILE_NAME),
    },
    "cloud_resources": {
        **{column.name: (_DOCUMENT,) for column in schema.CLOUD_RESOURCES.columns},
        "first_seen_at": ("documents.received_at",),
        "last_seen_at": ("documents.received_at",),
    },
    "cost_lines": {
        # The archived document has the lines; the invoice says which document is current.
        **{column.name: ("raw_invoices.document_sha256",) for column in schema.COST_LINES.columns},
        "matched_resource_id": ("raw_invoices.document_sha256", *_RESOURCE),
        "match_method": ("raw_invoices.document_sha256", *_RESOURCE),
    },
    "tax_split_totals": {
        "currency": ("cost_lines.currency",),
        "amount_gross_minor": _AMOUNT,
        "amount_net_minor": _TAX,
        "amount_tax_minor": _TAX,
        "amount_gross": ("cost_lines.amount",),
        "amount_tax": ("cost_lines.amount", "cost_lines.charge_category"),
        "line_count": ("cost_lines.line_number",),
        "lines_gross_minor": ("cost_lines.amount", "cost_lines.added_by"),
        **dict.fromkeys(
            ("stated_gross_minor", "stated_tax_minor"), ("raw_invoices.stated_total", "raw_invoices.stated_tax")
        ),
        "stated_by": ("raw_invoices.stated_by",),
        "conflict": ("cost_lines.external_id",),
        "is_nothing": ("raw_invoices.is_final", "raw_invoices.withdrawn", "cost_lines.amount"),
        "status": _TAX,
        "hold_reasons": _TAX,
        "can_release": _TAX,
        "awaits_approval": _TAX,
        "released_reasons": _TAX,
    },
    "finance_records": {
        "payload_sha256": _SPLIT,
        # A split invoice's parts follow from its totals and its lines' projects.
        "external_id": ("tax_split_totals.external_id", "cost_lines.project"),
        "invoice_external_id": ("tax_split_totals.external_id",),
        "tenant_id": ("tax_split_totals.source", "tax_split_totals.account_id", "cost_lines.project"),
        "projects": ("cost_lines.project",),
        "state": ("tax_split_totals.status",),
        # Finance's answer to what was pushed.
        **dict.fromkeys(("action", "finance_invoice_id", "finance_vendor_id", "pushed_to_finance_at"), _SPLIT),
    },
}

_OTHER_MEANING: Final[Mapping[str, set[str]]] = {
    "raw_invoices": {"invoice_month", "status"},
    "cloud_resources": set(),
    "cost_lines": set(),
    "tax_split_totals": set(),
    "finance_records": {"external_id"},
}

_BEFORE: Final[Mapping[str, Table]] = {
    "raw_invoices": schema.DOCUMENTS,
    "cloud_resources": schema.DOCUMENTS,
    "cost_lines": schema.RAW_INVOICES,
    "tax_split_totals": schema.COST_LINES,
    "finance_records": schema.TAX_SPLIT_TOTALS,
}


def lineage(table: Table) -> dict[str, list[tuple[str, str]]]:
    """For each column that is made of others, the tables and columns that it is made of."""
    before = _BEFORE.get(table.name)
    if before is None:
        return {}
    # Some names have another meaning in the table before.
    handed_on = {column.name for column in before.columns} - _OTHER_MEANING[table.name]
    columns = {}
    for column in (column.name for column in table.columns):
        names = (f"{before.name}.{column}",) if column in handed_on else _MADE_OF[table.name].get(column, ())
        if names:
            columns[column] = [(name.partition(".")[0], name.partition(".")[2]) for name in names]
    return columns
