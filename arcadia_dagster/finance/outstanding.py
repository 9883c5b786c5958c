"""Which invoices finance does not have yet: the ready ones beside what the records say of them.

An invoice that is split over several tenants is several here, one for each part.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from arcadia_dagster import sample
from arcadia_dagster.billing import payload
from arcadia_dagster.finance import states
from arcadia_dagster.finance.states import Outcome
from arcadia_dagster.stages.explain import Invoice
from arcadia_dagster.warehouse.months import month_list
from arcadia_dagster.warehouse.query import text_list, text_literal


@dataclass(frozen=True, slots=True, order=True)
class InvoiceKey:
    """Which invoice of which tenant: the key of `finance_records` at one target.

    Attributes:
        tenant_id: Who bears it.
        source: Who issued it.
        account_id: To which account there.
        external_id: What finance knows it by.
    """

    tenant_id: str
    source: str
    account_id: str
    external_id: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "InvoiceKey":
        """The key of a row."""
        return cls(row["tenant_id"], row["source"], row["account_id"], row["external_id"])


KEY_COLUMNS = "tenant_id, source, account_id, external_id"
"""The columns of `InvoiceKey`, as SQL lists them."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where invoices go.

    Attributes:
        target: The finance service's base URL, without credentials.
        tenant_id: The identity's own tenant, which bears what no route leads elsewhere.
        is_sandbox: Whether the target is a sandbox: synthetic invoices go there and nowhere else.
    """

    target: str
    tenant_id: str
    is_sandbox: bool

    @property
    def is_recipients_sql(self) -> str:
        """SQL: whether a record or an attempt is about this recipient."""
        return f"(target = {text_literal(self.target)})"


_PAYLOADS = {"state": "state", "pushed": "pushed_sha256", "payload": "payload_sha256"}
IS_OUTSTANDING = f"(elsewhere IS NULL AND {states.is_outstanding_sql(**_PAYLOADS)})"
"""SQL over `ready_sql`: whether a delivery should send the invoice."""

_IS_MISSING = states.is_missing_sql(**_PAYLOADS)

# What leaves open whether finance has it: no answer on record, one that did not say, none that came in time.
UNCERTAIN = f"(outcome IS NULL OR outcome IN ({text_list([Outcome.UNKNOWN.value, Outcome.TRANSIENT.value])}))"
"""SQL over `finance_attempts`: whether the attempt leaves open if finance has the invoice."""

SETTLED_PAYLOAD = ""
"""The hash in the record of an invoice that finance does not have any more, as it should be: no payload's."""


def outstanding_sql(recipient: Recipient, *, due_at: datetime | None = None) -> str:
    """SQL: the ready invoices that a delivery would send, with their record so far.

    Args:
        recipient: To whom.
        due_at: Without those that are to be left alone for beyond this time.
    """
    conditions = f"{IS_OUTSTANDING} AND {may_have_sql(recipient)} AND {is_due_sql(due_at)}"
    return f"SELECT * FROM ({ready_sql(recipient, None)}) WHERE {conditions}"


def missing_sql(recipient: Recipient) -> str:
    """SQL: like `outstanding_sql`, with those that need a person: refused, abandoned, or led elsewhere by a route."""
    return f"SELECT * FROM ({ready_sql(recipient, None)}) WHERE {_IS_MISSING} AND {may_have_sql(recipient)}"


def ready_here_sql(recipient: Recipient) -> str:
    """SQL: every ready invoice that the recipient may have, with its record, and whether it `is_missing` there."""
    return f"SELECT *, {_IS_MISSING} AS is_missing FROM ({ready_sql(recipient, None)}) WHERE {may_have_sql(recipient)}"


def may_have_sql(recipient: Recipient) -> str:
    """SQL: whether the recipient may have the invoice: samples, under whatever name, go to a sandbox only."""
    if recipient.is_sandbox:
        return "true"
    samples = text_list(sorted(sample.document_hashes()))
    return f"(account_id <> '{payload.SYNTHETIC_ACCOUNT}' AND document_sha256 NOT IN ({samples}))"


def is_due_sql(due_at: datetime | None) -> str:
    """SQL: whether the invoice's turn has come by a time (with its zone); always where it is None."""
    if due_at is None:
        return "true"
    return f"(not_before IS NULL OR not_before <= TIMESTAMP '{due_at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}')"


