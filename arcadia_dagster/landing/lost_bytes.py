"""Documents whose bytes in the archive are gone or were changed: their invoices are held, and all others go on.

Only reading a document shows it: each reading hashes the bytes. Every landing looks at these documents again, so that a restored
file, or the same one in the inbox, ends it.
"""

from collections.abc import Collection, Mapping
from datetime import date

import duckdb

from arcadia_dagster.landing.contents import AMOUNT_SQL
from arcadia_dagster.landing.records import months_of
from arcadia_dagster.store.query import text_list, text_literal
from arcadia_dagster.warehouse import months, schema


def lost_bytes(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The registered documents whose bytes were lost when they were read last, by SHA-256: what is wrong and what to do."""
    return dict(
        connection.execute(
            "SELECT document_sha256, bytes_damage FROM documents WHERE bytes_damage IS NOT NULL ORDER BY document_sha256"
        ).fetchall()
    )


def note_lost_bytes(connection: duckdb.DuckDBPyConnection, lost: Mapping[str, str]) -> set[date]:
    """Note that the bytes of these registered documents are lost, within the caller's transaction.

    Args:
        connection: A connection of `Warehouse.write`.
        lost: By SHA-256, what is wrong and what to do; at least one.

    Returns:
        The months whose totals must be built again: they have invoices of a document that was not noted before, or of one that
        came under its name.
    """
    before = lost_bytes(connection)
    rows = ", ".join(f"({text_literal(sha256)}, {text_literal(damage)})" for sha256, damage in lost.items())
    connection.execute(
        f"UPDATE documents SET bytes_damage = lost.damage FROM (VALUES {rows}) AS lost (sha256, damage) "
        "WHERE document_sha256 = lost.sha256"
    )
    new = text_list(lost.keys() - before.keys())
    concerned = months_of(connection, new) | months_of_namesakes(connection, new)
    months.renew(connection, schema.COST_LINES.name, concerned)
    return concerned


def note_found_bytes(connection: duckdb.DuckDBPyConnection, documents: Collection[str]) -> set[date]:
    """Note that the bytes of these documents are whole again, within the caller's transaction. The documents stay as they are.

    Registering a document anew notes it too; this is for one that is not registered anew, see `reading.arrivals`.

    Returns:
        As `note_lost_bytes` does.
    """
    found = text_list(lost_bytes(connection).keys() & set(documents))
    connection.execute(f"UPDATE documents SET bytes_damage = NULL WHERE document_sha256 IN ({found})")
    concerned = months_of(connection, found) | months_of_namesakes(connection, found)
    months.renew(connection, schema.COST_LINES.name, concerned)
    return concerned


def months_of_namesakes(connection: duckdb.DuckDBPyConnection, wanted: str) -> set[date]:
    """The months of all invoices that one of these documents stated, that are alike, or that came under a name of it."""
    amount = AMOUNT_SQL.format(amount="coalesce(lines_total, stated_total)")
    rows = connection.execute(
        f"""
        SELECT invoice_month
        FROM document_invoices JOIN document_names AS own USING (document_sha256)
        JOIN document_names AS other ON other.file_name = own.file_name
        WHERE other.document_sha256 IN ({wanted})
        UNION
        SELECT invoice_month
        FROM document_invoices AS invoice JOIN (
          SELECT unnest(invoice_ids) AS id FROM document_contents WHERE document_sha256 IN ({wanted})
        ) AS stated ON stated.id IN (invoice.external_id, invoice.stated_id)
        UNION
        SELECT invoice_month
        FROM (SELECT *, {amount} AS amount FROM document_invoices) AS invoice
        SEMI JOIN (
          SELECT unnest(amounts) AS amount FROM document_contents WHERE document_sha256 IN ({wanted})
        ) AS stated USING (amount)
        """
    ).fetchall()
    return {month for (month,) in rows}
