"""Each tenant bears its own: under its identity, in parts that sum to the invoice, and never twice when routes change."""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.landing.routes import RoutesError, read_routes, take_routes
from arcadia_dagster.reports.explain import explain, find
from arcadia_dagster.reports.status import status
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.settings import load
from arcadia_dagster.verification.rebuilding import rebuild
from arcadia_dagster.warehouse.resource import WarehouseResource
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.plain import RANGE, archive_of
from arcadia_dagster_tests.kit.project import (
    Project,
    checks_of,
    digitalocean,
    instance_in_memory,
    invoice_name,
    line,
    tax,
)

TENANT = "platform-admin"
PROJECTS = (("shop", "60.00"), ("shop", "0.01"), ("lab", "15.00"), ("", "4.01"))
BY_PROJECT = [
    {"source": "digitalocean", "account": "77", "project": "shop", "tenant": "acme"},
    {"source": "digitalocean", "project": "lab", "tenant": "zenith"},
]
PARTS = [
    ("1001:acme", "acme", 6601, 600),
    ("1001:platform-admin", TENANT, 441, 40),
    ("1001:zenith", "zenith", 1650, 150),
]


def of_project(project: str, amount: str) -> str:
    return line(amount=f"${amount}").replace(",shop,", f",{project},")


def invoice(*projects: tuple[str, str], tax_amount: str = "7.90") -> bytes:
    return digitalocean(*(of_project(*one) for one in projects), tax(amount=f"${tax_amount}").replace(",shop,", ",,"))


class Company(Project):
    """A project whose invoices several tenants bear."""

    def __init__(self, tmp_path: Path, sandbox: RunningSandbox) -> None:
        super().__init__(tmp_path / "home", sandbox=sandbox)
        self._database = sandbox.database

    def route(self, *routes: dict[str, str]) -> None:
        text = "\n".join(
            "[[route]]\n" + "\n".join(f'{key} = "{value}"' for key, value in one.items()) for one in routes
        )
        (self.home / "tenants.toml").write_text(text)

    def rows(self) -> list[tuple[Any, ...]]:
        """What finance has: id, tenant, gross, tax."""
        with closing(sqlite3.connect(self._database)) as connection:
            return connection.execute(
                "SELECT external_id, tenant_id, amount_gross_minor, amount_tax_minor FROM invoices ORDER BY 1, 2"
            ).fetchall()

    def remove(self, tenant: str) -> None:
        """What a person does in finance by hand."""
        with closing(sqlite3.connect(self._database)) as connection, connection:
            connection.execute("DELETE FROM invoices WHERE tenant_id = ?", [tenant])

    def given_up(self) -> list[str]:
        return list(self.finance.deliver(self.warehouse).given_up.values())

    def pushed(self) -> int:
        return status(self.warehouse, str(self.finance.recipient.target))[0].pushed


@pytest.fixture
def company(tmp_path: Path, sandbox: RunningSandbox) -> Company:
    return Company(tmp_path, sandbox)


def test_an_invoice_goes_to_finance_under_its_tenants_identity(company: Company) -> None:
    company.route({"source": "digitalocean", "account": "78", "tenant": "acme"})
    company.drop(invoice_name(), digitalocean(line()))
    company.drop(invoice_name(account="78", number="2002"), digitalocean(line(amount="$9.00")))
    company.build()
    assert company.rows() == [("1001", TENANT, 600, 0), ("2002", "acme", 900, 0)]
    assert company.finance.reconcile(company.warehouse) == []
    assert company.pushed() == 2
    done = company.finance.deliver(company.warehouse)
    assert (done.created, done.updated, done.unchanged) == ([], [], 2)


def test_an_invoice_of_several_projects_is_split_into_parts_that_sum_to_it(company: Company) -> None:
    company.route(*BY_PROJECT)
    company.drop(invoice_name(), invoice(*PROJECTS))
    company.build()
    assert company.rows() == PARTS
    assert sum(gross for _, _, gross, _ in PARTS) == company.invoice()["amount_gross_minor"] == 8692
    assert company.finance.reconcile(company.warehouse) == []
    assert company.pushed() == 1
    found = explain(company.warehouse, archive_of(company.warehouse), find(company.warehouse, "1001:zenith"))
    assert (found["invoice"]["external_id"], len(found["finance"]), len(found["attempts"])) == ("1001", 3, 3)
    assert [part["amount_gross_minor"] for part in found["allocations"]] == [6601, 441, 1650]
    view = company.query("SELECT tenant_id, amount_gross_minor, finance_state FROM invoices ORDER BY tenant_id")
    assert [tuple(row.values()) for row in view] == [
        ("acme", 6601, "delivered"),
        (TENANT, 441, "delivered"),
        ("zenith", 1650, "delivered"),
    ]


