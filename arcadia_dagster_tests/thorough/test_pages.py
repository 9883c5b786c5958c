"""Which pages are made again when something changes, and that a page is never half written."""

import os
import shutil
from datetime import date
from pathlib import Path

import pytest

from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.statement import page
from arcadia_dagster.statement.pages import make_pages
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.plain import RANGE, archive_of, build
from arcadia_dagster_tests.kit.project import SECRET, Project, digitalocean, invoice_name, line
from arcadia_dagster_tests.kit.scripted_server import ScriptedServer, answer
from arcadia_dagster_tests.kit.statement_pages import folder_of

APRIL = date(2026, 4, 1)


def remade(project: Project) -> list[str]:
    """The pages whose bytes are others once everything that is out of date was made."""
    before = contents(project)
    make_pages(project.warehouse, archive_of(project.warehouse), folder_of(project), (), RANGE)
    return sorted(name for name, content in contents(project).items() if before.get(name) != content)


def contents(project: Project) -> dict[str, bytes]:
    """The months' pages."""
    return {path.name.removesuffix(".html"): path.read_bytes() for path in folder_of(project).glob("????-??.html")}


def invoice_in(month: str, amount: str = "6.00") -> bytes:
    return as_csv(charge(InvoiceId=f"I-{month}", BillingPeriodStart=f"{month}-01T00:00:00Z", BilledCost=amount))


@pytest.fixture(scope="module")
def six_months(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with six months, a year and more from the first to the last; their pages are made."""
    project = Project(tmp_path_factory.mktemp("six") / "home")
    for month in ("2025-03", "2025-04", "2025-05", "2025-08", "2026-04", "2026-06"):
        project.drop(f"{month}/{month}.csv", invoice_in(month))
    project.build()
    assert remade(project) == ["2025-03", "2025-04", "2025-05", "2025-08", "2026-04", "2026-06"]
    return project.home


@pytest.fixture
def months(six_months: Path, tmp_path: Path) -> Project:
    """A copy of that home for one test."""
    return Project(shutil.copytree(six_months, tmp_path / "home"))


def test_a_changed_month_makes_the_pages_again_that_show_it_and_no_other(months: Project) -> None:
    assert remade(months) == []
    months.drop("new/2025-04.csv", invoice_in("2025-04", "7.00"))
    months.build()
    # Itself, as the month before, in the twelve months, as the year before; June 2026 is too late to show it.
    assert remade(months) == ["2025-04", "2025-05", "2025-08", "2026-04"]


def test_the_pages_of_other_months_that_a_run_makes_are_told_to_it_too(months: Project) -> None:
    months.drop("newer/2025-04.csv", invoice_in("2025-04", "8.00"))
    months.build()
    made = make_pages(months.warehouse, archive_of(months.warehouse), folder_of(months), [date(2025, 4, 1)], RANGE)
    assert [f"{month:%Y-%m}" for month in made] == ["2025-04", "2025-05", "2025-08", "2026-04"]


def test_a_month_that_is_built_again_from_the_same_keeps_its_bytes_and_its_file(months: Project) -> None:
    path = folder_of(months) / "2025-04.html"
    before = path.stat()
    build(months.warehouse, [date(2025, 4, 1)])
    make_pages(months.warehouse, archive_of(months.warehouse), folder_of(months), [date(2025, 4, 1)], RANGE)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert remade(months) == []


def test_a_page_that_is_gone_is_made_again(months: Project) -> None:
    (folder_of(months) / "2025-08.html").unlink()
    assert remade(months) == ["2025-08"]


def test_a_new_rejected_file_is_on_its_months_page(months: Project) -> None:
    months.drop("DigitalOcean Invoice 2025 May (1-1).csv", b"<html>")
    months.build()
    assert remade(months) == ["2025-05"]


def test_what_finance_answers_and_forgets_is_on_the_page(
    project_with_finance: Project, sandbox: RunningSandbox
) -> None:
    project = project_with_finance
    project.drop(invoice_name(), digitalocean(line()))
    finance, project.finance = project.finance, type(project.finance)()
    project.build()
    remade(project)
    project.finance = finance
    project.build()
    assert remade(project) == ["2026-04"]
    with ScriptedServer(answer(503)) as other:
        project.finance = type(finance)(base_url=other.url, sandbox_url=other.url, secret=SECRET, retry_delays=[])
        project.build()
    assert remade(project) == ["2026-04"]
    assert sandbox.url.encode() in contents(project)["2026-04"]
    assert other.url.encode() in contents(project)["2026-04"]


def test_a_month_that_another_run_is_building_is_left_to_that_run(months: Project) -> None:
    with months.warehouse.write() as connection:
        connection.execute(
            "UPDATE stage_versions SET version = version + 1 WHERE stage = 'cost_lines' AND invoice_month = DATE '2025-04-01'"
        )
    made = make_pages(
        months.warehouse,
        archive_of(months.warehouse),
        folder_of(months),
        [date(2025, month, 1) for month in (3, 4, 5)],
        RANGE,
    )
    assert sorted(made) == [date(2025, 3, 1)]


def test_only_months_that_there_are_have_pages(months: Project) -> None:
    made = make_pages(
        months.warehouse,
        archive_of(months.warehouse),
        folder_of(months),
        [date(2025, 3, 1)],
        MonthRange(date(2025, 4, 1), APRIL),
    )
    assert date(2025, 3, 1) not in made


def test_a_page_is_replaced_in_one_step_and_what_a_killed_process_left_goes(
    months: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(months)
    (folder / ".2025-04.html.killed.part").write_text("half a pa", encoding="utf-8")
    whole = contents(months)

    def die(*_: object) -> None:
        raise OSError("no space left on device")

    months.drop("new/2025-04.csv", invoice_in("2025-04", "7.00"))
    months.build()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(OSError, match="no space"):
            remade(months)
    assert contents(months) == whole
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".html") == [".lock"]
    assert remade(months) == ["2025-04", "2025-05", "2025-08", "2026-04"]


def test_other_people_may_read_a_page(months: Project) -> None:
    umask = os.umask(0)
    os.umask(umask)
    assert (folder_of(months) / "2025-04.html").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_page_that_would_look_otherwise_is_made_again(months: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "look", lambda: "another")
    monkeypatch.setattr(page, "__version__", "9.9.9")
    assert len(remade(months)) == 6
