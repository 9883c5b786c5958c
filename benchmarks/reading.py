"""Rows 1 to 4: from files in the inbox to `tax_split_totals`, in one process, without Dagster."""

import importlib.util
import os
import tempfile
from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from arcadia_dagster_tests.kit.generate import Totals, file_name, write_large, write_months
from benchmarks import sums
from benchmarks.bare_duckdb import files_in
from benchmarks.measure import BenchmarkError, Samples, Side, Stopwatch, require, side_by_side
from benchmarks.report import Comparison, Results
from benchmarks.size import Size, counted

_MONTH = date(2024, 7, 1)
_MOST_GROWTH = 1.2
_MOST_MIB = 1_536
_MOST_MS_A_FILE = 3.0
_LINES_A_FILE = 33

_QUICK_OTHERS = {
    "polars": "others:with_polars",
    "pandas": "others:with_pandas",
    "dlt, Arrow": "others:with_dlt_arrow",
}
_SLOW_OTHERS = {"dlt, dicts": "others:with_dlt_dicts", "csv and Decimal": "others:with_a_loop"}


def measure(results: Results, *, size: Size, rows: Collection[int]) -> None:
    """Measure the rows that are asked for."""
    if 1 in rows or 2 in rows:  # noqa: PLR2004 - the row's number
        _one_file(results, size=size, rows=rows)
    if 3 in rows:  # noqa: PLR2004
        _many_files(results, size=size)
    if 4 in rows:  # noqa: PLR2004
        _beside_others(results, size=size)


def ours(stopwatch: Stopwatch, folder: Path, *, source: str, descriptions: str = "") -> dict[str, Any]:
    """What a run does, from landing to the checks, without Dagster around it; `descriptions` is the folder of formats."""
    import pandas  # noqa: F401, ICN001, PLC0415 - as a code location does; no side's imports are timed

    from arcadia_dagster.defs.checks import _CHECKS, _result  # noqa: PLC0415 - with Dagster: not for the process that waits
    from arcadia_dagster.finance.resource import FinanceResource  # noqa: PLC0415
    from arcadia_dagster.formats.registry import Formats  # noqa: PLC0415
    from arcadia_dagster.stages.tax_split_totals import unreconciled  # noqa: PLC0415
    from arcadia_dagster_tests.kit import plain  # noqa: PLC0415

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


def _one_file(results: Results, *, size: Size, rows: Collection[int]) -> None:
    """Rows 1 and 2 have the runs of a million lines in common."""
    large = size.pick(tiny=3_000, quick=1_000_000, full=1_000_000)
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        source, totals = _large(Path(folder), large)
        sides = [_side("ours", "reading:ours", source)]
        if 1 in rows:
            sides.append(_side("bare DuckDB", "bare_duckdb:whole", source))
            sides.append(_side("bare DuckDB, all columns", "bare_duckdb:whole", source, wide=True))
        found = side_by_side(*sides, runs=size.pick(tiny=1, quick=3, full=5))
        require(found, sums.expected([totals]))
    mine = found["ours"]
    if 1 in rows:
        work = f"{counted(large)} lines, landing to totals"
        note = (
            "ours also counts records independently, matches resources, checks and versions, and locks for other runs. The "
            "floor stores 12 columns a line; its second line stores all of `cost_lines`, as ours does."
        )
        results.compare(1, work, mine, "bare DuckDB, tuned", found["bare DuckDB"], most=1.3, note=note)
        wide = found["bare DuckDB, all columns"]
        results.compare(1, work, mine, "bare DuckDB, tuned, with all columns of `cost_lines`", wide, most=1.3)
    if 2 in rows:  # noqa: PLR2004
        runs = size.pick(tiny=1, quick=2, full=5)
        small, step = size.pick(tiny=(1_000, 2_000), quick=(1_000, 100_000), full=(1_000, 100_000))
        measured = {small: _ours_only(small, runs=runs), step: _ours_only(step, runs=runs), large: mine}
        if huge := size.pick(tiny=4_000, quick=None, full=10_000_000):
            measured[huge] = _ours_only(huge, runs=size.pick(tiny=1, quick=2, full=2))
        _growth(results, measured, step=step, has_largest=huge is not None)


def _ours_only(lines: int, *, runs: int) -> Samples:
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        source, totals = _large(Path(folder), lines)
        found = side_by_side(_side("ours", "reading:ours", source), runs=runs)
    require(found, sums.expected([totals]))
    return found["ours"]


