"""Which months a run should be for, decided from the inbox and the warehouse, never from run history.

Plain functions, so that they can be tested alone. The sensor asks them what to request; the command line what to run.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from arcadia_dagster.formats.registry import month_of_name
from arcadia_dagster.landing.inbox import Arriving
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.warehouse.months import next_month, stale
from arcadia_dagster.warehouse.relations import STAGES


@dataclass(frozen=True, slots=True)
class Work:
    """What one run has to do: for adjacent months, or the landing alone.

    Attributes:
        months: The months, in order; none where the run only lands.
        digest: A digest of this work: other files or other versions give another one.
    """

    months: tuple[date, ...]
    digest: str

    @property
    def name(self) -> str:
        """`2026-04`, `2026-01..2026-04`, or `landing`."""
        if not self.months:
            return "landing"
        first, last = f"{self.months[0]:%Y-%m}", f"{self.months[-1]:%Y-%m}"
        return first if first == last else f"{first}..{last}"

    @property
    def key(self) -> str:
        """`2026-01..2026-04:0f3a9c...`: people see the months in the list of runs."""
        return f"{self.name}:{self.digest}"


def versions_to_build(connection: duckdb.DuckDBPyConnection) -> dict[date, str]:
    """The stale months, each with the versions of its stages: what a run for it would start from."""
    behind = stale(connection)
    rows = connection.execute("SELECT invoice_month, stage, version FROM stage_versions").fetchall()
    versions: dict[date, dict[str, int]] = {month: {} for month in behind}
    for month, stage, version in rows:
        if month in versions:
            versions[month][stage] = version
    return {month: "-".join(str(stages.get(stage, 0)) for stage in STAGES) for month, stages in versions.items()}


def add_files(due: dict[date, list[str]], files: Iterable[Arriving], range_: MonthRange) -> list[str]:
    """Add the new files to the due months, each to the month that its name tells.

    Returns:
        The files whose names tell no month that has a partition, as an inventory's, as texts for `plan`.
    """
    monthless = []
    for file in files:
        month = month_of_name(file.name)
        part = f"{file.inbox_path}:{file.state}"
        if month is not None and month in range_:
            due.setdefault(month, []).append(part)
        else:
            monthless.append(part)
    return monthless


def plan(due: Mapping[date, Iterable[str]], to_land: Sequence[str] = (), *, longest: int) -> list[Work]:
    """The months in stretches of adjacent ones, each with a digest of what is due in it.

    Any run lands all files, and reads what has changed in the archive. So what is to land goes with the latest month that is due,
    or else with a run of its own, which builds no month; what it lands is built by the run after.

    Args:
        due: For each month, texts that tell this work from other work.
        to_land: The same of what only a landing can tell the month of.
        longest: How many months a stretch may have.
    """
    if to_land and not due:
        return [Work((), _digest(sorted(to_land)))]
    last = max(due, default=None)
    parts = {month: sorted([*due[month], *(to_land if month == last else ())]) for month in due}
    return [
        Work(tuple(months), _digest([(month.isoformat(), *parts[month]) for month in months]))
        for months in stretches(due, longest=longest)
    ]


def stretches(months: Iterable[date], *, longest: int) -> list[list[date]]:
    """The months in stretches of adjacent ones, in order."""
    runs: list[list[date]] = []
    for month in sorted(set(months)):
        if runs and next_month(runs[-1][-1]) == month and len(runs[-1]) < longest:
            runs[-1].append(month)
        else:
            runs.append([month])
    return runs


def _digest(parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
