"""Budgets: what a provider, a project or a tenant may cost in a month, and whether it is over, or will be.

Spend is net: tax that comes back is no cost. An open month is taken to go on as it went so far: what its open invoices come to,
times the days of the month over the days that they are of. What is final stays as it is.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from arcadia_dagster.billing.currency import from_minor, to_minor


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget.

    Attributes:
        amount: What may be spent, net, in major units.
        currency: ISO 4217; what is spent in others does not count.
        provider: The source as finance knows it; None: any.
        project: The project; None: any, or none.
        tenant: Who bears it; None: anybody.
        month: The month, its first day (UTC); None: each month that has no budget of its own for the same.
    """

    amount: Decimal
    currency: str
    provider: str | None = None
    project: str | None = None
    tenant: str | None = None
    month: date | None = None

    @property
    def scope(self) -> tuple[str | None, str | None, str | None, str]:
        """What it is for, whatever the month."""
        return (self.provider, self.project, self.tenant, self.currency)

    @property
    def name(self) -> str:
        """What it is for, in words."""
        named = (("provider", self.provider), ("project", self.project), ("tenant", self.tenant))
        return ", ".join(f"{key} {value}" for key, value in named if value is not None) or "everything"


@dataclass(frozen=True, slots=True)
class Spend:
    """What lines of a month come to, net, in major units.

    Attributes:
        provider: The source.
        project: The project, or None.
        tenant: Who bears it, where that is known.
        currency: ISO 4217.
        amount: The exact sum.
        as_of: Of open invoices the day on which the newest document came (UTC); None where they are final.
    """

    provider: str
    project: str | None
    tenant: str | None
    currency: str
    amount: Decimal
    as_of: date | None


class State(StrEnum):
    """How a budget stands."""

    OVER = "over"
    GOING_OVER = "will be over at its present pace"
    WITHIN = "within"


@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """How a budget stands in a month; amounts in major units, to two decimals more than the budget's at most.

    Attributes:
        budget: The budget.
        month: The month, its first day (UTC).
        spent: What was spent so far.
        expected: What the month will come to at its present pace; what was spent, where all of it is final.
        basis: What that goes by, in words.
    """

    budget: Budget
    month: date
    spent: Decimal
    expected: Decimal
    basis: str

    @property
    def state(self) -> State:
        """How it stands."""
        if self.spent > self.budget.amount:
            return State.OVER
        return State.GOING_OVER if self.expected > self.budget.amount else State.WITHIN

    @property
    def left(self) -> Decimal:
        """What may still be spent, so that budget, spent and left add up as they are printed; below 0 where it is over."""
        amount, spent = (to_minor(one, self.budget.currency) for one in (self.budget.amount, self.spent))
        return from_minor(amount - spent, self.budget.currency)


def applying(budgets: Sequence[Budget], month: date) -> list[Budget]:
    """The budgets that apply to a month: of those for the same, that of the month comes before that of each month."""
    found: dict[tuple[str | None, ...], Budget] = {}
    for budget in sorted(budgets, key=lambda one: one.month is not None):
        if budget.month in {None, month}:
            found[budget.scope] = budget
    return [budget for budget in budgets if found.get(budget.scope) is budget]


def standing(budget: Budget, month: date, days: int, spends: Iterable[Spend]) -> BudgetStanding:
    """How a budget stands.

    Args:
        budget: The budget.
        month: The month, its first day (UTC).
        days: How many days the month has.
        spends: All that was spent in the month.
    """
    own = [spend for spend in spends if _is_of(budget, spend)]
    counted = [spend for spend in own if spend.currency == budget.currency]
    spent = sum((spend.amount for spend in counted), Decimal(0))
    expected = Fraction(0)
    for spend in counted:
        expected += Fraction(spend.amount) * Fraction(days, _days_of(spend, month, days))
    return BudgetStanding(
        budget, month, _rounded(Fraction(spent)), _rounded(expected), _basis(budget, month, days, own)
    )


def _is_of(budget: Budget, spend: Spend) -> bool:
    pairs = ((budget.provider, spend.provider), (budget.project, spend.project), (budget.tenant, spend.tenant))
    return all(wanted is None or wanted == value for wanted, value in pairs)


def _days_of(spend: Spend, month: date, days: int) -> int:
    """How many days of the month the spend is of."""
    if spend.as_of is None or spend.as_of < month:
        return days
    return min((spend.as_of - month).days + 1, days)


def _basis(budget: Budget, month: date, days: int, own: Collection[Spend]) -> str:
    counted = [spend for spend in own if spend.currency == budget.currency]
    others = sorted({spend.currency for spend in own} - {budget.currency})
    beside = f"; spend in {', '.join(others)} is not counted" if others else ""
    if not counted:
        return f"nothing is known of it{beside}"
    open_ = [spend for spend in counted if spend.as_of is not None]
    if not open_:
        return f"final invoices{beside}"
    last = max(_days_of(spend, month, days) for spend in open_)
    return f"{'open' if len(open_) == len(counted) else 'final and open'} invoices, {last} of {days} days{beside}"


def _rounded(amount: Fraction) -> Decimal:
    """To the fourth decimal, half away from zero: no currency has more."""
    scaled = abs(amount) * 10_000
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(whole if amount >= 0 else -whole).scaleb(-4)
