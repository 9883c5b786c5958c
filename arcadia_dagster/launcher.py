"""`make run`: the whole deployment on one machine, until Ctrl-C: web server, daemon, statements, and perhaps the sandbox.

It starts what `docs/operations.md` starts by hand, with the same settings. Where no finance is configured, neither address nor
secret, it runs in a home of its own (`sandbox` in the home) with the sample invoices and a sandbox: what is synthetic
never meets what is real.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from arcadia_dagster import dagster_home, sample
from arcadia_dagster.home_sandbox import HOST, SANDBOX_FOLDER, HomeSandbox
from arcadia_dagster.keeper import Keeper
from arcadia_dagster.settings import HOME_VARIABLE, Settings, in_sandbox, load

SAMPLE_INBOX = sample.FOLDER / "inbox"

_START_SECONDS = 120.0
_STOP_SECONDS = 15.0
_LOG_LINES = 12

# Not `logs`, as it was until 2026-11-30: web server and daemon send all files that lie under that name in `DAGSTER_HOME` to the
# makers of Dagster, and delete them, with telemetry off too (1.13.27). The home of an installed program is that folder.
_LOGS = "service-logs"
_LOGS_BEFORE = "logs"


class LaunchError(Exception):
    """The deployment cannot be started, or a part of it ended; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What to start.

    Attributes:
        home: The home that it runs in.
        environ: The environment of all its processes.
        port: The web server's port.
        statements_port: The port that the monthly statements are served at.
        sandbox: The finance sandbox; None where a finance service is configured.
    """

    home: Path
    environ: Mapping[str, str]
    port: int
    statements_port: int
    sandbox: HomeSandbox | None

    @property
    def settings(self) -> Settings:
        """The settings of all its processes."""
        return load(self.environ)

    @property
    def logs_json(self) -> bool:
        """Whether its processes log JSON."""
        return self.settings.log == "json"

    @property
    def logs(self) -> Path:
        """The folder with what its processes print."""
        return self.home / _LOGS

    @property
    def statements(self) -> Path:
        """The folder of the statements."""
        return self.settings.statements

    @property
    def statements_url(self) -> str:
        """The statements' address."""
        return f"http://{HOST}:{self.statements_port}"

    @property
    def url(self) -> str:
        """The Dagster UI's address."""
        return f"http://{HOST}:{self.port}"


def plan(
    values: Settings, environ: Mapping[str, str], *, port: int, statements_port: int, sandbox_port: int | None = None
) -> Deployment:
    """What to start with these settings: with a sandbox only where neither finance's address nor the secret is set.

    Args:
        values: The settings.
        environ: The environment that they are from.
        port: The web server's port.
        statements_port: The statements' port.
        sandbox_port: The sandbox's port; None for that of the last time.

    Raises:
        OSError: The sandbox's home cannot be made, read or written.
    """
    own = {
        "ARCADIA_UI_URL": values.ui_url if values.is_set("ui_url") else f"http://{HOST}:{port}",
        "ARCADIA_STATEMENTS_URL": values.statements_url or f"http://{HOST}:{statements_port}",
    }
    if values.names_finance:
        home = {HOME_VARIABLE: str(values.home)}
        return Deployment(values.home, {**environ, **home, **own}, port, statements_port, None)
    # A shell with `ARCADIA_HOME` set to the sandbox's home means that home.
    home_of_its_own = values.home if HomeSandbox.of(values.home) else values.home / SANDBOX_FOLDER
    sandbox = HomeSandbox.planned(home_of_its_own, sandbox_port)
    in_its_home = in_sandbox(environ, home=sandbox.home, url=sandbox.url, secret=sandbox.secret)
    return Deployment(sandbox.home, {**in_its_home, **own}, port, statements_port, sandbox)


