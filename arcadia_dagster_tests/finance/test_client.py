import inspect
import logging
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arcadia_dagster.finance.client import FinanceClient, Imported
from arcadia_dagster.finance.errors import (
    ConfigurationFailure,
    FinanceError,
    PayloadRefused,
    TransientFailure,
    UnknownOutcome,
)
from arcadia_dagster.finance.target import target_of
from arcadia_dagster.finance.token import Identity, TokenMint
from arcadia_dagster.transport.words import retry_after_seconds
from arcadia_dagster_tests.kit.properties import quickly
from arcadia_dagster_tests.kit.scripted_server import (
    Endless,
    Request,
    ScriptedServer,
    Step,
    _Handler,
    answer,
    hang_up,
    head,
    imported,
    raw,
    reset,
    say_nothing,
)

Push = Callable[..., tuple[Any, list[Request]]]

SECRET = "a-short-shared-secret-of-32-byte"
IDENTITY = Identity(tenant_id="platform-admin", roles=("admin",), issuer="arcadia_cloud", subject="platform-admin")
NOW = 1_777_593_600.0  # 2026-05-01 00:00:00 UTC
DAY = 86_400
PAYLOAD = {
    "source": "digitalocean",
    "external_id": "418071234",
    "vendor": {"name": "DigitalOcean", "category": "cloud"},
    "currency": "USD",
    "amount_gross_minor": 8692,
    "amount_net_minor": 7902,
    "amount_tax_minor": 790,
}


class Sleeper:
    """Notes the pauses instead of taking them, and moves a clock by them."""

    def __init__(self, now: float = NOW) -> None:
        self.pauses: list[float] = []
        self.now = now

    def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


@pytest.fixture
def sleeper() -> Sleeper:
    return Sleeper()


@pytest.fixture
def mint(sleeper: Sleeper) -> TokenMint:
    return TokenMint(SECRET, IDENTITY, clock=sleeper.clock)


