"""A newer version of an invoice that lacks lines which it had before: it may be cut off, or a window of the last days."""

import gzip
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.focus import tax as focus_tax
from arcadia_dagster_tests.kit.pasted import commands_in, paste
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.sandboxes import empty_sandbox
from arcadia_dagster_tests.kit.shell import Shell

CUT_OFF = "and fewer of them: cut off, or a correction?"
LAST_DAYS = ", charges for: the last days only, a part, or a correction?"


class Trial(NamedTuple):
    """Two versions of an invoice, by their paths, and what finance has in the end; whether the second one is held.

    Attributes:
        beside: The folders in which another part lies beside them.
    """

    external_id: str
    first: tuple[str, bytes]
    second: tuple[str, bytes]
    has: int
    is_held: bool
    beside: tuple[str, ...] = ()


def month(invoice: str, days: int, its_tax: str = "0.60", *, begins: int = 1, lines_a_day: int = 1) -> bytes:
    """A charge of a dollar for each day from the first one on, and the tax."""
    rows = [
        charge(
            InvoiceId=invoice,
            ChargeDescription=f"server {invoice} {number}",
            BilledCost="1.00",
            ChargePeriodStart=f"2026-04-{day:02}T00:00:00Z",
            ChargePeriodEnd=f"2026-04-{day:02}T23:00:00Z",
        )
        for day in range(begins, days + 1)
        for number in range(lines_a_day)
    ]
    return as_csv(*rows, focus_tax(InvoiceId=invoice, BilledCost=its_tax))


def droplets(number: str, servers: int, its_tax: str = "$6.00") -> bytes:
    return digitalocean(*(line(description=f"web-{number}-{n}") for n in range(servers)), tax(amount=its_tax))


def name(number: str, copy: str = "") -> str:
    return invoice_name(number=number).replace(".csv", f"{copy}.csv")


def part(invoice: str) -> list[dict[str, str | None]]:
    return [
        charge(InvoiceId=invoice, ChargeDescription=f"disk {invoice} {number}", BilledCost="1.00")
        for number in range(3)
    ]


def servers(invoice: str, names: str) -> list[dict[str, str | None]]:
    """A charge of a dollar for each server on six days."""
    return [
        charge(
            InvoiceId=invoice,
            ChargeDescription=f"server {invoice} {name}",
            BilledCost="1.00",
            ChargePeriodStart=f"2026-04-0{day}T00:00:00Z",
            ChargePeriodEnd=f"2026-04-0{day}T23:00:00Z",
        )
        for name in names
        for day in range(1, 7)
    ]


TRIALS = {
    "a later export of fewer days": Trial(
        "C-1", ("c1/2026-05-01/x.csv", month("C-1", 28)), ("c1/2026-05-02/x.csv", month("C-1", 22)), 2860, True
    ),
    "one line less at the same path": Trial(
        "C-2", ("c2.csv", month("C-2", 28)), ("c2.csv", month("C-2", 27)), 2860, True
    ),
    "many lines": Trial(
        "C-3",
        ("c3.csv", month("C-3", 28, lines_a_day=5)),
        ("c3.csv", month("C-3", 24, lines_a_day=5)),
        14060,
        True,
    ),
    "a browser's copy": Trial(
        "2001", (name("2001"), droplets("2001", 10)), (name("2001", " (1)"), droplets("2001", 6)), 6600, True
    ),
    "a file without the provider's name": Trial(
        "unknown-2026-04-plain", ("plain.csv", droplets("p", 10)), ("plain.csv", droplets("p", 6)), 6600, True
    ),
    "a correction with the tax of what is left": Trial(
        "C-4", ("c4.csv", month("C-4", 28)), ("c4.csv", month("C-4", 27, "0.58")), 2758, False
    ),
    "a name that says that it is a correction": Trial(
        "C-5", ("c5.csv", month("C-5", 28)), ("c5-final.csv", month("C-5", 27)), 2760, False
    ),
    "one part of a folder": Trial(
        "C-10", ("c10/1.csv", month("C-10", 28)), ("c10/1.csv", month("C-10", 22)), 3160, True, ("c10",)
    ),
    "one part of a later folder": Trial(
        "C-11",
        ("c11/2026-05-01/1.csv", month("C-11", 28)),
        ("c11/2026-05-02/a.csv", month("C-11", 22)),
        3160,
        True,
        ("c11/2026-05-01", "c11/2026-05-02"),
    ),
    "a part that overlaps no more": Trial(
        "C-12",
        ("c12/1.csv", as_csv(*part("C-12")[:1], charge(InvoiceId="C-12", ChargeDescription="C-12", BilledCost="2.00"))),
        ("c12/1.csv", as_csv(charge(InvoiceId="C-12", ChargeDescription="C-12", BilledCost="2.00"))),
        500,
        False,
        ("c12",),
    ),
    "a version with all lines and more": Trial(
        "C-6", ("c6.csv", month("C-6", 27)), ("c6.csv", month("C-6", 28)), 2860, False
    ),
}

