"""Odd and bad AWS reports: what the cases of the list mean where the type of a line item says what it is."""

import gzip
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from arcadia_dagster_tests.kit.aws import HEADER, as_csv, as_parquet, item, manifest, tax
from arcadia_dagster_tests.kit.bad_input import World, case, world_in

ACCOUNT = "77"
WORDS = ("gstreamer-01", "taxi-api", "GST (10%)", "Tax-free storage")
TEXT = 'web "1", \U0001f680\n<script>'


def usage(label: str, cost: str = "6.00", **values: str) -> dict[str, str]:
    # A server of its own, for otherwise small invoices would be one under several numbers.
    return item(
        **{"InvoiceId": label, "PayerAccountId": ACCOUNT, "UnblendedCost": cost, "ResourceId": f"i-{label}", **values}
    )


def taxed(label: str, cost: str = "0.60", **values: str) -> dict[str, str]:
    return tax(**{"InvoiceId": label, "PayerAccountId": ACCOUNT, "UnblendedCost": cost, **values})


def both(label: str) -> tuple[dict[str, str], dict[str, str]]:
    return usage(label), taxed(label)


def of_both(label: str, **options: Any) -> bytes:
    return as_csv(*both(label), **options)


_UPPER = ",".join(f" {name} " for name in HEADER).upper().encode()

WRITTEN = {
    "byte order mark": b"\xef\xbb\xbf" + of_both("byte order mark"),
    "CR LF": of_both("CR LF").replace(b"\n", b"\r\n"),
    "CR only": of_both("CR only").replace(b"\n", b"\r"),
    "padded, upper case": of_both("padded, upper case").replace(",".join(HEADER).encode(), _UPPER),
    "reversed": of_both("reversed", header=HEADER[::-1]),
    "CUR 2.0": of_both("CUR 2.0", is_cur2=True),
    "gzip": gzip.compress(of_both("gzip")),
    "Parquet": as_parquet(*both("Parquet")),
}

READY: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    "signs": (as_csv(usage("signs", "1,234.56"), usage("signs", "(5.00)"), usage("signs", "0")), (122956, 122956, 0)),
    "E notation": (as_csv(usage("E notation", "1.81E-8"), usage("E notation", "2E+1")), (2000, 2000, 0)),
    "words of tax": (
        as_csv(*(usage("words of tax", "1.00", LineItemDescription=text) for text in WORDS), taxed("words of tax")),
        (460, 400, 60),
    ),
    "unknown type": (
        as_csv(
            usage("unknown type"),
            taxed("unknown type", LineItemType="NewTax", UsageAmount="", LineItemDescription="GST10%"),
            usage("unknown type", "1.00", LineItemType="NewUsage", LineItemDescription="VAT gateway"),
        ),
        (760, 700, 60),
    ),
    "taxes": (
        as_csv(
            usage("taxes"), taxed("taxes"), taxed("taxes", "0.20", LineItemDescription="VAT Switzerland (8.10%)"),
            taxed("taxes", "-0.10"), usage("taxes", "-1.00", LineItemType="Credit", LineItemDescription="Tax-exempt credit"),
        ),
        (570, 500, 70),
    ),
    "equal lines": (as_csv(usage("equal lines"), usage("equal lines")), (1200, 1200, 0)),
    "credit note": (
        as_csv(usage("credit note", "-6.00", LineItemType="Refund"), taxed("credit note", "-0.60")),
        (-660, -600, -60),
    ),
    "nothing": (as_csv(usage("nothing"), usage("nothing", "-6.00", LineItemType="Credit")), (0, 0, 0)),
    "dates": (
        as_csv(
            usage("dates", UsageStartDate="2026-03-31T23:00:00Z", UsageEndDate="2026-04-30T23:59:59Z"),
            usage("dates", UsageStartDate="2026-04-01T00:00:00Z", UsageEndDate="2029-04-01T00:00:00Z", LineItemType="Fee"),
            usage("dates", UsageStartDate="", UsageEndDate=""),
        ),
        (1800, 1800, 0),
    ),
    "text": (as_csv(usage("text", LineItemDescription=TEXT), usage("text", LineItemDescription="=1+1")), (1200, 1200, 0)),
    "euros": (as_csv(usage("euros", CurrencyCode="EUR")), (600, 600, 0)),
}  # fmt: skip

