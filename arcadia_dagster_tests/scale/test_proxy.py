"""deploy/nginx.conf in front of Dagster's own web server, which guards itself against nothing, and of the one of `make run`."""

import json
import os
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from arcadia_dagster.defs.runs import PERSON_TAG
from arcadia_dagster_tests.kit.loopback import free_port
from arcadia_dagster_tests.kit.postgres import binary
from arcadia_dagster_tests.kit.ui import (
    ANSWERED,
    GUARDED,
    LAUNCH,
    PLAIN,
    QUEUED,
    REFUSED,
    ROOT,
    Attempt,
    runs,
    web_server,
)

NAME = "dagster.example.com"
SITE = f"https://{NAME}"
LOGIN = ("ann", "a-password")
TAGS = "query { runsOrError { ... on Runs { results { tags { key value } } } } }"


def is_of_a_browser(attempt: Attempt) -> bool:
    """A browser sends each header once, with a value."""
    names = [name for name, _ in attempt.headers]
    return len(names) == len(set(names)) and all(value for _, value in attempt.headers)


class Proxy:
    """nginx by that file, but for its paths and ports."""

    def __init__(self, folder: Path, port: int, certificate: Path) -> None:
        self.port = port
        self.context = ssl.create_default_context(cafile=str(certificate))
        self.log = folder / "error.log"

    def client(self, login: tuple[str, str] | None = LOGIN) -> httpx.Client:
        transport = httpx.HTTPTransport(verify=self.context)
        return httpx.Client(transport=transport, base_url=f"https://127.0.0.1:{self.port}", auth=login, timeout=60)

    def websocket(self, origin: str) -> ClientConnection:
        return connect(
            f"wss://{LOGIN[0]}:{LOGIN[1]}@{NAME}/graphql",
            sock=socket.create_connection(("127.0.0.1", self.port)),
            ssl=self.context,
            origin=Origin(origin),
            subprotocols=[Subprotocol("graphql-ws")],
        )


@contextmanager
def nginx(folder: Path, upstream: str) -> Iterator[Proxy]:
    program = binary("nginx", "nginx-light", "usr/sbin")
    folder.mkdir()
    certificate, key, passwords = folder / "site.pem", folder / "site.key", folder / "passwords"
    made = (
        "-keyout",
        key,
        "-out",
        certificate,
        "-days",
        "2",
        "-subj",
        f"/CN={NAME}",
        "-addext",
        f"subjectAltName=DNS:{NAME}",
    )
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *map(str, made)], check=True, capture_output=True
    )
    passwords.write_text(f"{LOGIN[0]}:{{PLAIN}}{LOGIN[1]}\n", encoding="utf-8")
    port = free_port()
    text = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    for theirs, ours in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/ssl/certs/dagster.example.com.pem", str(certificate)),
        ("/etc/ssl/private/dagster.example.com.key", str(key)),
        ("auth_basic_user_file /etc/nginx/arcadia.htpasswd", f"auth_basic_user_file {passwords}"),
        ("proxy_pass http://127.0.0.1:3000", f"proxy_pass {upstream}"),
    ):
        assert theirs in text
        text = text.replace(theirs, ours)
    (folder / "arcadia.conf").write_text(text, encoding="utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    (folder / "nginx.conf").write_text(
        f"""
        daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; {"user root;" if os.geteuid() == 0 else ""}
        events {{}}
        http {{
            access_log off; include {folder}/arcadia.conf;
            {"".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)}
        }}
        """,
        encoding="utf-8",
    )
    command: Sequence[str] = (program, "-p", str(folder), "-c", str(folder / "nginx.conf"))
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield Proxy(folder, port, certificate)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module", params=[PLAIN, GUARDED], ids=["Dagster's own", "ours"])
def proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("proxy")
    with (
        web_server(folder / "ui", command=request.param, environ={"ARCADIA_UI_URL": SITE}) as upstream,
        nginx(folder / "nginx", upstream) as running,
    ):
        yield running


