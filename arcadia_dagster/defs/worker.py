"""What a Celery worker runs: `celery -A arcadia_dagster.defs.worker worker --queues dagster --concurrency 1`.

It has the settings of the launcher in `dagster.yaml`, so that broker and workers cannot differ.
"""

import dagster as dg
from celery import Celery
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task


def _app() -> Celery:
    with dg.DagsterInstance.get() as instance:
        launcher = instance.run_launcher
        if not isinstance(launcher, CeleryRunLauncher):
            raise TypeError(
                "DAGSTER_HOME names a dagster.yaml whose runs are not launched by Celery: see docs/scale-out.md"
            )
        app = launcher.celery
    create_execute_job_task(app)
    create_resume_job_task(app)
    return app


app = _app()
