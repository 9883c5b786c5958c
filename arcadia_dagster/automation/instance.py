"""The old name of `arcadia_dagster.defs.instance`."""

from arcadia_dagster.automation import warn
from arcadia_dagster.defs.instance import InstanceInHome

__all__ = ["InstanceInHome"]

warn("instance")
