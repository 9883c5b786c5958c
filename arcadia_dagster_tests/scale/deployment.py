"""A deployment of several workers: web server, daemon, Redis, and Celery workers, each in a process group of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from arcadia_dagster_tests.kit.graphql import GraphQL
from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES, free_port
from arcadia_dagster_tests.kit.postgres import binary

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
# Machines that build are slow, and a worker that died is found after half a minute at the earliest.
PATIENCE = 400.0


class Deployment:
    """The processes; a context manager that stops all of them."""

    def __init__(self, home: Path, environ: dict[str, str]) -> None:
        self.home = home
        self.port, self._redis_port = free_port(), free_port()
        self.graphql = GraphQL(f"http://127.0.0.1:{self.port}")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environ = {
            **os.environ,
            "ARCADIA_HOME": str(home),
            "ARCADIA_SETTLE_SECONDS": "0",
            # Only what is asked for is run: the sensor's next look is far away.
            "ARCADIA_SENSOR_SECONDS": "3600",
            "ARCADIA_BROKER": f"redis://127.0.0.1:{self._redis_port}/0",
            "DAGSTER_HOME": str(ROOT / "deploy"),
            "PYTHONUNBUFFERED": "1",
            **environ,
        }
        for folder in (home / "inbox", home / "logs", home / "dagster", home / "redis"):
            folder.mkdir(parents=True)

    def __enter__(self) -> Self:
        redis = binary("redis-server", "redis-server")
        command = (redis, "--port", str(self._redis_port), "--bind", "127.0.0.1", "--dir", str(self.home / "redis"))
        try:
            self._start("redis", (*command, "--save", ""))
            self.arcadia("init")
            workspace = ("--workspace", str(ROOT / "workspace.yaml"))
            server = (sys.executable, "-m", "arcadia_dagster.defs.webserver")
            self._start("webserver", (*server, *workspace, "--port", str(self.port)))
            self.wait("the web server", self._answers)
            self._start("daemon", (_program("dagster-daemon"), "run", *workspace))
            self.start_worker("one")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def arcadia(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "arcadia_dagster.cli", *arguments]
        done = subprocess.run(command, check=False, env=self._environ, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start_worker(self, name: str) -> None:
        app = ("-A", "arcadia_dagster.defs.worker", "worker")
        options = ("--queues", "dagster", "--concurrency", "1", "--hostname", f"{name}@%h", "--loglevel", "INFO")
        self._start(name, (_program("celery"), *app, *options))

    def kill(self, name: str) -> None:
        """SIGKILL for a process and all that it started, as the kernel or a power cut has it."""
        process = self._processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def log(self, name: str) -> str:
        return (self.home / "logs" / f"{name}.log").read_text(errors="replace")

    def _start(self, name: str, command: Sequence[str]) -> None:
        with (self.home / "logs" / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{self.port}/server_info", timeout=5, verify=NO_AUTHORITIES).is_success
        return False

    def wait(self, what: str, look: Callable[[], T | None], seconds: float = PATIENCE) -> T:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for name, process in self._processes.items():
                assert process.poll() is None, f"{name} ended: {self.log(name)[-3000:]}"
            if found := look():
                return found
            time.sleep(0.3)
        logs = "\n".join(f"--- {path.stem}\n{path.read_text(errors='replace')[-2500:]}" for path in self._logs())
        raise AssertionError(f"waited {seconds:g} s for {what}\n{logs}")

    def _logs(self) -> list[Path]:
        return sorted((self.home / "logs").iterdir())

    def _stop(self) -> None:
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + 15
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.home / "redis", ignore_errors=True)

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        return self.graphql.ask(query, **variables)


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)
