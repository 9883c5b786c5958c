"""FOCUS Cost and Usage of 45 columns, for row 9: the document, and the sides that are no part of the program."""

from pathlib import Path
from typing import Any

import duckdb

from arcadia_dagster_tests.kit.generate import Totals
from benchmarks import exports, sums
from benchmarks.bare_duckdb import files_in
from benchmarks.measure import Stopwatch

_AMOUNT = "CAST(i * 7919 % 100003 AS DECIMAL(18,9)) * 0.0000137"

# FOCUS 1.2 with tags and two columns of the provider's own. Every twentieth line is a credit, the last is the tax.
_COLUMNS = {
    "AvailabilityZone": "'eu-west-1' || chr(CAST(97 + i % 3 AS INTEGER))",
    "BilledCost": f"CAST(CASE WHEN i % 20 = 19 THEN -({_AMOUNT}) ELSE {_AMOUNT} END AS DECIMAL(20,10))",
    "BillingAccountId": "'123456789012'",
    "BillingAccountName": "'Example Corp'",
    "BillingAccountType": "'Payer'",
    "BillingCurrency": "'USD'",
    "BillingPeriodEnd": "TIMESTAMP '2024-08-01'",
    "BillingPeriodStart": "TIMESTAMP '2024-07-01'",
    "ChargeCategory": "CASE WHEN i = {last} THEN 'Tax' WHEN i % 20 = 19 THEN 'Credit' ELSE 'Usage' END",
    "ChargeClass": "CAST(NULL AS VARCHAR)",
    "ChargeDescription": "'$0.0' || i % 97 || ' per On Demand Linux t3.' || (['micro', 'small', 'large'])[1 + i % 3] || ' Hour'",
    "ChargeFrequency": "'Usage-Based'",
    "ChargePeriodEnd": "TIMESTAMP '2024-07-01 01:00:00' + to_hours(CAST(i % 743 AS INTEGER))",
    "ChargePeriodStart": "TIMESTAMP '2024-07-01' + to_hours(CAST(i % 743 AS INTEGER))",
    "CommitmentDiscountCategory": "CAST(NULL AS VARCHAR)",
    "CommitmentDiscountId": "CAST(NULL AS VARCHAR)",
    "CommitmentDiscountName": "CAST(NULL AS VARCHAR)",
    "CommitmentDiscountStatus": "CAST(NULL AS VARCHAR)",
    "CommitmentDiscountType": "CAST(NULL AS VARCHAR)",
    "ConsumedQuantity": "CAST(1 + i % 24 AS DECIMAL(18,6))",
    "ConsumedUnit": "'Hours'",
    "ContractedCost": f"CAST({_AMOUNT} AS DECIMAL(20,10))",
    "ContractedUnitPrice": "CAST(0.0104 AS DECIMAL(18,6))",
    "EffectiveCost": f"CAST({_AMOUNT} AS DECIMAL(20,10))",
    "InvoiceId": "'1234567890'",
    "InvoiceIssuerName": "'Amazon Web Services, Inc.'",
    "ListCost": f"CAST({_AMOUNT} AS DECIMAL(20,10))",
    "ListUnitPrice": "CAST(0.0104 AS DECIMAL(18,6))",
    "PricingCategory": "'Standard'",
    "PricingQuantity": "CAST(1 + i % 24 AS DECIMAL(18,6))",
    "PricingUnit": "'Hours'",
    "ProviderName": "'AWS'",
    "PublisherName": "'AWS'",
    "RegionId": "'eu-west-1'",
    "RegionName": "'EU (Ireland)'",
    "ResourceId": "'arn:aws:ec2:eu-west-1:123456789012:instance/i-' || lpad(CAST(i % 5000 AS VARCHAR), 17, '0')",
    "ResourceName": "'node-' || i % 5000",
    "ResourceType": "'Instance'",
    "ServiceCategory": "'Compute'",
    "ServiceName": "'Amazon Elastic Compute Cloud'",
    "SkuId": "'SKU' || i % 311",
    "SubAccountId": "'2100000000' || i % 37",
    "SubAccountName": "'team-' || i % 37",
    "Tags": '\'{"team": "team-\' || i % 37 || \'", "env": "prod, eu"}\'',
    "x_UsageType": "'EUW1-BoxUsage:t3.micro'",
}

