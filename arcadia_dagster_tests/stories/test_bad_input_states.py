"""What documents say of an invoice besides its amounts: its period, its state, its total, and that it is none."""

from collections.abc import Iterator
from datetime import date

import pytest

from arcadia_dagster_tests.formats import focus
from arcadia_dagster_tests.stories.bad_input import World, case, world_in

PERIODS = {
    "tokyo": ("2026-03-31T15:00:00Z", "2026-04-30T15:00:00Z"),
    "paris": ("2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z"),
    "seattle": ("2026-04-01T07:00:00Z", "2026-05-01T07:00:00Z"),
    "no-end": ("2026-03-31T15:00:00Z", None),
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
        world.build()
        yield world


@case("60")
def test_a_billing_period_that_begins_at_midnight_elsewhere_is_the_month_s_own(world: World) -> None:
    for label in PERIODS:
        assert world.invoice(label, account="111")["invoice_month"] == date(2026, 4, 1), label
        assert world.pushed(label) == (660, 600, 60), label
        assert world.finance(label)["period_start"] == "2026-04-01", label
