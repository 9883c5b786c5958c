"""The interface of a format, and the values that formats return.

A format knows one kind of file. It recognises a document by its content. It gives one SELECT that turns the records of any
number of like documents into stated lines, since one statement reads many small files. It reads the provider's own file names.
A document may state one invoice or many.
"""

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeAlias

from arcadia_dagster.billing.currency import AMOUNT_TYPE
from arcadia_dagster.reading.content import open_content
from arcadia_dagster.reading.statements import InvoiceStatement, StatementsOnly
from arcadia_dagster.reading.unread import IN_SMALLER_FILES, WHOLE_AGAIN
from arcadia_dagster.store.table import Column

UNKNOWN_ACCOUNT = "unknown"

STATED_LINE: tuple[Column, ...] = (
    Column(
        "invoice_key", "VARCHAR", "Equal for the lines of one of its document's invoices, and different for another's."
    ),
    Column("typed_category", "VARCHAR", "The charge category that the provider's type stands for; NULL where unknown."),
    Column("service_name", "VARCHAR", "The provider's product."),
    Column("description", "VARCHAR", "The line's words."),
    Column("project", "VARCHAR", "The provider's project."),
    Column("resource_id", "VARCHAR", "The resource's id."),
    Column("resource_name", "VARCHAR", "The resource's name."),
    Column("resource_type", "VARCHAR", "The kind of resource, as inventories name it."),
    Column("charge_period_start", "TIMESTAMP", "Inclusive start (UTC)."),
    Column("charge_period_end", "TIMESTAMP", "Exclusive end (UTC)."),
    Column("quantity", AMOUNT_TYPE, "How much was consumed."),
    Column("unit", "VARCHAR", "The unit of the quantity."),
    Column("amount", AMOUNT_TYPE, "The cost in major units of the currency."),
    Column(
        "is_rounded", "BOOLEAN", "Whether the amount has more decimals in the document, and was rounded at the 18th."
    ),
    Column("currency", "VARCHAR", "ISO 4217 code."),
    Column(
        "is_control", "BOOLEAN", "Whether it is no line of an invoice, but a sum of lines that the document states."
    ),
    Column("bad_column", "VARCHAR", "The first column of the record whose value cannot be read, else NULL."),
    Column("bad_value", "VARCHAR", "That value."),
    Column("expected", "VARCHAR", "What was expected in its place."),
    Column(
        "doubt",
        "VARCHAR",
        "What leaves the record's invoice in doubt although it can be read, in words that follow its place; else NULL.",
    ),
)
"""The columns of `Layout.lines_sql`, besides `path`, the file that the record is in."""


MAX_JSON_BYTES = 64 << 20
"""A larger JSON document is not read: it would be in memory as a whole."""


