"""Which invoices finance does not have yet: the ready invoices compared with finance's records.

An invoice that is split over several tenants counts here once for each part.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import duckdb

from arcadia_dagster import sample
from arcadia_dagster.billing import payload
from arcadia_dagster.finance.standing import InvoiceState, Part
from arcadia_dagster.ledger import states
from arcadia_dagster.ledger.ledger import Ledger
from arcadia_dagster.ledger.states import LONGEST_DELAY, Outcome
from arcadia_dagster.store.query import fetch, text_list, text_literal
from arcadia_dagster.warehouse.keys import DELIVERY_KEY_COLUMNS, DeliveryKey, InvoiceKey, key_condition, row_list
from arcadia_dagster.warehouse.months import month_list
from arcadia_dagster.warehouse.relations import SETTLED_PAYLOAD, ready_invoices_sql


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where invoices go.

    Attributes:
        target: The finance service's base URL, without credentials.
        is_sandbox: Whether the target is a sandbox: synthetic invoices go there and nowhere else.
    """

    target: str
    is_sandbox: bool

    @property
    def ledger(self) -> Ledger:
        """What it is on record to have."""
        return Ledger(self.target)

    @property
    def is_recipients_sql(self) -> str:
        """SQL: whether a record or an attempt is about this recipient."""
        return self.ledger.is_own_sql


_PAYLOADS = {"state": "state", "pushed": "pushed_sha256", "payload": "payload_sha256"}
IS_OUTSTANDING = f"(rerouted IS NULL AND {states.is_outstanding_sql(**_PAYLOADS)})"
"""SQL over `ready_sql`: whether a delivery should send the invoice."""

_IS_MISSING = states.is_missing_sql(**_PAYLOADS)

# Outcomes after which finance may have the invoice: no answer on record, an unclear one, or none in time.
UNCERTAIN = f"(outcome IS NULL OR outcome IN ({text_list([Outcome.UNKNOWN.value, Outcome.TRANSIENT.value])}))"
"""SQL over `finance_attempts`: whether finance may have the invoice, or not, after the attempt."""


def outstanding_sql(recipient: Recipient, *, due_at: datetime | None = None) -> str:
    """SQL: the ready invoices that a delivery would send, with their record so far.

    Args:
        recipient: To whom.
        due_at: Without those that are due only after this time.
    """
    conditions = f"{IS_OUTSTANDING} AND {may_have_sql(recipient)} AND {is_due_sql(due_at)}"
    return f"SELECT * FROM ({ready_sql(recipient, None)}) WHERE {conditions}"


def missing_sql(recipient: Recipient) -> str:
    """SQL: like `outstanding_sql`, with those that need a person: refused, abandoned, or routed otherwise since their push."""
    return f"SELECT * FROM ({ready_sql(recipient, None)}) WHERE {_IS_MISSING} AND {may_have_sql(recipient)}"


def ready_here_sql(recipient: Recipient) -> str:
    """SQL: every ready invoice that the recipient may have, with its record, and whether it `is_missing` there."""
    return f"SELECT *, {_IS_MISSING} AS is_missing FROM ({ready_sql(recipient, None)}) WHERE {may_have_sql(recipient)}"


def may_have_sql(recipient: Recipient) -> str:
    """SQL: whether the recipient may get the invoice: sample invoices go to a sandbox only, under any name."""
    if recipient.is_sandbox:
        return "true"
    samples = text_list(sorted(sample.document_hashes()))
    return f"(account_id <> '{payload.SYNTHETIC_ACCOUNT}' AND document_sha256 NOT IN ({samples}))"


def is_due_sql(due_at: datetime | None) -> str:
    """SQL: whether the invoice's turn has come by a time (with its zone); always where it is None."""
    if due_at is None:
        return "true"
    due, too_late = (
        f"TIMESTAMP '{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'" for at in (due_at, due_at + 2 * LONGEST_DELAY)
    )
    # A later time than any that is ever chosen was written while the clock was ahead. The invoice would wait for as long.
    return f"(not_before IS NULL OR not_before <= {due} OR not_before > {too_late})"


