"""What documents with lines state of their invoices besides, as their providers' APIs have it."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from arcadia_dagster.reading.statements import InvoiceStatement, StatedTax
from arcadia_dagster_tests.kit.api_documents import (
    linode,
    linode_item,
    money,
    ovh_detail,
    ovhcloud,
    ovhcloud_refund,
    price,
    scaleway,
    scaleway_invoice,
    written,
)
from arcadia_dagster_tests.kit.digitalocean_api import invoice, item, summary
from arcadia_dagster_tests.kit.documents import Desk


def digitalocean(entry: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"kind": "digitalocean_invoice", "invoice": entry, "items": [item()], "summary": summary(entry, **fields)}


def only(desk: Desk, content: Any) -> InvoiceStatement:
    [found] = desk.read(written(content))
    assert found.reason is None
    [statement] = found.statements
    [read] = found.invoices
    # One invoice, as the lines have it.
    assert (statement.source, statement.account_id, statement.external_id) == (
        read.source,
        read.account_id,
        read.external_id,
    )
    assert (statement.gross, statement.tax) == (read.stated_total, read.stated_tax)
    assert statement.refers_to == read.refers_to
    assert (statement.status == "draft") == (not read.is_final)
    assert (statement.status == "voided") == (read.withdrawn is not None)
    return statement


def test_digitalocean_states_its_total_its_tax_and_the_buyer(large_desk: Desk) -> None:
    found = only(large_desk, digitalocean(invoice()))
    assert (found.gross, found.net, found.tax) == (Decimal("86.92"), Decimal("79.02"), Decimal("7.90"))
    assert (found.currency, found.buyer_name, found.period_start) == ("USD", "Example Pty Ltd", date(2026, 4, 1))
    [items] = large_desk.read(written({"invoice_items": [item()], "links": {}, "meta": {"total": 1}}))
    assert (items.reason, items.statements) == (None, ())


def test_linode_states_its_tax_by_name_and_an_invoice_below_zero_is_a_credit_note(large_desk: Desk) -> None:
    assert only(large_desk, linode()) == InvoiceStatement(
        source="linode",
        account_id="acc-1",
        external_id="123",
        currency="USD",
        gross=Decimal("27.72"),
        net=Decimal("25.2"),
        tax=Decimal("2.52"),
        taxes=(
            StatedTax(None, None, None, Decimal("2.0"), "PA STATE TAX"),
            StatedTax(None, None, None, Decimal("0.52"), "PHILADELPHIA TAX"),
        ),
        issued_on=date(2026, 5, 1),
    )
    assert only(large_desk, linode(linode_item(-5.0), total=-5.5, tax=-0.5, tax_summary=[])).kind == "credit_note"


def test_ovhcloud_states_its_prices_and_a_refund_counts_below_zero_whatever_its_sign(large_desk: Desk) -> None:
    assert only(large_desk, ovhcloud()) == InvoiceStatement(
        source="ovhcloud",
        account_id="ab1234-ovh",
        external_id="FR123",
        currency="EUR",
        gross=Decimal("45.44"),
        net=Decimal("37.87"),
        tax=Decimal("7.57"),
        issued_on=date(2026, 5, 2),
    )
    plus = {"priceWithTax": price(12.0), "priceWithoutTax": price(10.0), "tax": price(2.0)}
    for refund in (ovhcloud_refund(), ovhcloud_refund(ovh_detail(10.0), **plus)):
        found = only(large_desk, refund)
        assert (found.kind, found.gross, found.net, found.tax, found.refers_to) == (
            "credit_note",
            Decimal(-12),
            Decimal(-10),
            Decimal(-2),
            "FR123",
        )


def test_scaleway_states_who_sells_and_when_it_is_due(large_desk: Desk) -> None:
    assert only(large_desk, scaleway()) == InvoiceStatement(
        source="scaleway",
        account_id="org-1",
        external_id="3f4f8da2-e4c6-4998-8c70-d11b2193d6c2",
        invoice_number="4711",
        currency="EUR",
        status="paid",
        gross=Decimal("14.81"),
        net=Decimal("12.34"),
        tax=Decimal("2.47"),
        issued_on=date(2026, 5, 3),
        due_on=date(2026, 6, 3),
        period_start=date(2026, 4, 1),
        seller_name="Scaleway",
        buyer_name="Shop",
    )


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"state": "issued"}, "issued"),
        ({"state": "incomplete"}, "issued"),
        ({"state": "draft", "issued_date": None}, "draft"),
        ({"state": "issued", "issued_date": None}, "draft"),
        ({"state": "voided"}, "voided"),
        ({"state": "outdated"}, "voided"),
    ],
)
def test_what_has_become_of_an_invoice_of_scaleway_is_its_state(
    large_desk: Desk, fields: dict[str, Any], status: str
) -> None:
    assert only(large_desk, scaleway(scaleway_invoice(**fields))).status == status


def test_a_credit_note_of_scaleway_counts_below_zero_and_an_invoice_that_is_listed_twice_is_one(
    large_desk: Desk,
) -> None:
    credit = scaleway_invoice(id="c", type="credit_note", number=0)
    found = only(large_desk, [credit, credit])
    assert (found.kind, found.gross, found.invoice_number) == ("credit_note", Decimal("-14.81"), None)
    several = [
        scaleway_invoice(id="b", total_taxed=money(12, 340_000_000), total_tax=money(0)),
        scaleway_invoice(id="a"),
    ]
    [two] = large_desk.read(written(several))
    assert [one.external_id for one in two.statements] == [one.external_id for one in two.invoices] == ["b", "a"]


def test_what_stands_beside_the_lines_and_cannot_be_read_leaves_the_invoice_in_doubt(large_desk: Desk) -> None:
    [found] = large_desk.read(written(scaleway(scaleway_invoice(due_date="soon"))))
    assert (found.reason, found.statements, len(found.lines)) == (None, (), 2)
    [doubt] = found.invoices[0].doubts
    assert doubt.startswith(
        "invoices, 1, due_date: 'soon'; expected a day such as 2026-10-31, or a time, beside its lines"
    )
