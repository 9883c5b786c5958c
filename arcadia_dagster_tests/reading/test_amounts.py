# ruff: noqa: RUF001 - digits that look alike are what is tested

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.reading.amounts import (
    amount_sql,
    binary_amount_sql,
    decimal_amount_sql,
    is_rounded_binary_sql,
    is_rounded_decimal_sql,
    is_rounded_sql,
    quantity_sql,
)
from arcadia_dagster_tests.kit.properties import evaluate, from_attos, quickly

ATTO = 10**18
MINUS = "\N{MINUS SIGN}"
SYMBOLS = {"USD": "$", "AUD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "CHF": None, None: None}
CURRENCIES = st.sampled_from(list(SYMBOLS))


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def amounts(
    connection: duckdb.DuckDBPyConnection, texts: Iterable[str | None], currency: str | None = "USD"
) -> list[Any]:
    return evaluate(connection, amount_sql("t", currency), [(text,) for text in texts], "t VARCHAR")


def meant(text: str, currency: str | None) -> Decimal | None:
    """What a strict accountant reads, step by step and in Python; None where it is not one clear amount."""
    text = re.sub(f"[{MINUS}]", "-", strip_spaces(text))
    signs = 0
    if text.startswith("(") and text.endswith(")") and len(text) > 1:
        text, signs = text[1:-1], signs + 1
    elif len(text) > 1 and text.endswith("-") and text[-2] in "0123456789.":
        text, signs = text[:-1], signs + 1
    if text.startswith("-"):
        text, signs = text[1:], signs + 1
    symbol = SYMBOLS[currency]
    if symbol and text.startswith(symbol):
        text = text[1:].removeprefix(" ")
        if text.startswith("-"):
            text, signs = text[1:], signs + 1
    if signs > 1:
        return None
    if signs == 0 and text.startswith("+"):
        text = text[1:]
    if re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+\.[0-9]+", text):
        text = text.replace(",", "")
    if not re.fullmatch(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", text):
        return None
    return rounded(-Decimal(text) if signs else Decimal(text))


WIDE = Context(prec=1200, rounding=ROUND_HALF_UP)


def rounded(value: Decimal) -> Decimal | None:
    """To the 18th decimal, half away from zero; None where that is no DECIMAL(38,18)."""
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int), "neither NaN nor infinite"
    if len(digits) + exponent > 40 and any(digits):
        return None
    attos = int(value.scaleb(18, WIDE).quantize(Decimal(1), context=WIDE)) if any(digits) else 0
    return from_attos(attos) if abs(attos) < 10**38 else None


def strip_spaces(text: str) -> str:
    while text and unicodedata.category(text[0]) == "Zs":
        text = text[1:]
    while text and unicodedata.category(text[-1]) == "Zs":
        text = text[:-1]
    return text


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        pytest.param("$1,234.56", "1234.56", id="case_9"),
        *(
            pytest.param(text, "-5.00", id="case_10")
            for text in (
                "($5.00)",
                "-$5.00",
                "$-5.00",
                "5.00-",
                "$5.00-",
                f"{MINUS}5.00",
                f"5.00{MINUS}",
                f"{MINUS}$5.00",
            )
        ),
        pytest.param("1.81E-8", "0.0000000181", id="case_12"),
        pytest.param("0.00", "0", id="case_13"),
        pytest.param("-0.00", "0", id="case_13_negative"),
        ("3.11", "3.11"),
        ("$3.11", "3.11"),
        (" $ 3.11 ", "3.11"),
        ("\N{NO-BREAK SPACE}3.11", "3.11"),
        ("5.", "5"),
        (".5", "0.5"),
        ("1,234,567.89", "1234567.89"),
        ("(1,234.56)", "-1234.56"),
        ("1e3", "1000"),
        ("1.5E+2", "150"),
        ("-2.5e-18", "-0.000000000000000003"),
        ("0.0000000000000000005", "0.000000000000000001"),
        ("0.00000000000000000049999999999999999999", "0"),
        ("0.0000000072922557592391990000", "0.000000007292255759"),
        ("7.2922557592391990000E-9", "0.000000007292255759"),
        ("($1,234.0000000000000000015)", "-1234.000000000000000002"),
        ("6E-20", "0"),
        ("5e-999", "0"),
        ("12345678901234567890e-19", "1.234567890123456789"),
        ("12345678901234567890123456789e-10", "1234567890123456789.0123456789"),
        ("2.5e-17", "0.000000000000000025"),
        ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
        ("0.1234567890123456780000", "0.123456789012345678"),
    ],
)
def test_an_amount_is_read_as_it_is_written(connection: duckdb.DuckDBPyConnection, text: str, amount: str) -> None:
    assert amounts(connection, [text]) == [None if amount is None else Decimal(amount)]


