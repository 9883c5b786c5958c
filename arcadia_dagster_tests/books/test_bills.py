"""Bills sum to their invoices to the minor unit, in every file; other readers than the writer say so."""

import csv
import io
import re
from collections import defaultdict
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pandas as pd
import pytest
from beancount.core.data import Transaction
from beancount.loader import load_string
from hypothesis import given, settings
from hypothesis import strategies as st

from arcadia_dagster.billing.currency import from_minor
from arcadia_dagster.books.accounts import AccountRule, Accounts
from arcadia_dagster.books.bill import (
    Bill,
    Charge,
    Payment,
    Row,
    RowKey,
    Share,
    Terms,
    differences,
    rows_of,
    taxed_rows,
    under_booked_names,
)
from arcadia_dagster.books.cells import defused, is_changed_by_spreadsheets, kept
from arcadia_dagster.books.layouts import BILLS, QUICKBOOKS, XERO, beancount_account, files
from arcadia_dagster_tests.kit.bills import ACCOUNTS, WORDS, bill, charge, invoices

TAX = charge("GST Australia (10.00%)", "0.60", is_tax=True)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@settings(max_examples=60, deadline=None)
@given(invoices(), st.sampled_from([ACCOUNTS, Accounts()]))
def test_the_rows_of_a_bill_sum_to_what_each_tenant_bears(
    invoice: tuple[list[Charge], list[Share], str], accounts: Accounts
) -> None:
    charges, shares, currency = invoice
    rows = rows_of(charges, shares, accounts, source="digitalocean", currency=currency)
    for share in shares:
        own = [row for row in rows if row.key.tenant_id == share.tenant_id]
        assert sum(row.amount_minor for row in own if row.key.kind == "expense") == share.net_minor
        assert sum(row.amount_minor for row in own if row.key.kind == "tax") == share.tax_minor
    assert len({row.key for row in rows}) == len(rows)
    # The order of the lines decides nothing.
    assert rows == rows_of(charges[::-1], shares[::-1], accounts, source="digitalocean", currency=currency)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(invoices(), WORDS), min_size=1, max_size=4), st.sampled_from([ACCOUNTS, Accounts()]))
def test_beancount_reads_the_journal_of_any_invoices_and_finds_that_it_balances(
    found: list[tuple[tuple[list[Charge], list[Share], str], str]], accounts: Accounts
) -> None:
    bills = [
        Bill(
            "digitalocean",
            "0000077",
            f"{number}",
            f"{number}",
            words,
            date(2026, 4, 1),
            date(2026, 4, 30),
            currency,
            "2000",
            rows_of(charges, shares, accounts, source="digitalocean", currency=currency),
            "ab" * 32,
            terms=Terms(terms=words, purchase_order=words),
        )
        for number, ((charges, shares, currency), words) in enumerate(found)
    ]
    entries, errors, _ = load_string(files("beancount", bills, accounts)[".beancount"])
    assert errors == []
    transactions = {entry.meta["number"]: entry for entry in entries if isinstance(entry, Transaction)}
    # What comes to nothing in every row has no entry.
    booked = [one for one in bills if one.rows]
    assert len(transactions) == len(booked)
    for one in booked:
        sums: dict[bool, Decimal] = defaultdict(Decimal)
        for posting in transactions[one.number].postings:
            sums[posting.account == "Liabilities:2000"] += Decimal(str(posting.units and posting.units.number))
        assert -sums[True] == sums[False] == from_minor(one.gross_minor, one.currency)
        assert transactions[one.number].meta["document"] == one.document_sha256
    # The journal for spreadsheets says the same.
    entries_of_journal: dict[str, Decimal] = defaultdict(Decimal)
    for row in table(files("journal", bills, accounts)[".csv"]):
        entries_of_journal[row["entry"]] += Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)
    assert set(entries_of_journal.values()) <= {Decimal(0)}


