"""What every Dagster user tries first: Dagster's own commands in the root of a fresh clone, in a shell where nothing is set."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import httpx
import pytest

from arcadia_dagster.defs.instance import InstanceInHome
from arcadia_dagster_tests.kit.graphql import LAUNCH, GraphQL
from arcadia_dagster_tests.kit.loopback import free_port
from arcadia_dagster_tests.kit.project import digitalocean, invoice_name, line, tax

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
ASSETS = {
    "documents",
    "raw_invoices",
    "cloud_resources",
    "cost_lines",
    "tax_split_totals",
    "finance_records",
    "focus_export",
    "monthly_statement",
    "tenant_routes",
    "allocations",
    "invoices_at_finance",
}
PATIENCE = 120.0

ASSET_KEYS = "query { assetNodes { assetKey { path } } }"

RUNS = """
query {
  runsOrError { __typename ... on Error { message } ... on PythonError { stack } ... on Runs { results { runId status } } }
}
"""

MATERIALIZATIONS = """
query ($asset: AssetKeyInput!, $months: [String!]) {
  assetNodeOrError(assetKey: $asset) { __typename
    ... on AssetNode { assetMaterializations(partitions: $months) { partition runId } } }
}
"""


@dataclass(frozen=True, slots=True)
class Clone:
    """A fresh clone, and a shell in its root where nothing is set."""

    root: Path
    user: Path

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(self.user)}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.root, env=self.environ, capture_output=True, text=True, timeout=100, check=False
        )

    def git(self, *arguments: str) -> str:
        done = self.run("git", "-c", "user.name=A", "-c", "user.email=a@example.com", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def new_files(self) -> set[str]:
        """What git would show, and what it ignores, but for what Python compiled."""
        shown = self.git("status", "--porcelain", "--ignored").splitlines()
        return {entry for entry in shown if "__pycache__" not in entry}

    def drop(self, name: str, content: bytes) -> None:
        part = self.root / "var" / "inbox" / f".{name}.part"
        part.write_bytes(content)
        part.rename(part.with_name(name))

    def processes(self) -> list[int]:
        """Whatever was started in this shell and still runs."""
        mark = f"\0HOME={self.user}\0".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environ = (folder / "environ").read_bytes()
            except OSError:
                continue
            if mark in b"\0" + environ:
                found.append(int(folder.name))
        return found


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    found = Clone(tmp_path / "arcadia-dagster", tmp_path / "user")
    found.user.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in {os.fsdecode(name) for name in listed.stdout.split(b"\0") if name}:
        if (ROOT / name).exists():  # else it was deleted and that is not committed yet
            (found.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, found.root / name)
    for arguments in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "A clone")):
        found.git(*arguments)
    return found


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("dg check defs", "All definitions loaded successfully."),
        ("dg list defs --json", '"tax_split_totals"'),
        ("dagster asset materialize -m arcadia_dagster.definitions --select documents", "RUN_SUCCESS"),
    ],
)
def test_dagsters_own_commands_work_without_a_setting(clone: Clone, command: str, told: str) -> None:
    done = clone.run(*command.split())
    assert (done.returncode, told in done.stdout + done.stderr) == (0, True), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert clone.new_files() <= {"!! var/"}


def test_dg_dev_serves_the_assets_and_ends_with_all_it_started(clone: Clone) -> None:
    with served(clone, "dg", "dev") as graphql:
        assert assets(graphql) == ASSETS
    wait("every process has ended", lambda: not clone.processes(), seconds=20)
    assert clone.new_files() == {"!! var/"}


@pytest.mark.timeout(300)
def test_dagster_dev_runs_and_shares_its_instance_with_arcadia_ingest(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(clone, "dagster", "dev") as graphql:
        assert assets(graphql) == ASSETS
        clone.drop(invoice_name(), digitalocean(line(), tax()))
        month = [{"key": "dagster/partition", "value": "2026-04"}]
        launched = graphql.ask(LAUNCH, job="ingest_invoices", tags=month)["launchRun"]["run"]["runId"]
        ended = wait("all runs have ended", lambda: ended_runs(graphql))
        assert ended[launched] == "SUCCESS"
        found = graphql.ask(MATERIALIZATIONS, asset={"path": ["tax_split_totals"]}, months=["2026-04"])
        assert launched in {made["runId"] for made in found["assetNodeOrError"]["assetMaterializations"]}
    wait("every process has ended", lambda: not clone.processes(), seconds=20)
    assert clone.new_files() == {"!! var/"}

    may = line(start="2026-05-01 00:00:00 +0000", end="2026-05-31 23:59:59 +0000")
    clone.drop(invoice_name("2026 May", "1002"), digitalocean(may, tax()))
    ingested = clone.run("arcadia", "ingest")
    assert (ingested.returncode, "2026-05" in ingested.stdout) == (0, True), ingested.stderr
    assert clone.new_files() == {"!! var/"}
    monkeypatch.setenv("DAGSTER_HOME", str(clone.root))
    monkeypatch.chdir(clone.root)
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance, InstanceInHome)
        assert launched in {run.run_id for run in instance.get_runs()}
        assert instance.get_materialized_partitions(dg.AssetKey("tax_split_totals")) == {"2026-04", "2026-05"}


def assets(graphql: GraphQL) -> set[str]:
    return {asset["assetKey"]["path"][0] for asset in graphql.ask(ASSET_KEYS)["assetNodes"]}


@contextmanager
def served(clone: Clone, *command: str) -> Iterator[GraphQL]:
    """What `dagster dev` or `dg dev` serves, until Ctrl-C; whatever happens, nothing of it is left."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    log = clone.user / "dev.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)], cwd=clone.root, env=clone.environ, stdout=output, stderr=output
        )
        try:
            wait("the web server answers", lambda: process.poll() is not None or answers(url))
            assert process.poll() is None, log.read_text(encoding="utf-8")
            yield GraphQL(url)
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0, log.read_text(encoding="utf-8")
        finally:
            if process.poll() is None:
                for left in clone.processes():
                    os.kill(left, signal.SIGKILL)
                process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/server_info", timeout=5).is_success
    except httpx.TransportError:
        return False


def ended_runs(graphql: GraphQL) -> dict[str, Any] | None:
    runs = {run["runId"]: run["status"] for run in graphql.ask(RUNS)["runsOrError"]["results"]}
    return runs if set(runs.values()) <= {"SUCCESS", "FAILURE", "CANCELED"} else None


def wait(what: str, look: Callable[[], T | None], seconds: float = PATIENCE) -> T:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds:g} s: {what}")
