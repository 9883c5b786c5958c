"""The list of invoices: how an invoice stands whose parts stand differently, and what it comes to in sum."""

import re
from collections import Counter
from datetime import date
from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.finance.standing import DELIVERY_STATES, OUTSTANDING, InvoiceState, Part
from arcadia_dagster.reports.listing import ListedInvoice, state_of, sums
from arcadia_dagster_tests.kit.properties import quickly

PARTS = st.lists(st.builds(Part, st.just("acme"), st.just("1:acme"), st.sampled_from(DELIVERY_STATES)), max_size=4)
AMOUNTS = st.integers(min_value=-(10**15), max_value=10**15)
INVOICES = st.lists(
    st.builds(
        lambda currency, net, tax, state: ListedInvoice(
            date(2026, 4, 1),
            "aws",
            "7",
            "1",
            None,
            currency,
            None if currency is None else net + tax,
            net,
            tax,
            state,
            (),
            False,
            (),
        ),
        st.sampled_from([None, "USD", "JPY", "EUR"]),
        AMOUNTS,
        AMOUNTS,
        st.sampled_from(InvoiceState),
    ),
    max_size=8,
)


@quickly(100)
@given(PARTS)
def test_an_invoice_is_pushed_only_when_all_parts_are_and_outstanding_when_any_part_is(parts: list[Part]) -> None:
    states = {part.state for part in parts}
    state = state_of("ready", parts)
    assert (state is InvoiceState.PUSHED) == (states == {InvoiceState.PUSHED})
    assert (state in OUTSTANDING) == bool(states & OUTSTANDING)
    assert state in states or (state is InvoiceState.UNBUILT and not states)
    assert state_of("ready", parts[::-1]) is state


@quickly()
@given(PARTS, st.sampled_from([("held", "held"), ("void", "voided"), ("nothing", "withdrawn")]))
def test_what_must_not_go_to_finance_stands_as_its_totals_do_whatever_was_pushed(
    parts: list[Part], standing: tuple[str, str]
) -> None:
    assert state_of(standing[0], parts).value == standing[1]


@quickly(100)
@given(INVOICES, st.randoms(use_true_random=False))
def test_sums_keep_currencies_apart_and_do_not_depend_on_the_order(
    invoices: list[ListedInvoice], random: Random
) -> None:
    counted = [one for one in invoices if one.currency is not None and one.state is not InvoiceState.WITHDRAWN]
    expected: Counter[str] = Counter()
    for one in counted:
        expected[str(one.currency)] += one.gross_minor or 0
    found = sums(invoices)
    assert [total.currency for total in found] == sorted({str(one.currency) for one in counted})
    assert {total.currency: total.gross_minor for total in found} == {**expected}
    assert all(total.gross_minor == total.net_minor + total.tax_minor for total in found)
    random.shuffle(invoices)
    assert sums(invoices) == found


def test_the_documents_name_every_field_and_every_state() -> None:
    operations = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    _, section = operations.split("## Lists for people and programs")
    fields, states = (
        [
            name
            for row in table.splitlines()
            if row.startswith("| `")
            for name in re.findall(r"`(\w+)`", row.split("|")[1])
        ]
        for table in section.split("## ")[0].split("| state | the invoice |")
    )
    one = ListedInvoice(date(2026, 4, 1), "aws", "7", "1", None, "USD", 1, 1, 0, InvoiceState.READY, (), False, ())
    assert fields == list(one.as_json())
    assert sorted(states) == sorted(InvoiceState)


@quickly()
@given(INVOICES)
def test_amounts_as_json_are_the_same_in_minor_units_and_as_text(invoices: list[ListedInvoice]) -> None:
    for one in invoices:
        plain = one.as_json()
        if one.currency is None:
            assert plain["gross"] is None
        else:
            decimals = 0 if one.currency == "JPY" else 2
            assert len(plain["gross"].partition(".")[2]) == decimals
            assert int(plain["gross"].replace(".", "")) == plain["gross_minor"] == one.gross_minor
