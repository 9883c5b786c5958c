"""Odd and bad files, as to their bytes, their columns and their values: each alone, and the others go on."""

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import dagster as dg
import pytest

from arcadia_dagster.reading.unread import WHOLE_AGAIN
from arcadia_dagster_tests.kit.bad_input import World, case, world_in
from arcadia_dagster_tests.kit.project import HEADER, digitalocean, line, quoted, tax

OLD_HEADER = HEADER.rpartition(",")[0]
GOOD = digitalocean(line(), tax())

SPELLINGS = {
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "byte order mark before a quote": b'\xef\xbb\xbf"product"' + GOOD.removeprefix(b"product"),
    "CR LF": digitalocean(line(), tax(), newline="\r\n"),
    "CR only": digitalocean(line(), tax(), newline="\r"),
    "no end of the last line": GOOD.removesuffix(b"\n"),
    "blank lines": digitalocean("", line(), "", "", tax(), ""),
    "padded, upper case": digitalocean(line(), tax(), header=HEADER.upper().replace(",", " , ")),
    "other order, more columns": digitalocean(
        "$6.00,eu,2026-04-30 23:59:59 +0000,2026-04-01 00:00:00 +0000,720,Droplets,web-01 (s-1vcpu-1gb),",
        "$0.60,,2026-04-30 23:59:59 +0000,2026-04-01 00:00:00 +0000,,Taxes,GST Australia (10.00%),seen",
        header="USD,Region,end,start,hours,product,description,remark",
    ),
}

UTF_16 = "UTF-16 text; save it as UTF-8 (in a spreadsheet `CSV UTF-8`, in PowerShell `-Encoding utf8`)"

NO_TEXT = {
    "UTF-16": (GOOD.decode().encode("utf-16"), f"byte 0: {UTF_16}"),
    "UTF-16 without its mark": (GOOD.decode().encode("utf-16-le"), f"byte 1: {UTF_16}"),
    "Latin-1": (
        digitalocean(line(description="caf\xe9")).decode().encode("latin-1"),
        f"byte {len(HEADER) + 14}: 0xe9 is not UTF-8; save the file as UTF-8",
    ),
    "NUL": (digitalocean(line(description="a\0b")), f"byte {len(HEADER) + 12}: control character 0x00; expected text"),
    "control": (
        digitalocean(line(description="\x1b[31m")),
        f"byte {len(HEADER) + 11}: control character 0x1b; expected text",
    ),
    "cut in a character": (
        digitalocean(line(description="caf\xe9"))[: len(HEADER) + 15],
        f"byte {len(HEADER) + 14}: the file ends within a UTF-8 character: {WHOLE_AGAIN}",
    ),
}

NO_INVOICE = {
    "empty": (b"", "the file is empty; expected an invoice: download it, or export it, again"),
    "blank": (b" \n\n", "the file is empty; expected an invoice: download it, or export it, again"),
    "header only": (HEADER.encode(), "line 1: there is a header and nothing below it; expected at least one line"),
    "header and blank lines": (
        HEADER.encode() + b"\n\n\n",
        "line 1: there is a header and nothing below it; expected at least one line",
    ),
    "login page": (
        b"<!DOCTYPE html>\n<html><title>Log in</title></html>\n",
        "line 1: it is a web page, perhaps a login page, and no invoice; sign in, and download the invoice again as CSV or JSON",
    ),
    "JSON error": (
        b'{"id": "unauthorized", "message": "Unable to authenticate you."}',
        "line 1: it is JSON of an unknown shape, perhaps an error answer",
    ),
}

CUT_OFF = {
    "last row short": (
        digitalocean(line(), line()) + b"Droplets,,we",
        "line 4, expected 9 columns, found 3 (found 'Droplets,,we')",
    ),
    "quote not closed": (
        digitalocean(line(), 'Droplets,,"web-01,720,2026-04-01 00:00:00 +0000', line(), tax()),
        "line 3: it cannot be read as CSV: a quote is not closed",
    ),
    "quote not closed in the last value": (
        digitalocean(line(), line() + '"').replace(b'iaas"\n', b'"ia'),
        "line 3: it cannot be read as CSV: a quote is not closed",
    ),
}

