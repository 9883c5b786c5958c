"""Delivery: every intent before its request, every answer after, and nothing lost or sent twice whatever happens."""

import hashlib
import itertools
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.billing import payload
from arcadia_dagster.finance.batches import BATCH
from arcadia_dagster.finance.delivery import Delivered
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.sample import document_hashes
from arcadia_dagster.store.query import fetch
from arcadia_dagster.verification.at_rest import verify
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.relations import VIEWS, ready_invoices_sql
from arcadia_dagster.warehouse.rows import insert
from arcadia_dagster_tests.kit.books import APRIL, MAY, SECRET, TENANT, Books, invoice, state
from arcadia_dagster_tests.kit.plain import new_warehouse
from arcadia_dagster_tests.kit.properties import quickly
from arcadia_dagster_tests.kit.scripted_server import (
    Request,
    ScriptedServer,
    Step,
    answer,
    hang_up,
    imported,
    reset,
    say_nothing,
)
from arcadia_dagster_tests.kit.worker import Worker

READY = ready_invoices_sql()


@pytest.fixture
def books(tmp_path: Path) -> Books:
    books = Books(new_warehouse(tmp_path))
    books.hold(invoice(1))
    return books


def sent(server: ScriptedServer) -> list[str]:
    return [request.json()["external_id"] for request in server.requests]


def by_invoice(handler: Any, request: Request) -> bool:
    """Answer with an id of the invoice's own."""
    return imported(f"finance-{request.json()['external_id']}")(handler, request)


def test_intents_are_committed_before_anything_is_sent_and_the_warehouse_is_free_meanwhile(books: Books) -> None:
    """Another process sees them from within the first request, so no lock is held and nothing waits for a commit."""
    books.hold(*(invoice(number) for number in range(BATCH)))
    seen: list[Any] = []
    once = threading.Lock()

    with Worker(books.warehouse.path.with_name("worker.log")) as worker:
        worker.ask("ready")

        def look_then_answer(handler: Any, request: Request) -> bool:
            with once:
                if not seen:
                    query = "SELECT count(*), count(answered_at), count(outcome), min(payload) FROM finance_attempts"
                    seen.extend(worker.ask("query", home=str(books.warehouse.path.parent), query=query))
                    query = "SELECT DISTINCT state, pushed_to_finance_at FROM finance_records"
                    seen.extend(worker.ask("query", home=str(books.warehouse.path.parent), query=query))
            return by_invoice(handler, request)

        with ScriptedServer(look_then_answer) as server:
            done = books.deliver(server.url)
    assert seen[0][:3] == [BATCH, 0, 0]
    assert json.loads(seen[0][3])["amount_gross_minor"] == 660
    assert seen[1] == ["pending", None]
    assert len(done.created) == BATCH


def test_the_next_batch_is_intended_while_one_is_on_the_wire_and_no_third_one(books: Books) -> None:
    books.hold(*(invoice(number) for number in range(2 * BATCH + 1)))
    unanswered = "SELECT count(*)::INTEGER AS count FROM finance_attempts WHERE answered_at IS NULL"
    seen: list[int] = []
    once = threading.Lock()

    def wait_then_answer(handler: Any, request: Request) -> bool:
        with once:
            until = time.monotonic() + 20
            while 2 * BATCH not in seen and time.monotonic() < until:
                seen.append(books.query(unanswered)[0]["count"])
        return by_invoice(handler, request)

    with ScriptedServer(wait_then_answer) as server:
        done = books.deliver(server.url)
    assert set(seen) <= {BATCH, 2 * BATCH}
    assert 2 * BATCH in seen
    assert len(done.created) == 2 * BATCH + 1


def test_a_process_killed_in_mid_request_leaves_an_open_attempt_and_the_next_delivery_completes_it(
    books: Books,
) -> None:
    home = str(books.warehouse.path.parent)
    with ScriptedServer(say_nothing, imported(action="updated")) as server:
        with Worker(books.warehouse.path.with_name("worker.log")) as worker:
            worker.tell("deliver", home=home, url=server.url, secret=SECRET)
            until = time.monotonic() + 20
            while not server.requests and time.monotonic() < until:
                time.sleep(0.01)
            worker.kill()
        assert books.record()["state"] == "pending"
        [attempt] = books.attempts()
        assert (attempt["answered_at"], attempt["outcome"], attempt["finance_invoice_id"]) == (None, None, None)

        done = books.deliver(server.url)  # neither the delivery's lock nor the warehouse's is still held

        assert len(done.updated) == 1
        assert server.requests[0].body == server.requests[1].body
    assert (books.record()["state"], books.record()["attempts"]) == ("delivered", 2)
    assert [attempt["outcome"] for attempt in books.attempts()] == [None, "updated"]


