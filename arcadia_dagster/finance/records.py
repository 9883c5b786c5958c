"""What a delivery puts on record: intents before the requests, answers after them.

Everything here runs in a transaction of the caller's.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import duckdb

from arcadia_dagster.billing import payload
from arcadia_dagster.finance.client import Imported
from arcadia_dagster.finance.errors import ConfigurationFailure, FinanceError, PayloadRefused, UnknownOutcome
from arcadia_dagster.finance.outstanding import IS_OUTSTANDING, Recipient, ready_sql, rerouted_sql
from arcadia_dagster.ledger import states
from arcadia_dagster.ledger.states import MAY_PASS, Outcome, State
from arcadia_dagster.store.query import fetch, text_list
from arcadia_dagster.warehouse.keys import DELIVERY_KEY_COLUMNS, DeliveryKey

_OUTCOMES: tuple[tuple[type[FinanceError], Outcome], ...] = (
    (ConfigurationFailure, Outcome.MISCONFIGURED),
    (PayloadRefused, Outcome.REFUSED),
    (UnknownOutcome, Outcome.UNKNOWN),
    (FinanceError, Outcome.TRANSIENT),
)

_PUSHED_ELSEWHERE = "a person had the invoice pushed as it is routed now: remove this one in finance by hand"


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be sent.

    Attributes:
        attempt_id: The attempt's id on record.
        key: Which invoice.
        row: The invoice and its record so far, as `outstanding.ready_sql` gives them.
        body: The request's body.
    """

    attempt_id: str
    key: DeliveryKey
    row: Mapping[str, Any]
    body: Mapping[str, Any]


Answer: TypeAlias = Imported | FinanceError | None
"""The answer to an intent; None where it was not sent, because another answer showed a wrong setting."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the record says of an invoice now.

    Attributes:
        key: Which invoice.
        state: How its delivery stands.
        answer: What came of the attempt.
        error: Why it did not succeed; None where it did.
    """

    key: DeliveryKey
    state: State
    answer: Answer
    error: str | None


