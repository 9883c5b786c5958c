"""Rows that are sums of other rows: in doubt wherever one was put, and nothing else is."""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.reading.totals import _AMOUNT_NAMES, _CORES, _SUBTOTAL, _TOTAL, _TOTAL_OF, kind_sql
from arcadia_dagster_tests.kit import focus
from arcadia_dagster_tests.kit.documents import Desk, Stated, csv_text, line
from arcadia_dagster_tests.kit.properties import evaluate, quickly

TOTALS = (
    *(
        "Total",
        "TOTAL:",
        "total",
        " Totals ",
        "**Total**",
        "Grand Total",
        "Total (USD)",
        "Total $",
        "TOTAL EUR",
        "= Total =",
    ),
    *(
        "Summe",
        "Gesamt",
        "Gesamtsumme:",
        "Gesamtbetrag",
        "Rechnungsbetrag",
        "Sum",
        "Amount due",
        "Total due",
        "Total amount",
    ),
    *(
        "Total for April 2026",
        "Invoice total",
        "Total incl. VAT",
        "Total TTC",
        "Total HT",
        "Summe netto",
        "Montant total",
    ),
    *("Total: $1,114.85", "合計", "Total inkl. 19% MwSt"),
    *(
        "Net",
        "Gross:",
        "Net amount",
        "Amount",
        "To pay",
        "Balance",
        "Balance due",
        "Payment",
        "Due",
        "Carried forward",
        "NETT",
    ),
    *("Netto", "Brutto", "Zu zahlen", "Zu zahlender Betrag", "Saldo", "Übertrag", "Betrag (EUR)", "Noch zu zahlen"),
    *("Net à payer", "À payer", "Montant dû", "Solde", "Montant HT", "À reporter"),
    *("Neto", "Importe", "Importe total", "A pagar", "Total a pagar", "Saldo anterior", "Suma y sigue"),
    *("Netto a pagare", "Da pagare", "Importo dovuto", "Lordo", "Imponibile", "Riporto"),
    *("Te betalen", "Totaal te betalen", "Nettobedrag", "Openstaand", "Bedrag"),
    *("Líquido", "Valor a pagar", "Valor total", "Montante", "Pagamento"),
)
SUBTOTALS = (
    "Subtotal",
    "Sub-total",
    "SUB TOTAL:",
    "Subtotal Compute",
    "Zwischensumme",
    "Sous-total",
    "Subtotal (3 items)",
)
CHARGES = (
    *(
        "Total Storage",
        "TotalEnergies",
        "Total Uptime Monitoring",
        "Totally managed database",
        "Summer school",
        "Consumption",
    ),
    *(
        "web-01 (s-1vcpu-1gb)",
        "Gesamtschule web server",
        "Subscription",
        "Support",
        "Sumatra",
        "total tax",
        "Amount of storage",
        *("Load balancer", "Payment gateway", "Net Promoter survey", "Due diligence", "Network", "Gross domestic data"),
        *("Netto-Server", "Transport", "Report", "Valoración", "Balance board"),
        "",
    ),
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def test_totals_and_subtotals_are_known_by_their_words(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [(text,) for text in (*TOTALS, *SUBTOTALS, *CHARGES, None)]
    found = evaluate(connection, kind_sql("t"), rows, "t VARCHAR")
    expected = ["total"] * len(TOTALS) + ["subtotal"] * len(SUBTOTALS) + [None] * (len(CHARGES) + 1)
    assert {row: kind for (row,), kind, wanted in zip(rows, found, expected, strict=True) if kind != wanted} == {}


@quickly(500)
@given(
    st.sampled_from((*_TOTAL, *_AMOUNT_NAMES, *_TOTAL_OF, *_SUBTOTAL)).flatmap(
        lambda name: st.from_regex(name, fullmatch=True)
    )
)
def test_what_is_looked_for_first_is_in_every_name_of_a_sum(name: str) -> None:
    assert re.search(_CORES, name)


PLAIN = """
name = "plain"
source = "plaincloud"
currency = "EUR"
file_name = '(?P<invoice>.+) (?P<month>2026-04)'

[columns]
description = "What"
amount = "How much"

[tax]
none = "not due"
"""
RICH = """
name = "rich"
source = "richcloud"
currency = "EUR"

[columns]
service = "Kind"
description = "Item"
start = "From"
quantity = "Hours"
amount = "Cost"

[tax]
column = "Kind"
values = ["VAT"]
"""


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk, with descriptions of a table that has nothing but words and amounts, and of one that says what each is for."""
    folder = tmp_path_factory.mktemp("totals")
    (folder / "plain.toml").write_text(PLAIN, encoding="utf-8")
    (folder / "rich.toml").write_text(RICH, encoding="utf-8")
    desk = Desk(folder, Formats.of(folder))
    yield desk
    desk.reader.close()


def read_all(desk: Desk, contents: Sequence[str | bytes], **options: str) -> list[Stated]:
    """All of these documents at once, each once."""
    distinct = list(dict.fromkeys(contents))
    found = dict(zip(distinct, desk.read(*distinct, **options), strict=True))
    return [found[content] for content in contents]


def all_doubts(desk: Desk, contents: Sequence[str | bytes]) -> list[tuple[str, ...]]:
    """What the only invoice of each document leaves in doubt."""
    found = []
    for stated in read_all(desk, contents):
        assert stated.reason is None
        [invoice] = stated.invoices
        found.append(invoice.doubts)
    return found


def doubts(desk: Desk, content: str | bytes) -> tuple[str, ...]:
    [found] = all_doubts(desk, [content])
    return found


def charged(*amounts: object) -> list[tuple[str, ...]]:
    """Lines that are charged for: each has its words, its time and its hours."""
    return [("Server", f"web-{number}", "2026-04-01", "720", f"{amount}") for number, amount in enumerate(amounts)]


def bare(words: str, amount: object) -> tuple[str, ...]:
    """A row that has nothing but words and an amount."""
    return ("", words, "", "", f"{amount}")


def rich(*rows: Sequence[str]) -> str:
    return csv_text(rows, header=("Kind", "Item", "From", "Hours", "Cost"))


# Amounts that are often sums of each other.
AMOUNTS = st.lists(st.sampled_from(["5", "10", "15", "20", "0", "-5", "-10", "0.01", "7.25"]), min_size=1, max_size=8)


def of_many(*drawn: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Many cases, which are read at once."""
    return st.lists(st.tuples(*drawn), min_size=20, max_size=40)


@quickly(4, shrinks=False)
@given(of_many(AMOUNTS))
def test_what_is_charged_for_is_never_in_doubt_whatever_the_amounts(
    counter: Desk, cases: list[tuple[list[str]]]
) -> None:
    contents = [rich(*charged(*amounts), ("VAT", "19 %", "", "", "0.95")) for (amounts,) in cases]
    contents += [csv_text([line(f"web-{n}", amount) for n, amount in enumerate(amounts)]) for (amounts,) in cases]
    contents += [
        "What,How much\n" + "".join(f"web-{n},{amount}\n" for n, amount in enumerate(amounts)) for (amounts,) in cases
    ]
    assert set(all_doubts(counter, contents)) == {()}


@quickly(4, shrinks=False)
@given(of_many(AMOUNTS, st.sampled_from(["Total", "Gesamtbetrag:", "", "To be transferred"]), st.booleans()))
def test_a_total_below_or_above_the_lines_is_in_doubt(counter: Desk, cases: list[tuple[list[str], str, bool]]) -> None:
    contents, expected = [], []
    for amounts, words, is_first in cases:
        total = sum(map(Decimal, amounts))
        # Of two lines each is what the other is, if neither is called a total.
        if total and (words != "To be transferred" or len(amounts) > 1):
            row, rows = bare(words, total), charged(*amounts)
            contents.append(rich(*([row, *rows] if is_first else [*rows, row])))
            name = f"'{words}'" if words else "a row without words"
            expected.append(f"line {2 if is_first else len(rows) + 2}, {name} of {total.normalize():f} is the sum of ")
    found = all_doubts(counter, contents)
    assert [[doubt[: len(text)] for doubt in of] for of, text in zip(found, expected, strict=True)] == [
        [text] for text in expected
    ]
    assert all("take the row out and drop the file again under its name; it counts as " in doubt for [doubt] in found)


@quickly(4, shrinks=False)
@given(of_many(st.lists(AMOUNTS, min_size=2, max_size=4), st.sampled_from(["Subtotal", ""])))
def test_subtotals_and_the_total_of_all_are_each_in_doubt(
    counter: Desk, cases: list[tuple[list[list[str]], str]]
) -> None:
    contents, counts = [], []
    for groups, words in cases:
        sums = [sum(map(Decimal, amounts), Decimal(0)) for amounts in groups]
        if all(sums) and sum(sums, Decimal(0)):
            rows = [
                row for amounts, of in zip(groups, sums, strict=True) for row in (*charged(*amounts), bare(words, of))
            ]
            contents.append(rich(*rows, bare("Total", sum(sums))))
            # Three are told, and how many more there are.
            counts.append(min(len(groups) + 1, 4))
    found = all_doubts(counter, contents)
    assert [len(of) for of in found] == counts
    assert all("the sum of" in doubt or "as doubtful" in doubt for of in found for doubt in of)


def test_a_total_in_a_table_of_words_and_amounts_is_in_doubt_with_what_its_description_can_say(counter: Desk) -> None:
    [doubt] = doubts(counter, "What,How much\nweb-01,60.00\nweb-02,30.00\nTotal,90.00\n")
    assert doubt.startswith("line 4, 'Total' of 90 is the sum of other lines: a total, or a charge?")
    assert "If it is a total, name it in [total] of its description" in doubt


def test_what_is_called_a_total_and_is_none_is_in_doubt_too(counter: Desk) -> None:
    [doubt] = doubts(counter, "What,How much\nweb-01,60.00\nweb-02,30.00\nTotal,95.00\n")
    assert doubt.startswith("line 4, 'Total' of 95 is called a total, and is no sum of lines. If it is a total,")


@pytest.mark.parametrize(
    "table",
    [
        "What,How much\nweb-01,10\nweb-02,10\n",
        "What,How much\nweb-01,10\n",
        "What,How much\nTotal,0\nweb-01,10\n",
        "What,How much\n,10\n,10\n",
        "What,How much\n,5\n,5\n,10\n",
        "What,How much\nweb-01,10\nweb-01,-10\nweb-02,0\n",
        "What,How much\nweb-01,5\nweb-02,5\nweb-03,10\n",
        "What,How much\nweb-01,5\n,3\nweb-03,10\n",
    ],
)
def test_equal_amounts_zeros_negations_and_small_sums_say_nothing(counter: Desk, table: str) -> None:
    assert doubts(counter, table) == ()


def test_a_total_that_is_rounded_is_in_doubt_too(counter: Desk) -> None:
    rows = charged("0.333", "0.333", "0.3333")
    [doubt] = doubts(counter, rich(*rows, bare("", "1.00")))
    assert "a row without words of 1 is the sum of other lines" in doubt


def test_a_rounding_row_before_the_total_is_a_line(counter: Desk) -> None:
    [doubt] = doubts(counter, rich(*charged("60", "39"), bare("", "0.5"), bare("", "99.5")))
    assert doubt.startswith("line 5, a row without words of 99.5 is the sum")


def test_a_line_with_a_quantity_may_be_called_total(counter: Desk) -> None:
    rows = [("Server", "web-01", "2026-04-01", "720", "6.00"), ("Total", "", "2026-04-01", "720", "6.00")]
    assert doubts(counter, rich(*rows)) == ()


def test_focus_and_invoices_of_several_currencies_leave_no_doubt(counter: Desk) -> None:
    rows = [focus.charge(BilledCost=cost, ChargeDescription=f"box {cost}") for cost in ("5", "5.00", "10")]
    assert doubts(counter, focus.as_csv(*rows)) == ()
    mixed = [
        focus.charge(BillingCurrency=code, BilledCost=cost)
        for code, cost in (("EUR", "5"), ("EUR", "5"), ("USD", "10"))
    ]
    assert doubts(counter, focus.as_csv(*mixed)) == ()


WIDTH = 9
AMOUNT_CELL = 6
CELLS = st.sampled_from([cell for cell in range(WIDTH) if cell != AMOUNT_CELL])


def total_row(words: str, amount: object, cell: int = 0) -> tuple[str, ...]:
    """A row of DigitalOcean's table that has nothing but a word in one of its cells, and the amount."""
    row = [""] * WIDTH
    row[cell], row[AMOUNT_CELL] = words, f"{amount}"
    return tuple(row)


@quickly(4, shrinks=False)
@given(
    of_many(
        st.lists(AMOUNTS, min_size=1, max_size=3), st.sampled_from([*TOTALS[:12], "Grand total"]), CELLS, st.booleans()
    )
)
def test_in_digitaloceans_table_totals_are_no_lines_and_the_invoice_must_come_to_them(
    counter: Desk, cases: list[tuple[list[list[str]], str, int, bool]]
) -> None:
    contents, expected = [], []
    for groups, words, cell, is_first in cases:
        rows: list[tuple[str, ...]] = []
        lines = []
        for amounts in groups:
            for amount in amounts:
                rows.append(line(f"web-{len(rows)}", amount))
                lines.append((len(rows) + int(is_first), Decimal(amount)))
            rows.append(total_row("Subtotal", sum(map(Decimal, amounts)), cell))
        total = sum(sum(map(Decimal, amounts)) for amounts in groups)
        whole = total_row(words, total, cell)
        contents.append(csv_text([whole, *rows] if is_first else [*rows, whole]))
        expected.append((None, lines, [(len(lines), total, total, ())]))
    found = [
        (
            stated.reason,
            stated.lines,
            [(one.line_count, one.lines_total, one.stated_total, one.doubts) for one in stated.invoices],
        )
        for stated in read_all(counter, contents, columns="line_number, amount")
    ]
    assert found == expected


def test_a_total_that_the_lines_do_not_come_to_is_what_the_invoice_must_come_to(counter: Desk) -> None:
    rows = [line("web-01", "6.00"), line("web-02", "4.00"), total_row("Total", "$1,110.00")]
    (found,) = counter.read(csv_text(rows))
    assert [invoice.stated_total for invoice in found.invoices] == [Decimal(1110)]


def test_a_total_of_what_is_above_it_says_nothing_of_what_is_below(counter: Desk) -> None:
    rows = [line("web-01", "6.00"), total_row("Total before tax", "6.00"), total_row("Total", "6.00")]
    rows.append(line("GST", "0.60", product="Taxes", hours="", start="", end=""))
    (found,) = counter.read(csv_text(rows))
    assert [(invoice.stated_total, invoice.doubts) for invoice in found.invoices] == [(None, ())]


def test_a_subtotal_that_is_the_sum_of_nothing_is_in_doubt(counter: Desk) -> None:
    rows = [line("web-01", "6.00"), total_row("Subtotal", "7.00"), line("web-02", "4.00"), total_row("Total", "10.00")]
    (found,) = counter.read(csv_text(rows))
    [invoice] = found.invoices
    assert (invoice.stated_total, invoice.doubts) == (
        Decimal(10),
        ("its row with a subtotal of 7 is the sum of no lines before it",),
    )


def test_totals_without_lines_are_no_invoice(counter: Desk) -> None:
    (found,) = counter.read(csv_text([total_row("Total", "6.00")]))
    assert found.reason == "it has totals, but no line; expected at least one line"


def table(*rows: tuple[str, object]) -> str:
    """A table that has nothing but words and amounts."""
    return "What,How much\n" + "".join(f"{words},{amount}\n" for words, amount in rows)


SERVERS = (("web-01", "61.20"), ("backup", "30.10"))
NET, GROSS = "91.30", "108.65"


@pytest.mark.parametrize(
    ("rows", "in_doubt"),
    [
        ((*SERVERS, ("Endstand", NET)), {"Endstand"}),
        ((*SERVERS, ("Verschuldet bis Ultimo", NET)), {"Verschuldet bis Ultimo"}),
        ((("Stand", NET), *SERVERS), {"Stand"}),
        ((("web-01", "60"), ("backup", "30"), ("Zusammen", "90")), {"Zusammen"}),
        ((*SERVERS, ("Basis", NET), ("IVA", "17.35"), ("Finale", GROSS)), {"Basis", "Finale"}),
        ((*SERVERS, ("Net", NET), ("VAT", "17.35"), ("Gross", GROSS)), {"Net", "Gross"}),
        ((("web-01", NET), ("Net", NET), ("VAT", "17.35"), ("Gross", GROSS)), {"Net", "Gross"}),
        ((*SERVERS, ("VAT", "17.35"), ("Zu zahlen", GROSS)), {"Zu zahlen"}),
        ((*SERVERS, ("Total", NET), ("Payment", f"-{NET}")), {"Total", "Payment"}),
        ((("Carried forward", "12.00"), *SERVERS), {"Carried forward"}),
        ((("web-01", "61.20"), ("Rabatt", "-3.17"), ("Ergebnis", "58.03")), {"Ergebnis"}),
        ((("Server a", "5.01"), ("Server b", "5"), ("Server total", "10.01")), {"Server total"}),
        (
            (
                *SERVERS,
                ("Hosting", NET),
                ("domain", "7.77"),
                ("mail", "1.20"),
                ("Dienste", "8.97"),
                ("Alles", "100.27"),
            ),
            {"Hosting", "Dienste", "Alles"},
        ),
    ],
)
def test_a_sum_of_others_is_in_doubt_whatever_it_is_called_in_a_table_of_words_and_amounts(
    counter: Desk, rows: tuple[tuple[str, str], ...], in_doubt: set[str]
) -> None:
    found = doubts(counter, table(*rows))
    # What has a tax's name and counts as none is another doubt.
    sums = [doubt for doubt in found if "reads like a tax" not in doubt]
    assert {doubt.split("'")[1] for doubt in sums} == in_doubt


@pytest.mark.parametrize("tail", [("Endstand",), ("Basis", "Steuer", "Ende"), ("Netto", "USt.", "Brutto")])
def test_net_tax_and_gross_below_what_is_charged_for_are_in_doubt(counter: Desk, tail: tuple[str, ...]) -> None:
    rows = [*charged("61.20", "30.10"), bare(tail[0], NET)]
    if len(tail) > 1:
        rows += [("VAT", tail[1], "", "", "17.35"), bare(tail[2], GROSS)]
    found = doubts(counter, rich(*rows))
    assert {doubt.split("'")[1] for doubt in found} == {tail[0], tail[-1]}


def test_in_digitaloceans_table_an_amount_that_is_no_total_s_name_is_in_doubt_and_a_net_one_is_no_line(
    counter: Desk,
) -> None:
    rows = [line("web-01", "6.00"), line("web-02", "4.00")]
    named, unknown = counter.read(
        csv_text([*rows, total_row("Net amount", "10.00")]), csv_text([*rows, total_row("Endstand", "10.00", cell=2)])
    )
    assert [(one.line_count, one.stated_total, one.doubts) for one in named.invoices] == [(2, Decimal(10), ())]
    [invoice] = unknown.invoices
    assert "'Endstand' of 10 is the sum of other lines" in invoice.doubts[0]


@pytest.mark.parametrize(
    "rows",
    [
        (("Hosting", "10"),),
        (("Hosting", "10"), ("Support", "10")),
        (("Commitment", "100"), ("Refund", "-100")),
        (("Commitment", "100"), ("Refund", "-100"), ("Hosting", "7.25"), ("Support", "7.25")),
        (("Hosting", "7.25"), ("Commitment", "100"), ("Refund", "-100"), ("Support", "7.25")),
        (("Hosting", "10"), ("Credit", "-5"), ("Support", "5")),
        (("Hosting", "10"), ("Mail", "0"), ("Support", "10")),
        (("web-01", "5"), ("web-02", "5"), ("web-03", "10")),
        (("web-01", "5"), ("web-02", "5"), ("web-03", "10"), ("web-04", "20")),
        (("Hosting", "5"), ("Support", "5"), ("Domain", "10"), ("Mail", "3")),
        (("Hosting", "61.20"), ("Support", "30.10"), ("Domain", "91.30"), ("Mail", "3")),
        (("Hosting", "0"), ("Support", "0"), ("Domain", "0")),
    ],
)
def test_an_ordinary_table_of_words_and_amounts_leaves_no_doubt(
    counter: Desk, rows: tuple[tuple[str, str], ...]
) -> None:
    assert doubts(counter, table(*rows)) == ()


NAMES = ("Hosting", "Support", "Domain", "Mail", "Backup", "Traffic", "Licence", "Storage")


@quickly(4, shrinks=False)
@given(of_many(st.lists(st.decimals("0.01", "900", places=2), min_size=3, max_size=8)))
def test_lines_none_of_which_is_a_sum_leave_no_doubt_and_their_sum_does(
    counter: Desk, cases: list[tuple[list[Decimal]]]
) -> None:
    def is_sum(amounts: Sequence[Decimal]) -> bool:
        tail = sum(amounts[:-1]) - amounts[-1]
        head = sum(amounts[1:]) - amounts[0]
        ends = [sum(amounts[start:-1]) - amounts[-1] for start in range(len(amounts) - 2)]
        return min(map(abs, (tail, head, *ends))) <= Decimal("0.05") * len(amounts) + max(amounts) / 100

    ordinary = [table(*zip(NAMES, amounts, strict=False)) for (amounts,) in cases if not is_sum(amounts)]
    assert set(all_doubts(counter, ordinary)) <= {()}
    summed = [table(*zip(NAMES, amounts, strict=False), ("Ergebnis", sum(amounts))) for (amounts,) in cases]
    for (amounts,), found in zip(cases, all_doubts(counter, summed), strict=True):
        # Where one of the lines is the sum of others already, that one may be named instead of the last.
        assert any("'Ergebnis'" in doubt or is_sum(amounts) for doubt in found)
