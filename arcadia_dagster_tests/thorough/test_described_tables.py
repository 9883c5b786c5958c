"""Described tables as consoles give them: lines above the header, totals below, categories, months, taxes stated once."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.formats.described import Descriptions
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster_tests.kit import focus
from arcadia_dagster_tests.kit.described import described
from arcadia_dagster_tests.kit.documents import Desk, Stated
from arcadia_dagster_tests.kit.properties import quickly

PLAIN = """
name = "plain"
source = "plain"
currency = "USD"
columns = {amount = "Cost", service = "Service", start = "Day"}
"""
TAX = '[tax]\ncolumn = "Kind"\nvalues = ["Tax"]\n'
TOTAL = '[total]\ncolumn = "Kind"\nvalues = ["Total"]\nsubtotals = ["Subtotal"]\n'
HEADER = "Service,Day,Kind,Cost\n"
ROWS = "Compute,2026-04-01,Usage,60.00\nStorage,2026-04-02,Usage,30.00\n,,Tax,9.00\n"
PREAMBLE = "Invoice number,5000000030\nInvoice date,2026-04-30\n\n"


@pytest.fixture
def read(tmp_path: Path) -> Iterator[Callable[..., Stated]]:
    desks: list[Desk] = []

    def one(content: str, text: str, **options: str) -> Stated:
        folder = tmp_path / str(len(desks))
        folder.mkdir()
        desk = Desk(folder, described(folder, one=text))
        desks.append(desk)
        [found] = desk.read(content, **options)
        return found

    yield one
    for desk in desks:
        desk.reader.close()


def at(*parts: int) -> datetime:
    """In UTC, as the warehouse keeps it."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


def top(text: str, *keys: str) -> str:
    """The description with further keys at its top."""
    return text.replace('currency = "USD"', "\n".join(['currency = "USD"', *keys]))


def with_columns(**columns: str) -> str:
    more = ", ".join(f'{field} = "{column}"' for field, column in columns.items())
    return PLAIN.replace('amount = "Cost"', f'amount = "Cost", {more}')


def test_the_table_may_begin_below_other_lines(read: Callable[..., Stated]) -> None:
    usual = read(HEADER + ROWS, PLAIN + TAX).lines
    assert len(usual) == 3
    for first_line in ("4", '"header"'):
        for newline in ("\n", "\r\n", "\r"):
            for above in (PREAMBLE, '"Invoice, quoted",1\n"x"\n\n', ',,,,,,\n \na "b\n'):
                content = (above + HEADER + ROWS).replace("\n", newline)
                found = read(content, top(PLAIN, f"first_line = {first_line}") + TAX)
                assert (found.reason, found.lines) == (None, usual), (first_line, newline, above)
    assert read(HEADER + ROWS, top(PLAIN, 'first_line = "header"') + TAX).lines == usual


def test_a_table_without_a_header_may_begin_below_other_lines(read: Callable[..., Stated]) -> None:
    text = """name = "plain"\nsource = "plain"\ncurrency = "USD"\nheader = false\nwidth = 4\nfirst_line = 4
    columns = {service = 1, start = 2, amount = 4}\n[tax]\ncolumn = 3\nvalues = ["Tax"]\n"""
    found = read(PREAMBLE + ROWS, text, columns="line_number, amount")
    assert found.lines == [(1, Decimal(60)), (2, Decimal(30)), (3, Decimal(9))]


def test_the_place_of_a_problem_below_other_lines_is_the_line_of_the_file(read: Callable[..., Stated]) -> None:
    text = top(PLAIN, "first_line = 4") + TAX
    cases = {
        ROWS + "Compute,2026-04-03,Usage,much\n": "line 8, column Cost: 'much'",
        ROWS + "Compute,2026-04-03,Usage\n": "line 8, expected 4 columns, found 3",
        ROWS + "Compute,2026-04-03,Usage,1,2\n": "line 8",
        'Compute,2026-04-03,"Usage,1\n': "line 5, column 3: a quote that is not closed",
        "": "line 1: there is a header and nothing below it",
    }
    found = {reason: str(read(PREAMBLE + HEADER + rows, text).reason) for rows, reason in cases.items()}
    assert [reason for reason in found if not found[reason].startswith(reason)] == [], found


