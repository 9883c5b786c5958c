"""Tables of known formats that a spreadsheet has saved anew: semicolons between values, and perhaps commas before decimals.

Spreadsheets of many languages write CSV so. `1.234` may then be one thousand and more, or one and a bit, and so may `1,234`.
The program never guesses the decimal mark: the document's other numbers, such as `12,5` or `1.234,56`, must prove it. It
rejects a document that proves both marks, and one with an unclear number that proves neither. It also rejects `1.234` in a
document that proves the comma, for the spreadsheet may not have taken it for a number. The document is written anew as CSV with
commas and decimal points.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from arcadia_dagster.reading import amounts
from arcadia_dagster.reading.format import Csv, Head, Layout, Refusal, Rewritten, UnreadableError
from arcadia_dagster.reading.problems import DOWNLOAD_AGAIN, whole_records

DELIMITER = ";"

_SPACES = "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE} "
_SYMBOL = f"[{re.escape(amounts.SYMBOLS)}]"
_WRITTEN = re.compile(
    rf"(?P<before>[-+(\N{{MINUS SIGN}}]?{_SYMBOL}?-?)(?P<number>[\d.,{_SPACES}]*\d[\d.,]*([eE][+-]?\d+)?)(?P<after>[-)]?)"
    rf"([{_SPACES}]?(?P<symbol>{_SYMBOL}))?".replace(r"\N{MINUS SIGN}", "\N{MINUS SIGN}"),
    re.ASCII,
)
_EXPONENT = r"([eE][+-]?\d+)?"


class Marks(StrEnum):
    """What a number tells about the document's decimal mark."""

    NONE = "it has none, or is no number"
    COMMA = "its comma stands before decimals"
    POINT = "its point stands before decimals"
    COMMA_OR_GROUP = "its comma stands before decimals or between thousands"
    POINT_OR_GROUP = "its point stands before decimals or between thousands"


