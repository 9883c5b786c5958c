"""Formats that people describe: read as the description says, to the last digit, or told what is wrong with file and key."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.formats.described import Descriptions
from arcadia_dagster.formats.description import DescriptionError, read_description
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster_tests.kit.described import GOOD, HEADER, HETZNER, SERVER, VAT, as_csv, described
from arcadia_dagster_tests.kit.documents import Desk, Stated
from arcadia_dagster_tests.kit.properties import quickly

LIKE_DIGITALOCEAN = ("Product", "Description", "Start", "End", "Net")


def read(folder: Path, content: bytes, text: str = GOOD, **options: str) -> Stated:
    [found] = Desk(folder, described(folder, one=text)).read(content, **options)
    return found


def test_a_document_is_read_as_its_description_says(tmp_path: Path) -> None:
    times = "charge_period_start, charge_period_end"
    columns = f"charge_category, service_name, description, amount, currency, quantity, unit, {times}"
    found = read(tmp_path, as_csv(SERVER, VAT, (*SERVER[:6], "-0,5")), columns=columns)
    assert (found.format, found.reason) == ("examplecloud", None)
    april = (datetime(2026, 4, 1), datetime(2026, 5, 1))  # noqa: DTZ001 - UTC, as the warehouse keeps it
    assert found.lines == [
        ("Usage", "Server", "web-01", Decimal("1234.56"), "EUR", Decimal(720), "Stunden", *april),
        ("Tax", "Taxes", "19 %", Decimal("234.57"), "EUR", None, None, None, None),
        ("Credit", "Server", "web-01", Decimal("-0.5"), "EUR", Decimal(720), "Stunden", *april),
    ]
    [stated] = found.invoices
    assert (stated.source, stated.vendor_name, stated.account_id) == ("examplecloud", "Examplecloud GmbH", "8812")
    assert (stated.lines_month, stated.lacks_tax) == (date(2026, 4, 1), False)


def test_the_columns_may_be_in_any_order_and_case_with_others_between(tmp_path: Path) -> None:
    order = (6, 2, 0, 3, 1, 4, 5)
    header = [" Rabatt", *(HEADER[n].upper() for n in order)]
    found = read(tmp_path, as_csv(["x", *(SERVER[n] for n in order)], header=header), columns="description, amount")
    assert found.lines == [("web-01", Decimal("1234.56"))]


def test_where_each_line_has_its_tax_the_tax_is_a_line_of_its_own(tmp_path: Path) -> None:
    text = GOOD.replace('column = "Produkt"\nvalues = ["USt.", "MwSt."]', 'amount = "Steuer"')
    header = (*HEADER, "Steuer")
    content = as_csv((*SERVER, "234,57"), (*SERVER[:6], "1,00", "0,19"), header=header)
    columns = "line_number, charge_category, description, amount"
    assert read(tmp_path, content, text, columns=columns).lines == [
        (1, "Usage", "web-01", Decimal("1234.56")),
        (2, "Tax", "Tax: web-01", Decimal("234.57")),
        (3, "Usage", "web-01", Decimal("1.00")),
        (4, "Tax", "Tax: web-01", Decimal("0.19")),
    ]
    wrong = as_csv((*SERVER, "234,57"), (*SERVER, "viel"), header=header)
    assert str(read(tmp_path, wrong, text).reason).startswith(
        "line 3, column Steuer: 'viel'; expected an amount such as"
    )


def test_the_case_of_the_words_that_say_tax_does_not_matter(tmp_path: Path) -> None:
    text = GOOD.replace('"MwSt."', '"İVA "')
    found = read(tmp_path, as_csv(SERVER, (" UST. ", *VAT[1:]), ("İva", *VAT[1:])), text, columns="charge_category")
    assert found.lines == [("Usage",), ("Tax",), ("Tax",)]


def test_lines_that_match_a_pattern_are_tax(tmp_path: Path) -> None:
    text = GOOD.replace('values = ["USt.", "MwSt."]', "pattern = '(?i)^(ust|mwst)'")
    assert read(tmp_path, as_csv(SERVER, VAT), text, columns="charge_category").lines == [("Usage",), ("Tax",)]


def test_a_file_states_many_invoices_where_a_column_has_their_id(tmp_path: Path) -> None:
    text = GOOD.replace("[columns]", '[columns]\ninvoice = "Rechnung"\nmonth = "Monat"\ncurrency = "W"').replace(
        'currency = "EUR"\n', ""
    )
    header = (*HEADER, "Rechnung", "Monat", "W")
    rows = [(*SERVER, "R-1", "2026-03", "EUR"), (*SERVER, "R-2", "01.04.2026", "chf")]
    found = read(tmp_path, as_csv(*rows, header=header), text)
    assert [(one.external_id, one.month, one.currencies) for one in found.invoices] == [
        ("R-1", date(2026, 3, 1), ("EUR",)),
        ("R-2", date(2026, 4, 1), ("CHF",)),
    ]


def test_the_files_name_tells_what_the_pattern_finds(tmp_path: Path) -> None:
    formats = described(tmp_path, one=GOOD)
    names = ["R-7 of 2026-03.csv.gz", "R-7.csv", "R-7 of 2026-13.csv", "other.csv"]
    told = formats.facts_from_names("examplecloud", names)
    found = told["R-7 of 2026-03.csv.gz"]
    assert (found.invoice_number, found.account_id, found.month) == ("R-7", None, date(2026, 3, 1))
    assert str(told["R-7.csv"]) == "unknown/R-7"
    assert list(told) == names[:2]


def test_hetzners_file_without_a_header_is_read_and_waits_for_its_tax(tmp_path: Path) -> None:
    [found] = Desk(tmp_path, Formats.of(tmp_path)).read(
        as_csv(*HETZNER, header=(), delimiter=","), columns="service_name, amount, charge_period_end, resource_id"
    )
    assert (found.format, found.reason) == ("hetzner", None)
    end = datetime(2026, 5, 1)  # noqa: DTZ001
    assert found.lines == [("CX22", Decimal("3.29"), end, None), ("Backup", Decimal("0.658"), end, "693280")]
    [stated] = found.invoices
    assert (stated.source, stated.lacks_tax, stated.lines_total) == ("hetzner", True, Decimal("3.948"))
    names = (
        "Hetzner_2026-05-03_080000869173.csv",
        "Hetzner_2026-05-03_080000869173 (2).csv",
        "Hetzner-2018-07-08-R0001234567.csv",
    )
    told = Formats.of(tmp_path).facts_from_names("hetzner", names)
    assert [told[name].invoice_number for name in names] == ["080000869173", "080000869173", "R0001234567"]


def test_hetzners_file_that_a_spreadsheet_has_saved_is_rejected_and_not_guessed(tmp_path: Path) -> None:
    saved = ("BX10", "#667788", "2026-04-01", "2026-04-30", "10.000.000.000", "29.000.000.000", "2.90", "")
    [found] = Desk(tmp_path, Formats.of(tmp_path)).read(as_csv(saved, header=(), delimiter=","))
    assert str(found.reason).startswith("line 1, column 5: '10.000.000.000'; expected a number")


def test_a_problem_without_a_header_is_on_its_own_line(tmp_path: Path) -> None:
    [found] = Desk(tmp_path, Formats.of(tmp_path)).read(
        as_csv(*HETZNER, (*HETZNER[1][:6], "viel", ""), header=(), delimiter=",")
    )
    # The first record has a line break in it.
    assert str(found.reason).startswith("line 4, column 7: 'viel'; expected an amount such as")


@pytest.mark.parametrize(
    "other",
    [
        b"a,b,c,d,e,f,g,h\n",
        b"CX22,web,April,2026-04-30,1,3.29,3.29,\n",
        b"CX22,web,2026-04-01,2026-04-30,1,3.29,viel,\n",
        b"CX22,web,2026-04-01,2026-04-30,1,3.29,3.29\n",
    ],
)
def test_what_does_not_look_like_its_first_record_is_none(tmp_path: Path, other: bytes) -> None:
    [found] = Desk(tmp_path, Formats.of(tmp_path)).read(other)
    assert (found.format, "is the header of no known format" in str(found.reason)) == (None, True)


@pytest.mark.timeout(20)
def test_a_first_record_of_a_long_number_is_refused_at_once(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "arcadia_dagster/formats/descriptions/hetzner.toml").read_text(encoding="utf-8")
    formats = described(tmp_path, mine=text)
    for amount in ("1" + " " * 60_000 + "x", "1" * 60_000):
        [found] = Desk(tmp_path, formats).read(as_csv((*HETZNER[0][:6], amount, ""), header=(), delimiter=","))
        assert (found.format, "is the header of no known format" in str(found.reason)) == (None, True)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((*SERVER[:6], ""), "line 2, column Netto: blank; expected an amount such as 1.234,56"),
        ((*SERVER[:6], "1,234.56"), "line 2, column Netto: '1,234.56'; expected"),
        ((*SERVER[:6], "12.34"), "line 2, column Netto: '12.34'; expected"),
        ((*SERVER[:6], "NaN"), "line 2, column Netto: 'NaN'; expected"),
        ((*SERVER[:6], "100000000000000000000,5"), "line 2, column Netto: '1000"),
        (
            (*SERVER[:2], "31.02.2026", *SERVER[3:]),
            "line 2, column Von: '31.02.2026'; expected a time written as %d.%m.%Y",
        ),
        ((*SERVER[:2], "01.04.0026", *SERVER[3:]), "line 2, column Von: '01.04.0026'; expected"),
        (
            (*SERVER[:3], "31.03.2026", *SERVER[4:]),
            "line 2, column Bis: '31.03.2026'; expected a time not before the start",
        ),
        ((*SERVER[:4], "viele", *SERVER[5:]), "line 2, column Menge: 'viele'; expected a number"),
        (SERVER[:6], "line 2"),
        ((*SERVER, "one too many"), "line 2"),
        ((*SERVER, ""), "line 2"),
    ],
)
def test_what_cannot_be_read_is_rejected_with_line_and_column(
    tmp_path: Path, row: tuple[str, ...], reason: str
) -> None:
    found = read(tmp_path, as_csv(row))
    assert str(found.reason).startswith(reason)
    assert found.lines == []


@pytest.mark.parametrize(
    "amount", ["1.234,56", "€ 1.234,56", "1.234,56 €", "EUR 1.234,56", "1234,56", "+1234,56", "1,23456E3"]
)
def test_an_amount_may_have_its_currency_beside_it(tmp_path: Path, amount: str) -> None:
    found = read(tmp_path, as_csv((*SERVER[:6], amount)), columns="amount")
    assert (found.reason, found.lines) == (None, [(Decimal("1234.56"),)])


def test_two_descriptions_of_one_file_are_told_by_their_names(tmp_path: Path) -> None:
    formats = described(tmp_path, one=GOOD, two=GOOD.replace('"examplecloud"', '"other"', 1))
    [found] = Desk(tmp_path, formats).read(as_csv(SERVER))
    assert str(found.reason).startswith("examplecloud and other both describe it; expected one description")


def test_what_looks_like_a_format_of_the_program_and_is_none_is_read_as_described(tmp_path: Path) -> None:
    text = """name = "like"\nsource = "like"\ncurrency = "EUR"\ntax = {none = "not due"}
    columns = {service = "Product", description = "Description", start = "Start", end = "End", amount = "Net"}"""
    content = as_csv(("VM", "a", "2026-04-01", "2026-05-01", "1.5"), header=LIKE_DIGITALOCEAN, delimiter=",")
    [unknown] = Desk(tmp_path, described(tmp_path)).read(content)
    assert (unknown.format, "column hours is missing" in str(unknown.reason)) == ("digitalocean_csv", True)
    [found] = Desk(tmp_path, described(tmp_path, like=text)).read(content, columns="amount")
    assert (found.format, found.lines) == ("like", [(Decimal("1.5"),)])


def test_every_wrong_description_is_told_and_what_an_editor_leaves_is_none(tmp_path: Path) -> None:
    wrong = GOOD.replace('amount = "Netto"', 'amuont = "Netto"').replace('"examplecloud"', '"wrong"', 1)
    (tmp_path / ".#right.toml").symlink_to("ann@host.123")
    found = described(tmp_path, right=GOOD, wrong=wrong, same=GOOD).descriptions
    assert "wrong.toml: columns.amuont: there is no such field; did you mean amount?" in found.problems["wrong.toml"]
    assert found.problems["same.toml"].endswith("name = 'examplecloud': right.toml has that name too")
    assert len(found.problems) == 2


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be read: Not a directory" in Descriptions.of(tmp_path / "file").problems["file"]
    named = Descriptions.of(tmp_path / "none", must_exist=True).problems["none"]
    assert named == f"{tmp_path / 'none'} does not exist; ARCADIA_FORMATS names it"
    assert Descriptions.of(tmp_path / "none").problems == {}


WRONG = {
    "not TOML": ("name = ", "is not TOML"),
    "no such key": (GOOD.replace("delimiter", "delimeter"), "delimeter: there is no such key; did you mean delimiter?"),
    "no such key of tax": (GOOD.replace("values", "value"), "tax.value: there is no such key; did you mean values?"),
    "no name": (GOOD.replace('name = "examplecloud"', ""), "name: missing"),
    "a number": (GOOD.replace('amount = "Netto"', "amount = 7"), "columns.amount = 7: expected a name of the header"),
    "no amount": (GOOD.replace('amount = "Netto"\n', ""), "columns.amount: missing"),
    "no currency": (GOOD.replace('currency = "EUR"', ""), "currency: expected either a code"),
    "no month": (
        GOOD.replace('start = "Von"', "").replace("( of (?P<month>\\d{4}-\\d{2}))?", ""),
        "columns.start: missing",
    ),
    "one mark": (GOOD.replace('"."', '","'), "thousands_mark: expected another mark than decimal_mark"),
    "a date": (GOOD.replace("%d.%m.%Y", "%d.%m.%q"), "date_format: %q: expected only"),
    "a pattern": (GOOD.replace("(?P<invoice>R-", "(?P<invoice>R-("), "file_name: not a regular expression"),
    "two ways of tax": (GOOD + 'none = "not due"\n', "tax: expected one of: column, amount, none"),
    "tax that is all": (
        GOOD.replace('column = "Produkt"\nvalues = ["USt.", "MwSt."]', 'amount = " netto"'),
        "tax.amount: expected another column than columns.amount",
    ),
    "no text": (GOOD.replace('"EUR"', "5"), "currency = 5: expected a text in quotes"),
    "capitals": (GOOD.replace('source = "examplecloud"', 'source = "X"'), "source = 'X': expected lower-case letters"),
    "no list": (GOOD.replace('["USt.", "MwSt."]', '"USt."'), "tax.values = 'USt.': expected a list of"),
    "no table": (GOOD[: GOOD.index("[columns]")] + "tax = 5", "columns: missing; tax = 5: expected a table, [tax]"),
    "another mark": (GOOD.replace('delimiter = ";"', 'delimiter = "::"'), "delimiter = '::': expected one of \",\""),
    "a width": (GOOD.replace("[columns]", "width = 7\n[columns]"), "width: expected only where header = false"),
    "the program's": (
        GOOD.replace('"examplecloud"', '"focus"', 1),
        "name = 'focus': the program has a format of that name",
    ),
}


def test_a_wrong_description_is_told_with_file_and_key(tmp_path: Path) -> None:
    for label, (text, _) in WRONG.items():
        (tmp_path / f"{label}.toml").write_text(text, encoding="utf-8")
    found = Descriptions.of(tmp_path, taken=frozenset({"focus"}))
    told = {label: found.problems.get(f"{label}.toml", "") for label in WRONG}
    assert {label: told[label] for label, (_, reason) in WRONG.items() if reason not in told[label]} == {}
    assert all(text.startswith(str(tmp_path / f"{label}.toml")) for label, text in told.items())
    assert [one.name for one in found.formats] == ["hetzner"]


def test_a_description_of_ones_own_takes_the_place_of_one_that_comes_with_the_program(tmp_path: Path) -> None:
    shipped = Descriptions.of(tmp_path / "none").formats[0].description
    own = (Path(__file__).parents[2] / "arcadia_dagster/formats/descriptions/hetzner.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(own.replace("not stated", "not due"), encoding="utf-8")
    [found] = Descriptions.of(tmp_path).formats
    assert found.description.tax is not None
    assert shipped.tax is not None
    assert (found.name, found.description.tax.none, shipped.tax.none) == ("hetzner", "not due", "not stated")
    assert found.digest != shipped.digest


def test_how_a_description_is_written_changes_nothing(tmp_path: Path) -> None:
    for name, text in {"one": GOOD, "two": "# a remark\n" + GOOD.replace(" = ", "=")}.items():
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    assert read_description(tmp_path / "one.toml").digest == read_description(tmp_path / "two.toml").digest
    with pytest.raises(DescriptionError, match="cannot be read: No such file"):
        read_description(tmp_path / "none.toml")


MARKS = st.sampled_from([(".", ""), (".", ","), (".", " "), (".", "'"), (",", ""), (",", "."), (",", " ")])
DATES = st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %b %Y", "%Y%m%d %H:%M:%S"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12).map(str.strip)
LINES = st.lists(
    st.tuples(
        TEXTS,
        st.decimals(-(10**12), 10**12, places=4, allow_nan=False),
        st.dates(date(2000, 1, 1), date(2050, 1, 1)),
        st.integers(0, 40),
    ),
    min_size=1,
    max_size=8,
)


def written(number: Decimal, decimal_mark: str, thousands_mark: str) -> str:
    return f"{number:,f}".replace(",", "T").replace(".", decimal_mark).replace("T", thousands_mark)


@given(MARKS, DATES, st.sampled_from([",", ";", "|", "\t"]), st.booleans(), LINES)
@quickly()
def test_whatever_a_description_says_the_file_that_is_written_so_comes_out_to_the_last_digit(
    tmp_path_factory: pytest.TempPathFactory,
    marks: tuple[str, str],
    dates: str,
    delimiter: str,
    header: bool,
    lines: list[tuple[str, Decimal, date, int]],
) -> None:
    folder = tmp_path_factory.mktemp("described")
    names: Mapping[str, Any] = {"description": "What", "amount": "How much", "start": "From", "end": "To"}
    columns = names if header else {field: number for number, field in enumerate(names, start=1)}
    text = "\n".join(
        [
            'name = "any"\nsource = "any"\ncurrency = "USD"',
            f"header = {str(header).lower()}" + ("" if header else "\nwidth = 4"),
            f'delimiter = "{delimiter}"\ndecimal_mark = "{marks[0]}"\nthousands_mark = "{marks[1]}"\ndate_format = "{dates}"',
            "[columns]",
            *(f'{field} = "{column}"' if header else f"{field} = {column}" for field, column in columns.items()),
            '[tax]\nnone = "not due"',
        ]
    )
    rows = [
        (words, written(amount, *marks), start.strftime(dates), (start + timedelta(days)).strftime(dates))
        for words, amount, start, days in lines
    ]
    content = as_csv(*rows, header=tuple(names.values()) if header else (), delimiter=delimiter)
    found = read(folder, content, text, columns="description, amount, charge_period_start, charge_period_end")
    assert found.reason is None

    def midnight(day: date) -> datetime:
        return datetime(day.year, day.month, day.day)  # noqa: DTZ001

    assert found.lines == [
        (words, amount, midnight(start), midnight(start + timedelta(days))) for words, amount, start, days in lines
    ]


TAXES = [
    *(
        "USt 19 %",
        "19% MwSt.",
        "zzgl. 19 % USt.",
        "Umsatzsteuer",
        "VAT (20%)",
        "IVA 21%",
        "TVA 20 %",
        "BTW 21%",
        "moms 25 %",
        "USt.\N{EN DASH}19 %",
    ),
    *(
        "HST Ontario (13%)",
        "PST BC",
        "Quebec QST 9.975%",
        "U.S. Sales Tax",
        "Canada Tax",
        "Consumption tax 10%",
        "消費税 (10%)",
    ),
]
NO_TAXES = [
    *(
        "taxi-api",
        "Austin",
        "tax-service",
        "Tax filing service",
        "Server, excl. VAT",
        "Pistons",
        "moms-web-01",
        "must",
        "VAT-free",
    ),
    *("VAT id check", "Taxonomy db", "iva-app"),
]


@pytest.mark.parametrize(
    ("names", "by", "none"),
    [(TAXES, "Produkt", False), (TAXES[:2], "Text", False), (TAXES[2:4], "Produkt", True), (TAXES[-2:], "Text", True)],
    ids=["all names", "in the text", "not due", "not due, in the text"],
)
def test_a_line_with_the_name_of_a_tax_that_counts_as_none_is_in_doubt_with_the_line_that_makes_it_tax(
    tmp_path: Path, names: list[str], by: str, none: bool
) -> None:
    own = '[tax]\ncolumn = "Produkt"\nvalues = ["USt.", "MwSt."]\n'
    text = GOOD.replace(own, '[tax]\nnone = "not due"\n') if none else GOOD.replace('"USt.", "MwSt."', '"GST of ours"')
    assert text != GOOD
    for name in names:
        row = (name, "", "", "", "", "", "1,00") if by == "Produkt" else ("", name, "", "", "", "", "1,00")
        [stated] = read(tmp_path, as_csv(SERVER, row), text).invoices
        [doubt] = stated.doubts
        assert f"'{name}' reads like a tax and is counted as none" in doubt
        [line] = re.findall(r"tax = \{.*?\] \}", doubt)
        better = f"{line}\n{text.replace(own, '') if none else text.replace(text[text.index('[tax]') :], '')}"
        better = better.replace('[tax]\nnone = "not due"\n', "")
        columns = "charge_category, amount"
        found = read(tmp_path, as_csv(SERVER, row), better, columns=columns)
        assert found.lines == [("Usage", Decimal("1234.56")), ("Tax", Decimal(1))]
        assert found.invoices[0].doubts == ()


def test_what_only_looks_like_the_name_of_a_tax_is_no_doubt(tmp_path: Path) -> None:
    rows = [("Server", name, "01.04.2026", "30.04.2026", "", "", "1,00") for name in NO_TAXES]
    assert read(tmp_path, as_csv(SERVER, *rows)).invoices[0].doubts == ()
    # What is bought by the hour is no tax, whatever its name.
    named = [(*SERVER[:1], "Sales tax", *SERVER[2:])]
    assert read(tmp_path, as_csv(*named)).invoices[0].doubts == ()
