"""Rows that a program or a person has put into a table, and words in them: never counted as something else than they are."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from arcadia_dagster_tests.kit import aws, focus
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.described import described
from arcadia_dagster_tests.kit.documents import Desk, Stated, csv_text, line
from arcadia_dagster_tests.kit.held import BARE
from arcadia_dagster_tests.kit.stated import cost_row, cost_table

NOT_YET = (
    *(
        "Estimated",
        "ESTIMATE",
        "pending",
        "TBD",
        "Not invoiced",
        "not yet invoiced",
        "Uninvoiced",
        "Unbilled",
        "to be invoiced",
    ),
    *(
        "(blank)",
        "[empty]",
        "<not set>",
        "0",
        "000000",
        "No invoice yet",
        "draft",
        "OPEN",
        "noch nicht berechnet",
        "in progress",
    ),
)
IDS = ("E-1", "EUINGB26-1001", "10", "0001", "DRAFT-2026-11", "OPEN-7", "TBD2", "Pending-Ltd-4", "unbilledcloud")
NAMED = """
name = "named"
source = "named"
currency = "USD"
file_name = '(?P<invoice>[^_]+)_(?P<month>\\d{4}-\\d{2})'
[columns]
description = "Item"
amount = "Amount"
[tax]
none = "not due"
"""
LISTED = """
name = "listed"
source = "listed"
currency = "USD"
blank_invoice = "not invoiced"
[columns]
invoice = "No"
description = "What"
month = "Month"
amount = "Amount"
[tax]
none = "not due"
"""


def ids_of(document: Stated) -> list[tuple[str | None, bool]]:
    assert document.reason is None, document.reason
    return [(invoice.external_id, invoice.is_final) for invoice in document.invoices]


@case("183")
def test_an_id_that_says_that_there_is_no_invoice_yet_is_none(tmp_path: Path) -> None:
    desk = Desk(tmp_path, described(tmp_path, listed=LISTED))
    found = desk.read_cases(
        {
            f"{kind} {text}": content
            for text in (*NOT_YET, *IDS)
            for kind, content in (
                ("FOCUS", focus.as_csv(focus.charge(InvoiceId=text))),
                ("Parquet", focus.as_parquet(focus.charge(InvoiceId=text))),
                ("CUR", aws.as_csv(aws.item(InvoiceId=text))),
                ("described", f"No,What,Month,Amount\n{text},web,2026-04,6.00\n"),
            )
        }
    )
    wrong = {
        name: stated
        for name, document in found.items()
        if (stated := ids_of(document)) != [(name.split(" ", 1)[1] if text_is_id(name) else None, text_is_id(name))]
    }
    assert wrong == {}


def text_is_id(name: str) -> bool:
    return name.split(" ", 1)[1] in IDS


@case("183")
def test_a_file_name_that_says_that_there_is_no_invoice_yet_names_none(tmp_path: Path) -> None:
    formats = described(tmp_path, named=NAMED)
    [named] = [one for one in formats.descriptions.formats if one.name == "named"]
    assert named.facts_from_names(["Estimated_2026-04.csv", "TBD_2026-04.csv", "7_2026-04.csv"]).keys() == {
        "7_2026-04.csv"
    }


@case("183")
def test_a_description_that_knows_no_lines_without_an_id_says_how_to_allow_them(tmp_path: Path) -> None:
    text = LISTED.replace('blank_invoice = "not invoiced"\n', "")
    [document] = Desk(tmp_path, described(tmp_path, listed=text)).read(
        "No,What,Month,Amount\nPending,web,2026-04,6.00\n"
    )
    assert document.reason is not None
    assert "column No: 'Pending'" in document.reason
    assert 'write into the description, at its top: blank_invoice = "not invoiced"' in document.reason


SHOP = """
name = "shop"
source = "shop"
currency = "USD"
[columns]
invoice = "No"
description = "What"
month = "Month"
amount = "Amount"
[tax]
column = "What"
values = ["VAT"]
"""


def shop(*rows: tuple[str, str]) -> str:
    return csv_text([("7", what, "2026-04", amount) for what, amount in rows], header=("No", "What", "Month", "Amount"))


def doubts_of(document: Stated) -> tuple[str, ...]:
    assert document.reason is None, document.reason
    [invoice] = document.invoices
    return invoice.doubts


ONCE: dict[str, list[Any]] = {
    "DigitalOcean": [line(), line("web-02", "$12.00"), line("GST (10%)", "$1.80", product="Taxes", hours="")],
    "FOCUS": [focus.charge(), focus.charge(ResourceId="r2"), focus.tax()],
    "CUR": [aws.item(), aws.item(LineItemDescription="b"), aws.tax()],
    "described": [("web", "10.00"), ("db", "5.00"), ("VAT", "1.50")],
}
WRITERS: dict[str, Callable[[Sequence[Any]], str | bytes]] = {
    "DigitalOcean": csv_text,
    "FOCUS": lambda rows: focus.as_csv(*rows),
    "CUR": lambda rows: aws.as_csv(*rows),
    "described": lambda rows: shop(*rows),
}


@case("182")
def test_an_invoice_of_which_every_line_stands_there_twice_is_in_doubt(tmp_path: Path) -> None:
    desk = Desk(tmp_path, described(tmp_path, shop=SHOP))
    found = desk.read_cases(
        {
            f"{name}, {how}": WRITERS[name](rows)
            for name, once in ONCE.items()
            for how, rows in {
                "below each other": [*once, *once],
                "each twice": [row for row in once for _ in range(2)],
                "four times": once * 4,
                "once": once,
                "three times": once * 3,
                "tax once": [*once, *once[:-1]],
                "one line twice": [once[0], once[0]],
                "one line and tax": [once[0], once[0], once[-1]],
            }.items()
        }
    )
    said = {
        name for name, document in found.items() if any("stands in it twice" in doubt for doubt in doubts_of(document))
    }
    assert said == {f"{name}, {how}" for name in ONCE for how in ("below each other", "each twice", "four times")}


PAYMENTS = (
    *(
        "Payment received - thank you",
        "Payment (Visa 4242)",
        "Credit card payment",
        "PAYMENTS ON ACCOUNT 7",
        "Paid by bank transfer",
    ),
    *("Zahlung erhalten", "Paiement reçu le 3 mai", "Pago recibido", "Pagamento ricevuto", "Betaling ontvangen"),
)
NO_PAYMENTS = (
    "Promotional credit",
    "Prepayment discount",
    "Payment gateway refund",
    "Early payment discount",
    "Refund for web-01",
)


def with_credit(words: str) -> dict[str, str | bytes]:
    return {
        "DigitalOcean": csv_text([line(amount="$60.00"), ("", "", words, "", "", "", "-$6.60", "", "")]),
        "described": shop(("web", "60.00"), (words, "-6.60")),
        "FOCUS": focus.as_csv(
            focus.charge(BilledCost="60.00"),
            focus.charge(ChargeCategory="Credit", ChargeDescription=words, BilledCost="-6.60", **BARE),
        ),
    }


@case("186")
def test_a_payment_among_the_lines_is_in_doubt_and_a_credit_is_none(tmp_path: Path) -> None:
    desk = Desk(tmp_path, described(tmp_path, shop=SHOP))
    words_of = (*PAYMENTS, *NO_PAYMENTS)
    contents = {f"{name}: {words}": content for words in words_of for name, content in with_credit(words).items()}
    found = desk.read_cases(contents)
    said = {
        name
        for name, document in found.items()
        if any("payment" in doubt or "total" in doubt for doubt in doubts_of(document))
    }
    assert said == {name for name in found if name.split(": ")[1] in PAYMENTS}
    [doubt] = doubts_of(found["DigitalOcean: Payment received - thank you"])
    assert doubt == (
        "line 3, 'Payment received - thank you' reads like a payment, which is no part of what is invoiced: if it is one, take "
        "the row out and drop the file again under its name; it counts as Credit"
    )


RATES = (
    "MwSt. 19 %",
    "I.V.A. 21%",
    "ISS 2%",
    "消費税 10%",
    "VAT Switzerland (8.10%)",
    "TVA 20 %",
    "QST 9.975%",
    "M.w.St. 7%",
)
NAMES_OF_TAX = ("MwSt", "Umsatzsteuer", "KDV", "增值税", "P.T.U.", "Podatek VAT", "ÁFA")
NO_TAXES = (
    "taxi-api",
    "moms-web-01",
    "VAT consulting 3 h",
    "Issue tracker",
    "web 19 %",
    "pisa",
    "Server, excl. VAT 19 %",
)


def with_tax(words: str) -> dict[str, str | bytes]:
    return {
        "DigitalOcean": csv_text([line(), line(words, "$1.14", product="", hours="")]),
        "droplet": csv_text([line(), line(words, "$1.14")]),
        "backup": csv_text([line(), line(words, "$1.14", product="Backups", hours="")]),
        "FOCUS": focus.as_csv(focus.charge(), focus.charge(ChargeDescription=words, BilledCost="1.14", **BARE)),
        "FOCUS usage": focus.as_csv(focus.charge(), focus.charge(ChargeDescription=words, BilledCost="1.14")),
        "described": shop(("web", "6.00"), (words, "1.14")),
    }


@case("185")
def test_a_tax_by_whatever_name_is_never_counted_as_net(tmp_path: Path) -> None:
    desk = Desk(tmp_path, described(tmp_path, shop=SHOP))
    words_of = (*RATES, *NAMES_OF_TAX, *NO_TAXES)
    contents = {f"{name}: {words}": content for words in words_of for name, content in with_tax(words).items()}
    found = desk.read_cases(contents, columns="charge_category")
    outcome = {name: (document.lines[1][0], bool(doubts_of(document))) for name, document in found.items()}
    held, tax, usage = ("Usage", True), ("Tax", False), ("Usage", False)
    expected = {
        **{f"DigitalOcean: {words}": tax for words in RATES},
        **{f"DigitalOcean: {words}": held for words in NAMES_OF_TAX if "VAT" not in words},
        "DigitalOcean: Podatek VAT": tax,
        **{f"{name}: {words}": held for words in (*RATES, *NAMES_OF_TAX) for name in ("FOCUS", "described")},
    }
    wrong = {name: one for name, one in outcome.items() if one != expected.get(name, usage)}
    # Without a type the words that the first versions knew decide alone.
    del wrong["DigitalOcean: VAT consulting 3 h"], wrong["DigitalOcean: Server, excl. VAT 19 %"]
    assert wrong == {}


@case("184")
def test_amounts_of_32_bits_are_never_read(tmp_path: Path) -> None:
    contents = {
        f"{name}, {kind}": content
        for kind, cost in (("float", pa.float32()), ("double", pa.float64()))
        for name, content in {
            "FOCUS": focus.as_parquet(focus.charge(BilledCost="1234567.89"), cost=cost),
            "CUR": aws.as_parquet(aws.item(UnblendedCost="1234567.89"), cost=cost),
        }.items()
    }
    found = Desk(tmp_path).read_cases(contents, columns="amount")
    for name, document in found.items():
        if "double" in name:
            [(amount,)] = document.lines
            assert round(amount, 2) == Decimal("1234567.89")
        else:
            assert "this column has numbers of 32 bits" in str(document.reason)
            assert "write the column as DECIMAL" in str(document.reason)


@case("187")
@pytest.mark.parametrize("marks", ['values = [""]', 'pattern = "^$"'])
def test_a_total_without_words_is_named_by_its_blank(tmp_path: Path, marks: str) -> None:
    desk = Desk(tmp_path, described(tmp_path, shop=f'{SHOP}[total]\ncolumn = "What"\n{marks}\n'))
    right, wrong = (
        shop(("web", "10.00"), ("db", "5.00"), ("VAT", "1.50"), ("", total)) for total in ("16.50", "17.00")
    )
    for content, total in ((right, "16.50"), (wrong, "17.00")):
        [document] = desk.read(content)
        assert [amount for *_, amount in document.lines] == [10, 5, Decimal("1.5")]
        assert [(one.stated_total, one.doubts) for one in document.invoices] == [(Decimal(total), ())]


@case("187")
def test_subtotals_without_words_are_named_by_their_blank(tmp_path: Path) -> None:
    desk = Desk(tmp_path, described(tmp_path, shop=f'{SHOP}[total]\ncolumn = "What"\nsubtotals = [""]\n'))
    [document] = desk.read(shop(("web", "10.00"), ("db", "5.00"), ("", "15.00"), ("VAT", "1.50")))
    assert [amount for *_, amount in document.lines] == [10, 5, Decimal("1.5")]


@case("188")
def test_googles_table_in_another_notation_says_what_to_do(tmp_path: Path) -> None:
    table = cost_table(cost_row("Usage", "6.00", "6.00"), total="1.190,00 $")
    [document] = Desk(tmp_path).read(table)
    assert "'1.190,00 $'; expected an amount such as $1,234.56: set the console to English, and" in str(document.reason)


@case("189")
@pytest.mark.parametrize(
    "total", ["USD 6.60", "6.60 USD\r\n", "EUR 41.06 tax 6.56", "INV-1 USD 6.60\nINV-2 USD 7.00 tax 1.00\n"]
)
def test_a_total_under_another_name_says_what_to_rename_it_to(tmp_path: Path, total: str) -> None:
    [document] = Desk(tmp_path).read(total)
    assert "expected it under the name of its document with .total after it: rename it" in str(document.reason)
    [table] = Desk(tmp_path).read("Item,USD 6.60\nweb,6.60\n")
    assert "is the header of no known format" in str(table.reason)


OUTLINE = """
name = "outline"
source = "outline"
currency = "USD"
file_name = '(?P<invoice>[^_]+)_(?P<month>\\d{4}-\\d{2})'
[columns]
service = "Service"
description = "Item"
start = "From"
amount = "Amount"
[tax]
column = "Item"
pattern = "^VAT"
"""
DAY = "2026-04-01"
SUMS_ABOVE = {
    "pivot": ["Compute,,,15", "Compute,web,,10", "Compute,db,,5", "Storage,,,4", "Storage,s1,,3", "Storage,s2,,1"],
    "dates on lines alone": [
        ",Compute,,15",
        f",web,{DAY},10",
        f",db,{DAY},5",
        ",Storage,,4",
        f",s1,{DAY},3",
        f",s2,{DAY},1",
    ],
    "one group": ["Compute,,,15", "Compute,web,,10", "Compute,db,,5"],
    "a group of one line": ["Compute,,,15", "Compute,web,,10", "Compute,db,,5", "Storage,,,4", "Storage,s1,,4"],
    "groups in groups": ["All,,,19", "Compute,a,,15", f"Compute,web,{DAY},10", f"Compute,db,{DAY},5", "Storage,b,,4"],
    "indented": [",Compute,,15", ",  web,,10", ",  db,,5", ",Storage,,4", ",  s1,,3", ",  s2,,1"],
    "nothing but words": [",Compute,,15", ",web,,10", ",db,,5", ",Storage,,4", ",s1,,3", ",s2,,1"],
    "the last group alone": ["Support,,,7", "Compute,,,15", "Compute,web,,10", "Compute,db,,5"],
}
NO_SUMS_ABOVE = {
    "a fee without an item": ["Support,,,7", "Compute,web,,10", "Compute,db,,5"],
    "a fee without a time": [",Support,,7", f",web,{DAY},10", f",db,{DAY},5"],
    "a server and its backups": [",web,,10", ",backup,,5", ",backup,,5", ",web,,20", ",backup,,10", ",backup,,10"],
    "one line like the fee": ["Support,,,10", "Compute,web,,10", "Compute,db,,5"],
    "blank amounts": ["Compute,,,0", "Compute,web,,10", "Compute,db,,5"],
}


@case("180")
@pytest.mark.parametrize(
    "tax", [[], ["Tax,VAT,,1.90"], [f"Tax,VAT 10%,{DAY},1.90"]], ids=["no tax", "tax", "tax of a day"]
)
def test_sums_above_their_lines_are_in_doubt_and_nothing_else_is(tmp_path: Path, tax: list[str]) -> None:
    desk = Desk(tmp_path, described(tmp_path, outline=OUTLINE))
    found = desk.read_cases(
        {
            name: "\n".join(["Service,Item,From,Amount", *rows, *tax, ""])
            for name, rows in {**SUMS_ABOVE, **NO_SUMS_ABOVE}.items()
        }
    )
    said = {name for name, document in found.items() if doubts_of(document)}
    assert said == SUMS_ABOVE.keys()
    assert [doubt.split(" is the sum of other lines")[0] for doubt in doubts_of(found["pivot"])] == [
        "line 2, 'Compute' of 15",
        "line 5, 'Storage' of 4",
    ]


METERED = """
name = "metered"
source = "metered"
currency = "USD"
file_name = '(?P<invoice>[^_]+)_(?P<month>\\d{4}-\\d{2})'
[columns]
description = "Item"
quantity = "Quantity"
amount = "Amount"
[tax]
none = "not due"
"""


@case("181")
@pytest.mark.parametrize("header", ["Item,Amount,Quantity,", "Item,Amount,Quantity,Note", "Item,Amount,Quantity"])
def test_an_amount_whose_rest_stands_among_the_quantities_is_in_doubt(tmp_path: Path, header: str) -> None:
    desk = Desk(tmp_path, described(tmp_path, metered=METERED))
    rest = "," * (header.count(",") - 2)
    found = desk.read_cases(
        {
            name: "\n".join([header, *(row + rest for row in rows), ""])
            for name, rows in {
                "split": ["web,$1,200.50", "db,$5.00,3"],
                "split without cents": ["web,$1,200", "db,$5.00,3"],
                "whole amounts": ["web,$1,200.50", "db,$5,744.00"],
                "few": ["web,$1.00,200.50", "db,$5.00,20"],
            }.items()
        }
    )
    said = {
        name
        for name, document in found.items()
        if any("seem to be one amount" in doubt for doubt in doubts_of(document))
    }
    assert said == {"split", "split without cents"}
