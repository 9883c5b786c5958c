"""The client of DigitalOcean's API against a server that answers as the API's public description says."""

import logging
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from arcadia_dagster.providers.api import Pace
from arcadia_dagster.providers.digitalocean import DigitalOceanClient
from arcadia_dagster.providers.errors import (
    ConfigurationFailure,
    GivenUp,
    ProviderError,
    TransientFailure,
    UnusableAnswer,
)
from arcadia_dagster_tests.kit.clocks import NOW, Sleeper
from arcadia_dagster_tests.kit.digitalocean_api import LISTS, TOKEN, UUID, DigitalOceanApi, invoice, item, summary, uuid
from arcadia_dagster_tests.kit.scripted_server import (
    Endless,
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

INVOICES = "/v2/customers/my/invoices"


@pytest.fixture
def sleeper() -> Sleeper:
    return Sleeper()


@pytest.fixture
def client_of(sleeper: Sleeper) -> Iterator[Callable[..., DigitalOceanClient]]:
    clients = []

    def make(url: str, **options: Any) -> DigitalOceanClient:
        options = {"jitter": 0.0, "sleep": sleeper, "clock": sleeper.clock, **options}
        clients.append(DigitalOceanClient(options.pop("token", TOKEN), url, Pace(**options)))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def listed(*script: Step, client_of: Callable[..., DigitalOceanClient], **options: Any) -> Any:
    """What listing the invoices comes to, the result or the error, where the server does what the script says."""
    with ScriptedServer(*script) as server:
        client = client_of(server.url, **options)
        try:
            outcome: Any = client.invoices()
        except ProviderError as error:
            outcome = error
        client.close()
    return outcome, server.requests


def page(*entries: object, total: object = None, next_: object = None, key: str = "invoices") -> Step:
    content: dict[str, Any] = {key: list(entries), "links": {}, "meta": {"total": total}}
    if total is None:
        content["meta"] = {"total": len(entries)}
    if next_ is not None:
        content["links"] = {"pages": {"next": next_}}
    return answer(200, content)


# What is asked


def test_the_list_the_items_and_the_summary_are_what_the_api_states(
    client_of: Callable[..., DigitalOceanClient],
) -> None:
    items = [item(), item(product="Taxes", description="GST Australia (10.00%)", amount="0.60", duration="")]
    with DigitalOceanApi([invoice()], {uuid(1): items}) as api, client_of(api.url) as client:
        assert client.invoices() == [invoice()]
        assert client.invoice_items(uuid(1)) == items
        assert client.invoice_summary(uuid(1)) == summary(invoice())
    for request in api.requests:
        assert request.method == "GET"
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert request.headers["user-agent"].startswith("arcadia-dagster/")
    assert api.paths == [INVOICES, f"{INVOICES}/{uuid(1)}", f"{INVOICES}/{uuid(1)}/summary"]


def test_the_preview_of_the_open_month_is_no_invoice(client_of: Callable[..., DigitalOceanClient]) -> None:
    with DigitalOceanApi([]) as api, client_of(api.url) as client:
        assert client.invoices() == []


def test_an_account_without_anything_has_nothing(client_of: Callable[..., DigitalOceanClient]) -> None:
    assert listed(answer(200, {"invoices": None, "meta": {"total": 0}}), client_of=client_of)[0] == []


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (199, 1), (200, 1), (201, 2), (600, 3), (1001, 6)])
def test_every_page_of_two_hundred_is_read(
    client_of: Callable[..., DigitalOceanClient], count: int, pages: int
) -> None:
    items = [item(description=f"droplet {number}") for number in range(count)]
    with DigitalOceanApi([invoice()], {uuid(1): items}) as api, client_of(api.url) as client:
        assert client.invoice_items(uuid(1)) == items
    wanted = [parse_qs(urlsplit(request.path).query) for request in api.requests]
    assert wanted == [{"page": [str(number)], "per_page": ["200"]} for number in range(1, pages + 1)]


def test_pages_that_are_smaller_than_asked_for_are_read_all_the_same(
    client_of: Callable[..., DigitalOceanClient],
) -> None:
    items = [item(description=f"droplet {number}") for number in range(45)]
    with DigitalOceanApi([invoice()], {uuid(1): items}, most=20) as api, client_of(api.url) as client:
        assert client.invoice_items(uuid(1)) == items
    assert len(api.requests) == 3