@settings(max_examples=40, deadline=None)
@given(invoices(), st.sampled_from([ACCOUNTS, Accounts()]))
def test_the_rows_for_programs_that_compute_tax_sum_to_the_bill(
    invoice: tuple[list[Charge], list[Share], str], accounts: Accounts
) -> None:
    charges, shares, currency = invoice
    one = Bill(
        *("digitalocean", "77", "1", "1", "DigitalOcean", date(2026, 4, 1), date(2026, 4, 30), currency, "2000"),
        rows_of(charges, shares, accounts, source="digitalocean", currency=currency),
        "ab" * 32,
    )
    assert sum(row.net_minor + row.tax_minor for row in taxed_rows(one, accounts)) == one.gross_minor
    for layout, net, tax in (("xero", "*UnitAmount", "TaxAmount"), ("quickbooks", "*LineAmount", "LineTaxAmount")):
        signs = {".csv": 1, "-credits.csv": -1}
        rows = [
            (signs[ending] if layout == "quickbooks" else 1, row)
            for ending, text in files(layout, [one], accounts).items()  # type: ignore[arg-type]
            for row in table(text)
        ]
        total = sum((sign * (Decimal(row[net]) + Decimal(row[tax])) for sign, row in rows), Decimal(0))
        assert total == from_minor(one.gross_minor, currency)


@given(invoices(), invoices())
@settings(max_examples=30, deadline=None)
def test_a_correction_brings_what_was_exported_to_the_invoice_as_it_is(
    before: tuple[list[Charge], list[Share], str], now: tuple[list[Charge], list[Share], str]
) -> None:
    then, today = (rows_of(*one[:2], ACCOUNTS, source="digitalocean", currency="USD") for one in (before, now))
    difference = differences(today, then)
    assert differences(today, (*then, *difference)) == ()
    assert differences(today, today) == ()


def test_a_correction_is_booked_to_the_account_of_the_first_export() -> None:
    first = bill(charge("Droplets", "6"))
    mapped_otherwise = Accounts((AccountRule("expense", "6200"),))
    [row] = differences(bill(charge("Droplets", "7"), accounts=mapped_otherwise).rows, first.rows)
    assert (row.account, row.amount_minor) == ("6100", 100)


def test_the_columns_are_those_of_the_vendors_templates() -> None:
    one = bill(charge("Droplets", "4"), charge("Volumes", "2"), TAX)
    xero = files("xero", [one], ACCOUNTS)[".csv"].splitlines()
    assert xero[0] == ",".join(f'"{column}"' for column in XERO)
    assert xero[1] == (
        '"DigitalOcean","","","","","","","","","","1001","30/04/2026","30/04/2026",6.60,"","Droplets, 2026-04",1,4.00,"6100",'
        '"GST on Expenses",0.40,"","","","","USD"'
    )
    quickbooks = files("quickbooks", [one], ACCOUNTS)[".csv"].splitlines()
    assert quickbooks[0] == ",".join(f'"{column}"' for column in QUICKBOOKS)
    assert quickbooks[2] == (
        '"1001","DigitalOcean","30/04/2026","30/04/2026","","","Invoice 1001, 2026-04","6100","Volumes, 2026-04",2.00,'
        '"GST on Expenses",0.20,"USD"'
    )


def test_a_tax_without_a_name_in_the_books_is_a_row_of_its_own() -> None:
    accounts = Accounts((AccountRule("tax", "1200"),), no_tax_type="Tax Exempt")
    rows = table(files("xero", [bill(accounts=accounts)], accounts)[".csv"])
    assert [(row["*AccountCode"], row["*UnitAmount"], row["TaxAmount"], row["*TaxType"]) for row in rows] == [
        ("Suspense", "6.00", "0.00", "Tax Exempt"),
        ("1200", "0.60", "0.00", "Tax Exempt"),
    ]


def test_two_taxes_are_two_rows_where_rules_name_both() -> None:
    accounts = Accounts(
        (AccountRule("tax", "1", code="GST"), AccountRule("tax", "2", code="QST"), AccountRule("tax", "3"))
    )
    one = bill(
        charge("Droplets", "10"),
        *(charge(code, "0.50", is_tax=True) for code in ("GST", "QST", "line one", "line two")),
        accounts=accounts,
    )
    assert [(row.key.what, row.account, row.amount_minor) for row in one.rows if row.key.kind == "tax"] == [
        ("GST", "1", 50),
        ("QST", "2", 50),
        ("Tax", "3", 100),
    ]


