"""Tables as JSON: an object a row, one after the other (JSON lines) or in a list, whatever the blanks between them.

The document is read as a stream, so that its size costs no memory, and written anew as CSV, which the table's layout reads:
numbers keep every digit. A member that a row leaves out is blank. Records are counted from 1.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from arcadia_dagster.reading.content import open_content
from arcadia_dagster.reading.format import Head, Layout, Rewritten, UnreadableError
from arcadia_dagster.reading.json_document import DECODER
from arcadia_dagster.reading.unread import AS_TABLE, WHOLE_AGAIN

_CHUNK = 1 << 20
_LONGEST_RECORD = 2_000_000
_LONGEST_VALUES = 200_000
"""The most characters of a record: a longer one would make a line of CSV that is too long to read."""

_BLANKS = re.compile(r"[ \t\n\r]*")
_NO_TEXT = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class JsonTable(Rewritten):
    """How such a document is read.

    Attributes:
        table: How the CSV is read that is made of it, its columns named as the members.
        members: Those columns.
        records: How many records the document has.
        others: All members that its records have, read or not.
    """

    table: Layout
    members: tuple[str, ...]
    records: int
    others: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """See `format.Layout`."""
        return self.table.source

    def lines_sql(self, paths: Sequence[Path], *, compression: str, options: str) -> str:
        """See `format.Layout`."""
        return self.table.lines_sql(paths, compression=compression, options=options)

    def invoices_sql(self, lines: str) -> str | None:
        """See `format.Layout`."""
        return self.table.invoices_sql(lines)

    def lines_in(self, path: Path) -> int:  # noqa: ARG002 - counted when the document was known
        """As many as there are records."""
        return self.records

    def rewrite(self, document: Path, target: Path) -> None:
        """See `format.Rewritten`."""
        with _opened(document) as file, target.open("w", encoding="utf-8", newline="") as csv_file:
            writer = csv.writer(csv_file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerow(self.members)
            writer.writerows([_text(record.get(name)) for name in self.members] for record in records_in(file))


def first_members(head: Head) -> list[str]:
    """The members of the document's first record; none where it is no JSON of records."""
    if head.columns is not None or not head.text.lstrip().startswith(("{", "[")):
        return []
    try:
        with _content(head) as file:
            # The format that recognises the document reports the error later.
            return list(next(records_in(file, json.JSONDecoder(parse_int=str, parse_float=str)), {}))
    except UnreadableError:
        return []


def members_of(head: Head, *, is_read: Callable[[str], bool]) -> tuple[list[str], int]:
    """The members that the document's records have, in the order in which they come first, and how many records there are.

    Args:
        head: A document of records.
        is_read: Whether a member's values will be read: only these must be text that can be.

    Raises:
        UnreadableError: A record cannot be read.
    """
    names: dict[str, None] = {}
    read: list[str] = []
    number = 0
    with _content(head) as file:
        for number, record in enumerate(records_in(file), 1):
            if not record.keys() <= names.keys():
                read += [name for name in record if name not in names and is_read(name)]
                names |= dict.fromkeys(record)
            _assert_text(number, record, read)
    return list(names), number


def records_in(file: TextIO, decoder: json.JSONDecoder = DECODER) -> Iterator[dict[str, Any]]:
    """The records of a document, their numbers as text, as they are written.

    Args:
        file: The document.
        decoder: What reads each of them.

    Raises:
        UnreadableError: A record is no object, is cut off, repeats a name, or has NaN or Infinity; the message names it.
    """
    window = _Window(file, decoder)
    is_list = window.next() == "["
    if is_list:
        window.at += 1
    number = 0
    while (mark := window.next()) not in {"", "]"}:
        number += 1
        if is_list and number > 1:
            window.pass_over(",", number)
            mark = window.next()
        if mark != "{":
            raise UnreadableError(f"record {number}: {mark!r}; expected an object, which is a row of the table")
        yield window.object(number)
    if is_list:
        window.pass_over("]", number + 1)
    if rest := window.next():
        raise UnreadableError(f"after record {number}: {rest!r}; expected the end of the document")


class _Window:
    """The part of a document that is looked at."""

    def __init__(self, file: TextIO, decoder: json.JSONDecoder) -> None:
        self._file = file
        self._decoder = decoder
        self._text = ""
        self.at = 0

    def next(self) -> str:
        """The next character that is no blank, which is not passed over; empty at the end."""
        while True:
            blanks = _BLANKS.match(self._text, self.at)
            self.at = self.at if blanks is None else blanks.end()
            if self.at < len(self._text):
                return self._text[self.at]
            if not self._more():
                return ""

    def pass_over(self, mark: str, number: int) -> None:
        if (character := self.next()) != mark:
            raise UnreadableError(
                f"record {number}: {character or 'the end of the document'!r} before it; expected {mark!r}: it was perhaps "
                "cut off"
            )
        self.at += 1

    def object(self, number: int) -> dict[str, Any]:
        """The object that begins here."""
        while True:
            try:
                value, self.at = self._decoder.raw_decode(self._text, self.at)
            except json.JSONDecodeError as error:
                # The object may be cut off at the end of the window: read more, until the document ends.
                if len(self._text) - self.at > _LONGEST_RECORD:
                    raise UnreadableError(
                        f"record {number}: it is not JSON ({error.msg}), or longer than {_LONGEST_RECORD} characters: "
                        f"{AS_TABLE}"
                    ) from error
                if not self._more():
                    raise UnreadableError(
                        f"record {number}: it is not JSON, or cut off: {error.msg}; {WHOLE_AGAIN}"
                    ) from error
            except RecursionError as error:
                raise UnreadableError(f"record {number}: it is nested too deep: {AS_TABLE}") from error
            except UnreadableError as error:
                raise UnreadableError(f"record {number}: {error}") from error
            else:
                return dict(value)

    def _more(self) -> bool:
        chunk = self._file.read(_CHUNK)
        self._text, self.at = self._text[self.at :] + chunk, 0
        return bool(chunk)


def _content(head: Head) -> TextIO:
    return io.StringIO(head.text) if head.path is None else _opened(head.path)


def _opened(path: Path) -> TextIO:
    return io.TextIOWrapper(open_content(path), encoding="utf-8-sig", newline="")


def _text(value: object) -> str:
    """A value as it stands in a table."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _assert_text(number: int, record: dict[str, Any], names: Sequence[str]) -> None:
    texts = [_text(record.get(name)) for name in names]
    together = "".join(texts)
    if len(together) > _LONGEST_VALUES:
        raise UnreadableError(
            f"record {number}: it is longer than {_LONGEST_VALUES} characters, which is the limit: {AS_TABLE}"
        )
    if _NO_TEXT.search(together):
        name, text = next((name, text) for name, text in zip(names, texts, strict=True) if _NO_TEXT.search(text))
        raise UnreadableError(
            f"record {number}, column {name}: {text[:60]!r}; expected text, without control characters"
        )
