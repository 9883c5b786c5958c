"""A Postgres for all tests of this folder, and a lake for each."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster_tests.kit.postgres import Postgres, files_of

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


@pytest.fixture
def new_lake(postgres: Postgres, tmp_path: Path) -> Callable[..., Warehouse]:
    """Names of a new lake each: nothing is made yet."""

    def name(*, lock_timeout: float = 30.0) -> Warehouse:
        number = next(_numbers)
        location, place = postgres.new_database(f"lake{number}"), tmp_path / "volumes" / f"lake{number}"
        lake = Warehouse(
            location, data_path=place, lock_timeout=lock_timeout, work_path=tmp_path / "home" / f"lake{number}"
        )
        assert files_of(lake) == place
        return lake

    return name


@pytest.fixture
def lake(new_lake: Callable[..., Warehouse]) -> Warehouse:
    """A lake with empty tables."""
    warehouse = new_lake()
    warehouse.create()
    return warehouse
