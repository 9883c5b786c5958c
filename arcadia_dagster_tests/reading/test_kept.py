"""What is kept is what would be made anew, never more than the bound, and never of a file that has changed since."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.reading.kept import Kept


@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=5), asked=st.lists(st.integers(0, 4), max_size=30))
def test_it_answers_as_if_all_was_made_anew_and_makes_nothing_twice_within_its_bound(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], asked: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    for number, size in enumerate(sizes):
        (folder / str(number)).write_bytes(b"x" * size)
    made: list[Path] = []

    def make(path: Path) -> int:
        made.append(path)
        return path.stat().st_size

    for most in (sum(sizes), sum(sizes) // 2):
        made.clear()
        kept = Kept(make, weight=int, most=most)
        for number in (one % len(sizes) for one in asked):
            assert kept.of(folder / str(number)) == sizes[number]
            assert kept.weighs <= most
        assert most < sum(sizes) or len(made) == len(set(made))


def test_a_file_that_has_changed_is_looked_at_again(tmp_path: Path) -> None:
    kept = Kept(Path.read_bytes, weight=len, most=100)
    file = tmp_path / "file"
    for number, content in enumerate((b"one", b"two")):
        file.write_bytes(content)
        os.utime(file, ns=(number, number))
        assert kept.of(file) == content


def test_what_could_not_be_made_is_tried_again(tmp_path: Path) -> None:
    kept = Kept(Path.read_text, weight=len, most=100)
    file = tmp_path / "file"
    file.write_bytes(b"\xff")
    for _ in range(2):
        with pytest.raises(UnicodeDecodeError):
            kept.of(file)
