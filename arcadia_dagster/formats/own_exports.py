"""This program's own FOCUS files and exports, dropped back into an inbox: they are always rejected.

    BilledCost,BillingAccountId,...,SubAccountName,x_DocumentSha256,x_LineNumber
    "invoice_month","source","account_id","external_id",...,"document_sha256"

Their lines are those of documents that are there already, and would be counted again under another source. They are recognised
by columns that no provider has, in any order and with any delimiter. FOCUS files of the first version without those columns are
recognised by the words that they have where an invoice states nothing.
"""

import csv
import re
from collections.abc import Sequence

from arcadia_dagster.reading.format import Head, NameFacts, Refusal

_OF_FOCUS = "x_documentsha256"
"""A custom column of our FOCUS files, in small letters."""

_OF_TABLES = "document_sha256"
"""A column of the warehouse's tables that are about invoices, and of `arcadia export`; beside it one of these."""
_BESIDE = frozenset({"external_id", "line_number", "invoice_month", "invoice_ordinal", "inbox_path"})

# The first version's Invoice Detail has no column of its own. Its Parquet has these columns with these types, in this order.
_DETAIL = {
    "billedcost": "DECIMAL(38,18)",
    "billingaccountid": "VARCHAR",
    "billingcurrency": "VARCHAR",
    "billingperiodend": "TIMESTAMP WITH TIME ZONE",
    "billingperiodstart": "TIMESTAMP WITH TIME ZONE",
    "chargecategory": "VARCHAR",
    "invoicedetailcreated": "TIMESTAMP WITH TIME ZONE",
    "invoicedetaildescription": "VARCHAR",
    "invoicedetailgrain": "VARCHAR",
    "invoicedetailid": "VARCHAR",
    "invoicedetaillastupdated": "TIMESTAMP WITH TIME ZONE",
    "invoiceid": "VARCHAR",
    "invoiceissuedate": "TIMESTAMP WITH TIME ZONE",
    "invoiceissuestatus": "VARCHAR",
    "invoiceissuername": "VARCHAR",
    "paymentduedate": "TIMESTAMP WITH TIME ZONE",
    "paymentterms": "VARCHAR",
    "referenceinvoiceid": "VARCHAR",
}

_SAID = frozenset({("billingaccounttype", "Not stated"), ("paymentterms", "Not stated")})
"""Our FOCUS files' words in mandatory columns for which an invoice has nothing; other providers have these columns too."""

_LINES = 30
"""How many lines from the beginning are looked at: people write lines above a header."""

_TEXT = (
    "it is an export of this program, with lines that are there already: nothing of it is taken. Take it out of the inbox, and "
    "write exports elsewhere; `arcadia dismiss 'FILE NAME' --reason ...` takes it off the list"
)


class OwnExports:
    """The format itself: nothing of it is read."""

    name = "arcadia_export"
    reading = 2

    def recognise(self, head: Head) -> Refusal | None:
        """Known by its columns."""
        return Refusal(_TEXT, stands=True) if _is_ours(head) else None

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """It states no invoice of its own."""
        return None


def _is_ours(head: Head) -> bool:
    if head.columns is not None:
        columns = [(name.lower(), type_) for name, type_ in head.columns.items()]
        return _has_our_columns([name for name, _ in columns]) or columns == list(_DETAIL.items())
    # Most documents have none of these words, and need not be taken apart.
    text = head.text.lower()
    if not any(word in text for word in (_OF_FOCUS, _OF_TABLES, "billedcost")):
        return False
    if head.text.lstrip().startswith(("{", "[")):
        # One object a line, too.
        return _has_our_columns([name.lower() for name in re.findall(r'"(\w+)"\s*:', head.text)])
    lines = [_fields(line) for line in head.text.splitlines()[:_LINES]]
    if any(_has_our_columns([name.lower() for name in fields]) for fields in lines):
        return True
    header = [name.lower() for name in next((fields for fields in lines if "BilledCost" in fields), [])]
    return any(not _SAID.isdisjoint(zip(header, fields, strict=False)) for fields in lines)


def _has_our_columns(names: Sequence[str]) -> bool:
    return _OF_FOCUS in names or (_OF_TABLES in names and not _BESIDE.isdisjoint(names))


def _fields(line: str) -> list[str]:
    """The values of a line of CSV, whatever separates them; a value in quotes that spans lines is cut off."""
    delimiter = max(",;\t|", key=line.count)
    try:
        return [value.strip() for value in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []
