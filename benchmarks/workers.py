"""A lake filled by 1, 2 and 4 processes at once: `python -m benchmarks.workers [LINES A MONTH]`; needs Debian's postgresql.

It tells the lines a second, how long writers waited for their turn, how long they had it (the part that more workers do not make
shorter), and how many transactions the catalog saw.
"""

import multiprocessing
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb

from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.landing import land
from arcadia_dagster.stages.cost_lines import build_cost_lines
from arcadia_dagster.stages.raw_invoices import build_raw_invoices
from arcadia_dagster.stages.tax_split_totals import build_tax_split_totals
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.months import next_month
from arcadia_dagster_tests.generate import file_name, write_large
from arcadia_dagster_tests.plain import RANGE, reader_of
from arcadia_dagster_tests.scale.postgres import Postgres
from benchmarks.measure import BenchmarkError

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

_MONTHS = 24
_WORKERS = (1, 2, 4)
_LINES = 200_000


@dataclass(slots=True)
class Turns:
    """How long (seconds) a process waited to write, and wrote."""

    waited: float = 0.0
    held: float = 0.0
    count: int = field(default=0)


class _Timed(Warehouse):
    """A warehouse that notes its turns."""

    turns = Turns()

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        asked = time.perf_counter()
        with super().write() as connection:
            began = time.perf_counter()
            yield connection
        self.turns.waited += began - asked
        self.turns.held += time.perf_counter() - began
        self.turns.count += 1


def _months() -> list[date]:
    months = [date(2024, 1, 1)]
    while len(months) < _MONTHS:
        months.append(next_month(months[-1]))
    return months


def _work(location: str, folder: Path, months: "Queue[date]", told: "Queue[Turns]") -> None:
    warehouse = _Timed(location, data_path=folder / "lake", lock_timeout=600)
    archive = Archive(folder / "archive", max_document_bytes=10**10)
    with reader_of(warehouse) as reader:
        while True:
            try:
                month = months.get(timeout=1)
            except Empty:
                break
            with warehouse.write() as connection:
                build_raw_invoices(connection, {month}, RANGE)
            build_cost_lines(warehouse, archive, reader, {month}, RANGE)
            with warehouse.write() as connection:
                build_tax_split_totals(connection, {month}, RANGE)
    told.put(warehouse.turns)


def _measure(postgres: Postgres, workers: int, lines: int) -> None:
    spawn = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as name:
        folder = Path(name)
        location = postgres.new_database(f"lake_of_{workers}")
        warehouse = Warehouse(location, data_path=folder / "lake", lock_timeout=600)
        warehouse.create()
        (folder / "inbox").mkdir()
        for number, month in enumerate(_months()):
            write_large(
                folder / "inbox" / file_name(month, "77", str(1000 + number)), lines=lines, month=month, seed=number
            )
        with reader_of(warehouse) as reader:
            archive = Archive(folder / "archive", max_document_bytes=10**10)
            land(warehouse, archive, reader, folder / "inbox", settle_seconds=0)
        months: Queue[date] = spawn.Queue()
        told: Queue[Turns] = spawn.Queue()
        for month in _months():
            months.put(month)
        seen = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        before = postgres.query(f"lake_of_{workers}", seen)[0][0]
        processes = [spawn.Process(target=_work, args=(location, folder, months, told)) for _ in range(workers)]
        began = time.perf_counter()
        for process in processes:
            process.start()
        turns = [told.get() for _ in processes]
        # The last second is that of waiting for a month that does not come.
        seconds = time.perf_counter() - began - 1
        for process in processes:
            process.join()
        time.sleep(1)
        seen_by_catalog = postgres.query(f"lake_of_{workers}", seen)[0][0] - before
        with warehouse.read() as connection:
            found = connection.execute("SELECT count(*), count(DISTINCT invoice_month) FROM cost_lines").fetchone()
        if found is None or found[1] != _MONTHS:
            raise BenchmarkError(f"{found}: the lake lacks months")
    waited, held = sum(turn.waited for turn in turns), sum(turn.held for turn in turns)
    print(
        f"| {workers} | {seconds:.1f} | {found[0] / seconds:,.0f} | {waited:.1f} | {held:.1f} | {held / seconds:.0%} | "
        f"{sum(turn.count for turn in turns)} | {seen_by_catalog} |",
        flush=True,
    )


def main() -> None:
    """Measure, and print a table."""
    lines = int(sys.argv[1]) if sys.argv[1:] else _LINES
    print(f"{_MONTHS} months of {lines:,} lines; documents are archived, and read again by each worker")
    print("| workers | s | lines/s | s waited | s held | held of all | turns | transactions of the catalog |")
    print("|---|---|---|---|---|---|---|---|")
    with Postgres() as postgres:
        for workers in _WORKERS:
            _measure(postgres, workers, lines)


if __name__ == "__main__":
    main()
