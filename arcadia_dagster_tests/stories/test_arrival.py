"""What must not depend on chance: in what order files arrive, over how many they are spread, in which folders and under which
names they lie, how often they come, and what else there is.

Each example is a home with many small worlds (`kit.worlds`), played in two ways.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster_tests.kit.aws import manifest
from arcadia_dagster_tests.kit.properties import quickly
from arcadia_dagster_tests.kit.worlds import (
    File,
    Line,
    Outcome,
    as_cur,
    as_described,
    as_digitalocean,
    as_focus,
    digitalocean_name,
    gross,
    in_turns,
    lines,
    play,
    taxed,
)

pytestmark = pytest.mark.timeout(300)

EXAMPLES = 2
FIRST_KEY = 700_000


class World(NamedTuple):
    """Files in the order in which they arrive, and what the invoices may come to that they truly are of.

    Attributes:
        truth: The gross amounts, in minor units, that each true invoice may have.
    """

    files: Sequence[File]
    truth: Sequence[set[int]]


Maker = Callable[[str, list[Line]], World]


def cut(found: list[Line], parts: int) -> list[list[Line]]:
    """The lines in so many parts, none of them empty; in one where two would be alike, which are one document to anybody."""
    cut_ = [part for part in (found[number::parts] for number in range(parts)) if part]
    return cut_ if len({tuple(part) for part in cut_}) == len(cut_) else [found]


def parts_in_a_folder(key: str, found: list[Line]) -> World:
    parts = cut(taxed(found), 3)
    files = [(f"{key}/part-{number}.csv", as_focus(key, part)) for number, part in enumerate(parts)]
    return World(files, [{gross(taxed(found))}])


def parts_of_a_described_format(key: str, found: list[Line]) -> World:
    parts = cut(taxed(found), 2)
    files = [(f"{key}/part-{number}.csv", as_described(key, part)) for number, part in enumerate(parts)]
    return World(files, [{gross(taxed(found))}])


def parts_with_a_manifest(key: str, found: list[Line]) -> World:
    parts = cut(taxed(found), 2)
    files = [(f"{key}/a1/r-{number}.csv", as_cur(key, part)) for number, part in enumerate(parts)]
    listed = manifest(*(name for name, _ in files), assemblyId=key)
    return World([*files, (f"{key}/a1/r-Manifest.json", listed)], [{gross(taxed(found))}])


def two_invoices(key: str, found: list[Line]) -> World:
    more = [Line(line.day, f"{line.word}-2", line.minor) for line in found]
    files = [
        (f"{key}-1.csv", as_focus(key, taxed(found))),
        (f"{key}-2.csv", as_focus(key, taxed(more), f"INV-2-{key}")),
    ]
    return World(files, [{gross(taxed(found))}] * 2)


def with_a_control_total(key: str, found: list[Line]) -> World:
    # Every other one differs from the lines.
    total = gross(taxed(found)) + found[0].day % 2
    stated = f"{'-' if total < 0 else ''}{abs(total) // 100}.{abs(total) % 100:02}"
    files = [(f"{key}.csv", as_focus(key, taxed(found))), (f"{key}.csv.total", stated.encode())]
    return World(files, [{gross(taxed(found))}] if found[0].day % 2 == 0 else [])


def with_and_without_the_providers_name(key: str, found: list[Line]) -> World:
    late = taxed([*found, Line(3, "late", 20)])
    files = [
        (digitalocean_name(key), as_digitalocean(key, taxed(found))),
        (f"an invoice {key}.csv", as_digitalocean(key, late)),
    ]
    return World(files, [{gross(taxed(found)), gross(late)}])


def the_same_bytes_under_two_names(key: str, found: list[Line]) -> World:
    content = as_digitalocean(key, taxed(found))
    return World([(digitalocean_name(key), content), (f"an invoice {key}.csv", content)], [{gross(taxed(found))}])


def as_cur_and_as_focus(key: str, found: list[Line]) -> World:
    stated = taxed(found)
    files = [
        (f"cur/{key}.csv", as_cur(key, stated)),
        (f"focus/{key}.csv", as_focus(key, stated, issuer="Amazon Web Services Canada, Inc.", provider="AWS")),
    ]
    return World(files, [{gross(stated)}])


def under_two_ids(key: str, found: list[Line]) -> World:
    stated = taxed(found)
    files = [(f"old/{key}.csv", as_focus(key, stated)), (f"new/{key}.csv", as_focus(key, stated, f"INV-B-{key}"))]
    return World(files, [{gross(stated)}])


def under_two_sources(key: str, found: list[Line]) -> World:
    stated = taxed(found)
    files = [
        (f"a/{key}.csv", as_focus(key, stated)),
        (f"b/{key}.csv", as_focus(key, stated, issuer="Betacloud", provider="Betacloud")),
    ]
    return World(files, [{gross(stated)}])


NEUTRAL: tuple[Maker, ...] = (
    parts_in_a_folder,
    parts_of_a_described_format,
    parts_with_a_manifest,
    two_invoices,
    with_a_control_total,
    with_and_without_the_providers_name,
    the_same_bytes_under_two_names,
    as_cur_and_as_focus,
    under_two_ids,
    under_two_sources,
)
"""Worlds of which no file is a newer version of another one."""


def homes_of(
    makers: Sequence[Maker], each: int, order: int = 3
) -> st.SearchStrategy[list[tuple[list[Line], list[int]]]]:
    """For each world of a home, `each` of every kind: its lines, and an order of its files."""
    size = len(makers) * each
    return st.lists(st.tuples(lines, st.permutations(range(order))), min_size=size, max_size=size)


def made(
    makers: Sequence[Maker], home: Sequence[tuple[list[Line], list[int]]]
) -> Iterator[tuple[str, str, World, World]]:
    """Each world: its key, what it is told as, its files in their order, and in the order that was drawn."""
    for number, (found, order) in enumerate(home):
        maker = makers[number % len(makers)]
        key = f"{FIRST_KEY + number:012}"
        world = maker(key, found)
        files = [world.files[place] for place in order if place < len(world.files)]
        yield key, f"{maker.__name__}({found}) in order {order}", world, World(files, world.truth)


@quickly(EXAMPLES, shrinks=False)
@given(home=homes_of(NEUTRAL, 2))
def test_the_order_of_arrival_never_changes_the_outcome(home: list[tuple[list[Line], list[int]]]) -> None:
    worlds = list(made(NEUTRAL, home))
    first = play(in_turns(world.files for *_, world, _ in worlds))
    second = play(in_turns(world.files for *_, world in worlds))
    assert {told: (first.of(key), second.of(key)) for key, told, *_ in worlds if first.of(key) != second.of(key)} == {}


@quickly(EXAMPLES, shrinks=False)
@given(home=homes_of(NEUTRAL, 2))
def test_nothing_is_counted_twice_in_whatever_order_it_arrives(home: list[tuple[list[Line], list[int]]]) -> None:
    worlds = list(made(NEUTRAL, home))
    played = play(in_turns(world.files for *_, world in worlds), pushes=True)
    wrong = {}
    for key, told, _, world in worlds:
        found = played.of(key)
        ready = {
            (source, external_id): outcome for (source, _, external_id), outcome in found.items() if outcome.is_ready
        }
        may_be = set().union(*world.truth)
        known = {(source, external_id) for source, _, external_id in found}
        if (
            len(ready) > len(world.truth)
            or any(outcome.gross not in may_be for outcome in ready.values())
            or any(played.finance.get(name) != outcome.gross for name, outcome in ready.items())
            or not played.in_finance(key).keys() <= known
        ):
            wrong[told] = (found, played.in_finance(key))
    assert wrong == {}


def whole(write: Callable[..., bytes]) -> Maker:
    def maker(key: str, found: list[Line]) -> World:
        return World([(f"{key}/part-0.csv", write(key, taxed(found)))], [{gross(taxed(found))}])

    return maker


IN_PARTS = {
    whole(as_focus): parts_in_a_folder,
    whole(as_described): parts_of_a_described_format,
    whole(as_cur): parts_with_a_manifest,
}
"""The same lines in one document, and in parts."""


@quickly(EXAMPLES, shrinks=False)
@given(home=homes_of(list(IN_PARTS), 6))
def test_splitting_a_document_into_parts_never_changes_an_amount(home: list[tuple[list[Line], list[int]]]) -> None:
    as_one = list(made(list(IN_PARTS), home))
    split = list(made(list(IN_PARTS.values()), home))
    first = play([[file for *_, world, _ in as_one for file in world.files]])
    second = play([[file for *_, world in split for file in world.files]])

    def amounts(outcomes: dict[tuple[str, str, str], Outcome]) -> dict[tuple[str, str, str], Outcome]:
        return {name: outcome._replace(is_ready=True) for name, outcome in outcomes.items()}

    assert all(outcome.is_ready for outcome in first.invoices.values())
    pairs = {told: (first.of(key), second.of(key)) for key, told, *_ in split}
    assert {told: pair for told, pair in pairs.items() if amounts(pair[0]) != amounts(pair[1])} == {}


def of_another_account(key: str, found: list[Line], beside: Sequence[File]) -> list[File]:
    """With the same lines to the letter: two accounts may have the same plan."""
    return [("other account.csv", as_focus(key, taxed(found), text=f"{int(key) - 100_000:012}"))]


def of_the_same_account(key: str, found: list[Line], beside: Sequence[File]) -> list[File]:
    own = f"{int(key) - 100_000:012}"
    # With the same amounts it might be the draft of the other one.
    others = [Line(line.day, line.word, 3 * line.minor + 1) for line in found]
    return [("same account.csv", as_focus(own, taxed(others), f"INV-9-{key}", text=key))]


def in_the_same_folder(key: str, found: list[Line], beside: Sequence[File]) -> list[File]:
    # What a manifest does not list is no unrelated file of its folder: it holds the delivery.
    has_manifest = any("Manifest" in path for path, _ in beside)
    folder = f"beside {key}" if has_manifest else beside[0][0].rpartition("/")[0]
    return [(f"{folder}/beside {key}.csv", as_focus(key, taxed(found)))]


def nothing_that_is_read(key: str, found: list[Line], beside: Sequence[File]) -> list[File]:
    folder = beside[0][0].rpartition("/")[0]
    return [
        (f"{folder}/readme {key}.txt", f"{key}: what lies here".encode()),
        (f"{folder}/{key}.pdf", b"%PDF-1.7 " + key.encode()),
    ]


UNRELATED = (of_another_account, of_the_same_account, in_the_same_folder, nothing_that_is_read)


@quickly(EXAMPLES, shrinks=False)
@given(home=homes_of(NEUTRAL, 3, order=4), is_first=st.booleans())
def test_adding_an_unrelated_document_never_changes_another_invoice(
    home: list[tuple[list[Line], list[int]]], is_first: bool
) -> None:
    worlds = list(made(NEUTRAL, home))
    more = [
        (f"extra/{key}/{name}" if "/" not in name else name.lstrip("/"), content)
        for number, (key, _, world, _) in enumerate(worlds)
        for name, content in UNRELATED[home[number][1][0]](f"{int(key) + 100_000:012}", home[number][0], world.files)
    ]
    files = [file for *_, world, _ in worlds for file in world.files]
    alone = play([files])
    beside = play([more, files] if is_first else [files, more])
    pairs = {
        told: (alone.of(key), {name: beside.invoices.get(name) for name in alone.of(key)}) for key, told, *_ in worlds
    }
    assert {told: pair for told, pair in pairs.items() if pair[0] != pair[1]} == {}


def copied(files: Sequence[File]) -> list[File]:
    """To a folder of the copies' own."""
    return [(f"copy/{path}", content) for path, content in files]


