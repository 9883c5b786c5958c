"""Known tables with semicolons: the decimals' mark is proved by the numbers, or the document is not read; nothing is guessed."""

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from arcadia_dagster.reading.semicolons import Marks, marks_of, with_point
from arcadia_dagster_tests.kit import aws
from arcadia_dagster_tests.kit.documents import Desk, Stated, csv_text, line
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.properties import quickly
from arcadia_dagster_tests.kit.spreadsheets import saved_anew, shown
from arcadia_dagster_tests.kit.stated import cost_row, cost_table
from arcadia_dagster_tests.kit.texts import TEXTS

COLUMNS = "line_number, invoice_ordinal, charge_category, service_name, description, quantity, amount, currency"


def reading(text: str, decimal: str, group: str) -> Decimal | None:
    """What the text is where decimals stand behind this mark, and groups of three before the other; None where nothing."""
    whole, mark, decimals = text.partition(decimal)
    if not text.strip(".,") or not (decimals.isdecimal() or not decimals):
        return None
    if group in whole:
        first, *others = whole.split(group)
        if not first or len(first) > 3 or first.startswith("0") or any(len(one) != 3 for one in others):
            return None
        whole = whole.replace(group, "")
    if not (whole.isdecimal() or (not whole and decimals)):
        return None
    return Decimal(f"{whole or 0}{'.' if mark and decimals else ''}{decimals}")


@given(
    st.text(st.sampled_from("0123456789.,"), min_size=1, max_size=9)
    | st.from_regex(r"[0-9]{1,4}([.,][0-9]{2,4}){0,3}", fullmatch=True)
)
@quickly(800)
def test_a_number_proves_a_mark_exactly_where_it_is_none_with_the_other(text: str) -> None:
    comma, point = reading(text, ",", "."), reading(text, ".", ",")
    if comma is not None and point is not None:
        expected = (
            {Marks.NONE}
            if comma == point and not {".", ","} & set(text)
            else {Marks.COMMA_OR_GROUP, Marks.POINT_OR_GROUP}
        )
    elif comma is None and point is None:
        expected = {Marks.NONE}
    else:
        expected = {Marks.COMMA if point is None else Marks.POINT}
    assert marks_of(text) in expected, (comma, point)
    if marks_of(text) in {Marks.COMMA, Marks.COMMA_OR_GROUP}:
        assert Decimal(with_point(text).rstrip(".")) == comma
    if marks_of(text) in {Marks.POINT, Marks.POINT_OR_GROUP}:
        assert with_point(text) == text


@pytest.mark.parametrize(
    ("text", "marks", "read"),
    [
        (" -1.234,50 ", Marks.COMMA, "-1234.50"),
        ("(5,00)", Marks.COMMA, "(5.00)"),
        ("5,00-", Marks.COMMA, "5.00-"),
        ("6,00 €", Marks.COMMA, "€6.00"),
        ("-6,00\N{NO-BREAK SPACE}€", Marks.COMMA, "-€6.00"),
        ("$6,5", Marks.COMMA, "$6.5"),
        ("1\N{NARROW NO-BREAK SPACE}234,56", Marks.COMMA, "1234.56"),
        ("1 234", Marks.NONE, "1234"),
        ("12 34", Marks.NONE, "12 34"),
        ("1,81E-08", Marks.COMMA, "1.81E-08"),
        ("1,234E-05", Marks.COMMA, "1.234E-05"),
        ("1.81E-08", Marks.POINT, "1.81E-08"),
        ("5E-05", Marks.NONE, "5E-05"),
        ("720", Marks.NONE, "720"),
        ("1.234", Marks.POINT_OR_GROUP, "1.234"),
        ("$1,234", Marks.COMMA_OR_GROUP, "$1.234"),
        ("1.2,5", Marks.NONE, "1.2,5"),
        ("12.34,5", Marks.NONE, "12.34,5"),
        ("12. Mai", Marks.NONE, "12. Mai"),
        ("01.04.2026", Marks.NONE, "01.04.2026"),
        ("6,00 EUR", Marks.NONE, "6,00 EUR"),
        ("", Marks.NONE, ""),
        ("NULL", Marks.NONE, "NULL"),
    ],
)
def test_what_is_read_of_a_number_in_a_document_with_decimal_commas(text: str, marks: Marks, read: str) -> None:
    assert (marks_of(text), with_point(text)) == (marks, read)


