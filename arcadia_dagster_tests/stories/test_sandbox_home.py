"""A shell that was told of the home of `make run` alone: what it says is true, whether or not the sandbox runs just now."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from arcadia_dagster.home_sandbox import HomeSandbox
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster_tests.kit.loopback import free_port
from arcadia_dagster_tests.kit.project import SECRET, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.shell import ROOT, Result, Shell


class Told:
    """The shell, and the home with its sandbox, which has the invoice 1001."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self.home = shell.folder / "var" / "sandbox"
        self.sandbox = HomeSandbox.planned(self.home, free_port())
        self.sandbox.remember()
        self.drop(invoice_name(), digitalocean(line(), tax()))

    def drop(self, name: str, content: bytes) -> None:
        (self.home / "inbox").mkdir(exist_ok=True)
        (self.home / "inbox" / name).write_bytes(content)

    def __call__(self, *arguments: str, code: int = 0, environ: Mapping[str, str] | None = None) -> Result:
        named = {"ARCADIA_HOME": "var/sandbox", **(environ or {})}
        return self._shell(*arguments, code=code, environ=named)

    @contextmanager
    def running(self, secret: str | None = None, file: str = "finance.sqlite") -> Iterator[RunningSandbox]:
        with RunningSandbox(
            database=self.home / file, secret=secret or self.sandbox.secret, port=self.sandbox.port
        ) as sandbox:
            yield sandbox

    def pushed(self, environ: Mapping[str, str] | None = None) -> int:
        [month] = json.loads(self("status", "--json", environ=environ).stdout)["months"]
        return int(month["pushed"])

    def verdict(self, code: int = 0, environ: Mapping[str, str] | None = None) -> tuple[str, str]:
        found = {one["what"]: one for one in json.loads(self("doctor", "--json", code=code, environ=environ).stdout)}
        return found["finance"]["verdict"], found["finance"]["text"]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    return Told(Shell(tmp_path, monkeypatch, capsys))


def test_every_command_knows_the_homes_sandbox(told: Told) -> None:
    with told.running() as sandbox:
        told("ingest")
        assert told.pushed() == 1
        assert told.verdict()[0] == "ok"
        assert "1 unchanged" in told("push", "2026-04").stdout
        assert "1 updated" in told("push", "--again", "1001").stdout
        assert "finance has what is on record here" in told("reconcile").stdout
        [row] = sandbox.invoices()
        assert row["times_received"] == 2
        assert f"delivered at {sandbox.url}" in told("explain", "1001").stdout
    told("export", "--to", "out", "--invoices")
    with (told.home.parents[1] / "out" / "invoices.csv").open(encoding="utf-8") as file:
        [exported] = csv.DictReader(file)
    assert (exported["finance_state"], exported["finance_invoice_id"]) == ("delivered", row["invoice_id"])
    assert told.pushed() == 1


def test_places_of_the_real_invoices_are_not_looked_at(told: Told, tmp_path: Path) -> None:
    real = tmp_path / "real"
    places = {
        "ARCADIA_INBOX": str(real / "inbox"),
        "ARCADIA_WAREHOUSE": str(real / "arcadia.duckdb"),
        "ARCADIA_STATEMENTS": str(real / "statements"),
        "SKYAI_FINANCE_LIST_PATH": "/books",
    }
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in places.items()), encoding="utf-8")
    with told.running():
        told("ingest")
        assert told.pushed() == 1
        assert "finance has what is on record here" in told("reconcile").stdout
    assert not real.exists()


def test_where_the_sandbox_is_not_running_one_line_says_what_to_type(told: Told) -> None:
    told("ingest", code=1)
    typed = f"ARCADIA_HOME={told.home} arcadia finance-sandbox"
    for command in ("push 2026-04", "push 1001 --again --json", "reconcile"):
        [line_] = told(*command.split(), code=1).stderr.splitlines()
        assert line_.startswith(f"arcadia: the finance sandbox of this home is not running at {told.sandbox.url}: ")
        assert typed in line_
    verdict, text = told.verdict(code=1)
    assert (verdict, typed in text) == ("failed", True)
    assert told.pushed() == 0
    with told.running() as sandbox:
        told("ingest")
        assert [row["times_received"] for row in sandbox.invoices()] == [1]
    told.drop(invoice_name(number="1002"), digitalocean(line("Volumes"), tax()))
    [last] = [line_ for line_ in told("ingest", code=1).stderr.splitlines() if "not running" in line_]
    assert typed in last
    assert last.endswith("; then run `arcadia ingest` again")


def test_the_sandbox_can_be_started_alone_and_is_known_where_it_is(told: Told) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "ARCADIA_HOME": str(told.home)}
    for options, is_moved in ((), False), (("--port", "0"), True):
        command = [sys.executable, "-m", "arcadia_dagster.cli", "finance-sandbox", *options]
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                url = process.stdout.readline().split()[2]
                assert (url != told.sandbox.url) == is_moved
                told("ingest")
                assert told.verdict()[0] == "ok"
                assert told.pushed() == 1
            finally:
                process.terminate()


def test_what_answers_in_the_place_of_the_sandbox_is_not_believed(told: Told) -> None:
    with told.running():
        told("ingest")
    told.drop(invoice_name(number="1002"), digitalocean(line("Volumes"), tax()))
    with told.running(secret=SECRET, file="another.sqlite") as other:
        for command in ("push 2026-04 --again", "reconcile", "ingest"):
            [last] = [line_ for line_ in told(*command.split(), code=1).stderr.splitlines() if "arcadia: " in line_]
            assert f"what answers at {other.url} is not the finance sandbox of this home: stop it" in last
        assert told.verdict(code=1)[0] == "failed"
        assert other.invoices() == []
    assert told.pushed() == 1


def test_a_finance_service_that_is_named_goes_first(told: Told, tmp_path: Path) -> None:
    with told.running():
        told("ingest")
    with RunningSandbox(database=tmp_path / "other.sqlite", secret=SECRET) as other:
        named = {"SKYAI_FINANCE_URL": other.url, "SKYAI_FINANCE_SECRET": SECRET}
        assert told.pushed(named) == 0
        assert told.verdict(environ=named) == ("ok", f"{other.url} answers, and takes the token")
        assert "1 created" in told("push", "2026-04", environ=named).stdout


def test_without_being_told_a_shell_learns_how_to_be(told: Told) -> None:
    hint = f"export ARCADIA_HOME={told.home}"
    assert hint in told("push", "2026-04", code=2, environ={"ARCADIA_HOME": "var"}).stderr
    assert hint in told("reconcile", code=2, environ={"ARCADIA_HOME": "var"}).stderr
    verdict, text = told.verdict(code=1, environ={"ARCADIA_HOME": "var"})
    assert (verdict, hint in text) == ("note", True)