def _patterns(decimal: str, group: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Two patterns: numbers that prove this decimal mark, and numbers with this mark that prove nothing."""
    mark, other = re.escape(decimal), re.escape(group)
    proof = "|".join(
        (
            rf"[1-9]\d{{0,2}}({other}\d{{3}})+{mark}\d*{_EXPONENT}",  # 1.234,56
            rf"[1-9]\d{{0,2}}({other}\d{{3}}){{2,}}",  # 1.234.567
            rf"[1-9]\d{{0,2}}([{_SPACES}]\d{{3}})+{mark}\d*",  # 1 234,56
            rf"\d*{mark}(\d{{0,2}}|\d{{4,}}){_EXPONENT}",  # 12,5
            rf"(0\d*|\d{{4,}}|){mark}\d+{_EXPONENT}",  # 0,123 and 1234,567
            rf"\d*{mark}\d+[eE][+-]?\d+",  # 1,234E-05
        )
    )
    return re.compile(proof, re.ASCII), re.compile(rf"[1-9]\d{{0,2}}{mark}\d{{3}}", re.ASCII)


_COMMA_PROOF, _COMMA_OPEN = _patterns(",", ".")
_POINT_PROOF, _POINT_OPEN = _patterns(".", ",")
_WITH_COMMA = re.compile(
    rf"{_COMMA_PROOF.pattern}|{_COMMA_OPEN.pattern}|\d+|[1-9]\d{{0,2}}([{_SPACES}]\d{{3}})+", re.ASCII
)
"""Numbers of a document whose decimals are known to be behind a comma. `1.234` is none of them."""


def marks_of(text: str) -> Marks:
    """What a value's marks say."""
    written = _WRITTEN.fullmatch(text.strip())
    if written is None:
        return Marks.NONE
    number = written["number"]
    for pattern, marks in (
        (_COMMA_PROOF, Marks.COMMA),
        (_POINT_PROOF, Marks.POINT),
        (_COMMA_OPEN, Marks.COMMA_OR_GROUP),
        (_POINT_OPEN, Marks.POINT_OR_GROUP),
    ):
        if pattern.fullmatch(number):
            return marks
    return Marks.NONE


def with_point(text: str) -> str:
    """A number with a decimal comma as one with a decimal point, a currency's symbol before it; any other text as it is."""
    written = _WRITTEN.fullmatch(text.strip())
    if written is None or not _WITH_COMMA.fullmatch(written["number"]):
        return text
    number = re.sub(rf"[.{_SPACES}]", "", written["number"]).replace(",", ".")
    return f"{written['before']}{written['symbol'] or ''}{number}{written['after']}"


@dataclass(frozen=True)
class SemicolonTable(Rewritten):
    """How such a document is read.

    Attributes:
        table: How the CSV is read that is made of it.
        columns: How many columns it has.
        numbers: The positions of those that hold the numbers that are read.
        has_decimal_commas: Whether their decimals are behind a comma.
    """

    table: Layout
    columns: int
    numbers: tuple[int, ...]
    has_decimal_commas: bool

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

    def lines_in(self, path: Path) -> Csv:  # noqa: ARG002 - its records were looked at when the document was known
        """It is CSV, with semicolons."""
        return Csv(self.columns, DELIMITER, numbers=self.numbers)

    def rewrite(self, document: Path, target: Path) -> None:
        """See `format.Rewritten`."""
        with target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            for _, values in whole_records(document, self.columns, delimiter=DELIMITER):
                if self.has_decimal_commas:
                    for position in self.numbers:
                        values[position] = with_point(values[position])
                writer.writerow(values)


def has_semicolons(head: Head) -> bool:
    """Whether the first line is one of values with semicolons between them."""
    if head.columns is not None or head.text.lstrip().startswith(("{", "[")):
        return False
    first = head.text.partition(head.newline)[0]
    return first.count(DELIMITER) > first.count(",")


def semicolon_table(head: Head, table: Layout, numbers: Iterable[int]) -> SemicolonTable | Refusal:
    """How a document with the table's header, but with semicolons, is read.

    Args:
        head: The document; its header has been taken apart at the semicolons.
        table: How the same table is read that has commas and decimal points.
        numbers: The positions of the columns whose numbers are read.
    """
    positions = tuple(sorted(numbers))
    has_commas = has_decimal_commas(head, positions)
    if isinstance(has_commas, Refusal):
        return has_commas
    return SemicolonTable(table, len(head.header), positions, has_commas)


def has_decimal_commas(head: Head, positions: Sequence[int]) -> bool | Refusal:
    """Whether the decimal mark of such a document is the comma; or, as text, why that is not known.

    Args:
        head: The document; its header has been taken apart at the semicolons.
        positions: The positions of the columns whose numbers are read.
    """
    first: dict[Marks, str] = {}
    if head.path is not None:
        try:
            for line, values in whole_records(head.path, len(head.header), delimiter=DELIMITER):
                for position in positions:
                    if not values[position].isdigit() and (marks := marks_of(values[position])) not in first:
                        first[marks] = f"line {line}, column {head.header[position]}: {values[position].strip()!r}"
        except UnreadableError as error:
            return Refusal(str(error))
    problem = _problem(first)
    return Marks.COMMA in first if problem is None else Refusal(problem)


def _problem(first: dict[Marks, str]) -> str | None:
    """Why the decimal mark is not known, from the first number of each kind; None where it is known."""
    comma, point = first.get(Marks.COMMA), first.get(Marks.POINT)
    if comma is not None and point is not None:
        return (
            f"{comma} has a decimal comma, and {point} a decimal point: a spreadsheet has taken some of its numbers for "
            f"something else; {DOWNLOAD_AGAIN}"
        )
    unclear = (Marks.POINT_OR_GROUP,) if comma is not None else (Marks.COMMA_OR_GROUP, Marks.POINT_OR_GROUP)
    place = next((first[marks] for marks in unclear if marks in first), None)
    if place is None or point is not None:
        return None
    why = "although others have a decimal comma" if comma is not None else "and no other number proves which"
    return (
        f"{place} may be a thousand times as much as it seems, {why}; expected numbers that are clear: {DOWNLOAD_AGAIN}"
    )
