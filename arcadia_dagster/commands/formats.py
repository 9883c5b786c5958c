"""`arcadia formats`: which formats are read, and how a description of one reads a file."""

import argparse
import hashlib
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcadia_dagster.commands.common import (
    FAILED,
    MISUSED,
    OK,
    CommandError,
    complaints,
    harmless,
    new_console,
    print_json,
)
from arcadia_dagster.commands.home import Home

if TYPE_CHECKING:
    from arcadia_dagster.billing.rules import Rules
    from arcadia_dagster.formats.reader import ArchivedDocument
    from arcadia_dagster.landing.identity import Names
    from arcadia_dagster.reading.format import Reading, StatedInvoice

_LINES_SHOWN = 10
_INVOICES_SHOWN = 5


def formats(options: argparse.Namespace) -> int:
    """List the formats that are read; exit 1 where a description cannot be used, or is gone."""
    from rich.markup import escape
    from rich.table import Table

    from arcadia_dagster.formats.registry import FORMATS
    from arcadia_dagster.landing.descriptions import problems

    home = Home.open()
    found, warehouse = home.formats(), home.warehouse
    with complaints():
        if warehouse.exists():
            with warehouse.read() as connection:
                wrong = problems(connection, found)
        else:
            wrong = problems(None, found)
    rows = [(one.name, (sys.modules[type(one).__module__].__doc__ or "").partition("\n")[0]) for one in FORMATS]
    for described in found.descriptions.formats:
        is_shipped = described.comes_with_the_program
        where = f"{described.path.name}, which comes with the program" if is_shipped else str(described.path)
        over = " and ".join(found.passed_over_by(described))
        before = f"; it comes before {over}, whose columns it names" if over else ""
        rows.append((described.name, f"described in {where}{before}"))
    if options.json:
        print_json({"formats": [{"format": name, "text": text} for name, text in rows], "problems": wrong})
    else:
        table = Table("format", "what it is", box=None, header_style="bold")
        for name, text in rows:
            table.add_row(name, escape(text))
        new_console().print(table)
        for problem in wrong:
            print(harmless(problem), file=sys.stderr)
    return FAILED if wrong else OK


def try_description(options: argparse.Namespace) -> int:
    """Read a file by a description and print its invoices and first lines; exit 1 where it cannot be read."""
    from arcadia_dagster.formats.described import DescribedFormat, Descriptions
    from arcadia_dagster.formats.description import DescriptionError, read_description
    from arcadia_dagster.formats.reader import Reader, head_of
    from arcadia_dagster.formats.registry import Formats
    from arcadia_dagster.landing.archive import ArchiveError
    from arcadia_dagster.landing.identity import Names
    from arcadia_dagster.landing.rules import RulesError
    from arcadia_dagster.reading.content import Encoding
    from arcadia_dagster.reading.zip_content import member_name
    from arcadia_dagster.warehouse import Warehouse

    home = Home.open()
    try:
        description = read_description(options.description)
    except DescriptionError as error:
        raise CommandError(str(error), MISUSED) from error
    with complaints(RulesError):
        rules = home.rules()
    with tempfile.TemporaryDirectory(prefix="arcadia-") as folder, complaints(ArchiveError):
        document = _archived_link(options.file, Path(folder), max_document_bytes=home.settings.max_document_bytes)
        if document.encoding is Encoding.PARQUET:
            raise CommandError(f"{options.file}: it is Parquet; expected CSV, which is all that can be described")
        described = DescribedFormat(description, options.description)
        own = Formats(Descriptions((described,)), rules)
        warehouse = Warehouse(Path(folder) / "arcadia.duckdb")
        reader = Reader(Path(folder) / "stage", warehouse.stage, own)
        reading = reader.read([document])[document.document_sha256]
        if reading.format is None and document.facts.problem is None:
            raise CommandError(f"{options.file}: {described.why_not(head_of(document))}")
        if reading.reason is not None:
            raise CommandError(f"{options.file}: {reading.reason}")
        if reading.format != description.name:
            raise CommandError(
                f"{options.file}: the program's own format {reading.format} reads it, which comes before a description "
                "without a header"
            )
        with warehouse.stage() as connection:
            connection.execute(f"CREATE TABLE line AS {reader.lines_sql([document.document_sha256])}")
            inside = member_name(document.path) if document.encoding is Encoding.ZIP else None
            names = [options.file.name, *([] if inside is None else [inside])]
            told = own.facts_from_names(reading.format, names)
            _show(reading, connection, Names.of([options.file.name], told, inside), own)
    return OK


