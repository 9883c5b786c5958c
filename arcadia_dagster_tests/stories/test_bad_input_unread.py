"""Files that are not read, under names that promise something else: each says what it is and what to do, and the others go on."""

from collections.abc import Iterator

import pytest

from arcadia_dagster_tests.kit.bad_input import World, case, world_in
from arcadia_dagster_tests.kit.project import digitalocean, line, tax
from arcadia_dagster_tests.kit.unread import CASES


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("unread")) as world:
        world.put("good", digitalocean(line(), tax()))
        for label, (content, *_) in CASES.items():
            world.put(label, content)
        world.run()
        yield world


@case("81")
def test_what_is_not_read_says_what_it_is_whatever_its_name(world: World) -> None:
    reasons = {label: world.rejected_because(label) for label in CASES}
    assert {
        label
        for label, (_, what, to_do) in CASES.items()
        if not reasons[label].startswith(what) or to_do not in reasons[label]
    } == set()
    assert not world.checks["nothing_rejected"].passed
    assert world.pushed("good") == (660, 600, 60)
