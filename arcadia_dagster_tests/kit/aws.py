"""AWS Cost and Usage Reports for tests, line items as the data dictionary has them, and what AWS states of its invoices."""

import csv
import io
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HEADER = (
    "identity/LineItemId",
    "identity/TimeInterval",
    "bill/InvoiceId",
    "bill/InvoicingEntity",
    "bill/BillingEntity",
    "bill/BillType",
    "bill/PayerAccountId",
    "bill/BillingPeriodStartDate",
    "bill/BillingPeriodEndDate",
    "lineItem/UsageAccountId",
    "lineItem/LineItemType",
    "lineItem/UsageStartDate",
    "lineItem/UsageEndDate",
    "lineItem/ProductCode",
    "lineItem/UsageType",
    "lineItem/Operation",
    "lineItem/AvailabilityZone",
    "lineItem/ResourceId",
    "lineItem/UsageAmount",
    "lineItem/CurrencyCode",
    "lineItem/UnblendedRate",
    "lineItem/UnblendedCost",
    "lineItem/NetUnblendedCost",
    "lineItem/BlendedRate",
    "lineItem/BlendedCost",
    "lineItem/LineItemDescription",
    "lineItem/TaxType",
    "product/ProductName",
    "pricing/unit",
    "resourceTags/user:Name",
)
"""The names of a legacy report."""

_SHORT = {name.partition("/")[2]: name for name in HEADER}


def item(**values: str) -> dict[str, str]:
    """A line item: six dollars of usage in April 2026, on the invoice 2001 of account 111, unless told otherwise."""
    usual = {
        "LineItemId": "qwerty123",
        "TimeInterval": "2026-04-01T00:00:00Z/2026-05-01T00:00:00Z",
        "InvoiceId": "2001",
        "InvoicingEntity": "Amazon Web Services EMEA SARL",
        "BillingEntity": "AWS",
        "BillType": "Anniversary",
        "PayerAccountId": "111",
        "BillingPeriodStartDate": "2026-04-01T00:00:00Z",
        "BillingPeriodEndDate": "2026-05-01T00:00:00Z",
        "UsageAccountId": "222",
        "LineItemType": "Usage",
        "UsageStartDate": "2026-04-01T00:00:00Z",
        "UsageEndDate": "2026-04-02T00:00:00Z",
        "ProductCode": "AmazonEC2",
        "UsageType": "EUW1-BoxUsage:t3.micro",
        "ResourceId": "arn:aws:ec2:eu-west-1:222:instance/i-0abc",
        "UsageAmount": "24",
        "CurrencyCode": "USD",
        "UnblendedRate": "0.25",
        "UnblendedCost": "6.00",
        "BlendedCost": "5.00",
        "LineItemDescription": "$0.25 per On Demand Linux t3.micro, hour",
        "ProductName": "Amazon Elastic Compute Cloud",
        "unit": "Hrs",
    }
    unknown = set(values) - set(_SHORT)
    assert not unknown, unknown
    return {name: {**usual, **values}.get(short, "") for short, name in _SHORT.items()}


def tax(**values: str) -> dict[str, str]:
    """A line item of tax: sixty cents."""
    usual = {
        "LineItemType": "Tax",
        "UnblendedCost": "0.60",
        "UsageAmount": "1",
        "ResourceId": "",
        "TaxType": "VAT",
        "LineItemDescription": "Tax for product code AmazonEC2",
        "ProductName": "",
        "unit": "",
    }
    return item(**{**usual, **values})


