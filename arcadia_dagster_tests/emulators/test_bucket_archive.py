"""The archive in a bucket keeps its promises: bytes under their hash, written once; records that lose no event."""

import os
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from arcadia_dagster import cli
from arcadia_dagster.books import record
from arcadia_dagster.buckets.bucket import Bucket
from arcadia_dagster.buckets.url import BucketUrl
from arcadia_dagster.landing.archive import Archive, ArchiveError, LostBytesError
from arcadia_dagster.landing.bucket_archive import BucketArchive
from arcadia_dagster.landing.inbox import InboxFile, look
from arcadia_dagster.landing.record import MISSING
from arcadia_dagster.resources import Resources
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.settings import load
from arcadia_dagster_tests.kit.buckets import Fault, Store, Way
from arcadia_dagster_tests.kit.project import SECRET, Project, digitalocean, invoice_name, line, tax

APRIL = date(2026, 4, 1)
AT = "2026-05-01T08:00:00+00:00"
RECEIVED = {"event": "received", "at": AT, "file_name": "a.csv", "inbox_path": "a.csv"}
OUTCOME = "SELECT * EXCLUDE (document_sha256) FROM tax_split_totals ORDER BY ALL"


# fake-gcs-server refuses how obstore writes (400; 1.52 of 2026-03): only reading is tried there.
each_that_writes = pytest.mark.parametrize("any_server", ["s3", "az"], indirect=True)


def total(number: int) -> dict[str, str]:
    return {"event": "control_total", "at": AT, "file_name": f"{number}.total", "text": f"USD {number}.00"}


def archive_in(bucket: str, folder: Path, **options: int) -> BucketArchive:
    return BucketArchive(BucketUrl.parse(bucket), cache=folder, max_document_bytes=1 << 30, **options)


def dropped(folder: Path, content: bytes) -> InboxFile:
    folder.mkdir(exist_ok=True)
    (folder / "a.csv").write_bytes(content)
    [file] = look(folder, {}, now_ns=1 << 62, settle_seconds=1).complete
    return file


@each_that_writes
def test_bytes_lie_under_their_hash_and_are_examined_as_in_a_folder(store: Store, tmp_path: Path) -> None:
    archive = archive_in(f"{store.new_bucket()}/deep", tmp_path / "here")
    file = dropped(tmp_path / "in", b"a,b\n1,2\n")
    document = archive.take(file)
    assert document.document_sha256 == sha256(b"a,b\n1,2\n").hexdigest()
    assert archive.records() == {document.document_sha256: MISSING}
    other = archive_in(str(archive.url), tmp_path / "there")
    again = other.examine(document.document_sha256)
    assert again.path.read_bytes() == b"a,b\n1,2\n"
    assert (again.byte_size, again.facts) == (document.byte_size, document.facts)
    assert other.byte_size(document.document_sha256) == 8
    assert other.byte_size("0" * 64) == 0
    with pytest.raises(LostBytesError, match="is missing"):
        other.examine("0" * 64)


def test_a_document_is_written_once(way: Way, s3: Store, tmp_path: Path) -> None:
    archive = archive_in(s3.new_bucket(), tmp_path / "here")
    file = dropped(tmp_path / "in", b"a,b\n1,2\n")
    for _ in range(3):
        archive.take(file)
    archive_in(str(archive.url), tmp_path / "there").take(file)
    assert len([one for one in way.requests if one.startswith("PUT")]) == 1


def test_a_large_document_goes_there_in_pieces_and_comes_back(s3: Store, tmp_path: Path) -> None:
    archive = archive_in(s3.new_bucket(), tmp_path / "here")
    content = b"0123456789abcdef" * (3 << 20)
    document = archive.take(dropped(tmp_path / "in", content))
    other = archive_in(str(archive.url), tmp_path / "there")
    assert other.path_of(document.document_sha256).read_bytes() == content


def test_a_kept_file_that_is_no_text_is_named_with_the_remedy(s3: Store, tmp_path: Path) -> None:
    archive = archive_in(s3.new_bucket(), tmp_path / "here")
    name = "000001-3f9a0c1d2e4b.json"
    Bucket(archive.url).put(f"books/{name}", b"\xff\xfe\x00", instead_of=None)
    for read in (archive.all_kept, archive.last_kept):
        with pytest.raises(ArchiveError) as error:
            read("books", record.VERSION)
        assert str(error.value) == (
            f"{archive.name}/books/{name} cannot be read (it is no UTF-8): restore it from the newest backup"
        )