def test_what_changed_after_a_process_was_killed_is_sent_as_it_is_now(books: Books) -> None:
    with ScriptedServer(imported()) as server:
        books.deliver(server.url)
        with books.warehouse.write() as connection:
            connection.execute("UPDATE finance_records SET state = 'pending'")
        books.hold(invoice(1, amount_gross_minor=550, amount_net_minor=500, amount_tax_minor=50))
        books.deliver(server.url)
        assert [request.json()["amount_gross_minor"] for request in server.requests] == [660, 550]


FAILURES: dict[str, tuple[Step, str, str, int, int | None, str]] = {
    "408": (answer(408), "transient", "deferred", 3, 408, "answered 408"),
    "429": (answer(429), "transient", "deferred", 3, 429, "answered 429"),
    "429 with a long Retry-After": (answer(429, Retry_After=7200), "transient", "deferred", 1, 429, "7200 s"),
    "500": (answer(500), "transient", "deferred", 3, 500, "answered 500"),
    "502": (answer(502), "transient", "deferred", 3, 502, "answered 502"),
    "503": (answer(503), "transient", "deferred", 3, 503, "answered 503"),
    "504": (answer(504), "transient", "deferred", 3, 504, "answered 504"),
    "hung up": (hang_up, "transient", "deferred", 3, None, "no complete answer"),
    "reset": (reset, "transient", "deferred", 3, None, "no complete answer"),
    "silent": (say_nothing, "transient", "deferred", 3, None, "SKYAI_FINANCE_READ_TIMEOUT"),
    "200 with nothing": (answer(200), "unknown", "deferred", 1, 200, "without an invoice_id"),
    "200 without an id": (answer(200, {"action": "created"}), "unknown", "deferred", 1, 200, "without an invoice_id"),
    "200 with a strange action": (imported(action="ignored"), "unknown", "deferred", 1, 200, "without an action"),
    "400": (answer(400, {"error": "currency"}), "refused", "refused", 1, 400, "currency"),
    "409": (answer(409), "refused", "refused", 1, 409, "answered 409"),
    "422": (answer(422, {"error": "vendor"}), "refused", "refused", 1, 422, "vendor"),
    "501": (answer(501), "refused", "refused", 1, 501, "answered 501"),
}
MISCONFIGURED: dict[int, tuple[Step, str]] = {
    401: (answer(401), "SKYAI_FINANCE_SECRET"),
    403: (answer(403), "SKYAI_FINANCE_ROLES"),
    404: (answer(404), "SKYAI_FINANCE_URL"),
    405: (answer(405), "SKYAI_FINANCE_URL"),
    302: (answer(302, Location="https://elsewhere.example/"), "SKYAI_FINANCE_URL"),
}


@dataclass(frozen=True)
class Failed:
    """What a delivery did, and what it left on record, by external id."""

    done: Delivered
    records: dict[str, dict[str, Any]]
    attempts: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Failed:
    """One delivery in which each invoice fails in its own way."""
    books = Books(new_warehouse(tmp_path_factory.mktemp("failed")))
    books.hold(*(invoice(failure) for failure in FAILURES))

    def fail(handler: Any, request: Request) -> bool:
        return FAILURES[request.json()["external_id"]][0](handler, request)

    with ScriptedServer(fail) as server:
        done = books.deliver(server.url, read_timeout=0.3)
    records, attempts = (
        {row["external_id"]: row for row in books.query(f"FROM {table}")}
        for table in ("finance_records", "finance_attempts")
    )
    return Failed(done, records, attempts)


@pytest.mark.parametrize("failure", FAILURES)
def test_every_failure_is_on_record_with_what_happens_next(failed: Failed, failure: str) -> None:
    _, outcome, expected_state, requests, status, words = FAILURES[failure]
    told = {key.external_id: error for key, error in {**failed.done.deferred, **failed.done.refused}.items()}
    record, attempt = failed.records[failure], failed.attempts[failure]
    assert (record["state"], record["attempts"]) == (expected_state, 1)
    assert words in record["last_error"]
    assert told[failure] == record["last_error"]
    assert (record["finance_invoice_id"], record["pushed_to_finance_at"]) == (None, None)
    assert (attempt["outcome"], attempt["requests"], attempt["status_code"]) == (outcome, requests, status)
    assert attempt["error"] == record["last_error"]
    assert attempt["answered_at"] >= attempt["intended_at"]
    if expected_state == "refused":
        assert record["not_before"] is None
    else:
        asked = timedelta(hours=2) if "Retry-After" in failure else timedelta(minutes=30)
        assert timedelta(0) <= asked - (record["not_before"] - attempt["answered_at"]) < timedelta(seconds=10)


def test_no_failure_keeps_another_invoice_from_its_turn(failed: Failed) -> None:
    done = failed.done
    assert (done.created, done.updated, done.failure) == ([], [], None)
    assert len(done.deferred) + len(done.refused) == len(FAILURES)


