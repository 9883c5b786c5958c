"""What a user would use instead: each reads the invoice and writes exact lines and sums to a DuckDB file.

Each is written for speed as its own documentation recommends, with columns in bulk wherever the tool knows columns. None of
them archives the file, checks it or matches its lines, and none is asked to.
"""

import csv
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from benchmarks import sums
from benchmarks.bare_duckdb import COLUMNS, files_in
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


def with_polars(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """One lazy query, handed to DuckDB as Arrow."""
    import polars as pl  # noqa: PLC0415 - an optional package

    (path,) = files_in(source)
    warehouse = folder / "other.duckdb"
    start, end = (pl.col(name).str.slice(0, 19).str.to_datetime(_TIME_FORMAT) for name in ("start", "end"))
    with stopwatch.running():
        lines = (
            pl.scan_csv(path, infer_schema=False)
            .select(
                service_name=pl.col("product"),
                description=pl.col("description"),
                project=pl.col("project_name"),
                charge_category=pl.col("product").str.to_lowercase().replace_strict(_CATEGORIES, default="Usage"),
                charge_period_start=start,
                charge_period_end=pl.when(end.dt.second() < _LAST_SECOND).then(end).otherwise(end + _ONE_SECOND),
                quantity=pl.col("hours").cast(pl.Decimal(38, 18)),
                amount=pl.col("USD").str.replace_all(r"[$,]", "").cast(pl.Decimal(38, 18)),
                currency=pl.lit("USD"),
            )
            .with_row_index("line_number", offset=1)
            .collect()
        )
        with duckdb.connect(str(warehouse)) as connection:
            _store(connection, lines.to_arrow())
    return sums.facts(warehouse)


def with_pandas(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """A frame of Arrow columns, read by pyarrow and handed to DuckDB as Arrow."""
    import pandas as pd  # noqa: PLC0415 - its import is not timed for the others

    (path,) = files_in(source)
    warehouse = folder / "other.duckdb"
    text, amount, time = (pd.ArrowDtype(type_) for type_ in (pa.string(), _AMOUNT, pa.timestamp("us")))
    with stopwatch.running():
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
        with duckdb.connect(str(warehouse)) as connection:
            _store(connection, pa.Table.from_pandas(lines, preserve_index=False))
    return sums.facts(warehouse)


def with_dlt_arrow(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """dlt with batches of Arrow columns, which it takes as they are."""
    return _with_dlt(stopwatch, folder, _arrow_batches, source=source)


def with_dlt_dicts(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """dlt with pages of dicts, which it normalises, loaded as Parquet."""
    return _with_dlt(stopwatch, folder, _dict_pages, source=source)


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
    stopwatch: Stopwatch, folder: Path, pages: Callable[[Path], Iterator[Any]], *, source: str
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
    resource = dlt.resource(pages(path), name="cost_lines", write_disposition="replace", columns=columns)
    with stopwatch.running():
        pipeline = dlt.pipeline(
            pipeline_name="invoice",
            pipelines_dir=str(folder / "pipelines"),
            destination=dlt.destinations.duckdb(str(warehouse)),
            dataset_name="billing",
        )
        pipeline.run(resource, loader_file_format="parquet")
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute(sums.TOTALS.format(lines="billing.cost_lines"))
    return sums.facts(warehouse, lines="billing.cost_lines")


def _arrow_batches(path: Path) -> Iterator[pa.Table]:
    text = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(COLUMNS, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    first = 1
    for batch in pyarrow.csv.open_csv(
        path, read_options=pyarrow.csv.ReadOptions(block_size=8 << 20), convert_options=text
    ):
        product = pc.utf8_lower(batch["product"])
        end = pc.cast(pc.utf8_slice_codeunits(batch["end"], 0, 19), pa.timestamp("us"))
        yield pa.table(
            [
                pa.array(range(first, first + len(batch)), pa.int64()),
                batch["product"],
                batch["description"],
                batch["project_name"],
                pc.case_when(
                    pc.make_struct(pc.equal(product, "taxes"), pc.equal(product, "credits")), "Tax", "Credit", "Usage"
                ),
                pc.cast(pc.utf8_slice_codeunits(batch["start"], 0, 19), pa.timestamp("us")),
                pc.if_else(pc.less(pc.second(end), _LAST_SECOND), end, pc.add(end, pa.scalar(_ONE_SECOND))),
                pc.cast(batch["hours"], _AMOUNT),
                pc.cast(pc.replace_substring_regex(batch["USD"], "[$,]", ""), _AMOUNT),
                pa.array(["USD"] * len(batch), pa.string()),
            ],
            schema=_LINE,
        )
        first += len(batch)


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
