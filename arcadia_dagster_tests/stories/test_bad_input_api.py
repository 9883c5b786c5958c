"""Odd and bad documents of providers' APIs: what the cases of the list mean where a document states net, tax and total."""

import gzip
from collections.abc import Iterator
from typing import Any

import pytest

from arcadia_dagster_tests.kit.api_documents import (
    linode,
    linode_item,
    money,
    ovh_detail,
    ovhcloud,
    price,
    scaleway,
    scaleway_invoice,
    written,
)
from arcadia_dagster_tests.kit.bad_input import World, case, world_in

EMOJI = '=web "1", \U0001f680\n<b>'

READY: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    "byte order mark": (
        b"\xef\xbb\xbf" + written(linode(linode_item(25.2, label="marked"), id="byte order mark")),
        (2772, 2520, 252),
    ),
    "gzip": (gzip.compress(written(ovhcloud(billId="gzip"))), (4544, 3787, 757)),
    "two equal lines": (
        written(
            ovhcloud(
                ovh_detail(10.0), ovh_detail(10.0), billId="two equal lines", priceWithTax=price(24.0), tax=price(4.0)
            )
        ),
        (2400, 2000, 400),
    ),
    "words of tax": (
        written(linode(linode_item(25.2, label="taxi-api (GST)"), id="words of tax")),
        (2772, 2520, 252),
    ),
    "credit note": (
        written(
            scaleway(
                scaleway_invoice(
                    id="credit note", total_untaxed=money(-10), total_tax=money(-2), total_taxed=money(-12)
                )
            )
        ),
        (-1200, -1000, -200),
    ),
    "emoji": (written(linode(linode_item(25.2, label=EMOJI), id="emoji")), (2772, 2520, 252)),
}

HELD: dict[str, tuple[dict[str, Any], str]] = {
    "items missing": (linode(linode_item(5.0), id="items missing"), "the total that it states, 27.72 USD, differs"),
    "tax differs": (
        linode(linode_item(25.2, label="taxed"), id="tax differs", tax=2.51),
        "the tax that it states, 2.51 USD, differs",
    ),
    "currencies": (
        ovhcloud(ovh_detail(totalPrice=price(37.87, "USD")), billId="currencies"),
        "its lines are in several currencies (EUR, USD)",
    ),
    "decimals": (
        ovhcloud(
            ovh_detail(totalPrice=price(90.0, "JPY")),
            billId="decimals",
            tax=price(10, "JPY"),
            priceWithTax=price(100.5, "JPY"),
        ),
        "the total that it states, 100.5 JPY, has more decimals than JPY has",
    ),
    "tax larger": (
        ovhcloud(ovh_detail(1.0), billId="tax larger", priceWithTax=price(8.57)),
        "its tax of 7.57 EUR is more than its net of 1.00 EUR",
    ),
    "draft": (scaleway(scaleway_invoice(id="draft", issued_date=None)), "it is a preview or has no id"),
}

REJECTED: dict[str, tuple[bytes, str]] = {
    "UTF-16": (written(linode()).decode().encode("utf-16"), "byte 0: UTF-16 text"),
    "control": (written(linode()).replace(b"hourly", b"hour\x00ly"), "byte "),
    "error": (b'{"errors": [{"reason": "Invalid Token"}]}', "line 1: it is JSON of an unknown shape"),
    "cut off": (written(ovhcloud())[:-20], "it is not JSON"),
    "blank amount": (written(linode(linode_item() | {"amount": ""})), "record 1, column amount: blank"),
    "no items": (written(linode() | {"items": []}), "items: []; expected a list of at least one"),
    "end before start": (written(linode(linode_item(to="2026-03-01T00:00:00"))), "record 1, column end"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("api")) as world:
        for label, (content, _) in READY.items():
            world.put_as(label, f"{label}.json", content, external_id=label)
        for label, (document, _) in HELD.items():
            world.put_as(label, f"{label}.json", written(document), external_id=label)
        for label, (content, _) in REJECTED.items():
            world.put_as(label, f"{label}.json", content)
        world.build()
        yield world


@case("1")
def test_a_good_document_is_pushed_with_its_stated_tax(world: World) -> None:
    assert {label: world.pushed(label) for label in READY} == {label: amounts for label, (_, amounts) in READY.items()}


@case("5")
def test_what_does_not_come_to_the_stated_total_or_tax_is_held(world: World) -> None:
    accounts = {"ovhcloud": "ab1234-ovh", "linode": "acc-1", "scaleway": "org-1"}
    found = {}
    for label, (document, _) in HELD.items():
        source = next(name for name in accounts if name in document.get("kind", "scaleway"))
        found[label] = world.held_because(label, account=accounts[source])
    assert [label for label, (_, reason) in HELD.items() if not found[label].startswith(reason)] == [], found


@case("12")
def test_what_cannot_be_read_is_rejected_and_its_neighbours_go_on(world: World) -> None:
    assert world.rejected_otherwise(REJECTED) == {}


@case("28")
def test_a_label_is_kept_exactly(world: World) -> None:
    assert world.lines("emoji", account="acc-1")[0]["description"] == EMOJI


@case("21")
def test_a_bill_that_changes_is_pushed_again_and_one_that_does_not_is_not(world: World) -> None:
    world.put_as("gzip", "again.json", written(ovhcloud(billId="gzip")), external_id="gzip")
    world.build()
    assert world.finance("gzip")["times_received"] == 1
    changed = ovhcloud(ovh_detail(40.0), billId="gzip", priceWithTax=price(47.57), priceWithoutTax=price(40.0))
    world.put_as("gzip", "changed.json", written(changed), external_id="gzip")
    world.build()
    # At another path, with another amount for most of its charges: nothing says that it is the newer one.
    assert world.finance("gzip")["times_received"] == 1
    world.project.settle("release", "gzip")
    world.build()
    assert world.pushed("gzip") == (4757, 4000, 757)
    assert world.finance("gzip")["times_received"] == 2
