"""Landing and delivery as a state machine: whatever is dropped, decided, killed, lost and restored, finance gets it right.

Hypothesis makes up histories of steps on the real parts: an inbox, an archive, a warehouse, and a finance service behind a gate
that loses answers. Each begins with a home, copied from a template, in which three invoices have landed and are built. A process
dies before or after any write of the archive or commit of the warehouse. At the end of each history nothing is killed any more,
and these must hold:

- `one row`: finance has at most one row for each invoice.
- `right figures`: of each invoice that is not void finance has the newest version's gross amount.
- `void is never pushed`: finance gets nothing of an invoice after a person has voided it.
- `nothing lost`: each file that was dropped is an accepted document.
- `archive and register agree`: `arcadia verify --full` doubts nothing.

`test_model_of_delivery.py` has many more histories, of delivery alone. `make crashes` runs more of both (`HISTORIES`).
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from arcadia_dagster.decisions.decision import decide
from arcadia_dagster.decisions.subjects import current_document
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.inbox import FolderInbox
from arcadia_dagster.landing.landing import Landing
from arcadia_dagster.landing.routes import read_routes, take_routes
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.verification.at_rest import verify
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.months import stale
from arcadia_dagster_tests.kit.mortal import DiedError, Fate, FatefulGate, MortalArchive, MortalWarehouse
from arcadia_dagster_tests.kit.plain import RANGE, build, build_months, reader_of
from arcadia_dagster_tests.kit.project import SECRET, Project, digitalocean, invoice_name, line
from arcadia_dagster_tests.kit.properties import quickly

HISTORIES = int(os.environ.get("HISTORIES", "12"))
STEPS = 8
_PER_HISTORY = 3
_REASONS = "SELECT external_id, hold_reasons FROM tax_split_totals WHERE status = 'held'"


class Deliveries(RuleBasedStateMachine):
    """One history."""

    sandbox: ClassVar[RunningSandbox]
    gate: ClassVar[FatefulGate]
    template: ClassVar[Path]
    no_rows: ClassVar[bytes]

    @initialize()
    def begin(self) -> None:
        # In three of four histories that begin with nothing, nothing ever arrives.
        self.use(Path(tempfile.mkdtemp(prefix="arcadia-history-")))
        shutil.copytree(self.template, self.home, dirs_exist_ok=True)
        for which in range(_PER_HISTORY):
            self.note(which)

    def use(self, home: Path) -> None:
        """Begin with what lies there; finance has nothing."""
        self.home = home
        self.project = Project(home)
        self.finance = FinanceResource(
            base_url=self.gate.url, sandbox_url=self.gate.url, secret=SECRET, retry_delays=[0.001]
        )
        self.invoices = [str(1001 + which) for which in range(_PER_HISTORY)]
        self.amounts: dict[str, int] = {}
        self.dropped = 0
        self.void: dict[str, int] = {}
        self.gate.to_lose = 0
        self.sandbox.database.write_bytes(self.no_rows)

    def mortal(self, writes: int | None) -> tuple[MortalWarehouse, MortalArchive]:
        fate = Fate(writes)
        warehouse = MortalWarehouse(self.home / "arcadia.duckdb", lock_timeout=30)
        warehouse.fate = fate
        return warehouse, MortalArchive(self.home / "archive", fate)

    def received(self, number: str) -> int:
        return sum(row["times_received"] for row in self.sandbox.invoices() if row["external_id"] == number)

    @rule(which=st.integers(0, _PER_HISTORY - 1))
    def a_file_arrives(self, which: int) -> None:
        """Another version of an invoice."""
        self.drop(which)
        self.land(None)

    def drop(self, which: int) -> None:
        """A version of an invoice that is as large as one that nobody doubts."""
        self.note(which)
        # Each file differs from all others: the same bytes again are no new version.
        # No invoice is like another: two with mostly the same lines are held.
        lines = [line(description=f"{'abc'[which] * 5}-{n}", amount=f"${4 + 2 * which}.00") for n in range(5)]
        content = digitalocean(*lines, line(description=f"{'xyz'[which] * 5}", amount=f"$1.{self.dropped:02}"))
        self.project.drop(invoice_name(number=self.invoices[which]), content)

    def note(self, which: int) -> None:
        """What finance is to have of the next file."""
        self.dropped += 1
        self.amounts[self.invoices[which]] = 5 * (400 + 200 * which) + 100 + self.dropped

    @rule(writes=st.integers(0, 14))
    def a_landing_dies(self, writes: int) -> None:
        self.land(writes)

    def land(self, writes: int | None) -> None:
        warehouse, archive = self.mortal(writes)
        try:
            with reader_of(warehouse) as reader:
                tenants = self.home / "tenants.toml"
                take_routes(warehouse, tenants, read_routes(tenants, "platform-admin"))
                Landing(warehouse, archive, reader).land(FolderInbox(self.project.inbox), settle_seconds=0)
                with warehouse.read() as connection:
                    months = {month for month in stale(connection) if month in RANGE}
                build_months(warehouse, archive, reader, months)
        except DiedError:
            pass

    @rule(writes=st.integers(0, 4), lost=st.integers(0, 3))
    def a_delivery_dies_or_loses_answers(self, writes: int, lost: int) -> None:
        self.gate.to_lose = lost
        self.deliver(writes)
        self.gate.to_lose = 0

    @rule(writes=st.integers(0, 14), writes_of_other=st.integers(0, 4), lost=st.integers(0, 3))
    def two_workers_at_once(self, writes: int, writes_of_other: int, lost: int) -> None:
        """One lands, builds and delivers while the other delivers; either may die, or lose answers."""

        def land_and_deliver() -> None:
            self.land(writes)
            self.deliver(writes)

        self.gate.to_lose = lost
        with ThreadPoolExecutor(2) as workers:
            for work in (workers.submit(land_and_deliver), workers.submit(self.deliver, writes_of_other)):
                work.result()
        self.gate.to_lose = 0

    def deliver(self, writes: int | None) -> None:
        with suppress(DiedError):
            self.finance.deliver(self.mortal(writes)[0])

    @rule()
    def a_delivery_goes_well(self) -> None:
        self.finance.deliver(self.mortal(None)[0])

    @precondition(lambda self: len(self.amounts) > len(self.void))
    @rule(data=st.data())
    def a_person_voids(self, data: st.DataObject) -> None:
        self.void_one(data.draw(st.sampled_from(sorted(set(self.amounts) - set(self.void)))))

    def void_one(self, number: str) -> None:
        build(self.project.warehouse)
        with self.project.warehouse.read() as connection:
            document = current_document(connection, invoice := InvoiceKey("digitalocean", "77", number))
        decide(
            self.project.warehouse,
            Archive(self.home / "archive", max_document_bytes=1 << 20),
            decision="void",
            document_sha256=document,
            invoice=invoice,
            reason="paid twice",
            by="ann",
            now=datetime.now(UTC),
        )
        self.void[number] = self.received(number)

    @rule()
    def a_backup_is_made(self) -> None:
        shutil.copy2(self.home / "arcadia.duckdb", self.home / "backup")

    @precondition(lambda self: (self.home / "backup").exists())
    @rule()
    def the_backup_is_restored(self) -> None:
        self.project.forget_warehouse()
        shutil.copy2(self.home / "backup", self.home / "arcadia.duckdb")

    @rule()
    def the_warehouse_is_lost(self) -> None:
        self.project.forget_warehouse()
        self.project.warehouse.create()

    def teardown(self) -> None:
        if not hasattr(self, "home"):
            return
        try:
            build(self.project.warehouse)
            delivered = self.finance.deliver(self.project.warehouse)
            assert (delivered.failure, delivered.deferred, delivered.refused) == (None, {}, {})
            rows = [dict(row) for row in self.sandbox.invoices() if row["external_id"] in self.invoices]
            assert len(rows) == len({row["external_id"] for row in rows}), "one row"
            amounts = {row["external_id"]: row["amount_gross_minor"] for row in rows}
            for number, minor in self.amounts.items():
                if number in self.void:
                    assert self.received(number) == self.void[number], "void is never pushed"
                else:
                    assert amounts.get(number) == minor, ("right figures", self.project.query(_REASONS))
            [documents] = self.project.query("SELECT count(*) AS accepted FROM documents WHERE status = 'accepted'")
            assert documents["accepted"] == self.dropped, "nothing lost"
            archive = Archive(self.home / "archive", max_document_bytes=1 << 20)
            found = verify(self.project.warehouse, archive, full=True, now=datetime.now(UTC))
            assert found.doubts == (), "archive and register agree"
        finally:
            shutil.rmtree(self.home)


@pytest.fixture(scope="module", autouse=True)
def finance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    database = tmp_path_factory.mktemp("finance") / "finance.sqlite"
    with RunningSandbox(database=database, secret=SECRET) as sandbox, FatefulGate(sandbox.url) as gate:
        Deliveries.sandbox, Deliveries.gate, Deliveries.no_rows = sandbox, gate, database.read_bytes()
        Deliveries.template = tmp_path_factory.mktemp("template")
        seeding = Deliveries()
        seeding.use(Deliveries.template)
        for which in range(_PER_HISTORY):
            seeding.drop(which)
        seeding.land(None)
        yield


@pytest.mark.timeout(30 * HISTORIES)
def test_whatever_happens_finance_has_each_invoice_once_with_the_right_figures() -> None:
    run_state_machine_as_test(
        Deliveries, settings=settings(quickly(HISTORIES, shrinks=False), stateful_step_count=STEPS)
    )


def try_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An invoice that a delivery has once intended to send counts as delivered."""
    for module in ("delivery", "records"):
        monkeypatch.setattr(f"arcadia_dagster.finance.{module}.IS_OUTSTANDING", "state IS NULL")


class Forgetful(Landing):
    """Writes nothing on records."""

    def note(self, events: object) -> None:
        pass


def keep_no_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decision is in the warehouse alone, and not on the document's record."""
    monkeypatch.setattr("arcadia_dagster.decisions.decision.Landing", Forgetful)


@pytest.mark.parametrize(
    ("break_it", "then", "invariant"),
    [
        (try_once, [lambda history: history.deliver(1)], "right figures"),
        (
            keep_no_decision,
            [lambda history: history.void_one(history.invoices[0]), Deliveries.the_warehouse_is_lost],
            "void is never pushed",
        ),
    ],
)
def test_a_history_of_a_program_that_breaks_an_invariant_ends_with_that_invariant(
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[pytest.MonkeyPatch], None],
    then: Sequence[Callable[[Deliveries], None]],
    invariant: str,
) -> None:
    break_it(monkeypatch)
    history = Deliveries()
    history.begin()
    for step in then:
        step(history)
    with pytest.raises(AssertionError, match=invariant):
        history.teardown()
