"""An ingest that is killed leaves the old months or the new ones, never part of one, and the next ingest completes it."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from arcadia_dagster_tests.kit import worker
from arcadia_dagster_tests.kit.forked import forked
from arcadia_dagster_tests.kit.ingest_crashes import (
    LINES,
    MONTHS,
    PHASES,
    IngestStory,
    hit_ingest,
    ingest_stories,
)


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestStory]:
    return ingest_stories(tmp_path_factory.mktemp("ingests"))


@pytest.mark.parametrize("seed", range(3))
def test_an_ingest_killed_at_any_moment_leaves_whole_months_and_is_completed_by_the_next(
    stories: Iterator[IngestStory], seed: int
) -> None:
    story = next(stories)

    story.kill(None, random.Random(seed))

    story.assert_whole_months_and_completed()


@pytest.mark.parametrize("phase", PHASES)
def test_an_ingest_killed_in_a_phase_leaves_whole_months_and_is_completed_by_the_next(
    stories: Iterator[IngestStory], phase: str
) -> None:
    hit_ingest(phase, stories, random.Random(phase))


@pytest.mark.parametrize("more_bytes", [0, 20_000, 120_000])
def test_a_disk_that_is_full_leaves_whole_months_and_one_clear_error(tmp_path: Path, more_bytes: int) -> None:
    """Nothing can become larger than the warehouse is, or than it is and a little more, so it fills up at different steps."""
    story = IngestStory.prepared(tmp_path, new_lines=20 * LINES)
    told = tmp_path / "told"
    most_bytes = story.project.warehouse.path.stat().st_size + more_bytes
    months = [str(month) for month in MONTHS.values()]

    with forked(worker.within, most_bytes, str(told), "build_months", str(tmp_path), months, [{}]) as process:
        process.join()

    assert process.exitcode == 0
    assert told.read_text().startswith(("ArchiveError: ", "WarehouseError: "))
    assert "File too large" in told.read_text(), "it did fill up"
    assert str(tmp_path) in told.read_text(), "and the error names what was to be written"
    story.assert_whole_months_and_completed(lines=20 * LINES)
