"""How each month stands: documents, invoices, sums, and what is pushed, held or rejected."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from arcadia_dagster.billing.currency import EXPONENTS, from_minor
from arcadia_dagster.store.query import text_literal
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.keys import DELIVERY_KEY_COLUMNS


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of a month in one currency, in minor units. Held invoices count too."""

    currency: str
    gross_minor: int
    net_minor: int
    tax_minor: int

    def as_json(self) -> dict[str, Any]:
        """Integers in minor units, and the same as decimal text in major units."""
        minor = {"gross": self.gross_minor, "net": self.net_minor, "tax": self.tax_minor}
        known = self.currency in EXPONENTS
        return {
            "currency": self.currency,
            **{f"{name}_minor": amount for name, amount in minor.items()},
            **{name: str(from_minor(amount, self.currency)) for name, amount in minor.items() if known},
        }


@dataclass(slots=True)
class MonthStatus:
    """How one month stands.

    Attributes:
        month: Its first day (UTC); None for documents that belong to no month, such as rejected ones and inventories.
        documents: How many documents state its invoices, superseded ones included.
        held: Invoices that wait for a person; a void one does not.
        pushed: Invoices that the finance target has.
        rejected: Rejected documents that no good one has replaced.
    """

    month: date | None
    documents: int = 0
    invoices: int = 0
    sums: list[Sums] = field(default_factory=list)
    pushed: int = 0
    held: int = 0
    rejected: int = 0

    def as_json(self) -> dict[str, Any]:
        """The status as plain values; the month is `2026-04`."""
        return {
            "month": None if self.month is None else f"{self.month:%Y-%m}",
            "documents": self.documents,
            "invoices": self.invoices,
            "totals": [sums.as_json() for sums in self.sums],
            "pushed": self.pushed,
            "held": self.held,
            "rejected": self.rejected,
        }


def status(warehouse: Warehouse, target: str) -> list[MonthStatus]:
    """How every month stands, in order; what belongs to no month comes last.

    Args:
        warehouse: Where it is known.
        target: The finance service that `pushed` is about.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
    """
    months: dict[date | None, MonthStatus] = {}

    def of(month: date | None) -> MonthStatus:
        return months.setdefault(month, MonthStatus(month))

    with warehouse.read() as connection:
        for month, documents in connection.execute(
            "SELECT invoice_month, count(DISTINCT document_sha256) FROM document_invoices GROUP BY ALL"
        ).fetchall():
            of(month).documents = documents
        [(documents, rejected)] = connection.execute(
            "SELECT (SELECT count(*) FROM documents WHERE invoice_month IS NULL), (SELECT count(*) FROM unreplaced_documents)"
        ).fetchall()
        if documents:
            of(None).documents, of(None).rejected = documents, rejected
        for month, invoices, held in connection.execute(
            "SELECT invoice_month, count(*), count(*) FILTER (standing = 'held') FROM standing_invoices GROUP BY ALL"
        ).fetchall():
            of(month).invoices, of(month).held = invoices, held
        for month, *sums in connection.execute(
            "SELECT invoice_month, currency, sum(amount_gross_minor)::BIGINT, sum(amount_net_minor)::BIGINT, "
            "sum(amount_tax_minor)::BIGINT FROM awaited_invoices WHERE amount_gross_minor IS NOT NULL GROUP BY ALL ORDER BY ALL"
        ).fetchall():
            of(month).sums.append(Sums(*sums))
        for month, pushed in connection.execute(_pushed_sql(target)).fetchall():
            of(month).pushed = pushed
    return sorted(months.values(), key=lambda standing: (standing.month is None, standing.month or date.max))


def _pushed_sql(target: str) -> str:
    """SQL: how many invoices of each month finance has; of one that is split, all parts."""
    return f"""
    SELECT invoice_month, count(*) FROM (
      SELECT part.invoice_month, bool_and(coalesce(record.is_there, false)) AS is_pushed
      FROM invoice_parts AS part
      LEFT JOIN (
        SELECT {DELIVERY_KEY_COLUMNS}, true AS is_there FROM records_in_finance
        WHERE target = {text_literal(target)} AND state = 'delivered'
      ) AS record USING ({DELIVERY_KEY_COLUMNS})
      GROUP BY source, account_id, part.invoice_external_id, part.invoice_month
    ) WHERE is_pushed GROUP BY ALL
    """
