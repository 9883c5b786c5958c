"""The first month that has a partition where no setting says it: the earliest one that the home knows.

Dagster asks for the partitions when it loads the definitions, which open no database. So the sensor and `arcadia ingest` note the
month in the home before a run needs it, and each run notes what it has found. Each run loads the definitions anew; the web server
and the daemon have those of their start, or of the last time that the code location was loaded anew.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from arcadia_dagster.plain_file import write_whole
from arcadia_dagster.settings import Settings

NOTED_IN: Final = "first-month"
_MOST_BYTES = 20


def first_partition(values: Settings) -> date:
    """The first month that has a partition: that of the setting, else the one that is noted, else the setting's default."""
    month = None if values.is_set("first_month") else noted(values.home)
    return values.first_month if month is None else max(month, values.first_month)


def noted(home: Path) -> date | None:
    """The month that is noted in a home; None where none is, or the note cannot be read."""
    file = home / NOTED_IN
    try:
        if not file.is_file():
            return None
        with file.open(encoding="ascii") as note:
            return datetime.strptime(note.read(_MOST_BYTES).strip(), "%Y-%m").replace(tzinfo=UTC).date()
    except (OSError, ValueError):
        return None


def note(home: Path, months: Iterable[date]) -> None:
    """Note the earliest of these months, where no earlier one is noted.

    Args:
        home: The home, which exists.
        months: Months that a run may be for, each its first day (UTC).

    Raises:
        OSError: It cannot be written.
    """
    earliest = min(months, default=None)
    known = noted(home)
    if earliest is None or (known is not None and known <= earliest):
        return
    write_whole(home / NOTED_IN, f"{earliest:%Y-%m}\n")
