"""Reading documents: whatever their format, from bytes in the archive to stated lines in a stage.

Documents of one layout are read by one statement into one Parquet file, without holding the warehouse's lock. The stage
belongs to one run: later steps of the same process take the lines from it, and a step in another process reads the
archive again. A document is read whole or rejected whole.
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import duckdb

from arcadia_dagster.billing import likeness, tax
from arcadia_dagster.billing.currency import EXPONENTS, to_minor
from arcadia_dagster.billing.periods import line_month_sql
from arcadia_dagster.formats.cost_table import CostTableLayout
from arcadia_dagster.formats.described import DescribedFormat
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.reading import totals
from arcadia_dagster.reading.columns_without_header import misplaced_value
from arcadia_dagster.reading.content import DAMAGED, ArchivedDocument, Encoding, encoding_of, open_content, unpack
from arcadia_dagster.reading.csv_reader import MAX_LINE_BYTES, are_gathered
from arcadia_dagster.reading.cut_off import cut_off_value
from arcadia_dagster.reading.format import (
    STATED_LINE,
    Csv,
    Head,
    Inventory,
    Layout,
    Manifest,
    Periods,
    Reading,
    Recognised,
    Refusal,
    Rewritten,
    StatedInvoice,
    UnreadableError,
)
from arcadia_dagster.reading.problems import (
    DOWNLOAD_AGAIN,
    Problem,
    assert_columns,
    describe,
    expected_time,
    records_in,
)
from arcadia_dagster.reading.statements import InvoiceStatement, Statements, StatementsOnly
from arcadia_dagster.reading.text import HEAD_BYTES, TextFacts, newline_of, text_of_start
from arcadia_dagster.reading.unread import WHOLE_AGAIN
from arcadia_dagster.store.query import fetch, text_list, text_literal
from arcadia_dagster.store.threads import use_threads_for

_PRECISION = 60
_REJECTS_KEPT = 100
_DOUBTS_KEPT = 3
"""How many different doubts about the lines of one invoice are kept."""

_SKETCH = 64
_MOST_DAYS = 400
"""The most days of charges that are kept of an invoice: an annual one has no more."""

_MOST_DOCUMENTS = 1_000
"""How many documents one statement reads: DuckDB keeps a block of 256 KB for each until the statement ends."""

_MAX_SUM = 100_000_000_000_000
"""The largest sum of an invoice's absolute amounts, in major units: in minor units it always fits a BIGINT."""

_MOST_DECIMAL_SUM = 10**20
"""The largest sum that a DECIMAL(38,18) can hold."""

_EXPANSION = {Encoding.PLAIN: 1, Encoding.GZIP: 8, Encoding.ZSTANDARD: 8, Encoding.ZIP: 8, Encoding.PARQUET: 8}
"""About how much text a byte stands for."""

_READS_LIKE_TAX = (
    "' reads like a tax and is counted as none: if it is one, write the invoice's total and tax, such as EUR 119.00 tax 19.00, "
    "into a file beside the document, with .total after its name, and release the invoice as stated"
)
_READS_LIKE_PAYMENT = (
    "' reads like a payment, which is no part of what is invoiced: if it is one, take the row out and drop the file again under "
    "its name"
)

_REJECT_TABLES = "store_rejects = true, rejects_scan = 'reject_scans', rejects_table = 'reject_errors'"
_OPTIONS = f"{_REJECT_TABLES}, rejects_limit = {_REJECTS_KEPT}"


@dataclass(frozen=True, slots=True)
class _Group:
    """Documents that one statement can read."""

    format: str
    layout: Layout
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class _Staged:
    """Where a document's lines are: a Parquet file, the number of its first row there, and which invoice each key stands for."""

    part: Path
    first_row: int
    ordinals: Mapping[str, int]


