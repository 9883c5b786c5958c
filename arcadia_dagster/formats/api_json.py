"""Invoices in JSON as a provider's API answers: what the formats of such providers have in common.

A provider's module says how its documents begin, which records they have, and where in them each field is. Money in them is a
JSON number, which most programs, DuckDB too, read as a binary fraction: the documents are written anew with all numbers as text,
so that every digit is read.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from arcadia_dagster.billing.periods import month_sql
from arcadia_dagster.reading import amounts, timestamps
from arcadia_dagster.reading.bad_values import bad_sql, first_bad_sql
from arcadia_dagster.reading.format import MAX_JSON_BYTES, Head, NameFacts, Rewritten, UnreadableError
from arcadia_dagster.reading.json_document import exact_json_object
from arcadia_dagster.reading.json_values import Node
from arcadia_dagster.reading.statements import InvoiceStatement, Statements
from arcadia_dagster.store.query import text_literal

FIELDS = (
    *(
        "account",
        "external_id",
        "invoice_number",
        "month",
        "issued",
        "total",
        "tax",
        "category",
        "service",
        "description",
    ),
    *(
        "project",
        "resource_id",
        "resource_name",
        "resource_type",
        "start",
        "end",
        "quantity",
        "unit",
        "amount",
        "currency",
    ),
    *("draft", "withdrawn", "refers_to", "doubt", "source", "vendor"),
)
"""The fields of a record that `ApiLayout.fields` may give, each as SQL for text. All but category and description may be left
out. The last six are of its invoice: any text if it is not issued yet; the provider's word for a withdrawn one; the invoice
that a credit note is about; the doubt that holds it until a person releases it; and its issuer, if documents of the layout are
from several: the source in finance, and the name.
"""

_NEEDED = ("external_id", "total", "amount", "currency")


class ApiLayout(Rewritten):
    """How the documents of one provider's API are read.

    In the SQL of `records`, the names are those of `columns`; in that of `fields` they are the members of a record.
    """

    source: str
    columns: dict[str, str]
    """The members of the document that are read, with their types for DuckDB."""
    records: str
    """SQL: the list of the document's records, each a struct; each becomes a line."""
    fields: dict[str, str]
    named: dict[str, str]
    """The fields' names in the document, for problems; a field that is missing here has the same name there."""
    yields = False
    """Whether its lines count only where no other document has lines of the invoice."""

    @abstractmethod
    def count(self, document: dict[str, Any]) -> int:
        """How many records the document has, as Python counts them."""

    def document(self, path: Path) -> dict[str, Any]:
        """The document in the shape that `columns` describes, its numbers as text.

        Raises:
            UnreadableError: It is not what it seemed.
        """
        return exact_json_object(path)

    def rewrite(self, document: Path, target: Path) -> None:
        """See `format.Rewritten`: numbers become text."""
        text = json.dumps(self.document(document), ensure_ascii=False, separators=(",", ":"))
        target.write_text(text, encoding="utf-8")

    def lines_sql(self, paths: Sequence[Path], *, compression: str, options: str) -> str:  # noqa: ARG002 - of CSV only
        """See `format.Layout`."""
        files = ", ".join(text_literal(str(path)) for path in paths)
        columns = ", ".join(f"{name}: '{type_}'" for name, type_ in self.columns.items())
        texts = ", ".join(f"nullif(trim({self.fields.get(name, 'NULL')}), '') AS {name}_text" for name in FIELDS)
        return f"""
        SELECT
          path,
          external_id_text AS invoice_key,
          category_text AS typed_category,
          service_text AS service_name,
          coalesce(description_text, '') AS description,
          project_text AS project,
          resource_id_text AS resource_id,
          resource_name_text AS resource_name,
          resource_type_text AS resource_type,
          charge_period_start,
          CASE WHEN minute(stated_end) = 59 AND second(stated_end) = 59 THEN stated_end + INTERVAL 1 SECOND
            ELSE stated_end END AS charge_period_end,
          quantity,
          CASE WHEN quantity IS NOT NULL THEN unit_text END AS unit,
          amount,
          is_rounded,
          currency_text AS currency,
          false AS is_control,
          bad.bad_column,
          bad.bad_value,
          bad.expected,
          CAST(NULL AS VARCHAR) AS doubt,
          account_text,
          invoice_number_text,
          draft_text,
          withdrawn_text,
          refers_to_text,
          doubt_text,
          source_text,
          vendor_text,
          {month_sql("stated_month", "CAST(NULL AS TIMESTAMP)")} AS stated_month,
          -- The day where it was issued: midnight there may be the evening before in UTC.
          CASE WHEN stated_issue IS NOT NULL THEN CAST(left(issued_text, 10) AS DATE) END AS issued_on,
          stated_total,
          stated_tax
        FROM (
          SELECT *, {self._bad_sql()} AS bad
          FROM (
            SELECT
              *,
              {amounts.amount_sql("amount_text")} AS amount,
              {amounts.is_rounded_sql("amount_text")} AS is_rounded,
              {amounts.quantity_sql("quantity_text")} AS quantity,
              {amounts.amount_sql("total_text")} AS stated_total,
              {amounts.amount_sql("tax_text")} AS stated_tax,
              {timestamps.utc_unless_stated_sql("start_text")} AS charge_period_start,
              {timestamps.utc_unless_stated_sql("end_text")} AS stated_end,
              {timestamps.utc_unless_stated_sql("month_text")} AS stated_month,
              {timestamps.utc_unless_stated_sql("issued_text")} AS stated_issue
            FROM (
              SELECT path, {texts}
              FROM (
                SELECT path, unnest(records, max_depth := 2)
                FROM (
                  SELECT filename AS path, {self.records} AS records
                  FROM read_json([{files}], format = 'unstructured', records = 'true', filename = true,
                    columns = {{{columns}}}, maximum_object_size = {2 * MAX_JSON_BYTES}, compression = 'uncompressed')
                )
              )
            )
          )
        )
        """

    def invoices_sql(self, lines: str) -> str | None:
        """Where no line has a start, the month is that of the day on which the invoice was issued."""
        return f"""
        SELECT document_sha256, invoice_key, any_value(invoice_key) AS external_id,
          coalesce(any_value(invoice_number_text), any_value(invoice_key)) AS invoice_number,
          any_value(account_text) AS account_id,
          coalesce(any_value(stated_month), CASE WHEN count(charge_period_start) FILTER (charge_category <> 'Tax') = 0
            THEN CAST(date_trunc('month', any_value(issued_on)) AS DATE) END) AS month,
          any_value(issued_on) AS issued_on, any_value(stated_total) AS stated_total, any_value(stated_tax) AS stated_tax,
          count(issued_on) > 0 AND count(draft_text) = 0 AS is_final, any_value(withdrawn_text) AS withdrawn,
          any_value(refers_to_text) AS refers_to, list_filter([any_value(doubt_text)], lambda doubt: doubt IS NOT NULL) AS doubts,
          coalesce(any_value(source_text), {text_literal(self.source)}) AS source, any_value(vendor_text) AS vendor_name,
          {self.yields} AS yields
        FROM {lines} GROUP BY document_sha256, invoice_key
        """

    def lines_in(self, path: Path) -> int:
        """As many as Python finds."""
        return self.count(self.document(path))

    def _bad_sql(self) -> str:
        """The first value of the record that cannot be read."""
        arms = [
            self._bad("amount", "amount IS NULL", amounts.EXPECTED_PLAIN),
            self._bad(
                "currency", "NOT coalesce(regexp_full_match(currency_text, '[A-Z]{3}'), false)", "an ISO 4217 code"
            ),
            self._bad("external_id", "external_id_text IS NULL", "the invoice's id"),
            self._bad("total", "stated_total IS NULL", amounts.EXPECTED_PLAIN),
            self._bad("tax", "stated_tax IS NULL AND tax_text IS NOT NULL", amounts.EXPECTED_PLAIN),
            self._bad("quantity", "quantity IS NULL AND quantity_text IS NOT NULL", "a number, or nothing"),
            self._bad("month", "stated_month IS NULL AND month_text IS NOT NULL", "a month such as 2026-04"),
            self._bad("issued", "stated_issue IS NULL AND issued_text IS NOT NULL", timestamps.EXPECTED_UTC),
            self._bad("start", "charge_period_start IS NULL AND start_text IS NOT NULL", timestamps.EXPECTED_UTC),
            self._bad("end", "stated_end IS NULL AND end_text IS NOT NULL", timestamps.EXPECTED_UTC),
            self._bad("end", "stated_end < charge_period_start", "a time not before the start"),
        ]
        return first_bad_sql(arms)

    def _bad(self, field: str, condition: str, expected: str) -> str:
        return bad_sql(condition, self.named.get(field, field), f"{field}_text", expected)


