"""Repair: what is damaged at rest is taken again from the inbox or built anew, and finance keeps one row each."""

import os
import shutil
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from arcadia_dagster.landing.contents import KEPT_IN
from arcadia_dagster.landing.heads import HEADS_FILE
from arcadia_dagster_tests.kit.plain import archive_of, build
from arcadia_dagster_tests.kit.processes import OTHER_PROGRAM, Holder
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.shell import Shell

NAME, OTHER = invoice_name(), invoice_name("2026 Mar", "1002")
FIGURES = "SELECT * FROM tax_split_totals ORDER BY ALL"


@pytest.fixture
def project(project_with_finance: Project) -> Project:
    """Two invoices of two months in finance."""
    project = project_with_finance
    project.drop(NAME, digitalocean(line(), tax()))
    march = {"start": "2026-03-01 00:00:00 +0000", "end": "2026-03-31 23:59:59 +0000"}
    project.drop(OTHER, digitalocean(line(amount="$7.00", **march)))
    project.build()
    return project


def archived(project: Project) -> Path:
    return archive_of(project.warehouse).path_of(project.document(NAME)["document_sha256"])


@pytest.mark.parametrize("damage", ["flipped", "cut off", "gone"])
def test_bytes_that_changed_in_the_archive_are_taken_again_from_the_inbox(
    project: Project, damage: str, arcadia: Shell
) -> None:
    path, figures = archived(project), project.query(FIGURES)
    whole = path.read_bytes()
    path.chmod(0o644)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:] if damage == "flipped" else whole[:-3])
    arcadia("rebuild", ARCADIA_HOME=str(project.home))
    assert (path.read_bytes(), path.stat().st_mode & 0o222) == (whole, 0)
    assert project.query(FIGURES) == figures
    assert len([*path.parent.glob(f"{path.name}.damaged-*")]) == (damage != "gone")


def archived_index(project: Project) -> Path:
    return archived(project).parent / HEADS_FILE


def lost(project: Project) -> bytes:
    """The bytes of April's file, of which neither archive nor inbox has them now."""
    path = archived(project)
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"x")
    (project.inbox / NAME).unlink()
    return whole


def by_id(project: Project) -> dict[str, tuple[str, int, int]]:
    rows = project.query("SELECT external_id, status, amount_gross_minor, line_count FROM tax_split_totals")
    return {row["external_id"]: (row["status"], row["amount_gross_minor"], row["line_count"]) for row in rows}


def test_a_document_whose_bytes_are_lost_is_held_with_the_lines_that_it_has_and_all_others_go_on(
    project: Project,
) -> None:
    lost(project)
    project.drop(invoice_name(number="1003"), digitalocean(line(amount="$9.00")))
    result = project.run()
    assert result.success
    assert by_id(project) == {"1001": ("held", 660, 2), "1002": ("ready", 700, 1), "1003": ("ready", 900, 1)}
    assert project.sandbox is not None
    assert {row["external_id"] for row in project.sandbox.invoices()} == {"1001", "1002", "1003"}
    [reason] = project.invoice()["hold_reasons"]
    assert "its SHA-256 is not its name any more: restore it from the newest backup" in reason


@pytest.mark.parametrize("name", [NAME, "a copy.csv"])
def test_the_same_file_in_the_inbox_ends_the_loss_whatever_its_name_is(project: Project, name: str) -> None:
    whole = lost(project)
    project.drop(invoice_name(number="1003"), digitalocean(line(amount="$9.00")))
    project.build()
    assert by_id(project)["1001"][0] == "held"
    project.drop(name, whole)
    project.build()
    assert by_id(project)["1001"] == ("ready", 660, 2)
    assert archived(project).read_bytes() == whole
    assert project.landed_problems() == {}


def test_a_restored_file_ends_the_loss_with_the_next_ingest(project: Project) -> None:
    whole = lost(project)
    project.drop(invoice_name(number="1003"), digitalocean(line(amount="$9.00")))
    project.build()
    archived(project).write_bytes(whole)
    project.build()
    assert by_id(project)["1001"] == ("ready", 660, 2)


def test_an_invoice_whose_bytes_are_lost_is_explained_by_what_the_warehouse_has(
    project: Project, arcadia: Shell
) -> None:
    lost(project)
    said = arcadia("explain", "1001", code=0, ARCADIA_HOME=str(project.home)).stdout
    assert "gross 6.60 USD" in said


def test_an_invoice_whose_bytes_are_lost_can_be_voided_before_anybody_has_noticed(project: Project) -> None:
    lost(project)
    assert project.settle("void", "1001") == {date(2026, 4, 1)}
    project.build()
    assert project.query("SELECT standing FROM standing_invoices WHERE external_id = '1001'") == [{"standing": "void"}]


def test_lines_that_somebody_has_doubled_of_a_document_whose_bytes_are_lost_count_once(project: Project) -> None:
    lost(project)
    with project.warehouse.write() as connection:
        connection.execute("INSERT INTO cost_lines FROM cost_lines WHERE external_id = '1001'")
    project.drop(invoice_name(number="1003"), digitalocean(line(amount="$9.00")))
    project.build()
    assert by_id(project) == {"1001": ("held", 660, 2), "1002": ("ready", 700, 1), "1003": ("ready", 900, 1)}


