"""Invoices that were fetched: from the provider's API to finance, and beside the files that people dropped."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster_tests.kit.bad_input import APRIL, World, case, world_in
from arcadia_dagster_tests.kit.digitalocean_api import DIGITALOCEAN, DigitalOceanApi, invoice, item, summary, uuid
from arcadia_dagster_tests.kit.project import digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.provider_api import providers
from arcadia_dagster_tests.kit.scripted_server import answer

NUMBER = invoice()["invoice_id"]
GST = item(product="Taxes", description="GST Australia (10.00%)", amount="0.60", duration="", resource_id="")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_in(tmp_path) as found:
        yield found


class Api(DigitalOceanApi):
    """Has one invoice, whose summary adds up."""

    def __init__(self, amount: str = "6.60", net: str = "6.00", **fields: Any) -> None:
        entry = invoice(amount=amount, **fields)
        summed = answer(200, summary(entry, taxes={"name": "Taxes", "amount": "0.60"}))
        super().__init__(
            [entry],
            {uuid(1): [item(amount=net), GST]},
            before=lambda request: summed if request.path.endswith("/summary") else None,
        )


def fetch(world: World, api: DigitalOceanApi) -> None:
    found = providers((DIGITALOCEAN, api.url))
    assert found.fetch(DIGITALOCEAN.provider, world.project.warehouse, world.project.inbox).left == {}


def rows_of_finance(world: World) -> dict[str, int]:
    assert world.project.sandbox is not None
    return {row["external_id"]: row["amount_gross_minor"] for row in world.project.sandbox.invoices()}


def test_a_fetched_invoice_goes_to_finance_with_its_tax_and_is_checked_against_its_summary(world: World) -> None:
    with Api() as api:
        fetch(world, api)
    world.run()
    [total] = world.project.query("SELECT * FROM tax_split_totals")
    assert (total["status"], total["hold_reasons"]) == ("ready", [])
    assert (total["amount_gross_minor"], total["amount_net_minor"], total["amount_tax_minor"]) == (660, 600, 60)
    assert rows_of_finance(world) == {uuid(1): 660}
    [raw] = world.project.query("SELECT invoice_number, invoice_month, stated_total, stated_tax FROM raw_invoices")
    assert (raw["invoice_number"], raw["invoice_month"]) == (NUMBER, APRIL)


def test_a_summary_that_the_items_do_not_come_to_holds_the_invoice(world: World) -> None:
    for number, total, stated_tax in ((1, "6.61", "0.60"), (2, "6.60", "0.61")):
        entry = invoice(number, amount=total)
        items = [item(description=f"web-{number}"), GST]
        document = {"invoice": entry, "items": items, "summary": summary(entry, taxes={"amount": stated_tax})}
        world.project.drop(f"{number}.json", json.dumps(document).encode())
    world.build()
    totals = world.project.query("SELECT status, hold_reasons FROM tax_split_totals ORDER BY external_id")
    assert [total["status"] for total in totals] == ["held", "held"]
    assert "6.61" in str(totals[0]["hold_reasons"])
    assert "0.61" in str(totals[1]["hold_reasons"])
    assert rows_of_finance(world) == {}


def test_a_changed_invoice_is_a_new_version(world: World) -> None:
    with Api() as api:
        fetch(world, api)
        world.build()
    with Api("7.60", "7.00", updated_at="2026-05-03T00:00:00Z") as api:
        fetch(world, api)
    world.build()
    assert rows_of_finance(world) == {uuid(1): 760}
    statuses = world.project.query("SELECT status FROM raw_invoices ORDER BY status")
    assert [row["status"] for row in statuses] == ["current", "superseded"]


def test_items_as_doctl_writes_them_are_an_invoice_of_the_month_of_their_lines(world: World) -> None:
    content = {"invoice_items": [item(), GST], "links": None, "meta": None}
    world.project.drop("april.json", json.dumps(content, indent=2).encode())
    world.build()
    assert rows_of_finance(world) == {"unknown-2026-04-april": 660}


@case("22")
def test_an_invoice_by_its_number_and_then_by_its_uuid_is_one_invoice(world: World) -> None:
    world.project.drop(invoice_name(number=NUMBER), digitalocean(line(), tax()))
    world.build()
    with Api() as api:
        fetch(world, api)
    world.build()
    assert rows_of_finance(world) == {NUMBER: 660}
    assert world.received == 1, "the same figures are not pushed again"
    raw = world.project.query("SELECT account_id, external_id, status FROM raw_invoices ORDER BY status")
    assert [tuple(row.values()) for row in raw] == [("77", NUMBER, "current"), ("77", NUMBER, "superseded")]
    [alias] = world.project.query("SELECT * FROM invoice_aliases")
    assert (alias["alias_external_id"], alias["external_id"]) == (uuid(1), NUMBER)


@case("22")
def test_an_invoice_by_its_uuid_and_then_by_its_number_is_one_invoice(world: World) -> None:
    with Api() as api:
        fetch(world, api)
    world.build()
    world.project.drop(invoice_name(number=NUMBER), digitalocean(line(amount="$7.00"), tax()))
    world.build()
    assert rows_of_finance(world) == {uuid(1): 760}


@case("22")
def test_both_names_in_one_landing_are_one_invoice_also_after_a_rebuild(world: World) -> None:
    world.project.drop(invoice_name(number=NUMBER), digitalocean(line(), tax()))
    with Api() as api:
        fetch(world, api)
    world.build()
    before = world.project.query("SELECT * EXCLUDE (received_at) FROM document_invoices ORDER BY ALL")
    assert len(rows_of_finance(world)) == 1
    world.project.forget_warehouse()
    world.build()
    assert world.project.query("SELECT * EXCLUDE (received_at) FROM document_invoices ORDER BY ALL") == before
    assert len(rows_of_finance(world)) == 1
    assert len({(row["account_id"], row["external_id"]) for row in before}) == 1


def test_two_ids_that_share_a_number_are_two_invoices(world: World) -> None:
    for number, day in ((1, "01"), (2, "02")):
        entry = invoice(number, invoice_id="5", amount="6.60", updated_at=f"2026-05-{day}T00:00:00Z")
        items = [item(description=f"web-{number}"), GST]
        document = {"invoice": entry, "items": items, "summary": summary(entry, taxes={"amount": "0.60"})}
        world.project.drop(f"{number}.json", json.dumps(document).encode())
    world.build()
    assert rows_of_finance(world).keys() <= {uuid(1), uuid(2)}
    assert len(world.project.query("SELECT DISTINCT external_id FROM raw_invoices")) == 2
