"""Text in files that people open with a spreadsheet: nothing runs as a formula, and no id becomes another number."""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""OWASP, CSV Injection: a spreadsheet takes a cell for a formula that begins with one of these; Excel their wide forms too."""

_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
# Excel and LibreOffice read such a text as a number, a date or a time, and keep that: 12 digits and more are shown and saved as
# 1.23457E+11, zeros in front are lost, `1E5` is 100000, `3-4` a day in April.
_CHANGED = re.compile(
    rf"\d{{12,}}|0\d+|\d*\.?\d+[ed][+-]?\d+|\d+\.\d*0|\d{{1,4}}[-/.: ]\d{{1,4}}([-/.: ]\d{{1,4}})?"
    rf"|({_MONTHS})[a-z]*[-/. ]?\d{{1,4}}|\d{{1,4}}[-/. ]?({_MONTHS})[a-z]*([-/. ]?\d{{1,4}})?",
    re.IGNORECASE,
)

Cell = str | Decimal | int | None


def is_changed_by_spreadsheets(text: str) -> bool:
    """Whether a spreadsheet would take the text for a number, a date or a time, and not show it as it is any more."""
    return _CHANGED.fullmatch(text) is not None


def defused(text: str) -> str:
    """The text, with a `'` before it where a spreadsheet would run it.

    A text that begins with quotes before such a character gets one more, so that removing one always gives the text back.
    """
    return f"'{text}" if text.lstrip("'").startswith(FORMULA_STARTS) else text


def kept(text: str) -> str:
    """The text as a cell for people: with a `'` before it where a spreadsheet would run it or change it."""
    return f"'{text}" if is_changed_by_spreadsheets(text.lstrip("'")) else defused(text)


def unique_number(number: str, provider: str, *, most: int | None = None) -> str:
    """An invoice's number as a cell for an accounting program, which takes it as it is.

    What a spreadsheet would change has its provider before it: a person may open the file and save it before the import. What is
    too long becomes its beginning and eight digits of its SHA-256, and stays unique.

    Args:
        number: The number.
        provider: Its provider.
        most: How many characters the program takes; None: any.
    """
    shown = number if most is None or len(number) <= most else _shortened(number, most)
    if not is_changed_by_spreadsheets(shown):
        return defused(shown)
    room = None if most is None else most - len(shown) - 1
    if room is not None and room < 1:
        return _shortened(number, most or 0)
    return f"{provider[:room]} {shown}"


def _shortened(number: str, most: int) -> str:
    digest = hashlib.sha256(number.encode()).hexdigest()[:8]
    return f"{number[: most - len(digest) - 1]}-{digest}"


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table as CSV (RFC 4180): CRLF ends a line, all text is in quotes, numbers are not, nothing stands for None."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return file.getvalue()
