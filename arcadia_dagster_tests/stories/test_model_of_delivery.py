"""Delivery alone as a state machine: hundreds of histories of an invoice, for nothing is landed or built in them.

The totals of twelve invoices are stated in a warehouse that is copied from a template; `arcadia_dagster.finance` delivers them to
a finance service. In each run of the machine each invoice has a history of its own. What happens: versions come, some with the
figures of an earlier one; a person voids an invoice; a reason holds one, and passes. Requests and answers are lost, finance
refuses. A process dies before or after any commit, in one batch or several, alone or beside another. A decision comes between the
intent and the answer. The warehouse is lost, or restored from a backup, and then rebuilt as an ingest does it. At the end of each
run nothing fails any more, and these must hold:

- `one row`: finance has at most one row for each invoice.
- `right figures`: of each invoice that is ready finance has the newest version's amounts.
- `what is void or held is never pushed`: finance gets nothing of an invoice while it is not ready.
- `nothing lost`: each invoice that is ready has a row.
- `record and finance agree`: the record of each invoice that is ready says `delivered`, with finance's id.
- `record and seal agree`: what is on record of finance is what was sealed.

`test_model_of_landing_and_delivery.py` has fewer histories, of the whole way. `make crashes` runs more of both (`HISTORIES`).
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from arcadia_dagster.billing import payload
from arcadia_dagster.finance import batches, delivery, outstanding, records
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.ledger import ledger
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.warehouse import Warehouse, relations, schema
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.rows import insert
from arcadia_dagster.warehouse.seals import LEDGER, changed_months
from arcadia_dagster_tests.kit.books import SECRET, invoice, state
from arcadia_dagster_tests.kit.mortal import ANSWER_LOST, REQUEST_LOST, DiedError, Fate, FatefulGate, MortalWarehouse
from arcadia_dagster_tests.kit.properties import quickly

INVOICES = tuple("abcdefghijkl")
RUNS = int(os.environ.get("HISTORIES", "216")) // len(INVOICES)
"""A delivery of twelve invoices costs little more than one of three, so each run has a history for each of twelve."""
STEPS = 6
FIGURES = (600, 700)
"""Few, so that a newer version often has the figures of one before."""

# A request is sent twice. So one loss is made up for at once, and two leave the invoice for the next delivery.
_FATES = st.dictionaries(
    st.sampled_from(INVOICES),
    st.lists(st.sampled_from([ANSWER_LOST, REQUEST_LOST, 500, 422, 401]), min_size=1, max_size=2),
    max_size=7,
)
_EVENTS = st.dictionaries(
    st.sampled_from(INVOICES), st.sampled_from(["version", "version", "version", "void", "hold", "pass"]), max_size=7
)
_BATCHES = st.sampled_from([batches.BATCH, batches.BATCH, 4])
_WRITES = st.none() | st.integers(0, 5)


class Deliveries(RuleBasedStateMachine):
    """One run: a history of each invoice."""

    home: ClassVar[Path]
    template: ClassVar[bytes]
    no_rows: ClassVar[bytes]
    sandbox: ClassVar[RunningSandbox]
    gate: ClassVar[FatefulGate]
    finance: ClassVar[FinanceResource]
    workers: ClassVar[tuple[MortalWarehouse, MortalWarehouse]]

    @initialize()
    def begin(self) -> None:
        self.net = dict.fromkeys(INVOICES, FIGURES[0])
        self.versions = dict.fromkeys(INVOICES, 1)
        self.void: set[str] = set()
        self.held: set[str] = set()
        self.received_at_most: dict[str, int] = {}
        self.backups: list[bytes] = []
        self.was_restored = False
        self.gate.fates = {}
        self.sandbox.database.write_bytes(self.no_rows)
        self.put(self.template)

    # The warehouse.

    @property
    def path(self) -> Path:
        return self.home / "arcadia.duckdb"

    def put(self, content: bytes) -> None:
        self.path.with_name("arcadia.duckdb.wal").unlink(missing_ok=True)
        self.path.write_bytes(content)

    @property
    def warehouse(self) -> MortalWarehouse:
        """In which nobody dies."""
        self.workers[0].fate = Fate(None)
        return self.workers[0]

    def rebuild(self) -> None:
        """What an ingest takes from the archive: versions and decisions, and nothing of finance's answers."""
        with self.warehouse.write() as connection:
            for number in INVOICES:
                self.state_one(connection, number)
            connection.execute("DELETE FROM decisions")
            for number in self.void:
                void_one(connection, number)

    def state_one(self, connection: duckdb.DuckDBPyConnection, number: str) -> None:
        """The newest version of an invoice in place of the one before, as the stages leave it."""
        status = "held" if number in self.held else "ready"
        document = hashlib.sha256(f"{number}-{self.versions[number]}".encode()).hexdigest()
        net, where = self.net[number], f"external_id = '{number}'"
        for table in ("document_invoices", "raw_invoices"):
            connection.execute(f"UPDATE {table} SET document_sha256 = '{document}' WHERE {where}")
        amounts = f"amount_gross_minor = {net + 60}, amount_net_minor = {net}"
        connection.execute(
            f"UPDATE tax_split_totals SET document_sha256 = '{document}', status = '{status}', {amounts} WHERE {where}"
        )
        connection.execute(f"UPDATE allocations SET {amounts} WHERE {where}")

    # What happens to invoices.

    def things_happen(self, events: dict[str, str]) -> None:
        if events:
            self.happen(events, self.warehouse)
        for number in filter(self.is_unwanted, events):
            self.received_at_most.setdefault(number, self.received(number))

    def happen(self, events: dict[str, str], warehouse: Warehouse) -> None:
        """Another version, a decision, a reason to hold an invoice or its end, in the model and in the warehouse."""
        for number, what in events.items():
            match what:
                case "version":
                    self.versions[number] += 1
                    self.net[number] = FIGURES[FIGURES.index(self.net[number]) - 1]
                case "void":
                    self.void.add(number)
                case "hold":
                    self.held.add(number)
                case "pass":
                    self.held.discard(number)
            if not self.is_unwanted(number):
                self.received_at_most.pop(number, None)
        with warehouse.write() as connection:
            for number, what in events.items():
                if what == "void":
                    void_one(connection, number)
                else:
                    self.state_one(connection, number)

    def is_unwanted(self, number: str) -> bool:
        return number in self.void | self.held

    def received(self, number: str) -> int:
        return sum(row["times_received"] for row in self.sandbox.invoices() if row["external_id"] == number)

    # Deliveries.

    @rule(before=_EVENTS, writes=_WRITES, fates=_FATES, batch=_BATCHES)
    def a_delivery(
        self, before: dict[str, str], writes: int | None, fates: dict[str, list[str | int]], batch: int
    ) -> None:
        self.things_happen(before)
        with self.fates(fates), in_batches_of(batch):
            self.deliver(writes)

    @rule(before=_EVENTS, writes=_WRITES, fates=_FATES, batch=_BATCHES, events=_EVENTS.filter(bool))
    def a_delivery_while_things_happen(
        self,
        before: dict[str, str],
        writes: int | None,
        fates: dict[str, list[str | int]],
        batch: int,
        events: dict[str, str],
    ) -> None:
        """They happen while the first request is on the wire. What is not intended by then must not be sent any more."""
        self.things_happen(before)
        other = self.workers[1]
        other.fate = Fate(None)
        happening = iter([events])

        def happen(_: object) -> bool:
            if (now := next(happening, None)) is None:
                return False
            self.happen(now, other)
            with other.read() as connection:
                rows = connection.execute(
                    "SELECT external_id FROM finance_attempts WHERE answered_at IS NULL"
                ).fetchall()
            for number in filter(self.is_unwanted, now):
                if (number,) not in rows:
                    self.received_at_most.setdefault(number, self.received(number))
            return False

        self.gate.on_request = happen
        try:
            with self.fates(fates), in_batches_of(batch):
                self.deliver(writes)
        finally:
            self.gate.on_request = lambda _: False
        if next(happening, None) is None:
            for number in filter(self.is_unwanted, events):
                self.received_at_most.setdefault(number, self.received(number))

    @rule(before=_EVENTS, writes=_WRITES, writes_of_other=_WRITES, fates=_FATES)
    def two_workers_at_once(
        self,
        before: dict[str, str],
        writes: int | None,
        writes_of_other: int | None,
        fates: dict[str, list[str | int]],
    ) -> None:
        self.things_happen(before)
        with self.fates(fates), ThreadPoolExecutor(2) as pool:
            for work in (pool.submit(self.deliver, writes), pool.submit(self.deliver, writes_of_other, 1)):
                work.result()

    def deliver(self, writes: int | None, worker: int = 0) -> None:
        self.workers[worker].fate = Fate(writes)
        with suppress(DiedError):
            self.finance.deliver(self.workers[worker])

    @contextmanager
    def fates(self, fates: dict[str, list[str | int]]) -> Iterator[None]:
        self.gate.fates = {number: list(each) for number, each in fates.items()}
        yield
        self.gate.fates = {}

    # What happens to the warehouse.

    @rule(step=st.integers(0, STEPS))
    def the_warehouse_is_lost_or_restored(self, step: int) -> None:
        """To a backup of before that step, if the history has had it, and then an ingest takes the rest from the archive."""
        self.was_restored = step < len(self.backups)
        self.put(self.backups[step] if self.was_restored else self.template)
        self.rebuild()

    @invariant()
    def a_backup_is_made(self) -> None:
        """After each step."""
        self.backups.append(self.path.read_bytes())

    # The end.

    def teardown(self) -> None:
        if not hasattr(self, "net"):
            return
        delivered = self.finance.deliver(self.warehouse)
        assert (delivered.failure, delivered.stopped, delivered.deferred, delivered.refused) == (None, None, {}, {})
        again = {key.external_id for key in delivered.given_up}
        if self.was_restored:
            # As the manual says: who restores a backup reconciles.
            again |= {one.external_id for one in self.finance.reconcile(self.warehouse) if "--again" in one.advice}
        if again:
            self.finance.deliver(
                self.warehouse,
                invoices=[InvoiceKey("digitalocean", "77", number) for number in sorted(again)],
                again=True,
            )
        self.check()

    def check(self) -> None:
        rows = self.sandbox.invoices()
        of = {row["external_id"]: row for row in rows}
        assert len(rows) == len(of), "one row"
        assert set(of) <= set(INVOICES), "one row"
        for number, most in self.received_at_most.items():
            assert sum(row["times_received"] for row in rows if row["external_id"] == number) <= most, (
                "what is void or held is never pushed"
            )
        with self.warehouse.read() as connection:
            records = connection.execute(
                "SELECT external_id, state, finance_invoice_id FROM finance_records"
            ).fetchall()
            # Totals are stated here without a stage, and have no seal.
            assert {subject for subject, _ in changed_months(connection)} & LEDGER.keys() == set(), (
                "record and seal agree"
            )
        on_record = {number: (state, finance_id) for number, state, finance_id in records}
        for number in (number for number in INVOICES if not self.is_unwanted(number)):
            assert number in of, "nothing lost"
            amounts = of[number]["amount_gross_minor"], of[number]["amount_net_minor"]
            assert amounts == (self.net[number] + 60, self.net[number]), "right figures"
            assert on_record[number] == ("delivered", of[number]["invoice_id"]), "record and finance agree"


