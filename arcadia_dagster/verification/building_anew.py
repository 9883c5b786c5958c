"""What a build of all months gives now, from the same register and the documents, beside what the warehouse has.

It shows a row that somebody changed in the warehouse and that agrees with itself: a held invoice that was made ready, other words
of a line, a line under another resource. It changes nothing: the months are built in a copy.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.reading import reader_as_landed
from arcadia_dagster.landing.verifying import INGEST, REBUILD, Doubt
from arcadia_dagster.stages.building import build_months
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.warehouse import Warehouse, WarehouseError, schema
from arcadia_dagster.warehouse.copy import copy_tables, differing_tables
from arcadia_dagster.warehouse.months import stale

# Other words for the same doubt are no change of an invoice.
_WORDS: Final = ("hold_reasons", "released_reasons")
_COMPARED: Final = (
    schema.RAW_INVOICES,
    schema.COST_LINES,
    schema.TAX_SPLIT_TOTALS.without(_WORDS),
    schema.ALLOCATIONS,
)


@dataclass(frozen=True, slots=True)
class Build:
    """What a build needs besides archive and warehouse.

    Attributes:
        formats: The formats that documents are read by.
        range_: The months that there are.
    """

    formats: Formats
    range_: MonthRange


def built_otherwise(warehouse: Warehouse, archive: Archive, build: Build) -> Iterator[Doubt]:
    """The tables and months that a build makes otherwise than they are.

    Months that are stale are left out: the next run builds them.

    Args:
        warehouse: The warehouse.
        archive: Where the documents are.
        build: What a build needs besides.

    Raises:
        duckdb.Error, OSError: The copy cannot be written.
    """
    folder = warehouse.new_work_folder()
    folder.mkdir(mode=0o700)
    try:
        copy = Warehouse(folder / "copy.duckdb", lock_timeout=warehouse.lock_timeout)
        copy.create()
        with warehouse.read() as before, copy.write() as after:
            copy_tables(schema.TABLES, before, after)
            behind = stale(before)
            rows = before.execute("SELECT DISTINCT invoice_month FROM raw_invoices").fetchall()
        months = {month for (month,) in rows} - behind
        try:
            with reader_as_landed(copy, build.formats) as reader:
                build_months(copy, archive, reader, months, build.range_)
        except WarehouseError as error:
            yield Doubt("totals", warehouse.name, str(error), INGEST)
            return
        with warehouse.read() as before, copy.read() as after:
            differing = differing_tables(_COMPARED, before, after)
        for table, found in differing.items():
            for month in found:
                if month in months:
                    what = "is not what a build of it gives; build it anew"
                    yield Doubt("totals", f"{table} of {month:%Y-%m}", what, REBUILD)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