HEADERS = {
    "column twice": (f"{HEADER},start", "line 1: column start occurs more than once; expected each once"),
    "amount twice": (f"{HEADER},usd", "line 1: column usd occurs more than once; expected each once"),
    "hours missing": (HEADER.replace("hours", "time"), "line 1: column hours is missing; expected product,"),
    "amount missing": (
        HEADER.replace("USD", "amount"),
        "line 1: the amount's column is missing: no column is named by an ISO 4217 currency such as USD (found product,",
    ),
    "currency unknown": (HEADER.replace("USD", "USX"), "start,end,USX,project_name,category)"),
}

TIMES = {
    "no offset": ("2026-04-30 23:59:59", "expected a time with its offset such as 2020-07-01 00:00:00 +0000"),
    "31 February": ("2026-02-31 00:00:00 +0000", "expected a time with its offset"),
    "before the start": ("2026-03-31 00:00:00 +0000", "expected a time not before the start"),
    "day or month": ("03/04/2026", "expected a time with its offset"),
    "day only": ("2026-04-30", "expected a time with its offset"),
    "25 hours": ("2026-04-30 25:00:00 +0000", "expected a time with its offset"),
}

TEXTS = (
    "two\nlines",
    "two\r\nlines",
    'he said "hi", twice',
    "\N{ROCKET} caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{CJK UNIFIED IDEOGRAPH-6F22}",
    "  padded  ",
    "NULL",
    "\\N",
)
FORMULAS = ("=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\tcmd", "\rcmd")
MARKUP = ("<script>alert(1)</script>", "[click](javascript:alert(1))", "<img src=x onerror=alert(1)>", "| a | `b` |")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("reading")) as world:
        world.put("good", GOOD)
        for label, content in SPELLINGS.items():
            world.put(label, content)
        for label, (content, _) in (NO_TEXT | NO_INVOICE | CUT_OFF).items():
            world.put(label, content)
        world.put("8 columns", digitalocean(*(row.rpartition(",")[0] for row in (line(), tax())), header=OLD_HEADER))
        for label, (header, _) in HEADERS.items():
            world.put(label, digitalocean(line() + ",$1.00" * (header.count(",") - HEADER.count(",")), header=header))
        world.put("EUR", digitalocean(line(amount="€6.00"), header=HEADER.replace("USD", "EUR")))
        world.put("AUD", digitalocean(line(amount="$6.00"), header=HEADER.replace("USD", "AUD")))
        world.put("usd", digitalocean(line(), header=HEADER.replace("USD", "usd")))
        world.put(
            "ends",
            digitalocean(
                line(end="2026-04-30 23:59:59 +0000"),
                line(end="2026-05-01 00:00:00 +0000"),
                line(start="2026-04-01 10:00:00 +1000", end="2026-05-01 09:59:59 +1000"),
            ),
        )
        world.put(
            "other months",
            digitalocean(
                *[line(description="monthly")] * 3,
                line(start="2026-03-30 00:00:00 +0000", end="2026-05-02 00:00:00 +0000"),
                line(start="2025-12-01 00:00:00 +0000", end="2025-12-31 23:59:59 +0000"),
            ),
        )
        march = line(start="2026-03-01 00:00:00 +0000", end="2026-03-31 23:59:59 +0000")
        world.put("name of another month", digitalocean(march, march, line()))
        for label, (end, _) in TIMES.items():
            world.put(label, digitalocean(line(), line(end=end)))
        world.put("bad start", digitalocean(line(start="2026-02-30 00:00:00 +0000")))
        world.put("no times", digitalocean(line(), line(start="", end=""), line(start=""), line(end="")))
        world.put("texts", digitalocean(*(line(description=quoted(text)) for text in TEXTS)))
        world.put("below two lines", digitalocean(line(description=quoted("one\ntwo\nthree")), line(amount="six")))
        world.put("formulas", digitalocean(*(line(description=quoted(text)) for text in FORMULAS)))
        world.put("markup", digitalocean(*(line(description=quoted(text), amount="$9000.00") for text in MARKUP)))
        world.put("10 MB field", digitalocean(line(), line(description=quoted("x\n" * 5_000_000))))
        world.put("header of 100 kB", digitalocean(line() + ",1", header=f"{HEADER},{'x' * 100_000}"))
        world.put_as("markup in the name", "<img src=x onerror=alert(1)>.csv", b"no invoice")
        world.run()
        yield world


