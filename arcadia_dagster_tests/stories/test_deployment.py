"""The deployment as a person runs it: the real web server, daemon and sandbox, watched over HTTP. Nothing is run in this process.

One test, for starting and stopping takes longer than most of its steps: a story in the order in which it happens.
"""

import csv
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from arcadia_dagster.launcher import SAMPLE_INBOX, Deployment, Launcher, plan
from arcadia_dagster.sandbox.store import InvoiceRow
from arcadia_dagster.settings import load
from arcadia_dagster.warehouse import Warehouse, hold
from arcadia_dagster_tests.kit.graphql import BACKFILL, BACKFILL_STATUS, LAUNCH, GraphQL
from arcadia_dagster_tests.kit.leaks import files_with, tables_with
from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES
from arcadia_dagster_tests.kit.project import digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.tutorial import BESIDE_RUN

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
# Generous: other tests run beside this one. Idle, each step takes 5 to 15 s, most of it the daemon's own intervals.
PATIENCE = 120.0

RUNS = """
query {
  runsOrError { __typename ... on Error { message } ... on PythonError { stack }
    ... on Runs { results { runId status jobName parentRunId tags { key value } } } }
}
"""

EVENTS = """
query ($run: ID!) {
  logsForRun(runId: $run) { __typename ... on Error { message } ... on PythonError { stack }
    ... on EventConnection { events { __typename ... on MessageEvent { message } } } }
}
"""

RUN_CONFIG = """
query ($run: ID!) {
  runOrError(runId: $run) { __typename ... on Error { message } ... on PythonError { stack }
    ... on Run { runConfigYaml tags { key value } eventConnection { events { __typename ... on MessageEvent { message } } } } }
}
"""

LIMIT = 'mutation { setConcurrencyLimit(concurrencyKey: "warehouse", limit: 1) }'
NO_LIMIT = 'mutation { deleteConcurrencyLimit(concurrencyKey: "warehouse") }'
CHECK = """
query ($asset: AssetKeyInput!, $check: String!) {
  assetCheckExecutions(assetKey: $asset, checkName: $check, limit: 1) { status evaluation { success description } }
}
"""

MONTHS = 'query { assetNodeOrError(assetKey: {path: ["cost_lines"]}) { ... on AssetNode { partitionKeys } } }'
MATERIALIZATIONS = """
query ($asset: AssetKeyInput!, $months: [String!]) {
  assetNodeOrError(assetKey: $asset) { __typename
    ... on AssetNode { assetMaterializations(partitions: $months) { partition runId
      metadataEntries { label
        ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text } ... on UrlMetadataEntry { url } } } } }
}
"""

PARTITIONED = ("raw_invoices", "cost_lines", "tax_split_totals", "finance_records", "monthly_statement")