def test_where_the_header_is_found_elsewhere_it_is_said_which_line_it_is(
    read: Callable[..., Stated], tmp_path: Path
) -> None:
    reason = str(read(PREAMBLE + HEADER + ROWS, PLAIN + TAX).reason)
    hint = 'line 4 has the columns that plain names: say first_line = 4 in one.toml, or first_line = "header"'
    assert hint in reason
    described_ = Descriptions.of(tmp_path / "0").formats[-1]
    assert hint in described_.why_not(head_of(PREAMBLE + HEADER))
    assert described_.below(head_of("a,b\n1,2\n")) is None


def head_of(text: str) -> Any:
    from arcadia_dagster.reading.format import Head  # noqa: PLC0415 - one helper's

    return Head(text=text, newline="\n")


def test_a_total_is_no_line_but_what_the_lines_must_come_to(read: Callable[..., Stated]) -> None:
    rows = f"{ROWS},,Rounding,0.01\n,,Subtotal,90.00\n,,TOTAL ,99.01\n"
    found = read(HEADER + rows, PLAIN + TAX + TOTAL, columns="line_number, charge_category, amount")
    assert found.reason is None
    assert [amount for *_, amount in found.lines] == [Decimal(60), Decimal(30), Decimal(9), Decimal("0.01")]
    [invoice] = found.invoices
    assert (invoice.stated_total, invoice.lines_total, invoice.line_count, invoice.doubts) == (
        Decimal("99.01"),
        Decimal("99.01"),
        4,
        (),
    )


def test_a_total_in_the_middle_leaves_every_line_its_own_number(read: Callable[..., Stated]) -> None:
    rows = "A,2026-04-01,Usage,1\n,,Total,3\nB,2026-04-01,Usage,2\n"
    found = read(HEADER + rows, PLAIN + TAX + TOTAL, columns="line_number, service_name, amount")
    assert found.lines == [(1, "A", Decimal(1)), (3, "B", Decimal(2))]
    assert found.invoices[0].stated_total == Decimal(3)


@quickly(8)
@given(
    st.lists(st.decimals(-1000, 1000, places=2), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
    st.integers(0, 3),
)
def test_wherever_totals_stand_the_lines_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, amounts: list[Decimal], chance: Any, totals: int
) -> None:
    folder = tmp_path_factory.mktemp("totals")
    rows = [f"S{number},2026-04-01,Usage,{amount}" for number, amount in enumerate(amounts)]
    for _ in range(totals):
        rows.insert(chance.randrange(len(rows) + 1), f",,{chance.choice(['Total', 'Subtotal'])},{sum(amounts)}")
    [found] = Desk(folder, described(folder, one=PLAIN + TAX + TOTAL)).read(
        HEADER + "\n".join(rows) + "\n", columns="service_name, amount"
    )
    assert found.reason is None
    assert found.lines == [(f"S{number}", amount) for number, amount in enumerate(amounts)]
    assert found.invoices[0].stated_total in {None, sum(amounts)}
    assert found.invoices[0].doubts == ()


def test_totals_alone_are_no_invoice_and_an_unreadable_total_is_told(read: Callable[..., Stated]) -> None:
    assert str(read(HEADER + ",,Total,3\n", PLAIN + TAX + TOTAL).reason).startswith("it has totals, but no line")
    reason = read(HEADER + ROWS + ",,Total,three\n", PLAIN + TAX + TOTAL).reason
    assert str(reason).startswith("line 5, column Cost: 'three'; expected an amount")
    assert read(HEADER + ROWS + ",,Subtotal,\n", PLAIN + TAX + TOTAL).reason is None


