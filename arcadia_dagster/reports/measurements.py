"""What a monitor asks of the records: how many invoices stand how, what waits for finance and for how long."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import duckdb

from arcadia_dagster.finance.outstanding import Recipient, missing_sql, parts
from arcadia_dagster.finance.standing import InvoiceState
from arcadia_dagster.ledger.states import Outcome
from arcadia_dagster.reports.findings import NOT_PUSHED
from arcadia_dagster.reports.listing import invoices
from arcadia_dagster.store.query import text_literal

_QUANTILES: Final = (0.5, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class Measurements:
    """The figures of one moment.

    Attributes:
        invoices: How many invoices stand how, by each `InvoiceState`, as `arcadia invoices` lists them.
        outstanding: Of the ready invoices, how many parts finance does not have, by the state of their record; `not pushed`
            where there is none.
        oldest_outstanding_seconds: How long ago the newest document came of the one that waits longest; 0 where none waits.
        rejected_documents: How many rejected documents no good one has replaced.
        stale_months: How many months have something that is not built yet.
        deliveries: How many deliveries finance answered in the last 24 hours, by outcome.
        delivery_seconds: From a document's arrival to finance's answer, of the invoices that finance took for the first time in
            the last 24 hours: by quantile, empty where there are none.
    """

    invoices: Mapping[str, int]
    outstanding: Mapping[str, int]
    oldest_outstanding_seconds: float
    rejected_documents: int
    stale_months: int
    deliveries: Mapping[str, int]
    delivery_seconds: Mapping[float, float] = field(default_factory=dict)


def measure(connection: duckdb.DuckDBPyConnection, recipient: Recipient, now: datetime) -> Measurements:
    """The figures of this moment.

    Args:
        connection: An open warehouse.
        recipient: The finance service that invoices are outstanding at.
        now: The time in UTC, without its zone.
    """
    of_recipient = recipient.is_recipients_sql
    last_day = f"{of_recipient} AND answered_at > TIMESTAMP '{now}' - INTERVAL 1 DAY"
    [(rejected, stale)] = connection.execute(
        "SELECT (SELECT count(*) FROM unreplaced_documents), (SELECT count(DISTINCT invoice_month) FROM stale_months)"
    ).fetchall()
    missing = connection.execute(
        f"""
        SELECT coalesce(state, '{NOT_PUSHED}') AS state, count(*), min(arrived.received_at)
        FROM ({missing_sql(recipient)}) AS missing
        LEFT JOIN (
          SELECT source, account_id, external_id AS invoice_external_id, max(received_at) AS received_at
          FROM current_invoices GROUP BY ALL
        ) AS arrived USING (source, account_id, invoice_external_id)
        GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    listed = Counter(invoice.state for invoice in invoices(connection, parts(connection, recipient)))
    oldest = min((since for *_, since in missing if since is not None), default=now)
    taken = connection.execute(
        f"""
        SELECT {", ".join(f"quantile_disc(seconds, {quantile})" for quantile in _QUANTILES)} FROM (
          SELECT date_diff('millisecond', document.received_at, attempt.answered_at) / 1000 AS seconds
          FROM (FROM finance_attempts WHERE {last_day} AND outcome = {text_literal(Outcome.CREATED.value)}) AS attempt
          JOIN documents AS document USING (document_sha256)
        )
        """
    ).fetchone()
    return Measurements(
        invoices={state: listed[state] for state in InvoiceState},
        outstanding={state: count for state, count, _ in missing},
        oldest_outstanding_seconds=max((now - oldest).total_seconds(), 0.0),
        rejected_documents=rejected,
        stale_months=stale,
        deliveries=_counts(connection, f"SELECT outcome, count(*) FROM finance_attempts WHERE {last_day} GROUP BY ALL"),
        delivery_seconds={
            quantile: seconds for quantile, seconds in zip(_QUANTILES, taken or (), strict=False) if seconds is not None
        },
    )


def _counts(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, int]:
    return dict(sorted(connection.execute(query).fetchall()))
