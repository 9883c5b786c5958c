"""Whether the FOCUS files of months have what the tables have: read from the files, as another program reads them."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb

from arcadia_dagster.billing.currency import format_exact, from_minor
from arcadia_dagster.how_many import how_many
from arcadia_dagster.reports.focus import COST_AND_USAGE, INVOICE_DETAIL
from arcadia_dagster.store.query import in_memory, text_list
from arcadia_dagster.warehouse.months import month_list

_Sums = Mapping[tuple[date, str], tuple[int, Decimal]]
"""How many there are, and what they come to in major units, by month and currency."""

_KINDS = (
    (COST_AND_USAGE, "line", "count(*)"),
    (INVOICE_DETAIL, "invoice", "count(DISTINCT (InvoiceIssuerName, BillingAccountId, InvoiceId, x_DocumentSha256))"),
)
"""Each kind of file, what it has, and how many it has in SQL."""


def months_with_files(folder: Path) -> set[date]:
    """The months (first days, UTC) that have FOCUS files of `export_months`."""
    found = folder.glob(f"[0-9][0-9][0-9][0-9]-[01][0-9]/{COST_AND_USAGE}.parquet")
    return {date.fromisoformat(f"{path.parent.name}-01") for path in found}


def differences(connection: duckdb.DuckDBPyConnection, folder: Path, months: Collection[date]) -> list[str]:
    """Where the Parquet files of months have other lines, invoices or amounts than the tables, in words.

    Args:
        connection: An open warehouse.
        folder: Where the months' folders are; see `export_months`.
        months: Months (first days, UTC) that have files.
    """
    if not months:
        return []
    found: list[str] = []
    for name, one, count in _KINDS:
        tables = _lines(connection, months) if name == COST_AND_USAGE else _invoices(connection, months)
        try:
            # Beside the transaction: an error would end it.
            with in_memory() as reading:
                files = _in_files(reading, folder, name, months, count)
        except duckdb.Error:
            found += _unreadable(folder, name, months)
            continue
        found += _unequal(files, tables, one)
    return found


def _path(folder: Path, month: date, name: str) -> str:
    return str(folder / f"{month:%Y-%m}" / f"{name}.parquet")


def _in_files(
    connection: duckdb.DuckDBPyConnection, folder: Path, name: str, months: Collection[date], count: str
) -> _Sums:
    paths = text_list(_path(folder, month, name) for month in months)
    rows = connection.execute(
        f"""
        SELECT CAST(regexp_extract(filename, '([0-9-]+)[/\\\\][^/\\\\]+$', 1) || '-01' AS DATE) AS invoice_month,
          BillingCurrency, {count}, sum(BilledCost)
        FROM read_parquet([{paths}], filename = true) GROUP BY ALL
        """
    ).fetchall()
    return {(month, currency): (number, amount) for month, currency, number, amount in rows}


def _unreadable(folder: Path, name: str, months: Collection[date]) -> Iterator[str]:
    """The files that cannot be read: all were read at a time, and one of them failed."""
    for month in sorted(months):
        try:
            with in_memory() as reading:
                reading.execute(f"SELECT sum(BilledCost) FROM read_parquet({text_list([_path(folder, month, name)])})")
        except duckdb.Error as error:
            yield f"{month:%Y-%m}: {name}.parquet cannot be read ({str(error).splitlines()[0]})"


def _lines(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> _Sums:
    rows = connection.execute(
        "SELECT invoice_month, currency, count(*), sum(amount) FROM cost_lines "
        f"WHERE invoice_month IN ({month_list(months)}) GROUP BY ALL"
    ).fetchall()
    return {(month, currency): (number, amount) for month, currency, number, amount in rows}


def _invoices(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> _Sums:
    """The final invoices that can be summed, as they are pushed."""
    rows = connection.execute(
        f"""
        SELECT invoice_month, currency, count(*), CAST(sum(amount_gross_minor) AS HUGEINT) FROM tax_split_totals
        ANTI JOIN (FROM current_invoices WHERE NOT is_final) USING (source, account_id, external_id)
        WHERE invoice_month IN ({month_list(months)}) AND amount_gross_minor IS NOT NULL AND line_count > 0 GROUP BY ALL
        """
    ).fetchall()
    return {(month, currency): (number, from_minor(minor, currency)) for month, currency, number, minor in rows}


def _unequal(files: _Sums, tables: _Sums, one: str) -> Iterator[str]:
    nothing = (0, Decimal(0))
    for month, currency in sorted(files.keys() | tables.keys()):
        has, should = files.get((month, currency), nothing), tables.get((month, currency), nothing)
        if has != should:
            has_words, should_words = (
                f"{how_many(count, one)}, {format_exact(amount, currency)}" for count, amount in (has, should)
            )
            yield f"{month:%Y-%m}: {has_words} in the FOCUS file, {should_words} in the warehouse"
