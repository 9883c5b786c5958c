"""Other processes that hold a lock, until they are told or made to let it go."""

import sys
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Self

_HOLD = """
import sys
from pathlib import Path
from arcadia_dagster.warehouse import hold
with hold(Path(sys.argv[1]), timeout=30, shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
print("freed", flush=True)
"""

OTHER_PROGRAM = """
import sys
import duckdb
with duckdb.connect(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
"""A `script` of `Holder`: it opens a warehouse's file by itself, and knows nothing of our locks."""


class Holder:
    """Another process that holds the lock from the beginning of the block on."""

    def __init__(self, path: Path, *, shared: bool = False, script: str = _HOLD) -> None:
        self.process = Popen(
            [sys.executable, "-c", script, str(path), "shared" if shared else "alone"],
            stdin=PIPE,
            stdout=PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def __enter__(self) -> Self:
        assert self.read_line() == "held"
        return self

    def __exit__(self, *_: object) -> None:
        self.free()

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip()

    def kill(self) -> None:
        self.process.kill()
        self.free()

    def free(self) -> None:
        """End the process and close what joins it to this one."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.communicate()
