"""An invoice of a billing period that its issuer states as open waits until the issuer has closed the period."""

from collections.abc import Mapping

import pytest

from arcadia_dagster.reports.explain import explain, find
from arcadia_dagster_tests.kit.aws import as_csv as cur_csv
from arcadia_dagster_tests.kit.aws import item
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.outcomes import hold_reasons, pushed
from arcadia_dagster_tests.kit.plain import archive_of
from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.stated import closed, detail, detail_of_tax, details_csv, period

EMEA = {"InvoiceIssuerName": "Amazon Web Services EMEA SARL"}
OPEN = (
    "its issuer states that its billing period 2026-04-01 to 2026-05-01 is open: its lines may still change. Once its issuer "
    "has closed the period, drop the Billing Period file that says Closed, and the lines as they are then; if it is the invoice "
    'all the same: arcadia release aws/111/INV-1 --reason "..."; for all invoices of its account, at the top of sources.toml: '
    '"aws/111" = { open_period = "push", reason = "..." }'
)
FILES = {
    "lines.csv": as_csv(charge(), tax()),
    "open.csv": details_csv(period()),
    "closed.csv": details_csv(closed()),
}


@case("156")
def test_it_is_held_until_a_later_file_says_that_the_period_is_closed(project: Project) -> None:
    project.drop("lines.csv", FILES["lines.csv"])
    project.drop("periods.csv", FILES["open.csv"])
    assert pushed(project) == {}
    assert hold_reasons(project) == [OPEN]
    project.drop("periods.csv", FILES["closed.csv"])
    assert pushed(project) == {"INV-1": 660}


def test_the_file_that_is_dismissed_says_nothing_any_more(project: Project) -> None:
    project.drop("lines.csv", FILES["lines.csv"])
    project.drop("periods.csv", FILES["open.csv"])
    assert pushed(project) == {}
    project.decide("dismiss", file_name="periods.csv")
    assert pushed(project) == {"INV-1": 660}


@pytest.mark.parametrize("order", [("open.csv", "closed.csv", "lines.csv"), ("closed.csv", "lines.csv", "open.csv")])
def test_what_the_issuer_changed_last_counts_in_whatever_order_it_arrives(
    project: Project, order: tuple[str, ...]
) -> None:
    for name in order:
        project.drop(name, FILES[name])
        project.build()
    assert pushed(project) == {"INV-1": 660}


LINES = as_csv(charge(), tax())
HOLDS: Mapping[str, tuple[bytes, bytes]] = {
    "another issuer of the provider": (details_csv(period(), closed(**EMEA)), LINES),
    "its account, beside a closed one": (
        details_csv({**closed(), "BillingAccountId": None}, {**period(), "BillingAccountId": "111"}),
        LINES,
    ),
    "a midnight of another zone": (
        details_csv(period(BillingPeriodStart="2026-04-01T08:00:00Z", BillingPeriodEnd="2026-05-01T08:00:00Z")),
        LINES,
    ),
    "an inclusive end": (details_csv(period(BillingPeriodEnd="2026-04-30T23:59:59Z")), LINES),
    "a Cost and Usage Report": (details_csv(period()), cur_csv(item(InvoiceId="INV-1", UnblendedCost="6.00"))),
    "opened again": (
        details_csv(closed(), period(BillingPeriodLastUpdated="2026-05-09T00:00:00Z")),
        LINES,
    ),
}


@pytest.mark.parametrize("named", HOLDS)
def test_its_own_issuer_account_and_period_decide_and_hold_it(project: Project, named: str) -> None:
    periods, lines = HOLDS[named]
    project.drop("periods.csv", periods)
    project.drop("lines.csv", lines)
    assert pushed(project) == {}
    assert ["is open: its lines may still change" in reason for reason in hold_reasons(project)] == [True]


LETS_GO: Mapping[str, tuple[bytes, bytes]] = {
    "another provider": (details_csv(period(InvoiceIssuerName="Examplecloud Ltd")), LINES),
    "another issuer of the provider": (details_csv(closed(), period(**EMEA)), LINES),
    "another account": (details_csv({**period(), "BillingAccountId": "222"}), LINES),
    "its account, beside an open one": (
        details_csv({**period(), "BillingAccountId": None}, {**closed(), "BillingAccountId": "111"}),
        LINES,
    ),
    "the month after": (
        details_csv(
            closed(), period(BillingPeriodStart="2026-05-01T00:00:00Z", BillingPeriodEnd="2026-06-01T00:00:00Z")
        ),
        LINES,
    ),
    "the month before": (
        details_csv(period(BillingPeriodStart="2026-03-01T00:00:00Z", BillingPeriodEnd="2026-04-01T00:00:00Z")),
        LINES,
    ),
    "a purchase, which is invoiced at once": (
        details_csv(period()),
        as_csv(charge(ChargeCategory="Purchase"), tax()),
    ),
}


@pytest.mark.parametrize("named", LETS_GO)
def test_what_is_open_elsewhere_and_what_is_bought_once_holds_nothing(project: Project, named: str) -> None:
    periods, lines = LETS_GO[named]
    project.drop("periods.csv", periods)
    project.drop("lines.csv", lines)
    assert pushed(project) == {"INV-1": 660}


def test_a_person_says_for_good_that_open_periods_hold_nothing(project: Project) -> None:
    project.drop("periods.csv", FILES["open.csv"])
    project.drop("lines.csv", LINES)
    project.drop("other.csv", as_csv(charge(BillingAccountId="222", InvoiceId="INV-2", ChargeDescription="other")))
    project.drop("../sources.toml", b'["aws/111"]\nopen_period = "push"\nreason = "AWS closes late"\n')
    assert pushed(project) == {"INV-1": 660}
    assert "is open" in hold_reasons(project, "INV-2")[0]
    told = explain(project.warehouse, archive_of(project.warehouse), find(project.warehouse, "INV-1"))
    assert [(rule["key"], rule["reason"]) for rule in told["rules"]] == [("open_period", "AWS closes late")]


def test_an_invoice_by_account_and_month_is_final_when_its_rule_says_so(project: Project) -> None:
    project.drop("periods.csv", FILES["open.csv"])
    project.drop("lines.csv", as_csv(charge(InvoiceId=None), tax(InvoiceId=None)))
    project.drop("../sources.toml", b'[aws]\ninvoice_id = "account and month"\nfinal_after = "5d"\nreason = "no ids"\n')
    assert pushed(project) == {"111-2026-04": 660}


def test_a_release_stands_when_the_next_file_says_the_same(project: Project) -> None:
    project.drop("periods.csv", FILES["open.csv"])
    project.drop("lines.csv", LINES)
    assert pushed(project) == {}
    project.settle("release", "INV-1")
    project.drop("periods of the next day.csv", details_csv(period(BillingPeriodLastUpdated="2026-05-03T00:00:00Z")))
    assert pushed(project) == {"INV-1": 660}


def test_lines_of_an_open_period_wait_also_where_the_issuer_states_their_total(project: Project) -> None:
    project.drop("periods.csv", FILES["open.csv"])
    project.drop("lines.csv", LINES)
    project.drop("detail.csv", details_csv(detail(), detail_of_tax()))
    assert pushed(project) == {}
    project.drop("periods.csv", FILES["closed.csv"])
    assert pushed(project) == {"INV-1": 660}
