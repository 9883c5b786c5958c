"""DigitalOcean's invoices as its API gives them: with their summary as `arcadia fetch` puts them together, or items alone.

    {"invoice": {entry of the list}, "items": [...], "kind": "digitalocean_invoice", "summary": {...}}
    {"invoice_items": [...], "links": ..., "meta": ...}

`doctl invoice get UUID --output json` writes the second form. It names neither invoice nor month: the file's name and
its lines must tell them. Amounts are text in both forms; an amount written as a number is not read, because the program
that wrote it may have rounded it. The preview of the open month, which the API gives for the uuid `preview`, is shown
and never pushed. A resource is billed under its `resource_id` or its `resource_uuid`, and a reserved IP under the
address in the text.
Source: the public API description of DigitalOcean, `GET /v2/customers/my/invoices/{invoice_uuid}`, and doctl's tests.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arcadia_dagster.billing.currency import AMOUNT_TYPE
from arcadia_dagster.formats.digitalocean import (
    CATEGORIES,
    RESOURCE_NAME,
    RESOURCE_TYPES,
    SOURCE,
    of_product_sql,
    saved_by_id,
)
from arcadia_dagster.reading import amounts, timestamps
from arcadia_dagster.reading.bad_values import bad_sql, first_bad_sql
from arcadia_dagster.reading.content import DAMAGED, open_content
from arcadia_dagster.reading.format import MAX_JSON_BYTES, Head, NameFacts
from arcadia_dagster.reading.json_document import exact_json_object
from arcadia_dagster.reading.json_values import Node
from arcadia_dagster.reading.statements import InvoiceStatement, Statements
from arcadia_dagster.store.query import text_literal

CURRENCY = "USD"
"""All amounts of the API are in it."""

_UUID = r"[0-9A-Za-z-]{1,64}"
_PREVIEW = "preview"
"""What the API takes in place of an invoice's uuid for the preview of the open month."""
_FIELDS = (
    "product",
    "group_description",
    "description",
    "project_name",
    "resource_id",
    "resource_uuid",
    "duration",
    "duration_unit",
    "start_time",
    "end_time",
)
# What Go writes for a time that is not there.
_NO_TIME = "0001-01-01T00:00:00Z"
_BY_RESOURCE_ID = ("droplet", "snapshot")


class DigitalOceanJson:
    """The format itself."""

    name = "digitalocean_json"
    reading = 5

    def recognise(self, head: Head) -> "DigitalOceanJsonLayout | None":
        """Known by what it says: an invoice with its uuid, or items alone."""
        if not isinstance(head.json, dict):
            return None
        invoice = head.json.get("invoice")
        if isinstance(invoice, dict) and "invoice_uuid" in invoice:
            return DigitalOceanJsonLayout(is_fetched=True)
        return DigitalOceanJsonLayout(is_fetched=False) if "invoice_items" in head.json else None

    def facts_from_name(self, file_name: str) -> NameFacts | None:
        """`<uuid>.json`: the API's id, which items alone do not have. A fetched document says it itself."""
        return saved_by_id(file_name, "json")


