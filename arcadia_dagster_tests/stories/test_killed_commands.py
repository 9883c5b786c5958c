"""A command that is killed in the middle of its run: the run must not count as running for hours."""

import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

from arcadia_dagster.defs.command_runs import health_of_command, tags_of_this_process
from arcadia_dagster.defs.run_tags import COMMAND_TAG
from arcadia_dagster_tests.kit.project import SECRET, Project, digitalocean, instance_in, invoice_name, line, tax

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60


@pytest.fixture
def instance(project: Project) -> Iterator[dg.DagsterInstance]:
    with instance_in(project.home) as instance:
        yield instance


@contextmanager
def delivering(project: Project) -> Iterator["subprocess.Popen[bytes]"]:
    """`arcadia ingest`, which waits for finance's answer; there is none."""
    project.drop(invoice_name(), digitalocean(line(), tax()))
    with socket.create_server(("127.0.0.1", 0)) as finance:
        finance.settimeout(SECONDS)
        url = f"http://127.0.0.1:{finance.getsockname()[1]}"
        environ = {**os.environ, **project.environ, "SKYAI_FINANCE_URL": url, "SKYAI_FINANCE_SECRET": SECRET}
        command = [sys.executable, "-m", "arcadia_dagster.cli", "ingest", "2026-04"]
        with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.DEVNULL) as process:
            try:
                with finance.accept()[0]:
                    yield process
            finally:
                process.kill()


def health(instance: dg.DagsterInstance) -> WorkerStatus:
    """What run monitoring hears of the only run, of the launcher that `dagster.yaml` names."""
    [run] = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.STARTED
    return instance.run_launcher.check_run_worker_health(run).status


def test_the_run_of_a_command_that_is_killed_has_failed_and_before_it_runs(
    project: Project, instance: dg.DagsterInstance
) -> None:
    with delivering(project) as process:
        assert health(instance) is WorkerStatus.RUNNING
        process.kill()
        process.wait(SECONDS)
        assert health(instance) is WorkerStatus.FAILED


def test_a_command_that_is_stopped_ends_its_run_itself_and_leaves_nothing(
    project: Project, instance: dg.DagsterInstance
) -> None:
    with delivering(project) as process:
        process.send_signal(signal.SIGINT)
        process.wait(SECONDS)
    [run] = instance.get_runs()
    assert run.is_finished
    assert list((Path(instance.root_directory) / "commands").iterdir()) == []


HERE = platform.node()


@pytest.mark.parametrize("tag", ["", f"{HERE}/../../arcadia.duckdb", "/etc/passwd", f"{HERE}/{'0' * 32}"])
def test_a_tag_that_no_command_here_wrote_says_nothing_and_touches_no_file(
    instance: dg.DagsterInstance, tag: str
) -> None:
    run = dg.DagsterRun(job_name="ingest_invoices", tags={COMMAND_TAG: tag})
    assert health_of_command(instance, run).status is WorkerStatus.RUNNING
    assert not (Path(instance.root_directory) / "commands").exists()


def test_a_command_of_another_machine_is_believed_whatever_its_lock_seems_here(instance: dg.DagsterInstance) -> None:
    with tags_of_this_process(instance) as tags:
        [path] = (Path(instance.root_directory) / "commands").iterdir()
    path.touch()
    machine, _, file = tags[COMMAND_TAG].rpartition("/")
    for where, health in ((machine, WorkerStatus.FAILED), ("elsewhere", WorkerStatus.RUNNING)):
        run = dg.DagsterRun(job_name="ingest_invoices", tags={COMMAND_TAG: f"{where}/{file}"})
        assert health_of_command(instance, run).status is health
