"""Delivery: at least once, over an endpoint that is idempotent, with a record of every intent, attempt and answer.

The intents of a batch are committed before any of it is sent, its answers after; no transaction is open in between, and at most
two batches are without recorded answers. A process that is killed anywhere leaves attempts without an answer: the next delivery
sends the current payload again under the same keys, and finance answers `updated` where it had it. One delivery runs at a time
for each warehouse, so two payloads of one invoice never race.
"""

import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from arcadia_dagster.finance.batches import Batches
from arcadia_dagster.finance.client import FinanceClient, Imported
from arcadia_dagster.finance.errors import ConfigurationFailure, FinanceError, PayloadRefused, TransientFailure
from arcadia_dagster.finance.outstanding import (
    IS_OUTSTANDING,
    REROUTED_ADVICE,
    Recipient,
    is_due_sql,
    may_have_sql,
    ready_sql,
)
from arcadia_dagster.finance.records import Answer, Intent, Recorded, Records
from arcadia_dagster.ledger.states import NEEDS_A_PERSON, State
from arcadia_dagster.settings import FINANCE_ABANDON_DAYS, FINANCE_CONCURRENCY
from arcadia_dagster.store.query import fetch, has_row
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.keys import DELIVERY_KEY_COLUMNS, DeliveryKey, InvoiceKey
from arcadia_dagster.warehouse.relations import newly_named_sql

OUTAGE_FAILURES = 10
"""After so many passing failures in a row a delivery ends: finance is away, and each further one may take minutes."""

_OF_ONE_INVOICE = frozenset({*range(300, 400), 403, 404, 405})
"""Statuses that mean a wrong setting if no invoice gets through, and a wrong invoice if others do."""

_ABANDON_AFTER = timedelta(days=FINANCE_ABANDON_DAYS)
"""How long an invoice is tried again after passing failures, unless a setting says otherwise."""


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
        given_up: Invoices that were not tried, for they need a person (refused or abandoned before, or routed otherwise since
            their push): why.
        barred: Invoices that were not tried, for a reason to hold them that is newer than their totals: why.
        synthetic: Sample invoices that were kept from a target that is no sandbox.
        failure: The configuration failure that stopped the delivery; None where none did.
        stopped: Why it stopped without a wrong setting: finance was away. Invoices that were not tried are due at once.
    """

    created: list[DeliveryKey] = field(default_factory=list)
    updated: list[DeliveryKey] = field(default_factory=list)
    unchanged: int = 0
    deferred: dict[DeliveryKey, str] = field(default_factory=dict)
    refused: dict[DeliveryKey, str] = field(default_factory=dict)
    abandoned: dict[DeliveryKey, str] = field(default_factory=dict)
    given_up: dict[DeliveryKey, str] = field(default_factory=dict)
    barred: dict[DeliveryKey, str] = field(default_factory=dict)
    synthetic: int = 0
    failure: ConfigurationFailure | None = None
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class _Answered:
    """A batch with its answers; `keys` also has the invoices that needed no sending any more."""

    keys: int = 0
    intents: Sequence[Intent] = ()
    answers: Sequence[Answer] = ()


@dataclass(frozen=True, slots=True)
class _Sent:
    """A batch on the wire."""

    keys: int = 0
    intents: Sequence[Intent] = ()
    futures: Sequence[Future[Answer]] = ()

    def answers(self) -> _Answered:
        """The batch with its answers, once all have come."""
        return _Answered(self.keys, self.intents, [future.result() for future in self.futures])

    def cancelled(self) -> _Answered:
        """The batch with the answers to what is on the wire already; the rest is not sent."""
        are_cancelled = [future.cancel() for future in self.futures]
        answers = [None if gone else future.result() for gone, future in zip(are_cancelled, self.futures, strict=True)]
        return _Answered(self.keys, self.intents, answers)


class _Course:
    """Whether a delivery goes on, by its answers so far. The delivery's threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_success = False
        self._failures_in_a_row = 0
        self.is_stopped = threading.Event()
        self.outage: str | None = None

    def goes_on(self) -> bool:
        """Whether anything more may be sent."""
        return not self.is_stopped.is_set()

    def judged(self, answer: Answer) -> Answer:
        """The answer, corrected by what the other answers show."""
        with self._lock:
            if isinstance(answer, TransientFailure):
                self._failures_in_a_row += 1
                if self._failures_in_a_row >= OUTAGE_FAILURES:
                    self.outage = self.outage or str(answer)
                    self.is_stopped.set()
                return answer
            self._failures_in_a_row = 0
            if isinstance(answer, Imported):
                self._has_success = True
            elif isinstance(answer, ConfigurationFailure):
                if self._has_success and answer.status in _OF_ONE_INVOICE:
                    return PayloadRefused(
                        f"others got through, so it is this invoice: {answer}",
                        status=answer.status,
                        requests=answer.requests,
                    )
                self.is_stopped.set()
            return answer