def test_running_again_sends_nothing_and_a_new_version_updates_the_same_parts(company: Company) -> None:
    company.route(*BY_PROJECT)
    company.drop(invoice_name(), invoice(*PROJECTS))
    company.build()
    company.build()
    company.drop(invoice_name(), invoice(("shop", "60.00"), ("lab", "15.00"), ("", "14.00"), tax_amount="8.90"))
    company.build()
    assert company.rows() == [
        ("1001:acme", "acme", 6600, 600),
        ("1001:platform-admin", TENANT, 1540, 140),
        ("1001:zenith", "zenith", 1650, 150),
    ]
    received = company.query("SELECT external_id, count(*) AS attempts FROM finance_attempts GROUP BY ALL ORDER BY ALL")
    assert [row["attempts"] for row in received] == [2, 2, 1]


def test_a_part_alone_has_the_id_that_it_has_beside_others(company: Company) -> None:
    company.route(*BY_PROJECT)
    company.drop(invoice_name(), invoice(("shop", "79.00")))
    company.build()
    assert company.rows() == [("1001:acme", "acme", 8690, 790)]


def test_a_part_that_a_new_version_has_no_lines_for_needs_a_person(company: Company) -> None:
    company.route(*BY_PROJECT)
    company.drop(invoice_name(), invoice(("shop", "60.00"), ("lab", "19.00")))
    company.build()
    company.drop(invoice_name(), invoice(("shop", "79.00")))
    company.build()
    [reason] = company.given_up()
    assert "finance has it under tenant zenith as " in reason
    assert ("1001:acme", "acme", 6600, 600) in company.rows()
    company.remove("zenith")
    assert len(company.finance.reconcile(company.warehouse)) == 1
    company.build()
    assert company.rows() == [("1001:acme", "acme", 8690, 790)]


def test_a_changed_route_after_a_push_is_shown_and_goes_on_once_a_person_has_removed_the_old_row(
    company: Company,
) -> None:
    company.drop(invoice_name(), digitalocean(line()))
    company.build()
    company.route({"source": "digitalocean", "tenant": "acme"})
    with instance_in_memory() as instance:
        checks = checks_of(company.run(instance=instance))
    missing = checks["every_ready_invoice_is_in_finance"]
    assert (missing.passed, missing.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "arcadia push INVOICE" in str(missing.description)
    assert not checks["finance_has_nothing_else"].passed
    assert "finance has it under tenant platform-admin as " in company.given_up()[0]
    assert company.rows() == [("1001", TENANT, 600, 0)]
    there, missing_there = sorted(company.finance.reconcile(company.warehouse), key=lambda one: one.tenant_id != TENANT)
    assert "though no route leads to this tenant any more" in there.what
    assert (missing_there.tenant_id, "remove in finance by hand" in missing_there.advice) == ("acme", True)
    assert company.pushed() == 0

    company.remove(TENANT)
    [still] = company.finance.reconcile(company.warehouse)
    assert still.tenant_id == "acme"
    company.build()
    assert company.rows() == [("1001", "acme", 600, 0)]
    assert company.finance.reconcile(company.warehouse) == []
    assert company.given_up() == []


def test_a_person_may_have_it_pushed_under_its_new_tenant_at_once(company: Company) -> None:
    company.drop(invoice_name(), digitalocean(line()))
    company.build()
    company.route({"source": "digitalocean", "tenant": "acme"})
    company.build()
    one = find(company.warehouse, "1001")
    assert len(company.finance.deliver(company.warehouse, invoices=[one], again=True).created) == 1
    assert company.given_up() == []
    # Until it is removed there, finance has both, and that is not forgotten.
    [left] = company.finance.reconcile(company.warehouse)
    assert (left.tenant_id, left.advice) == (TENANT, "remove it in finance by hand, then run `arcadia reconcile` again")
    company.drop(invoice_name(), digitalocean(line(amount="$7.00")))
    company.build()
    assert ("1001", "acme", 700, 0) in company.rows()


def test_a_route_that_changes_before_the_push_needs_nobody(tmp_path: Path) -> None:
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret="another-secret-" * 5) as refusing:
        company = Company(tmp_path, refusing)
        company.drop(invoice_name(), digitalocean(line()))
        company.build()  # 401: nothing got through
        assert company.query("SELECT state FROM finance_records") == [{"state": "deferred"}]
        company.route({"source": "digitalocean", "tenant": "acme"})
        company.build()
        assert company.given_up() == []
        assert {row["tenant_id"] for row in company.query("SELECT tenant_id FROM finance_attempts")} == {TENANT, "acme"}