def test_a_record_only_grows_and_many_writers_lose_nothing(s3: Store, tmp_path: Path) -> None:
    bucket, name = s3.new_bucket(), "a" * 64
    archive_in(bucket, tmp_path).append_all({name: [RECEIVED]})
    before = archive_in(bucket, tmp_path).records()[name]

    def append(writer: int) -> None:
        archive = archive_in(bucket, tmp_path / str(writer))
        for number in range(5):
            archive.append_all({name: [total(writer * 10 + number)]})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, range(4)))
    record = archive_in(bucket, tmp_path).record(name)
    assert record.damage is None
    assert {event["file_name"] for event in record.of("control_total")} == {
        f"{writer * 10 + number}.total" for writer in range(4) for number in range(5)
    }
    assert len(record.events) == 21
    assert archive_in(bucket, tmp_path).records()[name] == record.state != before


def test_an_answer_that_is_lost_appends_nothing_twice(way: Way, s3: Store, tmp_path: Path) -> None:
    bucket, name = s3.new_bucket(), "a" * 64
    archive = archive_in(bucket, tmp_path)
    archive.append_all({name: [RECEIVED]})
    is_lost: list[bool] = []

    def lose(request: str, before: int) -> Fault | None:
        if request.startswith("PUT") and not is_lost:
            is_lost.append(True)
            return Fault(answer_instead=500)
        return None

    way.fault = lose
    archive.append_all({name: [total(1)]})
    assert is_lost
    assert [event["event"] for event in archive.record(name).events] == ["received", "control_total"]


def test_a_damaged_record_is_never_written_over(s3: Store, tmp_path: Path) -> None:
    bucket, name = s3.new_bucket(), "a" * 64
    archive = archive_in(bucket, tmp_path)
    archive.append_all({name: [RECEIVED]})
    s3.put(bucket, f"aa/{name}.jsonl", b"{broken\n")
    with pytest.raises(ArchiveError, match="is damaged"):
        archive.append_all({name: [total(1)]})
    assert archive.record_bytes(name) == b"{broken\n"
    archive.replace_record(
        name, b'{"at": "%s", "event": "received", "file_name": "a", "inbox_path": "a"}\n' % AT.encode()
    )
    assert archive.record(name).damage is None
    assert list(archive.records()) == [name]


def test_bytes_that_were_changed_are_not_used_until_the_same_file_comes_again(s3: Store, tmp_path: Path) -> None:
    bucket = s3.new_bucket()
    archive = archive_in(bucket, tmp_path / "here")
    document = archive.take(dropped(tmp_path / "in", b"a,b\n1,2\n"))
    s3.put(bucket, f"{document.document_sha256[:2]}/{document.document_sha256}", b"a,b\n9,9\n")
    shutil.rmtree(tmp_path / "here")
    with pytest.raises(LostBytesError, match="its SHA-256 is not its name any more"):
        archive.examine(document.document_sha256)
    archive.take(dropped(tmp_path / "in", b"a,b\n1,2\n"))
    assert archive.digest_of(document.document_sha256) == document.document_sha256
    assert archive.examine(document.document_sha256).path.read_bytes() == b"a,b\n1,2\n"


def test_copies_make_room_for_others_and_come_again(s3: Store, tmp_path: Path) -> None:
    archive = archive_in(s3.new_bucket(), tmp_path / "here", cache_bytes=250)
    documents = [archive.take(dropped(tmp_path / "in", b"%03d," % number * 25)) for number in range(5)]
    for age, document in enumerate(documents):
        os.utime(document.path, (10**9 - age, 10**9 - age))
    archive.sync()
    assert [one.path.exists() for one in documents] == [True, True, False, False, False]
    assert archive.path_of(documents[4].document_sha256).exists()
    archive.sync()
    # What is in use stays, whatever the limit.
    assert documents[4].path.exists()


@each_that_writes
def test_a_warehouse_is_rebuilt_from_an_archive_in_a_bucket(store: Store, tmp_path: Path) -> None:
    bucket = f"{store.new_bucket()}/archive"
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET) as sandbox:
        project = Project(tmp_path / "one", sandbox=sandbox, ARCADIA_ARCHIVE=bucket)
        project.drop(invoice_name(), digitalocean(line(), tax()))
        project.drop(f"{invoice_name()}.total", b"USD 6.60")
        project.drop("broken.csv", b"nothing,that,anybody,knows\n1,2,3,4\n")
        (project.home / "sources.toml").write_text(
            '[digitalocean]\nissuer = "DigitalOcean, LLC"\nreason = "its invoices say so"\n'
        )
        project.run([APRIL])
        assert not (project.home / "archive").exists()
        again = Project(tmp_path / "two", sandbox=sandbox, ARCADIA_ARCHIVE=bucket)
        (again.home / "sources.toml").write_text((project.home / "sources.toml").read_text())
        again.run([APRIL])
    assert again.query(OUTCOME) == project.query(OUTCOME) != []
    documents = "SELECT document_sha256, file_name, status, received_at, record FROM documents ORDER BY ALL"
    assert again.query(documents) == project.query(documents)
    answers = [row["action"] for row in again.query("SELECT action FROM finance_records")]
    assert answers == ["updated"]