def test_no_link_is_followed_so_that_the_token_goes_to_the_base_url_only(
    client_of: Callable[..., DigitalOceanClient],
) -> None:
    with ScriptedServer(hang_up) as elsewhere:
        first, second = invoice(1), invoice(2)
        found, requests = listed(
            page(first, total=2, next_=f"{elsewhere.url}/v2/customers/my/invoices?page=2"),
            page(second, total=2),
            client_of=client_of,
        )
    assert found == [first, second]
    assert [urlsplit(request.path).path for request in requests] == [INVOICES, INVOICES]
    assert elsewhere.requests == []


def test_a_base_url_with_a_path_is_kept(client_of: Callable[..., DigitalOceanClient]) -> None:
    with ScriptedServer(page()) as server, client_of(server.url + "/proxy/") as client:
        client.invoices()
    assert server.requests[0].path.startswith(f"/proxy{INVOICES}?")


def test_one_connection_serves_all_requests(client_of: Callable[..., DigitalOceanClient]) -> None:
    with DigitalOceanApi([invoice()]) as api, client_of(api.url) as client:
        for _ in range(5):
            client.invoices()
    assert len({request.port for request in api.requests}) == 1


def test_no_digit_of_a_number_is_lost(client_of: Callable[..., DigitalOceanClient]) -> None:
    body = b'{"invoices": [{"amount": 0.10000000000000000001, "id": 123456789012345678901}], "meta": {"total": 1}}'
    [entry], _ = listed(answer(200, body), client_of=client_of)
    assert entry == {"amount": "0.10000000000000000001", "id": 123456789012345678901}


# Lists that do not add up


def test_a_total_that_changes_on_the_way_restarts_the_list(client_of: Callable[..., DigitalOceanClient]) -> None:
    items = [item(description=f"droplet {number}") for number in range(201)]
    more = item(description="one more")

    def grow(request: Request) -> None:
        if "page=2&" in request.path and more not in items:
            items.append(more)

    with DigitalOceanApi([invoice()], {uuid(1): items}, before=grow) as api, client_of(api.url) as client:
        assert client.invoice_items(uuid(1)) == items
    assert len(items) == 202
    assert [parse_qs(urlsplit(request.path).query)["page"] for request in api.requests] == [["1"], ["2"], ["1"], ["2"]]


def test_a_list_that_changes_each_time_is_left_for_the_next_fetch(client_of: Callable[..., DigitalOceanClient]) -> None:
    items = [item() for _ in range(201)]

    def grow(request: Request) -> None:
        if "page=2&" in request.path:
            items.append(item())

    with (
        DigitalOceanApi([invoice()], {uuid(1): items}, before=grow) as api,
        client_of(api.url) as client,
        pytest.raises(TransientFailure, match="its total changed from 203 to 204 on page 2"),
    ):
        client.invoice_items(uuid(1))
    assert len(api.requests) == 6


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ((page(invoice(), total=2),), "1 entry came, and its total is 2"),
        ((page(invoice(1), invoice(2), total=1),), "2 entries came, and its total is 1"),
        ((page(invoice(), total=1, next_="https://api.digitalocean.com/v2?page=2"),), "there is a page 2"),
        ((page(total=5, next_="https://api.digitalocean.com/v2?page=2"),), "there is a page 2"),
        ((page(invoice(1), invoice(1)),), "an entry came twice"),
    ],
)
def test_a_list_that_does_not_add_up_is_not_taken(
    client_of: Callable[..., DigitalOceanClient], script: tuple[Step, ...], says: str
) -> None:
    outcome, requests = listed(*script, client_of=client_of)
    assert isinstance(outcome, TransientFailure)
    assert says in str(outcome)
    assert len(requests) == 3


def test_entries_that_moved_from_one_page_to_the_next_are_noticed(client_of: Callable[..., DigitalOceanClient]) -> None:
    first = page(invoice(1), invoice(2), next_="https://api.digitalocean.com/v2?page=2", total=4)
    moved = [first, page(invoice(2), invoice(3), total=4)]
    right = [first, page(invoice(3), invoice(4), total=4)]
    outcome, requests = listed(*moved, *right, client_of=client_of)
    assert [entry["invoice_uuid"] for entry in outcome] == [uuid(number) for number in (1, 2, 3, 4)]
    assert len(requests) == 4


