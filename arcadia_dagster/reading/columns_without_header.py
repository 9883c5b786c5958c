"""Values of a CSV table that stand in a column without a header: they may have moved there from the columns before.

`$1,200.50` without quotes is two values. A spreadsheet that opens such a file and saves it gives the table one more column, whose
header is empty, so that all records have as many values as there are columns. The amount is then read as `$1`. Where the last
columns of the record are blank nothing stands below the empty header, and only the two parts of the amount show what happened.
Columns without a header that come before all others, such as numbers of rows, move nothing.
"""

import csv
import re
from collections.abc import Collection, Sequence

from arcadia_dagster.reading import amounts
from arcadia_dagster.reading.format import Csv, Head
from arcadia_dagster.reading.problems import DOWNLOAD_AGAIN, whole_records

_SHOWN = 80
_WHOLE = rf"[-+(]?[{re.escape(amounts.SYMBOLS)}]?[-+]?\d{{1,3}}"
_FIRST_PART = re.compile(_WHOLE, re.ASCII)
_NEXT_PART = re.compile(r"\d{2,3}(\.\d+)?\)?", re.ASCII)


def misplaced_value(head: Head, table: Csv) -> str | None:
    """The first value of a document that may be in a wrong column, in words; None where there is none.

    Args:
        head: The document.
        table: How its records are laid out.

    Raises:
        UnreadableError: A record is no CSV, or has not as many values as there are columns.
    """
    if not table.has_header or head.path is None:
        return None
    header = _header(head, table)
    empty = without_header(header)
    if not empty:
        return None
    records = whole_records(head.path, table.columns, delimiter=table.delimiter, first_line=table.first_line)
    next(records, None)
    for line, values in records:
        if (problem := problem_of(line, values, empty, delimiter=table.delimiter)) is not None:
            return problem
        if (position := _split_amount(values, table.numbers)) is not None:
            return (
                f"line {line}, column {header[position].strip()}: {values[position].strip()!r} and "
                f"{values[position + 1].strip()!r} behind it seem to be one amount, and a column has no header; expected an "
                f"amount in quotes: {DOWNLOAD_AGAIN}"
            )
    return None


def without_header(header: Sequence[str]) -> list[int]:
    """The positions, from 0, of the columns without a header that are not before all others."""
    named = [position for position, name in enumerate(header) if name.strip()]
    return [position for position in range(named[0], len(header)) if position not in named] if named else []


def problem_of(line: int, values: Sequence[str], empty: Collection[int], *, delimiter: str) -> str | None:
    """In words, the first value of a record that is in a column without a header; None where there is none.

    Args:
        line: The record's line, from 1.
        values: The record.
        empty: The columns, see `without_header`.
        delimiter: What separates the values.
    """
    value = next((text for position in empty if (text := values[position].strip())), None)
    if value is None:
        return None
    return (
        f"line {line}: {value[:_SHOWN]!r} is in a column without a header: a value before it may have a {delimiter!r} and no "
        f"quotes, as in $1,200.50, so that amounts would be read wrongly; {DOWNLOAD_AGAIN}. If it is a note of your own, delete "
        "it"
    )


def split_amount_sql(text: str, behind: str, *, decimal_mark: str = ".") -> str:
    """SQL: whether an amount seems to be the part before the delimiter of one that had no quotes.

    Args:
        text: SQL: the amount, as text.
        behind: SQL: the value of the next column, which has no numbers of its own.
        decimal_mark: What stands before decimals. With a comma, what is behind the delimiter is `50` of `1.200,50`.
    """
    if decimal_mark == ",":
        whole, next_part, longest = rf"{_WHOLE}(\.\d{{3}})*|{_WHOLE}\d*", r"\d{2}\)?", 20
    else:
        whole, next_part, longest = _WHOLE, r"\d{3}(\.\d+)?\)?", 8
    return (
        f"length(trim({text})) < {longest} AND regexp_full_match(trim({text}), '{whole}') "
        f"AND regexp_full_match(trim({behind}), '{next_part}')"
    )


def _header(head: Head, table: Csv) -> list[str]:
    lines = head.text.split(head.newline, table.first_line)
    if len(lines) < table.first_line:
        return []
    try:
        return next(csv.reader([lines[table.first_line - 1]], delimiter=table.delimiter), [])
    except csv.Error:
        return []


def _split_amount(values: Sequence[str], numbers: Collection[int]) -> int | None:
    """The position of the first number that seems to go on in the next column, which has no numbers of its own."""
    return next(
        (
            position
            for position in numbers
            if position + 1 < len(values)
            and position + 1 not in numbers
            and _FIRST_PART.fullmatch(values[position].strip())
            and _NEXT_PART.fullmatch(values[position + 1].strip())
        ),
        None,
    )
