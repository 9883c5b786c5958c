"""Moving over: from the file to a lake, and back."""

from collections.abc import Callable
from pathlib import Path

from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.copy import copy
from arcadia_dagster_tests.kit.plain import new_warehouse
from arcadia_dagster_tests.kit.rows import fill, rows_of


def test_a_file_that_is_copied_to_a_lake_and_back_is_the_same(
    new_lake: Callable[..., Warehouse], tmp_path: Path
) -> None:
    file, lake, back = new_warehouse(tmp_path), new_lake(), Warehouse(tmp_path / "back.duckdb")
    fill(file)
    copied = copy(file, lake)
    assert {(one.table, one.rows, one.months) for one in copied} >= {("cost_lines", 30, 3), ("documents", 0, 0)}
    copy(lake, back)
    assert rows_of(back) == rows_of(lake) == rows_of(file)
