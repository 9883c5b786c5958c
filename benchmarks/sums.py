"""The sums that every side writes to its DuckDB file, and how they are read back and compared, outside the stopwatch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from arcadia_dagster_tests.kit.generate import Totals

AMOUNT_TYPE = "DECIMAL(38,18)"

TOTALS = """
CREATE OR REPLACE TABLE tax_split_totals AS
SELECT
  CAST(sum(amount) * 100 AS BIGINT) AS amount_gross_minor,
  CAST(coalesce(sum(amount) FILTER (charge_category = 'Tax'), 0) * 100 AS BIGINT) AS amount_tax_minor,
  amount_gross_minor - amount_tax_minor AS amount_net_minor,
  count(*) AS line_count
FROM {lines}
"""


def facts(path: Path, *, lines: str = "cost_lines") -> dict[str, Any]:
    """What a DuckDB file holds: its totals, and the lines themselves with the type of their amounts."""
    with duckdb.connect(str(path), read_only=True) as connection:
        totals = connection.execute(
            "SELECT sum(line_count)::BIGINT, sum(amount_gross_minor)::BIGINT, sum(amount_net_minor)::BIGINT, "
            "sum(amount_tax_minor)::BIGINT FROM tax_split_totals"
        ).fetchone()
        stated = connection.execute(
            f"SELECT count(*), (sum(amount) * 100)::BIGINT, list(DISTINCT typeof(amount)), "
            f"count(DISTINCT charge_period_start) > 1 FROM {lines}"
        ).fetchone()
    if totals is None or stated is None:
        raise AssertionError(path)
    return dict(zip(_FACTS, (*totals, *stated), strict=True))


def expected(totals: Sequence[Totals]) -> dict[str, Any]:
    """The facts that every side must find, as the generator knows them."""
    lines = sum(one.line_count for one in totals)
    gross, net, tax = (
        sum(int(amount.scaleb(2)) for amount in amounts)
        for amounts in zip(*((one.gross, one.net, one.tax) for one in totals), strict=True)
    )
    return dict(zip(_FACTS, (lines, gross, net, tax, lines, gross, [AMOUNT_TYPE], True), strict=True))


_FACTS = (
    "lines",
    "gross_minor",
    "net_minor",
    "tax_minor",
    "lines_in_table",
    "minor_in_table",
    "amount_types",
    "has_times",
)
