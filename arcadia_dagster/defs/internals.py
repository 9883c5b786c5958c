"""The only place that names Dagster's internals: which we use, and why nothing public serves.

Dagster may change or remove each of these with any minor version, so `pyproject.toml` allows one (1.13). Where a test fails after
an upgrade, look here first.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

# The tags of a data version. Dagster gives all partitions of a step one; `assets/versions.py` gives each its own.
from dagster._core.definitions.data_version import DATA_VERSION_IS_USER_PROVIDED_TAG, DATA_VERSION_TAG

# What `define_asset_job` returns: for types alone.
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

# Which backfills are under way: an instance lists them, but the filter and the statuses are not public.
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

# The context of a step, by which the months are noted that it has made.
from dagster._core.execution.context.system import StepExecutionContext

# Where the events of an output are made, the only place to give each partition its version.
from dagster._core.execution.plan import execute_step

# What a failed step has left: for types alone.
from dagster._core.execution.plan.objects import StepFailureData

# What places Dagster's storage: `dagster.yaml` may name a class for the instance, and the class's defaults are made of this.
from dagster._core.instance import InstanceRef

# How a launcher answers run monitoring's question whether a run still lives. `RunLauncher` is public, its answers are not.
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus

# The queue of runs and what it is handed of a launch: Dagster documents both for noting who launched a run, under these names.
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext

# Which evaluations of a check have ended: the alert sensor asks the instance for them, as the UI does.
from dagster._core.storage.asset_check_execution_record import COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES

# The databases of Dagster's events, which are opened and closed for each event.
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

# The tags of runs: whose a run is, which partitions it is for, whether it is tried again, which server it runs in.
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    GRPC_INFO_TAG,
    PARTITION_NAME_TAG,
    REPOSITORY_LABEL_TAG,
    WILL_RETRY_TAG,
)

# The type of the defaults of Dagster's storage.
from dagster._serdes import ConfigurableClassData

# What the command `dagster-webserver` is made of: it has no option for a guard before the server, and none to start a code server
# again that has ended.
if TYPE_CHECKING:
    from dagster._cli.workspace.cli_target import workspace_opts_to_load_target
    from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin
    from dagster._core.remote_representation.code_location import GrpcServerCodeLocation
    from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
    from dagster._utils.interrupts import setup_interrupt_handlers
    from dagster._utils.log import configure_loggers

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES",
    "DATA_VERSION_IS_USER_PROVIDED_TAG",
    "DATA_VERSION_TAG",
    "GRPC_INFO_TAG",
    "PARTITION_NAME_TAG",
    "REPOSITORY_LABEL_TAG",
    "SQLITE_BUSY_TIMEOUT_SECONDS",
    "WILL_RETRY_TAG",
    "BulkActionStatus",
    "BulkActionsFilter",
    "CheckRunHealthResult",
    "ConfigurableClassData",
    "DagsterSqliteStorage",
    "DefaultRunLauncher",
    "GrpcServerCodeLocation",
    "InstanceRef",
    "ManagedGrpcPythonEnvCodeLocationOrigin",
    "QueuedRunCoordinator",
    "SqliteEventLogStorage",
    "StepExecutionContext",
    "StepFailureData",
    "SubmitRunContext",
    "UnresolvedAssetJobDefinition",
    "WorkerStatus",
    "WorkspaceProcessContext",
    "WorkspaceRequestContext",
    "configure_loggers",
    "execute_step",
    "setup_interrupt_handlers",
    "workspace_opts_to_load_target",
]

# The web server alone needs these, and they take a sixth of a second to import: they are imported when they are named.
_OF_THE_WEB_SERVER: Final = {
    "GrpcServerCodeLocation": "dagster._core.remote_representation.code_location",
    "ManagedGrpcPythonEnvCodeLocationOrigin": "dagster._core.remote_origin",
    "WorkspaceProcessContext": "dagster._core.workspace.context",
    "WorkspaceRequestContext": "dagster._core.workspace.context",
    "configure_loggers": "dagster._utils.log",
    "setup_interrupt_handlers": "dagster._utils.interrupts",
    "workspace_opts_to_load_target": "dagster._cli.workspace.cli_target",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever has that name
    if name in _OF_THE_WEB_SERVER:
        return getattr(import_module(_OF_THE_WEB_SERVER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
