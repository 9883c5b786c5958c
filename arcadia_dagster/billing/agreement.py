"""Whether an invoice's lines, its statement and finance's record have the same total, and in words how they differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from arcadia_dagster.billing.currency import EXPONENTS, format_minor

WITNESSES: Final = ("lines", "stated", "finance")

_LACKING: Final = {"lines": "no lines", "stated": "stated by nobody", "finance": "not in finance"}


@dataclass(frozen=True, slots=True)
class Agreement:
    """An invoice's gross by each witness, in minor units of its currency; None where that witness does not tell it.

    Attributes:
        lines: Its lines, with the tax that is stated besides where they have none.
        stated: What its issuer, or a file with its total, states.
        finance: What finance took last.
    """

    currency: str
    lines: int | None
    stated: int | None
    finance: int | None

    @classmethod
    def of(cls, row: Mapping[str, Any], finance: int | None) -> "Agreement | None":
        """That of a row of `tax_split_totals`; None where it has no currency that ISO 4217 knows.

        Args:
            row: The row.
            finance: What a finance service took last.
        """
        if row["currency"] not in EXPONENTS:
            return None
        return cls(row["currency"], row["lines_gross_minor"], row["stated_gross_minor"], finance)

    @property
    def parts(self) -> bool:
        """Whether any two of them differ."""
        return len(set(self._known.values())) > 1

    @property
    def words(self) -> str:
        """`lines = stated = finance`; or which two agree, and by how much the third differs."""
        known = self._known
        lacking = "".join(f", {_LACKING[name]}" for name in WITNESSES if name not in known)
        if not self.parts:
            return " = ".join(known) + ("" if len(known) > 1 else " only") + lacking
        for one, two in combinations(known, 2):
            others = [name for name in known if name not in {one, two}]
            if known[one] == known[two]:
                return f"{one} = {two}{''.join(self._beside(name, known[one]) for name in others)}{lacking}"
        if len(known) == len(WITNESSES):
            return f"{', '.join(map(self._figure, known))}: no two agree"
        one, two = known
        return f"{self._figure(one)}{self._beside(two, known[one])}{lacking}"

    @property
    def _known(self) -> dict[str, int]:
        return {name: amount for name in WITNESSES if (amount := getattr(self, name)) is not None}

    def _figure(self, name: str) -> str:
        return f"{name} {format_minor(self._known[name], self.currency)}"

    def _beside(self, name: str, other: int) -> str:
        more = self._known[name] - other
        return f", {name} {format_minor(abs(more), self.currency)} {'more' if more > 0 else 'less'}"
