"""What happens to files between the inbox and the figures."""

import os
import shutil
import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.decisions.decision import DecisionError, decide
from arcadia_dagster.landing.inbox import FileState, InboxFile
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster_tests.kit.plain import archive_of, build, land_only
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.ticks import wait_for_the_tick_after

APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)
NAME = invoice_name()
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CONTENT = digitalocean(line(), tax())
CHEAPER = digitalocean(line(amount="$5.00"), tax(amount="$0.50"))
IN_MAY = digitalocean(line(start="2026-05-01 00:00:00 +0000", end="2026-05-31 23:59:59 +0000"))


def totals(project: Project) -> dict[str, tuple[date, int]]:
    return {
        row["external_id"]: (row["invoice_month"], row["amount_gross_minor"])
        for row in project.query("SELECT * FROM tax_split_totals")
    }


def push(project: Project) -> Any:
    return project.finance.deliver(project.warehouse)


def inbox_file(path: Path, inbox: Path) -> InboxFile:
    return InboxFile(str(path.relative_to(inbox)), path, FileState.of(path.stat()))


def test_a_file_renamed_into_place_is_taken_at_once(project: Project) -> None:
    partial = project.inbox / f"{NAME}.part"
    partial.write_bytes(CONTENT)
    wait_for_the_tick_after(partial)
    partial.rename(project.inbox / NAME)
    began = time.monotonic()
    landed = land_only(project.warehouse, settle_seconds=30)
    assert time.monotonic() - began < 10
    assert (len(landed.documents), landed.waiting) == (1, [])


def test_a_file_that_is_written_in_place_is_waited_for_and_taken_in_the_same_run(project: Project) -> None:
    (project.inbox / NAME).write_bytes(CONTENT)
    landed = land_only(project.warehouse, settle_seconds=0.3)
    assert (len(landed.documents), landed.waiting) == (1, [])


def test_a_file_that_is_still_growing_is_left_and_reported_and_taken_whole_later(project: Project) -> None:
    path = project.inbox / NAME
    stop = threading.Event()
    rows = [line(description=f"web-{number:02}") for number in range(500)]

    def grow() -> None:
        with path.open("wb", buffering=0) as file:
            file.write(digitalocean(rows[0]))
            for row in rows[1:]:
                if stop.wait(0.02):
                    break
                file.write(f"{row}\n".encode())

    writer = threading.Thread(target=grow)
    writer.start()
    while not path.exists():
        time.sleep(0.01)
    landed = land_only(project.warehouse, settle_seconds=0.3)
    stop.set()
    writer.join()
    assert (landed.documents, landed.waiting, landed.seen) == ([], [NAME], 1)

    build(project.warehouse, settle_seconds=0.3)
    assert len(project.lines()) == len(path.read_text().splitlines()) - 1


def test_a_file_that_was_copied_with_its_old_date_is_seen(project: Project, tmp_path: Path) -> None:
    build(project.warehouse)
    old = tmp_path / NAME
    old.write_bytes(CONTENT)
    os.utime(old, (1_500_000_000, 1_500_000_000))
    shutil.copy2(old, project.inbox / NAME)
    landed = land_only(project.warehouse, settle_seconds=5)
    assert len(landed.documents) == 1
    # It arrived when it was put here, not when it was written years ago.
    arrived = project.document(NAME)["received_at"].replace(tzinfo=UTC)
    assert datetime.now(UTC) - arrived < timedelta(minutes=1)


def test_unfinished_and_hidden_files_are_none_and_links_are_named(project: Project, tmp_path: Path) -> None:
    for name in (f"{NAME}.part", f".{NAME}", f"{NAME}.crdownload", f"~${NAME}", f"{NAME}~"):
        (project.inbox / name).write_bytes(CONTENT)
    (tmp_path / "elsewhere.csv").write_bytes(CONTENT)
    (project.inbox / "link.csv").symlink_to(tmp_path / "elsewhere.csv")
    os.mkfifo(project.inbox / "pipe.csv")
    landed = land_only(project.warehouse)
    assert (landed.documents, landed.waiting) == ([], [])
    assert sorted(landed.problems) == ["link.csv", "pipe.csv"]
    assert sorted(row["inbox_path"] for row in project.query("SELECT * FROM inbox_files")) == ["link.csv", "pipe.csv"]

    (project.inbox / "link.csv").unlink()
    (project.inbox / "pipe.csv").unlink()
    land_only(project.warehouse)
    assert project.query("SELECT * FROM inbox_files") == []


