"""Delivery: at least once, over an endpoint that is idempotent, with a record of every intent, attempt and answer.

The intents of a batch are committed before any of it is sent, its answers after; no transaction is open in between, and two
batches at most are without recorded answers. A process that is killed anywhere leaves attempts without an answer: the next
delivery sends the current payload again under the same keys, and finance answers `updated` where it had it. One delivery
runs at a time for each warehouse, so two payloads of one invoice never race.
"""

import json
import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias

import duckdb

from arcadia_dagster import sample
from arcadia_dagster.billing import payload
from arcadia_dagster.finance import states
from arcadia_dagster.finance.client import FinanceClient, Imported
from arcadia_dagster.finance.errors import (
    ConfigurationFailure,
    FinanceError,
    PayloadRefused,
    UnknownOutcome,
)
from arcadia_dagster.finance.states import MAY_PASS, NEEDS_A_PERSON, Outcome, State
from arcadia_dagster.warehouse import Warehouse, hold, schema
from arcadia_dagster.warehouse.months import month_list
from arcadia_dagster.warehouse.query import fetch, text_list, text_literal
from arcadia_dagster.warehouse.rows import insert

BATCH = 50
"""How many invoices at most are intended and sent between two commits."""

ABANDON_AFTER = timedelta(days=7)
"""For how long what may pass is tried again, unless a setting says otherwise."""

_OUTCOMES: tuple[tuple[type[FinanceError], Outcome], ...] = (
    (ConfigurationFailure, Outcome.MISCONFIGURED),
    (PayloadRefused, Outcome.REFUSED),
    (UnknownOutcome, Outcome.UNKNOWN),
    (FinanceError, Outcome.TRANSIENT),
)


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


@dataclass(slots=True)
class Delivered:
    """What a delivery did.

    Attributes:
        created: Invoices that finance made a row for.
        updated: Invoices whose row finance had and updated.
        unchanged: Ready invoices that finance had already, with the same payload.
        deferred: Invoices left for a later delivery: why.
        refused: Invoices that finance will not take: why.
        abandoned: Invoices that were tried for so long that a person is needed: why.
        given_up: Invoices that were refused or abandoned before, and were not tried: why.
        synthetic: Sample invoices that were kept from a target that is no sandbox.
        failure: The configuration failure that stopped the delivery; None where none did.
    """

    created: list[InvoiceKey] = field(default_factory=list)
    updated: list[InvoiceKey] = field(default_factory=list)
    unchanged: int = 0
    deferred: dict[InvoiceKey, str] = field(default_factory=dict)
    refused: dict[InvoiceKey, str] = field(default_factory=dict)
    abandoned: dict[InvoiceKey, str] = field(default_factory=dict)
    given_up: dict[InvoiceKey, str] = field(default_factory=dict)
    synthetic: int = 0
    failure: ConfigurationFailure | None = None


@dataclass(frozen=True, slots=True)
class _Intent:
    attempt_id: str
    key: InvoiceKey
    row: Mapping[str, Any]
    body: Mapping[str, Any]


