"""Rows 16 and 17: a month of AWS from a bucket on this machine against the same on disk, and a look at a large bucket."""

import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import duckdb

from arcadia_dagster.landing.inbox import FolderInbox
from arcadia_dagster.landing.inboxes import Inboxes
from arcadia_dagster.landing.landing import Landing
from arcadia_dagster_tests.kit import buckets, plain
from arcadia_dagster_tests.kit.aws import cur2_name
from arcadia_dagster_tests.kit.bucket_listing import listing_of
from benchmarks import aws, sums
from benchmarks.measure import Side, Stopwatch, require, side_by_side
from benchmarks.report import Results
from benchmarks.size import Size

_MONTH, _LOOK = "16", "17"
_PARTS = 50
# As tags are: text that hardly packs, so that a part of 100,000 lines has 20 MB.
_NOTE = " || ".join(f"md5(CAST(i * 7 + {number} AS VARCHAR))" for number in range(12))


def measure(results: Results, *, size: Size, rows: Collection[str]) -> None:
    """Measure the rows."""
    if _MONTH in rows:
        _month(
            results,
            lines=size.pick(tiny=40, quick=20_000, full=100_000),
            parts=size.pick(tiny=2, quick=_PARTS, full=_PARTS),
            runs=size.pick(tiny=1, quick=2, full=3),
        )
    if _LOOK in rows:
        _look(
            results, objects=size.pick(tiny=2_500, quick=100_000, full=100_000), runs=size.pick(tiny=1, quick=2, full=5)
        )


def _month(results: Results, *, lines: int, parts: int, runs: int) -> None:
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder, buckets.running("s3") as store:
        bucket = store.new_bucket()
        source = Path(folder) / "exports"
        source.mkdir()
        for number in range(parts):
            _write(source / f"cur-{number:05}.snappy.parquet", first=number * lines, lines=lines, of=parts * lines)
        byte_size = sum(path.stat().st_size for path in source.iterdir())
        for path in sorted(source.iterdir()):
            store.put(bucket, f"exports/{path.name}", path.read_bytes())
        environ = store.environ()
        found = side_by_side(
            Side("from a bucket", "buckets:land", {"folder_": folder, "bucket": bucket}, environ),
            Side("from a disk", "buckets:land", {"folder_": folder, "bucket": ""}, environ),
            runs=runs,
        )
    require({"from a bucket": found["from a bucket"]}, found["from a disk"].facts)
    require(found, {"lines": parts * lines})
    results.compare(
        _MONTH,
        f"AWS parquet of {byte_size / 1e6:,.0f} MB in {parts} parts from a bucket on this machine, landing to totals",
        found["from a bucket"],
        "the same from a disk",
        found["from a disk"],
        most=1.3,
        note="the bucket is moto's: it has the same processors as the program. "
        f"Memory: {max(found['from a bucket'].peak_mib):.0f} MiB against {max(found['from a disk'].peak_mib):.0f} MiB.",
    )


def _look(results: Results, *, objects: int, runs: int) -> None:
    with listing_of(objects) as url:
        environ = {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
        }
        found = side_by_side(
            Side("look", "buckets:look", {}, environ), Side("list", "buckets:bare_list", {}, environ), runs=runs
        )
    require(found, {"objects": objects})
    results.compare(
        _LOOK,
        f"a look at a bucket of {objects:,} objects, none of them new",
        found["look"],
        "their list, read by obstore, and nothing else",
        found["list"],
        most=2.0,
        note="the server answers from memory: a store elsewhere takes 100 to 200 ms a page of 1,000, whoever asks. A tick stops "
        "after 20 s, and the next goes on.",
    )
    results.cost(_LOOK, "object that lies in a bucket, at each look of the sensor", found["look"].median / objects)


def _write(path: Path, *, first: int, lines: int, of: int) -> None:
    """Write a part of a report; the last line of all is its tax."""
    columns = {cur2_name(name): sql for name, sql in aws.IN_PARQUET.items()} | {"resource_tags_user_note": _NOTE}
    selected = ", ".join(f'{sql.replace("{last}", str(of - 1))} AS "{name}"' for name, sql in columns.items())
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT {selected} FROM range({first}, {first + lines}) AS generated (i)) TO '{path}' (FORMAT parquet)"
        )


def land(stopwatch: Stopwatch, folder: Path, *, folder_: str, bucket: str) -> dict[str, Any]:
    """From landing to totals."""
    (folder / "inbox" / "exports").mkdir(parents=True)
    if not bucket:
        for path in (Path(folder_) / "exports").iterdir():
            # A new link sets the change time only, as a rename does: the file is complete.
            os.link(path, folder / "inbox" / "exports" / path.name)
    warehouse = plain.warehouse_of(folder)
    inbox = Inboxes(folder / "inbox", further=(bucket,)) if bucket else FolderInbox(folder / "inbox")
    archive = plain.archive_of(warehouse)
    with plain.reader_of(warehouse) as reader, stopwatch.running():
        landed = Landing(warehouse, archive, reader).land(inbox, settle_seconds=0)
        plain.build_months(warehouse, archive, reader, landed.months)
    return sums.facts(warehouse.path)


def look(stopwatch: Stopwatch, folder: Path) -> dict[str, Any]:
    """A look at a bucket that was landed; the second time, as all of a deployment's ticks but one are."""
    inboxes = Inboxes(folder, further=("s3://bucket",))
    known = _known(inboxes)
    with stopwatch.running():
        found = inboxes.look(known, now_ns=0, settle_seconds=0)
    if found.complete:
        raise AssertionError(found.complete[:3])
    return {"objects": found.seen}


def _known(inboxes: Inboxes) -> Mapping[str, str]:
    found = inboxes.look({}, now_ns=0, settle_seconds=0)
    return {file.inbox_path: f"{file.state.byte_size}:{file.state.version}" for file in found.complete}


def bare_list(stopwatch: Stopwatch, folder: Path) -> dict[str, Any]:  # noqa: ARG001 - every side has a folder
    """The list alone."""
    import obstore  # noqa: PLC0415 - of an extra
    from obstore.store import S3Store  # noqa: PLC0415

    store = S3Store("bucket", client_options={"allow_http": True})
    with stopwatch.running():
        objects = sum(len(page) for page in obstore.list(store, chunk_size=1_000))
    return {"objects": objects}
