"""Which invoice is it: the same again, a newer version, another account, another tenant, a month that cannot be.

Landed by three runs. The second one finds other versions, other names and other control totals; before the third one the
files that were wrong are put right and the first month is set back.
"""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pytest

from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.stages.tax_split_totals import build_tax_split_totals
from arcadia_dagster.warehouse.months import next_month, stale
from arcadia_dagster_tests.kit.bad_input import APRIL, World, case, world_in
from arcadia_dagster_tests.kit.generate import MONTH_NAMES
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax

GOOD = digitalocean(line(), tax())
MARCH = date(2026, 3, 1)
PRESENT = datetime.now(UTC).date().replace(day=1)
FUTURE = next_month(next_month(PRESENT))


def of_month(month: date) -> bytes:
    """An invoice of 6.00 USD of that month."""
    return digitalocean(line(start=f"{month} 00:00:00 +0000", end=f"{month} 23:59:59 +0000"))


def in_name(month: date) -> str:
    """The month as DigitalOcean's file names have it."""
    return f"{month.year} {MONTH_NAMES[month.month - 1]}"


@dataclass(frozen=True)
class Runs:
    """The world as each run left it."""

    first: World
    second: World
    third: World


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with world_in(tmp_path_factory.mktemp("identity"), ARCADIA_FIRST_MONTH="2026-04") as world:
        world.put("good", GOOD)
        again = digitalocean(line(amount="$7.00"))
        world.put("again", again)
        world.put("again under two names", again + b"\n")
        world.project.drop("a copy.csv", again + b"\n")
        world.put("line ends", digitalocean(line(amount="$8.00")))
        world.put("new amounts", digitalocean(line(amount="$9.00")))
        nameless = digitalocean(line(description="nameless", amount="$10.00"))
        world.put_as("nameless", "april.csv", nameless)
        world.put("first of two", digitalocean(line(amount="$11.00")))
        world.put("second of two", digitalocean(line(amount="$12.00")))
        world.put("other account", digitalocean(line(amount="$13.00")), account="78")
        world.put("same id", digitalocean(line(amount="$14.00")))
        world.put("replaced", b"<html>login</html>")
        world.put("total comes later", GOOD + b"\n")
        world.put("too early", of_month(MARCH), month="2026 Mar")
        world.put("too late", of_month(FUTURE), month=in_name(FUTURE))
        world.run()
        first = copy(world)

        world.put("again", again)
        world.project.drop("again.csv", again)
        world.project.drop(f"other folder/{world.names['again']}", again)
        world.put("line ends", digitalocean(line(amount="$8.00"), newline="\r\n"))
        world.put("new amounts", digitalocean(line(amount="$9.00"), tax(amount="$0.90")))
        world.project.drop(invoice_name(number="2000"), nameless)
        world.put_as("same lines", "possibly the good one.csv", digitalocean(line(), tax(), line(amount="$0.01")))
        world.numbers["same id, other account"] = world.numbers["same id"]
        world.names["same id, other account"] = invoice_name(number=world.numbers["same id"], account="78")
        world.put("same id, other account", digitalocean(line(amount="$15.00")))
        world.total("total comes later", b"6.61")
        world.run()
        second = copy(world)

        world.put("replaced", digitalocean(line(amount="$16.00")))
        world.total("total comes later", b"6.60")
        world.project.environ["ARCADIA_FIRST_MONTH"] = "2026-03"
        with world.project.warehouse.read() as connection:
            due = {month for month in stale(connection) if MARCH <= month <= PRESENT}
        assert due == {MARCH}
        world.run([MARCH, APRIL])
        yield Runs(first, second, copy(world))


@case("20")
def test_the_same_document_again_under_whatever_name_adds_no_row_and_is_not_pushed_again(runs: Runs) -> None:
    for label in ("again", "again under two names"):
        assert [world.pushed(label) for world in (runs.first, runs.second)] == [(700, 700, 0)] * 2, label
        assert runs.second.finance(label)["times_received"] == 1, label
    project = runs.second.project
    sha256 = runs.second.document("again")["document_sha256"]
    assert project.query("SELECT count(*) AS n FROM documents WHERE document_sha256 = ?", [sha256]) == [{"n": 1}]
    assert project.query("SELECT count(*) AS n FROM raw_invoices WHERE document_sha256 = ?", [sha256]) == [{"n": 1}]
    assert project.query(
        "SELECT DISTINCT file_name FROM document_names WHERE document_sha256 = ? ORDER BY ALL", [sha256]
    ) == [{"file_name": runs.second.names["again"]}, {"file_name": "again.csv"}]


@case("20")
def test_the_same_invoice_with_other_line_ends_is_a_new_version_and_nothing_to_push(runs: Runs) -> None:
    versions = runs.second.project.query(
        "SELECT status FROM raw_invoices WHERE external_id = ? ORDER BY status", [runs.second.numbers["line ends"]]
    )
    assert [version["status"] for version in versions] == ["current", "superseded"]
    assert runs.second.finance("line ends")["times_received"] == 1


