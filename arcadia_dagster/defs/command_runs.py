"""Runs in the process of a command, as `arcadia ingest` makes them: whether that process still lives.

Run monitoring asks a launcher about each run that has started, and these were started by none. Without an answer, the run of a
command that was killed counts as running for six hours: two of them take all places of the queue.
"""

import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import dagster as dg

from arcadia_dagster.defs.internals import CheckRunHealthResult, WorkerStatus
from arcadia_dagster.defs.run_tags import COMMAND_TAG
from arcadia_dagster.store.lock import LockTimeoutError, hold

# Whoever launches a run may give it any tag: it must lead to no other file.
_FILE: Final = re.compile(r"[0-9a-f]{32}")


@contextmanager
def tags_of_this_process(instance: dg.DagsterInstance) -> Iterator[Mapping[str, str]]:
    """The tags for the runs of this process that tell others whether it lives; true while the block runs.

    Args:
        instance: Where the runs are recorded: other processes of the same machine look in its folder.

    Raises:
        OSError: The folder cannot be written.
    """
    file = uuid4().hex
    path = _lock(instance, file)
    with hold(path, timeout=0):
        try:
            yield {COMMAND_TAG: f"{platform.node()}/{file}"}
        finally:
            path.unlink(missing_ok=True)


def health_of_command(instance: dg.DagsterInstance, run: dg.DagsterRun) -> CheckRunHealthResult:
    """Failed where the command whose run this is was killed on this machine; every other one is believed to run."""
    machine, _, file = run.tags.get(COMMAND_TAG, "").rpartition("/")
    path = _lock(instance, file)
    # On a network disk, two machines may not see each other's locks.
    if machine != platform.node() or not _FILE.fullmatch(file) or not path.is_file():
        return CheckRunHealthResult(WorkerStatus.RUNNING, "no server has it: it may be a command on another machine")
    try:
        with hold(path, timeout=0):
            return CheckRunHealthResult(WorkerStatus.FAILED, "the command that ran it was killed")
    except LockTimeoutError:
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def _lock(instance: dg.DagsterInstance, file: str) -> Path:
    return Path(instance.root_directory) / "commands" / f"{file}.lock"
