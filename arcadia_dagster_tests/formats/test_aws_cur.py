import gzip
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster_tests.kit.aws import HEADER, as_csv, as_parquet, cur2_name, item, tax
from arcadia_dagster_tests.kit.documents import Desk, Stated
from arcadia_dagster_tests.kit.properties import quickly
from arcadia_dagster_tests.kit.texts import AMOUNTS, TEXTS

APRIL = date(2026, 4, 1)
at = datetime.fromisoformat


def stated(document: Stated) -> list[tuple[object, ...]]:
    """Of each invoice: source, account, id, month, whether it may be pushed, and the sum of its lines."""
    return [
        (one.source, one.account_id, one.external_id, one.month, one.is_final, one.lines_total)
        for one in document.invoices
    ]


USUAL = ("aws", "111", "2001", APRIL, True, Decimal("6.60"))


@quickly(6)
@given(st.lists(st.tuples(AMOUNTS, TEXTS, st.sampled_from(("Usage", "Tax", "Credit"))), min_size=1))
def test_whatever_is_charged_comes_out_to_the_last_digit_under_the_names_of_either_version(
    tmp_path_factory: pytest.TempPathFactory, charges: list[tuple[str, str, str]]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("aws"))
    rows = [item(UnblendedCost=cost, LineItemDescription=text, LineItemType=type_) for cost, text, type_ in charges]
    documents = as_csv(*rows), as_csv(*rows, is_cur2=True), as_parquet(*rows, cost=pa.decimal128(38, 18))
    expected = [(number, Decimal(cost), type_) for number, (cost, _, type_) in enumerate(charges, start=1)]
    for document in desk.read(*documents, columns="line_number, amount, charge_category"):
        assert (document.format, document.reason) == ("aws_cur", None)
        assert document.lines == expected


def test_every_version_and_packing_says_the_same(desk: Desk) -> None:
    rows = (item(), tax(), item(UnblendedCost="0.0000000181", UsageAmount="0.5"))
    small = (item(), tax(), item(UnblendedCost="1.81E-8", UsageAmount="5E-1"))
    versions = {
        "legacy": as_csv(*rows),
        "E notation": as_csv(*small),
        "CUR 2.0": as_csv(*rows, is_cur2=True),
        "upper case": as_csv(*rows).replace(",".join(HEADER).encode(), ",".join(HEADER).upper().encode()),
        "gzip": gzip.compress(as_csv(*small)),
        "reversed": as_csv(*rows, header=HEADER[::-1]),
        "Parquet": as_parquet(*rows),
    }
    columns = "amount, quantity, unit, resource_id, charge_period_start, charge_period_end, currency, charge_category, tax_basis"
    found = desk.read_cases(versions, columns=columns)
    times = at("2026-04-01"), at("2026-04-02")
    arn = "arn:aws:ec2:eu-west-1:222:instance/i-0abc"
    lines = [
        (Decimal("6.00"), Decimal(24), "Hrs", arn, *times, "USD", "Usage", None),
        (Decimal("0.60"), Decimal(1), None, None, *times, "USD", "Tax", "provider_type"),
        (Decimal("1.81E-8"), Decimal("0.5"), "Hrs", arn, *times, "USD", "Usage", None),
    ]
    plain = [tuple(value or None for value in line) for line in lines]
    for label, document in found.items():
        assert document.reason is None, label
        assert [tuple(value or None for value in line) for line in document.lines] == plain, label
        assert stated(document) == [(*USUAL[:5], Decimal("6.6000000181"))], label


def test_service_and_project_are_as_names_where_there_are_names(desk: Desk) -> None:
    legacy, cur2 = desk.read(
        as_csv(item(), tax()), as_csv(item(), tax(), is_cur2=True), columns="service_name, project, resource_name"
    )
    assert legacy.lines == [("Amazon Elastic Compute Cloud", "222", None), ("AmazonEC2", "222", None)]
    assert cur2.lines == [("AmazonEC2", "shop", None), ("AmazonEC2", "shop", None)]


TYPES = {
    "Usage": ("6.00", "Usage"),
    "DiscountedUsage": ("0", "Usage"),
    "SavingsPlanCoveredUsage": ("4.00", "Usage"),
    "SavingsPlanNegation": ("-4.00", "Usage"),
    "SavingsPlanRecurringFee": ("3.00", "Purchase"),
    "SavingsPlanUpfrontFee": ("100.00", "Purchase"),
    "RIFee": ("7.00", "Purchase"),
    "Fee": ("50.00", "Purchase"),
    "EdpDiscount": ("-1.50", "Usage"),
    "BundledDiscount": ("-0.25", "Usage"),
    "Credit": ("-5.00", "Credit"),
    "Refund": ("-2.00", "Adjustment"),
    "Tax": ("15.00", "Tax"),
    " tax ": ("0.10", "Tax"),
    "NewKindOfCharge": ("1.00", "Usage"),
    "NewKindOfTax": ("0.20", "Usage"),
}


def test_each_type_has_its_category_and_all_come_to_what_is_invoiced(desk: Desk) -> None:
    rows = [
        item(LineItemType=type_, UnblendedCost=cost, LineItemDescription=f"{type_} of tax")
        for type_, (cost, _) in TYPES.items()
    ]
    levy = {"LineItemType": "NewKindOfTax", "ResourceId": "", "UsageAmount": "", "LineItemDescription": "VAT 20%"}
    [document] = desk.read(as_csv(*rows, item(**levy, UnblendedCost="0.30")), columns="charge_category, tax_basis")
    assert document.reason is None
    found = {type_: category for type_, (category, _) in zip(TYPES, document.lines, strict=False)}
    assert found == {type_: category for type_, (_, category) in TYPES.items()}
    assert document.lines[-1] == ("Tax", "description")
    [invoice] = document.invoices
    assert invoice.lines_total == sum(Decimal(cost) for cost, _ in TYPES.values()) + Decimal("0.30")


