"""Rows of every table, put into a warehouse and read from it."""

from datetime import date
from decimal import Decimal
from typing import Any

from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.rows import insert


def fill(warehouse: Warehouse) -> None:
    """Rows that a careless copy would change: the longest amounts, lists, empty and absent values, words of all alphabets."""
    amount = Decimal("-123456789012345678.123456789012345678")
    texts = ["", "ünï 😀", "a'b\"c\n\t", "\x00null", None]
    lines = [
        {
            "document_sha256": "0" * 64,
            "line_number": number,
            "invoice_month": date(2026, 1 + number % 3, 1),
            "amount": amount,
            "description": texts[number % len(texts)],
        }
        for number in range(30)
    ]
    stated = [
        {"document_sha256": "1", "invoice_ordinal": 1, "lines_sketch": [1, -(2**63)], "stated_total": amount},
        {"document_sha256": "1", "invoice_ordinal": 2, "lines_sketch": []},
    ]
    totals = [{"external_id": "7", "hold_reasons": ["a", ""], "amount_gross_minor": 2**63 - 1}]
    with warehouse.write() as connection:
        insert(connection, schema.COST_LINES, lines)
        insert(connection, schema.DOCUMENT_INVOICES, stated)
        insert(connection, schema.TAX_SPLIT_TOTALS, totals)


def rows_of(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of each table, in one order."""
    with warehouse.read() as connection:
        return {
            table.name: connection.execute(f"SELECT {table.column_names} FROM {table.name} ORDER BY ALL").fetchall()
            for table in schema.TABLES
        }
