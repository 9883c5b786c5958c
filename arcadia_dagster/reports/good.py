"""What is good where a check finds nothing: how much it has looked at, in one line, from one query for all checks.

A person who sees only "nothing found" cannot tell a good month from one in which nothing was looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import duckdb

from arcadia_dagster.billing.currency import format_minor
from arcadia_dagster.how_many import how_many
from arcadia_dagster.reports import findings
from arcadia_dagster.store.query import fetch
from arcadia_dagster.warehouse.relations import NOTHING, VOID

# Of tables with a row for each document or invoice: it reads no line.
_LOOKED_AT: Final = f"""
SELECT * FROM (
  SELECT count(*) AS accepted FROM accepted_documents
), (
  SELECT count(*) AS dismissed FROM documents WHERE status = 'dismissed'
), (
  SELECT count(*) AS invoices, count(*) FILTER (standing = 'ready') AS ready, count(*) FILTER (standing = '{VOID}') AS void,
    coalesce(sum(line_count), 0)::BIGINT AS lines, count(DISTINCT (source, account_id)) AS accounts,
    count(DISTINCT invoice_month) AS months
  FROM standing_invoices WHERE standing <> '{NOTHING}'
), (
  SELECT count(*) AS resources FROM cloud_resources
), (
  SELECT count(*) FILTER (source IS NOT NULL) AS routes FROM tenant_routes
), (
  SELECT count(*) AS records FROM records_in_finance
)
"""

_SUMS: Final = f"""
SELECT currency, sum(amount_gross_minor)::HUGEINT AS gross_minor,
  coalesce(sum(amount_gross_minor) FILTER (standing = 'ready'), 0)::HUGEINT AS ready_minor
-- Of a currency that nobody knows the minor unit is not known either.
FROM standing_invoices WHERE amount_gross_minor IS NOT NULL AND standing <> '{NOTHING}' GROUP BY ALL ORDER BY currency
"""

_MOST_CURRENCIES = 3


@dataclass(frozen=True, slots=True)
class LookedAt:
    """What there is to look at.

    Attributes:
        counts: How many of each thing: `accepted` and `dismissed` documents; `invoices`, of which `ready` and `void`, their
            `lines`, `accounts` and `months`; `resources`, `routes`; and `records` that finance services have.
        gross: What the invoices come to: minor units by currency (ISO 4217).
        ready_gross: The same of the ready ones.
    """

    counts: Mapping[str, int]
    gross: Mapping[str, int]
    ready_gross: Mapping[str, int]

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection) -> "LookedAt":
        """What an open warehouse has."""
        [counts] = fetch(connection, _LOOKED_AT)
        sums = list(fetch(connection, _SUMS))
        return cls(
            counts,
            {row["currency"]: row["gross_minor"] for row in sums},
            {row["currency"]: row["ready_minor"] for row in sums},
        )

    def number(self, what: str, one: str = "") -> str:
        """How many of a count, with its noun: that of the count without its s if none is given."""
        return how_many(self.counts[what], one or what.removesuffix("s"))

    @property
    def reconciled(self) -> str:
        """`33 lines of 2 invoices add up to their totals, 94.82 USD`."""
        return f"{self.number('lines')} of {self.number('invoices')} add up to their totals{_sums(self.gross)}"

    @property
    def in_finance(self) -> str:
        """`2 ready invoices, 94.82 USD, and finance lacks none of them`; it lacks no sample that it is not to have."""
        return f"{self.number('ready', 'ready invoice')}{_sums(self.ready_gross)}, and finance lacks none of them"

    def good(self, kind: findings.Kind) -> str:
        """What is right where there is no finding of a kind that a check of the invoices shows.

        Raises:
            KeyError: There is no such check.
        """
        return _GOOD[kind.name](self)


def _sums(minor: Mapping[str, int]) -> str:
    shown = [format_minor(int(amount), currency) for currency, amount in minor.items()]
    more = f" and {len(shown) - _MOST_CURRENCIES} more currencies" if len(shown) > _MOST_CURRENCIES else ""
    return f", {', '.join(shown[:_MOST_CURRENCIES])}{more}" if shown else ""


def _none_held(at: LookedAt) -> str:
    void = f", {at.counts['void']:,} void" if at.counts["void"] else ""
    return f"of {at.number('invoices')}, {at.counts['ready']:,} ready for finance{void}{_sums(at.ready_gross)}"


def _matched(at: LookedAt) -> str:
    if not at.counts["resources"]:
        return "there is no inventory, so no spend is expected to match one"
    return f"{at.number('lines')} looked at against {at.number('resources')} of the inventories"


def _none_rejected(at: LookedAt) -> str:
    dismissed = f"; {at.counts['dismissed']:,} dismissed by a person" if at.counts["dismissed"] else ""
    return f"{at.number('accepted', 'document')} read and accepted{dismissed}"


def _compared(at: LookedAt) -> str:
    return f"{at.number('months')} of {at.number('accounts')} compared, {at.number('invoices')}{_sums(at.gross)}"


_GOOD: Final[Mapping[str, Callable[[LookedAt], str]]] = {
    findings.UNMATCHED.name: _matched,
    findings.REJECTED.name: _none_rejected,
    findings.DAMAGED.name: lambda at: f"the records of {at.number('accepted', 'accepted document')} are whole",
    findings.HELD.name: _none_held,
    findings.UNAPPROVED.name: lambda at: f"none of {at.number('invoices')} waits for a second person",
    findings.FALL.name: _compared,
    findings.RISE.name: _compared,
    findings.UNUSED_ROUTE.name: lambda at: (
        f"{at.number('routes')}: each matches some line" if at.counts["routes"] else "there are no routes to tenants"
    ),
    findings.LEFT_OVER.name: lambda at: f"{at.number('records')} in finance, and each belongs there",
    findings.TAX_RATE.name: lambda at: f"{at.number('invoices')} looked at: the tax of each that states rates is right",
}
