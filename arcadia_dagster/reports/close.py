"""The month's close: whether the latest month that has ended is complete for every account that is expected to have an invoice.

An account is expected where one of the three months before has an invoice of it: one that ended long ago does not fail for
ever. A person can say sooner that it has ended (`arcadia end`); an invoice of a later month says that it has not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

import duckdb

from arcadia_dagster.how_many import how_many

EXPECTED_FOR_MONTHS: Final = 3
"""For how many months after its last invoice an account is expected to have another."""

State = Literal["complete", "held", "missing", "ended", "not seen lately"]


@dataclass(frozen=True, slots=True)
class Account:
    """An account and its invoices' months (first days, UTC).

    Attributes:
        months: Those with an invoice, held ones and void ones too.
        held: Those with an invoice that is held and not void.
        ended_after: The last month that it has an invoice of, as a person said; None where nobody did.
    """

    source: str
    account_id: str
    months: frozenset[date]
    held: frozenset[date] = frozenset()
    ended_after: date | None = None

    @property
    def name(self) -> str:
        """`digitalocean/77`."""
        return f"{self.source}/{self.account_id}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands in the closed month.

    Attributes:
        last_month: The latest month up to the closed one that it has an invoice of.
    """

    account: Account
    state: State
    last_month: date


@dataclass(frozen=True, slots=True)
class Close:
    """How the latest closed month stands.

    Attributes:
        month: The month, its first day (UTC).
        due_on: The day from which it must be complete (UTC).
        is_due: Whether that day has come.
        standings: Every account that was seen up to then, by source and account.
    """

    month: date
    due_on: date
    is_due: bool
    standings: tuple[Standing, ...]

    @property
    def open(self) -> list[Standing]:
        """The accounts that the month is not complete for."""
        return [standing for standing in self.standings if standing.state in {"missing", "held"}]

    @property
    def summary(self) -> str:
        """One line for a person."""
        names = ", ".join(
            f"{standing.account.name} ({'held' if standing.state == 'held' else f'last {standing.last_month:%Y-%m}'})"
            for standing in self.open
        )
        if names:
            when = "is not complete, it lacks" if self.is_due else f"awaits until {self.due_on}"
            return f"{self.month:%Y-%m} {when}: {names}"
        count = sum(standing.state == "complete" for standing in self.standings)
        if count:
            return f"{self.month:%Y-%m} is complete: {how_many(count, 'account')}"
        return f"{self.month:%Y-%m}: no account is expected, none was seen in the {EXPECTED_FOR_MONTHS} months before"

    def as_json(self) -> dict[str, Any]:
        """Plain values; the month is `2026-04`."""
        return {
            "month": f"{self.month:%Y-%m}",
            "due_on": self.due_on.isoformat(),
            "is_due": self.is_due,
            "is_complete": not self.open,
            "accounts": [
                {
                    "source": standing.account.source,
                    "account_id": standing.account.account_id,
                    "state": standing.state,
                    "last_month": f"{standing.last_month:%Y-%m}",
                }
                for standing in self.standings
            ],
        }


def close(accounts: Iterable[Account], *, today: date, close_day: int) -> Close:
    """How the month before today's stands.

    Args:
        accounts: All that were ever seen.
        today: The present day (UTC).
        close_day: The day of a month from which the month before must be complete, 1 to 28.
    """
    month = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    # An account that was first seen after the month is not expected in it.
    standings = tuple(
        Standing(account, _state(account, month, last), last)
        for account in sorted(accounts, key=lambda account: (account.source, account.account_id))
        if (last := max((seen for seen in account.months if seen <= month), default=None)) is not None
    )
    return Close(month, today.replace(day=close_day), today.day >= close_day, standings)


def _state(account: Account, month: date, last: date) -> State:
    if last == month:
        return "held" if month in account.held else "complete"
    if account.ended_after is not None and account.ended_after >= last:
        return "ended"
    lacking = (month.year - last.year) * 12 + month.month - last.month
    return "missing" if lacking <= EXPECTED_FOR_MONTHS else "not seen lately"


def accounts(connection: duckdb.DuckDBPyConnection) -> list[Account]:
    """Every account with an invoice in the warehouse; lines that belong to no invoice and sum to 0 make no account."""
    rows = connection.execute(
        """
        SELECT source, account_id, list(DISTINCT invoice_month),
          list(DISTINCT invoice_month) FILTER (standing = 'held'), max(invoice_month) FILTER (is_last)
        FROM awaited_invoices
        LEFT JOIN (SELECT DISTINCT source, account_id, external_id, true AS is_last
                   FROM decisions WHERE decision = 'end') AS ended USING (source, account_id, external_id)
        GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    return [
        Account(source, account_id, frozenset(months), frozenset(held or ()), ended_after)
        for source, account_id, months, held, ended_after in rows
    ]
