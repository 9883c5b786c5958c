import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen, run

import duckdb
import pytest

from arcadia_dagster.warehouse import LockTimeoutError, Warehouse, WarehouseClosedError, WarehouseError, schema
from arcadia_dagster_tests.kit.processes import OTHER_PROGRAM, Holder


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "home" / "arcadia.duckdb", lock_timeout=5)


def put(connection: duckdb.DuckDBPyConnection, path: str = "a.csv") -> None:
    connection.execute("INSERT INTO inbox_files (inbox_path) VALUES (?)", [path])


def paths(warehouse: Warehouse) -> list[str]:
    with warehouse.read() as connection:
        rows = connection.execute("SELECT inbox_path FROM inbox_files ORDER BY 1").fetchall()
    return [path for (path,) in rows]


def test_a_reader_of_a_warehouse_that_is_not_there_finds_empty_tables(warehouse: Warehouse) -> None:
    assert paths(warehouse) == []
    with warehouse.read() as connection:
        assert connection.execute("SELECT count(*) FROM invoices").fetchone() == (0,)


def test_naming_a_warehouse_touches_nothing(tmp_path: Path) -> None:
    Warehouse(tmp_path / "arcadia.duckdb")
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_can_be_read(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        put(connection)
    assert paths(warehouse) == paths(Warehouse(warehouse.path)) == ["a.csv"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("DROP TABLE documents", "the table documents is missing"),
        ("ALTER TABLE documents DROP COLUMN file_name", "the column file_name of documents is missing"),
        ("DROP VIEW accepted_documents", "the view accepted_documents is missing"),
    ],
)
def test_what_was_taken_out_of_the_tables_is_named_with_what_a_person_does(
    warehouse: Warehouse, change: str, problem: str
) -> None:
    warehouse.create()
    documents = 0  # DuckDB would take a variable of this name for the table
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute(change)
    for opened in (warehouse.read, warehouse.write):
        with pytest.raises(WarehouseError) as raised, opened() as connection:
            connection.execute("SELECT file_name FROM documents SEMI JOIN accepted_documents USING (document_sha256)")
        assert str(raised.value).startswith(f"{warehouse.path} is damaged ({problem}): run `arcadia rebuild`")
    assert documents == 0


def test_a_statement_that_names_what_never_was_is_no_damage(warehouse: Warehouse) -> None:
    for opened in (warehouse.read, warehouse.write):
        with pytest.raises(duckdb.CatalogException, match="nowhere"), opened() as connection:
            connection.execute("FROM nowhere")


# From the last of these on, no table has changed.
@pytest.mark.parametrize("version", [None, *(one - 1 for one, changes in schema.MIGRATIONS.items() if changes)])
def test_tables_that_are_not_those_of_the_version_that_they_claim_are_named_with_what_a_person_does(
    warehouse: Warehouse, version: int | None
) -> None:
    warehouse.create()
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("UPDATE schema_version SET version = ?", [version])
    for opened in (Warehouse(warehouse.path).read, Warehouse(warehouse.path).write):
        with pytest.raises(WarehouseError, match="run `arcadia rebuild`") as raised, opened():
            pass
        assert f"is damaged (its tables are not those of version {version or 0}: Catalog Error: " in str(raised.value)


def test_a_file_that_another_program_has_open_is_not_called_damaged(warehouse: Warehouse) -> None:
    warehouse.create()
    with Holder(warehouse.path, script=OTHER_PROGRAM) as other:
        for opened in (warehouse.read, warehouse.write):
            with pytest.raises(WarehouseClosedError) as raised, opened():
                pass
            told = str(raised.value)
            assert told.startswith(f"{warehouse.path} is open in another program (process ")
            assert f" {other.pid}): close it there, then run this again" in told
            assert "rebuild" not in told
    assert paths(warehouse) == []


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whatever_is_raised_nothing_is_written(warehouse: Warehouse, error: type[BaseException]) -> None:
    with warehouse.write() as connection:
        put(connection)
    with pytest.raises(error), warehouse.write() as connection:  # noqa: PT012 - the whole block is one transaction
        put(connection, "b.csv")
        connection.execute("CREATE TABLE more (x INTEGER)")
        raise error
    assert paths(warehouse) == ["a.csv"]
    with warehouse.read() as connection, pytest.raises(duckdb.CatalogException):
        connection.execute("SELECT * FROM more")