class Reader:
    """Reads documents and keeps their stated lines for the length of a run.

    Args:
        folder: Where the stage lies: the reader's own, made when it is needed and deleted by `close`.
        connect: Opens an in-memory database for the stage's work.
        formats: The formats that it reads.
    """

    def __init__(
        self,
        folder: Path,
        connect: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
        formats: Formats | None = None,
    ) -> None:
        """Nothing is made on disk until something is read."""
        self.formats = Formats() if formats is None else formats
        self._folder = folder
        self._connect = connect
        self._staged: dict[str, _Staged] = {}
        self._readings: dict[str, Reading] = {}
        self._parts = 0

    def close(self) -> None:
        """Delete the stage."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._staged.clear()
        self._readings.clear()

    def has(self, document_sha256: str) -> bool:
        """Whether the document's lines are staged."""
        return document_sha256 in self._staged

    def read(
        self, documents: Sequence[ArchivedDocument], by: Mapping[str, DescribedFormat] | None = None
    ) -> dict[str, Reading]:
        """Read documents, each whole or not at all. The lines of the accepted ones are staged, once each.

        Args:
            documents: The documents.
            by: The description to read a document by, whatever other formats say of it, by its SHA-256.

        Returns:
            A reading for each document, by its SHA-256. Nothing that a document contains raises.

        Raises:
            OSError, duckdb.IOException: The archive cannot be read.
            WarehouseError: The stage cannot be written, because the disk is full.
        """
        readings: dict[str, Reading] = {}
        groups: dict[_Group, list[ArchivedDocument]] = {}
        for document in documents:
            # A document that is read again, for a further name or a control total, must not be staged twice.
            if (reading := self._readings.get(document.document_sha256)) is not None:
                readings[document.document_sha256] = reading
                continue
            name, layout = self._recognise(document, (by or {}).get(document.document_sha256))
            if isinstance(layout, Refusal):
                readings[document.document_sha256] = Reading(document.document_sha256, name, layout.reason)
            elif isinstance(layout, Inventory):
                readings[document.document_sha256] = _read_inventory(document, str(name), layout)
            elif isinstance(layout, Manifest):
                readings[document.document_sha256] = _read_manifest(document, str(name), layout)
            elif isinstance(layout, Periods):
                readings[document.document_sha256] = _read_periods(document, str(name), layout)
            elif isinstance(layout, StatementsOnly):
                readings[document.document_sha256] = _read_statements(document, str(name), layout)
            else:
                groups.setdefault(_Group(str(name), layout, document.encoding), []).append(document)
        for group, members in groups.items():
            for start in range(0, len(members), _MOST_DOCUMENTS):
                readings |= self._read_group(group, members[start : start + _MOST_DOCUMENTS])
        return readings

    def text_bytes(self, documents: Iterable[str]) -> int:
        """About how large the staged lines of the documents would be as text.

        Raises:
            KeyError: A document is not staged.
        """
        parts = {self._staged[sha256].part for sha256 in documents}
        return sum(part.stat().st_size for part in parts) * _EXPANSION[Encoding.PARQUET]

    def lines_sql(self, documents: Iterable[str]) -> str:
        """SQL: the staged lines of the documents, with the charge category and tax basis that `billing.tax` gives each.

        Besides these, the columns are `document_sha256`, `line_number`, `invoice_ordinal` and those of STATED_LINE that say
        what is charged.

        Raises:
            KeyError: A document is not staged.
        """
        wanted = [(sha256, self._staged[sha256]) for sha256 in documents]
        if not wanted:
            columns = ", ".join(f"CAST(NULL AS {column.type}) AS {column.name}" for column in _LINE_COLUMNS)
            return f"SELECT '' AS document_sha256, 0 AS line_number, 0 AS invoice_ordinal, {columns} WHERE false"
        values = ", ".join(
            f"('{sha256}', {staged.first_row}, {text_literal(key)}, {ordinal})"
            for sha256, staged in wanted
            for key, ordinal in staged.ordinals.items()
        )
        parts = ", ".join(text_literal(str(part)) for part in sorted({staged.part for _, staged in wanted}))
        columns = ", ".join(f"line.{column.name}" for column in _LINE_COLUMNS)
        return f"""
        SELECT line.document_sha256, line.file_row_number - invoice.first_row + 1 AS line_number,
          invoice.invoice_ordinal, {columns}
        FROM (FROM read_parquet([{parts}], file_row_number = true) WHERE NOT is_control) AS line
        JOIN (VALUES {values}) AS invoice (document_sha256, first_row, invoice_key, invoice_ordinal)
          USING (document_sha256, invoice_key)
        """

    def _recognise(self, document: ArchivedDocument, by: DescribedFormat | None) -> tuple[str | None, Recognised]:
        facts = document.facts
        if facts.problem is not None:
            return None, Refusal(facts.problem)
        if document.encoding is Encoding.PARQUET:
            return self._recognise_parquet(document)
        head = head_of(document)
        if by is None:
            name, layout = self.formats.recognise(head)
        else:
            name, layout = by.name, by.recognise(head) or Refusal(by.why_not(head))
        if isinstance(layout, Refusal | Inventory | Manifest | Periods | StatementsOnly):
            return name, layout
        try:
            counted = layout.lines_in(document.path)
            problem = _no_lines(facts, counted) or misplaced_value(head, counted) if isinstance(counted, Csv) else None
        except UnreadableError as error:
            problem = str(error)
        return name, layout if problem is None else Refusal(problem)

    def _recognise_parquet(self, document: ArchivedDocument) -> tuple[str | None, Recognised]:
        try:
            with self._connect() as connection:
                described = connection.execute(
                    f"DESCRIBE SELECT * FROM read_parquet({text_literal(str(document.path))})"
                ).fetchall()
        except duckdb.Error as error:
            _raise_unless_damaged(error)
            return None, Refusal(f"it cannot be read as Parquet: {_explained(error, document.path)}; {WHOLE_AGAIN}")
        return self.formats.recognise(Head(text="", newline="", columns={name: type_ for name, type_, *_ in described}))

    def _read_group(self, group: _Group, documents: Sequence[ArchivedDocument]) -> dict[str, Reading]:
        part = self._new_part()
        with self._connect() as connection:
            use_threads_for(connection, sum(document.byte_size * _EXPANSION[group.encoding] for document in documents))
            # Lines are numbered by their order in the stage. DuckDB makes a join of an `IN` with many values, and a join
            # does not keep that order. And DuckDB holds the right side of a join in memory. Each join here has its few rows on
            # the right; DuckDB, which does not know how few they are, puts a document's lines there, and those of one document
            # are one hash, which no disk takes a part of: 10 million lines needed more than 1 GB (2026-11-29).
            connection.execute("SET disabled_optimizers = 'in_clause,build_side_probe_side'")
            try:
                with self._readable(group, documents) as (paths, compression):
                    if are_gathered(paths, compression):
                        connection.execute("SET threads = 1")
                    lines = _staged_lines_sql(group, paths, compression)
                    connection.execute(f"COPY ({lines}) TO {text_literal(str(part))} (FORMAT parquet)")
            except duckdb.Error as error:
                _raise_unless_damaged(error)
                # The reader gives up on some files as a whole (mixed line ends) without saying which.
                return self._read_by_halves(group, documents, error)
            structural = _structural_problems(connection)
            counted = {document.document_sha256: group.layout.lines_in(document.path) for document in documents}
            unreadable = _unreadable_values(
                connection, part, counted, is_described=self.formats.is_described(group.format)
            )
            facts_of = _facts(connection, part, group.layout, self._advice(group.format))
        readings = {}
        name = group.format
        for document in documents:
            sha256 = document.document_sha256
            facts = facts_of.get(sha256)
            problems = structural.get(sha256) or unreadable.get(sha256) or (facts.problems if facts else [])
            reason = _reason(document, counted[sha256], problems, facts)
            if reason is None and facts is not None:
                self._staged[sha256] = _Staged(part, facts.first_row, facts.ordinals)
                invoices = _with_doubts(document, counted[sha256], facts)
                records = _record(facts.row_count - 1, counted[sha256])
                over = self.formats.passed_over(head_of(document)) if self.formats.is_described(name) else None
                invoices, stated = _with_statements(document, group.layout, invoices)
                reading = Reading(
                    sha256,
                    name,
                    None,
                    invoices,
                    statements=stated,
                    records=records,
                    passed_over=over,
                    written_as=_written_as(document, counted[sha256], group.layout),
                )
                readings[sha256] = self._readings[sha256] = reading
            else:
                readings[sha256] = Reading(sha256, name, reason)
        return readings

    def _advice(self, format_name: str) -> str:
        """What a person does about an unmarked row that is a total."""
        by_description = "name it in [total] of its description (docs/describing-a-format.md), or "
        described = by_description if self.formats.is_described(format_name) else ""
        return f"If it is a total, {described}take the row out and drop the file again under its name"

    def _read_by_halves(
        self, group: _Group, documents: Sequence[ArchivedDocument], error: duckdb.Error
    ) -> dict[str, Reading]:
        if len(documents) > 1:
            half = len(documents) // 2
            return self._read_group(group, documents[:half]) | self._read_group(group, documents[half:])
        sha256 = documents[0].document_sha256
        reason = f"it cannot be read as {group.format}: {_explained(error, documents[0].path)}; {DOWNLOAD_AGAIN}"
        return {sha256: Reading(sha256, group.format, reason)}

    @contextmanager
    def _readable(self, group: _Group, documents: Sequence[ArchivedDocument]) -> Iterator[tuple[list[Path], str]]:
        """Files that the layout's SQL reads, each with the document's SHA-256 as its name, and how they are packed."""
        if isinstance(group.layout, Rewritten):
            write_anew: Callable[[Path, Path], None] = group.layout.rewrite
        elif group.encoding is Encoding.ZIP:
            write_anew = unpack
        else:
            yield [document.path for document in documents], group.encoding
            return
        folder = self._folder / "rewritten"
        folder.mkdir(parents=True)
        try:
            for document in documents:
                write_anew(document.path, folder / document.document_sha256)
            yield [folder / document.document_sha256 for document in documents], Encoding.PLAIN
        finally:
            shutil.rmtree(folder)

    def _new_part(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._parts += 1
        return self._folder / f"{self._parts:04}.parquet"


_LINE_COLUMNS = tuple(
    column
    for column in STATED_LINE
    if column.name
    not in {"invoice_key", "typed_category", "bad_column", "bad_value", "expected", "doubt", "is_rounded", "is_control"}
) + tuple(
    type(STATED_LINE[0])(name, type_, "")
    for name, type_ in (("charge_category", "VARCHAR"), ("tax_basis", "VARCHAR"), ("is_tax_doubtful", "BOOLEAN"))
)


@dataclass(frozen=True, slots=True)
class _DocumentFacts:
    first_row: int
    row_count: int
    ordinals: Mapping[str, int]
    invoices: tuple[StatedInvoice, ...]
    problems: list[Problem]
    doubts: Mapping[int, list["_Doubt"]]
    last_ordinal: int | None
    last_category: str


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A doubt about an invoice: the first line that shows it, that line's charge category, and how many lines show it."""

    text: str
    category: str
    row: int
    lines: int


def head_of(document: ArchivedDocument) -> Head:
    """The start of a text document, from which formats recognise it."""
    return Head(text=_text(document.facts), newline=document.facts.newline, path=document.path)


def head_at(path: Path) -> Head:
    """The same of a file, without looking at the rest of it; empty where it is no text.

    Raises:
        OSError: It cannot be read.
    """
    try:
        with open_content(path) as file:
            start = file.read(HEAD_BYTES)
    except DAMAGED:
        start = b""
    if encoding_of(start[:4]) is Encoding.PARQUET:
        start = b""
    return Head(text=text_of_start(start), newline=(newline_of(start) or b"\n").decode(), path=path)


def _text(facts: TextFacts) -> str:
    """The head as text."""
    return text_of_start(facts.head)


def _no_lines(facts: TextFacts, csv: Csv) -> str | None:
    """Why CSV of a known header cannot be read; None where it can."""
    if csv.first_line == 1 and facts.records <= int(csv.has_header):
        return _ONLY_A_HEADER
    if csv.has_header and facts.newline not in _text(facts):
        return f"line 1: it is longer than {HEAD_BYTES} bytes, which is the limit for a header: {WHOLE_AGAIN}"
    return None


def _read_inventory(document: ArchivedDocument, name: str, inventory: Inventory) -> Reading:
    try:
        rows = inventory.rows(document.path)
    except UnreadableError as error:
        return Reading(document.document_sha256, name, str(error))
    if not rows:
        return Reading(document.document_sha256, name, "it lists no resource; expected at least one")
    return Reading(document.document_sha256, name, None, inventory=tuple(rows))


def _read_manifest(document: ArchivedDocument, name: str, manifest: Manifest) -> Reading:
    try:
        return Reading(document.document_sha256, name, None, delivery=tuple(manifest.files(document.path)))
    except UnreadableError as error:
        return Reading(document.document_sha256, name, str(error))


def _read_periods(document: ArchivedDocument, name: str, layout: Periods) -> Reading:
    try:
        return Reading(document.document_sha256, name, None, periods=tuple(layout.periods(document.path)))
    except UnreadableError as error:
        return Reading(document.document_sha256, name, str(error))


def _read_statements(document: ArchivedDocument, name: str, layout: StatementsOnly) -> Reading:
    try:
        stated = tuple(layout.statements(document.path))
    except UnreadableError as error:
        return Reading(document.document_sha256, name, str(error))
    if not stated:
        return Reading(document.document_sha256, name, "it states no invoice; expected at least one")
    invoices = tuple(_as_stated(ordinal, statement) for ordinal, statement in enumerate(stated, start=1))
    return Reading(document.document_sha256, name, None, invoices, statements=stated)


def _with_statements(
    document: ArchivedDocument, layout: Layout, invoices: tuple[StatedInvoice, ...]
) -> tuple[tuple[StatedInvoice, ...], tuple[InvoiceStatement, ...]]:
    """The statements of a document with lines, added to its invoices; if they cannot be read, the invoices are in doubt."""
    if not isinstance(layout, Statements):
        return invoices, ()
    try:
        return invoices, tuple(layout.statements(document.path))
    except UnreadableError as error:
        doubt = f"{error}, beside its lines"
        return tuple(replace(invoice, doubts=(*invoice.doubts, doubt)) for invoice in invoices), ()


def _as_stated(ordinal: int, stated: InvoiceStatement) -> StatedInvoice:
    """A statement as an invoice without lines."""
    day = stated.issued_on
    if stated.period_start is not None and stated.period_end is not None:
        # The month in which the middle of the billing period lies, as for lines.
        day = stated.period_start + (stated.period_end - stated.period_start) / 2
    return StatedInvoice(
        ordinal,
        stated.source,
        0,
        (stated.currency,),
        None,
        account_id=stated.account_id,
        external_id=stated.external_id,
        invoice_number=stated.invoice_number,
        month=None if day is None else day.replace(day=1),
        issued_on=stated.issued_on,
        stated_total=stated.gross,
        stated_tax=stated.tax,
        vendor_name=stated.seller_name,
        is_final=stated.status != "draft",
        refers_to=stated.refers_to,
        withdrawn="voided" if stated.status == "voided" else None,
        states_tax=bool(stated.tax),
        is_statement=True,
        doubts=(*stated.doubts, *_parts_that_differ(stated)),
    )


def _parts_that_differ(stated: InvoiceStatement) -> Iterator[str]:
    """What a statement says of net and tax, if the two do not come to its gross amount: nobody knows which one is right."""
    gross, net, tax = stated.gross, stated.net, stated.tax
    if gross is None or net is None or tax is None or stated.currency not in EXPONENTS:
        return
    with localcontext(prec=_PRECISION):
        parts = net + tax
    if to_minor(parts, stated.currency) != to_minor(gross, stated.currency):
        yield (
            f"it states {net:f} {stated.currency} before tax and {tax:f} of tax, which come to {parts:f}, and {gross:f} as the "
            "total: get it from its issuer again, and put it in the place of this one"
        )


def _staged_lines_sql(group: _Group, paths: Sequence[Path], compression: str) -> str:
    """The layout's lines with their category. Paths in the archive end with the SHA-256, which becomes the document."""
    stated = group.layout.lines_sql(paths, compression=compression, options=_OPTIONS)
    category = tax.charge_category_sql(
        typed="typed_category",
        description="description",
        amount="amount",
        bills_usage="quantity IS NOT NULL OR resource_id IS NOT NULL",
    )
    basis = tax.tax_basis_sql(typed="typed_category", category="charge_category")
    doubtful = tax.doubtful_sql(category="charge_category", description="description")
    return f"""
    SELECT right(path, 64) AS document_sha256,
      * EXCLUDE (path, words) REPLACE (coalesce(doubt, {_doubt_of_words_sql()}) AS doubt),
      {basis} AS tax_basis, {doubtful} AS is_tax_doubtful
    FROM (
      SELECT *, {category} AS charge_category, CASE WHEN description <> '' THEN description ELSE service_name END AS words
      FROM ({stated})
    )
    """


def _doubt_of_words_sql() -> str:
    """SQL: that a line has the name of a tax or of a payment, and is counted as something else."""
    # Words of what bills usage are the name of what is sold.
    bills_usage = "quantity IS NOT NULL OR resource_id IS NOT NULL OR resource_name IS NOT NULL"
    is_tax = f"charge_category IN ('Usage', 'Purchase') AND amount <> 0 AND {tax.names_a_tax_sql('words')}"
    is_payment = f"charge_category <> 'Tax' AND amount < 0 AND {totals.is_payment_sql('words')}"
    # A CASE, for most lines bill usage.
    return (
        f"CASE WHEN is_control OR {bills_usage} THEN NULL "
        f"WHEN {is_tax} THEN chr(39) || trim(words) || {text_literal(_READS_LIKE_TAX)} "
        f"WHEN {is_payment} THEN chr(39) || trim(words) || {text_literal(_READS_LIKE_PAYMENT)} END"
    )


def _structural_problems(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Problem]]:
    """What the CSV reader rejected, by document. One unclosed quote swallows the rest: any reject rejects the document."""
    # Only the CSV reader makes these tables.
    if connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchone() is None:
        return {}
    # A record with too few columns is rejected once for each column that is missing: the first says it all.
    rows = connection.execute(
        """
        SELECT scan.file_path, error.line_byte_position, error.column_idx, error.error_type::VARCHAR,
          error.error_message, error.csv_line
        FROM reject_errors AS error JOIN reject_scans AS scan USING (scan_id, file_id)
        QUALIFY row_number() OVER (
          PARTITION BY scan.file_path, error.line_byte_position ORDER BY error.column_idx NULLS LAST
        ) = 1
        ORDER BY scan.file_path, error.line_byte_position
        """
    ).fetchall()
    problems: dict[str, list[Problem]] = {}
    for path, offset, column, kind, message, line in rows:
        text = _structural_text(str(kind), str(message), column)
        of_path = problems.setdefault(path[-64:], [])
        of_path.append(Problem(f"{text} (found {str(line or '').strip()[:80]!r})", line_offset=offset))
    return problems


