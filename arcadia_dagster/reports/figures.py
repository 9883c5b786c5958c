"""The figures of a month in each currency: totals, breakdowns, tax, credits, movers, twelve months.

Only invoices that are ready count as spend: that is what finance has or will have. What is held stands beside it and is never
added. Amounts of different currencies are never added either: each currency has figures of its own.

Totals are sums of invoices, which were rounded once each. A breakdown sums exact lines instead: each of its rows is rounded
by itself, half away from zero, and the difference to the total is a row of its own, so that what is printed adds up.
All amounts are integers in minor units of the currency.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb

from arcadia_dagster.billing.currency import EXPONENTS, to_minor
from arcadia_dagster.billing.services import service_name_sql
from arcadia_dagster.billing.vendors import VENDORS, vendor_sql
from arcadia_dagster.store.query import fetch
from arcadia_dagster.warehouse.months import month_list, months_from, next_month, previous_month
from arcadia_dagster.warehouse.relations import NOTHING

ROWS_SHOWN = 10
"""How many rows of a breakdown are shown; the rest are summed in one."""

MOVERS_SHOWN = 8
TREND_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over invoices, in minor units."""

    invoices: int = 0
    gross: int = 0
    net: int = 0
    tax: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a breakdown, in minor units.

    Attributes:
        name: What it is; None where the lines state none.
        source: The provider; empty where the row is of all of them.
        kind: What kind of thing it is, such as the resource's type; may be empty.
        amount: This month's.
        before: The month's before.
        others: How many further things the row sums; 0 for a thing of its own.
    """

    name: str | None
    source: str
    kind: str
    amount: int
    before: int
    others: int = 0

    @property
    def change(self) -> int:
        """This month's amount less that of the month before."""
        return self.amount - self.before


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Rows that, with the rounding, add up to a total.

    Attributes:
        rows: The largest first; the last may be the sum of the others.
        amount: The total that they come to.
        before: The same of the month before.
    """

    rows: tuple[Row, ...]
    amount: int
    before: int

    @property
    def rounding(self) -> int:
        """The total less the printed rows."""
        return self.amount - sum(row.amount for row in self.rows)

    @property
    def rounding_before(self) -> int:
        """The same of the month before."""
        return self.before - sum(row.before for row in self.rows)


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider's month, in minor units."""

    source: str
    name: str
    totals: Totals
    before: Totals


@dataclass(frozen=True, slots=True)
class CurrencyFigures:
    """A month in one currency.

    Attributes:
        currency: ISO 4217.
        totals: Ready invoices.
        held: Held invoices, which `totals` leaves out; without void ones.
        month_before: The ready invoices of the month before.
        year_before: The ready invoices of the same month a year before.
        trend: The twelve months that end with this one, in order.
        providers: Each provider's ready invoices; they add up to `totals` without rounding.
        categories: Net by FOCUS ChargeCategory.
        services: Net by service.
        projects: Net by project.
        resources: Net by resource.
        taxes: Tax by its description.
        credits_: The lines of the category Credit by their description; their total is that category's.
        movers: What changed most since the month before, by resource, or by service where a line states none.
    """

    currency: str
    totals: Totals
    held: Totals
    month_before: Totals
    year_before: Totals
    trend: tuple[tuple[date, Totals], ...]
    providers: tuple[Provider, ...]
    categories: Breakdown
    services: Breakdown
    projects: Breakdown
    resources: Breakdown
    taxes: Breakdown
    credits_: Breakdown
    movers: tuple[Row, ...]


def months_with_invoices(connection: duckdb.DuckDBPyConnection) -> set[date]:
    """The months (first days, UTC) that have an invoice."""
    rows = connection.execute("SELECT DISTINCT invoice_month FROM tax_split_totals").fetchall()
    return {month for (month,) in rows}


def ready_sums(
    connection: duckdb.DuckDBPyConnection, months: Collection[date]
) -> dict[date, dict[str, tuple[int, int]]]:
    """How many ready invoices each of the months has, and their gross in minor units, by currency."""
    sums: dict[date, dict[str, tuple[int, int]]] = {month: {} for month in months}
    for (month, currency, standing), totals in _totals(connection, months).items():
        if standing == "ready":
            sums[month][currency] = (totals.invoices, totals.gross)
    return sums


def year_before(month: date) -> date:
    """The same month of the year before."""
    return month.replace(year=month.year - 1)


def _with_those_before(months: Collection[date]) -> set[date]:
    return {*months, *(previous_month(month) for month in months)}


def trend_months(month: date) -> list[date]:
    """The twelve months that end with this one, in order."""
    return months_from(next_month(year_before(month)), TREND_MONTHS)


def shown_on(month: date) -> list[date]:
    """The months whose invoices a month's statement shows: the same a year before, and all from there to it."""
    return [year_before(month), *trend_months(month)]