@pytest.mark.parametrize(
    "text",
    [
        *(
            pytest.param(text, id="case_11")
            for text in ("1.234,56", "40.000.000.000", "01.02.2026", "1,234", "1,234,567", "1 234.56", "1'234.56")
        ),
        *(
            pytest.param(text, id="case_12")
            for text in ("NaN", "nan", "Infinity", "-inf", "", " ", "sNaN", "∞")
        ),
        *("12,34.56", "1234,567.00", "1,23.45", "1,234.", "1,234.5e3", ",5", "1,,234.00"),
        *("--5", "-5-", "(-5)", "(5)-", "-(5)", "$(5)", "((5))", "(5", "5)", "()", "-$-5", "$-5-"),
        *("$$5", "€5", "5$", "5 USD", "USD 5", "US$5", "5%", "$", "-", ".", "e5", "5e", "5e1.5", "5e-", "1e1e1"),
        *("1_000", "0x10", "1/2", "1+1", "+-5", "-+5", "１２", "٣", "²", "½", "1\n2", "5\n", "\t5", "true", "NULL"),
        *("1e20", "1e999", "1e99999", "100000000000000000000", "99999999999999999999.9999999999999999999"),
    ],
)  # fmt: skip
def test_what_is_unclear_no_number_or_does_not_fit_is_no_amount(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    assert amounts(connection, [text]) == [None]


def test_no_text_is_no_amount(connection: duckdb.DuckDBPyConnection) -> None:
    assert amounts(connection, [None]) == [None]


@pytest.mark.parametrize(("currency", "symbol"), [(code, symbol) for code, symbol in SYMBOLS.items() if symbol])
def test_only_the_currency_s_own_symbol_may_stand_beside_a_number(
    connection: duckdb.DuckDBPyConnection, currency: str, symbol: str
) -> None:
    texts = [f"{other}5.00" for other in ("$", "€", "£", "¥", "₹", "₩", "")]
    assert amounts(connection, texts, currency) == [
        Decimal(5) if text in {f"{symbol}5.00", "5.00"} else None for text in texts
    ]


def test_a_quantity_has_no_symbol(connection: duckdb.DuckDBPyConnection) -> None:
    texts = [("720",), ("0.5",), ("$5",), ("1,000.0",), ("x",)]
    found = evaluate(connection, quantity_sql("t"), texts, "t VARCHAR")
    assert found == [Decimal(720), Decimal("0.5"), None, Decimal(1000), None]


ATTOS = st.one_of(
    st.integers(0, 10**38 - 1),
    st.builds(lambda number, places: number * 10**places, st.integers(0, 10**11), st.integers(0, 27)),
)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, Decimal]:
    """An amount, and one of the ways to write it."""
    attos, is_negative, symbol = draw(ATTOS), draw(st.booleans()), draw(st.sampled_from(("", "$", "$ ")))
    whole, fraction = divmod(attos, ATTO)
    decimals = f"{fraction:018}"
    decimals = decimals[: max(len(decimals.rstrip("0")), draw(st.integers(1, 18)))]
    text = draw(st.sampled_from((f"{whole}.{decimals}", f"{whole:,}.{decimals}", "scientific")))
    if text == "scientific":
        digits = str(attos).rstrip("0") or "0"
        exponent = len(str(attos)) - 19
        text = (
            f"{digits[0]}.{digits[1:] or '0'}{draw(st.sampled_from('eE'))}{exponent:{draw(st.sampled_from(('', '+')))}}"
        )
    elif not fraction and draw(st.booleans()):
        text = str(whole)
    if is_negative:
        minus = draw(st.sampled_from(("-", MINUS)))
        ways = [f"({symbol}{text})", f"{minus}{symbol}{text}", f"{symbol}{minus}{text}"]
        text = draw(st.sampled_from(ways if "e" in text.lower() else [*ways, f"{symbol}{text}{minus}"]))
    else:
        text = symbol + text
    space = st.sampled_from(("", " ", "\N{NO-BREAK SPACE}"))
    return draw(space) + text + draw(space), from_attos(-attos if is_negative else attos)


