"""Seals: what tables came to when the program last wrote them, so that a row that somebody else has changed is known.

A seal counts the rows and hashes them. It is written in the transaction that writes the rows. The register, which documents and
decisions make, has a seal for each table in `register_seals`; each stage has one for each month in `stage_versions`. DuckDB's
hash may be another one in another version of it, so a seal names the version, and says nothing to any other.

It is no signature: who changes rows on purpose can change the seal too. `arcadia verify --full` finds that.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Final

import duckdb

from arcadia_dagster.store.query import text_list, text_literal
from arcadia_dagster.store.table import Table
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.digests import contents, digests
from arcadia_dagster.warehouse.months import month_list
from arcadia_dagster.warehouse.rows import insert

REGISTER: Final = (
    # The stage `cost_lines` notes lost bytes as well.
    schema.DOCUMENTS.without(("bytes_damage",)),
    schema.DOCUMENT_NAMES,
    schema.DOCUMENT_INVOICES,
    schema.DOCUMENT_CONTENTS,
    schema.STATED_INVOICES,
    schema.STATED_TAXES,
    schema.INVOICE_EVIDENCE,
    schema.BILLING_PERIODS,
    schema.DELIVERY_FILES,
    schema.DECISIONS,
    schema.INVOICE_ALIASES,
    schema.INVENTORIES,
)
"""The tables that landing fills with what documents state and people decide. What people's files say is compared with those."""

STAGES: Final[Mapping[str, tuple[Table, ...]]] = {
    schema.RAW_INVOICES.name: (schema.RAW_INVOICES,),
    # What a line is matched to is decided anew with each inventory, and finance is not told.
    schema.COST_LINES.name: (schema.COST_LINES.without(("matched_resource_id", "match_method")),),
    schema.TAX_SPLIT_TOTALS.name: (schema.TAX_SPLIT_TOTALS, schema.ALLOCATIONS),
}
"""The tables that each stage makes."""

_VERSION: Final = f"{duckdb.__version__} "


def seals_of(connection: duckdb.DuckDBPyConnection, stage: str, months: Collection[date] | None) -> dict[date, str]:
    """What a stage's tables come to for each month as they are now; every month that has rows where none are given."""
    return {month: _VERSION + content for month, content in contents(connection, STAGES[stage], months).items()}


def changed_subjects(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """What somebody else has changed, in words: the tables of the register, and the stages of months."""
    months = (f"{stage} of {month:%Y-%m}" for stage, month in changed_months(connection))
    return [*changed_tables(connection), *months]


def changed_months(
    connection: duckdb.DuckDBPyConnection, months: Collection[date] | None = None
) -> list[tuple[str, date]]:
    """The stages and months whose rows are not those that were built, in the stages' order.

    Args:
        connection: An open warehouse.
        months: The months to look at; None: all.
    """
    where = "" if months is None else f"AND invoice_month IN ({month_list(months)})"
    changed = []
    for stage in STAGES:
        sealed = dict(
            connection.execute(
                "SELECT invoice_month, content FROM stage_versions "
                f"WHERE stage = {text_literal(stage)} AND starts_with(content, '{_VERSION}') {where}"
            ).fetchall()
        )
        now = seals_of(connection, stage, sealed.keys())
        changed += [(stage, month) for month in sorted(sealed) if sealed[month] != now[month]]
    return changed


@contextmanager
def sealed_anew(connection: duckdb.DuckDBPyConnection, stage: str) -> Iterator[None]:
    """Within the block, rows of any month may be written. Months that somebody else has changed before keep their seal.

    Args:
        connection: A connection of `Warehouse.write`.
        stage: The stage whose tables are written.
    """
    before = seals_of(connection, stage, None)
    yield
    for month, seal in seals_of(connection, stage, None).items():
        if seal != before.get(month):
            connection.execute(
                "UPDATE stage_versions SET content = ? WHERE stage = ? AND invoice_month = ? AND content = ?",
                [seal, stage, month, before.get(month)],
            )


def changed_tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables of the register whose rows are not those that landing wrote."""
    sealed, now = _sealed(connection), _register(connection)
    return [table for table, seal in now.items() if sealed.get(table, seal) != seal]


@contextmanager
def sealed_register(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Within the block, tables of the register may be written. Those that somebody else has changed before keep their seal.

    Args:
        connection: A connection of `Warehouse.write`.
    """
    changed = changed_tables(connection)
    yield
    sealed = _sealed(connection)
    now = {
        table: seal
        for table, seal in _register(connection).items()
        if table not in changed and sealed.get(table) != seal
    }
    if now:
        connection.execute(f"DELETE FROM register_seals WHERE table_name IN ({text_list(now)})")
        insert(connection, schema.REGISTER_SEALS, [{"table_name": name, "content": now[name]} for name in now])


def _sealed(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The seals of this version of DuckDB, by the table's name."""
    return dict(
        connection.execute(
            f"SELECT table_name, content FROM register_seals WHERE starts_with(content, '{_VERSION}')"
        ).fetchall()
    )


def _register(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """What the tables of the register come to as they are now."""
    return {table: _VERSION + digest for table, digest in digests(connection, REGISTER).items()}