@pytest.mark.parametrize("status", MISCONFIGURED)
def test_a_wrong_setting_is_on_record_with_its_name(books: Books, status: int) -> None:
    step, setting = MISCONFIGURED[status]
    with ScriptedServer(step) as server:
        done = books.deliver(server.url)
    assert setting in str(done.failure)
    [attempt] = books.attempts()
    assert (attempt["outcome"], attempt["requests"], attempt["status_code"]) == ("misconfigured", 1, status)
    assert (books.record()["state"], books.record()["last_error"]) == ("deferred", str(done.failure))


def test_a_service_that_is_not_there_leaves_the_invoice_for_later(books: Books) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    done = books.deliver(f"http://127.0.0.1:{port}")
    assert len(done.deferred) == 1
    [attempt] = books.attempts()
    assert (attempt["outcome"], attempt["requests"], attempt["status_code"]) == ("transient", 3, None)


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_wrong_setting_stops_the_delivery_at_once(books: Books, concurrency: int) -> None:
    books.hold(*(invoice(number) for number in range(2 * BATCH + 10)))
    with ScriptedServer(answer(401)) as server:
        done = books.deliver(server.url, concurrency=concurrency)
        assert 1 <= len(server.requests) <= concurrency
        asked = len(server.requests)
    assert done.failure is not None
    assert "SKYAI_FINANCE_SECRET" in str(done.failure)
    found = books.query(
        "SELECT outcome, requests, count(*)::INTEGER AS count FROM finance_attempts GROUP BY ALL ORDER BY outcome"
    )
    # What was not sent was not attempted; the third batch was not even intended, and the second only if it was quicker.
    [records] = books.query("SELECT sum(attempts)::INTEGER AS attempts, count(*) AS count FROM finance_records")
    assert records["attempts"] == asked
    assert records["count"] in {BATCH, 2 * BATCH}
    assert found == [
        {"outcome": "misconfigured", "requests": 1, "count": asked},
        {"outcome": "not_sent", "requests": 0, "count": records["count"] - asked},
    ]


def test_what_was_intended_and_never_sent_is_no_doubt_of_a_verification(books: Books, tmp_path: Path) -> None:
    books.hold(*(invoice(number) for number in range(10)))
    with ScriptedServer(answer(401)) as server:
        assert books.deliver(server.url, concurrency=1).failure is not None
    assert {row["outcome"] for row in books.query("SELECT outcome FROM finance_attempts")} == {
        "misconfigured",
        "not_sent",
    }
    archive = Archive(tmp_path / "archive", max_document_bytes=1 << 20)
    found = verify(books.warehouse, archive, full=False, now=datetime.now(UTC))
    assert [doubt for doubt in found.doubts if doubt.kind == "deliveries"] == []


def test_the_setting_put_right_everything_is_sent(books: Books) -> None:
    books.hold(invoice(1), invoice(2))
    with ScriptedServer(answer(401), by_invoice) as server:
        assert books.deliver(server.url, concurrency=1).failure is not None
        assert len(books.deliver(server.url).created) == 2
    found = books.query("SELECT DISTINCT state, last_error FROM finance_records")
    assert found == [{"state": "delivered", "last_error": None}]


def test_a_refused_invoice_is_not_sent_again_until_it_changes_or_a_person_asks(books: Books) -> None:
    with ScriptedServer(answer(422), answer(422), answer(422), imported()) as server:
        books.deliver(server.url)
        done = books.deliver(server.url)
        assert (len(server.requests), len(done.refused)) == (1, 0)

        books.deliver(server.url, again=True)
        assert len(server.requests) == 2
        assert [attempt["is_forced"] for attempt in books.attempts()] == [False, True]

        books.hold(invoice(1, amount_gross_minor=661, amount_net_minor=601))
        books.deliver(server.url)
        assert len(server.requests) == 3
        assert books.record()["state"] == "refused"

        books.hold(invoice(1))
        assert len(books.deliver(server.url).created) == 1
    assert (books.record()["state"], books.record()["last_error"]) == ("delivered", None)


@pytest.mark.parametrize(
    ("first", "times"), [(answer(503), 3), (answer(200, {}), 1)], ids=["deferred", "unknown outcome"]
)
def test_what_is_left_for_later_is_sent_again_as_it_was(books: Books, first: Step, times: int) -> None:
    with ScriptedServer(*[first] * times, imported("inv-9", "updated")) as server:
        assert len(books.deliver(server.url).deferred) == 1
        assert len(books.deliver(server.url).updated) == 1
        assert len(server.requests) == times + 1
        assert len({request.body for request in server.requests}) == 1
    record = books.record()
    assert (record["action"], record["finance_invoice_id"], record["last_error"]) == ("updated", "inv-9", None)


