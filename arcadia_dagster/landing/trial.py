"""Trying a description: a file is read by it as landing would read it, in a folder that is removed. Nothing is landed."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import duckdb

from arcadia_dagster.billing.rules import Rules
from arcadia_dagster.formats.described import DescribedFormat, Descriptions
from arcadia_dagster.formats.description import read_description
from arcadia_dagster.formats.reader import Reader, head_of
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.file_lines import physical_lines
from arcadia_dagster.landing.identity import Identity, Names, placed
from arcadia_dagster.reading.content import ArchivedDocument, Encoding
from arcadia_dagster.reading.format import Reading, StatedInvoice
from arcadia_dagster.reading.zip_content import member_name
from arcadia_dagster.warehouse import Warehouse


class TrialError(ValueError):
    """The file is not read by the description, or not at all; the message says why."""


class TriedLine(NamedTuple):
    """A line as it was read; times are in UTC.

    Attributes:
        record: The ordinal of its record in the file, from 1.
        file_line: The line of the file on which the record begins, from 1; None where nobody can tell.
    """

    record: int
    charge_period_start: datetime | None
    charge_period_end: datetime | None
    charge_category: str | None
    service_name: str | None
    description: str | None
    quantity: Decimal | None
    unit: str | None
    amount: Decimal
    file_line: int | None = None


@dataclass(frozen=True, slots=True)
class TriedInvoice:
    """An invoice as it was read.

    Attributes:
        stated: What the file states of it.
        identity: Where it belongs.
        gross: What its lines come to, exactly.
        tax: What its tax lines come to, exactly.
        lines: The first of its lines.
    """

    stated: StatedInvoice
    identity: Identity
    gross: Decimal
    tax: Decimal
    lines: tuple[TriedLine, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What a file came out as.

    Attributes:
        invoices: The first of its invoices.
        count: How many invoices it has.
    """

    invoices: Sequence[TriedInvoice]
    count: int


def attempt(
    file: Path, description_file: Path, rules: Rules, *, max_document_bytes: int, max_invoices: int, max_lines: int
) -> Trial:
    """Read a file by a description alone, with the program's own formats, which come before one without a header.

    Args:
        file: The file.
        description_file: The description.
        rules: What people know of accounts.
        max_document_bytes: A larger file is not read.
        max_invoices: How many invoices the result has at most.
        max_lines: How many lines each of them has at most.

    Raises:
        DescriptionError: The description cannot be used.
        TrialError: It does not read the file.
        ArchiveError, OSError: The file cannot be read.
    """
    description = read_description(description_file)
    with tempfile.TemporaryDirectory(prefix="arcadia-") as folder:
        document = _archived_link(file, Path(folder), max_document_bytes=max_document_bytes)
        if document.encoding is Encoding.PARQUET:
            raise TrialError(f"{file}: it is Parquet, but a description can only read CSV")
        described = DescribedFormat(description, description_file)
        formats = Formats(Descriptions((described,)), rules)
        warehouse = Warehouse(Path(folder) / "arcadia.duckdb")
        reader = Reader(Path(folder) / "stage", warehouse.stage, formats)
        reading = reader.read([document])[document.document_sha256]
        if reading.format is None and document.facts.problem is None:
            raise TrialError(f"{file}: {described.why_not(head_of(document))}")
        if reading.reason is not None:
            raise TrialError(f"{file}: {reading.reason}")
        if reading.format != description.name:
            raise TrialError(
                f"{file}: the program's own format {reading.format} reads it: that comes before a description without a header"
            )
        inside = member_name(document.path) if document.encoding is Encoding.ZIP else None
        own_names = formats.facts_from_names(reading.format, [file.name, *([] if inside is None else [inside])])
        names = Names.of([file.name], own_names, inside)
        with warehouse.stage() as connection:
            connection.execute(f"CREATE TABLE line AS {reader.lines_sql([document.document_sha256])}")
            invoices = _invoices(connection, reading, names, rules, max_invoices, max_lines)
        last = max((line.record for invoice in invoices for line in invoice.lines), default=0)
        places = physical_lines(
            Archive(Path(folder) / "archive", max_document_bytes=max_document_bytes),
            document.document_sha256,
            formats,
            up_to=last,
            by=described,
        )
    invoices = [
        replace(invoice, lines=tuple(line._replace(file_line=places.get(line.record)) for line in invoice.lines))
        for invoice in invoices
    ]
    return Trial(invoices, len(reading.invoices))


def _archived_link(file: Path, folder: Path, *, max_document_bytes: int) -> ArchivedDocument:
    """The file as it would lie in the archive, by a link: however large it is, it is not copied."""
    if not file.is_file():
        raise TrialError(f"{file} is not a file that can be read; expected a document")
    if (size := file.stat().st_size) > max_document_bytes:
        raise TrialError(f"{file} has {size} bytes, more than ARCADIA_MAX_DOCUMENT_BYTES={max_document_bytes}")
    with file.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    archive = Archive(folder / "archive", max_document_bytes=max_document_bytes)
    path = archive.path_of(sha256)
    path.parent.mkdir(parents=True)
    path.symlink_to(file.absolute())
    return archive.examine(sha256)


def _invoices(
    connection: duckdb.DuckDBPyConnection,
    reading: Reading,
    names: Names,
    rules: Rules,
    max_invoices: int,
    max_lines: int,
) -> list[TriedInvoice]:
    tried = []
    for stated, identity in placed(reading.invoices, names.facts, names.best, rules)[:max_invoices]:
        if identity is None:
            raise TrialError(f"{names.best}: neither its name nor its lines say which month it is of")
        [(gross, tax)] = connection.execute(
            "SELECT sum(amount), coalesce(sum(amount) FILTER (charge_category = 'Tax'), 0) FROM line WHERE invoice_ordinal = ?",
            [stated.ordinal],
        ).fetchall()
        lines = connection.execute(
            "SELECT line_number, charge_period_start, charge_period_end, charge_category, service_name, description, "
            f"quantity, unit, amount FROM line WHERE invoice_ordinal = ? ORDER BY line_number LIMIT {max_lines}",
            [stated.ordinal],
        ).fetchall()
        tried.append(TriedInvoice(stated, identity, gross, tax, tuple(TriedLine(*line) for line in lines)))
    return tried