class Story:
    """A running deployment, and what a person can see of it."""

    def __init__(self, deployment: Deployment) -> None:
        assert deployment.sandbox is not None
        self.deployment, self.sandbox = deployment, deployment.sandbox
        self.inbox = deployment.home / "inbox"
        self.warehouse = Warehouse(deployment.home / "arcadia.duckdb", lock_timeout=60)
        self.graphql = GraphQL(deployment.url)

    def drop(self, name: str, content: bytes) -> None:
        part = self.inbox / f".{name}.part"
        part.write_bytes(content)
        part.rename(self.inbox / name)

    def finance(self) -> dict[str, InvoiceRow]:
        """Finance's rows by the invoice's id, of which there is one each."""
        url = f"{self.sandbox.url}/api/v1/invoices"
        rows: list[InvoiceRow] = httpx.get(url, timeout=30, verify=NO_AUTHORITIES).json()
        found = {row["external_id"]: row for row in rows}
        assert len(found) == len(rows), "finance has an invoice twice"
        return found

    def times_received(self) -> dict[str, int]:
        return {number: row["times_received"] for number, row in self.finance().items()}

    def document(self, name: str) -> dict[str, Any] | None:
        with self.warehouse.read() as connection:
            found = connection.execute("SELECT status, reason FROM documents WHERE file_name = ?", [name]).fetchall()
        assert len(found) <= 1
        return dict(zip(("status", "reason"), found[0], strict=True)) if found else None

    def runs(self) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = self.graphql.ask(RUNS)["runsOrError"]["results"]
        return runs

    def run_of(self, month: str) -> dict[str, Any] | None:
        """The newest run for the month alone."""
        for run in self.runs():
            tags = {tag["key"]: tag["value"] for tag in run["tags"]}
            if tags.get("dagster/asset_partition_range_start") == month:
                return run
        return None

    def messages(self, run: str) -> list[str]:
        events = self.graphql.ask(EVENTS, run=run)["logsForRun"]["events"]
        return [str(event.get("message")) for event in events]

    def process_of(self, run: str) -> int | None:
        for message in self.messages(run):
            if found := re.search(r"Started process for run \(pid: (\d+)\)", message):
                return int(found[1])
        return None

    def check(self, asset: str, name: str) -> dict[str, Any] | None:
        found = self.graphql.ask(CHECK, asset={"path": [asset]}, check=name)["assetCheckExecutions"]
        return found[0]["evaluation"] if found else None

    def wait(self, what: str, look: Callable[[], T | None], seconds: float = PATIENCE) -> T:
        """What `look` finds, as soon as it finds something."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := look():
                return found
            time.sleep(0.5)
        shown = [f"{run['jobName']} {run['status']} {run['runId']}" for run in self.runs()]
        raise AssertionError("\n".join([f"not within {seconds:g} s: {what}; the runs:", *shown, *self._log()]))

    def settled(self) -> list[dict[str, Any]]:
        """All runs, once all have ended."""

        def ended() -> list[dict[str, Any]] | None:
            runs = self.runs()
            return runs if all(run["status"] in ENDED for run in runs) else None

        return self.wait("all runs have ended", ended)

    @contextmanager
    def started_and_held(self, month: str) -> Iterator[dict[str, Any]]:
        """The month's run, in progress: it waits for the warehouse, which this test has, until the block ends."""
        self.wait(f"a run for {month} is requested", lambda: self.run_of(month))
        with hold(self.warehouse.lock_path, timeout=60):

            def started() -> dict[str, Any] | None:
                run = self.run_of(month)
                return run if run is not None and run["status"] == "STARTED" else None

            yield self.wait(f"the run for {month} has started", started)

    def _log(self) -> list[str]:
        log = self.deployment.logs / "daemon.log"
        return log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:] if log.exists() else []


ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


@pytest.mark.timeout(400)
def test_files_become_rows_of_finance_by_themselves_whatever_dies_meanwhile(tmp_path: Path) -> None:
    deployment, root = planned(tmp_path / "var"), with_a_file_of_other_settings(tmp_path / "root")
    try:
        with Launcher(deployment, root).running():
            story = Story(deployment)
            # Beside the sensor's runs for the same months: the daemon looks after backfills every 30 s only.
            backfill = launch_backfill(story, ["documents", *PARTITIONED], list(AUTUMN))
            no_page_of_another_site_is_answered(story)
            new_files_are_pushed_once(story)
            the_tutorial_is_true_beside_it(story, tmp_path)
            before = story.times_received()
            drop_a_correction_a_bad_file_and_another(story)
            killed = kill_the_run_for_the_other(story)
            a_corrected_file_updates_and_a_bad_one_disturbs_nothing(story)
            a_killed_run_is_done_again(story, killed)
            each_month_was_materialized(story, backfill)
            with_a_limit_of_one_writer_a_second_run_waits_in_the_queue(story)
            an_older_month_is_backfilled_as_soon_as_the_catalog_has_it(story)
            the_ui_links_to_a_statement_that_can_be_read(story)
            story.settled()
            assert story.times_received() == {**before, "1001": 2, "2001": 1, "4001": 1}
            the_secret_is_nowhere(story)
            cut = cut_the_power_during_a_run(story)
        assert remaining(deployment.home) == []
        the_shell_says_what_is_not_running(tmp_path)
        with Launcher(deployment, root).running():
            story = Story(deployment)
            what_was_cut_off_is_done_and_nothing_else_is_pushed(story, {**before, "1001": 2, "2001": 1, "4001": 1})
            assert {run["runId"] for run in story.settled() if run["status"] != "SUCCESS"} == {killed, cut}
    finally:
        left = remaining(deployment.home)
        kill(left)
    assert left == [], "stopping leaves no process behind"


