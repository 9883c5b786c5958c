"""What documents say of an invoice besides its amounts: its period, its state, its total, and that it is none."""

from collections.abc import Iterator

import pytest

from arcadia_dagster.focus import export_month
from arcadia_dagster_tests.formats import focus
from arcadia_dagster_tests.project import digitalocean, line, tax
from arcadia_dagster_tests.stories.bad_input import APRIL, World, case, world_in

PERIODS = {
    "tokyo": ("2026-03-31T15:00:00Z", "2026-04-30T15:00:00Z"),
    "paris": ("2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z"),
    "seattle": ("2026-04-01T07:00:00Z", "2026-05-01T07:00:00Z"),
    "no-end": ("2026-03-31T15:00:00Z", None),
}


LISTS = {
    "invoices.csv": b"id,name,type,amount,due date\nG1,2026-04,Invoice,60.00,2026-05-10\n",
    "types.csv": b"id,name,type\nG1,2026-04,Invoice\n",
    "invoices.json": b'[{"id": "G1", "name": "G1", "type": "billingAccounts/invoices", "amountDue": {"value": 60}}]',
    "payments.json": b'{"data": [{"id": 1, "date": "2026-04-01T05:00:00", "usd": "-60.00"}], "page": 1, "results": 1}',
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("states")) as world:
        for label, (start, end) in PERIODS.items():
            row = focus.charge(InvoiceId=label, BillingPeriodStart=start, ChargePeriodStart=start)
            content = focus.as_csv(
                row | {"BillingPeriodEnd": end},
                focus.tax(InvoiceId=label, BillingPeriodStart=start) | {"BillingPeriodEnd": end},
                header=(*focus.HEADER, "BillingPeriodEnd"),
            )
            world.put_as(label, f"{label}.csv", content, external_id=label)
        # Held, for it has more tax than net.
        world.put("held", digitalocean(line(amount="1.00"), tax(amount="2.00")))
        for label, content in LISTS.items():
            world.put_as(label, label, content)
        world.build()
        with world.project.warehouse.read() as connection:
            written = export_month(connection, world.project.home / "focus", APRIL).files
        for path in written:
            world.put_as(path.name, path.name, path.read_bytes())
        world.build()
        yield world


@case("60")
def test_a_billing_period_that_begins_at_midnight_elsewhere_is_the_month_s_own(world: World) -> None:
    for label in PERIODS:
        assert world.invoice(label, account="111")["invoice_month"] == APRIL, label
        assert world.pushed(label) == (660, 600, 60), label
        assert world.finance(label)["period_start"] == "2026-04-01", label


@case("65")
def test_a_list_of_invoices_or_payments_is_no_inventory(world: World) -> None:
    for label in LISTS:
        assert "docs/formats.md" in world.rejected_because(
            label
        ) or "payments are no invoices" in world.rejected_because(label)
    assert world.project.query("FROM inventories") == []


@case("66")
def test_what_the_program_wrote_is_never_an_invoice_of_its_own(world: World) -> None:
    written = [name for name in world.names if name.startswith("focus_")]
    assert len(written) == 4
    for name in written:
        assert "it is an export of this program" in world.rejected_because(name)
    assert "more than its net" in world.held_because("held")
    assert len(world.project.query("FROM tax_split_totals")) == len(PERIODS) + 1
