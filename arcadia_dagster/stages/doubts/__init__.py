"""Doubts about an invoice that its own figures do not show: from other invoices, documents and deliveries.

A module for each kind of doubt. It says in SQL which invoices are in doubt and, in a sentence that a person can act on, why.
Doubts from an invoice's own row (a total that differs, more tax than net) are in `billing.readiness`.
"""

import duckdb

from arcadia_dagster.stages.doubts import (
    amounts,
    buyers,
    formats,
    growth,
    identity,
    manifests,
    parts,
    periods,
    reading,
    rejected,
    repeats,
    so_far,
    tax,
    zeros,
)
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope
from arcadia_dagster.store.query import met

__all__ = ["Doubt", "Scope", "all_doubts", "doubts_sql"]


def all_doubts(scope: Scope) -> tuple[Doubt, ...]:
    """All kinds, in the order in which people should see them."""
    return (
        *reading.doubts(scope),
        *tax.doubts(scope),
        *buyers.doubts(scope),
        *periods.doubts(scope),
        *so_far.doubts(scope),
        *identity.doubts(scope),
        *zeros.doubts(scope),
        *growth.doubts(scope),
        *amounts.doubts(scope),
        *formats.doubts(scope),
        *manifests.doubts(scope),
        *rejected.doubts(scope),
        *parts.doubts(scope),
        *repeats.doubts(scope),
    )


def doubts_sql(connection: duckdb.DuckDBPyConnection, scope: Scope) -> str:
    """SQL: `source`, `account_id`, `external_id` and `doubts`, the sentences in the order in which people should see them.

    One row for each invoice that something makes doubtful. The connection must have the relations that `Scope` names.
    """
    every = all_doubts(scope)
    possible = met(connection, [doubt.needs for doubt in every])
    arms = "\n      UNION ALL\n".join(
        f"      SELECT {rank} AS rank, source, account_id, external_id, text FROM ({doubt.sql})"
        for rank, doubt in enumerate(every)
        if doubt.needs in possible
    )
    if not arms:
        return "SELECT source, account_id, external_id, CAST([] AS VARCHAR[]) AS doubts FROM raw WHERE false"
    return f"""
      SELECT source, account_id, external_id, list(text ORDER BY rank, text) AS doubts
      FROM ({arms})
      GROUP BY ALL"""