@case("1")
def test_however_a_good_file_is_written_the_same_invoice_reaches_finance(world: World) -> None:
    assert {label: world.pushed(label) for label in SPELLINGS} == dict.fromkeys(SPELLINGS, (660, 600, 60))
    assert {label: world.document(label)["status"] for label in SPELLINGS} == dict.fromkeys(SPELLINGS, "accepted")
    texts = {
        (label, line["line_number"]): (line["service_name"], line["description"])
        for label in SPELLINGS
        for line in world.lines(label)
    }
    assert set(texts.values()) == {("Droplets", "web-01 (s-1vcpu-1gb)"), ("Taxes", "GST Australia (10.00%)")}
    assert len(texts) == 2 * len(SPELLINGS)


@case("2")
def test_what_is_no_utf_8_text_is_rejected_with_the_offset(world: World) -> None:
    assert {label: world.rejected_because(label) for label in NO_TEXT} == {
        label: reason for label, (_, reason) in NO_TEXT.items()
    }


@case("3")
def test_a_file_without_an_invoice_is_rejected_and_never_an_invoice_of_zero(world: World) -> None:
    for label, (_, reason) in NO_INVOICE.items():
        assert world.rejected_because(label).startswith(reason), label


@case("4")
def test_a_file_that_was_cut_off_is_rejected_whole_with_its_line(world: World) -> None:
    for label, (_, reason) in CUT_OFF.items():
        assert world.rejected_because(label).startswith(reason), label


@case("6")
def test_the_header_without_category_is_accepted(world: World) -> None:
    assert world.pushed("8 columns") == (660, 600, 60)
    assert [line["project"] for line in world.lines("8 columns")] == ["shop", "shop"]


@case("7")
def test_a_column_that_occurs_twice_or_is_missing_is_named(world: World) -> None:
    for label in ("column twice", "amount twice", "hours missing", "amount missing"):
        assert world.rejected_because(label).startswith(HEADERS[label][1]), label


@case("8")
def test_the_amounts_column_names_the_currency(world: World) -> None:
    for label, currency in (("EUR", "EUR"), ("AUD", "AUD"), ("usd", "USD")):
        assert world.pushed(label) == (600, 600, 0)
        assert (world.finance(label)["currency"], world.invoice(label)["currency"]) == (currency, currency)


@case("8")
def test_a_column_that_is_no_currency_of_iso_4217_is_rejected_naming_the_header(world: World) -> None:
    reason = world.rejected_because("currency unknown")
    assert "no column is named by an ISO 4217 currency" in reason
    assert HEADERS["currency unknown"][1] in reason


@case("25")
def test_an_inclusive_end_and_the_next_midnight_are_the_same_exclusive_end(world: World) -> None:
    assert [(line["charge_period_start"], line["charge_period_end"]) for line in world.lines("ends")] == [
        (datetime(2026, 4, 1), datetime(2026, 5, 1))  # noqa: DTZ001 - the warehouse keeps UTC without an offset
    ] * 3


@case("26")
def test_lines_of_other_months_keep_their_dates_and_belong_to_the_invoices_month(world: World) -> None:
    lines = world.lines("other months")
    assert {f"{line['invoice_month']:%Y-%m}" for line in lines} == {"2026-04"}
    assert [f"{line['charge_period_start']:%Y-%m-%d}" for line in lines[3:]] == ["2026-03-30", "2025-12-01"]
    assert [f"{line['charge_period_end']:%Y-%m-%d}" for line in lines[3:]] == ["2026-05-02", "2026-01-01"]
    assert world.pushed("other months") == (3000, 3000, 0)
    finance = world.finance("other months")
    assert (finance["period_start"], finance["period_end"]) == ("2026-04-01", "2026-04-30")


@case("26")
def test_an_invoice_most_of_whose_lines_start_in_another_month_than_its_name_says_is_held(world: World) -> None:
    assert world.held_because("name of another month").startswith(
        "its file name says 2026-04, most of its lines start in 2026-03: if the name is right: arcadia release "
    )