def _growth(results: Results, measured: dict[int, Samples], *, step: int, has_largest: bool) -> None:
    """Row 2: the time for each line must not grow with their number, and neither must memory."""
    of_step = measured[step].median / step
    for lines, samples in measured.items():
        each = samples.median / lines
        times = each / of_step
        is_larger = lines > step
        results.add(
            Comparison(
                2,
                f"{counted(lines)} lines, landing to totals",
                "" if lines == step else f"a line of {counted(step)} lines",
                f"{samples.median:.3g} s ({samples.spread}), {each * 1e6:.3g} µs a line",
                "" if lines == step else f"{times:.2f}x",
                f"<= {_MOST_GROWTH:g}x" if is_larger else "",
                times <= _MOST_GROWTH if is_larger else None,
            )
        )
    most = max(measured)
    peak = max(measured[most].peak_mib)
    results.add(
        Comparison(
            2,
            f"{counted(most)} lines, most memory",
            "",
            "",
            f"{peak:.0f} MiB",
            f"<= {_MOST_MIB} MiB" if has_largest else f"<= {_MOST_MIB} MiB at 10M lines",
            peak <= _MOST_MIB if has_largest else None,
        )
    )
    results.cost(
        2, f"line of a document of {counted(most)} lines, from the inbox to its totals", measured[most].median / most
    )


def _many_files(results: Results, *, size: Size) -> None:
    """Row 3: what a file costs, when a month has thousands."""
    files = size.pick(tiny=20, quick=3_000, full=10_000)
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        totals = write_months(Path(folder), first=_MONTH, months=1, invoices_per_month=files, lines=_LINES_A_FILE)
        found = side_by_side(
            _side("ours", "reading:ours", folder),
            _side("read_csv of all", "bare_duckdb:load_only", folder),
            runs=size.pick(tiny=1, quick=2, full=5),
        )
    require(found, sums.expected(totals))
    mine = found["ours"]
    work = f"{files:,} files of {_LINES_A_FILE} lines, landing to totals"
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
    results.cost(3, f"file of {_LINES_A_FILE} lines among thousands, likewise", mine.median / files)


def _beside_others(results: Results, *, size: Size) -> None:
    """Row 4: what a user would write without this program; none of it archives, checks or matches."""
    _require_packages("polars", "dlt")
    lines = size.pick(tiny=2_000, quick=200_000, full=1_000_000)
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        source, totals = _large(Path(folder), lines)
        ours_ = _side("ours", "reading:ours", source)
        quick, slow = (
            [_side(label, function, source) for label, function in others.items()]
            for others in (_QUICK_OTHERS, _SLOW_OTHERS)
        )
        # The slow ones take minutes and differ by more than they vary: the quick ones have further runs.
        few = side_by_side(ours_, *quick, *slow, runs=size.pick(tiny=1, quick=1, full=2))
        more = side_by_side(ours_, *quick, runs=size.pick(tiny=0, quick=1, full=3))
    require(few, sums.expected([totals]))
    all_ = {label: _joined(few[label], samples) for label, samples in more.items()}
    require(all_, sums.expected([totals]))
    work = f"{counted(lines)} lines, landing to totals"
    for label in _QUICK_OTHERS:
        results.compare(4, work, all_["ours"], label, all_[label], most=1.0)
    for label in _SLOW_OTHERS:
        results.compare(4, work, few["ours"], label, few[label], most=1.0)


def _joined(first: Samples, then: Samples) -> Samples:
    return Samples(first.seconds + then.seconds, first.peak_mib + then.peak_mib, then.facts or first.facts)


def _large(folder: Path, lines: int) -> tuple[str, Totals]:
    """A folder with one invoice, and what it states."""
    source = folder / str(lines)
    source.mkdir()
    path = source / file_name(_MONTH, "6173678", "418071234")
    return str(source), write_large(path, lines=lines, month=_MONTH, seed=1)


def _side(label: str, function: str, source: str, **arguments: bool) -> Side:
    return Side(label, function, {"source": source, **arguments}, {"RUNTIME__DLTHUB_TELEMETRY": "false"})


def _require_packages(*names: str) -> None:
    missing: Sequence[str] = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise BenchmarkError(
            f"row 4 needs {' and '.join(missing)}: pip install -c constraints.txt -e '.[bench]', or leave the row out"
        )