class StatingLayout(ApiLayout, Statements):
    """A layout for a provider whose API states more of an invoice than its lines."""

    @abstractmethod
    def stated(self, document: Node) -> Iterator[InvoiceStatement]:
        """What the document states of its invoices, in their order."""

    def statements(self, path: Path) -> list[InvoiceStatement]:
        """See `reading.statements.Statements`; a repeated invoice counts once."""
        by_id: dict[str, InvoiceStatement] = {}
        for invoice in self.stated(Node(self.document(path))):
            by_id.setdefault(invoice.external_id, invoice)
        return list(by_id.values())


def credited_sql(amount: str, *, is_credit: str, total: str) -> str:
    """SQL: the text of an amount, negated for a credit note that states its refund as positive.

    Args:
        amount: SQL: the text of the amount.
        is_credit: SQL: whether its document is a credit note.
        total: SQL: the text of the document's total, whose sign tells how it states them all.
    """
    turned = f"CASE WHEN starts_with({amount}, '-') THEN substr({amount}, 2) ELSE '-' || {amount} END"
    return f"CASE WHEN {is_credit} AND NOT starts_with({total}, '-') THEN {turned} ELSE {amount} END"


class ApiFormat(ABC):
    """The format of the documents of a provider's API."""

    name: str

    @abstractmethod
    def recognise(self, head: Head) -> ApiLayout | None:
        """Recognised by members that no other provider's documents have."""

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """Everything is in the document."""
        return None


class Envelope(ApiFormat):
    """The format of documents that join an invoice and its items from two answers; `kind` names the provider."""

    layouts: Mapping[str, ApiLayout]

    def recognise(self, head: Head) -> ApiLayout | None:
        """Known by its `kind`."""
        kind = head.json.get("kind") if isinstance(head.json, dict) else None
        return self.layouts.get(kind) if isinstance(kind, str) else None


def list_in(document: dict[str, Any], name: str) -> list[Any]:
    """The list that a member of the document is.

    Raises:
        UnreadableError: It is none, or empty.
    """
    members = document.get(name)
    if not isinstance(members, list) or not members:
        raise UnreadableError(f"{name}: {members!r:.60}; expected a list of at least one")
    return members
