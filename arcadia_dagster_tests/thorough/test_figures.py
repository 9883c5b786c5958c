"""The statement's figures equal the warehouse, to the minor unit, as they are printed and as programs read them."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from arcadia_dagster.billing.currency import to_minor
from arcadia_dagster.reports.figures import ROWS_SHOWN, shown_on, year_before
from arcadia_dagster.warehouse.months import previous_month
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.properties import from_attos
from arcadia_dagster_tests.kit.statement_pages import assert_adds_up, figures_of, minor, page_of, rows_of

APRIL, MARCH = date(2026, 4, 1), date(2026, 3, 1)
BREAKDOWNS = ("services", "projects", "resources", "categories")


def lines(random: Random) -> Iterator[dict[str, str | None]]:
    """Lines of several invoices, currencies and months, with more decimals than their currencies have."""
    for number in range(80):
        category = random.choice(["Usage", "Usage", "Usage", "Purchase", "Credit", "Tax", "Adjustment"])
        currency = random.choice(["USD", "JPY", "KWD"])
        month = random.choice([APRIL, APRIL, MARCH, year_before(APRIL)])
        amount = from_attos(random.randrange(10 ** random.randint(15, 23)) // (10 if category == "Tax" else 1))
        yield charge(
            InvoiceId=f"{currency}-{month:%y%m}-{random.randint(1, 3)}",
            InvoiceIssuerName=f"Issuer {random.randint(1, 2)}",
            BillingCurrency=currency,
            BillingPeriodStart=f"{month}T00:00:00Z",
            ChargeCategory=category,
            ChargeDescription=f"line {number % 20}",
            BilledCost=f"{-amount if category == 'Credit' else amount:f}",
            ServiceName=f"service {random.randint(1, 15)}",
            SubAccountName=random.choice(["shop", "site", None]),
            ResourceId=None,
            ResourceName=random.choice([None, *(f"web-{one:02}" for one in range(14))]),
        )


@pytest.mark.parametrize("seed", range(4))
def test_every_printed_figure_is_what_sql_says_and_every_table_adds_up(tmp_path: Path, seed: int) -> None:
    project = Project(tmp_path)
    rows = list(lines(Random(seed)))
    project.drop("export.csv", as_csv(*rows))
    project.build()
    page = page_of(project, APRIL)
    figures = figures_of(page)
    expected = sums(project)
    shown = [str(found.attributes["data-currency"]) for found in page.all("article", _class="currency")]
    assert sorted(shown) == sorted(figures["currencies"])
    assert set(shown) == {
        currency
        for month, currency, status in expected
        if month == APRIL or (month in {MARCH, year_before(APRIL)} and status == "ready")
    }
    for currency in shown:
        of = figures["currencies"][currency]
        for name, month in (("totals", APRIL), ("month_before", MARCH), ("year_before", year_before(APRIL))):
            assert totals_of(of[name]) == expected.get((month, currency, "ready"), (0, 0, 0, 0))
        assert totals_of(of["held"]) == expected.get((APRIL, currency, "held"), (0, 0, 0, 0))
        article = page.one("article", data_currency=currency)
        printed = [
            minor(found, currency) for found in article.all("p") if "ge" in str(found.attributes.get("class"))[-3:]
        ]
        # Where all invoices of the month wait, the page shows what these come to, and says that they wait.
        is_waiting = of["held"]["invoices"] and not of["totals"]["invoices"]
        assert printed == [of["held" if is_waiting else "totals"][name] for name in ("gross", "net", "tax")]
        if of["totals"]["invoices"] or (of["month_before"]["invoices"] and not is_waiting):
            check_breakdowns(project, page, currency, of)


def check_breakdowns(project: Project, page: Any, currency: str, of: dict[str, Any]) -> None:
    for name in BREAKDOWNS:
        rows = rows_of(page, name, currency)
        assert_adds_up(rows)
        assert rows[-1][1] == [of["totals"]["net"], of["totals"]["net"] - of["month_before"]["net"]]
    *_, providers = rows_of(page, "providers", currency)
    assert providers[1][:3] == [of["totals"][name] for name in ("net", "tax", "gross")]
    assert_adds_up(rows_of(page, "providers", currency))
    by_service = exact(project, "service_name", currency)
    for name, (amount, _) in rows_of(page, "services", currency)[:-1]:
        if name in by_service:
            assert amount == to_minor(by_service[name], currency)
    taxes = of["taxes"]
    assert sum(row["amount"] for row in taxes["rows"]) + of["taxes_rounding"] == of["totals"]["tax"]
    if taxes["rows"]:
        assert_adds_up(rows_of(page, "taxes", currency))
    if of["credits_"]["rows"]:
        assert_adds_up(rows_of(page, "credits_", currency))
        [category] = [row for row in of["categories"]["rows"] if row["name"] == "Credit"]
        assert of["credits_"]["amount"] == category["amount"]


def sums(project: Project) -> dict[tuple[date, str, str], tuple[int, ...]]:
    rows = project.query(
        "SELECT invoice_month, currency, status, count(*) AS n, sum(amount_gross_minor) AS gross, "
        "sum(amount_net_minor) AS net, sum(amount_tax_minor) AS tax FROM tax_split_totals GROUP BY ALL"
    )
    return {
        (row["invoice_month"], row["currency"], row["status"]): (row["n"], row["gross"], row["net"], row["tax"])
        for row in rows
    }


def exact(project: Project, column: str, currency: str) -> dict[str, Decimal]:
    rows = project.query(
        f"SELECT {column} AS name, sum(amount) AS amount FROM cost_lines JOIN tax_split_totals AS total "
        "USING (source, account_id, external_id, invoice_month) WHERE total.status = 'ready' AND charge_category <> 'Tax' "
        f"AND invoice_month = DATE '2026-04-01' AND cost_lines.currency = '{currency}' GROUP BY ALL"
    )
    return {row["name"]: row["amount"] for row in rows}


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A year and a month, one invoice each: so many dollars as the month is old, but for two gaps."""
    project = Project(Path(tmp_path_factory.mktemp("year")) / "home")
    amounts = {month: number for number, month in enumerate(shown_on(APRIL), 1) if number not in {5, 6}}
    project.drop(
        "export.csv",
        as_csv(
            *(
                charge(InvoiceId=f"I-{number}", BillingPeriodStart=f"{month}T00:00:00Z", BilledCost=f"{number}.005")
                for month, number in amounts.items()
            )
        ),
    )
    project.build()
    return project