@pytest.fixture
def client_of(sleeper: Sleeper, mint: TokenMint) -> Iterator[Callable[..., FinanceClient]]:
    clients = []

    def make(url: str, **options: Any) -> FinanceClient:
        client = FinanceClient(url, mint, sleep=sleeper, clock=sleeper.clock, **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def push(client_of: Callable[..., FinanceClient]) -> Push:
    """Run a script against one import; gives what came of it (the result or the error) and the requests seen."""

    def run(*script: Step, **options: Any) -> tuple[Any, list[Request]]:
        with ScriptedServer(*script) as server:
            client = client_of(server.url, **options)
            outcome: Imported | FinanceError
            try:
                outcome = client.import_invoice(PAYLOAD)
            except FinanceError as error:
                outcome = error
            client.close()
        return outcome, server.requests

    return run


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# The request


def test_the_defaults_are_those_of_the_contract() -> None:
    defaults = {name: p.default for name, p in inspect.signature(FinanceClient).parameters.items()}
    assert defaults["connect_timeout"] == 5
    assert defaults["read_timeout"] == 15
    assert defaults["deadline"] == 60
    assert defaults["retry_delays"] == (1.0, 2.0)
    assert defaults["jitter"] == 0.1
    assert defaults["retry_after_limit"] == 30
    assert defaults["allow_http"] is False
    assert inspect.signature(TokenMint).parameters["lifetime_seconds"].default == 300


def test_an_invoice_is_posted_as_the_contract_says(push: Push, mint: TokenMint) -> None:
    outcome, [request] = push(imported("inv-1", "created", "ven-1"))
    assert outcome == Imported("inv-1", "ven-1", "created", status=200, requests=1)
    assert request.method == "POST"
    assert request.path == "/api/v1/integrations/cloud/import-invoice"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == f"Bearer {mint.token()}"
    assert request.json() == PAYLOAD


def test_a_base_url_with_a_path_is_kept(client_of: Callable[..., FinanceClient]) -> None:
    with ScriptedServer(imported()) as server, client_of(server.url + "/books/") as client:
        client.import_invoice(PAYLOAD)
    assert server.requests[0].path == "/books/api/v1/integrations/cloud/import-invoice"


def test_the_same_facts_in_another_order_give_the_same_bytes(client_of: Callable[..., FinanceClient]) -> None:
    with ScriptedServer(imported()) as server, client_of(server.url) as client:
        client.import_invoice({"b": {"y": "é", "x": None}, "a": 1})
        client.import_invoice({"a": 1, "b": {"x": None, "y": "é"}})
    assert [request.body for request in server.requests] == ['{"a":1,"b":{"x":null,"y":"é"}}'.encode()] * 2


@pytest.mark.parametrize("value", [float("nan"), "half a surrogate \ud800"])
def test_what_is_no_json_is_refused_without_a_request(
    client_of: Callable[..., FinanceClient], value: float | str
) -> None:
    with ScriptedServer(imported()) as server, client_of(server.url) as client:
        with pytest.raises(PayloadRefused) as refused:
            client.import_invoice({"invoice_number": value})
        assert refused.value.requests == 0
    assert server.requests == []


def test_one_connection_serves_many_invoices(client_of: Callable[..., FinanceClient]) -> None:
    with ScriptedServer(imported()) as server, client_of(server.url) as client:
        for _ in range(5):
            client.import_invoice(PAYLOAD)
    assert len({request.port for request in server.requests}) == 1


def test_a_connection_that_was_closed_between_two_invoices_is_replaced(
    client_of: Callable[..., FinanceClient], sleeper: Sleeper
) -> None:
    closes = answer(200, {"invoice_id": 1, "action": "created"}, then_close=True)
    with ScriptedServer(closes) as server, client_of(server.url) as client:
        for _ in range(3):
            client.import_invoice(PAYLOAD)
            time.sleep(0.02)  # until the close has arrived
    assert len({request.port for request in server.requests}) == 3
    assert sleeper.pauses == []


def test_several_threads_get_each_their_own_answer(client_of: Callable[..., FinanceClient]) -> None:
    def echo(handler: _Handler, request: Request) -> bool:
        return imported(request.json()["external_id"])(handler, request)

    with ScriptedServer(echo) as server, client_of(server.url) as client, ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: client.import_invoice({"external_id": f"inv-{n}"}), range(40)))
    assert [result.invoice_id for result in results] == [f"inv-{n}" for n in range(40)]
    assert len(server.requests) == 40


def test_proxies_and_netrc_of_the_environment_are_not_used(
    push: Push, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    outcome, [request] = push(imported())
    assert isinstance(outcome, Imported)
    assert request.headers["authorization"].startswith("Bearer ")


# Answers that say yes


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("action", ["created", "updated"])
def test_created_and_updated_are_both_a_success(push: Push, status: int, action: Literal["created", "updated"]) -> None:
    outcome, _ = push(answer(status, {"vendor_id": "v", "invoice_id": "i", "action": action}))
    assert outcome == Imported("i", "v", action, status=status, requests=1)


@pytest.mark.parametrize(("invoice_id", "kept"), [(17, "17"), (10**30, "1" + "0" * 30), ("inv 1", "inv 1"), (0, "0")])
def test_an_id_may_be_a_number_or_a_text(push: Push, invoice_id: int | str, kept: str) -> None:
    assert push(imported(invoice_id))[0].invoice_id == kept


@pytest.mark.parametrize("vendor_id", [None, True, "", {}, 1.5])
def test_an_unusable_vendor_id_does_not_spoil_a_success(push: Push, vendor_id: object) -> None:
    assert push(imported(vendor_id=vendor_id))[0].vendor_id is None


@pytest.mark.parametrize(
    "invoice_id", [None, True, False, "", "  ", {}, [], 1.5, "a\nb", "x" * 256, SECRET, f"key {SECRET}"]
)
def test_a_2xx_without_a_usable_invoice_id_has_an_unknown_outcome(push: Push, invoice_id: object) -> None:
    outcome, requests = push(imported(invoice_id))
    assert isinstance(outcome, UnknownOutcome)
    assert (outcome.status, outcome.requests, len(requests)) == (200, 1, 1)


@pytest.mark.parametrize("action", [None, "deleted", "CREATED", True, ["created"], {}])
def test_a_2xx_with_another_action_has_an_unknown_outcome(push: Push, action: object) -> None:
    assert isinstance(push(imported(action=action))[0], UnknownOutcome)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>ok</html>",
        b'{"invoice_id": "i", "action": "created"',
        b"[]",
        b'"created"',
        b"\xff\xfe\xfd",
        b"[" * 60_000,
        b'{"invoice_id": ' + b"9" * 5_000 + b', "action": "created"}',
    ],
)
def test_a_2xx_with_a_broken_body_has_an_unknown_outcome_after_one_request(push: Push, body: bytes) -> None:
    outcome, requests = push(answer(200, body))
    assert isinstance(outcome, UnknownOutcome)
    assert len(requests) == 1
    assert len(str(outcome)) < 500


