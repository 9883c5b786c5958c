"""What is not invoiced yet is accrued by what is known of it, reversed the next day, and compared with the invoice."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from beancount.core.data import Transaction
from beancount.loader import load_file

from arcadia_dagster.books.budgets import Budget
from arcadia_dagster.books.layouts import Layout
from arcadia_dagster.landing.budgets import take_budgets
from arcadia_dagster.reports.accruals import Accruals, export_accruals, price_month, show_accruals
from arcadia_dagster.reports.budgets import budget_standings, spend_of
from arcadia_dagster.reports.listing import invoices
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.statement.pages import make_pages
from arcadia_dagster_tests.kit.bills import ACCOUNTS
from arcadia_dagster_tests.kit.digitalocean_api import invoice, item
from arcadia_dagster_tests.kit.digitalocean_json import document, written
from arcadia_dagster_tests.kit.focus import as_csv, charge, lines_of
from arcadia_dagster_tests.kit.plain import archive_of
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax

MARCH, APRIL, MAY = date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)
NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def shown(project: Project, month: date = MAY) -> Accruals:
    return show_accruals(project.warehouse, archive_of(project.warehouse), month, ACCOUNTS)


def exported(project: Project, month: date = MAY, *, layout: Layout = "beancount", again: bool = False) -> Accruals:
    return export_accruals(
        project.warehouse,
        archive_of(project.warehouse),
        month=month,
        layout=layout,
        accounts=ACCOUNTS,
        folder=project.home,
        by="ann",
        now=NOW,
        again=again,
    )


def test_an_accrual_is_reversed_on_the_next_day_and_compared_with_its_invoice(project: Project) -> None:
    project.drop(invoice_name(), digitalocean(line(), line("Volumes", "disk", "$1.00"), tax(amount="$0.70")))
    project.build()
    [accrual] = exported(project).written
    assert (accrual.net_minor, accrual.gross_minor, accrual.basis) == (
        700,
        700,
        "price of 2026-04, for nothing of 2026-05 has come",
    )
    [path] = [*project.home.glob("accruals-*")]
    entries, errors, _ = load_file(str(path))
    assert errors == []
    days = [entry.date for entry in entries if isinstance(entry, Transaction)]
    assert days == [date(2026, 5, 31), date(2026, 6, 1)]
    postings = [posting for entry in entries if isinstance(entry, Transaction) for posting in entry.postings]
    sums: dict[str, Decimal] = {}
    for posting in postings:
        sums[posting.account] = sums.get(posting.account, Decimal(0)) + Decimal(
            str(posting.units and posting.units.number)
        )
    assert set(sums.values()) == {Decimal(0)}
    # Written again, in the other layout too, it is the same entry, and is accrued once all the same.
    assert exported(project, layout="journal").paths == ()
    layouts: tuple[Layout, ...] = ("journal", "beancount")
    for layout in layouts:
        same = exported(project, layout=layout, again=True)
        assert (len(same.paths), same.written) == (1, (accrual,))
    assert [one.booked.bill.net_minor for one in shown(project).compared] == [700]
    assert sorted(file.suffix for file in project.home.glob("accruals-*")) == [".beancount", ".beancount", ".csv"]
    # It is on record: a second time nothing is written, in a rebuilt warehouse too.
    project.warehouse.path.unlink()
    project.build()
    assert exported(project).paths == ()
    [before] = shown(project).compared
    assert (before.invoiced_minor, before.difference_minor) == (None, None)
    may = [
        part.replace("2026-04-01", "2026-05-01").replace("2026-04-30", "2026-05-31")
        for part in (line(amount="$6.50"), tax())
    ]
    project.drop(invoice_name("2026 May", "1002"), digitalocean(*may))
    project.build()
    found = shown(project)
    assert found.entries == ()
    [compared] = found.compared
    assert (compared.booked.bill.net_minor, compared.invoiced_minor, compared.difference_minor) == (700, 650, -50)
    # Written again, it leaves nothing accrued of what is invoiced.
    [before_change, change] = exported(project, again=True).written
    assert (before_change.net_minor, change.net_minor) == (700, -700)
    assert exported(project, again=True).written == (), "nothing is accrued any more"
    assert exported(project).written == ()


def test_a_month_below_0_is_no_price_and_the_newest_month_above_0_before_is(project: Project) -> None:
    for number, period, amount in (("1", "2026-02", "9.00"), ("2", "2026-03", "7.00"), ("3", "2026-04", "-8.00")):
        project.drop(
            f"{number}.csv",
            as_csv(charge(InvoiceId=number, BilledCost=amount, BillingPeriodStart=f"{period}-01T00:00:00Z")),
        )
    project.drop("4.csv", as_csv(charge(InvoiceId="4", BillingAccountId="credited", BilledCost="-8.00")))
    project.build()
    [accrual] = shown(project).entries
    assert (accrual.account_id, accrual.net_minor) == ("111", 700)
    assert accrual.basis == "price of 2026-03, for nothing of 2026-05 has come and 2026-04 comes to less than 0"


@pytest.mark.parametrize(
    ("nets", "expected"),
    [
        ({MAY: 5, APRIL: 9}, MAY),
        ({MAY: 0, APRIL: 9}, MAY),
        ({MAY: -1, APRIL: 0, MARCH: 3}, MARCH),
        ({MAY: -1, APRIL: -2}, None),
        ({APRIL: 9}, None),
    ],
)
def test_the_price_is_that_of_the_last_month_or_else_of_the_newest_above_0(
    nets: dict[date, int], expected: date | None
) -> None:
    assert price_month({month: Decimal(net) for month, net in nets.items()}, MAY) == expected


def test_a_preview_and_a_held_invoice_are_accrued_as_far_as_they_go(project: Project) -> None:
    entry = invoice(99, "2026-05", "4.00") | {"invoice_uuid": "preview"}
    project.drop("preview.json", written(document(item(amount="4.00"), entry=entry)))
    project.drop(invoice_name(number="1003"), digitalocean(line(amount="$1.00"), tax("GST", "$2.00")))
    project.build()
    [accrual] = shown(project).entries
    assert accrual.net_minor == 400
    assert accrual.basis.startswith("open invoice, by a document of ")
    [held] = shown(project, APRIL).entries
    assert (held.net_minor, held.basis) == (100, "held invoice 1003")


def test_what_had_no_invoice_is_not_counted_beside_the_invoice_that_took_its_place_in_the_open_month(
    project: Project,
) -> None:
    month = datetime.now(UTC).date().replace(day=1)
    open_ = {"BillingPeriodStart": f"{month}T00:00:00Z"}
    same, first, second = "same/1.csv", "first/1.csv", "second/1.csv"
    for account, path in {"same": same, "moved": first}.items():
        project.drop(path, as_csv(*lines_of("", 1, 2, 3, BillingAccountId=account, **open_)))
    project.build()
    for account, path in {"same": same, "moved": second}.items():
        project.drop(path, as_csv(*lines_of(f"INV-{account}", 1, 2, BillingAccountId=account, **open_)))
    project.build()

    def accrued() -> dict[str, int]:
        return {entry.account_id: entry.net_minor for entry in shown(project, month).entries}

    def spent() -> int:
        with project.warehouse.read() as connection:
            return int(sum(spend.amount for spend in spend_of(connection, [month])[month]))

    assert (accrued(), spent()) == ({"same": 2000, "moved": 2000}, 40)
    project.settle("release", "INV-same")
    project.settle("release", "INV-moved")
    project.build()
    assert (accrued(), spent()) == ({}, 40)
    with project.warehouse.read() as connection:
        listed = {(one.external_id, one.state.value) for one in invoices(connection, {}, agreements={})}
    assert {name for name, _ in listed} == {"INV-same", "INV-moved"}, "nothing is left to build of what was replaced"


def test_a_changed_budget_makes_the_statement_anew_and_open_invoices_count(project: Project, tmp_path: Path) -> None:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.build()
    range_ = MonthRange(date(2018, 1, 1), MAY)

    def page() -> str:
        made = make_pages(project.warehouse, archive_of(project.warehouse), tmp_path / "statements", [], range_)
        assert set(made) == {APRIL}
        return (tmp_path / "statements" / "2026-04.html").read_text(encoding="utf-8")

    assert "Budgets" not in page()
    take_budgets(project.warehouse, tmp_path / "budgets.toml", [Budget(Decimal(5), "USD", project="shop")])
    assert "project shop" in page()
    with project.warehouse.read() as connection:
        [found] = budget_standings(connection, [APRIL])[APRIL]
    assert (found.spent, found.state.value, found.basis) == (Decimal(6), "over", "final invoices")
