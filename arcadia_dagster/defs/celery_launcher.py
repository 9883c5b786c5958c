"""Launching runs on Celery workers so that a run whose worker died is noticed.

Celery's result says "started" for as long as nobody says anything else, and a worker that was killed says nothing: its
runs would keep their places in the queue for ever. So this launcher asks the worker whether it still works on the run.
"""

from typing import Any

import dagster as dg
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from arcadia_dagster.defs.command_runs import health_of_command
from arcadia_dagster.defs.internals import CheckRunHealthResult, WorkerStatus

_STARTED = "STARTED"
_ANSWER_SECONDS = 2.0
_TIMES = 3


class WatchedCeleryRunLauncher(CeleryRunLauncher):  # type: ignore[misc] # untyped where the extra is missing
    """Dagster's launcher for Celery, with a truer answer to run monitoring's question."""

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Failed where the run's worker does not answer three times, or answers that it does not work on this run."""
        if DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return health_of_command(self._instance, run)
        result = self.celery.AsyncResult(run.tags[DAGSTER_CELERY_TASK_ID_TAG])
        as_told: CheckRunHealthResult = super().check_run_worker_health(run)
        if result.state != _STARTED:
            return as_told
        worker = (result.info or {}).get("hostname")
        for _ in range(_TIMES):
            tasks = self._tasks_of(worker)
            if tasks is not None and result.id in tasks:
                return CheckRunHealthResult(WorkerStatus.RUNNING)
            if result.state != _STARTED:
                # The run has just ended; the next look sees how.
                return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"the worker {worker} is gone, or no longer works on the run")

    def _tasks_of(self, worker: str | None) -> set[str] | None:
        """The tasks that a worker works on, by id; None where it does not answer."""
        answers: dict[str, Any] | None = self.celery.control.inspect(
            destination=[worker] if worker else None, timeout=_ANSWER_SECONDS
        ).active()
        if not answers:
            return None
        return {task["id"] for tasks in answers.values() for task in tasks}
