"""An ingest that is killed leaves the old months or the new ones, never part of one, and the next ingest completes it."""

import random
from datetime import date
from pathlib import Path

import duckdb
import pytest

from arcadia_dagster.stages.tax_split_totals import unreconciled
from arcadia_dagster.warehouse.months import stale
from arcadia_dagster_tests import worker
from arcadia_dagster_tests.forked import forked
from arcadia_dagster_tests.plain import archive_of, build
from arcadia_dagster_tests.project import Project, digitalocean, invoice_name, line, tax

MONTHS = {"2026 Apr": date(2026, 4, 1), "2026 May": date(2026, 5, 1)}
LINES = 300
OLD, NEW = 100, 250
"""What each line costs in cents, before and after."""

SUMS = """
SELECT invoice_month, count(*)::INTEGER, sum(amount_minor)::INTEGER
FROM (SELECT invoice_month, CAST(amount * 100 AS INTEGER) AS amount_minor FROM cost_lines) GROUP BY ALL
"""


def drop_versions(project: Project, cents: int) -> None:
    for month, first in MONTHS.items():
        time = f"{first:%Y-%m-%d} 00:00:00 +0000"
        rows = [line(description=f"web-{n}", amount=f"${cents / 100:.2f}", start=time, end=time) for n in range(LINES)]
        project.drop(invoice_name(month, number=f"{first.month}"), digitalocean(*rows, tax(amount="$0.00")))


def sums(connection: duckdb.DuckDBPyConnection) -> dict[date, tuple[int, int]]:
    return {month: (count, cents) for month, count, cents in connection.execute(SUMS).fetchall()}


def expected(cents: int) -> tuple[int, int]:
    return LINES + 1, LINES * cents


@pytest.mark.parametrize("seed", range(4))
def test_an_ingest_killed_at_any_moment_leaves_whole_months_and_is_completed_by_the_next(
    tmp_path: Path, seed: int
) -> None:
    project, chance = Project(tmp_path), random.Random(seed)
    drop_versions(project, OLD)
    build(project.warehouse)
    drop_versions(project, NEW)

    with forked(worker.build_months, str(tmp_path), [str(month) for month in MONTHS.values()], [{}]) as process:
        process.join(chance.uniform(0.02, 0.4))
        process.kill()
        process.join()

    archive = archive_of(project.warehouse)
    with project.warehouse.read() as connection:
        found = sums(connection)
        assert set(found) == set(MONTHS.values())
        assert set(found.values()) <= {expected(OLD), expected(NEW)}
        assert unreconciled(connection) == []
        registered = {sha256 for (sha256,) in connection.execute("SELECT document_sha256 FROM documents").fetchall()}
    assert registered <= set(archive.documents())
    for sha256 in registered:
        archive.examine(sha256)  # raises where the bytes are not those of the name

    build(project.warehouse)
    with project.warehouse.read() as connection:
        assert sums(connection) == dict.fromkeys(MONTHS.values(), expected(NEW))
        assert (unreconciled(connection), stale(connection)) == ([], set())
        registered = {sha256 for (sha256,) in connection.execute("SELECT document_sha256 FROM documents").fetchall()}
    assert registered == set(archive.documents())
    assert list(tmp_path.glob("*.work*")) == [], "what the killed process staged is swept"
