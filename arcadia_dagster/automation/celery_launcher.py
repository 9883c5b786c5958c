"""The old name of `arcadia_dagster.defs.celery_launcher`."""

from arcadia_dagster.automation import warn
from arcadia_dagster.defs.celery_launcher import WatchedCeleryRunLauncher

__all__ = ["WatchedCeleryRunLauncher"]

warn("celery_launcher")
