"""`arcadia formats`: which formats are read, and how a description of one reads a file."""

import argparse
import sys
from typing import TYPE_CHECKING

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
from arcadia_dagster.how_many import how_many

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from rich.console import Console

    from arcadia_dagster.billing.rules import Rules
    from arcadia_dagster.landing.trial import TriedInvoice

_LINES_SHOWN = 10
_INVOICES_SHOWN = 5


def formats(options: argparse.Namespace) -> int:
    """List the formats that are read; exit 1 where a description cannot be used, or is gone."""
    from rich.markup import escape
    from rich.table import Table

    from arcadia_dagster.formats.registry import FORMATS
    from arcadia_dagster.landing.descriptions import problems

    home = Home.open()
    known_formats, warehouse = home.formats(), home.warehouse
    with complaints():
        if warehouse.exists():
            with warehouse.read() as connection:
                wrong = problems(connection, known_formats)
        else:
            wrong = problems(None, known_formats)
    rows = [
        (format_.name, (sys.modules[type(format_).__module__].__doc__ or "").partition("\n")[0]) for format_ in FORMATS
    ]
    for described in known_formats.descriptions.formats:
        is_shipped = described.comes_with_the_program
        where = f"{described.path.name}, which comes with the program" if is_shipped else str(described.path)
        over = " and ".join(known_formats.passed_over_by(described))
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
    from arcadia_dagster.formats.description import DescriptionError
    from arcadia_dagster.landing.archive import ArchiveError
    from arcadia_dagster.landing.rules import RulesError
    from arcadia_dagster.landing.trial import TrialError, attempt

    home = Home.open()
    with complaints(RulesError):
        rules = home.landing.get_rules()
    try:
        with complaints(TrialError, ArchiveError):
            trial = attempt(
                options.file,
                options.description,
                rules,
                max_document_bytes=home.settings.max_document_bytes,
                max_invoices=_INVOICES_SHOWN,
                max_lines=_LINES_SHOWN,
            )
    except DescriptionError as error:
        raise CommandError(str(error), MISUSED) from error
    console = new_console()
    for invoice in trial.invoices:
        _print_invoice(console, invoice)
        _print_rules(console, invoice, rules)
        _print_lines(console, invoice)
    if trial.count > _INVOICES_SHOWN:
        console.print(f"These are the first {_INVOICES_SHOWN} of its {trial.count} invoices")
    return OK


def _print_lines(console: "Console", tried: "TriedInvoice") -> None:
    from rich.markup import escape
    from rich.table import Table

    columns = ("line", "from", "to", "category", "service", "description", "quantity", "amount")
    table = Table(*columns, box=None, header_style="bold")
    for line in tried.lines:
        quantity = "" if line.quantity is None else f"{line.quantity.normalize():f} {line.unit or ''}"
        period = (_day(line.charge_period_start), _day(line.charge_period_end))
        texts = (line.charge_category, line.service_name, line.description)
        cells = (str(line.number), *period, *texts, quantity, _with_decimals(line.amount))
        table.add_row(*(escape(cell or "") for cell in cells))
    console.print(table)
    if tried.stated.line_count > _LINES_SHOWN:
        console.print(f"and {_lines(tried.stated.line_count - _LINES_SHOWN)} more")


def _print_invoice(console: "Console", tried: "TriedInvoice") -> None:
    invoice, identity, gross, tax = tried.stated, tried.identity, tried.gross, tried.tax
    currencies = ", ".join(invoice.currencies)
    sums = f"gross {_with_decimals(gross)} {currencies}, net {_with_decimals(gross - tax)}, tax {_with_decimals(tax)}"
    if len(invoice.currencies) > 1:
        sums = f"in several currencies ({currencies}): it would be held"
    text = (
        f"Invoice {identity.external_id} of {identity.source}, account {identity.account_id}, {identity.month:%Y-%m} "
        f"(by {identity.month_basis}): {_lines(invoice.line_count)}, {sums}"
    )
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    for doubt in invoice.doubts:
        console.print(f"  it would be held: {doubt}", highlight=False, markup=False, soft_wrap=True)


def _print_rules(console: "Console", tried: "TriedInvoice", rules: "Rules") -> None:
    """The rules for the invoice's account, and what they change."""
    from arcadia_dagster.billing.rules import TAX_EXPECTED, TAX_NOT_STATED
    from arcadia_dagster.landing.rules import said

    invoice, identity = tried.stated, tried.identity
    ruling = rules.of(identity.source, identity.account_id)
    remarks = [
        f"by sources.toml, {rule.name}: {key} = {said(rule)[key]} ({rule.reason})" for key, rule in ruling.by.items()
    ]
    is_without_tax = invoice.lacks_tax or (ruling["tax"] == TAX_EXPECTED and not invoice.states_tax)
    if ruling["rows_are_not_invoices_to_us"]:
        remarks.append("its rows are no invoice to us: it would never be pushed")
    elif is_without_tax and ruling["tax"] != TAX_NOT_STATED:
        remarks.append("the document does not tell the tax: it would be held")
    if identity.final_from is not None:
        remarks.append(f"it would be final, and pushed, from {identity.final_from:%Y-%m-%d %H:%M} UTC on")
    for text in remarks:
        console.print(f"  {text}", highlight=False, markup=False, soft_wrap=True)


def _lines(count: int) -> str:
    return how_many(count, "line")


def _day(time: "datetime | None") -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M}".removesuffix(" 00:00")


def _with_decimals(amount: "Decimal") -> str:
    """The exact amount, with two decimals at least."""
    text = f"{amount:f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"
