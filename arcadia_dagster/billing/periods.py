"""Which month a period belongs to, in SQL over TIMESTAMPs in UTC.

A provider's month need not begin at midnight UTC: one that keeps Japanese time begins it at 15:00 UTC of the day before, and so
does any at a midnight of its own zone. The middle of a month is in that month in every zone. So an invoice's month is the one in
which the middle of its billing period lies. A period of several months has one month by the same rule: a year from January on
belongs to July, a quarter to its second month, and two months to the first where it is as long as the second.
"""

_MARGIN_HOURS = 36
"""How long before a month a billing period without a known end may begin: zones reach to UTC+14; the rest is slack."""

_LONGEST_DAYS = 400
"""A billing period of more than a year (and some slack) has no usable end: it may be the end of a contract."""

_ZONE_HOURS = 14
"""How long before midnight UTC a day begins anywhere (UTC+14, Kiritimati)."""

_LONGEST_LINE_DAYS = 35
"""The longest charge period of a line for one month."""


def month_sql(start: str, end: str) -> str:
    """SQL: the month of a billing period, its first day (DATE); NULL where its start is.

    Where the end is NULL, not after the start, or more than 400 days after it, a period that begins in the last 36 hours of a
    month is the next one's.

    Args:
        start: SQL: when it begins, a TIMESTAMP in UTC.
        end: SQL: when it ends, a TIMESTAMP in UTC, inclusive or exclusive.
    """
    return _first_of(
        f"CASE WHEN {end} > {start} AND {end} <= {start} + INTERVAL {_LONGEST_DAYS} DAY THEN {_middle(start, end)} "
        f"ELSE {start} + INTERVAL {_MARGIN_HOURS} HOUR END"
    )


def line_month_sql(start: str, end: str) -> str:
    """SQL: the month that a line is charged in, its first day (DATE); NULL where its start is.

    It is that of the middle of its charge period, as for an invoice. A line without an end is charged when it begins; one that
    is longer than a month, such as a year paid in advance, too: it is billed at the beginning.

    Args:
        start: SQL: when it begins, a TIMESTAMP in UTC.
        end: SQL: when it ends, a TIMESTAMP in UTC.
    """
    return _first_of(
        f"CASE WHEN {end} <= {start} + INTERVAL {_LONGEST_LINE_DAYS} DAY AND {end} > {start} THEN {_middle(start, end)} "
        f"WHEN {end} > {start} THEN {start} + INTERVAL {_ZONE_HOURS} HOUR ELSE {start} END"
    )


def _middle(start: str, end: str) -> str:
    return f"make_timestamp((epoch_us({start}) + epoch_us({end})) // 2)"


def _first_of(moment: str) -> str:
    return f"CAST(date_trunc('month', {moment}) AS DATE)"
