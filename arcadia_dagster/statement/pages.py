"""Finding pages that are out of date and making them: one file a month, replaced in one step.

A page shows more than its own month: the month before, the same a year before, twelve months. So it is made anew when any of
these was built again, finance answered, a file was rejected, a budget changed, or the look of pages changed. `stage_versions`
has one number for the input of each page, beside the versions of the other stages. A page is out of date if its number has
changed or its file is gone, whichever run or command should have made it.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, Self, TypeVar
from uuid import uuid4

import duckdb

from arcadia_dagster.books.budgets import BudgetStanding, applying
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.budgets import known_budgets
from arcadia_dagster.reports.budgets import budget_standings
from arcadia_dagster.reports.decision_page import NO_FORM, Form
from arcadia_dagster.reports.documents import documents_to_look_at
from arcadia_dagster.reports.figures import CurrencyFigures, currency_figures, months_with_invoices, shown_on
from arcadia_dagster.reports.overview import Overview, overviews
from arcadia_dagster.reports.standing import Standing, digests_of_finance, rejected_documents, standings, targets
from arcadia_dagster.settings import Settings
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.statement import shown
from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.months import built, next_month, previous_month, stale, touch

STAGE: Final = "monthly_statement"

_PART = ".part"


@dataclass(frozen=True, slots=True)
class Company:
    """Whose statements they are.

    Attributes:
        name: The company's name; may be empty.
        currency: Its own currency (ISO 4217), which comes before all others; may be empty.
        form: The form on which its people decide about invoices.
    """

    name: str = ""
    currency: str = ""
    form: Form = NO_FORM

    @classmethod
    def of(cls, values: Settings) -> Self:
        """The company that the settings name."""
        return cls(values.company, values.own_currency, Form.of(values, values.named_ui_url or None))


_Figures = TypeVar("_Figures", CurrencyFigures, Overview)

UNNAMED: Final = Company()
"""A company that no setting names."""


@dataclass(frozen=True, slots=True)
class Page:
    """A month's page.

    Attributes:
        month: Its first day (UTC).
        path: Where the page is.
        currencies: Its figures.
        standing: How its invoices stand.
        links: The addresses of the documents beside it, relative to it, by their SHA-256.
        budgets: How its budgets stand.
        company: Whose it is.
        neighbours: The month before and the month after, those of the two that have invoices.
    """

    month: date
    path: Path
    currencies: tuple[CurrencyFigures, ...]
    standing: Standing
    links: Mapping[str, str] = field(default_factory=dict)
    budgets: tuple[BudgetStanding, ...] = ()
    company: Company = UNNAMED
    neighbours: tuple[date, ...] = ()


def page_path(folder: Path, month: date) -> Path:
    """Where a month's page is: `2026-04.html` in the folder."""
    return folder / f"{month:%Y-%m}.html"


def year_path(folder: Path, year: int) -> Path:
    """Where a year's page is: `2026.html` in the folder."""
    return folder / f"{year:04}.html"


def index_path(folder: Path) -> Path:
    """Where the page of all months is."""
    return folder / "index.html"


def make_pages(
    warehouse: Warehouse,
    archive: Archive,
    folder: Path,
    months: Collection[date],
    range_: MonthRange,
    *,
    others: bool = True,
    company: Company = UNNAMED,
) -> dict[date, Page]:
    """Make the months' pages, and those of other months that are out of date.

    A page whose bytes would be the same is left alone. Months of which another run is just building the totals are left to
    that run: it makes their pages too.

    Args:
        warehouse: Where the figures are.
        archive: Where the documents are that pages link to.
        folder: Where pages go; made where missing.
        months: The months whose pages are wanted, out of date or not.
        range_: The months there are.
        company: Whose statements they are.
        others: Whether to make the pages of other months that are out of date, too.

    Returns:
        The pages that were made, those of other months too, without the months that are being built.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.write`.
        OSError: A page cannot be written.
    """
    # One at a time from reading to noting, else an older page could replace a newer one.
    with warehouse.hold("statements", path=folder / ".lock"):
        _sweep(folder)
        with warehouse.read() as connection:
            basis = _bases(connection, range_, months, company)
            building = _being_built(connection, basis, range_)
            behind = _behind(connection, folder, basis) if others else set()
            wanted = {month for month in {*months, *behind} if month in range_} - building
            currencies = currency_figures(connection, wanted)
            standing = standings(connection, wanted)
            budgets = budget_standings(connection, wanted)
            known = {month for month in months_with_invoices(connection) if month in range_}
            documents = documents_to_look_at(connection)
        links = shown.copies(
            archive, folder, documents & {sha256 for one in standing.values() for sha256 in one.documents}
        )
        shown.remove_others(folder, documents)
        pages = [
            Page(
                month,
                page_path(folder, month),
                _own_first(currencies[month], company.currency),
                standing[month],
                links,
                budgets[month],
                company,
                _neighbours(month, known),
            )
            for month in sorted(wanted)
        ]
        for page in pages:
            _write(page)
        years = {month.year for month in wanted}
        if pages or not index_path(folder).exists():
            with warehouse.read() as connection:
                _write_overviews(connection, folder, known, years, company)
        noted = {month: basis[month] for month in wanted}
        if noted:
            with warehouse.write() as connection:
                touch(connection, STAGE, sorted(wanted), noted)
    return {page.month: page for page in pages}


