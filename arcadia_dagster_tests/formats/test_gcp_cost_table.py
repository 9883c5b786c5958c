"""Google Cloud's cost table as the console downloads it: lines above its header, rows of rounding and totals below."""

import gzip
from datetime import date
from decimal import Decimal

import pytest

from arcadia_dagster.reading.statements import InvoiceStatement
from arcadia_dagster_tests.kit.documents import Desk, Stated
from arcadia_dagster_tests.kit.stated import COST_TABLE, cost_row, cost_table

ROWS = (
    cost_row("Usage", "1000.004", "1000.00", quantity="6,282.708"),
    cost_row("Usage", "-200.00", "-200.00", credit="Committed use discount"),
    cost_row("Adjustment", "-1.00", "-1.00", sku="Late usage"),
    cost_row("Tax", "159.80", "159.80", service="", sku="VAT", quantity="", unit=""),
    cost_row("Rounding error", "0.006", "0.01", service="", sku="", quantity="", unit="", start="", end=""),
    cost_row("Total", "958.81", "958.81", service="", sku="", quantity="", unit="", start="", end=""),
)
WHOLE = cost_table(*ROWS, total="$958.81")
COLUMNS = "line_number, charge_category, service_name, amount, quantity, charge_period_end"
MAY = date(2026, 5, 1)


def read(desk: Desk, *contents: str | bytes, **options: str) -> list[Stated]:
    found = desk.read(*contents, columns=COLUMNS, **options)
    assert {one.format for one in found} == {"gcp_cost_table"}
    return found


WRITTEN = {
    "as downloaded": WHOLE,
    "packed": gzip.compress(WHOLE),
    "with a byte order mark and CR LF": b"\xef\xbb\xbf" + WHOLE.replace(b"\n", b"\r\n"),
    "with a blank line": WHOLE.replace(b"\nBilling account name", b"\n\nBilling account name"),
}


@pytest.mark.parametrize("written", WRITTEN)
def test_its_rows_are_lines_and_what_stands_above_them_is_the_statement(large_desk: Desk, written: str) -> None:
    [found] = read(large_desk, WRITTEN[written])
    assert found.reason is None
    assert [(category, service, amount) for _, category, service, amount, *_ in found.lines] == [
        ("Usage", "Compute Engine", Decimal("1000.004")),
        ("Credit", "Compute Engine", Decimal("-200.00")),
        ("Adjustment", "Compute Engine", Decimal("-1.00")),
        ("Tax", "Taxes", Decimal("159.80")),
        ("Adjustment", None, Decimal("0.006")),
    ]
    assert (found.lines[0][4], found.lines[0][5].date()) == (Decimal("6282.708"), MAY)
    [invoice] = found.invoices
    assert (invoice.source, invoice.account_id, invoice.external_id) == ("gcp", "0A0A0A-0B0B0B-0C0C0C", "5000000030")
    assert (invoice.month, invoice.is_final, invoice.doubts) == (date(2026, 4, 1), True, ())
    assert (invoice.stated_total, invoice.stated_tax) == (Decimal("958.81"), Decimal("159.80"))
    assert found.statements == (
        InvoiceStatement(
            source="gcp",
            account_id="0A0A0A-0B0B0B-0C0C0C",
            external_id="5000000030",
            currency="USD",
            gross=Decimal("958.81"),
            issued_on=date(2026, 4, 30),
            due_on=date(2026, 5, 30),
        ),
    )


def test_a_table_without_rows_of_tax_that_comes_to_the_total_has_none_and_any_other_says_nothing_of_it(
    large_desk: Desk,
) -> None:
    usage = cost_row("Usage", "10.00", "10.00")
    free, filtered = read(large_desk, cost_table(usage, total="$10.00"), cost_table(usage, total="$11.90"))
    assert [one.invoices[0].stated_tax for one in (free, filtered)] == [Decimal(0), None]


def test_the_rounded_cost_counts_where_there_is_no_other_and_currencies_have_their_symbols(large_desk: Desk) -> None:
    row = cost_row("Usage", "1234.50", "1234.50")
    euro = cost_table(row, total="€1,234.50", currency="EUR").replace(b"($)", "(€)".encode())
    without = cost_table(row, total="$1,234.50").replace(b"Unrounded Cost ($)", b"Other")
    for found in read(large_desk, euro, without):
        assert found.invoices[0].stated_total == found.lines[0][3] == Decimal("1234.50")