def test_bytes_that_are_known_to_be_lost_are_a_doubt_of_each_verification(project: Project, arcadia: Shell) -> None:
    whole = lost(project)
    archived(project).write_bytes(whole[::-1])
    project.drop(invoice_name(number="1003"), digitalocean(line(amount="$9.00")))
    project.build()
    assert "it is not what was archived any more" in arcadia("verify", code=1, ARCADIA_HOME=str(project.home)).stdout


def test_a_rebuild_shows_a_document_whose_bytes_are_lost_as_rejected_and_builds_the_others(
    project: Project, arcadia: Shell
) -> None:
    whole = lost(project)
    said = arcadia("rebuild", code=1, ARCADIA_HOME=str(project.home)).stdout
    assert "its SHA-256 is not its name any more: restore it from the newest backup" in said
    assert [row["external_id"] for row in project.query(FIGURES)] == ["1002"]
    assert "is not its name any more" in project.document(NAME)["reason"]
    project.drop(NAME, whole)
    project.build()
    assert by_id(project) == {"1001": ("ready", 660, 2), "1002": ("ready", 700, 1)}


@pytest.mark.parametrize("damage", ["cut off", "overwritten", "no database"])
def test_a_damaged_warehouse_is_one_line_that_names_the_remedy_which_brings_everything_back(
    project: Project, damage: str, arcadia: Shell
) -> None:
    figures, path = project.query(FIGURES), project.warehouse.path
    if damage == "cut off":
        os.truncate(path, path.stat().st_size // 2)
    else:
        content, kept = path.read_bytes(), 0 if damage == "no database" else 3 * 4096
        path.write_bytes(content[:kept] + bytes(len(content) - kept))
    [told] = arcadia("status", code=1, ARCADIA_HOME=str(project.home)).stderr.splitlines()
    assert "run `arcadia rebuild`" in told

    said = arcadia("rebuild", code=0, ARCADIA_HOME=str(project.home)).stdout
    assert "what finance answered is not in the archive" in said
    assert "the warehouse of before is now" in said
    assert project.query(FIGURES) == figures
    assert len(project.finance.deliver(project.warehouse).updated) == 2
    assert project.sandbox is not None
    assert len(project.sandbox.invoices()) == 2


def test_a_rebuild_of_a_readable_warehouse_differs_in_nothing_and_keeps_what_finance_answered(
    project: Project, arcadia: Shell
) -> None:
    said = arcadia("rebuild", code=0, ARCADIA_HOME=str(project.home)).stdout
    assert "2 records of what finance answered were taken over" in said
    assert "differs" not in said
    delivered = project.finance.deliver(project.warehouse)
    assert (delivered.created, delivered.updated) == ([], [])
    arcadia("verify", "--full", ARCADIA_HOME=str(project.home))


def test_a_record_that_came_back_from_a_backup_holds_what_was_void_after_a_rebuild_too(
    project: Project, arcadia: Shell, tmp_path: Path
) -> None:
    project.drop(invoice_name(number="1003"), digitalocean(line(amount="$9.00")))
    build(project.warehouse, resources=True)
    shelf = (
        archive_of(project.warehouse).path_of(project.document(invoice_name(number="1003"))["document_sha256"]).parent
    )
    shutil.copytree(shelf, tmp_path / "backup")
    project.settle("void", "1003")
    shutil.rmtree(shelf)
    shutil.copytree(tmp_path / "backup", shelf)

    said = arcadia("rebuild", code=1, ARCADIA_HOME=str(project.home)).stdout
    assert "it ends after line 1, but had 2 lines when it was last read whole" in said
    project.build()
    assert project.invoice("1003")["status"] == "held"
    assert project.sandbox is not None
    assert sorted(row["external_id"] for row in project.sandbox.invoices()) == ["1001", "1002"]
    assert "1 doubt" in arcadia("verify", "--full", code=1, ARCADIA_HOME=str(project.home)).stdout


def test_a_document_of_which_nothing_is_left_is_told_after_a_rebuild_too(project: Project, arcadia: Shell) -> None:
    archive, sha256 = archive_of(project.warehouse), project.document(NAME)["document_sha256"]
    for path in (project.inbox / NAME, archive.path_of(sha256), archive.record_path(sha256)):
        path.unlink()
    index = archived_index(project)
    index.unlink()
    shutil.rmtree(archive.folder / KEPT_IN)
    for _ in range(2):
        said = arcadia("rebuild", code=1, ARCADIA_HOME=str(project.home)).stdout
        assert NAME in said
        assert "restore" in said
    assert NAME in arcadia("verify", code=1, ARCADIA_HOME=str(project.home)).stdout


def test_a_text_of_a_record_that_somebody_changed_in_the_warehouse_is_not_believed_by_a_rebuild(
    project: Project, arcadia: Shell
) -> None:
    with project.warehouse.write() as connection:
        connection.execute("UPDATE documents SET record = replace(record, '1001', '9999')")
    assert "2 doubts" in arcadia("verify", code=1, ARCADIA_HOME=str(project.home)).stdout
    arcadia("rebuild", code=0, ARCADIA_HOME=str(project.home))
    arcadia("verify", "--full", code=0, ARCADIA_HOME=str(project.home))


def test_a_rebuild_moves_no_file_away_that_another_program_has_open(project: Project, arcadia: Shell) -> None:
    before = project.warehouse.path.stat().st_ino
    with Holder(project.warehouse.path, script=OTHER_PROGRAM):
        told = arcadia("rebuild", code=1, ARCADIA_HOME=str(project.home)).stderr
    assert "is open in another program" in told
    assert project.warehouse.path.stat().st_ino == before


KILLED = """
import sys
from arcadia_dagster import cli
from arcadia_dagster.verification import rebuilding

def killed_after(step):
    def stepping(*arguments):
        step(*arguments)
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    return stepping

setattr(rebuilding, sys.argv[1], killed_after(getattr(rebuilding, sys.argv[1])))
cli.main(["rebuild"])
"""


@pytest.mark.parametrize("step", ["_compared", "_keep"])
def test_a_rebuild_that_is_killed_leaves_a_warehouse_with_what_finance_answered(
    project: Project, arcadia: Shell, step: str
) -> None:
    environ = {**os.environ, "ARCADIA_HOME": str(project.home), "ARCADIA_SETTLE_SECONDS": "0"}
    before = project.query("FROM finance_records")
    killed = subprocess.run([sys.executable, "-c", KILLED, step], env=environ, check=False, timeout=100)
    assert killed.returncode == -signal.SIGKILL
    assert project.query("FROM finance_records") == before != []
    arcadia("rebuild", code=0, ARCADIA_HOME=str(project.home))
    assert project.query("FROM finance_records") == before
    assert [path for path in project.home.iterdir() if ".duckdb.new" in path.name] == []


def test_a_pipe_in_the_place_of_the_warehouse_s_log_is_one_line(project: Project, arcadia: Shell) -> None:
    os.mkfifo(f"{project.warehouse.path}.wal")
    for command in ("status", "ingest"):
        said = arcadia(command, code=1, ARCADIA_HOME=str(project.home)).stderr
        assert "arcadia.duckdb.wal is no plain file, and is in the place of the warehouse's log: remove it" in said
        assert "Traceback" not in said


@pytest.mark.parametrize("file", ["tenants.toml", "sources.toml", "budgets.toml"])
@pytest.mark.parametrize("content", ["[[budget]", "[[nothing]]\nx = 1\n", None])
def test_a_file_of_settings_that_cannot_be_right_is_one_line_of_each_command(
    project: Project, arcadia: Shell, file: str, content: str | None
) -> None:
    path = project.home / file
    if content is None:
        os.mkfifo(path)
    else:
        path.write_text(content)
    home = str(project.home)
    for command in ("ingest", "rebuild"):
        told = arcadia(command, code=1, ARCADIA_HOME=home)
        assert file in told.stderr
        assert "Traceback" not in told.stderr
    for words in (["doctor"], ["verify"], ["verify", "--full"]):
        assert file in arcadia(*words, code=1, ARCADIA_HOME=home).stdout


def test_a_plain_verification_finds_routes_that_were_not_taken(project: Project, arcadia: Shell) -> None:
    (project.home / "tenants.toml").write_text('[[route]]\nsource = "digitalocean"\ntenant = "acme"\n')
    said = arcadia("verify", code=1, ARCADIA_HOME=str(project.home)).stdout
    assert f"tenant_routes: it is not what {project.home / 'tenants.toml'} says; take that: arcadia ingest" in said


def test_a_rebuild_shows_where_the_warehouse_of_before_was_otherwise(project: Project, arcadia: Shell) -> None:
    with project.warehouse.write() as connection:
        connection.execute("UPDATE cost_lines SET amount = amount + 1 WHERE external_id = '1002'")
    said = arcadia("rebuild", code=0, ARCADIA_HOME=str(project.home)).stdout
    assert "cost_lines differs from before in 2026-03\n" in said


def test_a_storage_of_dagster_that_cannot_be_written_is_one_line(
    project: Project, arcadia: Shell, tmp_path: Path
) -> None:
    storage = tmp_path / "storage"
    (storage / "history" / "runs.db").mkdir(parents=True)
    (storage / "history" / "runs" / "index.db").mkdir(parents=True)
    project.drop(invoice_name(number="1003"), digitalocean(line()))
    arcadia.uses_storage_of_dagster = True
    told = arcadia("ingest", code=1, ARCADIA_HOME=str(project.home), ARCADIA_DAGSTER_STORAGE=str(storage)).stderr
    assert "Dagster's storage, where runs are recorded, cannot be written" in told
    assert "If it is damaged, move it away" in told
    assert "Traceback" not in told
