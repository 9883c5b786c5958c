"""Odd and bad amounts, taxes and totals: what is kept to the last digit, what is rejected, what is held."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from arcadia_dagster.reports import findings
from arcadia_dagster_tests.kit.bad_input import World, case, world_in
from arcadia_dagster_tests.kit.project import HEADER, digitalocean, line, quoted, tax

GOOD = digitalocean(line(), tax())

NEGATIVE = ("($5.00)", "-$5.00", "$-5.00", "5.00-", "\N{MINUS SIGN}5.00", "\N{MINUS SIGN}$5.00", "$5.00-", "(5)")
AMBIGUOUS = ("1.234,56", "40.000.000.000", "01.02.2026", "1,234", "1,23", "12,34,567.00", "1 234.56", "1'234.56")
NO_NUMBER = (
    "NaN",
    "Infinity",
    "-inf",
    "",
    "   ",
    "null",
    "$",
    "-",
    "1_000",
    "0x10",
    "--5",
    "+-5",
    "($5.00",
    "1e400",
    "=1+1",
)

SERVICES = ("gstreamer-01", "taxi-api", "syntax-worker", "taxonomy-db", "tax-service")
UNTYPED_TAXES = ("GST (10%)", "GST10%", "Sales tax", "Canada Tax")
TYPED_TAXES = ("VAT Switzerland (8.10%)", "HST", "QST (9.975%)", "PST BC", "SST")

YEN = HEADER.replace("USD", "JPY")
TWO_CURRENCIES = HEADER.replace("USD", "USD,EUR")

# What stands beside an invoice of 6.60 USD, and what becomes of it.
CONTROL_TOTALS = {
    "6.60": None,
    "$6.60": None,
    "USD 6.60": None,
    "6.6 USD": None,
    "\ufeff6.60": None,
    "86.92": "the total that it states, 86.92 USD, differs from the sum of its lines, 6.60 USD",
    "6.605": "the total that it states, 6.605 USD, has more decimals than USD has",
    "EUR 6.60": "its control total cannot be used: the control total is in EUR, the invoice in USD",
    "six": "'six'; expected a total such as 86.92 or USD 86.92",
    "": "''; expected a total such as 86.92 or USD 86.92",
    "USD 6.60 USD": "expected a total such as 86.92 or USD 86.92",
    "USX 6.60": "expected a total such as 86.92 or USD 86.92",
    "9" * 20: "expected a total such as 86.92 or USD 86.92",
    "x" * 100_000: "expected a total such as 86.92 or USD 86.92",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("money")) as world:
        world.put("good", GOOD)
        world.put("grouped", digitalocean(line(amount='"$1,234.56"'), line(amount='"1,234,567.89"')))
        world.put("negative", digitalocean(line(amount="$100.00"), *(line(amount=quoted(text)) for text in NEGATIVE)))
        for text in AMBIGUOUS + NO_NUMBER:
            world.put(text, digitalocean(line(), line(amount=quoted(text))))
        world.put("many bad", digitalocean(*(line(amount=quoted(text)) for text in AMBIGUOUS)))
        world.put("scientific", digitalocean(line(amount="1.81E-8"), line(amount="0.000000000000000001")))
        world.put(
            "signs",
            digitalocean(
                line(amount="$0.00"),
                line(),
                line("Droplets", "refund of a droplet", "-$1.00"),
                line("Goodwill", "gst and tax forgiven", "-$2.00", hours=""),
            ),
        )
        for product, hours in (("Droplets", "720"), ("Backups", "")):
            rows = (line(product, f"{name} (s-1vcpu-1gb)", "$1.00", hours=hours) for name in SERVICES)
            world.put(product, digitalocean(*rows, tax(amount="$0.50")))
        untyped = (
            line(product, text, "$0.10", hours="") for product in ("", "Something new") for text in UNTYPED_TAXES
        )
        world.put("untyped taxes", digitalocean(line(amount="$8.00"), *untyped))
        world.put("typed taxes", digitalocean(line(amount="$8.00"), *(tax(text, "$0.10") for text in TYPED_TAXES)))
        world.put("droplet called tax", digitalocean(line(), line(description="GST (10%)", amount="$1.00")))
        world.put(
            "tax refund",
            digitalocean(
                line(),
                tax("GST (10%)", "$0.60"),
                tax("PST BC", "$0.20"),
                tax("GST refund", "-$0.30"),
                line("Credits", "Tax-exempt credit", "-$1.00", hours=""),
            ),
        )
        world.put("only tax", digitalocean(tax(amount="$0.60")))
        world.put("tax on nothing", digitalocean(line(), line(amount="-$6.00"), tax()))
        world.put("tax above net", digitalocean(line(amount="$1.00"), tax(amount="$1.01")))
        world.put("twice", digitalocean(line(), line(), tax(amount="$1.20")))
        world.put("two currencies", digitalocean(line(amount="$6.00,"), line(amount=",€5.00"), header=TWO_CURRENCIES))
        world.put(
            "both at once",
            digitalocean(line(), line(amount="$6.00,€5.00"), header=TWO_CURRENCIES).replace(
                b"$6.00,shop", b"$6.00,,shop"
            ),
        )
        world.put("yen", digitalocean(line(amount="¥100.4"), line(amount="¥0.1"), header=YEN))
        world.put("half a yen", digitalocean(line(amount="¥100"), header=YEN))
        world.total("half a yen", b"JPY 100.50")
        world.put("zero", digitalocean(line(), line("Credits", "Promotion", "-$6.00", hours="")))
        world.put("credit note", digitalocean(line("Credits", "Refund", "-$6.00", hours=""), tax(amount="-$0.60")))
        for number, text in enumerate(CONTROL_TOTALS):
            world.put(f"total {text}", GOOD + b"\n" * (number + 1))
            world.total(f"total {text}", text.encode())
        world.project.drop("nothing.csv.total", b"6.60")
        world.run()
        yield world


@case("9")
def test_dollars_with_thousands_are_read(world: World) -> None:
    assert [line["amount"] for line in world.lines("grouped")] == [Decimal("1234.56"), Decimal("1234567.89")]
    assert world.pushed("grouped") == (123580245, 123580245, 0)


@case("10")
def test_however_minus_is_written_it_is_minus(world: World) -> None:
    assert [line["amount"] for line in world.lines("negative")[1:]] == [Decimal(-5)] * len(NEGATIVE)
    assert world.pushed("negative") == (6000, 6000, 0)


@case("11")
def test_an_amount_that_could_mean_two_things_is_rejected(world: World) -> None:
    for text in AMBIGUOUS:
        reason = world.rejected_because(text)
        assert reason.startswith(
            f"line 3, column USD: {text!r}; expected an amount such as 1234.56, $1,234.56 or ($5.00)"
        ), text


@case("11")
def test_the_first_bad_amounts_are_named_and_the_others_counted(world: World) -> None:
    reason = world.rejected_because("many bad")
    assert [f"line {number}, column USD: {text!r}" in reason for number, text in enumerate(AMBIGUOUS, start=2)] == [
        *([True] * 3),
        *([False] * (len(AMBIGUOUS) - 3)),
    ]
    assert reason.endswith(f"; and {len(AMBIGUOUS) - 3} more")


@case("12")
def test_scientific_notation_is_exact(world: World) -> None:
    assert [line["amount"] for line in world.lines("scientific")] == [Decimal("0.0000000181"), Decimal("1E-18")]
    assert world.invoice("scientific")["amount_gross"] == Decimal("0.000000018100000001")


@case("12")
def test_what_is_no_number_is_rejected_and_blank_is_never_0(world: World) -> None:
    for text in NO_NUMBER:
        shown = repr(text) if text.strip() else "blank"
        assert world.rejected_because(text).startswith(f"line 3, column USD: {shown}; expected an amount"), text


@case("13")
def test_lines_of_zero_and_below_are_kept_and_count_with_their_sign(world: World) -> None:
    assert [(line["amount"], line["charge_category"]) for line in world.lines("signs")] == [
        (Decimal(0), "Usage"),
        (Decimal(6), "Usage"),
        (Decimal(-1), "Usage"),
        (Decimal(-2), "Credit"),
    ]
    assert world.pushed("signs") == (300, 300, 0)
    assert world.finance("signs")["line_count"] == 4


def doubtful_lines(world: World) -> set[tuple[str, str]]:
    """The lines on which the earlier rule differs: the invoice's number and the description."""
    with world.project.warehouse.read() as connection:
        found = findings.find(connection, findings.DOUBTFUL_TAX, None)
    return {(finding.facts["external_id"], finding.facts["description"]) for finding in found}


