"""A delivery that is killed anywhere loses nothing and doubles nothing."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from arcadia_dagster_tests.kit import worker
from arcadia_dagster_tests.kit.books import SECRET
from arcadia_dagster_tests.kit.delivery_crashes import PHASES, Story, hit, stories_in
from arcadia_dagster_tests.kit.forked import forked


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Story]]:
    with stories_in(tmp_path_factory.mktemp("crashes")) as stories:
        yield stories


@pytest.mark.parametrize("phase", PHASES)
def test_a_delivery_killed_in_any_phase_is_completed_by_the_next_one(stories: Iterator[Story], phase: str) -> None:
    hit(phase, stories, random.Random(phase))


@pytest.mark.parametrize("seed", range(5))
def test_a_delivery_killed_at_any_moment_and_again_is_completed_by_the_next_one(
    stories: Iterator[Story], seed: int
) -> None:
    story, chance = next(stories), random.Random(seed)
    story.kill(None, chance)
    story.kill(None, chance)
    story.recover_and_check()


@pytest.mark.parametrize("more_bytes", [0, 20_000, 100_000])
def test_a_delivery_whose_disk_is_full_ends_with_a_clear_error_and_is_completed_by_the_next_one(
    stories: Iterator[Story], tmp_path: Path, more_bytes: int
) -> None:
    """No file can become larger than the warehouse is, or than it is and a little more: it fills up at different steps."""
    story = next(stories)
    told = tmp_path / "told"
    most_bytes = story.books.warehouse.path.stat().st_size + more_bytes

    with forked(worker.within, most_bytes, str(told), "deliver", str(story.home), story.gate.url, SECRET) as process:
        process.join()

    assert process.exitcode == 0
    assert told.read_text().startswith("WarehouseError: ")
    assert "File too large" in told.read_text(), "it did fill up"
    assert str(story.home) in told.read_text(), "and the error names what was to be written"
    story.recover_and_check()