@pytest.mark.parametrize("attempt", [*filter(is_of_a_browser, REFUSED)], ids=lambda attempt: attempt.what)
def test_what_a_page_of_another_site_can_send_gets_no_further_than_nginx(proxy: Proxy, attempt: Attempt) -> None:
    with proxy.client() as client:
        assert attempt.sent_to(client, SITE).status_code in {403, 415}
        assert runs(client, Host=NAME) == []


@pytest.mark.parametrize("attempt", ANSWERED, ids=lambda attempt: attempt.what)
def test_the_ui_and_programs_are_answered_after_they_have_logged_in(proxy: Proxy, attempt: Attempt) -> None:
    with proxy.client() as client, proxy.client(login=None) as stranger:
        answer = attempt.sent_to(client, SITE)
        assert (answer.status_code, "errors" in answer.text) == (200, False)
        assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
        assert attempt.sent_to(stranger, SITE).status_code == 401


def test_who_names_another_server_is_not_even_greeted(proxy: Proxy) -> None:
    with (
        proxy.client() as client,
        pytest.raises(httpx.ConnectError, match=re.compile("unrecognized name", re.IGNORECASE)),
    ):
        client.get("/", extensions={"sni_hostname": "evil.example"})


def test_only_the_uis_own_pages_can_subscribe(proxy: Proxy) -> None:
    with proxy.websocket(SITE) as connection:
        connection.send(json.dumps({"type": "connection_init"}))
        assert json.loads(connection.recv(timeout=30)) == {"type": "connection_ack"}
    with pytest.raises(InvalidStatus, match="403"), proxy.websocket("https://evil.example"):
        pass


def test_a_run_is_tagged_with_who_has_logged_in_whatever_the_request_says(tmp_path: Path) -> None:
    environ = {"ARCADIA_UI_URL": SITE, "ARCADIA_USER_HEADER": "X-Forwarded-User"}
    with (
        web_server(tmp_path / "ui", environ=environ, coordinator=QUEUED) as upstream,
        nginx(tmp_path / "nginx", upstream) as running,
        running.client() as client,
    ):
        named = {"Host": NAME, "X-Forwarded-User": "the-chief"}
        launched = client.post(
            "/graphql", json={"query": LAUNCH}, headers=named, extensions={"sni_hostname": NAME}
        ).json()
        assert launched["data"]["launchRun"]["__typename"] == "LaunchRunSuccess", launched
        asked = client.post(
            "/graphql", json={"query": TAGS}, headers={"Host": NAME}, extensions={"sni_hostname": NAME}
        ).json()
    [run] = asked["data"]["runsOrError"]["results"]
    assert {"key": PERSON_TAG, "value": LOGIN[0]} in run["tags"]


def test_a_load_balancer_and_prometheus_need_no_password(tmp_path: Path) -> None:
    environ = {"ARCADIA_UI_URL": SITE, "ARCADIA_METRICS": "true"}
    with (
        web_server(tmp_path / "ui", environ=environ) as upstream,
        nginx(tmp_path / "nginx", upstream) as running,
        running.client(login=None) as stranger,
    ):

        def asked(path: str) -> httpx.Response:
            return stranger.get(path, headers={"Host": NAME}, extensions={"sni_hostname": NAME})

        # There are no daemon and no warehouse.
        assert (asked("/health").status_code, "problems" in asked("/health").json()) == (503, True)
        assert asked("/metrics").is_success
        assert "# TYPE arcadia_" in asked("/metrics").text
        assert asked("/").status_code == 401


def test_a_server_that_is_read_only_shows_and_launches_nothing(tmp_path: Path) -> None:
    environ = {"ARCADIA_UI_URL": SITE, "DAGSTER_WEBSERVER_READ_ONLY": "true"}
    with (
        web_server(tmp_path / "ui", environ=environ, coordinator=QUEUED) as upstream,
        nginx(tmp_path / "nginx", upstream) as running,
        running.client() as client,
    ):
        answer = client.post(
            "/graphql", json={"query": LAUNCH}, headers={"Host": NAME}, extensions={"sni_hostname": NAME}
        ).json()
        assert answer["data"]["launchRun"]["__typename"] == "UnauthorizedError", answer
        assert runs(client, Host=NAME) == []
