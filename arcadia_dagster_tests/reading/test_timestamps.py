# ruff: noqa: DTZ001, RUF001 - times that are UTC without saying so, and letters that look alike, are what is tested

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.reading.timestamps import exclusive_end_sql, utc_sql, utc_unless_stated_sql
from arcadia_dagster_tests.kit.properties import evaluate, quickly

OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2099, 12, 31), timezones=OFFSETS).map(
    lambda time: time.replace(microsecond=0)
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        # The machine's own zone must not matter.
        connection.execute("SET TimeZone = 'Asia/Kolkata'")
        yield connection


def times(connection: duckdb.DuckDBPyConnection, texts: Iterable[str]) -> list[Any]:
    return evaluate(connection, utc_sql("t"), [(text,) for text in texts], "t VARCHAR")


@st.composite
def written(draw: st.DrawFn) -> tuple[str, datetime]:
    time = draw(TIMES)
    offset = f"{time:%z}"
    zone = offset[:3] + draw(st.sampled_from(("", ":"))) + offset[3:]
    if offset == "+0000":
        zone = draw(st.sampled_from((zone, "Z", "UTC", "-0000", "-00:00")))
    between, before = draw(st.sampled_from(" T")), draw(st.sampled_from(("", " ")))
    return f"{time:%Y-%m-%d}{between}{time:%H:%M:%S}{before}{zone}", time


@quickly(10)
@given(st.lists(written(), min_size=1, max_size=50))
def test_a_time_with_its_offset_is_that_moment_in_utc(
    connection: duckdb.DuckDBPyConnection, given_: list[tuple[str, datetime]]
) -> None:
    expected = [time.astimezone(UTC).replace(tzinfo=None) for _, time in given_]
    assert times(connection, [text for text, _ in given_]) == expected


@quickly(10)
@given(st.lists(TIMES, min_size=1, max_size=50), st.sampled_from((" ", "T")))
def test_a_time_without_an_offset_is_no_time(
    connection: duckdb.DuckDBPyConnection, given_: list[datetime], between: str
) -> None:
    texts = [f"{time:%Y-%m-%d}{between}{time:%H:%M:%S}" for time in given_]
    assert times(connection, texts) == [None] * len(texts)


@quickly(10)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
        | st.text(st.sampled_from("0123456789-+: TZUC./"), max_size=30)
        | st.from_regex(
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2} ?(Z|[+-][0-9]{2}:?[0-9]{2})", fullmatch=True
        ),
        min_size=1,
        max_size=50,
    )
)
def test_any_text_gives_a_moment_that_python_can_hold_or_none(
    connection: duckdb.DuckDBPyConnection, texts: list[str]
) -> None:
    for text, time in zip(texts, times(connection, texts), strict=True):
        assert time is None or isinstance(time, datetime), text
        try:
            stated = datetime.fromisoformat(text.replace(" +", "+").replace(" -", "-").replace(" Z", "Z"))
        except ValueError:
            # DuckDB takes 24:00:00 for the next midnight, which ISO 8601 allows and Python does not.
            assert time is None or " 24:00:00" in text.replace("T", " ") or "UTC" in text, text
        else:
            assert time is None or stated.tzinfo is not None, text
            assert time is None or time == stated.astimezone(UTC).replace(tzinfo=None), text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2026-02-31 00:00:00 +0000", id="case_27"),
        pytest.param("2026-04-01 00:00:00", id="case_27_no_offset"),
        pytest.param("03/04/2026", id="case_27_ambiguous"),
        "2026-04-01",
        "2026-04-01 +0000",
        "2026-13-01 00:00:00 +0000",
        "2026-04-01 25:00:00 +0000",
        "2026-04-01 00:60:00 +0000",
        "2026-04-01 00:00:00 +2400",
        "2026-04-01 00:00:00 +0060",
        "2026-04-01 00:00:00 CET",
        "2026-04-01 00:00:00 +00",
        "2026-04-01 00:00:00  +0000",
        "2026-4-1 00:00:00 +0000",
        "26-04-01 00:00:00 +0000",
        "９026-04-01 00:00:00 +0000",
        "9999-12-31 23:59:59 -2300",
        "0000-01-01 00:00:00 +0000",
        "0001-01-01 00:00:00 +2300",
        "2026-04-01 00:00:00 +0000\n",
        "infinity",
        "now",
        "epoch",
        "",
    ],
)
def test_what_is_no_moment_is_none(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert times(connection, [text]) == [None]


@pytest.mark.parametrize(
    ("end", "exclusive"),
    [
        pytest.param(datetime(2026, 4, 30, 23, 59, 59), datetime(2026, 5, 1), id="case_25"),
        pytest.param(datetime(2026, 5, 1), datetime(2026, 5, 1), id="case_25_midnight"),
        (datetime(2026, 12, 31, 23, 59, 59), datetime(2027, 1, 1)),
        (datetime(2026, 4, 30, 23, 0, 0), datetime(2026, 4, 30, 23, 0, 0)),
        (datetime(2026, 4, 30, 23, 59, 58), datetime(2026, 4, 30, 23, 59, 58)),
        (None, None),
    ],
)
def test_an_inclusive_end_and_the_next_midnight_are_the_same(
    connection: duckdb.DuckDBPyConnection, end: datetime | None, exclusive: datetime | None
) -> None:
    assert evaluate(connection, exclusive_end_sql("t"), [(end,)], "t TIMESTAMP") == [exclusive]


def test_a_time_that_is_in_utc_unless_stated_has_all_its_digits(connection: duckdb.DuckDBPyConnection) -> None:
    texts = ["2026-04-01T00:00:00Z", "2026-04-01T00:00:00.000Z", "2026-04-01"]
    wrong = [
        "2026-04-01T 0:00:00Z",
        "2026-04-01T00:00:0 Z",
        "2026-04-01T03:59:5ZZ",
        "2026-04-01T00:00:0..000Z",
        "2026-04-31",
    ]
    found = evaluate(connection, utc_unless_stated_sql("t"), [(text,) for text in texts + wrong], "t VARCHAR")
    assert found == [datetime(2026, 4, 1)] * 3 + [None] * 5
