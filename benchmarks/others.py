"""What a user would use instead: each reads the invoice and writes exact lines and sums to a DuckDB file.

Each is written for speed as its own documentation recommends, with columns in bulk wherever the tool knows columns. None of
them checks the file or matches its lines, and none is asked to. Those that are asked for the `same` work archive the bytes of
the file, hash them, and store every column of `cost_lines`; the others read ten columns, and keep nothing else.
"""

import csv
import os
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from benchmarks import sums
from benchmarks.bare_duckdb import ARCHIVE, COLUMNS, archive, files_in
from benchmarks.measure import Stopwatch

_AMOUNT = pa.decimal128(38, 18)
_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
_BATCH_LINES = 50_000
_CATEGORIES = {"taxes": "Tax", "credits": "Credit"}
# An end of 23:59:59 means the next midnight.
_LAST_SECOND = 59
_ONE_SECOND = timedelta(seconds=1)
_LINE = pa.schema(
    {
        "line_number": pa.int64(),
        "service_name": pa.string(),
        "description": pa.string(),
        "project": pa.string(),
        "charge_category": pa.string(),
        "charge_period_start": pa.timestamp("us"),
        "charge_period_end": pa.timestamp("us"),
        "quantity": _AMOUNT,
        "amount": _AMOUNT,
        "currency": pa.string(),
    }
)

_INVOICE = {
    "source": "digitalocean",
    "account_id": "6173678",
    "external_id": "418071234",
    "invoice_month": date(2024, 7, 1),
    "match_method": "none",
}
"""What is the same on each line of the invoice."""

_ABSENT = ("resource_id", "matched_resource_id", "added_by")
_TYPES = {"droplets": "droplet", "volumes": "volume"}
_SIZE = r" \(.*$"
_DOUBTFUL = "(?i)gst|tax"
_SAME_LINE = pa.schema(
    [
        *_LINE,
        ("document_sha256", pa.string()),
        *((name, pa.date32() if name == "invoice_month" else pa.string()) for name in _INVOICE),
        *((name, pa.string()) for name in _ABSENT),
        ("resource_name", pa.string()),
        ("resource_type", pa.string()),
        ("unit", pa.string()),
        ("tax_basis", pa.string()),
        ("is_tax_doubtful", pa.bool_()),
    ]
)


def with_polars(stopwatch: Stopwatch, folder: Path, *, source: str, same: bool = False) -> dict[str, Any]:
    """One lazy query, handed to DuckDB as Arrow."""
    import polars as pl  # noqa: PLC0415 - an optional package

    (path,) = files_in(source)
    warehouse = folder / "other.duckdb"
    start, end = (pl.col(name).str.slice(0, 19).str.to_datetime(_TIME_FORMAT) for name in ("start", "end"))
    product, is_tax = pl.col("product").str.to_lowercase(), pl.col("product").str.to_lowercase() == "taxes"
    with stopwatch.running():
        more: dict[str, pl.Expr] = {}
        if same:
            path, sha256 = archive(path, folder)
            more = {name: pl.lit(value) for name, value in {**_INVOICE, "document_sha256": sha256}.items()}
            more |= {name: pl.lit(None, dtype=pl.String) for name in _ABSENT}
            more |= {
                "resource_name": pl.col("description").str.replace(_SIZE, ""),
                "resource_type": product.replace_strict(_TYPES, default=None),
                "unit": pl.when(pl.col("hours").is_not_null()).then(pl.lit("Hours")),
                "tax_basis": pl.when(is_tax).then(pl.lit("provider_type")),
                "is_tax_doubtful": ~is_tax & pl.col("description").str.contains(_DOUBTFUL),
            }
        lines = (
            pl.scan_csv(path, infer_schema=False)
            .select(
                service_name=pl.col("product"),
                description=pl.col("description"),
                project=pl.col("project_name"),
                charge_category=product.replace_strict(_CATEGORIES, default="Usage"),
                charge_period_start=start,
                charge_period_end=pl.when(end.dt.second() < _LAST_SECOND).then(end).otherwise(end + _ONE_SECOND),
                quantity=pl.col("hours").cast(pl.Decimal(38, 18)),
                amount=pl.col("USD").str.replace_all(r"[$,]", "").cast(pl.Decimal(38, 18)),
                currency=pl.lit("USD"),
                **more,
            )
            .with_row_index("line_number", offset=1)
            .collect()
        )
        with duckdb.connect(str(warehouse)) as connection:
            _store(connection, lines.to_arrow())
    return sums.facts(warehouse, archive=folder / ARCHIVE if same else None)


