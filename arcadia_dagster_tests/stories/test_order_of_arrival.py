"""Deliveries of one invoice: their paths say which is newer, in whatever order they come; arrival alone never decides."""

import gzip
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import pytest

from arcadia_dagster_tests.kit import focus
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.pasted import commands_in, paste
from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.shell import Shell
from arcadia_dagster_tests.kit.worlds import (
    EXAMPLEPARTS,
    File,
    Line,
    Outcome,
    Played,
    as_cur,
    as_described,
    as_digitalocean,
    as_focus,
    digitalocean_name,
    play,
)

KEY = "700000000001"
Write = Callable[[str, Sequence[Line]], bytes]

WRITERS: dict[str, Write] = {"FOCUS": as_focus, "AWS CUR": as_cur, "described": as_described}


@pytest.fixture
def project(project: Project) -> Project:
    """A project that describes the format of `EXAMPLEPARTS`."""
    project.describe(exampleparts=EXAMPLEPARTS)
    return project


def pushed(project: Project) -> dict[str, int]:
    project.build()
    assert project.sandbox is not None
    return {row["external_id"]: row["amount_gross_minor"] for row in project.sandbox.invoices()}


def held(project: Project) -> list[str]:
    """The reasons of all that is held."""
    rows = project.query("SELECT hold_reasons FROM tax_split_totals WHERE status = 'held' ORDER BY external_id")
    return [reason for row in rows for reason in row["hold_reasons"]]


def daily(minor: int, through: int) -> list[Line]:
    return [Line(day, "web", minor) for day in range(1, through + 1)]


EXPORTS = {
    "all days": (daily(500, 12), daily(500, 9)),
    "most of the days": (daily(500, 12), daily(500, 11)),
    "a last day that is not over": (daily(500, 12), [*daily(500, 10), Line(11, "web", 100)]),
    "sums that grow": ([Line(1, "web", 6000)], [Line(1, "web", 4500)]),
    "many lines": (
        [Line(day, f"web-{number}", 100) for day in range(1, 21) for number in range(9)],
        [Line(day, f"web-{number}", 100) for day in range(1, 19) for number in range(9)],
    ),
}
"""A month's export of its end, and an older one of the same month."""


OLDER_LATER = [
    ("FOCUS", "all days", ("a.csv", "b.csv"), "first"),
    ("FOCUS", "most of the days", ("a 1.csv", "a 2.csv"), "last"),
    ("FOCUS", "many lines", ("x/a.csv", "y/a.csv"), "first"),
    ("AWS CUR", "a last day that is not over", ("a.csv", "b.csv"), "last"),
    ("AWS CUR", "sums that grow", ("x/a.csv", "y/a.csv"), "first"),
    ("described", "sums that grow", ("a.csv", "b.csv"), "first"),
    ("described", "most of the days", ("x/a.csv", "y/a.csv"), "last"),
]


@case("115")
@pytest.mark.parametrize(("written", "name", "places", "way"), OLDER_LATER)
def test_an_older_export_that_lands_later_never_takes_the_place_of_a_newer_one(
    project: Project,
    arcadia: Shell,
    written: str,
    name: str,
    places: tuple[str, str],
    way: str,
) -> None:
    newer, older = EXPORTS[name]
    write = WRITERS[written]
    project.drop(places[0], write(KEY, newer))
    full = {f"INV-{KEY}": sum(line.minor for line in newer)}
    assert pushed(project) == full
    project.drop(places[1], write(KEY, older))
    assert pushed(project) == full
    [reason] = held(project)
    release, dismiss = commands_in(reason)
    paste(arcadia, project, release if way == "last" else dismiss)
    kept = older if way == "last" else newer
    assert pushed(project) == {f"INV-{KEY}": sum(line.minor for line in kept)}
    assert held(project) == []