def test_a_table_whose_rows_do_not_come_to_its_own_total_is_in_doubt(large_desk: Desk) -> None:
    [found] = read(large_desk, cost_table(*ROWS[:1], *ROWS[2:], total="$958.81"))
    [doubt] = found.invoices[0].doubts
    assert doubt.startswith("its row Total is 958.81, and the others come to 1158.81")


def test_a_table_without_a_number_is_not_invoiced_yet(large_desk: Desk) -> None:
    [found] = read(large_desk, cost_table(cost_row("Usage", "1.00", "1.00"), total="$1.00", number=""))
    assert (found.invoices[0].external_id, found.invoices[0].is_final, found.statements) == (None, False, ())


def test_a_cost_type_that_is_not_known_leaves_the_invoice_in_doubt(large_desk: Desk) -> None:
    [found] = read(large_desk, cost_table(cost_row("Levy", "1.00", "1.00"), total="$1.00"))
    [doubt] = found.invoices[0].doubts
    assert doubt.startswith("line 10, column Cost type: 'Levy'; expected one of Usage, Tax, Adjustment")


WRONG = {
    "no amount": (
        cost_table(cost_row("Usage", "one", "1.00"), total="$1.00"),
        "line 10, column Cost: 'one'; expected an amount",
    ),
    "no day": (
        cost_table(cost_row("Usage", "1.00", "1.00", end="April"), total="$1.00"),
        "line 10, column Usage end date: 'April'; expected a day such as",
    ),
    "no currency": (
        cost_table(*ROWS, total="$1.00", currency="XYZ"),
        "line 6, Currency: 'XYZ'; expected an ISO 4217 code",
    ),
    "no total": (
        cost_table(*ROWS, total="1.234,56 €"),
        "line 8, Total amount due: '1.234,56 €'; expected an amount such as",
    ),
    "no date": (
        cost_table(*ROWS, total="$1.00", issued="soon"),
        "line 2, Invoice date: 'soon'; expected a day such as",
    ),
    "no line with the date": (
        cost_table(*ROWS, total="$1.00").replace(b"Invoice date,2026-04-30,\n", b""),
        "no line above its header begins with 'Invoice date'",
    ),
    "a column twice": (WHOLE.replace(b"Project ID", b"Cost type"), "line 9: column cost type occurs more than once"),
    "a value too few": (WHOLE.replace(b"1000.004,1000.00", b"1000.004"), "line 10, "),
    "only a header": (cost_table(total="$1.00"), "line 1: there is a header and nothing below it"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_read_is_named_with_its_place_and_nothing_is_taken(large_desk: Desk, case: str) -> None:
    content, reason = WRONG[case]
    [found] = read(large_desk, content)
    assert str(found.reason).startswith(reason)
    assert (found.invoices, found.statements, found.lines) == ((), (), [])


def test_a_table_of_nobodys_billing_account_is_left_to_descriptions(large_desk: Desk) -> None:
    above = b"Invoice number,1\nInvoice date,2026-09-30\nCurrency,USD\n\n"
    rows = b"Project name,Service description,SKU description,Cost type,Cost ($)\nprod,Compute,N2,Usage,60.00\n"
    [found] = large_desk.read(above + rows)
    assert (found.format, found.invoices) == (None, ())


def test_the_same_columns_without_lines_above_them_are_left_to_descriptions(large_desk: Desk) -> None:
    [found] = large_desk.read(",".join(COST_TABLE) + "\n" + ",".join(ROWS[0]) + "\n")
    assert found.format is None


def test_the_tax_of_its_rows_is_rounded_as_the_invoice_is(desk: Desk) -> None:
    rows = (cost_row("Usage", "1000.4", "1000"), cost_row("Tax", "100.04", "100"))
    [found] = read(desk, cost_table(*rows, total="¥1,100", currency="JPY"))
    assert (found.invoices[0].stated_total, found.invoices[0].stated_tax) == (Decimal(1100), Decimal(100))
