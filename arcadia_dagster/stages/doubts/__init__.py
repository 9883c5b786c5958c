"""Doubts about an invoice that its own figures do not show: from other invoices, documents and deliveries.

A module for each kind of doubt. It says in SQL which invoices are in doubt and, in a sentence that a person can act on, why.
Doubts from an invoice's own row (a total that differs, more tax than net) are in `billing.readiness`.
"""

from arcadia_dagster.stages.doubts import amounts, identity, manifests, parts, reading, rejected, repeats, tax
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope

__all__ = ["Doubt", "Scope", "doubts_sql"]


def doubts_sql(scope: Scope) -> str:
    """SQL: `source`, `account_id`, `external_id` and `doubts`, the sentences in the order in which people should see them.

    One row for each invoice that something makes doubtful. The SQL needs the relations that `Scope` names.
    """
    all_doubts = (
        *reading.doubts(scope),
        *tax.doubts(scope),
        *identity.doubts(scope),
        *amounts.doubts(scope),
        *manifests.doubts(scope),
        *rejected.doubts(scope),
        *parts.doubts(scope),
        *repeats.doubts(scope),
    )
    arms = "\n      UNION ALL\n".join(
        f"      SELECT {rank} AS rank, source, account_id, external_id, text FROM ({doubt.sql})"
        for rank, doubt in enumerate(all_doubts)
    )
    return f"""
      SELECT source, account_id, external_id, list(text ORDER BY rank, text) AS doubts
      FROM ({arms})
      GROUP BY ALL"""
