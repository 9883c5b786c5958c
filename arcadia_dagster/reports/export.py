"""Invoices and lines as files for other programs: CSV for spreadsheets, Parquet for everything else.

DuckDB writes the files itself, from a connection that may only read: nothing passes through Python, so a million lines take no
more memory than a thousand. Columns, their order and the order of the rows are the same each time.
"""

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Literal
from uuid import uuid4

import duckdb

from arcadia_dagster.billing.currency import AMOUNT_TYPE, exact_minor_sql, exponents_sql, from_minor_sql, plain_sql
from arcadia_dagster.books.cells import FORMULA_STARTS
from arcadia_dagster.private_files import as_the_person_writes
from arcadia_dagster.store.query import text_list, text_literal
from arcadia_dagster.store.table import Table
from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.months import month_list
from arcadia_dagster.warehouse.relations import joined_invoices_sql

Format = Literal["csv", "parquet"]
FORMATS: Final[tuple[Format, ...]] = ("csv", "parquet")

Content = Literal["invoices", "lines"]
CONTENTS: Final[tuple[Content, ...]] = ("invoices", "lines")

_MEMORY_LIMIT: Final = "300MB"
_MAJOR_TYPE: Final = "DECIMAL(38,4)"
_CELL_SEPARATOR: Final = "; "


@dataclass(frozen=True, slots=True)
class _Exported:
    """One column: its name, where it is from, its type, and its meaning."""

    name: str
    expression: str
    type: str
    description: str


def _columns(table: Table, alias: str, *names: str) -> Iterator[_Exported]:
    """Columns that are exported as they are in the table."""
    known = {column.name: column for column in table.columns}
    for name in names:
        yield _Exported(name, f"{alias}.{name}", known[name].type, known[name].description)


def _amounts() -> Iterator[_Exported]:
    for name, meaning in (("gross", "Net plus tax"), ("net", "Gross less tax"), ("tax", "The sum of the tax lines")):
        minor = f"coalesce(part.amount_{name}_minor, total.amount_{name}_minor)"
        yield _Exported(
            f"amount_{name}",
            from_minor_sql(minor, "iso.exponent"),
            _MAJOR_TYPE,
            f"{meaning}, in major units of `currency`: what finance gets.",
        )
        yield _Exported(f"amount_{name}_minor", minor, "BIGINT", "The same in minor units.")


def _exact_amounts() -> Iterator[_Exported]:
    for name, meaning in (("gross", "all lines"), ("tax", "the tax lines")):
        yield _Exported(
            f"amount_{name}_exact",
            # An invoice without totals in minor units has no row in `allocations`, and is not split.
            f"CASE WHEN coalesce(part.finance_external_id, total.external_id) = total.external_id THEN total.amount_{name} END",
            AMOUNT_TYPE,
            f"The sum of {meaning} before rounding, in major units; NULL for a part of a split invoice.",
        )


def _payment() -> Iterator[_Exported]:
    meanings = {
        "currency": "ISO 4217 code of what is paid, if a document states another currency; NULL for a part of a split invoice.",
        "amount": "What is paid in it, as the document states it, or NULL.",
        "rate": "Units of it for one of `currency`, as the document states it, or NULL. Nothing is computed from it.",
    }
    for name, meaning in meanings.items():
        yield _Exported(
            f"payment_{name}",
            f"CASE WHEN coalesce(part.finance_external_id, total.external_id) = total.external_id THEN terms.payment_{name} END",
            "VARCHAR" if name == "currency" else AMOUNT_TYPE,
            meaning,
        )


_KEY: Final = ("invoice_month", "source", "account_id", "external_id")

_INVOICE_COLUMNS: Final = (
    *_columns(schema.TAX_SPLIT_TOTALS, "total", *_KEY),
    *_columns(schema.ALLOCATIONS, "part", "tenant_id", "finance_external_id", "projects"),
    *_columns(schema.RAW_INVOICES, "raw", "invoice_number", "vendor_name", "period_start", "period_end", "issued_on"),
    *_columns(schema.TAX_SPLIT_TOTALS, "total", "currency"),
    *_amounts(),
    *_exact_amounts(),
    _Exported(
        "line_count", "coalesce(part.line_count, total.line_count)", "BIGINT", "How many lines it has of its own."
    ),
    *_columns(schema.TAX_SPLIT_TOTALS, "total", "status", "hold_reasons"),
    _Exported("finance_state", "record.state", "VARCHAR", "How the push to the finance service stands, or NULL."),
    *_columns(
        schema.FINANCE_RECORDS,
        "record",
        *("finance_invoice_id", "finance_vendor_id", "action", "pushed_to_finance_at"),
    ),
    *_columns(schema.RAW_INVOICES, "raw", "file_name", "received_at"),
    *_columns(schema.TAX_SPLIT_TOTALS, "total", "document_sha256"),
    *_payment(),
)

