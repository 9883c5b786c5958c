"""Lines that make up the difference between an invoice's lines and its stated total, where somebody has decided to book it.

The invoiced total may differ from the sum of the lines: a provider rounds each service by itself, or leaves the tax out of its
export. Then finance gets the stated figures, and the difference becomes lines: `Tax` for the difference in tax, and
`Adjustment` for the rest. So the lines still come to gross, and its tax lines to the tax, with one rounding.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from arcadia_dagster.billing.currency import from_minor, to_minor

TAX: Final = "Tax"
ROUNDING: Final = "Adjustment"

TAX_FROM: Final = Decimal("0.01")
"""The part of what lines come to from which on a difference may be tax."""

TAX_FROM_MINOR: Final = 5
"""The minor units up to which it is none: what a provider rounds elsewhere."""

_PRECISION = 60


@dataclass(frozen=True, slots=True)
class Stated:
    """An invoice's lines beside what it is stated to come to, in major units of one currency.

    Attributes:
        currency: ISO 4217 code.
        gross: The exact sum of its lines.
        tax: The exact sum of its tax lines.
        tax_lines: How many of these there are.
        stated_total: What it is stated to come to.
        stated_tax: The tax that is stated; None where nothing is said of it.
        is_before_tax: Whether its lines are known to leave the tax out.
        says_tax_besides: Whether the tax is stated by somebody who has seen the invoice, beside a document that may leave it out.
    """

    currency: str
    gross: Decimal
    tax: Decimal
    tax_lines: int
    stated_total: Decimal
    stated_tax: Decimal | None
    is_before_tax: bool = False
    says_tax_besides: bool = False

    @property
    def is_in_minor_units(self) -> bool:
        """Whether what is stated has no more decimals than its currency."""
        return all(
            from_minor(to_minor(amount, self.currency), self.currency) == amount
            for amount in (self.stated_total, self.stated_tax)
            if amount is not None
        )

    @property
    def differs(self) -> bool:
        """Whether the lines come to something else than what is stated, to the minor unit."""
        return bool(self.adjustment())

    @property
    def lacks_its_tax(self) -> bool:
        """Whether the difference may be unstated tax, which must not be booked as a rounding.

        Where the lines have no tax, a stated total that is more than a hundredth above them may include it: no tax on sales is
        lower.
        """
        if self.stated_tax is not None:
            return False
        with localcontext(prec=_PRECISION):
            above = self.stated_total - self.gross
            least = max(abs(self.gross) * TAX_FROM, from_minor(TAX_FROM_MINOR, self.currency))
            return self.is_before_tax or (not self.tax and above > least)

    def is_completed_by_tax(self, tolerance: Decimal = Decimal(0)) -> bool:
        """Whether the lines lack nothing but the stated tax: the stated total less that tax is the sum of the lines.

        Args:
            tolerance: How much the net may differ, in major units.
        """
        if self.tax or not self.stated_tax or not (self.is_before_tax or self.says_tax_besides):
            return False
        with localcontext(prec=_PRECISION):
            return self.is_in_minor_units and self._is_within(
                self.stated_total - self.stated_tax, self.gross, tolerance
            )

    def is_tolerated(self, tolerance: Decimal) -> bool:
        """Whether total and tax differ from those of the lines by no more than this, in major units.

        Args:
            tolerance: More than 0.
        """
        if self.lacks_its_tax or not self.is_in_minor_units:
            return False
        return self._is_within(self.stated_total, self.gross, tolerance) and (
            self.stated_tax is None or self._is_within(self.stated_tax, self.tax, tolerance)
        )

    def adjustment(self) -> Mapping[str, Decimal]:
        """The amounts of the lines that make up the difference, by charge category; empty where there is none."""
        lines: dict[str, Decimal] = {}
        with localcontext(prec=_PRECISION):
            gross = self.gross
            if self.stated_tax is not None and self._minor(self.stated_tax) != self._minor(self.tax):
                lines[TAX] = self.stated_tax - self.tax
                gross += lines[TAX]
            if self._minor(gross) != self._minor(self.stated_total):
                lines[ROUNDING] = self.stated_total - gross
        return lines

    def _minor(self, amount: Decimal) -> int:
        return to_minor(amount, self.currency)

    def _is_within(self, stated: Decimal, lines: Decimal, tolerance: Decimal) -> bool:
        with localcontext(prec=_PRECISION):
            return abs(stated - from_minor(self._minor(lines), self.currency)) <= tolerance