def test_totals_that_differ_from_each_other_or_from_all_lines_of_a_file_are_in_doubt(
    read: Callable[..., Stated],
) -> None:
    [one] = read(HEADER + ROWS + ",,Total,99\n,,Total,98\n", PLAIN + TAX + TOTAL).invoices
    assert one.doubts == ("its rows with its total state different ones",)
    text = with_columns(invoice="Invoice") + TAX + TOTAL
    header, rows = "Service,Day,Kind,Cost,Invoice\n", "A,2026-04-01,Usage,1.004,R-1\nB,2026-04-01,Usage,2.004,R-2\n"
    right = read(header + rows + ",,Total,1.00,R-1\n,,Total,3.01,\n", text).invoices
    assert [(one.external_id, one.stated_total, one.doubts) for one in right] == [
        ("R-1", Decimal("1.00"), ()),
        ("R-2", None, ()),
    ]
    wrong = read(header + rows + ",,Total,3.10,\n", text).invoices
    assert [one.doubts for one in wrong] == [
        ("the total of its file is stated as 3.1, and all lines come to 3.008",)
    ] * 2


def test_a_total_before_tax_never_confirms_that_there_is_no_tax(read: Callable[..., Stated]) -> None:
    text = PLAIN + '[tax]\nnone = "not stated"\n' + TOTAL
    rows = ROWS.replace(",,Tax,9.00\n", "")
    [invoice] = read(HEADER + rows + ",,Total,90.00\n", text).invoices
    assert (invoice.lacks_tax, invoice.stated_total, invoice.doubts) == (True, None, ())
    [invoice] = read(HEADER + rows + ",,Total,99.00\n", text).invoices
    assert invoice.doubts == ("its total before tax is stated as 99, and its lines come to 90",)


def test_a_total_beside_a_column_of_taxes_is_stated_with_them(read: Callable[..., Stated]) -> None:
    text = PLAIN + '[tax]\namount = "VAT"\n' + TOTAL
    rows = "A,2026-04-01,Usage,60.00,6.00\nB,2026-04-01,Usage,30.00,3.00\n,,Total,90.00,9.00\n"
    found = read("Service,Day,Kind,Cost,VAT\n" + rows, text, columns="line_number, charge_category, amount")
    assert [amount for *_, amount in found.lines] == [Decimal(60), Decimal(6), Decimal(30), Decimal(3)]
    [invoice] = found.invoices
    assert (invoice.stated_total, invoice.stated_tax, invoice.doubts) == (Decimal(99), Decimal(9), ())


def test_a_total_and_a_tax_that_each_line_repeats_are_controls(read: Callable[..., Stated]) -> None:
    text = with_columns(total="Total", total_tax="Total tax") + TAX
    header = "Service,Day,Kind,Cost,Total,Total tax\n"
    [invoice] = read(header + ROWS.replace("\n", ",99.00,9.00\n"), text).invoices
    assert (invoice.stated_total, invoice.stated_tax, invoice.doubts) == (Decimal(99), Decimal(9), ())
    other = (
        ROWS.replace("\n", ",99.00,9.00\n", 1).replace("30.00\n", "30.00,98.00,8.00\n").replace("9.00\n", "9.00,,\n")
    )
    [invoice] = read(header + other.replace("99.00,9.00,,", "99.00,9.00"), text).invoices
    assert invoice.doubts == ("its lines state different totals of it", "its lines state different taxes of it")
    reason = read(header + ROWS.replace("\n", ",much,9.00\n"), text).reason
    assert str(reason).startswith("line 2, column Total: 'much'; expected an amount")


def test_a_tax_that_each_line_repeats_for_its_invoice_is_a_line_once(read: Callable[..., Stated]) -> None:
    text = with_columns(invoice="Invoice") + '[tax]\nstated = "Invoice tax"\n' + TOTAL
    rows = [
        "A,2026-04-01,Usage,60.00,R-1,",
        "B,2026-04-01,Usage,50.00,R-2,5.00",
        "C,2026-04-01,Usage,30.00,R-1,9.00",
        "D,2026-04-01,Usage,1.00,R-2,5.00",
        "E,2026-04-01,Usage,7.00,R-3,",
        ",,Total,162.00,,",
    ]
    found = read(
        "Service,Day,Kind,Cost,Invoice,Invoice tax\n" + "\n".join(rows) + "\n",
        text,
        columns="line_number, charge_category, description, amount, invoice_ordinal",
    )
    assert found.reason is None
    assert [(line, category, amount) for line, category, _, amount, _ in found.lines] == [
        *((1, "Usage", Decimal(60)), (3, "Usage", Decimal(50)), (4, "Tax", Decimal(5)), (5, "Usage", Decimal(30))),
        *((6, "Tax", Decimal(9)), (7, "Usage", Decimal(1)), (9, "Usage", Decimal(7))),
    ]
    told = {one.external_id: (one.lines_total, one.lacks_tax, one.doubts) for one in found.invoices}
    assert told == {
        "R-1": (Decimal(99), False, ()),
        "R-2": (Decimal(56), False, ()),
        "R-3": (Decimal(7), True, ()),
    }
    wrong = read(
        "Service,Day,Kind,Cost,Invoice,Invoice tax\n" + "\n".join([*rows[:2], rows[3].replace("5.00", "5.10")]), text
    )
    assert [one.doubts for one in wrong.invoices] == [(), ("its lines state different taxes of it",)]
    reason = read("Service,Day,Kind,Cost,Invoice,Invoice tax\n" + rows[1].replace("5.00", "five"), text).reason
    assert str(reason).startswith("line 2, column Invoice tax: 'five'; expected an amount")


