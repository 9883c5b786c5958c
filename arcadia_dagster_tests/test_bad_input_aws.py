"""Odd and bad reports of AWS: what the cases of the list mean where a report states many invoices, in one file or in several."""

import gzip
from collections.abc import Iterator

import pytest

from arcadia_dagster_tests.bad_input import World, case, world_in
from arcadia_dagster_tests.formats.aws_cur import as_csv, as_parquet, item, tax

PAYER = "111111111111"


def report(invoice: str) -> tuple[dict[str, str | None], ...]:
    return item(bill_invoice_id=invoice), tax(bill_invoice_id=invoice)


ACCEPTED = {
    "byte order mark": b"\xef\xbb\xbf" + as_csv(*report("byte order mark")),
    "CR LF": as_csv(*report("CR LF")).replace(b"\n", b"\r\n"),
    "legacy": as_csv(*report("legacy"), legacy=True),
    "upper case": as_csv(*report("x")).replace(b",x,", b",upper case,").replace(b"line_item_u", b"LINE_ITEM_U"),
    "gzip": gzip.compress(as_csv(*report("gzip"))),
    "Parquet": as_parquet(*report("Parquet")),
}

REJECTED = {
    "UTF-16": (as_csv(item()).decode().encode("utf-16"), "byte 0: UTF-16 text"),
    "last row short": (as_csv(item()) + b"1,2", "line 3, expected 16 columns, found 2"),
    "quote not closed": (as_csv(item()) + b'"6.00,111', "line 3: it cannot be read as CSV: a quote is not closed"),
    "German amount": (as_csv(item(line_item_unblended_cost="1.234,56")), "line 2, column line_item_unblended_cost"),
    "NaN": (as_csv(item(line_item_unblended_cost="NaN")), "line 2, column line_item_unblended_cost: 'NaN'"),
    "31 February": (as_csv(item(line_item_usage_start_date="2026-02-31")), "line 2, column line_item_usage_start_date"),
    "cut off": (gzip.compress(as_csv(item()))[:-9], "it cannot be unpacked"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("aws")) as world:
        for label, content in ACCEPTED.items():
            world.put_as(label, f"{label}.csv", content, external_id=label)
        for label, (content, _) in REJECTED.items():
            world.put_as(label, f"{label}.csv", content)
        world.put_as("open", "open.csv", as_csv(item(bill_invoice_id=None, bill_payer_account_id="222")))
        world.numbers["open"] = "222-2026-04-uninvoiced"
        discounted = item(bill_invoice_id="discounted", line_item_net_unblended_cost="5.10")
        world.put_as("discounted", "discounted.csv", as_csv(discounted), external_id="discounted")
        parts = [item(bill_invoice_id="parts", line_item_line_item_description=f"part {n}") for n in range(3)]
        for number, part in enumerate(parts):
            world.project.drop(f"20260401-20260501/report-{number}.csv.gz", gzip.compress(as_csv(part)))
        world.numbers["parts"] = "parts"
        world.build()
        yield world


@case("1")
def test_however_a_report_is_written_its_invoice_reaches_finance(world: World) -> None:
    assert {label: world.pushed(label) for label in ACCEPTED} == dict.fromkeys(ACCEPTED, (660, 600, 60))
    assert {world.finance(label)["source"] for label in ACCEPTED} == {"aws"}


@case("12")
def test_what_cannot_be_read_is_rejected_with_its_place(world: World) -> None:
    found = {label: world.document(label) for label in REJECTED}
    assert {label: row["status"] for label, row in found.items()} == dict.fromkeys(REJECTED, "rejected")
    wrong = {label: row["reason"] for label, row in found.items() if not row["reason"].startswith(REJECTED[label][1])}
    assert wrong == {}


@case("24")
def test_a_month_that_is_not_final_is_shown_and_never_pushed(world: World) -> None:
    assert world.totals("open", account="222") == (600, 600, 0)
    assert world.held_because("open", account="222") == "it is a preview or has no id: shown, never pushed"


@case("5")
def test_an_invoice_whose_discounts_are_no_lines_is_held(world: World) -> None:
    assert "the total that it states, 5.1 USD, differs" in world.held_because("discounted", account=PAYER)


@case("20")
def test_the_files_of_one_folder_are_one_invoice(world: World) -> None:
    assert world.pushed("parts") == (1800, 1800, 0)
