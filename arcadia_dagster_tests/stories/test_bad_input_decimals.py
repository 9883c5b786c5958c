"""Amounts of more than 18 decimals, as Azure's exports have them: every format takes them, and no cent is changed unseen."""

from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa
import pytest

from arcadia_dagster_tests.kit import aws, focus
from arcadia_dagster_tests.kit.api_documents import linode, linode_item, written
from arcadia_dagster_tests.kit.bad_input import World, case, world_in
from arcadia_dagster_tests.kit.described import GOOD, SERVER, as_csv
from arcadia_dagster_tests.kit.outcomes import hold_reasons, pushed
from arcadia_dagster_tests.kit.project import Project, digitalocean, line

# Public samples of Azure's exports have such amounts.
SMALL = ("0.0000000072922557592391990000", "0.0001188669167459011366", "7.2922557592391990000E-9")
SUM = Decimal("100.000118881501257419")


def focus_rows(number: str) -> list[dict[str, str | None]]:
    return [focus.charge(InvoiceId=number, ResourceName=number, BilledCost=amount) for amount in (*SMALL, "100.00")]


def linode_document() -> bytes:
    content = written(linode(*(linode_item(number) for number in (1001, 1002, 1003, 1004)), id=5, total=102.52))
    for number, amount in zip((1001, 1002, 1003, 1004), (*SMALL, "100.00"), strict=True):
        content = content.replace(f'"amount": {number},'.encode(), f'"amount": {amount},'.encode())
    return content


DOCUMENTS = {
    "1.csv": focus.as_csv(*focus_rows("1")),
    "2.parquet": focus.as_parquet(*focus_rows("2"), cost=pa.decimal128(38, 28)),
    "3.parquet": focus.as_parquet(*focus_rows("3"), cost=pa.float64()),
    "4.csv": aws.as_csv(*(aws.item(InvoiceId="4", UnblendedCost=amount) for amount in (*SMALL, "100.00"))),
    "5.json": linode_document(),
    "DigitalOcean Invoice 2026 Apr (77-6).csv": digitalocean(*(line(amount=amount) for amount in (*SMALL, "$100.00"))),
    "R-7.csv": as_csv(
        *((*SERVER[:6], amount.replace(".", ",")) for amount in (*SMALL[:2], "7,2922557592391990000E-9", "100,00"))
    ),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("decimals")) as world:
        (world.project.home / "formats").mkdir()
        (world.project.home / "formats" / "one.toml").write_text(GOOD, encoding="utf-8")
        for name, content in DOCUMENTS.items():
            number = "R-7" if name == "R-7.csv" else name.partition(".")[0].rpartition("-")[2].removesuffix(")")
            world.put_as(name, name, content, external_id=number)
        # Between two cents but for what lies beyond the 18th decimal: to either side.
        for label, last in (("below", "0.0049999999999999999999"), ("above", "0.0050000000000000000001")):
            rows = [focus.charge(InvoiceId=label, ResourceId=label, BilledCost=amount) for amount in ("1.00", last)]
            world.put_as(label, f"{label}.csv", focus.as_csv(*rows), external_id=label)
        world.put_as(
            "confirmed",
            "confirmed.csv",
            focus.as_csv(
                *(
                    focus.charge(InvoiceId="confirmed", ChargeDescription="another", BilledCost=amount)
                    for amount in ("1.00", "0.0050000000000000000001")
                )
            ),
            external_id="confirmed",
        )
        world.total("confirmed", b"1.01")
        world.build()
        yield world


@case("44")
def test_amounts_of_28_decimals_are_taken_in_every_format_and_change_no_cent(world: World) -> None:
    taxed = {"5.json": (10_252, 10_000, 252)}
    assert {name: world.pushed(name) for name in DOCUMENTS} == {
        name: taxed.get(name, (10_000, 10_000, 0)) for name in DOCUMENTS
    }
    rows = world.project.query("SELECT external_id, lines_total, rounded_lines FROM raw_invoices ORDER BY ALL")
    sums = {row["external_id"]: (row["lines_total"], row["rounded_lines"]) for row in rows}
    expected = dict.fromkeys(["1", "2", "3", "4", "6", "R-7"], (SUM, 3)) | {"5": (SUM + Decimal("2.52"), 3)}
    assert {name: sums[name] for name in expected} == expected


@case("44")
def test_a_sum_that_the_rounding_could_move_to_another_cent_is_held_unless_its_total_is_stated(world: World) -> None:
    for label in ("below", "above"):
        reason = world.held_because(label, account="111")
        assert reason.startswith("in 1 of its lines the amount has more than 18 decimals and is rounded at the 18th"), (
            label
        )
        assert world.invoice(label, account="111")["can_release"]
    assert world.pushed("confirmed") == (101, 101, 0)


YEN: dict[str, tuple[str, tuple[str, ...], int | None]] = {
    "whole": ("JPY", ("100", "200.00"), 300),
    "prices of usage": ("JPY", ("0.123456", "100.2", "-0.5"), 100),
    "grouped with points": ("JPY", ("1.500", "2.500"), None),
    "grouped beside whole": ("KRW", ("12.000", "7.5"), None),
    "more than thousands": ("KRW", ("1234.56", "7"), 1242),
    "half": ("VND", ("100.5",), None),
    "half, and its total": ("CLP", ("100.5",), 101),
    "with cents, in a currency that has them": ("HUF", ("1234.56",), 123456),
}
"""Currency and amounts of an invoice, and what finance has of it."""


@case("159")
def test_decimals_of_a_currency_that_has_none_are_prices_of_usage_or_held(project: Project) -> None:
    for number, (name, (currency, amounts, _)) in enumerate(YEN.items()):
        rows = (
            focus.charge(InvoiceId=name, BillingCurrency=currency, BilledCost=amount, ResourceName=f"{name} {place}")
            for place, amount in enumerate(amounts)
        )
        project.drop(f"{number}.csv", focus.as_csv(*rows))
        if "its total" in name:
            project.drop(f"{number}.csv.total", b"CLP 101")
    assert pushed(project) == {name: gross for name, (*_, gross) in YEN.items() if gross is not None}
    [reason] = hold_reasons(project, "grouped with points")
    assert reason.startswith("2.csv: record 1 is 1.5 JPY, and JPY has no decimals: thousands behind a point? ")
    project.drop("3.csv.total", b"KRW 20")
    assert pushed(project)["grouped beside whole"] == 20
