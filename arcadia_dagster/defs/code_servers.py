"""Starting a code server again that has ended: the web server's own, from which it gets all that it shows and launches.

Dagster's web server starts it once. Where it was killed, as on a machine that is out of memory, each launch from the UI was
answered with "Could not reach user code server" until a person reloaded the code location (seen in 1.13.27). Dagster's daemon
starts its own again by itself.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from arcadia_dagster.defs.internals import (
    GrpcServerCodeLocation,
    ManagedGrpcPythonEnvCodeLocationOrigin,
    WorkspaceProcessContext,
)
from arcadia_dagster.defs.run_launcher import listens_at

_SECONDS = 2.0

_log = logging.getLogger("dagster-webserver")


@contextmanager
def kept_running(process: WorkspaceProcessContext) -> Iterator[None]:
    """Within the block, each code server that the process has started is started again where it has ended."""
    stopped = threading.Event()

    def watch() -> None:
        while not stopped.wait(_SECONDS):
            try:
                start_again(process)
            except Exception:  # noqa: BLE001 - whatever Dagster raises; the watch goes on
                # It looks again; a location whose code cannot be loaded says so in the UI.
                _log.exception("a code server could not be started again")

    thread = threading.Thread(target=watch, name="arcadia-code-servers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def start_again(process: WorkspaceProcessContext) -> list[str]:
    """Start each code server that has ended; the names of their locations.

    Args:
        process: The locations. Those whose servers somebody else has started are left alone.
    """
    with process.create_request_context() as context:
        ended = [
            location.name
            for location in context.code_locations
            if isinstance(location, GrpcServerCodeLocation)
            and isinstance(location.origin, ManagedGrpcPythonEnvCodeLocationOrigin)
            and location.socket
            and not listens_at(location.socket)
        ]
    for name in ended:
        _log.warning("the code server of %s has ended: starting it again", name)
        process.reload_code_location(name)
    return ended