AMOUNTS = st.integers(0, 10).flatmap(lambda places: st.decimals(-(10**7), 10**7, places=places).map("{:f}".format))


@quickly(25)
@given(
    st.lists(st.tuples(AMOUNTS, TEXTS), min_size=1, max_size=8),
    st.sampled_from([(",", ""), (",", "."), (",", "\N{NARROW NO-BREAK SPACE}"), (".", ""), (".", ",")]),
)
def test_a_table_that_was_saved_anew_is_what_it_was_or_not_read(
    tmp_path_factory: pytest.TempPathFactory, charges: list[tuple[str, str]], marks: tuple[str, str]
) -> None:
    rows = [charge(BilledCost=cost, ChargeDescription=text) for cost, text in charges]
    table, found = Desk(tmp_path_factory.mktemp("anew")).read(
        as_csv(*rows), saved_anew(as_csv(*rows), *marks), columns=COLUMNS
    )
    if found.reason is None:
        assert found.lines == table.lines
        assert found.invoices == table.invoices
        return
    texts = [shown(cost, *marks).lstrip("-") for cost, _ in charges]
    # Only what may mean two things, or has grouped thousands as people write them, is no reason to read nothing.
    assert any(marks_of(text) in {Marks.COMMA_OR_GROUP, Marks.POINT_OR_GROUP} for text in texts) or (
        marks == (".", ",") and any("," in text for text in texts)
    ), found.reason


@quickly(15)
@given(
    st.lists(st.decimals(-(10**7), 10**7, places=2).map("{:f}".format), min_size=1, max_size=5),
    st.sampled_from(["", "."]),
)
def test_amounts_with_two_decimals_behind_a_comma_are_always_read(
    tmp_path_factory: pytest.TempPathFactory, costs: list[str], group: str
) -> None:
    rows = [tax(BilledCost=cost) for cost in costs]
    [found] = Desk(tmp_path_factory.mktemp("two")).read(saved_anew(as_csv(*rows), ",", group), columns="amount")
    assert (found.reason, found.lines) == (None, [(Decimal(cost),) for cost in costs])


def test_every_known_table_is_read_with_semicolons(desk: Desk) -> None:
    reports = aws.as_csv(aws.item(UnblendedCost="6.25", UsageAmount="720.5"), aws.tax(UnblendedCost="0.65"))
    invoice = csv_text([line(amount="6.25", hours="720.5"), line(amount="1234.5")])
    inventory = 'id,name,type,project\n1,web-01,droplet,shop\n2,"a;b",droplet,\n'
    plain = desk.read(reports, invoice, inventory, columns=COLUMNS)
    found = desk.read(
        saved_anew(reports, numbers=("lineItem/UnblendedCost", "lineItem/UsageAmount")),
        saved_anew(invoice, ",", ".", numbers=("USD", "hours"), end="\n"),
        saved_anew(inventory, numbers=()),
        columns=COLUMNS,
    )
    assert [(one.format, one.reason, one.lines, one.inventory) for one in found] == [
        (one.format, None, one.lines, one.inventory) for one in plain
    ]


def table(*costs: str, quantity: str = "24") -> bytes:
    return saved_anew(as_csv(*(charge(BilledCost=cost, ConsumedQuantity=quantity) for cost in costs)), numbers=())