def renamed(files: Sequence[File]) -> list[File]:
    """Beside the files, under names as browsers give them."""
    return [(path.replace(".csv", " (1).csv"), content) for path, content in files]


def saved_again(files: Sequence[File]) -> list[File]:
    """By a program that ends lines otherwise, into another folder."""
    return [(f"saved/{path}", content.replace(b"\n", b"\r\n")) for path, content in files]


def saved_beside(files: Sequence[File]) -> list[File]:
    """By such a program, into the same folder."""
    return [(path.replace(".csv", "-saved.csv"), content.replace(b"\n", b"\r\n")) for path, content in files]


def some_copied(files: Sequence[File]) -> list[File]:
    return copied(files[:1])


def some_saved_again(files: Sequence[File]) -> list[File]:
    return saved_again(files[:1])


AGAIN = (copied, renamed, saved_again, saved_beside, some_copied, some_saved_again)
DELIVERED: tuple[Maker, ...] = (
    parts_in_a_folder,
    parts_of_a_described_format,
    parts_with_a_manifest,
    two_invoices,
    the_same_bytes_under_two_names,
)


@quickly(EXAMPLES, shrinks=False)
@given(home=homes_of(DELIVERED, 6, order=6), is_later=st.booleans())
def test_the_same_files_again_come_to_the_same_or_are_held(
    home: list[tuple[list[Line], list[int]]], is_later: bool
) -> None:
    worlds = list(made(DELIVERED, home))
    files = [file for *_, world, _ in worlds for file in world.files]
    again = [
        file for (*_, world, _), (_, order) in zip(worlds, home, strict=True) for file in AGAIN[order[0]](world.files)
    ]
    first = play([files])
    second = play([files, again] if is_later else [[*files, *again]])
    assert_same_or_held(
        {
            f"{AGAIN[order[0]].__name__} {told}": (first.of(key), second.of(key))
            for (key, told, *_), (_, order) in zip(worlds, home, strict=True)
        }
    )