@pytest.mark.parametrize(
    ("written", "name", "places"),
    [
        ("FOCUS", "sums that grow", ("a.csv", "a.csv")),
        ("FOCUS", "sums that grow", ("a 2026-05-03.csv", "a 2026-05-20.csv")),
        ("AWS CUR", "sums that grow", ("day-3/a.csv", "day-20/a.csv")),
        ("described", "sums that grow", ("5/03/a.csv", "5/20/a.csv")),
        ("FOCUS", "sums that grow", ("2026/04/30/a.csv", "2026/5/3/a.csv")),
        ("FOCUS", "sums that grow", ("year=2026/month=4/day=9/a.csv", "year=2026/month=4/day=10/a.csv")),
    ],
)
@pytest.mark.parametrize("shrinks", [False, True])
def test_a_path_that_says_which_is_newer_is_believed(
    project: Project, written: str, name: str, places: tuple[str, str], shrinks: bool
) -> None:
    for place, lines in zip(places, EXPORTS[name][:: 1 if shrinks else -1], strict=True):
        project.drop(place, WRITERS[written](KEY, lines))
        assert pushed(project) == {f"INV-{KEY}": sum(line.minor for line in lines)}
    assert held(project) == []


class Dated(NamedTuple):
    """What is delivered of an invoice, from the oldest delivery to the newest, and whether the newest is held."""

    deliveries: Callable[[str], Sequence[Sequence[File]]]
    is_held: bool = False


DATES = ("2026-05-03", "2026-05-20", "2026-06-01")
GROWN = (daily(500, 9), daily(500, 11), daily(500, 12))


def in_folders(key: str, versions: Iterable[Sequence[Line]] = GROWN) -> list[list[File]]:
    """Folders by date, each with two parts."""
    return [
        [(f"{key}/{day}/{part}.csv", as_focus(key, lines[part::2])) for part in (0, 1)]
        for day, lines in zip(DATES, versions, strict=True)
    ]


def lone(path: str, write: Write = as_focus) -> Callable[[str], list[list[File]]]:
    def deliveries(key: str) -> list[list[File]]:
        return [[(path.format(key=key, day=day), write(key, lines))] for day, lines in zip(DATES, GROWN, strict=True)]

    return deliveries


def packed(deliveries: list[list[File]]) -> list[list[File]]:
    return [[(f"{path}.gz", gzip.compress(content)) for path, content in files] for files in deliveries]


def named_final(key: str) -> list[list[File]]:
    return [[(f"{key}{end}.csv", as_cur(key, lines))] for end, lines in zip(("", "-final"), GROWN[1:], strict=True)]


def counted_by_a_browser(key: str) -> list[list[File]]:
    stem = digitalocean_name(key).removesuffix(".csv")
    return [
        [(f"{stem}{count}.csv", as_digitalocean(key, lines))]
        for count, lines in zip(("", " (1)", " (2)"), GROWN, strict=True)
    ]


def without_one_of_two(key: str) -> list[list[File]]:
    """The last delivery of two invoices states one of them, and not the other."""
    both = [(f"{key}/{DATES[0]}/{invoice}.csv", as_focus(key, GROWN[0], f"{key}-{invoice}")) for invoice in "ab"]
    return [both, [(f"{key}/{DATES[1]}/a.csv", as_focus(key, GROWN[1], f"{key}-a"))]]


DATED = {
    "folders": Dated(in_folders),
    "lone files, one packed": Dated(
        lambda key: [*lone("{key} {day}.csv")(key)[:2], *packed(lone("{key} {day}.csv")(key)[2:])]
    ),
    "a described table": Dated(lone("{key}/{day}/a.csv", as_described)),
    "final": Dated(named_final),
    "a browser's count": Dated(counted_by_a_browser),
    "cut off": Dated(lambda key: in_folders(key, GROWN[::-1]), is_held=True),
    "other days": Dated(lambda key: in_folders(key, (GROWN[2], GROWN[0], daily(500, 24)[12:])), is_held=True),
    "one of two invoices": Dated(without_one_of_two, is_held=True),
}


