"""Tables as a spreadsheet saves them: with its own decimals mark, delimiter and line ends."""

import csv
import io
from collections.abc import Sequence


def saved_anew(
    content: str | bytes,
    decimal: str = ",",
    group: str = "",
    *,
    numbers: Sequence[str] = ("BilledCost", "ConsumedQuantity"),
    delimiter: str = ";",
    end: str = "\r\n",
) -> bytes:
    """A table of commas and points as a spreadsheet writes it."""
    header, *rows = csv.reader(io.StringIO(content if isinstance(content, str) else content.decode(), newline=""))
    where = [header.index(name) for name in numbers]
    for row in rows:
        for position in where:
            row[position] = shown(row[position], decimal, group)
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator=end).writerows([header, *rows])
    return file.getvalue().encode()


def shown(number: str, decimal: str, group: str) -> str:
    """A number with a point as a spreadsheet shows it."""
    sign = "-" if number.startswith("-") else ""
    whole, point, decimals = number.removeprefix("-").partition(".")
    return sign + (f"{int(whole):,}".replace(",", group) if whole else "") + (decimal if point else "") + decimals
