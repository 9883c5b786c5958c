"""Files at rest that the program's user may not read: each is told in words, and what can go on goes on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from arcadia_dagster.landing.contents import KEPT_IN
from arcadia_dagster.landing.heads import HEADS_FILE
from arcadia_dagster_tests.kit.plain import archive_of
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.shell import ROOT

# The superuser may read whatever its mode is, unless it lacks these.
AS_A_USER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] if os.geteuid() == 0 else []


def arcadia(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(
        [*AS_A_USER, sys.executable, "-m", "arcadia_dagster.cli", *arguments],
        env={**os.environ, **project.environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert "Traceback" not in found.stderr
    assert "Errno" not in found.stdout + found.stderr
    return found


@pytest.fixture
def project(project_without_finance: Project) -> Project:
    """An invoice, and a new one of its month in the inbox."""
    project = project_without_finance
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.build()
    project.drop(invoice_name(number="1002"), digitalocean(line(amount="$7.00")))
    return project


def document(project: Project) -> Path:
    return archive_of(project.warehouse).path_of(project.document(invoice_name())["document_sha256"])


def unreadable(path: Path) -> None:
    path.chmod(0)
    assert subprocess.run(
        [*AS_A_USER, "ls" if path.is_dir() else "cat", path], capture_output=True, check=False
    ).returncode


def ready(project: Project) -> list[str]:
    rows = project.query("SELECT external_id FROM tax_split_totals WHERE status = 'ready' ORDER BY ALL")
    return [row["external_id"] for row in rows]


def test_a_document_that_cannot_be_read_is_taken_again_from_the_inbox(project: Project) -> None:
    unreadable(document(project))
    assert "cannot be read (Permission denied)" in arcadia(project, "verify", "--full").stdout
    assert arcadia(project, "ingest").returncode == 0
    assert ready(project) == ["1001", "1002"]
    assert arcadia(project, "verify", "--full").returncode == 0


def test_a_document_that_nobody_can_read_holds_itself_alone(project: Project) -> None:
    unreadable(document(project))
    (project.inbox / invoice_name()).unlink()
    said = arcadia(project, "ingest")
    assert f"{document(project)} cannot be read (Permission denied): restore it" in said.stdout + said.stderr
    assert ready(project) == ["1002"]


def test_an_index_of_heads_that_cannot_be_read_holds_nothing_and_is_made_anew(project: Project) -> None:
    index = document(project).parent / HEADS_FILE
    unreadable(index)
    assert "heads" in arcadia(project, "verify").stdout
    project.settle("end", "1001")
    assert arcadia(project, "ingest").returncode == 0
    assert ready(project) == ["1001", "1002"]
    assert arcadia(project, "verify", "--full").returncode == 0


@pytest.mark.parametrize("what", ["shelf", KEPT_IN])
def test_a_folder_of_the_archive_that_cannot_be_read_is_one_line_that_names_it(project: Project, what: str) -> None:
    folder = document(project).parent if what == "shelf" else archive_of(project.warehouse).folder / KEPT_IN
    unreadable(folder)
    for command in (["ingest"], ["verify"]):
        said = arcadia(project, *command)
        assert said.returncode == 1
        assert f"{folder} cannot be read (Permission denied)" in said.stdout + said.stderr
    folder.chmod(0o700)
    assert arcadia(project, "ingest").returncode == 0
    assert arcadia(project, "verify", "--full").returncode == 0


def test_a_warehouse_that_cannot_be_read_is_not_called_damaged_and_no_rebuild_moves_it_away(project: Project) -> None:
    path = project.warehouse.path
    unreadable(path)
    for command in ("status", "rebuild"):
        said = arcadia(project, command)
        assert said.returncode == 1
        assert f"{path} cannot be opened (Permission denied)" in said.stderr
        assert "rebuild" not in said.stderr
    said = arcadia(project, "verify", "--full")
    assert "it cannot be opened (Permission denied)" in said.stdout
    assert "1 document of " in said.stdout, "the archive is verified all the same"
    path.chmod(0o600)
    assert arcadia(project, "verify", "--full").returncode == 0


def test_a_home_that_is_the_root_of_somebody_else_s_volume_is_made_all_the_same(tmp_path: Path) -> None:
    home = tmp_path / "volume"
    home.mkdir()
    home.chmod(0o2777)
    command: list[str] = []
    # Whoever is no superuser can give nothing away: there the volume is their own.
    if os.geteuid() == 0:
        os.chown(home, 10001, 10001)
        command = ["setpriv", "--bounding-set=-fowner,-fsetid", "--"]
        assert subprocess.run([*command, "chmod", "700", home], capture_output=True, check=False).returncode
    made = subprocess.run(
        [*command, sys.executable, "-m", "arcadia_dagster.cli", "init"],
        env={**os.environ, "ARCADIA_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (made.returncode, made.stderr) == (0, "")
    assert (home / "inbox").is_dir()