def with_pandas(stopwatch: Stopwatch, folder: Path, *, source: str, same: bool = False) -> dict[str, Any]:
    """A frame of Arrow columns, read by pyarrow and handed to DuckDB as Arrow."""
    import pandas as pd  # noqa: PLC0415 - its import is not timed for the others

    (path,) = files_in(source)
    warehouse = folder / "other.duckdb"
    text, amount, time = (pd.ArrowDtype(type_) for type_ in (pa.string(), _AMOUNT, pa.timestamp("us")))
    sha256 = ""
    with stopwatch.running():
        if same:
            path, sha256 = archive(path, folder)
        stated = pd.read_csv(path, engine="pyarrow", dtype_backend="pyarrow", dtype=dict.fromkeys(COLUMNS, text))
        end = stated["end"].str.slice(0, 19).astype(time)
        lines = pd.DataFrame(
            {
                "line_number": range(1, len(stated) + 1),
                "service_name": stated["product"],
                "description": stated["description"],
                "project": stated["project_name"],
                "charge_category": stated["product"].str.lower().map(_CATEGORIES).fillna("Usage"),
                "charge_period_start": stated["start"].str.slice(0, 19).astype(time),
                "charge_period_end": end.where(end.dt.second < _LAST_SECOND, end + _ONE_SECOND),
                "quantity": stated["hours"].astype(amount),
                "amount": stated["USD"].str.replace("$", "").str.replace(",", "").astype(amount),
                "currency": "USD",
            }
        )
        if same:
            product, is_tax = stated["product"].str.lower(), lines["charge_category"] == "Tax"
            one = pd.Series("provider_type", index=stated.index, dtype=text)
            more: dict[str, Any] = {**_INVOICE, "document_sha256": sha256}
            more |= {name: pd.Series(pd.NA, index=stated.index, dtype=text) for name in _ABSENT}
            lines = lines.assign(
                **more,
                resource_name=stated["description"].str.replace(_SIZE, "", regex=True),
                resource_type=product.map(_TYPES),
                unit=pd.Series("Hours", index=stated.index, dtype=text).where(stated["hours"].notna()),
                tax_basis=one.where(is_tax),
                is_tax_doubtful=~is_tax & stated["description"].str.contains(_DOUBTFUL, regex=True),
            )
        with duckdb.connect(str(warehouse)) as connection:
            _store(connection, pa.Table.from_pandas(lines, preserve_index=False))
    return sums.facts(warehouse, archive=folder / ARCHIVE if same else None)


def with_dlt_arrow(stopwatch: Stopwatch, folder: Path, *, source: str, same: bool = False) -> dict[str, Any]:
    """dlt with batches of Arrow columns, which it takes as they are."""
    return _with_dlt(stopwatch, folder, _arrow_batches, source=source, same=same)


