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


def drop_versions(project: Project, cents: int, lines: int = LINES) -> None:
    for month, first in MONTHS.items():
        time = f"{first:%Y-%m-%d} 00:00:00 +0000"
        rows = [line(description=f"web-{n}", amount=f"${cents / 100:.2f}", start=time, end=time) for n in range(lines)]
        project.drop(invoice_name(month, number=f"{first.month}"), digitalocean(*rows, tax(amount="$0.00")))


def sums(connection: duckdb.DuckDBPyConnection) -> dict[date, tuple[int, int]]:
    return {month: (count, cents) for month, count, cents in connection.execute(SUMS).fetchall()}


def expected(cents: int, lines: int = LINES) -> tuple[int, int]:
    return lines + 1, lines * cents


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

    assert_whole_months_and_completed(project)


@pytest.mark.parametrize("more_bytes", [0, 20_000, 60_000, 120_000])
def test_a_disk_that_is_full_leaves_whole_months_and_one_clear_error(tmp_path: Path, more_bytes: int) -> None:
    """Nothing can become larger than the warehouse is, or than it is and a little more, so it fills up at different steps."""
    project = Project(tmp_path)
    drop_versions(project, OLD)
    build(project.warehouse)
    drop_versions(project, NEW, lines=20 * LINES)
    told = tmp_path / "told"
    most_bytes = project.warehouse.path.stat().st_size + more_bytes
    months = [str(month) for month in MONTHS.values()]

    with forked(worker.build_within, str(tmp_path), months, most_bytes, str(told)) as process:
        process.join()

    assert process.exitcode == 0
    assert "File too large" in told.read_text(), "it did fill up"
    assert str(tmp_path) in told.read_text(), "and the error names what was to be written"
    assert_whole_months_and_completed(project, lines=20 * LINES)


def assert_whole_months_and_completed(project: Project, lines: int = LINES) -> None:
    archive = archive_of(project.warehouse)
    with project.warehouse.read() as connection:
        found = sums(connection)
        assert set(found) == set(MONTHS.values())
        assert set(found.values()) <= {expected(OLD), expected(NEW, lines)}
        assert unreconciled(connection) == []
        registered = {sha256 for (sha256,) in connection.execute("SELECT document_sha256 FROM documents").fetchall()}
    assert registered <= set(archive.documents())
    for sha256 in registered:
        archive.examine(sha256)  # raises where the bytes are not those of the name

    build(project.warehouse)
    with project.warehouse.read() as connection:
        assert sums(connection) == dict.fromkeys(MONTHS.values(), expected(NEW, lines))
        assert (unreconciled(connection), stale(connection)) == ([], set())
        registered = {sha256 for (sha256,) in connection.execute("SELECT document_sha256 FROM documents").fetchall()}
    assert registered == set(archive.documents())
    assert list(project.home.glob("*.work*")) == [], "what the process had staged is swept"
