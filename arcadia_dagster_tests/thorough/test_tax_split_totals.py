"""The split of gross into net and tax, on the warehouse's own tables, against sums made in integers."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.stages.reconciling import unreconciled
from arcadia_dagster.stages.tax_split_totals import as_earlier_sql, build_tax_split_totals
from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.rows import insert
from arcadia_dagster_tests.kit.properties import from_attos, quickly, rounded, to_attos

MONTH = date(2026, 4, 1)
MONTHS = MonthRange(date(2018, 1, 1), date(2026, 12, 1))
CURRENCIES = {"USD": 2, "JPY": 0, "KWD": 3, "CLF": 4}
AMOUNT = st.one_of(
    st.integers(-(10**31), 10**31).map(from_attos),
    st.integers(-(10**6), 10**6).map(lambda halves: Decimal(halves) / 2000),
)
CATEGORIES = st.sampled_from(("Usage", "Usage", "Tax", "Credit", "Adjustment", "Purchase"))
INVOICE = st.tuples(
    st.sampled_from(sorted(CURRENCIES)), st.lists(st.tuples(AMOUNT, CATEGORIES), min_size=1, max_size=8)
)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return Warehouse(tmp_path_factory.mktemp("totals") / "arcadia.duckdb")


def totals(
    warehouse: Warehouse,
    invoices: Sequence[tuple[str, Sequence[tuple[Decimal, str]]]],
    rounded_lines: Sequence[int] = (),
) -> list[tuple[Any, ...]]:
    """Each invoice's row of the totals, from lines put in as they are given."""
    raw, lines = [], []
    for number, (currency, stated) in enumerate(invoices):
        invoice = {
            "document_sha256": f"{number:064}",
            "source": "digitalocean",
            "account_id": "1",
            "external_id": str(number),
            "invoice_month": MONTH,
        }
        raw.append(
            {
                **invoice,
                "invoice_ordinal": 1,
                "currency": currency,
                "line_count": len(stated),
                "id_basis": "document",
                "month_basis": "document",
                "is_final": True,
                "received_at": datetime(2026, 5, 1, number % 24),  # noqa: DTZ001 - the warehouse's times are UTC
                "rounded_lines": rounded_lines[number] if rounded_lines else 0,
                "status": "current",
            }
        )
        lines += [
            {**invoice, "line_number": line, "amount": amount, "charge_category": category, "currency": currency}
            for line, (amount, category) in enumerate(stated, 1)
        ]
    with warehouse.write() as connection:
        connection.execute("DELETE FROM raw_invoices")
        connection.execute("DELETE FROM cost_lines")
        insert(connection, schema.RAW_INVOICES, raw)
        insert(connection, schema.COST_LINES, lines)
    with warehouse.write() as connection:
        build_tax_split_totals(connection, {MONTH}, MONTHS)
    with warehouse.read() as connection:
        assert unreconciled(connection) == []
        rows = connection.execute(
            "SELECT amount_gross_minor, amount_net_minor, amount_tax_minor, amount_gross, amount_tax, line_count "
            "FROM tax_split_totals ORDER BY CAST(external_id AS INTEGER)"
        ).fetchall()
    assert len(rows) == len(invoices)
    return rows


@quickly(5, shrinks=False)
@given(st.lists(INVOICE, min_size=10, max_size=30))
def test_gross_and_tax_are_the_exact_sums_rounded_once_and_net_is_the_rest(
    warehouse: Warehouse, invoices: list[tuple[str, list[tuple[Decimal, str]]]]
) -> None:
    for (currency, lines), (gross, net, tax, exact, exact_tax, count) in zip(
        invoices, totals(warehouse, invoices), strict=True
    ):
        amounts = [amount for amount, _ in lines]
        taxes = [amount for amount, category in lines if category == "Tax"]
        assert exact == from_attos(sum(map(to_attos, amounts)))
        assert exact_tax == from_attos(sum(map(to_attos, taxes)))
        assert gross == rounded(exact, CURRENCIES[currency])
        assert tax == rounded(exact_tax, CURRENCIES[currency])
        assert net + tax == gross
        assert count == len(lines)