# Answers that are not what the description says


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>down for maintenance</html>",
        b'{"invoices": [',
        b"[]",
        b"{}",
        b'{"invoices": {}, "meta": {"total": 0}}',
        b'{"invoices": ["text"], "meta": {"total": 1}}',
        b'{"invoices": []}',
        b'{"invoices": [], "meta": {"total": "0"}}',
        b'{"invoices": [], "meta": {"total": true}}',
        b'{"invoices": [], "meta": {"total": 0}, "links": {"pages": {"next": 2}}}',
        b'{"invoices": [{"amount": NaN}], "meta": {"total": 1}}',
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
    ],
)
def test_an_answer_of_another_shape_is_not_taken(client_of: Callable[..., DigitalOceanClient], body: bytes) -> None:
    outcome, requests = listed(answer(200, body), client_of=client_of)
    assert isinstance(outcome, UnusableAnswer)
    assert "customers/my/invoices" in str(outcome)
    assert len(requests) == 1


def test_an_answer_without_end_is_cut_off(client_of: Callable[..., DigitalOceanClient]) -> None:
    endless = Endless(head(200) + b'{"invoices": [', b" " * (1 << 20))
    outcome, _ = listed(endless, client_of=client_of)
    assert isinstance(outcome, UnusableAnswer)
    assert endless.sent < 64


def test_the_summary_of_another_invoice_is_not_taken(client_of: Callable[..., DigitalOceanClient]) -> None:
    with ScriptedServer(answer(200, summary(invoice(2)))) as server, pytest.raises(UnusableAnswer, match="another"):
        client_of(server.url).invoice_summary(uuid(1))


@pytest.mark.parametrize("id_", ["../../../v2/account", "a/b", "a?b", "", "a b", None, 7, "x" * 65])
def test_an_id_that_would_lead_elsewhere_is_not_asked_for(
    client_of: Callable[..., DigitalOceanClient], id_: Any
) -> None:
    with DigitalOceanApi() as api, client_of(api.url) as client:
        for ask in (client.invoice_items, client.invoice_summary):
            with pytest.raises(UnusableAnswer):
                ask(id_)
    assert api.requests == []


# Failures that pass


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520])
def test_a_failure_that_may_pass_is_tried_again(
    client_of: Callable[..., DigitalOceanClient], sleeper: Sleeper, status: int
) -> None:
    outcome, requests = listed(answer(status), answer(status), page(invoice()), client_of=client_of)
    assert outcome == [invoice()]
    assert len(requests) == 3
    assert sleeper.pauses == [1.0, 2.0]


@pytest.mark.parametrize(
    "step", [hang_up, reset, raw(head(200, Content_Length=500) + b'{"invoices"'), raw(b"HTTP/1.1 2")]
)
def test_a_dropped_connection_is_tried_again(client_of: Callable[..., DigitalOceanClient], step: Step) -> None:
    outcome, requests = listed(step, page(invoice()), client_of=client_of)
    assert outcome == [invoice()]
    assert len(requests) == 2


def test_a_failure_that_stays_is_left_for_the_next_fetch(
    client_of: Callable[..., DigitalOceanClient], sleeper: Sleeper
) -> None:
    outcome, requests = listed(answer(500, {"message": "server error"}), client_of=client_of)
    assert isinstance(outcome, TransientFailure)
    assert "500" in str(outcome)
    assert "server error" in str(outcome)
    assert len(requests) == 4
    assert sleeper.pauses == [1.0, 2.0, 5.0]


def test_pauses_are_longer_by_chance_so_that_many_clients_do_not_come_back_together(
    client_of: Callable[..., DigitalOceanClient], sleeper: Sleeper
) -> None:
    listed(answer(500), client_of=client_of, jitter=0.5)
    for pause, least in zip(sleeper.pauses, [1.0, 2.0, 5.0], strict=True):
        assert least < pause < least * 1.5


def test_silence_and_a_trickle_of_bytes_end_with_the_limits(client_of: Callable[..., DigitalOceanClient]) -> None:
    began = time.monotonic()
    outcome, _ = listed(say_nothing, client_of=client_of, read_timeout=0.1, retry_delays=())
    assert isinstance(outcome, TransientFailure)
    assert "0.1 s" in str(outcome)
    trickle = Endless(head(200), b" ", pause=0.02)
    outcome, _ = listed(trickle, client_of=client_of, deadline=0.3, retry_delays=())
    assert isinstance(outcome, TransientFailure)
    assert "no complete answer within 0.3 s" in str(outcome)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("status", [429, 500, 503])
def test_retry_after_is_honoured(client_of: Callable[..., DigitalOceanClient], sleeper: Sleeper, status: int) -> None:
    outcome, _ = listed(answer(status, Retry_After=37), page(invoice()), client_of=client_of)
    assert outcome == [invoice()]
    assert sum(sleeper.pauses) == pytest.approx(37)