_Answer: TypeAlias = Imported | FinanceError | None
"""What came of an intent; None where it was not sent because another showed the configuration to be wrong."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """A batch with its answers; `keys` counts also the invoices of which there was nothing to send any more."""

    keys: int = 0
    intents: Sequence[_Intent] = ()
    answers: Sequence[_Answer] = ()


@dataclass(frozen=True, slots=True)
class _Sent:
    """A batch on the wire."""

    keys: int = 0
    intents: Sequence[_Intent] = ()
    futures: Sequence[Future[_Answer]] = ()

    def answers(self) -> _Answered:
        """The batch with its answers, once all have come."""
        return _Answered(self.keys, self.intents, [future.result() for future in self.futures])


def _send(
    client: FinanceClient, pool: ThreadPoolExecutor, stop: threading.Event, intents: Sequence[_Intent], keys: int
) -> _Sent:
    """Put a batch on the wire; nothing of it is sent once `stop` is set, as it is by a configuration failure."""

    def send(intent: _Intent) -> _Answer:
        if stop.is_set():
            return None
        try:
            return client.import_invoice(intent.body)
        except ConfigurationFailure as error:
            stop.set()
            return error
        except FinanceError as error:
            return error

    return _Sent(keys, intents, [pool.submit(send, intent) for intent in intents])


class Delivery:
    """Delivers the ready invoices of a warehouse to one recipient.

    Args:
        warehouse: Where invoices and records are.
        recipient: Where they go.
        concurrency: How many invoices are sent at a time.
        with_optional_fields: See `billing.payload.build`.
        abandon_after: For how long what may pass is tried again.
        lock_timeout: Seconds to wait for another delivery at most.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        recipient: Recipient,
        *,
        concurrency: int = 8,
        with_optional_fields: bool = True,
        abandon_after: timedelta = ABANDON_AFTER,
        lock_timeout: float = 600.0,
    ) -> None:
        """Note what to deliver where. Nothing is sent yet."""
        self._warehouse = warehouse
        self._recipient = recipient
        self._concurrency = concurrency
        self._with_optional_fields = with_optional_fields
        self._abandon_after = abandon_after
        self._lock_timeout = lock_timeout

    def deliver(
        self,
        client: FinanceClient,
        *,
        months: Collection[date] | None = None,
        invoices: Sequence[InvoiceKey] | None = None,
        again: bool = False,
        due_at: datetime | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
    ) -> Delivered:
        """Push what finance does not have yet.

        Args:
            client: An open client for the recipient's target.
            months: Only invoices of these months; all where None.
            invoices: Only these invoices; all where None.
            again: Push also what finance has already with the same payload, and what it refused or was abandoned; the record
                says so.
            due_at: Leave out what is to be left alone for beyond this time.
            progress: Called with the number of invoices dealt with and the number of all, after each batch.

        Returns:
            What was done. A configuration failure stops the delivery at once; what was answered until then is recorded,
            and the failure is in the result.

        Raises:
            LockTimeoutError: Another delivery took longer than the lock's time-out.
            WarehouseError: See `Warehouse.write`.
        """
        done = Delivered()
        delivery_id = str(uuid.uuid4())
        with hold(self._warehouse.delivery_lock_path, timeout=self._lock_timeout):
            keys = self._outstanding(months, invoices, again=again, due_at=due_at, done=done)
            batches = iter([keys[start : start + BATCH] for start in range(0, len(keys), BATCH)])
            stop = threading.Event()
            on_the_wire, answered = _Sent(), _Answered()
            dealt_with = 0
            with ThreadPoolExecutor(self._concurrency, thread_name_prefix="finance") as pool:
                # While a batch is on the wire, the answers of the one before and the intents of the one after are committed.
                while True:
                    batch = [] if stop.is_set() else next(batches, [])
                    intents = self._commit(answered, batch, delivery_id, again=again, done=done)
                    if answered.keys:
                        dealt_with += answered.keys
                        progress(dealt_with, len(keys))
                    answered = on_the_wire.answers()
                    on_the_wire = _send(client, pool, stop, intents, len(batch))
                    if not (batch or answered.keys):
                        break
        return done

    def _outstanding(
        self,
        months: Collection[date] | None,
        invoices: Sequence[InvoiceKey] | None,
        *,
        again: bool,
        due_at: datetime | None,
        done: Delivered,
    ) -> list[InvoiceKey]:
        with self._warehouse.read() as connection:
            rows = fetch(
                connection,
                f"SELECT source, account_id, external_id, state, last_error, {_IS_OUTSTANDING} AS is_outstanding, "
                f"{_may_have_sql(self._recipient)} AS may_have "
                f"FROM ({_ready_sql(self._recipient, months, invoices)}) WHERE {_is_due_sql(due_at)} "
                "ORDER BY invoice_month, source, external_id",
            )
        keys = []
        for row in rows:
            key = InvoiceKey(row["source"], row["account_id"], row["external_id"])
            if not row["may_have"]:
                done.synthetic += 1
            elif row["is_outstanding"] or again:
                keys.append(key)
            elif row["state"] in NEEDS_A_PERSON:
                done.given_up[key] = str(row["last_error"])
            else:
                done.unchanged += 1
        return keys

    def _commit(
        self, answered: _Answered, batch: Sequence[InvoiceKey], delivery_id: str, *, again: bool, done: Delivered
    ) -> list[_Intent]:
        """Write the answers of one batch and the intents of another in one transaction."""
        if not (answered.intents or batch):
            return []
        with self._warehouse.write() as connection:
            self._record(connection, answered, done)
            return self._intend(connection, batch, delivery_id, again=again)

    def _intend(
        self, connection: duckdb.DuckDBPyConnection, keys: Sequence[InvoiceKey], delivery_id: str, *, again: bool
    ) -> list[_Intent]:
        """Write what is about to be sent: the payload as it is now, for what is still ready now."""
        if not keys:
            return []
        now = _now()
        rows = fetch(
            connection,
            f"SELECT *, {_IS_OUTSTANDING} AS is_outstanding FROM ({_ready_sql(self._recipient, None, keys)})",
        )
        intents = [
            _Intent(
                str(uuid.uuid4()),
                InvoiceKey(row["source"], row["account_id"], row["external_id"]),
                row,
                payload.build(row, with_optional_fields=self._with_optional_fields),
            )
            for row in rows
            if row["is_outstanding"] or again
        ]
        self._replace_records(connection, [self._intended_record(intent) for intent in intents])
        insert(
            connection,
            schema.FINANCE_ATTEMPTS,
            [
                {
                    **self._identity(intent),
                    "attempt_id": intent.attempt_id,
                    "delivery_id": delivery_id,
                    "document_sha256": intent.row["document_sha256"],
                    "payload": json.dumps(intent.body, ensure_ascii=False, sort_keys=True, separators=(",", ":")),
                    "is_forced": not intent.row["is_outstanding"],
                    "intended_at": now,
                }
                for intent in intents
            ],
        )
        return intents

    def _record(self, connection: duckdb.DuckDBPyConnection, answered: _Answered, done: Delivered) -> None:
        """Write what finance answered."""
        if not answered.intents:
            return
        now = _now()
        failing = self._failing(connection, answered)
        records, updates = [], []
        for intent, answer in zip(answered.intents, answered.answers, strict=True):
            outcome = _outcome(answer)
            failures, since = failing.get((intent.key, intent.row["payload_sha256"]), (0, now))
            state = states.state_after(outcome, failing_for=now - since, abandon_after=self._abandon_after)
            error = None if isinstance(answer, Imported) else str(answer or "not sent: the delivery was stopped")
            imported = answer if isinstance(answer, Imported) else None
            not_before = _not_before(answer, now, failures + 1) if outcome in MAY_PASS else None
            records.append(
                {**self._intended_record(intent), **_answered(intent, answer, state, error, now, not_before)}
            )
            updates.append(
                {
                    "attempt_id": intent.attempt_id,
                    "answered_at": now,
                    "outcome": outcome.value,
                    "requests": 0 if answer is None else answer.requests,
                    "status_code": None if answer is None else answer.status,
                    "finance_invoice_id": imported.invoice_id if imported else None,
                    "finance_vendor_id": imported.vendor_id if imported else None,
                    "error": error,
                }
            )
            _count(done, intent.key, answer, state, error)
        self._replace_records(connection, records)
        _answer_attempts(connection, updates)

    def _failing(
        self, connection: duckdb.DuckDBPyConnection, answered: _Answered
    ) -> dict[tuple[InvoiceKey, str], tuple[int, datetime]]:
        """How often and since when (UTC) the payloads that failed now have failed in a row before.

        A row ends where finance took the invoice, and where a person asked for it.
        """
        failed = [
            intent.key
            for intent, answer in zip(answered.intents, answered.answers, strict=True)
            if _outcome(answer) in MAY_PASS
        ]
        if not failed:
            return {}
        rows = connection.execute(
            f"""
            WITH own AS (
              SELECT * FROM finance_attempts
              WHERE target = {text_literal(self._recipient.target)} AND tenant_id = {text_literal(self._recipient.tenant_id)}
                AND {_key_condition(failed)}
            ), begun AS (
              SELECT source, account_id, external_id, max(intended_at) AS intended_at
              FROM own WHERE is_forced OR outcome IN ('{Outcome.CREATED}', '{Outcome.UPDATED}') GROUP BY ALL
            )
            SELECT own.source, own.account_id, own.external_id, own.payload_sha256, count(*), min(own.intended_at)
            FROM own LEFT JOIN begun USING (source, account_id, external_id)
            WHERE own.outcome IN ({text_list(sorted(MAY_PASS))})
              AND (begun.intended_at IS NULL OR own.intended_at >= begun.intended_at)
            GROUP BY ALL
            """
        ).fetchall()
        return {(InvoiceKey(*key), sha256): (failures, since) for *key, sha256, failures, since in rows}

    def _identity(self, intent: _Intent) -> dict[str, Any]:
        return {
            "target": self._recipient.target,
            "tenant_id": self._recipient.tenant_id,
            **{
                name: intent.row[name]
                for name in ("source", "account_id", "external_id", "invoice_month", "payload_sha256")
            },
        }

    def _intended_record(self, intent: _Intent) -> dict[str, Any]:
        """The record with the intent: what finance answered before stays until it answers anew."""
        row = intent.row
        return {
            **self._identity(intent),
            "state": State.PENDING.value,
            "attempts": (row["attempts"] or 0) + 1,
            **{name: row[name] for name in ("action", "finance_invoice_id", "finance_vendor_id")},
            "pushed_to_finance_at": row["pushed_to_finance_at"],
            "not_before": None,
            "last_error": row["last_error"],
        }

    def _replace_records(self, connection: duckdb.DuckDBPyConnection, records: Sequence[Mapping[str, Any]]) -> None:
        """Write the records in place of what was known before; the one place that changes a state."""
        states_after = {
            InvoiceKey(row["source"], row["account_id"], row["external_id"]): row["state"] for row in records
        }
        where = (
            f"target = {text_literal(self._recipient.target)} AND tenant_id = {text_literal(self._recipient.tenant_id)} "
            f"AND {_key_condition(list(states_after))}"
        )
        found = connection.execute(
            f"SELECT source, account_id, external_id, state FROM finance_records WHERE {where}"
        ).fetchall()
        states_before = {InvoiceKey(*key): State(state) for *key, state in found}
        for key, after in states_after.items():
            states.assert_step(states_before.get(key), State(after))
        connection.execute(f"DELETE FROM finance_records WHERE {where}")
        insert(connection, schema.FINANCE_RECORDS, records)


