"""Files with totals: what a person writes of what is invoiced, for one invoice or for several."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.landing.control_totals import NOTHING, ControlTotal, ControlTotals
from arcadia_dagster_tests.kit.properties import quickly

AMOUNTS = st.decimals("-99999999999999", "99999999999999", places=4)


@given(
    total=AMOUNTS, tax=st.one_of(st.none(), AMOUNTS), place=st.sampled_from(["before", "after", "none"]), data=st.data()
)
@quickly(100)
def test_total_and_tax_are_read_exactly_wherever_the_currency_stands(
    total: Decimal, tax: Decimal | None, place: str, data: st.DataObject
) -> None:
    def amount(value: Decimal, place: str) -> str:
        return {"before": f"EUR {value}", "after": f"{value}   EUR", "none": str(value)}[place]

    # The tax is in the total's currency, whether it says so or not.
    with_tax = "" if tax is None else f" tax {amount(tax, data.draw(st.sampled_from([place, 'none'])))}"
    currency = None if place == "none" else "EUR"
    text = f"\n {amount(total, place)}{with_tax}\n\n"
    expected = ControlTotal(total, tax, currency, "a.csv.total")
    assert ControlTotals.of(text, "a.csv.total").of_invoice({"1"}, {"1"}) == expected
    several = ControlTotals.of(f"INV-1 {text.strip()}\n2026/7: USD 1.00 tax 0.10", "a.csv.total")
    assert several.of_invoice({"INV-1"}, {"INV-1", "2026/7", "3"}) == expected
    assert several.of_invoice({"2026/7", "uuid"}, {"INV-1", "2026/7", "uuid", "3"}).tax == Decimal("0.10")
    assert several.of_invoice({"3"}, {"INV-1", "2026/7", "3"}) == NOTHING


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("EUR 41.06 tax", "'EUR 41.06 tax'; expected a total such as 86.92 or USD 86.92, or a total with its tax"),
        ("EUR 41.06 tax 19%", "expected a total such as"),
        ("EUR 41.06 tax USD 6.56", "expected a total such as"),
        ("41,06", "expected a total such as"),
        ("INV-1 EUR 1.00\nINV-1 EUR 2.00", "expected one line for each invoice"),
        ("INV-2 EUR 1.00", "no invoice of its document has the id 'INV-2'; expected INV-1"),
    ],
)
def test_what_cannot_be_used_says_what_is_expected(text: str, problem: str) -> None:
    found = ControlTotals.of(text, "a.csv.total").of_invoice({"INV-1"}, {"INV-1"})
    assert found.total is None
    assert problem in str(found.problem)


def test_one_total_for_several_invoices_says_how_each_has_its_own() -> None:
    found = ControlTotals.of("USD 5.00", "a.csv.total").of_invoice({"A"}, {"A", "B"})
    assert found.problem is not None
    assert "expected a line for each invoice that begins with its id, such as A USD 86.92 tax 7.90" in found.problem