def test_without_retry_after_the_time_at_which_the_limit_is_reset_is_honoured(
    client_of: Callable[..., DigitalOceanClient], sleeper: Sleeper
) -> None:
    used_up: dict[str, Any] = {"ratelimit_limit": 5000, "ratelimit_remaining": 0, "ratelimit_reset": int(NOW) + 25}
    outcome, _ = listed(answer(429, **used_up), page(invoice()), client_of=client_of)
    assert outcome == [invoice()]
    assert sum(sleeper.pauses) == pytest.approx(25)


def test_retry_after_counts_more_than_the_hourly_limit(
    client_of: Callable[..., DigitalOceanClient], sleeper: Sleeper
) -> None:
    both: dict[str, Any] = {"Retry_After": 10, "ratelimit_remaining": 0, "ratelimit_reset": int(NOW) + 3000}
    outcome, _ = listed(answer(429, **both), page(invoice()), client_of=client_of)
    assert outcome == [invoice()]
    assert sum(sleeper.pauses) == pytest.approx(10)


def test_no_request_is_made_that_is_known_to_be_refused(
    client_of: Callable[..., DigitalOceanClient], sleeper: Sleeper
) -> None:
    last = {"ratelimit_remaining": 0, "ratelimit_reset": int(NOW) + 30}
    with DigitalOceanApi([invoice()], headers=last) as api, client_of(api.url) as client:
        client.invoices()
        assert sleeper.pauses == []
        client.invoice_items(uuid(1))
    assert sleeper.pauses == [30.0]


def test_whoever_asks_to_be_left_alone_for_long_is_left_alone(
    client_of: Callable[..., DigitalOceanClient], sleeper: Sleeper
) -> None:
    outcome, requests = listed(answer(429, Retry_After=3000), client_of=client_of)
    assert isinstance(outcome, GivenUp)
    assert "fetch again later" in str(outcome)
    assert len(requests) == 1
    assert sum(sleeper.pauses) < 10


def test_failures_take_a_bounded_time_in_all(client_of: Callable[..., DigitalOceanClient], sleeper: Sleeper) -> None:
    with DigitalOceanApi(before=lambda _: answer(503, Retry_After=60)) as api, client_of(api.url) as client:
        for _ in range(100):
            with pytest.raises((TransientFailure, GivenUp)):
                client.invoices()
            with pytest.raises((TransientFailure, GivenUp)):
                client.invoice_items(UUID)
    assert sum(sleeper.pauses) <= 600


# Failures that do not pass


@pytest.mark.parametrize(("status", "setting"), [(401, "DIGITALOCEAN_TOKEN"), (403, "scope")])
def test_a_token_that_is_not_accepted_stops_at_once(
    client_of: Callable[..., DigitalOceanClient], status: int, setting: str
) -> None:
    outcome, requests = listed(answer(status, {"message": "no"}), client_of=client_of)
    assert isinstance(outcome, ConfigurationFailure)
    assert setting in str(outcome)
    assert len(requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(client_of: Callable[..., DigitalOceanClient], status: int) -> None:
    with ScriptedServer(page()) as elsewhere:
        outcome, _ = listed(answer(status, Location=f"{elsewhere.url}/v2"), client_of=client_of)
    assert isinstance(outcome, ConfigurationFailure)
    assert "ARCADIA_DIGITALOCEAN_URL" in str(outcome)
    assert elsewhere.requests == []


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_what_is_refused_alone_does_not_stop_the_others(
    client_of: Callable[..., DigitalOceanClient], status: int
) -> None:
    outcome, requests = listed(answer(status, {"message": "not here"}), client_of=client_of)
    assert isinstance(outcome, UnusableAnswer)
    assert "not here" in str(outcome)
    assert len(requests) == 1


def test_what_does_not_speak_http_is_a_wrong_setting(client_of: Callable[..., DigitalOceanClient]) -> None:
    outcome, _ = listed(raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), client_of=client_of)
    assert isinstance(outcome, ConfigurationFailure)