_ORDERS = {2: ((0, 1), (1, 0)), 3: ((0, 1, 2), (2, 1, 0), (0, 2, 1))}


def orders(name: str) -> dict[str, Sequence[Sequence[File]]]:
    """The deliveries with the newest one last, first and in the middle, each for an invoice of its own, by its key."""
    place = list(DATED).index(name)
    count = len(DATED[name].deliveries("7"))
    return {
        key: [DATED[name].deliveries(key)[number] for number in order]
        for order_number, order in enumerate(_ORDERS[count])
        for key in [f"7{place:02}{order_number:03}000001"]
    }


@pytest.fixture(scope="module")
def in_every_order() -> Played:
    worlds = [deliveries for name in DATED for deliveries in orders(name).values()]
    turns = max(map(len, worlds))
    landings = [
        [file for world in worlds for file in (world[turn] if turn < len(world) else ())] for turn in range(turns)
    ]
    return play(landings, pushes=True)


@case("190")
@pytest.mark.parametrize("name", DATED)
def test_the_order_of_arrival_changes_nothing_where_paths_say_which_is_newer(in_every_order: Played, name: str) -> None:
    def outcomes(key: str) -> list[tuple[str, Outcome]]:
        return sorted((names[2].replace(key, ""), outcome) for names, outcome in in_every_order.of(key).items())

    seen = [outcomes(key) for key in orders(name)]
    assert seen == [seen[0]] * len(seen)
    assert all(outcome.is_ready for _, outcome in seen[0]) is not DATED[name].is_held
    newest = sum(line.minor for line in GROWN[-1])
    if not DATED[name].is_held:
        assert [list(in_every_order.in_finance(key).values()) for key in orders(name)] == [[newest]] * len(seen)


REGIONS = {"eu-west-1": daily(500, 12), "us-east-1": daily(700, 12), "us-east-2": daily(300, 12)}


def focus_of_region(region: str) -> bytes:
    rows = [
        focus.charge(
            BilledCost=line.amount,
            ChargePeriodStart=f"2026-04-{line.day:02}T00:00:00Z",
            ChargePeriodEnd=f"2026-04-{line.day:02}T12:00:00Z",
            x_Extra=region,
        )
        for line in REGIONS[region]
    ]
    return focus.as_csv(*rows)


def described_of_region(region: str) -> bytes:
    header, *rows = as_described(KEY, REGIONS[region]).decode().splitlines()
    return "\n".join([f"{header},Region", *(f"{row},{region}" for row in rows), ""]).encode()


@case("116")
@pytest.mark.parametrize(
    "places",
    [("export-00001.csv", "export-00002.csv"), ("x/1/a.csv", "x/2/a.csv"), ("gcp/1001/a.csv", "gcp/1002/a.csv")],
)
def test_a_bare_number_in_a_path_may_be_that_of_a_part(project: Project, places: tuple[str, str]) -> None:
    for place, region in zip(places, ("us-east-1", "us-east-2"), strict=True):
        project.drop(place, focus_of_region(region))
    assert pushed(project) == {}
    [reason] = held(project)
    assert "or a part" in reason


@case("116")
@pytest.mark.parametrize(
    ("write", "place", "order"),
    [
        (focus_of_region, "{}.csv", ("eu-west-1", "us-east-1")),
        (focus_of_region, "{}/export.csv", ("us-east-2", "us-east-1")),
        (described_of_region, "{}.csv", ("us-east-2", "us-east-1")),
        (described_of_region, "{}.csv", ("us-east-1", "us-east-2")),
    ],
)
def test_parts_that_differ_by_what_no_line_says_are_held_and_named(
    project: Project, write: Callable[[str], bytes], place: str, order: tuple[str, str]
) -> None:
    for region in order:
        project.drop(place.format(region), write(region))
    assert pushed(project) == {}
    [reason] = held(project)
    assert "or a part" in reason
    for region in order:
        assert place.format(region).rpartition("/")[2] in reason
        project.drop(f"together/{region}.csv", write(region))
    pushed(project)
    project.settle("release", project.query("SELECT external_id FROM tax_split_totals")[0]["external_id"])
    assert list(pushed(project).values()) == [sum(line.minor for region in order for line in REGIONS[region])]


