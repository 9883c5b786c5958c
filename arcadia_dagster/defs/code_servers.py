"""The web server's own code servers, from which it gets all that it shows and launches: one that has ended is started again.

Dagster's web server starts it once. Where it was killed, as on a machine that is out of memory, each launch from the UI was
answered with "Could not reach user code server" until a person reloaded the code location (seen in 1.13.27). Dagster's daemon
starts its own again by itself.

The home's code location is loaded anew when another month becomes the first or the last one that has a partition: Dagster asks
for the partitions only then.
"""

import logging
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import date

from arcadia_dagster.defs.internals import (
    GrpcServerCodeLocation,
    ManagedGrpcPythonEnvCodeLocationOrigin,
    WorkspaceProcessContext,
)
from arcadia_dagster.defs.jobs import INGEST
from arcadia_dagster.defs.noted_months import partitioned
from arcadia_dagster.defs.run_launcher import listens_at
from arcadia_dagster.prefix import Prefix
from arcadia_dagster.settings import Settings

_SECONDS = 2.0
_RETRY_SECONDS = 30.0

_log = logging.getLogger("dagster-webserver")


@contextmanager
def kept_running(process: WorkspaceProcessContext, values: Settings, shown: tuple[date, date | None]) -> Iterator[None]:
    """Within the block, each code server that the process has started is started again where it has ended.

    Args:
        process: The locations.
        values: The settings of the home whose months are watched.
        shown: The months as they were before the locations were loaded; see `partitioned`.
    """
    stopped = threading.Event()

    def watch() -> None:
        loaded, outdated = shown, set[str]()
        tried_at = -_RETRY_SECONDS
        while not stopped.wait(_SECONDS):
            try:
                start_again(process)
                if (now := partitioned(values)) != loaded:
                    outdated, loaded, tried_at = outdated | locations_of(process, values.prefix), now, -_RETRY_SECONDS
                if outdated and time.monotonic() - tried_at >= _RETRY_SECONDS:
                    tried_at = time.monotonic()
                    outdated -= load_anew(process, outdated)
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


def locations_of(process: WorkspaceProcessContext, prefix: Prefix) -> set[str]:
    """The names of the locations that are loaded and have a home's job.

    Args:
        process: The locations.
        prefix: What the home's names begin with.
    """
    job = prefix.name(INGEST)
    with process.create_request_context() as context:
        return {
            location.name
            for location in context.code_locations
            if any(repository.has_job(job) for repository in location.get_repositories().values())
        }


def load_anew(process: WorkspaceProcessContext, names: Collection[str]) -> set[str]:
    """Load locations anew; those of them that could be loaded.

    Args:
        process: The locations.
        names: The names of those that are loaded anew.
    """
    for name in names:
        _log.info("other months are known now: loading %s anew", name)
        _reload(process, name)
    with process.create_request_context() as context:
        return {name for name in names if not context.has_code_location_error(name)}


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
        _reload(process, name)
    return ended


def _reload(process: WorkspaceProcessContext, name: str) -> None:
    """Load a location anew, and let its server of before end: without heartbeats it does so within 90 s.

    Dagster goes on sending them: each server of before, with its 250 MB, lived as long as the web server (1.13.27, 2026-12-01).
    """
    with process.create_request_context() as context:
        before = [location for location in context.code_locations if location.name == name]
    process.reload_code_location(name)
    for location in before:
        location.cleanup()
