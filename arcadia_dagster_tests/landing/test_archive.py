import hashlib
import json
import os
import sys
import time
from pathlib import Path
from subprocess import PIPE, Popen, run

import pytest

from arcadia_dagster.landing.archive import Archive, ArchiveError
from arcadia_dagster.landing.inbox import InboxFile, NotTakenError, StillChangingError, look
from arcadia_dagster.landing.record import MISSING
from arcadia_dagster_tests.kit.ticks import wait_for_the_tick_after

LIMIT = 1_000_000


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    return inbox


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive", max_document_bytes=LIMIT)


def dropped(inbox: Path, content: bytes = b"a,b\n1,2\n", name: str = "a.csv") -> InboxFile:
    (inbox / name).write_bytes(content)
    found = look(inbox, {}, now_ns=time.time_ns() + 10**12, settle_seconds=1)
    return next(file for file in found.complete if file.name == name)


def archived_files(archive: Archive) -> list[Path]:
    return sorted(path for path in archive.folder.rglob("*") if path.is_file()) if archive.folder.exists() else []


@pytest.mark.parametrize("content", [b"", b"x", "é,😀\r\n".encode() * 150_000, b"\x00\xff" * 10])
def test_a_document_is_kept_byte_for_byte_under_its_hash(inbox: Path, content: bytes) -> None:
    archive = Archive(inbox.parent / "archive", max_document_bytes=10_000_000)
    document = archive.take(dropped(inbox, content))
    assert document.document_sha256 == hashlib.sha256(content).hexdigest()
    assert document.path == archive.path_of(document.document_sha256)
    assert document.path.read_bytes() == content == (inbox / "a.csv").read_bytes()
    assert document.path.stat().st_mode & 0o222 == 0
    assert document.byte_size == len(content)
    assert archived_files(archive) == [document.path]
    assert archive.examine(document.document_sha256) == document


def test_case_20_the_same_bytes_under_two_names_are_one_document(inbox: Path, archive: Archive) -> None:
    first = archive.take(dropped(inbox, name="a.csv"))
    before = first.path.stat()
    second = archive.take(dropped(inbox, name="b.csv"))
    assert first == second
    assert second.path.stat() == before
    assert archived_files(archive) == [first.path]


def test_bytes_that_a_power_cut_cut_short_are_replaced(inbox: Path, archive: Archive) -> None:
    document = archive.take(dropped(inbox))
    document.path.chmod(0o644)
    document.path.write_bytes(b"")
    again = archive.take(dropped(inbox))
    assert again.path.read_bytes() == b"a,b\n1,2\n"
    assert archived_files(archive) == [document.path]


def test_case_32_a_file_over_the_limit_is_not_taken_and_says_which_setting(inbox: Path, archive: Archive) -> None:
    with pytest.raises(NotTakenError, match=f"it has {LIMIT + 1} bytes, more than ARCADIA_MAX_DOCUMENT_BYTES={LIMIT}"):
        archive.take(dropped(inbox, b"x" * (LIMIT + 1)))
    assert archived_files(archive) == []
    assert archive.take(dropped(inbox, b"x" * LIMIT, "b.csv")).byte_size == LIMIT


def test_case_31_a_file_that_became_a_link_since_the_look_is_not_followed(
    inbox: Path, archive: Archive, tmp_path: Path
) -> None:
    file = dropped(inbox)
    (tmp_path / "secret").write_text("secret")
    file.path.unlink()
    file.path.symlink_to(tmp_path / "secret")
    with pytest.raises(NotTakenError, match="it is a link; only plain, readable files are taken"):
        archive.take(file)
    assert archived_files(archive) == []


def test_case_31_a_folder_that_became_a_link_since_the_look_is_not_followed(
    inbox: Path, archive: Archive, tmp_path: Path
) -> None:
    (inbox / "folder").mkdir()
    (inbox / "folder" / "a.csv").write_text("mine")
    (file,) = look(inbox, {}, now_ns=time.time_ns() + 10**12, settle_seconds=1).complete
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.csv").write_text("evil")
    (inbox / "folder").rename(tmp_path / "moved")
    (inbox / "folder").symlink_to(tmp_path / "other")
    with pytest.raises(StillChangingError):
        archive.take(file)
    assert archived_files(archive) == []


