"""Processes that begin at once, to be killed: each is forked from one that has imported everything."""

import fcntl
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from arcadia_dagster_tests.kit import worker

_POLL_SECONDS = 0.0002


@contextmanager
def forked(function: Callable[..., Any], *arguments: Any) -> Iterator[BaseProcess]:
    """A function of `worker` in a process of its own; it has ended on exit."""
    context = multiprocessing.get_context("forkserver")
    # DuckDB imports pandas as soon as a parameter is bound.
    context.set_forkserver_preload([worker.__name__, "pandas"])
    process = context.Process(target=function, args=arguments)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def wait(until: Callable[[], bool], process: BaseProcess) -> None:
    """Until something is so, or the process has ended."""
    while not until() and process.is_alive():
        time.sleep(_POLL_SECONDS)


def is_held(lock: Path) -> bool:
    """Whether somebody holds the lock alone just now."""
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
