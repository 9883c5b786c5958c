"""Every reason that holds an invoice gives something to paste, and it works: pasted as it is given, it leads where it says."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import zip_longest
from pathlib import Path

import pytest

from arcadia_dagster.billing.readiness import reasons
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.stages import doubts
from arcadia_dagster.stages.doubts import Scope
from arcadia_dagster.stages.stated import STATED_PROBLEM
from arcadia_dagster_tests.kit.held import CASES, SHARING, Finance, Held, Step, keyed
from arcadia_dagster_tests.kit.pasted import paste_way, ways_in
from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.sandboxes import copy_rows, empty_sandbox, execute
from arcadia_dagster_tests.kit.shell import Shell


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of an invoice that was held, once one of its ways was taken.

    Attributes:
        had: What finance had before.
        ways: How many ways the reason gives.
        has: What finance has then.
        standing: How it stands then; None where several invoices have its id.
        holds: The reasons of the same words that hold it still.
    """

    had: Finance
    ways: int
    has: Finance
    standing: list[str] | None
    holds: list[str]


def in_finance(project: Project, key: str = "") -> dict[str, int]:
    """The invoices that have the key in their ids, without the key."""
    assert project.sandbox is not None
    rows = project.sandbox.invoices()
    return {row["external_id"].replace(key, ""): row["amount_gross_minor"] for row in rows if key in row["external_id"]}


def do(project: Project, *steps: Step) -> None:
    for step in steps:
        if callable(step):
            step(project)
        else:
            for name, content in step.items():
                project.drop(name, content)
    project.build()


def ways_of(project: Project, held: Held) -> list[re.Match[str]]:
    """The ways on that the reason gives."""
    rows = project.query("SELECT hold_reasons FROM tax_split_totals WHERE external_id = ?", [held.external_id])
    found = [reason for row in rows for reason in row["hold_reasons"] if held.says in reason]
    return ways_in(found[0])


def standing_of(project: Project, held: Held) -> tuple[list[str] | None, list[str]]:
    """How the invoice stands, and which reasons of its words hold it."""
    rows = project.query(
        "SELECT standing, hold_reasons FROM standing_invoices WHERE external_id = ?", [held.external_id]
    )
    of_id = project.query("SELECT 1 FROM tax_split_totals WHERE external_id = ?", [held.external_id])
    holds = [reason for row in rows if row["standing"] == "held" for reason in row["hold_reasons"]]
    standing = None if len(of_id) > 1 else [row["standing"] for row in rows]
    return standing, [reason for reason in holds if held.says in reason]


class Homes:
    """Homes in which invoices are held. The steps that lead there are done once, and what they left is copied for each way.

    Cases of FOCUS files alone share a home: each has a key in its accounts, ids and names of files, so that they have nothing in
    common. A way of `sources.toml` is taken in a home of its own, because its line may concern the others too.
    """

    def __init__(self, folder: Path, sandbox: RunningSandbox) -> None:
        self._folder = folder
        self._sandbox = sandbox
        self._copies = 0
        self._rounds: dict[int, dict[str, Seen]] = {}

    def alone(self, arcadia: Shell, name: str, number: int) -> Seen:
        """One way of one case."""
        held, way = CASES[name], CASES[name].ways[number]
        project = self._copy(name, lambda project: _land(project, held))
        had, ways = in_finance(project), ways_of(project, held)
        for step in way.before:
            do(project, step)
        paste_way(arcadia, project, ways[number], way.total)
        project.build()
        for step in way.after:
            do(project, step)
        return Seen(had, len(ways), in_finance(project), *standing_of(project, held))

    def together(self, arcadia: Shell, number: int) -> dict[str, Seen]:
        """One way of each case that shares a home, where it is no line of `sources.toml`."""
        if number not in self._rounds:
            project = self._copy("together", _land_together)
            had = {key: in_finance(project, key) for key in SHARING.values()}
            ways = {name: ways_of(project, keyed(CASES[name], key)) for name, key in SHARING.items()}
            taken = {
                name: found[number]
                for name, found in ways.items()
                if number < len(found) and not (found[number]["rule"] or found[number]["buyers"])
            }
            for name, way in taken.items():
                paste_way(arcadia, project, way, CASES[name].ways[number].total)
            project.build()
            self._rounds[number] = {
                name: Seen(
                    had[key], len(ways[name]), in_finance(project, key), *standing_of(project, keyed(CASES[name], key))
                )
                for name, key in SHARING.items()
                if name in taken
            }
        return self._rounds[number]

    def _copy(self, name: str, make: Callable[[Project], object]) -> Project:
        kept, self._copies = self._folder / name, self._copies + 1
        if not kept.exists():
            execute(self._sandbox, "DELETE FROM invoices", "DELETE FROM vendors")
            make(Project(kept / "home", sandbox=self._sandbox))
            copy_rows(self._sandbox.database, kept / "finance.sqlite")
        home = self._folder / f"copy-{self._copies}"
        shutil.copytree(kept / "home", home)
        copy_rows(kept / "finance.sqlite", self._sandbox.database)
        return Project(home, sandbox=self._sandbox)


