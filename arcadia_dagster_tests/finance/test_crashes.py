"""A delivery that is killed anywhere loses nothing and doubles nothing."""

import random
from collections.abc import Iterator

import pytest

from arcadia_dagster_tests.finance.crashes import PHASES, Story, hit, stories_in


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
