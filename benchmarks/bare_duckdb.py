"""The floor: the same work in bare DuckDB, with nothing but the statements, tuned by hand.

Nothing is matched, checked, versioned, locked or reported, and a value that cannot be read fails without saying where.
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
COLUMNS = ("product", "group_description", "description", "hours", "start", "end", "USD", "project_name", "category")

# The rows of a table are numbered in the file's order. A window function over the file would number them on one core.
_RECORDS = "CREATE TEMP TABLE record AS FROM {records}"

# Casting to the narrow decimal first is several times faster, and exact for these amounts.
_LINES = """
CREATE TABLE cost_lines AS
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


def files_in(source: str) -> list[Path]:
    """The files of the folder that the row has made as input, in order."""
    return sorted(Path(source).iterdir())


def whole(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """Archive one file, read it, write its lines and its totals."""
    (path,) = files_in(source)
    warehouse = folder / "bare.duckdb"
    with stopwatch.running():
        copy = folder / "copy.csv"
        sha256 = _archive(path, copy)
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute(_RECORDS.format(records=_read_csv([copy])))
            connection.execute(_LINES.format(sha256=sha256))
            connection.execute("DROP TABLE record")
            connection.execute(sums.TOTALS.format(lines="cost_lines"))
            connection.execute("CHECKPOINT")
    return sums.facts(warehouse)


def load_only(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """Read many files, as they are, into a table; what it holds is typed and summed after the stopwatch has stopped."""
    paths = files_in(source)
    warehouse = folder / "bare.duckdb"
    with stopwatch.running(), duckdb.connect(str(warehouse)) as connection:
        connection.execute(f"CREATE TABLE record AS FROM {_read_csv(paths)}")
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(_LINES.format(sha256=""))
        connection.execute(sums.TOTALS.format(lines="cost_lines"))
    return sums.facts(warehouse)


def _archive(path: Path, copy: Path) -> str:
    """Copy a file for good and hash it, in one pass."""
    digest = hashlib.sha256()
    with path.open("rb") as source, copy.open("wb") as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    return digest.hexdigest()


def _read_csv(paths: Sequence[Path]) -> str:
    files = ", ".join(f"'{path}'" for path in paths)
    columns = ", ".join(f"'{column}': 'VARCHAR'" for column in COLUMNS)
    return (
        f"read_csv([{files}], auto_detect = false, header = true, columns = {{{columns}}}, delim = ',', quote = '\"', "
        "escape = '\"')"
    )
