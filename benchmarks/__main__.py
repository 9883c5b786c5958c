"""Run the benchmarks: `python -m benchmarks` in under five minutes, `--full` the whole, `--rows 1 5b` some of them.

A row that fails is told of in the results with its error, and the others are measured; the exit code is 1 then.
"""

import argparse
import importlib
import os
import sys
import time
import traceback
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.measure import BenchmarkError, begin_in_copies_of_one_process
from benchmarks.report import Results, as_markdown, in_order, table, write_costs
from benchmarks.size import Size

FOLDER = Path(__file__).resolve().parent
COSTS = FOLDER.parent / "docs" / "performance.md"
"""The document that quotes what one of each costs."""

# Each module has `measure(results, *, size: Size, rows: Collection[str])`. Rows that share their runs stand together.
ROWS: Mapping[tuple[str, ...], str] = {
    ("1", "3"): "reading",
    ("2",): "reading",
    ("4",): "reading",
    ("5",): "running",
    ("5b",): "arriving",
    ("6",): "running",
    ("7",): "delivering",
    ("8",): "starting",
    ("9",): "formats",
    ("10",): "focus_out",
    ("11",): "dropping",
    ("12",): "workers",
    ("13",): "starting",
    ("14",): "running",
    ("15",): "fetching",
    ("16", "17"): "buckets",
}

_QUICK = ("1", "2", "4", "5", "5b", "6", "7", "8", "13")
"""The rows that fit into five minutes together."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rows, print what they found and write it to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument(
        "--full", action="store_true", help="every row, with larger inputs and more runs; takes more than an hour"
    )
    sizes.add_argument(
        "--tiny", action="store_true", help="every row with next to no input: does it work? Writes nothing"
    )
    parser.add_argument("--rows", nargs="+", choices=_all_rows(), help="only these rows")
    parser.add_argument("--out", type=Path, help="where to write the results; default: not, for some rows only")
    options = parser.parse_args(arguments)
    size = Size.FULL if options.full else Size.TINY if options.tiny else Size.QUICK
    started = time.monotonic()
    results = measure(options.rows or (_QUICK if size is Size.QUICK else _all_rows()), size)
    if size is not Size.TINY:
        print(table(results))
    if options.out is not None or not (options.rows or options.tiny):
        text = as_markdown(
            results, command="make bench-full" if options.full else "make bench", seconds=time.monotonic() - started
        )
        (options.out or FOLDER / ("RESULTS-full.md" if options.full else "RESULTS.md")).write_text(
            text, encoding="utf-8"
        )
        if options.out is None and size is Size.QUICK:
            write_costs(results, COSTS)
    for left in results.left_out:
        print(f"\nrow {left.row} is left out: {left.why}", file=sys.stderr)
    for failure in results.failures:
        print(f"\nrow {failure.rows} failed: {failure.error}", file=sys.stderr)
    if results.failures:
        return 1
    if size is Size.TINY:
        print(f"rows {', '.join(sorted({one.row for one in results.comparisons}, key=in_order))}: they work")
    return 0


def _all_rows() -> list[str]:
    return sorted((row for rows in ROWS for row in rows), key=in_order)


def measure(wanted: Collection[str], size: Size) -> Results:
    """Measure these rows, whatever becomes of each."""
    results = Results()

    def measure_some(rows: list[str], name: str) -> None:
        try:
            importlib.import_module(f"benchmarks.{name}").measure(results, size=size, rows=rows)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in a row is told of, and the next is measured
            traceback.print_exc()
            results.fail(rows, error)
            return
        found = {one.row for one in results.comparisons} | {left.row for left in results.left_out}
        if lacking := [row for row in rows if row not in found]:
            results.fail(lacking, BenchmarkError("it found nothing"))

    chosen = [([row for row in rows if row in wanted], name) for rows, name in ROWS.items()]
    if size is Size.TINY:
        begin_in_copies_of_one_process()
        # Nobody looks at times. One more than there are processors: some rows mostly wait for what they have started.
        with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:
            list(pool.map(lambda one: measure_some(*one), [one for one in chosen if one[0]]))
    else:
        for rows, name in chosen:
            if rows:
                measure_some(rows, name)
    return results


if __name__ == "__main__":
    sys.exit(main())
