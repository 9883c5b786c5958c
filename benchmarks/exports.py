"""What exports of costs have in common: writing a large one, the floor that stores the same columns, and reading alone."""

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from arcadia_dagster_tests.kit.generate import Totals
from benchmarks import sums
from benchmarks.bare_duckdb import ARCHIVE, archive, connected, files_in
from benchmarks.measure import Stopwatch


def write(path: Path, columns: Mapping[str, str], *, lines: int, cost: str, is_tax: str) -> Totals:
    """Write a document of so many lines: always the same for the same number. Its name says whether it is Parquet, and packed.

    Args:
        path: The file.
        columns: SQL for each column, of the line's number `i` and the last one `{last}`.
        lines: How many.
        cost: The column of what is charged.
        is_tax: SQL: whether a line is tax.
    """
    selected = ", ".join(f'{sql.replace("{last}", str(lines - 1))} AS "{name}"' for name, sql in columns.items())
    rows = f"SELECT {selected} FROM range({lines}) AS generated (i)"
    options = (
        "FORMAT parquet" if path.suffix == ".parquet" else "FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ'"
    )
    exact = f'CAST("{cost}" AS DECIMAL(20,10))'
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({rows}) TO '{path}' ({options})")
        summed = connection.execute(
            f"SELECT round(sum({exact}), 2), round(sum({exact}) FILTER ({is_tax}), 2) FROM ({rows})"
        ).fetchone()
    if summed is None:
        raise AssertionError(path)
    gross, tax = (Decimal(amount) for amount in summed)
    return Totals(file_name=path.name, gross=gross, net=gross - tax, tax=tax, line_count=lines)


def bare(
    stopwatch: Stopwatch, folder: Path, source: str, *, lines: str, csv_columns: Mapping[str, str] | None
) -> dict[str, Any]:
    """Archive, read the columns that are stored, write them and the totals.

    Args:
        stopwatch: Measures all of it.
        folder: Where to write.
        source: The folder with the document.
        lines: The lines as `cost_lines` has them: a SELECT with places for `sha256` and `records`.
        csv_columns: The columns of CSV; None for Parquet.
    """
    (path,) = files_in(source)
    warehouse = folder / "bare.duckdb"
    with stopwatch.running():
        copy, sha256 = archive(path, folder)
        records = f"read_parquet('{copy}')" if csv_columns is None else _read_csv(copy, csv_columns)
        with connected(warehouse) as connection:
            connection.execute(f"CREATE TABLE cost_lines AS {lines.format(sha256=sha256, records=records)}")
            connection.execute(sums.TOTALS.format(lines="cost_lines"))
            connection.execute("CHECKPOINT")
    return sums.facts(warehouse, archive=folder / ARCHIVE)


def csv_alone(stopwatch: Stopwatch, source: str, *, lines: str, csv_columns: Mapping[str, str]) -> dict[str, Any]:
    """Read the columns of CSV that are stored, and do no more with them than count.

    Args:
        stopwatch: Measures all of it.
        source: The folder with the document.
        lines: The lines as `cost_lines` has them: a SELECT that names the columns.
        csv_columns: The columns of the document.
    """
    (path,) = files_in(source)
    counts = ", ".join(f'count("{column}")' for column in csv_columns if re.search(rf"\b{re.escape(column)}\b", lines))
    with stopwatch.running(), duckdb.connect() as connection:
        found = connection.execute(f"SELECT count(*), {counts} FROM {_read_csv(path, csv_columns)}").fetchone()
    return {"lines": found[0] if found else None}


def _read_csv(path: Path, columns: Mapping[str, str]) -> str:
    typed = ", ".join(f"'{column}': 'VARCHAR'" for column in columns)
    packing = "gzip" if path.suffix == ".gz" else "none"
    return (
        f"read_csv('{path}', auto_detect = false, header = true, columns = {{{typed}}}, delim = ',', "
        f"quote = '\"', escape = '\"', compression = '{packing}')"
    )
