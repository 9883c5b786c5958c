"""The stages without Dagster, as a notebook or a command runs them: land the inbox, then build what is stale."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from arcadia_dagster.billing.approval import NO_LIMITS, Limits
from arcadia_dagster.books.budgets_file import read_budgets
from arcadia_dagster.formats.reader import Reader
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.inbox import FolderInbox
from arcadia_dagster.landing.landing import Landed, Landing
from arcadia_dagster.landing.routes import read_routes
from arcadia_dagster.landing.rules import read_rules
from arcadia_dagster.landing.said import Said, take_said
from arcadia_dagster.stages import building
from arcadia_dagster.stages.cloud_resources import build_cloud_resources
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.months import stale

RANGE = MonthRange(date(2018, 1, 1), datetime.now(UTC).date().replace(day=1))


def warehouse_of(home: Path) -> Warehouse:
    return Warehouse(home / "arcadia.duckdb", lock_timeout=30)


@cache
def _empty_warehouse() -> bytes:
    with TemporaryDirectory() as folder:
        with Warehouse(Path(folder) / "empty.duckdb").write():
            pass
        return (Path(folder) / "empty.duckdb").read_bytes()


def new_warehouse(home: Path) -> Warehouse:
    """A warehouse with empty tables, as the first opening makes it; copied, for making it takes ten times as long."""
    warehouse = warehouse_of(home)
    if not warehouse.path.exists():
        warehouse.path.write_bytes(_empty_warehouse())
    return warehouse


def archive_of(warehouse: Warehouse, *, max_document_bytes: int = 10 * 2**30) -> Archive:
    return Archive(warehouse.path.parent / "archive", max_document_bytes=max_document_bytes)


@contextmanager
def reader_of(warehouse: Warehouse, formats: Formats | None = None) -> Iterator[Reader]:
    rules = read_rules(warehouse.path.parent / "sources.toml")
    reader = Reader(warehouse.new_work_folder(), warehouse.stage, (formats or Formats()).with_rules(rules))
    try:
        yield reader
    finally:
        reader.close()


def land_only(
    warehouse: Warehouse,
    *,
    settle_seconds: float = 0,
    max_document_bytes: int = 10 * 2**30,
    formats: Formats | None = None,
) -> Landed:
    archive = archive_of(warehouse, max_document_bytes=max_document_bytes)
    with reader_of(warehouse, formats) as reader:
        return Landing(warehouse, archive, reader).land(
            FolderInbox(warehouse.path.parent / "inbox"), settle_seconds=settle_seconds
        )


def build(
    warehouse: Warehouse,
    months: Collection[date] | None = None,
    *,
    settle_seconds: float = 0,
    resources: bool = False,
    formats: Formats | None = None,
    approve_over: Limits = NO_LIMITS,
    max_document_bytes: int = 10 * 2**30,
) -> Landed:
    """Everything but finance, for these months or for what is stale after landing."""
    archive = archive_of(warehouse, max_document_bytes=max_document_bytes)
    with reader_of(warehouse, formats) as reader:
        tenants = warehouse.path.parent / "tenants.toml"
        budgets = warehouse.path.parent / "budgets.toml"
        routes = read_routes(tenants, "platform-admin")
        take_said(warehouse, reader.formats, Said(routes, tenants, read_budgets(budgets), budgets, approve_over))
        landed = Landing(warehouse, archive, reader).land(
            FolderInbox(warehouse.path.parent / "inbox"), settle_seconds=settle_seconds
        )
        if months is None:
            with warehouse.read() as connection:
                months = {month for month in stale(connection) if month in RANGE}
        build_months(warehouse, archive, reader, months, resources=resources)
    return landed


def build_months(
    warehouse: Warehouse, archive: Archive, reader: Reader, months: Collection[date], *, resources: bool = False
) -> None:
    """Each stage of these months from the one before it."""
    if resources:
        build_cloud_resources(warehouse)
    building.build_months(warehouse, archive, reader, months, RANGE)
