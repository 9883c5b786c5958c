import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from subprocess import run

import duckdb
import pytest

from arcadia_dagster.landing.inbox import (
    FINGERPRINT_SQL,
    FileState,
    InboxError,
    InboxFile,
    Look,
    fingerprint,
    is_temporary,
    look,
)

HOUR = 3_600_000_000_000


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    return inbox


def seen(
    inbox: Path, known: Mapping[str, str] | None = None, *, later: int = 0, settle: float = 10.0
) -> Look[InboxFile]:
    return look(inbox, known or {}, now_ns=time.time_ns() + later, settle_seconds=settle)


def paths(files: Iterable[InboxFile]) -> list[str]:
    return sorted(file.inbox_path for file in files)


def put(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_that_was_just_written_is_waited_for_and_then_taken(inbox: Path) -> None:
    put(inbox / "a.csv")
    assert paths(seen(inbox).waiting) == ["a.csv"]
    assert seen(inbox).complete == []
    assert paths(seen(inbox, later=11 * 10**9).complete) == ["a.csv"]
    assert seen(inbox, later=11 * 10**9).waiting == []


def test_a_file_that_was_renamed_into_place_is_complete_at_once(inbox: Path) -> None:
    file = put(inbox / "a.csv.part")
    # The clock of a file system may tick as slowly as every 10 ms.
    while file.rename(inbox / "a.csv").stat().st_ctime_ns == file.with_name("a.csv").stat().st_mtime_ns:
        (inbox / "a.csv").rename(file)
    assert paths(seen(inbox).complete) == ["a.csv"]


def test_a_copy_with_its_old_date_is_complete_at_once(inbox: Path) -> None:
    os.utime(put(inbox / "a.csv"), (10**9, 10**9))
    assert paths(seen(inbox).complete) == ["a.csv"]


def test_a_file_dated_in_the_future_is_taken_once_it_lay_for_a_while(inbox: Path) -> None:
    os.utime(put(inbox / "a.csv"), (4 * 10**9, 4 * 10**9))
    assert paths(seen(inbox).waiting) == ["a.csv"]
    assert paths(seen(inbox, later=HOUR).complete) == ["a.csv"]


def test_an_unchanged_file_is_not_reported_again_and_a_changed_one_is(inbox: Path) -> None:
    put(inbox / "a.csv")
    put(inbox / "b.csv")
    first = seen(inbox, later=HOUR)
    known = {file.inbox_path: fingerprint(file.path.stat()) for file in first.complete}
    again = seen(inbox, known, later=HOUR)
    assert (again.complete, again.waiting, again.seen) == ([], [], 2)
    with (inbox / "a.csv").open("a") as file:
        file.write("more")
    assert paths(seen(inbox, known, later=HOUR).complete) == ["a.csv"]
    # Another file in its place, of the same size and date.
    status = (inbox / "b.csv").stat()
    put(inbox / "c.csv", "y")
    os.utime(inbox / "c.csv", ns=(status.st_atime_ns, status.st_mtime_ns))
    (inbox / "c.csv").rename(inbox / "b.csv")
    assert paths(seen(inbox, known, later=HOUR).complete) == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    ("state", "now", "is_complete"),
    [
        (FileState(1, 100, 100, 1), 105, False),
        (FileState(1, 100, 100, 1), 110, True),
        (FileState(1, 99, 100, 1), 100, True),
        (FileState(1, 200, 100, 1), 105, False),
        (FileState(1, 200, 100, 1), 110, True),
        (FileState(1, 100, 100, 1), 50, False),
    ],
)
def test_a_file_is_complete_once_renamed_or_unchanged_for_long_enough(
    state: FileState, now: int, is_complete: bool
) -> None:
    assert state.is_complete(now_ns=now, settle_ns=10) is is_complete


@pytest.mark.parametrize(
    "name",
    [
        "a.csv.part",
        "a.PART",
        "a.crdownload",
        "a.tmp",
        "a.csv.filepart",
        ".a.csv",
        ".a.csv.swp",
        "~$a.csv",
        "a.csv~",
        "_tmp1",
    ],
)
def test_what_nobody_has_finished_is_not_looked_at(inbox: Path, name: str) -> None:
    assert is_temporary(name)
    put(inbox / name)
    put(inbox / "folder" / name)
    put(inbox / "real.csv")
    found = seen(inbox, later=HOUR)
    assert (paths(found.complete), found.waiting, found.problems, found.seen) == (["real.csv"], [], {}, 1)


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "part.csv", "tmp.csv", "a.tmp.csv", "a~b.csv", "a..csv", "a"])
def test_any_other_name_is_looked_at(name: str) -> None:
    assert not is_temporary(name)


def test_folders_below_the_inbox_are_looked_into_and_hidden_ones_are_not(inbox: Path) -> None:
    put(inbox / "a" / "b" / "c.csv")
    put(inbox / ".git" / "d.csv")
    put(inbox / "copy.tmp" / "e.csv")
    (inbox / "empty").mkdir()
    found = seen(inbox, later=HOUR)
    assert paths(found.complete) == ["a/b/c.csv"]
    assert found.complete[0].name == "c.csv"
    assert found.complete[0].path.read_text() == "x"


@pytest.mark.parametrize("name", ["x.csv.total", "x.csv.TOTAL"])
def test_a_control_total_is_known_by_its_name(inbox: Path, name: str) -> None:
    put(inbox / name)
    put(inbox / "total.csv")
    assert {file.name: file.is_control_total for file in seen(inbox).waiting} == {name: True, "total.csv": False}


