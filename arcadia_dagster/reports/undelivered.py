"""What finance does not have after a delivery, and whether another process is just delivering it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from arcadia_dagster.finance.outstanding import Recipient, parts
from arcadia_dagster.finance.standing import InvoiceState
from arcadia_dagster.reports.findings import MISSING, Finding, find, has_no_answer, was_tried
from arcadia_dagster.warehouse import LockTimeoutError, Warehouse
from arcadia_dagster.warehouse.keys import InvoiceKey


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Invoices that were tried and that finance does not have, by month and name.

    Attributes:
        failed: Those that need another delivery or a person.
        others: Those that another process is delivering, for longer than one waits for it.
    """

    failed: list[Finding]
    others: list[Finding]


def undelivered(warehouse: Warehouse, recipient: Recipient, months: Collection[date]) -> Undelivered:
    """What finance does not have of these months (first days, UTC).

    Where an intent has no answer, another process is sending the invoice, or has died before the answer. Nobody sends while we
    have the lock of deliveries: so we wait for it, at most as long as for the warehouse, and look again.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
    """
    found = _tried(warehouse, recipient, months)
    if any(map(has_no_answer, found)):
        try:
            with warehouse.hold("delivery"):
                pass
        except LockTimeoutError:
            return Undelivered(
                [finding for finding in found if not has_no_answer(finding)], [*filter(has_no_answer, found)]
            )
        found = _tried(warehouse, recipient, months)
    return Undelivered(found, [])


def kept_samples(warehouse: Warehouse, recipient: Recipient, months: Collection[date]) -> list[InvoiceKey]:
    """The invoices of these months (first days, UTC) that are not sent because they are samples and the recipient is no sandbox.

    A sample is known by its bytes too, whatever its file is called.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
    """
    with warehouse.read() as connection:
        of_invoices = parts(connection, recipient, months)
    return [invoice for invoice, its in of_invoices.items() if any(part.state == InvoiceState.SAMPLE for part in its)]


def _tried(warehouse: Warehouse, recipient: Recipient, months: Collection[date]) -> list[Finding]:
    with warehouse.read() as connection:
        missing = find(connection, MISSING, recipient, months=months)
    return sorted(filter(was_tried, missing), key=lambda finding: (finding.facts["month"], finding.invoice))
