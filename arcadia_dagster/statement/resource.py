"""Where statements go, as a resource of runs."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.statement import shown
from arcadia_dagster.statement.pages import UNNAMED, Company, Page, make_pages, page_path
from arcadia_dagster.warehouse import Warehouse


@dataclass(frozen=True, kw_only=True, slots=True)
class StatementsResource:
    """The folder of the monthly statements. Nothing is made until pages are.

    Attributes:
        folder: The folder that pages are written to.
        archive: Where the documents are that pages link to.
        company: Whose statements they are.
        url: Where that folder is served over HTTP; empty: nowhere.
    """

    folder: str
    archive: Archive
    url: str = ""
    company: Company = UNNAMED

    def link_to(self, month: date) -> str:
        """The address of a month's page, once it is made: a file's where pages are not served.

        Browsers do not follow a link from a page of HTTP to a file; it can be copied.
        """
        page = page_path(Path(self.folder), month).absolute()
        return f"{self.url.rstrip('/')}/{page.name}" if self.url else page.as_uri()

    def link_to_document(self, document_sha256: str) -> str | None:
        """The address of a document that an invoice's page links to; None where pages are not served."""
        return f"{self.url.rstrip('/')}/{shown.FOLDER}/{document_sha256}" if self.url else None

    def make(self, warehouse: Warehouse, months: Collection[date], range_: MonthRange) -> dict[date, Page]:
        """Make the months' pages, and those that are out of date; see `make_pages`."""
        return make_pages(warehouse, self.archive, Path(self.folder), months, range_, company=self.company)
