"""The wheel in an environment of its own, as a server has it: nothing but the home is written, whatever is started."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
import yaml

from arcadia_dagster_tests.kit.graphql import GraphQL
from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES, free_port
from arcadia_dagster_tests.kit.project import digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.wheel import Server, server_with

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
PAGE = re.compile(r"docs/[a-z0-9-]+\.(?:md|json)")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
SERVICES = ("daemon", "finance-sandbox", "statements", "webserver")

LOCATIONS = """
query { locationStatusesOrError { __typename
  ... on PythonError { stack } ... on WorkspaceLocationStatusEntries { entries { name loadStatus } } } }
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    return server_with(tmp_path_factory.mktemp("server"))


@pytest.mark.timeout(300)
def test_the_wheel_writes_into_its_home_alone_and_tells_nobody_of_it(server: Server) -> None:
    before = server.installed()
    home = server.folder / "var"
    assert f"dagster    {home}" in server.arcadia("init")
    assert yaml.safe_load((home / "dagster.yaml").read_text(encoding="utf-8"))["telemetry"] == {"enabled": False}

    (home / "inbox" / invoice_name()).write_bytes(digitalocean(line(), tax()))
    assert "2026-04" in server.arcadia("ingest")
    assert (home / "dagster" / "storage").is_dir()

    with told() as (address, bodies):
        up(server, DAGSTER_TELEMETRY_URL=address)
    assert bodies == []
    assert names(home / "sandbox" / "service-logs") == {f"{name}.log" for name in SERVICES}
    assert names(server.folder) == {"var"}
    assert {path for path in server.installed().items() ^ before.items() if "__pycache__" not in path[0]} == set()
    assert {path.name for path in home.rglob(".telemetry")} == set()
    # Without a finance service it runs in a home of its own, with Dagster's files in it.
    assert {"dagster.yaml", "workspace.yaml"} <= names(home) & names(home / "sandbox")


def test_every_page_that_the_program_names_is_installed_with_its_links(server: Server) -> None:
    [told] = [line for line in server.arcadia("init").splitlines() if line.startswith("docs ")]
    docs = Path(told.split(maxsplit=1)[1])
    assert f"ok      docs       {docs} has the pages" in server.arcadia("doctor")
    assert docs.is_relative_to(server.environment)
    named = {name for module in (ROOT / "arcadia_dagster").rglob("*.py") for name in PAGE.findall(module.read_text())}
    assert len(named) > 10
    assert {name for name in named if not (docs.parent / name).is_file()} == set()
    linked = {page.parent / link for page in docs.glob("*.md") for link in LINK.findall(page.read_text())}
    within = {path.resolve() for path in linked if path.resolve().parent.name in {"docs", "images", "deploy"}}
    assert len(within) > 20
    assert {path for path in within if not path.exists()} == set()


@contextmanager
def told() -> Iterator[tuple[str, list[bytes]]]:
    """In the place of Dagster's makers: an address, and what is sent there, as the files in `logs` of Dagster's home are."""
    bodies: list[bytes] = []

    class Listening(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.send_response(200)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Listening) as listening:
        thread = Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}/actions", bodies
        finally:
            listening.shutdown()
            thread.join()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def up(server: Server, **environ: str) -> None:
    """Start the whole deployment, ask its web server whether the code is loaded, and end it as systemd does."""
    port, *others = free_port(), free_port(), free_port()
    options = ("--port", str(port), "--statements-port", str(others[0]), "--finance-port", str(others[1]))
    log = server.environment.parent / "up.log"
    with log.open("wb") as output:
        command = [server.program, "up", *options]
        process = subprocess.Popen(
            command,
            cwd=server.folder,
            env={**server.environ, **environ},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while "running; " not in (told := log.read_text(encoding="utf-8")):
            assert process.poll() is None, told
            assert time.monotonic() < deadline, told
            time.sleep(0.2)
        loaded = GraphQL(f"http://127.0.0.1:{port}").ask(LOCATIONS)["locationStatusesOrError"]["entries"]
        assert loaded == [{"name": "arcadia_dagster", "loadStatus": "LOADED"}]
        assert httpx.get(f"http://127.0.0.1:{others[0]}", verify=NO_AUTHORITIES).is_success
        while (health := httpx.get(f"http://127.0.0.1:{port}/health", verify=NO_AUTHORITIES)).status_code != 200:
            assert time.monotonic() < deadline, health.text
            time.sleep(0.2)
        assert health.json() == {"problems": []}
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, log.read_text(encoding="utf-8")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
