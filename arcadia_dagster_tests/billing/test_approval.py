from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.billing.approval import Limits
from arcadia_dagster.billing.currency import EXPONENTS

NOVEMBER = date(2026, 11, 1)


def test_an_invoice_of_more_than_its_currencys_amount_must_be_approved() -> None:
    limits = Limits.parse("EUR 1000, USD 2000.50")
    assert limits.need(Decimal("1000.01"), "EUR", NOVEMBER)
    assert not limits.need(Decimal("1000.00"), "EUR", NOVEMBER)
    assert not limits.need(Decimal("2000.50"), "USD", NOVEMBER)


def test_a_large_credit_note_must_be_approved_too() -> None:
    assert Limits.parse("EUR 1000").need(Decimal("-1000.01"), "EUR", NOVEMBER)


def test_an_invoice_in_a_currency_without_an_amount_must_be_approved() -> None:
    assert Limits.parse("EUR 1000").need(Decimal("0.01"), "GBP", NOVEMBER)


def test_all_is_every_invoice() -> None:
    assert Limits.parse("all").need(Decimal(0), "EUR", NOVEMBER)


def test_no_invoice_before_the_first_month_must_be_approved() -> None:
    limits = Limits.parse("all, from 2026-11")
    assert limits.concern(NOVEMBER)
    assert not limits.need(Decimal(9), "EUR", date(2026, 10, 1))


def test_without_a_limit_nothing_must_be_approved() -> None:
    assert Limits.parse(" ").are_none
    assert not Limits.parse("").need(Decimal(10) ** 9, "EUR", NOVEMBER)


@pytest.mark.parametrize(
    "text",
    [
        "1000",
        "EUR",
        "EUR -1",
        "EUR 1,000",
        "XXX 5",
        "eur 5",
        "EUR 5, EUR 6",
        "all, EUR 5",
        "everything",
        "from 2026-11",
        "all, from 2026-13",
        "all, from 2026-11, from 2026-12",
        "all all",
    ],
)
def test_what_is_no_limit_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Limits.parse(text)


@given(
    over=st.dictionaries(st.sampled_from(sorted(EXPONENTS)), st.decimals("0", "999999", places=2), max_size=3),
    first_month=st.none() | st.just(NOVEMBER),
)
def test_limits_as_a_setting_has_them_are_the_same_limits(over: dict[str, Decimal], first_month: date | None) -> None:
    limits = Limits(tuple(sorted(over.items())), not over, first_month)
    assert Limits.parse(str(limits)) == limits
