"""What the command `dagster-webserver` is made of: it has no option for a guard before the server."""

from dagster._cli.workspace.cli_target import workspace_opts_to_load_target
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._utils.interrupts import setup_interrupt_handlers
from dagster._utils.log import configure_loggers

__all__ = [
    "WorkspaceProcessContext",
    "WorkspaceRequestContext",
    "configure_loggers",
    "setup_interrupt_handlers",
    "workspace_opts_to_load_target",
]
