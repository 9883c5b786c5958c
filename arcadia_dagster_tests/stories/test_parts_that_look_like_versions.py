"""Files at two paths that state one invoice: what they state never says which of them counts, or whether they are summed.

A part by region, by service or by reseller may have the lines of another one, or these and more, for what tells them apart is in
a column that is not kept; and a correction may come to more than what it corrects. Arrival alone decides none of that.
"""

import gzip
import itertools
import re
from collections.abc import Callable, Sequence

import pytest

from arcadia_dagster_tests.kit import aws, focus
from arcadia_dagster_tests.kit.api_documents import linode, written
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.pasted import commands_in, paste
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line
from arcadia_dagster_tests.kit.shell import Shell
from arcadia_dagster_tests.kit.worlds import EXAMPLEPARTS, Line, as_described

KEY = "700000000001"
Write = Callable[[Sequence[Line], str], bytes]


@pytest.fixture
def project(project: Project) -> Project:
    """A project that describes the format of `EXAMPLEPARTS`."""
    project.describe(exampleparts=EXAMPLEPARTS)
    return project


def as_focus(lines: Sequence[Line], region: str, key: str = "1") -> bytes:
    return focus.as_csv(
        *(
            focus.charge(
                BillingAccountId=f"11{key}",
                InvoiceId=f"INV-{key}",
                BilledCost=line.amount,
                ChargeDescription=line.word,
                ChargePeriodStart=f"2026-04-{line.day:02}T00:00:00Z",
                ChargePeriodEnd=f"2026-04-{line.day + 1:02}T00:00:00Z",
                x_Extra=region,
            )
            for line in lines
        )
    )


def as_cur(lines: Sequence[Line], region: str) -> bytes:
    rows = [
        aws.item(
            InvoiceId="INV-1",
            LineItemDescription=line.word,
            UnblendedCost=line.amount,
            UsageStartDate=f"2026-04-{line.day:02}T00:00:00Z",
            UsageEndDate=f"2026-04-{line.day + 1:02}T00:00:00Z",
        )
        for line in lines
    ]
    return with_column(aws.as_csv(*rows), "product/region", region)


def as_table(lines: Sequence[Line], region: str) -> bytes:
    return with_column(as_described(KEY, lines), "Region", region)


def with_column(content: bytes, name: str, value: str) -> bytes:
    header, *rows = content.decode().splitlines()
    return "".join(f"{row}\n" for row in [f"{header},{name}", *(f"{row},{value}" for row in rows)]).encode()


def pushed(project: Project) -> list[int]:
    project.build()
    assert project.sandbox is not None
    return [row["amount_gross_minor"] for row in project.sandbox.invoices()]


def held(project: Project) -> list[str]:
    rows = project.query("SELECT hold_reasons FROM tax_split_totals WHERE status = 'held'")
    return [reason for row in rows for reason in row["hold_reasons"]]


DAYS = [Line(day, "web", 500) for day in range(1, 9)]
PAIRS = {
    "equal in all that is kept": (DAYS, DAYS),
    "all lines of the other, and more": (DAYS[:5], DAYS),
    "a few lines less": (DAYS, DAYS[:6]),
    "a correction to more": (DAYS, [line._replace(minor=700) for line in DAYS]),
    "a correction of one line to more": (DAYS, [DAYS[0]._replace(minor=900), *DAYS[1:]]),
    "one line in place of another": (DAYS, [DAYS[0]._replace(word="db"), *DAYS[1:]]),
    "one line each": ([Line(1, "web", 100)], [Line(1, "web", 200)]),
}
"""What two files state of an invoice of April, in the order in which they come."""

FILES = ("{}.csv", "{}/export.csv", "exports/{}/2026/export.csv")


@case("141")
@pytest.mark.parametrize(
    ("write", "pair", "place", "way"),
    [
        (as_focus, "equal in all that is kept", FILES[0], "parts"),
        (as_focus, "equal in all that is kept", FILES[1], "first"),
        (as_cur, "equal in all that is kept", FILES[0], "last"),
        (as_table, "equal in all that is kept", FILES[2], "parts"),
        (as_focus, "all lines of the other, and more", FILES[2], "parts"),
        (as_cur, "all lines of the other, and more", FILES[1], "first"),
        (as_table, "all lines of the other, and more", FILES[0], "last"),
        (as_cur, "a few lines less", FILES[0], "parts"),
        (as_focus, "a correction to more", FILES[0], "last"),
        (as_cur, "a correction to more", FILES[2], "first"),
        (as_table, "a correction to more", FILES[1], "last"),
        (as_focus, "a correction of one line to more", FILES[1], "first"),
        (as_table, "one line in place of another", FILES[0], "last"),
        (as_cur, "one line in place of another", FILES[1], "parts"),
        (as_focus, "one line each", FILES[1], "parts"),
    ],
)
def test_what_two_files_state_never_says_which_of_them_counts(
    project: Project, arcadia: Shell, write: Write, pair: str, place: str, way: str
) -> None:
    lines = dict(zip(("eu-west-1", "us-east-1"), PAIRS[pair], strict=True))
    first, last = (sum(line.minor for line in stated) for stated in lines.values())
    regions = list(lines)
    project.drop(place.format(regions[0]), write(lines[regions[0]], regions[0]))
    assert pushed(project) == [first]
    project.drop(place.format(regions[1]), write(lines[regions[1]], regions[1]))
    assert pushed(project) == [first]
    [reason] = held(project)
    for region, total in zip(regions, (first, last), strict=True):
        assert f"{place.format(region).rpartition('/')[2]} ({total / 100:.2f})" in reason
    release, dismiss = commands_in(reason)
    if way == "parts":
        assert "put copies of all parts into one new folder of the inbox" in reason
        for region in regions:
            project.drop(f"together/{region}.csv", write(lines[region], region))
        pushed(project)
        for reason in held(project):  # where most lines are equal, they may be there twice
            paste(arcadia, project, commands_in(reason)[-1])
        assert pushed(project) == [first + last]
    else:
        paste(arcadia, project, release if way == "last" else dismiss)
        assert pushed(project) == [last if way == "last" else first]
    assert held(project) == []
    if place == FILES[2]:
        project.forget_warehouse()
        pushed(project)
        assert held(project) == []