def _send(
    client: FinanceClient, pool: ThreadPoolExecutor, course: _Course, intents: Sequence[Intent], keys: int
) -> _Sent:
    """Put a batch on the wire; nothing of it is sent once the course is stopped."""

    def send(intent: Intent) -> Answer:
        if not course.goes_on():
            return None
        try:
            return course.judged(
                client.import_invoice(intent.body, tenant_id=intent.key.tenant_id, goes_on=course.goes_on)
            )
        except FinanceError as error:
            return course.judged(error)

    return _Sent(keys, intents, [pool.submit(send, intent) for intent in intents])


class Delivery:
    """Delivers the ready invoices of a warehouse to one recipient.

    Args:
        warehouse: Where invoices and records are.
        recipient: Where they go.
        concurrency: How many invoices are sent at a time.
        with_optional_fields: See `billing.payload.build`.
        abandon_after: How long an invoice is tried again after passing failures.
        lock_timeout: Seconds to wait for another delivery at most.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        recipient: Recipient,
        *,
        concurrency: int = FINANCE_CONCURRENCY,
        with_optional_fields: bool = True,
        abandon_after: timedelta = _ABANDON_AFTER,
        lock_timeout: float = 600.0,
    ) -> None:
        """Note what to deliver where. Nothing is sent yet."""
        self._warehouse = warehouse
        self._recipient = recipient
        self._concurrency = concurrency
        self._records = Records(recipient, with_optional_fields=with_optional_fields, abandon_after=abandon_after)
        self._lock_timeout = lock_timeout

    def deliver(
        self,
        client: FinanceClient,
        *,
        months: Collection[date] | None = None,
        invoices: Sequence[InvoiceKey] | None = None,
        again: bool = False,
        due_at: datetime | None = None,
        barred: Callable[[], Mapping[InvoiceKey, str]] = dict,
        progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
    ) -> Delivered:
        """Push what finance does not have yet.

        Args:
            client: An open client for the recipient's target.
            months: Only invoices of these months; all where None.
            invoices: Only these invoices, with all their parts; all where None.
            again: Push also what finance has already with the same payload, what it refused or was abandoned, and what
                is routed otherwise since its push; the record says so.
            due_at: Leave out invoices that are due only after this time.
            barred: Called once the delivery is alone: invoices that are not to be sent,
                and why.
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
        # The lock's time-out is no setting, so the message must not name one.
        advice = "wait for it to end, then deliver again"
        with self._warehouse.hold("delivery", timeout=self._lock_timeout, advice=advice) as assert_alone:
            self._name_accounts()
            keys = self._outstanding(months, invoices, again=again, due_at=due_at, barred=barred(), done=done)
            course = _Course()
            self._send_all(
                client, keys, course, delivery_id, again=again, done=done, progress=progress, assert_alone=assert_alone
            )
        if course.outage is not None:
            done.stopped = course.outage
        return done

    def _name_accounts(self) -> None:
        """Take over the accounts that have become known since the push, so that what is sent updates the row that finance has."""
        is_own = self._recipient.is_recipients_sql
        named = f"SELECT {DELIVERY_KEY_COLUMNS}, new_account_id FROM ({newly_named_sql()}) WHERE {is_own}"
        with self._warehouse.read() as connection:
            is_any = has_row(connection, named)
        if is_any:
            with self._warehouse.write() as connection:
                for *key, account_id in connection.execute(named).fetchall():
                    self._recipient.ledger.name_account(connection, DeliveryKey(*key), account_id)

    def _send_all(
        self,
        client: FinanceClient,
        keys: Sequence[DeliveryKey],
        course: _Course,
        delivery_id: str,
        *,
        again: bool,
        done: Delivered,
        progress: Callable[[int, int], None],
        assert_alone: Callable[[], None],
    ) -> None:
        """Send the invoices in batches, until all are dealt with or the course is stopped."""
        batches = Batches(keys)
        on_the_wire, answered = _Sent(), _Answered()
        dealt_with = 0
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="finance") as pool:
            try:
                # While a batch is on the wire, the answers of the one before and the intents of the one after are committed.
                while True:
                    batch = batches.take() if course.goes_on() else []
                    if batch:
                        # If the lock is lost, another delivery may have begun, and this one intends nothing more.
                        assert_alone()
                    intents = self._commit(answered, batch, delivery_id, again=again, done=done)
                    if answered.keys:
                        dealt_with += answered.keys
                        progress(dealt_with, len(keys))
                    is_last = not (batch or on_the_wire.keys)
                    answered = _Answered()
                    answered = on_the_wire.answers()
                    on_the_wire = _send(client, pool, course, intents, len(batch))
                    if is_last:
                        break
            except BaseException:
                # Ctrl-C, or a full disk: nothing more is sent, and what has been answered is recorded as far as it can be.
                course.is_stopped.set()
                for batch_answered in (answered, on_the_wire.cancelled()):
                    with suppress(Exception):
                        self._commit(batch_answered, [], delivery_id, again=again, done=done)
                raise

    def _outstanding(
        self,
        months: Collection[date] | None,
        invoices: Sequence[InvoiceKey] | None,
        *,
        again: bool,
        due_at: datetime | None,
        barred: Mapping[InvoiceKey, str],
        done: Delivered,
    ) -> list[DeliveryKey]:
        with self._warehouse.read() as connection:
            rows = fetch(
                connection,
                f"SELECT {DELIVERY_KEY_COLUMNS}, invoice_external_id, state, last_error, rerouted, "
                f"{IS_OUTSTANDING} AS is_outstanding, "
                f"{may_have_sql(self._recipient)} AS may_have "
                f"FROM ({ready_sql(self._recipient, months, invoices=invoices)}) WHERE {is_due_sql(due_at)} "
                # The invoice with the fewest tries goes first: one that stops each delivery must not keep the others back.
                "ORDER BY coalesce(attempts, 0), invoice_month, source, external_id",
            )
        keys = []
        for row in rows:
            key = DeliveryKey.of(row)
            if not row["may_have"]:
                done.synthetic += 1
            elif (
                why := barred.get(InvoiceKey(row["source"], row["account_id"], row["invoice_external_id"]))
            ) is not None:
                done.barred[key] = why
            elif row["is_outstanding"] or again:
                keys.append(key)
            elif row["rerouted"] is not None:
                done.given_up[key] = REROUTED_ADVICE.format_map(row)
            elif row["state"] in NEEDS_A_PERSON:
                done.given_up[key] = str(row["last_error"])
            else:
                done.unchanged += 1
        return keys

    def _commit(
        self, answered: _Answered, batch: Sequence[DeliveryKey], delivery_id: str, *, again: bool, done: Delivered
    ) -> list[Intent]:
        """Write the answers of one batch and the intents of another in one transaction."""
        if not (answered.intents or batch):
            return []
        written = [*(intent.key for intent in answered.intents), *batch]
        with self._warehouse.write() as connection:
            with self._recipient.ledger.writing(connection, written):
                for recorded in self._records.record(connection, answered.intents, answered.answers):
                    _count(done, recorded)
                intents = self._records.intend(connection, batch, delivery_id, again=again)
            self._records.settle_elsewhere(connection, intents)
            return intents


def _count(done: Delivered, recorded: Recorded) -> None:
    answer = recorded.answer
    if isinstance(answer, Imported):
        (done.created if answer.action == "created" else done.updated).append(recorded.key)
    else:
        of_state = {State.REFUSED: done.refused, State.ABANDONED: done.abandoned}
        of_state.get(recorded.state, done.deferred)[recorded.key] = str(recorded.error)
    if isinstance(answer, ConfigurationFailure) and done.failure is None:
        done.failure = answer
