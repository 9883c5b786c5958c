"""`arcadia verify`: whether everything at rest is what it must be: archive, register, totals, and finance's records.

It changes nothing but the note of when it last was.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.verifying import REBUILD, Archived, Doubt, Seal, against, seal_of, verify_archive
from arcadia_dagster.ledger.agreement import attempts_changed, disagreeing
from arcadia_dagster.plain_file import write_whole
from arcadia_dagster.stages.reconciling import unreconciled_invoices
from arcadia_dagster.verification.building_anew import Build, built_otherwise, said_otherwise
from arcadia_dagster.warehouse import Warehouse, WarehouseError
from arcadia_dagster.warehouse.copy import read_all
from arcadia_dagster.warehouse.seals import LEDGER, changed_months, changed_tables

NOTED_IN: Final = "verified.json"
"""The file of a home that says when it was last verified."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was verified, and what is doubted.

    Attributes:
        at: When it began (UTC, with its time zone).
        is_full: Whether each byte was hashed.
        documents: How many documents there are.
        byte_size: How many bytes they have.
        lines: How many lines their records have.
        invoices: How many invoices have totals.
        deliveries: How many records of finance there are.
        doubts: What is not what it must be; none where all is well.
        seal: Where the archive stands; None where its records are doubted.
    """

    at: datetime
    is_full: bool
    documents: int
    byte_size: int
    lines: int
    invoices: int
    deliveries: int
    doubts: tuple[Doubt, ...]
    seal: Seal | None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "at": self.at.isoformat(),
            "full": self.is_full,
            "documents": self.documents,
            "bytes": self.byte_size,
            "record_lines": self.lines,
            "invoices": self.invoices,
            "finance_records": self.deliveries,
            "doubts": [doubt.as_json() for doubt in self.doubts],
        }


@dataclass(frozen=True, slots=True)
class Noted:
    """When a home was last verified.

    Attributes:
        at: When (UTC, with its time zone).
        is_full: Whether each byte was hashed.
        doubts: How many doubts there were.
    """

    at: datetime
    is_full: bool
    doubts: int


def verify(
    warehouse: Warehouse,
    archive: Archive,
    *,
    full: bool,
    now: datetime,
    sealed: Seal | None = None,
    build: Build | None = None,
) -> Verification:
    """Verify everything at rest.

    Args:
        warehouse: The warehouse; there need not be one.
        archive: The archive.
        full: Whether each byte of the documents is hashed; else their lengths are compared.
        now: The time, with its time zone.
        sealed: An earlier seal: nothing that it tells of may have been changed or removed.
        build: What a build needs: a full verification in which nothing else is doubted builds all months beside, and compares.
            Any other compares what people's files say.

    Raises:
        LockTimeoutError: A landing, or a writer of the warehouse, took longer than the lock's time-out.
        ArchiveError: The archive cannot be read.
    """
    doubts: list[Doubt] = []
    counts = (0, 0)
    found: Archived | None = None
    try:
        found = verify_archive(warehouse, archive, full=full)
        if warehouse.exists():
            with warehouse.read() as connection:
                doubts += _of_tables(warehouse, connection)
                counts = _counts(connection)
            if build is not None and not full:
                with warehouse.hold("landing", path=archive.lock_path):
                    doubts += said_otherwise(warehouse, build.landing)
            elif build is not None and not doubts and not found.doubts:
                doubts += built_otherwise(warehouse, archive, build)
    except WarehouseError as error:
        # It begins with the warehouse's name, and says what a person does.
        doubts.append(
            Doubt("warehouse", warehouse.name, re.sub(f"^{re.escape(warehouse.name)} ", "it ", str(error)), "")
        )
    except duckdb.Error as error:
        doubts.append(Doubt("warehouse", warehouse.name, f"it cannot be read: {str(error).splitlines()[0]}", REBUILD))
    if found is None:
        found = _of_archive_alone(warehouse, archive, full=full)
    doubts = [*found.doubts, *(against(sealed, archive, found) if sealed is not None else ()), *doubts]
    is_whole = not any(doubt.kind in _OF_SEAL for doubt in doubts)
    return Verification(
        at=now.astimezone(UTC),
        is_full=full,
        documents=found.documents,
        byte_size=found.byte_size,
        lines=sum(head.lines for head in found.heads.values()),
        invoices=counts[0],
        deliveries=counts[1],
        doubts=tuple(doubts),
        seal=seal_of(archive, found, now) if is_whole else None,
    )


def _of_archive_alone(warehouse: Warehouse, archive: Archive, *, full: bool) -> Archived:
    """What is found of the archive where the warehouse cannot be read; nothing where its lock cannot be had either."""
    try:
        return verify_archive(warehouse, archive, full=full, is_readable=False)
    except WarehouseError:
        return Archived()


_OF_SEAL: Final = frozenset({"bytes", "record", "seal", "warehouse"})
"""What must not be doubted where an archive is sealed."""


def note(home: Path, verification: Verification) -> None:
    """Note in the home when it was verified.

    Raises:
        OSError: It cannot be written.
    """
    values = {"at": verification.at.isoformat(), "full": verification.is_full, "doubts": len(verification.doubts)}
    write_whole(home / NOTED_IN, json.dumps(values) + "\n")


def noted(home: Path) -> Noted | None:
    """When the home was last verified; None where it never was, or the note cannot be read."""
    try:
        values = json.loads((home / NOTED_IN).read_text(encoding="utf-8"))
        return Noted(datetime.fromisoformat(values["at"]).astimezone(UTC), bool(values["full"]), int(values["doubts"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _of_tables(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> Iterator[Doubt]:
    """What is wrong with the tables."""
    read_all(connection)
    for altered in warehouse.alterations(connection):
        yield Doubt("warehouse", warehouse.name, f"{altered}; build it anew", REBUILD)
    for table in changed_tables(connection):
        yield Doubt("register", table, "it is not what landing wrote: somebody has changed it; build it anew", REBUILD)
    for subject, month in changed_months(connection):
        name = f"{subject} of {month:%Y-%m}"
        if subject in LEDGER:
            problem = "it is not what deliveries wrote: somebody has changed it; compare it with finance's own list"
            yield Doubt("deliveries", name, problem, "arcadia reconcile")
        else:
            yield Doubt("totals", name, "it is not what was built: somebody has changed it; build it anew", REBUILD)
    for invoice, figures in unreconciled_invoices(connection).items():
        yield Doubt("totals", f"invoice {invoice.external_id}", f"{figures}; build it anew", REBUILD)
    yield from _of_deliveries(connection)


def _of_deliveries(connection: duckdb.DuckDBPyConnection) -> Iterator[Doubt]:
    """Where finance's records are not what the attempts come to, and attempts not what they sent."""
    for key, tenant, difference in disagreeing(connection):
        yield Doubt(
            "deliveries",
            f"{key.source}/{key.account_id}/{key.external_id}",
            f"{difference} (tenant {tenant}); compare it with finance's own list",
            "arcadia reconcile",
        )
    for attempt_id, difference in attempts_changed(connection):
        yield Doubt("deliveries", f"attempt {attempt_id}", difference, "arcadia reconcile")


def _counts(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    row = connection.execute(
        "SELECT (SELECT count(*) FROM tax_split_totals), (SELECT count(*) FROM finance_records)"
    ).fetchone()
    return (row[0], row[1]) if row is not None else (0, 0)
