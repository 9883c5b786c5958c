"""Which invoices finance does not have yet: the ready ones beside what the records say of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from arcadia_dagster import sample
from arcadia_dagster.billing import payload
from arcadia_dagster.finance import states
from arcadia_dagster.warehouse.months import month_list
from arcadia_dagster.warehouse.query import text_list, text_literal


@dataclass(frozen=True, slots=True, order=True)
class InvoiceKey:
    """Which invoice: the key of `tax_split_totals`."""

    source: str
    account_id: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where invoices go.

    Attributes:
        target: The finance service's base URL, without credentials.
        tenant_id: The tenant that invoices are pushed under.
        is_sandbox: Whether the target is a sandbox: synthetic invoices go there and nowhere else.
    """

    target: str
    tenant_id: str
    is_sandbox: bool

    @property
    def is_recipients_sql(self) -> str:
        """SQL: whether a record or an attempt is about this recipient."""
        return f"(target = {text_literal(self.target)} AND tenant_id = {text_literal(self.tenant_id)})"


_PAYLOADS = {"state": "state", "pushed": "pushed_sha256", "payload": "payload_sha256"}
IS_OUTSTANDING = states.is_outstanding_sql(**_PAYLOADS)
"""SQL over `ready_sql`: whether a delivery should send the invoice."""

_IS_MISSING = states.is_missing_sql(**_PAYLOADS)


def outstanding_sql(recipient: Recipient, *, due_at: datetime | None = None) -> str:
    """SQL: the ready invoices that a delivery would send, with their record so far.

    Args:
        recipient: To whom.
        due_at: Without those that are to be left alone for beyond this time.
    """
    conditions = f"{IS_OUTSTANDING} AND {may_have_sql(recipient)} AND {is_due_sql(due_at)}"
    return f"SELECT * FROM ({ready_sql(recipient, None)}) WHERE {conditions}"


def missing_sql(recipient: Recipient) -> str:
    """SQL: like `outstanding_sql`, with those that were refused or abandoned and need a person."""
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


def ready_sql(recipient: Recipient, months: Collection[date] | None, keys: Sequence[InvoiceKey] | None = None) -> str:
    """SQL: ready invoices with their payload's fields, and what the recipient's record says of each."""
    conditions = ["true"]
    if months is not None:
        conditions.append(f"ready.invoice_month IN ({month_list(months)})")
    if keys is not None:
        conditions.append(key_condition(keys, "ready."))
    return f"""
    SELECT ready.*, record.payload_sha256 AS pushed_sha256, record.state, record.attempts, record.action,
      record.finance_invoice_id, record.finance_vendor_id, record.pushed_to_finance_at, record.not_before, record.last_error
    FROM ({payload.ready_invoices_sql()}) AS ready
    LEFT JOIN finance_records AS record
      ON record.target = {text_list([recipient.target])} AND record.tenant_id = {text_list([recipient.tenant_id])}
      AND record.source = ready.source AND record.account_id = ready.account_id
      AND record.external_id = ready.external_id
    WHERE {" AND ".join(conditions)}
    """


def key_condition(keys: Sequence[InvoiceKey], prefix: str = "") -> str:
    """SQL: whether a row is one of these invoices; the prefix names its table, with a dot."""
    rows = ", ".join(
        f"({text_list([key.source])}, {text_list([key.account_id])}, {text_list([key.external_id])})" for key in keys
    )
    return f"({prefix}source, {prefix}account_id, {prefix}external_id) IN ({rows or '(NULL, NULL, NULL)'})"