@quickly(EXAMPLES, shrinks=False)
@given(home=homes_of(DELIVERED, 6), is_later=st.booleans())
def test_the_same_files_in_two_folders_come_to_the_same_or_are_held(
    home: list[tuple[list[Line], list[int]]], is_later: bool
) -> None:
    # Each line charges for something of its own: a part with the charges of another one cannot be told from a newer version.
    own = [([line._replace(word=f"{line.word}-{n}") for n, line in enumerate(found)], order) for found, order in home]
    worlds = list(made(DELIVERED, own))
    first = play([[file for *_, world, _ in worlds for file in world.files]])
    here = [world.files[0] for *_, world in worlds]
    there = [(f"moved/{path}", content) for *_, world in worlds for path, content in world.files[1:]]
    second = play([here, there] if is_later else [[*here, *there]])
    assert_same_or_held({told: (first.of(key), second.of(key)) for key, told, *_ in worlds})


def assert_same_or_held(
    pairs: dict[str, tuple[dict[tuple[str, str, str], Outcome], dict[tuple[str, str, str], Outcome]]],
) -> None:
    """Of each world, nothing is ready but what was ready before, with the same amounts in the same month."""
    wrong = {
        told: (before, after)
        for told, (before, after) in pairs.items()
        if any(outcome.is_ready and before.get(name) != outcome for name, outcome in after.items())
    }
    assert wrong == {}
