"""A CSV file whose last value is cut off: it still has all its columns, so that its reader sees nothing.

Many whole files have no line end at their end. So something else must speak for the cut: all other lines end with a number of the
same count of decimals, and the last one with a number of fewer.
"""

import re
from pathlib import Path

_TAIL_BYTES = 64 << 10
"""How much of the end is looked at."""

_FEWEST_LINES = 2
"""How many other lines must agree."""

_NUMBER = re.compile(r"[^\d.,]{0,5}\d[\d']*(?:[.,]\d{3})*(?:[.,](?P<decimals>\d*))?[^\d.,]{0,5}")
_VALUE_BEHIND = re.compile(r"""[,;\t]"?(?P<value>[^,;\t"]*)"?$""")


def cut_off_value(path: Path, newline: str) -> str | None:
    """The last value of a text file that is not packed, where it is cut off; else None.

    Args:
        path: The file.
        newline: What ends its lines.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        file.seek(0, 2)
        size = file.tell()
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read().decode("utf-8", "replace")
    *others, last = tail.split(newline)
    # The first is the header, or the end of a line that begins before.
    others = [line for line in others[1:] if line]
    if not last or len(others) < _FEWEST_LINES:
        return None
    decimals = {_decimals(line) for line in others}
    own = _decimals(last)
    if len(decimals) != 1 or own is None:
        return None
    [usual] = decimals
    if usual is None or own >= usual:
        return None
    value = _VALUE_BEHIND.search(last)
    return None if value is None else value["value"]


def _decimals(line: str) -> int | None:
    """How many decimals the number has with which a line ends; None where it ends with none."""
    value = _VALUE_BEHIND.search(line)
    number = None if value is None else _NUMBER.fullmatch(value["value"].strip())
    return None if number is None else len(number["decimals"] or "")
