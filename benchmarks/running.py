"""Rows 5, 6 and 9: runs beside runs that do nothing, and several processes beside one."""

import os
import shutil
import statistics
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg

from arcadia_dagster.automation.ingest import ingest
from arcadia_dagster.definitions import build_defs
from arcadia_dagster_tests.generate import GeneratedInvoice, write_months
from benchmarks import empty
from benchmarks.home import (
    arcadia,
    build_elsewhere,
    environ_of,
    finance_sums,
    python,
    sandbox,
    stated_sums,
    warehouse_sums,
)
from benchmarks.measure import Side, Stopwatch, ratios, require, side_by_side
from benchmarks.report import Comparison, Results
from benchmarks.together import GROUPS, stated

_ONE_INVOICE, _SIXTY_MONTHS, _TOGETHER = 5, 6, 9
_ROOT = Path(__file__).resolve().parents[1]
_EARLIER = date(2020, 12, 1)
_FIRST = date(2021, 1, 1)
_MONTHS = 60
_ASSETS = 4
_MOST_SECONDS = 0.5
_MOST_RATIO = 1.3


def measure(results: Results, *, full: bool, rows: set[int]) -> None:
    """Measure the rows."""
    if _ONE_INVOICE in rows:
        _one_invoice(results, runs=7 if full else 2)
    if _SIXTY_MONTHS in rows:
        _sixty_months(results, runs=5 if full else 1)
    if _TOGETHER in rows:
        _together(results, runs=5 if full else 2, invoices_per_month=50 if full else 10)


def _one_invoice(results: Results, *, runs: int) -> None:
    ours, floor = Side("one invoice", "running:one_invoice"), Side("four empty assets", "running:one_empty_run")
    graph = Side("our assets and checks, empty", "running:one_empty_run", {"same_graph": True})
    found = side_by_side(ours, floor, graph, runs=runs)
    mine, other = found[ours.label], found[floor.label]
    gross_minor = stated_sums(_stated(_FIRST, 1))["gross_minor"]
    require({ours.label: mine}, {"invoices": 1, "gross_minor": gross_minor, "received": 1})
    require({floor.label: other}, {"materializations": _ASSETS})
    require({graph.label: found[graph.label]}, {"materializations": _ASSETS + 1})
    ratio = statistics.median(ratios(mine, other))
    more = statistics.median(one - two for one, two in zip(mine.seconds, other.seconds, strict=True))
    results.add(
        Comparison(
            5,
            "one invoice of 33 lines, from inbox to finance, as a run in process",
            "a run of four empty assets",
            f"{mine.median:.3g} s ({mine.spread}) against {other.median:.3g} s ({other.spread})",
            f"{ratio:.2f}x, {more:.2f} s more",
            f"<= {_MOST_RATIO:g}x, or <= {_MOST_SECONDS:g} s more",
            ratio <= _MOST_RATIO or more <= _MOST_SECONDS,
            "The first run of its process, on a warehouse in which an earlier process built one month. "
            "Importing and making the definitions is not timed on either side. A run of our own five assets and ten checks "
            f"with nothing in them takes {found[graph.label].median:.3g} s ({found[graph.label].spread}).",
        )
    )


def _sixty_months(results: Results, *, runs: int) -> None:
    with TemporaryDirectory() as template:
        _empty_run(Path(template), _EARLIER, _EARLIER)
        ours = Side("arcadia ingest, 60 months", "running:sixty_months", {"template": template})
        floor = Side("four empty assets, 60 months", "running:sixty_empty_months", {"template": template})
        found = side_by_side(ours, floor, runs=runs)
    mine, other = found[ours.label], found[floor.label]
    require({ours.label: mine}, stated_sums(_stated(_FIRST, _MONTHS)))
    require({floor.label: other}, {"materializations": _ASSETS * _MONTHS})
    results.compare(
        6,
        f"`arcadia ingest` of {_MONTHS} months with one invoice of 33 lines each, the whole process",
        mine,
        "the whole process of a run of four empty assets for the same months",
        other,
        most=1.5,
        note="Both on a persistent Dagster storage that an earlier run has made, with the project's dagster.yaml; no finance.",
    )