@pytest.mark.parametrize(
    "requests", ["HEAD .*/[0-9a-f]{64}", r"GET .*/[0-9a-f]{64}\.jsonl", "PUT .*/[0-9a-f]{64}", "PUT .*jsonl"]
)
def test_small_documents_are_archived_and_recorded_several_at_a_time(
    way: Way, s3: Store, tmp_path: Path, requests: str
) -> None:
    together, left = threading.Barrier(4), iter(range(4))

    def wait(request: str, before: int) -> Fault | None:
        if re.fullmatch(requests, request.partition("?")[0]) and next(left, None) is not None:
            # Breaks where nobody else asks meanwhile.
            together.wait(20)
        return None

    project = Project(tmp_path, ARCADIA_ARCHIVE=s3.new_bucket())
    for number in range(6):
        project.drop(invoice_name(number=str(number)), digitalocean(line(amount=f"${number}.00")))
    way.fault = wait
    land(project)
    assert next(left, None) is None
    assert not together.broken
    assert project.query("SELECT count(*) AS count FROM documents") == [{"count": 6}]


@pytest.mark.parametrize("requests", [r"GET .*/[0-9a-f]{64}\.jsonl", "HEAD .*/[0-9a-f]{64}", "GET .*/[0-9a-f]{64}"])
def test_a_warehouse_is_rebuilt_by_several_requests_at_a_time(
    way: Way, s3: Store, tmp_path: Path, requests: str
) -> None:
    bucket = s3.new_bucket()
    project = Project(tmp_path / "one", ARCADIA_ARCHIVE=bucket)
    for number in range(6):
        project.drop(invoice_name(number=str(number)), digitalocean(line(amount=f"${number}.00")))
    land(project)
    together, left = threading.Barrier(4), iter(range(4))

    def wait(request: str, before: int) -> Fault | None:
        if re.fullmatch(requests, request.partition("?")[0]) and next(left, None) is not None:
            together.wait(20)
        return None

    way.fault = wait
    again = Project(tmp_path / "two", ARCADIA_ARCHIVE=bucket)
    land(again)
    assert next(left, None) is None
    assert not together.broken
    assert again.query("SELECT count(*) AS count FROM documents") == [{"count": 6}]


def land(project: Project) -> None:
    """What the first step of a run does."""
    Resources.of(load(project.environ)).landing.land(project.warehouse)


def test_a_folder_can_be_copied_into_a_bucket(s3: Store, tmp_path: Path) -> None:
    folder = Archive(tmp_path / "archive", max_document_bytes=1 << 20)
    document = folder.take(dropped(tmp_path / "in", b"a,b\n1,2\n"))
    folder.append_all({document.document_sha256: [RECEIVED]})
    bucket = s3.new_bucket()
    for path in folder.folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            s3.put(bucket, path.relative_to(folder.folder).as_posix(), path.read_bytes())
    archive = archive_in(bucket, tmp_path / "here")
    assert archive.record(document.document_sha256).text == folder.record(document.document_sha256).text
    assert archive.examine(document.document_sha256).byte_size == 8


def test_where_the_archive_cannot_be_written_the_file_stays_for_the_next_time(
    way: Way, s3: Store, tmp_path: Path
) -> None:
    archive = archive_in(s3.new_bucket(), tmp_path / "here")
    file = dropped(tmp_path / "in", b"a,b\n1,2\n")
    way.fault = lambda request, _: Fault(403, "AccessDenied") if request.startswith("PUT") else None
    with pytest.raises(
        ArchiveError, match=r"this program may not write there .* give its identity the right s3:PutObject"
    ):
        archive.take(file)
    way.fault = lambda *_: None
    assert archive.records() == {}
    archive.take(file)
    assert len(archive.records()) == 1


def test_the_doctor_tries_the_archive(
    s3: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = s3.new_bucket()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCADIA_HOME", str(tmp_path))
    for archive, verdict in ((bucket, "ok"), (f"{bucket}-missing", "failed")):
        monkeypatch.setenv("ARCADIA_ARCHIVE", archive)
        cli.main(["doctor"])
        [told] = [line_ for line_ in capsys.readouterr().out.splitlines() if line_[7:].startswith(" archive ")]
        assert told.startswith(f"{verdict:<7} archive    ")
