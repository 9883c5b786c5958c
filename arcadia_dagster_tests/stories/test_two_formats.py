"""One invoice in files of two formats: another sum is held whichever came first, and the same sum changes nothing."""

import itertools
from collections.abc import Callable, Sequence

import pytest

from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.worlds import EXAMPLEPARTS, Line, as_cur, as_described, as_focus

Write = Callable[[str, Sequence[Line]], bytes]


def of_aws(key: str, lines: Sequence[Line]) -> bytes:
    return as_focus(key, lines, issuer="Amazon Web Services, Inc.", provider="AWS")


def of_exampleparts(key: str, lines: Sequence[Line]) -> bytes:
    return as_focus(key, lines, issuer="Exampleparts", provider="Exampleparts")


PAIRS: dict[str, tuple[Write, Write]] = {
    "FOCUS and CUR": (of_aws, as_cur),
    "FOCUS and a described table": (of_exampleparts, as_described),
}
WORTH = {"less": 5900, "a cent less": 5999, "the same": 6000, "a cent more": 6001, "other lines": 9000}


@pytest.fixture
def project(project: Project) -> Project:
    project.describe(exampleparts=EXAMPLEPARTS)
    return project


def lines_of(minor: int) -> list[Line]:
    return [Line(1, "web", minor), Line(2, "db", 4000)]


@case("155")
def test_another_sum_in_another_format_is_held_in_whatever_order_the_files_come(project: Project) -> None:
    worlds = {
        f"70000000{number:04}": world
        for number, world in enumerate(itertools.product(PAIRS, WORTH, ((0, 1), (1, 0)), (False, True)))
    }
    for step in range(2):
        for key, (pair, worth, order, is_together) in worlds.items():
            for kind in order if is_together and step else [order[step]]:
                amounts = (6000, WORTH[worth])
                if not is_together or step:
                    project.drop(f"{key}-{kind}.csv", PAIRS[pair][kind](key, lines_of(amounts[kind])))
        project.build()
    rows = project.query("SELECT external_id, status, hold_reasons FROM tax_split_totals ORDER BY external_id")
    assert len(rows) == len(worlds)
    for row in rows:
        key = row["external_id"].removeprefix("INV-")
        worth = worlds[key][1]
        assert row["status"] == ("ready" if worth == "the same" else "held"), worlds[key]
        for kind in range(2) if worth != "the same" else ():
            sum_of_file = f"{((6000, WORTH[worth])[kind] + 4000) / 100:.2f} by {key}-{kind}.csv"
            assert any(sum_of_file in reason for reason in row["hold_reasons"]), row
