"""The page of a tax return, beside the statements and in their style."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from arcadia_dagster.reports.tax import TaxReturn
from arcadia_dagster.statement.page import render_page
from arcadia_dagster.statement.pages import write_page


def write_tax_page(folder: Path, period: str, months: Sequence[date], found: TaxReturn) -> Path:
    """Write the page of a period, `tax-2026-Q3.html`, unless its bytes are there already. The caller holds the statements' lock.

    Args:
        folder: Where pages go; made where missing.
        period: The period as a person names it.
        months: Its months.
        found: Its figures.

    Raises:
        OSError: The page cannot be written.
    """
    path = folder / f"tax-{period.upper()}.html"
    write_page(path, render_tax(period.upper(), months, found))
    return path


def render_tax(period: str, months: Sequence[date], found: TaxReturn) -> str:
    """The page."""
    return render_page(
        "tax.html.j2",
        found.as_json(),
        period=period,
        months=list(months),
        found=found,
        by_month=any(row.month is not None for row in found.rows),
    )