@case("20")
def test_a_better_name_after_the_push_becomes_an_alias_of_the_id_that_finance_has(runs: Runs) -> None:
    assert runs.first.pushed("nameless") == (1000, 1000, 0)
    assert runs.second.pushed("nameless") == (1000, 1000, 0)
    finance = runs.second.finance("nameless")
    assert (finance["invoice_number"], finance["times_received"]) == ("2000", 2)  # the number was news
    aliases = runs.second.project.query("SELECT alias_external_id, external_id FROM invoice_aliases")
    assert aliases == [{"alias_external_id": "2000", "external_id": "unknown-2026-04-april"}]


@case("20")
def test_a_file_without_a_providers_name_that_has_mostly_the_lines_of_an_invoice_is_held(runs: Runs) -> None:
    reason = runs.second.held_because("same lines", account="unknown")
    assert reason.startswith("it has mostly the same lines as ")
    assert "one invoice twice? Void the one that is too much (arcadia void " in reason


@case("21")
def test_other_amounts_are_a_new_version_that_is_pushed_again_as_updated(runs: Runs) -> None:
    assert runs.first.pushed("new amounts") == (900, 900, 0)
    assert runs.second.pushed("new amounts") == (990, 900, 90)
    assert runs.second.finance("new amounts")["times_received"] == 2
    number = runs.second.numbers["new amounts"]
    versions = runs.second.project.query(
        "SELECT status, line_count FROM raw_invoices WHERE external_id = ? ORDER BY received_at", [number]
    )
    assert versions == [{"status": "superseded", "line_count": 1}, {"status": "current", "line_count": 2}]
    assert runs.second.project.query(
        "SELECT state, action, attempts FROM finance_records WHERE external_id = ? AND tenant_id = 'platform-admin'",
        [number],
    ) == [{"state": "delivered", "action": "updated", "attempts": 2}]


@case("23")
def test_two_invoices_of_a_month_and_those_of_two_accounts_are_all_pushed(runs: Runs) -> None:
    assert runs.first.pushed("first of two") == (1100, 1100, 0)
    assert runs.first.pushed("second of two") == (1200, 1200, 0)
    assert runs.first.pushed("other account") == (1300, 1300, 0)
    assert runs.first.invoice("other account", account="78")["status"] == "ready"


@case("38")
def test_of_two_accounts_with_one_id_the_later_is_held_since_finance_could_not_tell_them_apart(runs: Runs) -> None:
    assert runs.first.pushed("same id") == runs.second.pushed("same id") == (1400, 1400, 0)
    assert runs.second.invoice("same id")["status"] == "ready"
    later = runs.second.invoice("same id, other account", account="78")
    assert later["status"] == "held"
    [reason] = later["hold_reasons"]
    assert reason.startswith(
        f"account {runs.second.accounts['same id']} has an invoice with the same id, and finance tells invoices of one tenant "
        "and source apart by their id only: pushed, this one would overwrite that one"
    )
    assert runs.third.finance("same id")["times_received"] == 1


@case("38")
def test_two_tenants_with_the_same_invoice_do_not_collide(runs: Runs) -> None:
    world = copy(runs.third)
    account = world.accounts["good"]
    route = f'[[route]]\nsource = "digitalocean"\naccount = "{account}"\ntenant = "another-tenant"\n'
    (world.project.home / "tenants.toml").write_text(route)
    world.build()
    # By itself nothing goes to a second tenant; a person may want it to.
    assert world.pushed("good", tenant="another-tenant") is None
    delivered = world.project.finance.deliver(world.project.warehouse, months=[APRIL], again=True)
    world.look()
    assert (delivered.deferred, delivered.refused) == ({}, {})
    assert world.pushed("good", tenant="another-tenant") == world.pushed("good") == (660, 600, 60)
    assert (
        world.finance("good")["times_received"] == world.finance("good", tenant="another-tenant")["times_received"] == 1
    )
    assert world.finance("good")["invoice_id"] != world.finance("good", tenant="another-tenant")["invoice_id"]


@case("37")
def test_a_month_before_the_first_or_in_the_future_is_held_with_the_month_and_the_setting(runs: Runs) -> None:
    assert runs.first.held_because("too early").startswith(
        "its month 2026-03 is before the first month, ARCADIA_FIRST_MONTH=2026-04: set ARCADIA_FIRST_MONTH=2026-03"
    )
    assert runs.first.held_because("too late").startswith(
        f"its month {FUTURE:%Y-%m} is in the future (after {PRESENT:%Y-%m}): it waits until that month begins"
    )
    for label in ("too early", "too late"):
        assert runs.first.document(label)["status"] == "accepted"
        assert runs.first.totals(label) == (600, 600, 0)
        assert len(runs.first.lines(label)) == 1


