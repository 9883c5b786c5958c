"""The old name of `arcadia_dagster.defs.worker`."""

from arcadia_dagster.automation import warn
from arcadia_dagster.defs.worker import app

__all__ = ["app"]

warn("worker")
