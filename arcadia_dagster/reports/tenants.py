"""What one tenant bears of a month: its parts of the ready invoices, and nothing of any other tenant."""

from dataclasses import dataclass
from datetime import date

import duckdb

from arcadia_dagster.reports.figures import vendor_name
from arcadia_dagster.store.query import fetch, text_literal
from arcadia_dagster.warehouse.months import month_list


@dataclass(frozen=True, slots=True)
class TenantPart:
    """What a tenant bears of one invoice. Amounts are in minor units.

    Attributes:
        vendor: The vendor's name.
        number: The number printed on the invoice, else its id.
        reference: The id by which the tenant's books know it.
        issued_on: The day of issue, where a document states it.
        is_split: Whether others bear parts of the invoice too.
        projects: Of a split invoice, the projects that the tenant bears.
        currency: ISO 4217.
        net: Without tax.
        tax: The tax.
    """

    vendor: str
    number: str
    reference: str
    issued_on: date | None
    is_split: bool
    projects: tuple[str, ...]
    currency: str
    net: int
    tax: int

    @property
    def gross(self) -> int:
        """With tax."""
        return self.net + self.tax


@dataclass(frozen=True, slots=True)
class TenantMonth:
    """A tenant's month.

    Attributes:
        month: Its first day (UTC).
        tenant_id: Whose.
        parts: What it bears, by currency and vendor.
        waiting: How many invoices that it bears, or bears parts of, are held and not in `parts`.
    """

    month: date
    tenant_id: str
    parts: tuple[TenantPart, ...]
    waiting: int

    @property
    def currencies(self) -> list[str]:
        """The currencies of the parts, in order."""
        return sorted({part.currency for part in self.parts})

    def of(self, currency: str) -> list[TenantPart]:
        """The parts in a currency."""
        return [part for part in self.parts if part.currency == currency]


def tenants_of(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The tenants that bear anything, in order."""
    return [
        tenant for (tenant,) in connection.execute("SELECT DISTINCT tenant_id FROM allocations ORDER BY ALL").fetchall()
    ]


def tenant_month(connection: duckdb.DuckDBPyConnection, month: date, tenant_id: str) -> TenantMonth:
    """What the tenant bears of the month.

    Args:
        connection: An open warehouse.
        month: Its first day (UTC).
        tenant_id: The tenant.
    """
    rows = fetch(
        connection,
        f"""
        SELECT part.*, total.standing, raw.vendor_name, raw.invoice_number, raw.issued_on
        FROM (FROM invoice_parts WHERE invoice_month IN ({month_list([month])}) AND tenant_id = {text_literal(tenant_id)}) AS part
        JOIN awaited_invoices AS total
          ON total.source = part.source AND total.account_id = part.account_id AND total.external_id = part.invoice_external_id
        LEFT JOIN (
          SELECT source, account_id, external_id, max(vendor_name) AS vendor_name, max(invoice_number) AS invoice_number,
            max(issued_on) AS issued_on
          FROM current_invoices WHERE invoice_month IN ({month_list([month])}) GROUP BY ALL
        ) AS raw
          ON raw.source = part.source AND raw.account_id = part.account_id AND raw.external_id = part.invoice_external_id
        ORDER BY part.currency, part.source, part.account_id, part.invoice_external_id
        """,
    )
    return TenantMonth(
        month,
        tenant_id,
        tuple(
            TenantPart(
                vendor=vendor_name(row["source"], row["vendor_name"]),
                number=row["invoice_number"] or row["invoice_external_id"],
                reference=row["external_id"],
                issued_on=row["issued_on"],
                is_split=row["external_id"] != row["invoice_external_id"],
                projects=tuple(project for project in row["projects"] or () if project),
                currency=row["currency"],
                net=row["amount_net_minor"],
                tax=row["amount_tax_minor"],
            )
            for row in rows
            if row["standing"] == "ready"
        ),
        waiting=sum(row["standing"] == "held" for row in rows),
    )
