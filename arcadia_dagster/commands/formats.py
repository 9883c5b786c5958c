"""`arcadia formats`: which formats are read, and how a description of one reads a file."""

import argparse
import hashlib
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcadia_dagster.commands.common import FAILED, MISUSED, OK, CommandError, complaints, load_settings

if TYPE_CHECKING:
    from arcadia_dagster.formats.format import Reading, StatedInvoice
    from arcadia_dagster.formats.reader import ArchivedDocument

_LINES_SHOWN = 10


def formats(options: argparse.Namespace) -> int:  # noqa: ARG001 - every command takes its options
    """List the formats that are read; exit 1 where a description cannot be used."""
    from rich.console import Console
    from rich.table import Table

    from arcadia_dagster.formats.registry import FORMATS, Formats

    values = load_settings()
    descriptions = Formats.of(values.formats_path).descriptions
    table = Table("format", "what it is", box=None, header_style="bold")
    for one in FORMATS:
        table.add_row(one.name, (sys.modules[type(one).__module__].__doc__ or "").partition("\n")[0])
    for described in descriptions.formats:
        table.add_row(described.name, f"described in {described.path}")
    Console().print(table)
    for problem in descriptions.problems.values():
        print(problem, file=sys.stderr)
    return FAILED if descriptions.problems else OK


def try_description(options: argparse.Namespace) -> int:
    """Read a file by a description and print its invoices and first lines; exit 1 where it cannot be read."""
    from arcadia_dagster.formats.described import DescribedFormat, Descriptions
    from arcadia_dagster.formats.description import DescriptionError, read_description
    from arcadia_dagster.formats.reader import Reader, head_of
    from arcadia_dagster.formats.registry import Formats
    from arcadia_dagster.warehouse import Warehouse

    load_settings()
    try:
        description = read_description(options.description)
    except DescriptionError as error:
        raise CommandError(str(error), MISUSED) from error
    with tempfile.TemporaryDirectory(prefix="arcadia-") as folder, complaints():
        document = _copied(options.file, Path(folder))
        described = DescribedFormat(description, options.description)
        own = Formats(Descriptions((described,)))
        warehouse = Warehouse(Path(folder) / "arcadia.duckdb")
        reader = Reader(Path(folder) / "stage", warehouse.stage, own)
        reading = reader.read([document])[document.document_sha256]
        if reading.format is None and document.facts.problem is None:
            raise CommandError(f"{options.file}: {described.why_not(head_of(document))}")
        if reading.reason is not None:
            raise CommandError(f"{options.file}: {reading.reason}")
        if reading.format != description.name:
            raise CommandError(
                f"{options.file}: the program's own format {reading.format} reads it, which comes before any description"
            )
        with warehouse.stage() as connection:
            connection.execute(f"CREATE TABLE line AS {reader.lines_sql([document.document_sha256])}")
            _show(reading, connection, options.file.name, own)
    return OK


def _copied(file: Path, folder: Path) -> "ArchivedDocument":
    """The file as it would lie in the archive."""
    from arcadia_dagster.formats.content import Examiner
    from arcadia_dagster.formats.reader import ArchivedDocument

    content = file.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    path = folder / sha256
    path.write_bytes(content)
    examiner = Examiner(max_bytes=sys.maxsize)
    examiner.update(content)
    return ArchivedDocument(sha256, path, len(content), *examiner.finish(path))


def _show(reading: "Reading", connection: Any, file_name: str, own: Any) -> None:  # noqa: ANN401 - duckdb's connection
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from arcadia_dagster.landing.identity import identify

    console = Console()
    named = own.facts_from_name(reading.format, file_name)
    for invoice in reading.invoices:
        where = "WHERE invoice_ordinal = ?"
        [(gross, tax)] = connection.execute(
            f"SELECT sum(amount), coalesce(sum(amount) FILTER (charge_category = 'Tax'), 0) FROM line {where}",
            [invoice.ordinal],
        ).fetchall()
        identity = identify(invoice, named, file_name=file_name)
        if identity is None:
            raise CommandError(f"{file_name}: neither its name nor its lines tell its month")
        _print_invoice(console, invoice, identity, gross, tax)
        table = Table(
            *("line", "from", "to", "category", "service", "description", "quantity", "amount"),
            box=None,
            header_style="bold",
        )
        rows = connection.execute(
            "SELECT line_number, charge_period_start, charge_period_end, charge_category, service_name, description, "
            f"quantity, unit, amount FROM line {where} ORDER BY line_number LIMIT {_LINES_SHOWN}",
            [invoice.ordinal],
        ).fetchall()
        for number, start, end, *texts, quantity, unit, amount in rows:
            count = "" if quantity is None else f"{quantity.normalize():f} {unit or ''}"
            cells = (str(number), _day(start), _day(end), *texts, count, _plain(amount))
            table.add_row(*(escape(cell or "") for cell in cells))
        console.print(table)
        if invoice.line_count > _LINES_SHOWN:
            console.print(f"and {_lines(invoice.line_count - _LINES_SHOWN)} more")


def _print_invoice(console: Any, invoice: "StatedInvoice", identity: Any, gross: Decimal, tax: Decimal) -> None:  # noqa: ANN401
    currencies = ", ".join(invoice.currencies)
    text = (
        f"Invoice {identity.external_id} of {identity.source}, account {identity.account_id}, {identity.month:%Y-%m} "
        f"(by {identity.month_basis}): {_lines(invoice.line_count)}, gross {_plain(gross)} {currencies}, "
        f"net {_plain(gross - tax)}, tax {_plain(tax)}"
    )
    if invoice.lacks_tax:
        text += "; the document does not tell the tax: it would be held"
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _lines(count: int) -> str:
    return f"{count} line{'' if count == 1 else 's'}"


def _day(time: Any) -> str:  # noqa: ANN401 - datetime or None
    return "" if time is None else f"{time:%Y-%m-%d %H:%M}".removesuffix(" 00:00")


def _plain(amount: Decimal) -> str:
    """The exact amount, with two decimals at least."""
    text = f"{amount:f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"
