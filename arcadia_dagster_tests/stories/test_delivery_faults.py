"""Every way in which finance can fail, before or after it has stored the invoice: what is true then, and when it is healed.

The finance is a real sandbox. In front of it stands a gate that, for each invoice, breaks in one way until it is healed.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from arcadia_dagster.finance.client import FinanceClient
from arcadia_dagster.finance.delivery import OUTAGE_FAILURES, Delivery
from arcadia_dagster.finance.outstanding import Recipient
from arcadia_dagster.finance.token import Identity, TokenMint
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster_tests.kit.books import SECRET, TENANT, Books, invoice
from arcadia_dagster_tests.kit.delivery_crashes import Gate
from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES
from arcadia_dagster_tests.kit.plain import new_warehouse
from arcadia_dagster_tests.kit.scripted_server import (
    Request,
    ScriptedServer,
    Step,
    answer,
    hang_up,
    head,
    raw,
    reset,
    say_nothing,
)

# Generous to a busy machine: what should be answered must be, what should time out does.
READ_TIMEOUT, DEADLINE = 1.5, 3.0


@dataclass(frozen=True)
class Fault:
    """A way to fail.

    Attributes:
        step: What the client meets.
        is_stored: Whether finance stores the invoice before.
        requests: How many requests the delivery makes.
        outcome: What is on record of the attempt.
        state: The state that it leaves.
    """

    step: Step
    requests: int
    outcome: str
    state: str
    is_stored: bool = False


def passing(step: Step, *, requests: int = 3, is_stored: bool = False) -> Fault:
    return Fault(step, requests, "transient", "deferred", is_stored)


def unclear(step: Step) -> Fault:
    return Fault(step, 1, "unknown", "deferred", is_stored=True)


def refused(status: int) -> Fault:
    return Fault(answer(status, {"error": "no"}), 1, "refused", "refused")


def misconfigured(step: Step) -> Fault:
    return Fault(step, 1, "misconfigured", "deferred")


def trickle(handler: Any, _request: Request) -> bool:
    """An answer that never ends, a byte at a time, each sooner than the read time-out."""
    handler.send(head(200, Content_Length=10_000) + b"{")
    while handler.pause(READ_TIMEOUT / 5):
        handler.send(b" ")
    return False


def flood(handler: Any, _request: Request) -> bool:
    """An answer of 100 MB."""
    handler.send(head(200, Content_Length=100 * 2**20))
    for _ in range(100):
        handler.send(b" " * 2**20)
    return False


def in_seconds(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


FAULTS: dict[str, Fault] = {
    "dropped before commit": passing(hang_up),
    "dropped after commit": passing(hang_up, is_stored=True),
    "reset before commit": passing(reset),
    "reset after commit": passing(reset, is_stored=True),
    "silent before commit": passing(say_nothing),
    "silent after commit": passing(say_nothing, is_stored=True),
    "trickling after commit": passing(trickle, is_stored=True),
    "cut off in its answer": passing(raw(head(200, Content_Length=100) + b'{"invoice_id"'), is_stored=True),
    "408": passing(answer(408)),
    "429": passing(answer(429)),
    "429, after a second": passing(answer(429, Retry_After=0)),
    "429, at a date": passing(answer(429, Retry_After=in_seconds(-5))),
    "429, garbage": passing(answer(429, Retry_After="soon, perhaps")),
    "429, in hours": passing(answer(429, Retry_After=7200), requests=1),
    "429, at a date in hours": passing(answer(429, Retry_After=in_seconds(7200)), requests=1),
    "500": passing(answer(500)),
    "502": passing(answer(502)),
    "503": passing(answer(503)),
    "504": passing(answer(504)),
    "500 after commit": passing(answer(500), is_stored=True),
    "400": refused(400),
    "409": refused(409),
    "413": refused(413),
    "422": refused(422),
    "501": refused(501),
    "200, broken JSON": unclear(answer(200, b'{"invoice_id": ')),
    "200, without an id": unclear(answer(200, {"action": "created"})),
    "200, empty": unclear(answer(200)),
    "200, 100 MB": unclear(flood),
}
STOPPING: dict[str, Fault] = {
    "301": misconfigured(answer(301, Location="https://elsewhere.example/")),
    "307": misconfigured(answer(307, Location="/elsewhere")),
    "401": misconfigured(answer(401)),
    "403": misconfigured(answer(403)),
    "404": misconfigured(answer(404)),
    "405": misconfigured(answer(405)),
    "no HTTP": misconfigured(raw(b"220 mail.example ESMTP\r\n\r\n")),
}


class Faulty(ScriptedServer):
    """A finance that breaks in the way that an invoice is named after, until it is healed."""

    def __init__(self, url: str, faults: dict[str, Fault]) -> None:
        super().__init__(self._break)
        self._client = httpx.Client(base_url=url, trust_env=False, verify=NO_AUTHORITIES)
        self.faults = faults
        self.is_healed = False

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._client.close()

    def times(self, name: str) -> int:
        """How often the invoice was sent."""
        return sum(request.json()["external_id"] == name for request in self.requests)

    def _break(self, handler: Any, request: Request) -> bool:
        fault = self.faults[request.json()["external_id"]]
        if not self.is_healed and not fault.is_stored:
            return fault.step(handler, request)
        headers = {name: request.headers[name] for name in ("authorization", "content-type")}
        response = self._client.post(request.path, content=request.body, headers=headers)
        assert response.is_success, response.text
        step = answer(response.status_code, response.content) if self.is_healed else fault.step
        return step(handler, request)


class Case:
    """Invoices, each with its fault; delivered once into it, and once when finance is healed.

    Few at a time, for finance would seem to be away.
    """

    def __init__(self, folder: Path, faults: dict[str, Fault], stack: ExitStack) -> None:
        self.books = Books(new_warehouse(folder))
        self.books.hold(*(invoice(name) for name in faults))
        self.sandbox = stack.enter_context(RunningSandbox(database=folder / "finance.sqlite", secret=SECRET))
        self.server = stack.enter_context(Faulty(self.sandbox.url, faults))
        self._deliver()
        self.requests = {name: self.server.times(name) for name in faults}
        self.rows = self._rows()
        self.records, self.attempts = self._table("finance_records"), self._table("finance_attempts")
        self.server.is_healed = True
        self._deliver(again=True)
        self.rows_healed = self._rows()
        self.records_healed = self._table("finance_records")

    def _deliver(self, **options: Any) -> None:
        mint = TokenMint(SECRET, Identity(TENANT, ("admin",), "arcadia_cloud", TENANT))
        with FinanceClient(
            self.server.url, mint, retry_delays=(0.01, 0.01), read_timeout=READ_TIMEOUT, deadline=DEADLINE
        ) as client:
            delivery = Delivery(self.books.warehouse, Recipient(self.server.url, True))
            keys = [InvoiceKey("digitalocean", "77", name) for name in self.server.faults]
            for start in range(0, len(keys), OUTAGE_FAILURES - 1):
                delivery.deliver(client, invoices=keys[start : start + OUTAGE_FAILURES - 1], **options)

    def _rows(self) -> dict[str, list[dict[str, Any]]]:
        rows: dict[str, list[dict[str, Any]]] = {}
        for row in self.sandbox.invoices():
            rows.setdefault(row["external_id"], []).append(dict(row))
        return rows

    def _table(self, name: str) -> dict[str, dict[str, Any]]:
        rows = self.books.query(
            f"SELECT * FROM {name} ORDER BY attempt_id" if name.endswith("attempts") else f"FROM {name}"
        )
        return {row["external_id"]: row for row in rows}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """All faults that leave other invoices alone, in one delivery."""
    with ExitStack() as stack:
        yield Case(tmp_path_factory.mktemp("faults"), FAULTS, stack)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_leaves_what_it_should_and_the_next_delivery_ends_with_one_right_row(case: Case, name: str) -> None:
    assert_left_and_healed(case, name, FAULTS[name])


@pytest.mark.parametrize("name", STOPPING)
def test_a_fault_of_the_settings_leaves_what_it_should_and_is_healed_with_them(tmp_path: Path, name: str) -> None:
    with ExitStack() as stack:
        assert_left_and_healed(Case(tmp_path, {name: STOPPING[name]}, stack), name, STOPPING[name])


def assert_left_and_healed(case: Case, name: str, fault: Fault) -> None:
    record, attempt = case.records[name], case.attempts[name]
    assert (case.requests[name], attempt["requests"]) == (fault.requests, fault.requests)
    assert (attempt["outcome"], record["state"]) == (fault.outcome, fault.state)
    assert (record["finance_invoice_id"], record["pushed_to_finance_at"]) == (None, None)
    assert len(case.rows.get(name, [])) == int(fault.is_stored)

    [row] = case.rows_healed[name]
    assert (row["amount_gross_minor"], row["amount_net_minor"], row["amount_tax_minor"]) == (660, 600, 60)
    healed = case.records_healed[name]
    assert (healed["state"], healed["finance_invoice_id"]) == ("delivered", row["invoice_id"])
    assert healed["action"] == ("updated" if fault.is_stored else "created")


def test_a_connection_closed_between_two_invoices_is_opened_again(tmp_path: Path) -> None:
    books = Books(new_warehouse(tmp_path))
    books.hold(*(invoice(number) for number in range(5)))

    def answer_then_close(handler: Any, request: Request) -> bool:
        name = request.json()["external_id"]
        step: Callable[..., bool] = answer(
            200, {"invoice_id": name, "vendor_id": "v", "action": "created"}, then_close=True
        )
        still_open = step(handler, request)
        time.sleep(0.02)  # the client takes the next invoice meanwhile
        return still_open

    with ScriptedServer(answer_then_close) as server:
        done = books.deliver(server.url, concurrency=1)
    assert (len(done.created), done.deferred) == (5, {})
    assert len({request.port for request in server.requests}) == len(server.requests) == 5


def delivered(tmp_path: Path, secret: str, clock: Callable[[], float] = time.time) -> dict[str, Any]:
    """One invoice to a real finance with this secret, by a client whose clock is this one; its record then."""
    books = Books(new_warehouse(tmp_path))
    books.hold(invoice(1))
    mint = TokenMint(secret, Identity(TENANT, ("admin",), "arcadia_cloud", TENANT), clock=clock)
    with (
        RunningSandbox(database=tmp_path / "finance.sqlite", secret=secret) as sandbox,
        FinanceClient(sandbox.url, mint, retry_delays=()) as client,
    ):
        Delivery(books.warehouse, Recipient(sandbox.url, True)).deliver(client)
    return books.record()


@pytest.mark.parametrize("drift", [-30, 30])
def test_a_finance_whose_clock_is_half_a_minute_off_takes_the_token(tmp_path: Path, drift: int) -> None:
    assert delivered(tmp_path, SECRET, lambda: time.time() - drift)["state"] == "delivered"


@pytest.mark.parametrize("length", [16, 32, 64])
def test_secrets_of_every_usual_length_work_without_a_warning(tmp_path: Path, length: int) -> None:
    assert delivered(tmp_path, "s" * length)["state"] == "delivered"


def test_a_token_that_would_expire_within_a_run_is_replaced_before(tmp_path: Path) -> None:
    """Each look at the clock is 40 s later, from four minutes ago on: a single token would have expired long before the end."""
    books = Books(new_warehouse(tmp_path))
    books.hold(*(invoice(number) for number in range(8)))
    past = iter(range(-240, 10_000, 40))
    mint = TokenMint(
        SECRET, Identity(TENANT, ("admin",), "arcadia_cloud", TENANT), clock=lambda: time.time() + min(0, next(past))
    )
    with (
        RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET) as sandbox,
        Gate(sandbox.url) as gate,
        FinanceClient(gate.url, mint, retry_delays=()) as client,
    ):
        done = Delivery(books.warehouse, Recipient(gate.url, True), concurrency=1).deliver(client)
        assert len({request.token for request in gate.requests}) > 1
    assert (len(done.created), done.failure) == (8, None)