WINDOWS = {
    "two days less, and a day more": Trial(
        "W-1",
        ("w1/2026-04-29/x.csv", month("W-1", 28)),
        ("w1/2026-05-01/x.csv", month("W-1", 29, begins=3)),
        2860,
        True,
    ),
    "at the same path": Trial("W-2", ("w2.csv", month("W-2", 28)), ("w2.csv", month("W-2", 29, begins=2)), 2860, True),
    "the older one comes last": Trial(
        "W-3",
        ("w3/2026-05-01/x.csv", month("W-3", 29, begins=3)),
        ("w3/2026-04-29/x.csv", month("W-3", 28)),
        2760,
        True,
    ),
    "twenty lines a day": Trial(
        "W-4",
        ("w4-2026-04-29.csv", month("W-4", 28, lines_a_day=20)),
        ("w4-2026-05-01.csv", month("W-4", 29, begins=3, lines_a_day=20)),
        56060,
        True,
    ),
    "a server less, and a line more": Trial(
        "W-5",
        ("w5/2026-05-01/x.csv", as_csv(*servers("W-5", "abc"), focus_tax(InvoiceId="W-5", BilledCost="0.60"))),
        (
            "w5/2026-05-02/x.csv",
            as_csv(*servers("W-5", "ab"), *part("W-5"), focus_tax(InvoiceId="W-5", BilledCost="0.60")),
        ),
        1560,
        False,
    ),
    "a name that says that it is a correction": Trial(
        "W-6", ("w6.csv", month("W-6", 28)), ("w6-corrected.csv", month("W-6", 29, begins=2)), 2860, False
    ),
    "a day more": Trial(
        "W-7", ("w7/2026-04-29/x.csv", month("W-7", 28)), ("w7/2026-05-01/x.csv", month("W-7", 29)), 2960, False
    ),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """All trials: their first versions, then their second ones."""
    with empty_sandbox() as sandbox:
        project = Project(tmp_path_factory.mktemp("world") / "home", sandbox=sandbox)
        for turn in ("first", "second"):
            for trial in (*TRIALS.values(), *WINDOWS.values()):
                project.drop(*getattr(trial, turn))
                for folder in trial.beside[:1] if turn == "first" else trial.beside[1:]:
                    project.drop(f"{folder}/0.csv", as_csv(*part(trial.external_id)))
            project.build()
        yield project


def in_finance(project: Project) -> dict[str, int]:
    """The gross amounts that finance has, in minor units."""
    assert project.sandbox is not None
    return {row["external_id"]: row["amount_gross_minor"] for row in project.sandbox.invoices()}


def has_its_outcome(world: Project, trial: Trial, reason: str) -> None:
    """The second version is held for this reason and for no other one, or goes to finance."""
    reasons = " ".join(world.invoice(trial.external_id)["hold_reasons"])
    assert (reason in reasons) is trial.is_held, reasons
    assert bool(reasons) is trial.is_held, reasons
    assert in_finance(world)[trial.external_id] == trial.has


@case("172")
@case("194")
@pytest.mark.parametrize("which", TRIALS)
def test_a_version_that_may_be_cut_off_takes_the_place_of_no_other(world: Project, which: str) -> None:
    has_its_outcome(world, TRIALS[which], CUT_OFF)


@case("203")
@pytest.mark.parametrize("which", WINDOWS)
def test_what_has_only_the_last_days_takes_the_place_of_no_month(world: Project, which: str) -> None:
    has_its_outcome(world, WINDOWS[which], LAST_DAYS)


@case("203")
def test_the_second_part_of_a_split_invoice_waits_for_the_first(project: Project) -> None:
    whole, rest = servers("S-1", "abc"), [{**row, "InvoiceId": "S-2"} for row in servers("S-1", "c")]
    found = []
    for files in ({"2026-05-01/x.csv": as_csv(*whole)}, {"2026-05-02/x.csv": as_csv(*servers("S-1", "ab"), *rest)}):
        for path, content in files.items():
            project.drop(path, content)
        project.build()
        found.append(in_finance(project))
    assert found == [{"S-1": 1800}] * 2
    assert "whose newer version is held: was that invoice split?" in project.invoice("S-2")["hold_reasons"][0]
    project.settle("release", "S-1")
    project.build()
    assert in_finance(project) == {"S-1": 1200, "S-2": 600}


@case("204")
@pytest.mark.parametrize(
    ("names", "is_held"),
    [
        (("april.csv", "april-v2.csv"), True),
        (("april v1.csv", "april v2.csv"), True),
        (("april.csv.gz", "april.csv"), True),
        (("april.csv", "april-final.csv"), True),
        (("april-2.csv", "april-1.csv"), False),
        (("april-2026-04-01.csv", "april-2026-04-02.csv"), False),
        (("april.csv", "disks.csv"), False),
    ],
)
def test_two_versions_by_name_never_count_together(project: Project, names: tuple[str, str], is_held: bool) -> None:
    for name, server in zip(names, "ab", strict=True):
        content = as_csv(*servers("V-1", server)[: 3 if server == "a" else 4])
        project.drop(f"exports/{name}", gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    project.build()
    reasons = " ".join(project.invoice("V-1")["hold_reasons"])
    assert (" are versions of one file by their names" in reasons) is is_held, reasons


@case("194")
@pytest.mark.parametrize("folders", [("x", "x"), ("2026-05-01", "2026-05-02")])
def test_dismissing_a_part_that_is_cut_off_keeps_the_delivery_before_it(
    project: Project, arcadia: Shell, folders: tuple[str, str]
) -> None:
    for folder, days in zip(folders, (28, 22), strict=True):
        project.drop(f"{folder}/0.csv", as_csv(*part("C-13")))
        project.drop(f"{folder}/1.csv", month("C-13", days))
        project.build()
    [reason] = project.invoice("C-13")["hold_reasons"]
    _, dismiss = commands_in(reason)
    paste(arcadia, project, dismiss)
    invoice = project.invoice("C-13")
    assert (invoice["status"], invoice["amount_gross_minor"]) == ("ready", 3160)


def test_a_stated_total_settles_whether_a_version_is_cut_off(project: Project) -> None:
    project.drop("a.csv", month("C-9", 28))
    project.build()
    project.drop("a.csv.total", b"USD 27.60 tax 0.60")
    project.drop("a.csv", month("C-9", 27))
    project.build()
    assert project.sandbox is not None
    assert [row["amount_gross_minor"] for row in project.sandbox.invoices()] == [2760]
