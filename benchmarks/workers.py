"""A lake filled by 1, 2 and 4 processes at once: `python -m benchmarks.workers [--lines N]`; needs Debian's postgresql.

It tells the lines a second, how long writers waited for their turn, how long they had it (the part that more workers do not make
shorter), how many transactions the catalog saw, and how many of the machine's cores were busy.

Two ways are measured. `replace` is the program's: each stage is replaced in a turn of its own; a month at a time, as a sensor
finds new files, and twelve months at a time, as backfills do. `append` is what could be had at most by adding only: lines and
totals are added beside those of other workers, under a number of the load, and a turn does nothing but name the load that
counts for a month. It has neither checks nor matching, and old loads are not removed.
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb

from arcadia_dagster.formats.reader import Reader
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.inbox import FolderInbox
from arcadia_dagster.landing.landing import Landing
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.months import month_list, months_from
from arcadia_dagster_tests.kit.generate import file_name, write_large
from arcadia_dagster_tests.kit.plain import build_months, reader_of
from arcadia_dagster_tests.kit.postgres import Postgres
from benchmarks.measure import BenchmarkError

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

_FIRST = date(2024, 1, 1)
_DOCUMENT_BYTES = 10**10


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

    @contextmanager
    def add(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A transaction beside those of others: to add rows, and for nothing else."""
        with self._attached(read_only=False) as connection:
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")


def _append(warehouse: _Timed, archive: Archive, reader: Reader, months: Collection[date]) -> None:
    with warehouse.read() as connection:
        found = connection.execute(
            f"SELECT DISTINCT document_sha256 FROM document_invoices WHERE invoice_month IN ({month_list(months)})"
        ).fetchall()
    documents = [sha256 for (sha256,) in found]
    reader.read([archive.examine(sha256) for sha256 in documents])
    load = min(months).toordinal()
    with warehouse.add() as connection:
        connection.execute(f"INSERT INTO loaded_lines {_lines_sql(reader, documents, load)}")
        connection.execute(f"INSERT INTO loaded_totals {_totals_sql(f'loaded_lines WHERE load_id = {load}')}")
    with warehouse.write() as connection:
        connection.execute(f"INSERT INTO loads SELECT unnest([{month_list(months)}]), {load}")


def _lines_sql(reader: Reader, documents: list[str], load: int) -> str:
    return f"""
    SELECT {load} AS load_id, line.* EXCLUDE (invoice_ordinal), invoice.source, invoice.account_id, invoice.external_id,
      invoice.invoice_month
    FROM ({reader.lines_sql(documents)}) AS line JOIN document_invoices AS invoice USING (document_sha256, invoice_ordinal)
    """


def _totals_sql(lines: str) -> str:
    return f"""
    SELECT load_id, source, account_id, external_id, count(*) AS line_count, sum(amount) AS amount_gross,
      sum(amount) FILTER (charge_category = 'Tax') AS amount_tax
    FROM {lines} GROUP BY ALL
    """


def _make_room(warehouse: Warehouse, reader: Reader) -> None:
    """The tables that are only added to; the lines of each month in files of its own, as `cost_lines` has them."""
    with warehouse.write() as connection:
        connection.execute(f"CREATE TABLE loaded_lines AS {_lines_sql(reader, [], 0)} LIMIT 0")
        connection.execute("ALTER TABLE loaded_lines SET PARTITIONED BY (invoice_month)")
        connection.execute(f"CREATE TABLE loaded_totals AS {_totals_sql('loaded_lines')} LIMIT 0")
        connection.execute("CREATE TABLE loads (invoice_month DATE, load_id INTEGER)")


@dataclass(frozen=True, slots=True)
class _Way:
    """How months get into the lake, how many at a time, and what then says how many lines and months are there."""

    name: str
    load: Callable[[_Timed, Archive, Reader, Collection[date]], None]
    months: int
    result: str


_REPLACED = "SELECT count(*), count(DISTINCT invoice_month) FROM cost_lines"
_APPENDED = "SELECT count(*), count(DISTINCT invoice_month) FROM loaded_lines SEMI JOIN loads USING (load_id)"
_WAYS = (
    _Way("replace", build_months, 1, _REPLACED),
    _Way("replace", build_months, 12, _REPLACED),
    _Way("append", _append, 1, _APPENDED),
)


