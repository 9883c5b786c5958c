"""Launching runs so that a run whose machine was switched off is noticed.

Dagster's own launcher for one machine cannot tell whether a run is still alive. A code server reports its runs that die, but
after a power cut that server is gone: its runs would stay "started" for ever and keep their places in the queue, and their
invoices would wait.
"""

import json
import socket

import dagster as dg

from arcadia_dagster.defs.command_runs import health_of_command
from arcadia_dagster.defs.internals import GRPC_INFO_TAG, CheckRunHealthResult, DefaultRunLauncher, WorkerStatus

_CONNECT_SECONDS = 5.0


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, with an answer to run monitoring's question."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks for each run that has started."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Failed where nobody listens at the socket of the run's code server. A live server reports its own runs."""
        path = json.loads(run.tags.get(GRPC_INFO_TAG, "{}")).get("socket")
        if path is None:
            return health_of_command(self._instance, run)
        if not listens_at(path):
            return CheckRunHealthResult(WorkerStatus.FAILED, "the code server that ran it has ended")
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def listens_at(path: str) -> bool:
    """Whether a process listens at a socket of this machine; one that is too busy to answer does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True
    return True