@dataclass(frozen=True)
class Head:
    """What formats recognise a document from: its start, and of JSON all that it says.

    Attributes:
        text: The first 64 KiB as text, without a byte order mark.
        newline: What ends its lines.
        columns: The columns of a Parquet document, with their types as DuckDB names them; None for text.
        path: Where the document is; None where its start is all of it.
        delimiter: What separates the values of its header.
    """

    text: str
    newline: str
    columns: Mapping[str, str] | None = None
    path: Path | None = None
    delimiter: str = ","

    @property
    def json(self) -> object:
        """What the document says as JSON, whatever the order of its members; None where it is none.

        The format that recognises the document checks whether each number can be read to the last digit.
        """
        return None if isinstance(self._parsed, Refusal) else self._parsed

    @property
    def json_problem(self) -> str | None:
        """Why a document that begins like JSON is not JSON; None for JSON, and for a document that does not begin like it."""
        return self._parsed.reason if isinstance(self._parsed, Refusal) else None

    @cached_property
    def _parsed(self) -> object:
        if self.columns is not None or not self.text.lstrip().startswith(("{", "[")):
            return None
        text = self.text
        if self.path is not None:
            with open_content(self.path) as file:
                content = file.read(MAX_JSON_BYTES + 1)
            if len(content) > MAX_JSON_BYTES:
                return Refusal(
                    f"it has more than {MAX_JSON_BYTES} bytes, which is the limit for JSON: {IN_SMALLER_FILES}"
                )
            text = content.decode("utf-8-sig")
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            return Refusal(f"it is not JSON: {error}; {WHOLE_AGAIN}")

    @property
    def header(self) -> tuple[str, ...]:
        """The columns: those of Parquet, else the fields of the first line as CSV; empty where there are none."""
        if self.columns is not None:
            return tuple(self.columns)
        return _csv_fields(self.text.partition(self.newline)[0], self.delimiter)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A format recognises the document and cannot read it: why, and what was expected.

    Attributes:
        stands: Whether a person's description of the format cannot change it.
    """

    reason: str
    stands: bool = False


@dataclass(frozen=True, slots=True)
class NameFacts:
    """What a provider's own file name tells.

    Attributes:
        account_id: The account at the source, or None.
        invoice_number: The invoice's number, which is its id where the document has none.
        month: The invoice's month, its first day, or None.
        is_printed: Whether `invoice_number` is the number printed on the invoice; else it is the id in the provider's API.
    """

    account_id: str | None
    invoice_number: str
    month: date | None
    is_printed: bool = True

    def __str__(self) -> str:
        """Account and number, and the month where it is told."""
        month = "" if self.month is None else f" of {self.month:%Y-%m}"
        return f"{self.account_id or UNKNOWN_ACCOUNT}/{self.invoice_number}{month}"


@dataclass(frozen=True, slots=True)
class Csv:
    """How the records of a CSV document are laid out.

    Attributes:
        columns: How many values each has.
        delimiter: What separates them.
        has_header: Whether the first one is the header.
        lines_each: How many lines a record gives.
        first_line: The line of the file, from 1, in which the first one begins.
        numbers: The positions, from 0, of the columns whose numbers are read.
    """

    columns: int
    delimiter: str = ","
    has_header: bool = True
    lines_each: int = 1
    first_line: int = 1
    numbers: tuple[int, ...] = ()


class Layout(Protocol):
    """How the invoice documents of one shape are read. Equal layouts are read together: a layout is hashable."""

    @property
    def source(self) -> str:
        """Who issued them, as finance knows it."""

    def lines_sql(self, paths: Sequence[Path], *, compression: str, options: str) -> str:
        """A SELECT of `path` and the columns of STATED_LINE, one row a record, in the files' order.

        Lines are numbered by that order, so it holds no join, and no `IN` with many values (DuckDB makes a join of it).

        Args:
            paths: The documents.
            compression: How they are packed: `none`, `gzip` or `zstd`; all alike.
            options: Options of DuckDB's CSV reader that the caller needs, such as where structural errors are kept.
        """

    def invoices_sql(self, lines: str) -> str | None:
        """What the documents themselves tell about their invoices, from their stated lines; None where nothing.

        A SELECT of `document_sha256`, `invoice_key` and any of the fields of StatedInvoice that have a default, or its source.
        """

    def lines_in(self, path: Path) -> int | Csv:
        """How many lines the document must give, counted in another way than `lines_sql` reads them.

        For CSV it returns the layout of its records, which were counted while the document was archived.

        Raises:
            UnreadableError: They cannot be counted, for the document is not what it seemed.
        """


class Rewritten(ABC):
    """A layout that first writes each document anew; its SQL reads the new file."""

    # A base class, as an inventory is.
    __slots__ = ()

    @abstractmethod
    def rewrite(self, document: Path, target: Path) -> None:
        """Write the document anew, in the form that `Layout.lines_sql` reads, not packed.

        Args:
            document: A document that `Layout.lines_in` could count the lines of.
            target: The file to write; its folder exists.
        """


class Inventory(ABC):
    """How an inventory document is read. Inventories are small: they are read in Python."""

    # A base class, not a protocol: `isinstance` is called for each document, and takes ten times as long for a protocol.
    __slots__ = ()

    @abstractmethod
    def rows(self, path: Path) -> "list[InventoryRow]":
        """The resources that the document lists.

        Raises:
            UnreadableError: The document is not what it seemed; the message names line, column, value, expectation.
        """


class Manifest(ABC):
    """How a manifest is read: a document that lists the files of a delivery."""

    __slots__ = ()

    @abstractmethod
    def files(self, path: Path) -> "list[DeliveryFile]":
        """The files that it lists.

        Raises:
            UnreadableError: The document is not what it seemed.
        """


class Periods(ABC):
    """How a document is read that states which billing periods are open."""

    __slots__ = ()

    @abstractmethod
    def periods(self, path: Path) -> "list[BillingPeriod]":
        """The periods that it states, in its order.

        Raises:
            UnreadableError: The document is not what it seemed.
        """


Recognised: TypeAlias = Layout | StatementsOnly | Inventory | Manifest | Periods | Refusal
"""How a document is read, by what it is; or why it is not."""


class Format(Protocol):
    """One kind of file."""

    name: str
    """How the documents table names it."""

    reading: int
    """The version of its reading. A change that reads documents differently raises it by one; then they are read anew."""

    def recognise(self, head: Head) -> Recognised | None:
        """How to read the document; a refusal where it is this format's and unreadable; None where it is not."""

    def facts_from_name(self, file_name: str) -> NameFacts | None:
        """What the file name tells where it is the provider's own, else None."""


class UnreadableError(ValueError):
    """A document cannot be read as what it claims to be; the message says where, what, and what was expected."""


@dataclass(frozen=True, slots=True)
class InventoryRow:
    """One resource as an inventory lists it.

    Attributes:
        line_number: The ordinal of the record, from 1.
    """

    line_number: int
    resource_id: str
    resource_name: str | None
    resource_type: str
    account_id: str | None
    project: str | None


