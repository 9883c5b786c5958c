"""Rows 5, 6 and 14: runs beside runs that do nothing, and several processes beside one."""

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
from arcadia_dagster.defs.partitions import key_of
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
    with_storage,
)
from benchmarks.measure import Samples, Side, Stopwatch, ratios, require, side_by_side
from benchmarks.report import Comparison, Results
from benchmarks.size import Size
from benchmarks.together import GROUPS, stated

_ONE_INVOICE, _MANY_MONTHS, _TOGETHER = "5", "6", "14"
_ROOT = Path(__file__).resolve().parents[1]
_EARLIER = date(2020, 11, 1)
_FIRST = date(2020, 12, 1)
_SECOND = date(2021, 1, 1)
_LINES = 33
_MOST_SECONDS = 0.5
_MOST_OF_GRAPH = 1.2
_MOST_OF_EMPTY = 1.5
_FEW = f"{len(empty.NAMES)} empty assets"
_WORK = f"one invoice of {_LINES} lines, from inbox to finance, as a run in process"


def measure(results: Results, *, size: Size, rows: Collection[str]) -> None:
    """Measure the rows."""
    if _ONE_INVOICE in rows:
        _one_invoice(results, runs=size.pick(tiny=1, quick=2, full=7))
        if size is not Size.QUICK:
            _first_of_its_process(results, runs=size.pick(tiny=1, quick=0, full=7))
    if _MANY_MONTHS in rows:
        _many_months(results, months=size.pick(tiny=3, quick=60, full=60), runs=size.pick(tiny=1, quick=1, full=5))
    if _TOGETHER in rows:
        _together(
            results,
            runs=size.pick(tiny=1, quick=2, full=5),
            invoices_per_month=size.pick(tiny=1, quick=10, full=50),
        )


def _own_graph(*, months: int) -> tuple[str, int]:
    """What our own graph with nothing in it is called, and how many materializations a run for so many months makes."""
    graph = build_defs(environ={}).resolve_asset_graph()
    keys, checks = graph.materializable_asset_keys, len(graph.asset_check_keys)
    materializations = sum(months if graph.get(key).is_partitioned else 1 for key in keys)
    return f"our own {len(keys)} assets and {checks} checks with nothing in them", materializations


def _one_invoice(results: Results, *, runs: int) -> None:
    """Row 5, in a process that has made a run before."""
    graph, materializations = _own_graph(months=1)
    ours = Side("one invoice", "running:one_invoice", {"is_first": False})
    few = Side(_FEW, "running:one_empty_run", {"is_first": False})
    same = Side(graph, "running:one_empty_run", {"is_first": False, "same_graph": True})
    found = side_by_side(ours, few, same, runs=runs)
    mine = found[ours.label]
    gross_minor = sum(stated_sums(_stated(month, 1))["gross_minor"] for month in (_FIRST, _SECOND))
    require({ours.label: mine}, {"invoices": 2, "gross_minor": gross_minor, "received": 2})
    require({few.label: found[few.label]}, {"materializations": len(empty.NAMES)})
    require({graph: found[graph]}, {"materializations": materializations})
    work = f"{_WORK}, warm"
    note = (
        "The second run of its process, on Dagster's storage as the project's dagster.yaml has it, and on a warehouse in which "
        "an earlier process built one month. Importing and making the definitions is not timed on either side."
    )
    against = f"a run of {_FEW} on the same storage"
    _compare_runs(results, work, mine, against, found[few.label], most=_MOST_SECONDS, note=note)
    _compare_runs(results, work, mine, f"a run of {graph}", found[graph])
    results.cost(
        "5", f"run for one new invoice of {_LINES} lines, from the inbox to finance, in a warm process", mine.median
    )


def _first_of_its_process(results: Results, *, runs: int) -> None:
    """The same as each run of a deployment is, for it has a process of its own."""
    ours = Side("one invoice, first of its process", "running:one_invoice", {"is_first": True})
    few = Side(f"{_FEW}, first of their process", "running:one_empty_run", {"is_first": True})
    found = side_by_side(ours, few, runs=runs)
    gross_minor = stated_sums(_stated(_SECOND, 1))["gross_minor"]
    require({ours.label: found[ours.label]}, {"invoices": 1, "gross_minor": gross_minor, "received": 1})
    require({few.label: found[few.label]}, {"materializations": len(empty.NAMES)})
    work = f"{_WORK}, the first of its process"
    against = f"a run of {_FEW}, the first of its process"
    note = "As each run of a deployment is, for it has a process of its own."
    _compare_runs(results, work, found[ours.label], against, found[few.label], note=note)


def _compare_runs(
    results: Results,
    work: str,
    mine: Samples,
    against: str,
    other: Samples,
    *,
    most: float | None = None,
    note: str = "",
) -> None:
    ratio = statistics.median(ratios(mine, other))
    more = statistics.median(one - two for one, two in zip(mine.seconds, other.seconds, strict=True))
    target, met = ("", None) if most is None else (f"<= {most:g} s more", more <= most)
    figure = f"{mine.shown} against {other.shown}"
    results.add(Comparison("5", work, against, figure, f"{more:.2f} s more, {ratio:.2f}x", target, met, note))


