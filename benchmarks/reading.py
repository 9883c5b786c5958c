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
from benchmarks.bare_duckdb import ARCHIVE, files_in
from benchmarks.measure import BenchmarkError, Samples, Side, Stopwatch, require, side_by_side
from benchmarks.report import Comparison, Results
from benchmarks.size import Size, counted

_MONTH = date(2024, 7, 1)
_MOST = 1.3
_MOST_GROWTH = 1.2
_MOST_MIB = 1_536
_MOST_FILES = 2.0
_MOST_MS_A_FILE = 0.8
_LINES_A_FILE = 33

_OTHERS = {
    "polars": "others:with_polars",
    "pandas": "others:with_pandas",
    "dlt, Arrow": "others:with_dlt_arrow",
}
_SLOW_OTHERS = {"dlt, dicts": "others:with_dlt_dicts", "csv and Decimal": "others:with_a_loop"}


def measure(results: Results, *, size: Size, rows: Collection[str]) -> None:
    """Measure the rows that are asked for."""
    if "1" in rows or "3" in rows:
        _one_file(results, size=size, rows=rows)
    if "2" in rows:
        _beside_others(results, size=size)
    if "4" in rows:
        _many_files(results, size=size)


def ours(stopwatch: Stopwatch, folder: Path, *, source: str, descriptions: str = "") -> dict[str, Any]:
    """What a run does, from landing to the checks, without Dagster around it; `descriptions` is the folder of formats."""
    import pandas  # noqa: F401, ICN001, PLC0415 - as a code location does; no side's imports are timed

    from arcadia_dagster.defs.checks import _CHECKS, _result  # noqa: PLC0415 - with Dagster: not for the process that waits
    from arcadia_dagster.finance.resource import FinanceResource  # noqa: PLC0415
    from arcadia_dagster.formats.registry import Formats  # noqa: PLC0415
    from arcadia_dagster.reports.decision_page import NO_FORM  # noqa: PLC0415
    from arcadia_dagster.reports.good import LookedAt  # noqa: PLC0415
    from arcadia_dagster.stages.reconciling import unreconciled  # noqa: PLC0415
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
            looked_at = LookedAt.of(connection)
            for check in _CHECKS:
                _result(check, connection, FinanceResource(), NO_FORM, looked_at)
    if unequal:
        raise AssertionError(unequal)
    return sums.facts(warehouse.path, archive=folder / ARCHIVE)


def _one_file(results: Results, *, size: Size, rows: Collection[str]) -> None:
    """Rows 1 and 3 have the runs of a million lines in common."""
    large = size.pick(tiny=3_000, quick=1_000_000, full=1_000_000)
    work = f"{counted(large)} lines, landing to totals"
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        source, totals = _large(Path(folder), large)
        sides = [_side("ours", "reading:ours", source)]
        if "1" in rows:
            sides.append(_side("bare DuckDB", "bare_duckdb:whole", source))
        found = side_by_side(*sides, runs=size.pick(tiny=1, quick=3, full=5))
        require(found, sums.expected([totals], archived=files_in(source)))
    mine = found["ours"]
    if "1" in rows:
        note = (
            "ours also counts records independently, matches resources, checks and versions, and locks for other runs. The "
            "floor archives and hashes the bytes and stores all columns of `cost_lines`, as ours does."
        )
        against = "bare DuckDB, tuned, with the same columns, archived bytes and hash"
        results.compare("1", work, mine, against, found["bare DuckDB"], most=_MOST, note=note)
        results.cost(
            "1", f"line of a document of {counted(large)} lines, from the inbox to its totals", mine.median / large
        )
    if "3" in rows:
        runs = size.pick(tiny=1, quick=2, full=3)
        small, middle = size.pick(tiny=(1_000, 2_000), quick=(1_000, 100_000), full=(1_000, 100_000))
        huge = size.pick(tiny=4_000, quick=None, full=10_000_000)
        measured = {small: _ours_only(small, runs=runs), middle: _ours_only(middle, runs=runs), large: mine}
        if huge is not None:
            measured[huge] = _ours_only(huge, runs=size.pick(tiny=1, quick=2, full=2))
        _growth(results, measured, step=large, has_largest=huge is not None)


def _ours_only(lines: int, *, runs: int) -> Samples:
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        source, totals = _large(Path(folder), lines)
        found = side_by_side(_side("ours", "reading:ours", source), runs=runs)
    require(found, sums.expected([totals]))
    return found["ours"]