@quickly(13)
@given(st.lists(written(), min_size=1, max_size=60))
def test_every_way_to_write_an_amount_gives_exactly_that_amount(
    connection: duckdb.DuckDBPyConnection, given_: list[tuple[str, Decimal]]
) -> None:
    assert amounts(connection, [text for text, _ in given_]) == [amount for _, amount in given_]


LIKE_AMOUNTS = st.text(st.sampled_from("0011223456789..,,--+()$$€¥ eE_\N{MINUS SIGN}'\n"), max_size=24)
DIGITS = st.from_regex(r"-?[0-9]{0,30}\.?[0-9]{0,30}([eE][+-]?[0-9]{1,4})?", fullmatch=True)
GROUPS = st.from_regex(r"[-(]?\$?[0-9]{0,4}(,[0-9]{2,4}){0,3}(\.[0-9]{0,4})?[-)]?", fullmatch=True)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MISSPELT = written().flatmap(
    lambda pair: st.builds(
        lambda at, character: pair[0][: at % (len(pair[0]) + 1)] + character + pair[0][at % (len(pair[0]) + 1) :],
        st.integers(0, 60),
        st.sampled_from("0.,-+()$eE _" + MINUS),
    )
)


@quickly(13)
@given(st.lists(LIKE_AMOUNTS | DIGITS | GROUPS | MISSPELT | ANY_TEXT, min_size=1, max_size=60), CURRENCIES)
def test_any_text_is_read_as_a_strict_reader_reads_it_or_not_at_all(
    connection: duckdb.DuckDBPyConnection, texts: list[str], currency: str | None
) -> None:
    for text, amount in zip(texts, amounts(connection, texts, currency), strict=True):
        assert amount is None or amount == meant(text, currency), text


@quickly(10)
@given(st.lists(LIKE_AMOUNTS | GROUPS | MISSPELT, min_size=1, max_size=60), CURRENCIES)
def test_what_a_strict_reader_reads_without_an_exponent_is_read(
    connection: duckdb.DuckDBPyConnection, texts: list[str], currency: str | None
) -> None:
    plain = [text for text in texts if "e" not in text.lower()] or ["1"]
    assert amounts(connection, plain, currency) == [meant(text, currency) for text in plain]


