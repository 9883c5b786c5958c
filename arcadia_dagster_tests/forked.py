"""Processes that begin at once, to be killed: each is forked from one that has imported everything."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from arcadia_dagster_tests import worker


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
