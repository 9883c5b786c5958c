"""Cost and Usage Reports for tests: rows as the data dictionaries have them, in the legacy spelling and in that of CUR 2.0."""

import csv
import gzip
import io
from collections.abc import Mapping
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

LEGACY: Mapping[str, str] = {
    "identity_line_item_id": "identity/LineItemId",
    "bill_invoice_id": "bill/InvoiceId",
    "bill_payer_account_id": "bill/PayerAccountId",
    "bill_billing_period_start_date": "bill/BillingPeriodStartDate",
    "line_item_usage_account_id": "lineItem/UsageAccountId",
    "line_item_line_item_type": "lineItem/LineItemType",
    "line_item_usage_start_date": "lineItem/UsageStartDate",
    "line_item_usage_end_date": "lineItem/UsageEndDate",
    "line_item_product_code": "lineItem/ProductCode",
    "line_item_resource_id": "lineItem/ResourceId",
    "line_item_usage_amount": "lineItem/UsageAmount",
    "line_item_currency_code": "lineItem/CurrencyCode",
    "line_item_unblended_cost": "lineItem/UnblendedCost",
    "line_item_line_item_description": "lineItem/LineItemDescription",
    "product_product_name": "product/ProductName",
    "pricing_unit": "pricing/unit",
}
"""What CUR 2.0's columns are called in the legacy report."""

_TIMES = ("bill_billing_period_start_date", "line_item_usage_start_date", "line_item_usage_end_date")
_NUMBERS = ("line_item_unblended_cost", "line_item_net_unblended_cost", "line_item_usage_amount")


def item(**values: str | None) -> dict[str, str | None]:
    """A row: six dollars of EC2 in April 2026, on the invoice 1234567 of the payer 111, unless told otherwise."""
    usual: dict[str, str | None] = {
        "identity_line_item_id": "abc123",
        "bill_invoice_id": "1234567",
        "bill_payer_account_id": "111111111111",
        "bill_billing_period_start_date": "2026-04-01T00:00:00Z",
        "line_item_usage_account_id": "222222222222",
        "line_item_line_item_type": "Usage",
        "line_item_usage_start_date": "2026-04-01T00:00:00Z",
        "line_item_usage_end_date": "2026-04-01T01:00:00Z",
        "line_item_product_code": "AmazonEC2",
        "line_item_resource_id": "i-0abc",
        "line_item_usage_amount": "1.0000000000",
        "line_item_currency_code": "USD",
        "line_item_unblended_cost": "6.0000000000",
        "line_item_line_item_description": "$0.0104 per On Demand Linux t3.micro Instance Hour",
        "product_product_name": "Amazon Elastic Compute Cloud",
        "pricing_unit": "Hrs",
    }
    return {**usual, **values}


def tax(**values: str | None) -> dict[str, str | None]:
    """A row of tax: sixty cents."""
    usual: dict[str, str | None] = {
        "line_item_line_item_type": "Tax",
        "line_item_unblended_cost": "0.60",
        "line_item_line_item_description": "Tax for product code AmazonEC2",
        "line_item_usage_start_date": "2026-04-01T00:00:00Z",
        "line_item_usage_end_date": "2026-04-30T23:59:59Z",
        "line_item_resource_id": None,
        "product_product_name": None,
        "pricing_unit": None,
    }
    return item(**{**usual, **values})


def as_csv(*rows: dict[str, str | None], legacy: bool = False, packed: bool = False) -> bytes:
    """The rows as CSV, in either spelling of the columns."""
    header = list(rows[0])
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([LEGACY[name] for name in header] if legacy else header)
    writer.writerows([row[name] or "" for name in header] for row in rows)
    content = file.getvalue().encode()
    return gzip.compress(content, mtime=0) if packed else content


def as_parquet(*rows: dict[str, str | None]) -> bytes:
    """The rows as Parquet with the types that the reports have: doubles and timestamps."""
    columns = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name in _TIMES:
            texts = pa.array([None if value is None else value.rstrip("Z") for value in values], pa.string())
            columns[name] = texts.cast(pa.timestamp("ms"))
        elif name in _NUMBERS:
            columns[name] = pa.array(
                [None if value is None else float(Decimal(value)) for value in values], pa.float64()
            )
        else:
            columns[name] = pa.array(values, pa.string())
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, store_schema=False)
    return file.getvalue()
