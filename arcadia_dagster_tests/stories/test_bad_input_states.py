"""What documents say of an invoice besides its amounts: its period, its state, its total, and that it is none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.reports.explain import explain, find
from arcadia_dagster.reports.focus import export_months
from arcadia_dagster.reports.status import status
from arcadia_dagster_tests.kit import focus
from arcadia_dagster_tests.kit.api_documents import (
    linode,
    linode_item,
    money,
    ovhcloud,
    ovhcloud_refund,
    scaleway,
    scaleway_invoice,
    written,
)
from arcadia_dagster_tests.kit.bad_input import APRIL, World, case, world_in
from arcadia_dagster_tests.kit.plain import archive_of
from arcadia_dagster_tests.kit.project import digitalocean, line, tax

SOURCES = {"aws", "digitalocean", "scaleway", "ovhcloud", "linode", "tablecloud"}
PERIODS = {
    "tokyo": ("2026-03-31T15:00:00Z", "2026-04-30T15:00:00Z"),
    "paris": ("2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z"),
    "seattle": ("2026-04-01T07:00:00Z", "2026-05-01T07:00:00Z"),
    "no-end": ("2026-03-31T15:00:00Z", None),
}


def of_scaleway(id_: str, state: str, gross: int, **fields: Any) -> dict[str, Any]:
    """An invoice of so many euros with a sixth of tax, in April."""
    totals = {"total_untaxed": money(gross - gross // 6), "total_tax": money(gross // 6), "total_taxed": money(gross)}
    return scaleway_invoice(id=id_, state=state, number=len(id_), **totals, **fields)


SCALEWAY = {
    "right": of_scaleway("right", "paid", 60),
    "outdated": of_scaleway("outdated", "outdated", 120),
    "successor": of_scaleway("successor", "issued", 108),
    "voided": of_scaleway("voided", "voided", 0),
    "draft": of_scaleway("draft", "draft", 6, issued_date=None),
    "credit": of_scaleway("credit", "paid", 12, type="credit_note"),
    "frozen": of_scaleway("frozen", "frozen", 18),
}
LINODE_CREDIT = linode(linode_item(-25.0), id=9, subtotal=-25.0, tax=-2.5, tax_summary=[], total=-27.5)


def lines_of(label: str) -> tuple[str, ...]:
    """1,114.85 dollars with 101.35 of tax, for servers that no other invoice has."""
    servers = (line(description=f"{label} 1", amount='"$1,006.00"'), line(description=f"{label} 2", amount="$7.50"))
    return (*servers, tax(amount="$101.35"))


TOTALS = {
    "total": [',,,,,,"$1,114.85",Total,'],
    "totals": ['Subtotal,,,,,,"$1,114.85",,', 'Grand total:,,,,,,"$1,114.85",,'],
    "another total": ['Total,,,,,,"$2,114.85",,'],
    "a total without words": [',,,,,,"$1,114.85",,'],
}
TABLE = """
name = "table"
source = "tablecloud"
currency = "GBP"
delimiter = ";"
file_name = '(?P<invoice>T-[0-9]+) (?P<month>[0-9]{4}-[0-9]{2})'

[columns]
description = "Item"
amount = "Cost"

