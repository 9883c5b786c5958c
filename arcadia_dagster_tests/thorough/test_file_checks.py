"""The checks that read the FOCUS files and the statements as another program does."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from arcadia_dagster.defs.file_checks import FOCUS, STATEMENTS
from arcadia_dagster.reports import focus_agreement
from arcadia_dagster.reports.focus import COST_AND_USAGE, INVOICE_DETAIL, export_months
from arcadia_dagster.statement import agreement
from arcadia_dagster.statement.pages import make_pages
from arcadia_dagster_tests.kit.past import home_with_a_past
from arcadia_dagster_tests.kit.plain import RANGE, archive_of
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.statement_pages import folder_of

APRIL = date(2026, 4, 1)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A home of all kinds of invoices, with the files of all its months."""
    project = home_with_a_past(tmp_path_factory.mktemp("past"))
    with project.warehouse.read() as connection:
        months = [
            month for (month,) in connection.execute("SELECT DISTINCT invoice_month FROM raw_invoices").fetchall()
        ]
        export_months(connection, focus(project), months)
    make_pages(project.warehouse, archive_of(project.warehouse), folder_of(project), (), RANGE)
    return project


@pytest.fixture
def project(past: Project, tmp_path: Path) -> Project:
    return Project(shutil.copytree(past.home, tmp_path / "home"))


def focus(project: Project) -> Path:
    return project.home / "focus"


def differences(project: Project) -> list[str]:
    """What both checks find in the files of all months."""
    pages = folder_of(project)
    with project.warehouse.read() as connection:
        return [
            *focus_agreement.differences(connection, focus(project), focus_agreement.months_with_files(focus(project))),
            *agreement.differences(connection, pages, agreement.months_with_pages(pages)),
        ]


def test_the_files_of_every_kind_of_invoice_agree(past: Project) -> None:
    assert len(focus_agreement.months_with_files(focus(past))) > 2
    assert len(agreement.months_with_pages(folder_of(past))) > 2
    assert differences(past) == []


def april(project: Project, name: str) -> Path:
    return focus(project) / "2026-04" / f"{name}.parquet"


def less_a_row(path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE kept AS FROM '{path}' LIMIT (SELECT count(*) - 1 FROM '{path}')")
        connection.execute(f"COPY kept TO '{path}' (FORMAT parquet)")


def reworded(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


CHANGES: dict[str, tuple[Callable[[Project], object], str]] = {
    "a line less": (lambda project: less_a_row(april(project, COST_AND_USAGE)), "in the FOCUS file"),
    "an invoice less": (lambda project: less_a_row(april(project, INVOICE_DETAIL)), "in the FOCUS file"),
    "a file that is cut off": (
        lambda project: april(project, COST_AND_USAGE).write_bytes(april(project, COST_AND_USAGE).read_bytes()[:500]),
        "2026-04: focus_1_2_cost_and_usage.parquet cannot be read",
    ),
    "a file that is gone": (
        lambda project: april(project, INVOICE_DETAIL).unlink(),
        "2026-04: focus_1_4_invoice_detail.parquet cannot be read",
    ),
    "a page with another figure": (
        lambda project: reworded(folder_of(project) / "2026-04.html", '"totals":{"gross":', '"totals":{"gross":1'),
        "on its page",
    ),
    "a page without figures": (
        lambda project: (folder_of(project) / "2026-04.html").write_text("<p>nothing</p>"),
        "2026-04: the figures of its page cannot be read",
    ),
}


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES)
def test_a_file_that_differs_is_named_with_its_month(
    project: Project, change: Callable[[Project], object], words: str
) -> None:
    change(project)
    found = differences(project)
    assert found
    assert all(one.startswith("2026-04: ") and words in one for one in found)


def test_a_run_looks_at_its_months_and_a_check_alone_at_all(tmp_path: Path) -> None:
    project = Project(tmp_path / "home")
    project.drop(invoice_name(), digitalocean(line(), tax()))
    may = {"start": "2026-05-01 00:00:00 +0000", "end": "2026-05-31 23:59:59 +0000"}
    project.drop(invoice_name("2026 May", "2001"), digitalocean(line(**may)))
    with dg.DagsterInstance.ephemeral() as instance:
        assert files(project.run(instance=instance)) == {FOCUS: (True, 2), STATEMENTS: (True, 2)}
        less_a_row(april(project, COST_AND_USAGE))
        alone = (
            project.definitions()
            .resolve_implicit_global_asset_job_def()
            .get_subset(asset_check_selection={FOCUS, STATEMENTS}, asset_selection=set())
        )
        assert files(alone.execute_in_process(instance=instance)) == {FOCUS: (False, 2), STATEMENTS: (True, 2)}
        [of_may] = [date(2026, 5, 1)]
        assert files(project.run([of_may], instance=instance)) == {FOCUS: (True, 1), STATEMENTS: (True, 1)}
        assert files(project.run([APRIL], instance=instance)) == {FOCUS: (True, 1), STATEMENTS: (True, 1)}


def files(result: dg.ExecuteInProcessResult) -> dict[dg.AssetCheckKey, tuple[bool, object]]:
    """Whether each of the two checks passed, and how many months it looked at."""
    return {
        one.asset_check_key: (one.passed, one.metadata["months"].value)
        for one in result.get_asset_check_evaluations()
        if one.asset_check_key in {FOCUS, STATEMENTS}
    }
