"""A real web server of Dagster's, whose runs need no daemon, and what pages of other sites would ask of it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES, free_port

ROOT = Path(__file__).resolve().parents[2]
GUARDED = (sys.executable, "-m", "arcadia_dagster.defs.webserver")
PLAIN = (sys.executable, "-m", "dagster_webserver")
PATIENCE = 120.0

_DAGSTER_YAML = """
instance_class: {module: arcadia_dagster.defs.instance, class: InstanceInHome}
telemetry: {enabled: false}
nux: {enabled: false}
"""
_AT_ONCE = "run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}"
QUEUED = "run_coordinator: {module: arcadia_dagster.defs.run_coordinator, class: AttributedRunCoordinator}"


@contextmanager
def web_server(
    home: Path,
    *,
    command: Sequence[str] = GUARDED,
    code: Sequence[str] = ("--workspace", str(ROOT / "workspace.yaml")),
    environ: Mapping[str, str] | None = None,
    coordinator: str = _AT_ONCE,
) -> Iterator[str]:
    """The server's address on loopback, as long as it runs; a run begins as soon as it is launched, unless runs are `QUEUED`."""
    dagster_home = home / "dagster-home"
    dagster_home.mkdir(parents=True)
    (dagster_home / "dagster.yaml").write_text(f"{_DAGSTER_YAML}{coordinator}\n", encoding="utf-8")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (home / "webserver.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *code, "--port", str(port)],
            cwd=ROOT,
            env={
                **os.environ,
                "ARCADIA_HOME": str(home),
                "ARCADIA_SETTLE_SECONDS": "0",
                "DAGSTER_HOME": str(dagster_home),
                **(environ or {}),
            },
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        _wait_for(url, process, home / "webserver.log")
        yield url
        # As systemd stops it: the server, and its code server with it, ends in good order.
        process.terminate()
        assert process.wait(PATIENCE) == 0, (home / "webserver.log").read_text(encoding="utf-8")
    finally:
        # Also runs, which belong to its session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            if httpx.get(f"{url}/server_info", timeout=5, verify=NO_AUTHORITIES).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"no answer within {PATIENCE:g} s: {log.read_text(encoding='utf-8')}")


LAUNCH = """
mutation {
  launchRun(executionParams: {
    selector: {repositoryName: "__repository__", repositoryLocationName: "arcadia_dagster", jobName: "close_month"}
  }) { __typename }
}
"""
"""A mutation that anybody can see the effect of: a run that there was not before."""

RUNS = "query { runsOrError { ... on Runs { results { runId jobName } } } }"


@dataclass(frozen=True)
class Attempt:
    """One request; `{host}` and `{site}` in its headers stand for the server's own, and `{port}` for its port.

    Attributes:
        what: What sends such a request.
        method: The HTTP method.
        path: Where it goes, with its query.
        headers: In the order in which they are sent; without a `Host` the server's own.
        body: What is sent.
    """

    what: str
    method: str = "POST"
    path: str = "/graphql"
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""

    def sent_to(self, client: httpx.Client, site: str) -> httpx.Response:
        """What the server answers.

        Args:
            client: Where the connection leads, whatever `Host` says.
            site: Scheme, host and port of the server as a browser knows it.
        """
        scheme, _, host = site.partition("://")
        words = {"host": host, "site": site, "scheme": scheme, "port": host.partition(":")[2] or "443"}
        headers = [(name, value.format(**words)) for name, value in self.headers]
        if not any(name == "Host" for name, _ in headers):
            headers.insert(0, ("Host", host))
        named = {"sni_hostname": host.partition(":")[0]} if scheme == "https" else None
        return client.request(self.method, self.path, headers=headers, content=self.body, extensions=named)


def _query(query: str) -> str:
    return str(httpx.QueryParams({"query": query}))


def _json(query: str) -> bytes:
    return httpx.Request("POST", "http://x", json={"query": query}).content


_JSON = ("Content-Type", "application/json")
_FORM = "application/x-www-form-urlencoded"
_MUTATION = _json(LAUNCH)
_REPORT = "/report_asset_check/tax_split_totals?check_name=nothing_held&passed=true"

REFUSED = (
    # What needs no permission of the server: images, links, forms, and scripts that do not read the answer.
    Attempt("an image", "GET", f"/graphql?{_query(LAUNCH)}", [("Accept", "image/*")]),
    Attempt("an image, spelt otherwise", "GET", f"/graphql?{_query(LAUNCH).replace('query', '%71uery')}"),
    Attempt("an image, of a path that ends otherwise", "GET", f"/graphql%0A?{_query(LAUNCH)}"),
    Attempt("a look at the head", "HEAD", f"/graphql?{_query(LAUNCH)}"),
    Attempt("a form with its query in the address", path=f"/graphql?{_query(LAUNCH)}", headers=[("Content-Type", _FORM)]),
    Attempt("a form", headers=[("Content-Type", _FORM)], body=_query(LAUNCH).encode()),
    Attempt(
        "a form with a file",
        headers=[("Content-Type", "multipart/form-data; boundary=b")],
        body=f'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\n{LAUNCH}\r\n--b--\r\n'.encode(),
    ),
    Attempt("a form of plain text", headers=[("Content-Type", "text/plain")], body=_MUTATION),
    Attempt("a type that only mentions JSON", headers=[("Content-Type", "text/plain; a=application/json")], body=_MUTATION),
    Attempt("a type that begins like JSON", headers=[("Content-Type", "application/json-seq")], body=_MUTATION),
    Attempt("two types", headers=[("Content-Type", "text/plain"), _JSON], body=_MUTATION),
    Attempt("no type", body=_MUTATION),
    Attempt("no type and no body", path=f"/graphql?{_query(LAUNCH)}"),
    Attempt("GraphQL's own type", headers=[("Content-Type", "application/graphql")], body=LAUNCH.encode()),
    Attempt("a form that reports a check", path=_REPORT, headers=[("Content-Type", _FORM)]),
    # What has the permission, or does not ask for it, and comes from elsewhere.
    Attempt("another site", headers=[_JSON, ("Origin", "https://evil.example")], body=_MUTATION),
    Attempt("another site that begins like ours", headers=[_JSON, ("Origin", "{site}.evil.example")], body=_MUTATION),
    Attempt("another port of this machine", headers=[_JSON, ("Origin", "http://localhost:8888")], body=_MUTATION),
    Attempt("a frame or a file", headers=[_JSON, ("Origin", "null")], body=_MUTATION),
    Attempt("no origin at all, but said", headers=[_JSON, ("Origin", "")], body=_MUTATION),
    Attempt("two sites", headers=[_JSON, ("Origin", "{site}"), ("Origin", "https://evil.example")], body=_MUTATION),
    Attempt("another site that reports a check", path=_REPORT, headers=[_JSON, ("Origin", "https://evil.example")], body=b"{}"),
    Attempt("another site that reads", "GET", "/server_info", [("Origin", "https://evil.example")]),
    Attempt(
        "another site that asks for permission",
        "OPTIONS",
        headers=[("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")],
    ),
    # DNS rebinding: the page's own name leads here.
    Attempt("a name that leads here", "GET", "/", [("Host", "evil.example:{port}")]),
    Attempt(
        "a name that leads here, of a page that it came from",
        headers=[("Host", "evil.example:{port}"), ("Origin", "{scheme}://evil.example:{port}"), _JSON],
        body=_MUTATION,
    ),
    Attempt("a name that begins like ours", "GET", "/", [("Host", "localhost.evil.example")]),
    Attempt("a name that begins like our address", "GET", "/", [("Host", "127.0.0.1.evil.example:{port}")]),
    Attempt("an address that leads here", "GET", "/", [("Host", "0.0.0.0:{port}")]),
)  # fmt: skip

ANSWERED = (
    Attempt("the UI", "GET", "/"),
    Attempt("a page of the UI", "GET", "/assets"),
    Attempt("a link from another site", "GET", "/runs", [("Referer", "https://mail.example/")]),
    Attempt("the page to type queries in", "GET", "/graphql", [("Accept", "text/html")]),
    Attempt("a program", headers=[_JSON], body=_json("query { version }")),
    Attempt("a program that names the encoding", headers=[(_JSON[0], f"{_JSON[1]}; charset=utf-8")], body=_json("{ version }")),
    Attempt("the UI's own query", headers=[_JSON, ("Origin", "{site}")], body=_json("query { version }")),
)  # fmt: skip


def answered(url: str, *lines: str) -> str:
    """What the server answers to these very lines, for what no client would send."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall("\r\n".join((*lines, "", "")).encode())
        return connection.recv(65536).decode("latin-1")


def runs(client: httpx.Client, **headers: str) -> list[Any]:
    """What the attempts would have started."""
    found: list[Any] = client.post("/graphql", json={"query": RUNS}, headers=headers).json()["data"]["runsOrError"][
        "results"
    ]
    return found
