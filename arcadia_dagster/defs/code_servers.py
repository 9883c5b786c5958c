"""The web server's own code servers, from which it gets all that it shows and launches: one that has ended is started again.

Dagster's web server starts it once. Where it was killed, as on a machine that is out of memory, each launch from the UI was
answered with "Could not reach user code server" until a person reloaded the code location (seen in 1.13.27). Dagster's daemon
starts its own again by itself.

The home's code location is loaded anew when another month becomes the first or the last one that has a partition: Dagster asks
for the partitions only then.
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
from arcadia_dagster.defs.jobs import INGEST
from arcadia_dagster.defs.noted_months import first_partition, last_partition
from arcadia_dagster.defs.run_launcher import listens_at
from arcadia_dagster.prefix import Prefix
from arcadia_dagster.settings import Settings

_SECONDS = 2.0

_log = logging.getLogger("dagster-webserver")


@contextmanager
def kept_running(process: WorkspaceProcessContext, values: Settings) -> Iterator[None]:
    """Within the block, each code server that the process has started is started again where it has ended.

    Args:
        process: The locations.
        values: The settings of the home whose months are watched.
    """
    stopped = threading.Event()

    def watch() -> None:
        shown = first_partition(values), last_partition(values)
        while not stopped.wait(_SECONDS):
            try:
                start_again(process)
                # Where the location cannot be loaded at the moment, the next look tries again.
                if (now := (first_partition(values), last_partition(values))) != shown and load_anew(
                    process, values.prefix
                ):
                    shown = now
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


def load_anew(process: WorkspaceProcessContext, prefix: Prefix) -> list[str]:
    """Load anew the locations that have a home's job; their names.

    Args:
        process: The locations.
        prefix: What the home's names begin with.
    """
    job = prefix.name(INGEST)
    with process.create_request_context() as context:
        ours = [
            location.name
            for location in context.code_locations
            if any(repository.has_job(job) for repository in location.get_repositories().values())
        ]
    for name in ours:
        _log.info("other months are known now: loading %s anew", name)
        process.reload_code_location(name)
    return ours


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
