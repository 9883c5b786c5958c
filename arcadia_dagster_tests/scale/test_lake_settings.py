"""What a person reads where the address of a lake, or of its files, cannot be one: nothing is asked of Postgres."""

import re
from pathlib import Path

import pytest

from arcadia_dagster.warehouse import Warehouse, WarehouseError


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("ducklake:lake.duckdb", "a lake's catalog is in Postgres: expected ducklake:postgres:"),
        ("ducklake:postgres:dbname lake", "is no connection string of Postgres, such as `dbname=lake host=db`"),
        ("ducklake:postgres:dbname=lake password=marked", "a password does not belong here"),
        ("ducklake:postgres:postgresql://arcadia:marked@db/lake", "a password does not belong here"),
    ],
)
def test_an_address_of_a_lake_that_cannot_be_one_is_refused_and_its_password_not_repeated(
    tmp_path: Path, where: str, why: str
) -> None:
    with pytest.raises(WarehouseError, match=re.escape(why)) as refused:
        Warehouse(where, data_path=tmp_path)
    assert "marked" not in str(refused.value)


def test_the_name_of_a_lake_is_its_address_without_the_options_of_its_connection(tmp_path: Path) -> None:
    lake = Warehouse("ducklake:postgres:dbname=lake host=db options=-cstatement_timeout=1", data_path=tmp_path)
    assert lake.name == "ducklake:postgres:dbname=lake host=db"


def test_the_files_of_a_lake_do_not_lie_where_duckdb_cannot_write() -> None:
    with pytest.raises(WarehouseError, match="DuckDB writes to Google Cloud Storage only with keys of another kind"):
        Warehouse("ducklake:postgres:dbname=lake", data_path="gs://bucket/lake")
