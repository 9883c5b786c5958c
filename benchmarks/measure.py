"""Measuring: each run in a process of its own, the two sides in turn, so that a machine whose speed drifts is fair to both.

A side is a function of a module, named by its path. It is called with a fresh empty folder and its arguments, measures what
it wants measured with a `Stopwatch`, and returns facts, such as sums, that the row compares.
"""

import argparse
import importlib
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 3600


class BenchmarkError(Exception):
    """A side failed, or its facts are wrong: a fast wrong answer is no answer."""


class Stopwatch:
    """Measures a part of a side: what comes before, such as imports and input, and after, such as checks, is not timed."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Add the time of the block."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class Side:
    """One of the things that are compared.

    Attributes:
        label: What the result calls it.
        function: `module:function` below `benchmarks`, called as `function(stopwatch, folder, **arguments)`.
        arguments: Plain values.
        environ: Variables that its process has beside ours.
    """

    label: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Samples:
    """What the runs of a side gave."""

    seconds: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> str:
        """The least and the most, in seconds."""
        return f"{min(self.seconds):.3g}..{max(self.seconds):.3g}"

    @property
    def shown(self) -> str:
        """The median with its spread, as the results have it."""
        return f"{self.median:.3g} s ({self.spread})"


def side_by_side(*sides: Side, runs: int, tell: Callable[[str], None] = print) -> dict[str, Samples]:
    """Run the sides in turn, A B A B, each `runs` times.

    Raises:
        BenchmarkError: A side failed, or its facts differ from one run to the next.
    """
    found = {side.label: Samples() for side in sides}
    for number in range(runs):
        for side in sides:
            samples = found[side.label]
            answer = _run(side)
            if number and samples.facts != answer["facts"]:
                raise BenchmarkError(f"{side.label}: {answer['facts']}, and before {samples.facts}")
            samples.seconds.append(answer["seconds"])
            samples.peak_mib.append(answer["peak_mib"])
            samples.facts = answer["facts"]
            tell(f"  {side.label}: {answer['seconds']:.3f} s, {answer['peak_mib']:.0f} MiB")
    return found


def ratios(mine: Samples, other: Samples) -> list[float]:
    """The ratio of each pair of runs that were made one after the other."""
    return [one / two for one, two in zip(mine.seconds, other.seconds, strict=True)]


def require(samples: Mapping[str, Samples], expected: Mapping[str, Any]) -> None:
    """Compare every side's facts with what they must be.

    Raises:
        BenchmarkError: One differs.
    """
    for label, found in samples.items():
        wrong = {name: found.facts.get(name) for name, value in expected.items() if found.facts.get(name) != value}
        if wrong:
            raise BenchmarkError(f"{label}: {wrong} instead of {dict(expected)}")


_forks: ForkServerContext | None = None


def begin_in_copies_of_one_process() -> None:
    """From now on a side begins in a copy of a process that has imported the large libraries, which takes seconds each time.

    That is for seeing that a side works. What it takes in time and memory is another matter then.
    """
    global _forks  # noqa: PLW0603 - one server for all sides
    _forks = multiprocessing.get_context("forkserver")
    _forks.set_forkserver_preload(["arcadia_dagster.definitions", "arcadia_dagster_tests.kit.generate", "pandas"])


def _run(side: Side) -> dict[str, Any]:
    environ = {"DAGSTER_DISABLE_TELEMETRY": "1", "PYTHONDONTWRITEBYTECODE": "", **side.environ}
    if _forks is not None:
        return _run_in_copy(_forks, side, {**os.environ, **environ})
    order = json.dumps({"function": side.function, "arguments": dict(side.arguments)})
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        result = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "benchmarks.measure", folder, order],
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    if result.returncode:
        raise BenchmarkError(f"{side.label} failed:\n{result.stderr[-4000:]}")
    answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answer


def _run_in_copy(forks: ForkServerContext, side: Side, environ: Mapping[str, str]) -> dict[str, Any]:
    receiving, sending = forks.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder, receiving:
        process = forks.Process(target=_copy, args=(sending, Path(folder), side, environ))
        process.start()
        sending.close()
        answer: dict[str, Any] | str = f"it took longer than {TIMEOUT_SECONDS} s"
        try:
            if receiving.poll(TIMEOUT_SECONDS):
                answer = receiving.recv()
        except EOFError:
            answer = "it was killed"
        if isinstance(answer, str):
            process.kill()
        process.join()
    if isinstance(answer, str):
        raise BenchmarkError(f"{side.label} failed:\n{answer[-4000:]}")
    return answer


def _copy(sending: Connection, folder: Path, side: Side, environ: Mapping[str, str]) -> None:
    """One run of one side, in a copy of the process that has imported everything."""
    os.environ.clear()
    os.environ.update(environ)
    with (folder.parent / f"{folder.name}.out").open("w+") as printed:
        Path(printed.name).unlink()
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        try:
            sending.send(_answer(folder, side.function, side.arguments))
        except Exception:  # noqa: BLE001 - whatever goes wrong is told of
            sending.send(traceback.format_exc())


def _answer(folder: Path, function: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    module, _, name = function.partition(":")
    stopwatch = Stopwatch()
    facts = getattr(importlib.import_module(f"benchmarks.{module}"), name)(stopwatch, folder, **arguments)
    peak_kib = max(_peak_kib(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    return {"seconds": stopwatch.seconds, "peak_mib": peak_kib / 1024, "facts": facts}


def _main() -> None:
    """One run of one side, in this process; the last line printed is the answer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("order", type=json.loads)
    options = parser.parse_args()
    print(json.dumps(_answer(options.folder, options.order["function"], options.order["arguments"])))


def _peak_kib() -> int:
    """The most memory that this process had resident. `ru_maxrss` would count its parent's, from before it was replaced."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise BenchmarkError("/proc/self/status has no VmHWM")


if __name__ == "__main__":
    _main()
