"""The tutorial: each of its commands does what its words say, in their order."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from arcadia_dagster.sample import FOLDER as SAMPLE
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster_tests.project import digitalocean, line, tax
from arcadia_dagster_tests.stories.test_cli import ROOT, Result, Shell

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ {4}(\S.*)$", TUTORIAL, flags=re.MULTILINE)
OWN = "DigitalOcean Invoice 2026 May (6173678-418071234).csv"
TRIED_ELSEWHERE = ("make demo", "make run", "arcadia finance-sandbox")
"""By test_demo, test_deployment and test_cli: the first shows itself, the others run until they are stopped."""


def test_each_command_of_the_tutorial_works_in_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(tmp_path, monkeypatch, capsys)
    shutil.copytree(SAMPLE, tmp_path / "arcadia_dagster" / "sample")
    (tmp_path / "Downloads").mkdir()
    may = line(start="2026-05-01 00:00:00 +0000", end="2026-05-31 23:59:59 +0000")
    (tmp_path / "Downloads" / OWN).write_bytes(digitalocean(may, tax()))
    secret = re.findall(r"SECRET=(\S+)", TUTORIAL)[0]
    environ: dict[str, str] = {}
    answers: list[tuple[str, Result]] = []
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=secret) as sandbox:
        for command in COMMANDS:
            if command.startswith("export "):
                name, _, value = command.removeprefix("export ").partition("=")
                environ[name] = value.replace("http://localhost:4010", sandbox.url)
            elif command in TRIED_ELSEWHERE or command.startswith("source "):
                environ = {} if command.startswith("source ") else environ  # another terminal
            elif command.startswith("arcadia "):
                # The sandbox has another port here.
                answers.append((command, shell(*shlex.split(command)[1:], **environ)))
            else:
                subprocess.run(
                    ["bash", "-c", command],
                    cwd=tmp_path,
                    env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
                    check=True,
                )
        rows = {row["external_id"]: row for row in sandbox.invoices()}

    said = [f"{command}: {' '.join(result.stdout.split())}" for command, result in answers]
    for expected in (
        r"arcadia ingest: .*2026-04 .* 86\.92 ",
        r"arcadia explain 900000004: .*SHA-256",
        r"arcadia push 2026-04: 1 created",
        r"arcadia push 2026-04 --again: 0 created, 1 updated",
        r"arcadia reconcile: finance has what is on record here",
        r"arcadia statement 2026-04: .*2026-04\.html",
        r"arcadia dismiss broken\.csv .*: broken\.csv is dismissed",
        r"arcadia status: .*2026-05",
    ):
        assert any(re.match(expected, one) for one in said), expected
    broken = [result.stderr for command, result in answers if command == "arcadia ingest"][1]
    assert "broken.csv: rejected" in broken
    assert {number: row["times_received"] for number, row in rows.items()} == {"900000004": 2, "418071234": 1}
    assert (tmp_path / "var" / "out").is_dir()


def test_what_the_tutorial_leaves_to_other_tests_is_in_the_makefile_or_a_command() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in TRIED_ELSEWHERE:
        assert command in COMMANDS
        if command.startswith("make "):
            assert re.search(rf"^{command.removeprefix('make ')}:", makefile, flags=re.MULTILINE)
