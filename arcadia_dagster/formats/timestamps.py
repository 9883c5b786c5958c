"""Points in time as documents write them. A time without an offset is no point in time, and is not read."""

EXPECTED = "a time with its offset such as 2020-07-01 00:00:00 +0000"

# No invoice is from another century, and a year that Python's `datetime` does not know must not come out of the database.
_DAY_AND_TIME = r"(19|20)\d{2}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}"


def utc_sql(text: str) -> str:
    """SQL: the time in the text as TIMESTAMP in UTC; NULL where it is none (31 February) or has no offset."""
    local = f"TRY_CAST(left({text}, 19) AS TIMESTAMP)"
    hours = f"TRY_CAST(regexp_extract({text}, '([+-]\\d{{2}}):?\\d{{2}}$', 1) AS INTEGER)"
    minutes = f"TRY_CAST(regexp_extract({text}, '[+-]\\d{{2}}:?(\\d{{2}})$', 1) AS INTEGER)"
    sign = f"CASE WHEN regexp_matches({text}, '-\\d{{2}}:?\\d{{2}}$') THEN -1 ELSE 1 END"
    return (
        f"CASE WHEN regexp_full_match({text}, '{_DAY_AND_TIME} ?(Z|UTC|[+-]00:?00)') THEN {local} "
        f"WHEN regexp_full_match({text}, '{_DAY_AND_TIME} ?[+-]([01]\\d|2[0-3]):?[0-5]\\d') "
        f"THEN {local} - to_hours({hours}) - to_minutes({minutes} * {sign}) END"
    )


def exclusive_end_sql(end: str) -> str:
    """SQL: the exclusive end of a period: `23:59:59` means the whole day, so it is the next midnight."""
    return f"CASE WHEN CAST({end} AS TIME) = TIME '23:59:59' THEN {end} + INTERVAL 1 SECOND ELSE {end} END"
