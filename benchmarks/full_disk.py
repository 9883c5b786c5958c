"""Disks that fill up in mid-write: `python -m benchmarks.full_disk`, part of `make crashes`.

A file system in memory is made just so large that an ingest, or the records of a delivery, do not fit: at several sizes. Each
time there must be one clear error and nothing half-written; with more room the next try must complete it. Mounting needs no
rights: it happens in a namespace of this process (util-linux's `unshare`).
"""

import argparse
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from arcadia_dagster.landing.archive import ArchiveError
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.warehouse import Warehouse, WarehouseError
from arcadia_dagster_tests.kit.books import SECRET, Books, invoice
from arcadia_dagster_tests.kit.ingest_crashes import LINES, IngestStory
from arcadia_dagster_tests.kit.plain import build

NAMESPACE = "ARCADIA_BENCHMARKS_IN_NAMESPACE"
_PAGE = 4096
_INVOICES = 120
_ROOMY = "size=256m"


def main() -> int:
    """Fill disks up; tell in how many cases there was an error, and of which kind."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_disk", description=__doc__)
    parser.add_argument("--times", type=int, default=15, help="how many sizes of disk; default: %(default)s")
    options = parser.parse_args()
    if NAMESPACE not in os.environ:
        own = [sys.executable, "-m", "benchmarks.full_disk", "--times", str(options.times)]
        command = ["unshare", "--map-root-user", "--mount", *own]
        return subprocess.run(command, env={**os.environ, NAMESPACE: "1"}, check=False).returncode
    chance = random.Random(1)
    found: Counter[str] = Counter()
    with TemporaryDirectory(prefix="arcadia-full-disk-") as name:
        folder = Path(name)
        disk = folder / "disk"
        disk.mkdir()
        with RunningSandbox(database=folder / "finance.sqlite", secret=SECRET) as sandbox:
            for number in range(options.times):
                found[f"ingest: {ingest_on(disk, chance)}"] += 1
                found[f"delivery: {deliver_on(disk, chance, sandbox, f'disk{number}')}"] += 1
    for what, count in found.most_common():
        print(f"  {count:4} {what}")
    print("After each, nothing was half-written, and with more room the next try completed it.")
    return 0


def ingest_on(disk: Path, chance: random.Random) -> str:
    """Ingest a new version of two months where the disk fills up; what was told."""
    mount(disk, _ROOMY)
    try:
        story = IngestStory.prepared(disk / "home", new_lines=20 * LINES)
        told = "there was room"
        shrink(disk, leave=chance.randrange(0, 1_500_000))
        try:
            build(story.project.warehouse)
        except (ArchiveError, WarehouseError) as error:
            told = clear(error, disk)
        mount(disk, f"remount,{_ROOMY}")
        story.assert_whole_months_and_completed(lines=20 * LINES)
        return told
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def deliver_on(disk: Path, chance: random.Random, sandbox: RunningSandbox, name: str) -> str:
    """Deliver where the disk fills up with the records; what was told."""
    mount(disk, _ROOMY)
    try:
        books = Books(Warehouse(disk / "arcadia.duckdb", lock_timeout=30))
        books.hold(*(invoice(f"{name}-{number}") for number in range(_INVOICES)))
        told = "there was room"
        shrink(disk, leave=chance.randrange(0, 600_000))
        try:
            books.deliver(sandbox.url)
        except WarehouseError as error:
            told = clear(error, disk)
        mount(disk, f"remount,{_ROOMY}")
        books.deliver(sandbox.url)
        rows = [row for row in sandbox.invoices() if row["external_id"].rpartition("-")[0] == name]
        records = books.query("SELECT external_id, state, finance_invoice_id FROM finance_records")
        assert {row["state"] for row in records} == {"delivered"}
        assert {row["external_id"]: row["finance_invoice_id"] for row in records} == {
            row["external_id"]: row["invoice_id"] for row in rows
        }
        assert len(rows) == len(records) == _INVOICES
        return told
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def mount(disk: Path, options: str) -> None:
    """A file system in memory, or the same with another size."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=True)


def shrink(disk: Path, *, leave: int) -> None:
    """Leave so many bytes of room on the disk."""
    status = os.statvfs(disk)
    used = (status.f_blocks - status.f_bfree) * status.f_frsize
    mount(disk, f"remount,size={(used + leave) // _PAGE * _PAGE + _PAGE}")


def clear(error: Exception, disk: Path) -> str:
    """The kind of the error, which must name what was to be written and why it could not be."""
    text = str(error)
    if str(disk) not in text or "No space left" not in text:
        raise AssertionError(f"not a clear error: {text}") from error
    return type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
