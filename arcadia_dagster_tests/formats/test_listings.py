"""Lists of invoices, payments and costs are no inventories; inventories are, whatever their columns are called."""

import json
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.formats.registry import Formats
from arcadia_dagster_tests.kit.documents import Desk

_TYPE = "Microsoft.Billing/billingAccounts/invoices"
USAGE = {
    "billingPeriodId": "/subscriptions/1/providers/Microsoft.Billing/billingPeriods/202609",
    "currency": "USD",
    "id": "/subscriptions/1/providers/Microsoft.Consumption/usageDetails/1",
    "name": "1",
    "pretaxCost": "1.5",
    "type": "Microsoft.Consumption/usageDetails",
}
LINODE = {
    "id": 123,
    "label": "Invoice",
    "date": "2026-10-01T05:00:00",
    "subtotal": 120.25,
    "tax": 12.25,
    "total": 132.5,
}
BILL = {"billId": "FR1", "date": "2026-09-03T02:00:00+02:00", "priceWithTax": {"currencyCode": "EUR", "value": 60.0}}
REFUND = {"refundId": "AV1", "originalBillId": "FR1", "priceWithTax": {"currencyCode": "EUR", "value": -15.0}}
HISTORY = {"description": "Payment (MC 2018)", "amount": "-12.34", "date": "2026-06-02T08:44:38Z", "type": "Payment"}

LISTS: dict[str, tuple[Any, str]] = {
    "az consumption usage list": ([USAGE], "billingPeriodId, currency, pretaxCost: lists of invoices"),
    "linode-cli account invoices-list": ([LINODE], "it is a list of Linode's invoices"),
    "Linode's REST answer": (
        {"data": [LINODE], "page": 1, "pages": 1, "results": 1},
        "it is a list of Linode's invoices",
    ),
    "linode-cli account payments-list": (
        [{"id": 1, "date": "2026-10-01T05:00:00", "usd": "-132.50"}],
        "it is a list of Linode's payments",
    ),
    "ovhcloud bills": ([BILL], "it is a list of OVHcloud's bills"),
    "ovhcloud refunds": ([REFUND], "it is a list of OVHcloud's refunds"),
    "doctl billing-history list": ({"billing_history": [HISTORY]}, "it is DigitalOcean's billing history"),
    "the same as a bare list": ([HISTORY | {"id": 1, "name": "x"}], "amount, date: lists of invoices"),
    "resources with a total each": (
        {"resources": [{"id": 1, "name": "a", "type": "b", "total": 5}]},
        "total: lists of",
    ),
    "only types say it": (
        [{"id": 1, "name": "web", "type": "droplet"}, {"id": 2, "name": "G1", "type": _TYPE}],
        "record 2, column type: 'Microsoft.Billing/billingAccounts/invoices': that is no resource",
    ),
    "a credit note": ([{"id": 1, "name": "G1", "type": "CreditNote"}], "record 1, column type: 'CreditNote'"),
}

COLUMNS_OF_MONEY = (
    *(
        "amount",
        "Amount (EUR)",
        "Total",
        "USD",
        "total_taxed",
        "subTotal",
        "grandTotal",
        "cost",
        "monthlyCost",
        "Cost ($)",
    ),
    *(
        "currency",
        "currency_code",
        "dueDate",
        "due date",
        "invoiceDate",
        "issued_date",
        "Issued on",
        "billing_period",
        "date",
    ),
    *("VAT", "GSTAmount", "balance", "paid", "Betrag", "Rechnungsnummer", "montant", "importe", "TotalPrice"),
)

COLUMNS_OF_RESOURCES = (
    *("account", "project", "region", "created_at", "createdTime", "creation date", "expires", "tags", "cost center"),
    *("CostCenter", "cost_centre", "billing_account", "billingAccountName", "network", "subnet", "total_memory", "price_monthly"),
    *("all", "top", "issuer", "status", "size", "load_balancer", "taxonomy", "credits", "vCPUs", "backup_period", "statusDate"),
)  # fmt: skip


@pytest.mark.parametrize("case", LISTS)
def test_a_list_of_invoices_or_payments_is_rejected_with_what_it_is(desk: Desk, case: str) -> None:
    content, reason = LISTS[case]
    (found,) = desk.read(json.dumps(content))
    assert str(found.reason).startswith(reason)
    assert (found.inventory, found.invoices) == ((), ())


@pytest.mark.parametrize("as_json", [False, True])
def test_what_has_a_column_of_money_is_no_inventory_and_what_has_not_is_one(large_desk: Desk, as_json: bool) -> None:
    def inventory(column: str) -> str:
        if as_json:
            return json.dumps([{"id": "7", "name": "web-01", "type": "droplet", column: "1"}])
        return f"id,name,type,{column}\n7,web-01,droplet,1\n"

    columns = (*COLUMNS_OF_MONEY, *COLUMNS_OF_RESOURCES)
    found = large_desk.read_cases({column: inventory(column) for column in columns})
    assert [column for column in columns if found[column].inventory] == list(COLUMNS_OF_RESOURCES)
    for column in COLUMNS_OF_MONEY:
        assert (found[column].format, column in str(found[column].reason)) == ("listing", True)
        assert "if it is an inventory, leave these columns out" in str(found[column].reason)


def test_a_csv_whose_types_are_invoices_is_rejected_with_the_line(desk: Desk) -> None:
    (found,) = desk.read("id,name,type\n7,web-01,droplet\n8,2026-09,Invoice\n")
    assert str(found.reason).startswith("line 3, column type: 'Invoice': that is no resource")


DESCRIPTION = """
name = "charges"
source = "examplecloud"
currency = "EUR"

[columns]
description = "name"
amount = "Amount"
start = "day"

[tax]
none = "not due"
"""


def test_what_a_description_says_of_such_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "charges.toml").write_text(DESCRIPTION, encoding="utf-8")
    desk = Desk(tmp_path, Formats.of(tmp_path))
    (found,) = desk.read("id,name,type,day,Amount\n7,web-01,droplet,2026-04-01,5.00\n")
    assert (found.format, found.reason, len(found.lines)) == ("charges", None, 1)
    desk.reader.close()
