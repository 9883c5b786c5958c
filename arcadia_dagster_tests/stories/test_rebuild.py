"""The warehouse can be deleted: it comes back from the archive equal in every table but finance's answers."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.finance.delivery import Delivered
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.known import outdated_documents
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.store.query import text_list
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.months import stale
from arcadia_dagster_tests.kit.past import OF_THE_FUTURE, have_a_past
from arcadia_dagster_tests.kit.plain import RANGE, archive_of, build
from arcadia_dagster_tests.kit.project import SECRET, Project, digitalocean, invoice_name, line, tax

APRIL = date(2026, 4, 1)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
# How often something was built, and when, is another matter than what it says.
VOLATILE = {"stage_versions": {"version", "built_from", "built_at"}}
OF_THE_INBOX = "inbox_files"
FROM_FINANCE = {"finance_records", "finance_attempts"}
LEFT_OUT = {"seals": f"WHERE subject NOT IN ({text_list({'stage_versions', *FROM_FINANCE})})"}


def contents(project: Project) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    tables = {}
    for table in schema.TABLES:
        columns = [column.name for column in table.columns if column.name not in VOLATILE.get(table.name, ())]
        tables[table.name] = project.query(
            f"SELECT {', '.join(columns)} FROM {table.name} {LEFT_OUT.get(table.name, '')} ORDER BY ALL"
        )
    return tables


@dataclass
class Rebuilt:
    """Before, after it was built from the archive alone, and after it was built with the inbox."""

    before: dict[str, list[dict[str, Any]]]
    from_archive: dict[str, list[dict[str, Any]]]
    with_inbox: dict[str, list[dict[str, Any]]]
    first_rows: list[dict[str, Any]]
    delivered: Delivered
    rows: list[dict[str, Any]]


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Rebuilt:
    folder = tmp_path_factory.mktemp("rebuild")
    with RunningSandbox(database=folder / "finance.sqlite", secret=SECRET) as sandbox:
        project = Project(folder / "home", sandbox=sandbox)
        have_a_past(project)
        before, first_rows = contents(project), [dict(row) for row in sandbox.invoices()]

        inbox = project.inbox.rename(folder / "inbox of before")
        project.inbox.mkdir()
        project.forget_warehouse()
        build(project.warehouse, resources=True, approve_over=OF_THE_FUTURE)
        from_archive = contents(project)

        project.inbox.rmdir()
        inbox.rename(project.inbox)
        project.forget_warehouse()
        build(project.warehouse, resources=True, approve_over=OF_THE_FUTURE)
        with_inbox = contents(project)
        with project.warehouse.read() as connection:
            assert {month for month in stale(connection) if month in RANGE} == set()
        delivered = project.finance.deliver(project.warehouse)
        rows = [dict(row) for row in sandbox.invoices()]
    return Rebuilt(before, from_archive, with_inbox, first_rows, delivered, rows)


def test_before_the_rebuild_there_is_something_of_everything(rebuilt: Rebuilt) -> None:
    assert [name for name, rows in rebuilt.before.items() if not rows] == []
    of = rebuilt.before
    assert {row["status"] for row in of["documents"]} == {"accepted", "rejected", "dismissed"}
    assert {row["status"] for row in of["raw_invoices"]} == {"current", "superseded"}
    assert {row["status"] for row in of["tax_split_totals"]} == {"ready", "held"}
    assert {row["decision"] for row in of["decisions"]} == {"release", "dismiss", "void"}
    assert {row["match_method"] for row in of["cost_lines"]} >= {"name", "none"}
    assert {row["id_basis"] for row in of["document_invoices"]} == {"file_name", "derived", "document"}
    assert [row for row in of["document_invoices"] if row["stated_total"] is not None]
    assert [row for row in of["tax_split_totals"] if row["released_reasons"]]


@pytest.mark.parametrize("table", [table.name for table in schema.TABLES if table.name not in FROM_FINANCE])
def test_every_table_comes_back_as_it_was(rebuilt: Rebuilt, table: str) -> None:
    assert rebuilt.with_inbox[table] == rebuilt.before[table]
    if table != OF_THE_INBOX:  # it was empty then
        assert [row for row in rebuilt.from_archive[table] if row.get("subject") != OF_THE_INBOX] == [
            row for row in rebuilt.before[table] if row.get("subject") != OF_THE_INBOX
        ]


def test_finance_answers_updated_for_every_invoice_and_has_no_second_row(rebuilt: Rebuilt) -> None:
    delivered = rebuilt.delivered
    assert (delivered.failure, delivered.created, delivered.deferred, delivered.refused) == (None, [], {}, {})
    ready = [row for row in rebuilt.before["tax_split_totals"] if row["status"] == "ready"]
    assert len(delivered.updated) == len(ready)

    def facts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        volatile = {"times_received", "updated_at"}
        return [{name: row[name] for name in row if name not in volatile} for row in rows]

    assert facts(rebuilt.rows) == facts(rebuilt.first_rows)


def test_a_rebuild_takes_the_archive_as_it_is_and_adds_nothing_to_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "home")
    project.drop(invoice_name(), digitalocean(line(), tax()))
    build(project.warehouse)

    def archived() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes() for path in archive_of(project.warehouse).folder.rglob("*") if path.is_file()
        }

    before = archived()
    project.forget_warehouse()
    build(project.warehouse)
    assert archived() == before


def test_a_warehouse_that_is_restored_from_a_backup_learns_what_the_archive_has_noted_since(tmp_path: Path) -> None:
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET) as sandbox:
        project = Project(tmp_path / "home", sandbox=sandbox)
        project.drop(invoice_name(), digitalocean(line(), tax()))
        build(project.warehouse)
        backup = project.warehouse.path.read_bytes()
        project.decide("void", reason="fraud", now=NOW)
        build(project.warehouse)
        after = contents(project)
        (project.inbox / invoice_name()).unlink()

        project.forget_warehouse()
        project.warehouse.path.write_bytes(backup)
        build(project.warehouse)

        assert contents(project) == after
        assert project.invoice()["status"] == "held"
        project.finance.deliver(project.warehouse)
        assert sandbox.invoices() == []


def test_documents_that_an_older_version_read_are_read_anew_by_themselves_and_pushed_only_where_they_differ(
    project_with_finance: Project,
) -> None:
    project = project_with_finance
    project.drop(invoice_name(number="1001"), digitalocean(line(), tax()))
    project.drop(invoice_name(number="1002"), digitalocean(line(amount="$8.00")))
    project.build()
    assert project.sandbox is not None
    with project.warehouse.write() as connection:
        before = connection.execute("SELECT lines_sketch FROM document_invoices ORDER BY external_id").fetchall()
        connection.execute("UPDATE documents SET read_by = '0.1.0'")
        connection.execute("UPDATE document_invoices SET lines_sketch = [], lines_total = 0")
    with project.warehouse.read() as connection:
        outdated = outdated_documents(connection, Formats())
        assert [month for _, month in outdated] == [APRIL, APRIL], "so that the sensor asks for a run"
    project.build()
    with project.warehouse.read() as connection:
        assert outdated_documents(connection, Formats()) == []
        after = connection.execute("SELECT lines_sketch FROM document_invoices ORDER BY external_id").fetchall()
    assert after == before
    assert [row["times_received"] for row in project.sandbox.invoices()] == [1, 1]