def _structural_text(kind: str, message: str, column: int | None) -> str:
    match kind:
        case "MISSING COLUMNS" | "TOO MANY COLUMNS":
            return message.replace("Expected Number of Columns:", "expected").replace(" Found:", " columns, found")
        case "UNQUOTED VALUE":
            return f"column {column}: a quote that is not closed, or text beside a quoted value; expected RFC 4180"
        case "LINE SIZE OVER MAXIMUM":
            return f"the line is longer than {MAX_LINE_BYTES} bytes, which is the limit"
        case _:
            return message.partition("\n")[0]


def _unreadable_values(
    connection: duckdb.DuckDBPyConnection, part: Path, counted: Mapping[str, int | Csv], *, is_described: bool
) -> dict[str, list[Problem]]:
    """The first values of each document that cannot be read."""
    rows = connection.execute(
        f"""
        WITH bad AS (
          SELECT document_sha256, file_row_number, bad_column, bad_value, expected
          FROM read_parquet({text_literal(str(part))}, file_row_number = true) WHERE bad_column IS NOT NULL
        ), document AS (
          SELECT document_sha256, min(file_row_number) AS first_row
          FROM read_parquet({text_literal(str(part))}, file_row_number = true)
          WHERE document_sha256 IN (SELECT document_sha256 FROM bad)
          GROUP BY document_sha256
        )
        SELECT document_sha256, file_row_number - first_row + 1 AS line_number, bad_column, bad_value, expected
        FROM bad JOIN document USING (document_sha256)
        QUALIFY row_number() OVER (PARTITION BY document_sha256 ORDER BY file_row_number) <= {_REJECTS_KEPT}
        ORDER BY document_sha256, line_number
        """
    ).fetchall()
    problems: dict[str, list[Problem]] = {}
    for sha256, line_number, column, value, expected in rows:
        shown = "blank" if not value else repr(value[:80])
        # A description says how its own times are written.
        is_time = not is_described and expected.startswith(("a time ", "a day "))
        stated = expected_time(value, expected) if is_time else expected
        problems.setdefault(sha256, []).append(
            Problem(f"column {column}: {shown}; expected {stated}", record=_record(line_number - 1, counted[sha256]))
        )
    return problems


