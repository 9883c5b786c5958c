"""Which months a stage builds: the requested ones, and those that must be built with them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb

from arcadia_dagster.warehouse.months import month_list, stale


@dataclass(frozen=True, slots=True)
class MonthRange:
    """The months that invoices may be of: each has a partition, or gets one when something of it is known.

    Attributes:
        first: The first one, from ARCADIA_FIRST_MONTH.
        last: The present month (UTC).
    """

    first: date
    last: date

    @classmethod
    def since(cls, first: date) -> "MonthRange":
        """The months from the first one to the present one."""
        return cls(first, datetime.now(UTC).date().replace(day=1))

    def __contains__(self, month: date) -> bool:
        """Whether the month is one of them."""
        return self.first <= month <= self.last


def due_months(
    connection: duckdb.DuckDBPyConnection, stage: str, months: Collection[date], range_: MonthRange
) -> set[date]:
    """The months, and those that must be built with them because the stage before has something new.

    These are the months without a partition, for which there is never a run, and the months from or to which one of the
    invoices has moved: it must never be in two months at once.
    """
    behind = stale(connection, stage)
    due = {*months, *(month for month in behind if month not in range_)}
    while behind - due and (moved := months_sharing_invoices(connection, due) & (behind - due)):
        due |= moved
    return due


def months_sharing_invoices(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> set[date]:
    """The months that have, or had, another version of one of these months' invoices, under whatever id.

    Args:
        connection: An open warehouse.
        months: Months by their first days; those that have invoices are among the months returned.
    """
    columns = "document_sha256, source, account_id, external_id, invoice_month"
    rows = connection.execute(
        f"""
        WITH known AS (
          SELECT {columns} FROM document_invoices UNION SELECT {columns} FROM raw_invoices
          UNION SELECT {columns} FROM tax_split_totals
        ), own AS (
          SELECT * FROM known WHERE invoice_month IN ({month_list(months)})
        )
        SELECT invoice_month FROM known SEMI JOIN own USING (source, account_id, external_id)
        UNION SELECT invoice_month FROM known SEMI JOIN own USING (document_sha256)
        """
    ).fetchall()
    return {month for (month,) in rows}