def currency_figures(
    connection: duckdb.DuckDBPyConnection, months: Collection[date]
) -> dict[date, tuple[CurrencyFigures, ...]]:
    """The figures of each month, in each currency of the month, the month before or the same month a year before.

    The currency with the most invoices comes first.

    Args:
        connection: An open warehouse.
        months: The months.
    """
    if not months:
        return {}
    totals = _totals(connection, {shown_month for month in months for shown_month in shown_on(month)})
    providers = _providers(connection, months)
    rows = _rows(connection, months)
    return {month: tuple(_of_month(month, totals, providers, rows)) for month in months}


_TotalsBy = dict[tuple[date, str, str], Totals]
_RowsBy = dict[tuple[date, str, str], list[Row]]


def _of_month(
    month: date,
    totals: Mapping[tuple[date, str, str], Totals],
    providers: Mapping[tuple[date, str], Mapping[str, tuple[str, Totals]]],
    rows: Mapping[tuple[date, str, str], Sequence[Row]],
) -> Iterator[CurrencyFigures]:
    before, last_year = previous_month(month), year_before(month)
    # Held and void invoices of other months are not on this page.
    currencies = {
        currency
        for invoice_month, currency, status in totals
        if (invoice_month == month and status != NOTHING)
        or (invoice_month in {before, last_year} and status == "ready")
    }

    def of(which: date, status: str, currency: str) -> Totals:
        return totals.get((which, currency, status), Totals())

    def invoices(currency: str) -> int:
        return of(month, "ready", currency).invoices + of(month, "held", currency).invoices

    for currency in sorted(currencies, key=lambda code: (-invoices(code), code)):
        now, then = of(month, "ready", currency), of(before, "ready", currency)
        breakdowns = {what: tuple(rows.get((month, currency, what), ())) for what in _BREAKDOWNS}
        credited = [row for row in breakdowns["category"] if row.name == "Credit"]
        yield CurrencyFigures(
            currency=currency,
            totals=now,
            held=of(month, "held", currency),
            month_before=then,
            year_before=of(last_year, "ready", currency),
            trend=tuple((shown, of(shown, "ready", currency)) for shown in trend_months(month)),
            providers=tuple(_by_provider(providers.get((month, currency), {}), providers.get((before, currency), {}))),
            categories=Breakdown(breakdowns["category"], now.net, then.net),
            services=Breakdown(breakdowns["service"], now.net, then.net),
            projects=Breakdown(breakdowns["project"], now.net, then.net),
            resources=Breakdown(breakdowns["resource"], now.net, then.net),
            taxes=Breakdown(breakdowns["tax"], now.tax, then.tax),
            credits_=Breakdown(
                breakdowns["credit"], sum(row.amount for row in credited), sum(row.before for row in credited)
            ),
            movers=tuple(row for row in breakdowns["mover"] if row.change),
        )


def _by_provider(now: Mapping[str, tuple[str, Totals]], before: Mapping[str, tuple[str, Totals]]) -> Iterator[Provider]:
    nothing = ("", Totals())
    providers = [
        Provider(
            source, (now.get(source) or before[source])[0], now.get(source, nothing)[1], before.get(source, nothing)[1]
        )
        for source in {*now, *before}
    ]
    yield from sorted(providers, key=lambda provider: (-abs(provider.totals.gross), provider.source))


