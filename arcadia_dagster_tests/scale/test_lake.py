"""The warehouse as a lake: what the file promises, for several machines."""

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from arcadia_dagster.definitions import build_defs
from arcadia_dagster.defs.maintenance import MAINTAIN
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.store.ducklake import CATALOG_SCHEMA
from arcadia_dagster.store.maintenance import maintain
from arcadia_dagster.warehouse import LockTimeoutError, Warehouse, WarehouseError, schema
from arcadia_dagster.warehouse.rows import insert
from arcadia_dagster.warehouse.seals import changed_tables
from arcadia_dagster_tests.kit.books import SECRET as BOOKS_SECRET
from arcadia_dagster_tests.kit.books import Books, invoice
from arcadia_dagster_tests.kit.plain import build, new_warehouse
from arcadia_dagster_tests.kit.postgres import Postgres, files_of, opened_again
from arcadia_dagster_tests.kit.project import digitalocean, instance_in_memory, invoice_name, line, tax

MONTHS = {"2026 Mar": "2026-03", "2026 Apr": "2026-04", "2026 May": "2026-05"}


def location_of(warehouse: Warehouse) -> list[str]:
    return [warehouse.name, str(files_of(warehouse))]


def put(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    insert(connection, schema.INBOX_FILES, [{"inbox_path": path}])


def paths(warehouse: Warehouse) -> list[str]:
    with warehouse.read() as connection:
        return [path for (path,) in connection.execute("SELECT inbox_path FROM inbox_files ORDER BY 1").fetchall()]


def everything(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    """All rows but for the times at which they were made."""
    when = {"received_at", "built_at", "first_seen_at", "last_seen_at", "modified_ns", "changed_ns", "inode"}
    # The record tells when its document came.
    when |= {"record", "record_changed_ns"}
    found = {}
    with warehouse.read() as connection:
        for table in schema.TABLES:
            names = ", ".join(column.name for column in table.columns if column.name not in when)
            found[table.name] = connection.execute(f"SELECT {names} FROM {table.name} ORDER BY ALL").fetchall()
    return found


def start(script: str, warehouse: Warehouse, *arguments: str) -> subprocess.Popen[str]:
    begin = (
        "import sys, time\nfrom arcadia_dagster.warehouse import Warehouse\n"
        "warehouse = Warehouse(sys.argv[1], data_path=sys.argv[2], lock_timeout=60)\n"
    )
    command = [sys.executable, "-c", begin + script, *location_of(warehouse), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


HOLDS = """
with warehouse.write() as connection:
    connection.execute("INSERT INTO inbox_files (inbox_path) VALUES ('never')")
    print("held", flush=True)
    sys.stdin.read()
"""

ADDS = """
for _ in range(4):
    with warehouse.write() as connection:
        [(found,)] = connection.execute("SELECT count(*) FROM inbox_files").fetchall()
        connection.execute(f"INSERT INTO inbox_files (inbox_path) VALUES ('{found}')")
"""


def test_a_lake_that_nobody_made_is_an_error_that_says_what_to_type(new_lake: Callable[..., Warehouse]) -> None:
    for way in (new_lake().read, new_lake().write):
        with pytest.raises(WarehouseError, match="no lake yet: run `arcadia init`"), way():
            pass


def test_a_lake_is_made_once_though_three_processes_make_it_at_once(new_lake: Callable[..., Warehouse]) -> None:
    warehouse = new_lake()
    makers = [start("warehouse.create()", warehouse) for _ in range(3)]
    for maker in makers:
        maker.communicate()
    assert [maker.returncode for maker in makers] == [0, 0, 0]
    with warehouse.read() as connection:
        assert schema.version_of(connection) == schema.SCHEMA_VERSION
        assert len(connection.execute("FROM schema_version").fetchall()) == schema.SCHEMA_VERSION
    assert warehouse.exists()


def test_a_lake_whose_data_lies_elsewhere_is_not_opened(lake: Warehouse, tmp_path: Path) -> None:
    other = Warehouse(lake.name, data_path=tmp_path / "other")
    with pytest.raises(WarehouseError, match="make them the same"), other.read():
        pass


def test_a_block_that_raises_writes_nothing(lake: Warehouse) -> None:
    with pytest.raises(ZeroDivisionError), lake.write() as connection:  # noqa: PT012 - the block is one transaction
        put(connection, "a.csv")
        raise ZeroDivisionError
    assert paths(lake) == []


def test_a_reader_sees_one_moment_and_waits_for_no_writer(lake: Warehouse) -> None:
    with lake.write() as connection:
        put(connection, "before")
    reader = opened_again(lake, lock_timeout=1)
    with reader.read() as reading, lake.write() as writing:
        put(writing, "after")
        assert paths(reader) == ["before"]
        assert reading.execute("SELECT count(*) FROM inbox_files").fetchone() == (1,)
    assert paths(reader) == ["after", "before"]


def test_writers_of_four_processes_lose_nothing_and_write_no_key_twice(lake: Warehouse) -> None:
    writers = [start(ADDS, lake) for _ in range(4)]
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0] * 4
    assert sorted(map(int, paths(lake))) == list(range(16))


def test_who_waits_too_long_hears_who_holds_the_lock(lake: Warehouse) -> None:
    holder = start(HOLDS, lake)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    impatient = opened_again(lake, lock_timeout=0.2)
    with pytest.raises(LockTimeoutError, match=f"arcadia process {holder.pid} on "), impatient.write():
        pass
    holder.communicate()


def test_a_writer_that_is_killed_leaves_neither_its_lock_nor_half_a_transaction(lake: Warehouse) -> None:
    holder = start(HOLDS, lake)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.communicate()
    with lake.write() as connection:
        put(connection, "next")
    assert paths(lake) == ["next"]


def test_a_writer_that_lost_its_lock_commits_nothing(lake: Warehouse, postgres: Postgres) -> None:
    database = lake.name.partition("dbname=")[2].split()[0]
    with pytest.raises(WarehouseError, match="has ended"), lake.write() as connection:  # noqa: PT012
        put(connection, "never")
        postgres.query(
            database,
            "SELECT pg_terminate_backend(activity.pid) FROM pg_stat_activity AS activity JOIN pg_locks AS held USING (pid) "
            "WHERE held.locktype = 'advisory' AND datname = current_database()",
        )
    assert paths(lake) == []


def test_a_postgres_that_is_away_is_a_clear_error_and_back_again_all_is_as_it_was(
    lake: Warehouse, postgres: Postgres
) -> None:
    with lake.write() as connection:
        put(connection, "before")
    stopped = False
    try:
        with pytest.raises(WarehouseError, match="nothing was written"), lake.write() as connection:  # noqa: PT012
            put(connection, "never")
            postgres.stop()
            stopped = True
            put(connection, "never either")
        for way in (lake.read, lake.write):
            with pytest.raises(WarehouseError, match="Postgres does not answer"), way():
                pass
    finally:
        if stopped:
            postgres.start()
    assert paths(lake) == ["before"]
    with lake.write() as connection:
        put(connection, "after")
    assert paths(lake) == ["after", "before"]


LEFT_ALONE = """
from arcadia_dagster.warehouse import WarehouseError
def look(connection, table):
    connection.execute(f"SELECT count(*) FROM {table}").fetchall()
try:
    with getattr(warehouse, sys.argv[3])() as connection:
        look(connection, "documents")
        print("looked", flush=True)
        sys.stdin.read()
        look(connection, "decisions")
except WarehouseError as error:
    print(error)
"""


@pytest.mark.parametrize("way", ["read", "write"])
def test_a_postgres_that_leaves_between_two_statements_is_one_clear_error_and_no_abort(
    lake: Warehouse, postgres: Postgres, way: str
) -> None:
    # In a process of its own, which ended with SIGABRT.
    process = start(LEFT_ALONE, lake, way)
    assert process.stdout is not None
    assert process.stdout.readline() == "looked\n"
    postgres.stop()
    try:
        said, _ = process.communicate()
    finally:
        postgres.start()
    assert process.returncode == 0
    assert "see that Postgres runs" in said
    assert said.count("\n") == 1
    assert paths(lake) == []


def test_months_of_cost_lines_lie_in_folders_of_their_own_and_amounts_stay_exact(lake: Warehouse) -> None:
    amount = Decimal("12345678901234567890.123456789012345678")
    rows = [
        {"document_sha256": "0", "line_number": number, "invoice_month": date(2026, month, 1), "amount": amount}
        for month in (4, 5)
        for number in range(20)
    ]
    with lake.write() as connection:
        insert(connection, schema.COST_LINES, rows)
    assert {path.name for path in (files_of(lake) / "main" / "cost_lines").iterdir()} == {
        "invoice_month=2026-04-01",
        "invoice_month=2026-05-01",
    }
    with lake.read() as connection:
        assert connection.execute("SELECT DISTINCT amount FROM cost_lines").fetchall() == [(amount,)]


def test_the_same_files_make_the_same_rows_on_the_lake_as_on_the_file(
    new_lake: Callable[..., Warehouse], tmp_path: Path
) -> None:
    home = tmp_path / "file"
    (home / "inbox").mkdir(parents=True)
    for number, (name, month) in enumerate(MONTHS.items()):
        rows = [
            line(
                description=f"web-{one}",
                amount=f"$6.{number}{one}",
                start=f"{month}-01 00:00:00 +0000",
                end=f"{month}-28 23:59:59 +0000",
            )
            for one in range(20)
        ]
        (home / "inbox" / invoice_name(name, f"100{number}")).write_bytes(digitalocean(*rows, tax()))
    (home / "inbox" / "resources.csv").write_text("id,name,type,account,project\n7,web-1,droplet,77,shop\n")
    file = new_warehouse(home)
    lake = new_lake()
    lake.create()
    # Both read the same inbox.
    lake = opened_again(lake)
    lake.path.parent.mkdir(exist_ok=True)
    (lake.path.parent / "inbox").symlink_to(home / "inbox")
    build(file, resources=True)
    build(lake, resources=True)
    assert everything(lake) == everything(file)
    assert len(everything(lake)["cost_lines"]) == 63
    # A correction replaces its month alone.
    correction = digitalocean(line(amount="$7.00"), tax(amount="$0.70"))
    (home / "inbox" / invoice_name("2026 Apr", "1001")).write_bytes(correction)
    build(file, resources=True)
    build(lake, resources=True)
    assert everything(lake) == everything(file)


def altered(warehouse: Warehouse) -> list[str]:
    with warehouse.read() as connection:
        return [*warehouse.alterations(connection), *changed_tables(connection)]


def test_what_the_program_makes_on_a_lake_is_not_taken_for_altered_and_a_changed_view_is_named(
    lake: Warehouse,
) -> None:
    assert altered(opened_again(lake)) == []
    with lake.write() as connection:
        connection.execute("CREATE OR REPLACE VIEW invoice_parts AS SELECT * FROM allocations")
    assert altered(opened_again(lake)) == ["the view invoice_parts is not the program's", "views"]


def test_temporary_files_lie_in_the_home_and_not_beside_a_lakes_files(lake: Warehouse) -> None:
    """The folder of those may be the root of a volume, with a file system around it that nobody can write."""
    folder = lake.new_work_folder()
    folder.mkdir()
    assert folder.parent == lake.path.parent != files_of(lake).parent
    assert [path.name for path in files_of(lake).parent.iterdir()] == [files_of(lake).name]


def test_a_delivery_through_the_lake_has_each_invoice_in_finance_once(lake: Warehouse, tmp_path: Path) -> None:
    books = Books(lake)
    books.hold(*(invoice(number) for number in range(60)))
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=BOOKS_SECRET) as sandbox:
        together: list[int] = []
        threads = [
            threading.Thread(target=lambda: together.append(len(books.deliver(sandbox.url).created))) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(together) == [0, 60]
    assert {row["state"] for row in books.query("FROM finance_records")} == {"delivered"}
    assert len(books.query("FROM finance_attempts WHERE outcome = 'created'")) == 60


def test_maintenance_leaves_the_rows_and_fewer_files(lake: Warehouse) -> None:
    for number in range(5):
        with lake.write() as connection:
            insert(connection, schema.INBOX_FILES, [{"inbox_path": f"{number}-{one}"} for one in range(20)])
    with lake.write() as connection:
        connection.execute("DELETE FROM inbox_files WHERE inbox_path LIKE '4-%'")
    before, files = paths(lake), len(list(files_of(lake).rglob("*.parquet")))
    done = maintain(lake, keep=timedelta())
    # What was just replaced is deleted by the next one.
    maintain(lake, keep=timedelta())
    assert paths(lake) == before
    assert len(list(files_of(lake).rglob("*.parquet"))) < files
    assert done.snapshots > 0
    assert maintain(lake).snapshots == 0


def without_statistics(lake: Warehouse) -> set[str]:
    """The tables of which the catalog keeps no statistics."""
    catalog = f"__ducklake_metadata_warehouse.{CATALOG_SCHEMA}"
    with lake.write_statements() as connection:
        rows = connection.execute(
            f"SELECT table_name FROM (FROM {catalog}.ducklake_table WHERE end_snapshot IS NULL) "
            f"ANTI JOIN {catalog}.ducklake_table_stats USING (table_id)"
        ).fetchall()
    return {name for (name,) in rows}


def test_the_catalog_keeps_statistics_of_empty_tables_too(lake: Warehouse) -> None:
    assert without_statistics(lake) == set()
    assert {
        name: rows for name, rows in everything(lake).items() if rows and name not in {"schema_version", "seals"}
    } == {}


def test_maintenance_is_a_job_of_a_lake_with_a_schedule_and_a_file_has_neither(lake: Warehouse) -> None:
    environ = {"ARCADIA_WAREHOUSE": lake.name, "ARCADIA_DATA_PATH": str(files_of(lake))}
    definitions = build_defs(environ=environ)
    assert definitions.resolve_schedule_def("maintain_daily").job_name == MAINTAIN
    with instance_in_memory() as instance:
        done = definitions.resolve_job_def(MAINTAIN).execute_in_process(instance=instance)
    assert done.success
    of_a_file = build_defs(environ={}).resolve_all_job_defs()
    assert MAINTAIN not in {job.name for job in of_a_file}
