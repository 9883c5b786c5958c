"""Row 11: a file is dropped into a running deployment with the default settings; how long until finance has it, and why.

The deployment is `arcadia up` in a home of its own, with the sandbox that it starts. The files are written as `cp` does, so each
must lie unchanged for a while before it counts as complete.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from random import Random
from typing import Any
from urllib.request import urlopen

import dagster as dg

from arcadia_dagster.defs.internals import ASSET_PARTITION_RANGE_START_TAG
from arcadia_dagster.defs.partitions import key_of
from arcadia_dagster.home_sandbox import SANDBOX_FOLDER
from arcadia_dagster.settings import load
from arcadia_dagster.warehouse.months import months_from
from arcadia_dagster_tests.kit.generate import digitalocean_invoice
from benchmarks.home import ARCADIA, environ_of, with_storage
from benchmarks.measure import BenchmarkError, Side, Stopwatch, side_by_side
from benchmarks.report import Comparison, Results
from benchmarks.size import Size

_FIRST = date(2019, 1, 1)
_LINES = 33
_PATIENCE_SECONDS = 180.0
_LOOK_SECONDS = 0.1
_STOP_SECONDS = 60.0
_MOST_SECONDS = {"median": 12.0, "95th percentile": 20.0}
_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
# Whoever only wants to see that it works does not wait for what people wait for.
_HURRIED = {"ARCADIA_SENSOR_SECONDS": "1", "ARCADIA_SETTLE_SECONDS": "0"}


def measure(results: Results, *, size: Size, rows: Collection[str]) -> None:  # noqa: ARG001 - one row
    """Measure the row."""
    drops = size.pick(tiny=1, quick=7, full=21)
    settings = _HURRIED if size is Size.TINY else {}
    side = Side("drops", "dropping:drops", {"count": drops, "settings": settings})
    facts = side_by_side(side, runs=1)[side.label].facts
    seconds: Sequence[float] = facts["seconds"]
    parts = ", ".join(f"{part} {statistics.median(taken):.1f} s" for part, taken in facts["parts"].items())
    for what, found in (("median", statistics.median(seconds)), ("95th percentile", _percentile_95(seconds))):
        results.add(
            Comparison(
                "11",
                f"a file dropped into a running deployment with the default settings, until finance has it: {what}",
                "",
                f"{statistics.median(seconds):.3g} s ({min(seconds):.3g}..{max(seconds):.3g}), {drops} files of {_LINES} lines",
                f"{found:.1f} s",
                f"<= {_MOST_SECONDS[what]:g} s",
                found <= _MOST_SECONDS[what],
                f"Medians by Dagster's own events: {parts}." if what == "median" else "",
            )
        )
    results.cost("11", "file dropped into a running deployment, until finance has it", statistics.median(seconds))


def _percentile_95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def drops(stopwatch: Stopwatch, folder: Path, *, count: int, settings: Mapping[str, str]) -> dict[str, Any]:
    """One file after the other, each for a month of its own, at any moment between two looks of the sensor."""
    with _running(folder, settings) as (home, url):
        os.environ.update(with_storage({**environ_of(home), **settings}))
        if not settings:
            del os.environ["ARCADIA_SETTLE_SECONDS"]
        values = load(os.environ)
        random = Random(f"drops/{count}")
        seconds: list[float] = []
        parts: list[dict[str, float]] = []
        with dg.DagsterInstance.get() as instance:
            _await("the sample is in finance", lambda: _is_idle(instance) and bool(_in_finance(url)))
            for number, month in enumerate(months_from(_FIRST, count)):
                time.sleep(random.uniform(0, values.sensor_seconds))
                invoice = digitalocean_invoice(seed=9, month=month, lines=_LINES, number=str(960_000_000 + number))
                (values.inbox / invoice.file_name).write_bytes(invoice.content)
                dropped = time.time()
                with stopwatch.running():
                    _await(f"finance has {invoice.number}", lambda id_=invoice.number: id_ in _in_finance(url))  # type: ignore[misc]
                delivered = time.time()
                _await("the run has ended", lambda: _is_idle(instance))
                seconds.append(delivered - dropped)
                parts.append(_parts(instance, month, dropped, delivered, settle_seconds=values.settle_seconds))
    return {"seconds": seconds, "parts": {name: [one[name] for one in parts] for name in parts[0]}}


@contextmanager
def _running(folder: Path, settings: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """`arcadia up`, once it says that it runs: the home that files are dropped into, and the sandbox's URL."""
    environ = {**environ_of(folder), **settings}
    if not settings:
        del environ["ARCADIA_SETTLE_SECONDS"]
    port, statements, finance = free_ports(3)
    options = ("--port", str(port), "--statements-port", str(statements), "--finance-port", str(finance))
    command = [sys.executable, "-c", ARCADIA, "up", *options]
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            if not any(line.startswith("running;") for line in process.stdout or ()):
                raise BenchmarkError("`arcadia up` did not start")
            yield folder / SANDBOX_FOLDER, f"http://127.0.0.1:{finance}"
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _in_finance(url: str) -> set[str]:
    with urlopen(f"{url}/api/v1/invoices", timeout=30) as answer:  # noqa: S310 - on this machine
        return {row["external_id"] for row in json.load(answer)}


def _is_idle(instance: dg.DagsterInstance) -> bool:
    runs = instance.get_runs()
    return bool(runs) and all(run.status in _ENDED for run in runs)


def _await(what: str, look: Callable[[], bool]) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while not look():
        if time.monotonic() > until:
            raise BenchmarkError(f"not within {_PATIENCE_SECONDS:g} s: {what}")
        time.sleep(_LOOK_SECONDS)


def _parts(
    instance: dg.DagsterInstance, month: date, dropped: float, delivered: float, *, settle_seconds: float
) -> dict[str, float]:
    """What the time (seconds) from the drop to the delivery is made of, in order; it comes to the whole."""
    tags = {ASSET_PARTITION_RANGE_START_TAG: key_of(month)}
    [run] = instance.get_runs(filters=dg.RunsFilter(tags=tags))
    at = {
        log.dagster_event.event_type: log.timestamp
        for log in reversed(instance.all_logs(run.run_id))
        if log.dagster_event
    }
    enqueued, starting, started = (
        at[kind]
        for kind in (
            dg.DagsterEventType.PIPELINE_ENQUEUED,
            dg.DagsterEventType.PIPELINE_STARTING,
            dg.DagsterEventType.PIPELINE_START,
        )
    )
    settled = min(dropped + settle_seconds, enqueued)
    moments = {
        "until the file has settled": settled,
        # A look may have begun before, and have come to the file only now.
        "until the sensor looks": max(settled, _tick_of(instance, run.run_id)),
        "its look": enqueued,
        "in the queue": starting,
        "until the run's process has started": started,
        "the run, until finance has it": delivered,
    }
    found: dict[str, float] = {}
    before = dropped
    for name, moment in moments.items():
        found[name] = moment - before
        before = moment
    return found


def _tick_of(instance: dg.DagsterInstance, run_id: str) -> float:
    """When the look of a sensor began that requested the run."""
    for state in instance.all_instigator_state():
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=100):
            if run_id in tick.run_ids:
                return tick.timestamp
    raise BenchmarkError(f"no tick requested the run {run_id}")
