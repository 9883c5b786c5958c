"""The month of a period, in every zone of the world."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.billing.periods import line_month_sql, month_sql
from arcadia_dagster_tests.kit.properties import evaluate, quickly

COLUMNS = "starts TIMESTAMP, ends TIMESTAMP"
MONTH = month_sql("starts", "ends")
LINE_MONTH = line_month_sql("starts", "ends")

MONTHS = st.dates(date(2018, 1, 1), date(2099, 12, 1)).map(lambda day: day.replace(day=1))
# UTC-12 to UTC+14, by quarters of an hour.
ZONES = st.integers(-12 * 4, 14 * 4).map(lambda quarters: timedelta(minutes=15 * quarters))
# How ends are written: the next midnight, the last second, the last day.
WRITTEN = st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(microseconds=1), timedelta(days=1)])


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def at_midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - UTC, as the warehouse keeps it


def after(month: date, count: int = 1) -> date:
    months = month.year * 12 + month.month - 1 + count
    return date(months // 12, months % 12 + 1, 1)


def months_of(
    connection: duckdb.DuckDBPyConnection, periods: Sequence[Sequence[object]], expression: str = MONTH
) -> list[Any]:
    return evaluate(connection, expression, periods, COLUMNS)


@quickly()
@given(st.lists(st.tuples(MONTHS, ZONES, WRITTEN), min_size=50, max_size=100))
def test_a_month_that_begins_at_midnight_anywhere_is_its_own(
    connection: duckdb.DuckDBPyConnection, drawn: list[tuple[date, timedelta, timedelta]]
) -> None:
    periods = [
        (at_midnight(month) - zone, at_midnight(after(month)) - zone - written) for month, zone, written in drawn
    ]
    expected = [month for month, *_ in drawn]
    assert months_of(connection, periods) == expected
    assert months_of(connection, periods, LINE_MONTH) == expected
    assert months_of(connection, [(start, None) for start, _ in periods]) == expected
    # A period that ends where it begins has no length that one could go by.
    assert months_of(connection, [(start, start) for start, _ in periods]) == expected


@quickly()
@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime(2018, 1, 1), datetime(2099, 1, 1)),  # noqa: DTZ001
            st.timedeltas(timedelta(microseconds=1), timedelta(days=400)),
        ),
        min_size=50,
        max_size=100,
    )
)
def test_it_is_the_month_of_the_middle_and_that_lies_within_the_period(
    connection: duckdb.DuckDBPyConnection, drawn: list[tuple[datetime, timedelta]]
) -> None:
    periods = [(start, start + length) for start, length in drawn]
    found = months_of(connection, periods)
    assert found == [(start + length // 2).date().replace(day=1) for start, length in drawn]
    assert all(
        start.date().replace(day=1) <= month <= end.date() for month, (start, end) in zip(found, periods, strict=True)
    )


@quickly()
@given(
    st.lists(st.tuples(MONTHS, st.integers(0, 30), ZONES, st.timedeltas(timedelta(0), timedelta(days=1))), min_size=50)
)
def test_a_line_of_a_day_or_less_is_in_the_month_of_its_middle(
    connection: duckdb.DuckDBPyConnection, drawn: list[tuple[date, int, timedelta, timedelta]]
) -> None:
    periods = [
        (at_midnight(month) + timedelta(days=day) - zone, at_midnight(month) + timedelta(days=day) - zone + length)
        for month, day, zone, length in drawn
    ]
    expected = [(start + (end - start) // 2).date().replace(day=1) for start, end in periods]
    assert months_of(connection, periods, LINE_MONTH) == expected


@quickly()
@given(st.lists(st.tuples(MONTHS, ZONES, st.integers(2, 36)), min_size=50))
def test_a_line_that_lasts_longer_than_a_month_is_charged_when_it_begins(
    connection: duckdb.DuckDBPyConnection, drawn: list[tuple[date, timedelta, int]]
) -> None:
    periods = [(at_midnight(month) - zone, at_midnight(after(month, count)) - zone) for month, zone, count in drawn]
    assert months_of(connection, periods, LINE_MONTH) == [month for month, *_ in drawn]


@pytest.mark.parametrize(
    ("start", "end", "month"),
    [
        ("2026-08-31T15:00:00", "2026-09-30T15:00:00", "2026-09-01"),  # Tokyo
        ("2026-08-31T22:00:00", "2026-09-30T22:00:00", "2026-09-01"),  # Paris, in summer
        ("2026-09-01T07:00:00", "2026-10-01T07:00:00", "2026-09-01"),  # Los Angeles
        ("2026-08-20T00:00:00", "2026-09-20T00:00:00", "2026-09-01"),  # of an anniversary
        ("2026-09-15T00:00:00", "2026-09-16T00:00:00", "2026-09-01"),
        ("2026-01-01T00:00:00", "2027-01-01T00:00:00", "2026-07-01"),  # a year
        ("2026-01-01T00:00:00", "2026-04-01T00:00:00", "2026-02-01"),  # a quarter
        ("2026-01-01T00:00:00", "2026-03-01T00:00:00", "2026-01-01"),  # two months
        ("2016-01-01T00:00:00", "2026-09-01T00:00:00", "2016-01-01"),  # no billing period lasts ten years
        ("2026-08-30T11:59:59", None, "2026-08-01"),
        ("2026-08-30T12:00:00", None, "2026-09-01"),
        (None, "2026-09-30T00:00:00", None),
        (None, None, None),
    ],
)
def test_which_month_a_billing_period_has(
    connection: duckdb.DuckDBPyConnection, start: str | None, end: str | None, month: str | None
) -> None:
    period = [None if text is None else datetime.fromisoformat(text) for text in (start, end)]
    [found] = months_of(connection, [period])
    assert found == (None if month is None else date.fromisoformat(month))


def test_a_charge_at_a_moment_is_in_the_month_of_that_moment(connection: duckdb.DuckDBPyConnection) -> None:
    moment = datetime(2026, 8, 31, 23)  # noqa: DTZ001
    assert months_of(connection, [(moment, None), (moment, moment)], LINE_MONTH) == [date(2026, 8, 1)] * 2