def no_page_of_another_site_is_answered(story: Story) -> None:
    """By any of the three servers."""
    deployment = story.deployment
    for url in (deployment.url, deployment.statements_url, story.sandbox.url):
        for headers in ({"Host": "evil.example:3000"}, {"Origin": "https://evil.example"}):
            assert httpx.get(url, headers=headers, timeout=30, verify=NO_AUTHORITIES).status_code == 403
    image = httpx.get(f"{deployment.url}/graphql", params={"query": RUNS}, timeout=30, verify=NO_AUTHORITIES)
    assert image.status_code == 403


def the_ui_links_to_a_statement_that_can_be_read(story: Story) -> None:
    """By HTTP: a browser follows no link from the UI to a file."""
    page = httpx.get(f"{story.deployment.statements_url}/2026-04.html", timeout=30)
    assert (page.status_code, "86.92" in page.text) == (200, True)
    asked = {"asset": {"path": ["monthly_statement"]}, "months": ["2026-04"]}
    made = story.graphql.ask(MATERIALIZATIONS, **asked)["assetNodeOrError"]["assetMaterializations"]
    links = {entry.get("url") for event in made for entry in event["metadataEntries"] if entry["label"] == "statement"}
    assert links == {f"{story.deployment.statements_url}/2026-04.html"}


def the_secret_is_nowhere(story: Story) -> None:
    """Neither in what the server answered about any run, nor in any file, table or command line, but in its own file."""
    for run in story.runs():
        story.messages(run["runId"])
        story.graphql.ask(RUN_CONFIG, run=run["runId"])
    secret = story.deployment.environ["SKYAI_FINANCE_SECRET"]
    assert not [answer for answer in story.graphql.answers if secret in answer]
    assert files_with(story.deployment.home, [secret]) == ["finance-secret"]
    assert tables_with(story.warehouse, [secret]) == []
    # Every user of the machine reads the list of processes.
    assert not [line for line in command_lines() if secret in line]


def command_lines() -> Iterator[str]:
    """That of each process of this machine."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield (process / "cmdline").read_text(encoding="utf-8", errors="replace")


def launch_backfill(story: Story, assets: Sequence[str], months: Sequence[str]) -> str:
    answer = story.graphql.ask(BACKFILL, assets=[{"path": [name]} for name in assets], months=list(months))
    return str(answer["launchPartitionBackfill"]["backfillId"])


def ended(story: Story, backfill: str) -> dict[str, Any] | None:
    """The backfill, once it is complete."""
    found: dict[str, Any] = story.graphql.ask(BACKFILL_STATUS, id=backfill)["partitionBackfillOrError"]
    assert "FAIL" not in found["status"], found
    return found if found["status"] == "COMPLETED_SUCCESS" else None


def months_of_catalog(story: Story) -> tuple[str, str]:
    """The first and the last."""
    keys = story.graphql.ask(MONTHS)["assetNodeOrError"]["partitionKeys"]
    return keys[0], keys[-1]


def an_older_month_is_backfilled_as_soon_as_the_catalog_has_it(story: Story) -> None:
    """The daemon loads the definitions anew once a minute only."""
    story.drop(invoice_name("2022 Feb", "4001"), invoice("2022-02"))
    story.wait("the catalog has the older month", lambda: months_of_catalog(story)[0] == "2022-02")
    backfill = launch_backfill(story, ["focus_export"], ["2022-02"])
    story.wait("its backfill is complete", lambda: ended(story, backfill))
    story.wait("its invoice is in finance", lambda: "4001" in story.finance())


def new_files_are_pushed_once(story: Story) -> None:
    story.drop(invoice_name("2026 Jul"), invoice("2026-07"))
    expected = len(list(SAMPLE_INBOX.glob("DigitalOcean*.csv"))) + 1
    story.wait("every file is in finance", lambda: len(story.finance()) == expected)
    assert figures(story, "1001") == (660, 600, 60)
    assert figures(story, "900000004") == (8692, 7902, 790)
    assert set(story.times_received().values()) == {1}


def the_tutorial_is_true_beside_it(story: Story, folder: Path) -> None:
    """The tutorial's last commands, in a terminal of which nothing is known but what `make run` says: its home."""
    told = {}
    for command in BESIDE_RUN:
        if command.startswith("arcadia "):
            told[command] = typed(folder, command)
            assert told[command].returncode == 0, told[command].stderr
    assert str(story.deployment.home) == str(folder / "var" / "sandbox")
    months = re.findall(r"^(\d{4}-\d{2}) +\d+ +\d+ +(\d+) +0 +0 ", told["arcadia status"].stdout, flags=re.MULTILINE)
    assert sum(int(pushed) for _, pushed in months) == len(story.finance())
    assert re.search(rf"^ok +finance +{re.escape(story.sandbox.url)}, ", told["arcadia doctor"].stdout, re.MULTILINE)
    assert "0 created, 1 updated" in told["arcadia push 2026-04 --again"].stdout
    assert "finance has what is on record here" in told["arcadia reconcile"].stdout
    with (folder / "var" / "sandbox" / "out" / "invoices-2026-04.csv").open(encoding="utf-8", newline="") as file:
        [april] = csv.DictReader(file)
    assert (april["amount_gross_exact"], april["finance_state"], april["action"]) == ("86.92", "delivered", "updated")
    assert april["finance_invoice_id"] == story.finance()["900000004"]["invoice_id"]