def cur2_name(name: str) -> str:
    """`lineItem/UnblendedCost` as CUR 2.0 and Parquet call it."""
    category, _, field = name.partition("/")
    return "_".join(re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[:/]", "_", part).lower() for part in (category, field))


def as_csv(*rows: dict[str, str], header: tuple[str, ...] = HEADER, is_cur2: bool = False) -> bytes:
    """The line items as a legacy report; or as CUR 2.0, whose times have milliseconds and whose other columns are maps."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    kept = [name for name in header if not (is_cur2 and name.startswith(("product/", "resourceTags/")))]
    extra = {"product": '{"product_name":"Amazon EC2"}', "line_item_usage_account_name": "shop"} if is_cur2 else {}
    writer.writerow([*((cur2_name(name) if is_cur2 else name) for name in kept), *extra])
    for row in rows:
        values = [row[name] for name in kept]
        if is_cur2:
            values = [re.sub(r"^(....-..-..T..:..:..)Z$", r"\1.000Z", value) for value in values]
        writer.writerow([*values, *extra.values()])
    return file.getvalue().encode()


def as_parquet(*rows: dict[str, str], cost: pa.DataType | None = None) -> bytes:
    """The line items as Parquet: costs and amounts are binary fractions, times are timestamps."""
    columns = {cur2_name(name): _column([row[name] for row in rows], name, cost or pa.float64()) for name in HEADER}
    names = pa.array([[("product_name", "Amazon EC2")]] * len(rows), pa.map_(pa.string(), pa.string()))
    file = io.BytesIO()
    pq.write_table(pa.table({**columns, "product": names}), file, store_schema=False)
    return file.getvalue()


def manifest(*keys: str, **fields: Any) -> bytes:
    """A manifest that names these files of a legacy report."""
    stated = {
        "assemblyId": "20260503T000000Z",
        "account": "111",
        "columns": [{"category": "lineItem", "name": "UnblendedCost", "type": "OptionalBigDecimal"}],
        "charset": "UTF-8",
        "compression": "GZIP",
        "contentType": "text/csv",
        "reportId": "0123abcd",
        "reportName": "cur",
        "billingPeriod": {"start": "20260401T000000.000Z", "end": "20260501T000000.000Z"},
        "bucket": "billing",
        "reportKeys": list(keys),
        "additionalArtifactKeys": [],
    }
    return json.dumps(stated | fields).encode()


def manifest_of_export(*keys: str, **fields: Any) -> bytes:
    """The same of a CUR 2.0 export."""
    stated = {
        "executionId": "0a1b2c",
        "exportArn": "arn:aws:bcm-data-exports:us-east-1:111:export/cur",
        "columns": [{"name": "line_item_unblended_cost", "type": "DOUBLE"}],
        "dataFiles": [f"s3://billing/{key}" for key in keys],
    }
    return json.dumps(stated | fields, indent=2).encode()


def _column(values: list[str], name: str, cost: pa.DataType) -> pa.Array:
    if name.endswith(("Cost", "UsageAmount")):
        if pa.types.is_decimal(cost):
            return pa.array([Decimal(value) if value else None for value in values]).cast(cost)
        return pa.array([float(value) if value else None for value in values], cost)
    if name.endswith("Date"):
        times = pa.array([value.rstrip("Z") or None for value in values], pa.string())
        return times.cast(pa.timestamp("ms"))
    return pa.array([value or None for value in values], pa.string())


def summaries(*invoices: Mapping[str, Any]) -> bytes:
    """What AWS states of its invoices; without words, that INV-1 of April 2026 comes to 6.60 USD, 0.60 of it tax."""
    usual = {
        "AccountId": "111",
        "InvoiceId": "INV-1",
        "InvoiceType": "INVOICE",
        "IssuedDate": "2026-05-02T00:00:00Z",
        "BillingPeriod": {"Month": 4, "Year": 2026},
    }
    return json.dumps({"InvoiceSummaries": [{**usual, **comes_to("6.60", "6.00"), **one} for one in invoices]}).encode()


def comes_to(gross: str, net: str) -> dict[str, Any]:
    return {"BaseCurrencyAmount": {"TotalAmount": gross, "TotalAmountBeforeTax": net, "CurrencyCode": "USD"}}


def credit_memo(invoice_id: str, **more: Any) -> dict[str, Any]:
    """A credit memo about INV-1."""
    return {"InvoiceId": invoice_id, "InvoiceType": "CREDIT_MEMO", "OriginalInvoiceId": "INV-1", **more}