def test_the_trend_has_twelve_months_and_says_which_have_no_invoice(year: Project) -> None:
    table = page_of(year, APRIL).one("table", _class="figures months")
    rows = [row.text for row in table.one("tbody").all("tr")]
    assert rows[:2] == ["May 2025 2.01 0.00 2.01", "June 2025 3.01 0.00 3.01"]
    assert [row for row in rows if "no invoices" in row] == ["August 2025 no invoices", "September 2025 no invoices"]
    assert (len(rows), rows[-1]) == (12, "April 2026 13.01 0.00 13.01")


def test_headlines_stand_against_the_month_before_and_the_same_month_a_year_before(year: Project) -> None:
    hero = page_of(year, APRIL).one("div", _class="total").text
    assert hero == "Spend, with tax 13.01 USD March 2026 12.01 +1.00 +8.3 % April 2025 1.01 +12.00 +1,188.1 %"


def test_a_long_breakdown_sums_the_rest_in_one_row_and_movers_are_what_changed_most(tmp_path: Path) -> None:
    project = Project(tmp_path)
    rows = [charge(ResourceName=f"r{one:02}", ResourceId=None, BilledCost=f"{one}.004") for one in range(1, 15)]
    before = [charge(**{**row, "BillingPeriodStart": f"{MARCH}T00:00:00Z", "InvoiceId": "INV-0"}) for row in rows[:12]]
    before[3]["BilledCost"] = "99.00"
    project.drop("export.csv", as_csv(*rows, *before))
    project.build()
    page = page_of(project, APRIL)
    resources = rows_of(page, "resources", "USD")
    assert [name for name, _ in resources[:2]] == ["r14 Instance", "r13 Instance"]
    assert resources[ROWS_SHOWN:] == [
        ("4 others, summed", [1002, -9499]),
        ("Rounding", [4, 1]),
        ("Net", [10506, -6798]),
    ]
    movers = page.one("table", data_breakdown="movers").one("tbody").all("tr")
    assert [row.text for row in movers] == [
        "r04 Instance 99.00 4.00 -95.00",
        "r14 Instance 0.00 14.00 +14.00",
        "r13 Instance 0.00 13.00 +13.00",
    ]


def test_months_are_counted_across_years() -> None:
    assert previous_month(date(2026, 1, 1)) == date(2025, 12, 1)
    assert shown_on(date(2026, 1, 1)) == [date(2025, month, 1) for month in range(1, 13)] + [date(2026, 1, 1)]


def totals_of(sums: dict[str, int]) -> tuple[int, ...]:
    return tuple(sums[name] for name in ("invoices", "gross", "net", "tax"))


def test_a_currency_that_only_another_month_holds_has_no_figures_of_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path)
    held = charge(InvoiceId="E-1", BillingCurrency="EUR", BillingPeriodStart=f"{MARCH}T00:00:00Z")
    tax_alone = charge(**{**held, "ChargeCategory": "Tax", "BilledCost": "7.00"})
    project.drop("export.csv", as_csv(held, tax_alone, charge()))
    project.build()
    assert list(figures_of(page_of(project, APRIL))["currencies"]) == ["USD"]
    assert list(figures_of(page_of(project, MARCH))["currencies"]) == ["EUR"]
