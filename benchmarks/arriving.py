"""Row 5b: one file that comes late for a month of thousands of invoices, beside the same month with nothing new."""

import os
import shutil
import statistics
from collections.abc import Collection
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import duckdb

from arcadia_dagster.definitions import build_defs
from arcadia_dagster.defs.ingest import ingest
from arcadia_dagster_tests.kit.generate import GeneratedInvoice, write_months
from benchmarks.home import arcadia, environ_of, sandbox, stated_sums, warehouse_sums, with_storage
from benchmarks.measure import Side, Stopwatch, require, side_by_side
from benchmarks.report import Comparison, Results
from benchmarks.size import Size

_MONTH = date(2024, 7, 1)
_LINES = 33
_MOST_SECONDS = 2.0


def measure(results: Results, *, size: Size, rows: Collection[str]) -> None:  # noqa: ARG001 - one row
    """Measure the row."""
    count = size.pick(tiny=6, quick=3_000, full=3_000)
    with TemporaryDirectory(prefix="arcadia-bench-") as folder, sandbox(Path(folder)) as (url, secret):
        home = Path(folder) / "home"
        finance = {"SKYAI_FINANCE_URL": url, "ARCADIA_SANDBOX_URL": url, "SKYAI_FINANCE_SECRET": secret}
        invoices = write_months(home / "inbox", first=_MONTH, months=1, lines=_LINES, invoices_per_month=count)
        arcadia(home, "ingest", **finance)
        late, none = (
            Side(label, "arriving:month", {"template": str(home), "is_late": is_late}, finance)
            for label, is_late in (("one late file", True), ("nothing new", False))
        )
        found = side_by_side(late, none, runs=size.pick(tiny=1, quick=1, full=5))
        with_late = [*invoices, *_late(Path(folder))]
    for side, stated in ((late, with_late), (none, invoices)):
        require({side.label: found[side.label]}, {**stated_sums(stated), "delivered": len(stated)})
    mine, other = found[late.label], found[none.label]
    more = statistics.median(one - two for one, two in zip(mine.seconds, other.seconds, strict=True))
    results.add(
        Comparison(
            "5b",
            f"one late file for a month of {count:,} invoices of {_LINES} lines, inbox to finance, as a run in process, warm",
            "the same month with nothing new",
            f"{mine.shown} against {other.shown}",
            f"{mine.median:.2f} s, {more:.2f} s more",
            f"<= {_MOST_SECONDS:g} s",
            mine.median <= _MOST_SECONDS,
            "The second run of its process, on Dagster's storage as the project's dagster.yaml has it; the sandbox has all "
            "invoices of the month but the late one.",
        )
    )
    results.cost("5b", f"file that comes late for a month of {count:,} invoices", mine.median)


def month(stopwatch: Stopwatch, folder: Path, *, template: str, is_late: bool) -> dict[str, Any]:
    """A copy of the home, in which the month was built and delivered; a first run finds nothing new in it."""
    home = folder / "home"
    shutil.copytree(template, home)
    os.environ.update(with_storage(environ_of(home)))
    definitions = build_defs()
    with dg.DagsterInstance.get() as instance:
        ingest(definitions, instance, [_MONTH])
        if is_late:
            _late(home / "inbox")
        with stopwatch.running():
            ingest(definitions, instance, [_MONTH])
    with duckdb.connect(str(home / "arcadia.duckdb"), read_only=True) as connection:
        [(delivered,)] = connection.execute(
            "SELECT count(*) FROM finance_records WHERE finance_invoice_id IS NOT NULL"
        ).fetchall()
    return {**warehouse_sums(home), "delivered": delivered}


def _late(inbox: Path) -> list[GeneratedInvoice]:
    """The file that comes late; another seed makes its number another."""
    return write_months(inbox, first=_MONTH, months=1, lines=_LINES, seed=2)
