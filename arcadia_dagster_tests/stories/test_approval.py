"""Four eyes: a large invoice waits until another person than the one who released it approves its figures."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from arcadia_dagster.decisions.decision import DecisionError
from arcadia_dagster.landing.rules import RulesError
from arcadia_dagster.reports import findings
from arcadia_dagster.reports.explain import explain
from arcadia_dagster.resources import Resources
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.settings import load
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster_tests.kit.plain import archive_of
from arcadia_dagster_tests.kit.project import SECRET, Project, digitalocean, invoice_name, line, tax

LARGE, SMALL, DOUBTFUL, DOUBTFUL_LATER = "1001", "1002", "1003", "1004"
AFTER_ARRIVAL, AFTER_DECISIONS, AFTER_SECOND_PERSONS, AFTER_REBUILD, OTHER_LIMIT = range(5)


@dataclass
class World:
    """What was seen after each build.

    Attributes:
        totals: The invoices by their ids.
        in_finance: What finance has, by id, in minor units.
        waiting: What waits for a person: kind and command.
        refused: What was refused, in words.
        refused_twice: What was refused because it was approved already, before the next build.
        decisions: Of the large invoice, as it is explained at the end.
    """

    totals: list[dict[str, dict[str, Any]]] = field(default_factory=list)
    in_finance: list[dict[str, int]] = field(default_factory=list)
    waiting: list[set[tuple[str, str]]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    refused_twice: list[str] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)

    def state(self, at: int, invoice: str) -> str:
        total = self.totals[at][invoice]
        return "awaits approval" if total["awaits_approval"] else total["status"]


def _invoice(amount: int, *, tax_amount: int) -> bytes:
    return digitalocean(line(description=f"of {amount}", amount=f"${amount}.00"), tax(amount=f"${tax_amount}.00"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("approval")
    with RunningSandbox(database=folder / "finance.sqlite", secret=SECRET) as sandbox:
        project = Project(folder / "home", sandbox=sandbox, ARCADIA_APPROVE_OVER="USD 1000")
        seen = World()
        for external_id, content in {
            LARGE: _invoice(1000, tax_amount=100),
            SMALL: _invoice(900, tax_amount=100),
            DOUBTFUL: _invoice(1100, tax_amount=1200),
            DOUBTFUL_LATER: _invoice(2000, tax_amount=200),
        }.items():
            project.drop(invoice_name(number=external_id), content)
        _build(project, seen)

        _refuse(project, seen, DOUBTFUL, by="bea")
        for external_id in (LARGE, DOUBTFUL_LATER):
            project.settle("approve", external_id, by="bea")
        for by in ("bea", "cleo"):
            with pytest.raises(DecisionError) as twice:
                project.settle("approve", LARGE, by=by)
            seen.refused_twice.append(str(twice.value))
        project.settle("release", DOUBTFUL, by="ann")
        _refuse(project, seen, DOUBTFUL, by="bea")
        project.drop(f"{invoice_name(number=DOUBTFUL_LATER)}.total", b"USD 1.00\n")
        _build(project, seen)

        _refuse(project, seen, LARGE, by="cleo")
        _refuse(project, seen, DOUBTFUL, by="Ann")
        project.settle("approve", DOUBTFUL, by="bea")
        project.settle("release", DOUBTFUL_LATER, by="bea")
        project.drop(invoice_name(number=LARGE), _invoice(1010, tax_amount=101))
        _build(project, seen)

        project.forget_warehouse()
        _build(project, seen)
        seen.decisions = explain(
            project.warehouse, archive_of(project.warehouse), InvoiceKey("digitalocean", "77", LARGE)
        )["decisions"]

        other = Resources.of(load({**project.environ, "ARCADIA_APPROVE_OVER": "USD 1000, from 2026-05"})).landing
        with pytest.raises(RulesError) as refused:
            other.assert_can_deliver(project.warehouse)
        seen.refused.append(str(refused.value))
        project.environ["ARCADIA_APPROVE_OVER"] = "USD 1000, from 2026-05"
        _build(project, seen)
        other.assert_can_deliver(project.warehouse)
        yield seen


def _build(project: Project, seen: World) -> None:
    project.build()
    seen.totals.append({row["external_id"]: row for row in project.query("SELECT * FROM tax_split_totals")})
    assert project.sandbox is not None
    seen.in_finance.append({row["external_id"]: row["amount_gross_minor"] for row in project.sandbox.invoices()})
    with project.warehouse.read() as connection:
        seen.waiting.append({(one.kind, one.command) for one in findings.waiting(connection, None)})


def _refuse(project: Project, seen: World, external_id: str, *, by: str) -> None:
    with pytest.raises(DecisionError) as refused:
        project.settle("approve", external_id, by=by)
    seen.refused.append(str(refused.value))


def test_a_large_invoice_waits_for_an_approval_and_a_small_one_does_not(world: World) -> None:
    assert world.state(AFTER_ARRIVAL, SMALL) == "ready"
    assert world.state(AFTER_ARRIVAL, LARGE) == "awaits approval"
    assert world.totals[AFTER_ARRIVAL][LARGE]["can_release"] is False
    [reason] = world.totals[AFTER_ARRIVAL][LARGE]["hold_reasons"]
    assert reason.startswith(
        "it comes to 1100.00 USD, more than 1000.00 USD (ARCADIA_APPROVE_OVER), and waits for a second person"
    )
    assert reason.endswith('to approve it: arcadia approve digitalocean/77/1001 --reason "..."')
    assert world.in_finance[AFTER_ARRIVAL] == {SMALL: 100000}


def test_what_waits_for_an_approval_is_a_finding_of_its_own_with_its_command(world: World) -> None:
    assert world.waiting[AFTER_ARRIVAL] == {
        ("nothing_awaits_approval", "arcadia approve digitalocean/77/1001 --reason '...'"),
        ("nothing_awaits_approval", "arcadia approve digitalocean/77/1004 --reason '...'"),
        ("nothing_held", "arcadia explain digitalocean/77/1003"),
    }


def test_an_approved_invoice_goes_to_finance_and_needs_no_further_approval(world: World) -> None:
    assert world.state(AFTER_DECISIONS, LARGE) == "ready"
    assert world.in_finance[AFTER_DECISIONS][LARGE] == 110000
    assert world.refused[2].startswith("1001 waits for no approval; bea has approved it at 20")


def test_an_approved_invoice_is_not_approved_once_more_before_the_next_build(world: World) -> None:
    assert len(world.refused_twice) == 2
    for refused in world.refused_twice:
        assert refused.startswith("1001: nothing to approve: approved by bea at 20")


def test_a_doubtful_invoice_is_released_first_and_then_approved_by_another_person(world: World) -> None:
    assert world.refused[0].startswith("1003 cannot be approved, for it is held: its tax of 1200.00 USD is more")
    assert world.refused[1] == "this version of 1003 is not built yet: run `arcadia ingest` first"
    assert world.state(AFTER_DECISIONS, DOUBTFUL) == "awaits approval"
    assert "another one than ann, who released it" in world.totals[AFTER_DECISIONS][DOUBTFUL]["hold_reasons"][0]
    assert world.refused[3] == "1003 was released by Ann: another person must approve it"
    assert world.state(AFTER_SECOND_PERSONS, DOUBTFUL) == "ready"


def test_an_approval_does_not_count_where_the_same_person_releases_the_invoice_later(world: World) -> None:
    assert world.state(AFTER_DECISIONS, DOUBTFUL_LATER) == "held"
    assert world.state(AFTER_SECOND_PERSONS, DOUBTFUL_LATER) == "awaits approval"


def test_a_version_with_other_figures_needs_an_approval_of_its_own(world: World) -> None:
    assert world.state(AFTER_SECOND_PERSONS, LARGE) == "awaits approval"
    assert world.in_finance[AFTER_SECOND_PERSONS][LARGE] == 110000


def test_who_approved_what_when_and_why_is_there_after_a_rebuild(world: World) -> None:
    for external_id in (LARGE, SMALL, DOUBTFUL, DOUBTFUL_LATER):
        assert world.state(AFTER_REBUILD, external_id) == world.state(AFTER_SECOND_PERSONS, external_id)
    [decision] = world.decisions
    assert (decision["decision"], decision["decided_by"], decision["reason"]) == ("approve", "bea", "looked at")
    assert (decision["approved_gross"], decision["approved_tax"], decision["approved_currency"]) == (
        "1100",
        "100",
        "USD",
    )


def test_another_limit_lets_go_what_it_does_not_concern_and_nothing_is_pushed_before(world: World) -> None:
    assert world.refused[4].startswith(
        "ARCADIA_APPROVE_OVER has changed, and no invoice waits by it yet: run `arcadia in"
    )
    assert world.state(OTHER_LIMIT, LARGE) == world.state(OTHER_LIMIT, DOUBTFUL_LATER) == "ready"
