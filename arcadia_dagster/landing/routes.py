"""The routing table: which tenant bears what, as a person writes it, and as the warehouse has it.

It is a TOML file of routes; the first that matches a line decides:

    [[route]]
    source = "digitalocean"
    account = "6173678"     # may be left out: any account of the source
    project = "shop"        # may be left out: all lines, whatever their project
    from = "2026-05"        # may be left out: whatever the invoice's month
    tenant = "acme"

The warehouse keeps the table that was landed last, with the identity's own tenant as its last route, so that everything is built
and delivered by one and the same. A changed table makes those months stale whose invoices it concerns, and nothing else.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from arcadia_dagster.billing.allocation import Route, Routes
from arcadia_dagster.settings_file import SettingsFileError
from arcadia_dagster.toml_file import TomlError, parse_toml, shown, shown_key
from arcadia_dagster.toml_tables import read_if_there, tables_of, text_of
from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.months import renew
from arcadia_dagster.warehouse.rows import insert

_KEYS: Final = ("source", "account", "project", "from", "tenant")
_NEEDED: Final = ("source", "tenant")
_MOST_TOLD: Final = 5


class RoutesError(SettingsFileError):
    """The routing table cannot be right; the message names the file, the route and the key. Nothing is routed by half a table."""


def read_routes(path: Path, own_tenant: str, *, must_exist: bool = False) -> Routes:
    """The routes of a file; none where there is no such file.

    Args:
        path: The file.
        own_tenant: The identity's own tenant, which bears what no route matches.
        must_exist: Whether a person has named the file: that it is missing is then a mistake.

    Raises:
        RoutesError: It is not what it should be.
    """
    try:
        text = read_if_there(path, named_by="ARCADIA_TENANTS" if must_exist else "")
        return Routes((), own_tenant) if text is None else Routes(_routes(parse_toml(text, path), path), own_tenant)
    except TomlError as error:
        raise RoutesError(str(error)) from error


def _routes(table: Mapping[str, Any], path: Path) -> tuple[Route, ...]:
    if unknown := sorted(table.keys() - {"route"}):
        raise RoutesError(f"{path}: {', '.join(map(shown_key, unknown[:_MOST_TOLD]))}: expected only [[route]]")
    routes = [_route(entry, where) for entry, where in tables_of(table, "route", "route", path)]
    if (shadowed := _shadowed(routes)) is not None:
        later, earlier = shadowed
        raise RoutesError(
            f"{path}, route {later}: it never applies, because route {earlier} takes all its lines first: put the narrower one "
            "above"
        )
    return tuple(routes)


def _route(stated: Mapping[str, Any], where: str) -> Route:
    if unknown := sorted(stated.keys() - set(_KEYS)):
        raise RoutesError(f"{where}: {shown_key(unknown[0])}: there is no such key; expected {', '.join(_KEYS)}")
    if missing := [key for key in _NEEDED if key not in stated]:
        raise RoutesError(f"{where}: {missing[0]} is missing")
    for key, value in stated.items():
        text_of(value, f"{where}: {key}")
    return Route(
        stated["source"],
        stated.get("account"),
        stated.get("project"),
        stated["tenant"],
        _month(stated.get("from"), where),
    )


def _month(text: str | None, where: str) -> date | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise RoutesError(f"{where}: from = {shown(text)}: expected a month such as 2026-05") from error


def _shadowed(routes: Sequence[Route]) -> tuple[int, int] | None:
    """The numbers, from 1, of the first route that can never match and of the earlier route that takes its lines; else None.

    A table may have thousands of routes, so each one is not compared with all before it. A covering route has the same account
    or none, and the same project or none; of the routes with the same two, the last one is compared, for it begins first.
    """
    first: dict[tuple[str, str | None, str | None], int] = {}
    for number, route in enumerate(routes, start=1):
        for account in {route.account_id, None}:
            for project in {route.project, None}:
                earlier = first.get((route.source, account, project))
                if earlier is not None and routes[earlier - 1].covers(route):
                    return number, earlier
        first[route.source, route.account_id, route.project] = number
    return None


def known_routes(connection: duckdb.DuckDBPyConnection) -> Routes:
    """The routes that the warehouse has; before the first landing there are none, and no own tenant."""
    rows = connection.execute(
        "SELECT source, account_id, project, tenant_id, first_month FROM tenant_routes ORDER BY route_number"
    ).fetchall()
    routes = tuple(Route(*row) for row in rows if row[0] is not None)
    return Routes(routes, next((tenant_id for source, _, _, tenant_id, _ in rows if source is None), ""))


def months_concerned(connection: duckdb.DuckDBPyConnection, routes: Routes) -> set[date]:
    """The months with an invoice for which these routes differ from the routes in the warehouse."""
    known = known_routes(connection)
    if known == routes:
        return set()
    invoices = connection.execute("SELECT DISTINCT source, account_id, invoice_month FROM document_invoices").fetchall()
    return {invoice[2] for invoice in invoices if known.of(*invoice) != routes.of(*invoice)}


def assert_not_lost(connection: duckdb.DuckDBPyConnection, path: Path, routes: Routes) -> None:
    """Check that a missing file is not taken for a table without routes: all invoices would go to other tenants.

    Raises:
        RoutesError: There is no file, and the warehouse has routes.
    """
    if not routes.routes and not path.exists() and known_routes(connection).routes:
        raise RoutesError(
            f"{path} is gone, but it had routes: bring it back; if there are no routes any more, put an empty file there"
        )


def take_routes(warehouse: Warehouse, path: Path, routes: Routes) -> set[date]:
    """Put the routes of a file into the warehouse.

    Returns:
        The months whose totals must be built again; nothing of them is pushed before.

    Raises:
        RoutesError: The file is gone.
        LockTimeoutError, WarehouseError: See `Warehouse.write_register`.
    """
    with warehouse.read() as connection:
        if known_routes(connection) == routes:
            return set()
        assert_not_lost(connection, path, routes)
    with warehouse.write_register() as connection:
        months = months_concerned(connection, routes)
        connection.execute("DELETE FROM tenant_routes")
        own = {"route_number": len(routes.routes) + 1, "tenant_id": routes.own_tenant}
        insert(
            connection, schema.TENANT_ROUTES, [*(_row(n, route) for n, route in enumerate(routes.routes, start=1)), own]
        )
        renew(connection, schema.COST_LINES.name, months)
    return months


def _row(number: int, route: Route) -> dict[str, Any]:
    return {
        "route_number": number,
        "source": route.source,
        "account_id": route.account_id,
        "project": route.project,
        "tenant_id": route.tenant_id,
        "first_month": route.first_month,
    }
