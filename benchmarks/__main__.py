"""Run the benchmarks: `python -m benchmarks` in under five minutes, `--full` the whole, `--rows 1 5` some of them."""

import argparse
import importlib
import sys
import time
from pathlib import Path

from benchmarks.measure import BenchmarkError
from benchmarks.report import Results, as_markdown, table

# Each module has `measure(results, *, full: bool, rows: set[int])`.
MODULES = {
    "reading": (1, 2, 3, 4),
    "running": (5, 6, 9),
    "delivering": (7,),
    "starting": (8, 10),
    "focus": (11, 12),
    "aws": (13, 14),
    "described": (15,),
    "focus_out": (16,),
}

_ALL = range(1, 17)
_QUICK = range(1, 11)
"""The rows that fit into five minutes together."""


def main() -> int:
    """Run the rows, print what they found and write it to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="larger inputs and more runs; takes most of an hour")
    parser.add_argument("--rows", type=int, nargs="+", choices=_ALL, help="only these rows")
    parser.add_argument("--out", type=Path, help="where to write the results; default: not, for some rows only")
    options = parser.parse_args()
    wanted = set(options.rows or (_ALL if options.full else _QUICK))
    results = Results()
    started = time.monotonic()
    try:
        for name, rows in MODULES.items():
            if chosen := wanted & set(rows):
                importlib.import_module(f"benchmarks.{name}").measure(results, full=options.full, rows=chosen)
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    results.comparisons.sort(key=lambda one: one.row)
    print(table(results.comparisons))
    out = options.out or (
        None if options.rows else Path(__file__).parent / ("RESULTS-full.md" if options.full else "RESULTS.md")
    )
    if out is not None:
        command = "make bench-full" if options.full else "make bench"
        text = as_markdown(results, command=command, seconds=time.monotonic() - started)
        out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
