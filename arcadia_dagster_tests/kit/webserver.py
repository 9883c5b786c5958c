"""Dagster's own web server on a workspace, without a daemon: runs that are launched stay in the queue."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from arcadia_dagster_tests.kit.graphql import GraphQL
from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES, free_port

_PATIENCE = 120.0


@contextmanager
def web_server(workspace: Path, environ: Mapping[str, str], log: Path) -> Iterator[GraphQL]:
    """The web server until the block ends; nothing of it is left then.

    Args:
        workspace: The workspace's file, with the code locations.
        environ: The whole environment of the server and of its code servers.
        log: Where they write what they have to say.
    """
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "dagster_webserver", "--workspace", str(workspace), "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=workspace.parent, env=dict(environ), stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _answers(url):
            told = log.read_text(encoding="utf-8", errors="replace")
            assert process.poll() is None, told
            assert time.monotonic() < deadline, told
            time.sleep(0.2)
        yield GraphQL(url)
        process.send_signal(signal.SIGINT)
        process.wait(_PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/server_info", timeout=5, verify=NO_AUTHORITIES).is_success
    except httpx.TransportError:
        return False
