"""Invoices as the APIs of Linode, OVHcloud and Scaleway give them, whole or not at all."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from arcadia_dagster_tests.kit.documents import Desk, Stated
from arcadia_dagster_tests.kit.properties import quickly

LINE = "charge_category, description, resource_id, amount, currency"


@pytest.fixture
def read(desk: Desk) -> Callable[..., Stated]:
    def one(content: Any, **options: Any) -> Stated:
        [stated] = desk.read(content if isinstance(content, bytes) else written(content), **options)
        return stated

    return one


def test_linodes_items_are_lines_and_its_taxes_are_lines_of_tax(read: Callable[..., Stated]) -> None:
    found = read(linode(), columns=LINE)
    assert (found.format, found.reason) == ("linode_json", None)
    assert found.lines == [
        ("Usage", "Nanode 1GB - web-1 (1)", "1", Decimal("5.00"), "USD"),
        ("Usage", "Nanode 1GB - web-2 (2)", "2", Decimal("20.20"), "USD"),
        ("Tax", "PA STATE TAX", None, Decimal("2.00"), "USD"),
        ("Tax", "PHILADELPHIA TAX", None, Decimal("0.52"), "USD"),
    ]
    [stated] = found.invoices
    assert (stated.source, stated.account_id, stated.external_id) == ("linode", "acc-1", "123")
    assert (stated.stated_total, stated.stated_tax) == (Decimal("27.72"), Decimal("2.52"))
    assert (stated.lines_total, stated.lines_month, stated.issued_on) == (
        stated.stated_total,
        date(2026, 4, 1),
        date(2026, 5, 1),
    )


def test_linodes_hours_are_kept_with_their_exclusive_end(read: Callable[..., Stated]) -> None:
    columns = "service_name, resource_name, charge_period_start, charge_period_end, quantity, unit"
    assert read(linode(linode_item()), columns=columns).lines[0] == (
        "Nanode 1GB",
        "web-1",
        datetime(2026, 4, 1, 4),  # noqa: DTZ001 - UTC, as the warehouse keeps it
        datetime(2026, 5, 1, 4),  # noqa: DTZ001
        Decimal(730),
        "Hours",
    )


def test_linodes_tax_without_a_summary_is_one_line(read: Callable[..., Stated]) -> None:
    found = read(linode(tax_summary=[]), columns=LINE)
    assert found.lines[-1] == ("Tax", "Tax", None, Decimal("2.52"), "USD")
    assert len(found.lines) == 3


def test_a_negative_item_is_a_credit(read: Callable[..., Stated]) -> None:
    found = read(linode(linode_item(), linode_item(-3.5, label="Tax-exempt credit")), columns=LINE)
    assert found.lines[1] == ("Credit", "Tax-exempt credit", None, Decimal("-3.5"), "USD")


def test_ovhclouds_details_and_tax_come_to_what_the_bill_states(read: Callable[..., Stated]) -> None:
    found = read(ovhcloud(), columns=LINE)
    assert (found.format, found.reason) == ("ovhcloud_json", None)
    assert found.lines == [
        ("Usage", "VPS vps-1, monthly", "vps112233.ovh.net", Decimal("37.87"), "EUR"),
        ("Tax", "Tax", None, Decimal("7.57"), "EUR"),
    ]
    [stated] = found.invoices
    assert (stated.source, stated.account_id, stated.external_id) == ("ovhcloud", "ab1234-ovh", "FR123")
    assert (stated.stated_total, stated.stated_tax, stated.lines_total) == (
        Decimal("45.44"),
        Decimal("7.57"),
        Decimal("45.44"),
    )
    assert (stated.month, stated.lines_month, stated.issued_on) == (None, date(2026, 4, 1), date(2026, 5, 2))


def test_a_bill_whose_details_say_no_period_is_of_the_month_of_its_date(read: Callable[..., Stated]) -> None:
    [stated] = read(ovhcloud(ovh_detail(37.87, periodStart=None, periodEnd=None))).invoices
    assert stated.month == date(2026, 5, 1)


@pytest.mark.parametrize(
    ("document", "month"),
    [
        (scaleway(scaleway_invoice(billing_period="2026-03-31T22:00:00Z")), date(2026, 4, 1)),
        (linode(linode_item() | {"from": "2026-03-31T15:00:00", "to": "2026-04-30T14:59:59"}), date(2026, 4, 1)),
        (ovhcloud(ovh_detail(37.87, periodStart="2026-03-31T22:00:00Z", periodEnd="2026-04-30")), date(2026, 4, 1)),
        # A year in advance is billed when it begins.
        (ovhcloud(ovh_detail(37.87, periodStart="2026-04-10", periodEnd="2027-04-10")), date(2026, 4, 1)),
        # It is issued on the day that it is there, although the evening before in UTC.
        (
            ovhcloud(ovh_detail(37.87, periodStart=None, periodEnd=None), date="2026-04-01T00:30:00+02:00"),
            date(2026, 4, 1),
        ),
    ],
)
def test_a_month_that_begins_at_midnight_of_another_zone_is_its_own(
    read: Callable[..., Stated], document: dict[str, Any], month: date
) -> None:
    [stated] = read(document).invoices
    assert (stated.month or stated.lines_month) == month


def test_details_in_other_currencies_than_the_tax_are_told(read: Callable[..., Stated]) -> None:
    [stated] = read(ovhcloud(ovh_detail(totalPrice=price(37.87, "USD")))).invoices
    assert stated.currencies == ("EUR", "USD")


def test_scaleways_list_states_each_of_its_invoices(read: Callable[..., Stated]) -> None:
    credit = scaleway_invoice(
        id="credit",
        number=4712,
        total_untaxed=money(-1, -500_000_000),
        total_tax=money(0, -300_000_001),
        total_taxed=money(-1, -800_000_001),
    )
    draft = scaleway_invoice(id="draft", issued_date=None)
    found = read(scaleway(scaleway_invoice(), credit, draft), columns="charge_category, amount, currency")
    assert (found.format, found.reason) == ("scaleway_json", None)
    assert found.lines == [
        ("Usage", Decimal("12.34"), "EUR"),
        ("Tax", Decimal("2.47"), "EUR"),
        ("Credit", Decimal("-1.5"), "EUR"),
        ("Tax", Decimal("-0.300000001"), "EUR"),
        ("Usage", Decimal("12.34"), "EUR"),
        ("Tax", Decimal("2.47"), "EUR"),
    ]
    told = [
        (stated.account_id, stated.invoice_number, stated.stated_total, stated.is_final) for stated in found.invoices
    ]
    assert told == [
        ("org-1", "4711", Decimal("14.81"), True),
        ("org-1", "4712", Decimal("-1.800000001"), True),
        ("org-1", "4711", Decimal("14.81"), False),
    ]
    assert {stated.month for stated in found.invoices} == {date(2026, 4, 1)}


def test_a_list_of_invoices_by_itself_and_one_by_itself_are_read_alike(desk: Desk) -> None:
    invoice = scaleway_invoice()
    [wrapped, bare, alone] = desk.read(*(written(one) for one in (scaleway(invoice), [invoice], invoice)))
    assert (wrapped.format, wrapped.reason) == ("scaleway_json", None)
    assert bare == alone == wrapped


@pytest.mark.parametrize(
    ("fields", "is_final", "withdrawn", "doubt"),
    [
        ({"state": "issued"}, True, None, None),
        ({"state": "paid"}, True, None, None),
        ({"state": "incomplete"}, True, None, None),
        ({"state": "No due"}, True, None, None),
        ({"state": None}, True, None, None),
        ({"state": "draft"}, False, None, None),
        ({"state": "stopped"}, False, None, None),
        ({"state": "Outdated"}, True, "outdated", None),
        ({"state": "voided"}, True, "voided", None),
        ({"state": "frozen"}, True, None, "invoice one, state: frozen; expected one of draft, stopped, issued, paid"),
        ({"type": "purchase"}, True, None, None),
        ({"type": "debit_note"}, True, None, "invoice one, type: debit_note; expected one of periodic, purchase"),
    ],
)
def test_scaleways_states_say_what_is_to_be_paid(
    read: Callable[..., Stated], fields: dict[str, Any], is_final: bool, withdrawn: str | None, doubt: str | None
) -> None:
    [stated] = read(scaleway(scaleway_invoice(id="one", **fields))).invoices
    assert (stated.is_final, stated.withdrawn) == (is_final, withdrawn)
    assert [one[: len(doubt or "")] for one in stated.doubts] == ([] if doubt is None else [doubt])


def test_a_draft_has_no_number(read: Callable[..., Stated]) -> None:
    [stated] = read(scaleway(scaleway_invoice(id="one", number=0, state="draft", issued_date=None))).invoices
    assert (stated.external_id, stated.invoice_number, stated.is_final) == ("one", "one", False)


@quickly(10)
@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**12), st.booleans()), min_size=1, max_size=20))
def test_a_credit_note_counts_negative_whatever_the_sign_of_its_amounts(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, int, bool]]
) -> None:
    def nanos(amount: int, sign: int) -> dict[str, Any]:
        return money(sign * (amount // 10**9), sign * (amount % 10**9))

    desk = Desk(tmp_path_factory.mktemp("credit"))
    notes = [
        scaleway_invoice(
            id=f"note-{number}",
            type="credit_note",
            total_untaxed=nanos(net, sign),
            total_tax=nanos(tax, sign),
            total_taxed=nanos(net + tax, sign),
        )
        for number, (net, tax, is_negative) in enumerate(drawn)
        for sign in (-1 if is_negative else 1,)
    ]
    [found] = desk.read(written(scaleway(*notes)), columns="charge_category, amount")
    desk.reader.close()
    assert found.reason is None
    expected = [(net, tax) for net, tax, _ in drawn]
    unit = Decimal("1e-9")
    assert found.lines == [line for net, tax in expected for line in (("Credit", -net * unit), ("Tax", -tax * unit))]
    assert [(one.stated_total, one.stated_tax) for one in found.invoices] == [
        (-(net + tax) * unit, -tax * unit) for net, tax in expected
    ]


def of_nanos(nanos: int) -> dict[str, Any]:
    sign = -1 if nanos < 0 else 1
    return money(sign * (abs(nanos) // 10**9), sign * (abs(nanos) % 10**9))


@quickly(10)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(-(10**12), 10**13), min_size=1, max_size=5), st.integers(0, 10**6), st.integers(0, 2)
        ),
        min_size=1,
        max_size=10,
    )
)
def test_consumption_is_the_lines_where_it_comes_to_the_invoice_to_the_cent_and_only_there(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[list[int], int, int]]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("consumption"))
    cent, documents, expected = 10**7, [], []
    for values, discount_cents, missing_cents in drawn:
        consumed = sum(values) - discount_cents * cent
        net = (2 * abs(consumed) + cent) // (2 * cent) * (1 if consumed > 0 else -1) + missing_cents
        documents.append(
            scaleway(
                scaleway_invoice(
                    total_untaxed=of_nanos(net * cent),
                    total_tax=of_nanos(19 * cent),
                    total_taxed=of_nanos((net + 19) * cent),
                )
            )
            | {
                "consumption": {
                    "consumptions": [{"product_name": "P", "value": of_nanos(value)} for value in values],
                    "total_discount_untaxed_value": discount_cents / 100,
                }
            }
        )
        own = [net * cent] if missing_cents else [*values, *([-discount_cents * cent] if discount_cents else [])]
        expected.append([(Decimal(amount).scaleb(-9),) for amount in (*own, 19 * cent)])
    found = desk.read(*map(written, documents), columns="amount")
    desk.reader.close()
    assert [one.reason for one in found] == [None] * len(documents)
    assert [one.lines for one in found] == expected


UNREADABLE = "Total before tax; the month's consumption cannot be read"
ROW = {"product_name": "P", "value": money(12, 340_000_000)}


@pytest.mark.parametrize(
    ("consumption", "description"),
    [
        ({"consumptions": [ROW]}, "P"),
        ({"consumptions": [ROW], "total_discount_untaxed_value": None}, "P"),
        ({"consumptions": [ROW, ROW], "total_discount_untaxed_value": -12.34}, "P"),
        ({"consumptions": [ROW], "total_discount_untaxed_value": 5.551115123125783e-17}, "P"),
        ({"consumptions": [ROW], "total_discount_untaxed_value": 1e99}, UNREADABLE),
        ({"consumptions": [{"value": ROW["value"] | {"currency_code": ["EUR"]}}]}, UNREADABLE),  # type: ignore[operator]
        ({"consumptions": [ROW | {"sku": "/p/1", "billed_quantity": "some", "unit": "GB"}]}, "P, /p/1"),
        ({"consumptions": [ROW | {"product_name": None}]}, ""),
        ({"consumptions": [{"value": money(12, 340_000_000, "USD")}]}, UNREADABLE),
        ({"consumptions": [{"value": money(12, -340_000_000)}]}, UNREADABLE),
        ({"consumptions": [{"value": money(12, 340_000_000, "???")}]}, UNREADABLE),
        ({"consumptions": [ROW, 5]}, UNREADABLE),
        ({"consumptions": "all"}, UNREADABLE),
        ({"consumptions": [ROW], "total_discount_untaxed_value": "none"}, UNREADABLE),
        ({"consumptions": [ROW], "total_discount_untaxed_value": [1]}, UNREADABLE),
        ({"consumptions": []}, "Total before tax"),
        ({"consumptions": None}, "Total before tax"),
        ({}, "Total before tax"),
        ("none", "Total before tax"),
        (None, "Total before tax"),
    ],
)
def test_consumption_of_any_shape_leaves_the_invoice_with_its_total(
    read: Callable[..., Stated], consumption: object, description: str
) -> None:
    found = read(scaleway() | {"consumption": consumption}, columns="description, amount")
    assert found.reason is None
    assert found.lines[0] == (description, Decimal("12.34"))
    [stated] = found.invoices
    assert (stated.lines_total, stated.stated_total) == (Decimal("14.81"), Decimal("14.81"))


def test_consumption_is_of_a_single_periodic_invoice(read: Callable[..., Stated]) -> None:
    consumption = {"consumption": {"consumptions": [ROW]}}
    several = scaleway(scaleway_invoice(id="a"), scaleway_invoice(id="b"))
    for document in (
        several,
        scaleway(scaleway_invoice(type="purchase")),
        scaleway(scaleway_invoice(type="credit_note")),
    ):
        found = read(document | consumption, columns="description")
        assert {text for (text,) in found.lines} == {"Total before tax", "Total tax"}


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_refund_of_ovhcloud_is_a_credit_note_of_its_bill(read: Callable[..., Stated], sign: int) -> None:
    found = read(
        ovhcloud_refund(
            ovh_detail(sign * 10.0),
            priceWithTax=price(sign * 12.0),
            priceWithoutTax=price(sign * 10.0),
            tax=price(sign * 2.0),
        ),
        columns=LINE,
    )
    assert (found.format, found.reason) == ("ovhcloud_json", None)
    assert found.lines == [
        ("Credit", "VPS vps-1, monthly", "vps112233.ovh.net", Decimal(-10), "EUR"),
        ("Tax", "Tax", None, Decimal(-2), "EUR"),
    ]
    [stated] = found.invoices
    assert (stated.external_id, stated.refers_to, stated.is_final) == ("AV123", "FR123", True)
    assert (stated.stated_total, stated.stated_tax, stated.lines_month) == (Decimal(-12), Decimal(-2), date(2026, 4, 1))


def test_a_bill_refers_to_no_other(read: Callable[..., Stated]) -> None:
    [stated] = read(ovhcloud()).invoices
    assert stated.refers_to is None


def test_an_invoice_of_linode_may_give_back(read: Callable[..., Stated]) -> None:
    items = [linode_item(-25.0, label="Refund of invoice 122")]
    found = read(linode(*items, subtotal=-25.0, tax=-2.5, tax_summary=[], total=-27.5), columns=LINE)
    assert found.lines == [
        ("Credit", "Refund of invoice 122", None, Decimal(-25), "USD"),
        ("Tax", "Tax", None, Decimal("-2.5"), "USD"),
    ]
    assert [(one.stated_total, one.stated_tax) for one in found.invoices] == [(Decimal("-27.5"), Decimal("-2.5"))]


BAD: dict[str, tuple[Any, str]] = {
    "amount is text that is none": (linode(linode_item() | {"amount": "5,00"}), "record 1, column amount: '5,00'"),
    "amount is null": (linode(linode_item() | {"amount": None}), "record 1, column amount: blank"),
    "total is missing": (linode(total=None), "record 1, column invoice.total: blank"),
    "tax is missing": (linode(tax=None, tax_summary=None), "record 3, column amount: blank"),
    "id is missing": (linode(id=None), "record 1, column invoice.id: blank"),
    "end before start": (linode(linode_item(to="2026-03-01T00:00:00")), "record 1, column end: '2026-03-01"),
    "31 February": (ovhcloud(ovh_detail(periodStart="2026-02-31")), "record 1, column periodStart: '2026-02-31'"),
    "no currency": (ovhcloud(tax={"value": 1.0}), "record 2, column currency: blank"),
    "no details": (ovhcloud() | {"details": None}, "details: None; expected a list of at least one"),
    "nanos of another sign": (
        scaleway(scaleway_invoice(total_tax=money(2, -470_000_000))),
        'record 1, column total_tax: \'{"currency_code"',
    ),
    "nanos missing": (scaleway(scaleway_invoice(total_untaxed={"currency_code": "EUR", "units": 1})), "record 1, column"),
    "billing period": (scaleway(scaleway_invoice(billing_period="April")), "record 1, column billing_period: 'April'"),
    "half a character": (
        written(linode()).replace(b"PA STATE", b"\\uD800 STATE"),
        "a text ends with half a character; expected whole ones",
    ),
    "NaN": (written(linode()).replace(b"20.2,", b"NaN,"), "NaN: expected a number"),
    "a name twice": (written(linode()).replace(b'"tax": 2.52,', b'"tax": 2.52, "tax": 2.53,'), "tax: it is there more"),
    "cut off": (written(ovhcloud())[:-40], "it is not JSON"),
    "an error instead": (b'{"message": "Invalid credentials"}', "line 1: it is JSON of an unknown shape"),
    "no invoices": (b'{"total_count": 0, "invoices": []}', "line 1: it is JSON of an unknown shape"),
}  # fmt: skip


def test_every_digit_of_a_number_is_read_and_more_than_18_decimals_are_rounded(read: Callable[..., Stated]) -> None:
    amounts = ["20.20000000000000000001", "12345678901234.123456789012345678", "7.2922557592391990000E-9", "0.1"]
    items = [linode_item(number, label=f"item {number}") for number in (1001, 1002, 1003, 1004)]
    content = written(linode(*items))
    for number, amount in zip((1001, 1002, 1003, 1004), amounts, strict=True):
        content = content.replace(f'"amount": {number},'.encode(), f'"amount": {amount},'.encode())
    found = read(content, columns="amount")
    assert found.reason is None
    assert [amount for (amount,) in found.lines[:4]] == [
        Decimal("20.2"),
        Decimal("12345678901234.123456789012345678"),
        Decimal("0.000000007292255759"),
        Decimal("0.1"),
    ]
    assert found.invoices[0].rounded_lines == 2


def test_what_cannot_be_read_is_rejected_with_its_place(large_desk: Desk) -> None:
    contents = {
        label: content if isinstance(content, bytes) else written(content) for label, (content, _) in BAD.items()
    }
    found = large_desk.read_cases(contents)
    wrong = {
        label: stated.reason for label, stated in found.items() if not str(stated.reason).startswith(BAD[label][1])
    }
    assert wrong == {}
    assert all(not stated.lines and not stated.invoices for stated in found.values())