def ready_sql(
    recipient: Recipient,
    months: Collection[date] | None,
    *,
    keys: Sequence[InvoiceKey] | None = None,
    invoices: Sequence[Invoice] | None = None,
) -> str:
    """SQL: ready invoices with their payload's fields, and what the recipient's record says of each.

    `elsewhere` says where finance has, or may have, the invoice by an earlier route; NULL where it does not. Pushed now, it
    would be there twice.

    Args:
        recipient: Where they go.
        months: Only invoices of these months.
        keys: Only these, parts of invoices or whole ones.
        invoices: Only these invoices, each with all of its parts.
    """
    conditions = ["true"]
    of_invoices = "true"
    if months is not None:
        conditions.append(f"ready.invoice_month IN ({month_list(months)})")
    if keys is not None:
        conditions.append(key_condition(keys, "ready."))
        of_invoices = (
            f"(source, account_id) IN ({_rows((key.source, key.account_id) for key in keys) or '(NULL, NULL)'})"
        )
    if invoices is not None:
        rows = _rows((one.source, one.account_id, one.external_id) for one in invoices)
        named = rows or "(NULL, NULL, NULL)"
        conditions.append(f"(ready.source, ready.account_id, ready.invoice_external_id) IN ({named})")
    return f"""
    SELECT ready.*, record.payload_sha256 AS pushed_sha256, record.state, record.attempts, record.action,
      record.finance_invoice_id, record.finance_vendor_id, record.pushed_to_finance_at, record.not_before, record.last_error,
      other.elsewhere
    FROM ({payload.ready_invoices_sql(text_literal(recipient.tenant_id))}) AS ready
    LEFT JOIN finance_records AS record
      ON record.target = {text_literal(recipient.target)} AND record.tenant_id = ready.tenant_id
      AND record.source = ready.source AND record.account_id = ready.account_id
      AND record.external_id = ready.external_id
    LEFT JOIN (
      SELECT source, account_id, invoice_external_id,
        string_agg('tenant ' || tenant_id || ' as ' || coalesce(finance_invoice_id, 'an unknown id'), ', ' ORDER BY tenant_id)
          AS elsewhere
      FROM ({elsewhere_sql(recipient)}) WHERE {of_invoices} GROUP BY ALL
    ) AS other
      ON other.source = ready.source AND other.account_id = ready.account_id
      AND other.invoice_external_id = ready.invoice_external_id
    WHERE {" AND ".join(conditions)}
    """


def elsewhere_sql(recipient: Recipient, *, with_settled: bool = False) -> str:
    """SQL: the records of what finance has, or may have, under a tenant to which no route leads any more.

    Those are also records of a whole invoice that is split now, or of a part of one that is whole.

    Args:
        recipient: Whose records.
        with_settled: Also of what a person has seen to: it keeps nothing from being pushed.
    """
    own = text_literal(recipient.tenant_id)
    unsettled = "true" if with_settled else f"payload_sha256 <> '{SETTLED_PAYLOAD}'"
    return f"""
    SELECT record.* FROM (
      FROM finance_records WHERE {recipient.is_recipients_sql} AND {unsettled}
    ) AS record
    LEFT JOIN (SELECT DISTINCT source, account_id, external_id AS invoice_external_id, true AS is_routed FROM allocations)
      AS routed USING (source, account_id, invoice_external_id)
    LEFT JOIN (
      SELECT source, account_id, external_id AS invoice_external_id, coalesce(tenant_id, {own}) AS tenant_id, is_split,
        true AS is_its_tenant
      FROM allocations
    ) AS part USING (source, account_id, invoice_external_id, tenant_id)
    LEFT JOIN (
      SELECT DISTINCT {KEY_COLUMNS}, true AS is_uncertain FROM finance_attempts
      WHERE {recipient.is_recipients_sql} AND {UNCERTAIN}
    ) AS attempt USING ({KEY_COLUMNS})
    WHERE (record.finance_invoice_id IS NOT NULL OR attempt.is_uncertain) AND CASE
      WHEN routed.is_routed THEN part.is_its_tenant IS NULL OR part.is_split <> (record.external_id <> invoice_external_id)
      ELSE record.tenant_id <> {own} OR record.external_id <> invoice_external_id END
    """


LED_ELSEWHERE = "led elsewhere by its route"
"""How the delivery of an invoice stands where `elsewhere` is set."""

ELSEWHERE_ADVICE = (
    "its route leads to tenant {tenant_id} now, and finance has it under {elsewhere}: remove that there by hand, then run "
    "`arcadia reconcile`, which sees that it is gone; where finance cannot list its invoices, `arcadia push INVOICE --again`"
)
"""What a person does where `elsewhere` is set; to be formatted with the row."""


def key_condition(keys: Sequence[InvoiceKey], prefix: str = "") -> str:
    """SQL: whether a row is one of these invoices; the prefix names its table, with a dot."""
    columns = ", ".join(f"{prefix}{name}" for name in KEY_COLUMNS.split(", "))
    rows = _rows((key.tenant_id, key.source, key.account_id, key.external_id) for key in keys)
    return f"({columns}) IN ({rows or '(NULL, NULL, NULL, NULL)'})"


def _rows(keys: Iterable[tuple[str, ...]]) -> str:
    return ", ".join(f"({text_list(key)})" for key in dict.fromkeys(keys))
