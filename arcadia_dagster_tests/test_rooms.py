"""Whoever uses a table that is none of its room's is found, however the statement is written."""

from collections.abc import Callable
from types import ModuleType

import pytest

from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster_tests.kit.statements import Recorder, tables_in

Seen = Callable[[str, str], list[str]]

_READS = {
    "as it should be written": "connection.execute('SELECT count(*) FROM finance_records')",
    "a name of two parts": "connection.execute(f'SELECT count(*) FROM {prefix}_records')",
    "a name that is added": "connection.execute('SELECT count(*) FROM ' + prefix + '_records')",
    "a name that is filled in": "connection.execute('SELECT count(*) FROM {0}_records'.format(prefix))",
    "a list after FROM": "connection.execute('SELECT count(*) FROM documents, finance_records')",
    "a list with names of its own": "connection.execute('SELECT 1 FROM documents AS d, finance_records AS r')",
    "small letters": "connection.execute('select count(*) from finance_records')",
    "large letters": "connection.execute('SELECT count(*) FROM FINANCE_RECORDS')",
    "quotes": "connection.execute('SELECT count(*) FROM \"finance_records\"')",
    "a line between": "connection.execute('SELECT count(*) FROM\\n  -- of all\\n  finance_records')",
    "a subquery": "connection.execute('SELECT 1 FROM documents WHERE 1 IN (SELECT attempts FROM finance_records)')",
    "a view": "connection.execute('SELECT count(*) FROM unsettled_records')",
    "an alias of execute": "run = connection.execute\nrun('SELECT count(*) FROM finance_records')",
    "getattr": "getattr(connection, 'exe' + 'cute')('SELECT count(*) FROM finance_records')",
    "a cursor": "connection.cursor().execute('SELECT count(*) FROM warehouse.finance_records')",
    "a relation": "connection.table('finance_records').fetchall()",
    "a query that is a relation": "connection.sql('FROM finance_records').fetchall()",
    "a function of DuckDB's": "duckdb.execute('SELECT count(*) FROM finance_records', connection=connection)",
    "query_table": "connection.execute(\"SELECT count(*) FROM query_table('finance_records')\")",
    "a thread": "with ThreadPoolExecutor() as pool:\n    list(pool.map(connection.execute, ['FROM finance_records']))",
    "a helper that runs it": "fetch(connection, 'SELECT count(*) AS n FROM finance_records')",
}
_WRITES = {
    "a value": "connection.execute('DELETE FROM finance_records WHERE false')",
    "small letters": "connection.execute('insert into finance_records select * from finance_records where false')",
    "a name of two parts": "connection.execute(f'UPDATE {prefix}_records SET attempts = 0 WHERE false')",
    "a relation": "connection.sql('SELECT * FROM finance_records LIMIT 0').insert_into('finance_records')",
    "several times": "connection.executemany('DELETE FROM finance_records WHERE source = ?', [['none']])",
    "a table that is handed on": "insert(connection, schema.FINANCE_RECORDS, [{'source': 'none'}])",
}
_NOBODY = "a thread that no module has started"
_HEAD = """
import duckdb
from concurrent.futures import ThreadPoolExecutor
from arcadia_dagster.store.query import fetch
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.rows import insert
prefix = "finance"
"""


@pytest.fixture
def seen(recorder_of_statements: Recorder, warehouse: Warehouse) -> Seen:
    """What the recorder says of code that a module of the package would have."""

    def run(module: str, source: str) -> list[str]:
        _run(module, source, warehouse)
        return recorder_of_statements.take()

    return run


def _run(module: str, source: str, warehouse: Warehouse) -> None:
    name = f"arcadia_dagster.{module.removesuffix('.py').replace('/', '.')}"
    code = compile(_HEAD + source, module, "exec")
    with warehouse.write() as connection:
        exec(code, {**vars(ModuleType(name)), "connection": connection})  # noqa: S102 - code of the tests


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    store = Warehouse(tmp_path_factory.mktemp("rooms") / "arcadia.duckdb")
    store.create()
    return store


@pytest.mark.parametrize("source", _READS.values(), ids=_READS)
def test_a_room_that_reads_a_table_that_is_not_its_own_is_found(source: str, seen: Seen) -> None:
    lines = {line.partition(":")[0] for line in seen("formats/trick.py", source)}
    [found] = lines - {"formats/trick.py reads documents"}
    assert found.endswith(" reads finance_records")


@pytest.mark.parametrize("source", _WRITES.values(), ids=_WRITES)
def test_a_room_that_writes_a_table_that_it_only_reads_is_found(source: str, seen: Seen) -> None:
    found = {line.partition(":")[0] for line in seen("reports/trick.py", source)}
    assert found == {"reports/trick.py writes finance_records"}


@pytest.mark.parametrize(
    "source", [*_READS.values(), *_WRITES.values()], ids=[*_READS, *(f"writes {n}" for n in _WRITES)]
)
def test_the_room_that_owns_the_table_may_do_the_same(source: str, seen: Seen) -> None:
    lines = seen("ledger/own.py", source)
    assert {line.partition(":")[0] for line in lines} <= {
        "ledger/own.py reads documents",
        f"{_NOBODY} reads finance_records",
    }


@pytest.mark.parametrize(
    "source",
    [
        "connection.execute('SELECT 1')",
        "run = connection.execute\nrun('SELECT 1')",
        "fetch(connection, 'SELECT 1')",
        "getattr(connection, 'sql')('SELECT 1').fetchall()",
        "duckdb.sql('SELECT 1').fetchall()",
    ],
)
def test_a_command_that_runs_sql_is_found_whatever_it_asks(source: str, seen: Seen) -> None:
    [found] = seen("commands/trick.py", source)
    assert found == "commands/trick.py runs SQL: SELECT 1"


def test_a_statement_in_which_a_table_s_name_is_a_column_or_a_text_names_no_table() -> None:
    for statement in (
        "SELECT decisions, documents FROM (VALUES (1, 2)) AS pair (decisions, documents)",
        "SELECT 'FROM documents'",
        "WITH documents AS (SELECT 1) SELECT * FROM documents",
        "SELECT 1 -- FROM documents",
    ):
        assert tables_in(statement) == frozenset(), statement


def test_statements_of_the_tests_themselves_are_nobody_s(
    recorder_of_statements: Recorder, warehouse: Warehouse
) -> None:
    with warehouse.read() as connection:
        assert connection.execute("SELECT count(*) FROM documents").fetchone() == (0,)
    assert recorder_of_statements.take() == []