def test_a_number_that_is_too_long_for_quickbooks_is_shortened_stays_unique_and_is_whole_in_the_memo() -> None:
    numbers = ["12345678901234567890A", *(f"5c1f0c2e-7b1d-4f43-9d5a-2c1f0c2e7b1{end}" for end in "de")]
    rows = table(files("quickbooks", [bill(number=number) for number in numbers], ACCOUNTS)[".csv"])
    known = {row["Memo"].split(" ")[1].rstrip(","): row["*BillNo"] for row in rows}
    assert set(known) == set(numbers)
    assert known[numbers[0]] == numbers[0]
    assert len(set(known.values())) == len(numbers)
    assert {len(number) for number in known.values()} == {21}


def test_each_tenant_bears_its_own_tax_also_where_rows_have_the_tax_in_them() -> None:
    shares = [Share("acme", ("a",), 2000, 600), Share("beta", ("b",), 4000, 0)]
    charges = [charge("Compute", "20.00", project="a"), charge("Compute", "40.00", project="b"), TAX]
    rows = rows_of(charges, shares, ACCOUNTS, source="digitalocean", currency="USD")
    found = {
        tenant: sum(
            one.tax_minor for one in taxed_rows(replace(bill(), rows=rows), ACCOUNTS) if one.row.key.tenant_id == tenant
        )
        for tenant in ("acme", "beta")
    }
    assert found == {"acme": 600, "beta": 0}


def _tax(what: str, amount: int, account: str = "1200") -> Row:
    return Row(RowKey("tax", what, "", "acme"), account, "", amount)


@pytest.mark.parametrize(
    ("now", "before", "booked"),
    [
        # A rule for the code came, or went, after the first export.
        ([_tax("VAT", 500, "1220")], [_tax("Tax", 500)], [_tax("Tax", 500)]),
        ([_tax("VAT", 500, "1220"), _tax("Tax", 100)], [_tax("Tax", 600)], [_tax("Tax", 600)]),
        (
            [_tax("Tax", 600)],
            [_tax("VAT", 500, "1220"), _tax("Tax", 100)],
            [_tax("Tax", 100), _tax("VAT", 500, "1220")],
        ),
        (
            [_tax("Tax", 650)],
            [_tax("VAT", 500, "1220"), _tax("Tax", 100)],
            [_tax("Tax", 100), _tax("VAT", 550, "1220")],
        ),
        # Another tax was charged.
        ([_tax("QST", 50, "1230"), _tax("Tax", 100)], [_tax("Tax", 100)], [_tax("QST", 50, "1230"), _tax("Tax", 100)]),
        ([_tax("Tax", 100)], [_tax("QST", 50, "1230"), _tax("Tax", 100)], [_tax("Tax", 100)]),
    ],
)
def test_a_rule_for_a_tax_that_came_later_changes_nothing_that_is_booked(
    now: list[Row], before: list[Row], booked: list[Row]
) -> None:
    assert list(under_booked_names(now, before)) == booked


def test_a_credit_note_is_below_zero_for_xero_and_in_a_file_of_its_own_for_quickbooks() -> None:
    credit = bill(charge("Droplets", "-6"), charge("GST", "-0.60", is_tax=True), external_id="2")
    [row] = table(files("xero", [credit], ACCOUNTS)[".csv"])
    assert (row["*UnitAmount"], row["TaxAmount"], row["Total"]) == ("-6.00", "-0.60", "-6.60")
    found = files("quickbooks", [bill(), credit], ACCOUNTS)
    assert sorted(found) == ["-credits.csv", ".csv"]
    [row] = table(found["-credits.csv"])
    assert (row["*LineAmount"], row["LineTaxAmount"]) == ("6.00", "0.60")