@quickly(13)
@given(st.lists(st.integers(-(10**40), 10**40), min_size=1, max_size=40), st.integers(0, 60), CURRENCIES)
def test_more_than_18_decimals_are_rounded_half_away_from_zero_and_told(
    connection: duckdb.DuckDBPyConnection, numbers: list[int], places: int, currency: str | None
) -> None:
    exact = [Decimal(f"{number}E-{places}") for number in numbers]
    texts = [f"{number:f}" for number in exact]
    for written_as in (
        texts,
        [f"{number:E}" for number in exact],
        [f"({SYMBOLS[currency] or ''}{text})" for text in texts],
    ):
        found = amounts(connection, written_as, currency)
        told = evaluate(connection, is_rounded_sql("t", currency), [(text,) for text in written_as], "t VARCHAR")
        for text, amount, is_rounded in zip(written_as, found, told, strict=True):
            expected = meant(text, currency)
            assert amount == expected, text
            if amount is not None:
                error = abs(Decimal(text.strip("()$€£¥₹")).copy_abs().compare(amount.copy_abs(), WIDE))
                assert is_rounded == (error != 0), text


@quickly(10)
@given(st.lists(LIKE_AMOUNTS | DIGITS | GROUPS | MISSPELT | ANY_TEXT, min_size=1, max_size=60), CURRENCIES)
def test_whether_an_amount_is_rounded_is_told_of_any_text(
    connection: duckdb.DuckDBPyConnection, texts: list[str], currency: str | None
) -> None:
    told = evaluate(connection, is_rounded_sql("t", currency), [(text,) for text in texts], "t VARCHAR")
    assert set(told) <= {True, False}
    assert not any(is_rounded for is_rounded, text in zip(told, texts, strict=True) if not re.search("[0-9]", text))


SCALES = st.sampled_from([(38, 28), (38, 18), (38, 37), (30, 19), (38, 10), (18, 9)])


@quickly(13)
@given(SCALES, st.data())
def test_a_decimal_of_any_scale_is_rounded_at_the_18th_and_told(
    connection: duckdb.DuckDBPyConnection, scale: tuple[int, int], data: st.DataObject
) -> None:
    digits, decimals = scale
    largest = 10**digits - 1
    numbers = data.draw(st.lists(st.integers(-largest, largest) | st.sampled_from([largest, -largest, 0]), min_size=1))
    exact = [Decimal(f"{number}E-{decimals}") for number in numbers]
    rows, type_ = [(number,) for number in exact], f"DECIMAL({digits},{decimals})"
    found = evaluate(connection, decimal_amount_sql("x"), rows, f"x {type_}")
    told = evaluate(connection, is_rounded_decimal_sql("x", type_), rows, f"x {type_}")
    assert found == [rounded(number) for number in exact]
    read = [(one, number, amount) for one, number, amount in zip(told, exact, found, strict=True) if amount is not None]
    assert [one for one, _, _ in read] == [number != amount for _, number, amount in read]


NUMBERS = st.one_of(
    st.floats(-1e17, 1e17),
    st.floats(-1e-6, 1e-6),
    st.integers(-(10**15), 10**15).map(lambda number: number / 10**10),
    st.integers(-(10**9), 10**9).map(lambda number: number / 100),
)


@quickly(13)
@given(st.lists(NUMBERS, min_size=1, max_size=200))
def test_a_binary_fraction_is_the_shortest_decimal_that_stands_for_it_to_the_18th(
    connection: duckdb.DuckDBPyConnection, numbers: list[float]
) -> None:
    exact = Context(prec=60)
    expected = [Decimal(repr(number)).quantize(Decimal("1E-18"), ROUND_HALF_UP, exact) for number in numbers]
    rows = [(number,) for number in numbers]
    assert evaluate(connection, binary_amount_sql("x"), rows, "x DOUBLE") == expected
    told = evaluate(connection, is_rounded_binary_sql("x"), rows, "x DOUBLE")
    assert told == [Decimal(repr(number)) != amount for number, amount in zip(numbers, expected, strict=True)]


def test_what_is_no_number_is_no_amount_as_a_binary_fraction_either(connection: duckdb.DuckDBPyConnection) -> None:
    numbers = [math.nan, math.inf, -math.inf, 1e20, None]
    assert evaluate(connection, binary_amount_sql("x"), [(number,) for number in numbers], "x DOUBLE") == [None] * 5
