"""Row 12: a lake filled by 1, 2 and 4 processes at once; needs Debian's postgresql.

`python -m benchmarks.workers [--lines N]` measures further ways, and prints a table of its own.

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
from arcadia_dagster_tests.kit.postgres import Postgres, is_installed
from benchmarks import bare_duckdb
from benchmarks.measure import BenchmarkError
from benchmarks.report import Comparison, Results
from benchmarks.size import Size, counted

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

_FIRST = date(2024, 1, 1)
_DOCUMENT_BYTES = 10**10
_LEAST_LINES_A_SECOND = 150_000
_LEAST_OF_TWO = 1.7
_MOST_IN_TURNS = 0.15
_NEEDED = "it needs Postgres: apt-get install postgresql, and measure it with `python -m benchmarks --rows 12`"


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
_MONTHLY = _Way("replace", build_months, 1, _REPLACED)
_WAYS = (
    _MONTHLY,
    _Way("replace", build_months, 12, _REPLACED),
    _Way("append", _append, 1, _APPENDED),
)


def _work(
    way: _Way,
    location: str,
    folder: Path,
    left: "Queue[Sequence[date] | None]",
    told: "Queue[Turns]",
    ready: "Barrier",
) -> None:
    """Fill the lake with what is left to do; None is the end of it. Imports are done when all begin."""
    warehouse = _Timed(location, data_path=folder / "lake", lock_timeout=600)
    archive = Archive(folder / "archive", max_document_bytes=_DOCUMENT_BYTES)
    with reader_of(warehouse) as reader:
        ready.wait()
        while (part := left.get()) is not None:
            way.load(warehouse, archive, reader, part)
    told.put(warehouse.turns)


def _busy_seconds() -> float:
    """What all cores have worked since the machine started: time in user mode, at low priority, and in the kernel."""
    user, nice, system = Path("/proc/stat").read_text().split()[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


def _documents(folder: Path, months: Sequence[date], lines: int) -> list[Path]:
    """A document for each month."""
    folder.mkdir(exist_ok=True)
    documents = [folder / file_name(month, "77", str(1000 + number)) for number, month in enumerate(months)]
    for number, (document, month) in enumerate(zip(documents, months, strict=True)):
        write_large(document, lines=lines, month=month, seed=number)
    return documents


def _new_lake(location: str, folder: Path, months: Sequence[date], lines: int) -> Warehouse:
    """A lake that has landed a document for each month, and built nothing yet."""
    warehouse = Warehouse(location, data_path=folder / "lake", lock_timeout=600)
    warehouse.create()
    _documents(folder / "inbox", months, lines)
    with reader_of(warehouse) as reader:
        archive = Archive(folder / "archive", max_document_bytes=_DOCUMENT_BYTES)
        Landing(warehouse, archive, reader).land(FolderInbox(folder / "inbox"), settle_seconds=0)
        _make_room(warehouse, reader)
    return warehouse


@dataclass(frozen=True, slots=True)
class _Filled:
    """What filling a lake took.

    Attributes:
        seconds: How long.
        lines: How many lines there are.
        waited: How long (seconds) all workers together waited for their turn.
        held: How long (seconds) they had it.
        turns: How often.
        transactions: What the catalog saw.
        busy: Processors that were busy, on average.
    """

    seconds: float
    lines: int
    waited: float
    held: float
    turns: int
    transactions: int
    busy: float

    @property
    def rate(self) -> float:
        """Lines a second."""
        return self.lines / self.seconds

    @property
    def in_turns(self) -> float:
        """The share of the time in which somebody had the turn."""
        return self.held / self.seconds


def _filled(postgres: Postgres, way: _Way, workers: int, months: Sequence[date], lines: int) -> _Filled:
    database = f"{way.name}_{way.months}_by_{workers}"
    spawn = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as place:
        folder = Path(place)
        location = postgres.new_database(database)
        warehouse = _new_lake(location, folder, months, lines)
        left: Queue[Sequence[date] | None] = spawn.Queue()
        told: Queue[Turns] = spawn.Queue()
        ready = spawn.Barrier(workers + 1)
        for first in range(0, len(months), way.months):
            left.put(months[first : first + way.months])
        for _ in range(workers):
            left.put(None)
        seen = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        before = postgres.query(database, seen)[0][0]
        processes = [
            spawn.Process(target=_work, args=(way, location, folder, left, told, ready)) for _ in range(workers)
        ]
        for process in processes:
            process.start()
        ready.wait()
        began, busy = time.perf_counter(), _busy_seconds()
        turns = [told.get() for _ in processes]
        seconds, busy = time.perf_counter() - began, _busy_seconds() - busy
        for process in processes:
            process.join()
        time.sleep(1)
        seen_by_catalog = postgres.query(database, seen)[0][0] - before
        with warehouse.read() as connection:
            found = connection.execute(way.result).fetchone()
        if found is None or found[1] != len(months):
            raise BenchmarkError(f"{found}: the lake lacks months")
    return _Filled(
        seconds=seconds,
        lines=found[0],
        waited=sum(turn.waited for turn in turns),
        held=sum(turn.held for turn in turns),
        turns=sum(turn.count for turn in turns),
        transactions=seen_by_catalog,
        busy=busy / seconds,
    )


def measure(results: Results, *, size: Size, rows: Collection[str]) -> None:  # noqa: ARG001 - one row
    """Measure the row: the program's way, a month at a time, and the same lines written as Parquet by bare DuckDB."""
    if not is_installed():
        results.leave_out("12", _NEEDED)
        return
    number, lines = size.pick(tiny=(2, 20), quick=(8, 50_000), full=(24, 200_000))
    months = months_from(_FIRST, number)
    found: dict[int, _Filled] = {}
    with Postgres(durable=size is not Size.TINY) as postgres:
        for workers in size.pick(tiny=(1, 2), quick=(1, 2), full=(1, 2, 4)):
            found[workers] = _filled(postgres, _MONTHLY, workers, months, lines)
            print(f"  {workers} workers: {found[workers].seconds:.1f} s, {found[workers].rate:,.0f} lines a second")
    bare = _bare_seconds(months, lines)
    print(f"  bare DuckDB: {bare:.1f} s")
    work = f"a lake of {number} months of {counted(lines)} lines"
    one = found[1]
    results.add(
        Comparison(
            "12",
            f"{work}, by one worker",
            "bare DuckDB that writes the same Parquet",
            f"{one.seconds:.3g} s against {bare:.3g} s",
            f"{one.rate:,.0f} lines a second, {one.seconds / bare:.2f}x",
            f">= {_LEAST_LINES_A_SECOND:,} lines a second",
            one.rate >= _LEAST_LINES_A_SECOND,
            "Documents are archived beforehand on both sides, and read by those who write; a month at a time. The catalog is "
            "Postgres, whose commits are durable. The floor writes a file a month with all columns of `cost_lines`.",
        )
    )
    for workers, filled in found.items():
        times = filled.rate / one.rate
        if workers > 1:
            is_two = workers == 2  # noqa: PLR2004 - the number of workers that has a target
            results.add(
                Comparison(
                    "12",
                    f"{work}, by {workers} workers",
                    "one worker",
                    f"{filled.seconds:.3g} s against {one.seconds:.3g} s",
                    f"{filled.rate:,.0f} lines a second, {times:.2f}x",
                    f">= {_LEAST_OF_TWO:g}x on two processors" if is_two else "",
                    times >= _LEAST_OF_TWO if is_two else None,
                    f"{filled.busy:.1f} of {os.cpu_count()} processors were busy.",
                )
            )
        results.add(
            Comparison(
                "12",
                f"{work}, by {workers} {'worker' if workers == 1 else 'workers'}: in turns",
                "all of the time",
                f"{filled.held:.3g} s in {filled.turns} turns, and {filled.waited:.3g} s of waiting for them",
                f"{filled.in_turns:.0%}",
                f"<= {_MOST_IN_TURNS:.0%}",
                filled.in_turns <= _MOST_IN_TURNS,
            )
        )
    results.cost("12", "line of a lake, by one worker", one.seconds / one.lines)


def _bare_seconds(months: Sequence[date], lines: int) -> float:
    """How long bare DuckDB takes to write the same lines as Parquet, a file a month."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        documents = _documents(folder, months, lines)
        started = time.perf_counter()
        for number, document in enumerate(documents):
            bare_duckdb.write_parquet(document, folder / f"{number}.parquet")
        seconds = time.perf_counter() - started
        with duckdb.connect() as connection:
            [(written,)] = connection.execute(f"SELECT count(*) FROM '{folder}/*.parquet'").fetchall()
    if written != len(months) * lines:
        raise BenchmarkError(f"bare DuckDB wrote {written} lines")
    return seconds


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
                filled = _filled(postgres, way, workers, months, lines)
                print(
                    f"| {way.name} | {way.months} | {workers} | {filled.seconds:.1f} | {filled.rate:,.0f} | {filled.waited:.1f} "
                    f"| {filled.held:.1f} | {filled.in_turns:.0%} | {filled.turns} | {filled.transactions} | {filled.busy:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
