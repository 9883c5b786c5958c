"""`arcadia statement`: a month as a page, made anew."""

import argparse
import sys
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from arcadia_dagster.commands.common import (
    OK,
    CommandError,
    complaints,
    harmless,
    parse_period,
)
from arcadia_dagster.commands.home import Home
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.statement.pages import latest_month, make_pages, year_path
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.months import stale


def statement(options: argparse.Namespace) -> int:
    """Make the statements of the months, or of the latest with data, and print where they are."""
    home = Home.open()
    warehouse = home.existing_warehouse
    range_ = home.months
    with complaints():
        months = parse_period(options.months, home.settings) if options.months else [_latest(warehouse, range_)]
    if options.tenant is not None:
        paths = _of_tenant(home, warehouse, months, options.tenant)
    else:
        with complaints():
            pages = make_pages(
                warehouse, home.archive, home.settings.statements, months, range_, others=False, company=home.company
            )
        paths = {month: page.path for month, page in pages.items()}
        if options.months and options.months == f"{months[0].year:04}":
            paths = {months[0]: year_path(home.settings.statements, months[0].year)}
            months = months[:1]
    for path in paths.values():
        print(path)
    if missing := [f"{month:%Y-%m}" for month in months if month not in paths]:
        raise CommandError(
            f"{', '.join(missing)}: the figures are just being built, or a run that built them was killed; "
            "run `arcadia ingest`, then this again"
        )
    with complaints(), warehouse.read() as connection:
        unbuilt = sorted({f"{month:%Y-%m}" for month in stale(connection) if month in paths})
    if unbuilt:
        print(f"{', '.join(unbuilt)}: something new is not in it yet: run `arcadia ingest`", file=sys.stderr)
    if options.pdf:
        print_pdfs(paths.values())
    if options.open:
        _open([path.absolute().as_uri() for path in paths.values()])
    return OK


def print_pdfs(pages: Iterable[Path]) -> None:
    """Print the pages into PDFs beside them, and say where those are.

    Raises:
        CommandError: There is no browser that does it.
    """
    from arcadia_dagster.statement.pdf import NoBrowserError, write_pdf

    for page in pages:
        with complaints(NoBrowserError):
            print(write_pdf(page))


def _of_tenant(home: Home, warehouse: Warehouse, months: list[date], tenant: str) -> dict[date, Path]:
    """Make a tenant's statements of the months."""
    from arcadia_dagster.reports.tenants import tenant_month, tenants_of
    from arcadia_dagster.statement.tenant import write_tenant_page

    folder = home.settings.statements
    with complaints(), warehouse.hold("statements", path=folder / ".lock"):
        with warehouse.read() as connection:
            known = tenants_of(connection)
            if tenant not in known:
                raise CommandError(harmless(f"{tenant} bears nothing; there are: {', '.join(known) or 'none yet'}"))
            found = [tenant_month(connection, month, tenant) for month in months]
        return {one.month: write_tenant_page(folder, one, company=home.company.name) for one in found}


def _latest(warehouse: Warehouse, range_: MonthRange) -> date:
    with warehouse.read() as connection:
        month = latest_month(connection, range_)
    if month is None:
        raise CommandError("there is no invoice yet: drop invoice files into the inbox and run `arcadia ingest`")
    return month


def _open(uris: list[str]) -> None:
    import webbrowser

    for uri in uris:
        if not webbrowser.open(uri):
            print(f"no browser was found here: open {uri} yourself", file=sys.stderr)
            return
