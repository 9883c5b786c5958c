"""Values of a JSON document, read exactly; an error names its place in the document.

For documents that have few values, and each matters, such as statements of invoices. Tables of many records are read by DuckDB.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Any, TypeVar

from arcadia_dagster.reading.format import UnreadableError

Value = TypeVar("Value")

MOST = Decimal(10) ** 14
"""An amount must be less than this, as an invoice's sum in `formats.reader`."""

_MOST_CHARACTERS = 1_000
# JSON may write any number with an exponent, and AWS's API writes times so.
_AMOUNT = re.compile(r"-?\d{1,20}(\.\d{1,18})?([eE][+-]?\d{1,2})?", re.ASCII)
_LEAST = Decimal(1).scaleb(-18)
_EXACT = Context(prec=60)


def amount_of(text: str) -> Decimal | None:
    """An exact amount such as `-1234.56` or `1.2E3`, of at most 18 decimals and below 10^14; None where it is none."""
    if _AMOUNT.fullmatch(text) is None:
        return None
    amount = Decimal(text)
    if abs(amount) >= MOST or amount != amount.quantize(_LEAST, context=_EXACT):
        return None
    return amount


class Node:
    """An object of the document, whose numbers are text, as they are written.

    Args:
        members: Its members.
        place: Where it is, such as `InvoiceSummaries, 2`.
    """

    def __init__(self, members: Mapping[str, Any], place: str = "the document") -> None:
        """Nothing is looked at yet."""
        self._members = members
        self.place = place

    def __bool__(self) -> bool:
        """Whether it has members."""
        return bool(self._members)

    def object(self, name: str) -> "Node":
        """The object that a member is; an empty one where it is missing or null."""
        value = self._members.get(name)
        if value is None:
            return Node({}, self._at(name))
        if not isinstance(value, Mapping):
            raise self._wrong(name, "an object")
        return Node(value, self._at(name))

    def list(self, name: str, default: "Sequence[Node] | None" = None) -> "Sequence[Node]":
        """The objects that a member lists."""
        members = self._members.get(name)
        if members is None and default is not None:
            return default
        if not isinstance(members, list) or not all(isinstance(member, Mapping) for member in members):
            raise self._wrong(name, "a list of objects")
        return [Node(member, f"{self._at(name)}, {number}") for number, member in enumerate(members, start=1)]

    def text(self, name: str) -> str | None:
        """A text, or a number as it is written, without the space around it; None where it is missing, null or blank."""
        value = self._members.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > _MOST_CHARACTERS:
            raise self._wrong(name, f"a text of at most {_MOST_CHARACTERS} characters")
        return value.strip() or None

    def needed_text(self, name: str) -> str:
        """The same, which must be there."""
        text = self.text(name)
        if text is None:
            raise self._wrong(name, "a text")
        return text

    def one_of(self, name: str, meanings: Mapping[str, Value]) -> Value:
        """What a text stands for."""
        text = self.needed_text(name)
        if text not in meanings:
            raise self._wrong(name, " or ".join(meanings))
        return meanings[text]

    def amount(self, name: str) -> Decimal | None:
        """An exact amount such as `-1234.56`, as text or number."""
        text = self.text(name)
        if text is None:
            return None
        amount = amount_of(text)
        if amount is None:
            raise self._wrong(name, "an amount such as 1234.56")
        return amount

    def whole(self, name: str) -> int | None:
        """A whole number."""
        text = self.text(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdecimal():
            raise self._wrong(name, "a whole number")
        return int(text)

    def day(self, name: str) -> date | None:
        """A day (UTC): an ISO 8601 date or time, or seconds since 1970."""
        text = self.text(name)
        if text is None:
            return None
        try:
            if _AMOUNT.fullmatch(text) is not None:
                return datetime.fromtimestamp(int(Decimal(text)), UTC).date()
            moment = datetime.fromisoformat(text)
        except (ValueError, OverflowError, OSError) as error:
            raise self._wrong(name, "a day such as 2026-10-31, or a time") from error
        return (moment.astimezone(UTC) if moment.tzinfo is not None else moment).date()

    def local_day(self, name: str) -> date | None:
        """The local day of an ISO 8601 date or time: local midnight may be the evening before in UTC."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return datetime.fromisoformat(text).date()
        except ValueError as error:
            raise self._wrong(name, "a day such as 2026-10-31, or a time") from error

    def day_of_month(self, name: str) -> date | None:
        """The first day of a month such as `2026-10`."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return date.fromisoformat(f"{text}-01")
        except ValueError as error:
            raise self._wrong(name, "a month such as 2026-10") from error

    def _at(self, name: str) -> str:
        return name if self.place == "the document" else f"{self.place}, {name}"

    def _wrong(self, name: str, expected: str) -> UnreadableError:
        value = self._members.get(name)
        shown = "missing" if value is None else repr(value)[:60]
        return UnreadableError(f"{self._at(name)}: {shown}; expected {expected}")
