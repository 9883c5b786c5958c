"""Whether a run is still alive, told from its code server's socket."""

import json
import os
import socket
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

from arcadia_dagster.defs.run_launcher import WatchedRunLauncher
from arcadia_dagster_tests.kit.project import instance_in_memory


def status(path: Path) -> WorkerStatus:
    tags = {".dagster/grpc_info": json.dumps({"host": "localhost", "socket": str(path)})}
    run = dg.DagsterRun(job_name="ingest_invoices", tags=tags)
    return WatchedRunLauncher().check_run_worker_health(run).status


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    return Path("code-server")


def test_run_monitoring_asks(path: Path) -> None:
    assert WatchedRunLauncher().supports_check_run_worker_health


def test_a_run_whose_code_server_listens_is_left_to_it(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(path))
        server.listen()
        assert status(path) is WorkerStatus.RUNNING


def test_a_run_whose_code_server_is_gone_has_failed_whether_or_not_its_socket_is_left(path: Path) -> None:
    assert status(path) is WorkerStatus.FAILED
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(path))
    assert path.exists()
    assert status(path) is WorkerStatus.FAILED


def test_a_run_without_a_code_server_is_believed() -> None:
    with instance_in_memory() as instance:
        launcher = WatchedRunLauncher()
        launcher.register_instance(instance)
        run = dg.DagsterRun(job_name="ingest_invoices")
        assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