_LINES = """
SELECT '{sha256}' AS document_sha256, row_number() OVER () AS line_number, 'aws' AS source, BillingAccountId AS account_id,
  InvoiceId AS external_id, CAST(date_trunc('month', {time}(BillingPeriodStart{as_time})) AS DATE) AS invoice_month,
  ChargeCategory AS charge_category, ServiceName AS service_name, ChargeDescription AS description, SubAccountName AS project,
  ResourceId AS resource_id, ResourceName AS resource_name, ResourceType AS resource_type,
  {time}(ChargePeriodStart{as_time}) AS charge_period_start, {time}(ChargePeriodEnd{as_time}) AS charge_period_end,
  CAST(CAST(ConsumedQuantity AS DECIMAL(18,6)) AS DECIMAL(38,18)) AS quantity, ConsumedUnit AS unit,
  CAST(CAST(BilledCost AS DECIMAL(18,10)) AS DECIMAL(38,18)) AS amount, BillingCurrency AS currency,
  CASE WHEN ChargeCategory = 'Tax' THEN 'provider_type' END AS tax_basis, false AS is_tax_doubtful,
  CAST(NULL AS VARCHAR) AS matched_resource_id, 'none' AS match_method, CAST(NULL AS VARCHAR) AS added_by
FROM {records}
"""


def write(path: Path, *, lines: int) -> Totals:
    """Write a document of so many lines, the last of them tax: always the same for the same number."""
    return exports.write(path, _COLUMNS, lines=lines, cost="BilledCost", is_tax="ChargeCategory = 'Tax'")


def bare_csv(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """Archive, read the columns that are stored, write them and the totals."""
    return _bare(stopwatch, folder, source, is_csv=True)


def bare_parquet(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """The same from Parquet."""
    return _bare(stopwatch, folder, source, is_csv=False)


def csv_alone(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:  # noqa: ARG001 - every side has a folder
    """The columns that are stored, read and counted."""
    return exports.csv_alone(stopwatch, source, lines=_LINES, csv_columns=_COLUMNS)


def polars_csv(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """One lazy query, handed to DuckDB as Arrow."""
    return _polars(stopwatch, folder, source, is_csv=True)


def polars_parquet(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """The same from Parquet."""
    return _polars(stopwatch, folder, source, is_csv=False)


def _bare(stopwatch: Stopwatch, folder: Path, source: str, *, is_csv: bool) -> dict[str, Any]:
    time, as_time = ("strptime", ", '%Y-%m-%dT%H:%M:%SZ'") if is_csv else ("", "")
    lines = _LINES.format(sha256="{sha256}", records="{records}", time=time, as_time=as_time)
    return exports.bare(stopwatch, folder, source, lines=lines, csv_columns=_COLUMNS if is_csv else None)


def _polars(stopwatch: Stopwatch, folder: Path, source: str, *, is_csv: bool) -> dict[str, Any]:
    import polars as pl  # noqa: PLC0415 - an optional package

    (path,) = files_in(source)
    warehouse = folder / "other.duckdb"
    amount = pl.Decimal(38, 18)

    def time(name: str) -> pl.Expr:
        return pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%SZ") if is_csv else pl.col(name)

    with stopwatch.running():
        records = pl.scan_csv(path, infer_schema=False) if is_csv else pl.scan_parquet(path)
        lines = (
            records.select(
                account_id="BillingAccountId",
                external_id="InvoiceId",
                invoice_month=time("BillingPeriodStart").dt.date(),
                charge_category="ChargeCategory",
                service_name="ServiceName",
                description="ChargeDescription",
                project="SubAccountName",
                resource_id="ResourceId",
                resource_name="ResourceName",
                resource_type="ResourceType",
                charge_period_start=time("ChargePeriodStart"),
                charge_period_end=time("ChargePeriodEnd"),
                quantity=pl.col("ConsumedQuantity").cast(amount),
                unit="ConsumedUnit",
                amount=pl.col("BilledCost").cast(amount),
                currency="BillingCurrency",
            )
            .with_row_index("line_number", offset=1)
            .collect()
        )
        with duckdb.connect(str(warehouse)) as connection:
            connection.register("line", lines.to_arrow())
            connection.execute("CREATE TABLE cost_lines AS FROM line")
            connection.execute(sums.TOTALS.format(lines="cost_lines"))
            connection.execute("CHECKPOINT")
    return sums.facts(warehouse)
