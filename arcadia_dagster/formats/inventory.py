"""Inventories of cloud resources: CSV or JSON with id, name, type, account and project.

    id,name,type,account,project
    [{"id": "...", "name": "...", "type": "...", "account": "...", "project": "..."}]

The JSON may also be an object whose `resources` is that list. Account and project may be absent. Types are compared in
lower case with underscores: `Load Balancer` is `load_balancer`.
"""

import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arcadia_dagster.formats.listings import type_of_money
from arcadia_dagster.reading.content import open_content
from arcadia_dagster.reading.csv_reader import repeated
from arcadia_dagster.reading.format import (
    MAX_JSON_BYTES,
    Head,
    Inventory,
    InventoryRow,
    NameFacts,
    Refusal,
    UnreadableError,
)
from arcadia_dagster.reading.unread import WHOLE_AGAIN

_REQUIRED = ("id", "name", "type")
_FIELDS = (*_REQUIRED, "account", "project")


class InventoryCsv:
    """An inventory as CSV."""

    name = "inventory_csv"
    reading = 2

    def recognise(self, head: Head) -> "_CsvInventory | Refusal | None":
        """Known by its header."""
        columns = tuple(column.lower() for column in head.header)
        if not set(_REQUIRED) <= set(columns):
            return None
        if head.columns is not None:
            return Refusal("it is an inventory as Parquet; expected CSV or JSON: save it as one of them")
        if twice := repeated(columns):
            return Refusal(f"line 1: column {', '.join(twice)} occurs more than once; expected each once")
        return _CsvInventory(head.delimiter)

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """An inventory states no invoice."""
        return None


class InventoryJson:
    """An inventory as JSON."""

    name = "inventory_json"
    reading = 2

    def recognise(self, head: Head) -> "_JsonInventory | None":
        """Known by what it says: a list of objects, or an object that has its resources."""
        is_list = isinstance(head.json, list) and any(isinstance(member, dict) for member in head.json)
        return _JsonInventory() if is_list or (isinstance(head.json, dict) and "resources" in head.json) else None

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """An inventory states no invoice."""
        return None


@dataclass(frozen=True, slots=True)
class _CsvInventory(Inventory):
    delimiter: str

    def rows(self, path: Path) -> list[InventoryRow]:
        with io.TextIOWrapper(open_content(path), encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True, delimiter=self.delimiter)
            try:
                columns = [column.strip().lower() for column in next(reader)]
                return [
                    _row(ordinal, f"line {reader.line_num}", _record(columns, values, reader.line_num))
                    for ordinal, values in enumerate((values for values in reader if values), start=1)
                ]
            except csv.Error as error:
                raise UnreadableError(f"line {reader.line_num}: {error}") from error


@dataclass(frozen=True, slots=True)
class _JsonInventory(Inventory):
    def rows(self, path: Path) -> list[InventoryRow]:
        try:
            with open_content(path) as file:
                content = json.loads(file.read(MAX_JSON_BYTES).decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise UnreadableError(f"it is not JSON: {error}; {WHOLE_AGAIN}") from error
        records = content.get("resources") if isinstance(content, dict) else content
        if not isinstance(records, list):
            raise UnreadableError("expected a list of resources, or an object whose `resources` is one")
        return [
            _row(ordinal, f"record {ordinal}", _checked(ordinal, record)) for ordinal, record in enumerate(records, 1)
        ]


def _record(columns: list[str], values: list[str], line: int) -> dict[str, Any]:
    if len(values) != len(columns):
        raise UnreadableError(f"line {line}: {len(values)} values; expected {len(columns)}, as the header has columns")
    return dict(zip(columns, values, strict=True))


def _checked(ordinal: int, record: object) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise UnreadableError(f"record {ordinal}: {record!r:.60}; expected an object with {', '.join(_FIELDS)}")
    return record


def _row(ordinal: int, place: str, record: dict[str, Any]) -> InventoryRow:
    values = {name: _text(place, name, record.get(name)) for name in _FIELDS}
    for name in ("id", "type"):
        if values[name] is None:
            raise UnreadableError(f"{place}, column {name}: blank; expected the resource's {name}")
    if type_of_money(str(values["type"])):
        raise UnreadableError(
            f"{place}, column type: {values['type']!r:.60}: that is no resource; put each invoice into a file with its lines, "
            "in a format of docs/formats.md"
        )
    return InventoryRow(
        line_number=ordinal,
        resource_id=str(values["id"]),
        resource_name=values["name"],
        resource_type=re.sub(r"[\s-]+", "_", str(values["type"]).lower()),
        account_id=values["account"],
        project=values["project"],
    )


def _text(place: str, name: str, value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UnreadableError(f"{place}, column {name}: {value!r:.60}; expected text")
    text = str(value).strip()
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UnreadableError(f"{place}, column {name}: {value!r:.60}; expected text, not half a character") from error
    return text or None
