"""An AWS Cost and Usage Report, for row 9: the document, and the sides that are no part of the program."""

import re
from pathlib import Path
from typing import Any

from arcadia_dagster_tests.kit.aws import cur2_name
from arcadia_dagster_tests.kit.generate import Totals
from benchmarks import exports
from benchmarks.measure import Stopwatch

_COST = "CAST(CAST(i * 7919 % 100003 AS DECIMAL(18,9)) * 0.0000137 AS DECIMAL(18,10))"
_RATE = "CAST(0.0104 AS DECIMAL(18,10))"
_START = "TIMESTAMP '2024-07-01' + to_hours(CAST(i % 743 AS INTEGER))"
_NONE = "CAST(NULL AS VARCHAR)"

# The columns of a legacy report with resource ids. Every twentieth line is a credit, the last is the tax.
_COLUMNS = {
    "identity/LineItemId": "'abcdefghijklmnopqrstuvwxyz0123456789' || i % 999983",
    "identity/TimeInterval": "'2024-07-01T00:00:00Z/2024-07-01T01:00:00Z'",
    "bill/InvoiceId": "'1234567890'",
    "bill/InvoicingEntity": "'Amazon Web Services, Inc.'",
    "bill/BillingEntity": "'AWS'",
    "bill/BillType": "'Anniversary'",
    "bill/PayerAccountId": "'123456789012'",
    "bill/BillingPeriodStartDate": "TIMESTAMP '2024-07-01'",
    "bill/BillingPeriodEndDate": "TIMESTAMP '2024-08-01'",
    "lineItem/UsageAccountId": "'2100000000' || i % 37",
    "lineItem/LineItemType": "CASE WHEN i = {last} THEN 'Tax' WHEN i % 20 = 19 THEN 'Credit' ELSE 'Usage' END",
    "lineItem/UsageStartDate": _START,
    "lineItem/UsageEndDate": f"{_START} + INTERVAL 1 HOUR",
    "lineItem/ProductCode": "'AmazonEC2'",
    "lineItem/UsageType": "'EUW1-BoxUsage:t3.micro'",
    "lineItem/Operation": "'RunInstances'",
    "lineItem/AvailabilityZone": "'eu-west-1' || chr(CAST(97 + i % 3 AS INTEGER))",
    "lineItem/ResourceId": "'i-' || lpad(CAST(i % 5000 AS VARCHAR), 17, '0')",
    "lineItem/UsageAmount": "CAST(1 + i % 24 AS DECIMAL(18,10))",
    "lineItem/NormalizationFactor": "'0.5'",
    "lineItem/NormalizedUsageAmount": "CAST(1 + i % 24 AS DECIMAL(18,10))",
    "lineItem/CurrencyCode": "'USD'",
    "lineItem/UnblendedRate": _RATE,
    "lineItem/UnblendedCost": f"CASE WHEN i % 20 = 19 THEN -({_COST}) ELSE {_COST} END",
    "lineItem/BlendedRate": _RATE,
    "lineItem/BlendedCost": _COST,
    "lineItem/LineItemDescription": (
        "'$0.0' || i % 97 || ' per On Demand Linux t3.' || (['micro', 'small', 'large'])[1 + i % 3] || ' Instance, Hour'"
    ),
    "lineItem/TaxType": _NONE,
    "lineItem/LegalEntity": "'Amazon Web Services, Inc.'",
    "product/ProductName": "'Amazon Elastic Compute Cloud'",
    "product/instanceType": "'t3.micro'",
    "product/location": "'EU (Ireland)'",
    "product/operatingSystem": "'Linux'",
    "product/productFamily": "'Compute Instance'",
    "product/region": "'eu-west-1'",
    "product/servicecode": "'AmazonEC2'",
    "product/sku": "'SKU' || i % 311",
    "product/tenancy": "'Shared'",
    "pricing/publicOnDemandCost": _COST,
    "pricing/publicOnDemandRate": _RATE,
    "pricing/term": "'OnDemand'",
    "pricing/unit": "'Hrs'",
    "reservation/ReservationARN": _NONE,
    "savingsPlan/SavingsPlanARN": _NONE,
    "resourceTags/user:team": "'team-' || i % 37",
}

IN_PARQUET = {
    name: f"CAST({sql} AS DOUBLE)" if re.search("(Cost|Amount)$", name) else sql for name, sql in _COLUMNS.items()
}

_LINES = """
SELECT '{sha256}' AS document_sha256, row_number() OVER () AS line_number, 'aws' AS source,
  "bill/PayerAccountId" AS account_id, "bill/InvoiceId" AS external_id,
  CAST(date_trunc('month', {time}("bill/BillingPeriodStartDate"{as_time})) AS DATE) AS invoice_month,
  CASE "lineItem/LineItemType" WHEN 'Tax' THEN 'Tax' WHEN 'Credit' THEN 'Credit' ELSE 'Usage' END AS charge_category,
  "product/ProductName" AS service_name, "lineItem/LineItemDescription" AS description, "lineItem/UsageAccountId" AS project,
  "lineItem/ResourceId" AS resource_id, CAST(NULL AS VARCHAR) AS resource_name, CAST(NULL AS VARCHAR) AS resource_type,
  {time}("lineItem/UsageStartDate"{as_time}) AS charge_period_start,
  {time}("lineItem/UsageEndDate"{as_time}) AS charge_period_end,
  CAST(CAST("lineItem/UsageAmount" AS DECIMAL(18,10)) AS DECIMAL(38,18)) AS quantity, "pricing/unit" AS unit,
  CAST(CAST("lineItem/UnblendedCost" AS DECIMAL(18,10)) AS DECIMAL(38,18)) AS amount, "lineItem/CurrencyCode" AS currency,
  CASE WHEN "lineItem/LineItemType" = 'Tax' THEN 'provider_type' END AS tax_basis, false AS is_tax_doubtful,
  CAST(NULL AS VARCHAR) AS matched_resource_id, 'none' AS match_method, CAST(NULL AS VARCHAR) AS added_by
FROM {records}
"""


def write(path: Path, *, lines: int) -> Totals:
    """Write a report of so many lines, the last of them tax: always the same for the same number."""
    columns, cost, type_ = _COLUMNS, "lineItem/UnblendedCost", "lineItem/LineItemType"
    if path.suffix == ".parquet":
        columns = {cur2_name(name): sql for name, sql in IN_PARQUET.items()}
        cost, type_ = cur2_name(cost), cur2_name(type_)
    return exports.write(path, columns, lines=lines, cost=cost, is_tax=f"\"{type_}\" = 'Tax'")


def bare_csv(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """The floor of CSV."""
    lines = _LINES.format(sha256="{sha256}", records="{records}", time="strptime", as_time=", '%Y-%m-%dT%H:%M:%SZ'")
    return exports.bare(stopwatch, folder, source, lines=lines, csv_columns=_COLUMNS)


def csv_alone(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:  # noqa: ARG001 - every side has a folder
    """The columns that are stored, read and counted."""
    return exports.csv_alone(stopwatch, source, lines=_LINES, csv_columns=_COLUMNS)


def bare_parquet(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """The floor of Parquet."""
    lines = _LINES.format(sha256="{sha256}", records="{records}", time="", as_time="")
    named = re.sub(r'"(\w+/\w+)"', lambda found: f'"{cur2_name(found[1])}"', lines)
    return exports.bare(stopwatch, folder, source, lines=named, csv_columns=None)