def test_a_reader_cannot_write(warehouse: Warehouse) -> None:
    with warehouse.read() as connection, pytest.raises(duckdb.InvalidInputException):
        put(connection)


def test_all_times_are_utc(warehouse: Warehouse) -> None:
    with warehouse.read() as connection:
        assert connection.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)


def test_readers_read_beside_each_other(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        put(connection)
    with warehouse.read() as one, warehouse.read() as two:
        assert one.execute("SELECT count(*) FROM inbox_files").fetchone() == (1,)
        assert two.execute("SELECT count(*) FROM inbox_files").fetchone() == (1,)


def test_the_first_reader_of_a_process_waits_for_no_other_reader(warehouse: Warehouse) -> None:
    warehouse.create()
    with Holder(warehouse.lock_path, shared=True):
        assert paths(Warehouse(warehouse.path, lock_timeout=0)) == []


def test_case_39_a_writer_waits_for_another_process_and_then_says_who_it_is(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "arcadia.duckdb", lock_timeout=0.05)
    with Holder(warehouse.lock_path) as holder:
        for way in (warehouse.write, warehouse.read):
            with pytest.raises(LockTimeoutError, match=f"process {holder.pid} "), way():
                pass


def test_case_39_a_writer_of_the_same_process_waits_too(warehouse: Warehouse) -> None:
    order = []

    def write() -> None:
        with warehouse.write() as connection:
            order.append("second")
            put(connection, "b.csv")

    thread = threading.Thread(target=write)
    with warehouse.write() as connection:
        thread.start()
        put(connection)
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert paths(warehouse) == ["a.csv", "b.csv"]


WRITERS = """
import sys
from arcadia_dagster.warehouse import Warehouse
for number in range(5):
    with Warehouse(sys.argv[1], lock_timeout=60).write() as connection:
        connection.execute("INSERT INTO inbox_files (inbox_path) VALUES (?)", [f"{sys.argv[2]}-{number}"])
"""


def test_no_write_of_several_processes_is_lost(warehouse: Warehouse) -> None:
    processes = [Popen([sys.executable, "-c", WRITERS, str(warehouse.path), str(who)]) for who in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert paths(warehouse) == [f"{who}-{number}" for who in range(2) for number in range(5)]


KILLED = """
import os, signal, sys
from arcadia_dagster.warehouse import Warehouse
with Warehouse(sys.argv[1]).write() as connection:
    connection.execute("INSERT INTO inbox_files (inbox_path) SELECT 'x' FROM range(100000)")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_had_begun_is_not_there(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        put(connection)
    assert run([sys.executable, "-c", KILLED, str(warehouse.path)], check=False).returncode == -9
    assert paths(warehouse) == ["a.csv"]


FULL_DISK = """
import resource, sys
from arcadia_dagster.warehouse import Warehouse, WarehouseError
warehouse = Warehouse(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    with warehouse.write() as connection:
        connection.execute("INSERT INTO inbox_files (inbox_path) SELECT uuid()::VARCHAR FROM range(500000)")
        print("inserted")
except WarehouseError as error:
    print(error)
"""


def test_case_40_where_the_commit_fails_nothing_is_written_and_the_warehouse_still_opens(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        put(connection)
    limit = str(warehouse.path.stat().st_size + 300_000)
    command = [sys.executable, "-c", FULL_DISK, str(warehouse.path), limit]
    found = run(command, capture_output=True, text=True, check=True).stdout
    assert found.startswith("inserted\n")
    assert f"{warehouse.path}: nothing was written: " in found
    assert paths(warehouse) == ["a.csv"]
    with warehouse.write() as connection:
        put(connection, "b.csv")
    assert paths(warehouse) == ["a.csv", "b.csv"]


def test_a_warehouse_of_a_newer_program_is_refused_and_left_alone(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        connection.execute("INSERT INTO schema_version VALUES (?, NULL)", [schema.SCHEMA_VERSION + 1])
    before = warehouse.path.read_bytes()
    newer = Warehouse(warehouse.path)
    for way in (newer.read, newer.write):
        with pytest.raises(WarehouseError, match=r"newer version .*schema is .*upgrade the program"), way():
            pass
    assert warehouse.path.read_bytes() == before


def sqlite(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE documents (x)")
    connection.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b"not a database " * 1000),
        lambda path: path.write_bytes(os.urandom(8192)),
        lambda path: path.write_bytes(path.read_bytes()[:6000]),
        lambda path: path.write_bytes(b"\0" * 4096 + path.read_bytes()[4096:]),
        lambda path: (path.unlink(), path.mkdir()),
        sqlite,
    ],
    ids=["text", "noise", "cut", "overwritten", "folder", "sqlite"],
)
def test_what_is_no_warehouse_is_an_error_that_says_what_to_do(
    warehouse: Warehouse, make: Callable[[Path], object]
) -> None:
    with warehouse.write() as connection:
        put(connection)
    make(warehouse.path)
    for way in (warehouse.read, warehouse.write, Warehouse(warehouse.path).read):
        with pytest.raises(WarehouseError, match=r"cannot be opened as a warehouse .*arcadia rebuild"), way():
            pass


def test_a_warehouse_that_is_deleted_while_the_program_runs_begins_anew(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        put(connection)
    warehouse.path.unlink()
    assert paths(warehouse) == []
    warehouse.path.unlink()
    with warehouse.write() as connection:
        put(connection, "b.csv")
    assert paths(warehouse) == ["b.csv"]


@pytest.mark.parametrize("name", ["it's", "a b", "ünï 😀", "a;b", 'a"b', "%20", "sqlite:x", "a.db"])
def test_any_path_can_hold_a_warehouse(tmp_path: Path, name: str) -> None:
    warehouse = Warehouse(tmp_path / name / f"{name}.duckdb")
    with warehouse.write() as connection:
        put(connection)
    assert paths(warehouse) == ["a.csv"]
    assert warehouse.path.is_file()


def test_the_program_s_other_files_lie_beside_the_warehouse(warehouse: Warehouse) -> None:
    names = {warehouse.lock_path, warehouse.delivery_lock_path, warehouse.new_work_folder()}
    assert len(names) == 3
    assert {path.parent for path in names} == {warehouse.path.parent}


SPILL = """
SELECT count(*), sum(v), count_if(text = 'text ' || v || ' {salt}') FROM (
  SELECT v, 'text ' || v || ' {salt}' AS text FROM range(600_000) AS numbers (v) ORDER BY hash(v + {salt})
)
"""


def test_stages_that_are_larger_than_memory_do_not_overwrite_each_other(warehouse: Warehouse) -> None:
    found = {}

    def spill(salt: int) -> None:
        with warehouse.stage() as connection:
            connection.execute("SET threads = 1")
            connection.execute("SET memory_limit = '30MB'")
            found[salt] = connection.execute(SPILL.format(salt=salt)).fetchone()
            # What does not fit has been somewhere else.
            assert len(list(warehouse.path.parent.glob("*.spill.*"))) > 0

    threads = [threading.Thread(target=spill, args=(salt,)) for salt in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = (600_000, 179_999_700_000, 600_000)
    assert found == {0: expected, 1: expected}
    assert list(warehouse.path.parent.iterdir()) == []


def test_opening_leaves_no_file_open(warehouse: Warehouse) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    assert paths(warehouse) == []
    before = count()
    for _ in range(3):
        with warehouse.write() as connection:
            put(connection)
        paths(warehouse)
        with pytest.raises(ZeroDivisionError), warehouse.write():
            raise ZeroDivisionError
    assert count() == before


def test_a_warehouse_has_the_same_locks_under_all_of_its_names(warehouse: Warehouse, tmp_path: Path) -> None:
    link = tmp_path / "link.duckdb"
    link.symlink_to(warehouse.path)
    other = Warehouse(link)
    assert (other.lock_path, other.delivery_lock_path) == (warehouse.lock_path, warehouse.delivery_lock_path)