_LINE_COLUMNS: Final = (
    *_columns(schema.COST_LINES, "line", *_KEY, "document_sha256", "line_number", "charge_category"),
    *_columns(schema.COST_LINES, "line", "service_name", "description", "project", "resource_id", "resource_name"),
    *_columns(schema.COST_LINES, "line", "resource_type", "charge_period_start", "charge_period_end"),
    *_columns(schema.COST_LINES, "line", "quantity", "unit", "currency", "amount"),
    _Exported(
        "amount_minor_exact",
        exact_minor_sql("line.amount", "iso.exponent"),
        AMOUNT_TYPE,
        "The same in minor units, not rounded: an invoice is rounded once, never a line.",
    ),
    *_columns(schema.COST_LINES, "line", "tax_basis", "is_tax_doubtful", "matched_resource_id", "match_method"),
)

_NOTES: Final = """\
CSV is UTF-8 by RFC 4180: CRLF ends a line, all text is in quotes, nothing stands for NULL, times are in ISO 8601, the parts of
a list are joined by `;` and a blank. A text that a spreadsheet would run as a formula has a `'` before it: it begins, perhaps
after quotes, with `=`, `+`, `-`, `@`, one of their wide forms, a tab or a line's end. Take that `'` away to have the text back.
Numbers are left as they are. Parquet keeps every type, and its TIMESTAMPs say that they are in UTC."""

_LINES: Final = f"cost_lines AS line LEFT JOIN {exponents_sql()} AS iso USING (currency)"

_ORDER: Final[Mapping[Content, tuple[str, ...]]] = {
    "invoices": (*_KEY, "tenant_id"),
    "lines": (*_KEY, "document_sha256", "line_number"),
}

_COLUMNS: Final[Mapping[Content, tuple[_Exported, ...]]] = {"invoices": _INVOICE_COLUMNS, "lines": _LINE_COLUMNS}

