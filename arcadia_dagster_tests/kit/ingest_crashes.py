"""Ingests that are killed, and what must be true afterwards.

Two months are built, then another version of both arrives. The process that lands and builds it gets SIGKILL: at a random
moment, or in a phase that somebody asked for. Which phase it died in is read from what it left behind.
"""

import itertools
import random
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb

from arcadia_dagster.stages.reconciling import unreconciled
from arcadia_dagster.warehouse.months import stale
from arcadia_dagster_tests.kit import worker
from arcadia_dagster_tests.kit.forked import forked, is_held, wait
from arcadia_dagster_tests.kit.plain import archive_of, build
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax

BEFORE_ARCHIVE = "before the archive has it"
UNREGISTERED = "archived, not registered"
IN_REGISTRATION = "in commit of the register"
REGISTERED = "registered, months not built"
IN_BUILD = "in a commit of a stage"
DONE = "all done"
PHASES = (BEFORE_ARCHIVE, UNREGISTERED, IN_REGISTRATION, REGISTERED, IN_BUILD)

MONTHS = {"2026 Apr": date(2026, 4, 1), "2026 May": date(2026, 5, 1)}
LINES = 300
OLD, NEW = 100, 250
"""What each line costs in cents, before and after."""

_LONGEST_SECONDS = 60.0
_TRIES = 30

_SUMS = """
SELECT invoice_month, count(*)::INTEGER, sum(amount_minor)::INTEGER
FROM (SELECT invoice_month, CAST(amount * 100 AS INTEGER) AS amount_minor FROM cost_lines) GROUP BY ALL
"""


class NotHitError(AssertionError):
    """The phase was not hit, however often it was tried."""


def drop_versions(project: Project, cents: int, lines: int = LINES) -> None:
    """Put a document for each month into the inbox, in place of the one before."""
    for month, first in MONTHS.items():
        at = f"{first:%Y-%m-%d} 00:00:00 +0000"
        rows = [line(description=f"web-{n}", amount=f"${cents / 100:.2f}", start=at, end=at) for n in range(lines)]
        project.drop(invoice_name(month, number=f"{first.month}"), digitalocean(*rows, tax(amount="$0.00")))


def expected(cents: int, lines: int = LINES) -> tuple[int, int]:
    """The number of a month's lines and their sum in cents."""
    return lines + 1, lines * cents


class IngestStory:
    """A project whose two months are built, with other versions of them in the inbox.

    Args:
        home: The project's, as `prepared` makes it.
        old: The documents that the months are built of.
    """

    def __init__(self, home: Path, old: set[str]) -> None:
        self.project = Project(home)
        self._old = old

    @classmethod
    def prepared(cls, home: Path, *, new_lines: int = LINES) -> "IngestStory":
        """A story of its own, made in a new home."""
        project = Project(home)
        drop_versions(project, OLD)
        build(project.warehouse)
        drop_versions(project, NEW, new_lines)
        return cls(home, set(archive_of(project.warehouse).records()))

    def copied_to(self, home: Path) -> "IngestStory":
        """The same story once more, in a home of its own."""
        shutil.copytree(self.project.home, home)
        return IngestStory(home, self._old)

    def kill(self, phase: str | None, chance: random.Random) -> str:
        """Begin an ingest and kill it; in which phase it died.

        Args:
            phase: Where to aim at; None for any moment.
            chance: Decides the moment.
        """
        warehouse = self.project.warehouse
        archive = archive_of(warehouse)
        months = [str(month) for month in MONTHS.values()]
        with forked(worker.build_months, str(self.project.home), months, [{}]) as process:
            match phase:
                case None:
                    process.join(chance.uniform(0.0, 0.5))
                case "before the archive has it":
                    wait(lambda: is_held(archive.lock_path), process)
                case "archived, not registered":
                    wait(self._is_archived, process)
                case "in commit of the register":
                    wait(lambda: self._is_archived() and is_held(warehouse.lock_path), process)
                case "registered, months not built" | "in a commit of a stage":
                    wait(lambda: self._is_archived() and is_held(warehouse.lock_path), process)
                    wait(lambda: not is_held(warehouse.lock_path), process)
                    if phase == IN_BUILD:
                        process.join(chance.uniform(0.0, 0.1))
                        wait(lambda: is_held(warehouse.lock_path), process)
            was_writing = is_held(warehouse.lock_path)
            process.kill()
            process.join(_LONGEST_SECONDS)
        return self._phase(was_writing=was_writing)

    def _is_archived(self) -> bool:
        """Whether the archive holds the bytes of something new."""
        return any(
            path.name not in self._old for path in archive_of(self.project.warehouse).folder.glob("??/" + 64 * "?")
        )

    def _phase(self, *, was_writing: bool) -> str:
        registered, sums = self._state()
        if set(sums.values()) == {expected(NEW)} and not self._stale():
            return DONE
        if registered > self._old:
            return IN_BUILD if was_writing else REGISTERED
        if not self._is_archived():
            return BEFORE_ARCHIVE
        return IN_REGISTRATION if was_writing else UNREGISTERED

    def _state(self) -> tuple[set[str], dict[date, tuple[int, int]]]:
        with self.project.warehouse.read() as connection:
            sums = connection.execute(_SUMS).fetchall()
            return _registered(connection), {month: (count, cents) for month, count, cents in sums}

    def _stale(self) -> set[date]:
        with self.project.warehouse.read() as connection:
            return stale(connection)

    def assert_whole_months_and_completed(self, lines: int = LINES) -> None:
        """Each month is as it was or as it is to be, archive and register agree, and the next ingest completes it."""
        archive = archive_of(self.project.warehouse)
        registered, sums = self._state()
        assert set(sums) == set(MONTHS.values())
        assert set(sums.values()) <= {expected(OLD), expected(NEW, lines)}
        with self.project.warehouse.read() as connection:
            assert unreconciled(connection) == []
        assert registered <= set(archive.records())
        for sha256 in registered:
            archive.examine(sha256)  # raises where the bytes are not those of the name

        build(self.project.warehouse)
        registered, sums = self._state()
        assert sums == dict.fromkeys(MONTHS.values(), expected(NEW, lines))
        assert self._stale() == set()
        with self.project.warehouse.read() as connection:
            assert unreconciled(connection) == []
        assert registered == set(archive.records())
        assert list(self.project.home.glob("*.work*")) == [], "what the process had staged is swept"


def ingest_stories(folder: Path) -> Iterator[IngestStory]:
    """As many stories as one asks for."""
    (folder / "first").mkdir()
    first = IngestStory.prepared(folder / "first")
    for number in itertools.count():
        yield first.copied_to(folder / str(number))


def hit_ingest(phase: str, stories: Iterator[IngestStory], chance: random.Random) -> None:
    """Kill an ingest in the phase, and check what must be true after this and after all the others on the way.

    Raises:
        NotHitError: The phase was not hit, in many tries.
    """
    found: list[str] = []
    for _ in range(_TRIES):
        story = next(stories)
        found.append(story.kill(phase, chance))
        story.assert_whole_months_and_completed()
        if found[-1] == phase:
            return
    raise NotHitError(f"{phase} was never hit, but {found}")


def _registered(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {sha256 for (sha256,) in connection.execute("SELECT document_sha256 FROM documents").fetchall()}
