"""A green check says what it found good: how much it looked at."""

from pathlib import Path

import pytest

from arcadia_dagster.defs.checks import _CHECKS
from arcadia_dagster.reports import findings
from arcadia_dagster.reports.good import LookedAt
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> LookedAt:
    project = Project(tmp_path_factory.mktemp("good"))
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.drop(invoice_name(number="1002"), digitalocean(line(amount="$88.22")))
    project.build()
    with project.warehouse.read() as connection:
        return LookedAt.of(connection)


def test_totals_that_reconcile_are_told_with_lines_invoices_and_their_sum(looked_at: LookedAt) -> None:
    assert looked_at.reconciled == "3 lines of 2 invoices add up to their totals, 94.82 USD"
    assert looked_at.in_finance == "2 ready invoices, 94.82 USD, and finance lacks none of them"
    assert looked_at.good(findings.HELD) == "of 2 invoices, 2 ready for finance, 94.82 USD"
    assert looked_at.good(findings.REJECTED) == "2 documents read and accepted"


def test_each_check_of_the_invoices_says_what_it_looked_at(looked_at: LookedAt) -> None:
    said = {check.kind.name: looked_at.good(check.kind) for check in _CHECKS}
    assert {name for name, text in said.items() if not any(map(str.isdigit, text))} == {
        "spend_is_matched",
        "every_route_is_used",
    }
    assert said["spend_is_matched"].startswith("there is no inventory")


def test_an_empty_warehouse_has_nothing_to_add_up(tmp_path: Path) -> None:
    with Project(tmp_path).warehouse.read() as connection:
        looked_at = LookedAt.of(connection)
    assert looked_at.reconciled == "0 lines of 0 invoices add up to their totals"


def test_an_invoice_in_a_currency_that_nobody_knows_adds_nothing_to_the_sums(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.drop("a.csv", as_csv(charge(BillingCurrency="QQQ")))
    project.build()
    with project.warehouse.read() as connection:
        assert LookedAt.of(connection).reconciled == "1 line of 1 invoice add up to their totals"


def test_many_currencies_are_told_by_the_first_three() -> None:
    sums = {"AUD": 100, "EUR": 200, "JPY": 300, "USD": 400, "ZAR": 500}
    counts = {"lines": 1, "invoices": 1}
    assert LookedAt(counts, sums, sums).reconciled.endswith(", 1.00 AUD, 2.00 EUR, 300 JPY and 2 more currencies")
