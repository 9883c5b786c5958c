"""Which invoices a second person must approve before they go to finance (four eyes), by their amounts.

The limits are one text, as a setting has it: `EUR 1000, USD 2000`, or `all`; and, from which invoice month on, `from 2026-11`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from arcadia_dagster.billing.currency import EXPONENTS

_EXPECTED: Final = "expected an amount a currency, such as EUR 1000, USD 2000, or all; and, if you like, from 2026-11"
_AMOUNT = re.compile(r"([A-Z]{3})\s+(\d{1,15}(?:\.\d{1,4})?)", re.ASCII)
_FROM = re.compile(r"from\s+(\d{4}-\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limits:
    """The invoices that wait for an approval.

    Attributes:
        over: For each currency (ISO 4217) the amount, tax included, in major units: an invoice of more waits. In the order of the
            currencies' codes. An invoice in a currency that is not there waits, whatever it comes to: nobody has named an amount.
        is_all: Whether every invoice waits.
        first_month: The first invoice month (its first day, UTC) of those that wait; None: any.
    """

    over: tuple[tuple[str, Decimal], ...] = ()
    is_all: bool = False
    first_month: date | None = None

    @classmethod
    def parse(cls, text: str) -> "Limits":
        """The limits that a text says; none in a blank one.

        Raises:
            ValueError: It says something else, or something twice.
        """
        over: dict[str, Decimal] = {}
        is_all, first_month = False, None
        for item in filter(None, (part.strip() for part in text.split(","))):
            if item == "all" and not is_all:
                is_all = True
            elif (amount := _AMOUNT.fullmatch(item)) and amount[1] in EXPONENTS and amount[1] not in over:
                over[amount[1]] = Decimal(amount[2])
            elif (month := _FROM.fullmatch(item)) and first_month is None:
                first_month = _month(month[1])
            else:
                raise ValueError(f"{item}: {_EXPECTED}, each of them once")
        if is_all == bool(over) and text.strip(" ,"):
            raise ValueError(_EXPECTED)
        return cls(tuple(sorted(over.items())), is_all, first_month)

    @property
    def are_none(self) -> bool:
        """Whether no invoice waits."""
        return not self.over and not self.is_all

    def concern(self, month: date) -> bool:
        """Whether invoices of the month may wait."""
        return not self.are_none and (self.first_month is None or month >= self.first_month)

    def need(self, gross: Decimal, currency: str, month: date) -> bool:
        """Whether an invoice must be approved.

        Args:
            gross: What it comes to, tax included, in major units.
            currency: ISO 4217.
            month: Its invoice month (first day, UTC).
        """
        over = dict(self.over).get(currency)
        return self.concern(month) and (over is None or abs(gross) > over)

    def __str__(self) -> str:
        """The limits as a setting has them."""
        items = ["all"] if self.is_all else [f"{currency} {amount:f}" for currency, amount in self.over]
        return ", ".join([*items, *([f"from {self.first_month:%Y-%m}"] if self.first_month else [])])


NO_LIMITS: Final = Limits()
"""No invoice waits."""


def _month(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        raise ValueError(f"from {text}: expected a month such as 2026-11") from None