def _facts(connection: duckdb.DuckDBPyConnection, part: Path, layout: Layout, advice: str) -> dict[str, _DocumentFacts]:
    """What the staged lines say about each document: its first row there, its rows, and the invoices it states."""
    staged = f"read_parquet({text_literal(str(part))}, file_row_number = true)"
    stated = _invoice_facts(connection, staged, layout)
    lines = f"(FROM {staged} WHERE NOT is_control)"
    same = _same_invoices(stated)
    if same:
        pairs = ", ".join(
            f"('{sha256}', {text_literal(key)}, {text_literal(kept)})" for (sha256, key), kept in same.items()
        )
        lines = (
            "(SELECT line.* REPLACE (coalesce(same.kept, invoice_key) AS invoice_key) "
            f"FROM {lines} AS line LEFT JOIN (VALUES {pairs}) AS same (document_sha256, invoice_key, kept) "
            "USING (document_sha256, invoice_key))"
        )
    rows = fetch(
        connection,
        f"""
        WITH invoice AS (
          SELECT document_sha256, invoice_key, min(file_row_number) AS first_row, count(*) AS line_count,
            list_sort(list(DISTINCT currency)) AS currencies, count_if(is_rounded) AS rounded_lines,
            bool_or(charge_category = 'Tax' AND amount <> 0) AS states_tax,
            bool_and(charge_category IN ('Purchase', 'Tax')) AND bool_or(charge_category = 'Purchase') AS is_one_off,
            count(*) > 3 AND bit_xor({_LINE}) = 0 AND min({_LINE}) <> max({_LINE}) AS is_doubled,
            max(abs(amount)) AS largest, arg_max(file_row_number, abs(amount)) AS largest_row,
            min({likeness.LINE}, {_SKETCH}) AS lines_sketch, min({likeness.CHARGE}, {_SKETCH}) AS charges_sketch
          FROM {lines} GROUP BY ALL
        ), starts AS (
          SELECT document_sha256, invoice_key, CAST(charge_period_start AS DATE) AS day,
            {line_month_sql("charge_period_start", "charge_period_end")} AS lines_month, count(*) AS line_count
          FROM {lines} WHERE charge_category <> 'Tax' AND charge_period_start IS NOT NULL GROUP BY ALL
        ), month AS (
          SELECT document_sha256, invoice_key, lines_month, sum(line_count) AS line_count, list(day) AS days
          FROM starts GROUP BY ALL
        ), usual AS (
          SELECT document_sha256, invoice_key, max_by(lines_month, (line_count, lines_month)) AS lines_month,
            list_sort(list_distinct(flatten(list(days))))[:{_MOST_DAYS}] AS charge_days
          FROM month GROUP BY ALL
        )
        SELECT invoice.*, usual.lines_month, coalesce(usual.charge_days, CAST([] AS DATE[])) AS charge_days
        FROM invoice LEFT JOIN usual USING (document_sha256, invoice_key)
        ORDER BY document_sha256, first_row
        """,
    )
    bounds = {row["document_sha256"]: (row["largest"] or 0) * row["line_count"] for row in rows}
    magnitudes = _magnitudes(
        connection, lines, {sha256: bound for sha256, bound in bounds.items() if bound >= _MAX_SUM}
    )
    too_large = {key for key, magnitude in magnitudes.items() if magnitude >= _MAX_SUM}
    sums = _sums(connection, lines, {document for document, _ in too_large})
    doubts = _doubts(connection, lines)
    # A stated total is compared with the sum of the lines anyway.
    unstated = {key: amount for key, amount in sums.items() if stated.get(key, {}).get("stated_total") is None}
    for sum_row in totals.sum_rows(connection, lines, unstated, advice=advice):
        doubts.setdefault((sum_row.document_sha256, sum_row.invoice_key), []).append(
            _Doubt(sum_row.text, sum_row.category, sum_row.row, 1)
        )
    counts = connection.execute(
        "SELECT document_sha256, min(file_row_number), count(*), arg_max(invoice_key, file_row_number), "
        f"arg_max(charge_category, file_row_number) FROM {staged} GROUP BY ALL"
    ).fetchall()
    rows_of = {sha256: (first_row, count) for sha256, first_row, count, *_ in counts}
    last_of = {sha256: last for sha256, _, _, *last in counts}
    documents: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        documents.setdefault(row["document_sha256"], []).append(row)
    facts = {}
    for sha256, (first_row, row_count) in rows_of.items():
        invoices = documents.get(sha256, [])
        keys = [str(row["invoice_key"]) for row in invoices]
        ordinals = {key: ordinal for ordinal, key in enumerate(keys, start=1)}
        facts[sha256] = _DocumentFacts(
            first_row=first_row,
            row_count=row_count,
            ordinals=ordinals | {key: ordinals[kept] for (document, key), kept in same.items() if document == sha256},
            invoices=tuple(
                StatedInvoice(
                    ordinal=ordinals[key],
                    currencies=tuple(row["currencies"]),
                    lines_total=sums.get((sha256, key)),
                    lines_sketch=tuple(row["lines_sketch"]),
                    charges_sketch=tuple(row["charges_sketch"]),
                    charge_days=tuple(row["charge_days"]),
                    **{
                        name: row[name]
                        for name in ("line_count", "lines_month", "rounded_lines", "states_tax", "is_one_off")
                    },
                    **{
                        "source": layout.source,
                        **stated.get((sha256, key), {}),
                        "doubts": (*stated.get((sha256, key), {}).get("doubts", ()), *_doubled(row)),
                    },
                )
                for key, row in zip(keys, invoices, strict=True)
            ),
            problems=[
                Problem(
                    f"amount: with it the amounts come to {magnitudes[sha256, key]:,.0f}; "
                    f"expected less than {_MAX_SUM:,} an invoice",
                    record=row["largest_row"] - first_row + 1,
                )
                for key, row in zip(keys, invoices, strict=True)
                if (sha256, key) in too_large
            ],
            doubts={ordinals[key]: doubts[sha256, key] for key in keys if (sha256, key) in doubts},
            last_ordinal=ordinals.get(last_of[sha256][0]),
            last_category=last_of[sha256][1],
        )
    return facts


