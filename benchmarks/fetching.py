"""Row 15: bills of OVHcloud fetched from a server on this machine, beside a bare loop that sends the same requests."""

import re
from collections.abc import Collection
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx

from arcadia_dagster.providers.api import Pace
from arcadia_dagster.providers.download import fetch
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster_tests.kit.clocks import NOW
from arcadia_dagster_tests.kit.ovhcloud_api import OVHCLOUD, OvhCloudApi, bill
from benchmarks.measure import Side, Stopwatch, require, side_by_side
from benchmarks.report import Results
from benchmarks.size import Size

_FIRST = date(2018, 1, 1)


class _OpenApi(OvhCloudApi):
    """One that takes calls without a signature, for the side that makes none."""

    def _is_signed(self, request: Any) -> bool:  # noqa: ANN401, ARG002 - the kit's
        return True


def measure(results: Results, *, size: Size, rows: Collection[str]) -> None:  # noqa: ARG001 - one row
    """Measure the row."""
    count = size.pick(tiny=5, quick=200, full=2_000)
    ours = Side(f"fetch of {count:,} bills", "fetching:bills", {"count": count})
    bare = Side(f"bare loop of {count:,} bills", "fetching:bare_loop", {"count": count})
    found = side_by_side(ours, bare, runs=size.pick(tiny=1, quick=2, full=3))
    require(found, {"bills": count, "papers": count})
    results.compare(
        "15",
        f"{count:,} bills of OVHcloud fetched into the inbox, each with its details and its PDF, signed and durable",
        found[ours.label],
        "httpx.Client with the same requests, unsigned, and nothing kept",
        found[bare.label],
        most=3.0,
        note="One request at a time on both sides, five for each bill. The server is a thread of the same process.",
    )
    results.cost("15", "bill fetched from a server on this machine", found[ours.label].median / count)


def bills(stopwatch: Stopwatch, folder: Path, *, count: int) -> dict[str, Any]:
    """Fetched as the schedule does."""
    inbox = folder / "inbox"
    inbox.mkdir()
    warehouse = Warehouse(folder / "arcadia.duckdb")
    warehouse.create()
    pace = Pace(clock=lambda: NOW)
    now = datetime.fromtimestamp(NOW, UTC)
    with (
        OvhCloudApi(_listed(count)) as api,
        OVHCLOUD.provider.open(OVHCLOUD.settings(api.url), pace) as account,
        stopwatch.running(),
    ):
        fetched = fetch(account, "ovhcloud", warehouse, inbox, first_month=_FIRST, now=lambda: now)
    names = [path.suffix for path in inbox.iterdir()]
    return {"bills": names.count(".json"), "papers": names.count(".pdf"), "left": fetched.left}


def bare_loop(stopwatch: Stopwatch, folder: Path, *, count: int) -> dict[str, Any]:  # noqa: ARG001 - it keeps nothing
    """The same requests."""
    found = papers = 0
    with (
        _OpenApi(_listed(count)) as api,
        httpx.Client(base_url=api.url, trust_env=False) as client,
        stopwatch.running(),
    ):
        for id_ in client.get("/me/bill").json():
            link = client.get(f"/me/bill/{id_}").json()["pdfUrl"]
            details = client.get(f"/me/bill/{id_}/details").json()
            found += all("totalPrice" in client.get(f"/me/bill/{id_}/details/{one}").json() for one in details)
            papers += client.get(re.sub(r"^https?://[^/]+/1\.0", "", link)).content.startswith(b"%PDF")
    return {"bills": found, "papers": papers, "left": {}}


def _listed(count: int) -> list[dict[str, Any]]:
    months = [date(year, month, 1) for year in range(2018, 2026) for month in range(1, 13)]
    return [bill(number, months[number % len(months)], "119.00") for number in range(count)]
