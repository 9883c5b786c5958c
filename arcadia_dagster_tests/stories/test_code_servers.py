"""The web server's own code servers: its locations are loaded anew when other months are known, also if that fails at first."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_representation.grpc_server_registry import GrpcServerRegistry
from dagster._core.workspace.load_target import PythonFileTarget
from dagster._grpc.constants import GrpcServerCommand

from arcadia_dagster.defs import code_servers
from arcadia_dagster.defs.internals import WorkspaceProcessContext
from arcadia_dagster.defs.noted_months import LAST, note, partitioned
from arcadia_dagster.settings import load
from arcadia_dagster_tests.kit.waiting import wait_until

APRIL, MAY, JUNE = date(2026, 4, 1), date(2026, 5, 1), date(2026, 6, 1)

LOCATION = """
import os
from pathlib import Path
import dagster as dg

home = Path({home!r})
if (home / "broken").exists():
    raise RuntimeError("no memory")
(home / "server").write_text(str(os.getpid()))

@dg.job(tags={{"until": (home / {last!r}).read_text().strip()}})
def ingest_invoices(): ...

defs = dg.Definitions(jobs=[ingest_invoices])
"""


@contextmanager
def locations(home: Path) -> Iterator[WorkspaceProcessContext]:
    """A location of a home, whose job says until which month it knows; its servers end 2 s after their last heartbeat."""
    file = home / "location.py"
    file.write_text(LOCATION.format(home=str(home), last=LAST), encoding="utf-8")
    target = PythonFileTarget(str(file), attribute=None, working_directory=None, location_name="ours")
    with (
        dg.instance_for_test() as instance,
        GrpcServerRegistry(
            instance.get_ref(),
            GrpcServerCommand.API_GRPC,
            heartbeat_ttl=2,
            startup_timeout=60,
            wait_for_processes_on_shutdown=True,
        ) as registry,
        WorkspaceProcessContext(instance, target, "test", grpc_server_registry=registry) as process,
    ):
        yield process


def months(process: WorkspaceProcessContext) -> str | None:
    """Until which month the location knows; None where it cannot be loaded."""
    with process.create_request_context() as context:
        if context.has_code_location_error("ours"):
            return None
        [repository] = context.get_code_location("ours").get_repositories().values()
        return repository.get_full_job("ingest_invoices").tags["until"]


def lives(process: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


@pytest.mark.timeout(300)
# Dagster's own, where the location cannot be loaded.
@pytest.mark.filterwarnings("ignore:Error loading repository location")
def test_a_location_is_loaded_anew_when_other_months_are_known_and_again_where_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_servers, "_SECONDS", 0.1)
    monkeypatch.setattr(code_servers, "_RETRY_SECONDS", 1.0)
    note(tmp_path, [APRIL])
    values = load({"ARCADIA_HOME": str(tmp_path), "ARCADIA_PARTITIONS": "known"})
    shown = partitioned(values)
    with locations(tmp_path) as process, code_servers.kept_running(process, values, shown):
        first = int((tmp_path / "server").read_text(encoding="ascii"))
        assert months(process) == "2026-04"
        note(tmp_path, [APRIL, MAY])
        wait_until(lambda: months(process) == "2026-05")
        second = int((tmp_path / "server").read_text(encoding="ascii"))
        assert second != first
        # Dagster alone would have it send heartbeats for as long as this process lives.
        wait_until(lambda: not lives(first))
        (tmp_path / "broken").touch()
        note(tmp_path, [APRIL, JUNE])
        wait_until(lambda: months(process) is None)
        (tmp_path / "broken").unlink()
        wait_until(lambda: months(process) == "2026-06")
        wait_until(lambda: not lives(second))
