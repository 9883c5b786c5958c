"""Row 7: delivering many invoices to a server that answers at once, beside a bare loop that keeps no record of it."""

import asyncio
import json
import shutil
import statistics
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from arcadia_dagster.billing import payload
from arcadia_dagster.finance.client import IMPORT_PATH, FinanceClient
from arcadia_dagster.finance.delivery import Delivery
from arcadia_dagster.finance.outstanding import Recipient
from arcadia_dagster.finance.token import Identity, TokenMint
from arcadia_dagster.settings import FINANCE_CONCURRENCY
from arcadia_dagster.store.query import fetch
from arcadia_dagster.warehouse.relations import ready_invoices_sql
from arcadia_dagster_tests.kit.generate import write_months
from arcadia_dagster_tests.kit.plain import warehouse_of
from benchmarks.answering import answering, raw_rate, received
from benchmarks.home import build_elsewhere, stated_sums
from benchmarks.measure import Samples, Side, Stopwatch, ratios, require, side_by_side
from benchmarks.report import Comparison, Results
from benchmarks.size import Size

_MONTHS = 4
_LINES = 3
_LEAST_RATE = 0.8
_MOST_GROWTH = 1.2
_TENANT = "platform-admin"
_SECRET = "benchmark-" * 4


def measure(results: Results, *, size: Size, rows: Collection[str]) -> None:  # noqa: ARG001 - one row
    """Measure the row."""
    few, many = size.pick(tiny=(8, 16), quick=(400, 2_000), full=(2_000, 10_000))
    of_few, _ = _samples(few, 1)
    mine, bare = _samples(many, size.pick(tiny=1, quick=2, full=5))
    rate = statistics.median(1 / ratio for ratio in ratios(mine, bare))
    limit = _own_limit(seconds=size.pick(tiny=0.2, quick=3.0, full=5.0))
    results.add(
        Comparison(
            "7",
            f"{many:,} invoices delivered to a server that answers at once, each with its intent and answer on record",
            "a bare loop of httpx.AsyncClient with the same bodies",
            f"{mine.shown} against {bare.shown}",
            f"{rate:.0%} of the rate: {many / mine.median:,.0f} against {many / bare.median:,.0f} a second",
            f">= {_LEAST_RATE:.0%}",
            rate >= _LEAST_RATE,
            f"{FINANCE_CONCURRENCY} requests at a time on both sides. The server is a process on this machine that keeps bodies "
            f"in memory; a loop that does nothing but write to {FINANCE_CONCURRENCY} sockets and read from them has "
            f"{limit:,.0f} answers a second of it.",
        )
    )
    results.cost("7", "invoice delivered to a server that answers at once", mine.median / many)
    growth = max(mine.peak_mib) / max(of_few.peak_mib)
    results.add(
        Comparison(
            "7",
            f"peak memory of delivering {many:,} invoices",
            f"that of delivering {few:,}",
            f"{max(mine.peak_mib):.0f} MiB against {max(of_few.peak_mib):.0f} MiB",
            f"{growth:.2f}x",
            f"<= {_MOST_GROWTH:g}x",
            growth <= _MOST_GROWTH,
        )
    )


def _samples(count: int, runs: int) -> tuple[Samples, Samples]:
    """Ours and the bare loop's, for so many invoices."""
    with TemporaryDirectory() as folder:
        home = Path(folder)
        invoices = write_months(
            home / "inbox", first=date(2024, 1, 1), months=_MONTHS, lines=_LINES, invoices_per_month=count // _MONTHS
        )
        build_elsewhere(home)
        ours = Side(f"delivery of {count:,}", "delivering:delivery", {"template": folder})
        bare = Side(f"bare loop of {count:,}", "delivering:bare_loop", {"template": folder})
        found = side_by_side(ours, bare, runs=runs)
    gross_minor = stated_sums(invoices)["gross_minor"]
    require({ours.label: found[ours.label]}, {"on_record": count})
    same = {"bodies": found[bare.label].facts["bodies"]}
    require(found, {"invoices": count, "gross_minor": gross_minor, "received": count, **same})
    return found[ours.label], found[bare.label]


def delivery(stopwatch: Stopwatch, folder: Path, *, template: str) -> dict[str, Any]:
    """All ready invoices of a copy of the warehouse, as the asset `finance_records` delivers them."""
    import pandas  # noqa: F401, ICN001, PLC0415 - as a code location does; no side's imports are timed

    warehouse = warehouse_of(_copied(template, folder))
    with answering() as url, FinanceClient(url, _mint()) as client:
        recipient = Recipient(client.target, is_sandbox=True)
        with stopwatch.running():
            Delivery(warehouse, recipient, concurrency=FINANCE_CONCURRENCY).deliver(client)
        with warehouse.read() as connection:
            on_record = connection.execute(
                "SELECT count(*) FROM finance_records WHERE finance_invoice_id IS NOT NULL"
            ).fetchone()
        return {**received(url), "on_record": on_record[0] if on_record else None}


def bare_loop(stopwatch: Stopwatch, folder: Path, *, template: str) -> dict[str, Any]:
    """The same bodies, written beforehand, with one token."""
    bodies = _bodies(_copied(template, folder))
    with answering() as url:
        token = _mint().token()
        with stopwatch.running():
            asyncio.run(_send_all(url, token, bodies))
        return received(url)


async def _send_all(url: str, token: str, bodies: Sequence[bytes]) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    left = iter(bodies)
    async with (
        httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(FINANCE_CONCURRENCY):
            group.create_task(_send_some(client, left))


async def _send_some(client: httpx.AsyncClient, bodies: Iterator[bytes]) -> None:
    for body in bodies:
        response = await client.post(IMPORT_PATH, content=body)
        response.raise_for_status()


def _bodies(home: Path) -> list[bytes]:
    with warehouse_of(home).read() as connection:
        rows = fetch(connection, ready_invoices_sql())
    return [
        json.dumps(payload.build(row), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        for row in rows
    ]


def _copied(template: str, folder: Path) -> Path:
    shutil.copy(Path(template) / "arcadia.duckdb", folder)
    return folder


def _mint() -> TokenMint:
    return TokenMint(_SECRET, Identity(_TENANT, ("admin",), "arcadia_cloud", _TENANT))


def _own_limit(*, seconds: float) -> float:
    """How many answers a second the server has, asked by a loop that costs next to nothing itself."""
    with TemporaryDirectory() as name, answering() as url:
        folder = Path(name)
        write_months(folder / "inbox", first=date(2024, 1, 1), months=1, lines=_LINES)
        build_elsewhere(folder)
        [body] = _bodies(folder)
        return raw_rate(url, IMPORT_PATH, body, connections=FINANCE_CONCURRENCY, seconds=seconds)