_MEANING: Final[Mapping[Content, str]] = {
    "invoices": (
        "One row for each invoice in its current version, held ones too, by month, source, account and id; where tenants share "
        "an invoice, one for each tenant's part. The parts sum to the invoice."
    ),
    "lines": "One row for each line of those invoices, as the document states it, in the document's order.",
}


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written, and how many rows it has."""

    path: Path
    rows: int


def export(
    warehouse: Warehouse,
    files: Mapping[Content, Path],
    *,
    format: Format,  # noqa: A002 - what it is called everywhere
    months: Collection[date] | None,
    target: str,
) -> list[Exported]:
    """Write invoices, lines or both, all as they are at one moment.

    Each file takes its name when all are complete; a file that had the name is replaced. What fails leaves nothing behind.

    Args:
        warehouse: Where everything is known.
        files: Where each is written; its folder exists.
        format: `csv` (UTF-8, RFC 4180) or `parquet`.
        months: The invoices' months (first days, UTC); None for all.
        target: The finance service that `finance_state` is about.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
        OSError: A file cannot be written.
    """
    parts = {
        content: path.with_name(f".{path.name}.{os.getpid()}.{uuid4().hex[:8]}.part") for content, path in files.items()
    }
    try:
        with warehouse.read() as connection, _frugal(connection):
            rows = {}
            for content, part in parts.items():
                query = _query(content, months, target, as_text=format == "csv")
                with as_the_person_writes():
                    rows[content] = _copy(connection, query, part, _options(content, format))
        for part in parts.values():
            _sync(part)
        for content, path in files.items():
            parts[content].replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return [Exported(path, rows[content]) for content, path in files.items()]


def _query(content: Content, months: Collection[date] | None, target: str, *, as_text: bool) -> str:
    """SQL: the rows in their order, with the types that the format keeps."""
    shown = _cell if as_text else _typed
    outer = ", ".join(f"{shown(column)} AS {column.name}" for column in _COLUMNS[content])
    inner = ", ".join(f"{column.expression} AS {column.name}" for column in _COLUMNS[content])
    rows = _LINES if content == "lines" else _invoices(target)
    within = "" if months is None else f"WHERE invoice_month IN ({month_list(months)})"
    order = ", ".join(_ORDER[content])
    # Sorted as they are stored, and made text afterwards: text takes thrice the memory.
    return f"SELECT {outer} FROM (SELECT * FROM (SELECT {inner} FROM {rows}) {within} ORDER BY {order})"


def _invoices(target: str) -> str:
    """SQL: a row for each part that a tenant bears, as in the view `invoices`; an invoice that is not split is one part."""
    joined = joined_invoices_sql(f"record.target = {text_literal(target)}")
    terms = (
        "LEFT JOIN invoice_terms AS terms ON terms.source = total.source AND terms.account_id = total.account_id "
        "AND terms.external_id = total.external_id"
    )
    return f"{joined}\n{terms}\nLEFT JOIN {exponents_sql()} AS iso ON iso.currency = total.currency"


def _typed(column: _Exported) -> str:
    """SQL: the value as Parquet keeps it; times know that they are in UTC."""
    return f"{column.name} AT TIME ZONE 'UTC'" if column.type == "TIMESTAMP" else column.name


def _cell(column: _Exported) -> str:
    """SQL: the value as a cell: text that no spreadsheet runs, numbers as they are written by hand, times in ISO 8601."""
    name = column.name
    match column.type:
        case "VARCHAR[]":
            return _defused(f"array_to_string({name}, '{_CELL_SEPARATOR}')")
        case "VARCHAR":
            return _defused(name)
        case "TIMESTAMP":
            return f"replace(CAST({name} AS VARCHAR), ' ', 'T') || 'Z'"
        case decimal if decimal.startswith("DECIMAL"):
            return plain_sql(name)
        case _:
            return name


def _defused(text: str) -> str:
    # The same as `books.cells.defused`. Ten times as fast as a regular expression.
    is_formula = f"left(ltrim({text}, ''''), 1) IN ({text_list(FORMULA_STARTS)})"
    return f"CASE WHEN {is_formula} THEN '''' || {text} ELSE {text} END"


@contextlib.contextmanager
def _frugal(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Sort on disk what is larger: half of the memory that is allowed otherwise is enough to be quick."""
    before = connection.execute("SELECT current_setting('memory_limit')").fetchone()
    connection.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'")
    yield
    # After a failure nothing can be set any more, and need not: the warehouse does not use such an engine again.
    connection.execute(f"SET memory_limit = '{before[0] if before else _MEMORY_LIMIT}'")


def _copy(connection: duckdb.DuckDBPyConnection, query: str, path: Path, options: str) -> int:
    try:
        row = connection.execute(f"COPY ({query}) TO {text_literal(str(path))} ({options})").fetchone()
    except duckdb.IOException as error:
        raise OSError(str(error).partition("\n")[0]) from error
    return 0 if row is None else int(row[0])


def _options(content: Content, format: Format) -> str:  # noqa: A002
    if format == "parquet":
        return "FORMAT parquet, COMPRESSION zstd"
    # All text is quoted: a quoted empty value is an empty text, an unquoted one is NULL.
    texts = ", ".join(column.name for column in _COLUMNS[content] if column.type.startswith("VARCHAR"))
    return rf"FORMAT csv, HEADER, NEW_LINE '\r\n', FORCE_QUOTE ({texts})"


def _sync(path: Path) -> None:
    with path.open("rb") as file, contextlib.suppress(OSError):  # a file system that cannot has written it anyway
        os.fsync(file.fileno())


def as_markdown() -> str:
    """Both files and their columns, as docs/exports.md has them."""
    parts = [
        "# Exports",
        "",
        "`arcadia export MONTH[..MONTH]` writes these columns, in this order, whatever the provider. Amounts are exact.",
        "",
        _NOTES,
        "",
    ]
    for content in CONTENTS:
        parts += [f"## {content}", "", _MEANING[content], "", "| column | type | meaning |", "|---|---|---|"]
        parts += [f"| `{column.name}` | {column.type} | {column.description} |" for column in _COLUMNS[content]]
        parts.append("")
    return "\n".join(parts)
