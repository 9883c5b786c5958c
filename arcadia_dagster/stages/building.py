"""All stages of some months, one after the other, as a rebuild and a verification run them without Dagster."""

from collections.abc import Collection
from datetime import date

from arcadia_dagster.formats.reader import Reader
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.stages.cost_lines import build_cost_lines
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.stages.raw_invoices import build_raw_invoices
from arcadia_dagster.stages.tax_split_totals import build_tax_split_totals
from arcadia_dagster.warehouse import Warehouse


def build_months(
    warehouse: Warehouse, archive: Archive, reader: Reader, months: Collection[date], range_: MonthRange
) -> None:
    """Replace each stage of these months by what the one before it gives.

    Raises:
        LockTimeoutError, WarehouseError: See `build_cost_lines`.
    """
    with warehouse.write() as connection:
        build_raw_invoices(connection, months, range_)
    build_cost_lines(warehouse, archive, reader, months, range_)
    with warehouse.write() as connection:
        build_tax_split_totals(connection, months, range_)