[tax]
none = "not due"
"""

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
            row = focus.charge(InvoiceId=label, BillingPeriodStart=start, ChargePeriodStart=start, ResourceId=label)
            content = focus.as_csv(
                row | {"BillingPeriodEnd": end},
                focus.tax(InvoiceId=label, BillingPeriodStart=start) | {"BillingPeriodEnd": end},
                header=(*focus.HEADER, "BillingPeriodEnd"),
            )
            world.put_as(label, f"{label}.csv", content, external_id=label)
        world.put_as("states", "invoices of Scaleway.json", written(scaleway(*SCALEWAY.values())))
        world.put_as("bill", "bill.json", written(ovhcloud()), external_id="FR123")
        world.put_as("refund", "refund.json", written(ovhcloud_refund()), external_id="AV123")
        world.put_as("linode credit", "linode.json", written(LINODE_CREDIT), external_id="9")
        # Held, for it has more tax than net.
        world.put("held", digitalocean(line(amount="1.00"), tax(amount="2.00")))
        (world.project.home / "formats").mkdir()
        (world.project.home / "formats" / "table.toml").write_text(TABLE, encoding="utf-8")
        for label, rows in TOTALS.items():
            world.put(label, digitalocean(*lines_of(label), *rows))
        world.put_as(
            "table",
            "T-1 2026-04.csv",
            b"Item;Kind;Cost\nweb-01;Usage;60\nweb-02;Usage;30\n;Total;90\n",
            external_id="T-1",
        )
        for label, content in LISTS.items():
            world.put_as(label, label, content)
        world.build()
        with world.project.warehouse.read() as connection:
            exported = export_months(connection, world.project.home / "focus", [APRIL])[APRIL]
        for path in exported.files:
            world.put_as(path.name, path.name, path.read_bytes())
        world.build()
        yield world


@case("60")
def test_a_billing_period_that_begins_at_midnight_elsewhere_is_the_month_s_own(world: World) -> None:
    for label in PERIODS:
        assert world.invoice(label, account="111")["invoice_month"] == APRIL, label
        assert world.pushed(label) == (660, 600, 60), label
        assert world.finance(label)["period_start"] == "2026-04-01", label


@case("61")
def test_what_scaleway_has_withdrawn_or_not_issued_is_never_pushed(world: World) -> None:
    world.numbers |= {label: label for label in SCALEWAY}
    pushed = {label: world.pushed(label) for label in SCALEWAY}
    assert pushed == {
        "right": (6000, 5000, 1000),
        "outdated": None,
        "successor": (10800, 9000, 1800),
        "voided": None,
        "draft": None,
        "credit": (-1200, -1000, -200),
        "frozen": None,
    }
    assert "it is outdated, and another takes its place" in world.held_because("outdated", account="org-1")
    assert "it is a preview or has no id" in world.held_because("draft", account="org-1")
    assert "state: frozen; expected one of draft" in world.held_because("frozen", account="org-1")
    assert "arcadia release scaleway/org-1/frozen --reason" in world.held_because("frozen", account="org-1")
    # What was withdrawn is not awaited, and counts in no sum.
    held = {row["external_id"] for row in world.project.query("FROM waiting_invoices") if row["source"] == "scaleway"}
    assert held == {"draft", "frozen"}
    [april] = [one for one in status(world.project.warehouse, "") if one.month == APRIL]
    [euros] = [sums for sums in april.sums if sums.currency == "EUR"]
    assert euros.gross_minor == 6000 + 10800 - 1200 + 600 + 1800 + 4544 - 1200


@case("61")
def test_what_is_withdrawn_after_it_was_pushed_is_told_with_what_to_do(tmp_path: Path) -> None:
    with world_in(tmp_path) as world:
        world.put_as("list", "list.json", written([of_scaleway("a", "issued", 120)]), external_id="a")
        world.run()
        assert world.pushed("list") == (12000, 10000, 2000)
        world.put_as(
            "list",
            "list.json",
            written([of_scaleway("a", "outdated", 120), of_scaleway("b", "issued", 108)]),
            external_id="b",
        )
        world.run()
        assert world.pushed("list") == (10800, 9000, 1800)
        found = [world.listed_by("finance_has_nothing_else", column) for column in ("external_id", "why")]
        assert found == [["a"], ["its provider has withdrawn it, or it is no invoice to us"]]
        assert world.checks["nothing_held"].passed
        [difference] = world.project.finance.reconcile(world.project.warehouse)
        assert (difference.external_id, "though its provider has withdrawn it" in difference.what) == ("a", True)


@case("62")
def test_a_refund_is_a_credit_note_of_its_bill(world: World) -> None:
    assert world.pushed("bill") == (4544, 3787, 757)
    assert world.pushed("refund") == (-1200, -1000, -200)
    assert world.pushed("linode credit") == (-2750, -2500, -250)
    store = world.project.warehouse
    bill, refund = (explain(store, archive_of(store), find(store, id_)) for id_ in ("FR123", "AV123"))
    assert [version["refers_to"] for version in refund["versions"]] == ["FR123"]
    assert [(note["external_id"], note["amount_gross_minor"]) for note in bill["credit_notes"]] == [("AV123", -1200)]
    assert refund["credit_notes"] == []


@case("63")
def test_a_total_that_somebody_added_is_no_line_and_the_invoice_must_come_to_it(world: World) -> None:
    assert [line["line_number"] for line in world.lines("totals")] == [1, 2, 3]
    for label in ("total", "totals"):
        assert world.pushed(label) == (111485, 101350, 10135)
    reason = "the total that it states, 2114.85 USD, differs from the sum of its lines, 1114.85 USD"
    assert world.held_because("another total").startswith(reason)


@case("64")
def test_a_row_that_is_the_sum_of_the_others_is_held_and_each_way_on_works(world: World) -> None:
    sentence = "line 5, a row without words of 1114.85 is the sum of other lines: a total, or a charge?"
    held = world.held_because("a total without words")
    assert sentence in held
    assert "take the row out and drop the file again under its name" in held
    assert f"/{world.numbers['a total without words']} --reason" in held.partition("arcadia release ")[2]
    described = world.held_because("table", account="unknown")
    assert "line 4, a row without words of 90 is the sum of other lines" in described
    assert "name it in [total] of its description" in described

    world.put("a total without words", digitalocean(*lines_of("a total without words")))
    total = '\n[total]\ncolumn = "Kind"\nvalues = ["Total"]\n'
    (world.project.home / "formats" / "table.toml").write_text(TABLE + total, encoding="utf-8")
    world.build()
    assert world.pushed("a total without words") == (111485, 101350, 10135)
    assert world.pushed("table") == (9000, 9000, 0)


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
    assert {row["source"] for row in world.project.query("FROM tax_split_totals")} <= SOURCES