class Records:
    """The records of one recipient.

    Args:
        recipient: Whose.
        with_optional_fields: See `billing.payload.build`.
        abandon_after: For how long what may pass is tried again.
    """

    def __init__(self, recipient: Recipient, *, with_optional_fields: bool, abandon_after: timedelta) -> None:
        """Note whose records. Nothing is written yet."""
        self._recipient = recipient
        self._with_optional_fields = with_optional_fields
        self._abandon_after = abandon_after

    def intend(
        self, connection: duckdb.DuckDBPyConnection, keys: Sequence[DeliveryKey], delivery_id: str, *, again: bool
    ) -> list[Intent]:
        """Write the intents: the present payloads of the invoices that are still ready.

        Args:
            connection: An open write transaction, within `Ledger.writing`.
            keys: Which invoices.
            delivery_id: The delivery that sends them.
            again: Also what finance has already.
        """
        if not keys:
            return []
        now = _now()
        rows = fetch(
            connection,
            f"SELECT *, {IS_OUTSTANDING} AS is_outstanding FROM ({ready_sql(self._recipient, None, keys=keys)})",
        )
        ready = {DeliveryKey.of(row): row for row in rows}
        # In the order of the keys, which is the order of turns.
        intents = [
            Intent(str(uuid.uuid4()), key, row, payload.build(row, with_optional_fields=self._with_optional_fields))
            for key in keys
            if (row := ready.get(key)) is not None and (row["is_outstanding"] or again)
        ]
        self._recipient.ledger.intend(
            connection,
            [self._intended_record(intent) for intent in intents],
            [
                {
                    **self._identity(intent),
                    "attempt_id": intent.attempt_id,
                    "delivery_id": delivery_id,
                    "document_sha256": intent.row["document_sha256"],
                    "payload": json.dumps(intent.body, ensure_ascii=False, sort_keys=True, separators=(",", ":")),
                    "is_forced": again,
                    "intended_at": now,
                }
                for intent in intents
            ],
        )
        return intents

    def record(
        self, connection: duckdb.DuckDBPyConnection, intents: Sequence[Intent], answers: Sequence[Answer]
    ) -> list[Recorded]:
        """Write what came of the intents.

        Args:
            connection: An open write transaction, within `Ledger.writing`.
            intents: What was to be sent.
            answers: What came of each.

        Raises:
            IllegalStepError: A state would follow one that it cannot follow: a defect.
        """
        if not intents:
            return []
        now = _now()
        failing = self._recipient.ledger.failing(
            connection,
            [intent.key for intent, answer in zip(intents, answers, strict=True) if _outcome(answer) in MAY_PASS],
        )
        recorded, records, updates = [], [], []
        for intent, answer in zip(intents, answers, strict=True):
            outcome = _outcome(answer)
            failures, since = failing.get((intent.key, intent.row["payload_sha256"]), (0, now))
            state = states.state_after(
                outcome, failures=failures + 1, failing_for=now - since, abandon_after=self._abandon_after
            )
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
            recorded.append(Recorded(intent.key, state, answer, error))
        self._recipient.ledger.answer(connection, records, updates)
        return recorded

    def _identity(self, intent: Intent) -> dict[str, Any]:
        return {
            "target": self._recipient.target,
            **{name: intent.row[name] for name in (*DELIVERY_KEY_COLUMNS.split(", "), "invoice_external_id")},
            **{name: intent.row[name] for name in ("invoice_month", "payload_sha256")},
        }

    def _intended_record(self, intent: Intent) -> dict[str, Any]:
        """The record with the intent: what finance answered before stays until it answers anew."""
        row = intent.row
        return {
            **self._identity(intent),
            "state": State.PENDING.value,
            "projects": row["projects"],
            "attempts": (row["attempts"] or 0) + 1,
            **{name: row[name] for name in ("action", "finance_invoice_id", "finance_vendor_id")},
            "pushed_to_finance_at": row["pushed_to_finance_at"],
            "not_before": None,
            "last_error": row["last_error"],
        }

    def settle_elsewhere(self, connection: duckdb.DuckDBPyConnection, intents: Sequence[Intent]) -> None:
        """Settle the records under other tenants of invoices that a person had pushed again: the person removes those.

        Args:
            connection: The transaction that writes the intents, after `Ledger.writing`.
            intents: The intents.
        """
        rows = [intent.row for intent in intents if intent.row["rerouted"] is not None]
        if not rows:
            return
        invoices = ", ".join(
            f"({text_list([row['source'], row['account_id'], row['invoice_external_id']])})" for row in rows
        )
        keys = connection.execute(
            f"SELECT {DELIVERY_KEY_COLUMNS} FROM ({rerouted_sql(self._recipient)}) WHERE is_elsewhere "
            f"AND (source, account_id, invoice_external_id) IN ({invoices})"
        ).fetchall()
        self._recipient.ledger.settle(connection, [DeliveryKey(*key) for key in keys], _PUSHED_ELSEWHERE, is_gone=False)


def _outcome(answer: Answer) -> Outcome:
    if isinstance(answer, Imported):
        return Outcome(answer.action)
    if answer is None:
        return Outcome.NOT_SENT
    return next(outcome for kind, outcome in _OUTCOMES if isinstance(answer, kind))


def _not_before(answer: Answer, now: datetime, failures: int) -> datetime:
    """When a scheduled delivery may try again, after so many failures in a row: finance's own wish counts where it is later."""
    asked = 0.0 if answer is None or isinstance(answer, Imported) else answer.retry_after or 0.0
    return now + max(states.delay(failures), timedelta(seconds=asked))


def _answered(
    intent: Intent, answer: Answer, state: State, error: str | None, now: datetime, not_before: datetime | None
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


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