def test_an_answer_stays_on_record_while_a_later_push_fails(books: Books) -> None:
    with ScriptedServer(imported("inv-1"), answer(503)) as server:
        books.deliver(server.url)
        before = books.record()
        books.hold(invoice(1, amount_gross_minor=661, amount_net_minor=601))
        books.deliver(server.url)
    record = books.record()
    kept = ("finance_invoice_id", "finance_vendor_id", "action", "pushed_to_finance_at")
    assert {name: record[name] for name in kept} == {name: before[name] for name in kept}
    assert (record["state"], record["attempts"]) == ("deferred", 2)


def fail_again(books: Books, url: str, *, after: timedelta = timedelta(0), **options: Any) -> dict[str, Any]:
    """Deliver once more, as if the attempts so far had been made that much earlier; the record then."""
    with books.warehouse.write() as connection:
        connection.execute(
            "UPDATE finance_attempts SET intended_at = intended_at - ?, answered_at = answered_at - ?", [after, after]
        )
    books.deliver(url, **options)
    return books.record()


def waits(record: dict[str, Any], attempts: Sequence[dict[str, Any]]) -> timedelta:
    """For how long scheduled deliveries leave the invoice alone, in whole minutes."""
    seconds = (record["not_before"] - attempts[-1]["answered_at"]).total_seconds()
    return timedelta(minutes=round(seconds / 60))


def test_scheduled_deliveries_wait_twice_as_long_after_each_failure_up_to_a_day(books: Books) -> None:
    with ScriptedServer(answer(503)) as server:
        waited = [waits(fail_again(books, server.url), books.attempts()) for _ in range(8)]
    assert waited == [timedelta(minutes=30 * 2**n) for n in range(6)] + [timedelta(days=1)] * 2


def test_a_success_begins_a_new_row_of_failures(books: Books) -> None:
    with ScriptedServer(*[answer(503)] * 6, imported(), answer(503)) as server:
        fail_again(books, server.url)
        fail_again(books, server.url)
        assert fail_again(books, server.url)["state"] == "delivered"
        books.hold(invoice(1, amount_gross_minor=550, amount_net_minor=500, amount_tax_minor=50))
        record = fail_again(books, server.url, after=timedelta(days=30))
    assert (record["state"], waits(record, books.attempts())) == ("deferred", timedelta(minutes=30))


def test_a_scheduled_delivery_leaves_out_what_is_not_due_and_any_other_tries_it(books: Books) -> None:
    with ScriptedServer(*[answer(503)] * 3, imported()) as server:
        due_at = fail_again(books, server.url)["not_before"].replace(tzinfo=UTC)
        done = books.deliver(server.url, due_at=due_at - timedelta(seconds=1))
        assert (len(server.requests), done.created, done.deferred, done.unchanged) == (3, [], {}, 0)
        assert len(books.deliver(server.url, due_at=due_at).created) == 1


def test_after_a_week_of_failures_an_invoice_is_abandoned_until_a_person_asks(books: Books) -> None:
    with ScriptedServer(answer(503)) as server:
        assert fail_again(books, server.url)["state"] == "deferred"
        assert fail_again(books, server.url, after=timedelta(days=6, hours=23))["state"] == "deferred"
        assert fail_again(books, server.url, after=timedelta(hours=1))["state"] == "abandoned"
        asked = len(server.requests)
        done = books.deliver(server.url)
        assert (len(server.requests), list(done.given_up.values()), done.unchanged) == (
            asked,
            [books.record()["last_error"]],
            0,
        )

        # A person's word begins a new week.
        assert fail_again(books, server.url, again=True)["state"] == "deferred"
        assert fail_again(books, server.url, after=timedelta(days=6))["state"] == "deferred"


def test_another_payload_of_an_abandoned_invoice_is_sent(books: Books) -> None:
    with ScriptedServer(*[answer(503)] * 9, imported()) as server:
        fail_again(books, server.url)
        assert fail_again(books, server.url, after=timedelta(days=8))["state"] == "deferred", "not tried meanwhile"
        assert fail_again(books, server.url)["state"] == "abandoned"
        books.hold(invoice(1, amount_gross_minor=550, amount_net_minor=500, amount_tax_minor=50))
        assert fail_again(books, server.url)["state"] == "delivered"


def test_a_wrong_setting_never_abandons_an_invoice_and_waits_for_nothing_but_the_setting(books: Books) -> None:
    with ScriptedServer(answer(401)) as server:
        fail_again(books, server.url)
        record = fail_again(books, server.url, after=timedelta(days=30))
    assert (record["state"], record["not_before"]) == ("deferred", None)


@pytest.mark.parametrize(
    "between",
    {
        "a wrong setting": [answer(401)],
        "a refusal of another payload": [answer(422)],
        "a person": [*[answer(503)] * 3],
    }.items(),
    ids=lambda pair: pair[0],
)
def test_a_row_of_failures_begins_anew_after_anything_else(books: Books, between: tuple[str, list[Step]]) -> None:
    what, steps = between
    other = invoice(1, amount_gross_minor=550, amount_net_minor=500, amount_tax_minor=50)
    with ScriptedServer(*[answer(503)] * 6, *steps, answer(503)) as server:
        fail_again(books, server.url)
        fail_again(books, server.url)
        books.hold(other if "payload" in what else invoice(1))
        fail_again(books, server.url, again=what == "a person", after=timedelta(days=6))
        books.hold(invoice(1))
        record = fail_again(books, server.url, after=timedelta(days=6))
    assert record["state"] == "deferred"


