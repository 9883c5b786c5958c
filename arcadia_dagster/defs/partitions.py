"""The partitions: a month each, in UTC, named as people write it: `2026-04`."""

from datetime import UTC, date, datetime

import dagster as dg

_KEY = "%Y-%m"


def monthly(first_month: date) -> dg.MonthlyPartitionsDefinition:
    """One partition a month (UTC), from the first month to the present one, which is still open."""
    return dg.MonthlyPartitionsDefinition(start_date=key_of(first_month), fmt=_KEY, timezone="UTC", end_offset=1)


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