def ready_sql(
    recipient: Recipient,
    months: Collection[date] | None,
    *,
    keys: Sequence[DeliveryKey] | None = None,
    invoices: Sequence[InvoiceKey] | None = None,
) -> str:
    """SQL: ready invoices with their payload's fields, and what the recipient's record says of each.

    `rerouted` says how an invoice's routes have changed since it was pushed, or may have been pushed; NULL where they have not.

    Args:
        recipient: Where they go.
        months: Only invoices of these months.
        keys: Only these, parts of invoices or whole ones.
        invoices: Only these invoices, each with all of its parts.
    """
    conditions = ["true"]
    accounts = "true"
    if months is not None:
        conditions.append(f"ready.invoice_month IN ({month_list(months)})")
    if keys is not None:
        conditions.append(key_condition(keys, "ready."))
        accounts = (
            f"(source, account_id) IN ({row_list((key.source, key.account_id) for key in keys) or '(NULL, NULL)'})"
        )
    if invoices is not None:
        rows = row_list((invoice.source, invoice.account_id, invoice.external_id) for invoice in invoices)
        named = rows or "(NULL, NULL, NULL)"
        conditions.append(f"(ready.source, ready.account_id, ready.invoice_external_id) IN ({named})")
    return f"""
    SELECT ready.*, record.payload_sha256 AS pushed_sha256, record.state, record.attempts, record.action,
      record.finance_invoice_id, record.finance_vendor_id, record.pushed_to_finance_at, record.not_before, record.last_error,
      changed.rerouted
    FROM ({ready_invoices_sql()}) AS ready
    LEFT JOIN finance_records AS record
      ON record.target = {text_literal(recipient.target)} AND record.tenant_id = ready.tenant_id
      AND record.source = ready.source AND record.account_id = ready.account_id
      AND record.external_id = ready.external_id
    LEFT JOIN (
      SELECT source, account_id, invoice_external_id, string_agg(change, '; ' ORDER BY change) AS rerouted
      FROM ({rerouted_sql(recipient, accounts)}) WHERE payload_sha256 <> '{SETTLED_PAYLOAD}' GROUP BY ALL
    ) AS changed
      ON changed.source = ready.source AND changed.account_id = ready.account_id
      AND changed.invoice_external_id = ready.invoice_external_id
    WHERE {" AND ".join(conditions)}
    """


def rerouted_sql(recipient: Recipient, accounts: str = "true") -> str:
    """SQL: the records whose invoice's routes have changed since its push, with what has: `change`, and `is_elsewhere`.

    Either finance has, or may have, the invoice under a tenant or an id to which no route leads any more: pushed now, it would be
    there twice. Or it has the part of a tenant that bore a project which another bears now: pushed now, amounts would move. An
    invoice that has no totals now, and so no tenant, has not been rerouted.

    Args:
        recipient: Whose records.
        accounts: SQL: a condition on `source` and `account_id`, to look at some only.
    """
    invoice = "source, account_id, invoice_external_id"
    return f"""
    WITH record AS (
      SELECT * FROM finance_records WHERE {recipient.is_recipients_sql} AND {accounts}
    ), part AS (
      SELECT {DELIVERY_KEY_COLUMNS}, invoice_external_id, projects FROM invoice_parts WHERE {accounts}
    ), moved AS (
      SELECT before.tenant_id, {invoice}, string_agg(DISTINCT before.project, ', ' ORDER BY before.project) AS projects
      FROM (SELECT tenant_id, {invoice}, unnest(projects) AS project FROM record) AS before
      JOIN (SELECT tenant_id, {invoice}, unnest(projects) AS project FROM part) AS after USING ({invoice}, project)
      WHERE before.tenant_id <> after.tenant_id GROUP BY ALL
    ), uncertain AS (
      SELECT DISTINCT {DELIVERY_KEY_COLUMNS}, true AS is_uncertain FROM finance_attempts
      WHERE {recipient.is_recipients_sql} AND {accounts} AND {UNCERTAIN}
    )
    SELECT record.*, here.is_here IS NULL AS is_elsewhere, CASE
      WHEN here.is_here IS NULL
      THEN 'finance has it under tenant ' || tenant_id || ' as ' || coalesce(finance_invoice_id, 'an unknown id')
      ELSE 'tenant ' || tenant_id || ' bore project ' || moved.projects || ' when it was pushed' END AS change
    FROM record
    SEMI JOIN part USING ({invoice})
    LEFT JOIN (SELECT {invoice}, tenant_id, external_id, true AS is_here FROM part) AS here
      USING ({invoice}, tenant_id, external_id)
    LEFT JOIN moved USING ({invoice}, tenant_id)
    LEFT JOIN uncertain USING ({DELIVERY_KEY_COLUMNS})
    WHERE (finance_invoice_id IS NOT NULL OR is_uncertain) AND (here.is_here IS NULL OR moved.projects IS NOT NULL)
    """


