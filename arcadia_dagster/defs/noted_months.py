"""The first month that has a partition where no setting says it, and in our web server the last: those that the home knows.

Dagster asks for the partitions when it loads the definitions, which open no database. So the sensor and `arcadia ingest` note the
months in the home before a run needs them, and each landing notes what it has found. Each run loads the definitions anew; the web
server and the daemon have those of their start, or of the last time that the code location was loaded anew.
"""

from collections.abc import Collection
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from arcadia_dagster.plain_file import write_whole
from arcadia_dagster.settings import Settings

FIRST: Final = "first-month"
LAST: Final = "last-month"
"""The notes' names in the home."""

_MOST_BYTES = 20


def first_partition(values: Settings) -> date:
    """The first month that has a partition: that of the setting, else the one that is noted, else the setting's default."""
    month = None if values.is_set("first_month") else noted(values.home, FIRST)
    return values.first_month if month is None else max(month, values.first_month)


def last_partition(values: Settings) -> date | None:
    """The last month that has a partition, by the setting `partitions_until`; None where it is the present one."""
    month = noted(values.home, LAST) if values.partitions_until == "known" else None
    return None if month is None or month < first_partition(values) else month


def noted(home: Path, name: str) -> date | None:
    """The month that is noted in a home; None where none is, or the note cannot be read.

    Args:
        home: The home.
        name: The note's: `FIRST` or `LAST`.
    """
    file = home / name
    try:
        if not file.is_file():
            return None
        with file.open(encoding="ascii") as note:
            return datetime.strptime(note.read(_MOST_BYTES).strip(), "%Y-%m").replace(tzinfo=UTC).date()
    except (OSError, ValueError):
        return None


def note(home: Path, months: Collection[date]) -> None:
    """Note the earliest and the latest of these months, where no earlier or later one is noted.

    Args:
        home: The home, which exists.
        months: Months that a run may be for, each its first day (UTC).

    Raises:
        OSError: It cannot be written.
    """
    if not months:
        return
    for name, farthest in ((FIRST, min), (LAST, max)):
        known = noted(home, name)
        month = farthest(months) if known is None else farthest(known, *months)
        if month != known:
            write_whole(home / name, f"{month:%Y-%m}\n")
