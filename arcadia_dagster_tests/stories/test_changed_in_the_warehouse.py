"""Somebody changes rows of the warehouse so that they agree with each other: `arcadia verify --full` finds it all the same."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.settings import load
from arcadia_dagster.verification.at_rest import Verification, verify
from arcadia_dagster.verification.building_anew import BUILT, REGISTERED, Build
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.seals import STAGES
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.past import APPROVED_OVER, home_with_a_past
from arcadia_dagster_tests.kit.plain import RANGE, archive_of
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.shell import ROOT, Shell

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


OF_REGISTER = {
    "decisions": "overruled = ['another']",
    "document_invoices": "id_basis = 'another'",
    "documents": "reason = 'another'",
    "inventories": "resource_name = 'another'",
    "invoice_aliases": "alias_external_id = 'another'",
    "invoice_evidence": "basis = 'another'",
    "stated_invoices": "terms = 'another'",
    "stated_taxes": "reason = 'another'",
}
"""Tables that only documents, their records and kept files fill, with a change that nothing else shows."""
OF_FILES = {
    "approval_limits": "currency = 'USD', over = 5",
    "budgets": "project = 'another'",
    "source_rules": "tolerance = 1",
    "tenant_routes": "tenant_id = 'another'",
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


NO_SEALS = ("UPDATE seals SET sealed_by = '0.1'",)
"""What somebody does who knows how changes are noticed."""


def verified(project: Project, *, full: bool = True) -> Verification:
    # As the homes are built: without the descriptions that come with the program.
    build = Build(replace(LandingResource.of(load(project.environ)), formats=""), RANGE)
    return verify(project.warehouse, archive_of(project.warehouse), full=full, now=NOW, build=build)


def test_where_nothing_is_changed_nothing_is_doubted_and_nothing_is_written(project: Project) -> None:
    before = sorted(path.name for path in project.home.iterdir()), project.warehouse.path.read_bytes()
    assert verified(project).doubts == ()
    assert (sorted(path.name for path in project.home.iterdir()), project.warehouse.path.read_bytes()) == before


@pytest.mark.parametrize(("statements", "kind", "subject"), CHANGES.values(), ids=CHANGES)
def test_rows_that_were_changed_together_are_found(
    project: Project, statements: tuple[str, ...], kind: str, subject: str
) -> None:
    project.change(*statements, *NO_SEALS)
    doubts = verified(project).doubts
    assert {(doubt.kind, doubt.command) for doubt in doubts} == {(kind, "arcadia rebuild")}
    assert any(subject in doubt.subject for doubt in doubts)


def test_a_month_that_is_to_be_built_is_no_doubt(project: Project) -> None:
    project.settle("void", "INV-1")
    assert verified(project).doubts == ()


EACH_STAGE = ("raw_invoices", "cost_lines", "tax_split_totals", "allocations")


@pytest.mark.parametrize("stages", [(), ("stage_versions",)], ids=["rows", "rows and versions"])
def test_a_whole_month_that_is_gone_is_found(project: Project, stages: tuple[str, ...]) -> None:
    project.change(
        *(f"DELETE FROM {table} WHERE invoice_month = '2026-04-01'" for table in (*EACH_STAGE, *stages)),
        *NO_SEALS,
    )
    assert {doubt.subject for doubt in verified(project).doubts} == {f"{table} of 2026-04" for table in EACH_STAGE}


def test_a_stage_that_claims_to_be_of_a_later_version_is_built_again_and_doubted(project: Project) -> None:
    project.drop(invoice_name(), digitalocean(line(amount="$70.00"), tax()))
    project.change("UPDATE stage_versions SET built_from = 1000000")
    project.build()
    assert project.invoice()["amount_gross_minor"] == 7060
    # What is built while they are not as they were written is not sealed.
    months = [f"{stage} of 2026-04" for stage in STAGES]
    assert [doubt.subject for doubt in verified(project).doubts] == ["stage_versions", *months]


def test_a_description_that_came_after_a_rejected_file_was_dismissed_is_no_doubt(
    project: Project, arcadia: Shell
) -> None:
    home = str(project.home)
    project.drop("junk.txt", b"junk")
    project.build()
    arcadia("dismiss", "junk.txt", "--reason", "no invoice", ARCADIA_HOME=home)
    (project.home / "formats").mkdir()
    shutil.copy(
        ROOT / "arcadia_dagster" / "formats" / "descriptions" / "hetzner.toml", project.home / "formats" / "other.toml"
    )
    arcadia("ingest", ARCADIA_HOME=home)
    assert "nothing is doubted" in arcadia("verify", "--full", code=0, ARCADIA_HOME=home).stdout


def test_rules_that_are_not_landed_yet_are_named_with_what_takes_them(project: Project, arcadia: Shell) -> None:
    home = str(project.home)
    (project.home / "sources.toml").write_text('[digitalocean]\ntolerance = 0.02\nreason = "a cent or two"\n')
    said = arcadia("verify", "--full", code=1, ARCADIA_HOME=home).stdout
    assert f"source_rules: it is not what {project.home / 'sources.toml'} says; take that: arcadia ingest" in said
    arcadia("ingest", ARCADIA_HOME=home)
    arcadia("verify", "--full", code=0, ARCADIA_HOME=home)


def test_the_command_says_which_month_to_look_at(project: Project, arcadia: Shell) -> None:
    home = str(project.home)
    project.change(HELD)
    said = arcadia("verify", code=1, ARCADIA_HOME=home).stdout
    assert (
        "tax_split_totals of 2026-04: it is not what was built: somebody has changed it; build it anew: arcadia rebuild"
        in said
    )
    project.change(*NO_SEALS)
    assert "nothing is doubted" in arcadia("verify", code=0, ARCADIA_HOME=home).stdout
    said = arcadia("verify", "--full", code=1, ARCADIA_HOME=home).stdout
    assert "tax_split_totals of 2026-04: is not what a build of it gives; build it anew: arcadia rebuild" in said


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A home in which every table has rows."""
    project = home_with_a_past(tmp_path_factory.mktemp("past"))
    assert verified(project).doubts == ()
    return project