def the_shell_says_what_is_not_running(folder: Path) -> None:
    for command in ("arcadia push 2026-04", "arcadia reconcile"):
        told = typed(folder, command)
        assert (told.returncode, "is not running at" in told.stderr) == (1, True), told.stderr
        assert f"ARCADIA_HOME={folder}/var/sandbox arcadia finance-sandbox" in told.stderr
    assert " 86.92 " in typed(folder, "arcadia status").stdout


def typed(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "arcadia_dagster.cli", *command.split()[1:]],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ARCADIA_HOME": "var/sandbox", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def drop_a_correction_a_bad_file_and_another(story: Story) -> None:
    story.drop(invoice_name("2026 Jul"), invoice("2026-07", "$7.00", "$0.70"))
    story.drop(BAD, invoice("2026-08", "twelve"))
    story.drop(invoice_name("2024 Jan", "2001"), invoice("2024-01"))


def kill_the_run_for_the_other(story: Story) -> str:
    with story.started_and_held("2024-01") as run:
        process = story.process_of(run["runId"])
        assert process is not None
        assert process in processes_of(story.deployment.home)
        kill([process])
    return str(run["runId"])


def a_corrected_file_updates_and_a_bad_one_disturbs_nothing(story: Story) -> None:
    story.wait("the correction is in finance", lambda: figures(story, "1001") == (770, 700, 70))
    rejected = story.wait("the bad file is shown", lambda: story.document(BAD))
    assert rejected["status"] == "rejected"
    assert "twelve" in rejected["reason"]

    def failed() -> dict[str, Any] | None:
        check = story.check("documents", "nothing_rejected")
        return check if check is not None and not check["success"] else None

    assert "1 found" in story.wait("the check fails", failed)["description"]


def a_killed_run_is_done_again(story: Story, killed: str) -> None:
    story.wait("the killed run's invoice is in finance", lambda: "2001" in story.finance())
    assert any("SIGKILL" in message for message in story.messages(killed))


def with_a_limit_of_one_writer_a_second_run_waits_in_the_queue(story: Story) -> None:
    """Although two runs may be in progress. A run without a writer does not wait."""
    story.settled()
    story.graphql.ask(LIMIT)
    with hold(story.warehouse.lock_path, timeout=60):
        first = launch(story, "ingest_invoices", ["documents"])
        story.wait("the first run has started", lambda: status_of(story, first) == "STARTED")
        second = launch(story, "ingest_invoices", ["documents"])
        other = launch(story, "fetch_from_providers", None)
        story.wait("a run without a writer has ended", lambda: status_of(story, other) == "SUCCESS")
        assert (status_of(story, first), status_of(story, second)) == ("STARTED", "QUEUED")
    story.wait("both runs have ended", lambda: {status_of(story, run) for run in (first, second)} == {"SUCCESS"})
    story.graphql.ask(NO_LIMIT)


def launch(story: Story, job: str, assets: Sequence[str] | None) -> str:
    """Launch a run of a job, or of some of its assets."""
    selected = None if assets is None else [{"path": [name]} for name in assets]
    launched = story.graphql.ask(LAUNCH, job=job, assets=selected)["launchRun"]["run"]
    return str(launched["runId"])


def status_of(story: Story, run: str) -> str:
    return next(str(one["status"]) for one in story.runs() if one["runId"] == run)