def test_line_items_with_one_id_are_charges_of_their_own(desk: Desk) -> None:
    [document] = desk.read(as_csv(item(), item(), item(UnblendedCost="-6.00")))
    assert [amount for *_, amount in document.lines] == [Decimal(6), Decimal(6), Decimal(-6)]


def test_the_month_is_that_of_the_middle_of_the_billing_period(desk: Desk) -> None:
    rows = [item(BillingPeriodStartDate="2026-03-31T16:00:00Z", BillingPeriodEndDate="2026-04-30T16:00:00Z")]
    for document in desk.read(as_csv(*rows), as_csv(*rows, is_cur2=True), as_parquet(*rows)):
        assert [one.month for one in document.invoices] == [APRIL]


def test_lines_are_of_the_payer_s_invoice_or_of_what_is_not_invoiced_yet(desk: Desk) -> None:
    rows = (
        item(),
        item(InvoiceId=""),
        item(InvoiceId="2002", BillType="Purchase"),
        item(InvoiceId="", BillingPeriodStartDate="2026-05-01T00:00:00Z"),
        item(PayerAccountId="333", CurrencyCode="EUR"),
        item(InvoiceId=" 2001 ", InvoicingEntity="Amazon Web Services, Inc.", BillingEntity="AWS Marketplace"),
    )
    expected = [
        ("aws", "111", "2001", APRIL, True, Decimal(12)),
        ("aws", "111", None, APRIL, False, Decimal(6)),
        ("aws", "111", "2002", APRIL, True, Decimal(6)),
        ("aws", "111", None, date(2026, 5, 1), False, Decimal(6)),
        ("aws", "333", "2001", APRIL, True, Decimal(6)),
    ]
    for document in desk.read(as_csv(*rows), as_csv(*rows, is_cur2=True), as_parquet(*rows)):
        assert stated(document) == expected
        assert all(invoice.may_be_part for invoice in document.invoices)


def test_a_quantity_has_18_decimals_and_an_amount_of_parquet_too(desk: Desk) -> None:
    tiny = "9.313225746154785e-10"
    csv, parquet = desk.read(
        as_csv(item(UsageAmount=tiny)),
        as_parquet(item(UsageAmount=tiny, UnblendedCost=tiny)),
        columns="quantity, amount",
    )
    rounded = Decimal("0.000000000931322575")
    assert csv.lines == [(rounded, Decimal(6))]
    assert parquet.lines == [(rounded, rounded)]


def test_the_net_cost_is_a_control_total_where_every_line_has_one(desk: Desk) -> None:
    every = [item(NetUnblendedCost="5.50"), item(NetUnblendedCost="-0.25")]
    found = desk.read(as_csv(*every), as_parquet(*every), as_csv(item(NetUnblendedCost="5.50"), item()))
    totals = [stated.stated_total for document in found for stated in document.invoices]
    assert totals == [Decimal("5.25"), Decimal("5.25"), None]


def test_blank_times_and_a_blank_quantity_are_none(desk: Desk) -> None:
    rows = (item(UsageStartDate="", UsageEndDate="", UsageAmount=""),)
    for document in desk.read(
        as_csv(*rows), as_parquet(*rows), columns="charge_period_start, charge_period_end, quantity"
    ):
        assert document.reason is None
        assert document.lines == [(None, None, None)]


BAD = {
    "UnblendedCost": ("", "NaN", "1.234,56", "100000000000000000000"),
    "CurrencyCode": ("",),
    "LineItemType": ("", " "),
    "BillingPeriodStartDate": ("", "04/2026"),
    "UsageStartDate": ("2026-02-31T00:00:00Z", "2026-02-31T00:00:00.000Z", "2026-04-01T00:00:00."),
    "UsageEndDate": ("2026-03-31T00:00:00Z",),
    "UsageAmount": ("many",),
    "NetUnblendedCost": ("free", "1e30"),
    "PayerAccountId": ("", " "),
}


@pytest.mark.parametrize("is_cur2", [False, True])
def test_a_value_that_cannot_be_read_is_told_with_its_line_and_column(desk: Desk, is_cur2: bool) -> None:
    cases = {
        (column, value): as_csv(item(), item(**{column: value}), is_cur2=is_cur2)
        for column, values in BAD.items()
        for value in values
    }
    found = dict(zip(cases, desk.read(*cases.values()), strict=True))
    names = {name.partition("/")[2]: cur2_name(name) if is_cur2 else name for name in HEADER}
    wrong = {
        case: document.reason
        for case, document in found.items()
        if not (document.reason or "").startswith(f"line 3, column {names[case[0]]}: ")
    }
    assert wrong == {}


def test_a_header_that_lacks_a_column_or_has_it_twice_is_named(desk: Desk) -> None:
    without = tuple(name for name in HEADER if name != "bill/InvoiceId")
    found = desk.read_cases(
        {"without": as_csv(item(), header=without), "twice": as_csv(item(), header=(*HEADER, "lineItem/UnblendedCost"))}
    )
    assert {label: document.reason for label, document in found.items()} == {
        "without": "line 1: column bill_invoice_id is missing, which tells which invoice a line is on; select it for the export",
        "twice": "line 1: column lineitemunblendedcost occurs more than once; expected each once",
    }
