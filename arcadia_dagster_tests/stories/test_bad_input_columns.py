"""An amount with a comma and without quotes, in a table that a spreadsheet has saved: never read as its first part."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from arcadia_dagster_tests.kit import aws, focus
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.described import described
from arcadia_dagster_tests.kit.documents import HEADER, Desk, csv_text, line
from arcadia_dagster_tests.kit.stated import detail, details_csv

LARGE = "1,200.50"
AMOUNT = re.compile(r"-?\$?-?[\d,.]+")
SHOP = """
name = "shop"
source = "shop"
currency = "USD"
[columns]
invoice = "no"
description = "what"
start = "from"
end = "to"
amount = "price"
[tax]
none = "not due"
"""


def records(content: str | bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content if isinstance(content, str) else content.decode(), newline="")))


def droplets(*amounts: str, columns: int = len(HEADER)) -> list[list[str]]:
    return [row[:columns] for row in records(csv_text(line(amount=f"${amount}") for amount in amounts))]


def amount_before_the_last_column(amount: str, other: str, table: list[list[str]]) -> list[list[str]]:
    """The table in another order of columns."""
    columns = [*(name for name in table[0] if name not in {amount, other}), amount, other]
    return [[row[table[0].index(name)] for name in columns] for row in table]


TABLES: dict[str, Callable[..., list[list[str]]]] = {
    "DigitalOcean": droplets,
    "DigitalOcean, older": lambda *amounts: droplets(*amounts, columns=len(HEADER) - 1),
    "FOCUS": lambda *amounts: amount_before_the_last_column(
        "BilledCost",
        "x_Extra",
        records(focus.as_csv(*(focus.charge(BilledCost=text, x_Extra="x") for text in amounts))),
    ),
    "CUR": lambda *amounts: amount_before_the_last_column(
        "lineItem/UnblendedCost",
        "lineItem/LineItemDescription",
        records(aws.as_csv(*(aws.item(UnblendedCost=text) for text in amounts))),
    ),
    "invoice detail": lambda *amounts: amount_before_the_last_column(
        "BilledCost", "PaymentTerms", records(details_csv(*(detail(BilledCost=text) for text in amounts)))
    ),
    "described": lambda *amounts: [
        ["no", "what", "from", "to", "price", "note"],
        *(["7", "server", "2026-04-01", "2026-05-01", text, "rack 4"] for text in amounts),
    ],
}


def opened_and_saved(table: Sequence[Sequence[str]], delimiter: str, *, is_trimmed: bool = False) -> bytes:
    """What a spreadsheet makes of a table whose amounts have no quotes: as many values in all rows as in the longest."""
    rows = [
        [part for value in row for part in (value.split(",") if AMOUNT.fullmatch(value) else [value])] for row in table
    ]
    width = max(len(row) for row in rows)
    rows = [row + [""] * (width - len(row)) for row in rows]
    while is_trimmed and not any(row[-1] for row in rows):
        rows = [row[:-1] for row in rows]
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return file.getvalue().encode()


@case("161")
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_what_moved_into_a_column_without_a_header_is_never_read(tmp_path: Path, delimiter: str) -> None:
    desk = Desk(tmp_path, described(tmp_path, shop=SHOP.replace("[columns]", f'delimiter = "{delimiter}"\n[columns]')))
    found = desk.read_cases(
        {
            f"{name}, {at}": opened_and_saved(table(*amounts), delimiter)
            for name, table in TABLES.items()
            for at, amounts in PLACES
        }
    )
    for name, document in found.items():
        assert document.format is not None, (name, document.reason)
        assert document.reason is not None, name
        assert "is in a column without a header" in document.reason, (name, document.reason)
        assert "download the file again" in document.reason
        assert document.reason.startswith("line 3: " if "second" in name else "line 2: ")


PLACES = (("first", (LARGE, "6.00")), ("second", ("6.00", LARGE)), ("all", (LARGE, LARGE)))


@case("161")
@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("name", ["DigitalOcean", "DigitalOcean, older", "FOCUS", "CUR", "described"])
def test_an_amount_in_two_columns_is_never_read_where_the_columns_behind_it_are_blank(
    tmp_path: Path, name: str, delimiter: str
) -> None:
    desk = Desk(tmp_path, described(tmp_path, shop=SHOP.replace("[columns]", f'delimiter = "{delimiter}"\n[columns]')))
    header, *rows = TABLES[name]("6.00", LARGE)
    last = max(position for position, value in enumerate(rows[1]) if LARGE in value)
    blank = [header, *([*row[: last + 1], *("" for _ in row[last + 1 :])] for row in rows)]
    [document] = desk.read(opened_and_saved(blank, delimiter))
    assert document.reason is not None
    assert document.reason.startswith("line 3, column ")
    assert "'1' and '200.50' behind it seem to be one amount" in document.reason.replace("$1", "1")


@case("161")
@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("amount", [LARGE, "-1,200.50", "12,345,678.90", "1,200"])
def test_digitalocean_s_amount_in_two_columns_is_never_read_in_a_table_of_the_right_width(
    large_desk: Desk, delimiter: str, amount: str
) -> None:
    header, *rows = droplets("6.00", amount, columns=len(HEADER) - 1)
    content = opened_and_saved(
        [header, *([*row[:-1], ""] for row in rows)], delimiter, is_trimmed=amount.count(",") == 1
    )
    [document] = large_desk.read(content)
    assert document.reason is not None
    place = "line 3, column USD: " if amount.count(",") == 1 else "line 3: '678.90' is in a column without a header"
    assert document.reason.startswith(place)


@case("161")
@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("amount", [LARGE, "-1,200.50", "1,200"])
def test_a_described_amount_in_two_columns_is_in_doubt_in_a_table_of_the_right_width(
    tmp_path: Path, delimiter: str, amount: str
) -> None:
    text = SHOP.replace("[columns]", f'delimiter = "{delimiter}"\n[columns]')
    table = [[*row[:-1], ""] for row in TABLES["described"]("6.00", amount)]
    table[0][-1] = "note"
    content = opened_and_saved(table, delimiter, is_trimmed=True)
    [document] = Desk(tmp_path, described(tmp_path, shop=text)).read(content)
    [invoice] = document.invoices
    [doubt] = invoice.doubts
    assert doubt.startswith("line 3, column price: ")
    first, second = amount.split(",")
    assert f"{first!r} and {second!r} behind it seem to be one amount" in doubt
    # A number of its own.
    named = text.replace('amount = "price"', 'amount = "price"\nquantity = "note"')
    [document] = Desk(tmp_path, described(tmp_path, shop=named)).read(content)
    assert [invoice.doubts for invoice in document.invoices] == [()]


@case("161")
def test_a_described_amount_that_goes_on_behind_a_decimal_comma_is_in_doubt(tmp_path: Path) -> None:
    text = SHOP.replace("[columns]", 'decimal_mark = ","\nthousands_mark = "."\n[columns]')
    table = [[*row[:-1], ""] for row in TABLES["described"]("6", "1.200,50", "119,00")]
    table[0][-1] = "note"
    content = opened_and_saved(table, ",", is_trimmed=True)
    [document] = Desk(tmp_path, described(tmp_path, shop=text)).read(content)
    [invoice] = document.invoices
    assert [doubt.partition(" behind it")[0] for doubt in invoice.doubts] == [
        "line 3, column price: '1.200' and '50'",
        "line 4, column price: '119' and '00'",
    ]


@case("161")
def test_columns_without_a_header_and_with_nothing_in_them_change_nothing_and_so_do_numbers_of_rows(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, described(tmp_path, shop=SHOP))
    cases = {}
    for name, table in TABLES.items():
        rows = table("6.00", "7.00")
        cases[f"{name}, behind"] = csv_text([[*row, "", " "] for row in rows[1:]], header=[*rows[0], "", ""])
        cases[f"{name}, before"] = csv_text([[str(n), *row] for n, row in enumerate(rows[1:])], header=["", *rows[0]])
    for name, document in desk.read_cases(cases).items():
        assert document.reason is None, (name, document.reason)
        assert document.invoices