def outstanding_sql(recipient: Recipient, *, due_at: datetime | None = None) -> str:
    """SQL: the ready invoices that a delivery would send, with their record so far.

    Args:
        recipient: To whom.
        due_at: Without those that are to be left alone for beyond this time.
    """
    conditions = f"{_IS_OUTSTANDING} AND {_may_have_sql(recipient)} AND {_is_due_sql(due_at)}"
    return f"SELECT * FROM ({_ready_sql(recipient, None)}) WHERE {conditions}"


def missing_sql(recipient: Recipient) -> str:
    """SQL: like `outstanding_sql`, with those that were refused or abandoned and need a person."""
    return f"SELECT * FROM ({_ready_sql(recipient, None)}) WHERE {_IS_MISSING} AND {_may_have_sql(recipient)}"


def _may_have_sql(recipient: Recipient) -> str:
    """SQL: whether the recipient may have the invoice: samples, under whatever name, go to a sandbox only."""
    if recipient.is_sandbox:
        return "true"
    samples = text_list(sorted(sample.document_hashes()))
    return f"(account_id <> '{payload.SYNTHETIC_ACCOUNT}' AND document_sha256 NOT IN ({samples}))"


_PAYLOADS = {"state": "state", "pushed": "pushed_sha256", "payload": "payload_sha256"}
_IS_OUTSTANDING = states.is_outstanding_sql(**_PAYLOADS)
_IS_MISSING = states.is_missing_sql(**_PAYLOADS)


