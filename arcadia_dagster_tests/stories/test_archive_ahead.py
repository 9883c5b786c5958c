"""The archive says more than the warehouse knows, as after a kill or in a warehouse from a backup: what it may concern waits."""

import shutil
from pathlib import Path

import pytest

from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster_tests.kit.plain import archive_of, build
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax

OTHER = invoice_name(number="1002")


@pytest.fixture
def project(project_with_finance: Project) -> Project:
    """Two invoices that are ready, and not pushed yet."""
    project_with_finance.drop(invoice_name(), digitalocean(line(), tax()))
    project_with_finance.drop(OTHER, digitalocean(line(amount="$8.00")))
    build(project_with_finance.warehouse)
    return project_with_finance


@pytest.fixture
def backup(project: Project, tmp_path: Path) -> Path:
    """The warehouse of before anything else happens."""
    return Path(shutil.copy2(project.warehouse.path, tmp_path / "backup.duckdb"))


def reasons(project: Project) -> dict[str, str]:
    return {invoice.external_id: reason for invoice, reason in project.push().barred.items()}


def in_finance(sandbox: RunningSandbox) -> dict[str, int]:
    return {row["external_id"]: row["amount_gross_minor"] for row in sandbox.invoices()}


def test_a_decision_that_only_the_archive_knows_keeps_its_invoice_from_finance_and_no_other(
    project: Project, backup: Path, sandbox: RunningSandbox
) -> None:
    # A kill between the record and the warehouse leaves the same.
    project.settle("void", "1001")
    shutil.copy2(backup, project.warehouse.path)
    assert reasons(project) == {
        "1001": "its record in the archive says more than the warehouse knows: run `arcadia ingest`, which registers it"
    }
    assert in_finance(sandbox) == {"1002": 800}
    project.build()
    assert in_finance(sandbox) == {"1002": 800}
    assert reasons(project) == {}


def test_nothing_is_pushed_while_the_archive_has_a_document_that_the_warehouse_does_not_know(
    project: Project, backup: Path, sandbox: RunningSandbox
) -> None:
    project.drop(invoice_name(), digitalocean(line(amount="$7.00"), tax()))
    build(project.warehouse)
    [newer, *_] = project.query("SELECT document_sha256 FROM documents ORDER BY received_at DESC")
    shutil.copy2(backup, project.warehouse.path)
    assert set(reasons(project)) == {"1001", "1002"}
    assert (
        f"the archive has document {newer['document_sha256'][:12]}, which the warehouse does not know"
        in reasons(project)["1001"]
    )
    assert in_finance(sandbox) == {}
    project.build()
    assert in_finance(sandbox) == {"1001": 760, "1002": 800}


def test_what_a_landing_registers_just_now_keeps_nothing_back(
    project: Project, backup: Path, sandbox: RunningSandbox
) -> None:
    project.drop(invoice_name(number="1003"), digitalocean(line(amount="$9.00")))
    build(project.warehouse)
    shutil.copy2(backup, project.warehouse.path)
    with project.warehouse.hold("landing", path=archive_of(project.warehouse).lock_path):
        assert reasons(project) == {}
    assert in_finance(sandbox) == {"1001": 660, "1002": 800}
