"""The files of a lake in a bucket, which DuckDB itself reads and writes."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from arcadia_dagster.store.maintenance import maintain
from arcadia_dagster.warehouse import Warehouse, WarehouseError, schema
from arcadia_dagster.warehouse.rows import insert
from arcadia_dagster_tests.kit.buckets import SECRET, Store
from arcadia_dagster_tests.kit.plain import build, new_warehouse
from arcadia_dagster_tests.kit.postgres import Postgres
from arcadia_dagster_tests.kit.project import digitalocean, invoice_name, line, tax

_numbers = count(1)
TOTALS = "SELECT * EXCLUDE (document_sha256) FROM tax_split_totals ORDER BY ALL"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


def lake_in(bucket: str, postgres: Postgres, home: Path) -> Warehouse:
    location = postgres.new_database(f"lake{next(_numbers)}")
    home.mkdir(exist_ok=True)
    lake = Warehouse(location, data_path=bucket, work_path=home / "lake", lock_timeout=30)
    lake.create()
    return lake


@pytest.mark.parametrize("any_server", ["s3", "az"], indirect=True)
def test_a_lake_in_a_bucket_has_what_a_file_has(store: Store, postgres: Postgres, tmp_path: Path) -> None:
    bucket = f"{store.new_bucket()}/lake"
    lake = lake_in(bucket, postgres, tmp_path / "one")
    file = new_warehouse_in(tmp_path / "two")
    for home, warehouse in ((tmp_path / "one", lake), (tmp_path / "two", file)):
        (home / "inbox").mkdir(exist_ok=True)
        (home / "inbox" / invoice_name()).write_bytes(digitalocean(line(), tax()))
        build(warehouse)
    with lake.read() as connection, file.read() as other:
        assert connection.execute(TOTALS).fetchall() == other.execute(TOTALS).fetchall() != []
    # Another machine sees the same.
    again = Warehouse(lake.name, data_path=bucket, work_path=tmp_path / "three", lock_timeout=30)
    with again.read() as connection:
        assert connection.execute("SELECT count(*) FROM documents").fetchone() == (1,)


def new_warehouse_in(home: Path) -> Warehouse:
    home.mkdir()
    return new_warehouse(home)


def test_maintenance_deletes_what_no_snapshot_needs_in_the_bucket(
    s3: Store, postgres: Postgres, tmp_path: Path
) -> None:
    lake = lake_in(s3.new_bucket(), postgres, tmp_path / "one")
    for number in range(6):
        with lake.write() as connection:
            connection.execute("DELETE FROM inbox_files")
            insert(connection, schema.INBOX_FILES, [{"inbox_path": f"{number}-{one}"} for one in range(3_000)])
    assert maintain(lake, keep=timedelta(0)).snapshots > 0
    # What the first has left without a snapshot is deleted by the next.
    assert maintain(lake, keep=timedelta(0)).deleted > 0
    with lake.read() as connection:
        assert connection.execute("SELECT count(*), min(inbox_path) FROM inbox_files").fetchone() == (3_000, "5-0")


def test_a_bucket_that_cannot_be_written_is_told_without_the_credentials(
    s3: Store, postgres: Postgres, tmp_path: Path
) -> None:
    lake = lake_in("s3://there-is-no-such-bucket", postgres, tmp_path / "one")
    with pytest.raises(WarehouseError) as raised, lake.write() as connection:
        insert(connection, schema.INBOX_FILES, [{"inbox_path": f"{one}"} for one in range(3_000)])
    assert "s3://there-is-no-such-bucket" in str(raised.value)
    assert SECRET not in repr(raised.getrepr(chain=True))


def test_the_credentials_are_not_shown_by_the_database(s3: Store, postgres: Postgres, tmp_path: Path) -> None:
    lake = lake_in(s3.new_bucket(), postgres, tmp_path / "one")
    with lake.read() as connection:
        assert SECRET not in str(connection.execute("FROM duckdb_secrets()").fetchall())


def test_google_is_no_place_for_the_files_of_a_lake(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="DuckDB writes to Google Cloud Storage only with keys of another kind"):
        Warehouse("ducklake:postgres:dbname=lake", data_path="gs://lake")
