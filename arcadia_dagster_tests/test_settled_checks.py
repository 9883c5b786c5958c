"""The checks reflect what a person did: what is settled does not keep failing."""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from arcadia_dagster.finance.reconcile import Difference
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.landing.decisions import Decision, decide
from arcadia_dagster_tests.plain import archive_of
from arcadia_dagster_tests.project import SECRET, Project, checks_of, digitalocean, invoice_name, line, tax

APRIL = date(2026, 4, 1)


def decided(project: Project, decision: Decision, number: str = "1001") -> None:
    decide(
        project.warehouse,
        archive_of(project.warehouse),
        decision=decision,
        document_sha256=project.document(invoice_name(number=number))["document_sha256"],
        invoice=None if decision == "dismiss" else ("digitalocean", "77", number),
        reason="paid twice",
        by="somebody",
        now=datetime.now(UTC),
    )


def test_a_void_invoice_does_not_keep_the_check_of_held_ones_failing(project: Project) -> None:
    project.drop(invoice_name(), digitalocean(line(amount="$1.00"), tax(amount="$7.00")))
    project.drop(invoice_name(number="1002"), digitalocean(line(amount="$2.00"), tax(amount="$9.00")))
    assert checks_of(project.run([APRIL]))["nothing_held"].metadata["found"].value == 2
    decided(project, "void")
    assert checks_of(project.run([APRIL]))["nothing_held"].metadata["found"].value == 1
    decided(project, "void", "1002")
    assert checks_of(project.run([APRIL]))["nothing_held"].passed


def removed_by_hand(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "finance.sqlite")) as connection, connection:
        connection.execute("DELETE FROM invoices")


def reconciled(project: Project) -> list[Difference]:
    return project.finance.reconcile(project.warehouse)


@pytest.mark.parametrize("decision", ["dismiss", "void"])
def test_what_a_person_removed_from_finance_is_settled_by_a_comparison(
    project_with_finance: Project, tmp_path: Path, decision: Decision
) -> None:
    project = project_with_finance
    project.drop(invoice_name(), digitalocean(line(), tax()))
    assert checks_of(project.run([APRIL]))["finance_has_nothing_else"].passed
    decided(project, decision)
    assert [one.advice for one in reconciled(project)] == ["remove it in finance by hand"]
    check = checks_of(project.run([APRIL]))["finance_has_nothing_else"]
    assert (check.passed, "arcadia reconcile" in str(check.description)) == (False, True)

    removed_by_hand(tmp_path)
    assert reconciled(project) == []
    assert checks_of(project.run([APRIL]))["finance_has_nothing_else"].passed
    [record] = project.query("FROM finance_records")
    assert (record["finance_invoice_id"], record["state"]) == (None, "delivered")
    assert "does not list it any more" in record["last_error"]
    assert [attempt["outcome"] for attempt in project.query("FROM finance_attempts")] == ["created"]


def test_what_was_settled_is_pushed_again_should_it_be_wanted_again(
    project_with_finance: Project, tmp_path: Path
) -> None:
    project = project_with_finance
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.run([APRIL])
    decided(project, "void")
    removed_by_hand(tmp_path)
    assert reconciled(project) == []
    with project.warehouse.write() as connection:
        connection.execute("DELETE FROM decisions")
    checks = checks_of(project.run([APRIL]))
    assert checks["every_ready_invoice_is_in_finance"].passed
    assert project.sandbox is not None
    assert [row["external_id"] for row in project.sandbox.invoices()] == ["1001"]
    assert reconciled(project) == []


def test_a_row_that_comes_back_after_it_was_settled_is_told(project_with_finance: Project, tmp_path: Path) -> None:
    project = project_with_finance
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.run([APRIL])
    with closing(sqlite3.connect(tmp_path / "finance.sqlite")) as connection, connection:
        connection.execute("UPDATE invoices SET tenant_id = 'north'")
        decided(project, "dismiss")
        connection.commit()
        assert reconciled(project) == []
        connection.execute("UPDATE invoices SET tenant_id = 'platform-admin'")
    assert [one.advice for one in reconciled(project)] == ["remove it in finance by hand"]


def test_what_went_to_another_finance_service_is_not_held_against_this_one(project_with_finance: Project) -> None:
    project = project_with_finance
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.run([APRIL])
    decided(project, "dismiss")
    assert not checks_of(project.run([APRIL]))["finance_has_nothing_else"].passed
    there = project.finance.base_url
    project.finance = FinanceResource(base_url=there, sandbox_url=there, secret=SECRET, tenant_id="north")
    assert checks_of(project.run([APRIL]))["finance_has_nothing_else"].passed
