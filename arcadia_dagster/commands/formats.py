"""`arcadia formats`: which formats are read, and how a description of one reads a file."""

import argparse
import sys
from typing import TYPE_CHECKING

from arcadia_dagster import text_table
from arcadia_dagster.billing.currency import format_exact
from arcadia_dagster.commands.common import (
    FAILED,
    MISUSED,
    OK,
    CommandError,
    complaints,
    harmless,
    line_name,
    print_json,
)
from arcadia_dagster.commands.home import Home
from arcadia_dagster.how_many import how_many

if TYPE_CHECKING:
    from datetime import datetime

    from arcadia_dagster.billing.rules import Rules
    from arcadia_dagster.landing.trial import TriedInvoice

_LINES_SHOWN = 10
_INVOICES_SHOWN = 5


def formats(options: argparse.Namespace) -> int:
    """List the formats that are read; exit 1 where a description cannot be used, or is gone."""
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
        table = [("format", "what it is"), *((name, harmless(text)) for name, text in rows)]
        for line in text_table.lines(table, width=text_table.window_width()):
            print(line)
        for problem in wrong:
            print(harmless(problem), file=sys.stderr)
    return FAILED if wrong else OK


def try_description(options: argparse.Namespace) -> int:
    """Read a file by a description and print its invoices and first lines; exit 1 where it cannot be read."""
    from arcadia_dagster.formats.description import DescriptionError
    from arcadia_dagster.landing.archive import ArchiveError
    from arcadia_dagster.landing.trial import TrialError, attempt

    home = Home.open()
    with complaints():
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
    for invoice in trial.invoices:
        _print_invoice(invoice)
        _print_rules(invoice, rules)
        _print_lines(invoice)
    if trial.count > _INVOICES_SHOWN:
        print(f"These are the first {_INVOICES_SHOWN} of its {trial.count} invoices")
    return OK


def _print_lines(tried: "TriedInvoice") -> None:
    currency = tried.stated.currencies[0] if len(tried.stated.currencies) == 1 else None
    rows: list[tuple[str, ...]] = [("line", "from", "to", "quantity", "amount", "category", "service", "description")]
    for line in tried.lines:
        quantity = "" if line.quantity is None else f"{line.quantity.normalize():f} {line.unit or ''}".strip()
        cells = (
            line_name(line.file_line, line.record),
            _day(line.charge_period_start),
            _day(line.charge_period_end),
            quantity,
            format_exact(line.amount, currency),
            line.charge_category,
            line.service_name,
            line.description,
        )
        rows.append(tuple(harmless(cell or "") for cell in cells))
    for row in text_table.lines(rows, right=(0, 3, 4), width=text_table.window_width()):
        print(row)
    if tried.stated.line_count > _LINES_SHOWN:
        print(f"and {_lines(tried.stated.line_count - _LINES_SHOWN)} more")


def _print_invoice(tried: "TriedInvoice") -> None:
    invoice, identity, gross, tax = tried.stated, tried.identity, tried.gross, tried.tax
    currencies = ", ".join(invoice.currencies)
    amounts = {"gross": gross, "net": gross - tax, "tax": tax}
    sums = ", ".join(f"{name} {format_exact(amount, currencies)}" for name, amount in amounts.items())
    if len(invoice.currencies) > 1:
        sums = f"in several currencies ({currencies}): it would be held"
    text = (
        f"Invoice {identity.external_id} of {identity.source}, account {identity.account_id}, {identity.month:%Y-%m} "
        f"(by {identity.month_basis}): {_lines(invoice.line_count)}, {sums}"
    )
    print(harmless(text))
    for doubt in invoice.doubts:
        print(harmless(f"  it would be held: {doubt}"))


def _print_rules(tried: "TriedInvoice", rules: "Rules") -> None:
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
        print(harmless(f"  {text}"))


def _lines(count: int) -> str:
    return how_many(count, "line")


def _day(time: "datetime | None") -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
