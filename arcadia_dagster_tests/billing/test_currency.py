from collections.abc import Iterator
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.billing.currency import (
    EXPONENTS,
    exponents_sql,
    format_exact,
    format_minor,
    from_minor,
    from_minor_sql,
    minor_text_sql,
    to_minor,
    to_minor_sql,
)
from arcadia_dagster_tests.kit.properties import evaluate, from_attos, quickly, rounded

LARGEST = 10**14  # the major units that a reader lets an invoice sum to
ATTO = 10**18
AMOUNTS = st.integers(-LARGEST * ATTO + 1, LARGEST * ATTO - 1).map(from_attos)
# Halves and their neighbours are where rounding goes wrong.
HALVES = st.builds(
    lambda minor, digits, off: from_attos((2 * minor + 1) * ATTO // 10**digits // 2 + off),
    st.integers(-(10**9), 10**9),
    st.sampled_from((0, 2, 3, 4)),
    st.integers(-1, 1),
)
EXPONENT = st.sampled_from(sorted(set(EXPONENTS.values())))


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def exponent_of(connection: duckdb.DuckDBPyConnection, code: str | None) -> int | None:
    row = connection.execute(f"SELECT exponent FROM {exponents_sql()} WHERE currency = ?", [code]).fetchone()
    return None if row is None else row[0]


@pytest.mark.parametrize(
    ("code", "digits"),
    [("JPY", 0), ("KRW", 0), ("ISK", 0), ("USD", 2), ("EUR", 2), ("HUF", 2), ("KWD", 3), ("TND", 3), ("CLF", 4)],
)
def test_a_currency_has_the_decimals_that_iso_4217_gives_it(
    connection: duckdb.DuckDBPyConnection, code: str, digits: int
) -> None:
    assert EXPONENTS[code] == digits
    assert exponent_of(connection, code) == digits


@pytest.mark.parametrize("code", ["XAU", "XXX", "XTS", "BTC", "usd", "", "USD ", None])
def test_what_is_no_currency_has_no_exponent(connection: duckdb.DuckDBPyConnection, code: str | None) -> None:
    assert code not in EXPONENTS
    assert exponent_of(connection, code) is None


def test_every_code_is_three_capitals_and_listed_once(connection: duckdb.DuckDBPyConnection) -> None:
    listed = connection.execute(f"SELECT currency, exponent FROM {exponents_sql()}").fetchall()
    assert len(listed) == len(EXPONENTS) > 150
    assert dict(listed) == EXPONENTS
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in EXPONENTS)


@quickly(10)
@given(st.lists(st.tuples(AMOUNTS | HALVES, EXPONENT), min_size=1, max_size=40))
def test_sql_and_python_round_half_away_from_zero_alike(
    connection: duckdb.DuckDBPyConnection, given_: list[tuple[Decimal, int]]
) -> None:
    rows = [(str(amount), digits) for amount, digits in given_]
    found = evaluate(connection, to_minor_sql("a", "e"), rows, "a DECIMAL(38,18), e INTEGER")
    codes = {digits: code for code, digits in EXPONENTS.items()}
    assert found == [rounded(amount, digits) for amount, digits in given_]
    assert found == [to_minor(amount, codes[digits]) for amount, digits in given_]


@quickly(10)
@given(st.lists(st.tuples(AMOUNTS | HALVES, EXPONENT), min_size=1, max_size=40))
def test_a_credit_is_rounded_like_the_charge_it_undoes(
    connection: duckdb.DuckDBPyConnection, given_: list[tuple[Decimal, int]]
) -> None:
    rows = [(str(amount), str(amount.copy_negate()), digits) for amount, digits in given_]
    sum_ = f"{to_minor_sql('a', 'e')} + {to_minor_sql('b', 'e')}"
    assert evaluate(connection, sum_, rows, "a DECIMAL(38,18), b DECIMAL(38,18), e INTEGER") == [0] * len(rows)


@quickly(10)
@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), EXPONENT), min_size=1, max_size=40))
def test_minor_units_become_major_ones_without_losing_a_digit(
    connection: duckdb.DuckDBPyConnection, given_: list[tuple[int, int]]
) -> None:
    found = evaluate(connection, from_minor_sql("m", "e"), given_, "m BIGINT, e INTEGER")
    codes = {digits: code for code, digits in EXPONENTS.items()}
    assert found == [Decimal(minor).scaleb(-digits) for minor, digits in given_]
    assert found == [from_minor(minor, codes[digits]) for minor, digits in given_]


@quickly(10)
@given(st.lists(st.tuples(st.integers(-LARGEST, LARGEST), EXPONENT), min_size=1, max_size=40))
def test_minor_units_survive_the_way_to_major_ones_and_back(
    connection: duckdb.DuckDBPyConnection, given_: list[tuple[int, int]]
) -> None:
    there_and_back = to_minor_sql(from_minor_sql("m", "e"), "e")
    assert evaluate(connection, there_and_back, given_, "m BIGINT, e INTEGER") == [minor for minor, _ in given_]


def test_an_amount_in_an_unknown_currency_has_no_minor_units(connection: duckdb.DuckDBPyConnection) -> None:
    assert evaluate(connection, to_minor_sql("a", "e"), [("1", None)], "a DECIMAL(38,18), e INTEGER") == [None]
    assert evaluate(connection, from_minor_sql("a", "e"), [(1, None)], "a BIGINT, e INTEGER") == [None]
    with pytest.raises(KeyError):
        to_minor(Decimal(1), "XXX")


def test_an_amount_too_large_for_minor_units_is_an_error_and_never_another_amount(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(duckdb.Error):
        evaluate(connection, to_minor_sql("a", "e"), [("92233720368547758.08", 2)], "a DECIMAL(38,18), e INTEGER")


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (8692, "USD", "86.92 USD"),
        (-790, "USD", "-7.90 USD"),
        (123456789, "USD", "1,234,567.89 USD"),
        (1234, "JPY", "1,234 JPY"),
        (1, "KWD", "0.001 KWD"),
        (0, "EUR", "0.00 EUR"),
        (9_007_199_254_740_993, "USD", "90,071,992,547,409.93 USD"),
        (5, "XXX", "5 minor units of XXX"),
        (None, "USD", ""),
        (5, None, ""),
    ],
)
def test_people_read_an_amount_with_as_many_decimals_as_its_currency_has(
    minor: int | None, currency: str | None, text: str
) -> None:
    assert format_minor(minor, currency) == text


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("7.9", "USD", "7.90 USD"),
        ("-6.000000000000000000", "EUR", "-6.00 EUR"),
        ("1293.6", "EUR", "1,293.60 EUR"),
        ("12.012500", "EUR", "12.0125 EUR"),
        ("900.000", "JPY", "900 JPY"),
        ("1.5", "JPY", "1.5 JPY"),
        ("7.9", None, "7.9"),
        ("7", "points", "7 points"),
    ],
)
def test_people_read_an_exact_amount_with_at_least_the_decimals_of_its_currency(
    amount: str, currency: str | None, text: str
) -> None:
    assert format_exact(Decimal(amount), currency) == text


@quickly(10)
@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), EXPONENT), min_size=1, max_size=40))
def test_sql_writes_an_amount_as_python_does(
    connection: duckdb.DuckDBPyConnection, given_: list[tuple[int, int]]
) -> None:
    codes = {digits: code for code, digits in EXPONENTS.items()}
    written = evaluate(connection, minor_text_sql("m", "e"), given_, "m BIGINT, e INTEGER")
    assert written == [str(from_minor(minor, codes[digits])) for minor, digits in given_]
