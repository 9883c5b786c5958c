"""The wheel with the extras of a server: installed by the constraints file, it works on a lake."""

from dataclasses import replace
from pathlib import Path

import pytest

from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster_tests.kit.postgres import files_of
from arcadia_dagster_tests.kit.project import digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.wheel import server_with


@pytest.mark.timeout(600)
def test_the_wheel_with_its_extras_fits_the_constraints_and_ingests_into_a_lake(
    lake: Warehouse, tmp_path: Path
) -> None:
    server = server_with(tmp_path / "server", "buckets", "scale")
    settings = {"ARCADIA_WAREHOUSE": lake.name, "ARCADIA_DATA_PATH": str(files_of(lake))}
    server = replace(server, settings=settings)
    server.arcadia("init")
    (server.folder / "var" / "inbox" / invoice_name()).write_bytes(digitalocean(line(), tax()))
    assert "2026-04" in server.arcadia("ingest")
    with lake.read() as connection:
        rows = connection.execute("SELECT status, amount_gross_minor FROM tax_split_totals").fetchall()
    assert rows == [("ready", 660)]
