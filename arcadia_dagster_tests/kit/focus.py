"""FOCUS documents for tests: rows as the specification has them, written as CSV or Parquet."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

HEADER = (
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "InvoiceId",
    "InvoiceIssuerName",
    "ProviderName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceName",
    "SubAccountId",
    "SubAccountName",
    "Tags",
    "x_Extra",
)


def charge(**values: str | None) -> dict[str, str | None]:
    """A row: six dollars of usage in April 2026, on the invoice INV-1 of account 111, unless told otherwise."""
    usual = {
        "BilledCost": "6.00",
        "BillingAccountId": "111",
        "BillingCurrency": "USD",
        "BillingPeriodStart": "2026-04-01T00:00:00Z",
        "ChargeCategory": "Usage",
        "ChargeDescription": "t3.micro, per hour",
        "ChargePeriodStart": "2026-04-01T00:00:00Z",
        "ChargePeriodEnd": "2026-04-02T00:00:00Z",
        "ConsumedQuantity": "24",
        "ConsumedUnit": "Hours",
        "InvoiceId": "INV-1",
        "InvoiceIssuerName": "Amazon Web Services, Inc.",
        "ProviderName": "AWS",
        "ResourceId": "arn:aws:ec2:eu-west-1:111:instance/i-0abc",
        "ResourceName": "web-01",
        "ResourceType": "Instance",
        "ServiceName": "Amazon EC2",
        "SubAccountName": "shop",
        "Tags": '{"team": "shop, web"}',
    }
    unknown = set(values) - set(HEADER)
    assert not unknown, unknown
    return {**dict.fromkeys(HEADER), **usual, **values}


def tax(**values: str | None) -> dict[str, str | None]:
    """A row of tax: sixty cents."""
    usual: dict[str, str | None] = {"BilledCost": "0.60", "ChargeCategory": "Tax", "ChargeDescription": "VAT 10%"}
    for name in ("ConsumedQuantity", "ConsumedUnit", "ResourceId", "ResourceName", "ResourceType"):
        usual[name] = None
    return charge(**{**usual, **values})


def usage(number: int, **values: str) -> dict[str, str | None]:
    """One of many different lines of one dollar."""
    return charge(ChargeDescription=f"line {number}", **{"BilledCost": "1.00", **values})


def lines_of(invoice: str, *numbers: int, **values: str | None) -> list[dict[str, str | None]]:
    """Lines of ten dollars of one invoice, by their numbers."""
    return [
        charge(**{"InvoiceId": invoice, "ChargeDescription": f"line {n}", "BilledCost": "10.00", **values})
        for n in numbers
    ]


def as_csv(*rows: dict[str, str | None], header: Sequence[str] = HEADER, null: str = "") -> bytes:
    """The rows as CSV; columns that are not in the header are left out."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([null if row[name] is None else row[name] for name in header] for row in rows)
    return file.getvalue().encode()


def as_json(*rows: dict[str, str | None]) -> bytes:
    """The rows as JSON, an object a line; what a row leaves out is left out, but for the names of companies, which are null."""
    mandatory = ("InvoiceIssuerName", "ProviderName")
    stated = ({name: row[name] for name in row if row[name] is not None or name in mandatory} for row in rows)
    return "".join(json.dumps(row) + "\n" for row in stated).encode()


def as_parquet(
    *rows: dict[str, str | None],
    header: Sequence[str] = HEADER,
    cost: pa.DataType | None = None,
    times: pa.DataType | None = None,
) -> bytes:
    """The rows as Parquet with types: exact decimals, numbers and timestamps, but where others are asked for."""
    cost = cost or pa.decimal128(38, 18)
    times = times or pa.timestamp("us", tz="UTC")
    columns = {name: _column([row[name] for row in rows], name, cost, times) for name in header}
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, store_schema=False)
    return file.getvalue()


def _column(values: Iterable[str | None], name: str, cost: pa.DataType, times: pa.DataType) -> pa.Array:
    if name == "BilledCost":
        exact = [None if value is None else Decimal(value) for value in values]
        return pa.array([str(value) for value in exact] if pa.types.is_string(cost) else exact).cast(cost)
    if name == "ConsumedQuantity":
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if name.startswith(("BillingPeriod", "ChargePeriod")):
        parsed = pa.array([None if value is None else value.rstrip("Z") for value in values], pa.string())
        return parsed if pa.types.is_string(times) else parsed.cast(pa.timestamp("us")).cast(times)
    return pa.array(list(values), pa.string())
