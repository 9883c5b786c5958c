"""A month with as many resources as lines: its figures need no more memory for that."""

from datetime import date
from decimal import Decimal
from pathlib import Path

from arcadia_dagster.billing.currency import to_minor
from arcadia_dagster.reports.figures import currency_figures
from arcadia_dagster_tests.kit.generate import file_name, write_large
from arcadia_dagster_tests.kit.plain import build, warehouse_of

APRIL = date(2026, 4, 1)


def test_as_many_resources_as_lines_need_no_more_memory_than_the_largest_breakdown(tmp_path: Path) -> None:
    count = 300_000
    (tmp_path / "inbox").mkdir()
    totals = write_large(tmp_path / "inbox" / file_name(APRIL, "77", "1001"), lines=count, month=APRIL, seed=1)
    warehouse = warehouse_of(tmp_path)
    build(warehouse)
    with warehouse.read() as connection:
        # Each thread takes some. A sort of all resources, or two such breakdowns at once, take more than this.
        connection.execute("SET threads = 2")
        connection.execute("SET memory_limit = '60MB'")
        [found] = currency_figures(connection, [APRIL])[APRIL]
    assert found.totals.gross == to_minor(Decimal(totals.gross), "USD")
    assert sum(row.amount for row in found.resources.rows) + found.resources.rounding == found.totals.net
    assert found.resources.rows[-1].others > count * 0.8
