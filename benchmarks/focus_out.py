"""Row 16: a month's lines as FOCUS Cost and Usage, Parquet and CSV, from a warehouse that has them."""

import tempfile
from collections.abc import Collection
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from arcadia_dagster_tests.kit.generate import file_name, write_large
from benchmarks.home import build_elsewhere
from benchmarks.measure import Side, Stopwatch, require, side_by_side
from benchmarks.report import Results
from benchmarks.size import Size, counted

_MONTH = date(2024, 7, 1)


def measure(results: Results, *, size: Size, rows: Collection[int]) -> None:  # noqa: ARG001 - there is one row
    """Measure the row."""
    lines = size.pick(tiny=2_000, quick=200_000, full=1_000_000)
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        home = Path(folder)
        (home / "inbox").mkdir()
        totals = write_large(home / "inbox" / file_name(_MONTH, "77", "1001"), month=_MONTH, lines=lines, seed=1)
        build_elsewhere(home)
        warehouse = {"warehouse": str(home / "arcadia.duckdb")}
        found = side_by_side(
            Side("ours", "focus_out:ours", warehouse, {}),
            Side("bare DuckDB", "focus_out:bare", warehouse, {}),
            runs=size.pick(tiny=1, quick=3, full=5),
        )
    require(found, {"lines": lines, "cost": str(totals.gross)})
    work = f"{counted(lines)} lines written as FOCUS, Parquet and CSV"
    note = "the floor copies the columns of `cost_lines` as they are, in the same order, to both kinds of file."
    results.compare(16, work, found["ours"], "bare DuckDB", found["bare DuckDB"], most=1.3, note=note)


def ours(stopwatch: Stopwatch, folder: Path, *, warehouse: str) -> dict[str, Any]:
    """What the asset `focus_export` does for a month."""
    from arcadia_dagster.reports.focus import export_month  # noqa: PLC0415
    from arcadia_dagster.warehouse import Warehouse  # noqa: PLC0415

    own = Warehouse(warehouse)
    with own.read():
        pass
    with stopwatch.running(), own.read() as connection:
        export_month(connection, folder, _MONTH)
    into = folder / f"{_MONTH:%Y-%m}"
    return _facts(into / "focus_1_2_cost_and_usage.parquet", into / "focus_1_2_cost_and_usage.csv", "BilledCost")


def bare(stopwatch: Stopwatch, folder: Path, *, warehouse: str) -> dict[str, Any]:
    """The lines as they are stored."""
    parquet, csv = folder / "lines.parquet", folder / "lines.csv"
    lines = (
        f"SELECT * FROM cost_lines WHERE invoice_month = DATE '{_MONTH}' "
        "ORDER BY source, account_id, external_id, document_sha256, line_number"
    )
    with stopwatch.running(), duckdb.connect(warehouse, read_only=True) as connection:
        connection.execute(f"COPY ({lines}) TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)")
        connection.execute(f"COPY ({lines}) TO '{csv}' (FORMAT csv, HEADER)")
    return _facts(parquet, csv, "amount")


def _facts(parquet: Path, csv: Path, cost: str) -> dict[str, Any]:
    with duckdb.connect() as connection:
        [(lines, amount)] = connection.execute(f"SELECT count(*), sum({cost}) FROM '{parquet}'").fetchall()
        [(again,)] = connection.execute(
            f"SELECT sum(CAST({cost} AS DECIMAL(38,18))) FROM read_csv('{csv}', all_varchar = true)"
        ).fetchall()
    if again != amount:
        raise AssertionError(f"{parquet} has {amount}, {csv} {again}")
    return {"lines": lines, "cost": str(Decimal(amount).quantize(Decimal("0.01")))}
