"""Deliveries that are killed, and what must be true afterwards.

A delivery runs in a process of its own, against a real sandbox behind a gate that sees every request. It gets SIGKILL: at a
random moment, or in a phase that somebody asked for. Which phase it died in is read from what it left behind.
"""

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from arcadia_dagster.finance.batches import BATCH
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster_tests.kit import worker
from arcadia_dagster_tests.kit.books import SECRET, Books, invoice
from arcadia_dagster_tests.kit.forked import forked, is_held, wait
from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES
from arcadia_dagster_tests.kit.scripted_server import Request, ScriptedServer, answer

BEFORE_INTENT = "before intent"
INTENDED = "intent committed"
ON_THE_WIRE = "request on the wire"
UNRECORDED = "answered, not recorded"
IN_COMMIT = "in commit of answers"
DONE = "all done"
PHASES = (BEFORE_INTENT, INTENDED, ON_THE_WIRE, UNRECORDED, IN_COMMIT)

INVOICES = BATCH + 2
"""More than a batch."""

_LONGEST_SECONDS = 60.0
_TRIES = 30


class NotHitError(AssertionError):
    """The phase was not hit, however often it was tried."""


class Gate(ScriptedServer):
    """In front of finance: passes every request on and its answer back, and calls when something happens."""

    def __init__(self, url: str) -> None:
        super().__init__(self._pass)
        self._client = httpx.Client(base_url=url, trust_env=False, verify=NO_AUTHORITIES)
        self.passed = 0
        self.on_connection: Callable[[], bool] = _nothing
        self.on_request: Callable[[Request], bool] = _nothing
        """Whether the request is dropped instead of passed on."""
        self.on_answer: Callable[[Request], bool] = _nothing

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._client.close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.on_connection()
        super().process_request(request, client_address)

    def _pass(self, handler: Any, request: Request) -> bool:
        if not _is_whole(request) or self.on_request(request):
            return False
        headers = {name: request.headers[name] for name in ("authorization", "content-type") if name in request.headers}
        response = self._client.request(request.method, request.path, content=request.body, headers=headers)
        self.passed += 1
        self.on_answer(request)
        return answer(response.status_code, response.content)(handler, request)