CATEGORIES = """[category]
column = "Kind"
Usage = ["usage"]
Purchase = ["one-off", "plan"]
Credit = ["voucher"]
Adjustment = ["correction"]
Tax = ["VAT"]
"""


def test_a_column_may_say_the_category_and_another_value_is_in_doubt(read: Callable[..., Stated]) -> None:
    kinds = ("Usage", " PLAN ", "voucher", "correction", "vat", "gift")
    rows = "".join(f"x,2026-04-01,{kind},-1.00\n" for kind in kinds)
    found = read(HEADER + rows, PLAIN + CATEGORIES, columns="charge_category")
    assert found.reason is None
    assert [one for (one,) in found.lines] == ["Usage", "Purchase", "Credit", "Adjustment", "Tax", "Credit"]
    [invoice] = found.invoices
    assert invoice.doubts == ("line 7, column Kind: 'gift'; expected a value that [category] has; it counts as Credit",)
    found = read(HEADER + rows, PLAIN + CATEGORIES + 'other = "Usage"\n', columns="charge_category")
    assert (found.lines[-1], found.invoices[0].doubts) == (("Usage",), ())
    text = PLAIN + CATEGORIES.replace('Tax = ["VAT"]\n', "") + '[tax]\nnone = "not due"\n'
    assert read(HEADER + rows, text).invoices[0].doubts[0].startswith("line 6, column Kind: 'vat'; expected a value")


TIMES: Mapping[str, tuple[str, str, datetime]] = {
    "fraction of three": ('"%Y-%m-%dT%H:%M:%S.%f"', "2026-04-03T04:05:06.789", at(2026, 4, 3, 4, 5, 6, 789_000)),
    "fraction of seven": ('"%Y-%m-%dT%H:%M:%S.%fZ"', "2026-04-03T04:05:06.1234567Z", at(2026, 4, 3, 4, 5, 6, 123_456)),
    "the first of two": ('["%Y-%m-%d", "%d.%m.%Y"]', "2026-04-03", at(2026, 4, 3)),
    "the second of two": ('["%Y-%m-%d", "%d.%m.%Y"]', "03.04.2026", at(2026, 4, 3)),
    "with a time or without": ('["%Y-%m-%d", "%Y-%m-%d %H:%M:%S"]', "2026-04-03 01:02:03", at(2026, 4, 3, 1, 2, 3)),
}  # fmt: skip


def test_times_may_have_fractions_and_be_written_in_several_ways(read: Callable[..., Stated]) -> None:
    for label, (formats, text, time) in TIMES.items():
        found = read(
            f"{HEADER}A,{text},Usage,1\n", top(PLAIN, f"date_format = {formats}") + TAX, columns="charge_period_start"
        )
        assert (found.reason, found.lines) == (None, [(time,)]), label
    reason = read(f"{HEADER}A,2026-02-31,Usage,1\n", top(PLAIN, 'date_format = ["%Y-%m-%d", "%d.%m.%Y"]') + TAX).reason
    assert str(reason).startswith("line 2, column Day: '2026-02-31'; expected a time written as %Y-%m-%d or %d.%m.%Y")