def test_a_204_has_an_unknown_outcome(push: Push) -> None:
    outcome, _ = push(raw(head(204)))
    assert isinstance(outcome, UnknownOutcome)
    assert outcome.status == 204


def test_an_answer_of_100_mb_is_not_read(push: Push) -> None:
    megabyte = b" " * 2**20
    flood = Endless(head(200, Content_Length=100 * 2**20), megabyte, times=100)
    outcome, requests = push(flood)
    assert isinstance(outcome, UnknownOutcome)
    assert len(requests) == 1
    assert flood.sent < 20  # what the system's buffers took


def test_a_2xx_whose_chunks_are_garbled_has_an_unknown_outcome(push: Push) -> None:
    outcome, requests = push(raw(head(200, Transfer_Encoding="chunked") + b"no chunk size\r\n", pause=0.05))
    assert isinstance(outcome, UnknownOutcome)
    assert len(requests) == 1


# Failures that may pass


def test_a_refused_connection_is_tried_three_times(client_of: Callable[..., FinanceClient], sleeper: Sleeper) -> None:
    with client_of(f"http://127.0.0.1:{unused_port()}") as client, pytest.raises(TransientFailure) as failed:
        client.import_invoice(PAYLOAD)
    assert (failed.value.status, failed.value.requests) == (None, 3)
    assert len(sleeper.pauses) == 2


CUT_SHORT = raw(head(200, Content_Length=50) + b'{"invoice_id":')
CUT_CHUNK = raw(head(200, Transfer_Encoding="chunked") + b"20\r\n{")
CUT_HEAD = raw(b"HTTP/1.1 200 OK\r\nContent-Le")


@pytest.mark.parametrize("drop", [hang_up, reset, CUT_SHORT, CUT_CHUNK, CUT_HEAD])
def test_a_connection_dropped_before_the_end_of_the_answer_is_tried_three_times(push: Push, drop: Step) -> None:
    outcome, requests = push(drop)
    assert isinstance(outcome, TransientFailure)
    assert (outcome.requests, len(requests)) == (3, 3)


@pytest.mark.parametrize("trouble", [hang_up, reset, CUT_SHORT, answer(502), answer(408)])
def test_trouble_that_passes_ends_well_and_sends_the_same_body(push: Push, trouble: Step) -> None:
    outcome, requests = push(trouble, trouble, imported())
    assert outcome == Imported("inv-1", "ven-1", "created", status=200, requests=3)
    assert len({request.body for request in requests}) == 1


def test_silence_beyond_the_time_out_is_tried_three_times(push: Push) -> None:
    outcome, requests = push(say_nothing, read_timeout=0.05)
    assert isinstance(outcome, TransientFailure)
    assert (outcome.requests, len(requests)) == (3, 3)
    assert "SKYAI_FINANCE_READ_TIMEOUT" in str(outcome)


@pytest.mark.parametrize(
    "trickle",
    [
        pytest.param(Endless(head(200, Content_Length=10_000), b" ", pause=0.02), id="body"),
        pytest.param(Endless(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"y", pause=0.02), id="headers"),
        pytest.param(Endless(b"", head(103), pause=0.02), id="interim answers"),
        pytest.param(Endless(b"", head(103) * 100), id="interim answers without a pause"),
    ],
)
def test_an_answer_that_trickles_is_cut_at_the_deadline(push: Push, trickle: Endless) -> None:
    started = time.monotonic()
    outcome, requests = push(trickle, read_timeout=10.0, deadline=0.2)
    assert isinstance(outcome, TransientFailure)
    assert (outcome.requests, len(requests)) == (3, 3)
    assert "within 0.2 s" in str(outcome)
    assert 0.6 <= time.monotonic() - started < 5