def test_nothing_is_pushed_between_a_change_of_routes_and_the_building_of_what_it_concerns(company: Company) -> None:
    finance, company.finance = company.finance, type(company.finance)()
    company.drop(invoice_name(), digitalocean(line()))
    may = line(start="2026-05-01 00:00:00 +0000", end="2026-05-31 23:59:59 +0000")
    company.drop(invoice_name("2026 May", "1002"), digitalocean(may))
    company.build()
    company.route({"source": "digitalocean", "account": "77", "tenant": "acme"})
    path = company.home / "tenants.toml"
    months = take_routes(company.warehouse, path, read_routes(path, TENANT))
    assert months == {date(2026, 4, 1), date(2026, 5, 1)}
    assert finance.deliver(company.warehouse).created == []
    company.finance = finance
    company.build()
    assert {tenant for _, tenant, _, _ in company.rows()} == {"acme"}


def test_a_project_that_changes_its_tenant_moves_no_amount_by_itself(company: Company) -> None:
    shop, lab = ({"source": "digitalocean", "project": project, "tenant": "acme"} for project in ("shop", "lab"))
    company.route(shop)
    company.drop(invoice_name(), invoice(*PROJECTS))
    company.build()
    before = company.rows()
    company.route(lab)
    company.build()
    reason, again = company.given_up()
    assert reason == again
    assert "tenant acme bore project shop when it was pushed; tenant platform-admin bore project lab when" in reason
    assert company.rows() == before
    one = find(company.warehouse, "1001")
    company.finance.deliver(company.warehouse, invoices=[one], again=True)
    assert company.rows() == [("1001:acme", "acme", 1650, 150), ("1001:platform-admin", TENANT, 7042, 640)]
    assert (company.given_up(), company.finance.reconcile(company.warehouse)) == ([], [])


def test_a_route_with_a_first_month_leaves_what_was_pushed_before_alone(company: Company) -> None:
    may = line(start="2026-05-01 00:00:00 +0000", end="2026-05-31 23:59:59 +0000", amount="$7.00")
    company.drop(invoice_name(), digitalocean(line()))
    company.build()
    company.route({"source": "digitalocean", "project": "shop", "from": "2026-05", "tenant": "acme"})
    company.drop(invoice_name("2026 May", "1002"), digitalocean(may))
    company.build()
    assert company.rows() == [("1001", TENANT, 600, 0), ("1002:acme", "acme", 700, 0)]
    assert company.given_up() == []


def test_a_route_to_the_identitys_own_tenant_changes_no_figure(company: Company) -> None:
    company.route({"source": "digitalocean", "project": "shop", "tenant": TENANT}, BY_PROJECT[1])
    company.drop(invoice_name(), invoice(*PROJECTS))
    company.build()
    assert company.rows() == [("1001:platform-admin", TENANT, 7042, 640), ("1001:zenith", "zenith", 1650, 150)]
    assert company.finance.reconcile(company.warehouse) == []


def test_a_new_version_that_is_held_does_not_make_its_parts_look_misrouted(company: Company) -> None:
    company.route(*BY_PROJECT)
    company.drop(invoice_name(), invoice(*PROJECTS))
    company.build()
    two = digitalocean(
        line().replace("$6.00", "6.00,"),
        header="product,group_description,description,hours,start,end,USD,EUR,project_name,category",
    )
    company.drop(
        invoice_name(), two.replace(b",shop,iaas", b",shop,iaas\n" + line().replace("$6.00", ",6.00").encode())
    )
    company.build()
    assert company.invoice()["status"] == "held"
    assert company.finance.reconcile(company.warehouse) == []
    assert company.query("SELECT * FROM allocations") == []


def test_an_id_that_is_another_invoices_part_is_held(company: Company) -> None:
    company.route(
        {"source": "aws", "account": "111", "project": "shop", "tenant": "acme"},
        {"source": "aws", "account": "222", "tenant": "acme"},
    )
    company.drop("one.csv", as_csv(charge()))
    company.build()
    company.drop("two.csv", as_csv(charge(BillingAccountId="222", InvoiceId="INV-1:acme", BilledCost="9.00")))
    company.build()
    assert company.rows() == [("INV-1:acme", "acme", 600, 0)]
    held = company.invoice("INV-1:acme")
    assert held["status"] == "held"
    assert "account 111 has an invoice with the same id" in held["hold_reasons"][0]


