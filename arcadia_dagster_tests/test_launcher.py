"""What `make run` says where a part of the deployment does not start."""

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from arcadia_dagster.keeper import Keeper
from arcadia_dagster.launcher import Launcher, LaunchError, plan
from arcadia_dagster.settings import load
from arcadia_dagster_tests.kit.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent


def launcher(home: Path) -> Launcher:
    """What is started where no finance is configured, on ports that are free just now."""
    environ = {"PATH": os.environ["PATH"], "ARCADIA_HOME": str(home)}
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(3)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        port, statements, sandbox = (probe.getsockname()[1] for probe in probes)
    return Launcher(plan(load(environ), environ, port=port, statements_port=statements, sandbox_port=sandbox), ROOT)


def test_the_command_can_be_started_as_the_launcher_starts_it() -> None:
    """By its module, for the script `arcadia` may not be installed."""
    command = [sys.executable, "-m", "arcadia_dagster.cli", "finance-sandbox", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, "usage: arcadia finance-sandbox" in done.stdout) == (0, "", True)


def test_a_part_that_ends_is_named_with_its_last_words_and_nothing_is_left_running(tmp_path: Path) -> None:
    starting = launcher(tmp_path / "home")
    # The sandbox keeps its rows in this file.
    (starting.deployment.home / "finance.sqlite").mkdir(parents=True)
    with (
        pytest.raises(LaunchError, match=r"(?s)^finance-sandbox ended with exit code 1:\n.*finance\.sqlite"),
        starting.running(),
    ):
        pytest.fail("it has started")
    with socket.socket() as probe:
        assert starting.deployment.sandbox is not None
        assert probe.connect_ex(("127.0.0.1", starting.deployment.sandbox.port)) != 0


def test_a_port_that_is_taken_is_named_before_anything_is_started(tmp_path: Path) -> None:
    starting = launcher(tmp_path / "home")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", starting.deployment.port))
        taken.listen()
        with pytest.raises(LaunchError, match=f"port {starting.deployment.port} is in use"), starting.running():
            pytest.fail("it has started")
    assert not starting.deployment.logs.exists()


STARTED = """
import subprocess, sys, time
from arcadia_dagster.keeper import Keeper
keeper = Keeper()
keeper.start()
for command in sys.argv[1:]:
    started = subprocess.Popen(["sh", "-c", command], start_new_session=True)
    keeper.add(started.pid)
    print(started.pid, flush=True)
if KEEPER_IS_KILLED:
    keeper._process.kill()
    keeper._process.wait()
    keeper.start()
print("started", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("keeper_is_killed", [False, True])
def test_what_a_killed_launcher_has_started_ends_with_all_that_it_has_started(
    tmp_path: Path, keeper_is_killed: bool
) -> None:
    ended, ready = tmp_path / "ended", tmp_path / "ready"
    commands = ["sleep 600 & sleep 600", f"trap 'echo in order > {ended}; exit' TERM; touch {ready}; sleep 600 & wait"]
    with subprocess.Popen(
        [sys.executable, "-c", STARTED.replace("KEEPER_IS_KILLED", str(keeper_is_killed)), *commands],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as launched:
        assert launched.stdout is not None
        sessions = [int(launched.stdout.readline()) for _ in commands]
        assert launched.stdout.readline() == "started\n"
        wait_until(ready.exists, seconds=30)
        launched.kill()
    for session in sessions:
        wait_until(partial(is_gone, session), seconds=30)
    assert ended.read_text(encoding="ascii") == "in order\n"


def test_what_was_stopped_in_order_is_not_looked_for_again() -> None:
    keeper = Keeper()
    keeper.start()
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as other:
        keeper.add(other.pid)
        keeper.stop()
        assert other.poll() is None
        other.kill()


def is_gone(session: int) -> bool:
    """Whether no process of the session is left."""
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return True
    return False
