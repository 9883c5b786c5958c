"""The server of the statements in a process of its own, as a deployment has it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES, free_port


@contextmanager
def statements(folder: Path, environ: dict[str, str]) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "arcadia_dagster.serving.statements", str(folder), "--port", str(port)]
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    httpx.get(f"http://127.0.0.1:{port}", verify=NO_AUTHORITIES)
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
