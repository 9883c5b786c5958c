"""What people say in their files and settings beside the documents: routes, budgets and limits, as the warehouse takes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from arcadia_dagster.billing.allocation import Routes
from arcadia_dagster.billing.approval import Limits
from arcadia_dagster.books.budgets import Budget
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.approvals import known_limits, take_limits
from arcadia_dagster.landing.budgets import known_budgets, take_budgets
from arcadia_dagster.landing.descriptions import assert_usable_for
from arcadia_dagster.landing.routes import known_routes, take_routes
from arcadia_dagster.warehouse import Warehouse, schema


@dataclass(frozen=True, slots=True)
class Said:
    """What people say.

    Attributes:
        routes: Which tenant bears what.
        routes_file: The file that says so.
        budgets: What may be spent.
        budgets_file: The file that says so; None where there is no such setting.
        limits: Which invoices wait until a second person approves them.
    """

    routes: Routes
    routes_file: Path
    budgets: tuple[Budget, ...]
    budgets_file: Path | None
    limits: Limits

    def otherwise(self, connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
        """The tables that say something else, each with what says what it should."""
        if known_routes(connection) != self.routes:
            yield schema.TENANT_ROUTES.name, str(self.routes_file)
        if self.budgets_file is not None and known_budgets(connection) != self.budgets:
            yield schema.BUDGETS.name, str(self.budgets_file)
        if known_limits(connection) != self.limits:
            yield schema.APPROVAL_LIMITS.name, "ARCADIA_APPROVE_OVER"


def take_said(warehouse: Warehouse, formats: Formats, said: Said) -> set[date]:
    """Put what people say into the warehouse, where it has something else.

    Returns:
        The months whose totals must be built again; nothing of them is pushed before.

    Raises:
        BudgetsError, RoutesError: The file is gone.
        FormatsError: See `assert_usable`.
        LockTimeoutError, WarehouseError: See `Warehouse.write`.
    """
    # One opening of the warehouse for all four, for in most landings there is nothing to take.
    with warehouse.read() as connection:
        assert_usable_for(connection, formats)
        is_otherwise = bool(list(said.otherwise(connection)))
    if not is_otherwise:
        return set()
    months = take_routes(warehouse, said.routes_file, said.routes)
    if said.budgets_file is not None:
        take_budgets(warehouse, said.budgets_file, said.budgets)
    return months | take_limits(warehouse, said.limits)
