"""Every reason that holds an invoice gives something to paste, and it works: pasted as it is given, it leads where it says."""

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import date

import pytest

from arcadia_dagster.billing.readiness import reasons
from arcadia_dagster.stages import doubts
from arcadia_dagster.stages.doubts import Scope
from arcadia_dagster.stages.stated import STATED_PROBLEM
from arcadia_dagster_tests.kit.held import CASES, Step
from arcadia_dagster_tests.kit.pasted import take, ways_in
from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.sandboxes import copy_rows
from arcadia_dagster_tests.kit.shell import Shell


def in_finance(project: Project) -> dict[str, int]:
    assert project.sandbox is not None
    return {row["external_id"]: row["amount_gross_minor"] for row in project.sandbox.invoices()}


def do(project: Project, step: Step) -> None:
    if callable(step):
        step(project)
    else:
        for name, content in step.items():
            project.drop(name, content)
    project.build()


def holding(project: Project, external_id: str, says: str) -> list[str]:
    rows = project.query(
        "SELECT hold_reasons FROM standing_invoices WHERE external_id = ? AND standing = 'held'", [external_id]
    )
    return [reason for row in rows for reason in row["hold_reasons"] if says in reason]


Held = Callable[[Project, str], None]


@pytest.fixture(scope="module")
def held_homes(tmp_path_factory: pytest.TempPathFactory) -> Held:
    """Puts an invoice that is held into a project: the steps of its case are done once, and copied for its other ways."""
    kept = tmp_path_factory.mktemp("held")

    def put(project: Project, name: str) -> None:
        held, copy = CASES[name], kept / name
        assert project.sandbox is not None
        rows = project.sandbox.database
        if copy.exists():
            shutil.copytree(copy / "home", project.home, dirs_exist_ok=True)
            copy_rows(copy / "finance.sqlite", rows)
            return
        for step in held.steps:
            do(project, step)
        if len(held.ways) > 1:
            shutil.copytree(project.home, copy / "home")
            copy_rows(rows, copy / "finance.sqlite")

    return put


@pytest.mark.parametrize(("name", "number"), [(name, n) for name, held in CASES.items() for n in range(len(held.ways))])
def test_what_a_reason_gives_to_paste_leads_where_it_says(
    project: Project, arcadia: Shell, held_homes: Held, name: str, number: int
) -> None:
    held = CASES[name]
    held_homes(project, name)
    assert in_finance(project) == held.has
    rows = project.query("SELECT hold_reasons FROM tax_split_totals WHERE external_id = ?", [held.external_id])
    found = [reason for row in rows for reason in row["hold_reasons"] if held.says in reason]
    ways, way = ways_in(found[0]), held.ways[number]
    assert len(ways) == len(held.ways), found[0]

    for step in way.before:
        do(project, step)
    take(arcadia, project, ways[number], way.total)
    for step in way.after:
        do(project, step)
    assert in_finance(project) == way.leads_to
    standing = project.query("SELECT standing FROM standing_invoices WHERE external_id = ?", [held.external_id])
    if len(rows) == 1:
        assert [row["standing"] for row in standing] == ([] if way.becomes == "gone" else [way.becomes])
        assert holding(project, held.external_id, held.says) == []


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
