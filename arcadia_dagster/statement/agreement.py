"""Whether the statements of months state what the tables have: read from the pages, as another program reads their figures."""

import json
import re
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Final

import duckdb

from arcadia_dagster.billing.currency import format_minor
from arcadia_dagster.how_many import how_many
from arcadia_dagster.reports.figures import ready_sums
from arcadia_dagster.statement.pages import page_path

_FIGURES: Final = re.compile(r'<script type="application/json" id="figures">(.*?)</script>', re.DOTALL)

_Sums = dict[str, tuple[int, int]]
"""How many ready invoices there are, and their gross in minor units, by currency."""


def months_with_pages(folder: Path) -> set[date]:
    """The months (first days, UTC) that have a page of `make_pages`."""
    found = folder.glob("[0-9][0-9][0-9][0-9]-[01][0-9].html")
    return {date.fromisoformat(f"{path.stem}-01") for path in found}


def differences(connection: duckdb.DuckDBPyConnection, folder: Path, months: Collection[date]) -> list[str]:
    """Where the pages of months state other ready invoices or another gross than the tables, in words.

    Args:
        connection: An open warehouse.
        folder: Where the pages are.
        months: Months (first days, UTC) that have a page.
    """
    tables = ready_sums(connection, months)
    found = []
    for month in sorted(months):
        try:
            stated = _stated(page_path(folder, month).read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            found.append(f"{month:%Y-%m}: the figures of its page cannot be read ({type(error).__name__})")
            continue
        for currency in sorted(stated.keys() | tables[month].keys()):
            has, should = (sums.get(currency, (0, 0)) for sums in (stated, tables[month]))
            if has != should:
                found.append(
                    f"{month:%Y-%m}: {_words(has, currency)} on its page, {_words(should, currency)} in the warehouse"
                )
    return found


def _stated(page: str) -> _Sums:
    figures = _FIGURES.search(page)
    if figures is None:
        raise ValueError("the page has no figures")
    totals = {currency: one["totals"] for currency, one in json.loads(figures[1])["currencies"].items()}
    # A currency in which nothing is ready has a part of its own for what is held.
    return {currency: (one["invoices"], one["gross"]) for currency, one in totals.items() if one["invoices"]}


def _words(sums: tuple[int, int], currency: str) -> str:
    invoices, gross = sums
    return f"{how_many(invoices, 'ready invoice')}, {format_minor(gross, currency)}"
