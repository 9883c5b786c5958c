"""`arcadia statement`: a month as a page, made anew."""

import argparse
import sys
from datetime import date

from arcadia_dagster.commands.common import (
    OK,
    CommandError,
    complaints,
    parse_months,
)
from arcadia_dagster.commands.home import Home
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.statement.pages import latest_month, make_pages
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.months import stale


def statement(options: argparse.Namespace) -> int:
    """Make the statements of the months, or of the latest with data, and print where they are."""
    home = Home.open()
    warehouse = home.existing_warehouse
    range_ = home.months
    with complaints():
        months = parse_months(options.months, home.settings) if options.months else [_latest(warehouse, range_)]
        pages = make_pages(
            warehouse, home.archive, home.settings.statements, months, range_, others=False, company=home.company
        )
    for page in pages.values():
        print(page.path)
    if missing := [f"{month:%Y-%m}" for month in months if month not in pages]:
        raise CommandError(
            f"{', '.join(missing)}: the figures are just being built, or a run that built them was killed; "
            "run `arcadia ingest`, then this again"
        )
    with complaints(), warehouse.read() as connection:
        unbuilt = sorted({f"{month:%Y-%m}" for month in stale(connection) if month in pages})
    if unbuilt:
        print(f"{', '.join(unbuilt)}: something new is not in it yet: run `arcadia ingest`", file=sys.stderr)
    if options.open:
        _open([page.path.absolute().as_uri() for page in pages.values()])
    return OK


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