def test_a_slow_answer_within_the_limits_is_taken(push: Push) -> None:
    body = b'{"invoice_id": 1, "action": "created"}'
    pieces = [head(200, Content_Length=len(body)), *(bytes([byte]) for byte in body)]
    outcome, _ = push(raw(*pieces, pause=0.005), read_timeout=0.5, deadline=5.0)
    assert isinstance(outcome, Imported)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_status_that_may_pass_is_tried_three_times(push: Push, sleeper: Sleeper, status: int) -> None:
    outcome, requests = push(answer(status, {"error": "busy"}))
    assert isinstance(outcome, TransientFailure)
    assert (outcome.status, outcome.requests, outcome.retry_after, len(requests)) == (status, 3, None, 3)
    assert "busy" in str(outcome)
    assert 1.0 <= sleeper.pauses[0] <= 1.1
    assert 2.0 <= sleeper.pauses[1] <= 2.2


def test_pauses_are_not_all_alike(push: Push, sleeper: Sleeper) -> None:
    for _ in range(3):
        push(answer(503))
    assert len(set(sleeper.pauses)) == 6


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("asked", ["7", formatdate(NOW + 7, usegmt=True)])
def test_retry_after_is_waited_for_in_seconds_and_as_a_date(
    push: Push, sleeper: Sleeper, status: int, asked: str
) -> None:
    outcome, requests = push(answer(status, Retry_After=asked), imported())
    assert outcome.requests == len(requests) == 2
    assert len(sleeper.pauses) == 1
    assert 7 <= sleeper.pauses[0] <= 7.7


@pytest.mark.parametrize("asked", ["soon", "-5", "1.5", "", "9" * 5_000, "Fri, 99 Foo 2026 00:00:00 GMT", "0"])
def test_a_retry_after_that_makes_no_sense_or_asks_for_nothing_leaves_the_usual_pause(
    push: Push, sleeper: Sleeper, asked: str
) -> None:
    outcome, _ = push(answer(503, Retry_After=asked), imported())
    assert outcome.requests == 2
    assert 1.0 <= sleeper.pauses[0] <= 1.1


@pytest.mark.parametrize("status", [408, 500, 502, 504])
def test_retry_after_counts_only_with_429_and_503(push: Push, sleeper: Sleeper, status: int) -> None:
    outcome, _ = push(answer(status, Retry_After="7200"), imported())
    assert outcome.requests == 2
    assert sleeper.pauses[0] <= 1.1


@pytest.mark.parametrize("asked", ["31", "7200", formatdate(NOW + 7200, usegmt=True)])
def test_a_retry_after_beyond_the_limit_ends_the_matter_at_once(push: Push, sleeper: Sleeper, asked: str) -> None:
    outcome, requests = push(answer(429, Retry_After=asked), imported())
    assert isinstance(outcome, TransientFailure)
    assert (outcome.status, outcome.requests, len(requests)) == (429, 1, 1)
    assert outcome.retry_after in {31.0, 7200.0}
    assert sleeper.pauses == []


def test_the_last_retry_after_is_handed_on(push: Push) -> None:
    assert push(answer(503), answer(503), answer(503, Retry_After="20"))[0].retry_after == 20.0


def test_a_retry_after_a_long_pause_carries_a_fresh_token(push: Push, sleeper: Sleeper) -> None:
    _, requests = push(answer(429, Retry_After="200"), imported(), retry_after_limit=300.0)
    assert sleeper.pauses[0] >= 200
    assert requests[0].token != requests[1].token


# Failures that need a person


