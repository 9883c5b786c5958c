"""The wheel in an environment of its own, as a server has it: nothing but the home is written, whatever is started."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import httpx
import pytest
import yaml

from arcadia_dagster_tests.kit.graphql import GraphQL
from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES, free_port
from arcadia_dagster_tests.kit.project import digitalocean, invoice_name, line, tax

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0

LOCATIONS = """
query { locationStatusesOrError { __typename
  ... on PythonError { stack } ... on WorkspaceLocationStatusEntries { entries { name loadStatus } } } }
"""


@dataclass(frozen=True, slots=True)
class Server:
    """An environment that has the wheel, and a folder elsewhere that a person works in."""

    environment: Path
    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": f"{self.environment}/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "ARCADIA_SETTLE_SECONDS": "0",
        }

    def arcadia(self, *arguments: str) -> str:
        command = [self.program, *arguments]
        ended = subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=100, check=False
        )
        assert ended.returncode == 0, ended.stderr
        assert "Traceback" not in ended.stderr
        return ended.stdout

    @property
    def program(self) -> str:
        return str(self.environment / "bin" / "arcadia")

    def installed(self) -> dict[str, tuple[int, int]]:
        """Every file of the environment, with its size and the time of its last change."""
        files = (path for path in self.environment.rglob("*") if path.is_file())
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    folder = tmp_path_factory.mktemp("server")
    wheel = built(folder)
    made = Server(folder / "environment", folder / "work")
    made.folder.mkdir()
    done((sys.executable, "-m", "venv", "--without-pip", str(made.environment)))
    [packages] = made.environment.glob("lib/python*/site-packages")
    # What the package needs comes from the environment of the tests, as far as it is imported: what is installed there as
    # editable is not. A program needs this environment's Python.
    (packages / "dependencies.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n", encoding="utf-8")
    python = str(made.environment / "bin" / "python")
    [daemon] = entry_points(group="console_scripts", name="dagster-daemon")
    program = made.environment / "bin" / daemon.name
    program.write_text(f"#!{python}\nfrom {daemon.module} import {daemon.attr}\n{daemon.attr}()\n", encoding="utf-8")
    program.chmod(0o755)
    done((*PIP, "--python", python, "install", "--quiet", "--no-deps", "--no-index", str(wheel)))
    return made


PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def built(folder: Path) -> Path:
    """The wheel of the working tree, built in a copy of it, as building writes beside the sources."""
    sources, wheels = folder / "sources", folder / "wheels"
    for name in ("arcadia_dagster", "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, sources / name)
    done((*PIP, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(sources)))
    [wheel] = wheels.iterdir()
    return wheel


def done(command: Sequence[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.timeout(300)
def test_the_wheel_writes_into_its_home_alone_and_tells_nobody_of_it(server: Server) -> None:
    before = server.installed()
    home = server.folder / "var"
    assert f"dagster    {home}" in server.arcadia("init")
    assert yaml.safe_load((home / "dagster.yaml").read_text(encoding="utf-8"))["telemetry"] == {"enabled": False}

    (home / "inbox" / invoice_name()).write_bytes(digitalocean(line(), tax()))
    assert "2026-04" in server.arcadia("ingest")
    assert (home / "dagster" / "storage").is_dir()

    up(server)
    assert names(server.folder) == {"var"}
    assert {path for path in server.installed().items() ^ before.items() if "__pycache__" not in path[0]} == set()
    assert {path.name for path in home.rglob(".telemetry")} == set()
    # Without a finance service it runs in a home of its own, with Dagster's files in it.
    assert {"dagster.yaml", "workspace.yaml"} <= names(home) & names(home / "sandbox")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def up(server: Server) -> None:
    """Start the whole deployment, ask its web server whether the code is loaded, and end it as systemd does."""
    port, *others = free_port(), free_port(), free_port()
    options = ("--port", str(port), "--statements-port", str(others[0]), "--finance-port", str(others[1]))
    log = server.environment.parent / "up.log"
    with log.open("wb") as output:
        command = [server.program, "up", *options]
        process = subprocess.Popen(
            command, cwd=server.folder, env=server.environ, stdout=output, stderr=output, start_new_session=True
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