def with_dlt_dicts(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """dlt with pages of dicts, which it normalises, loaded as Parquet."""
    return _with_dlt(stopwatch, folder, lambda path, _: _dict_pages(path), source=source)


def with_a_loop(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """The csv module and Decimal, handed to DuckDB in batches: a statement for each line would take minutes."""
    (path,) = files_in(source)
    warehouse = folder / "other.duckdb"
    with stopwatch.running(), duckdb.connect(str(warehouse)) as connection:
        for page in _dict_pages(path):
            _store(connection, pa.Table.from_pylist(page, schema=_LINE), totals=False)
        connection.execute(sums.TOTALS.format(lines="cost_lines"))
    return sums.facts(warehouse)


def _store(connection: duckdb.DuckDBPyConnection, lines: pa.Table, *, totals: bool = True) -> None:
    connection.register("arrow_lines", lines)
    connection.execute("CREATE TABLE IF NOT EXISTS cost_lines AS FROM arrow_lines LIMIT 0")
    connection.execute("INSERT INTO cost_lines BY NAME FROM arrow_lines")
    connection.unregister("arrow_lines")
    if totals:
        connection.execute(sums.TOTALS.format(lines="cost_lines"))


def _with_dlt(
    stopwatch: Stopwatch,
    folder: Path,
    pages: Callable[[Path, str], Iterator[Any]],
    *,
    source: str,
    same: bool = False,
) -> dict[str, Any]:
    os.environ["DLT_DATA_DIR"] = str(folder / "dlt")
    import dlt  # noqa: PLC0415 - an optional package

    (path,) = files_in(source)
    warehouse = folder / "other.duckdb"
    # A dict for each column: dlt writes the column's name into it.
    columns: list[Any] = [
        {"name": name, "data_type": "decimal", "precision": 38, "scale": 18} for name in ("amount", "quantity")
    ]
    columns += [
        {"name": name, "data_type": "timestamp", "precision": 6, "timezone": False}
        for name in ("charge_period_start", "charge_period_end")
    ]
    sha256 = ""
    with stopwatch.running():
        if same:
            path, sha256 = archive(path, folder)
        resource = dlt.resource(pages(path, sha256), name="cost_lines", write_disposition="replace", columns=columns)
        pipeline = dlt.pipeline(
            pipeline_name="invoice",
            pipelines_dir=str(folder / "pipelines"),
            destination=dlt.destinations.duckdb(str(warehouse)),
            dataset_name="billing",
        )
        pipeline.run(resource, loader_file_format="parquet")
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute(sums.TOTALS.format(lines="billing.cost_lines"))
    return sums.facts(warehouse, lines="billing.cost_lines", archive=folder / ARCHIVE if same else None)


def _arrow_batches(path: Path, sha256: str) -> Iterator[pa.Table]:
    """The lines; with all columns where the document has a hash to name."""
    text = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(COLUMNS, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    first = 1
    for batch in pyarrow.csv.open_csv(
        path, read_options=pyarrow.csv.ReadOptions(block_size=8 << 20), convert_options=text
    ):
        product = pc.utf8_lower(batch["product"])
        category = pc.case_when(
            pc.make_struct(pc.equal(product, "taxes"), pc.equal(product, "credits")), "Tax", "Credit", "Usage"
        )
        end = pc.cast(pc.utf8_slice_codeunits(batch["end"], 0, 19), pa.timestamp("us"))
        columns = [
            pa.array(range(first, first + len(batch)), pa.int64()),
            batch["product"],
            batch["description"],
            batch["project_name"],
            category,
            pc.cast(pc.utf8_slice_codeunits(batch["start"], 0, 19), pa.timestamp("us")),
            pc.if_else(pc.less(pc.second(end), _LAST_SECOND), end, pc.add(end, pa.scalar(_ONE_SECOND))),
            pc.cast(batch["hours"], _AMOUNT),
            pc.cast(pc.replace_substring_regex(batch["USD"], "[$,]", ""), _AMOUNT),
            pa.array(["USD"] * len(batch), pa.string()),
        ]
        if sha256:
            columns += _same_columns(batch, product, category, sha256)
        yield pa.table(columns, schema=_SAME_LINE if sha256 else _LINE)
        first += len(batch)


def _same_columns(batch: pa.RecordBatch, product: pa.Array, category: pa.Array, sha256: str) -> list[pa.Array]:
    """What `_SAME_LINE` has beside `_LINE`."""
    nothing = pa.scalar(None, pa.string())
    is_tax = pc.equal(category, "Tax")
    return [
        *(pa.repeat(value, len(batch)) for value in (sha256, *_INVOICE.values())),
        *(pa.nulls(len(batch), pa.string()) for _ in _ABSENT),
        pc.replace_substring_regex(batch["description"], _SIZE, ""),
        pc.case_when(pc.make_struct(*(pc.equal(product, name) for name in _TYPES)), *_TYPES.values(), nothing),
        pc.if_else(pc.is_valid(batch["hours"]), "Hours", nothing),
        pc.if_else(is_tax, "provider_type", nothing),
        pc.and_(pc.invert(is_tax), pc.match_substring_regex(batch["description"], _DOUBTFUL)),
    ]


def _dict_pages(path: Path) -> Iterator[list[dict[str, Any]]]:
    page: list[dict[str, Any]] = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=1):
            page.append(
                {
                    "line_number": number,
                    "service_name": row["product"],
                    "description": row["description"],
                    "project": row["project_name"] or None,
                    "charge_category": _CATEGORIES.get(row["product"].lower(), "Usage"),
                    "charge_period_start": _time(row["start"]),
                    "charge_period_end": _exclusive(_time(row["end"])),
                    "quantity": Decimal(row["hours"]) if row["hours"] else None,
                    "amount": Decimal(row["USD"].replace("$", "").replace(",", "")),
                    "currency": "USD",
                }
            )
            if len(page) == _BATCH_LINES:
                yield page
                page = []
    if page:
        yield page


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text[:19]) if text else None


def _exclusive(end: datetime | None) -> datetime | None:
    return end + _ONE_SECOND if end is not None and end.second == _LAST_SECOND else end
