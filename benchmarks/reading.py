"""Rows 1 to 4: from files in the inbox to `tax_split_totals`, in one process, without Dagster."""

import importlib.util
import os
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from arcadia_dagster_tests.generate import Totals, file_name, write_large, write_months
from benchmarks import sums
from benchmarks.bare_duckdb import files_in
from benchmarks.measure import BenchmarkError, Samples, Side, Stopwatch, require, side_by_side
from benchmarks.report import Comparison, Results

_MONTH = date(2024, 7, 1)
_SMALL, _STEP, _LARGE, _HUGE = 1_000, 100_000, 1_000_000, 10_000_000
_MOST_GROWTH = 1.2
_MOST_MIB = 1_536
_FILES, _FEWER_FILES, _MOST_MS_A_FILE = 10_000, 3_000, 3.0

_QUICK_OTHERS = {
    "polars": "others:with_polars",
    "pandas": "others:with_pandas",
    "dlt, Arrow": "others:with_dlt_arrow",
}
_SLOW_OTHERS = {"dlt, dicts": "others:with_dlt_dicts", "csv and Decimal": "others:with_a_loop"}


def measure(results: Results, *, full: bool, rows: set[int]) -> None:
    """Measure the rows that are asked for."""
    # A missing package is told before the long rows, not after them.
    if 4 in rows:  # noqa: PLR2004 - the row's number
        _require_packages("polars", "dlt")
    if rows & {1, 2}:
        _one_file(results, full=full, rows=rows)
    if 3 in rows:  # noqa: PLR2004
        _many_files(results, full=full)
    if 4 in rows:  # noqa: PLR2004
        _beside_others(results, full=full)


def ours(stopwatch: Stopwatch, folder: Path, *, source: str, descriptions: str = "") -> dict[str, Any]:
    """What a run does, from landing to the checks, without Dagster around it; `descriptions` is the folder of formats."""
    import pandas  # noqa: F401, ICN001, PLC0415 - as a code location does; no side's imports are timed

    from arcadia_dagster.checks import _CHECKS, _result  # noqa: PLC0415 - with Dagster: not for the process that waits
    from arcadia_dagster.finance.resource import FinanceResource  # noqa: PLC0415
    from arcadia_dagster.formats.registry import Formats  # noqa: PLC0415
    from arcadia_dagster.stages.tax_split_totals import unreconciled  # noqa: PLC0415
    from arcadia_dagster_tests import plain  # noqa: PLC0415

    (folder / "inbox").mkdir()
    for path in files_in(source):
        # A new link sets the change time only, as a rename does: the file is complete.
        os.link(path, folder / "inbox" / path.name)
    warehouse = plain.warehouse_of(folder)
    with stopwatch.running():
        plain.build(warehouse, resources=True, formats=Formats.of(Path(descriptions)) if descriptions else None)
        with warehouse.read() as connection:
            unequal = unreconciled(connection)
            for check in _CHECKS:
                _result(check, connection, FinanceResource())
    if unequal:
        raise AssertionError(unequal)
    return sums.facts(warehouse.path)


def _one_file(results: Results, *, full: bool, rows: set[int]) -> None:
    """Rows 1 and 2 have the runs of a million lines in common."""
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        source, totals = _large(Path(folder), _LARGE)
        sides = [_side(_label(_LARGE), "reading:ours", source)]
        if 1 in rows:
            sides.append(_side("bare DuckDB", "bare_duckdb:whole", source))
            sides.append(_side("bare DuckDB, all columns", "bare_duckdb:whole", source, wide=True))
        found = side_by_side(*sides, runs=5 if full else 3)
        require(found, sums.expected([totals]))
    mine = found[_label(_LARGE)]
    if 1 in rows:
        work = f"{_label(_LARGE)}, landing to totals"
        note = (
            "ours also counts records independently, matches resources, checks and versions, and locks for other runs. The "
            "floor stores 12 columns a line; its second line stores all of `cost_lines`, as ours does."
        )
        results.compare(1, work, mine, "bare DuckDB, tuned", found["bare DuckDB"], most=1.3, note=note)
        wide = found["bare DuckDB, all columns"]
        results.compare(1, work, mine, "bare DuckDB, tuned, with all columns of `cost_lines`", wide, most=1.3)
    if 2 in rows:  # noqa: PLR2004
        runs = 5 if full else 2
        measured = {_SMALL: _ours_only(_SMALL, runs=runs), _STEP: _ours_only(_STEP, runs=runs), _LARGE: mine}
        if full:
            measured[_HUGE] = _ours_only(_HUGE, runs=2)
        _growth(results, measured)