@pytest.mark.parametrize(
    ("status", "setting"),
    [
        (401, "SKYAI_FINANCE_SECRET"),
        (403, "SKYAI_FINANCE_ROLES"),
        (404, "SKYAI_FINANCE_URL"),
        (405, "SKYAI_FINANCE_URL"),
        (301, "SKYAI_FINANCE_URL"),
        (302, "SKYAI_FINANCE_URL"),
        (304, "SKYAI_FINANCE_URL"),
        (308, "SKYAI_FINANCE_URL"),
        (666, "SKYAI_FINANCE_URL"),
    ],
)
def test_a_wrong_setting_stops_at_once_and_is_named(push: Push, sleeper: Sleeper, status: int, setting: str) -> None:
    outcome, requests = push(answer(status, Retry_After="1"))
    assert isinstance(outcome, ConfigurationFailure)
    assert (outcome.status, outcome.requests, len(requests)) == (status, 1, 1)
    assert setting in str(outcome)
    assert sleeper.pauses == []


def test_a_redirect_is_shown_without_its_query_and_not_followed(push: Push) -> None:
    outcome, requests = push(answer(302, Location="https://login.example/sso?state=private"), imported())
    assert isinstance(outcome, ConfigurationFailure)
    assert "https://login.example/sso" in str(outcome)
    assert "private" not in str(outcome)
    assert len(requests) == 1


def test_a_host_name_that_does_not_resolve_is_not_tried_again(
    client_of: Callable[..., FinanceClient], sleeper: Sleeper
) -> None:
    with client_of("https://nonexistent.invalid") as client, pytest.raises(ConfigurationFailure) as failed:
        client.import_invoice(PAYLOAD)
    assert "SKYAI_FINANCE_URL" in str(failed.value)
    assert "nonexistent.invalid" in str(failed.value)
    assert failed.value.requests == 1
    assert sleeper.pauses == []


