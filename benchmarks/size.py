"""How large the inputs are, and how many runs there are."""

from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class Size(Enum):
    """`QUICK` fits into five minutes; `FULL` takes more than an hour; `TINY` is for seeing that every row works."""

    TINY = "tiny"
    QUICK = "quick"
    FULL = "full"

    def pick(self, *, tiny: T, quick: T, full: T) -> T:
        """That of the three which is for this size."""
        return {Size.TINY: tiny, Size.QUICK: quick, Size.FULL: full}[self]


def counted(number: int) -> str:
    """`10M`, `200k` or `500`: a number of lines as the results write it."""
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if number >= unit and number % unit == 0:
            return f"{number // unit}{name}"
    return str(number)
