"""The statement as a page: one HTML file with its style and charts in it, which asks nobody for anything.

All text from files is hostile: the template escapes everything, the page's policy forbids every script and every request, and
text is isolated so that its writing direction cannot reorder ours. The same figures always give the same bytes.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from arcadia_dagster import __version__
from arcadia_dagster.billing.currency import EXPONENTS, format_minor, to_minor
from arcadia_dagster.books.budgets import BudgetStanding
from arcadia_dagster.how_many import how_many
from arcadia_dagster.reports.decision_page import NO_FORM, Form
from arcadia_dagster.reports.figures import CurrencyFigures, year_before
from arcadia_dagster.reports.overview import Overview
from arcadia_dagster.reports.standing import Delivery, InFinance, InvoiceStanding, Standing
from arcadia_dagster.statement.charts import NARROW, WIDE, Size, trend_chart
from arcadia_dagster.warehouse.months import previous_month

_EDITION_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Statement:
    """All that a month's page shows.

    Attributes:
        month: Its first day (UTC).
        currencies: Its figures.
        standing: How its invoices stand.
        links: The addresses of the documents beside it, relative to it, by their SHA-256.
        budgets: How its budgets stand.
        company: The company's name; may be empty.
        neighbours: The month before and the month after, those of the two that have a page.
        form: The form on which people decide about invoices.
    """

    month: date
    currencies: tuple[CurrencyFigures, ...]
    standing: Standing
    links: Mapping[str, str] = field(default_factory=dict)
    budgets: tuple[BudgetStanding, ...] = ()
    company: str = ""
    neighbours: tuple[date, ...] = ()
    form: Form = NO_FORM

    def as_json(self) -> dict[str, object]:
        """The figures as the page has them for programs: amounts in minor units, times in ISO 8601 (UTC)."""
        return {
            "month": f"{self.month:%Y-%m}",
            "as_of": _plain(self.standing.as_of),
            "currencies": {
                figures.currency: {
                    **_plain(figures),
                    **{
                        f"{name}_rounding": getattr(figures, name).rounding
                        for name in ("categories", "services", "projects", "resources", "taxes", "credits_")
                    },
                }
                for figures in self.currencies
            },
            "invoices": _plain(self.standing.invoices),
            "budgets": [
                {
                    "name": one.budget.name,
                    "currency": one.budget.currency,
                    "amount": f"{one.budget.amount:f}",
                    "spent": f"{one.spent:f}",
                    "expected": f"{one.expected:f}",
                    "state": one.state.value,
                    "basis": one.basis,
                }
                for one in self.budgets
            ],
            "rejected": _plain(self.standing.rejected),
            "targets": _plain(self.standing.targets),
            "unwanted": _plain(self.standing.unwanted),
        }


def render(statement: Statement) -> str:
    """The page."""
    return render_page(
        "statement.html.j2",
        statement.as_json(),
        statement=statement,
        month=statement.month,
        before=previous_month(statement.month),
        last_year=year_before(statement.month),
        standing=statement.standing,
        links=statement.links,
        InFinance=InFinance,
    )


def render_overview(title: str, found: Sequence[Overview], *, company: object, links: Sequence[tuple[str, str]]) -> str:
    """The page of a year, or of all months.

    Args:
        title: What it is of: `2026`, or `All months`.
        found: The figures in each currency.
        company: Whose it is; see `pages.Company`.
        links: Labels and addresses of other pages.
    """
    values = {"title": title, "currencies": _plain(found)}
    return render_page("overview.html.j2", values, title=title, found=found, company=company, links=links)


def render_page(template: str, values: Mapping[str, object], **shown: object) -> str:
    """A page of a template: with its figures for programs, an edition that tells other figures, and the common style.

    Args:
        template: The template's name.
        values: The figures as plain values.
        shown: What the template names besides.
    """
    figures = json.dumps(values, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return (
        _environment()
        .get_template(template)
        .render(
            figures=Markup(figures.replace("<", "\\u003c")),  # noqa: S704 - no tag can begin in it
            edition=hashlib.sha256(figures.encode()).hexdigest()[:_EDITION_DIGITS],
            version=__version__,
            style=Markup(_style()),  # noqa: S704 - our own
            **shown,
        )
    )


@cache
def look() -> str:
    """A digest of the look of pages: another template, style or version of the program gives another one."""
    files = sorted(
        (part.name, part.read_bytes())
        for part in resources.files("arcadia_dagster.statement").iterdir()
        if part.name.endswith((".j2", ".css", ".py"))
    )
    return hashlib.sha256(repr((__version__, files)).encode()).hexdigest()


@cache
def _style() -> str:
    return resources.files("arcadia_dagster.statement").joinpath("statement.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("arcadia_dagster.statement", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        text=shown_text,
        money=money,
        percent=percent,
        day=_day,
        date=_date,
        month=_month_name,
        count=how_many,
        share=_share,
        major=_major,
    )
    environment.globals.update(
        amount=_amount,
        change=_change,
        trend_chart=_chart,
        WIDE=WIDE,
        NARROW=NARROW,
        sum_by_currency=sum_by_currency,
        whole=_whole,
    )
    return environment


def money(minor: int | None, currency: str | None) -> str:
    """An amount as it is printed, without its currency: `1,234.56`; a dash where there is none."""
    if minor is None or currency is None or currency not in EXPONENTS:
        return "\N{EN DASH}"
    return format_minor(minor, currency).removesuffix(f" {currency}")


def percent(now: int, before: int) -> str:
    """The change in per cent of what was before: `+12.5 %`; empty where that is zero or less, of which there is no such part."""
    if before <= 0:
        return ""
    change = (Decimal(now - before) * 100 / Decimal(before)).quantize(Decimal("0.1"))
    return f"{change:+,.1f} %"


_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINERS = {"\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}", "\N{VARIATION SELECTOR-16}"}


def shown_text(text: str | None) -> str:
    """Text from a file as it is shown: what would be invisible, or reorder what is around it, becomes a visible mark."""
    flat = re.sub(r"\s+", " ", text or "")
    # A month of thousands of invoices has a million characters, nearly all of them printable.
    if flat.isprintable():
        return flat
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(character) in _INVISIBLE and character not in _JOINERS
        else character
        for character in flat
    )


def _plain(value: Any) -> Any:  # noqa: ANN401 - figures of any kind
    """Figures as plain values, for JSON: dates as ISO 8601 text. The commonest come first: a large month has 200,000 of them."""
    match value:
        case None | str() | bool() | int():
            return value
        case date():
            return value.isoformat()
        case dict():
            return {str(name): _plain(part) for name, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case _:
            return {part.name: _plain(getattr(value, part.name)) for part in fields(value)}


def sum_by_currency(sums: Iterable[tuple[InvoiceStanding, Delivery | None]]) -> list[tuple[str, int]]:
    """The gross of invoices, or of the parts of them that deliveries are of, in each currency."""
    totals: dict[str, int] = {}
    for invoice, delivery in sums:
        gross = invoice.gross if delivery is None else delivery.gross
        if invoice.currency in EXPONENTS and gross is not None:
            totals[invoice.currency] = totals.get(invoice.currency, 0) + gross
    return sorted(totals.items())


def _whole(invoices: Iterable[InvoiceStanding]) -> list[tuple[InvoiceStanding, None]]:
    return [(invoice, None) for invoice in invoices]


# Functions and no macros of the template: a page of 3,000 invoices has 18,000 amounts, and a macro takes five times as long.
def _amount(minor: int | None, currency: str | None, kind: str = "") -> Markup:
    """An amount with its minor units for programs; `kind` is a class of the style."""
    classes = " ".join(filter(None, ("amount", kind, "negative" if minor is not None and minor < 0 else "")))
    value = "" if minor is None else minor
    return Markup(  # noqa: S704 - digits, and words of the template
        f'<data class="{classes}" value="{value}">{money(minor, currency)}</data>'
    )


def _change(minor: int, currency: str) -> Markup:
    """A difference likewise, with its sign; a dash where there is none."""
    shown = f"{'+' if minor > 0 else ''}{money(minor, currency)}" if minor else "\N{EN DASH}"
    return Markup(f'<data class="amount change" value="{minor}">{shown}</data>')  # noqa: S704 - digits


def _major(amount: Decimal, currency: str) -> str:
    """An amount in major units as it is printed, rounded to the currency's minor unit."""
    return money(to_minor(amount, currency), currency)


def _share(part: int, rows: Iterable[int]) -> int:
    """How long a row's bar is, in per cent of the largest one's."""
    largest = max((abs(row) for row in rows), default=0)
    return abs(part) * 100 // largest if largest else 0


def _day(at: datetime | None) -> str:
    """`3 May 2026, 14:07 UTC`."""
    return "" if at is None else f"{at.day} {at:%B %Y, %H:%M} UTC"


def _date(on: date) -> str:
    """`3 May 2026`."""
    return f"{on.day} {on:%B %Y}"


def _month_name(month: date) -> str:
    return f"{month:%B %Y}"


def _chart(figures: CurrencyFigures, size: Size) -> Markup:
    return Markup(trend_chart(figures.trend, figures.currency, size))  # noqa: S704 - made of numbers and names of months
