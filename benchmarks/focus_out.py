"""Row 10: a month's lines as FOCUS Cost and Usage, Parquet and CSV, from a warehouse that has them."""

import tempfile
from collections.abc import Collection
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from arcadia_dagster.reports.focus import UNKNOWN_NUMBERS, UNKNOWN_TEXTS
from arcadia_dagster_tests.kit.generate import file_name, write_large
from benchmarks import sums
from benchmarks.home import build_elsewhere
from benchmarks.measure import Side, Stopwatch, require, side_by_side
from benchmarks.report import Results
from benchmarks.size import Size, counted

_MONTH = date(2024, 7, 1)
_RESOURCE = "coalesce(resource_id, matched_resource_id)"

# The columns of Cost and Usage 1.2, by hand and for one provider: nothing is looked up.
_COLUMNS = {
    "BilledCost": "amount",
    "BillingAccountId": "account_id",
    "BillingAccountType": "'Not stated'",
    "BillingCurrency": "currency",
    "BillingPeriodEnd": "TIMESTAMPTZ '2024-08-01'",
    "BillingPeriodStart": "TIMESTAMPTZ '2024-07-01'",
    "ChargeCategory": "charge_category",
    "ChargeDescription": "description",
    "ChargeFrequency": "CASE charge_category WHEN 'Usage' THEN 'Usage-Based' ELSE 'One-Time' END",
    "ChargePeriodEnd": "coalesce(charge_period_end, TIMESTAMP '2024-08-01')",
    "ChargePeriodStart": "coalesce(charge_period_start, TIMESTAMP '2024-07-01')",
    "ConsumedQuantity": "quantity",
    "ConsumedUnit": "unit",
    "ContractedCost": "amount",
    "EffectiveCost": "amount",
    "InvoiceId": "external_id",
    "InvoiceIssuerName": "'DigitalOcean'",
    "ListCost": "amount",
    "ProviderName": "'DigitalOcean'",
    "PublisherName": "'DigitalOcean'",
    "ResourceId": _RESOURCE,
    "ResourceName": f"CASE WHEN {_RESOURCE} IS NOT NULL THEN resource_name END",
    "ResourceType": f"CASE WHEN {_RESOURCE} IS NOT NULL THEN resource_type END",
    "ServiceCategory": "'Compute'",
    "ServiceName": "service_name",
    "ServiceSubcategory": "'Virtual Machines'",
    "SubAccountId": "project",
    "SubAccountName": "project",
    "x_DocumentSha256": "document_sha256",
    "x_LineNumber": "line_number",
}


def measure(results: Results, *, size: Size, rows: Collection[str]) -> None:  # noqa: ARG001 - there is one row
    """Measure the row."""
    lines = size.pick(tiny=2_000, quick=200_000, full=1_000_000)
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        home = Path(folder)
        (home / "inbox").mkdir()
        totals = write_large(home / "inbox" / file_name(_MONTH, "77", "1001"), month=_MONTH, lines=lines, seed=1)
        build_elsewhere(home)
        warehouse = {"warehouse": str(home / "arcadia.duckdb")}
        found = side_by_side(
            Side("ours", "focus_out:ours", warehouse, {}),
            Side("bare DuckDB", "focus_out:bare", warehouse, {}),
            runs=size.pick(tiny=1, quick=3, full=5),
        )
    require(found, {"lines": lines, "cost": str(totals.gross), "columns": found["ours"].facts["columns"]})
    work = f"{counted(lines)} lines written as FOCUS, Parquet and CSV"
    note = (
        "the floor copies the same columns of the same lines, in the same order, to both kinds of file, with SQL that knows "
        "their provider; ours also writes the month's invoices (Invoice Detail), and amounts in CSV without needless zeros."
    )
    against = "bare COPY of the same columns"
    results.compare("10", work, found["ours"], against, found["bare DuckDB"], most=1.3, note=note)


def ours(stopwatch: Stopwatch, folder: Path, *, warehouse: str) -> dict[str, Any]:
    """What the asset `focus_export` does for a month."""
    from arcadia_dagster.reports.focus import export_months  # noqa: PLC0415
    from arcadia_dagster.warehouse import Warehouse  # noqa: PLC0415

    own = Warehouse(warehouse)
    with own.read():
        pass
    with stopwatch.running(), own.read() as connection:
        export_months(connection, folder, [_MONTH])
    into = folder / f"{_MONTH:%Y-%m}"
    return _facts(into / "focus_1_2_cost_and_usage.parquet", into / "focus_1_2_cost_and_usage.csv")


def bare(stopwatch: Stopwatch, folder: Path, *, warehouse: str) -> dict[str, Any]:
    """The same columns, by two statements."""
    parquet, csv = folder / "lines.parquet", folder / "lines.csv"
    empty = {**dict.fromkeys(UNKNOWN_TEXTS, "VARCHAR"), **dict.fromkeys(UNKNOWN_NUMBERS, sums.AMOUNT_TYPE)}
    columns = {**_COLUMNS, **{name: f"CAST(NULL AS {type_})" for name, type_ in empty.items()}}
    selected = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    lines = (
        f"SELECT {selected} FROM cost_lines WHERE invoice_month = DATE '{_MONTH}' "
        "ORDER BY source, account_id, external_id, document_sha256, line_number"
    )
    with stopwatch.running(), duckdb.connect(warehouse, read_only=True) as connection:
        connection.execute(f"COPY ({lines}) TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)")
        connection.execute(f"COPY ({lines}) TO '{csv}' (FORMAT csv, HEADER)")
    return _facts(parquet, csv)


def _facts(parquet: Path, csv: Path) -> dict[str, Any]:
    with duckdb.connect() as connection:
        [(lines, amount)] = connection.execute(f"SELECT count(*), sum(BilledCost) FROM '{parquet}'").fetchall()
        [(again,)] = connection.execute(
            f"SELECT sum(CAST(BilledCost AS DECIMAL(38,18))) FROM read_csv('{csv}', all_varchar = true)"
        ).fetchall()
        described = connection.execute(f"DESCRIBE FROM '{parquet}'").fetchall()
    if again != amount:
        raise AssertionError(f"{parquet} has {amount}, {csv} {again}")
    columns = sorted(name for name, *_ in described)
    return {"lines": lines, "cost": str(Decimal(amount).quantize(Decimal("0.01"))), "columns": columns}
