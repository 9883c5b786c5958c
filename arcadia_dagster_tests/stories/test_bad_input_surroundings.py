"""What surrounds the documents: files that are none, files that grow, limits, locks, and folders that fail.

What a superuser is always allowed is tried in a process without privileges, so that these tests hold for whoever runs them.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.defs.ingest import IngestError
from arcadia_dagster.warehouse import hold
from arcadia_dagster_tests.kit.bad_input import APRIL, World, case, world_in
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax

ROOT = Path(__file__).parents[2]
GOOD = digitalocean(line(), tax())
NOBODY = 65534
FIVE_GIGABYTES = 5 * 2**30
LIMIT = 1_000_000

# Lands the inbox of each home that it is told, without privileges and with a limit on how large a file may become. The first
# one it lands with all its rights: what Python imports at first use may lie where only the superuser may read.
LAND = """
import json, os, resource, sys
from pathlib import Path
from arcadia_dagster.formats.reader import Reader
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.inbox import FolderInbox
from arcadia_dagster.landing.landing import Landing
from arcadia_dagster.warehouse import Warehouse

def attempt(home):
    warehouse = Warehouse(home / "arcadia.duckdb", lock_timeout=10)
    reader = Reader(warehouse.new_work_folder(), warehouse.stage)
    try:
        archive = Archive(home / "archive", max_document_bytes=10**9)
        landed = Landing(warehouse, archive, reader).land(FolderInbox(home / "inbox"), settle_seconds=0)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        reader.close()
    return {"documents": len(landed.documents), "problems": landed.problems}

unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for number, request in enumerate(map(json.loads, sys.stdin)):
    if number == 1 and os.geteuid() == 0:
        os.setgid(request["nobody"])
        os.setuid(request["nobody"])
    resource.setrlimit(resource.RLIMIT_FSIZE, (request["limit"] or unlimited, unlimited))
    print(json.dumps(attempt(Path(request["home"]))), flush=True)
"""

HOLD = """
import sys
from pathlib import Path
from arcadia_dagster.warehouse import hold
with hold(Path(sys.argv[1]), timeout=5):
    print("held", flush=True)
    sys.stdin.read()
"""


def run_python(script: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


class Unprivileged:
    """A process that may do no more than anybody."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def land(self, home: Path, *, largest_file: int = 0) -> dict[str, Any]:
        """Land the inbox of the home; files that are written may have so many bytes at most."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"home": str(home), "limit": largest_file, "nobody": NOBODY}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))


@pytest.fixture(scope="module")
def nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unprivileged]:
    first = Project(tmp_path_factory.mktemp("nobody") / "home")
    first.drop(invoice_name(number="1"), GOOD)
    first.drop(invoice_name(number="2"), digitalocean(line(amount="six")))
    with run_python(LAND) as process:
        found = Unprivileged(process)
        assert found.land(first.home) == {"documents": 2, "problems": {}}
        yield found
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def open_home() -> Iterator[Path]:
    """A home that a process without privileges can use: pytest's own folders are closed to others."""
    home = Path(tempfile.mkdtemp(prefix="arcadia-"))
    (home / "inbox").mkdir()
    try:
        yield home
    finally:
        for folder in [home, *(path for path in home.rglob("*") if path.is_dir() and not path.is_symlink())]:
            folder.chmod(0o700)
        shutil.rmtree(home)


def give_away(home: Path) -> None:
    if os.geteuid() == 0:
        for path in (home, *home.rglob("*")):
            # What is given away already keeps its change time, by which a record tells that nobody has touched it.
            if path.lstat().st_uid != NOBODY:
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


@contextmanager
def growing(path: Path) -> Iterator[None]:
    """Somebody writes the file meanwhile, a record at a time."""
    stop = threading.Event()

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            while not stop.wait(0.05):
                file.write(f"{line()}\n".encode())

    path.write_bytes(GOOD)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("surroundings")
    with world_in(folder, ARCADIA_MAX_DOCUMENT_BYTES=str(LIMIT)) as world:
        world.put("good", GOOD)
        outside = folder / "outside"
        outside.mkdir()
        (outside / "secret.csv").write_bytes(digitalocean(line(amount="$666.00")))
        inbox = world.project.inbox
        (inbox / "link.csv").symlink_to(outside / "secret.csv")
        (inbox / "link to a folder").symlink_to(outside)
        (inbox / "link to a device.csv").symlink_to("/dev/zero")
        (inbox / "link to itself.csv").symlink_to("link to itself.csv")
        (inbox / f"{world.names['good']}.total").symlink_to("/dev/zero")
        os.mkfifo(inbox / "pipe.csv")
        with (inbox / "huge.csv").open("wb") as file:
            file.truncate(FIVE_GIGABYTES)
        world.put_as(
            "capitals", "DigitalOcean Invoice 2026 Apr (77-3000).CSV", digitalocean(line()), external_id="3000"
        )
        world.put_as("dots", "a..b.csv", digitalocean(line(description="dots")))
        name = os.fsdecode(b"caf\xe9.csv")
        world.project.drop(name, digitalocean(line(description="a name in Latin-1")))
        world.run()
        yield world