def test_case_31_a_file_that_became_a_pipe_since_the_look_is_not_waited_for(inbox: Path, archive: Archive) -> None:
    file = dropped(inbox)
    file.path.unlink()
    os.mkfifo(file.path)
    with pytest.raises(NotTakenError, match="it is no plain file"):
        archive.take(file)


def test_a_file_that_is_gone_is_left_for_later(inbox: Path, archive: Archive) -> None:
    file = dropped(inbox)
    file.path.unlink()
    with pytest.raises(StillChangingError):
        archive.take(file)


@pytest.mark.parametrize("change", ["appended", "rewritten", "replaced", "grown_over_the_limit"])
def test_a_file_that_changed_since_the_look_is_left_for_later_and_nothing_of_it_kept(
    inbox: Path, archive: Archive, change: str
) -> None:
    file = dropped(inbox)
    before = file.path.stat().st_ctime_ns
    while file.path.stat().st_ctime_ns == before:
        match change:
            case "appended":
                with file.path.open("a") as more:
                    more.write("3,4\n")
            case "rewritten":
                file.path.write_bytes(b"a,b\n1,3\n")
            case "replaced":
                (inbox / "new").write_bytes(b"a,b\n1,3\n")
                (inbox / "new").rename(file.path)
            case "grown_over_the_limit":
                file.path.write_bytes(b"x" * (LIMIT + 1))
    with pytest.raises(StillChangingError):
        archive.take(file)
    assert archived_files(archive) == []


GROWING = """
import sys, time
end = time.monotonic() + 20
with open(sys.argv[1], "ab", 0) as file:
    while time.monotonic() < end and file.tell() < 50_000_000:
        file.write(b"x" * 100)
"""


def test_a_file_that_grows_while_it_is_read_is_left_for_later(inbox: Path) -> None:
    archive = Archive(inbox.parent / "archive", max_document_bytes=100_000_000)
    (inbox / "a.csv").write_bytes(b"x" * 100_000)
    taken = 0
    with Popen([sys.executable, "-c", GROWING, str(inbox / "a.csv")]) as writer:
        try:
            while writer.poll() is None:
                found = look(inbox, {}, now_ns=time.time_ns() + 10**12, settle_seconds=1)
                try:
                    # The writer may well have paused meanwhile: what was taken then is what was seen.
                    document = archive.take(found.complete[0])
                except StillChangingError:
                    break
                assert document.byte_size == found.complete[0].state.byte_size
                taken += 1
            else:
                pytest.fail("the file was never seen to change")
        finally:
            writer.kill()
    assert len(archived_files(archive)) <= taken


EVENTS = [
    {
        "event": "received",
        "at": "2026-05-01T00:00:00+00:00",
        "file_name": "a\u2028b\u0085\x0b\x1c.csv",
        "inbox_path": "ü/😀",
    },
    {
        "event": "decided",
        "at": "2026-05-02T00:00:00+00:00",
        "decision": "void",
        "decided_by": "ann",
        "source": "digitalocean",
        "account_id": "77",
        "external_id": "1001",
        "reason": 'line\nbreak\r\n"quotes" \\',
    },
    {"event": "received", "at": "2026-05-03T00:00:00+00:00", "file_name": "c.csv", "inbox_path": "c.csv"},
]


def test_a_record_tells_its_events_in_order_whatever_is_in_them(inbox: Path, archive: Archive) -> None:
    sha256 = archive.take(dropped(inbox)).document_sha256
    assert (archive.record(sha256).events, archive.record(sha256).damage) == ((), "it is missing")
    archive.append_all({sha256: EVENTS[:2]})
    archive.append_all({sha256: EVENTS[2:]})
    archive.append_all({sha256: []})
    record = archive.record(sha256)
    assert (record.document_sha256, record.damage) == (sha256, None)
    assert list(record.events) == EVENTS
    assert list(record.of("received")) == [EVENTS[0], EVENTS[2]]
    assert list(record.of("alias")) == []


