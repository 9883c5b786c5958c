"""Rows 5, 6 and 9: runs beside runs that do nothing, and several processes beside one."""

import os
import shutil
import statistics
from collections.abc import Collection
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg

from arcadia_dagster.definitions import build_defs
from arcadia_dagster.defs.ingest import ingest
from arcadia_dagster.warehouse.months import months_from
from arcadia_dagster_tests.kit.generate import GeneratedInvoice, write_months
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
from benchmarks.size import Size
from benchmarks.together import GROUPS, stated

_ONE_INVOICE, _MANY_MONTHS, _TOGETHER = 5, 6, 9
_ROOT = Path(__file__).resolve().parents[1]
_EARLIER = date(2020, 12, 1)
_FIRST = date(2021, 1, 1)
_LINES = 33
_MOST_SECONDS = 0.5
_MOST_RATIO = 1.3


def measure(results: Results, *, size: Size, rows: Collection[int]) -> None:
    """Measure the rows."""
    if _ONE_INVOICE in rows:
        _one_invoice(results, runs=size.pick(tiny=1, quick=2, full=7))
    if _MANY_MONTHS in rows:
        _many_months(results, months=size.pick(tiny=3, quick=60, full=60), runs=size.pick(tiny=1, quick=1, full=5))
    if _TOGETHER in rows:
        _together(
            results,
            runs=size.pick(tiny=1, quick=2, full=5),
            invoices_per_month=size.pick(tiny=1, quick=10, full=50),
        )


def _one_invoice(results: Results, *, runs: int) -> None:
    empty_run = f"a run of {len(empty.NAMES)} empty assets"
    ours, floor = Side("one invoice", "running:one_invoice"), Side(empty_run, "running:one_empty_run")
    graph = Side("our assets and checks, empty", "running:one_empty_run", {"same_graph": True})
    own = build_defs(environ={}).resolve_asset_graph()
    assets, checks = len(own.materializable_asset_keys), len(own.asset_check_keys)
    found = side_by_side(ours, floor, graph, runs=runs)
    mine, other = found[ours.label], found[floor.label]
    gross_minor = stated_sums(_stated(_FIRST, 1))["gross_minor"]
    require({ours.label: mine}, {"invoices": 1, "gross_minor": gross_minor, "received": 1})
    require({floor.label: other}, {"materializations": len(empty.NAMES)})
    require({graph.label: found[graph.label]}, {"materializations": assets})
    ratio = statistics.median(ratios(mine, other))
    more = statistics.median(one - two for one, two in zip(mine.seconds, other.seconds, strict=True))
    results.add(
        Comparison(
            5,
            f"one invoice of {_LINES} lines, from inbox to finance, as a run in process",
            empty_run,
            f"{mine.median:.3g} s ({mine.spread}) against {other.median:.3g} s ({other.spread})",
            f"{ratio:.2f}x, {more:.2f} s more",
            f"<= {_MOST_RATIO:g}x, or <= {_MOST_SECONDS:g} s more",
            ratio <= _MOST_RATIO or more <= _MOST_SECONDS,
            "The first run of its process, on a warehouse in which an earlier process built one month. "
            f"Importing and making the definitions is not timed on either side. A run of our own {assets} assets and {checks} "
            f"checks with nothing in them takes {found[graph.label].median:.3g} s ({found[graph.label].spread}).",
        )
    )
    results.cost(5, f"run for one new invoice of {_LINES} lines, from the inbox to finance", mine.median)


def _many_months(results: Results, *, months: int, runs: int) -> None:
    with TemporaryDirectory() as template:
        _empty_run(Path(template), _EARLIER, _EARLIER)
        arguments = {"template": template, "months": months}
        ours = Side(f"arcadia ingest, {months} months", "running:many_months", arguments)
        floor = Side(f"{len(empty.NAMES)} empty assets, {months} months", "running:many_empty_months", arguments)
        found = side_by_side(ours, floor, runs=runs)
    mine, other = found[ours.label], found[floor.label]
    require({ours.label: mine}, stated_sums(_stated(_FIRST, months)))
    require({floor.label: other}, {"materializations": len(empty.NAMES) * months})
    results.compare(
        6,
        f"`arcadia ingest` of {months} months with one invoice of {_LINES} lines each, the whole process",
        mine,
        f"the whole process of a run of {len(empty.NAMES)} empty assets for the same months",
        other,
        most=1.5,
        note="Both on a persistent Dagster storage that an earlier run has made, with the project's dagster.yaml; no finance.",
    )
    results.cost(6, f"month, where `arcadia ingest` brings {months} up to date together", mine.median / months)


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
    """One month of empty assets, or of our own graph with nothing in it."""
    definitions = empty.same_graph() if same_graph else empty.definitions()
    month = _FIRST.isoformat()
    with dg.DagsterInstance.ephemeral() as instance, stopwatch.running():
        materializations = empty.run(definitions, instance, month, month)
    return {"materializations": materializations}


def many_months(stopwatch: Stopwatch, folder: Path, *, template: str, months: int) -> dict[str, Any]:
    """So many months arrive in a home whose Dagster has run before."""
    home = folder / "home"
    shutil.copytree(template, home)
    _write(home / "inbox", _FIRST, months)
    with stopwatch.running():
        arcadia(home, "ingest")
    return warehouse_sums(home)


def many_empty_months(stopwatch: Stopwatch, folder: Path, *, template: str, months: int) -> dict[str, Any]:
    """One run of empty assets for as many months, likewise."""
    home = folder / "home"
    shutil.copytree(template, home)
    with stopwatch.running():
        materializations = _empty_run(home, _FIRST, months_from(_FIRST, months)[-1])
    return {"materializations": materializations}


def _empty_run(home: Path, first: date, last: date) -> int:
    """Run empty assets in a process of its own, with the project's dagster.yaml."""
    environ = environ_of(home, DAGSTER_HOME=str(_ROOT), ARCADIA_DAGSTER_STORAGE=str(home / "dagster"))
    code = "import sys; from benchmarks.empty import run_here; run_here(*sys.argv[1:])"
    return int(python(code, first.isoformat(), last.isoformat(), cwd=_ROOT, environ=environ).split()[-1])


def _write(inbox: Path, first: date, months: int) -> list[GeneratedInvoice]:
    """One invoice a month. The seed makes the numbers of another first month others."""
    return write_months(inbox, first=first, months=months, lines=_LINES, seed=first.year % 100)


def _stated(first: date, months: int) -> list[GeneratedInvoice]:
    """What the generator says of the same invoices."""
    with TemporaryDirectory() as folder:
        return _write(Path(folder), first, months)