@case("14")
def test_a_droplet_and_its_backup_are_no_tax_by_their_name_and_are_listed_as_doubtful(world: World) -> None:
    for product in ("Droplets", "Backups"):
        assert world.pushed(product) == (550, 500, 50), product
        assert [line["charge_category"] for line in world.lines(product)] == [*["Usage"] * 5, "Tax"], product
    doubtful = [
        (world.numbers[product], f"{name} (s-1vcpu-1gb)") for product in ("Droplets", "Backups") for name in SERVICES
    ]
    assert set(doubtful) <= doubtful_lines(world)


@case("14b")
def test_an_untyped_line_without_hours_that_names_a_tax_is_tax(world: World) -> None:
    assert world.pushed("untyped taxes") == (880, 800, 80)
    taxes = world.lines("untyped taxes")[1:]
    assert [(line["charge_category"], line["tax_basis"]) for line in taxes] == [("Tax", "description")] * 8


@case("15")
def test_a_line_that_the_provider_types_as_tax_is_tax_whatever_it_is_called(world: World) -> None:
    assert world.pushed("typed taxes") == (850, 800, 50)
    taxes = world.lines("typed taxes")[1:]
    assert [(line["description"], line["tax_basis"]) for line in taxes] == [
        (text, "provider_type") for text in TYPED_TAXES
    ]


