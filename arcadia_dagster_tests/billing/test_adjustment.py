"""Lines that bring an invoice to what is stated: to the minor unit, and none where nothing is stated otherwise."""

from decimal import Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.billing.adjustment import ROUNDING, TAX, Stated
from arcadia_dagster.billing.currency import EXPONENTS, from_minor, to_minor
from arcadia_dagster_tests.kit.properties import from_attos, quickly

CURRENCIES = st.sampled_from(["USD", "EUR", "JPY", "KWD", "CLF"])
EXACT = st.integers(-(10**30), 10**30).map(from_attos)
MINOR = st.integers(-(10**12), 10**12)


@st.composite
def statements(draw: st.DrawFn) -> Stated:
    currency, gross, tax = draw(CURRENCIES), draw(EXACT), draw(EXACT)
    # Near to the lines as often as far from them.
    total = draw(st.one_of(MINOR, st.integers(-3, 3).map(lambda by: to_minor(gross, currency) + by)))
    stated_tax = draw(st.one_of(st.none(), MINOR, st.integers(-3, 3).map(lambda by: to_minor(tax, currency) + by)))
    return Stated(
        currency,
        gross,
        tax,
        draw(st.integers(0, 3)),
        from_minor(total, currency),
        None if stated_tax is None else from_minor(stated_tax, currency),
        is_before_tax=draw(st.booleans()),
        says_tax_besides=draw(st.booleans()),
    )


@given(stated=statements())
@quickly(300)
def test_with_its_lines_an_invoice_comes_to_what_is_stated(stated: Stated) -> None:
    lines = stated.adjustment()
    with localcontext(prec=80):
        gross = stated.gross + sum(lines.values())
        tax = stated.tax + lines.get(TAX, Decimal(0))
    assert to_minor(gross, stated.currency) == to_minor(stated.stated_total, stated.currency)
    if stated.stated_tax is None:
        assert TAX not in lines
    else:
        assert to_minor(tax, stated.currency) == to_minor(stated.stated_tax, stated.currency)
    assert all(lines.values())


@given(stated=statements())
@quickly(300)
def test_nothing_is_added_where_the_lines_come_to_it(stated: Stated) -> None:
    is_total = to_minor(stated.gross, stated.currency) == to_minor(stated.stated_total, stated.currency)
    is_tax = stated.stated_tax is None or to_minor(stated.tax, stated.currency) == to_minor(
        stated.stated_tax, stated.currency
    )
    assert stated.differs == (not (is_total and is_tax))


@given(stated=statements(), minor=st.integers(1, 5))
@quickly(300)
def test_a_tolerance_bounds_what_is_booked_and_never_books_tax_that_nobody_stated(stated: Stated, minor: int) -> None:
    unit = from_minor(1, stated.currency)
    tolerance = unit * minor
    if not stated.is_tolerated(tolerance):
        return
    assert not (stated.is_before_tax and stated.stated_tax is None)
    # What is not whole minor units of the lines' own sum goes with it.
    lines = stated.adjustment()
    assert abs(lines.get(TAX, Decimal(0))) <= tolerance + unit
    assert abs(lines.get(ROUNDING, Decimal(0))) <= 2 * (tolerance + unit)


@given(net=st.integers(1, 10**9), tax=st.integers(1, 10**9), currency=CURRENCIES, parts=st.integers(0, 49))
@quickly(100)
def test_the_tax_that_an_export_leaves_out_is_one_line(net: int, tax: int, currency: str, parts: int) -> None:
    # The export has further decimals, which round to the invoice's net.
    exact = from_minor(net, currency) + Decimal(parts).scaleb(-EXPONENTS[currency] - 2)
    total, stated_tax = from_minor(net + tax, currency), from_minor(tax, currency)
    known = Stated(currency, exact, Decimal(0), 0, total, stated_tax, is_before_tax=True)
    assert known.is_completed_by_tax()
    assert dict(known.adjustment()) == {TAX: stated_tax}
    # Not where the document has tax of its own, the net differs, or only the document itself says so.
    assert not Stated(currency, exact, stated_tax, 1, total, stated_tax, is_before_tax=True).is_completed_by_tax()
    other = from_minor(net + tax + 1, currency)
    assert not Stated(currency, exact, Decimal(0), 0, other, stated_tax, is_before_tax=True).is_completed_by_tax()
    assert not Stated(currency, exact, Decimal(0), 0, total, stated_tax).is_completed_by_tax()
