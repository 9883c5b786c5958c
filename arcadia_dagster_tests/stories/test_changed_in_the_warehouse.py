"""Somebody changes rows of the warehouse so that they agree with each other: `arcadia verify --full` finds it all the same."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.verification.at_rest import Verification, verify
from arcadia_dagster.verification.building_anew import Build
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.plain import RANGE, archive_of
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.shell import Shell

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HELD = "UPDATE tax_split_totals SET status = 'ready', hold_reasons = [], can_release = false WHERE status = 'held'"
CHANGES = {
    "a held invoice is made ready": ((HELD,), "totals", "tax_split_totals of 2026-04"),
    "a ready invoice is held": (
        ("UPDATE tax_split_totals SET status = 'held', hold_reasons = ['no'] WHERE status = 'ready'",),
        "totals",
        "tax_split_totals of 2026-04",
    ),
    "other words of a line": (
        ("UPDATE cost_lines SET description = 'tax' WHERE line_number = 1",),
        "totals",
        "cost_lines of 2026-04",
    ),
    "a line at another resource": (
        ("UPDATE cost_lines SET resource_id = 'x' WHERE line_number = 1",),
        "totals",
        "cost_lines of 2026-04",
    ),
    "another total than the document states": (
        ("UPDATE document_invoices SET stated_total = 1", "UPDATE raw_invoices SET stated_total = 1"),
        "register",
        "",
    ),
    "another tax than the document states": (
        ("UPDATE document_invoices SET stated_tax = 1", "UPDATE raw_invoices SET stated_tax = 1"),
        "register",
        "",
    ),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """An invoice that is ready, and one that is held."""
    project = Project(tmp_path_factory.mktemp("changed") / "home")
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.drop("focus.csv", as_csv(charge(BillingCurrency="EUR", ChargeDescription="in Europe"), charge()))
    project.build()
    assert {row["status"] for row in project.query("SELECT status FROM tax_split_totals")} == {"held", "ready"}
    return project


@pytest.fixture
def project(kept: Project, tmp_path: Path) -> Project:
    """A copy of it."""
    shutil.copytree(kept.home, tmp_path / "home")
    return Project(tmp_path / "home")


def verified(project: Project) -> Verification:
    build = Build(Formats(), RANGE)
    return verify(project.warehouse, archive_of(project.warehouse), full=True, now=NOW, build=build)


def test_where_nothing_is_changed_nothing_is_doubted_and_nothing_is_written(project: Project) -> None:
    before = sorted(path.name for path in project.home.iterdir()), project.warehouse.path.read_bytes()
    assert verified(project).doubts == ()
    assert (sorted(path.name for path in project.home.iterdir()), project.warehouse.path.read_bytes()) == before


@pytest.mark.parametrize(("statements", "kind", "subject"), CHANGES.values(), ids=CHANGES)
def test_rows_that_were_changed_together_are_found(
    project: Project, statements: tuple[str, ...], kind: str, subject: str
) -> None:
    with project.warehouse.write() as connection:
        for statement in statements:
            connection.execute(statement)
    doubts = verified(project).doubts
    assert {(doubt.kind, doubt.command) for doubt in doubts} == {(kind, "arcadia rebuild")}
    assert any(subject in doubt.subject for doubt in doubts)


def test_a_month_that_is_to_be_built_is_no_doubt(project: Project) -> None:
    project.settle("void", "INV-1")
    assert verified(project).doubts == ()


def test_the_command_says_which_month_to_look_at(project: Project, arcadia: Shell) -> None:
    with project.warehouse.write() as connection:
        connection.execute(HELD)
    home = str(project.home)
    assert "nothing is doubted" in arcadia("verify", code=0, ARCADIA_HOME=home).stdout
    said = arcadia("verify", "--full", code=1, ARCADIA_HOME=home).stdout
    assert "tax_split_totals of 2026-04: is not what a build of it gives; build it anew: arcadia rebuild" in said