def test_a_changed_route_never_lets_one_accounts_invoice_overwrite_anothers(company: Company) -> None:
    may = line(start="2026-05-01 00:00:00 +0000", end="2026-05-31 23:59:59 +0000", amount="$9.00")
    company.route({"source": "digitalocean", "account": "77", "tenant": "acme"})
    company.drop(invoice_name(), digitalocean(line()))
    company.drop(invoice_name("2026 May", account="78"), digitalocean(may))
    company.build()
    both = [("1001", "acme", 600, 0), ("1001", TENANT, 900, 0)]
    assert company.rows() == both
    company.route()
    company.build()
    statuses = "SELECT account_id, status FROM tax_split_totals ORDER BY ALL"
    held = [("77", "held"), ("78", "ready")]
    assert [tuple(row.values()) for row in company.query(statuses)] == held
    # Only finance's records say why: a rebuild takes them over before it builds.
    rebuilt = rebuild(company.warehouse, LandingResource.of(load(company.environ)), RANGE, datetime.now(UTC))
    assert (rebuilt.records, rebuilt.differing) == (2, {})
    assert [tuple(row.values()) for row in company.query(statuses)] == held
    company.remove("acme")
    company.finance.reconcile(company.warehouse)
    company.build()
    assert company.rows() == both[1:]
    company.route({"source": "digitalocean", "account": "77", "tenant": "acme"})
    company.build()
    company.build()
    assert company.rows() == both


def test_an_invoice_of_an_unknown_account_is_held_where_routes_go_by_account(company: Company) -> None:
    company.route({"source": "digitalocean", "account": "77", "tenant": "acme"})
    company.drop("april.csv", digitalocean(line()))
    company.build()
    [held] = company.query("SELECT status, can_release, hold_reasons FROM tax_split_totals")
    assert (held["status"], held["can_release"]) == ("held", True)
    assert "its account is not known" in held["hold_reasons"][0]
    assert company.rows() == []


def test_two_accounts_may_have_the_same_id_where_different_tenants_bear_them(company: Company) -> None:
    company.drop(invoice_name(account="77"), digitalocean(line()))
    company.build()
    company.drop(invoice_name(account="78"), digitalocean(line(amount="$9.00")))
    company.build()
    assert [row["status"] for row in company.query("SELECT status FROM tax_split_totals ORDER BY account_id")] == [
        "ready",
        "held",
    ]
    company.route({"source": "digitalocean", "account": "78", "tenant": "acme"})
    company.build()
    assert company.rows() == [("1001", "acme", 900, 0), ("1001", TENANT, 600, 0)]
    assert company.finance.reconcile(company.warehouse) == []


def test_an_invoice_that_cannot_be_summed_is_held_and_split_by_nobody(company: Company) -> None:
    company.route(*BY_PROJECT)
    company.drop(invoice_name(), digitalocean(line(amount="nine")))
    company.drop(
        invoice_name(number="1002"),
        digitalocean(line(), header="product,group_description,description,hours,start,end,QQQ,project_name,category"),
    )
    company.drop(invoice_name(number="1003"), invoice(*PROJECTS))
    company.build()
    assert {name.partition(":")[0] for name, _, _, _ in company.rows()} == {"1003"}


def test_a_broken_table_stops_the_landing_by_its_name_and_routes_nothing(company: Company) -> None:
    company.drop(invoice_name(), digitalocean(line()))
    (company.home / "tenants.toml").write_text('[[route]]\nsource = "digitalocean"\n')
    with pytest.raises(RoutesError, match=r"tenants\.toml, route 1: tenant is missing"):
        company.new_months()
    assert company.query("SELECT * FROM documents") == []


def test_the_sensor_notices_a_changed_table_and_says_what_is_wrong_with_a_broken_one(company: Company) -> None:
    company.drop(invoice_name(), digitalocean(line()))
    company.build()
    definitions = company.definitions()
    landing = LandingResource(
        inbox=str(company.inbox),
        archive=str(company.home / "archive"),
        tenants=str(company.home / "tenants.toml"),
        settle_seconds=0,
    )
    resources = {"warehouse": WarehouseResource(path=str(company.warehouse.path)), "landing": landing}
    sensor = definitions.resolve_sensor_def("new_invoice_files")
    with instance_in_memory() as instance:

        def tick() -> Any:
            with dg.build_sensor_context(instance, definitions=definitions, resources=resources) as context:
                return sensor.evaluate_tick(context)

        assert tick().skip_message == "nothing new in the inbox"
        company.route({"source": "digitalocean", "tenant": "acme"})
        [request] = tick().run_requests
        assert request.run_key.startswith("2026-04:")
        company.route({"source": "digitalocean", "tenants": "acme"})
        assert "tenants: there is no such key" in tick().skip_message


def test_a_route_that_matches_no_line_is_shown_for_it_may_be_misspelt(company: Company) -> None:
    company.route({"source": "digitalocean", "account": "77", "project": "Shop", "tenant": "acme"})
    company.drop(invoice_name(), digitalocean(line()))
    checks = checks_of(company.run())
    assert not checks["every_route_is_used"].passed
    assert company.rows() == [("1001:platform-admin", TENANT, 600, 0)]