@dataclass(frozen=True)
class DigitalOceanJsonLayout(Statements):
    """One of the two shapes.

    Attributes:
        is_fetched: Whether the document has the invoice and its summary beside the items.
    """

    is_fetched: bool
    source: str = SOURCE

    def lines_sql(self, paths: Sequence[Path], *, compression: str, options: str) -> str:  # noqa: ARG002 - of CSV only
        """See `format.Layout`."""
        by_id = " OR ".join(f"resource_type = '{type_}'" for type_ in _BY_RESOURCE_ID)
        return f"""
        SELECT
          filename AS path,
          '1' AS invoice_key,
          {of_product_sql(CATEGORIES)} AS typed_category,
          product AS service_name,
          coalesce(description, '') AS description,
          project_name AS project,
          CASE
            WHEN resource_type = 'reserved_ip'
            THEN coalesce(nullif(regexp_extract(description, '\\d+\\.\\d+\\.\\d+\\.\\d+'), ''), resource_uuid, resource_id)
            WHEN {by_id} THEN coalesce(resource_id, resource_uuid)
            ELSE coalesce(resource_uuid, resource_id)
          END AS resource_id,
          CASE WHEN resource_type IS NOT NULL THEN {RESOURCE_NAME} END AS resource_name,
          resource_type,
          charge_period_start,
          {timestamps.exclusive_end_sql("stated_end")} AS charge_period_end,
          quantity,
          CASE WHEN quantity IS NOT NULL THEN duration_unit END AS unit,
          amount,
          is_rounded,
          '{CURRENCY}' AS currency,
          false AS is_control,
          bad.bad_column,
          bad.bad_value,
          bad.expected,
          CAST(NULL AS VARCHAR) AS doubt,
          stated_uuid,
          stated_number,
          stated_month,
          stated_total,
          stated_tax,
          coalesce(stated_uuid = '{_PREVIEW}', false) AS is_preview
        FROM (
          SELECT *, {self._bad_sql()} AS bad
          FROM (
            SELECT
              *,
              {of_product_sql(RESOURCE_TYPES)} AS resource_type,
              {amounts.quantity_sql("duration")} AS quantity,
              {timestamps.utc_sql("start_time")} AS charge_period_start,
              {timestamps.utc_sql("end_time")} AS stated_end,
              {amounts.amount_sql("amount_text", CURRENCY)} AS amount,
              {amounts.is_rounded_sql("amount_text", CURRENCY)} AS is_rounded,
              {self._stated_sql()}
            FROM (
              SELECT
                filename,
                ordinal,
                {", ".join(_field_sql(name) for name in _FIELDS)},
                CASE WHEN json_type(item, '$.amount') = 'VARCHAR' THEN item->>'amount' END AS amount_text,
                coalesce(CAST(item->'amount' AS VARCHAR), '') AS amount_found,
                {self._header_sql()}
              FROM (
                SELECT *, unnest({self._items}) AS item, generate_subscripts({self._items}, 1) AS ordinal
                FROM {self._read_sql(paths, compression)}
              )
            )
          )
        )
        """

    def invoices_sql(self, lines: str) -> str | None:
        """See `format.Layout`."""
        if not self.is_fetched:
            return None
        return f"""
        SELECT document_sha256, invoice_key, any_value(stated_uuid) AS external_id,
          any_value(stated_number) AS invoice_number, any_value(stated_month) AS month,
          any_value(stated_total) AS stated_total, any_value(stated_tax) AS stated_tax, NOT bool_or(is_preview) AS is_final
        FROM {lines} GROUP BY ALL
        """

    def statements(self, path: Path) -> list[InvoiceStatement]:
        """What the summary states, and for whom; items alone state nothing."""
        if not self.is_fetched:
            return []
        document = Node(exact_json_object(path))
        invoice, summary = document.object("invoice"), document.object("summary")
        uuid, gross = invoice.needed_text("invoice_uuid"), summary.amount("amount")
        tax = summary.object("taxes").amount("amount")
        return [
            InvoiceStatement(
                source=self.source,
                external_id=uuid,
                invoice_number=invoice.text("invoice_id"),
                currency=CURRENCY,
                kind="credit_note" if gross is not None and gross < 0 else "invoice",
                status="draft" if uuid == _PREVIEW else "issued",
                gross=gross,
                net=None if gross is None or tax is None else gross - tax,
                tax=tax,
                period_start=invoice.day_of_month("invoice_period"),
                buyer_name=summary.text("user_company") or summary.text("user_name"),
            )
        ]

    def lines_in(self, path: Path) -> int:
        """As many as its list of items has, or should have: the API states how many there are on all pages."""
        content = _json_object(path)
        items = content.get(self._items)
        count = len(items) if isinstance(items, list) else 0
        meta = content.get("meta")
        total = meta.get("total") if isinstance(meta, dict) and not self.is_fetched else None
        return total if isinstance(total, int) and total > count else count

    @property
    def _items(self) -> str:
        return "items" if self.is_fetched else "invoice_items"

    def _read_sql(self, paths: Sequence[Path], compression: str) -> str:
        files = ", ".join(text_literal(str(path)) for path in paths)
        packing = "uncompressed" if compression == "none" else compression
        objects = "invoice: 'JSON', summary: 'JSON', " if self.is_fetched else ""
        return (
            f"read_json([{files}], format = 'unstructured', records = 'true', filename = true, "
            f"columns = {{{objects}{self._items}: 'JSON[]'}}, maximum_object_size = {MAX_JSON_BYTES}, compression = '{packing}')"
        )

    def _header_sql(self) -> str:
        """What the document says about the invoice, as text."""
        if not self.is_fetched:
            return "NULL AS no_header"
        fields = {
            "uuid": "invoice->>'$.invoice_uuid'",
            "number": "invoice->>'$.invoice_id'",
            "period": "invoice->>'$.invoice_period'",
            "total": "summary->>'$.amount'",
            "tax": "summary->>'$.taxes.amount'",
        }
        return ", ".join(f"nullif({sql}, '') AS {name}_text" for name, sql in fields.items())

    def _stated_sql(self) -> str:
        """The same, read."""
        types = {"uuid": "VARCHAR", "number": "VARCHAR", "month": "DATE", "total": AMOUNT_TYPE, "tax": AMOUNT_TYPE}
        stated = {name: f"CAST(NULL AS {type_})" for name, type_ in types.items()}
        if self.is_fetched:
            stated = {
                "uuid": f"CASE WHEN regexp_full_match(uuid_text, '{_UUID}') THEN uuid_text END",
                "number": "number_text",
                "month": "CASE WHEN regexp_full_match(period_text, '(19|20)\\d{2}-\\d{2}') "
                "THEN TRY_CAST(period_text || '-01' AS DATE) END",
                "total": amounts.amount_sql("total_text", CURRENCY),
                "tax": amounts.amount_sql("tax_text", CURRENCY),
            }
        return ", ".join(f"{sql} AS stated_{name}" for name, sql in stated.items())

    def _bad_sql(self) -> str:
        """The first value of the record that cannot be read; the document's own values count as those of its first record."""
        arms = [
            bad_sql("amount IS NULL", "amount", "amount_found", f"text that is {amounts.EXPECTED}"),
            bad_sql("quantity IS NULL AND trim(duration) <> ''", "duration", "duration", "a number, or nothing"),
            bad_sql(
                "charge_period_start IS NULL AND trim(start_time) <> ''",
                "start_time",
                "start_time",
                timestamps.EXPECTED,
            ),
            bad_sql("stated_end IS NULL AND trim(end_time) <> ''", "end_time", "end_time", timestamps.EXPECTED),
            bad_sql("stated_end < charge_period_start", "end_time", "end_time", "a time not before the start"),
        ]
        if self.is_fetched:
            first = "ordinal = 1 AND"
            arms += [
                bad_sql(f"{first} stated_uuid IS NULL", "invoice_uuid", "coalesce(uuid_text, '')", "a UUID"),
                bad_sql(
                    f"{first} stated_month IS NULL",
                    "invoice_period",
                    "coalesce(period_text, '')",
                    "a month such as 2026-04",
                ),
                bad_sql(
                    f"{first} stated_total IS NULL", "summary.amount", "coalesce(total_text, '')", amounts.EXPECTED
                ),
                bad_sql(
                    f"{first} stated_tax IS NULL AND tax_text IS NOT NULL",
                    "summary.taxes.amount",
                    "tax_text",
                    amounts.EXPECTED,
                ),
            ]
        return first_bad_sql(arms)


def _field_sql(name: str) -> str:
    value = f"item->>'{name}'"
    if name.endswith("_time"):
        return f"nullif({value}, '{_NO_TIME}') AS {name}"
    # Go writes a text that is not there as an empty one.
    return f"{value} AS {name}" if name == "description" else f"nullif({value}, '') AS {name}"


def _json_object(path: Path) -> dict[str, Any]:
    """The document as Python reads it; empty where Python cannot read it, so that it differs from what DuckDB reads."""
    try:
        with open_content(path) as file:
            text = file.read(MAX_JSON_BYTES + 1)
        content = json.loads(text.decode("utf-8-sig")) if len(text) <= MAX_JSON_BYTES else None
    except (ValueError, RecursionError, *DAMAGED):
        return {}
    return content if isinstance(content, dict) else {}