def test_tls_where_there_is_none_is_a_wrong_setting(client_of: Callable[..., DigitalOceanClient]) -> None:
    with ScriptedServer(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        client = client_of(server.url.replace("http:", "https:"))
        with pytest.raises(ConfigurationFailure, match="TLS"):
            client.invoices()


def test_nobody_listening_is_left_for_the_next_fetch(client_of: Callable[..., DigitalOceanClient]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(TransientFailure):
        client_of(f"http://127.0.0.1:{port}").invoices()


@pytest.mark.parametrize(
    "url",
    ["http://api.digitalocean.com", "http://10.0.0.1", "https://user@example.com", "ftp://x", "x", "https://x?y=z"],
)
def test_the_token_is_sent_nowhere_where_others_could_read_it(url: str) -> None:
    with pytest.raises(ConfigurationFailure, match="ARCADIA_DIGITALOCEAN_URL"):
        DigitalOceanClient(TOKEN, url)


@pytest.mark.parametrize("token", ["", " ", "two words", "line\nbreak", "ümlaut", "nul\0"])
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ConfigurationFailure) as refused:
        DigitalOceanClient(token)
    assert "DIGITALOCEAN_TOKEN" in str(refused.value)
    assert not token.strip() or token not in str(refused.value)


def test_the_token_is_seen_nowhere(
    client_of: Callable[..., DigitalOceanClient], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = []
    words = {"message": f"you sent {TOKEN}"}
    for status in (302, 401, 403, 404, 422, 429, 500, 503):
        repeating = answer(status, words, X_Token=TOKEN, Location=f"https://elsewhere.example/{TOKEN}")
        outcome, _ = listed(repeating, client_of=client_of)
        chain = [outcome, outcome.__cause__, outcome.__context__]
        told += [f"{error} {error!r} {vars(error) if error else ''}" for error in chain]
    told += [repr(client_of("http://127.0.0.1:1")), caplog.text]
    assert not [text for text in told if TOKEN in text]


def test_somebody_elses_words_are_short_and_on_one_line(client_of: Callable[..., DigitalOceanClient]) -> None:
    outcome, _ = listed(answer(500, b"one\n\x1b[31mtwo" * 1000), client_of=client_of, retry_delays=())
    assert len(str(outcome)) < 600
    assert str(outcome).isprintable()


# What the account runs


def test_the_resources_are_listed_with_id_name_type_and_project(client_of: Callable[..., DigitalOceanClient]) -> None:
    with DigitalOceanApi(lists=LISTS) as api, client_of(api.url) as client:
        found = client.resources()
    assert [tuple(resource.values()) for resource in found] == [
        ("4f6c71e2-1e90-4762-9fee-6cc4a0a9f2cf", "shop", "app", None),
        ("9cc10173-e9ea-4176-9dbc-a4cee4c4ff30", "backend", "database", None),
        ("31", "web-02", "droplet", "my-web-api"),
        ("4126873", "web-01", "droplet", None),
        ("99", "gpu-01", "droplet", None),
        ("bd5f5959-5e1e-4205-a714-a914373942af", "prod", "kubernetes_cluster", None),
        ("4de7ac8b-495b-4884-9a69-1050c6793cd6", "entry", "load_balancer", None),
        ("45.55.96.47", "45.55.96.47", "reserved_ip", "my-web-api"),
        ("6372321", "web-01 before", "snapshot", None),
        ("506f78a4-e098-11e5-ad9f-000f53306ae1", "data", "volume", None),
    ]
    assert {tuple(resource) for resource in found} == {("id", "name", "type", "project")}


def test_resources_come_in_pages_too(client_of: Callable[..., DigitalOceanClient]) -> None:
    lists = {**LISTS, "/v2/droplets": [{"id": number, "name": f"web-{number}"} for number in range(1000, 1450)]}
    with DigitalOceanApi(lists=lists) as api, client_of(api.url) as client:
        assert sum(resource["type"] == "droplet" for resource in client.resources()) == 451
    assert api.count("/v2/droplets") == 4


@pytest.mark.parametrize("path", [path for path in LISTS if "?" not in path])
def test_a_list_that_cannot_be_read_spoils_the_whole_inventory(
    client_of: Callable[..., DigitalOceanClient], path: str
) -> None:
    def refuse(request: Request) -> Step | None:
        return answer(403) if urlsplit(request.path).path == path else None

    named = path.removeprefix("/v2/")
    with DigitalOceanApi(lists=LISTS, before=refuse) as api, pytest.raises(ConfigurationFailure, match=named):
        client_of(api.url).resources()


@pytest.mark.parametrize("entry", [{"name": "no id"}, {"id": None}, {"id": " "}, {"id": True}, {"id": [1]}])
def test_a_resource_without_an_id_spoils_the_inventory(
    client_of: Callable[..., DigitalOceanClient], entry: Any
) -> None:
    lists = {"/v2/volumes": [entry]}
    with DigitalOceanApi(lists=lists) as api, pytest.raises(UnusableAnswer, match="has no id"):
        client_of(api.url).resources()