def _together(results: Results, *, runs: int, invoices_per_month: int) -> None:
    arguments = {"invoices_per_month": invoices_per_month}
    ours = Side(f"{GROUPS} processes at once", "together:at_once", arguments)
    other = Side("one after another", "together:one_by_one", arguments)
    found = side_by_side(ours, other, runs=runs)
    require(found, stated_sums(stated(invoices_per_month)))
    results.compare(
        9,
        f"{GROUPS} processes build different months of one warehouse at once ({invoices_per_month} invoices a month)",
        found[ours.label],
        "one process builds the same months one after another",
        found[other.label],
        most=1.05,
        note="The plain stages, without Dagster; each group of months has an inbox of its own. All processes have started, and "
        "imported what they need, before the stopwatch starts.",
    )


def one_invoice(stopwatch: Stopwatch, folder: Path) -> dict[str, Any]:
    """A month was built by an earlier process; now the next one arrives."""
    home = folder / "home"
    with sandbox(folder) as (url, secret):
        finance = {"SKYAI_FINANCE_URL": url, "ARCADIA_SANDBOX_URL": url, "SKYAI_FINANCE_SECRET": secret}
        _write(home / "inbox", _EARLIER, 1)
        build_elsewhere(home)
        os.environ.update(environ_of(home, **finance))
        definitions = build_defs()
        _write(home / "inbox", _FIRST, 1)
        with dg.DagsterInstance.ephemeral() as instance, stopwatch.running():
            ingest(definitions, instance, [_FIRST])
    return finance_sums(folder)


def one_empty_run(
    stopwatch: Stopwatch,
    folder: Path,  # noqa: ARG001 - every side has a folder
    *,
    same_graph: bool = False,
) -> dict[str, Any]:
    """One month of four empty assets, or of our own graph with nothing in it."""
    definitions = empty.same_graph() if same_graph else empty.definitions()
    month = _FIRST.isoformat()
    with dg.DagsterInstance.ephemeral() as instance, stopwatch.running():
        materializations = empty.run(definitions, instance, month, month)
    return {"materializations": materializations}


def sixty_months(stopwatch: Stopwatch, folder: Path, *, template: str) -> dict[str, Any]:
    """Sixty months arrive in a home whose Dagster has run before."""
    home = folder / "home"
    shutil.copytree(template, home)
    _write(home / "inbox", _FIRST, _MONTHS)
    with stopwatch.running():
        arcadia(home, "ingest")
    return warehouse_sums(home)


def sixty_empty_months(stopwatch: Stopwatch, folder: Path, *, template: str) -> dict[str, Any]:
    """One run of four empty assets for sixty months, likewise."""
    home = folder / "home"
    shutil.copytree(template, home)
    with stopwatch.running():
        materializations = _empty_run(home, _FIRST, date(_FIRST.year + _MONTHS // 12 - 1, 12, 1))
    return {"materializations": materializations}


def _empty_run(home: Path, first: date, last: date) -> int:
    """Run four empty assets in a process of its own, with the project's dagster.yaml."""
    environ = environ_of(home, DAGSTER_HOME=str(_ROOT), ARCADIA_DAGSTER_STORAGE=str(home / "dagster"))
    code = "import sys; from benchmarks.empty import run_here; run_here(*sys.argv[1:])"
    return int(python(code, first.isoformat(), last.isoformat(), cwd=_ROOT, environ=environ).split()[-1])


def _write(inbox: Path, first: date, months: int) -> list[GeneratedInvoice]:
    """One invoice a month. The seed makes the numbers of another first month others."""
    return write_months(inbox, first=first, months=months, seed=first.year % 100)


def _stated(first: date, months: int) -> list[GeneratedInvoice]:
    """What the generator says of the same invoices."""
    with TemporaryDirectory() as folder:
        return _write(Path(folder), first, months)
