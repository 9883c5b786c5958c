"""Where statements go, as a resource of runs."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.statement.pages import Page, make_pages, page_path
from arcadia_dagster.warehouse import Warehouse


@dataclass(frozen=True, kw_only=True, slots=True)
class StatementsResource:
    """The folder of the monthly statements. Nothing is made until pages are.

    Attributes:
        folder: The folder that pages are written to.
        url: Where that folder is served over HTTP; empty: nowhere.
    """

    folder: str
    url: str = ""

    def link_to(self, month: date) -> str:
        """The address of a month's page, once it is made: a file's where pages are not served.

        Browsers do not follow a link from a page of HTTP to a file; it can be copied.
        """
        page = page_path(Path(self.folder), month).absolute()
        return f"{self.url.rstrip('/')}/{page.name}" if self.url else page.as_uri()

    def make(self, warehouse: Warehouse, months: Collection[date], range_: MonthRange) -> dict[date, Page]:
        """Make the months' pages, and those that are out of date; see `make_pages`."""
        return make_pages(warehouse, Path(self.folder), months, range_)
