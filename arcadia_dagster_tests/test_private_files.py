"""Files for their owner: while they are written, once they are there, and what is told of those that others can read."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arcadia_dagster.private_files import (
    as_the_person_writes,
    make_unchangeable,
    readers_of,
    write_privately,
    writing_privately,
)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode_of_new(path: Path) -> int:
    path.touch()
    return path.stat().st_mode & 0o777


def test_what_is_written_is_for_its_owner_and_what_a_person_asks_for_as_their_shell_has_it(tmp_path: Path) -> None:
    with writing_privately():
        private = mode_of_new(tmp_path / "private")
        with as_the_person_writes():
            theirs = mode_of_new(tmp_path / "theirs")
        write_privately(group_reads=True)
        shared = mode_of_new(tmp_path / "shared")
    assert (private, theirs, shared) == (0o600, 0o644, 0o640)
    with as_the_person_writes():
        assert mode_of_new(tmp_path / "after") == 0o644


@pytest.mark.parametrize(("folder", "expected"), [(0o700, 0o400), (0o750, 0o440), (0o755, 0o444)])
def test_what_nobody_may_change_is_read_by_whoever_may_read_its_folder(
    tmp_path: Path, folder: int, expected: int
) -> None:
    file = tmp_path / "shelf" / "document"
    file.parent.mkdir()
    file.touch()
    file.parent.chmod(folder)
    make_unchangeable(file)
    assert file.stat().st_mode & 0o777 == expected


@pytest.mark.parametrize(
    ("above", "mode", "is_folder", "expected"),
    [
        (0o755, 0o700, True, None),
        (0o755, 0o600, False, None),
        (0o755, 0o644, False, "everybody"),
        (0o755, 0o755, True, "everybody"),
        (0o755, 0o701, True, "everybody"),
        (0o711, 0o646, False, "everybody"),
        (0o755, 0o640, False, "its group"),
        (0o755, 0o750, True, "its group"),
        (0o750, 0o644, False, "its group"),
        (0o700, 0o777, True, None),
        (0o744, 0o666, False, None),
    ],
)
def test_who_can_read_is_told_by_the_mode_and_by_the_folders_on_the_way(
    open_folder: Path, above: int, mode: int, is_folder: bool, expected: str | None
) -> None:
    outer = open_folder / "outer"
    outer.mkdir()
    place = outer / "place"
    (Path.mkdir if is_folder else Path.touch)(place)
    place.chmod(mode)
    outer.chmod(above)
    assert readers_of(place) == expected


def test_a_process_that_crashes_leaves_no_core_dump_and_neither_does_one_that_it_has_started() -> None:
    script = """
import resource, subprocess, sys
from arcadia_dagster.private_files import write_privately
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
write_privately(group_reads=False)
subprocess.run([sys.executable, "-c", "import resource; print(resource.getrlimit(resource.RLIMIT_CORE)[0])"], check=True)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stdout == "0\n"
