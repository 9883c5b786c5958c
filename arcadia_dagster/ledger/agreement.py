"""Whether what is on record of finance agrees with itself: each record with the attempts, each attempt with what it sent."""

import hashlib
import json
from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

import duckdb

from arcadia_dagster.billing.payload import BUSINESS_FIELDS, NO_NEWS, TERMS
from arcadia_dagster.ledger.states import Outcome, State
from arcadia_dagster.store.query import text_list
from arcadia_dagster.warehouse.keys import DELIVERY_KEY_COLUMNS, InvoiceKey
from arcadia_dagster.warehouse.months import month_list
from arcadia_dagster.warehouse.relations import SETTLED_PAYLOAD

_ACCEPTED = text_list([Outcome.CREATED, Outcome.UPDATED])


def disagreeing(
    connection: duckdb.DuckDBPyConnection, months: Collection[date] | None = None
) -> Iterator[tuple[InvoiceKey, str, str]]:
    """Where a record of finance is not what its attempts come to: the invoice, the tenant, and what differs.

    Args:
        connection: An open warehouse.
        months: The months of the invoices; None: all.
    """
    where = "" if months is None else f"WHERE invoice_month IN ({month_list(months)})"
    rows = connection.execute(
        f"""
        WITH attempt AS (
          SELECT target, {DELIVERY_KEY_COLUMNS},
            -- What a delivery intended and never sent, as it was stopped before, counts on no record.
            count(*) FILTER (outcome IS DISTINCT FROM '{Outcome.NOT_SENT}') AS attempts,
            max(answered_at) FILTER (outcome IN ({_ACCEPTED})) AS accepted_at,
            arg_max(finance_invoice_id, answered_at) FILTER (outcome IN ({_ACCEPTED})) AS accepted_id,
            count(*) > count(outcome) AS is_under_way, arg_max(outcome, intended_at) AS last_outcome,
            arg_max(payload_sha256, intended_at) AS last_payload,
            arg_max(invoice_external_id, intended_at) AS last_invoice
          FROM finance_attempts {where} GROUP BY ALL
        )
        SELECT source, account_id, coalesce(last_invoice, record.invoice_external_id), tenant_id, CASE
          WHEN record.records > 1 THEN 'there are ' || record.records || ' records of it'
          WHEN record.state IS NULL THEN 'there are attempts to push it, and no record'
          WHEN attempt.attempts IS NULL THEN 'there is no attempt to push it'
          WHEN record.attempts <> attempt.attempts
            THEN record.attempts || ' attempts are on its record, and there are ' || attempt.attempts
          WHEN record.pushed_to_finance_at IS DISTINCT FROM accepted_at
            THEN 'finance last accepted it at ' || coalesce(record.pushed_to_finance_at::VARCHAR, 'no time')
              || ' by its record, and at ' || coalesce(accepted_at::VARCHAR, 'no time') || ' by the attempts'
          WHEN record.state = '{State.DELIVERED}' AND last_outcome NOT IN ({_ACCEPTED})
            THEN 'it is delivered by its record, and the last attempt was ' || last_outcome
          WHEN record.state <> '{State.DELIVERED}' AND last_outcome IN ({_ACCEPTED}) AND NOT is_under_way
            THEN 'it is ' || record.state || ' by its record, and finance accepted the last attempt'
          WHEN record.payload_sha256 NOT IN (last_payload, '{SETTLED_PAYLOAD}')
            THEN 'its record is about another payload than the last attempt'
          WHEN record.invoice_external_id <> last_invoice
            THEN 'its record is about invoice ' || record.invoice_external_id || ', and the last attempt about ' || last_invoice
          -- What finance has removed has no id there any more.
          WHEN record.finance_invoice_id IS DISTINCT FROM accepted_id AND record.state = '{State.DELIVERED}'
            AND record.payload_sha256 <> '{SETTLED_PAYLOAD}'
            THEN 'finance''s id for it is ' || coalesce(record.finance_invoice_id, 'missing') || ' by its record, and '
              || coalesce(accepted_id, 'missing') || ' by the attempts'
        END AS difference
        FROM (
          SELECT *, count(*) OVER (PARTITION BY target, {DELIVERY_KEY_COLUMNS}) AS records FROM finance_records {where}
        ) AS record FULL JOIN attempt USING (target, {DELIVERY_KEY_COLUMNS})
        WHERE difference IS NOT NULL ORDER BY ALL
        """
    ).fetchall()
    yield from ((InvoiceKey(*key), tenant, difference) for *key, tenant, difference in rows)


def attempts_changed(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """The attempts that are not about what they sent: the attempt's id, and what differs."""
    rows = connection.execute(
        "SELECT attempt_id, payload, payload_sha256, external_id, document_sha256 FROM finance_attempts ORDER BY attempt_id"
    ).fetchall()
    for attempt_id, payload, sha256, external_id, document_sha256 in rows:
        try:
            sent = json.loads(payload)
            is_about_another = (
                sent["external_id"] != external_id or sent.get("document_sha256", document_sha256) != document_sha256
            )
            # What is sent without the optional fields does not tell what was hashed.
            is_otherwise = "invoice_number" in sent and _hash_of(sent) != sha256
        except (AttributeError, KeyError, TypeError, ValueError):
            yield attempt_id, "what it sent cannot be read"
            continue
        if is_about_another:
            yield attempt_id, "what it sent is about another invoice or document"
        elif is_otherwise:
            yield attempt_id, "what it sent is not what was hashed"


def _hash_of(sent: dict[str, Any]) -> str:
    """The hash of a payload's business fields; see `relations.ready_invoices_sql`."""
    values = {**sent, "vendor_name": sent["vendor"]["name"]}
    fields = ["" if values.get(name) is None else str(values[name]) for name in BUSINESS_FIELDS]
    terms = (f"{name}={values[name]}" for name in TERMS if values.get(name) not in {None, "", NO_NEWS.get(name)})
    return hashlib.sha256(chr(31).join([*fields, *terms]).encode()).hexdigest()