def test_the_end_of_a_day_and_of_a_time_are_told_apart(read: Callable[..., Stated]) -> None:
    keys = ['date_format = ["%Y-%m-%d", "%Y-%m-%d %H:%M:%S"]', 'end = "inclusive"']
    text = top(with_columns(end="To"), *keys) + TAX
    rows = "A,2026-04-01,Usage,1,2026-04-30\nB,2026-04-01,Usage,1,2026-04-30 23:59:59\n"
    found = read("Service,Day,Kind,Cost,To\n" + rows, text, columns="charge_period_end")
    assert found.lines == [(at(2026, 5, 1),)] * 2


@pytest.mark.parametrize("month", ["2026-04", "202604", "2026-04-17"])
def test_months_are_read_with_a_hyphen_without_and_as_a_day(read: Callable[..., Stated], month: str) -> None:
    text = with_columns(month="Month") + TAX
    [invoice] = read(f"Service,Day,Kind,Cost,Month\nA,,Usage,1,{month}\n", text).invoices
    assert invoice.month == date(2026, 4, 1)


def test_a_month_in_the_files_name_may_have_no_hyphen(tmp_path: Path) -> None:
    formats = described(tmp_path, one=top(PLAIN, r"file_name = '(?P<invoice>\d+) (?P<month>[\d-]+)'") + TAX)
    names = ["7 202604.csv", "7 2026-04.csv", "7 2026-4-1.csv", "7 2026044.csv"]
    told = formats.facts_from_names("plain", names)
    assert {name: facts.month for name, facts in told.items()} == dict.fromkeys(names[:2], date(2026, 4, 1))


CLEAR = {
    "$1,020.00": "1020",
    "1'036.29": "1036.29",
    "1\N{RIGHT SINGLE QUOTATION MARK}036.29": "1036.29",
    "1 036.29": "1036.29",
    "1\N{NO-BREAK SPACE}036.29": "1036.29",
    "USD 1,020.5": "1020.5",
    "($1,020.00)": "-1020",
    "1,020,030.00 USD": "1020030",
    "1036.29": "1036.29",
    "$ .5": "0.5",
}
UNCLEAR = ("1,020", "1.020,00", "1,02.00", "1'03.29", "10.000.000", "€5.00", "5.00 EUR", "1 0.00")


def test_thousands_are_grouped_by_whatever_is_clear_where_no_mark_is_described(read: Callable[..., Stated]) -> None:
    content = HEADER + "".join(f'A,2026-04-01,Usage,"{text}"\n' for text in CLEAR)
    found = read(content, PLAIN + TAX, columns="amount")
    assert (found.reason, [amount for (amount,) in found.lines]) == (None, [Decimal(one) for one in CLEAR.values()])
    for text in UNCLEAR:
        reason = read(f'{HEADER}A,2026-04-01,Usage,"{text}"\n', PLAIN + TAX).reason
        assert str(reason).startswith(f"line 2, column Cost: {text!r}; expected an amount"), text
    for mark in ("", "'"):
        reason = read(f'{HEADER}A,2026-04-01,Usage,"1,020.00"\n', top(PLAIN, f'thousands_mark = "{mark}"') + TAX).reason
        assert str(reason).startswith("line 2, column Cost: '1,020.00'"), mark


def test_only_the_lines_own_currency_may_stand_beside_its_amount(read: Callable[..., Stated]) -> None:
    text = PLAIN.replace('currency = "USD"\n', "").replace('amount = "Cost"', 'amount = "Cost", currency = "C"') + TAX
    rows = [("$1,020.00", "USD"), ("EUR 5.00", "eur"), ("€5.00", "EUR"), ("£5", "GBP"), ("$5", "AUD"), ("5", "CHF")]
    content = "Service,Day,Kind,Cost,C\n" + "".join(f'A,2026-04-01,Usage,"{amount}",{code}\n' for amount, code in rows)
    found = read(content, text, columns="amount, currency")
    assert found.lines == [
        *((Decimal(1020), "USD"), (Decimal(5), "EUR"), (Decimal(5), "EUR"), (Decimal(5), "GBP")),
        *((Decimal(5), "AUD"), (Decimal(5), "CHF")),
    ]
    for amount, code in (("$5", "EUR"), ("€5", "USD"), ("USD 5", "EUR"), ("5 EUR", "USD")):
        reason = read(f"Service,Day,Kind,Cost,C\nA,2026-04-01,Usage,{amount},{code}\n", text).reason
        assert str(reason).startswith(f"line 2, column Cost: '{amount}'"), amount