@pytest.mark.parametrize("tables", [OF_REGISTER, OF_FILES], ids=["documents", "files"])
def test_a_changed_row_of_any_table_is_found(past: Project, tmp_path: Path, tables: dict[str, str]) -> None:
    shutil.copytree(past.home, tmp_path / "home")
    project = Project(tmp_path / "home", ARCADIA_APPROVE_OVER=APPROVED_OVER)
    rows = (f"UPDATE {table} SET {new} WHERE rowid = (SELECT min(rowid) FROM {table})" for table, new in tables.items())
    project.change(*rows, *NO_SEALS)
    doubts = verified(project).doubts
    found = {doubt.subject.partition(" ")[0] for doubt in doubts if doubt.kind == "register"}
    assert found == set(tables)
    assert {doubt.command for doubt in doubts} == {"arcadia ingest" if tables is OF_FILES else "arcadia rebuild"}


def test_a_changed_row_of_what_is_in_the_books_is_found(past: Project, tmp_path: Path) -> None:
    shutil.copytree(past.home, tmp_path / "home")
    project = Project(tmp_path / "home", ARCADIA_APPROVE_OVER=APPROVED_OVER)
    for change in ("UPDATE book_exports SET name = 'another'", "DELETE FROM book_exports"):
        project.change(change, *NO_SEALS)
        assert any("/books/" in doubt.subject for doubt in verified(project).doubts)


def test_every_table_is_compared_with_what_it_comes_from() -> None:
    compared = {table.name for table in (*REGISTERED, *BUILT)} | OF_FILES.keys()
    assert {table.name for table in schema.TABLES} - compared == {
        "cloud_resources",  # the next run puts it right, whatever changed it
        "finance_attempts",  # finance itself knows them: `arcadia reconcile`
        "finance_records",
        "seals",  # of the other tables
        "inbox_files",  # a memory of the last look
        "stage_versions",  # how often and when; a month whose versions do not fit is built by the next run
    }
