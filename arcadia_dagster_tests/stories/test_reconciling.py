"""Reconciliation: what finance lists is compared with what it took, and every difference is told once."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.finance.errors import ConfigurationFailure, TransientFailure
from arcadia_dagster.finance.reconcile import Difference, OnRecord, differences
from arcadia_dagster.finance.reconcile import listed as normalised
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.warehouse import LockTimeoutError
from arcadia_dagster.warehouse.keys import DeliveryKey
from arcadia_dagster_tests.kit.books import SECRET, TENANT, Books, invoice
from arcadia_dagster_tests.kit.plain import new_warehouse
from arcadia_dagster_tests.kit.processes import Holder
from arcadia_dagster_tests.kit.scripted_server import (
    Endless,
    Request,
    ScriptedServer,
    Step,
    answer,
    hang_up,
    head,
    imported,
)

KEYS = st.tuples(st.sampled_from(("digitalocean", "hetzner")), st.integers(0, 50).map(str))
AMOUNTS = st.integers(-(2**62), 2**62)
BODIES = st.fixed_dictionaries(
    {
        "currency": st.sampled_from(("USD", "JPY")),
        "amount_gross_minor": AMOUNTS,
        "amount_net_minor": AMOUNTS,
        "amount_tax_minor": AMOUNTS,
    }
)
BOOKS = st.dictionaries(KEYS, BODIES, min_size=1, max_size=12)


def ours(books: dict[tuple[str, str], Any], *, unwanted: str | None = None) -> list[OnRecord]:
    return [
        OnRecord(DeliveryKey(TENANT, source, "77", external_id), f"id-{source}-{external_id}", body, unwanted=unwanted)
        for (source, external_id), body in books.items()
    ]


def theirs(books: dict[tuple[str, str], Any]) -> list[dict[str, Any]]:
    return [
        {"source": source, "external_id": external_id, "invoice_id": f"id-{source}-{external_id}", **body}
        for (source, external_id), body in books.items()
    ]


def compared(here: list[OnRecord], there: list[dict[str, Any]]) -> list[Difference]:
    return differences(TENANT, here, normalised(there, {one.key.source for one in here}))


@given(BOOKS)
def test_two_sides_that_agree_have_no_difference(books: dict[tuple[str, str], Any]) -> None:
    assert compared(ours(books), theirs(books)) == []


@given(BOOKS, st.data())
def test_each_row_that_differs_is_told_once_with_both_figures(books: dict[tuple[str, str], Any], data: Any) -> None:
    rows = theirs(books)
    changed = data.draw(st.sets(st.sampled_from(range(len(rows))), min_size=1))
    name = data.draw(st.sampled_from(("currency", "amount_gross_minor", "amount_net_minor", "amount_tax_minor")))
    before = {number: rows[number][name] for number in changed}
    for number in changed:
        rows[number][name] = "EUR" if name == "currency" else rows[number][name] + 1
    found = compared(ours(books), rows)
    assert [(one.source, one.external_id) for one in found] == sorted(
        (rows[number]["source"], rows[number]["external_id"]) for number in changed
    )
    for number in changed:
        [one] = [
            one
            for one in found
            if (one.source, one.external_id) == (rows[number]["source"], rows[number]["external_id"])
        ]
        assert one.what == f"{name} is {rows[number][name]} in finance and {before[number]} here"


@given(BOOKS)
def test_what_is_void_or_dismissed_is_to_be_removed_where_finance_has_it_still(
    books: dict[tuple[str, str], Any],
) -> None:
    found = compared(ours(books, unwanted="it is void"), theirs(books))
    assert len(found) == len(books)
    assert {one.advice for one in found} == {"remove it in finance by hand, then run `arcadia reconcile` again"}
    assert compared(ours(books, unwanted="it is void"), []) == []


def test_rows_of_sources_that_we_have_no_invoice_of_are_somebody_elses() -> None:
    body = {"currency": "USD", "amount_gross_minor": 1, "amount_net_minor": 1, "amount_tax_minor": 0}
    assert compared([], theirs({("payroll", "1"): body})) == []
    [found] = compared(ours({("digitalocean", "1"): body}), theirs({("digitalocean", n): body for n in "12"}))
    assert (found.external_id, "no push of it is on record" in found.what) == ("2", True)


class Desk:
    """A delivered warehouse, and the finance that has it."""

    def __init__(self, home: Path, sandbox: RunningSandbox, database: Path) -> None:
        self.books = Books(new_warehouse(home))
        self.books.hold(*(invoice(number) for number in range(4)))
        self.finance = FinanceResource(base_url=sandbox.url, sandbox_url=sandbox.url, secret=SECRET)
        self._database = database
        self.finance.deliver(self.books.warehouse)

    def change(self, statement: str, *parameters: Any) -> None:
        """Do something in finance that no push did."""
        with closing(sqlite3.connect(self._database)) as connection, connection:
            connection.execute(statement, parameters)

    def reconcile(self) -> list[Difference]:
        return self.finance.reconcile(self.books.warehouse)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = tmp_path / "finance.sqlite"
    with RunningSandbox(database=database, secret=SECRET) as sandbox:
        yield Desk(tmp_path, sandbox, database)


def test_what_was_pushed_is_what_finance_lists(desk: Desk) -> None:
    assert desk.reconcile() == []


def test_what_somebody_changed_in_finance_is_found_and_a_push_puts_it_right(desk: Desk) -> None:
    desk.change("UPDATE invoices SET amount_tax_minor = 61, amount_net_minor = 599 WHERE external_id = '1'")
    desk.change("DELETE FROM invoices WHERE external_id = '2'")
    changed, gone = desk.reconcile()
    assert (changed.external_id, changed.what) == (
        "1",
        "amount_net_minor is 599 in finance and 600 here; amount_tax_minor is 61 in finance and 60 here",
    )
    assert (gone.external_id, gone.advice) == ("2", "run `arcadia push 2 --again`")
    desk.finance.deliver(desk.books.warehouse, again=True)
    assert desk.reconcile() == []


def test_another_tenants_rows_are_not_looked_at(desk: Desk) -> None:
    desk.change("UPDATE invoices SET tenant_id = 'north' WHERE external_id = '3'")
    [gone] = desk.reconcile()
    assert (gone.external_id, "does not list it" in gone.what) == ("3", True)


def test_finance_must_be_known_to_list_its_invoices(desk: Desk) -> None:
    desk.finance = FinanceResource(base_url=desk.finance.base_url, secret=SECRET)
    with pytest.raises(ConfigurationFailure, match="SKYAI_FINANCE_LIST_PATH"):
        desk.reconcile()


ROW: dict[str, str | int] = {"source": "s", "external_id": "1", "invoice_id": "i", "currency": "USD"}
ROW |= {"amount_gross_minor": 1, "amount_net_minor": 1, "amount_tax_minor": 0}


class Counter:
    """A finance service that lists and answers what it is told to, and a warehouse that delivers to it."""

    def __init__(self, home: Path) -> None:
        self.books = Books(new_warehouse(home))
        self.rows: list[dict[str, Any]] = []
        self.answers: dict[str, Step] = {}
        self.while_listing: Callable[[], None] = lambda: None

    def step(self, handler: Any, request: Request) -> bool:
        if request.method == "GET":
            self.while_listing()
            return answer(200, self.rows)(handler, request)
        number = request.json()["external_id"]
        return self.answers.get(number, imported(f"inv-{number}"))(handler, request)

    def row(self, number: int, **change: Any) -> dict[str, Any]:
        return {
            **ROW,
            "source": "digitalocean",
            "external_id": str(number),
            "invoice_id": f"inv-{number}",
            **SIX,
            **change,
        }

    def reconcile(self, url: str) -> dict[str, tuple[str, str]]:
        finance = FinanceResource(base_url=url, sandbox_url=url, secret=SECRET, retry_delays=[0.001, 0.001])
        return {one.external_id: (one.what, one.advice) for one in finance.reconcile(self.books.warehouse)}


SIX = {"amount_gross_minor": 660, "amount_net_minor": 600, "amount_tax_minor": 60}
NINE = {"amount_gross_minor": 999, "amount_net_minor": 900, "amount_tax_minor": 99}


@pytest.fixture
def counter(tmp_path: Path) -> Counter:
    return Counter(tmp_path)


def test_what_is_ready_and_not_in_finance_as_it_is_now_is_told_with_what_to_do(counter: Counter) -> None:
    with ScriptedServer(counter.step) as server:
        counter.books.hold(invoice(1), invoice(7))
        counter.books.deliver(server.url)
        counter.answers = {
            "1": answer(422, b"no such vendor"),
            "2": answer(422, b"no such vendor"),
            "3": answer(200, {}),
            "4": answer(503),
        }
        correction = invoice(1, **NINE)
        counter.books.hold(correction, invoice(2), invoice(3), invoice(4), invoice(6), invoice(7))
        counter.books.deliver(server.url)
        with counter.books.warehouse.write() as connection:
            connection.execute("UPDATE finance_records SET state = 'abandoned' WHERE external_id = '4'")
            connection.execute("UPDATE finance_records SET state = 'pending' WHERE external_id = '6'")
        counter.books.hold(
            correction, *(invoice(number) for number in (2, 3, 4, 5, 6)), invoice(7, currency="EUR"), invoice(8)
        )
        counter.rows = [counter.row(1), counter.row(3), counter.row(6), counter.row(7), counter.row(8)]
        found = counter.reconcile(server.url)
    assert {number: advice for number, (_, advice) in found.items()} == {
        **{
            number: f"correct what its error says, then run `arcadia push {number} --again`"
            for number in ("1", "2", "4")
        },
        **{
            number: f"a running deployment pushes it; to push it now: `arcadia push {number}`"
            for number in ("3", "5", "6", "7", "8")
        },
    }
    what = {number: what for number, (what, _) in found.items()}
    assert what["1"].startswith(
        "finance has it as inv-1, but has not confirmed this version: refused: finance answered 422"
    )
    assert "amount_gross_minor is 660 in finance and 999 here" in what["1"]
    assert what["2"].startswith("finance does not list it: refused: finance answered 422")
    assert "this version: deferred: finance answered 200 without an invoice_id" in what["3"]
    assert what["4"].startswith("finance does not list it: abandoned: ")
    assert what["5"] == "finance does not list it: no push of it is on record"
    assert what["6"].endswith("its last push has no answer on record; its amounts are the same there")
    assert what["7"].endswith("it has changed since its last push; currency is USD in finance and EUR here")
    assert what["8"].endswith("no push of it is on record; its amounts are the same there")


def test_rows_of_our_sources_are_told_also_where_nothing_was_ever_delivered(counter: Counter) -> None:
    counter.books.hold(invoice(1, status="held"))
    counter.rows = [counter.row(1), counter.row(2), counter.row(3, source="payroll"), counter.row(4, source=None)]
    with ScriptedServer(counter.step) as server:
        found = counter.reconcile(server.url)
        assert found.keys() == {"1", "2"}
        assert "no push of it is on record here, and it is not ready to be pushed" in found["1"][0]
        assert "no push of it is on record here" in found["2"][0]


def test_a_push_whose_outcome_is_not_certain_is_told_where_the_invoice_is_held_since(counter: Counter) -> None:
    with ScriptedServer(counter.step) as server:
        counter.books.hold(invoice(1))
        counter.answers = {"1": answer(200, {})}
        counter.books.deliver(server.url)
        counter.books.hold(invoice(1, status="held"))
        assert counter.reconcile(server.url) == {}
        counter.rows = [counter.row(1)]
        [(what, advice)] = counter.reconcile(server.url).values()
    assert what.startswith("finance has it as inv-1, but the outcome of a push of it is not certain here")
    assert advice == "run `arcadia explain 1`: it says why"


def test_of_two_accounts_invoices_with_one_id_the_one_that_is_ready_is_compared(counter: Counter) -> None:
    with ScriptedServer(counter.step) as server:
        counter.books.hold(invoice(1), invoice(1, account_id="99", status="held", **NINE))
        counter.books.deliver(server.url)
        counter.rows = [counter.row(1)]
        assert counter.reconcile(server.url) == {}


def test_no_delivery_runs_between_the_list_and_the_comparison(counter: Counter) -> None:
    with ScriptedServer(counter.step) as server, ThreadPoolExecutor() as pool:
        counter.books.hold(invoice(1))
        counter.books.deliver(server.url)
        counter.rows = [counter.row(1)]
        deliveries: list[Future[Any]] = []

        def deliver_meanwhile() -> None:
            deliveries.append(pool.submit(counter.books.deliver, server.url, again=True))
            with pytest.raises(TimeoutError):
                deliveries[0].result(0.5)

        counter.while_listing = deliver_meanwhile
        assert counter.reconcile(server.url) == {}
        assert len(deliveries[0].result(30).updated + deliveries[0].result(30).created) == 1


def test_a_comparison_waits_for_a_delivery_as_long_as_the_setting_says(counter: Counter) -> None:
    counter.books.hold(invoice(1))
    counter.books.warehouse.lock_timeout = 0.05
    with Holder(counter.books.warehouse.delivery_lock_path) as holder, ScriptedServer(counter.step) as server:
        with pytest.raises(LockTimeoutError, match=rf"(?s)by process {holder.pid} .*ARCADIA_LOCK_TIMEOUT"):
            counter.reconcile(server.url)
        assert server.requests == []


def test_ids_may_be_numbers(counter: Counter) -> None:
    with ScriptedServer(counter.step) as server:
        counter.books.hold(invoice(1))
        counter.answers = {"1": imported(4711)}
        counter.books.deliver(server.url)
        counter.rows = [counter.row(1, external_id=1, invoice_id=4711)]
        assert counter.reconcile(server.url) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"external_id": None},
        {"external_id": ["1"]},
        {"external_id": True},
        {"external_id": 1.0},
        {"invoice_id": None},
        {"currency": 1},
        {"amount_gross_minor": "660"},
        {"amount_net_minor": 600.0},
        {"amount_tax_minor": True},
        {"amount_tax_minor": None},
    ],
)
def test_a_row_of_ours_that_cannot_be_compared_is_shown_shortly(counter: Counter, change: dict[str, Any]) -> None:
    counter.books.hold(invoice(1))
    counter.rows = [counter.row(2), counter.row(1, **change)]
    expected = pytest.raises(ConfigurationFailure, match="finance lists something that is no invoice")
    with ScriptedServer(counter.step) as server, expected as raised:
        counter.reconcile(server.url)
    assert len(str(raised.value)) < 500


def test_finances_own_words_are_short_on_one_line_and_without_the_secret(counter: Counter) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\n" + "A" * 50_000
    with ScriptedServer(counter.step) as server:
        counter.books.hold(invoice(1), invoice(2))
        counter.books.deliver(server.url)
        counter.rows = [
            counter.row(1, invoice_id=hostile, currency=SECRET),
            *[counter.row(2, invoice_id=hostile)] * 100,
            counter.row(3, external_id=hostile, invoice_id=SECRET),
        ]
        found = counter.reconcile(server.url)
    assert len(found) == 3
    for external_id, (what, _) in found.items():
        assert (external_id + what).isprintable()
        assert (len(external_id + what) < 700, SECRET in what) == (True, False)


@pytest.mark.parametrize("step", [answer(200, [ROW]), answer(200, {"data": [ROW]})])
def test_a_list_may_be_the_answer_or_its_data(step: Step) -> None:
    finance = FinanceResource(secret=SECRET)
    with ScriptedServer(answer(503), hang_up, step) as server:
        finance = FinanceResource(base_url=server.url, secret=SECRET, retry_delays=[0.001, 0.001])
        with finance.client() as client:
            assert client.list_invoices("/list", TENANT) == [ROW]
        assert [(request.method, request.path) for request in server.requests] == [
            ("GET", f"/list?tenant_id={TENANT}")
        ] * 3


@pytest.mark.parametrize(
    "step", [answer(404), answer(500 + 1), answer(200, b"<html>"), answer(200, {"rows": []}), answer(200, [{"id": 1}])]
)
def test_what_is_no_list_of_invoices_is_a_wrong_setting(step: Step) -> None:
    with ScriptedServer(step) as server:
        assert "SKYAI_FINANCE_LIST_PATH" in refused(server)
        assert len(server.requests) == 1


def test_a_row_that_is_no_invoice_is_shown_shortly_and_without_the_secret() -> None:
    with ScriptedServer(answer(200, [ROW, {"source": "\x1b[2J", "note": SECRET + "A" * 100_000}])) as server:
        message = refused(server)
    assert "it lists something that is no invoice, without external_id, invoice_id, currency" in message
    assert (len(message) < 600, SECRET in message, "\x1b" in message) == (True, False, False)


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{**ROW, "external_id": str(number)} for number in numbers]


def with_a_whole_address(handler: Any, request: Request) -> bool:
    link = f"http://{request.headers['host']}/list?page=2"
    return answer(200, {"data": rows(1, 2), "meta": {"total_count": 3}, "links": {"next": link}})(handler, request)


@pytest.mark.parametrize(
    "first",
    [
        answer(200, {"data": rows(1, 2), "next": "/list?page=2", "total": 3}),
        answer(200, {"data": rows(1, 2), "has_more": True, "next": "?page=2"}),
        answer(200, {"data": rows(1, 2), "_links": {"next": {"href": "/list?page=2"}}}),
        answer(200, rows(1, 2), Link='</list?page=2>; rel="next"'),
        with_a_whole_address,
    ],
)
def test_a_list_in_pages_is_read_to_its_end_with_the_token_and_retries(first: Step) -> None:
    last = answer(200, {"data": rows(3), "next": None, "links": {"next": None}, "has_more": False, "total": 3})
    with ScriptedServer(first, answer(503), last) as server:
        assert listed(server) == rows(1, 2, 3)
        paths = [f"/list?tenant_id={TENANT}", "/list?page=2", "/list?page=2"]
        assert [request.path for request in server.requests] == paths
        assert all(request.token for request in server.requests)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"next": "b2Zmc2V0PTI="}, "does not say where it is"),
        ({"meta": {"next_cursor": "b2Zmc2V0PTI="}}, "does not say where it is"),
        ({"next_page": 2}, "does not say where it is"),
        ({"has_more": True}, "does not say where it is"),
        ({"total": 3}, "it counts 3 invoices and lists 2"),
        ({"meta": {"total_entries": 3}}, "it counts 3 invoices and lists 2"),
        ({"next": "/list?page=1"}, "it has more pages after"),
    ],
)
def test_a_list_that_is_not_whole_is_not_compared(more: dict[str, Any], why: str) -> None:
    with ScriptedServer(answer(200, {"data": rows(1, 2), **more})) as server:
        message = refused(server)
    assert ("in pages" in message, why in message) == (True, True)


@pytest.mark.parametrize("link", ["http://127.0.0.1:9/list?page=2", "//127.0.0.1:9/list", "http://[broken"])
def test_no_token_goes_to_a_next_page_elsewhere(link: str) -> None:
    with ScriptedServer(answer(200, {"data": rows(1), "links": {"next": link}})) as server:
        assert f"its next page is elsewhere: {link}" in refused(server)
        assert len(server.requests) == 1


def test_a_page_beyond_the_limit_is_not_read_to_its_end() -> None:
    endless = Endless(head(200) + b"[", b" " * 1024**2)
    with ScriptedServer(endless) as server:
        assert "larger than 64 MiB" in refused(server)
    assert endless.sent < 100


def listed(server: ScriptedServer) -> list[dict[str, Any]]:
    finance = FinanceResource(base_url=server.url, secret=SECRET, retry_delays=[0.001, 0.001])
    with finance.client() as client:
        return client.list_invoices("/list", TENANT)


def refused(server: ScriptedServer) -> str:
    with pytest.raises(ConfigurationFailure, match="SKYAI_FINANCE_LIST_PATH") as raised:
        listed(server)
    return str(raised.value)


def test_a_finance_that_stays_away_is_asked_three_times() -> None:
    with ScriptedServer(answer(503)) as server:
        finance = FinanceResource(base_url=server.url, secret=SECRET, retry_delays=[0.001, 0.001])
        with finance.client() as client, pytest.raises(TransientFailure):
            client.list_invoices("/list", TENANT)
        assert len(server.requests) == 3
