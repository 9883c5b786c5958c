"""Which months have a partition: in the UI those that the home knows, and everywhere else all.

Dagster asks for the partitions when it loads the definitions, which open no database. So each landing and each tick of the sensor
notes in the home which months it has something of. Only what people see goes by the notes: a run, a command and our daemon know
every month, whatever is noted, and whenever they were started.
"""

import logging
import multiprocessing
import sys
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
_CODE_SERVER = ["api", "grpc"]
"""What `dagster` is called with where it serves a code location."""

_log = logging.getLogger("arcadia_dagster")


def partitioned(values: Settings) -> tuple[date, date | None]:
    """The first and the last month that have a partition, each its first day (UTC); no last one where it is the present month.

    Args:
        values: The settings, with `partitions`. Where it is not set, Dagster's code servers, from which its UI has what it shows,
            begin with the first month known, and any other process has all months.
    """
    default = "since-first" if _is_code_server() else "all"
    which = values.partitions if values.is_set("partitions") else default
    first = None if which == "all" or values.is_set("first_month") else noted(values.home, FIRST)
    first = values.first_month if first is None else max(first, values.first_month)
    last = noted(values.home, LAST) if which == "known" else None
    is_past = last is not None and first <= last < datetime.now(UTC).date().replace(day=1)
    return first, last if is_past else None


def noted(home: Path, name: str) -> date | None:
    """The month that is noted in a home; None where none is, it is to come, or the note cannot be read.

    Args:
        home: The home.
        name: The note's: `FIRST` or `LAST`.
    """
    file = home / name
    try:
        if not file.is_file():
            return None
        with file.open(encoding="ascii") as note:
            month = datetime.strptime(note.read(_MOST_BYTES).strip(), "%Y-%m").replace(tzinfo=UTC)
    except (OSError, ValueError):
        return None
    return month.date() if month <= datetime.now(UTC) else None


def note(home: Path, months: Collection[date]) -> None:
    """Note the first and the last of these months, instead of what was noted before; nothing where there are none.

    A note that cannot be written is told in the log: only what the UI shows depends on it.

    Args:
        home: The home, which exists.
        months: The months that the home has something of, each its first day (UTC).
    """
    for name, month in ((FIRST, min(months, default=None)), (LAST, max(months, default=None))):
        if month is None or month == noted(home, name):
            continue
        try:
            write_whole(home / name, f"{month:%Y-%m}\n")
        except OSError as error:
            _log.warning("%s cannot be written, so the UI shows other months: %s", home / name, error)


def _is_code_server() -> bool:
    """Whether this process serves a code location; a run that it has started has its arguments too."""
    return sys.argv[1:3] == _CODE_SERVER and multiprocessing.parent_process() is None
