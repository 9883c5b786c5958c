"""The budgets that a person writes, as the warehouse has them: those of the file that was landed last."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb

from arcadia_dagster.books.bill import plain
from arcadia_dagster.books.budgets import Budget
from arcadia_dagster.books.budgets_file import BudgetsError
from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.rows import insert


def known_budgets(connection: duckdb.DuckDBPyConnection) -> tuple[Budget, ...]:
    """The budgets that the warehouse has, in the order of their file."""
    rows = connection.execute(
        "SELECT amount, currency, source, project, tenant_id, invoice_month FROM budgets ORDER BY budget_number"
    ).fetchall()
    return tuple(Budget(plain(amount), *others) for amount, *others in rows)


def take_budgets(warehouse: Warehouse, path: Path, budgets: Sequence[Budget]) -> None:
    """Put the budgets of a file into the warehouse.

    Raises:
        BudgetsError: The file is gone, and there were budgets in it.
        LockTimeoutError, WarehouseError: See `Warehouse.write_register`.
    """
    with warehouse.read() as connection:
        known = known_budgets(connection)
    if known == tuple(budgets):
        return
    if known and not budgets and not path.exists():
        raise BudgetsError(
            f"{path} is gone, and there were budgets in it; an empty file says that there are none any more"
        )
    with warehouse.write_register() as connection:
        connection.execute("DELETE FROM budgets")
        insert(connection, schema.BUDGETS, [_row(number, one) for number, one in enumerate(budgets, start=1)])


def _row(number: int, budget: Budget) -> dict[str, object]:
    month: date | None = budget.month
    return {
        "budget_number": number,
        "source": budget.provider,
        "project": budget.project,
        "tenant_id": budget.tenant,
        "invoice_month": month,
        "amount": budget.amount,
        "currency": budget.currency,
    }