def _growth(results: Results, measured: dict[int, Samples], *, step: int, has_largest: bool) -> None:
    """Row 3: the time for each line must not grow with their number, and neither must memory."""
    of_step = measured[step].median / step
    for lines, samples in measured.items():
        each = samples.median / lines
        times = each / of_step
        is_larger = lines > step
        results.add(
            Comparison(
                "3",
                f"{counted(lines)} lines, landing to totals",
                "" if lines == step else f"a line of {counted(step)} lines",
                f"{samples.shown}, {each * 1e6:.3g} µs a line",
                "" if lines == step else f"{times:.2f}x",
                f"<= {_MOST_GROWTH:g}x" if is_larger else "",
                times <= _MOST_GROWTH if is_larger else None,
            )
        )
    most = max(measured)
    peak = max(measured[most].peak_mib)
    results.add(
        Comparison(
            "3",
            f"{counted(most)} lines, most memory",
            "",
            "",
            f"{peak:.0f} MiB",
            f"<= {_MOST_MIB} MiB" if has_largest else f"<= {_MOST_MIB} MiB at 10M lines",
            peak <= _MOST_MIB if has_largest else None,
        )
    )


def _beside_others(results: Results, *, size: Size) -> None:
    """Row 2: what a user would write without this program; none of it checks or matches.

    Each is asked for the work that is compared: the same columns, the bytes in an archive, and their hash. Beside it, what each
    takes that is asked for the sums and their ten columns alone; the slow ones are only asked for that.
    """
    _require_packages("polars", "dlt")
    lines = size.pick(tiny=2_000, quick=200_000, full=1_000_000)
    runs = size.pick(tiny=1, quick=2, full=5)
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        source, totals = _large(Path(folder), lines)
        ours_ = _side("ours", "reading:ours", source)
        same = {label: _side(label, function, source, same=True) for label, function in _OTHERS.items()}
        plain = {f"{label}, plain": _side(f"{label}, plain", function, source) for label, function in _OTHERS.items()}
        found = side_by_side(ours_, *same.values(), *plain.values(), runs=runs)
        slow: dict[str, Samples] = {}
        if size is not Size.QUICK:
            # They take minutes, and differ by more than they vary.
            sides = (_side(label, function, source) for label, function in _SLOW_OTHERS.items())
            slow = side_by_side(ours_, *sides, runs=size.pick(tiny=1, quick=0, full=2))
        archived = files_in(source)
        require({label: found[label] for label in ("ours", *same)}, sums.expected([totals], archived=archived))
        require({**found, **slow}, sums.expected([totals]))
    work = f"{counted(lines)} lines, landing to totals"
    for label in _OTHERS:
        against = f"{label}, with the same columns, archived bytes and hash"
        results.compare("2", work, found["ours"], against, found[label], most=1.0)
    without = "10 columns, nothing archived or hashed"
    for label in _OTHERS:
        results.compare("2", work, found["ours"], f"{label}, {without}", found[f"{label}, plain"])
    for label in _SLOW_OTHERS if slow else ():
        results.compare("2", work, slow["ours"], f"{label}, {without}", slow[label])


def _many_files(results: Results, *, size: Size) -> None:
    """Row 4: what a file costs, when a month has thousands."""
    files = size.pick(tiny=20, quick=3_000, full=10_000)
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        totals = write_months(Path(folder), first=_MONTH, months=1, invoices_per_month=files, lines=_LINES_A_FILE)
        found = side_by_side(
            _side("ours", "reading:ours", folder),
            _side("read_csv of all", "bare_duckdb:load_only", folder),
            runs=size.pick(tiny=1, quick=2, full=5),
        )
        require({"ours": found["ours"]}, sums.expected(totals, archived=files_in(folder)))
    require(found, sums.expected(totals))
    mine = found["ours"]
    work = f"{files:,} files of {_LINES_A_FILE} lines, landing to totals"
    results.compare("4", work, mine, "one read_csv into a table", found["read_csv of all"], most=_MOST_FILES)
    each = mine.median * 1000 / files
    results.add(
        Comparison(
            "4",
            work,
            "",
            mine.shown,
            f"{each:.2f} ms a file",
            f"<= {_MOST_MS_A_FILE:g} ms",
            each <= _MOST_MS_A_FILE,
        )
    )
    results.cost("4", f"file of {_LINES_A_FILE} lines among thousands, likewise", mine.median / files)


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
            f"row 2 needs {' and '.join(missing)}: pip install -c constraints.txt -e '.[bench]', or leave the row out"
        )
