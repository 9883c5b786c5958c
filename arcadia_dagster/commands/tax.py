"""`arcadia tax`: net, tax and gross of a period by seller, country, rate and kind, and the page of it."""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from arcadia_dagster import text_table
from arcadia_dagster.commands.common import OK, complaints, harmless, parse_period, print_json
from arcadia_dagster.commands.home import Home
from arcadia_dagster.commands.statement import print_pdfs

if TYPE_CHECKING:
    from arcadia_dagster.reports.tax import TaxReturn, TaxRow

_HEADER = ("currency", "kind", "seller", "country", "tax id", "taxed", "rate", "net", "tax", "gross")
_AMOUNTS = (7, 8, 9)


def tax(options: argparse.Namespace) -> int:
    """Print a period's figures, and write its page beside the statements."""
    from arcadia_dagster.reports.tax import tax_return

    home = Home.open()
    warehouse = home.existing_warehouse
    months = parse_period(options.period, home.settings)
    with complaints(), warehouse.read() as connection:
        found = tax_return(connection, months, by_month=options.by == "month")
    if options.json:
        print_json({"period": options.period, "months": [f"{month:%Y-%m}" for month in months], **found.as_json()})
        return OK
    _print(found)
    from arcadia_dagster.statement.tax import write_tax_page

    with complaints(), warehouse.hold("statements", path=home.settings.statements / ".lock"):
        page = write_tax_page(home.settings.statements, options.period, months, found)
    print(page)
    if options.pdf:
        print_pdfs([page])
    return OK


def _print(found: "TaxReturn") -> None:
    from arcadia_dagster.billing.currency import format_minor

    if found.rows:
        _print_rows(found.rows)
        print()
    for total in found.totals:
        net, tax, gross = (format_minor(amount, total.currency) for amount in (total.net, total.tax, total.gross))
        print(f"net {net}, tax {tax}, gross {gross}: {total.invoices} invoice{'' if total.invoices == 1 else 's'}")
    if not found.totals:
        print("no invoice of these months is ready")
    if found.doubtful:
        print("\nlook at these before you claim their tax:")
    for invoice in found.doubtful:
        print(harmless(f"{invoice.key.name}: tax {format_minor(invoice.tax, invoice.currency)}"))
        for doubt in invoice.doubts:
            print(f"    {harmless(doubt)}")
    if found.waiting or found.unsummed:
        print("\nheld, and counted nowhere above (`arcadia invoices --held` says why):")
    for invoice in found.waiting:
        net, tax = (format_minor(amount, invoice.currency) for amount in (invoice.net, invoice.tax))
        print(harmless(f"{invoice.key.name}: net {net}, tax {tax}"))
    for name in found.unsummed:
        print(harmless(f"{name}: no totals, for its lines cannot be added"))


def _print_rows(rows: "Sequence[TaxRow]") -> None:
    by_month = rows[0].month is not None
    cells = [(*(("month",) if by_month else ()), *_HEADER), *(tuple(map(harmless, _cells(row))) for row in rows)]
    head, *lines = text_table.lines(
        cells, right=tuple(place + by_month for place in _AMOUNTS), width=text_table.window_width()
    )
    print(head)
    for row, line in zip(rows, lines, strict=True):
        print(line)
        print(harmless(f"    {', '.join(invoice.number for invoice, _ in row.invoices)}"))


def _cells(row: "TaxRow") -> Iterator[str]:
    from arcadia_dagster.billing.currency import format_minor

    if row.month is not None:
        yield f"{row.month:%Y-%m}"
    yield row.currency
    yield "credit note" if row.is_credit_note else "invoice"
    yield from (row.seller, row.country, row.tax_id, row.shown_kind, row.shown_rate)
    for amount in (row.net, row.tax, row.gross):
        yield format_minor(amount, row.currency).removesuffix(f" {row.currency}")
