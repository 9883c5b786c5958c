"""A warehouse with ready invoices, stated at once instead of read from files, and deliveries of them."""

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Any

import duckdb

from arcadia_dagster.finance.client import FinanceClient
from arcadia_dagster.finance.delivery import Delivered, Delivery
from arcadia_dagster.finance.outstanding import Recipient
from arcadia_dagster.finance.token import Identity, TokenMint
from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.rows import insert

SECRET = "a-shared-secret-that-must-be-seen-nowhere-of-sixty-four-bytes-..."
TENANT = "platform-admin"
APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)


def invoice(number: int | str, **change: Any) -> dict[str, Any]:
    """A ready invoice: fields of the register and of its totals."""
    return {
        "document_sha256": hashlib.sha256(str(number).encode()).hexdigest(),
        "source": "digitalocean",
        "account_id": "77",
        "external_id": str(number),
        "invoice_number": str(number),
        "invoice_month": APRIL,
        "period_start": APRIL,
        "period_end": date(2026, 4, 30),
        "issued_on": None,
        "currency": "USD",
        "amount_gross_minor": 660,
        "amount_net_minor": 600,
        "amount_tax_minor": 60,
        "line_count": 2,
        "status": "ready",
        **change,
    }


def state(connection: duckdb.DuckDBPyConnection, invoices: Sequence[dict[str, Any]]) -> None:
    """Have the warehouse hold just these invoices."""
    invoices = [
        {"tenant_id": TENANT, "finance_external_id": one["external_id"], "projects": [], **one} for one in invoices
    ]
    for table in (schema.DOCUMENT_INVOICES, schema.RAW_INVOICES, schema.TAX_SPLIT_TOTALS, schema.ALLOCATIONS):
        connection.execute(f"DELETE FROM {table.name}")
        columns = {column.name for column in table.columns}
        rows = [{name: value for name, value in row.items() if name in columns} for row in invoices]
        fixed = {"status": "current"} if table is schema.RAW_INVOICES else {}
        insert(connection, table, [{**row, **fixed} for row in rows])


class Books:
    """A warehouse with ready invoices, and deliveries of them."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def hold(self, *invoices: dict[str, Any]) -> None:
        with self.warehouse.write() as connection:
            state(connection, invoices)

    def deliver(
        self,
        url: str,
        *,
        concurrency: int = 8,
        is_sandbox: bool = True,
        tenant: str = TENANT,
        read_timeout: float = 15.0,
        **options: Any,
    ) -> Delivered:
        mint = TokenMint(SECRET, Identity(tenant, ("admin",), "arcadia_cloud", tenant))
        delivery = Delivery(self.warehouse, Recipient(url, is_sandbox), concurrency=concurrency)
        with FinanceClient(url, mint, retry_delays=(0.001, 0.001), read_timeout=read_timeout) as client:
            return delivery.deliver(client, **options)

    def query(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        with self.warehouse.read() as connection:
            result = connection.execute(query, parameters)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def record(self, number: int | str = 1, target: str = "%") -> dict[str, Any]:
        [found] = self.query(
            "SELECT * FROM finance_records WHERE external_id = ? AND target LIKE ?", str(number), target
        )
        return found

    def attempts(self, number: int | str = 1) -> list[dict[str, Any]]:
        return self.query("SELECT * FROM finance_attempts WHERE external_id = ? ORDER BY intended_at", str(number))