def _land(project: Project, held: Held) -> None:
    for step in held.steps:
        do(project, step)


def _land_together(project: Project) -> None:
    cases = [keyed(CASES[name], key) for name, key in SHARING.items()]
    for steps in zip_longest(*(held.steps for held in cases), fillvalue={}):
        do(project, *steps)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    with empty_sandbox() as sandbox:
        yield Homes(tmp_path_factory.mktemp("held"), sandbox)


@pytest.mark.parametrize(("name", "number"), [(name, n) for name, held in CASES.items() for n in range(len(held.ways))])
def test_what_a_reason_gives_to_paste_leads_where_it_says(homes: Homes, arcadia: Shell, name: str, number: int) -> None:
    held, way = CASES[name], CASES[name].ways[number]
    seen = homes.together(arcadia, number).get(name) if name in SHARING else None
    seen = seen or homes.alone(arcadia, name, number)
    assert seen.had == held.has
    assert seen.ways == len(held.ways)
    assert seen.has == way.leads_to
    if seen.standing is not None:
        assert seen.standing == ([] if way.becomes == "gone" else [way.becomes])
        assert seen.holds == []


NOTHING_TO_DO = {
    "its lines have no invoice and come to 0: there is nothing to push",
    # A person, the provider or a rule has decided: what finance may have of it is taken out there, by hand.
    "; if finance has it, remove it there by hand",
    ": it is not pushed; if finance has it, remove it there by hand, then run `arcadia reconcile`",
    "): kept for analysis, never pushed; if finance has it, remove it there by hand, then run `arcadia reconcile`",
}
"""What holds an invoice for good."""


def longest(sql: str) -> str:
    """The longest text in an expression: no two reasons have the same one."""
    texts: list[str] = re.findall(r"'((?:[^']|'')*)'", sql)
    return max((text for text in texts if not text.startswith("[")), key=len).replace("''", "'")


def doubtful() -> str:
    """All queries of doubts."""
    scope = Scope([date(2026, 4, 1)], has_manifests=True)
    return " ".join(doubt.sql for doubt in doubts.all_doubts(scope))


def all_reasons() -> Iterator[str]:
    """Words of each reason that there is."""
    for reason in reasons(first_month=date(2018, 1, 1), last_month=date(2026, 4, 1)):
        yield longest(reason.text)
    sentences = [text.rpartition("SELECT")[2] for text in doubtful().split(" AS text")[:-1]]
    yield from (longest(sentence) for sentence in sentences)
    yield from (longest(arm) for arm in STATED_PROBLEM.split("THEN")[1:])


def test_no_reason_is_without_a_way_on_that_was_pasted() -> None:
    said = [held.says for held in CASES.values()]
    lacking = [
        words
        for words in all_reasons()
        if not any(says in words or words in says for says in said) and words not in NOTHING_TO_DO
    ]
    assert lacking == []


def test_a_reason_names_several_things_in_a_fixed_order() -> None:
    """A release counts as long as the invoice is held for the same words."""
    assert re.findall(r"string_agg\(DISTINCT[^,]+, '[^']*'\)|any_value\(\w+\.(?:line|other)_number\)", doubtful()) == []
