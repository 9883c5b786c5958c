"""The sums that every side writes to its DuckDB file, and how they are read back and compared, outside the stopwatch."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from arcadia_dagster.warehouse.schema import COST_LINES
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


def facts(path: Path, *, lines: str = "cost_lines", archive: Path | None = None) -> dict[str, Any]:
    """What a DuckDB file holds: its totals, and the lines themselves with the type of their amounts.

    Args:
        path: The file.
        lines: The table of the lines.
        archive: The folder with the bytes of the documents that the lines name; None where nobody was asked for them.
    """
    with duckdb.connect(str(path), read_only=True) as connection:
        totals = connection.execute(
            "SELECT sum(line_count)::BIGINT, sum(amount_gross_minor)::BIGINT, sum(amount_net_minor)::BIGINT, "
            "sum(amount_tax_minor)::BIGINT FROM tax_split_totals"
        ).fetchone()
        stated = connection.execute(
            f"SELECT count(*), (sum(amount) * 100)::BIGINT, list(DISTINCT typeof(amount)), "
            f"count(DISTINCT charge_period_start) > 1 FROM {lines}"
        ).fetchone()
        found = dict(zip(_FACTS, (*totals, *stated), strict=True)) if totals and stated else {}
        if archive is not None:
            named = connection.execute(f"SELECT DISTINCT document_sha256 FROM {lines}").fetchall()
            columns = {name for (name, *_) in connection.execute(f"DESCRIBE {lines}").fetchall()}
            kept = {_sha256(file) for file in archive.rglob("*") if file.is_file()}
            found["archived"] = sorted(sha256 for (sha256,) in named if sha256 in kept)
            found["lacks"] = sorted({column.name for column in COST_LINES.columns} - columns)
    if not found:
        raise AssertionError(path)
    return found


def expected(totals: Sequence[Totals], *, archived: Sequence[Path] = ()) -> dict[str, Any]:
    """The facts that every side must find, as the generator knows them.

    Args:
        totals: What the documents state.
        archived: The documents, where every side must keep their bytes, and name them in lines with all columns.
    """
    lines = sum(one.line_count for one in totals)
    gross, net, tax = (
        sum(int(amount.scaleb(2)) for amount in amounts)
        for amounts in zip(*((one.gross, one.net, one.tax) for one in totals), strict=True)
    )
    found = dict(zip(_FACTS, (lines, gross, net, tax, lines, gross, [AMOUNT_TYPE], True), strict=True))
    if archived:
        found |= {"archived": sorted(_sha256(path) for path in archived), "lacks": []}
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
