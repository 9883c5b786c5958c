"""The partitions: a month each, in UTC, named as people write it: `2026-04`."""

from datetime import UTC, date, datetime

import dagster as dg

from arcadia_dagster.warehouse.months import next_month

_KEY = "%Y-%m"


def monthly(first_month: date, last_month: date | None = None) -> dg.MonthlyPartitionsDefinition:
    """One partition a month (UTC).

    Args:
        first_month: The first month, its first day.
        last_month: The last month, its first day; without it the present one, which is still open, whichever that is.
    """
    return dg.MonthlyPartitionsDefinition(
        start_date=key_of(first_month),
        end_date=None if last_month is None else key_of(next_month(last_month)),
        fmt=_KEY,
        timezone="UTC",
        end_offset=1,
    )


def key_of(month: date) -> str:
    """A month's partition.

    Args:
        month: Its first day.
    """
    return f"{month:{_KEY}}"


def month_of(key: str) -> date:
    """A partition's month, its first day.

    Raises:
        ValueError: It is no partition of ours.
    """
    return datetime.strptime(key, _KEY).replace(tzinfo=UTC).date()
