"""A month in the UI: figures that it plots, and tables.

pandas carries the tables. Amounts in them are text that was made exactly; the figures are floats, which is all that the UI can
plot: they are for the eye, and nothing is computed from them.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
import duckdb
import pandas as pd

from arcadia_dagster.billing.currency import EXPONENTS, format_minor, from_minor
from arcadia_dagster.defs.assets.common import PARTITION_ROW_COUNT
from arcadia_dagster.warehouse.months import month_list
from arcadia_dagster.warehouse.relations import VOID

PREVIEW_ROWS = 25


def totals_by_month(
    connection: duckdb.DuckDBPyConnection, months: Collection[date]
) -> dict[date, dict[str, dg.MetadataValue]]:
    """Invoices, gross, net and tax in each currency, and what is held, for each month."""
    metadata: dict[date, dict[str, dg.MetadataValue]] = {
        month: {"invoices": dg.IntMetadataValue(0), "held": dg.IntMetadataValue(0)} for month in months
    }
    counts = connection.execute(
        f"SELECT invoice_month, count(*), count(*) FILTER (standing IN ('held', '{VOID}')) FROM standing_invoices "
        f"WHERE invoice_month IN ({month_list(months)}) GROUP BY ALL"
    ).fetchall()
    for month, invoices, held in counts:
        metadata[month] |= {"invoices": dg.IntMetadataValue(invoices), "held": dg.IntMetadataValue(held)}
    sums = connection.execute(
        "SELECT invoice_month, currency, sum(amount_gross_minor), sum(amount_net_minor), sum(amount_tax_minor) "
        f"FROM awaited_invoices WHERE currency IS NOT NULL AND invoice_month IN ({month_list(months)}) "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    for month, currency, *minor in sums:
        if currency in EXPONENTS:
            metadata[month] |= {
                f"{what}_{currency}": dg.FloatMetadataValue(float(from_minor(int(amount), currency)))
                for what, amount in zip(("gross", "net", "tax"), minor, strict=True)
            }
    return metadata


def tables_by_month(
    connection: duckdb.DuckDBPyConnection, months: Collection[date], query: str
) -> dict[date, dg.TableMetadataValue]:
    """A table for each month in the query's answer, with its first rows only.

    Args:
        connection: An open warehouse.
        months: The months.
        query: A SELECT with `invoice_month`, and `{months}` where its list of months belongs. Columns that end with `_minor`
            are shown as amounts of the row's `currency`.
    """
    frame = connection.execute(query.format(months=month_list(months))).df()
    if frame.empty:
        return {}
    first = frame.groupby("invoice_month").head(PREVIEW_ROWS)
    shown = _as_text(first.drop(columns="invoice_month"))
    months_ = pd.to_datetime(first["invoice_month"]).dt.date
    return {month: _table(shown[months_ == month]) for month in sorted(set(months_))}


def as_table(frame: pd.DataFrame) -> dg.TableMetadataValue:
    """A frame as the UI shows it. Its cells are text: the UI shows them as they are and never as markup."""
    return _table(_as_text(frame))


def texts_as_table(rows: Sequence[Mapping[str, str]]) -> dg.TableMetadataValue:
    """Rows of text as the UI shows them, all with the same columns."""
    return _table(pd.DataFrame(rows, dtype=object))


def _table(shown: pd.DataFrame) -> dg.TableMetadataValue:
    names = [str(name) for name in shown.columns]
    records = [dg.TableRecord(dict(zip(names, row, strict=True))) for row in shown.itertuples(index=False, name=None)]
    columns = [dg.TableColumn(name, type="string") for name in names]
    return dg.TableMetadataValue(records=records, schema=dg.TableSchema(columns=columns))


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Every cell as text; columns that end with `_minor` as amounts of the row's `currency`."""
    cells = {
        name.removesuffix("_minor"): [
            format_minor(None if pd.isna(minor) else int(minor), currency)
            for minor, currency in zip(frame[name], frame["currency"], strict=True)
        ]
        if name.endswith("_minor")
        else [_text(value) for value in frame[name]]
        for name in frame.columns
    }
    return pd.DataFrame(cells, index=frame.index, dtype=object)


def merged(*parts: Mapping[date, Mapping[str, Any]]) -> dict[date, dict[str, Any]]:
    """Metadata of several kinds, month by month."""
    months = {month for part in parts for month in part}
    return {month: {key: value for part in parts for key, value in part.get(month, {}).items()} for month in months}


def named(name: str, values: Mapping[date, Any]) -> dict[date, dict[str, Any]]:
    """One kind of metadata under its name, month by month."""
    return {month: {name: value} for month, value in values.items()}


def row_counts(
    connection: duckdb.DuckDBPyConnection, table: str, months: Collection[date]
) -> dict[date, dict[str, Any]]:
    """How many rows of a table each month has, under Dagster's own name for it."""
    counts: dict[date, int] = dict(
        connection.execute(
            f"SELECT invoice_month, count(*) FROM {table} WHERE invoice_month IN ({month_list(months)}) GROUP BY ALL"
        ).fetchall()
    )
    return {month: {PARTITION_ROW_COUNT: counts.get(month, 0)} for month in months}


def _text(value: Any) -> str:  # noqa: ANN401 - a cell
    if value is None or (not isinstance(value, list) and pd.isna(value) is True):
        return ""
    return (
        "; ".join(str(part) for part in value)
        if hasattr(value, "__iter__") and not isinstance(value, str)
        else str(value)
    )