def _work(way: _Way, location: str, folder: Path, left: "Queue[Sequence[date]]", told: "Queue[Turns]") -> None:
    warehouse = _Timed(location, data_path=folder / "lake", lock_timeout=600)
    archive = Archive(folder / "archive", max_document_bytes=_DOCUMENT_BYTES)
    with reader_of(warehouse) as reader:
        while True:
            try:
                part = left.get(timeout=1)
            except Empty:
                break
            way.load(warehouse, archive, reader, part)
    told.put(warehouse.turns)


def _busy_seconds() -> float:
    """What all cores have worked since the machine started: time in user mode, at low priority, and in the kernel."""
    user, nice, system = Path("/proc/stat").read_text().split()[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


def _new_lake(location: str, folder: Path, months: Sequence[date], lines: int) -> Warehouse:
    """A lake that has landed a document for each month, and built nothing yet."""
    warehouse = Warehouse(location, data_path=folder / "lake", lock_timeout=600)
    warehouse.create()
    inbox = folder / "inbox"
    inbox.mkdir()
    for number, month in enumerate(months):
        write_large(inbox / file_name(month, "77", str(1000 + number)), lines=lines, month=month, seed=number)
    with reader_of(warehouse) as reader:
        archive = Archive(folder / "archive", max_document_bytes=_DOCUMENT_BYTES)
        Landing(warehouse, archive, reader).land(FolderInbox(inbox), settle_seconds=0)
        _make_room(warehouse, reader)
    return warehouse


def _measure(postgres: Postgres, way: _Way, workers: int, months: Sequence[date], lines: int) -> None:
    database = f"{way.name}_{way.months}_by_{workers}"
    spawn = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as place:
        folder = Path(place)
        location = postgres.new_database(database)
        warehouse = _new_lake(location, folder, months, lines)
        left: Queue[Sequence[date]] = spawn.Queue()
        told: Queue[Turns] = spawn.Queue()
        for first in range(0, len(months), way.months):
            left.put(months[first : first + way.months])
        seen = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        before = postgres.query(database, seen)[0][0]
        processes = [spawn.Process(target=_work, args=(way, location, folder, left, told)) for _ in range(workers)]
        began, busy = time.perf_counter(), _busy_seconds()
        for process in processes:
            process.start()
        turns = [told.get() for _ in processes]
        # The last second is that of waiting for a month that does not come.
        seconds, busy = time.perf_counter() - began - 1, _busy_seconds() - busy
        for process in processes:
            process.join()
        time.sleep(1)
        seen_by_catalog = postgres.query(database, seen)[0][0] - before
        with warehouse.read() as connection:
            found = connection.execute(way.result).fetchone()
        if found is None or found[1] != len(months):
            raise BenchmarkError(f"{found}: the lake lacks months")
    waited, held = sum(turn.waited for turn in turns), sum(turn.held for turn in turns)
    print(
        f"| {way.name} | {way.months} | {workers} | {seconds:.1f} | {found[0] / seconds:,.0f} | {waited:.1f} | {held:.1f} | "
        f"{held / seconds:.0%} | {sum(turn.count for turn in turns)} | {seen_by_catalog} | {busy / seconds:.1f} |",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    parser.add_argument("--lines", type=int, default=200_000, help="lines a month; default: %(default)s")
    parser.add_argument("--months", type=int, default=24, help="how many months; default: %(default)s")
    parser.add_argument("--workers", type=int, nargs="+", default=(1, 2, 4), help="how many processes, in turn")
    options = parser.parse_args(arguments)
    months, lines = months_from(_FIRST, options.months), options.lines
    print(
        f"{len(months)} months of {lines:,} lines on {os.cpu_count()} cores; documents are archived, and read by the workers"
    )
    print(
        "| way | months at a time | workers | s | lines/s | s waited | s held | held of all | turns "
        "| transactions of the catalog | cores busy |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    with Postgres(durable=True) as postgres:
        for way in _WAYS:
            for workers in options.workers:
                _measure(postgres, way, workers, months, lines)


if __name__ == "__main__":
    main()