@case("27")
def test_a_time_that_is_none_is_rejected_with_line_column_value_and_what_was_expected(world: World) -> None:
    for label, (end, expected) in TIMES.items():
        assert world.rejected_because(label).startswith(f"line 3, column end: '{end}'; {expected}"), label
    assert world.rejected_because("bad start").startswith(
        "line 2, column start: '2026-02-30 00:00:00 +0000'; expected a"
    )


@case("27")
def test_blank_times_are_allowed(world: World) -> None:
    assert world.pushed("no times") == (2400, 2400, 0)
    assert [line["charge_period_start"] is None for line in world.lines("no times")] == [False, True, True, False]
    assert [line["charge_period_end"] is None for line in world.lines("no times")] == [False, True, False, True]


@case("28")
def test_newlines_quotes_commas_and_emoji_are_kept_exactly(world: World) -> None:
    assert [line["description"] for line in world.lines("texts")] == list(TEXTS)
    assert world.pushed("texts") == (600 * len(TEXTS), 600 * len(TEXTS), 0)


@case("28")
def test_a_problem_below_a_value_of_several_lines_is_found_on_its_line_in_an_editor(world: World) -> None:
    assert world.rejected_because("below two lines").startswith("line 5, column USD: 'six'; expected an amount")


@case("29")
def test_what_a_spreadsheet_would_take_for_a_formula_is_stored_as_it_is(world: World) -> None:
    assert [line["description"] for line in world.lines("formulas")] == list(FORMULAS)


@case("30")
def test_markup_is_stored_as_it_is_and_shown_as_the_text_of_table_cells(world: World) -> None:
    assert [line["description"] for line in world.lines("markup")] == list(MARKUP)
    shown = [
        value
        for event in world.result.get_asset_materialization_events()
        for value in event.materialization.metadata.values()
    ] + [value for check in world.checks.values() for value in check.metadata.values()]
    # Markdown is links alone, to the forms that decide about what is named: a name's punctuation is escaped, so it is no markup.
    markdown = [value.value or "" for value in shown if isinstance(value, dg.MarkdownMetadataValue)]
    links = re.compile(r"- (?:\\[^\w\s]|[\w .-])*: \[\w+\]\([^()<>\s]+\)(, \[\w+\]\([^()<>\s]+\))*")
    assert [line for text in markdown for line in text.splitlines() if not links.fullmatch(line)] == []
    tables = [value for value in shown if isinstance(value, dg.TableMetadataValue)]
    cells = {cell for table in tables for record in table.records for cell in record.data.values()}
    assert cells > {*MARKUP, "<img src=x onerror=alert(1)>.csv"}
    # The UI shows JSON as text too.
    shown_as_text = (dg.TableMetadataValue, dg.JsonMetadataValue)
    outside = [re.sub(r"\\.", "", str(value.value)) for value in shown if not isinstance(value, shown_as_text)]
    assert not any("<" in text or "javascript" in text for text in outside)


@case("33")
def test_a_field_of_10_mb_is_rejected_with_the_limit_and_its_line(world: World) -> None:
    assert world.rejected_because("10 MB field").startswith(
        "line 3, the line is longer than 2000000 bytes, which is the limit"
    )
    assert len(world.rejected_because("10 MB field")) < 300


@case("33")
def test_a_header_without_end_is_rejected_with_the_limit(world: World) -> None:
    assert world.rejected_because("header of 100 kB").startswith(
        "line 1: it is longer than 65536 bytes, which is the limit for a header: download or export it again"
    )


def test_every_rejected_file_is_listed_and_the_good_ones_beside_them_are_in_finance(world: World) -> None:
    rejected = world.project.query("SELECT file_name FROM documents WHERE status = 'rejected'")
    check = world.checks["nothing_rejected"]
    assert not check.passed
    assert check.metadata["found"].value == len(rejected) > 25
    assert world.pushed("good") == (660, 600, 60)
    assert world.checks["totals_reconcile"].passed
    assert world.checks["every_ready_invoice_is_in_finance"].passed
    assert [line["amount"] for line in world.lines("good")] == [Decimal("6.00"), Decimal("0.60")]
