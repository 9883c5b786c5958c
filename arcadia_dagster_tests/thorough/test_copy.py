"""Copying a warehouse, from file to file; `scale/test_copy.py` has it with a lake."""

import os
from pathlib import Path

import pytest

from arcadia_dagster.cli import main
from arcadia_dagster.warehouse import Warehouse, WarehouseError, schema
from arcadia_dagster.warehouse.copy import compare, copy
from arcadia_dagster.warehouse.rows import insert
from arcadia_dagster_tests.kit.plain import new_warehouse
from arcadia_dagster_tests.kit.rows import fill, rows_of


@pytest.fixture
def source(tmp_path: Path) -> Warehouse:
    warehouse = new_warehouse(tmp_path)
    fill(warehouse)
    return warehouse


def test_a_copy_has_the_same_rows_and_says_how_many(
    source: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A copy: what the command sets itself must not outlive it.
    monkeypatch.setattr(os, "environ", os.environ | {"ARCADIA_HOME": str(tmp_path)})
    before = rows_of(source)
    assert main(["warehouse", "copy", str(source.path), str(tmp_path / "new.duckdb")]) == 0
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["cost_lines", "30", "rows", "in", "3", "months"] in said
    assert rows_of(Warehouse(tmp_path / "new.duckdb")) == rows_of(source) == before


def test_a_warehouse_with_rows_is_no_target_and_keeps_them(source: Warehouse, tmp_path: Path) -> None:
    other = Warehouse(tmp_path / "other.duckdb")
    with other.write() as connection:
        insert(connection, schema.INBOX_FILES, [{"inbox_path": "mine"}])
    before = rows_of(other)
    with pytest.raises(WarehouseError, match="inbox_files already"):
        copy(source, other)
    assert rows_of(other) == before


def test_what_is_not_there_cannot_be_copied_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="there is no warehouse at"):
        copy(Warehouse(tmp_path / "mistyped.duckdb"), Warehouse(tmp_path / "new.duckdb"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "months"),
    [
        ("amount = amount + 0.000000000000000001", "2026-02"),
        ("description = 'other'", "2026-02"),
        ("project = ''", "2026-02"),
        ("invoice_month = DATE '2026-03-01'", "2026-02, 2026-03"),
        ("invoice_month = NULL", "2026-02, rows without a month"),
    ],
)
def test_a_copy_that_differs_in_one_value_is_found_with_its_months(
    source: Warehouse, tmp_path: Path, change: str, months: str
) -> None:
    target = Warehouse(tmp_path / "new.duckdb")
    copy(source, target)
    with source.read() as before, target.write() as after:
        assert compare(schema.COST_LINES, before, after).rows == 30
        after.execute(f"UPDATE cost_lines SET {change} WHERE line_number = 7")
        with pytest.raises(WarehouseError, match=f"cost_lines: the copy differs in {months};"):
            compare(schema.COST_LINES, before, after)