def test_case_31_links_pipes_and_sockets_are_reported_and_never_followed(inbox: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "secret.csv")
    (inbox / "file-link.csv").symlink_to(outside)
    (inbox / "folder-link").symlink_to(outside.parent)
    (inbox / "loop").symlink_to(inbox)
    (inbox / "broken.csv").symlink_to("nowhere")
    os.mkfifo(inbox / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(inbox / "socket.csv"))
        put(inbox / "good.CSV")
        found = seen(inbox, later=HOUR)
    assert paths(found.complete) == ["good.CSV"]
    link = "it is a link; only plain files are taken"
    assert found.problems == {
        "file-link.csv": link,
        "folder-link": link,
        "loop": link,
        "broken.csv": link,
        "pipe.csv": "it is a named pipe; only plain files are taken",
        "socket.csv": "it is a socket; only plain files are taken",
    }
    assert found.seen == 7


def test_a_name_that_is_not_utf_8_is_escaped_and_the_file_found(inbox: Path) -> None:
    (inbox / os.fsdecode(b"caf\xe9.csv")).write_text("x")
    put(inbox / "café.csv")
    (file, _) = sorted(seen(inbox, later=HOUR).complete, key=lambda file: "\\" not in file.name)
    assert file.inbox_path == "caf\\xe9.csv"
    assert file.inbox_path.encode()
    assert file.path.read_text() == "x"


@pytest.mark.parametrize(
    "name", ["new\nline.csv", "ta\tb.csv", "'quote'.csv", "a;b.csv", " .csv", "\N{LINE SEPARATOR}.csv"]
)
def test_any_name_that_a_file_can_have_is_kept(inbox: Path, name: str) -> None:
    put(inbox / name)
    assert paths(seen(inbox, later=HOUR).complete) == [name]


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_case_40_an_inbox_that_cannot_be_read_is_an_error_with_the_setting_s_name(tmp_path: Path, kind: str) -> None:
    if kind == "file":
        put(tmp_path / "inbox")
    with pytest.raises(InboxError, match=r"the inbox .*inbox cannot be read .*ARCADIA_INBOX"):
        seen(tmp_path / "inbox")


def test_a_file_that_cannot_be_looked_at_does_not_hide_the_others(inbox: Path) -> None:
    put(inbox / "good.csv")
    # A path of more than 4096 bytes can be made step by step, and not be named as a whole.
    length, folder = len(str(inbox)), os.open(inbox, os.O_RDONLY)
    while length < 3_950:
        name = "d" * min(200, 3_950 - length)
        os.mkdir(name, dir_fd=folder)
        below = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        length, folder = length + 1 + len(name), below
    os.close(os.open("f" * 250, os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.mkdir("e" * 250, dir_fd=folder)
    os.close(folder)
    found = seen(inbox, later=HOUR)
    assert paths(found.complete) == ["good.csv"]
    assert {path.rpartition("/d")[2].lstrip("d/"): problem for path, problem in found.problems.items()} == {
        "f" * 250: "it cannot be looked at (File name too long)",
        "e" * 250 + "/": "the folder cannot be read (File name too long)",
    }


CANNOT_LOOK = "it cannot be looked at (Permission denied)"
WITHOUT_RIGHTS = """
import os, sys, time
from pathlib import Path
from arcadia_dagster.landing.inbox import InboxError, look
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
inbox = Path(sys.argv[1])
found = look(inbox, {}, now_ns=time.time_ns() + 10**15, settle_seconds=1)
print(sorted(file.inbox_path for file in found.complete))
print(sorted(found.problems.items()))
try:
    look(inbox / "closed", {}, now_ns=0, settle_seconds=1)
except InboxError as error:
    print(error.__class__.__name__)
"""


def test_case_31_folders_without_rights_are_reported_and_the_others_read(tmp_path: Path, inbox: Path) -> None:
    for name in ("closed", "listed"):
        put(inbox / name / "a.csv")
    put(inbox / "good.csv")
    temporary = Path(tempfile.gettempdir())
    above = [folder for folder in tmp_path.parents if folder != temporary and folder.is_relative_to(temporary)]
    for folder in (*above, tmp_path, inbox):
        folder.chmod(0o755)
    (inbox / "closed").chmod(0o000)
    (inbox / "listed").chmod(0o444)
    result = run([sys.executable, "-c", WITHOUT_RIGHTS, str(inbox)], capture_output=True, text=True, check=False)
    (inbox / "closed").chmod(0o755)
    (inbox / "listed").chmod(0o755)
    assert result.stdout.splitlines() == [
        "['good.csv']",
        str([("closed/", "the folder cannot be read (Permission denied)"), ("listed/a.csv", CANNOT_LOOK)]),
        "InboxError",
    ], result.stderr


def test_a_kept_state_has_the_fingerprint_of_the_file_itself(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"abc")
    status = file.stat()
    with duckdb.connect() as connection:
        row = connection.execute(
            f"SELECT {FINGERPRINT_SQL} FROM (SELECT $1::BIGINT AS byte_size, $2::BIGINT AS modified_ns, "
            "$3::BIGINT AS changed_ns, $4::BIGINT AS inode, NULL::VARCHAR AS version)",
            [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino],
        ).fetchone()
    assert row == (fingerprint(status),)