@pytest.mark.parametrize("asked", ["999999999", "Fri, 31 Dec 9999 23:59:59 -0100", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_what_finance_asks_for_is_a_day_at_most_and_costs_no_other_answer(books: Books, asked: str) -> None:
    books.hold(*(invoice(number) for number in range(3)))

    def answer_one(handler: Any, request: Request) -> bool:
        is_first = request.json()["external_id"] == "0"
        return (answer(503, Retry_After=asked) if is_first else imported())(handler, request)

    with ScriptedServer(answer_one) as server:
        done = books.deliver(server.url)
    assert (len(done.created), len(done.deferred)) == (2, 1)
    [record] = books.query("FROM finance_records WHERE external_id = '0'")
    [attempt] = books.query("FROM finance_attempts WHERE external_id = '0'")
    assert timedelta(hours=23) < record["not_before"] - attempt["answered_at"] <= timedelta(days=1, seconds=1)


def test_while_finance_is_away_a_delivery_ends_after_ten_failures_in_a_row_and_the_rest_is_due_at_once(
    books: Books,
) -> None:
    books.hold(*(invoice(number) for number in range(2 * BATCH)))
    with ScriptedServer(answer(500)) as server:
        done = books.deliver(server.url, concurrency=4)
        assert len({request.json()["external_id"] for request in server.requests}) < 10 + 4
    assert "answered 500" in str(done.stopped)
    assert (done.failure, done.refused) == (None, {})
    with ScriptedServer(imported()) as server:
        again = books.deliver(server.url)
    assert (len(again.created), again.stopped) == (2 * BATCH, None)


@pytest.mark.parametrize("status", [403, 404, 405, 302])
def test_one_invoice_that_alone_is_answered_as_a_wrong_setting_is_refused_and_the_others_go_on(
    books: Books, status: int
) -> None:
    books.hold(*(invoice(number) for number in range(20)))

    def answer_one(handler: Any, request: Request) -> bool:
        return (answer(status) if request.json()["external_id"] == "0" else imported())(handler, request)

    with ScriptedServer(answer_one) as server:
        first = books.deliver(server.url, concurrency=1)
        second = books.deliver(server.url, concurrency=1)
    assert (len(first.created), first.failure is None) == (0, False), "while nothing gets through it is the setting"
    assert (len(second.created), second.failure) == (19, None)
    [(key, reason)] = second.refused.items()
    assert (key.external_id, reason.startswith("others got through, so it is this invoice: finance")) == ("0", True)


def test_an_interrupted_delivery_sends_nothing_more_and_records_what_was_answered(books: Books) -> None:
    books.hold(*(invoice(number) for number in range(4 * BATCH)))

    begun = itertools.count()

    def answer_slowly(handler: Any, request: Request) -> bool:
        # The second batch takes long: it is on the wire when the answers of the first have been recorded.
        time.sleep(0.3 if next(begun) >= BATCH else 0)
        return imported()(handler, request)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with ScriptedServer(answer_slowly) as server:
        with pytest.raises(KeyboardInterrupt):
            books.deliver(server.url, concurrency=4, progress=interrupt)
        sent = len(server.requests)
        time.sleep(0.5)
        assert len(server.requests) == sent, "nobody goes on sending"
    assert BATCH <= sent < 2 * BATCH
    states = Counter(row["state"] for row in books.query("FROM finance_records"))
    # The third batch is larger where the first took less than a second.
    assert states.pop("pending") in {BATCH, 2 * BATCH}
    assert states == {"delivered": sent, "deferred": 2 * BATCH - sent}


def test_an_interrupted_delivery_tries_no_request_again(books: Books) -> None:
    books.hold(*(invoice(number) for number in range(4 * BATCH)))
    begun = itertools.count()
    interrupted = threading.Event()

    def fail_from_the_second_batch_on(handler: Any, request: Request) -> bool:
        if next(begun) < BATCH:
            return imported()(handler, request)
        # One that failed earlier would be tried again, and rightly so.
        assert interrupted.wait(60)
        return answer(503, {})(handler, request)

    def interrupt(done: int, total: int) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    with ScriptedServer(fail_from_the_second_batch_on) as server:
        with pytest.raises(KeyboardInterrupt):
            books.deliver(server.url, concurrency=4, progress=interrupt)
        asked = Counter(request.body for request in server.requests)
    assert max(asked.values()) == 1


@pytest.mark.parametrize("concurrency", [1, 8])
def test_many_invoices_are_each_sent_once_in_batches(books: Books, concurrency: int) -> None:
    books.hold(*(invoice(number) for number in range(2 * BATCH + 20)))
    steps: list[tuple[int, int]] = []
    with ScriptedServer(by_invoice) as server:
        done = books.deliver(
            server.url, concurrency=concurrency, progress=lambda done, total: steps.append((done, total))
        )
        assert sorted(sent(server)) == sorted(str(number) for number in range(2 * BATCH + 20))
        assert len({request.port for request in server.requests}) <= concurrency  # connections are kept
        assert books.deliver(server.url).unchanged == 2 * BATCH + 20
        assert len(server.requests) == 2 * BATCH + 20
    assert steps == [(50, 120), (100, 120), (120, 120)]
    assert len(done.created) == 120
    wrong = books.query(
        "SELECT * FROM finance_records WHERE finance_invoice_id <> 'finance-' || external_id OR state <> 'delivered'"
    )
    assert wrong == []


def test_what_is_not_ready_any_more_when_its_batch_comes_is_not_sent(books: Books) -> None:
    # The third batch: the second may have been intended when the first request comes.
    books.hold(
        *(invoice(number, invoice_month=APRIL if number < 2 * BATCH else MAY) for number in range(2 * BATCH + 1))
    )
    once = threading.Lock()

    def hold_the_last(handler: Any, request: Request) -> bool:
        with once, books.warehouse.write() as connection:
            connection.execute("UPDATE tax_split_totals SET status = 'held' WHERE invoice_month = ?", [MAY])
        return by_invoice(handler, request)

    with ScriptedServer(hold_the_last, by_invoice) as server:
        done = books.deliver(server.url)
        assert str(2 * BATCH) not in sent(server)
    assert len(done.created) == 2 * BATCH
    assert books.query("SELECT * FROM finance_records WHERE external_id = ?", str(2 * BATCH)) == []


def test_only_the_months_asked_for_are_sent(books: Books) -> None:
    books.hold(invoice(1), invoice(2, invoice_month=MAY))
    with ScriptedServer(by_invoice) as server:
        books.deliver(server.url, months=[MAY])
        assert sent(server) == ["2"]
        books.deliver(server.url, months=[])
        assert sent(server) == ["2"]


def test_a_forced_push_sends_what_finance_has_and_says_so(books: Books) -> None:
    with ScriptedServer(imported(), imported(action="updated")) as server:
        books.deliver(server.url)
        done = books.deliver(server.url, again=True)
        assert (len(done.updated), done.unchanged) == (1, 0)
    assert [attempt["is_forced"] for attempt in books.attempts()] == [False, True]


def test_what_went_to_one_target_has_not_gone_to_another(books: Books) -> None:
    with ScriptedServer(imported("a")) as one, ScriptedServer(imported("b")) as other:
        books.deliver(one.url)
        assert len(books.deliver(other.url).created) == 1
        assert books.deliver(one.url).unchanged == 1
        assert (len(one.requests), len(other.requests)) == (1, 1)
        found = books.query("SELECT target, tenant_id, finance_invoice_id FROM finance_records ORDER BY ALL")
        assert [tuple(row.values()) for row in found] == sorted([(one.url, TENANT, "a"), (other.url, TENANT, "b")])


def test_an_invoice_that_finance_has_under_another_tenant_is_not_pushed_under_a_new_one_by_itself(books: Books) -> None:
    with ScriptedServer(imported("a")) as server:
        books.deliver(server.url)
        books.hold(invoice(1, tenant_id="north"))
        [reason] = books.deliver(server.url).given_up.values()
        assert f"finance has it under tenant {TENANT} as a" in reason
        assert len(server.requests) == 1
        assert len(books.deliver(server.url, again=True).created) == 1
        assert books.deliver(server.url).unchanged == 1


def test_a_sample_under_another_name_is_known_by_its_bytes(books: Books) -> None:
    books.hold(invoice(1, account_id="unknown", document_sha256=min(document_hashes())), invoice(2))
    with ScriptedServer(imported()) as server:
        assert (books.deliver(server.url, is_sandbox=False).synthetic, sent(server)) == (1, ["2"])


def test_an_invoice_that_was_voided_is_not_pushed_even_before_its_month_is_built_again(books: Books) -> None:
    books.hold(invoice(1), invoice(2))
    key = {"source": "digitalocean", "account_id": "77", "external_id": "1"}
    with books.warehouse.write() as connection:
        insert(connection, schema.DECISIONS, [{**key, "decision": "void", "reason": "paid twice"}])
    with ScriptedServer(imported()) as server:
        books.deliver(server.url, again=True)
        assert sent(server) == ["2"]


def test_sample_invoices_never_go_to_a_target_that_is_no_sandbox(books: Books) -> None:
    books.hold(invoice(1, account_id=payload.SYNTHETIC_ACCOUNT), invoice(2))
    with ScriptedServer(by_invoice) as server:
        done = books.deliver(server.url, is_sandbox=False)
        assert (done.synthetic, sent(server)) == (1, ["2"])
        done = books.deliver(server.url, is_sandbox=False, again=True)
        assert (done.synthetic, sent(server)) == (1, ["2", "2"])
        done = books.deliver(server.url, is_sandbox=True)
        assert (done.synthetic, sent(server)) == (0, ["2", "2", "1"])


def test_the_secret_and_the_tokens_are_in_no_table_even_where_finance_repeats_them(books: Books) -> None:
    def repeat(status: int) -> Step:
        def step(handler: Any, request: Request) -> bool:
            said = {"token": request.headers["authorization"], "secret": SECRET, "sent": request.token}
            return answer(status, said)(handler, request)

        return step

    tokens = []
    for status in (401, 422, 503, 200, 302):
        with ScriptedServer(repeat(status)) as server:
            done = books.deliver(server.url)
            tokens += [request.token for request in server.requests]
            assert all(token not in repr(done) for token in tokens)
            assert SECRET not in repr(done)
    assert all(token.startswith("eyJ") for token in tokens)
    with books.warehouse.read() as connection:
        tables = [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        dump = "".join(str(connection.execute(f"FROM {table}").fetchall()) for table in tables)
    assert "finance_attempts" in tables
    assert "answered 422" in dump
    for text in (dump, books.warehouse.path.read_bytes().decode("latin-1")):
        assert SECRET not in text
        assert "eyJ" not in text


# The hash of the business fields.


@pytest.fixture(scope="module")
def in_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        for ddl in (*(table.ddl for table in schema.TABLES), *(view.ddl for view in VIEWS)):
            connection.execute(ddl)
        yield connection


def ready(connection: duckdb.DuckDBPyConnection, *invoices: dict[str, Any]) -> list[dict[str, Any]]:
    state(connection, invoices)
    result = connection.execute(f"{READY} ORDER BY external_id")
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def expected_hash(row: dict[str, Any]) -> str:
    fields = [row["source"], row["external_id"], row["invoice_number"], "DigitalOcean", row["currency"]]
    fields += [row["amount_gross_minor"], row["amount_net_minor"], row["amount_tax_minor"]]
    fields += [row["issued_on"], row["period_start"], row["period_end"]]
    return hashlib.sha256("\x1f".join("" if value is None else str(value) for value in fields).encode()).hexdigest()


TEXT = st.text(st.characters(exclude_characters="\x00\x1f", exclude_categories=["Cs"]), max_size=12)
AMOUNT = st.integers(-(2**62), 2**62)
DAY = st.dates(date(2018, 1, 1), date(2030, 12, 31))


FIELDS = st.fixed_dictionaries(
    {
        "external_id": TEXT,
        "invoice_number": st.none() | TEXT,
        "currency": st.sampled_from(("USD", "JPY", "KWD")),
        "amount_gross_minor": AMOUNT,
        "amount_net_minor": AMOUNT,
        "amount_tax_minor": AMOUNT,
        "issued_on": st.none() | DAY,
        "period_start": DAY,
        "period_end": DAY,
    }
)


@quickly(10)
@given(invoices=st.lists(FIELDS, min_size=1, max_size=10))
def test_the_hash_is_the_same_in_the_warehouse_and_by_hand(
    in_memory: duckdb.DuckDBPyConnection, invoices: list[dict[str, Any]]
) -> None:
    rows = [
        invoice("x", document_sha256=f"{number:064}", account_id=str(number), **fields)
        for number, fields in enumerate(invoices)
    ]
    found = {row["document_sha256"]: row["payload_sha256"] for row in ready(in_memory, *rows)}
    assert found == {row["document_sha256"]: expected_hash(row) for row in rows}


CHANGES = {
    "external_id": "2",
    "invoice_number": None,
    "currency": "AUD",
    "amount_gross_minor": 661,
    "amount_net_minor": 601,
    "amount_tax_minor": 61,
    "issued_on": date(2026, 5, 1),
    "period_start": date(2026, 4, 2),
    "period_end": date(2026, 4, 29),
}


def test_any_business_field_changes_the_hash_and_evidence_does_not(in_memory: duckdb.DuckDBPyConnection) -> None:
    [before] = ready(in_memory, invoice(1))
    hashes = {before["payload_sha256"]}
    for name, value in CHANGES.items():
        [after] = ready(in_memory, invoice(1, **{name: value}))
        hashes.add(after["payload_sha256"])
    assert len(hashes) == 1 + len(CHANGES)
    evidence = {"document_sha256": "f" * 64, "line_count": 99, "account_id": "78", "received_at": datetime(2026, 6, 1)}  # noqa: DTZ001
    [after] = ready(in_memory, {**invoice(1), **evidence})
    assert after["payload_sha256"] == before["payload_sha256"]


def test_the_hash_covers_all_of_the_body_but_its_evidence(in_memory: duckdb.DuckDBPyConnection) -> None:
    [row] = ready(in_memory, invoice(1))
    body = payload.build(row)
    covered = {name.removesuffix("_name") for name in payload.BUSINESS_FIELDS}
    assert set(body) - covered == {"line_count", "document_sha256"}
    assert covered <= set(body)


STATED = {
    "due_on": date(2026, 5, 31),
    "purchase_order": "PO-7",
    "seller_tax_id": "DE812871812",
    "buyer_tax_id": "DE123456789",
    "kind": "credit_note",
    "refers_to": "2025-9",
}


def states_of(connection: duckdb.DuckDBPyConnection, row: dict[str, Any], **stated: Any) -> dict[str, Any]:
    """The ready invoice, once its own document states this of it besides."""
    state(connection, [{"invoice_ordinal": 1, "received_at": datetime(2026, 5, 2), **row}])  # noqa: DTZ001
    connection.execute("DELETE FROM stated_invoices")
    insert(
        connection,
        schema.STATED_INVOICES,
        [{"document_sha256": row["document_sha256"], "invoice_ordinal": 1, **stated}],
    )
    [found] = fetch(connection, READY)
    return found


def test_what_an_issuer_states_besides_changes_body_and_hash_and_nothing_where_nothing_is_known(
    in_memory: duckdb.DuckDBPyConnection,
) -> None:
    bare = states_of(in_memory, invoice(1), kind="invoice")
    assert bare["payload_sha256"] == expected_hash(invoice(1))
    assert payload.build(bare).keys() - {"kind"} == payload.build({**bare, "kind": None}).keys()
    hashes = set()
    for name, value in STATED.items():
        found = states_of(in_memory, invoice(1), **{"kind": "invoice", name: value})
        hashes.add(found["payload_sha256"])
        sent = payload.build(found)
        assert sent["reference" if name == "refers_to" else name] == str(value)
        assert sent.keys() & set(payload.TERMS) == {"kind", "reference" if name == "refers_to" else name}
        assert not payload.build(found, with_optional_fields=False).keys() & set(payload.TERMS)
    assert len(hashes | {bare["payload_sha256"]}) == 1 + len(STATED)


@pytest.mark.parametrize(
    ("stated", "sent"),
    [("PO-7", "PO-7"), (" PO\n 7\x07 ", "PO 7"), ("x" * 255, "x" * 255), ("x" * 256, None), (" \t", None)],
)
def test_a_stated_text_is_sent_on_one_line_and_not_where_finance_could_not_keep_it(
    in_memory: duckdb.DuckDBPyConnection, stated: str, sent: str | None
) -> None:
    assert states_of(in_memory, invoice(1), kind="invoice", purchase_order=stated)["purchase_order"] == sent


def test_a_credit_note_refers_to_its_invoice_by_the_id_that_the_tenants_finance_has(
    in_memory: duckdb.DuckDBPyConnection,
) -> None:
    original = invoice(1, invoice_number="N-1", tenant_id="acme", finance_external_id="1:acme")
    elsewhere = invoice(7, invoice_number="N-1", tenant_id="acme", finance_external_id="7", account_id="99")
    note = invoice(2, refers_to="N-1", tenant_id="acme", finance_external_id="2:acme")
    of_other = invoice(3, refers_to="N-1", tenant_id="globex", finance_external_id="3")
    unknown = invoice(4, refers_to="N-9", tenant_id="acme", finance_external_id="4")
    found = {row["external_id"]: row for row in ready(in_memory, elsewhere, original, note, of_other, unknown)}
    assert {key: (row["kind"], row["reference"]) for key, row in found.items()} == {
        "1:acme": (None, None),
        "7": (None, None),
        "2:acme": ("credit_note", "1:acme"),
        "3": ("credit_note", "N-1"),
        "4": ("credit_note", "N-9"),
    }


def test_an_evidence_change_alone_is_not_pushed(books: Books) -> None:
    with ScriptedServer(imported()) as server:
        books.deliver(server.url)
        books.hold(invoice(1, document_sha256="e" * 64, line_count=3))
        assert books.deliver(server.url).unchanged == 1
        assert len(server.requests) == 1


def test_only_the_current_version_of_a_ready_invoice_as_the_register_has_it_is_pushed(
    in_memory: duckdb.DuckDBPyConnection,
) -> None:
    state(in_memory, [invoice(1), invoice(2, status="held"), invoice(3), invoice(4), invoice(5)])
    in_memory.execute("UPDATE raw_invoices SET status = 'superseded' WHERE external_id = '3'")
    in_memory.execute("DELETE FROM document_invoices WHERE external_id = '4'")  # dismissed, not yet built
    in_memory.execute("UPDATE document_invoices SET invoice_month = ? WHERE external_id = '5'", [MAY])  # moved
    found = in_memory.execute(f"SELECT external_id FROM ({READY})").fetchall()
    assert found == [("1",)]
