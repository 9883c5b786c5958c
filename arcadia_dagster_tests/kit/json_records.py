"""FOCUS rows as JSON whose numbers have every digit that they are given."""

import json
from collections.abc import Iterable, Mapping

NUMBERS = ("BilledCost", "ConsumedQuantity")


def record(row: Mapping[str, str | None], *, leaves_out: bool = False, names: Iterable[str] | None = None) -> str:
    """A row as an object: numbers as numbers with the digits that they have, tags as an object."""
    parts = []
    for name in names or row:
        value = row[name]
        if value is None and leaves_out:
            continue
        if value is not None and (name in NUMBERS or name == "Tags"):
            parts.append(f"{json.dumps(name)}:{value}")
        else:
            parts.append(f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=False)}")
    return "{" + ",".join(parts) + "}"


def lines(*rows: Mapping[str, str | None], end: str = "\n", leaves_out: bool = False) -> bytes:
    """The rows as objects, each on a line of its own."""
    return end.join(record(row, leaves_out=leaves_out) for row in rows).encode()