def test_a_server_without_tls_behind_https_is_not_tried_again(
    client_of: Callable[..., FinanceClient], sleeper: Sleeper
) -> None:
    with ScriptedServer(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        client = client_of(server.url.replace("http:", "https:"))
        with pytest.raises(ConfigurationFailure, match="SKYAI_FINANCE_URL") as failed:
            client.import_invoice(PAYLOAD)
    assert failed.value.requests == 1
    assert sleeper.pauses == []


@pytest.mark.parametrize("drop", [hang_up, reset])
def test_a_connection_dropped_within_the_tls_handshake_is_tried_three_times(
    client_of: Callable[..., FinanceClient], drop: Step
) -> None:
    with ScriptedServer(drop) as server:
        client = client_of(server.url.replace("http:", "https:"))
        with pytest.raises(TransientFailure) as failed:
            client.import_invoice(PAYLOAD)
    assert failed.value.requests == len(server.requests) == 3


def test_a_tls_handshake_that_takes_too_long_is_tried_three_times(client_of: Callable[..., FinanceClient]) -> None:
    with ScriptedServer(say_nothing) as server:
        client = client_of(server.url.replace("http:", "https:"), connect_timeout=0.05)
        with pytest.raises(TransientFailure, match="no connection in time") as failed:
            client.import_invoice(PAYLOAD)
    assert failed.value.requests == 3


def test_authorities_that_cannot_be_read_are_named(
    client_of: Callable[..., FinanceClient], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigurationFailure, match="SSL_CERT_FILE"):
        client_of("https://finance.example")


@pytest.mark.parametrize("noise", [b"220 mail.example ESMTP\r\n\r\n", b"\x15\x03\x01\r\n\r\n", b"x" * 200_000])
def test_an_answer_that_is_not_http_is_not_tried_again(push: Push, noise: bytes) -> None:
    outcome, requests = push(raw(noise, pause=0.05))
    assert isinstance(outcome, ConfigurationFailure)
    assert (outcome.status, outcome.requests, len(requests)) == (None, 1, 1)
    assert "SKYAI_FINANCE_URL" in str(outcome)


@pytest.mark.parametrize("url", ["http://finance.example", "http://10.0.0.7:4010", "http://128.0.0.1", "http://[::2]"])
def test_plain_http_leaves_the_machine_only_where_a_setting_allows_it(
    client_of: Callable[..., FinanceClient], url: str
) -> None:
    with pytest.raises(ConfigurationFailure, match="SKYAI_FINANCE_ALLOW_HTTP"):
        client_of(url)
    assert client_of(url, allow_http=True).target == url


@pytest.mark.parametrize(
    "url", ["http://localhost:4010", "http://127.0.0.1", "http://127.8.9.1:1", "http://[::1]:4010"]
)
def test_plain_http_to_this_machine_is_fine(client_of: Callable[..., FinanceClient], url: str) -> None:
    assert client_of(url).target == url


@pytest.mark.parametrize(
    "url",
    [
        "https://someone:hunter2@finance.example",
        "https://hunter2@finance.example",
        "https://finance.example/?key=hunter2",
        "https://finance.example/#hunter2",
        "https://someone:hunter2/x@finance.example",
        "ftp://hunter2.example",
        "hunter2",
        "",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_and_not_repeated(
    client_of: Callable[..., FinanceClient], url: str
) -> None:
    with pytest.raises(ConfigurationFailure, match="SKYAI_FINANCE_URL") as refused:
        client_of(url)
    error: BaseException | None = refused.value
    while error is not None:
        assert "hunter2" not in str(error)
        error = error.__cause__ or error.__context__


# Failures of one payload


@pytest.mark.parametrize("status", [400, 402, 409, 410, 413, 418, 422, 451, 501, 505, 507, 599])
def test_every_other_refusal_is_final_after_one_request(push: Push, sleeper: Sleeper, status: int) -> None:
    outcome, requests = push(answer(status, {"errors": {"currency": ["is invalid"]}}))
    assert isinstance(outcome, PayloadRefused)
    assert (outcome.status, outcome.requests, len(requests)) == (status, 1, 1)
    assert "is invalid" in str(outcome)
    assert sleeper.pauses == []


@pytest.mark.parametrize(
    ("status", "kind"), [(401, ConfigurationFailure), (422, PayloadRefused), (503, TransientFailure)]
)
def test_a_refusal_counts_even_where_its_words_are_cut_off(push: Push, status: int, kind: type[FinanceError]) -> None:
    outcome, _ = push(raw(head(status, Content_Length=100) + b"some words"))
    assert type(outcome) is kind
    assert outcome.status == status


# What may be shown


def test_what_finance_says_is_short_on_one_line_and_harmless_to_a_terminal(push: Push) -> None:
    outcome, _ = push(answer(422, "\x1b[31mno\r\n\u202egood\x00 café ".encode() + b"\xff" + b"y" * 10_000))
    message = str(outcome)
    assert message.isprintable()
    assert r"\x1b[31mno\r\n\u202egood\x00 café" in message
    assert len(message) < 450


@pytest.mark.parametrize("status", [200, 302, 401, 422, 503])
def test_a_token_or_secret_that_finance_repeats_is_not_shown(
    push: Push, mint: TokenMint, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)

    def parrot(handler: _Handler, request: Request) -> bool:
        words = f"token {request.token} with {SECRET}"
        return answer(status, words.encode(), Location=f"/{request.token}/{SECRET}")(handler, request)

    outcome, requests = push(parrot)
    error = outcome
    while error is not None:
        for shown in (str(error), repr(error), repr(error.args)):
            assert requests[0].token not in shown
            assert SECRET not in shown
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("script", [imported(), answer(401), hang_up, say_nothing])
def test_neither_logs_nor_errors_hold_the_token(
    client_of: Callable[..., FinanceClient], caplog: pytest.LogCaptureFixture, script: Step
) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(script) as server, client_of(server.url, read_timeout=0.05) as client:
        try:
            client.import_invoice(PAYLOAD)
        except FinanceError as error:
            shown = f"{error!r} {error.__cause__!r} {error.__context__!r}"
        else:
            shown = ""
        assert repr(client) == f"FinanceClient('{server.url}')"
    assert caplog.text
    assert server.requests[0].token not in caplog.text + shown
    assert SECRET not in caplog.text + shown


def test_an_error_says_what_the_caller_needs() -> None:
    error = TransientFailure("away", status=503, requests=3, retry_after=20.0)
    assert isinstance(error, FinanceError)
    assert (str(error), error.status, error.requests, error.retry_after) == ("away", 503, 3, 20.0)


# The target


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://localhost:4010", "http://localhost:4010"),
        ("http://localhost:4010/", "http://localhost:4010"),
        ("HTTPS://key:word@Finance.Example:443/Books//?a=b#c", "https://finance.example/Books"),
        ("http://finance.example:80", "http://finance.example"),
        ("http://finance.example:443", "http://finance.example:443"),
        ("https://[::1]:4010", "https://[::1]:4010"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_a_target_is_the_url_without_what_does_not_tell_services_apart(url: str, target: str) -> None:
    assert target_of(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:4010",
        "//localhost",
        "ftp://localhost",
        "http://",
        "http:///path",
        "http://host:port",
        "http://host:0",
        "http://host:65536",
        "http://two..dots",
        "http://" + "a" * 64 + ".example",
        "http://host ",
        " http://host",
        "http://host\n",
        "http://[::1",
    ],
)
def test_what_is_no_http_url_has_no_target(url: str) -> None:
    with pytest.raises(ValueError, match="not an http"):
        target_of(url)


@quickly(50)
@given(
    st.one_of(
        st.text(),
        st.text().map("http://host".__add__),
        st.from_regex(r"\A(?i:https?)://([a-z:]*@)?[a-zA-Z0-9.]+(:[0-9]{0,5})?(/[a-z./%~ü]*)?([?#].*)?\Z"),
    )
)
@example("http://h/./..//a/")
@example("http://xn--\ud800")
def test_naming_a_target_again_changes_nothing(url: str) -> None:
    try:
        target = target_of(url)
    except ValueError:
        return
    assert target_of(target) == target
    assert not target.endswith("/")


@quickly(200)
@given(st.from_regex(r"(?a:https?://[a-z0-9.]{1,12}(:[0-9]{1,5})?(/[a-z0-9_]{0,3}){0,3})", fullmatch=True))
@example("http://127.0.0.1:4010")
@example("https://finance.example/books/")
def test_a_url_that_is_its_own_name_is_named_as_if_it_were_parsed(url: str) -> None:
    def named(of: str) -> str | None:
        try:
            return target_of(of)
        except ValueError:
            return None

    assert named(url) == named(url.replace("http", "HTTP", 1))  # which is never its own name


# Retry-After


@quickly(50)
@given(
    st.one_of(st.text(), st.from_regex(r"\A[A-Za-z]{3}, \d+ [A-Za-z]{3} \d+ \d+:\d+:\d+ .{0,5}\Z")), st.floats(0, 4e9)
)
@example("Fri, 31 Dec 9999 23:59:59 -2359", 0.0)
@example("Mon, 01 Jan 0001 00:00:00 +2359", 0.0)
def test_no_retry_after_header_is_ever_an_error(value: str, now: float) -> None:
    seconds = retry_after_seconds(value, now)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize("zone", ["GMT", "-0000", ""])
def test_a_retry_after_date_is_in_utc_whatever_it_says_of_its_zone(zone: str) -> None:
    assert retry_after_seconds(f"Fri, 01 May 2026 00:00:07 {zone}", NOW) == 7


@quickly(50)
@given(st.integers(min_value=0, max_value=999_999_999))
def test_retry_after_in_seconds_is_taken_as_it_is_up_to_a_day(seconds: int) -> None:
    assert retry_after_seconds(str(seconds), NOW) == min(seconds, DAY)


@quickly(50)
@given(st.integers(min_value=0, max_value=4_000_000_000))
def test_retry_after_as_a_date_is_the_time_until_then_up_to_a_day(when: int) -> None:
    assert retry_after_seconds(formatdate(when, usegmt=True), NOW) == min(max(0, when - NOW), DAY)


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 -0100", "Mon, 01 Jan 0001 00:00:00 +2300"])
def test_a_date_at_the_end_of_all_calendars_is_no_error(date: str) -> None:
    assert retry_after_seconds(date, NOW) in {None, 0, DAY}