_LINE = (
    "hash(hash(service_name, description, project, resource_id, resource_name, quantity, amount, charge_period_start, "
    "charge_period_end))"
)
"""Equal for lines that are the same in everything. If all occur an even number of times, the exclusive or of all is 0.

DuckDB combines the hashes of several values by an exclusive or: of four lines that are all pairs of two services and two periods
that of the inner hashes is 0, too.
"""


def _doubled(row: Mapping[str, Any]) -> Iterator[str]:
    """What is doubtful about an invoice if each of its lines, and there are different ones, stands in it twice."""
    if row["is_doubled"]:
        yield (
            f"each of its {row['line_count']} lines stands in it twice, or another even number of times: was it exported or "
            "copied twice? If it was, take the second copy of each row out and drop the file again under its name"
        )


def _invoice_facts(
    connection: duckdb.DuckDBPyConnection, lines: str, layout: Layout
) -> dict[tuple[str, str], dict[str, Any]]:
    """The result of the layouts' `invoices_sql`, by document and invoice key."""
    query = layout.invoices_sql(lines)
    if query is None:
        return {}
    relation = connection.execute(query)
    names = [column[0] for column in relation.description]
    rows: list[dict[str, Any]] = [
        {name: tuple(value) if isinstance(value, list) else value for name, value in zip(names, row, strict=True)}
        for row in relation.fetchall()
    ]
    return {(row.pop("document_sha256"), row.pop("invoice_key")): row for row in rows}


