"""Which ready invoices are not sent all the same: those that something says is wrong with that their totals do not know of."""

from collections.abc import Collection
from datetime import date
from typing import Final

import duckdb

from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.records import barred_invoices
from arcadia_dagster.ledger.agreement import disagreeing
from arcadia_dagster.stages.reconciling import CHANGED_OR_DEFECT, unreconciled_invoices
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.months import month_list
from arcadia_dagster.warehouse.seals import LEDGER, changed_months, changed_tables, not_as_written

_RESTORE: Final = (
    "somebody has changed what is on record of finance: compare it with finance's own list by `arcadia reconcile`, and restore "
    "the warehouse from its newest backup"
)
_TAKE_OVER: Final = f"{_RESTORE}; or, where finance lists the same, have `arcadia rebuild` take it as it is"


def barred(warehouse: Warehouse, archive: Archive, months: Collection[date] | None = None) -> dict[InvoiceKey, str]:
    """The invoices that are not sent, each with the reason; the others go on.

    Somebody has changed a row that the program wrote: of the register, and then no invoice is sent, or of a month; the totals are
    not the sums of the lines, by such a change or a defect; what is on record of finance does not agree with the attempts; or the
    record of one of the documents is damaged, whether landing has noticed or not.

    Args:
        warehouse: Where the totals are.
        archive: Where the records are.
        months: The months whose invoices may be sent; None: all.

    Raises:
        LockTimeoutError: See `Warehouse.read`.
        WarehouseError: See there; or somebody has put a function into the warehouse.
    """
    with warehouse.read() as connection:
        warehouse.assert_no_functions(connection)
        changed = _changed(connection, months)
        unequal = unreconciled_invoices(connection, months)
        on_record = list(disagreeing(connection, months))
    reasons = {
        invoice: f"its totals are not the sums of its lines ({figures}): {CHANGED_OR_DEFECT}"
        for invoice, figures in unequal.items()
    }
    disagree = {invoice: f"{difference}: {_RESTORE}" for invoice, _, difference in on_record}
    return {**changed, **disagree, **reasons, **barred_invoices(warehouse, archive)}


def _changed(connection: duckdb.DuckDBPyConnection, months: Collection[date] | None) -> dict[InvoiceKey, str]:
    """The invoices that depend on rows which are not those that the program wrote."""
    where = "" if months is None else f"WHERE invoice_month IN ({month_list(months)})"
    tables = changed_tables(connection)
    changed = {
        month: f"{not_as_written(f'{subject} of {month:%Y-%m}')}: {_TAKE_OVER if subject in LEDGER else CHANGED_OR_DEFECT}"
        for subject, month in reversed(changed_months(connection, months))
    }
    if not tables and not changed:
        return {}
    rows = connection.execute(
        f"SELECT source, account_id, external_id, invoice_month FROM tax_split_totals {where}"
    ).fetchall()
    return {
        InvoiceKey(*key): f"{not_as_written(tables[0])}: {CHANGED_OR_DEFECT}" if tables else changed[month]
        for *key, month in rows
        if tables or month in changed
    }
