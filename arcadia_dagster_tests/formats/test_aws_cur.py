"""Cost and Usage Reports of AWS, in both spellings and both kinds of file."""

from datetime import date, datetime
from decimal import Decimal

import pytest

from arcadia_dagster_tests.formats.aws_cur import as_csv, as_parquet, item, tax
from arcadia_dagster_tests.formats.documents import Desk

LINE = "charge_category, service_name, description, project, resource_id, quantity, unit, amount, currency"
ROWS = (item(), tax(), item(line_item_unblended_cost="1.81E-8", line_item_usage_amount="2E-3"))


@pytest.mark.parametrize(
    "content",
    [
        as_csv(*ROWS),
        as_csv(*ROWS, legacy=True),
        as_csv(*ROWS, legacy=True, packed=True),
        as_parquet(*ROWS),
    ],
    ids=["CUR 2.0", "legacy", "legacy, packed", "Parquet"],
)
def test_a_report_is_the_same_in_every_spelling(desk: Desk, content: bytes) -> None:
    [found] = desk.read(content, columns=f"{LINE}, charge_period_start, charge_period_end")
    assert (found.format, found.reason) == ("aws_cur", None)
    hour = (datetime(2026, 4, 1), datetime(2026, 4, 1, 1))  # noqa: DTZ001 - UTC, as the warehouse keeps it
    usage = (
        "Usage",
        "Amazon Elastic Compute Cloud",
        ROWS[0]["line_item_line_item_description"],
        "222222222222",
        "i-0abc",
    )
    assert found.lines == [
        (*usage, Decimal(1), "Hrs", Decimal(6), "USD", *hour),
        (
            *("Tax", "AmazonEC2", "Tax for product code AmazonEC2", "222222222222", None, Decimal(1), None),
            *(Decimal("0.60"), "USD", hour[0], datetime(2026, 5, 1)),  # noqa: DTZ001
        ),
        (*usage, Decimal("0.002"), "Hrs", Decimal("0.0000000181"), "USD", *hour),
    ]
    [stated] = found.invoices
    assert (stated.source, stated.account_id, stated.external_id) == ("aws", "111111111111", "1234567")
    assert (stated.month, stated.is_final, stated.may_be_part) == (date(2026, 4, 1), True, True)
    assert (stated.lines_total, stated.stated_total) == (Decimal("6.6000000181"), None)


def test_what_is_tax_a_purchase_or_a_credit_is_said_by_the_type_and_not_by_words(desk: Desk) -> None:
    types = {
        "Usage": "Usage",
        "DiscountedUsage": "Usage",
        "SavingsPlanCoveredUsage": "Usage",
        "SavingsPlanNegation": "Usage",
        "Fee": "Purchase",
        "RIFee": "Purchase",
        "SavingsPlanRecurringFee": "Purchase",
        "SavingsPlanUpfrontFee": "Purchase",
        "Tax": "Tax",
        "Credit": "Credit",
        "Refund": "Adjustment",
        "EdpDiscount": "Adjustment",
        "BundledDiscount": "Adjustment",
        "tax": "Tax",
    }
    rows = [item(line_item_line_item_type=type_, line_item_line_item_description="GST on taxi-api") for type_ in types]
    [found] = desk.read(as_csv(*rows), columns="charge_category")
    assert [category for (category,) in found.lines] == list(types.values())


def test_the_category_of_a_type_that_is_not_known_is_made_from_its_words(desk: Desk) -> None:
    new = {"line_item_line_item_type": "QuantumFee"}
    rows = [item(**new), item(**new, line_item_line_item_description="GST 18%", line_item_resource_id=None)]
    [found] = desk.read(as_csv(*(row | {"line_item_usage_amount": None} for row in rows)), columns="charge_category")
    assert [category for (category,) in found.lines] == ["Usage", "Tax"]


def test_a_line_without_an_invoice_belongs_to_a_month_that_is_not_final(desk: Desk) -> None:
    open_ = {"bill_invoice_id": None}
    may = {"bill_billing_period_start_date": "2026-05-01T00:00:00Z"}
    [found] = desk.read(as_csv(item(**open_), item(**open_), item(**open_, **may), item()))
    assert [(stated.is_final, stated.external_id, stated.month, stated.line_count) for stated in found.invoices] == [
        (False, None, date(2026, 4, 1), 2),
        (False, None, date(2026, 5, 1), 1),
        (True, "1234567", date(2026, 4, 1), 1),
    ]


def test_line_items_with_one_id_are_lines_of_their_own(desk: Desk) -> None:
    [found] = desk.read(as_csv(item(), item(), item()))
    assert len(found.lines) == 3


def test_the_net_cost_is_a_control_total_where_every_line_has_one(desk: Desk) -> None:
    net = "line_item_net_unblended_cost"
    every = [item(**{net: "5.50"}), item(**{net: "-0.25"})]
    found = desk.read(as_csv(*every), as_parquet(*every), as_csv(item(**{net: "5.50"}), item(**{net: None})))
    assert [stated.stated_total for document in found for stated in document.invoices] == [
        Decimal("5.25"),
        Decimal("5.25"),
        None,
    ]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"line_item_unblended_cost": ""}, "line 2, column line_item_unblended_cost: blank"),
        ({"line_item_unblended_cost": "6,00"}, "line 2, column line_item_unblended_cost: '6,00'"),
        ({"line_item_net_unblended_cost": "1e30"}, "line 2, column line_item_net_unblended_cost: '1e30'"),
        ({"line_item_line_item_type": ""}, "line 2, column line_item_line_item_type: blank"),
        ({"bill_payer_account_id": ""}, "line 2, column bill_payer_account_id: blank"),
        ({"line_item_usage_start_date": "April"}, "line 2, column line_item_usage_start_date: 'April'"),
        (
            {"line_item_usage_end_date": "2026-03-01T00:00:00Z"},
            "line 2, column line_item_usage_end_date: '2026-03-01",
        ),
        ({"bill_billing_period_start_date": None}, "line 2, column bill_billing_period_start_date: blank"),
    ],
)
def test_what_cannot_be_read_is_rejected_with_line_and_column(desk: Desk, values: dict[str, str], reason: str) -> None:
    [found] = desk.read(as_csv(item(**values)))
    assert str(found.reason).startswith(reason)
    assert found.lines == []


def test_a_report_that_lacks_a_column_or_has_one_in_both_spellings_is_refused(desk: Desk) -> None:
    lacking = item()
    del lacking["bill_invoice_id"]
    twice = as_csv(item()).replace(b"identity_line_item_id", b"bill/InvoiceId")
    [first, second] = desk.read(as_csv(lacking), twice)
    assert first.reason == "line 1: column bill_invoice_id is missing, which the report has as mandatory"
    assert second.reason == "line 1: column billinvoiceid occurs more than once; expected each once"
