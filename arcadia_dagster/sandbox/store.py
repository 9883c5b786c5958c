"""The rows of the sandbox, in one SQLite file that outlives it.

Every operation opens the file and closes it again (a millisecond), so there is no connection to share between threads
or to forget. With a rollback journal and `synchronous=EXTRA` a commit is on the disk, its directory entry included,
before it returns; measured at several hundred pushes a second, far above what a client on the same machine sends.
"""

import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypedDict, cast

from arcadia_dagster.sandbox.body import Invoice
from arcadia_dagster.sandbox.errors import SandboxStartError

_BUSY_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vendors (
    vendor_id  TEXT NOT NULL PRIMARY KEY,
    tenant_id  TEXT NOT NULL,
    name       TEXT NOT NULL,
    category   TEXT,
    created_at TEXT NOT NULL,
    UNIQUE (tenant_id, name)
);
CREATE TABLE IF NOT EXISTS invoices (
    invoice_id         TEXT    NOT NULL PRIMARY KEY,
    tenant_id          TEXT    NOT NULL,
    vendor_id          TEXT    NOT NULL REFERENCES vendors (vendor_id),
    source             TEXT    NOT NULL,
    external_id        TEXT    NOT NULL,
    invoice_number     TEXT,
    currency           TEXT    NOT NULL,
    amount_gross_minor INTEGER NOT NULL,
    amount_net_minor   INTEGER NOT NULL,
    amount_tax_minor   INTEGER NOT NULL,
    issued_on          TEXT,
    period_start       TEXT,
    period_end         TEXT,
    line_count         INTEGER,
    document_sha256    TEXT,
    times_received     INTEGER NOT NULL,
    created_at         TEXT    NOT NULL,
    updated_at         TEXT    NOT NULL,
    UNIQUE (tenant_id, source, external_id)
);
"""

_ADDED = ("due_on", "purchase_order", "seller_tax_id", "buyer_tax_id", "kind", "reference")
"""Columns of `invoices` that files of an earlier version do not have."""

_FIND_VENDOR = "SELECT vendor_id FROM vendors WHERE tenant_id = :tenant_id AND name = :vendor_name"

_ADD_VENDOR = """
INSERT INTO vendors (vendor_id, tenant_id, name, category, created_at)
VALUES (:vendor_id, :tenant_id, :vendor_name, :vendor_category, :now)
"""

_FIND_INVOICE = """
SELECT invoice_id
FROM invoices
WHERE tenant_id = :tenant_id AND source = :source AND external_id = :external_id
"""

_ADD_INVOICE = """
INSERT INTO invoices (
    invoice_id, tenant_id, vendor_id, source, external_id, invoice_number, currency,
    amount_gross_minor, amount_net_minor, amount_tax_minor,
    issued_on, period_start, period_end, line_count, document_sha256,
    due_on, purchase_order, seller_tax_id, buyer_tax_id, kind, reference, times_received, created_at, updated_at
)
VALUES (
    :invoice_id, :tenant_id, :vendor_id, :source, :external_id, :invoice_number, :currency,
    :amount_gross_minor, :amount_net_minor, :amount_tax_minor,
    :issued_on, :period_start, :period_end, :line_count, :document_sha256,
    :due_on, :purchase_order, :seller_tax_id, :buyer_tax_id, :kind, :reference, 1, :now, :now
)
"""

_UPDATE_INVOICE = """
UPDATE invoices
SET vendor_id          = :vendor_id,
    invoice_number     = :invoice_number,
    currency           = :currency,
    amount_gross_minor = :amount_gross_minor,
    amount_net_minor   = :amount_net_minor,
    amount_tax_minor   = :amount_tax_minor,
    issued_on          = :issued_on,
    period_start       = :period_start,
    period_end         = :period_end,
    line_count         = :line_count,
    document_sha256    = :document_sha256,
    due_on             = :due_on,
    purchase_order     = :purchase_order,
    seller_tax_id      = :seller_tax_id,
    buyer_tax_id       = :buyer_tax_id,
    kind               = :kind,
    reference          = :reference,
    times_received     = times_received + 1,
    updated_at         = :now
WHERE invoice_id = :invoice_id
"""

_LIST_INVOICES = """
SELECT
    i.invoice_id, i.tenant_id, i.vendor_id, v.name AS vendor_name, v.category AS vendor_category,
    i.source, i.external_id, i.invoice_number, i.currency,
    i.amount_gross_minor, i.amount_net_minor, i.amount_tax_minor,
    i.issued_on, i.period_start, i.period_end, i.line_count, i.document_sha256,
    i.due_on, i.purchase_order, i.seller_tax_id, i.buyer_tax_id, i.kind, i.reference,
    i.times_received, i.created_at, i.updated_at