DOWNLOAD = "download the file again, and drop it without opening it in a spreadsheet"
COST_TABLE = cost_table(cost_row("Usage", "10.5", "10.50"), total="$10.50")
REJECTED = {
    "a point and nothing else": (table("1.234"), "line 2, column BilledCost: '1.234' may be a thousand times", DOWNLOAD),
    "a comma and nothing else": (table("7", "1,234"), "line 3, column BilledCost: '1,234' may be a thousand times", DOWNLOAD),
    "a point among commas": (
        table("12,50", "1.234"),
        "line 3, column BilledCost: '1.234' may be a thousand times as much as it seems, although others have a decimal comma",
        DOWNLOAD,
    ),
    "both": (
        table("12,50", "2.5"),
        "line 2, column BilledCost: '12,50' has a decimal comma, and line 3, column BilledCost: '2.5' a decimal point",
        DOWNLOAD,
    ),
    "another column says otherwise": (table("12,50", quantity="0.5"), "line 2, column BilledCost: '12,50' has a", DOWNLOAD),
    "a date for an amount": (table("12,50", "12. Mai"), "line 3, column BilledCost: '12. Mai'; expected an amount", ""),
    "a code beside it": (table("12,50 EUR"), "line 2, column BilledCost: '12,50 EUR'; expected an amount", ""),
    "no amount": (table("12,50", ""), "line 3, column BilledCost: blank; expected an amount", ""),
    "grouped among points": (table("2.5", "1,234"), "line 3, column BilledCost: '1,234'; expected an amount", ""),
    "a value too few": (table("12,50") + b"1;2\r\n", "line 3: 2 values; expected 22, as there are columns", ""),
    "a quote that is not closed": (table("12,50") + b'"1;2\r\n', "line 3: it cannot be read as CSV: a quote is not closed", ""),
    "a local date": (
        table("12,50").replace(b"2026-04-01T00:00:00Z", b"01.04.2026"),
        "line 2, column BillingPeriodStart: '01.04.2026'; expected a time",
        f"A spreadsheet has written this day anew: {DOWNLOAD}",
    ),
    "a cost table of Google's": (
        saved_anew(COST_TABLE, numbers=()),
        "it is Google Cloud's cost table, and a spreadsheet has saved it",
        DOWNLOAD,
    ),
    "a cost table of Google's with local days": (
        COST_TABLE.replace(b"2026-04-30", b"4/30/2026"),
        "line 2, Invoice date: '4/30/2026'; expected a day such as 2026-09-30. A spreadsheet",
        DOWNLOAD,
    ),
    "a report of AWS's with local times": (
        saved_anew(aws.as_csv(aws.item()), numbers=()).replace(b"2026-04-01T00:00:00Z", b"01.04.2026 00:00"),
        "line 2, column bill/BillingPeriodStartDate: '01.04.2026 00:00'; expected a time",
        DOWNLOAD,
    ),
    "an invoice of DigitalOcean's with American times": (
        csv_text([line()]).replace("2026-04-01 00:00:00 +0000", "4/1/2026 0:00").encode(),
        "line 2, column start: '4/1/2026 0:00'; expected a time",
        DOWNLOAD,
    ),
    "only a header": (table(), "line 1: there is a header and nothing below it", ""),
    "a column missing": (table("1,5").replace(b";ServiceName", b";Service"), "line 1: column ServiceName is missing", ""),
    "nobody's": (b"a;b;c\r\n1,5;2;3\r\n", "line 1: 'a;b;c' is the header of no known format", "describe it"),
}  # fmt: skip


@pytest.fixture(scope="module")
def rejected(large_desk: Desk) -> dict[str, Stated]:
    return large_desk.read_cases({label: content for label, (content, *_) in REJECTED.items()})


@pytest.mark.parametrize("case", REJECTED)
def test_what_is_not_proved_or_not_whole_is_not_read(rejected: dict[str, Stated], case: str) -> None:
    _, start, to_do = REJECTED[case]
    assert str(rejected[case].reason).startswith(start)
    assert to_do in str(rejected[case].reason)
    assert rejected[case].lines == []


def test_a_problem_below_a_value_of_two_lines_is_found_on_its_line(desk: Desk) -> None:
    rows = (charge(BilledCost="1,5", ChargeDescription="two\nlines; a;b"), charge(BilledCost="x"))
    [found] = desk.read(saved_anew(as_csv(*rows), numbers=(), end="\n"))
    assert str(found.reason).startswith("line 4, column BilledCost: 'x'; expected an amount")


@quickly(10)
@given(st.lists(TEXTS | st.sampled_from(["a;b", "x,y", 'q"', "1,5", "1.234"]), min_size=1, max_size=5))
def test_texts_are_kept_whatever_marks_are_in_them(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    assume(all(text.strip() not in {"", "NULL"} for text in texts))
    rows = [charge(BilledCost="0,5", ChargeDescription=text) for text in texts]
    [found] = Desk(tmp_path_factory.mktemp("texts")).read(saved_anew(as_csv(*rows), numbers=()), columns="description")
    assert (found.reason, found.lines) == (None, [(text,) for text in texts])
