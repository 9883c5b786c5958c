"""The old name of `arcadia_dagster.defs.run_launcher`."""

from arcadia_dagster.automation import warn
from arcadia_dagster.defs.run_launcher import WatchedRunLauncher

__all__ = ["WatchedRunLauncher"]

warn("run_launcher")