def unwanted_sql(to: str = "true") -> str:
    """SQL: the records of what should not be there: `target`, the key, `invoice_external_id`, `why` and `is_decided`.

    A person has decided so, see `unwanted_invoices`; or no route leads to its tenant any more, which is decided once a person has
    had it pushed as it is routed now: before that there are other ways, see REROUTED_ADVICE.

    Args:
        to: SQL: a condition on records, to look at some only.
    """
    return f"""
    SELECT record.target, record.tenant_id, record.source, record.account_id, record.external_id, record.invoice_external_id,
      coalesce(decided.why, 'no route leads to this tenant any more') AS why,
      decided.why IS NOT NULL OR record.payload_sha256 = '{SETTLED_PAYLOAD}' AS is_decided
    FROM (FROM finance_records WHERE {to}) AS record
    LEFT JOIN unwanted_invoices AS decided USING (source, account_id, invoice_external_id)
    LEFT JOIN (
      SELECT DISTINCT source, account_id, invoice_external_id, true AS has_parts FROM invoice_parts
    ) AS allocated USING (source, account_id, invoice_external_id)
    LEFT JOIN (SELECT {DELIVERY_KEY_COLUMNS}, invoice_external_id, true AS is_here FROM invoice_parts) AS here
      USING ({DELIVERY_KEY_COLUMNS}, invoice_external_id)
    WHERE decided.why IS NOT NULL OR (allocated.has_parts AND here.is_here IS NULL)
    """


REROUTED = "routed otherwise since"
"""How the delivery of an invoice stands where `rerouted` is set."""

REROUTED_ADVICE = (
    "its routes have changed since it was pushed: {rerouted}. Do one of these: undo the change of the routes; or remove in "
    "finance by hand what is under another tenant, then run `arcadia reconcile`; or push it as it is routed now: `arcadia push "
    "{invoice_external_id} --again`"
)
"""What a person does where `rerouted` is set; to be formatted with the row."""


def parts(
    connection: duckdb.DuckDBPyConnection, recipient: Recipient, months: Collection[date] | None = None
) -> dict[InvoiceKey, list[Part]]:
    """What may go to finance of each invoice that is ready, and how its delivery to the recipient stands; tenants in order.

    Args:
        connection: An open warehouse.
        recipient: Where they go.
        months: Only invoices of these months.
    """
    rows = fetch(
        connection,
        f"""
        SELECT source, account_id, invoice_external_id, tenant_id, external_id, rerouted, last_error,
          CASE WHEN NOT {may_have_sql(recipient)} THEN '{InvoiceState.SAMPLE}'
            WHEN NOT {_IS_MISSING} THEN '{InvoiceState.PUSHED}'
            WHEN rerouted IS NOT NULL THEN '{InvoiceState.REROUTED}'
            WHEN pushed_sha256 = payload_sha256 THEN state
            ELSE '{InvoiceState.READY}' END AS standing
        FROM ({ready_sql(recipient, months)}) ORDER BY source, account_id, invoice_external_id, tenant_id, external_id
        """,
    )
    of_invoices: dict[InvoiceKey, list[Part]] = {}
    for row in rows:
        standing = InvoiceState(row["standing"])
        part = Part(row["tenant_id"], row["external_id"], standing, _reason(standing, row))
        of_invoices.setdefault(InvoiceKey(row["source"], row["account_id"], row["invoice_external_id"]), []).append(
            part
        )
    return of_invoices


def _reason(standing: InvoiceState, row: Mapping[str, Any]) -> str | None:
    match standing:
        case InvoiceState.SAMPLE:
            return "it is a sample, which goes to a sandbox only: see ARCADIA_SANDBOX_URL"
        case InvoiceState.REROUTED:
            return REROUTED_ADVICE.format_map(row)
        case InvoiceState.REFUSED | InvoiceState.ABANDONED | InvoiceState.DEFERRED | InvoiceState.PENDING:
            return str(row["last_error"] or "no answer is recorded")
        case _:
            return None