def _totals(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> _TotalsBy:
    """The sums of these months, by month, currency and standing."""
    rows = connection.execute(
        f"""
        SELECT invoice_month, currency, standing, count(*), sum(amount_gross_minor), sum(amount_net_minor),
          sum(amount_tax_minor)
        FROM standing_invoices
        WHERE invoice_month IN ({month_list(months)}) AND amount_gross_minor IS NOT NULL
        GROUP BY ALL
        """
    ).fetchall()
    return {(month, currency, status): Totals(*sums) for month, currency, status, *sums in rows}


def _providers(
    connection: duckdb.DuckDBPyConnection, months: Collection[date]
) -> dict[tuple[date, str], dict[str, tuple[str, Totals]]]:
    """The ready invoices of these months and of those before, by month, currency and source; with the vendor's name."""
    wanted = _with_those_before(months)
    rows = connection.execute(
        f"""
        SELECT total.invoice_month, total.currency, total.source, max(raw.vendor_name), count(*),
          sum(amount_gross_minor), sum(amount_net_minor), sum(amount_tax_minor)
        FROM tax_split_totals AS total
        LEFT JOIN (SELECT source, account_id, external_id, max(vendor_name) AS vendor_name FROM current_invoices
          WHERE invoice_month IN ({month_list(wanted)}) GROUP BY ALL) AS raw
          USING (source, account_id, external_id)
        WHERE total.invoice_month IN ({month_list(wanted)}) AND total.status = 'ready'
        GROUP BY ALL
        """
    ).fetchall()
    by_month: dict[tuple[date, str], dict[str, tuple[str, Totals]]] = {}
    for month, currency, source, vendor, *sums in rows:
        by_month.setdefault((month, currency), {})[source] = (vendor_name(source, vendor), Totals(*sums))
    return by_month


def vendor_name(source: str, stated: str | None = None) -> str:
    """The vendor's name: of a well-known one its own, else as its documents state it, else the source."""
    return VENDORS.get(source) or stated or source


@dataclass(frozen=True, slots=True)
class _By:
    """The grouping of a breakdown: SQL over the columns of `_lines_sql`.

    Attributes:
        lines: Which lines it is of.
        name: The name of a row.
        source: The provider of a row.
        kind: The kind of a row.
        place: The rows with the least come first.
        shown: How many rows are shown.
        has_rest: Whether the other rows are summed in one.
    """

    lines: str = "charge_category <> 'Tax'"
    name: str = "description"
    source: str = "source"
    kind: str = "''"
    place: str = "-abs(coalesce(amount, 0))"
    shown: int = ROWS_SHOWN
    has_rest: bool = True


# A resource goes by the name that people gave it, and by its id where it has none: ids come and go with the format that an
# invoice came in.
_BREAKDOWNS = {
    "category": _By(name="charge_category", source="''"),
    "service": _By(name="service"),
    "project": _By(name="project"),
    "resource": _By(name="resource", kind="resource_type"),
    "tax": _By("charge_category = 'Tax'"),
    "credit": _By("charge_category = 'Credit'"),
    "mover": _By(
        name="coalesce(resource, service)",
        kind="CASE WHEN resource IS NULL THEN '' ELSE resource_type END",
        place="-abs(coalesce(amount, 0) - coalesce(before, 0))",
        shown=MOVERS_SHOWN,
        has_rest=False,
    ),
}


def _rows(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> _RowsBy:
    """The rows of all breakdowns, by month, currency and breakdown, the largest first."""
    by_kind: _RowsBy = {}
    # One query for each breakdown: there may be as many resources as lines, and two such breakdowns do not fit into memory.
    for what, by in _BREAKDOWNS.items():
        for part in fetch(connection, _first_sql(by, months)):
            if part["currency"] in EXPONENTS:
                by_kind[part["page"], part["currency"], what] = list(_shown(part, by))
    return by_kind


def _shown(part: Mapping[str, Any], by: _By) -> Iterator[Row]:
    def row(summed: Mapping[str, Any], others: int = 0) -> Row:
        amount, before = (_minor(summed[which], part["currency"]) for which in ("amount", "before"))
        return Row(summed["name"], summed["source"], summed["kind"], amount, before, others)

    first, others = part["first"], part["things"] - by.shown
    # A row that would sum just one thing shows that thing instead.
    has_rest = by.has_rest and others > 1
    things = first if by.has_rest and not has_rest else first[: by.shown]
    if by.has_rest:
        things = sorted(things, key=lambda thing: thing["amount"] or 0, reverse=True)
    yield from map(row, things)
    if has_rest:
        yield row(
            {"name": None, "source": "", "kind": "", "amount": part["rest"], "before": part["rest_before"]}, others
        )


def _minor(amount: Decimal | None, currency: str) -> int:
    return 0 if amount is None else to_minor(amount, currency)


def _lines_sql(months: Collection[date]) -> str:
    """SQL: the lines of ready invoices, of these months and of those before: each on the page of its month, and on the next."""
    wanted = _with_those_before(months)
    return f"""
    SELECT page, currency, source, charge_category, project, coalesce(resource_name, resource_id) AS resource,
      {service_name_sql("service_name", category="charge_category", vendor=vendor_sql("source", "NULL"))} AS service,
      coalesce(resource_type, '') AS resource_type, coalesce(nullif(trim(description), ''), service) AS description,
      CASE WHEN invoice_month = page THEN amount END AS amount,
      CASE WHEN invoice_month <> page THEN amount END AS before
    FROM (
      SELECT *, unnest([invoice_month, CAST(invoice_month + INTERVAL 1 MONTH AS DATE)]) AS page
      FROM cost_lines
      SEMI JOIN (FROM tax_split_totals WHERE status = 'ready') USING (source, account_id, external_id, invoice_month)
      WHERE invoice_month IN ({month_list(wanted)})
    )
    WHERE page IN ({month_list(months)})
    """


def _first_sql(by: _By, months: Collection[date]) -> str:
    """SQL: the first things of a breakdown, one more than are shown, how many there are, and the sums of those not shown."""
    rest = ", ".join(
        f"sum({which}) - list_sum([coalesce(one.{which}, 0) FOR one IN first[:{by.shown}]]) AS {name}"
        for which, name in (("amount", "rest"), ("before", "rest_before"))
    )
    return f"""
    WITH thing AS (
      SELECT page, currency, {by.name} AS name, {by.source} AS source, {by.kind} AS kind, sum(amount) AS amount,
        sum(before) AS before
      FROM ({_lines_sql(months)}) WHERE {by.lines} GROUP BY ALL
    )
    SELECT page, currency, count(*) AS things,
      min_by(thing, row({by.place}, -abs(coalesce(before, 0)), name, source, kind), {by.shown + 1}) AS first, {rest}
    FROM thing GROUP BY page, currency
    """