def test_nothing_is_appended_to_a_damaged_record(inbox: Path, archive: Archive) -> None:
    taken = [archive.take(dropped(inbox, f"{n}".encode(), f"{n}.csv")).document_sha256 for n in range(2)]
    archive.append_all(dict.fromkeys(taken, EVENTS))
    path = archive.record_path(taken[1])
    whole, other = path.read_bytes(), archive.record_path(taken[0]).read_bytes()
    for end in range(len(whole) - 60, len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(ArchiveError, match=rf"{path} is damaged \(line 3: it is cut off.*nothing was added"):
            archive.append_all(dict.fromkeys(taken, EVENTS[2:]))
        assert path.read_bytes() == whole[:end]
    assert archive.record_path(taken[0]).read_bytes() == other
    assert len(archived_files(archive)) == 6


KILLED = """
import os, sys, json
from pathlib import Path
from arcadia_dagster.landing.archive import Archive
archive = Archive(Path(sys.argv[1]), max_document_bytes=10**9)
event = dict(json.loads(sys.argv[3]), reason="x" * 200_000)
while True:
    archive.append_all({sys.argv[2]: [event]})
    print("appended", flush=True)
"""


def test_a_record_whose_writer_is_killed_at_any_moment_is_as_it_was_or_as_it_is_to_be(
    inbox: Path, archive: Archive
) -> None:
    sha256 = archive.take(dropped(inbox)).document_sha256
    archive.append_all({sha256: EVENTS})
    command = [sys.executable, "-c", KILLED, str(archive.folder), sha256, json.dumps(EVENTS[1])]
    known = len(archive.record(sha256).events)
    for number in range(5):
        with Popen(command, stdout=PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(number + 1):
                writer.stdout.readline()
            writer.kill()
            acknowledged = number + 1 + len(writer.stdout.read().splitlines())
        record = archive.record(sha256)
        assert record.damage is None
        assert acknowledged <= len(record.events) - known <= acknowledged + 1
        known = len(record.events)


def test_the_record_is_one_json_object_a_line(inbox: Path, archive: Archive) -> None:
    sha256 = archive.take(dropped(inbox)).document_sha256
    archive.append_all({sha256: EVENTS})
    lines = archive.record_path(sha256).read_bytes().split(b"\n")
    told = [json.loads(line) for line in lines[:-1]]
    assert [{name: line[name] for name in line if name != "previous"} for line in told] == EVENTS
    assert [line["previous"] for line in told] == [
        hashlib.sha256(b"\n".join([sha256.encode(), *lines[:number], b""])).hexdigest() for number in range(3)
    ]
    assert lines[-1] == b""


def test_a_look_tells_how_every_record_is_and_which_document_has_none(inbox: Path, archive: Archive) -> None:
    assert archive.records() == {}
    taken = [archive.take(dropped(inbox, f"{n}".encode(), f"{n}.csv")).document_sha256 for n in range(5)]
    assert archive.records() == dict.fromkeys(sorted(taken), MISSING)
    for sha256 in taken[:3]:
        archive.append_all({sha256: EVENTS[:1]})
    (archive.folder / "ab").mkdir(exist_ok=True)
    (archive.folder / "ab" / "notes.jsonl").write_text("{}")
    archive.path_of(taken[0]).unlink()
    assert list(archive.records()) == sorted(taken)
    assert archive.records() == {sha256: archive.record(sha256).state for sha256 in sorted(taken)}
    assert [sha256 for sha256, state in archive.records().items() if state == MISSING] == sorted(taken[3:])


def test_a_record_that_was_changed_looks_otherwise_whatever_its_length_and_its_date(
    inbox: Path, archive: Archive
) -> None:
    sha256 = archive.take(dropped(inbox)).document_sha256
    archive.append_all({sha256: EVENTS})
    path, before = archive.record_path(sha256), archive.records()
    dates = path.stat()
    wait_for_the_tick_after(path)
    path.write_bytes(path.read_bytes().replace(b"void", b"voix"))
    os.utime(path, ns=(dates.st_atime_ns, dates.st_mtime_ns))
    assert path.stat().st_size == dates.st_size
    assert archive.records() != before


def test_a_record_that_cannot_be_read_is_damaged_and_read_again_at_the_next_look(inbox: Path, archive: Archive) -> None:
    sha256 = archive.take(dropped(inbox)).document_sha256
    archive.record_path(sha256).mkdir()
    record = archive.record(sha256)
    assert (record.damage, record.state, archive.records()) == (
        "it cannot be read (it is no plain file)",
        MISSING,
        {sha256: MISSING},
    )


FULL_DISK = """
import resource, sys, time
from pathlib import Path
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.inbox import look
(file,) = look(Path(sys.argv[1]), {}, now_ns=time.time_ns() + 10**12, settle_seconds=1).complete
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    Archive(Path(sys.argv[2]), max_document_bytes=10**9).take(file)
except OSError as error:
    print(error)
"""


def test_case_40_where_the_archive_cannot_be_written_nothing_half_written_is_left(
    inbox: Path, archive: Archive
) -> None:
    dropped(inbox, b"x" * 100_000)
    command = [sys.executable, "-c", FULL_DISK, str(inbox), str(archive.folder)]
    found = run(command, capture_output=True, text=True, check=True).stdout
    assert found.startswith(f"the archive {archive.folder} cannot be written (File too large)")
    assert "ARCADIA_ARCHIVE" in found
    assert archived_files(archive) == []


FULL_DISK_MENDING = """
import resource, sys
from pathlib import Path
from arcadia_dagster.landing.archive import Archive
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    Archive(Path(sys.argv[1]), max_document_bytes=10**9).replace_record(sys.argv[2], b"{}")
except OSError as error:
    print(error)
"""


def test_case_40_where_a_damaged_record_cannot_be_replaced_nothing_stays_beside_it(
    inbox: Path, archive: Archive
) -> None:
    sha256 = archive.take(dropped(inbox)).document_sha256
    archive.append_all({sha256: EVENTS})
    before = {path: path.read_bytes() for path in archived_files(archive)}
    command = [sys.executable, "-c", FULL_DISK_MENDING, str(archive.folder), sha256]
    found = run(command, capture_output=True, text=True, check=True).stdout
    assert found.startswith(f"the archive {archive.folder} cannot be written (File too large)")
    assert {path: path.read_bytes() for path in archived_files(archive)} == before


FULL_DISK_APPENDING = """
import json, resource, sys
from pathlib import Path
from arcadia_dagster.landing.archive import Archive
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    Archive(Path(sys.argv[1]), max_document_bytes=10**9).append_all({sys.argv[2]: [json.loads(sys.argv[3])] * 100})
except OSError as error:
    print(error)
"""


def test_case_40_where_a_record_cannot_be_written_it_stays_as_it_was(inbox: Path, archive: Archive) -> None:
    sha256 = archive.take(dropped(inbox)).document_sha256
    archive.append_all({sha256: EVENTS})
    before = {path: path.read_bytes() for path in archived_files(archive)}
    command = [sys.executable, "-c", FULL_DISK_APPENDING, str(archive.folder), sha256, json.dumps(EVENTS[1])]
    found = run(command, capture_output=True, text=True, check=True).stdout
    assert found.startswith(f"the archive {archive.folder} cannot be written (File too large)")
    assert {path: path.read_bytes() for path in archived_files(archive)} == before


def test_taking_leaves_no_file_open(inbox: Path, archive: Archive) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    before = count()
    document = archive.take(dropped(inbox))
    archive.append_all({document.document_sha256: EVENTS})
    archive.record(document.document_sha256)
    file = dropped(inbox, name="b.csv")
    file.path.unlink()
    os.mkfifo(file.path)
    with pytest.raises(NotTakenError):
        archive.take(file)
    assert count() == before