def _many_months(results: Results, *, months: int, runs: int) -> None:
    graph, materializations = _own_graph(months=months)
    with TemporaryDirectory() as template:
        _empty_run(Path(template), _EARLIER, _EARLIER)
        arguments = {"template": template, "months": months}
        ours = Side(f"arcadia ingest, {months} months", "running:many_months", arguments)
        same = Side(graph, "running:many_empty_months", {**arguments, "same_graph": True})
        few = Side(_FEW, "running:many_empty_months", arguments)
        found = side_by_side(ours, same, few, runs=runs)
    mine = found[ours.label]
    require({ours.label: mine}, stated_sums(_stated(_SECOND, months)))
    require({graph: found[same.label]}, {"materializations": materializations})
    require({_FEW: found[few.label]}, {"materializations": len(empty.NAMES) * months})
    work = f"`arcadia ingest` of {months} months with one invoice of {_LINES} lines each, the whole process"
    for side, what, most in ((same, graph, _MOST_OF_GRAPH), (few, _FEW, _MOST_OF_EMPTY)):
        results.compare(
            "6",
            work,
            mine,
            f"the whole process of a run of {what}, for the same months",
            found[side.label],
            most=most,
            note="All on a persistent Dagster storage that an earlier run has made, with the project's dagster.yaml; no finance.",
        )
    results.cost("6", f"month, where `arcadia ingest` brings {months} up to date together", mine.median / months)


def _together(results: Results, *, runs: int, invoices_per_month: int) -> None:
    arguments = {"invoices_per_month": invoices_per_month}
    ours = Side(f"{GROUPS} processes at once", "together:at_once", arguments)
    other = Side("one after another", "together:one_by_one", arguments)
    found = side_by_side(ours, other, runs=runs)
    require(found, stated_sums(stated(invoices_per_month)))
    results.compare(
        _TOGETHER,
        f"{GROUPS} processes build different months of one warehouse at once ({invoices_per_month} invoices a month)",
        found[ours.label],
        "one process builds the same months one after another",
        found[other.label],
        most=1.05,
        note="The plain stages, without Dagster; each group of months has an inbox of its own. All processes have started, and "
        "imported what they need, before the stopwatch starts.",
    )


def one_invoice(stopwatch: Stopwatch, folder: Path, *, is_first: bool) -> dict[str, Any]:
    """A month was built by an earlier process; now the next one arrives: in a process that has made no run yet, or one."""
    home = folder / "home"
    with sandbox(folder) as (url, secret):
        finance = {"SKYAI_FINANCE_URL": url, "ARCADIA_SANDBOX_URL": url, "SKYAI_FINANCE_SECRET": secret}
        _write(home / "inbox", _EARLIER, 1)
        build_elsewhere(home)
        os.environ.update(with_storage(environ_of(home, **finance)))
        definitions = build_defs()
        with dg.DagsterInstance.get() as instance:
            if not is_first:
                _write(home / "inbox", _FIRST, 1)
                ingest(definitions, instance, [_FIRST])
            _write(home / "inbox", _SECOND, 1)
            with stopwatch.running():
                ingest(definitions, instance, [_SECOND])
    return finance_sums(folder)


def one_empty_run(stopwatch: Stopwatch, folder: Path, *, is_first: bool, same_graph: bool = False) -> dict[str, Any]:
    """One month of empty assets, or of our own graph with nothing in it, on the same storage."""
    os.environ.update(with_storage(environ_of(folder)))
    definitions = empty.same_graph() if same_graph else empty.definitions()
    with dg.DagsterInstance.get() as instance:
        if not is_first:
            empty.run(definitions, instance, key_of(_FIRST), key_of(_FIRST))
        with stopwatch.running():
            materializations = empty.run(definitions, instance, key_of(_SECOND), key_of(_SECOND))
    return {"materializations": materializations}


def many_months(stopwatch: Stopwatch, folder: Path, *, template: str, months: int) -> dict[str, Any]:
    """So many months arrive in a home whose Dagster has run before."""
    home = folder / "home"
    shutil.copytree(template, home)
    _write(home / "inbox", _SECOND, months)
    with stopwatch.running():
        arcadia(home, "ingest")
    return warehouse_sums(home)


def many_empty_months(
    stopwatch: Stopwatch, folder: Path, *, template: str, months: int, same_graph: bool = False
) -> dict[str, Any]:
    """One run of empty assets for as many months, likewise."""
    home = folder / "home"
    shutil.copytree(template, home)
    with stopwatch.running():
        materializations = _empty_run(home, _SECOND, months_from(_SECOND, months)[-1], same_graph=same_graph)
    return {"materializations": materializations}


def _empty_run(home: Path, first: date, last: date, *, same_graph: bool = False) -> int:
    """Run empty assets in a process of its own, with the project's dagster.yaml."""
    graph = "same_graph" if same_graph else "definitions"
    code = f"import sys; from benchmarks import empty; empty.run_here(empty.{graph}(), *sys.argv[1:])"
    environ = with_storage(environ_of(home))
    return int(python(code, key_of(first), key_of(last), cwd=_ROOT, environ=environ).split()[-1])


def _write(inbox: Path, first: date, months: int) -> list[GeneratedInvoice]:
    """One invoice a month. The seed makes the numbers of another first month others."""
    return write_months(inbox, first=first, months=months, lines=_LINES, seed=first.year % 100)


def _stated(first: date, months: int) -> list[GeneratedInvoice]:
    """What the generator says of the same invoices."""
    with TemporaryDirectory() as folder:
        return _write(Path(folder), first, months)
