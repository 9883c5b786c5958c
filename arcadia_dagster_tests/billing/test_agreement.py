"""What lines, statement and finance come to, in words."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.billing.agreement import WITNESSES, Agreement
from arcadia_dagster_tests.kit.properties import quickly


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ((660, 660, 660), "lines = stated = finance"),
        ((660, 660, None), "lines = stated, not in finance"),
        ((660, None, 660), "lines = finance, stated by nobody"),
        ((None, 660, 660), "stated = finance, no lines"),
        ((660, None, None), "lines only, stated by nobody, not in finance"),
        ((None, 660, None), "stated only, no lines, not in finance"),
        ((659, 660, 660), "stated = finance, lines 0.01 USD less"),
        ((660, 661, 660), "lines = finance, stated 0.01 USD more"),
        ((660, 660, 100_661), "lines = stated, finance 1,000.01 USD more"),
        ((659, 660, None), "lines 6.59 USD, stated 0.01 USD more, not in finance"),
        ((659, None, 660), "lines 6.59 USD, finance 0.01 USD more, stated by nobody"),
        ((None, 661, 660), "stated 6.61 USD, finance 0.01 USD less, no lines"),
        ((659, 660, 661), "lines 6.59 USD, stated 6.60 USD, finance 6.61 USD: no two agree"),
        ((-220, -220, -219), "lines = stated, finance 0.01 USD more"),
    ],
)
def test_words_say_which_agree_and_by_how_much_the_third_differs(
    figures: tuple[int | None, int | None, int | None], words: str
) -> None:
    found = Agreement("USD", *figures)
    assert found.words == words
    assert found.parts is (len({one for one in figures if one is not None}) > 1)


@quickly(50)
@given(figures=st.tuples(*(st.none() | st.integers(-3, 3),) * 3).filter(any))
def test_every_witness_is_named_whatever_they_say(figures: tuple[int | None, int | None, int | None]) -> None:
    for order in permutations(figures):
        found = Agreement("JPY", *order)
        assert all(name in found.words or name == "lines" for name in WITNESSES)
        assert (" = " in found.words) is (
            len([one for one in order if one is not None]) > len({one for one in order if one is not None})
        )


def test_what_no_currency_is_known_of_is_not_compared() -> None:
    figures = {"lines_gross_minor": 1, "stated_gross_minor": None}
    assert Agreement.of({"currency": None, **figures}, None) is None
    assert Agreement.of({"currency": "XXZ", **figures}, None) is None
    assert Agreement.of({"currency": "EUR", **figures}, 1) == Agreement("EUR", 1, None, 1)