NEWER = (
    ("{}.csv", "{}.csv"),
    ("{}.csv", "{}.csv.gz"),
    ("{}-2026-05-03.csv", "{}-2026-05-04.csv"),
    ("{}/r1/a.csv", "{}/r2/a.csv"),
)
"""Paths of which the second one says that it is newer."""


def test_a_path_that_says_which_is_newer_says_it_whatever_they_state(project: Project) -> None:
    # What has only lines that were there before may be cut off, whatever its path says (`test_cut_off_versions`).
    pairs = [pair for pair in PAIRS if pair != "a few lines less"]
    keys = {chosen: f"{10 + number}" for number, chosen in enumerate(itertools.product(pairs, NEWER))}
    assert project.sandbox is not None
    for turn, region in enumerate(("eu-west-1", "us-east-1")):
        for (pair, places), key in keys.items():
            # Each in a place of its own, and of an account of its own.
            place, content = places[turn].format(f"x{key}x"), as_focus(PAIRS[pair][turn], region, key)
            project.drop(place, gzip.compress(content) if place.endswith(".gz") else content)
        project.build()
        found = {row["external_id"]: row["amount_gross_minor"] for row in project.sandbox.invoices()}
        wanted = {chosen: sum(line.minor for line in PAIRS[chosen[0]][turn]) for chosen in keys}
        assert {chosen: found.get(f"INV-{key}") for chosen, key in keys.items()} == wanted
    assert held(project) == []


def test_the_same_document_at_another_path_is_no_second_one(project: Project) -> None:
    for place in ("a.csv", "b.csv", "x/a.csv"):
        project.drop(place, as_focus(DAYS, "eu-west-1"))
        assert pushed(project) == [4000]
    assert held(project) == []


def test_a_whole_invoice_that_is_written_otherwise_is_the_same_one(project: Project) -> None:
    project.drop("a.json", written(linode()))
    first = pushed(project)
    project.drop("x/b.json", written({**linode(), "further": "member"}))
    assert pushed(project) == first
    assert held(project) == []


@pytest.mark.parametrize("names", [("a", "a (1)"), ("a (1)", "a"), ("x/a", "y/a")])
def test_a_whole_invoice_with_its_lines_in_another_order_is_the_same_one(
    project: Project, names: tuple[str, str]
) -> None:
    lines = [line(description=f"web-{number}") for number in range(3)]
    for name, rows in zip(names, (lines, lines[::-1]), strict=True):
        folder, _, copy = name.rpartition("a")
        project.drop(f"{folder}{invoice_name().removesuffix('.csv')}{copy}.csv", digitalocean(*rows))
        assert pushed(project) == [1800]
    assert held(project) == []


UNSAID = EXAMPLEPARTS.replace("parts = true\n", "")


def test_parts_of_a_format_whose_description_says_nothing_of_parts_are_summed_once_it_does(project: Project) -> None:
    (project.home / "formats" / "exampleparts.toml").write_text(UNSAID, encoding="utf-8")
    for region in ("eu-west-1", "us-east-1"):
        project.drop(f"{region}.csv", as_table(DAYS, region))
        assert pushed(project) == [4000]
    [reason] = held(project)
    assert (
        "say `parts = true` at the top of the description of exampleparts and put copies of all parts into one new folder"
        in reason
    )
    (project.home / "formats" / "exampleparts.toml").write_text(EXAMPLEPARTS, encoding="utf-8")
    for region in ("eu-west-1", "us-east-1"):
        project.drop(f"together/{region}.csv", as_table(DAYS, region))
    pushed(project)
    project.settle("release", f"INV-{KEY}")
    assert pushed(project) == [8000]


@case("53")
def test_parts_in_the_inbox_itself_are_summed_once_they_lie_in_the_folder_that_the_reason_names(
    project: Project,
) -> None:
    (project.home / "formats" / "exampleparts.toml").write_text(UNSAID, encoding="utf-8")
    files = {"a.csv": as_table(DAYS[:2], "eu"), "b.csv": as_table(DAYS[2:], "us")}
    for name, content in files.items():
        project.drop(name, content)
    assert pushed(project) == []
    [reason] = held(project)
    told = re.search(
        r"say `(.+?)` at the top of the description of (\S+) .*? new folder of the inbox, such as (\S+?);", reason
    )
    assert told is not None
    path = project.home / "formats" / f"{told[2]}.toml"
    path.write_text(f"{told[1]}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    assert pushed(project) == []
    [again] = held(project)
    assert "say `" not in again, "what a person has done is not asked for again"
    assert f"one new folder of the inbox, such as {told[3]};" in again
    for name, content in files.items():
        project.drop(f"{told[3]}/{name}", content)
    assert pushed(project) == [4000]
    assert held(project) == []