def _archived_link(file: Path, folder: Path, *, max_document_bytes: int) -> "ArchivedDocument":
    """The file as it would lie in the archive, by a link: however large it is, it is not copied."""
    from arcadia_dagster.landing.archive import Archive

    if not file.is_file():
        raise CommandError(f"{file} is no file that can be read; expected a document")
    if (size := file.stat().st_size) > max_document_bytes:
        raise CommandError(f"{file} has {size} bytes, more than ARCADIA_MAX_DOCUMENT_BYTES={max_document_bytes}")
    with file.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    archive = Archive(folder / "archive", max_document_bytes=max_document_bytes)
    path = archive.path_of(sha256)
    path.parent.mkdir(parents=True)
    path.symlink_to(file.absolute())
    return archive.examine(sha256)


def _show(reading: "Reading", connection: Any, names: "Names", own: Any) -> None:  # noqa: ANN401 - duckdb's connection
    from rich.markup import escape
    from rich.table import Table

    from arcadia_dagster.landing.identity import placed

    console = new_console()
    for invoice, identity in placed(reading.invoices, names.facts, names.best, own.rules)[:_INVOICES_SHOWN]:
        where = "WHERE invoice_ordinal = ?"
        [(gross, tax)] = connection.execute(
            f"SELECT sum(amount), coalesce(sum(amount) FILTER (charge_category = 'Tax'), 0) FROM line {where}",
            [invoice.ordinal],
        ).fetchall()
        if identity is None:
            raise CommandError(f"{names.best}: neither its name nor its lines tell its month")
        _print_invoice(console, invoice, identity, gross, tax)
        _print_rules(console, invoice, identity, own.rules)
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
    if len(reading.invoices) > _INVOICES_SHOWN:
        console.print(f"These are the first {_INVOICES_SHOWN} of its {len(reading.invoices)} invoices")


def _print_invoice(console: Any, invoice: "StatedInvoice", identity: Any, gross: Decimal, tax: Decimal) -> None:  # noqa: ANN401
    currencies = ", ".join(invoice.currencies)
    sums = f"gross {_plain(gross)} {currencies}, net {_plain(gross - tax)}, tax {_plain(tax)}"
    if len(invoice.currencies) > 1:
        sums = f"in several currencies ({currencies}): it would be held"
    text = (
        f"Invoice {identity.external_id} of {identity.source}, account {identity.account_id}, {identity.month:%Y-%m} "
        f"(by {identity.month_basis}): {_lines(invoice.line_count)}, {sums}"
    )
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    for doubt in invoice.doubts:
        console.print(f"  it would be held: {doubt}", highlight=False, markup=False, soft_wrap=True)


def _print_rules(console: Any, invoice: "StatedInvoice", identity: Any, rules: "Rules") -> None:  # noqa: ANN401
    """The rules for the invoice's account, and what they change."""
    from arcadia_dagster.billing.rules import TAX_EXPECTED, TAX_NOT_STATED
    from arcadia_dagster.landing.rules import said

    ruling = rules.of(identity.source, identity.account_id)
    told = [
        f"by sources.toml, {rule.name}: {key} = {said(rule)[key]} ({rule.reason})" for key, rule in ruling.by.items()
    ]
    is_without_tax = invoice.lacks_tax or (ruling["tax"] == TAX_EXPECTED and not invoice.states_tax)
    if ruling["rows_are_not_invoices_to_us"]:
        told.append("its rows are no invoice to us: it would never be pushed")
    elif is_without_tax and ruling["tax"] != TAX_NOT_STATED:
        told.append("the document does not tell the tax: it would be held")
    if identity.final_from is not None:
        told.append(f"it would be final, and pushed, from {identity.final_from:%Y-%m-%d %H:%M} UTC on")
    for text in told:
        console.print(f"  {text}", highlight=False, markup=False, soft_wrap=True)


def _lines(count: int) -> str:
    return f"{count} line{'' if count == 1 else 's'}"


def _day(time: Any) -> str:  # noqa: ANN401 - datetime or None
    return "" if time is None else f"{time:%Y-%m-%d %H:%M}".removesuffix(" 00:00")


def _plain(amount: Decimal) -> str:
    """The exact amount, with two decimals at least."""
    text = f"{amount:f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"