@case("16")
def test_a_droplet_called_like_a_tax_is_net_and_listed_as_doubtful(world: World) -> None:
    assert world.pushed("droplet called tax") == (700, 700, 0)
    assert [line["is_tax_doubtful"] for line in world.lines("droplet called tax")] == [False, True]
    assert world.numbers["droplet called tax"] in {number for number, _ in doubtful_lines(world)}


@case("17")
def test_taxes_are_summed_a_refunded_tax_is_negative_and_a_credit_is_no_tax(world: World) -> None:
    assert world.pushed("tax refund") == (550, 500, 50)
    assert [line["charge_category"] for line in world.lines("tax refund")] == ["Usage", "Tax", "Tax", "Tax", "Credit"]


@case("18")
def test_tax_without_net_or_above_it_is_held(world: World) -> None:
    assert world.held_because("only tax").startswith("it has tax of 0.60 USD without anything that is taxed: if the")
    assert world.held_because("tax on nothing").startswith(
        "it has tax of 0.60 USD without anything that is taxed: if the"
    )
    assert world.held_because("tax above net").startswith(
        "its tax of 1.01 USD is more than its net of 1.00 USD: if that is"
    )


@case("19")
def test_two_equal_lines_both_count(world: World) -> None:
    assert world.pushed("twice") == (1320, 1200, 120)
    assert [line["line_number"] for line in world.lines("twice")] == [1, 2, 3]


@case("34")
def test_an_invoice_in_several_currencies_is_held_and_never_summed(world: World) -> None:
    held = world.held_because("two currencies")
    assert held.startswith(
        "its lines are in several currencies (EUR, USD), which are never summed: ask the provider for one invoice a currency"
    )
    assert "arcadia void digitalocean/" in held
    assert world.totals("two currencies") == (None, None, None)
    assert (world.invoice("two currencies")["currency"], world.invoice("two currencies")["amount_gross"]) == (
        None,
        None,
    )
    assert [(line["amount"], line["currency"]) for line in world.lines("two currencies")] == [
        (Decimal(6), "USD"),
        (Decimal(5), "EUR"),
    ]
    assert world.rejected_because("both at once") == (
        "line 3, column USD/EUR: '$6.00 and €5.00'; expected an amount in one currency"
    )


@case("35")
def test_a_stated_total_with_more_decimals_than_its_currency_has_is_held(world: World) -> None:
    reason = world.held_because("half a yen")
    assert reason.startswith(
        "the total that it states, 100.5 JPY, has more decimals than JPY has: if its lines are right: "
    )


@case("35")
def test_a_computed_sum_is_rounded_once_half_away_from_zero_and_kept_unrounded(world: World) -> None:
    assert world.pushed("yen") == (101, 101, 0)
    assert world.invoice("yen")["amount_gross"] == Decimal("100.5")


@case("36")
def test_an_invoice_of_zero_and_a_credit_note_are_pushed_as_what_they_are(world: World) -> None:
    assert world.pushed("zero") == (0, 0, 0)
    assert world.pushed("credit note") == (-660, -600, -60)


@case("5")
def test_a_control_total_beside_a_file_must_be_the_sum_of_its_lines(world: World) -> None:
    for text, reason in CONTROL_TOTALS.items():
        assert world.totals(f"total {text}") == (660, 600, 60), text
        assert world.invoice(f"total {text}")["line_count"] == 2, text
        if reason is None:
            assert world.pushed(f"total {text}") == (660, 600, 60), text
        else:
            assert reason in world.held_because(f"total {text}"), text


@case("5")
def test_a_control_total_of_no_file_is_reported(world: World) -> None:
    assert world.problems == {
        "nothing.csv.total": "it states the total of nothing.csv, but no such document was landed"
    }
    assert world.checks["nothing_rejected"].metadata["found"].value == 1 + len(
        world.project.query("SELECT * FROM documents WHERE status = 'rejected'")
    )


def test_what_is_held_is_listed_with_its_reason_and_the_good_invoice_beside_it_is_in_finance(world: World) -> None:
    held = world.project.query("SELECT external_id FROM tax_split_totals WHERE status = 'held'")
    assert world.checks["nothing_held"].metadata["found"].value == len(held) == 14
    listed = " ".join(world.listed_by("nothing_held", "held_because"))
    assert "its tax of 1.01 USD is more than its net of 1.00 USD" in listed
    assert world.pushed("good") == (660, 600, 60)
    assert world.checks["totals_reconcile"].passed
    assert world.checks["every_ready_invoice_is_in_finance"].passed
