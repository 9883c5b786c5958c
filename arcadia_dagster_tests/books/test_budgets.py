"""A budget is over, or will be at the month's present pace; the basis says what that goes by."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.billing.currency import to_minor
from arcadia_dagster.books.budgets import Budget, Spend, State, applying, standing
from arcadia_dagster.books.budgets_file import BudgetsError, read_budgets

NOVEMBER = date(2026, 11, 1)


def spend(amount: str = "40", *, as_of: date | None = None, currency: str = "USD", provider: str = "aws") -> Spend:
    return Spend(provider, "shop", "acme", currency, Decimal(amount), as_of)


def test_an_open_month_goes_on_at_its_present_pace() -> None:
    found = standing(Budget(Decimal(100), "USD"), NOVEMBER, 30, [spend("40", as_of=date(2026, 11, 10))])
    assert (found.spent, found.expected, found.state) == (Decimal(40), Decimal(120), State.GOING_OVER)
    assert found.basis == "open invoices, 10 of 30 days"


def test_a_final_invoice_stays_as_it_is_beside_an_open_one() -> None:
    spends = [spend("60"), spend("10", as_of=date(2026, 11, 15))]
    found = standing(Budget(Decimal(80), "USD"), NOVEMBER, 30, spends)
    assert (found.spent, found.expected, found.state) == (Decimal(70), Decimal(80), State.WITHIN)
    assert found.basis == "final and open invoices, 15 of 30 days"


def test_a_budget_is_over_once_more_is_spent_whatever_comes() -> None:
    found = standing(Budget(Decimal("39.99"), "USD"), NOVEMBER, 30, [spend("40")])
    assert (found.state, found.left) == (State.OVER, Decimal("-0.01"))


def test_budget_spent_and_left_add_up_as_they_are_printed() -> None:
    found = standing(Budget(Decimal(1_000_000), "JPY"), NOVEMBER, 30, [spend("1234.5", currency="JPY")])
    assert (to_minor(found.spent, "JPY"), to_minor(found.left, "JPY")) == (1235, 998_765)


def test_only_what_a_budget_names_counts_and_another_currency_is_told() -> None:
    spends = [spend("1"), spend("5", provider="oci"), spend("7", currency="EUR")]
    found = standing(Budget(Decimal(10), "USD", provider="aws"), NOVEMBER, 30, spends)
    assert (found.spent, found.basis) == (Decimal(1), "final invoices; spend in EUR is not counted")
    assert standing(Budget(Decimal(10), "USD", project="web"), NOVEMBER, 30, spends).basis == "nothing is known of it"


def test_an_open_invoice_that_came_after_its_month_is_of_all_of_it() -> None:
    found = standing(Budget(Decimal(100), "USD"), NOVEMBER, 30, [spend("40", as_of=date(2026, 12, 3))])
    assert found.expected == Decimal(40)


def test_the_budget_of_a_month_comes_before_that_of_each_month() -> None:
    each, own, other = Budget(Decimal(1), "USD"), Budget(Decimal(2), "USD", month=NOVEMBER), Budget(Decimal(3), "EUR")
    assert applying([each, own, other], NOVEMBER) == [own, other]
    assert applying([own, each, other], date(2026, 10, 1)) == [each, other]


@given(
    st.lists(st.decimals(0, 1000, places=6), max_size=5),
    st.integers(1, 30).map(lambda day: date(2026, 11, day)),
)
def test_what_is_expected_is_never_less_than_what_was_spent(amounts: list[Decimal], as_of: date) -> None:
    spends = [spend(f"{amount:f}", as_of=as_of) for amount in amounts]
    found = standing(Budget(Decimal(1), "USD"), NOVEMBER, 30, spends)
    assert found.expected >= found.spent
    assert found.spent == round(sum(amounts, Decimal(0)), 4) or abs(found.spent - sum(amounts, Decimal(0))) <= Decimal(
        "0.00005"
    )


def test_a_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text('[[budget]]\nprovider = "aws"\nmonth = "2026-11"\namount = 99.50\ncurrency = "USD"\n')
    assert read_budgets(path) == (Budget(Decimal("99.50"), "USD", provider="aws", month=NOVEMBER),)
    assert read_budgets(tmp_path / "none.toml") == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[budget]]\namount = 5", "currency is missing"),
        ("[[budget]]\ncurrency = 'USD'", "amount is missing"),
        ("[[budget]]\namount = '5'\ncurrency = 'USD'", "without quotes"),
        ("[[budget]]\namount = -5\ncurrency = 'USD'", "expected an amount"),
        ("[[budget]]\namount = 5\ncurrency = 'usd'", "ISO 4217"),
        ("[[budget]]\namount = 5\ncurrency = 'USD'\nmonth = 2026-11-01", "expected a month"),
        ("[[budget]]\namount = 5\ncurrency = 'USD'\nprovder = 'x'", "did you mean 'provider'"),
        ("[budget]\namount = 5", r"in two brackets"),
        ("[[budget]]\namount = 5\ncurrency = 'USD'\n[[budget]]\namount = 6\ncurrency = 'USD'", "the same as budget 1"),
    ],
)
def test_a_file_that_cannot_be_right_says_what_is_expected(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(text)
    with pytest.raises(BudgetsError, match=says):
        read_budgets(path)