HELD: dict[str, tuple[bytes, str]] = {
    "only tax": (as_csv(taxed("only tax")), "it has tax of 0.60 USD without anything that is taxed"),
    "more tax": (as_csv(usage("more tax", "0.50"), taxed("more tax")), "its tax of 0.60 USD is more than its net"),
    "currencies": (as_csv(usage("currencies"), usage("currencies", CurrencyCode="EUR")), "its lines are in several"),
    "no currency": (as_csv(usage("no currency", CurrencyCode="XXX")), "its currency XXX is not in ISO 4217"),
    "future": (
        as_csv(usage("future", BillingPeriodStartDate="2098-01-01T00:00:00Z")),
        "its month 2098-01 is in the future",
    ),
    "long ago": (
        as_csv(usage("long ago", BillingPeriodStartDate="2016-01-01T00:00:00Z")),
        "its month 2016-01 is before the first month, ARCADIA_FIRST_MONTH",
    ),
    "cut off": (
        as_csv(usage("cut off")),
        "the total that it states, 6.60 USD, differs from the sum of its lines, 6.00",
    ),
}

GOOD = of_both("bad")
REJECTED: dict[str, tuple[bytes, str]] = {
    "UTF-16": (GOOD.decode().encode("utf-16"), "byte 0: UTF-16 text"),
    "Latin-1": (GOOD.replace(b"hour", b"h\xe9ure"), "byte "),
    "control": (GOOD.replace(b"hour", b"ho\x00ur"), "byte "),
    "ZIP": (b"PK\x03\x04" + GOOD, "it cannot be unpacked: its ZIP archive is damaged"),
    "header only": (as_csv(), "line 1: there is a header and nothing below it"),
    "no rows": (as_parquet(), "it has no lines"),
    "cut Parquet": (as_parquet(usage("bad"))[:-9], "it cannot be read as Parquet"),
    "cut gzip": (gzip.compress(GOOD)[:-9], "it cannot be unpacked"),
    "last row short": (GOOD + b"1,2", "line 4, expected 30 columns, found 2"),
    "quote not closed": (GOOD + b'"1,2', "line 4: it cannot be read as CSV: a quote is not closed"),
    "column twice": (
        of_both("bad", header=(*HEADER, "lineItem/UnblendedCost")),
        "line 1: column lineitemunblendedcost occurs",
    ),
    "no amount": (
        of_both("bad", header=tuple(name for name in HEADER if name != "lineItem/UnblendedCost")),
        "line 1: 'identity/LineItemId,",
    ),
    "German amount": (as_csv(usage("bad", "1.234,56")), "line 2, column lineItem/UnblendedCost: '1.234,56'"),
    "date as amount": (as_csv(usage("bad", "01.02.2026")), "line 2, column lineItem/UnblendedCost: '01.02.2026'"),
    "NaN": (as_csv(usage("bad", "NaN")), "line 2, column lineItem/UnblendedCost: 'NaN'"),
    "blank amount": (as_csv(usage("bad", "")), "line 2, column lineItem/UnblendedCost: blank"),
    "21 digits": (as_csv(usage("bad", "100000000000000000000")), "line 2, column lineItem/UnblendedCost: '1000"),
    "no currency code": (as_csv(usage("bad", CurrencyCode="")), "line 2, column lineItem/CurrencyCode: blank"),
    "31 February": (
        as_csv(usage("bad", UsageStartDate="2026-02-31T00:00:00Z")),
        "line 2, column lineItem/UsageStartDate",
    ),
    "slashes": (as_csv(usage("bad", UsageEndDate="03/04/2026")), "line 2, column lineItem/UsageEndDate: '03/04/2026'"),
    "end before start": (
        as_csv(usage("bad", UsageEndDate="2026-03-01T00:00:00Z")),
        "line 2, column lineItem/UsageEndDate",
    ),
    "manifest of nothing": (manifest(), "reportKeys or dataFiles: []; expected a list of at least one file"),
    "manifest of numbers": (manifest(reportKeys=[1]), "reportKeys or dataFiles: [1]; expected a list"),
    "manifest cut off": (manifest("a/b.csv")[:-9], "it is not JSON"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("aws")) as world:
        for label, content in WRITTEN.items():
            world.put_as(label, f"{label}.csv", content, external_id=label, account=ACCOUNT)
        for label, (content, _) in (READY | HELD).items():
            world.put_as(label, f"{label}.csv", content, external_id=label, account=ACCOUNT)
        world.total("cut off", b"USD 6.60")
        for label, (content, _) in REJECTED.items():
            world.put_as(label, f"{label}.csv", content)
        world.put_as(
            "open",
            "open.csv",
            as_csv(*(row | {"bill/PayerAccountId": "99"} for row in both(""))),
            external_id="99-2026-04-uninvoiced",
        )
        world.put_as("first", "first.csv", as_csv(usage("first"), usage("second")), external_id="first")
        world.build()
        world.put_as("other account", "other.csv", as_csv(usage("first", PayerAccountId="88")), external_id="first")
        world.build()
        yield world


@case("1")
def test_however_a_good_report_is_written_its_invoice_reaches_finance(world: World) -> None:
    assert {label: world.pushed(label) for label in WRITTEN} == dict.fromkeys(WRITTEN, (660, 600, 60))


@case("13")
def test_what_each_line_item_is_decides_what_is_net_and_what_is_tax(world: World) -> None:
    assert {label: world.pushed(label) for label in READY} == {label: amounts for label, (_, amounts) in READY.items()}
    assert world.finance("euros")["currency"] == "EUR"


@case("14")
def test_names_that_read_as_tax_are_net_and_listed_as_doubtful(world: World) -> None:
    found = {line["description"]: line for line in world.lines("words of tax") if line["charge_category"] == "Usage"}
    assert {text: found[text]["is_tax_doubtful"] for text in WORDS} == dict.fromkeys(WORDS, True)


@case("25")
def test_an_end_is_exclusive_and_dates_outside_of_the_month_are_kept(world: World) -> None:
    at = datetime.fromisoformat
    assert [(line["charge_period_start"], line["charge_period_end"]) for line in world.lines("dates")] == [
        (at("2026-03-31 23:00"), at("2026-05-01")),
        (at("2026-04-01"), at("2029-04-01")),
        (None, None),
    ]
    assert {str(line["invoice_month"]) for line in world.lines("dates")} == {"2026-04-01"}


@case("28")
def test_descriptions_are_kept_exactly(world: World) -> None:
    assert [line["description"] for line in world.lines("text")] == [TEXT, "=1+1"]


@case("5")
def test_what_is_inadmissible_is_held_with_its_reason(world: World) -> None:
    found = {label: world.held_because(label) for label in HELD}
    assert [label for label, (_, reason) in HELD.items() if not found[label].startswith(reason)] == [], found


@case("12")
def test_what_cannot_be_read_is_rejected_with_its_place(world: World) -> None:
    assert world.rejected_otherwise(REJECTED) == {}


@case("24")
def test_what_is_not_invoiced_yet_is_shown_and_never_pushed(world: World) -> None:
    assert world.totals("open", account="99") == (660, 600, 60)
    assert world.held_because("open", account="99").startswith(
        "it is a preview or has no id: shown, never pushed; or, if its"
    )
    assert not world.invoice("open", account="99")["can_release"]


@case("38")
def test_two_invoices_of_a_report_both_go_and_one_with_the_id_of_another_account_s_is_held(world: World) -> None:
    assert world.pushed("first") == (600, 600, 0)
    world.numbers["second"] = "second"
    assert world.pushed("second") == (600, 600, 0)
    later = world.invoice("other account", account="88")
    assert later["status"] == "held"
    assert "77" in later["hold_reasons"][0]


@case("21")
def test_a_report_again_is_nothing_new_and_one_with_other_amounts_is_pushed_as_updated(world: World) -> None:
    label = "byte order mark"
    world.put_as(label, "again.csv", WRITTEN[label], external_id=label)
    world.build()
    assert world.finance(label)["times_received"] == 1
    lines = [usage(label), usage(label, "0.01", LineItemDescription="late usage"), taxed(label)]
    world.put_as(label, "again.csv", as_csv(*lines), external_id=label)
    world.build()
    assert world.pushed(label) == (661, 601, 60)
    assert world.finance(label)["times_received"] == 2
