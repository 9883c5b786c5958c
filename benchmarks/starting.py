"""Rows 8 and 13: what a person or the daemon waits for again and again."""

import os
import re
from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from arcadia_dagster_tests.kit.generate import GeneratedInvoice, write_months
from benchmarks.home import arcadia, build_elsewhere, environ_of, python
from benchmarks.measure import Side, Stopwatch, require, side_by_side
from benchmarks.report import Results
from benchmarks.size import Size

_COMMANDS, _TICKS = "8", "13"
_ROOT = Path(__file__).resolve().parents[1]
_PREPARE = "import sys; from benchmarks.ticking import prepare; prepare(*sys.argv[1:])"
# They have a line of their own; those of each tenant's part, which has the same words, come after.
TOTALS_EXPLAINED = r"(?m)^ *gross \S+ USD"
_MONTHS = 12
_FIRST = date(2025, 1, 1)


def measure(results: Results, *, size: Size, rows: Collection[str]) -> None:
    """Measure the rows."""
    if _TICKS in rows:
        _ticks(results, files=size.pick(tiny=200, quick=100_000, full=100_000), runs=size.pick(tiny=1, quick=2, full=7))
    if _COMMANDS in rows:
        _commands(results, runs=size.pick(tiny=1, quick=4, full=15))


def _ticks(results: Results, *, files: int, runs: int) -> None:
    with TemporaryDirectory() as folder:
        python(_PREPARE, folder, str(files), cwd=_ROOT, environ=environ_of(Path(folder)))
        none = Side("tick, nothing new", "ticking:tick", {"home": folder, "new": False})
        one = Side("tick, one new file", "ticking:tick", {"home": folder, "new": True})
        walk = Side("walk", "starting:walk", {"home": folder})
        found = side_by_side(none, one, walk, runs=runs)
    require({none.label: found[none.label]}, {"months": [], "skipped": "nothing new in the inbox"})
    require({one.label: found[one.label]}, {"months": ["2024-01"], "skipped": None})
    require({walk.label: found[walk.label]}, {"files": files})
    for side, what in ((none, "none of them new"), (one, "and one that is new")):
        results.compare(
            _TICKS,
            f"the sensor looks at an inbox of {files:,} files, {what}",
            found[side.label],
            "os.scandir and stat of each file, nothing else",
            found[walk.label],
            most=2.0,
            note="Each a second time in its process. The files were not landed: what a landing notes of each was inserted, "
            "because landing so many takes minutes.",
        )
    results.cost(_TICKS, "file that lies in the inbox, at each look of the sensor", found[none.label].median / files)


def _commands(results: Results, *, runs: int) -> None:
    with TemporaryDirectory() as folder:
        invoices = _year(Path(folder))
        sides = {
            name: Side(f"arcadia {name}", "starting:command", {"home": folder, "arguments": arguments, "shown": shown})
            for name, arguments, shown in (
                ("--help", ["--help"], "^usage: arcadia"),
                # Behind the month and five counts: the gross amount.
                ("status", ["status"], r"(?m)^\d{4}-\d\d(?:\s+\d+){5}\s+([\d,.]+)"),
                ("explain", ["explain", invoices[-1].number], TOTALS_EXPLAINED),
            )
        }
        other = Side("import duckdb", "starting:import_duckdb")
        found = side_by_side(*sides.values(), other, runs=runs)
    require({"--help": found["arcadia --help"]}, {"printed": ["usage: arcadia"]})
    require({"status": found["arcadia status"]}, {"printed": [f"{invoice.gross:,}" for invoice in invoices]})
    require({"explain": found["arcadia explain"]}, {"printed": [f"gross {invoices[-1].gross:,} USD"]})
    for name, side in sides.items():
        results.compare(
            _COMMANDS,
            f"`arcadia {name}` with a year of data, the whole process",
            found[side.label],
            '`python -c "import duckdb"`',
            found[other.label],
            most=2.0,
        )


def _year(home: Path) -> list[GeneratedInvoice]:
    """A built warehouse with a year of invoices."""
    invoices = write_months(home / "inbox", first=_FIRST, months=_MONTHS)
    build_elsewhere(home)
    return invoices


def command(  # every side has a folder
    stopwatch: Stopwatch,
    folder: Path,  # noqa: ARG001
    *,
    home: str,
    arguments: list[str],
    shown: str,
) -> dict[str, Any]:
    """A command of the program, and what it printed of this pattern."""
    with stopwatch.running():
        printed = arcadia(Path(home), *arguments, COLUMNS="200")
    return {"printed": [found.strip() for found in re.findall(shown, printed)]}


def import_duckdb(stopwatch: Stopwatch, folder: Path) -> dict[str, Any]:
    """A process that does nothing but import DuckDB."""
    with stopwatch.running():
        python("import duckdb", cwd=folder, environ=environ_of(folder))
    return {}


def walk(stopwatch: Stopwatch, folder: Path, *, home: str) -> dict[str, Any]:  # noqa: ARG001 - every side has a folder
    """Ask for every file's state, and keep nothing; the second time, as with the tick."""
    inbox = str(Path(home) / "inbox")
    sum(_sizes(inbox))
    with stopwatch.running():
        files = sum(1 for _ in _sizes(inbox))
    return {"files": files}


def _sizes(folder: str) -> Iterator[int]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _sizes(entry.path)
            else:
                yield entry.stat(follow_symlinks=False).st_size
