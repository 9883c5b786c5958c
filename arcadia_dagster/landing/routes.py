"""The routing table: which tenant bears what, as a person writes it, and as the warehouse has it.

It is a TOML file of routes; the first that matches a line decides:

    [[route]]
    source = "digitalocean"
    account = "6173678"     # may be left out: any account of the source
    project = "shop"        # may be left out: all lines, whatever their project
    tenant = "acme"

The warehouse keeps the table that was landed last, so that everything is built and delivered by one and the same. A changed
table makes those months stale whose invoices it concerns, and nothing else.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb

from arcadia_dagster.billing.allocation import Route, Routes
from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.months import renew
from arcadia_dagster.warehouse.rows import insert

_KEYS: Final = ("source", "account", "project", "tenant")
_NEEDED: Final = ("source", "tenant")
_MOST_CHARACTERS: Final = 200


class RoutesError(ValueError):
    """The routing table cannot be right; the message names the file, the route and the key. Nothing is routed by half a table."""


def read_routes(path: Path) -> Routes:
    """The routes of a file; none where there is no such file.

    Raises:
        RoutesError: It is not what it should be.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return Routes()
    except OSError as error:
        raise RoutesError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RoutesError(f"{path} is not TOML: {error}") from error
    if unknown := sorted(table.keys() - {"route"}):
        raise RoutesError(f"{path}: {', '.join(unknown)}: expected nothing but [[route]]")
    stated = table.get("route", [])
    if not isinstance(stated, list) or not all(isinstance(one, dict) for one in stated):
        raise RoutesError(f"{path}: route: expected [[route]], in two brackets, above each route")
    routes = [_route(one, f"{path}, route {number}") for number, one in enumerate(stated, start=1)]
    if (shadowed := next(_shadowed(routes), None)) is not None:
        later, earlier = shadowed
        raise RoutesError(
            f"{path}, route {later}: no line is left for it, route {earlier} before it has them all; put the narrower one first"
        )
    return Routes(routes)


def _route(stated: Mapping[str, Any], where: str) -> Route:
    if unknown := sorted(stated.keys() - set(_KEYS)):
        raise RoutesError(f"{where}: {unknown[0]}: there is no such key; expected {', '.join(_KEYS)}")
    if missing := [key for key in _NEEDED if key not in stated]:
        raise RoutesError(f"{where}: {missing[0]} is missing")
    for key, value in stated.items():
        if not isinstance(value, str):
            raise RoutesError(f"{where}: {key} = {value!r}: expected text in quotes")
        if not value.strip() or value != value.strip() or not value.isprintable() or len(value) > _MOST_CHARACTERS:
            raise RoutesError(f"{where}: {key} = {value!r}: expected text without blanks around it")
    return Route(stated["source"], stated.get("account"), stated.get("project"), stated["tenant"])


def _shadowed(routes: Sequence[Route]) -> Iterator[tuple[int, int]]:
    """The numbers, from 1, of each route that can never match and of the earlier one that has its lines."""
    for later, route in enumerate(routes):
        for earlier in range(later):
            if routes[earlier].covers(route):
                yield later + 1, earlier + 1


def known_routes(connection: duckdb.DuckDBPyConnection) -> Routes:
    """The routes that the warehouse has."""
    rows = connection.execute(
        "SELECT source, account_id, project, tenant_id FROM tenant_routes ORDER BY route_number"
    ).fetchall()
    return Routes([Route(*row) for row in rows])


def months_concerned(connection: duckdb.DuckDBPyConnection, routes: Routes) -> set[date]:
    """The months with an invoice of an account for which these routes are others than those that the warehouse has."""
    known = known_routes(connection)
    if known == routes:
        return set()
    accounts = connection.execute(
        "SELECT source, account_id, list(DISTINCT invoice_month) FROM raw_invoices WHERE status = 'current' GROUP BY ALL"
    ).fetchall()
    return {
        month
        for source, account_id, months in accounts
        if known.of_account(source, account_id) != routes.of_account(source, account_id)
        for month in months
    }


def take_routes(warehouse: Warehouse, routes: Routes) -> set[date]:
    """Have the warehouse go by these routes.

    Returns:
        The months whose totals must be built again; nothing of them is pushed before.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.write`.
    """
    with warehouse.read() as connection:
        if known_routes(connection) == routes:
            return set()
    with warehouse.write() as connection:
        months = months_concerned(connection, routes)
        connection.execute("DELETE FROM tenant_routes")
        insert(connection, schema.TENANT_ROUTES, [_row(n, one) for n, one in enumerate(routes.routes, start=1)])
        renew(connection, schema.COST_LINES.name, months)
    return months


def _row(number: int, route: Route) -> dict[str, Any]:
    return {
        "route_number": number,
        "source": route.source,
        "account_id": route.account_id,
        "project": route.project,
        "tenant_id": route.tenant_id,
    }
