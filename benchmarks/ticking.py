"""Row 13's tick: a look of the sensor at a large inbox. Apart from `starting`, whose sides need not wait for Dagster."""

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from arcadia_dagster.definitions import build_defs
from arcadia_dagster.landing.inbox import FileState
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.resource import WarehouseResource
from arcadia_dagster.warehouse.rows import insert
from arcadia_dagster_tests.kit.generate import digitalocean_invoice, file_name
from benchmarks.measure import Stopwatch

_FOLDERS = 100
_MONTH = date(2024, 1, 1)


def prepare(folder: str, files: str) -> None:
    """Lay the files into the inbox, and note them in the warehouse as a landing does."""
    home = Path(folder)
    content = digitalocean_invoice(seed=1, month=_MONTH, lines=2).content
    sha256 = hashlib.sha256(content).hexdigest()
    rows: list[dict[str, Any]] = []
    for number in range(int(files)):
        name = f"{number % _FOLDERS:02d}/{file_name(_MONTH, '6173678', str(700_000_000 + number))}"
        path = home / "inbox" / name
        if number < _FOLDERS:
            path.parent.mkdir(parents=True)
        path.write_bytes(content)
        state = FileState.of(path.stat())
        rows.append(
            {
                "inbox_path": name,
                "byte_size": state.byte_size,
                "modified_ns": state.modified_ns,
                "changed_ns": state.changed_ns,
                "inode": state.inode,
                "document_sha256": sha256,
            }
        )
    with Warehouse(home / "arcadia.duckdb", lock_timeout=30).write() as connection:
        insert(connection, schema.INBOX_FILES, rows)


def tick(stopwatch: Stopwatch, folder: Path, *, home: str, new: bool) -> dict[str, Any]:
    """The second tick of a process, as all of a deployment's ticks but one are."""
    environ = {"ARCADIA_HOME": home, "ARCADIA_SETTLE_SECONDS": "0"}
    definitions = build_defs(environ=environ)
    sensor = definitions.resolve_sensor_def("new_invoice_files")
    arriving = Path(home) / "inbox" / file_name(_MONTH, "6173678", "1")
    resources = {
        "warehouse": WarehouseResource(path=str(Path(home) / "arcadia.duckdb")),
        "landing": LandingResource(
            inbox=str(Path(home) / "inbox"), archive=str(folder / "archive"), settle_seconds=0.0
        ),
    }
    if new:
        arriving.write_bytes(b"new")
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            for is_timed in (False, True):
                with dg.build_sensor_context(
                    instance=instance, definitions=definitions, resources=resources
                ) as context:
                    if not is_timed:
                        sensor.evaluate_tick(context)
                        continue
                    with stopwatch.running():
                        result = sensor.evaluate_tick(context)
    finally:
        arriving.unlink(missing_ok=True)
    months = [request.tags["dagster/asset_partition_range_start"] for request in result.run_requests or []]
    return {"months": months, "skipped": result.skip_message}