def _is_due_sql(due_at: datetime | None) -> str:
    """SQL: whether the invoice's turn has come by a time (with its zone); always where it is None."""
    if due_at is None:
        return "true"
    return f"(not_before IS NULL OR not_before <= TIMESTAMP '{due_at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}')"


def _ready_sql(recipient: Recipient, months: Collection[date] | None, keys: Sequence[InvoiceKey] | None = None) -> str:
    """SQL: ready invoices with their payload's fields, and what the recipient's record says of each."""
    conditions = ["true"]
    if months is not None:
        conditions.append(f"ready.invoice_month IN ({month_list(months)})")
    if keys is not None:
        conditions.append(_key_condition(keys, "ready."))
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


def _key_condition(keys: Sequence[InvoiceKey], prefix: str = "") -> str:
    rows = ", ".join(
        f"({text_list([key.source])}, {text_list([key.account_id])}, {text_list([key.external_id])})" for key in keys
    )
    return f"({prefix}source, {prefix}account_id, {prefix}external_id) IN ({rows or '(NULL, NULL, NULL)'})"


def _outcome(answer: _Answer) -> Outcome:
    if isinstance(answer, Imported):
        return Outcome(answer.action)
    if answer is None:
        return Outcome.NOT_SENT
    return next(outcome for kind, outcome in _OUTCOMES if isinstance(answer, kind))


