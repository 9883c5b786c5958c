"""Points in time as documents write them. A time without an offset is no point in time, and is not read."""

EXPECTED = "a time with its offset such as 2020-07-01 00:00:00 +0000"

# No invoice is from another century, and a year that Python's `datetime` does not know must not come out of the database.
_DAY_AND_TIME = r"(19|20)\d{2}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}"
_UTC = r" ?(Z|UTC|[+-]00:?00)"
_OFFSET = r" ?[+-]([01]\d|2[0-3]):?[0-5]\d"


def utc_sql(text: str) -> str:
    """SQL: the time in the text as TIMESTAMP in UTC; NULL where it is none (31 February) or has no offset.

    Spaces around it do not matter. Most times have no spaces and are in UTC; they are not trimmed, for that would cost as much
    as reading them.
    """
    trimmed = f"trim({text})"
    hours = f"TRY_CAST(regexp_extract({trimmed}, '([+-]\\d{{2}}):?\\d{{2}}$', 1) AS INTEGER)"
    minutes = f"TRY_CAST(regexp_extract({trimmed}, '[+-]\\d{{2}}:?(\\d{{2}})$', 1) AS INTEGER)"
    sign = f"CASE WHEN regexp_matches({trimmed}, '-\\d{{2}}:?\\d{{2}}$') THEN -1 ELSE 1 END"
    offset = f"to_hours({hours}) + to_minutes({minutes} * {sign})"
    return (
        f"CASE WHEN regexp_full_match({text}, '{_DAY_AND_TIME}{_UTC}') THEN {_local(text)} "
        f"WHEN regexp_full_match({trimmed}, '{_DAY_AND_TIME}{_UTC}') THEN {_local(trimmed)} "
        f"WHEN regexp_full_match({trimmed}, '{_DAY_AND_TIME}{_OFFSET}') THEN {_local(trimmed)} - ({offset}) END"
    )


EXPECTED_UTC = "a time such as 2026-04-01T00:00:00Z"

_DAY = r"(19|20)\d{2}-\d{2}-\d{2}"
_TIME_OR_NONE = r"([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?"


def utc_unless_stated_sql(text: str) -> str:
    """SQL: like `utc_sql`, where a time without an offset is in UTC, and a day is its midnight (FOCUS, Date/Time Format)."""
    # Most times are written alike, and need neither trimming nor cutting.
    usual = f"regexp_full_match({text}, '{_DAY}T\\d{{2}}:\\d{{2}}:\\d{{2}}(\\.000)?Z')"
    trimmed = f"trim({text})"
    return (
        f"CASE WHEN {usual} THEN TRY_CAST({text} AS TIMESTAMP) "
        f"WHEN regexp_full_match({trimmed}, '{_DAY}{_TIME_OR_NONE}({_UTC})?') "
        f"THEN TRY_CAST(rtrim(regexp_extract({trimmed}, '^{_DAY}[ T]?[0-9:]*(\\.\\d{{1,6}})?'), ' T') AS TIMESTAMP) "
        f"ELSE {utc_sql(text)} END"
    )


def _local(text: str) -> str:
    return f"TRY_CAST(left({text}, 19) AS TIMESTAMP)"


def exclusive_end_sql(end: str) -> str:
    """SQL: the exclusive end of a period: `23:59:59` means the whole day, so it is the next midnight."""
    return f"CASE WHEN CAST({end} AS TIME) = TIME '23:59:59' THEN {end} + INTERVAL 1 SECOND ELSE {end} END"
