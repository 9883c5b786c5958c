"""CSV of a format that a TOML file describes, for row 9: the document, its description, and the floor."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from arcadia_dagster_tests.kit.generate import Totals
from benchmarks import sums
from benchmarks.bare_duckdb import ARCHIVE, archive, connected, files_in
from benchmarks.measure import Stopwatch

NAME = "Rechnung R-1041 2024-07.csv"

# What asks most of a description: another decimal mark, thousands, days, and tax by a column's words.
DESCRIPTION = r"""
name = "examplehost"
source = "examplehost"
currency = "EUR"
delimiter = ";"
decimal_mark = ","
thousands_mark = "."
date_format = "%d.%m.%Y"
end = "inclusive"
file_name = 'Rechnung (?P<invoice>R-\d+) (?P<month>\d{4}-\d{2})'
[columns]
service = "Produkt"
description = "Text"
resource_name = "Server"
project = "Projekt"
start = "Von"
end = "Bis"
quantity = "Stunden"
amount = "Netto EUR"
[tax]
column = "Produkt"
values = ["MwSt."]
"""

_AMOUNT = "CAST(i * 7919 % 1000003 AS DECIMAL(18,4)) * 0.0137"

_DAY = "strftime(DATE '2024-07-01' + CAST(i % 31 AS INTEGER), '%d.%m.%Y')"

_COLUMNS = {
    "Produkt": "CASE WHEN i = {last} THEN 'MwSt.' ELSE 'Server S' || i % 9 END",
    "Text": "'Server S' || i % 9 || ', \"web-' || i % 5000 || '\"; Standort ' || i % 3",
    "Server": "'web-' || i % 5000",
    "Projekt": "'team-' || i % 37",
    "Von": _DAY,
    "Bis": _DAY,
    "Stunden": "CAST(1 + i % 24 AS VARCHAR)",
    "Netto EUR": f"translate(format('{{:,}}', CAST(trunc({_AMOUNT}) AS BIGINT)), ',', '.') || ',' || "
    f"right(CAST(CAST({_AMOUNT} AS DECIMAL(18,4)) AS VARCHAR), 4)",
}

_LINES = """
SELECT '{sha256}' AS document_sha256, row_number() OVER () AS line_number, 'examplehost' AS source, 'unknown' AS account_id,
  'R-1041' AS external_id, DATE '2024-07-01' AS invoice_month,
  CASE WHEN Produkt = 'MwSt.' THEN 'Tax' WHEN starts_with("Netto EUR", '-') THEN 'Credit' ELSE 'Usage' END AS charge_category,
  Produkt AS service_name, Text AS description, Projekt AS project, CAST(NULL AS VARCHAR) AS resource_id,
  Server AS resource_name, CAST(NULL AS VARCHAR) AS resource_type,
  strptime(Von, '%d.%m.%Y') AS charge_period_start, strptime(Bis, '%d.%m.%Y') + INTERVAL 1 DAY AS charge_period_end,
  CAST(CAST(Stunden AS DECIMAL(18,9)) AS DECIMAL(38,18)) AS quantity, CAST(NULL AS VARCHAR) AS unit,
  CAST(CAST(replace(replace("Netto EUR", '.', ''), ',', '.') AS DECIMAL(18,9)) AS DECIMAL(38,18)) AS amount,
  'EUR' AS currency, CASE WHEN Produkt = 'MwSt.' THEN 'provider_type' END AS tax_basis, false AS is_tax_doubtful,
  CAST(NULL AS VARCHAR) AS matched_resource_id, 'none' AS match_method, CAST(NULL AS VARCHAR) AS added_by
FROM read_csv('{copy}', auto_detect = false, header = true, columns = {{{columns}}}, delim = ';', quote = '"', escape = '"')
"""


def write(path: Path, *, lines: int) -> Totals:
    """Write a document of so many lines, the last of them tax: always the same for the same number."""
    columns = ", ".join(f'{sql.replace("{last}", str(lines - 1))} AS "{name}"' for name, sql in _COLUMNS.items())
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT {columns} FROM range({lines}) AS generated (i)) TO '{path}' (FORMAT csv, HEADER, DELIMITER ';')"
        )
        summed = connection.execute(
            f"SELECT round(sum(amount), 2), round(sum(amount) FILTER (i = {lines - 1}), 2) "
            f"FROM (SELECT i, CAST({_AMOUNT} AS DECIMAL(18,4)) AS amount FROM range({lines}) AS generated (i))"
        ).fetchone()
    if summed is None:
        raise AssertionError(path)
    gross, tax = (Decimal(amount) for amount in summed)
    return Totals(file_name=path.name, gross=gross, net=gross - tax, tax=tax, line_count=lines)


def bare(stopwatch: Stopwatch, folder: Path, *, source: str) -> dict[str, Any]:
    """Archive, read, write all columns of `cost_lines` and the totals."""
    (path,) = files_in(source)
    warehouse = folder / "bare.duckdb"
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in _COLUMNS)
    with stopwatch.running():
        copy, sha256 = archive(path, folder)
        with connected(warehouse) as connection:
            lines = _LINES.format(sha256=sha256, copy=copy, columns=columns)
            connection.execute(f"CREATE TABLE cost_lines AS {lines}")
            connection.execute(sums.TOTALS.format(lines="cost_lines"))
            connection.execute("CHECKPOINT")
    return sums.facts(warehouse, archive=folder / ARCHIVE)