def test_a_blank_id_may_mean_that_a_line_is_not_invoiced_yet(read: Callable[..., Stated]) -> None:
    columns = with_columns(invoice="Invoice", month="Month") + TAX
    rows = "A,,Usage,1,R-1,2026-04\nB,,Usage,2, ,2026-04\nC,,Usage,3,,2026-05\n"
    content = "Service,Day,Kind,Cost,Invoice,Month\n" + rows
    assert str(read(content, columns).reason).startswith("line 3, column Invoice: blank; expected the invoice's id")
    found = read(content, top(columns, 'blank_invoice = "not invoiced"'))
    assert [(one.external_id, one.month, one.is_final) for one in found.invoices] == [
        ("R-1", date(2026, 4, 1), True),
        (None, date(2026, 4, 1), False),
        (None, date(2026, 5, 1), False),
    ]


def test_files_may_be_parts(read: Callable[..., Stated]) -> None:
    assert not read(HEADER + ROWS, PLAIN + TAX).invoices[0].may_be_part
    assert read(HEADER + ROWS, top(PLAIN, "parts = true") + TAX).invoices[0].may_be_part


def test_two_billing_months_in_one_file_are_two_invoices_or_in_doubt_and_never_one(read: Callable[..., Stated]) -> None:
    content = "Service,Day,Kind,Cost,Month\nA,,Usage,1,2026-04\nB,,Usage,2,2026-05\nC,,Usage,3,2026-05\n"
    by_month = with_columns(month="Month") + TAX
    assert [(one.month, one.lines_total) for one in read(content, by_month).invoices] == [
        (date(2026, 4, 1), Decimal(1)),
        (date(2026, 5, 1), Decimal(5)),
    ]
    [invoice] = read(content, top(by_month, "file_name = '(?P<invoice>R-.*)'")).invoices
    assert invoice.month == date(2026, 5, 1)
    assert invoice.doubts[0].startswith(
        "its lines are of 2 months (2026-04, 2026-05), and no line says of which invoice it is"
    )
    started = "".join(f"A,2026-0{month}-01,Usage,1\n" for month in (4, 4, 4, 4, 5))
    [invoice] = read(HEADER + started, PLAIN + TAX).invoices
    assert invoice.doubts[0].startswith(
        "its lines start in 2 months (2026-04, 2026-05), and no line says of which invoice"
    )
    [invoice] = read(HEADER + started + ROWS, PLAIN + TAX).invoices
    assert invoice.doubts == (), "a line or two of another month are corrections"
    named = with_columns(invoice="Invoice") + TAX
    [invoice] = read("Service,Day,Kind,Cost,Invoice\n" + started.replace("\n", ",R-1\n"), named).invoices
    assert invoice.doubts == ()


def test_amounts_too_large_to_be_summed_are_rejected_and_break_nothing(read: Callable[..., Stated]) -> None:
    rows = "A,2026-04-01,Usage,99999999999999999999.5\n" * 3 + ",,Total,99999999999999999999.5\n"
    assert "expected less than 100,000,000,000,000 an invoice" in str(read(HEADER + rows, PLAIN + TAX + TOTAL).reason)


LIKE_FOCUS = """
name = "own"
source = "own"
columns = {amount = "BilledCost", currency = "BillingCurrency", invoice = "InvoiceId", month = "BillingPeriodStart"}
date_format = "%Y-%m-%dT%H:%M:%SZ"
tax = {column = "ChargeCategory", values = ["Tax"]}
"""


def test_a_description_that_names_a_header_comes_before_a_format_of_the_program(tmp_path: Path) -> None:
    formats = described(tmp_path, own=LIKE_FOCUS)
    [found] = Desk(tmp_path, formats).read(focus.as_csv(focus.charge(), focus.tax()))
    assert (found.format, found.reason) == ("own", None)
    assert formats.passed_over_by(formats.descriptions.formats[-1]) == ["focus"]
    assert [formats.passed_over_by(one) for one in formats.descriptions.formats[:-1]] == [[]]
    assert [Formats().recognise(head_of(text))[0] for text in ("", "x")] == [None, None]