FROM invoices AS i
JOIN vendors AS v USING (vendor_id)
WHERE (:tenant_id IS NULL OR i.tenant_id = :tenant_id)
  AND (:source IS NULL OR i.source = :source)
  AND (:external_id IS NULL OR i.external_id = :external_id)
ORDER BY i.period_start DESC, i.tenant_id, i.source, i.external_id
"""


class InvoiceRow(TypedDict):
    """One row of finance, as `GET /api/v1/invoices` answers it.

    Amounts are integers in minor units of `currency`. Dates are ISO 8601 calendar dates; `created_at` and `updated_at`
    are ISO 8601 instants in UTC, ending in `Z`. `times_received` counts every accepted push, the first included.
    """

    invoice_id: str
    tenant_id: str
    vendor_id: str
    vendor_name: str
    vendor_category: str | None
    source: str
    external_id: str
    invoice_number: str | None
    currency: str
    amount_gross_minor: int
    amount_net_minor: int
    amount_tax_minor: int
    issued_on: str | None
    period_start: str | None
    period_end: str | None
    line_count: int | None
    document_sha256: str | None
    due_on: str | None
    purchase_order: str | None
    seller_tax_id: str | None
    buyer_tax_id: str | None
    kind: str | None
    reference: str | None
    times_received: int
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What finance answers to a push: the row it made or updated."""

    vendor_id: str
    invoice_id: str
    action: Literal["created", "updated"]


class Store:
    """The sandbox's rows. Safe to use from many threads, and from other processes on the same file."""

    def __init__(self, database: Path) -> None:
        """Open the file, or make it and its folder where missing.

        Raises:
            SandboxStartError: The file cannot be made or opened, or is not a SQLite database.
        """
        self._database = database
        # SQLite would let waiting writers poll for their turn; a lock hands it on at once.
        self._writing = threading.Lock()
        try:
            database.parent.mkdir(parents=True, exist_ok=True)
            with self._connection() as connection:
                connection.executescript(_SCHEMA)
                known = {row["name"] for row in connection.execute("PRAGMA table_info(invoices)")}
                for name in _ADDED:
                    if name not in known:
                        connection.execute(f"ALTER TABLE invoices ADD COLUMN {name} TEXT")
        except (OSError, sqlite3.Error) as error:
            message = f"the sandbox cannot keep its rows in {database}: {error}"
            raise SandboxStartError(message) from error

    def receive(self, tenant_id: str, invoice: Invoice) -> Receipt:
        """Keep the invoice as the one row of (tenant, source, external id); durable when this returns.

        The vendor is found by its exact name within the tenant, and made where missing.

        Raises:
            sqlite3.Error: The file cannot be written; nothing was kept.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        values: dict[str, object] = {**asdict(invoice), "tenant_id": tenant_id, "now": now}
        # Looking and writing are one transaction that holds the write lock from its start: nobody else can insert the
        # same row in between.
        with self._writing, self._connection() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            vendor_id = _first(connection, _FIND_VENDOR, values)
            if vendor_id is None:
                vendor_id = str(uuid.uuid4())
                connection.execute(_ADD_VENDOR, {**values, "vendor_id": vendor_id})
            known_id = _first(connection, _FIND_INVOICE, values)
            invoice_id = known_id or str(uuid.uuid4())
            connection.execute(
                _UPDATE_INVOICE if known_id else _ADD_INVOICE,
                {**values, "vendor_id": vendor_id, "invoice_id": invoice_id},
            )
        return Receipt(vendor_id=vendor_id, invoice_id=invoice_id, action="updated" if known_id else "created")

    def invoices(
        self, *, tenant_id: str | None = None, source: str | None = None, external_id: str | None = None
    ) -> list[InvoiceRow]:
        """The rows that match every filter given, newest period first.

        Raises:
            sqlite3.Error: The file cannot be read.
        """
        filters = {"tenant_id": tenant_id, "source": source, "external_id": external_id}
        with self._connection() as connection:
            return [cast("InvoiceRow", dict(row)) for row in connection.execute(_LIST_INVOICES, filters)]

    def count(self) -> int:
        """How many rows there are.

        Raises:
            sqlite3.Error: The file cannot be read.
        """
        with self._connection() as connection:
            return int(connection.execute("SELECT count(*) FROM invoices").fetchone()[0])

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # `isolation_level=None`: transactions begin where the code says so, not where the driver guesses.
        with closing(sqlite3.connect(self._database, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection


def _first(connection: sqlite3.Connection, statement: str, values: dict[str, object]) -> str | None:
    row = connection.execute(statement, values).fetchone()
    return None if row is None else str(row[0])