def _not_before(answer: _Answer, now: datetime, failures: int) -> datetime:
    """When a scheduled delivery may try again, after so many failures in a row: finance's own wish counts where it is later."""
    asked = 0.0 if answer is None or isinstance(answer, Imported) else answer.retry_after or 0.0
    return now + max(states.delay(failures), timedelta(seconds=asked))


def _answered(
    intent: _Intent, answer: _Answer, state: State, error: str | None, now: datetime, not_before: datetime | None
) -> dict[str, Any]:
    """What the answer changes in the record."""
    if isinstance(answer, Imported):
        return {
            "state": state.value,
            "action": answer.action,
            "finance_invoice_id": answer.invoice_id,
            "finance_vendor_id": answer.vendor_id,
            "pushed_to_finance_at": now,
            "last_error": None,
        }
    attempts = (intent.row["attempts"] or 0) + (0 if answer is None else 1)
    return {"state": state.value, "attempts": attempts, "not_before": not_before, "last_error": error}


def _count(done: Delivered, key: InvoiceKey, answer: _Answer, state: State, error: str | None) -> None:
    if isinstance(answer, Imported):
        (done.created if answer.action == "created" else done.updated).append(key)
    else:
        of_state = {State.REFUSED: done.refused, State.ABANDONED: done.abandoned}
        of_state.get(state, done.deferred)[key] = str(error)
    if isinstance(answer, ConfigurationFailure) and done.failure is None:
        done.failure = answer


def _answer_attempts(connection: duckdb.DuckDBPyConnection, updates: Sequence[Mapping[str, Any]]) -> None:
    """Complete the attempts with their answers: by delete and insert, as everywhere."""
    attempts = text_list([update["attempt_id"] for update in updates])
    intended = fetch(connection, f"SELECT * FROM finance_attempts WHERE attempt_id IN ({attempts})")
    answers = {update["attempt_id"]: update for update in updates}
    connection.execute(f"DELETE FROM finance_attempts WHERE attempt_id IN ({attempts})")
    insert(connection, schema.FINANCE_ATTEMPTS, [{**row, **answers[row["attempt_id"]]} for row in intended])


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
