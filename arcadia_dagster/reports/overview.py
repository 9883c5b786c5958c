"""What the months of a year, or all months, come to in each currency: ready and held, by month and by provider."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

import duckdb

from arcadia_dagster.billing.currency import EXPONENTS
from arcadia_dagster.reports.figures import Totals, vendor_name
from arcadia_dagster.warehouse.months import month_list


@dataclass(frozen=True, slots=True)
class Overview:
    """Some months in one currency, in minor units. What is held is never added to what is ready.

    Attributes:
        currency: ISO 4217.
        months: The months that have an invoice in it, in order, each with its ready and its held invoices.
        providers: What the ready invoices of each provider come to, the largest first.
    """

    currency: str
    months: tuple[tuple[date, Totals, Totals], ...]
    providers: tuple[tuple[str, Totals], ...]

    @property
    def ready(self) -> Totals:
        """All ready invoices."""
        return added(totals for _, totals, _ in self.months)

    @property
    def held(self) -> Totals:
        """All held invoices."""
        return added(totals for *_, totals in self.months)


def added(parts: Iterable[Totals]) -> Totals:
    """The sums of sums."""
    total = Totals()
    for part in parts:
        total = Totals(
            total.invoices + part.invoices, total.gross + part.gross, total.net + part.net, total.tax + part.tax
        )
    return total


def overviews(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> tuple[Overview, ...]:
    """The months in each currency that they have, by its code.

    Args:
        connection: An open warehouse.
        months: The months.
    """
    if not months:
        return ()
    rows = connection.execute(
        f"""
        SELECT total.currency, total.invoice_month, total.source, total.standing, max(raw.vendor_name), count(*),
          sum(amount_gross_minor)::BIGINT, sum(amount_net_minor)::BIGINT, sum(amount_tax_minor)::BIGINT
        FROM awaited_invoices AS total
        LEFT JOIN (SELECT source, account_id, external_id, max(vendor_name) AS vendor_name FROM current_invoices GROUP BY ALL)
          AS raw USING (source, account_id, external_id)
        WHERE total.invoice_month IN ({month_list(months)}) AND total.standing IN ('ready', 'held')
          AND amount_gross_minor IS NOT NULL
        GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    found: dict[str, dict[tuple[date, str], list[Totals]]] = {}
    providers: dict[str, dict[str, list[Totals]]] = {}
    for currency, month, source, standing, vendor, *sums in rows:
        if currency not in EXPONENTS:
            continue
        found.setdefault(currency, {}).setdefault((month, standing), []).append(Totals(*sums))
        if standing == "ready":
            name = vendor_name(source, vendor)
            providers.setdefault(currency, {}).setdefault(name, []).append(Totals(*sums))
    return tuple(
        Overview(
            currency,
            tuple(
                (month, added(by.get((month, "ready"), ())), added(by.get((month, "held"), ())))
                for month in sorted({month for month, _ in by})
            ),
            tuple(
                sorted(
                    ((name, added(parts)) for name, parts in providers.get(currency, {}).items()),
                    key=lambda one: (-abs(one[1].gross), one[0]),
                )
            ),
        )
        for currency, by in sorted(found.items())
    )
