"""Row 7: delivering many invoices, beside a bare loop that only sends them and keeps no record."""

import asyncio
import json
import shutil
import statistics
import subprocess
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
from arcadia_dagster.store.query import fetch
from arcadia_dagster.warehouse.relations import ready_invoices_sql
from arcadia_dagster_tests.kit.generate import write_months
from arcadia_dagster_tests.kit.plain import warehouse_of
from benchmarks.home import build_elsewhere, finance_sums, sandbox, stated_sums
from benchmarks.measure import BenchmarkError, Samples, Side, Stopwatch, ratios, require, side_by_side
from benchmarks.report import Comparison, Results
from benchmarks.size import Size

_CONCURRENCY = 8
_MONTHS = 4
_LINES = 3
_LEAST_RATE = 0.8
_MOST_GROWTH = 1.2
_TENANT = "platform-admin"


def measure(results: Results, *, size: Size, rows: Collection[int]) -> None:  # noqa: ARG001 - one row
    """Measure the row."""
    runs = size.pick(tiny=1, quick=1, full=3)
    few, many = size.pick(tiny=(8, 16), quick=(2_000, None), full=(2_000, 10_000))
    of_few = _samples(few, runs)
    mine, bare = of_few if many is None else _samples(many, runs)
    count = many or few
    rate = statistics.median(1 / ratio for ratio in ratios(mine, bare))
    results.add(
        Comparison(
            7,
            f"{count:,} invoices delivered to the sandbox, each with its intent and answer on record",
            "a bare loop of httpx.AsyncClient with the same bodies",
            f"{mine.median:.3g} s ({mine.spread}) against {bare.median:.3g} s ({bare.spread})",
            f"{rate:.0%} of the rate: {count / mine.median:.0f} against {count / bare.median:.0f} a second",
            f">= {_LEAST_RATE:.0%}",
            rate >= _LEAST_RATE,
            f"{_CONCURRENCY} requests at a time on both sides; the sandbox is a process on this machine with a fresh file, "
            f"and every answer is durable there. {_own_limit(seconds=size.pick(tiny=1, quick=5, full=5))}",
        )
    )
    results.cost(7, "invoice delivered to the sandbox, of which the sandbox takes most", mine.median / count)
    if many is not None:
        growth = max(mine.peak_mib) / max(of_few[0].peak_mib)
        results.add(
            Comparison(
                7,
                f"peak memory of delivering {many:,} invoices",
                f"that of delivering {few:,}",
                f"{max(mine.peak_mib):.0f} MiB against {max(of_few[0].peak_mib):.0f} MiB",
                f"{growth:.2f}x",
                f"<= {_MOST_GROWTH:g}x",
                growth <= _MOST_GROWTH,
            )
        )
    else:
        print("  row 7's memory is compared in the full measurement only: it needs two sizes")


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
    require(found, {"invoices": count, "gross_minor": gross_minor, "received": count})
    return found[ours.label], found[bare.label]


def delivery(stopwatch: Stopwatch, folder: Path, *, template: str) -> dict[str, Any]:
    """All ready invoices of a copy of the warehouse, as the asset `finance_records` delivers them."""
    import pandas  # noqa: F401, ICN001, PLC0415 - as a code location does; no side's imports are timed

    warehouse = warehouse_of(_copied(template, folder))
    with sandbox(folder) as (url, secret), FinanceClient(url, _mint(secret)) as client:
        recipient = Recipient(client.target, is_sandbox=True)
        with stopwatch.running():
            Delivery(warehouse, recipient, concurrency=_CONCURRENCY).deliver(client)
    return finance_sums(folder)


def bare_loop(stopwatch: Stopwatch, folder: Path, *, template: str) -> dict[str, Any]:
    """The same bodies, written beforehand, with one token."""
    bodies = _bodies(_copied(template, folder))
    with sandbox(folder) as (url, secret):
        token = _mint(secret).token()
        with stopwatch.running():
            asyncio.run(_send_all(url, token, bodies))
    return finance_sums(folder)


async def _send_all(url: str, token: str, bodies: Sequence[bytes]) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    left = iter(bodies)
    async with (
        httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(_CONCURRENCY):
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


def _mint(secret: str) -> TokenMint:
    return TokenMint(secret, Identity(_TENANT, ("admin",), "arcadia_cloud", _TENANT))


def _own_limit(*, seconds: int) -> str:
    """What the sandbox takes at most, by a tool that costs next to nothing itself."""
    wrk = shutil.which("wrk")
    if wrk is None:
        return "The sandbox's own limit was not measured: wrk is not installed."
    with TemporaryDirectory() as name, sandbox(Path(name)) as (url, secret):
        folder = Path(name)
        write_months(folder / "inbox", first=date(2024, 1, 1), months=1, lines=_LINES)
        build_elsewhere(folder)
        [body] = _bodies(folder)
        # Each request has an id of its own, as each invoice has.
        before, _, after = body.decode().partition('"external_id":"')
        script = folder / "post.lua"
        script.write_text(
            "local thread, number = 0, 0\n"
            'function setup(t) t:set("thread", thread); thread = thread + 1 end\n'
            "function request()\n"
            "  number = number + 1\n"
            f'  local body = [==[{before}"external_id":"]==] .. thread .. \'-\' .. number .. [==[{after}]==]\n'
            f'  return wrk.format("POST", "{IMPORT_PATH}", '
            f'{{["Authorization"]="Bearer {_mint(secret).token()}", ["Content-Type"]="application/json"}}, body)\n'
            "end\n",
            encoding="utf-8",
        )
        result = subprocess.run(  # noqa: S603 - the tool that was found
            [wrk, "-t1", f"-c{_CONCURRENCY}", f"-d{seconds}s", "-s", str(script), url],
            capture_output=True,
            text=True,
            check=False,
        )
    rates = [line.split()[-1] for line in result.stdout.splitlines() if line.startswith("Requests/sec:")]
    if result.returncode or not rates or "Non-2xx" in result.stdout:
        raise BenchmarkError(f"wrk failed:\n{result.stdout}{result.stderr}")
    return f"By wrk, the sandbox itself takes {float(rates[0]):.0f} requests a second."