def test_a_file_that_is_too_large_is_named_and_taken_when_the_limit_is_raised(project: Project) -> None:
    project.drop(NAME, CONTENT)
    landed = land_only(project.warehouse, max_document_bytes=len(CONTENT) - 1)
    assert "ARCADIA_MAX_DOCUMENT_BYTES" in landed.problems[NAME]
    landed = land_only(project.warehouse, max_document_bytes=len(CONTENT))
    assert (len(landed.documents), landed.problems) == (1, {})


def test_the_inbox_is_never_changed(project: Project) -> None:
    project.drop(NAME, CONTENT)
    project.drop("sub/bad.csv", b"product,description,hours,start,end,USD\nx,y,z,a,b,c\n")

    def state() -> list[tuple[str, bytes, int]]:
        files = sorted(path for path in project.inbox.rglob("*") if path.is_file())
        return [(str(path), path.read_bytes(), path.stat().st_ctime_ns) for path in files]

    before = state()
    build(project.warehouse)
    assert state() == before


def test_a_decision_that_makes_no_sense_is_refused_and_leaves_no_trace(project: Project) -> None:
    project.drop(NAME, CONTENT)
    build(project.warehouse)
    sha256 = project.document(NAME)["document_sha256"]
    invoice = InvoiceKey("digitalocean", "77", "1001")
    good: dict[str, Any] = {"decision": "release", "document_sha256": sha256, "invoice": invoice, "reason": "because"}
    bad: list[tuple[dict[str, Any], str]] = [
        ({"reason": " \n"}, "a reason is needed"),
        ({"document_sha256": "0" * 64}, "no document 0000"),
        ({"invoice": InvoiceKey("digitalocean", "77", "1002")}, "does not state the invoice digitalocean 77 1002"),
        ({"invoice": None}, "release: expected an invoice"),
        ({"decision": "dismiss"}, "dismiss: expected a document"),
        ({}, "1001 is not held: there is nothing to release"),
    ]
    for change, expected in bad:
        with pytest.raises(DecisionError, match=expected):
            decide(project.warehouse, archive_of(project.warehouse), by="ann", now=NOW, **{**good, **change})
    assert list(archive_of(project.warehouse).record(sha256).of("decided")) == []
    assert project.query("SELECT * FROM decisions") == []


@pytest.mark.parametrize("is_gone", [False, True], ids=["still in the inbox", "gone from the inbox"])
def test_a_crash_between_archive_and_register_heals(project: Project, is_gone: bool) -> None:
    project.drop(invoice_name(number="1002"), CHEAPER)
    build(project.warehouse)
    path = project.drop(NAME, CONTENT)
    archive = archive_of(project.warehouse)
    document = archive.take(inbox_file(path, project.inbox))
    at = datetime.now(UTC).isoformat()
    event = {"event": "received", "at": at, "file_name": NAME, "inbox_path": NAME}
    archive.append_all({document.document_sha256: [event]})
    if is_gone:
        path.unlink()

    landed = build(project.warehouse)

    assert landed.documents == [document.document_sha256]
    assert totals(project) == {"1001": (APRIL, 660), "1002": (APRIL, 550)}
    assert len(list(archive.record(document.document_sha256).of("received"))) == 1


def test_a_crash_in_the_middle_of_the_record_heals(project: Project) -> None:
    path = project.drop(NAME, CONTENT)
    archive = archive_of(project.warehouse)
    document = archive.take(inbox_file(path, project.inbox))
    record = archive.record_path(document.document_sha256)
    record.with_name(f"{record.name}.new").write_text('{"at": "2026-04-')
    landed = build(project.warehouse)
    assert (totals(project), landed.damaged) == ({"1001": (APRIL, 660)}, {})
    assert project.invoice()["status"] == "ready"
