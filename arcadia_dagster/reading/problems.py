"""Where in a file a problem is, in the words of a person who opens it in an editor.

Readers count records; people count lines. Text in quotes may span lines, so the two differ.
"""

import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from arcadia_dagster.reading.content import open_content
from arcadia_dagster.reading.csv_reader import MAX_LINE_BYTES
from arcadia_dagster.reading.format import UnreadableError

DOWNLOAD_AGAIN = "download the file again, and drop it without opening it in a spreadsheet"
"""What a person does about a provider's file that a spreadsheet has saved."""

_LOCAL_DAY = re.compile(
    r"\d{1,2}([./-])\d{1,2}\1(\d{4}|\d{2})([ ,]+\d{1,2}:\d{2}(:\d{2})?([.,]\d+)?( ?[AaPp]\.?[Mm]\.?)?)?|\d{5}([.,]\d+)?",
    re.ASCII,
)
"""A day as spreadsheets show it, `30.04.2026 00:00` or `4/30/26`, or as they count it: no provider writes it so."""

_SHOWN = 3
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document.

    Attributes:
        text: What: column, value, and what was expected.
        record: The data record from 1, where that is known.
        line_offset: The offset in bytes, from 1, at which the line begins, where the record is not known.
    """

    text: str
    record: int | None = None
    line_offset: int | None = None


def expected_time(value: str, expected: str) -> str:
    """What was expected in place of a value that is no time; also what happened, where a spreadsheet has written it anew."""
    if _LOCAL_DAY.fullmatch(value.strip()) is None:
        return expected
    return f"{expected}. A spreadsheet has written this day anew: {DOWNLOAD_AGAIN}"


def describe(
    path: Path,
    problems: Sequence[Problem],
    *,
    newline: str | None,
    has_header: bool = True,
    delimiter: str = ",",
    first_line: int = 1,
) -> str:
    """The first problems with their places, and how many more there are.

    Args:
        path: The document.
        problems: At least one.
        newline: What ends its lines; None where it has none that a person could count, as Parquet.
        has_header: Whether its first record is a header.
        delimiter: What separates its values.
        first_line: The line, from 1, in which its first record begins.
    """

    def place(problem: Problem) -> str:
        if newline is None:
            return "" if problem.record is None else f"record {problem.record}, "
        if problem.line_offset is not None:
            return f"line {_line_at(path, problem.line_offset, newline.encode())}, "
        if problem.record is not None:
            line = physical_line(
                path, problem.record, newline=newline, has_header=has_header, delimiter=delimiter, first_line=first_line
            )
            return f"line {line}, "
        return ""

    shown = [f"{place(problem)}{problem.text}" for problem in problems[:_SHOWN]]
    more = len(problems) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")


def records_in(path: Path, *, strict: bool = False, delimiter: str = ",", first_line: int = 1) -> int:
    """The records of a CSV file, its header included, as Python's csv module counts them.

    Slower than counting line ends, and right where quotes lie oddly.

    Args:
        path: The file.
        strict: Whether a quote that is not closed, or text beside a quoted value, is an error.
        delimiter: What separates its values.
        first_line: The line, from 1, in which the first one begins.

    Raises:
        UnreadableError: A record is too long, or is no CSV.
    """
    return sum(1 for _ in record_lines(path, newline="", strict=strict, delimiter=delimiter, first_line=first_line))


def assert_columns(path: Path, columns: int, *, delimiter: str = ",", first_line: int = 1) -> None:
    """Check that every record of a CSV file has as many values as there are columns.

    Raises:
        UnreadableError: A record has another number of values.
    """
    for _ in whole_records(path, columns, delimiter=delimiter, first_line=first_line):
        pass


def whole_records(
    path: Path, columns: int, *, delimiter: str = ",", first_line: int = 1
) -> Iterator[tuple[int, list[str]]]:
    """The records of a CSV file, the header first, each with the line, from 1, on which it begins; without blank ones.

    Raises:
        UnreadableError: One is too long, is no CSV, or has not as many values as there are columns.
    """
    for line, values in _records(path, newline="", strict=True, delimiter=delimiter, first_line=first_line):
        if len(values) != columns:
            raise UnreadableError(f"line {line}: {len(values)} values; expected {columns}, as there are columns")
        yield line, values


def physical_line(
    path: Path, record: int, *, newline: str, has_header: bool = True, delimiter: str = ",", first_line: int = 1
) -> int:
    """The line of the file, from 1, on which a data record (from 1) begins."""
    line = first_line
    try:
        # The header is record 0.
        lines = record_lines(path, newline=newline, delimiter=delimiter, first_line=first_line)
        for ordinal, line in enumerate(lines, 0 if has_header else 1):  # noqa: B007 - the last line counts
            if ordinal == record:
                break
    except UnreadableError:
        # Lines after this one cannot be counted: the message names the nearest line that is known.
        return line
    return line


def _line_at(path: Path, offset: int, newline: bytes) -> int:
    # Where lines end with CR LF, DuckDB's offsets point between the two: so CR is what is counted.
    line, left = 1, offset - 1
    with open_content(path) as file:
        while left > 0 and (chunk := file.read(min(left, _CHUNK))):
            line += chunk.count(newline[:1])
            left -= len(chunk)
    return line


def record_lines(
    path: Path, *, newline: str, strict: bool = False, delimiter: str = ",", first_line: int = 1
) -> Iterator[int]:
    """The line, from 1, on which each record begins, the header first."""
    records = _records(path, newline=newline, strict=strict, delimiter=delimiter, first_line=first_line)
    return (line for line, _ in records)


def _records(
    path: Path, *, newline: str, strict: bool, delimiter: str, first_line: int
) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(MAX_LINE_BYTES)
    with io.TextIOWrapper(open_content(path), encoding="utf-8-sig", newline=newline) as file:
        lines = _bounded_lines(file)
        for _ in itertools.islice(lines, first_line - 1):
            pass
        reader = csv.reader(lines, strict=strict, delimiter=delimiter)
        begins = first_line
        try:
            for record in reader:
                if record:
                    yield begins, record
                begins = first_line + reader.line_num
        except csv.Error as error:
            what = "a quote is not closed" if str(error) == "unexpected end of data" else error
            raise UnreadableError(f"line {begins}: it cannot be read as CSV: {what}; {DOWNLOAD_AGAIN}") from error


def _bounded_lines(file: TextIO) -> Iterator[str]:
    """The lines of the file; a line that is longer than allowed is not held in memory."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise csv.Error(f"the line is longer than {MAX_LINE_BYTES} characters, which is the limit")
        yield line