def test_what_is_known_of_a_bill_is_exported_and_a_second_currency_as_it_is_stated() -> None:
    terms = Terms(
        due_on=date(2026, 5, 14),
        terms="Net 14",
        purchase_order="4711",
        seller_name="DigitalOcean, LLC",
        seller_tax_id="US99",
        payment=Payment("AUD", Decimal("10.120000"), Decimal("1.533300")),
    )
    row = table(files("bills", [bill(terms=terms)], ACCOUNTS)[".csv"])[0]
    assert {
        name: row[name] for name in ("due", "terms", "seller", "purchase_order", "payment_amount", "payment_rate")
    } == {
        "due": "2026-05-14",
        "terms": "Net 14",
        "seller": "DigitalOcean, LLC",
        "purchase_order": "4711",
        "payment_amount": "10.12",
        "payment_rate": "1.5333",
    }
    entries, _, _ = load_string(files("beancount", [bill(terms=terms)], ACCOUNTS)[".beancount"])
    [entry] = [entry for entry in entries if isinstance(entry, Transaction)]
    assert (entry.meta["payment_currency"], entry.meta["payment_rate"]) == ("AUD", "1.5333")
    assert table(files("quickbooks", [bill(terms=terms)], ACCOUNTS)[".csv"])[0]["*DueDate"] == "14/05/2026"


def test_a_bill_of_which_no_document_tells_is_due_as_the_accounts_say() -> None:
    assert bill().due(Accounts(due_days=30)) == date(2026, 5, 30)
    assert bill().due(Accounts()) == date(2026, 4, 30)


@pytest.mark.parametrize(
    "number", ["12345678901234567890", "123456789012", "00418071234", "1E5", "3-4", "2026.10", "MAR1", "12:30"]
)
def test_a_spreadsheet_changes_no_id(number: str) -> None:
    one = bill(
        number=number, external_id=number, account_id="012345678901", vendor_name="=1+1", terms=Terms(terms="@x")
    )
    for layout, column in (
        ("bills", "number"),
        ("journal", "number"),
        ("xero", "*InvoiceNumber"),
        ("quickbooks", "*BillNo"),
    ):
        [text] = files(layout, [one], ACCOUNTS).values()  # type: ignore[arg-type]
        # pandas takes a cell for a number as a spreadsheet does.
        read = pd.read_csv(io.StringIO(text))
        shown = re.sub("^(?:'|digital[a-z]* )", "", str(read[column].iloc[0]))
        # One of 20 digits has no room for its provider in QuickBooks Online, and is shortened.
        assert shown == number or (layout, shown[:12], len(number)) == ("quickbooks", number[:12], 20)
        cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
        assert [cell for cell in cells if cell[:1] in "=+@" and cell] == []
    assert table(files("bills", [one], ACCOUNTS)[".csv"])[0]["invoice"] == f"digitalocean/012345678901/{number}"


@given(WORDS)
def test_a_cell_gives_its_text_back(text: str) -> None:
    assert kept(text).removeprefix("'") == text or kept(text) == text
    assert not kept(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert defused(text) in {text, f"'{text}"}


def test_ordinary_numbers_and_words_stay_as_they_are() -> None:
    assert [
        text
        for text in ("418071234", "EUINDE26-1", "E0400ABC12", "Marble", "0", "5", "")
        if is_changed_by_spreadsheets(text)
    ] == []


def test_accounts_have_names_of_their_own_in_beancount() -> None:
    assert beancount_account("6100", "expense") == "Expenses:6100"
    assert beancount_account("Expenses:Cloud:Hosting", "expense") == "Expenses:Cloud:Hosting"
    names = {
        beancount_account(name, "tax")
        for name in ("Cloud hosting", "Cloud-hosting", "Cloud.hosting", "cloud-hosting", "Ä_1")
    }
    assert len(names) == 5


def test_every_column_of_the_plain_file_is_filled_in() -> None:
    [text] = files("bills", [bill()], ACCOUNTS).values()
    assert tuple(table(text)[0]) == BILLS
