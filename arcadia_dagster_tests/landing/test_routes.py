"""The routing table: what is wrong with it is said by file, route and key, and half a table routes nothing."""

from datetime import date
from pathlib import Path

import pytest

from arcadia_dagster.billing.allocation import Route, Routes
from arcadia_dagster.landing.routes import RoutesError, known_routes, read_routes, take_routes
from arcadia_dagster_tests.kit.plain import new_warehouse

OWN = "platform-admin"
ONE = '[[route]]\nsource = "aws"\ntenant = "acme"\n'


def test_a_table_is_read_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "tenants.toml"
    path.write_text(
        '# who bears what\n[[route]]\nsource = "digitalocean"\naccount = "6173678"\nproject = "shop"\n'
        'from = "2026-05"\ntenant = "acme"\n' + ONE,
        encoding="utf-8-sig",
    )
    assert read_routes(path, OWN).routes == (
        Route("digitalocean", "6173678", "shop", "acme", date(2026, 5, 1)),
        Route("aws", None, None, "acme"),
    )
    assert read_routes(tmp_path / "none.toml", OWN) == Routes((), OWN)
    with pytest.raises(RoutesError, match=r"none\.toml does not exist; ARCADIA_TENANTS names it"):
        read_routes(tmp_path / "none.toml", OWN, must_exist=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[route]", "is not TOML"),
        ("\xff", "is not TOML"),
        ('route = "x"', "route: expected [[route]]"),
        ('[route]\nsource = "aws"', "route: expected [[route]]"),
        (ONE + "[tenants]\na = 1", "tenants: expected only [[route]]"),
        ('[[route]]\nsource = "aws"', "route 1: tenant is missing"),
        ('[[route]]\ntenant = "acme"', "route 1: source is missing"),
        (ONE.replace("aws", "gcp") + "[[route]]\nsource = 1\ntenant = 'x'", "route 2: source = 1: expected text in quotes"),
        ('[[route]]\nsource = "aws"\ntenant = ""', "route 1: tenant = '': expected text without blanks around it"),
        ('[[route]]\nsource = "aws"\ntenant = " acme"', "route 1: tenant = ' acme'"),
        ('[[route]]\nsource = "aws"\ntenant = "a\\u0000b"', "route 1: tenant"),
        ('[[route]]\nsource = "aws"\naccounts = "1"\ntenant = "acme"', "route 1: accounts: there is no such key"),
        ('[[route]]\nsource = "aws"\nfrom = "May"\ntenant = "acme"', "route 1: from = 'May': expected a month such as 2026-05"),
        ("a = " + "[" * 100_000, "is not TOML"),
        (ONE + ONE, "route 2: it never applies, because route 1 takes all its lines first"),
        (ONE + '[[route]]\nsource = "aws"\nproject = "shop"\nfrom = "2026-05"\ntenant = "b"', "route 2: it never applies"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_said_by_file_route_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "tenants.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(RoutesError) as failure:
        read_routes(path, OWN)
    assert str(failure.value).startswith(str(path))
    assert message in str(failure.value)


def test_a_table_that_cannot_be_read_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(RoutesError, match="cannot be read"):
        read_routes(tmp_path, OWN)


def test_the_warehouse_goes_by_the_table_that_was_landed_last(tmp_path: Path) -> None:
    warehouse, path = new_warehouse(tmp_path), tmp_path / "tenants.toml"
    routes = Routes((Route("aws", None, "shop", "acme", date(2026, 5, 1)), Route("aws", "1", None, "b")), OWN)
    assert take_routes(warehouse, path, routes) == set()
    with warehouse.read() as connection:
        assert known_routes(connection) == routes
    path.write_text("")
    take_routes(warehouse, path, Routes((), "another"))
    with warehouse.read() as connection:
        assert known_routes(connection) == Routes((), "another")


def test_a_table_that_is_gone_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    warehouse, path = new_warehouse(tmp_path), tmp_path / "tenants.toml"
    routes = Routes((Route("aws", None, None, "acme"),), OWN)
    take_routes(warehouse, path, routes)
    with pytest.raises(RoutesError, match="is gone, but it had routes: bring it back"):
        take_routes(warehouse, path, read_routes(path, OWN))
    with warehouse.read() as connection:
        assert known_routes(connection) == routes