@case("31")
def test_what_is_no_plain_file_is_never_followed_and_reported(world: World) -> None:
    kinds = {
        "link.csv": "link",
        "link to a folder": "link",
        "link to a device.csv": "link",
        "link to itself.csv": "link",
        f"{world.names['good']}.total": "link",
        "pipe.csv": "named pipe",
    }
    assert {path: problem for path, problem in world.problems.items() if path != "huge.csv"} == {
        path: f"it is a {kind}; only plain files are taken" for path, kind in kinds.items()
    }
    assert set(world.listed_by("nothing_rejected", "file")) == {*kinds, "huge.csv"}
    assert world.project.query("SELECT * FROM cost_lines WHERE amount = 666") == []


@case("31")
def test_capitals_dots_and_bytes_that_are_no_text_in_a_name_are_no_obstacle(world: World) -> None:
    assert world.pushed("capitals") == (600, 600, 0)
    assert world.invoice("dots", account="unknown")["external_id"] == "unknown-2026-04-a..b"
    assert world.pushed("dots") == (600, 600, 0)
    assert world.project.document("caf\\xe9.csv")["status"] == "accepted"


@case("33")
def test_a_file_of_5_gb_is_not_taken_and_the_setting_is_named(world: World) -> None:
    assert world.problems["huge.csv"] == f"it has {FIVE_GIGABYTES} bytes, more than ARCADIA_MAX_DOCUMENT_BYTES={LIMIT}"
    archived = sum(path.stat().st_size for path in (world.project.home / "archive").rglob("*") if path.is_file())
    assert archived < LIMIT


@case("31")
def test_what_may_not_be_read_is_reported_and_taken_once_it_may(open_home: Path, nobody: Unprivileged) -> None:
    project = Project(open_home)
    project.drop(invoice_name(number="1"), GOOD)
    project.drop(invoice_name(number="2"), digitalocean(line())).chmod(0)
    project.drop("closed/" + invoice_name(number="3"), digitalocean(line(), line()))
    (project.inbox / "closed").chmod(0)
    give_away(open_home)

    landed = nobody.land(open_home)

    assert landed == {
        "documents": 1,
        "problems": {
            invoice_name(number="2"): "it cannot be read (Permission denied); only plain, readable files are taken",
            "closed/": "the folder cannot be read (Permission denied)",
        },
    }
    noted = project.query("SELECT inbox_path FROM inbox_files WHERE problem IS NOT NULL ORDER BY ALL")
    assert [row["inbox_path"] for row in noted] == [invoice_name(number="2"), "closed/"]

    (project.inbox / "closed").chmod(0o755)
    (project.inbox / invoice_name(number="2")).chmod(0o644)
    assert nobody.land(open_home) == {"documents": 2, "problems": {}}
    assert project.query("SELECT * FROM inbox_files WHERE problem IS NOT NULL") == []


@case("4")
def test_a_file_is_waited_for_while_it_grows_and_judged_once_it_stays(tmp_path: Path) -> None:
    with world_in(tmp_path, ARCADIA_SETTLE_SECONDS="1") as world:
        world.put("good", GOOD)
        path = world.project.inbox / invoice_name(number="2")
        world.project.drop("unfinished.csv.part", GOOD)
        with growing(path):
            world.run()
        [names] = [world.project.query("SELECT file_name FROM documents")]
        assert [row["file_name"] for row in names] == [world.names["good"]]
        assert world.pushed("good") == (660, 600, 60)
        assert world.checks["nothing_rejected"].passed

        with path.open("ab") as file:
            file.write(b"Droplets,,we")
        world.run()
        document = world.project.document(path.name)
        lines = path.read_bytes().count(b"\n") + 1
        assert (document["status"], document["byte_size"]) == ("rejected", path.stat().st_size)
        assert document["reason"].startswith(f"line {lines}, expected 9 columns, found 3")
        assert not world.checks["nothing_rejected"].passed