class Story:
    """Invoices of their own in a warehouse of their own, delivered to a finance service that has others too."""

    def __init__(self, home: Path, new_warehouse: bytes, sandbox: RunningSandbox, gate: Gate, name: str) -> None:
        self.home = home
        self.gate = gate
        self.name = name
        self._sandbox = sandbox
        (home / "arcadia.duckdb").write_bytes(new_warehouse)
        self.books = Books(Warehouse(home / "arcadia.duckdb", lock_timeout=30))
        self.books.hold(
            *(invoice(f"{name}-{n}", amount_gross_minor=660 + n, amount_net_minor=600 + n) for n in range(INVOICES))
        )

    def finance(self) -> dict[str, dict[str, Any]]:
        """Finance's rows of these invoices, by external id; each once, or this raises."""
        rows = [row for row in self._sandbox.invoices() if row["external_id"].rpartition("-")[0] == self.name]
        assert len({row["external_id"] for row in rows}) == len(rows)
        return {row["external_id"]: dict(row) for row in rows}

    def kill(self, phase: str | None, chance: random.Random) -> set[str]:
        """Begin a delivery and kill it; in which phases it died.

        Args:
            phase: Where to aim at; None for any moment.
            chance: Decides which request, which answer, and the moment.
        """
        with forked(worker.deliver, str(self.home), self.gate.url, SECRET) as process:
            writes_at_death: list[bool] = []

            def kill() -> bool:
                writes_at_death.append(is_held(self.books.warehouse.lock_path))
                process.kill()
                return True

            number = chance.randrange(INVOICES)
            received = self.gate.passed
            match phase:
                case None:
                    process.join(chance.uniform(0, 0.6))
                    kill()
                case "before intent":
                    wait(lambda: is_held(self.books.warehouse.delivery_lock_path), process)
                    kill()
                case "intent committed":
                    self.gate.on_connection = kill
                case "request on the wire":
                    self.gate.on_request = _from(number, kill)
                case "answered, not recorded":
                    self.gate.on_answer = _from(number, kill)
                case "in commit of answers":
                    wait(lambda: self.gate.passed - received > number, process)
                    wait(lambda: is_held(self.books.warehouse.lock_path), process)
                    kill()
            process.join(_LONGEST_SECONDS)
            assert process.exitcode is not None, "the delivery did not end"
            self.gate.on_connection = self.gate.on_request = self.gate.on_answer = _nothing
        return self._phases(was_writing=any(writes_at_death))

    def _phases(self, *, was_writing: bool) -> set[str]:
        """Where the process died, by what it left: the warehouse's attempts, finance's rows and the gate's requests.

        Invoices are sent several at a time, so one death can be in several phases.
        """
        attempts = self.books.query("SELECT external_id, answered_at IS NOT NULL AS is_answered FROM finance_attempts")
        open_ = {row["external_id"] for row in attempts if not row["is_answered"]}
        seen = {request.json()["external_id"] for request in self.gate.requests if _is_whole(request)}
        stored = set(self.finance())
        if not attempts:
            return {BEFORE_INTENT}
        found = {
            INTENDED: bool(open_) and not open_ & seen,
            ON_THE_WIRE: bool(open_ & seen - stored),
            UNRECORDED: bool(open_ & stored),
            IN_COMMIT: was_writing and bool(stored),
            DONE: not open_ and len(attempts) >= INVOICES,
        }
        return {phase for phase, is_so in found.items() if is_so}

    def recover_and_check(self) -> None:
        """The next delivery must leave every invoice in finance once, with the right figures, and know its id."""
        with forked(worker.deliver, str(self.home), self.gate.url, SECRET) as process:
            process.join(_LONGEST_SECONDS)
        assert process.exitcode == 0
        rows = self.finance()
        amounts = ("amount_gross_minor", "amount_net_minor", "amount_tax_minor")
        assert {external_id: tuple(row[name] for name in amounts) for external_id, row in rows.items()} == {
            f"{self.name}-{n}": (660 + n, 600 + n, 60) for n in range(INVOICES)
        }
        records = self.books.query("SELECT external_id, state, finance_invoice_id, attempts FROM finance_records")
        assert {row["external_id"]: row["finance_invoice_id"] for row in records} == {
            name: row["invoice_id"] for name, row in rows.items()
        }
        assert {row["state"] for row in records} == {"delivered"}
        attempts = self.books.query(
            "SELECT external_id, count(*)::INTEGER AS attempts FROM finance_attempts GROUP BY ALL"
        )
        assert {row["external_id"]: row["attempts"] for row in attempts} == {
            row["external_id"]: row["attempts"] for row in records
        }


@contextmanager
def stories_in(folder: Path) -> Iterator[Iterator[Story]]:
    """As many stories as one asks for, with one finance service for all."""
    with Warehouse(folder / "new.duckdb").write():
        pass
    new_warehouse = (folder / "new.duckdb").read_bytes()
    with RunningSandbox(database=folder / "finance.sqlite", secret=SECRET) as sandbox, Gate(sandbox.url) as gate:

        def make() -> Iterator[Story]:
            for number in itertools.count():
                (folder / str(number)).mkdir()
                yield Story(folder / str(number), new_warehouse, sandbox, gate, f"story{number}")

        yield make()


def hit(phase: str, stories: Iterator[Story], chance: random.Random) -> Story:
    """A story whose delivery was killed in the phase.

    Raises:
        NotHitError: None was, in many tries.
    """
    found: list[set[str]] = []
    for _ in range(_TRIES):
        story = next(stories)
        found.append(story.kill(phase, chance))
        story.recover_and_check()
        if phase in found[-1]:
            return story
    raise NotHitError(f"{phase} was never hit, but {found}")


def _from(number: int, kill: Callable[[], bool]) -> Callable[[Request], bool]:
    """Kill at the call with this number, from 0."""
    left = iter(range(number))
    return lambda _: next(left, None) is None and kill()


def _is_whole(request: Request) -> bool:
    """A process that dies while it sends leaves a part of a request, which no server handles."""
    return request.method == "GET" or len(request.body) == int(request.headers.get("content-length", -1))


def _nothing(*_: Any) -> bool:
    return False