def test_two_descriptions_of_a_header_of_the_program_are_told(tmp_path: Path) -> None:
    formats = described(tmp_path, own=LIKE_FOCUS, two=LIKE_FOCUS.replace('"own"', '"other"', 1))
    [found] = Desk(tmp_path, formats).read(focus.as_csv(focus.charge()))
    assert str(found.reason).startswith("own and other both describe it; expected one description")


WRONG = {
    "line 0": (top(PLAIN, "first_line = 0") + TAX, "first_line: 0: expected a number of a line from 1 to 1000, or"),
    "no line": (top(PLAIN, 'first_line = "top"') + TAX, "first_line: 'top': expected a number of a line"),
    "no header": (
        "name = 'x'\nsource = 'x'\ncurrency = 'USD'\nheader = false\nwidth = 3\nfirst_line = 'header'\n"
        "columns = {amount = 1, start = 2}\n" + TAX.replace('"Kind"', "3"),
        'first_line = "header": expected a number of a line, since there is no header',
    ),
    "blank": (top(PLAIN, 'blank_invoice = "open"') + TAX, "blank_invoice = 'open': expected \"not invoiced\""),
    "no invoice": (top(PLAIN, 'blank_invoice = "not invoiced"') + TAX, "blank_invoice: expected only with columns.invoice"),
    "two days": (
        top(PLAIN, 'date_format = ["%d/%m/%Y", "%m/%d/%Y"]') + TAX,
        "date_format: %d/%m/%Y and %m/%d/%Y read 04/03/2026 as different days",
    ),
    "no dates": (top(PLAIN, "date_format = []") + TAX, "date_format = a list: expected a format such as"),
    "fraction": (top(PLAIN, 'date_format = "%Y-%m-%d %f"') + TAX, "date_format: %f: expected the fraction of a second"),
    "parts": (top(PLAIN, 'parts = "yes"') + TAX, "parts = 'yes': expected true or false"),
    "no tax": (PLAIN, "tax: missing; expected a table, [tax], or Tax in [category]"),
    "no tax but categories": (PLAIN + CATEGORIES.replace("Tax", "Usage2"), "category.Usage2: there is no such key"),
    "both": (PLAIN + TAX + CATEGORIES, "tax: expected either [tax] or Tax in [category], not both"),
    "a value twice": (PLAIN + CATEGORIES + 'Credit = ["usage"]\n', "is not TOML"),
    "a category twice": (
        PLAIN + CATEGORIES.replace('"voucher"', '"usage "'),
        "category: 'usage': it is there twice; expected each value once",
    ),
    "no values": (PLAIN + TAX + '[category]\ncolumn = "Kind"\n', "category: expected a list of values for one of Usage"),
    "other": (PLAIN + CATEGORIES + 'other = "Support"\n', "category.other = 'Support': expected one of Usage"),
    "total of nothing": (PLAIN + TAX + '[total]\ncolumn = "Kind"\n', "total: expected values, a pattern or subtotals"),
    "total nowhere": (PLAIN + TAX + '[total]\nvalues = ["x"]\n', "total.column: missing"),
    "total key": (PLAIN + TAX + TOTAL + "subtotal = 1\n", "total.subtotal: there is no such key; did you mean subtotals?"),
    "stated tax": (PLAIN + '[tax]\nstated = "cost"\n', "tax.stated: expected another column than columns.amount"),
}  # fmt: skip


def test_a_wrong_description_of_a_table_is_told_with_file_and_key(tmp_path: Path) -> None:
    for label, (text, _) in WRONG.items():
        (tmp_path / f"{label}.toml").write_text(text.replace('"plain"', f'"p{len(label)}"', 1), encoding="utf-8")
    found = Descriptions.of(tmp_path)
    told = {label: found.problems.get(f"{label}.toml", "") for label in WRONG}
    assert {label: told[label] for label, (_, reason) in WRONG.items() if reason not in told[label]} == {}
