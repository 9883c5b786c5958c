"""Row 14's sides: groups of months, each with an inbox of its own, built into one warehouse by one process or by several."""

import multiprocessing
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.inbox import FolderInbox
from arcadia_dagster.landing.landing import Landing
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster_tests.kit.generate import GeneratedInvoice, write_months
from arcadia_dagster_tests.kit.plain import build, build_months, reader_of
from benchmarks.home import warehouse_sums
from benchmarks.measure import BenchmarkError, Stopwatch

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

GROUPS = 4
_MONTHS = 12


def stated(invoices_per_month: int) -> list[GeneratedInvoice]:
    """What the generator says of all groups."""
    with TemporaryDirectory() as folder:
        return _write(Path(folder), invoices_per_month)


def at_once(stopwatch: Stopwatch, folder: Path, *, invoices_per_month: int) -> dict[str, int]:
    """A process a group, all at once."""
    _write(folder, invoices_per_month)
    _warehouse(folder)
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(GROUPS + 1)
    workers = [spawn.Process(target=_work, args=(folder, group, barrier)) for group in range(GROUPS)]
    for worker in workers:
        worker.start()
    barrier.wait()
    with stopwatch.running():
        for worker in workers:
            worker.join()
    if any(worker.exitcode for worker in workers):
        raise BenchmarkError("a process failed")
    return warehouse_sums(folder)


def one_by_one(stopwatch: Stopwatch, folder: Path, *, invoices_per_month: int) -> dict[str, int]:
    """The groups in turn, in this process."""
    _write(folder, invoices_per_month)
    _warehouse(folder)
    _warm_up()
    with stopwatch.running():
        for group in range(GROUPS):
            _build(folder, group)
    return warehouse_sums(folder)


def _work(folder: Path, group: int, barrier: "Barrier") -> None:
    _warm_up()
    barrier.wait()
    _build(folder, group)


def _warm_up() -> None:
    """Build one small month elsewhere: DuckDB imports half of its companions only when they are first used."""
    with TemporaryDirectory() as folder:
        warehouse = _warehouse(Path(folder))
        write_months(Path(folder) / "inbox", first=date(2019, 1, 1), months=1)
        build(warehouse)


def _build(folder: Path, group: int) -> None:
    warehouse = _warehouse(folder)
    archive = Archive(folder / "archive", max_document_bytes=10**9)
    months = _months(group)
    with reader_of(warehouse) as reader:
        Landing(warehouse, archive, reader).land(FolderInbox(_inbox(folder, group)), settle_seconds=0)
        build_months(warehouse, archive, reader, months)


def _warehouse(folder: Path) -> Warehouse:
    """The warehouse, with its tables."""
    warehouse = Warehouse(folder / "arcadia.duckdb", lock_timeout=600)
    with warehouse.write():
        return warehouse


def _write(folder: Path, invoices_per_month: int) -> list[GeneratedInvoice]:
    invoices = []
    for group in range(GROUPS):
        [first, *_] = _months(group)
        invoices += write_months(
            _inbox(folder, group),
            first=first,
            months=_MONTHS,
            invoices_per_month=invoices_per_month,
            seed=group + 1,
        )
    return invoices


def _inbox(folder: Path, group: int) -> Path:
    return folder / f"inbox-{group}"


def _months(group: int) -> Sequence[date]:
    return [date(2020 + group, month + 1, 1) for month in range(_MONTHS)]
