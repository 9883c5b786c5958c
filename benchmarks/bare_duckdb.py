"""The floor: the same work in bare DuckDB, with nothing but the statements, tuned by hand.

It archives the bytes, hashes them, and stores all columns of `cost_lines`, as the program does. Nothing is matched, checked,
versioned, locked or reported, and a value that cannot be read fails without saying where.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from benchmarks import sums
from benchmarks.measure import Stopwatch

_CHUNK = 1 << 20
ARCHIVE = "archive"
"""The folder that every side keeps the bytes in."""

COLUMNS = ("product", "group_description", "description", "hours", "start", "end", "USD", "project_name", "category")

# The rows of a table are numbered in the file's order. A window function over the file would number them on one core.
_RECORDS = "CREATE TEMP TABLE record AS FROM {records}"

# Casting to the narrow decimal first is several times faster, and exact for these amounts.
_LINES = """
SELECT
  '{sha256}' AS document_sha256,
  rowid + 1 AS line_number,
  'digitalocean' AS source,
  product AS service_name,
  description,
  project_name AS project,
  CASE lower(product) WHEN 'taxes' THEN 'Tax' WHEN 'credits' THEN 'Credit' ELSE 'Usage' END AS charge_category,
  CAST(left("start", 19) AS TIMESTAMP) AS charge_period_start,
  CASE WHEN substr("end", 12, 8) = '23:59:59' THEN CAST(left("end", 19) AS TIMESTAMP) + INTERVAL 1 SECOND
    ELSE CAST(left("end", 19) AS TIMESTAMP) END AS charge_period_end,
  CAST(CAST(hours AS DECIMAL(18,9)) AS DECIMAL(38,18)) AS quantity,
  CAST(CAST(replace(replace("USD", '$', ''), ',', '') AS DECIMAL(18,9)) AS DECIMAL(38,18)) AS amount,
  'USD' AS currency
FROM record
"""

# With the columns of `cost_lines` that are not read, but follow from those that are.
_ALL_COLUMNS = f"""
SELECT
  *,
  '6173678' AS account_id,
  '418071234' AS external_id,
  DATE '2024-07-01' AS invoice_month,
  CAST(NULL AS VARCHAR) AS resource_id,
  regexp_replace(description, ' \\(.*$', '') AS resource_name,
  CASE lower(service_name) WHEN 'droplets' THEN 'droplet' WHEN 'volumes' THEN 'volume' END AS resource_type,
  CASE WHEN quantity IS NOT NULL THEN 'Hours' END AS unit,
  CASE WHEN charge_category = 'Tax' THEN 'provider_type' END AS tax_basis,
  charge_category <> 'Tax' AND regexp_matches(description, '(?i)gst|tax') AS is_tax_doubtful,
  CAST(NULL AS VARCHAR) AS matched_resource_id,
  'none' AS match_method,
  CAST(NULL AS VARCHAR) AS added_by
FROM ({_LINES})
"""


def files_in(source: str) -> list[Path]:
    """The files of the folder that the row has made as input, in order."""
    return sorted(Path(source).iterdir())


def whole(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """Archive one file, read it, write its lines, and its totals."""
    (path,) = files_in(source)
    warehouse = folder / "bare.duckdb"
    with stopwatch.running():
        copy, sha256 = archive(path, folder)
        with connected(warehouse) as connection:
            connection.execute(_RECORDS.format(records=_read_csv([copy])))
            connection.execute(f"CREATE TABLE cost_lines AS {_ALL_COLUMNS.format(sha256=sha256)}")
            connection.execute("DROP TABLE record")
            connection.execute(sums.TOTALS.format(lines="cost_lines"))
            connection.execute("CHECKPOINT")
    return sums.facts(warehouse, archive=folder / ARCHIVE)


def write_parquet(path: Path, into: Path) -> None:
    """Read one file that is archived already, and write its lines with all columns of `cost_lines` as Parquet."""
    with duckdb.connect() as connection:
        connection.execute(_RECORDS.format(records=_read_csv([path])))
        connection.execute(f"COPY ({_ALL_COLUMNS.format(sha256=path.name)}) TO '{into}' (FORMAT parquet)")


def load_only(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """Read many files, as they are, into a table; what it holds is typed and summed after the stopwatch has stopped."""
    paths = files_in(source)
    warehouse = folder / "bare.duckdb"
    with stopwatch.running(), connected(warehouse) as connection:
        connection.execute(f"CREATE TABLE record AS FROM {_read_csv(paths)}")
    with connected(warehouse) as connection:
        connection.execute(f"CREATE TABLE cost_lines AS {_LINES.format(sha256='')}")
        connection.execute(sums.TOTALS.format(lines="cost_lines"))
    return sums.facts(warehouse)


def connected(warehouse: Path) -> duckdb.DuckDBPyConnection:
    """The newest format of the file is the fastest one, and ours."""
    return duckdb.connect(str(warehouse), config={"storage_compatibility_version": "v1.5.0"})


def archive(path: Path, folder: Path) -> tuple[Path, str]:
    """Copy a file for good into the folder's archive and hash it, in one pass: the copy, and the hash."""
    digest = hashlib.sha256()
    copy = folder / ARCHIVE / path.name
    copy.parent.mkdir()
    with path.open("rb") as source, copy.open("wb") as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    return copy, digest.hexdigest()


def _read_csv(paths: Sequence[Path]) -> str:
    files = ", ".join(f"'{path}'" for path in paths)
    columns = ", ".join(f"'{column}': 'VARCHAR'" for column in COLUMNS)
    return (
        f"read_csv([{files}], auto_detect = false, header = true, columns = {{{columns}}}, delim = ',', quote = '\"', "
        "escape = '\"')"
    )