@case("37")
def test_an_early_invoice_is_due_and_pushed_once_the_setting_is_lowered(runs: Runs) -> None:
    assert runs.third.invoice("too early")["status"] == "ready"
    assert runs.third.pushed("too early") == (600, 600, 0)
    assert runs.third.finance("too early")["period_start"] == "2026-03-01"


@case("37")
def test_a_future_invoice_is_due_once_its_month_has_begun(runs: Runs) -> None:
    project = runs.third.project
    with project.warehouse.read() as connection:
        assert FUTURE in stale(connection)
    with project.warehouse.write() as connection:
        build_tax_split_totals(connection, [FUTURE], MonthRange(MARCH, FUTURE))
    assert project.invoice(runs.third.numbers["too late"])["status"] == "ready"
    with project.warehouse.read() as connection:
        assert FUTURE not in stale(connection)


@case("5")
def test_a_control_total_that_comes_later_holds_the_invoice_until_they_agree(runs: Runs) -> None:
    label = "total comes later"
    assert runs.first.pushed(label) == (660, 600, 60)
    [reason] = runs.second.invoice(label)["hold_reasons"]
    assert reason.startswith("the total that it states, 6.61 USD, differs from the sum of its lines, 6.60 USD: to push")
    assert not runs.second.checks["nothing_held"].passed
    assert runs.third.invoice(label)["status"] == "ready"
    assert runs.third.pushed(label) == (660, 600, 60)
    assert runs.third.finance(label)["times_received"] == 1


@case("3")
def test_a_rejected_file_stays_visible_until_a_good_one_has_its_name(runs: Runs) -> None:
    for world in (runs.first, runs.second):
        assert runs.first.names["replaced"] in world.listed_by("nothing_rejected", "file")
        assert not world.checks["nothing_rejected"].passed
    assert runs.third.checks["nothing_rejected"].passed
    assert runs.third.pushed("replaced") == (1600, 1600, 0)
    statuses = runs.third.project.query(
        "SELECT status FROM documents WHERE file_name = ? ORDER BY ALL", [runs.third.names["replaced"]]
    )
    assert [row["status"] for row in statuses] == ["accepted", "rejected"]


def test_the_good_invoice_beside_them_is_pushed_once_and_the_totals_reconcile(runs: Runs) -> None:
    for world in (runs.first, runs.second, runs.third):
        assert world.pushed("good") == (660, 600, 60)
        assert world.checks["totals_reconcile"].passed
        assert world.checks["every_ready_invoice_is_in_finance"].passed
    assert runs.third.finance("good")["times_received"] == 1


@case("197")
@pytest.mark.parametrize("name", ["{} - corrected.csv", "Copy of {}.csv", "{}_v2.csv"])
def test_a_copy_under_a_name_with_the_number_of_an_invoice_is_never_pushed_beside_it(
    project: Project, name: str
) -> None:
    own = invoice_name()
    project.drop(own, digitalocean(line()))
    project.drop(name.format(own.removesuffix(".csv")), digitalocean(line(amount="$7.00")))
    project.build()
    assert project.sandbox is not None
    assert [row["amount_gross_minor"] for row in project.sandbox.invoices()] == [600]
    [held] = project.query("SELECT hold_reasons FROM tax_split_totals WHERE status = 'held'")
    assert "has the number of 1001 of its month" in held["hold_reasons"][0]


@case("201")
@pytest.mark.parametrize(
    "name", ["{} - corrected.csv", "Copy of {}.csv", "Kopie von {}.csv", "{} korrigiert.csv", "{}_v2.csv"]
)
def test_a_copy_that_comes_before_what_it_copies_is_never_pushed(project: Project, name: str) -> None:
    own = invoice_name()
    project.drop(name.format(own.removesuffix(".csv")), digitalocean(line(amount="$7.00")))
    project.build()
    assert project.sandbox is not None
    assert project.sandbox.invoices() == []
    [held] = project.query("SELECT external_id, hold_reasons FROM tax_split_totals")
    assert "says by its name that it is a copy or a correction" in held["hold_reasons"][0]
    project.drop(own, digitalocean(line()))
    project.build()
    assert [row["external_id"] for row in project.sandbox.invoices()] == ["1001"]
    [reason] = project.invoice(held["external_id"])["hold_reasons"]
    assert "has the number of 1001 of its month" in reason


@pytest.mark.parametrize("name", ["version of v2 api", "copyright gmbh april", "april v1", "april"])
def test_a_name_that_says_nothing_of_a_copy_is_no_doubt(project: Project, name: str) -> None:
    project.drop(f"{name}.csv", digitalocean(line()))
    project.build()
    assert project.sandbox is not None
    assert [row["amount_gross_minor"] for row in project.sandbox.invoices()] == [600]