UNDATED = """
name = "monthly"
source = "monthly"
currency = "USD"

[columns]
invoice = "Number"
account = "Client"
description = "Text"
month = "Month"
amount = "Sum"

[tax]
column = "Text"
pattern = "^VAT"
"""


def undated(month: str, amount: str) -> bytes:
    return f"Number,Client,Text,Month,Sum\n7,c-1,server,{month},{amount}\n7,c-1,backup,{month},{amount}\n".encode()


def dated(month: str, amount: str) -> bytes:
    lines = [(day, word) for day in (1, 2) for word in ("web", "db")]
    rows = "".join(f"7,c-1,{word},{month}-{day:02},{amount}\n" for day, word in lines)
    return f"Invoice No,Customer,Text,From,Amount\n{rows}".encode()


def of_focus(month: str, amount: str) -> bytes:
    times = {
        "BillingPeriodStart": f"{month}-01T00:00:00Z",
        "ChargePeriodStart": f"{month}-01T00:00:00Z",
        "ChargePeriodEnd": f"{month}-02T00:00:00Z",
    }
    return focus.as_csv(focus.charge(InvoiceId="7", BilledCost=amount, **times))


@case("119")
@case("195")
@pytest.mark.parametrize(
    ("write", "way"),
    [
        (undated, "both"),
        (dated, "the first"),
        (of_focus, "both"),
        (of_focus, "the first"),
        (of_focus, "the first, in its new month"),
    ],
)
def test_a_number_that_begins_anew_in_the_next_month_is_an_invoice_of_its_own(
    project: Project,
    arcadia: Shell,
    write: Callable[[str, str], bytes],
    way: str,
) -> None:
    (project.home / "formats" / "monthly.toml").write_text(UNDATED, encoding="utf-8")
    project.drop("april.csv", write("2026-04", "10.00"))
    first = pushed(project)
    assert list(first) == ["7"]
    project.drop("may.csv", write("2026-05", "10.00"))
    assert pushed(project) == first
    assert project.invoice("7")["status"] == "ready"
    [reason] = held(project)
    assert reason.startswith("another invoice 7 is in 2026-04")
    release, dismiss_first, dismiss = commands_in(reason)
    paste(arcadia, project, {"both": release, "the first": dismiss}.get(way, dismiss_first))
    for _ in ("kept", "built anew"):
        assert pushed(project) == (first | {"7-2026-05": first["7"]} if way == "both" else first)
        assert held(project) == []
        months = {"both": [4, 5], "the first": [4]}.get(way, [5])
        rows = project.query("SELECT DISTINCT invoice_month FROM tax_split_totals ORDER BY invoice_month")
        assert [row["invoice_month"].month for row in rows] == months
        project.forget_warehouse()


def test_the_months_under_one_number_are_an_invoice_each_in_whatever_order(project: Project) -> None:
    (project.home / "formats" / "monthly.toml").write_text(UNDATED, encoding="utf-8")
    for month in (3, 1, 2, 4):
        project.drop(f"{month}.csv", undated(f"2026-{month:02}", f"{month}.00"))
        assert pushed(project) == {"7": 600}
    found = project.query("SELECT external_id, amount_gross_minor FROM tax_split_totals ORDER BY invoice_month")
    assert [tuple(row.values()) for row in found] == [
        ("7-2026-01", 200),
        ("7-2026-02", 400),
        ("7", 600),
        ("7-2026-04", 800),
    ]
