"""Odd and bad FOCUS documents: what the cases of the list mean where a document states many invoices with types of their own."""

import gzip
import shlex
from collections.abc import Iterator
from datetime import date

import pytest

from arcadia_dagster.reports.close import accounts, close
from arcadia_dagster.reports.status import status
from arcadia_dagster_tests.kit.bad_input import APRIL, World, case, world_in
from arcadia_dagster_tests.kit.focus import HEADER, as_csv, as_parquet, charge, tax

GOOD = (charge(InvoiceId="good"), tax(InvoiceId="good"))

ACCEPTED = {
    "byte order mark": b"\xef\xbb\xbf" + as_csv(*GOOD),
    "CR LF": as_csv(*GOOD).replace(b"\n", b"\r\n"),
    "CR only": as_csv(*GOOD).replace(b"\n", b"\r"),
    "padded, upper case": as_csv(*GOOD).replace(",".join(HEADER).encode(), " , ".join(HEADER).upper().encode()),
    "gzip": gzip.compress(as_csv(*GOOD)),
    "Parquet": as_parquet(*GOOD),
}

REJECTED = {
    "UTF-16": (as_csv(*GOOD).decode().encode("utf-16"), "byte 0: UTF-16 text"),
    "header only": (as_csv(), "line 1: there is a header and nothing below it"),
    "last row short": (as_csv(*GOOD) + b"1,2", "line 4, expected 22 columns, found 2"),
    "quote not closed": (as_csv(*GOOD) + b'"6.00,111', "line 4: it cannot be read as CSV: a quote is not closed"),
    "amount twice": (as_csv(*GOOD, header=(*HEADER, "BilledCost")), "line 1: column billedcost occurs more than once"),
    "German amount": (as_csv(charge(BilledCost="1.234,56")), "line 2, column BilledCost: '1.234,56'"),
    "NaN": (as_csv(charge(BilledCost="NaN")), "line 2, column BilledCost: 'NaN'"),
    "blank amount": (as_csv(charge(BilledCost=None)), "line 2, column BilledCost: blank"),
    "21 digits": (as_csv(charge(BilledCost="100000000000000000000")), "line 2, column BilledCost: '1000"),
    "31 February": (as_csv(charge(ChargePeriodStart="2026-02-31")), "line 2, column ChargePeriodStart: '2026-02-31'"),
    "end before start": (as_csv(charge(ChargePeriodEnd="2026-03-01")), "line 2, column ChargePeriodEnd: '2026-03-01'"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("focus")) as world:
        for number, (label, content) in enumerate(ACCEPTED.items()):
            # An invoice of its own for a server of its own in each, for otherwise they would be versions of one.
            name = f"good-{number}"
            own = (
                as_parquet(*(row | {"InvoiceId": name, "ResourceId": f"i-{name}"} for row in GOOD))
                if label == "Parquet"
                else content
            )
            if label == "gzip":
                own = gzip.compress(
                    gzip.decompress(content).replace(b"good", name.encode()).replace(b"0abc", b"packed")
                )
            own = own.replace(b",good,", f",{name},".encode()).replace(b"i-0abc", f"i-{name}".encode())
            world.put_as(label, f"{label}.csv", own, external_id=name)
        for label, (content, _) in REJECTED.items():
            world.put_as(label, f"{label}.csv", content)
        world.put_as(
            "open",
            "open.csv",
            as_csv(charge(InvoiceId=None, BillingAccountId="222"), tax(InvoiceId="NULL", BillingAccountId="222")),
        )
        world.numbers["open"] = "222-2026-04-uninvoiced"
        several = (
            charge(InvoiceId="mixed"),
            charge(InvoiceId="mixed", BillingCurrency="EUR"),
            charge(InvoiceId="beside"),
        )
        world.put_as("mixed", "mixed.csv", as_csv(*several), external_id="mixed")
        world.put_as(
            "unknown currency",
            "unknown.csv",
            as_csv(charge(InvoiceId="XXX-1", BillingCurrency="XXX")),
            external_id="XXX-1",
        )
        world.put_as(
            "typed",
            "typed.csv",
            as_csv(
                charge(InvoiceId="typed", ChargeDescription="GST gateway"),
                tax(InvoiceId="typed", ChargeDescription="Levy"),
                charge(
                    InvoiceId="typed", ChargeCategory="Credit", ChargeDescription="Tax-exempt credit", BilledCost="-1"
                ),
            ),
            external_id="typed",
        )
        gaps = (
            charge(InvoiceId="gaps"),
            charge(InvoiceId="gaps", InvoiceIssuerName=None, BilledCost="2.00"),
            tax(InvoiceId="gaps", InvoiceIssuerName="NULL"),
        )
        world.put_as("no issuer on some rows", "gaps.csv", as_csv(*gaps), external_id="gaps")
        nobody = charge(InvoiceId="nobody", InvoiceIssuerName=None, ProviderName=None)
        world.put_as("no issuer at all", "nobody.csv", as_csv(nobody), external_id="nobody")
        odd = (
            charge(InvoiceId="odd it's", BilledCost="500.00"),
            charge(InvoiceId="odd it's", BilledCost="50.00", ChargeCategory="Support", ConsumedQuantity=None),
            tax(InvoiceId="odd it's", BilledCost="55.00", ChargeCategory="tax"),
        )
        world.put_as("unknown category", "odd.csv", as_csv(*odd), external_id="odd it's")
        zero = (
            charge(InvoiceId="by the provider", BillingAccountId="333"),
            charge(InvoiceId=None, BillingAccountId="333", InvoiceIssuerName="Thirdparty Inc.", BilledCost="0"),
            charge(InvoiceId=None, BillingAccountId="444", BilledCost="5"),
            charge(InvoiceId=None, BillingAccountId="444", BilledCost="-5", ChargeCategory="Credit"),
            charge(InvoiceId=None, BillingAccountId="444", BilledCost="0.0", BillingCurrency="EUR"),
            charge(InvoiceId=None, BillingAccountId="555", BilledCost="5"),
            charge(InvoiceId=None, BillingAccountId="555", BilledCost="-5", BillingCurrency="EUR"),
        )
        world.put_as("rows that come to 0", "zero.csv", as_csv(*zero), external_id="by the provider")
        world.run([APRIL])
        yield world


@case("1")
def test_however_a_good_document_is_written_its_invoice_reaches_finance(world: World) -> None:
    assert {label: world.pushed(label) for label in ACCEPTED} == dict.fromkeys(ACCEPTED, (660, 600, 60))


@case("12")
def test_what_cannot_be_read_is_rejected_with_its_place(world: World) -> None:
    assert world.rejected_otherwise(REJECTED) == {}


@case("24")
def test_lines_without_an_invoice_are_shown_and_never_pushed(world: World) -> None:
    assert world.totals("open", account="222") == (660, 600, 60)
    assert len(world.lines("open", account="222")) == 2
    assert world.held_because("open", account="222").startswith(
        "it is a preview or has no id: shown, never pushed; or, if its"
    )
    assert not world.invoice("open", account="222")["can_release"]


@case("34")
def test_an_invoice_in_several_currencies_is_held_and_its_neighbour_in_the_file_goes_on(world: World) -> None:
    assert "its lines are in several currencies (EUR, USD)" in world.held_because("mixed", account="111")
    world.numbers["beside"] = "beside"
    assert world.pushed("beside") == (600, 600, 0)


@case("34")
def test_an_unknown_currency_holds_its_invoice(world: World) -> None:
    held = world.held_because("unknown currency", account="111")
    assert held.startswith("its currency XXX is not in ISO 4217: put a file with the code of its currency")


@case("17")
def test_the_category_decides_what_is_tax_whatever_the_words(world: World) -> None:
    assert world.pushed("typed") == (560, 500, 60)


@case("41")
def test_a_row_without_an_issuer_is_on_its_invoice_and_an_invoice_that_no_row_names_one_of_is_held(
    world: World,
) -> None:
    assert world.pushed("no issuer on some rows") == (860, 800, 60)
    assert world.finance("no issuer on some rows")["source"] == "aws"
    reason = world.held_because("no issuer at all", account="111")
    assert reason.startswith("nobody.csv: no line of it names who issued it (InvoiceIssuerName), nor the provider")


@case("42")
def test_an_unknown_category_counts_and_holds_its_invoice_until_a_person_releases_it(world: World) -> None:
    assert world.totals("unknown category", account="111") == (60_500, 55_000, 5_500)
    reason = world.held_because("unknown category", account="111")
    assert reason.startswith(
        "odd.csv: line 3, column ChargeCategory: 'Support'; expected one of Usage, Purchase, Tax, Credit, Adjustment; it counts "
        "as Usage; if that is right: "
    )
    command = shlex.split(reason.rpartition("if that is right: ")[2])
    assert command[:4] == ["arcadia", "release", "aws/111/odd it's", "--reason"]
    world.project.decide("release", file_name="odd.csv", invoice=("aws", "111", "odd it's"), reason="support is no tax")
    world.build()
    assert world.pushed("unknown category") == (60_500, 55_000, 5_500)


@case("43")
def test_rows_without_an_invoice_that_come_to_0_are_shown_and_hold_nothing_up(world: World) -> None:
    assert world.pushed("rows that come to 0") == (600, 600, 0)
    rows = world.project.query(
        "SELECT source, account_id, status, is_nothing FROM tax_split_totals WHERE is_nothing ORDER BY ALL"
    )
    assert [(row["source"], row["account_id"], row["status"]) for row in rows] == [
        ("aws", "444", "held"),
        ("thirdparty", "333", "held"),
    ]
    held = world.listed_by("nothing_held", "account_id")
    assert ("555" in held, "444" in held, "333" in held) == (True, False, False)
    with world.project.warehouse.read() as connection:
        found = accounts(connection)
    standings = close(found, today=date(2026, 5, 9), close_day=5).standings
    states = {one.account.name: one.state for one in standings}
    assert (states["aws/333"], states["aws/555"]) == ("complete", "held")
    assert not {"thirdparty-inc/333", "aws/444"} & states.keys()
    april = next(one for one in status(world.project.warehouse, "") if one.month == APRIL)
    assert april.held == len([row for row in held if row]) - 1  # one was released since
