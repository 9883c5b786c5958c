"""The tutorial: each of its commands does what its words say, in their order, whether or not `make run` ran here before.

What is typed beside a running `make run` is tried beside one, by test_deployment.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from arcadia_dagster.launcher import plan
from arcadia_dagster.sample import FOLDER as SAMPLE
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.settings import load
from arcadia_dagster_tests.kit.project import digitalocean, line, tax
from arcadia_dagster_tests.kit.shell import Result, Shell
from arcadia_dagster_tests.kit.tutorial import BESIDE_RUN, COMMANDS, ROOT, UNTIL_RUN

OWN = "DigitalOcean Invoice 2026 May (6173678-418071234).csv"
APRIL = "DigitalOcean Invoice 2026 Apr (0000000-900000004).csv"
TRIED_ELSEWHERE = ("make demo", "make run")
"""By test_demo and test_deployment: the first shows itself, the other runs until it is stopped."""


@dataclass
class Terminals:
    """The first terminal, and the second with the finance service, as the tutorial has them."""

    folder: Path
    arcadia: Shell
    stack: ExitStack
    environ: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[str, Result]] = field(default_factory=list)
    url: str = ""

    def type(self, command: str) -> None:
        if command.startswith("source "):
            self.environ = {}  # another terminal
        elif command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self.environ[name] = value.replace("http://localhost:4010", self.url)
        elif command.startswith("unset "):
            del self.environ[command.removeprefix("unset ")]
        elif command == "arcadia finance-sandbox":
            self.url = self.stack.enter_context(finance_sandbox(self.folder, self.environ))
            self.environ = {}  # back in the first terminal
        elif command.startswith("arcadia "):
            self.answers.append((command, self.arcadia(*shlex.split(command)[1:], environ=self.environ)))
        elif command not in TRIED_ELSEWHERE:
            user = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
            subprocess.run(["bash", "-c", command], cwd=self.folder, env=user, check=True)


@contextmanager
def finance_sandbox(folder: Path, environ: dict[str, str]) -> Iterator[str]:
    """The command itself, at a port of its own: where it is."""
    command = [sys.executable, "-m", "arcadia_dagster.cli", "finance-sandbox", "--port", "0"]
    with subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), **environ}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[2]
        finally:
            process.terminate()


@pytest.fixture
def terminals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Terminals]:
    shutil.copytree(SAMPLE, tmp_path / "arcadia_dagster" / "sample")
    (tmp_path / "Downloads").mkdir()
    may = line(start="2026-05-01 00:00:00 +0000", end="2026-05-31 23:59:59 +0000")
    (tmp_path / "Downloads" / OWN).write_bytes(digitalocean(may, tax()))
    with ExitStack() as stack:
        yield Terminals(tmp_path, Shell(tmp_path, monkeypatch, capsys), stack)


def run_before(terminals: Terminals) -> None:
    """What `make run` leaves: a home in the home, with a sandbox that has the sample's April."""
    environ = {"ARCADIA_HOME": str(terminals.folder / "var")}
    deployment = plan(load(environ), environ, port=1, statements_port=2)
    assert deployment.sandbox is not None
    (deployment.home / "inbox").mkdir()
    shutil.copy(SAMPLE / "inbox" / APRIL, deployment.home / "inbox")
    rows = deployment.home / "finance.sqlite"
    with RunningSandbox(database=rows, secret=deployment.sandbox.secret) as sandbox:
        urls = dict.fromkeys(("SKYAI_FINANCE_URL", "ARCADIA_SANDBOX_URL"), sandbox.url)
        terminals.arcadia("ingest", environ={**deployment.environ, **urls})
        assert [row["external_id"] for row in sandbox.invoices()] == ["900000004"]


@pytest.mark.parametrize("ran_before", [False, True])
def test_each_command_of_the_tutorial_works_in_its_turn(terminals: Terminals, ran_before: bool) -> None:
    if ran_before:
        run_before(terminals)
    for command in UNTIL_RUN:
        terminals.type(command)
    listed: list[dict[str, Any]] = httpx.get(f"{terminals.url}/api/v1/invoices", timeout=30).json()

    said = [f"{command}: {' '.join(result.stdout.split())}" for command, result in terminals.answers]
    for expected in (
        r"arcadia ingest: .*2026-04 .* 86\.92 ",
        r"arcadia explain 900000004: .*SHA-256",
        r"arcadia doctor: .* ok finance ",
        r"arcadia push 2026-04: 1 created",
        r"arcadia push 2026-04 --again: 0 created, 1 updated",
        r"arcadia reconcile: finance has what is on record here",
        r"arcadia statement 2026-04: .*2026-04\.html",
        r"arcadia dismiss broken\.csv .*: broken\.csv is dismissed",
        r"arcadia status: .*2026-05",
    ):
        assert any(re.match(expected, one) for one in said), expected
    broken = [result.stderr for command, result in terminals.answers if command == "arcadia ingest"][1]
    assert "broken.csv: rejected" in broken
    assert {row["external_id"]: row["times_received"] for row in listed} == {"900000004": 2, "418071234": 1}
    assert (terminals.folder / "var" / "out").is_dir()


def test_what_the_tutorial_leaves_to_other_tests_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in TRIED_ELSEWHERE:
        assert command in COMMANDS
        assert re.search(rf"^{command.removeprefix('make ')}:", makefile, flags=re.MULTILINE)
    assert {"arcadia push 2026-04 --again", "arcadia reconcile"} < set(BESIDE_RUN)