@dataclass(slots=True)
class Launcher:
    """Starts a deployment, watches it, and stops all of it.

    Attributes:
        deployment: What to start.
        root: Where `workspace.yaml` and `dagster.yaml` are: the root of a checkout, or the deployment's home.
    """

    deployment: Deployment
    root: Path
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _keeper: Keeper = field(default_factory=Keeper)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Everything is started and answers within the block, and is stopped after it.

        Raises:
            LaunchError: A port is in use, or a part ended or did not answer in time.
        """
        self._check_ports()
        self._prepare_home()
        try:
            self._keeper.start()
            if (sandbox := self.deployment.sandbox) is not None:
                port = ("--port", str(sandbox.port))
                self._start("finance-sandbox", (sys.executable, "-m", "arcadia_dagster.cli", "finance-sandbox", *port))
                self._wait_for("finance-sandbox", f"{sandbox.url}/api/v1/health")
            workspace = ("--workspace", str(self.root / dagster_home.WORKSPACE))
            address = ("--host", HOST, "--port", str(self.deployment.port))
            self._start("webserver", (sys.executable, "-m", "arcadia_dagster.defs.webserver", *workspace, *address))
            # The first to start makes Dagster's databases: two at once get in each other's way.
            self._wait_for("webserver", f"{self.deployment.url}/server_info")
            log = ("--log-format", "json") if self.deployment.logs_json else ()
            # Its copy of the months is up to a minute old, and a backfill of a month that it did not know yet would fail.
            months = {"ARCADIA_PARTITIONS": "all"}
            self._start("daemon", (_program("dagster-daemon"), "run", *workspace, *log), months)
            self._start("statements", self._statements_command())
            self._wait_for("statements", self.deployment.statements_url)
            yield
        finally:
            self._stop()

    def watch(self) -> None:
        """Return when somebody interrupts.

        Raises:
            LaunchError: A part of the deployment ended by itself.
        """
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                self._assert_alive()
                time.sleep(0.5)

    def _check_ports(self) -> None:
        ports = {
            "--port": self.deployment.port,
            "--statements-port": self.deployment.statements_port,
            "--finance-port": None if self.deployment.sandbox is None else self.deployment.sandbox.port,
        }
        seen: dict[int, str] = {}
        for option, port in ports.items():
            if port is None:
                continue
            if port in seen:
                raise LaunchError(f"{seen[port]} and {option} are both {port}; they must differ")
            seen[port] = option
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError as error:
                    raise LaunchError(
                        f"port {port} is in use; stop what uses it, or choose another with {option}"
                    ) from error

    def _prepare_home(self) -> None:
        home, inbox, logs = self.deployment.home, self.deployment.settings.inbox, self.deployment.logs
        if (home / _LOGS_BEFORE).is_dir() and not logs.exists():
            (home / _LOGS_BEFORE).rename(logs)
        for folder in (inbox, logs, self.deployment.statements):
            folder.mkdir(parents=True, exist_ok=True)
        if self.root == home:
            dagster_home.place(home)
        if self.deployment.sandbox is not None:
            for file in sorted(SAMPLE_INBOX.iterdir()):
                if not (inbox / file.name).exists():
                    part = shutil.copyfile(file, inbox / f".{file.name}.part")
                    part.rename(inbox / file.name)

    def _statements_command(self) -> Sequence[str]:
        port, folder = str(self.deployment.statements_port), str(self.deployment.statements)
        return (sys.executable, "-m", "arcadia_dagster.serving.statements", folder, "--port", port)

    def _start(self, name: str, command: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        with self._log(name).open("ab") as log:
            # A session of its own: Ctrl-C reaches this process only, which then stops the others in order.
            self._processes[name] = subprocess.Popen(  # noqa: S603 - our own programs
                command,
                # Not the root: where a process of Dagster starts, a file .env wins over the environment that is given to it here.
                cwd=self.deployment.home,
                env={
                    **(environ or {}),
                    **self.deployment.environ,
                    dagster_home.VARIABLE: str(self.root),
                    **_where_this_package_is(),
                    # The code servers that web server and daemon start take their format from here alone.
                    **({"DAGSTER_CLI_API_GRPC_LOG_FORMAT": "json"} if self.deployment.logs_json else {}),
                    "PYTHONUNBUFFERED": "1",
                    # `telemetry` in dagster.yaml stops what Dagster notes, and not what it sends.
                    "DAGSTER_DISABLE_TELEMETRY": "1",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._keeper.add(self._processes[name].pid)

    def _wait_for(self, name: str, url: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            self._assert_alive()
            try:
                with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - loopback
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise LaunchError(f"{name} did not answer within {_START_SECONDS:g} s; see {self._log(name)}")

    def _assert_alive(self) -> None:
        self._keeper.start()
        for name, process in self._processes.items():
            if process.poll() is not None:
                lines = self._log(name).read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
                raise LaunchError(f"{name} ended with exit code {process.returncode}:\n" + "\n".join(lines))

    def _log(self, name: str) -> Path:
        return self.deployment.logs / f"{name}.log"

    def _stop(self) -> None:
        """Ask all processes to end, the daemon first so that it starts nothing more; then kill those that remain."""
        order = ("daemon", "webserver", "statements", "finance-sandbox")
        processes = [self._processes[name] for name in order if name in self._processes]
        for process in processes:
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            # Also the children of a process: the code server and the runs belong to its session.
            _signal_group(process, signal.SIGKILL)
            process.wait()
        self._processes.clear()
        self._keeper.stop()


@contextlib.contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Within the block SIGTERM, as systemd sends it, and SIGHUP, as a closed terminal does, are what Ctrl-C is."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _where_this_package_is() -> dict[str, str]:
    """What another process needs to import this package from a checkout; one that is installed needs nothing."""
    folder = str(Path(__file__).resolve().parents[1])
    if folder in {sysconfig.get_path(name) for name in ("purelib", "platlib")}:
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))}


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _program(name: str) -> str:
    """A program of this Python's environment, whether or not that is activated."""
    return str(Path(sys.executable).parent / name)
