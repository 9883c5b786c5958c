# ruff: noqa: RUF001 - letters that look alike are what is tested

import unicodedata
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.billing import tax
from arcadia_dagster_tests.kit.properties import evaluate, quickly

CATEGORY = tax.charge_category_sql(
    typed="typed", description="description", amount="amount", bills_usage="hours IS NOT NULL"
)
COLUMNS = "typed VARCHAR, description VARCHAR, amount DECIMAL(38,18), hours DECIMAL(38,18)"


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def judge(
    connection: duckdb.DuckDBPyConnection,
    *,
    typed: str | None = None,
    description: str = "",
    amount: str = "1.00",
    hours: str | None = None,
) -> tuple[object, ...]:
    """The category, the basis of tax, and whether the line is doubtful."""
    row = [(typed, description, amount, hours)]
    (category,) = evaluate(connection, CATEGORY, row, COLUMNS)
    basis = tax.tax_basis_sql(typed="typed", category=f"'{category}'")
    doubtful = tax.doubtful_sql(category=f"'{category}'", description="description")
    return category, *evaluate(connection, basis, row, COLUMNS), *evaluate(connection, doubtful, row, COLUMNS)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        *(
            pytest.param({"typed": "Usage", "description": name, "hours": hours}, ("Usage", None, True), id=id_)
            for hours, id_ in (("10", "case_14"), (None, "case_14_backup"))
            for name in ("gstreamer-01", "taxi-api", "syntax-worker", "taxonomy-db", "tax-service")
        ),
        *(
            pytest.param({"description": words}, ("Tax", "description", False), id="case_14b")
            for words in ("GST (10%)", "GST10%", "Sales tax", "Canada Tax", "10% gst", "Taxes", "tax_id 7", "TAX")
        ),
        *(
            pytest.param({"typed": "Tax", "description": words}, ("Tax", "provider_type", True), id="case_15")
            for words in ("VAT Switzerland (8.10%)", "HST", "QST 9.975%", "PST", "SST", "")
        ),
        pytest.param(
            {"typed": "Usage", "description": "GST (10%)", "hours": "744"}, ("Usage", None, True), id="case_16"
        ),
        pytest.param({"description": "GST (10%)", "hours": "744"}, ("Usage", None, True), id="case_16_untyped"),
        pytest.param(
            {"typed": "Tax", "description": "GST refund", "amount": "-1"}, ("Tax", "provider_type", False), id="case_17"
        ),
        pytest.param(
            {"typed": "Credit", "description": "Tax-exempt credit", "amount": "-1"},
            ("Credit", None, True),
            id="case_17_credit",
        ),
        pytest.param(
            {"description": "Tax-exempt credit", "amount": "-1"}, ("Credit", None, True), id="case_17_untyped"
        ),
        pytest.param({"description": "Promotional credit", "amount": "-1"}, ("Credit", None, False), id="case_13"),
        pytest.param({"description": "GST", "amount": "0"}, ("Tax", "description", False), id="case_13_zero"),
        pytest.param({"typed": "Purchase", "description": "Tax"}, ("Purchase", None, True), id="purchase"),
        pytest.param({"description": "IVA 21%"}, ("Tax", "description", True), id="iva"),
        pytest.param({"description": "TVA, 20 %"}, ("Tax", "description", True), id="tva"),
    ],
)
def test_what_a_line_is_follows_its_type_and_only_without_one_its_words(
    connection: duckdb.DuckDBPyConnection, line: dict[str, Any], expected: tuple[str, str | None, bool]
) -> None:
    assert judge(connection, **line) == expected


WORDS = st.sampled_from(tax.TAX_WORDS).flatmap(lambda word: st.sampled_from([word, word.upper(), word.title()]))
LETTERS = st.characters(categories=["L"])
MARKS = st.characters(categories=["M"])
OTHERS = st.characters(exclude_categories=["L", "M", "Cs"], exclude_characters="\0")


@quickly(10)
@given(
    st.lists(
        st.tuples(WORDS, LETTERS | MARKS | LETTERS.map(lambda letter: unicodedata.normalize("NFD", letter))),
        min_size=1,
        max_size=30,
    ),
    st.booleans(),
)
def test_a_tax_word_that_touches_a_letter_of_any_script_never_counts(
    connection: duckdb.DuckDBPyConnection, given_: list[tuple[str, str]], comes_first: bool
) -> None:
    texts = [(letter + word if comes_first else word + letter,) for word, letter in given_]
    longer_words = {word.casefold() for word in tax.TAX_WORDS}
    found = evaluate(connection, tax.reads_as_tax_sql("t"), texts, "t VARCHAR")
    assert [text for (text,), is_tax in zip(texts, found, strict=True) if is_tax] == [
        text for (text,) in texts if text.casefold() in longer_words
    ]


@quickly(10)
@given(st.lists(st.tuples(OTHERS, WORDS, OTHERS), min_size=1, max_size=30))
def test_a_tax_word_between_anything_but_letters_counts(
    connection: duckdb.DuckDBPyConnection, given_: list[tuple[str, str, str]]
) -> None:
    texts = [("".join(parts),) for parts in given_]
    assert all(evaluate(connection, tax.reads_as_tax_sql("t"), texts, "t VARCHAR"))


@quickly(6)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=30))
def test_whatever_the_words_every_line_is_something_and_only_untyped_words_make_tax(
    connection: duckdb.DuckDBPyConnection, texts: list[str]
) -> None:
    for typed in ("Usage", "Credit", "Adjustment", "Purchase"):
        rows = [(typed, text, "1", None) for text in texts]
        assert evaluate(connection, CATEGORY, rows, COLUMNS) == [typed] * len(texts)
    with_hours = [(None, text, "1", "1") for text in texts]
    assert evaluate(connection, CATEGORY, with_hours, COLUMNS) == ["Usage"] * len(texts)
    negative = [(None, text, "-1", None) for text in texts]
    assert evaluate(connection, CATEGORY, negative, COLUMNS) == ["Credit"] * len(texts)


@pytest.mark.parametrize(
    "words", ["taxi", "gstreamer", "étax", "e\u0301tax", "tax\u0301", "τax", "taxе", "vatican", "privat"]
)
def test_a_longer_word_is_no_tax_word(connection: duckdb.DuckDBPyConnection, words: str) -> None:
    assert evaluate(connection, tax.reads_as_tax_sql("t"), [(words,)], "t VARCHAR") == [False]