@quickly(4, shrinks=False)
@given(st.lists(INVOICE, min_size=10, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_the_lines_does_not_matter(
    warehouse: Warehouse, invoices: list[tuple[str, list[tuple[Decimal, str]]]], random: Random
) -> None:
    shuffled = [(currency, random.sample(lines, len(lines))) for currency, lines in invoices]
    assert totals(warehouse, shuffled) == totals(warehouse, invoices)


@quickly(4, shrinks=False)
@given(st.lists(INVOICE, min_size=10, max_size=30))
def test_a_credit_note_is_its_invoice_with_the_other_sign(
    warehouse: Warehouse, invoices: list[tuple[str, list[tuple[Decimal, str]]]]
) -> None:
    credits_ = [
        (currency, [(amount.copy_negate(), category) for amount, category in lines]) for currency, lines in invoices
    ]
    undone = [
        (*(figure.copy_negate() if isinstance(figure, Decimal) else -figure for figure in row[:5]), row[5])
        for row in totals(warehouse, invoices)
    ]
    assert totals(warehouse, credits_) == undone


def test_rounding_happens_once_an_invoice_and_never_a_line(warehouse: Warehouse) -> None:
    lines = [(Decimal("0.004"), "Usage")] * 10 + [(Decimal("0.0005"), "Tax")] * 10
    assert totals(warehouse, [("USD", lines)]) == [(5, 4, 1, Decimal("0.045"), Decimal("0.005"), 20)]


def test_two_equal_lines_both_count(warehouse: Warehouse) -> None:
    assert totals(warehouse, [("USD", [(Decimal("1.10"), "Usage")] * 2)])[0][0] == 220


def test_what_a_reader_lets_through_at_most_still_fits(warehouse: Warehouse) -> None:
    lines = [(Decimal("99999999999999.999999999999999999"), "Usage")]
    assert totals(warehouse, [("CLF", lines)])[0][0] == 10**18


def doubts_of_rounding(warehouse: Warehouse) -> list[list[str]]:
    """Of each invoice, what holds it for the decimals that its amounts lost."""
    with warehouse.read() as connection:
        rows = connection.execute(
            "SELECT list_filter(hold_reasons, lambda reason: contains(reason, 'more than 18 decimals')), can_release "
            "FROM tax_split_totals ORDER BY CAST(external_id AS INTEGER)"
        ).fetchall()
    return [found for found, _ in rows]


EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
# Half a minor unit and a little less or more, and whatever else.
LONG = st.one_of(
    st.integers(-(10**36), 10**36).map(lambda number: Decimal(f"{number}E-28")),
    st.builds(
        lambda halves, rest: Decimal(f"{halves}E-3") * 5 + Decimal(f"{rest}E-28"),
        st.integers(-(10**4), 10**4),
        st.integers(-(10**10), 10**10),
    ),
)
LONG_INVOICE = st.tuples(
    st.sampled_from(sorted(CURRENCIES)), st.lists(st.tuples(LONG, CATEGORIES), min_size=1, max_size=8)
)


@quickly(6, shrinks=False)
@given(st.lists(LONG_INVOICE, min_size=20, max_size=60))
def test_what_rounding_at_the_18th_decimal_may_change_is_held_and_else_the_sums_are_those_of_the_document(
    warehouse: Warehouse, invoices: list[tuple[str, list[tuple[Decimal, str]]]]
) -> None:
    short = [
        (currency, [(amount.quantize(Decimal("1E-18"), context=EXACT), category) for amount, category in lines])
        for currency, lines in invoices
    ]
    counts = [
        sum(amount != kept for (amount, _), (kept, _) in zip(lines, shorter, strict=True))
        for (_, lines), (_, shorter) in zip(invoices, short, strict=True)
    ]
    rows = totals(warehouse, short, counts)
    for (currency, lines), (gross, _, tax, *_), count, doubts in zip(
        invoices, rows, counts, doubts_of_rounding(warehouse), strict=True
    ):
        unit = Decimal(1).scaleb(-CURRENCIES[currency])
        sums = [sum((a for a, _ in lines), Decimal(0)), sum((a for a, c in lines if c == "Tax"), Decimal(0))]
        with localcontext(EXACT):
            exact = [int((one / unit).quantize(Decimal(1))) for one in sums]
        if not doubts:
            assert [gross, tax] == exact
        if not count:
            assert not doubts


@pytest.mark.parametrize(("currency", "most"), [("JPY", 2 * 10**16), ("USD", 2 * 10**14), ("CLF", 2 * 10**12)])
def test_as_many_rounded_lines_as_could_make_a_hundredth_of_a_minor_unit_hold_the_invoice(
    warehouse: Warehouse, currency: str, most: int
) -> None:
    lines = [(Decimal("7.0001"), "Usage")]
    totals(warehouse, [(currency, lines)] * 2, [most - 2, most])
    assert list(map(len, doubts_of_rounding(warehouse))) == [0, 1]


def test_a_sum_that_lies_between_two_minor_units_is_held_where_a_line_was_rounded(warehouse: Warehouse) -> None:
    half = [(Decimal("1.004"), "Usage"), (Decimal("0.001"), "Usage")]
    tax = [(Decimal("10.00"), "Usage"), (Decimal("0.995"), "Tax")]
    totals(warehouse, [("USD", half), ("USD", half), ("USD", tax), ("KWD", half)], [0, 1, 1, 1])
    assert list(map(len, doubts_of_rounding(warehouse))) == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("now", "earlier"),
    [
        ("it states 98.00 USD, differs", "it states 98 USD, differs"),
        ("it states 6.60 USD, differs", "it states 6.6 USD, differs"),
        ("it states 100 JPY and 12.0125 EUR, differs", "it states 100 JPY and 12.0125 EUR, differs"),
        ("record 2 of a.csv is also record 10 of b.csv", "line 2 of a.csv is also line 10 of b.csv"),
    ],
)
def test_a_release_holds_for_the_same_reason_in_the_words_of_an_earlier_version(
    warehouse: Warehouse, now: str, earlier: str
) -> None:
    with warehouse.read() as connection:
        row = connection.execute(f"SELECT {as_earlier_sql('?')} = {as_earlier_sql('?')}", [now, earlier]).fetchone()
    assert row == (True,)