def _same_invoices(stated: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """For each key of a document that stands for the same invoice as another of its keys: that other key.

    An issuer may write its name in two ways.
    """
    kept: dict[tuple[Any, ...], str] = {}
    same = {}
    for (sha256, key), fields in sorted(stated.items()):
        month = None if fields.get("external_id") else fields.get("month")
        identity = (sha256, fields.get("source"), fields.get("account_id"), fields.get("external_id"), month)
        if kept.setdefault(identity, key) != key:
            same[sha256, key] = kept[identity]
    return same


def _magnitudes(
    connection: duckdb.DuckDBPyConnection, lines: str, bounds: Mapping[str, Decimal]
) -> dict[tuple[str, str], Decimal]:
    """The sum of each invoice's absolute amounts.

    Args:
        connection: Where the stage can be read.
        lines: The staged lines.
        bounds: The documents, each with an upper bound for its invoices.
    """
    if not bounds:
        return {}
    # A sum of decimals may overflow; one of whole units cannot, but the cast takes twenty times as long.
    amount = "amount" if max(bounds.values()) < _MOST_DECIMAL_SUM else "CAST(amount AS DECIMAL(38,0))"
    rows = connection.execute(
        f"SELECT document_sha256, invoice_key, sum(abs({amount})) "
        f"FROM {lines} WHERE document_sha256 IN ({text_list(bounds)}) GROUP BY ALL"
    ).fetchall()
    return {(sha256, key): magnitude or Decimal(0) for sha256, key, magnitude in rows}


def _sums(
    connection: duckdb.DuckDBPyConnection, lines: str, too_large: Collection[str]
) -> dict[tuple[str, str], Decimal]:
    """The exact sum of each invoice's lines in one currency, without documents whose sums may overflow."""
    where = f"WHERE document_sha256 NOT IN ({text_list(too_large)})" if too_large else ""
    rows = connection.execute(
        f"SELECT document_sha256, invoice_key, sum(amount) FROM {lines} {where} "
        "GROUP BY ALL HAVING count(DISTINCT currency) = 1 AND count(amount) = count(*)"
    ).fetchall()
    return {(sha256, key): amount for sha256, key, amount in rows}


def _doubts(connection: duckdb.DuckDBPyConnection, lines: str) -> dict[tuple[str, str], list[_Doubt]]:
    """The doubts about each invoice from its lines, in their order."""
    rows = connection.execute(
        f"""
        SELECT document_sha256, invoice_key, doubt, charge_category, min(file_row_number) AS first_row, count(*)
        FROM {lines} WHERE doubt IS NOT NULL GROUP BY ALL ORDER BY first_row
        """
    ).fetchall()
    doubts: dict[tuple[str, str], list[_Doubt]] = {}
    for sha256, key, *doubt in rows:
        doubts.setdefault((sha256, key), []).append(_Doubt(*doubt))
    return doubts


def _with_doubts(document: ArchivedDocument, counted: int | Csv, facts: _DocumentFacts) -> tuple[StatedInvoice, ...]:
    """The invoices with the doubts from their lines, in sentences that name value and place."""

    def sentences(doubts: Sequence[_Doubt]) -> Iterator[str]:
        for doubt in doubts[:_DOUBTS_KEPT]:
            place = _described(
                document, counted, [Problem(doubt.text, record=_record(doubt.row - facts.first_row, counted))]
            )
            more = f", and so do {doubt.lines - 1} more" if doubt.lines > 1 else ""
            yield f"{place}; it counts as {doubt.category}{more}"
        if len(doubts) > _DOUBTS_KEPT:
            yield f"{len(doubts) - _DOUBTS_KEPT} other values of its lines are as doubtful"

    doubts_of = dict(facts.doubts)
    if facts.last_ordinal is not None and (text := _cut_off(document, counted)) is not None:
        last = _Doubt(text, facts.last_category, facts.first_row + facts.row_count - 1, 1)
        doubts_of[facts.last_ordinal] = [last, *doubts_of.get(facts.last_ordinal, [])]
    return tuple(
        replace(invoice, doubts=(*invoice.doubts, *sentences(doubts_of[invoice.ordinal])))
        if invoice.ordinal in doubts_of
        else invoice
        for invoice in facts.invoices
    )


def _cut_off(document: ArchivedDocument, counted: int | Csv) -> str | None:
    """What is doubtful about the end of a CSV document; None where nothing is. A packed file has a checksum of its own."""
    if document.encoding is not Encoding.PLAIN or not isinstance(counted, Csv):
        return None
    value = cut_off_value(document.path, document.facts.newline)
    if value is None:
        return None
    return (
        f"the last value, {value!r}, has fewer decimals than those of all other lines, and no line end follows it: is the file "
        "cut off? If it is, drop the whole file under its name"
    )


def _written_as(document: ArchivedDocument, counted: int | Csv, layout: Layout) -> str:
    """How a document is written: its kind, and a hash of the columns where the layout knows them."""
    kind = "parquet" if document.encoding is Encoding.PARQUET else "csv" if isinstance(counted, Csv) else "other"
    if not isinstance(layout, CostTableLayout):
        return kind
    columns = "\n".join(sorted(column.strip().lower() for column in layout.columns))
    return f"{kind} {hashlib.sha256(columns.encode()).hexdigest()[:16]}"


def _record(row: int, counted: int | Csv) -> int:
    """The ordinal, from 1, of the record that gave a line, by the line's from 0."""
    return row // (counted.lines_each if isinstance(counted, Csv) else 1) + 1


def _reason(
    document: ArchivedDocument, counted: int | Csv, problems: list[Problem], facts: _DocumentFacts | None
) -> str | None:
    """Why the document is rejected; None where it is not."""
    if problems:
        return _described(document, counted, problems)
    read = 0 if facts is None else facts.row_count
    if facts is not None and not facts.invoices:
        return "it has totals, but no line; expected at least one line"
    if isinstance(counted, Csv):
        return _csv_reason(document, counted, read)
    if not read:
        return "it has no lines; expected at least one"
    return (
        None
        if read == counted
        else f"{read} records were read where it has {counted}; nothing of it was taken: {WHOLE_AGAIN}"
    )


def _described(document: ArchivedDocument, counted: int | Csv, problems: Sequence[Problem]) -> str:
    """The problems with their places in the document."""
    if not isinstance(counted, Csv):
        return describe(document.path, problems, newline=None)
    return describe(
        document.path,
        problems,
        newline=document.facts.newline,
        has_header=counted.has_header,
        delimiter=counted.delimiter,
        first_line=counted.first_line,
    )


_ONLY_A_HEADER = "line 1: there is a header and nothing below it; expected at least one line"


def _csv_reason(document: ArchivedDocument, csv: Csv, read: int) -> str | None:
    """Whether as many lines were read as the file has records, and each record has a value for each column."""
    header = int(csv.has_header)
    records = read // csv.lines_each
    # The count includes the lines above the table.
    expected = document.facts.records - header if csv.first_line == 1 else None
    delimiter, first_line = csv.delimiter, csv.first_line
    try:
        if records != expected and records != (
            expected := records_in(document.path, delimiter=delimiter, first_line=first_line) - header
        ):
            # Where the file ends within quotes, this says on which line they begin.
            records_in(document.path, strict=True, delimiter=delimiter, first_line=first_line)
            return f"{records} records were read where the file has {expected}; nothing of it was taken: {WHOLE_AGAIN}"
        # DuckDB passes over a comma too many where nothing but commas follows: it would move values into other columns.
        # Commas were counted while the document was archived; other delimiters were not.
        if (
            csv.delimiter != ","
            or csv.first_line > 1
            or document.facts.commas != document.facts.records * (csv.columns - 1)
        ):
            assert_columns(document.path, csv.columns, delimiter=delimiter, first_line=first_line)
    except UnreadableError as error:
        return str(error)
    return None if read else _ONLY_A_HEADER


def _raise_unless_damaged(error: duckdb.Error) -> None:
    """Raise an error that no document causes: the archive cannot be read, or the stage not be written."""
    if isinstance(error, duckdb.IOException) and "Could not read enough bytes" not in str(error):
        raise error


def _explained(error: duckdb.Error, path: Path) -> str:
    # The file that was read may be the document written anew, under the same name.
    text = re.sub(rf"[^\s\"']*{re.escape(path.name)}", "it", str(error))
    if "state machine reached an invalid state" in text:
        return "its line ends are mixed; save it with one kind of line end"
    return text.partition("\n")[0][:200]