def each_month_was_materialized(story: Story, backfill: str) -> None:
    # The first is that of the file whose run was killed: the server was started before any month was known.
    story.wait("the catalog has the months of the home", lambda: months_of_catalog(story) == ("2024-01", LAST_MONTH))
    runs = {run["runId"] for run in story.wait("the backfill is complete", lambda: ended(story, backfill))["runs"]}
    # The inbox is landed first; then one run makes all months.
    assert len(runs) == 2
    for asset in PARTITIONED:
        node = story.graphql.ask(MATERIALIZATIONS, asset={"path": [asset]}, months=list(AUTUMN))["assetNodeOrError"]
        found = {event["partition"]: event for event in node["assetMaterializations"] if event["runId"] in runs}
        assert set(found) == set(AUTUMN)
        if asset == "cost_lines":
            assert {month: rows_of(event) for month, event in found.items()} == AUTUMN


def cut_the_power_during_a_run(story: Story) -> str:
    story.drop(invoice_name("2025 Jan", "3001"), invoice("2025-01"))
    with story.started_and_held("2025-01") as run:
        kill(processes_of(story.deployment.home))
    return str(run["runId"])


def what_was_cut_off_is_done_and_nothing_else_is_pushed(story: Story, before: dict[str, int]) -> None:
    story.wait("the invoice that was cut off is in finance", lambda: "3001" in story.finance())
    story.settled()
    assert story.times_received() == {**before, "3001": 1}
    assert figures(story, "1001") == (770, 700, 70)
    rejected = story.document(BAD)
    assert rejected is not None
    assert rejected["status"] == "rejected"


BAD = invoice_name("2026 Aug", "1002")
# The sample's months that are backfilled, and how many cost lines each has.
# The bad file of August states nothing.
LAST_MONTH = "2026-07"
AUTUMN = {"2025-10": 11, "2025-11": 11, "2025-12": 16}


def invoice(month: str, amount: str = "$6.00", gst: str = "$0.60") -> bytes:
    start, end = f"{month}-01 00:00:00 +0000", f"{month}-28 23:59:59 +0000"
    return digitalocean(line(amount=amount, start=start, end=end), tax(amount=gst))


def figures(story: Story, number: str) -> tuple[int, int, int]:
    row = story.finance()[number]
    return row["amount_gross_minor"], row["amount_net_minor"], row["amount_tax_minor"]


def rows_of(event: dict[str, Any]) -> int | None:
    for entry in event["metadataEntries"]:
        if entry["label"] == "dagster/partition_row_count":
            return int(entry["intValue"])
    return None


def with_a_file_of_other_settings(root: Path) -> Path:
    """A root whose `.env` came after the deployment was planned: nothing of it may win over what the processes were given."""
    root.mkdir()
    for name in ("dagster.yaml", "workspace.yaml"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    other = "ARCADIA_HOME=elsewhere\nSKYAI_FINANCE_URL=http://127.0.0.1:9\nSKYAI_FINANCE_SECRET=another\n"
    (root / ".env").write_text(other, encoding="utf-8")
    return root


def planned(home: Path) -> Deployment:
    """What `make run` starts where no finance is configured, on free ports, with a sensor that looks as often as it can."""
    environ = {
        **os.environ,
        "ARCADIA_HOME": str(home),
        "ARCADIA_SENSOR_SECONDS": "1",
        "ARCADIA_SETTLE_SECONDS": "0",
        "DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "1",
    }
    with socket.socket() as one, socket.socket() as other, socket.socket() as third:
        for probe in (one, other, third):
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in (one, other, third)]
        return plan(load(environ), environ, port=ports[0], statements_port=ports[1], sandbox_port=ports[2])


def remaining(home: Path, seconds: float = 10.0) -> list[int]:
    """What is still there of the deployment after the time that the kernel needs to end what was killed."""
    deadline = time.monotonic() + seconds
    while (left := processes_of(home)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def processes_of(home: Path) -> list[int]:
    """Every process of the deployment, found by its home in its environment."""
    mark = f"\0ARCADIA_HOME={home}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ, state = (folder / "environ").read_bytes(), (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if mark in b"\0" + environ + b"\0" and state[0] != "Z":
            found.append(int(folder.name))
    return found


def kill(processes: list[int]) -> None:
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{process}").exists() and not is_dead(process) for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_dead(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