def _ours_only(lines: int, *, runs: int) -> Samples:
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        source, totals = _large(Path(folder), lines)
        found = side_by_side(_side(_label(lines), "reading:ours", source), runs=runs)
    require(found, sums.expected([totals]))
    return found[_label(lines)]


def _growth(results: Results, measured: dict[int, Samples]) -> None:
    """Row 2: the time for each line must not grow with their number, and neither must memory."""
    step = measured[_STEP].median / _STEP
    for lines, samples in measured.items():
        each = samples.median / lines
        times = each / step
        is_larger = lines > _STEP
        results.add(
            Comparison(
                2,
                f"{_label(lines)}, landing to totals",
                "" if lines == _STEP else f"a line of {_label(_STEP)}",
                f"{samples.median:.3g} s ({samples.spread}), {each * 1e6:.3g} µs a line",
                "" if lines == _STEP else f"{times:.2f}x",
                f"<= {_MOST_GROWTH:g}x" if is_larger else "",
                times <= _MOST_GROWTH if is_larger else None,
            )
        )
    most = max(measured)
    peak = max(measured[most].peak_mib)
    results.add(
        Comparison(
            2,
            f"{_label(most)}, most memory",
            "",
            "",
            f"{peak:.0f} MiB",
            f"<= {_MOST_MIB} MiB" if most == _HUGE else f"<= {_MOST_MIB} MiB at 10M lines",
            peak <= _MOST_MIB if most == _HUGE else None,
        )
    )


def _many_files(results: Results, *, full: bool) -> None:
    """Row 3: what a file costs, when a month has thousands."""
    files = _FILES if full else _FEWER_FILES
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        totals = write_months(Path(folder), first=_MONTH, months=1, invoices_per_month=files)
        found = side_by_side(
            _side("ours", "reading:ours", folder),
            _side("read_csv of all", "bare_duckdb:load_only", folder),
            runs=5 if full else 2,
        )
    require(found, sums.expected(totals))
    mine = found["ours"]
    work = f"{files:,} files of 33 lines, landing to totals"
    results.compare(3, work, mine, "one read_csv into a table", found["read_csv of all"], most=3)
    each = mine.median * 1000 / files
    results.add(
        Comparison(
            3,
            work,
            "",
            f"{mine.median:.3g} s ({mine.spread})",
            f"{each:.2f} ms a file",
            f"<= {_MOST_MS_A_FILE:g} ms",
            each <= _MOST_MS_A_FILE,
        )
    )


def _beside_others(results: Results, *, full: bool) -> None:
    """Row 4: what a user would write without this program; none of it archives, checks or matches."""
    lines = _LARGE if full else 200_000
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        source, totals = _large(Path(folder), lines)
        ours_ = _side("ours", "reading:ours", source)
        quick, slow = (
            [_side(label, function, source) for label, function in others.items()]
            for others in (_QUICK_OTHERS, _SLOW_OTHERS)
        )
        # The slow ones take minutes and differ by more than they vary: the quick ones have further runs.
        few = side_by_side(ours_, *quick, *slow, runs=2 if full else 1)
        more = side_by_side(ours_, *quick, runs=3 if full else 1)
    for found in (few, more):
        require(found, sums.expected([totals]))
    all_ = {label: _joined(few[label], samples) for label, samples in more.items()}
    work = f"{_label(lines)}, landing to totals"
    for label in _QUICK_OTHERS:
        results.compare(4, work, all_["ours"], label, all_[label], most=1.0)
    for label in _SLOW_OTHERS:
        results.compare(4, work, few["ours"], label, few[label], most=1.0)


def _joined(first: Samples, then: Samples) -> Samples:
    return Samples(first.seconds + then.seconds, first.peak_mib + then.peak_mib, then.facts)


def _large(folder: Path, lines: int) -> tuple[str, Totals]:
    """A folder with one invoice, and what it states."""
    source = folder / str(lines)
    source.mkdir()
    path = source / file_name(_MONTH, "6173678", "418071234")
    return str(source), write_large(path, lines=lines, month=_MONTH, seed=1)


def _side(label: str, function: str, source: str, **arguments: bool) -> Side:
    return Side(label, function, {"source": source, **arguments}, {"RUNTIME__DLTHUB_TELEMETRY": "false"})


def _label(lines: int) -> str:
    return f"{lines // 1_000_000}M lines" if lines >= _LARGE else f"{lines // 1_000}k lines"


def _require_packages(*names: str) -> None:
    missing: Sequence[str] = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise BenchmarkError(
            f"row 4 needs {' and '.join(missing)}: pip install -c constraints.txt -e '.[bench]', or leave the row out"
        )
