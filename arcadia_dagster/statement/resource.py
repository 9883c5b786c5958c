"""Where statements go, as a Dagster resource."""

from collections.abc import Collection
from datetime import date
from pathlib import Path

import dagster as dg
from pydantic import Field

from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.statement.pages import Page, make_pages, page_path
from arcadia_dagster.warehouse import Warehouse


class StatementsResource(dg.ConfigurableResource["StatementsResource"]):
    """The folder of the monthly statements. Nothing is made until pages are."""

    folder: str = Field(description="The folder that pages are written to.")

    def page_of(self, month: date) -> Path:
        """Where a month's page is, or will be once it is made."""
        return page_path(Path(self.folder), month).absolute()

    def make(self, warehouse: Warehouse, months: Collection[date], range_: MonthRange) -> dict[date, Page]:
        """Make the months' pages, and those that are out of date; see `make_pages`."""
        return make_pages(warehouse, Path(self.folder), months, range_)