def latest_month(connection: duckdb.DuckDBPyConnection, range_: MonthRange) -> date | None:
    """The latest month that has an invoice, of those there are; None where none has."""
    return max((month for month in months_with_invoices(connection) if month in range_), default=None)


def _own_first(figures: tuple[_Figures, ...], currency: str) -> tuple[_Figures, ...]:
    """Figures by currency in their order, those of the company's own one before all others."""
    return tuple(sorted(figures, key=lambda one: one.currency != currency))


def _neighbours(month: date, known: Collection[date]) -> tuple[date, ...]:
    """The month before and the month after, of those that are known."""
    return tuple(other for other in (previous_month(month), next_month(month)) if other in known)


def _bases(
    connection: duckdb.DuckDBPyConnection, range_: MonthRange, months: Iterable[date], company: Company
) -> dict[date, int]:
    """What each page would be made from now, as one number: of these months, and of all that have invoices or a page."""
    from arcadia_dagster.statement.page import look

    versions = {month: version for month, (version, _) in built(connection, schema.TAX_SPLIT_TOTALS.name).items()}
    finance = digests_of_finance(connection)
    services = targets(connection)
    budgets = known_budgets(connection)
    rejected: dict[date, list[str]] = {}
    for document, in_months in rejected_documents(connection):
        for month in in_months:
            rejected.setdefault(month, []).append(document.sha256)
    wanted = {*months, *versions, *built(connection, STAGE)}
    return {
        month: _number(
            [
                look(),
                [(shown, versions[shown]) for shown in shown_on(month) if shown in versions],
                finance.get(month),
                [(service,) for service in services],
                rejected.get(month, []),
                applying(budgets, month),
                _neighbours(month, [known for known in versions if known in range_]),
                (company.name, company.currency, str(company.form)),
            ]
        )
        for month in wanted
        if month in range_
    }


def _number(parts: list[object]) -> int:
    """A hash of these parts that fits a BIGINT."""
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:15], 16)


def _behind(connection: duckdb.DuckDBPyConnection, folder: Path, basis: dict[date, int]) -> set[date]:
    """The months whose page has another input now, or is gone."""
    noted = {month: built_from for month, (_, built_from) in built(connection, STAGE).items()}
    return {
        month for month, number in basis.items() if noted.get(month) != number or not page_path(folder, month).exists()
    }


def _being_built(connection: duckdb.DuckDBPyConnection, months: Iterable[date], range_: MonthRange) -> set[date]:
    """The months of which the lines, or those of the month before, are newer than their totals."""
    # A month that has no partition stays stale for ever: nobody is building it.
    behind = {month for month in stale(connection, schema.TAX_SPLIT_TOTALS.name) if month in range_}
    return {month for month in months if behind & {month, previous_month(month)}}


def _write(page: Page) -> None:
    # Late: the template engine and the charts take a tenth of a second to import, which no other work needs.
    from arcadia_dagster.statement.page import Statement, render

    write_page(
        page.path,
        render(
            Statement(
                page.month,
                page.currencies,
                page.standing,
                page.links,
                page.budgets,
                company=page.company.name,
                neighbours=page.neighbours,
                form=page.company.form,
            )
        ),
    )


def _write_overviews(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    known: Collection[date],
    years: Collection[int],
    company: Company,
) -> None:
    """Write the page of all months, and those of these years."""
    from arcadia_dagster.statement.page import render_overview

    all_years = sorted({month.year for month in known}, reverse=True)
    links = [(str(year), year_path(folder, year).name) for year in all_years]
    of_all = _own_first(overviews(connection, known), company.currency)
    write_page(index_path(folder), render_overview("All months", of_all, company=company, links=links))
    for year in sorted(years):
        found = overviews(connection, [month for month in known if month.year == year])
        beside = [("All months", index_path(folder).name)]
        beside += [(str(other), year_path(folder, other).name) for other in (year - 1, year + 1) if other in all_years]
        page = render_overview(str(year), _own_first(found, company.currency), company=company, links=beside)
        write_page(year_path(folder, year), page)


def write_page(path: Path, text: str) -> None:
    """Write a page in one step, unless its bytes are there already. The caller holds the statements' lock.

    Raises:
        OSError: It cannot be written.
    """
    content = text.encode()
    if path.exists() and path.read_bytes() == content:
        return
    part = path.with_name(f".{path.name}.{uuid4().hex[:12]}{_PART}")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Delete what a process left when it was killed; the caller holds the lock, so nobody else is writing."""
    for part in folder.glob(f".*{_PART}"):
        part.unlink(missing_ok=True)