def void_one(connection: duckdb.DuckDBPyConnection, number: str) -> None:
    decision = {"decided_at": datetime.now(UTC).replace(tzinfo=None), "decided_by": "ann", "decision": "void"}
    key = {"source": "digitalocean", "account_id": "77", "external_id": number, "document_sha256": number}
    insert(connection, schema.DECISIONS, [{**decision, **key, "reason": "paid twice"}])


@contextmanager
def in_batches_of(size: int) -> Iterator[None]:
    """As a delivery of many invoices goes: the answers of a batch are committed with the intents of the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "BATCH", size)
        yield


@pytest.fixture(scope="module", autouse=True)
def finance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    Deliveries.home = home = tmp_path_factory.mktemp("history")
    with (warehouse := Warehouse(home / "arcadia.duckdb", lock_timeout=30)).write() as connection:
        state(connection, [invoice(number) for number in INVOICES])
    Deliveries.template = warehouse.path.read_bytes()
    Deliveries.workers = (
        MortalWarehouse(warehouse.path, lock_timeout=30),
        MortalWarehouse(warehouse.path, lock_timeout=30),
    )
    with RunningSandbox(database=home / "finance.sqlite", secret=SECRET) as sandbox, FatefulGate(sandbox.url) as gate:
        Deliveries.sandbox, Deliveries.gate, Deliveries.no_rows = sandbox, gate, sandbox.database.read_bytes()
        Deliveries.finance = FinanceResource(
            base_url=gate.url, sandbox_url=gate.url, secret=SECRET, retry_delays=[0.001]
        )
        yield


@pytest.mark.timeout(30 * RUNS)
def test_whatever_happens_a_delivery_leaves_each_invoice_once_with_the_right_figures() -> None:
    run_state_machine_as_test(Deliveries, settings=settings(quickly(RUNS, shrinks=False), stateful_step_count=STEPS))


def take_an_intent_for_an_answer(patch: pytest.MonkeyPatch) -> None:
    """An invoice that a delivery has intended to send is not sent again."""
    for module in (delivery, records):
        patch.setattr(module, "IS_OUTSTANDING", f"({outstanding.IS_OUTSTANDING} AND state IS DISTINCT FROM 'pending')")


def send_what_is_void(patch: pytest.MonkeyPatch) -> None:
    """Nobody asks whether an invoice is void."""
    ready, condition = relations.ready_invoices_sql(), "ANTI JOIN void_invoices AS void"
    assert condition in ready
    without = ready.replace(condition, "ANTI JOIN (FROM void_invoices LIMIT 0) AS void")
    patch.setattr(outstanding, "ready_invoices_sql", lambda: without)


def look_once(patch: pytest.MonkeyPatch) -> None:
    """What was ready when the delivery began is sent, whatever has happened since."""
    ready_sql = outstanding.ready_sql

    def ready_once(*arguments: Any, **named: Any) -> str:
        with pytest.MonkeyPatch.context() as void:
            send_what_is_void(void)
            return ready_sql(*arguments, **named)

    patch.setattr(records, "ready_sql", ready_once)


def name_anew(patch: pytest.MonkeyPatch) -> None:
    """Each attempt has an id of its own in finance."""
    numbers, build = count(), payload.build

    def named_anew(row: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        return {**build(row, **options), "external_id": f"{row['external_id']}-{next(numbers)}"}

    patch.setattr(payload, "build", named_anew)


def leave_the_seal(patch: pytest.MonkeyPatch) -> None:
    """What deliveries write is not sealed."""
    patch.setattr(ledger, "sealed_ledger", lambda *_: nullcontext())


@pytest.mark.parametrize(
    ("break_it", "then", "invariant"),
    [
        (name_anew, lambda history: history.deliver(None), "one row"),
        (leave_the_seal, lambda history: history.deliver(None), "record and seal agree"),
        (take_an_intent_for_an_answer, lambda history: history.deliver(1), "nothing lost"),
        (send_what_is_void, lambda history: history.things_happen({"a": "void"}), "void or held is never pushed"),
        (
            look_once,
            lambda history: history.a_delivery_while_things_happen(
                before={}, writes=None, fates={}, batch=4, events={"l": "void"}
            ),
            "void or held is never pushed",
        ),
    ],
)
def test_a_history_of_a_delivery_that_breaks_an_invariant_ends_with_that_invariant(
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[pytest.MonkeyPatch], None],
    then: Callable[[Deliveries], None],
    invariant: str,
) -> None:
    break_it(monkeypatch)
    history = Deliveries()
    history.begin()
    then(history)
    with pytest.raises(AssertionError, match=invariant):
        history.teardown()
