"""Which ready invoices are not sent all the same: those that something says is wrong with that their totals do not know of."""

from collections.abc import Collection
from datetime import date

from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.records import barred_invoices
from arcadia_dagster.stages.reconciling import CHANGED_OR_DEFECT, unreconciled_invoices
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.keys import InvoiceKey


def barred(warehouse: Warehouse, archive: Archive, months: Collection[date] | None = None) -> dict[InvoiceKey, str]:
    """The invoices that are not sent, each with the reason; the others go on.

    Either the record of one of its documents is damaged, whether landing has noticed or not, or its totals are not the sums of
    its lines: somebody has changed a table, or it is a defect.

    Args:
        warehouse: Where the totals are.
        archive: Where the records are.
        months: The months whose totals are compared with their lines; None: all.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
    """
    with warehouse.read() as connection:
        unequal = unreconciled_invoices(connection, months)
    reasons = {
        invoice: f"its totals are not the sums of its lines ({sentence}): {CHANGED_OR_DEFECT}"
        for invoice, sentence in unequal.items()
    }
    return {**reasons, **barred_invoices(warehouse, archive)}
