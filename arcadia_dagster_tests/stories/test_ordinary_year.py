"""A year of what providers deliver by themselves, without a fault, in every format: nothing of it may give rise to doubt.

A doubt that rises where nothing is wrong is a fault as much as a doubt that does not rise: people learn to release what they have
not looked at. So every invoice that is held in this year, at any time of it, is counted, and there must be none.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster_tests.kit.charges import expected
from arcadia_dagster_tests.kit.deliveries import CORRECTED, QUIET, Files, Provider, ordinary_providers
from arcadia_dagster_tests.kit.papers import EXAMPLEHOST
from arcadia_dagster_tests.kit.project import SECRET, Project

pytestmark = pytest.mark.timeout(900)  # all of the year is passed by whichever test comes first

MONTHS = [date(2025, number, 1) for number in range(1, 13)]
GROWING = {1, QUIET}
ABSENT = {7, 8, 9}
"""Months on whose fifth nobody puts anything there: what was invoiced meanwhile comes together, in the month after them."""
SHOWN = "it is a preview or has no id: shown, never pushed"


def is_shown(reasons: list[str]) -> bool:
    """Whether nothing but that it is a preview holds an invoice."""
    return len(reasons) == 1 and reasons[0].startswith(SHOWN)


@dataclass
class Year:
    """What was seen in a year, after each of its days on which something was delivered."""

    project: Project
    providers: list[Provider]
    held: Counter[str] = field(default_factory=Counter)
    wrong_previews: list[str] = field(default_factory=list)
    finance: Sequence[Mapping[str, Any]] = field(default_factory=list)

    def deliver(self, *files: Files) -> None:
        for name, content in (item for found in files for item in found.items()):
            self.project.drop(name, content)

    def end_day(self, day: str, open_month: date | None) -> None:
        """Build and push what has come, and look at what is held beside the previews of the month that is open."""
        self.project.build()
        rows = self.project.query(
            "SELECT source, external_id, hold_reasons FROM tax_split_totals WHERE status = 'held'"
        )
        previews = {
            (provider.source, external_id)
            for provider in self.providers
            if open_month is not None
            for external_id in provider.previews(open_month)
        }
        found = {(row["source"], row["external_id"]) for row in rows if is_shown(row["hold_reasons"])}
        self.wrong_previews += [f"{day}: {source} {external_id}" for source, external_id in sorted(found ^ previews)]
        for row in rows:
            for reason in row["hold_reasons"]:
                if not is_shown([reason]):
                    self.held[f"{day}: {row['source']} {row['external_id']}: {reason}"] += 1


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    folder: Path = tmp_path_factory.mktemp("year")
    with RunningSandbox(database=folder / "finance.sqlite", secret=SECRET) as sandbox:
        project = Project(folder / "home", sandbox=sandbox)
        (project.home / "formats").mkdir()
        (project.home / "formats" / "examplehost.toml").write_text(EXAMPLEHOST, encoding="utf-8")
        told = Year(project, ordinary_providers())
        _pass(told)
        told.finance = sandbox.invoices()
        yield told


def _pass(year: Year) -> None:
    """On a fifth the month before is invoiced, and the month so far is there; in some months there is more of it later on."""
    providers = year.providers
    invoiced: list[date] = []
    for before, month in zip([None, *MONTHS], [*MONTHS, None], strict=True):
        if before is not None:
            invoiced.append(before)
        if month is not None and month.month in ABSENT:
            continue
        year.deliver(*(provider.closed(closed) for closed in invoiced for provider in providers))
        invoiced.clear()
        if month is not None:
            year.deliver(*(provider.month_so_far(month, 4) for provider in providers))
        year.end_day(f"the 5th after {before:%B}" if before else "the 5th of January", month)
        if month is None:
            return
        if month.month in GROWING:
            year.deliver(*(provider.month_so_far(month, 19) for provider in providers))
            if month.month == CORRECTED + 2:
                year.deliver(*(provider.corrected(month.replace(month=CORRECTED)) for provider in providers))
            year.end_day(f"the 20th of {month:%B}", month)


def test_a_year_of_ordinary_deliveries_holds_nothing(year: Year) -> None:
    assert year.held == Counter()


def test_only_the_month_that_is_open_is_shown_without_being_pushed(year: Year) -> None:
    assert year.wrong_previews == []


def test_every_document_of_the_year_is_taken(year: Year) -> None:
    assert year.project.query("SELECT file_name, reason FROM documents WHERE status <> 'accepted'") == []
    assert year.project.query("SELECT inbox_path, problem FROM inbox_files WHERE problem IS NOT NULL") == []


def test_finance_has_each_invoice_of_the_year_once_as_it_was_invoiced_last(year: Year) -> None:
    wanted: dict[tuple[str, str], Any] = {}
    for provider in year.providers:
        for month in MONTHS:
            invoices = provider.invoices(month, is_corrected=month.month == CORRECTED)
            wanted |= {(provider.source, number): stated for number, stated in expected(invoices).items()}
    columns = ("period_start", "currency", "amount_gross_minor", "amount_net_minor", "amount_tax_minor")
    found = [((row["source"], row["external_id"]), tuple(row[name] for name in columns)) for row in year.finance]
    assert len(found) == len(dict(found)), "finance has an invoice twice"
    assert dict(found) == wanted
