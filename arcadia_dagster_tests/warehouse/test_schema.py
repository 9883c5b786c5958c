import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from arcadia_dagster.store.table import Table
from arcadia_dagster.warehouse import Warehouse, relations, schema, version_1


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with Warehouse(tmp_path_factory.mktemp("schema") / "arcadia.duckdb").read() as connection:
        yield connection


def test_the_warehouse_has_the_tables_that_are_described_with_their_columns_in_order(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    views = [view.name for view in relations.VIEWS]
    rows = connection.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_catalog = current_database() AND table_name NOT IN (SELECT unnest(?)) ORDER BY table_name, ordinal_position",
        [[*views, "schema_version"]],
    ).fetchall()
    described = [
        (table.name, column.name, column.type)
        for table in sorted(schema.TABLES, key=lambda table: table.name)
        for column in table.columns
    ]
    assert rows == described


def test_there_are_no_keys_constraints_or_sequences_that_a_lake_does_not_know(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    assert connection.execute("SELECT count(*) FROM duckdb_constraints()").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM duckdb_indexes()").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM duckdb_sequences() WHERE NOT temporary").fetchone() == (0,)


@pytest.mark.parametrize("table", schema.TABLES, ids=lambda table: table.name)
def test_a_table_s_key_is_among_its_columns_and_every_column_is_described_once(table: Table) -> None:
    names = [column.name for column in table.columns]
    assert set(table.key) <= set(names)
    assert len(set(names)) == len(names)
    assert table.column_names == ", ".join(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)
    for text in (table.description, *(column.description for column in table.columns)):
        assert text.endswith("."), text


def test_tables_have_names_of_their_own() -> None:
    names = [table.name for table in schema.TABLES]
    assert len(set(names)) == len(names)


def test_the_version_is_noted_with_its_time(connection: duckdb.DuckDBPyConnection) -> None:
    rows = connection.execute("SELECT version, migrated_at IS NOT NULL FROM schema_version ORDER BY version").fetchall()
    assert rows == [(version, True) for version in range(1, schema.SCHEMA_VERSION + 1)]
    assert set(schema.MIGRATIONS) == set(range(1, schema.SCHEMA_VERSION + 1))
    assert schema.version_of(connection) == schema.SCHEMA_VERSION


def test_a_warehouse_of_version_1_becomes_one_of_the_present_version_and_keeps_its_rows(
    tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    warehouse = Warehouse(tmp_path / "arcadia.duckdb")
    with duckdb.connect(warehouse.path) as old:
        for statement in version_1.STATEMENTS:
            old.execute(statement)
        old.execute("INSERT INTO schema_version VALUES (1, TIMESTAMP '2026-04-01 00:00:00')")
        old.execute("INSERT INTO document_invoices (document_sha256, external_id) VALUES ('a', '1001')")
    with warehouse.read() as migrated:
        columns = "SELECT table_name, column_name, data_type FROM information_schema.columns ORDER BY ALL"
        assert migrated.execute(columns).fetchall() == connection.execute(columns).fetchall()
        rows = migrated.execute("SELECT external_id, vendor_name, may_be_part FROM document_invoices").fetchall()
        assert rows == [("1001", None, None)]


def test_a_crash_in_mid_migration_leaves_a_warehouse_that_can_still_be_migrated(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "arcadia.duckdb")
    with duckdb.connect(warehouse.path) as empty:
        assert schema.version_of(empty) == 0
        empty.execute("BEGIN")
        schema.migrate(empty, 0)
        empty.execute("ROLLBACK")
        assert schema.version_of(empty) == 0
    with warehouse.read() as connection:
        assert schema.version_of(connection) == schema.SCHEMA_VERSION