@dataclass(frozen=True, slots=True)
class DeliveryFile:
    """One file of a delivery, as its manifest lists it.

    Attributes:
        folder: Where the provider put it, below the bucket.
        file_name: The file's name.
        rows: How many records it has, where the manifest tells.
    """

    folder: str
    file_name: str
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """A billing period as its issuer states it; times are in UTC, without an offset.

    Attributes:
        source: Who issues its invoices.
        issuer_name: The issuer's name as the document has it.
        account_id: The account that it is about; None: all accounts of the issuer.
        starts_at: When it begins.
        ends_at: When it ends, exclusive.
        is_open: Whether charges may still come, or change.
        updated_at: When the issuer last changed what it states of it; None where the document does not tell.
    """

    source: str
    issuer_name: str
    account_id: str | None
    starts_at: datetime
    ends_at: datetime
    is_open: bool
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class StatedInvoice:
    """One invoice as its document states it. What the document does not tell is None.

    Attributes:
        ordinal: Which invoice of its document it is, from 1.
        currencies: The ISO 4217 codes of its lines.
        lines_month: The month that most lines that are not tax are charged in, by `billing.periods` (tie: the later).
        lines_total: The exact sum of its lines in major units; None where they are in several currencies.
        lines_sketch: The smallest hashes of its lines: versions of one invoice share most of them.
        charges_sketch: The smallest hashes of its charges without their amounts: versions of one invoice share most of them.
        charge_days: The days (UTC) on which lines that are not tax start.
        stated_total: The document's own total in major units.
        is_final: False for a preview or an invoice without an id: shown, never pushed.
        vendor_name: The issuer's name, where the source is made from it.
        unnamed_issuer: The provider's name (empty: unknown) where no line names the issuer; None where a line does.
        may_be_part: Whether the files of one folder may state the invoice together.
        lacks_tax: Whether its amounts are before tax, and the document does not tell the tax.
        rounded_lines: How many of its lines have an amount that was rounded at the 18th decimal.
        open_reason: Where it is not final, why not and what to do; None where nothing more is known.
        refers_to: The id or number of the invoice that this one, a credit note, is about.
        withdrawn: The provider's word for an invoice that it has withdrawn, such as `outdated`: shown, never pushed.
        doubts: The doubts from reading it: sentences, each of which holds it until a person releases it.
        billing_ends_at: The exclusive end of its billing period (UTC), where its id may change until then.
        billing_starts_at: When its billing period begins (UTC), where the document tells.
        period_ends_at: When its billing period ends (UTC), where the document tells.
        states_tax: Whether it has a line of tax that is not 0.
        is_one_off: Whether all of its lines but tax are purchases, which are invoiced while their month is open.
        is_statement: Whether its document states its totals and not its lines.
        yields: Whether it yields to other documents: where another one has the invoice's lines, this one counts as a statement
            only.
    """

    ordinal: int
    source: str
    line_count: int
    currencies: tuple[str, ...]
    lines_month: date | None
    lines_total: Decimal | None = None
    lines_sketch: tuple[int, ...] = ()
    charges_sketch: tuple[int, ...] = ()
    charge_days: tuple[date, ...] = ()
    account_id: str | None = None
    external_id: str | None = None
    invoice_number: str | None = None
    month: date | None = None
    issued_on: date | None = None
    stated_total: Decimal | None = None
    stated_tax: Decimal | None = None
    is_final: bool = True
    vendor_name: str | None = None
    unnamed_issuer: str | None = None
    may_be_part: bool = False
    lacks_tax: bool = False
    rounded_lines: int = 0
    open_reason: str | None = None
    refers_to: str | None = None
    withdrawn: str | None = None
    doubts: tuple[str, ...] = ()
    billing_ends_at: datetime | None = None
    billing_starts_at: datetime | None = None
    period_ends_at: datetime | None = None
    states_tax: bool = False
    is_one_off: bool = False
    is_statement: bool = False
    yields: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading one document: invoices, statements, an inventory, a delivery's files, periods, or why it is rejected.

    Attributes:
        format: The format's name; None where none recognised the document.
        reason: Why it is rejected; None where it is accepted.
        statements: What the issuer states of each invoice, in the order of `invoices`; empty where the format has nothing but
            lines.
        records: How many records it has, without a header; None where they do not count, as those of an inventory.
        passed_over: The program's own format that a person's description has displaced.
        written_as: How it is written: as CSV, Parquet or otherwise, and its columns. All parts of one export have one form.
    """

    document_sha256: str
    format: str | None
    reason: str | None = None
    invoices: tuple[StatedInvoice, ...] = ()
    inventory: tuple[InventoryRow, ...] = ()
    delivery: tuple[DeliveryFile, ...] = ()
    periods: tuple[BillingPeriod, ...] = ()
    statements: tuple[InvoiceStatement, ...] = ()
    records: int | None = None
    passed_over: str | None = None
    written_as: str | None = None


def _csv_fields(line: str, delimiter: str) -> tuple[str, ...]:
    """The fields of one line of CSV, without the space around them."""
    try:
        return tuple(value.strip() for value in next(csv.reader([line], strict=True, delimiter=delimiter)))
    except (StopIteration, csv.Error):
        return ()
