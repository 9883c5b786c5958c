"""Rows 8 and 10: what a person or the daemon waits for again and again."""

import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from arcadia_dagster_tests.generate import GeneratedInvoice, write_months
from benchmarks.home import arcadia, build_elsewhere, environ_of, python
from benchmarks.measure import Side, Stopwatch, require, side_by_side
from benchmarks.report import Results

_TICKS, _COMMANDS = 8, 10
_ROOT = Path(__file__).resolve().parents[1]
_PREPARE = "import sys; from benchmarks.ticking import prepare; prepare(*sys.argv[1:])"
_FILES = 100_000
_MONTHS = 12
_FIRST = date(2025, 1, 1)


def measure(results: Results, *, full: bool, rows: set[int]) -> None:
    """Measure the rows."""
    if _TICKS in rows:
        _ticks(results, runs=7 if full else 2)
    if _COMMANDS in rows:
        _commands(results, runs=15 if full else 4)


def _ticks(results: Results, *, runs: int) -> None:
    with TemporaryDirectory() as folder:
        python(_PREPARE, folder, str(_FILES), cwd=_ROOT, environ=environ_of(Path(folder)))
        none = Side("tick, nothing new", "ticking:tick", {"home": folder, "new": False})
        one = Side("tick, one new file", "ticking:tick", {"home": folder, "new": True})
        walk = Side("walk", "starting:walk", {"home": folder})
        found = side_by_side(none, one, walk, runs=runs)
    require({none.label: found[none.label]}, {"months": [], "skipped": "nothing new in the inbox"})
    require({one.label: found[one.label]}, {"months": ["2024-01-01"], "skipped": None})
    require({walk.label: found[walk.label]}, {"files": _FILES})
    for side, what in ((none, "none of them new"), (one, "and one that is new")):
        results.compare(
            8,
            f"the sensor looks at an inbox of {_FILES:,} files, {what}",
            found[side.label],
            "os.scandir and stat of each file, nothing else",
            found[walk.label],
            most=2.0,
            note="Each a second time in its process. The files were not landed: what a landing notes of each was inserted, "
            "because landing so many takes minutes.",
        )


def _commands(results: Results, *, runs: int) -> None:
    with TemporaryDirectory() as folder:
        invoices = _year(Path(folder))
        sides = {
            name: Side(f"arcadia {name}", "starting:command", {"home": folder, "arguments": arguments, "shown": shown})
            for name, arguments, shown in (
                ("--help", ["--help"], "^usage: arcadia"),
                ("status", ["status"], r"(?<=USD)\s+[\d,.]+"),
                ("explain", ["explain", invoices[-1].number], r"gross \S+ USD"),
            )
        }
        other = Side("import duckdb", "starting:import_duckdb")
        found = side_by_side(*sides.values(), other, runs=runs)
    require({"--help": found["arcadia --help"]}, {"printed": ["usage: arcadia"]})
    require({"status": found["arcadia status"]}, {"printed": [f"{invoice.gross:,}" for invoice in invoices]})
    require({"explain": found["arcadia explain"]}, {"printed": [f"gross {invoices[-1].gross:,} USD"]})
    for name, side in sides.items():
        results.compare(
            10,
            f"`arcadia {name}` with a year of data, the whole process",
            found[side.label],
            '`python -c "import duckdb"`',
            found[other.label],
            most=1.5,
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
