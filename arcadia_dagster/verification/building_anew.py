"""What the archive and people's files give now, registered and built anew, beside what the warehouse has.

It shows a row that somebody changed in the warehouse and that agrees with itself: another total than the document states, a
held invoice that was made ready, a tenant's route. It changes nothing: all of it is done in a warehouse of its own, which is
removed.
"""

import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from arcadia_dagster.billing.rules import Rules
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.known import outdated_documents, to_read_anew
from arcadia_dagster.landing.landing import Landing
from arcadia_dagster.landing.reading import reader_as_landed
from arcadia_dagster.landing.registered_archive import RegisteredArchive, WouldWriteError, forget_dismissed
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.landing.routes import known_routes
from arcadia_dagster.landing.rules import known_rules, note_final
from arcadia_dagster.landing.verifying import INGEST, REBUILD, Doubt
from arcadia_dagster.settings_file import SettingsFileError
from arcadia_dagster.stages.building import build_months
from arcadia_dagster.stages.cloud_resources import build_cloud_resources
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.store.table import Table
from arcadia_dagster.warehouse import Warehouse, WarehouseError, schema
from arcadia_dagster.warehouse.copy import copy_tables, differing_tables
from arcadia_dagster.warehouse.months import stale
from arcadia_dagster.warehouse.seals import OF_A_RECORDS_FILE, OF_DOCUMENTS

REGISTERED: Final = (
    schema.DOCUMENTS.without(OF_A_RECORDS_FILE),
    *OF_DOCUMENTS,
    schema.SOURCE_RULES,
    schema.OWN_TAX_IDS,
)
# Since when people's files say what they say, and what finance has, is in no archive; totals depend on both.
OF_FINANCE: Final = (schema.FINANCE_RECORDS, schema.FINANCE_ATTEMPTS)
_TAKEN_OVER: Final = (schema.TENANT_ROUTES, schema.BUDGETS, schema.APPROVAL_LIMITS, *OF_FINANCE)
# Other words for the same doubt are no change of an invoice.
_WORDS: Final = ("hold_reasons", "released_reasons")
BUILT: Final = (
    schema.RAW_INVOICES,
    schema.COST_LINES,
    schema.TAX_SPLIT_TOTALS.without(_WORDS),
    schema.ALLOCATIONS,
)


@dataclass(frozen=True, slots=True)
class Build:
    """What a build needs besides archive and warehouse.

    Attributes:
        landing: What people say of formats, routes, budgets and limits.
        range_: The months that there are.
    """

    landing: LandingResource
    range_: MonthRange


def built_otherwise(warehouse: Warehouse, archive: Archive, build: Build) -> Iterator[Doubt]:
    """The tables and months that are otherwise than archive and files give them.

    Months that are stale are left out: the next run builds them. What comes meanwhile is left out, too.

    Args:
        warehouse: The warehouse. The caller has compared its records with those of the archive.
        archive: Where the documents are.
        build: What a build needs besides.

    Raises:
        duckdb.Error, OSError: The copies cannot be written.
    """
    folder = warehouse.new_work_folder()
    folder.mkdir(mode=0o700)
    before = Warehouse(folder / "before.duckdb", lock_timeout=warehouse.lock_timeout)
    anew = Warehouse(folder / "anew.duckdb", lock_timeout=warehouse.lock_timeout)
    try:
        for new in (before, anew):
            new.create()
        try:
            # What people say, and what was taken of it, are of one moment.
            with warehouse.hold("landing", path=archive.lock_path):
                with warehouse.read() as reading, before.write() as writing:
                    copy_tables(schema.TABLES, reading, writing)
                otherwise = said_otherwise(before, build.landing)
            yield from otherwise or _compared(before, anew, RegisteredArchive(archive, before), build)
        except (SettingsFileError, WouldWriteError) as error:
            yield Doubt("register", warehouse.name, str(error), INGEST)
        except WarehouseError as error:
            yield Doubt("totals", warehouse.name, str(error), INGEST)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def said_otherwise(warehouse: Warehouse, landing: LandingResource) -> list[Doubt]:
    """What the warehouse has not taken from people's files yet, or has otherwise; and a file that cannot be right.

    Args:
        warehouse: The warehouse. The caller keeps landings away.
        landing: What people say.
    """
    try:
        rules, said = landing.get_rules(), landing.get_said()
    except SettingsFileError as error:
        return [Doubt("register", warehouse.name, f"nothing is taken until this is right: {error}", "")]
    with warehouse.read() as connection:
        if not known_routes(connection).own_tenant:
            return []  # nobody has taken anything before the first landing
        otherwise = dict(said.otherwise(connection))
        if known_rules(connection) != rules:
            otherwise[schema.SOURCE_RULES.name] = landing.sources
    return [
        Doubt("register", table, f"it is not what {place} says; take that", INGEST)
        for table, place in otherwise.items()
    ]


def _compared(before: Warehouse, anew: Warehouse, archive: RegisteredArchive, build: Build) -> Iterator[Doubt]:
    """Register and build all of it in an empty warehouse, and compare."""
    with reader_as_landed(before, build.landing.get_formats_with(Rules())) as reader:
        with before.read() as connection:
            outdated = [sha256 for sha256, _ in outdated_documents(connection, reader.formats)]
        if to_read_anew(before, archive, reader.formats, outdated):
            what = "formats or descriptions have changed since documents were read; read them"
            yield Doubt("register", archive.name, what, INGEST)
            return
        behind = _as_if_caught_up(before)
        with before.read() as reading, anew.write() as writing:
            copy_tables(_TAKEN_OVER, reading, writing)
        Landing(anew, archive, reader).take_over()
        for each in (before, anew):
            forget_dismissed(each)
        months = (_stated_months(before) | _stated_months(anew)) - behind
        yield from _differing(before, anew, REGISTERED, "is not what documents and people state")
        build_cloud_resources(anew)
        build_months(anew, archive, reader, months, build.range_)
        yield from _differing(before, anew, BUILT, "is not what a build of it gives", of=months)


def _as_if_caught_up(before: Warehouse) -> set[date]:
    """Note in the copy what the next landing and run note without any news; the months that the next run builds."""
    build_cloud_resources(before)
    with before.write() as connection:
        note_final(connection, datetime.now(UTC).replace(tzinfo=None))
        return stale(connection)


def _stated_months(warehouse: Warehouse) -> set[date]:
    """The months of which there are invoices; a month without a row in a stage may be one that somebody has removed."""
    with warehouse.read() as connection:
        rows = connection.execute(
            "SELECT invoice_month FROM document_invoices UNION SELECT invoice_month FROM raw_invoices"
        ).fetchall()
    return {month for (month,) in rows}


def _differing(
    before: Warehouse, anew: Warehouse, tables: Sequence[Table], what: str, *, of: Collection[date] | None = None
) -> Iterator[Doubt]:
    """Where tables differ; of these months, where some are named."""
    with before.read() as reading, anew.read() as other:
        differing = differing_tables(tables, reading, other)
    for table, months in differing.items():
        for month in months:
            if of is None or month in of:
                subject = table if month is None else f"{table} of {month:%Y-%m}"
                yield Doubt("register" if of is None else "totals", subject, f"{what}; build it anew", REBUILD)
