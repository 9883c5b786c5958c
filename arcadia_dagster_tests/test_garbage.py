"""When Python's garbage collector works in processes of the command."""

import os
import subprocess
import sys
from pathlib import Path

COMMAND = """
import atexit, gc, sys
atexit.register(lambda: print("frozen as it ends:", gc.get_freeze_count() > 0))
from arcadia_dagster import cli
sys.argv = ["arcadia", "--version"]
try:
    cli.main()
finally:
    print("collects after:", gc.get_threshold()[0])
"""

CALLER = """
import gc
before = gc.get_threshold(), gc.get_freeze_count()
from arcadia_dagster import cli
import arcadia_dagster.definitions
cli.main(["formats"])
assert (gc.get_threshold(), gc.get_freeze_count()) == before
print("as before")
"""


def lines_of(program: str, home: Path) -> list[str]:
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "ARCADIA_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return ended.stdout.splitlines()


def test_a_command_collects_seldom_and_nothing_as_its_process_ends(tmp_path: Path) -> None:
    assert lines_of(COMMAND, tmp_path)[-2:] == ["collects after: 100000", "frozen as it ends: True"]


def test_a_program_that_calls_a_command_or_loads_the_definitions_keeps_its_own_ways(tmp_path: Path) -> None:
    assert lines_of(CALLER, tmp_path)[-1] == "as before"
