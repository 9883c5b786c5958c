"""The web server as `make run` starts it, asked as a page of another site would ask it, and as its own UI does."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES
from arcadia_dagster_tests.kit.ui import ANSWERED, LAUNCH, REFUSED, Attempt, answered, runs, web_server

UI_URL = "https://dagster.example.com"
CHECKED = """
query { assetCheckExecutions(assetKey: {path: ["tax_split_totals"]}, checkName: "nothing_held", limit: 1) { status } }
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ui")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[str]:
    environ = {"ARCADIA_UI_URL": UI_URL, "ARCADIA_HOSTS": "arcadia, 10.1.2.3", "ARCADIA_METRICS": "true"}
    with web_server(home, environ=environ) as url:
        yield url


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=60, verify=NO_AUTHORITIES) as found:
        yield found


@pytest.mark.parametrize("attempt", REFUSED, ids=lambda attempt: attempt.what)
def test_what_a_page_of_another_site_can_send_is_refused_and_does_nothing(
    server: str, client: httpx.Client, attempt: Attempt
) -> None:
    answer = attempt.sent_to(client, server)
    assert answer.status_code in {400, 403, 405, 415}
    assert not {name for name in answer.headers if name.startswith("access-control-")}
    assert runs(client) == []
    checked = client.post("/graphql", json={"query": CHECKED}).json()
    assert checked["data"]["assetCheckExecutions"] == []


@pytest.mark.parametrize(
    "hosts", [(), ("",), ("127.0.0.1", "evil.example"), ("evil.example", "127.0.0.1"), ("a@localhost",)]
)
def test_a_request_that_names_no_server_or_two_is_refused(server: str, hosts: tuple[str, ...]) -> None:
    assert answered(server, "GET / HTTP/1.0", *(f"Host: {host}" for host in hosts)).split()[1] in {"400", "403"}


@pytest.mark.parametrize("attempt", ANSWERED, ids=lambda attempt: attempt.what)
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST"])
def test_under_each_loopback_name_the_ui_and_programs_are_answered(
    server: str, client: httpx.Client, attempt: Attempt, name: str
) -> None:
    answer = attempt.sent_to(client, server.replace("127.0.0.1", name))
    assert (answer.status_code, "errors" in answer.text) == (200, False)
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize("host", ["dagster.example.com", "127.0.0.1"])
def test_behind_a_proxy_that_speaks_tls_the_ui_is_answered_at_the_address_of_the_setting(
    client: httpx.Client, host: str
) -> None:
    headers = {"Host": host, "Origin": UI_URL}
    assert client.post("/graphql", json={"query": "{ version }"}, headers=headers).json()["data"]["version"]
    for foreign in ("http://dagster.example.com", "https://dagster.example.com:8443", "https://example.com"):
        assert (
            client.post("/graphql", json={"query": LAUNCH}, headers={**headers, "Origin": foreign}).status_code == 403
        )


def test_a_monitor_reads_figures_under_a_name_that_the_server_knows(client: httpx.Client) -> None:
    answer = client.get("/metrics", headers={"Host": "10.1.2.3"})
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    assert "\narcadia_problems " in answer.text
    assert client.get("/metrics", headers={"Host": "evil.example"}).status_code == 403


def test_figures_that_must_wait_for_a_writer_are_refused_within_seconds_and_tell_nothing_of_it(
    client: httpx.Client, home: Path
) -> None:
    with Warehouse(home / "arcadia.duckdb", lock_timeout=5).write():
        begun = time.monotonic()
        answer = client.get("/metrics")
        assert time.monotonic() - begun < 10
    assert (answer.status_code, answer.text) == (503, "others write the warehouse: ask again")


@pytest.mark.parametrize("host", ["arcadia", "arcadia:8080", "10.1.2.3"])
def test_further_names_are_answered_to(client: httpx.Client, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert client.post("/graphql", json={"query": "{ version }"}, headers=headers).json()["data"]["version"]


def test_a_refusal_says_which_setting_would_make_it_an_answer(client: httpx.Client) -> None:
    assert "set ARCADIA_HOSTS=evil.example " in client.get("/", headers={"Host": "Evil.example:3000"}).text
    told = client.get("/", headers={"Origin": "https://evil.example"}).text
    assert "set ARCADIA_UI_URL=https://evil.example " in told


SUBSCRIBE = {
    "id": "1",
    "type": "start",
    "payload": {
        "query": 'subscription { pipelineRunLogs(runId: "none", cursor: null) { __typename } }',
        "variables": {},
    },
}


@pytest.mark.parametrize("origin", ["own", None])
def test_the_ui_and_programs_can_subscribe(server: str, origin: str | None) -> None:
    address = server.replace("http://", "ws://") + "/graphql"
    with connect(
        address, origin=Origin(server) if origin else None, subprotocols=[Subprotocol("graphql-ws")]
    ) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv(timeout=30)) == {"type": "connection_ack"}
        socket.send(json.dumps(SUBSCRIBE))
        answer = json.loads(socket.recv(timeout=30))
        assert (answer["type"], answer["payload"]["data"]["pipelineRunLogs"]["__typename"]) == (
            "data",
            "PipelineRunLogsSubscriptionFailure",
        )


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}],
    ids=["another site", "a frame", "a name that leads here"],
)
def test_no_page_of_another_site_can_subscribe(server: str, headers: dict[str, str]) -> None:
    lines = {"Host": server.removeprefix("http://"), **headers}
    handshake = (
        "GET /graphql HTTP/1.1",
        *(f"{name}: {value}" for name, value in lines.items()),
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: graphql-ws",
    )
    assert answered(server, *handshake).startswith("HTTP/1.1 403")


def test_a_server_for_reading_changes_nothing(tmp_path: Path) -> None:
    """By the variable that Dagster's own command reads: who has set it for `make run` has it still."""
    environ = {"DAGSTER_WEBSERVER_READ_ONLY": "1"}
    with web_server(tmp_path / "ui", code=["--empty-workspace"], environ=environ) as url:
        answer = httpx.post(f"{url}/graphql", json={"query": LAUNCH}, timeout=60, verify=NO_AUTHORITIES).json()
        metrics = httpx.get(f"{url}/metrics", verify=NO_AUTHORITIES)
    assert (metrics.status_code, metrics.text) == (404, "set ARCADIA_METRICS=true to have this page")
    assert answer["data"]["launchRun"]["__typename"] == "UnauthorizedError"


def test_a_code_server_that_was_killed_is_started_again_and_launches_go_on(server: str, client: httpx.Client) -> None:
    [killed] = code_servers(server)
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while '"LaunchRunSuccess"' not in (told := client.post("/graphql", json={"query": LAUNCH}).text):
        # Until it is noticed, and while it starts.
        assert "PythonError" in told
        assert time.monotonic() < deadline, told
        time.sleep(0.2)
    [started] = code_servers(server)
    assert started != killed


def code_servers(server: str) -> list[int]:
    """The code servers of the web server at an address, by its port on its command line."""
    port = server.rpartition(":")[2]
    [webserver] = [
        process for process, words in commands().items() if "arcadia_dagster.defs.webserver" in words and port in words
    ]
    session = os.getsid(webserver)
    return [process for process, words in commands().items() if "grpc" in words and os.getsid(process) == session]


def commands() -> dict[int, list[str]]:
    """The command line of each process, by its id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found[int(folder.name)] = (folder / "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    return found
