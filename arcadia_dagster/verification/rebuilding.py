"""`arcadia rebuild`: a new warehouse from the archive, in place of one that cannot be read or is doubted."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import duckdb

from arcadia_dagster.landing.book_exports import hand_on_exports
from arcadia_dagster.landing.known import Known
from arcadia_dagster.landing.landing import Landing, nothing_archived
from arcadia_dagster.landing.records import hand_on
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.stages.building import build_months
from arcadia_dagster.stages.cloud_resources import build_cloud_resources
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.verification.building_anew import BUILT, OF_FINANCE, REGISTERED
from arcadia_dagster.warehouse import DamagedFileError, Warehouse, WarehouseClosedError, WarehouseError, schema
from arcadia_dagster.warehouse.copy import copy_tables, differing_tables
from arcadia_dagster.warehouse.months import stale
from arcadia_dagster.warehouse.seals import seal_ledger

_COMPARED: Final = (
    # A file of what documents state may have another number after the one that it stood in is lost.
    *(table for table in REGISTERED if table is not schema.DOCUMENT_CONTENTS),
    *(table for table in BUILT if table.name != schema.TAX_SPLIT_TOTALS.name),
    # With the words of its reasons.
    schema.TAX_SPLIT_TOTALS,
)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it.

    Attributes:
        moved_to: Where the warehouse of before is now; None where there was none.
        documents: How many documents the new one has.
        months: How many months were built.
        unreadable: Why what finance answered could not be read in the one of before; None where it could.
        incomparable: Why the two cannot be compared; None where they were, or where there was none to compare with.
        differing: Where they were: the months in which tables differ from it, by the table's name.
        records: How many of finance's records were taken over from it.
        problems: What could not be taken, in sentences.
    """

    moved_to: Path | None
    documents: int
    months: int
    unreadable: str | None
    incomparable: str | None
    differing: Mapping[str, list[date | None]]
    records: int
    problems: Sequence[str]


def rebuild(warehouse: Warehouse, landing: LandingResource, range_: MonthRange, now: datetime) -> Rebuilt:
    """Build a new warehouse from the archive and the inbox, and put it in the place of the one of before. Nothing is pushed.

    What finance answered is in no archive. It is taken over where the warehouse of before can still be read.

    Args:
        warehouse: The warehouse, a file.
        landing: Archive and inbox, and what people say of formats, routes and rules.
        range_: The months that there are.
        now: The time, for the name of the file that is moved away.

    Raises:
        WarehouseError: It is a lake, the archive is empty, or the new one cannot be written: that of before stays.
        LockTimeoutError: Somebody landed, delivered or wrote for longer than the lock's time-out.
        OSError: The file cannot be moved, or the archive cannot be read.
    """
    if warehouse.is_lake:
        raise WarehouseError(
            f"{warehouse.name} is a lake: set ARCADIA_WAREHOUSE to a new one, run `arcadia ingest`, then `arcadia reconcile`"
        )
    archive = landing.get_archive()
    new = Warehouse(warehouse.path.with_name(f"{warehouse.path.name}{_NEW}"), lock_timeout=warehouse.lock_timeout)
    # Nothing is delivered meanwhile: what finance answers belongs into the new one.
    with warehouse.hold("delivery"):
        is_there = warehouse.path.exists()
        if is_there:
            _assert_can_be_moved(warehouse)
            if not archive.records():
                raise WarehouseError(nothing_archived(archive, warehouse))
        _remove(new.path)
        try:
            if is_there:
                _keep_what_is_known(warehouse, landing)
            new.create()
            if is_there:
                hand_on(warehouse, new, archive)
                hand_on_exports(warehouse, new)
            landed = landing.land(new)
            unreadable, records = _taken_over(warehouse, new) if is_there else (None, 0)
            months = _build(new, landing, range_)
            incomparable, differing = _compared(warehouse, new) if is_there else (None, {})
            with new.read() as connection:
                row = connection.execute("SELECT count(*) FROM documents").fetchone()
            moved_to = None
            with warehouse.hold("landing", path=archive.lock_path):
                if is_there:
                    moved_to = warehouse.path.with_name(
                        f"{warehouse.path.name}.before-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
                    )
                    _keep(warehouse.path, moved_to)
                new.path.rename(warehouse.path)
        finally:
            _remove(new.path)
    documents = 0 if row is None else row[0]
    problems = [*landed.not_taken, *landed.holding]
    return Rebuilt(moved_to, documents, months, unreadable, incomparable, differing, records, problems)


_NEW: Final = ".new"
"""What the name of a warehouse ends with that is not whole yet: the one of before stays in its place until it is."""


def _remove(database: Path) -> None:
    """Remove what is left of a database, with its locks."""
    for path in database.parent.glob(f"{database.name}*"):
        if path.is_file():
            path.unlink()


def _keep(database: Path, to: Path) -> None:
    """Give a database another name too, and move away what it has not yet written into it.

    Until another takes its place, it stays there: a kill leaves a warehouse. A link takes no room.
    """
    if os.path.lexists(f"{database}.wal"):
        Path(f"{database}.wal").rename(f"{to}.wal")
    try:
        to.hardlink_to(database)
    except OSError:
        # A file system without links.
        database.rename(to)


def _keep_what_is_known(warehouse: Warehouse, landing: LandingResource) -> None:
    """Have the archive keep what the warehouse of before knows of documents, so that the new one misses those that are lost."""
    archive, reader = landing.get_archive(), landing.get_reader(warehouse)
    try:
        with warehouse.hold("landing", path=archive.lock_path):
            Landing(warehouse, archive, reader).sync_contents(Known.of(warehouse, reader.formats), {})
    except (WarehouseError, duckdb.Error):
        return
    finally:
        landing.close()


def _assert_can_be_moved(warehouse: Warehouse) -> None:
    """A file that somebody else has open is well: moving it away would lose what only it has."""
    try:
        with warehouse.read():
            pass
    except WarehouseClosedError:
        raise
    except (WarehouseError, duckdb.Error):
        return


def _build(warehouse: Warehouse, landing: LandingResource, range_: MonthRange) -> int:
    with warehouse.read() as connection:
        months = {month for month in stale(connection) if month in range_}
    reader = landing.get_reader(warehouse)
    try:
        build_cloud_resources(warehouse)
        build_months(warehouse, landing.get_archive(), reader, months, range_)
    finally:
        landing.close()
    return len(months)


def _taken_over(before: Warehouse, after: Warehouse) -> tuple[str | None, int]:
    """Take over what finance answered, for totals depend on it: why it cannot be read, and how many records there are."""
    try:
        with before.read() as old, after.write() as new:
            copied = copy_tables(OF_FINANCE, old, new)
            seal_ledger(new)
            return None, copied[schema.FINANCE_RECORDS.name]
    except (WarehouseError, duckdb.Error) as error:
        return _why(error), 0


def _compared(before: Warehouse, after: Warehouse) -> tuple[str | None, dict[str, list[date | None]]]:
    """Where the two differ; or why they cannot be compared, as where a part of a damaged one can be read."""
    try:
        with before.read() as old, after.read() as new:
            return None, differing_tables(_COMPARED, old, new)
    except (WarehouseError, duckdb.Error) as error:
        return _why(error), {}


def _why(error: Exception) -> str:
    """What is wrong with the warehouse of before: a person has already typed what there is to do."""
    return error.problem if isinstance(error, DamagedFileError) else str(error).splitlines()[0]
