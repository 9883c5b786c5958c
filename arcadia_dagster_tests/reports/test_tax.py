"""What goes into a tax return: it adds up to the totals, states no rate that nobody states, and says what to look at."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.billing.tax_kinds import TaxKind
from arcadia_dagster.reports.tax import (
    Share,
    StatedTax,
    TaxedInvoice,
    TaxReturn,
    doubts_of,
    rows_of,
    shares_of,
    tax_return,
    totals_of,
)
from arcadia_dagster.statement.tax import render_tax
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster_tests.kit.einvoices import Facts, Line, Tax, ubl
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.statement_pages import parse

APRIL = date(2026, 4, 1)
MAY = date(2026, 5, 1)

AMOUNTS = st.integers(-(10**9), 10**9)
MAJOR = st.none() | st.decimals("-99999", "99999", places=2)
CATEGORIES = st.sampled_from([None, "S", "AE", "E", "K", "Z"])
RATES = st.sampled_from([None, Decimal(0), Decimal(10), Decimal(19)])
STATED = st.lists(st.builds(StatedTax, CATEGORIES, RATES, MAJOR, MAJOR), max_size=4)


@given(net=AMOUNTS, own_tax=AMOUNTS, stated=STATED, line_rates=st.lists(RATES.filter(bool), max_size=2, unique=True))
def test_the_parts_of_an_invoice_add_up_to_it_whatever_is_stated(
    net: int, own_tax: int, stated: list[StatedTax], line_rates: list[Decimal]
) -> None:
    shares, _ = shares_of(net, own_tax, "EUR", stated, line_rates)
    assert (sum(share.net for share in shares), sum(share.tax for share in shares)) == (net, own_tax)
    named = {row.rate for row in stated} | set(line_rates) | {None}
    assert {share.rate for share in shares} <= named


@st.composite
def taxed_invoices(draw: st.DrawFn) -> TaxedInvoice:
    share = st.builds(Share, st.sampled_from(TaxKind), st.just(""), RATES, AMOUNTS, AMOUNTS)
    shares = tuple(draw(st.lists(share, min_size=1, max_size=2)))
    return TaxedInvoice(
        key=InvoiceKey("any", "1", "1"),
        number="1",
        month=draw(st.sampled_from([APRIL, MAY])),
        currency=draw(st.sampled_from(["EUR", "USD"])),
        seller=draw(st.sampled_from(["A", "B"])),
        country=draw(st.sampled_from(["", "DE"])),
        tax_id="",
        is_credit_note=draw(st.booleans()),
        waits=False,
        shares=shares,
    )


@given(invoices=st.lists(taxed_invoices(), max_size=4), by_month=st.booleans())
def test_the_rows_of_any_invoices_add_up_to_them_in_each_currency(invoices: list[TaxedInvoice], by_month: bool) -> None:
    rows, totals = rows_of(invoices, by_month=by_month), totals_of(invoices)
    for total in totals:
        own = [row for row in rows if row.currency == total.currency]
        assert (sum(row.net for row in own), sum(row.tax for row in own)) == (total.net, total.tax)
    assert sum(len(row.invoices) for row in rows) == sum(len(invoice.shares) for invoice in invoices)


def _charged(rate: str | None, *, net: int = 10000, tax_: int = 1900) -> list[Share]:
    return [Share(TaxKind.CHARGED, "", None if rate is None else Decimal(rate), net, tax_)]


@pytest.mark.parametrize(
    ("rate", "tax_id", "country", "buyer"),
    [("19", "DE812871812", "DE", None), ("10", "12345678901", "AU", None), ("19", "EU372008134", "US", "DE123456789")],
)
def test_a_rate_of_the_sellers_or_the_buyers_country_is_plausible(
    rate: str, tax_id: str, country: str, buyer: str | None
) -> None:
    assert list(doubts_of(_charged(rate), tax_id=tax_id, country=country, buyer_tax_id=buyer)) == []


def test_a_rate_that_no_country_concerned_has_is_listed() -> None:
    found = list(doubts_of(_charged("16"), tax_id="DE812871812", country="DE", buyer_tax_id=None))
    assert found == ["its rate of 16 % is none of DE that is known here"]


def test_a_rate_of_a_country_that_is_not_known_is_not_judged() -> None:
    assert list(doubts_of(_charged("17"), tax_id="1", country="IL", buyer_tax_id=None)) == []


def test_more_tax_than_any_country_has_is_listed_without_a_rate_too() -> None:
    [found] = doubts_of(_charged(None, tax_=3000), tax_id="1", country=None, buyer_tax_id=None)
    assert found.startswith("its tax is 30.0 % of its net, more than")


def test_reverse_charge_without_the_buyers_tax_id_is_listed() -> None:
    shares = [Share(TaxKind.REVERSE_CHARGE, "", None, 100, 0)]
    [found] = doubts_of(shares, tax_id=None, country="IE", buyer_tax_id=None)
    assert "no document states the buyer's tax id" in found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("tax") / "home")
    droplet = line(description="taxi-api (s-1vcpu-1gb)", amount="$100.00")
    project.drop(invoice_name(), digitalocean(droplet, tax(amount="$10.00")))
    credit_line = line("Unknown", "Tax-exempt credit", "-$0.01", hours="")
    project.drop(
        invoice_name(number="1002"), digitalocean(line(amount="$50.00"), credit_line, tax("Sales tax", amount="$8.00"))
    )
    project.drop(invoice_name(number="1003"), digitalocean(line(amount="$5.00"), tax("GST", amount="$20.00")))
    april = Facts(issued="2026-04-30", start="2026-04-01", end="2026-04-30", due=None)
    two_rates = (Tax("19.00", "100.00"), Tax("7.00", "100.00", "7"))
    project.drop(
        "two.xml", ubl(replace(april, number="E-1", lines=(Line("100.00"), Line("100.00", "Book")), taxes=two_rates))
    )
    reverse = (Tax("0.00", "30.00", "0", "AE", "Reverse charge"),)
    irish = replace(april, seller="Cloud Ireland Ltd", seller_tax_id="IE6388047V", seller_country="IE")
    project.drop("reverse.xml", ubl(replace(irish, number="E-2", lines=(Line("30.00"),), taxes=reverse)))
    credit = replace(april, number="E-3", type_code="381", lines=(Line("10.00"),), taxes=(Tax("1.90", "10.00"),))
    project.drop("credit.xml", ubl(credit))
    project.build()
    return project


@pytest.fixture(scope="module")
def found(project: Project) -> Iterator[TaxReturn]:
    with project.warehouse.read() as connection:
        yield tax_return(connection, [APRIL, MAY])


def _row(found: TaxReturn, number: str) -> list[tuple[str, str, str, int, int, bool]]:
    return [
        (row.seller, row.shown_kind, row.shown_rate, share.net, share.tax, row.is_credit_note)
        for row in found.rows
        for invoice, share in row.invoices
        if invoice.number == number
    ]


def test_a_return_comes_to_the_totals_of_its_months_to_the_cent(project: Project, found: TaxReturn) -> None:
    totals = project.query(
        "SELECT currency, count(*) AS invoices, sum(amount_net_minor)::BIGINT AS net, sum(amount_tax_minor)::BIGINT AS tax "
        "FROM tax_split_totals WHERE status = 'ready' GROUP BY ALL ORDER BY ALL"
    )
    shown = [(total.currency, total.invoices, total.net, total.tax) for total in found.totals]
    assert shown == [tuple(total.values()) for total in totals]
    assert len(shown) == 2


def test_an_electronic_invoice_has_a_row_for_each_rate_with_its_legal_seller(found: TaxReturn) -> None:
    assert _row(found, "E-1") == [
        ("Hetzner Online GmbH", "tax charged", "7 %", 10000, 700, False),
        ("Hetzner Online GmbH", "tax charged", "19 %", 10000, 1900, False),
    ]


def test_reverse_charge_and_credit_notes_have_rows_of_their_own(found: TaxReturn) -> None:
    assert _row(found, "E-2") == [("Cloud Ireland Ltd", "reverse charge", "", 3000, 0, False)]
    assert _row(found, "E-3") == [("Hetzner Online GmbH", "tax charged", "19 %", -1000, -190, True)]


def test_a_rate_is_that_of_the_tax_lines_or_not_stated_with_the_effective_one_named_so(found: TaxReturn) -> None:
    assert _row(found, "1001") == [("DigitalOcean", "tax charged", "10 %", 10000, 1000, False)]
    assert _row(found, "1002") == [("DigitalOcean", "tax charged", "not stated (effective 16.0 %)", 4999, 800, False)]


def test_what_cannot_be_claimed_as_it_is_is_listed_and_what_is_held_is_not_counted(found: TaxReturn) -> None:
    doubtful = {invoice.number: invoice.doubts for invoice in found.doubtful}
    assert doubtful.keys() == {"1001", "1002"}
    assert list(doubtful["1001"]) == ["no document states the seller's tax id"]
    words = "whether a line is tax is doubtful, and no document states the tax"
    assert [doubt for doubt in doubtful["1002"] if words in doubt] == [f"{words}: Tax-exempt credit"]
    assert [(invoice.number, invoice.tax) for invoice in found.waiting] == [("1003", 2000)]


def test_the_page_has_the_same_figures_for_people_and_for_programs(found: TaxReturn) -> None:
    page = parse(render_tax("2026-Q2", [APRIL, MAY], found))
    [total] = page.all("table", data_tax="total", data_currency="EUR")
    eur = next(total for total in found.totals if total.currency == "EUR")
    assert [one.attributes["value"] for one in total.all("data")] == [str(eur.net), str(eur.tax), str(eur.gross)]
    assert found.as_json()["totals"][0]["gross"] == "244.10"
    assert page.all("script")[0].attributes == {"type": "application/json", "id": "figures"}