@case("39")
def test_a_held_lock_is_waited_for_and_then_named_in_one_line_with_its_holder(tmp_path: Path) -> None:
    project = Project(tmp_path / "home", ARCADIA_LOCK_TIMEOUT="0.3")
    project.drop(invoice_name(), GOOD)
    lock = project.home / "arcadia.duckdb.lock"
    with run_python(HOLD, str(lock)) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"

        began = time.monotonic()
        with pytest.raises(IngestError) as failed:
            project.run([APRIL])
        assert time.monotonic() - began < 10
        message = str(failed.value)
        assert message.startswith("2026-04..2026-04: ")
        assert f"{lock} was locked for more than 0.3 s by process {holder.pid} ({sys.executable}" in message
        assert message.endswith("wait for it to end or raise ARCADIA_LOCK_TIMEOUT")

        project.environ["ARCADIA_LOCK_TIMEOUT"] = "30"
        release = threading.Timer(1, holder.stdin.close)
        release.start()
        assert project.run([APRIL]).success
        release.join()
    assert project.invoice()["status"] == "ready"


@case("39")
def test_a_reader_does_not_keep_other_readers_waiting(tmp_path: Path) -> None:
    project = Project(tmp_path / "home")
    project.query("SELECT 1")
    with hold(project.warehouse.lock_path, timeout=1, shared=True):
        assert project.query("SELECT count(*) AS n FROM documents") == [{"n": 0}]


@case("40")
def test_a_disk_that_is_full_is_one_clear_error_and_the_next_run_completes(
    open_home: Path, nobody: Unprivileged
) -> None:
    project = Project(open_home)
    project.drop(invoice_name(number="1"), GOOD)
    give_away(open_home)
    assert nobody.land(open_home)["documents"] == 1
    large = digitalocean(*[line()] * 40_000)
    project.drop(invoice_name(number="2"), large)
    small = digitalocean(line(description="web-03"))
    project.drop(invoice_name(number="3"), small)
    give_away(open_home)
    before = project.query("SELECT * FROM documents")

    landed = nobody.land(open_home, largest_file=2_000_000)

    assert landed == {
        "error": f"ArchiveError: the archive {open_home / 'archive'} cannot be written (File too large): make room, or move "
        "it to a larger disk and set ARCADIA_ARCHIVE, then run again; what was not archived is still in the inbox"
    }
    assert project.query("SELECT * FROM documents") == before
    left = [path for path in (open_home / "archive").rglob("*") if path.is_file()]
    assert not [path for path in left if path.name.startswith(".incoming")]
    assert {path.stat().st_size for path in left if len(path.name) == 64} <= {len(GOOD), len(small)}

    assert project.run([APRIL]).success
    assert project.invoice("2")["amount_gross_minor"] == 40_000 * 600
    assert [project.invoice(number)["status"] for number in "123"] == ["ready"] * 3


@case("40")
def test_wherever_the_disk_fills_up_the_file_is_named_and_the_next_landing_completes(
    open_home: Path, nobody: Unprivileged
) -> None:
    project = Project(open_home)
    project.drop(invoice_name(number="1"), GOOD)
    give_away(open_home)
    assert nobody.land(open_home)["documents"] == 1
    project.drop(invoice_name(number="2"), digitalocean(line()))
    give_away(open_home)
    for limit, full in ((1, "archive"), (500, "arcadia.duckdb.work")):
        error = nobody.land(open_home, largest_file=limit)["error"]
        assert str(open_home / full) in error
        assert error.startswith(("ArchiveError: ", "WarehouseError: "))
        assert "File too large" in error
        assert [row["file_name"] for row in project.query("SELECT file_name FROM documents")] == [
            invoice_name(number="1")
        ]
    assert nobody.land(open_home)["problems"] == {}
    assert project.document(invoice_name(number="2"))["status"] == "accepted"


@case("40")
def test_an_inbox_that_is_missing_is_one_clear_error(project_without_finance: Project) -> None:
    project = project_without_finance
    project.inbox.rmdir()
    with pytest.raises(IngestError) as failed:
        project.run([APRIL])
    assert (
        f"the inbox {project.inbox} cannot be read (No such file or directory); make the folder or set ARCADIA_INBOX"
        in str(failed.value)
    )
    assert project.query("SELECT * FROM documents") == []


@case("40")
def test_an_inbox_that_may_not_be_read_is_one_clear_error_and_nothing_is_forgotten(
    open_home: Path, nobody: Unprivileged
) -> None:
    project = Project(open_home)
    project.drop(invoice_name(), GOOD)
    give_away(open_home)
    assert nobody.land(open_home)["documents"] == 1
    project.inbox.chmod(0)

    landed = nobody.land(open_home)

    assert landed == {
        "error": f"InboxError: the inbox {project.inbox} cannot be read (Permission denied); "
        "make the folder or set ARCADIA_INBOX"
    }
    assert project.document(invoice_name())["status"] == "accepted"
