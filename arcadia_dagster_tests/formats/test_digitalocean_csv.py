# ruff: noqa: DTZ001, RUF001 - the stage's times are UTC without saying so; letters that look alike are what is tested

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.formats.digitalocean import CATEGORIES
from arcadia_dagster.formats.digitalocean_csv import DigitalOceanCsv, DigitalOceanCsvLayout
from arcadia_dagster.reading.format import Head
from arcadia_dagster_tests.kit.documents import HEADER, Desk, Stated, csv_text, line
from arcadia_dagster_tests.kit.properties import quickly

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
COLUMNS = (
    "service_name, description, project, resource_name, resource_type, charge_period_start, charge_period_end, quantity, "
    "unit, amount, currency, charge_category, tax_basis"
)
WEB = (
    "Droplets",
    "web-01 (s-1vcpu-1gb)",
    "shop",
    "web-01",
    "droplet",
    datetime(2026, 4, 1),
    datetime(2026, 5, 1),
    Decimal(720),
    "Hours",
    Decimal(6),
    "USD",
    "Usage",
    None,
)


def document(
    header: Sequence[str] = HEADER, row: Sequence[str] | None = None, *, newline: str = "\n", quote_all: bool = False
) -> str:
    """The line of a web droplet below any header: columns by their name, those that nobody knows filled with junk."""
    values = dict(zip(HEADER, row or line(), strict=True))
    known = {name.lower(): value for name, value in values.items()}
    return csv_text(
        [[known.get(name.strip().lower(), "junk, 1") for name in header]],
        header=header,
        newline=newline,
        quote_all=quote_all,
    )


SHAPES = {
    "as_it_comes": document(),
    "case_1_mark": "\ufeff" + document(),
    "case_1_crlf": document(newline="\r\n"),
    "case_1_cr": document(newline="\r"),
    "case_1_mark_crlf_quotes": "\ufeff" + document(newline="\r\n", quote_all=True),
    "case_1_reordered": document(HEADER[::-1]),
    "case_1_padded": document([f"  {name} " for name in HEADER]),
    "case_1_upper_case": document([name.upper() for name in HEADER]),
    "case_1_lower_case": document([name.lower() for name in HEADER]),
    "case_1_unknown_columns": document(("id", *HEADER, "notes", "top")),
    "case_1_an_unnamed_column": document(("", *HEADER)),
    "case_1_unnamed_columns": document(("", "", *HEADER)),
    "case_1_unnamed_columns_with_nothing_in_them": document((*HEADER, "", "")).replace('"junk, 1"', ""),
    "case_1_names_of_our_own": document(("", *HEADER, "unnamed_9", "unnamed_10", "c_", "c_usd")),
    "case_1_odd_names": document((*HEADER, "it's", 'a "b"', "a,b", "path", "filename", "amount_usd")),
    "case_6": document(HEADER[:-1]),
    "no_line_end_at_the_end": document(newline="\n").removesuffix("\n"),
    "blank_lines": document().replace("\n", "\n\n"),
}


@pytest.fixture(scope="module")
def shapes(large_desk: Desk) -> dict[str, Stated]:
    return large_desk.read_cases(SHAPES, columns=COLUMNS)


@pytest.mark.parametrize("case", SHAPES)
def test_every_shape_of_the_file_gives_the_same_line(shapes: dict[str, Stated], case: str) -> None:
    found = shapes[case]
    assert (found.format, found.reason) == ("digitalocean_csv", None)
    assert found.lines == [WEB]
    (invoice,) = found.invoices
    assert (invoice.source, invoice.line_count, invoice.currencies) == ("digitalocean", 1, ("USD",))
    assert invoice.lines_month == date(2026, 4, 1)
    assert (invoice.account_id, invoice.external_id, invoice.month, invoice.stated_total) == (None,) * 4
    assert invoice.is_final


def test_the_columns_that_are_not_needed_may_be_missing(desk: Desk) -> None:
    header = ("description", "USD", "product", "start", "end", "hours")
    (found,) = desk.read(document(header), columns="project, resource_name, amount")
    assert found.lines == [(None, "web-01", Decimal(6))]


@pytest.mark.parametrize(
    ("code", "amount"), [("EUR", "€6.00"), ("AUD", "$6.00"), ("JPY", "¥6"), ("eur", "€6.00"), ("KWD", "6.000")]
)
def test_the_amount_s_column_names_the_currency(desk: Desk, code: str, amount: str) -> None:
    header = [code if name == "USD" else name for name in HEADER]
    (found,) = desk.read(csv_text([line(amount=amount)], header=header), columns="amount, currency")
    assert (found.reason, found.lines) == (None, [(Decimal(6), code.upper())])


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        pytest.param(
            [name for name in HEADER if name != "USD"],
            "line 1: the amount's column is missing: no column is named by an ISO 4217 currency such as USD",
            id="case_7_no_amount",
        ),
        pytest.param(["amount" if name == "USD" else name for name in HEADER], "(found product,", id="case_8_amount"),
        pytest.param(["XXX" if name == "USD" else name for name in HEADER], "description,hours,start,end,XXX", id="case_8"),
        pytest.param(["UſD" if name == "USD" else name for name in HEADER], "amount's column", id="case_8_look_alike"),
        pytest.param((*HEADER, "hours"), "line 1: column hours occurs more than once", id="case_7"),
        pytest.param((*HEADER, "USD"), "line 1: column usd occurs more than once", id="case_7_amount_twice"),
        pytest.param((*HEADER, "usd", "Start"), "line 1: column start, usd occurs more than once", id="case_7_two_twice"),
        pytest.param((*HEADER, "x", "X "), "line 1: column x occurs more than once", id="case_7_unknown_twice"),
        pytest.param([name for name in HEADER if name != "hours"], "line 1: column hours is missing", id="no_hours"),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_read_is_refused_with_the_column(
    desk: Desk, header: list[str] | tuple[str, ...], reason: str
) -> None:
    (found,) = desk.read(csv_text([["x"] * len(header)], header=header))
    assert found.format == "digitalocean_csv"
    assert reason in str(found.reason)


TWO = ("product", "description", "hours", "start", "end", "USD", "EUR")


def test_two_amount_columns_are_two_currencies_and_each_line_is_in_one(desk: Desk) -> None:
    rows = [("Droplets", "a", "", "", "", "$1.00", ""), ("Droplets", "b", "", "", "", " ", "€2.00")]
    (found,) = desk.read(csv_text(rows, header=TWO), columns="description, amount, currency")
    assert found.lines == [("a", Decimal(1), "USD"), ("b", Decimal(2), "EUR")]
    assert found.invoices[0].currencies == ("EUR", "USD")


@pytest.mark.parametrize(
    ("amounts", "reason"),
    [
        (("$1.00", "€2.00"), "line 2, column USD/EUR: '$1.00 and €2.00'; expected an amount in one currency"),
        (("", ""), "line 2, column USD/EUR: blank; expected an amount"),
        (("€1.00", ""), "line 2, column USD/EUR: '€1.00'; expected an amount"),
    ],
)
def test_a_line_with_two_amounts_or_none_is_no_line(desk: Desk, amounts: tuple[str, str], reason: str) -> None:
    (found,) = desk.read(csv_text([("Droplets", "a", "", "", "", *amounts)], header=TWO))
    assert reason in str(found.reason)


def test_beside_a_currency_in_capitals_one_in_small_letters_is_another_column(desk: Desk) -> None:
    rows = [("Droplets", "a", "", "", "", "$1.00", "everything")]
    (found,) = desk.read(csv_text(rows, header=(*TWO[:-1], "all")), columns="amount, currency")
    assert found.lines == [(Decimal(1), "USD")]


CATEGORY_CASES = {
    "case_14": (line("taxi-api", product="Droplets"), "Usage", None),
    "case_14_backup": (line("gstreamer-01", product="Backups", hours=""), "Usage", None),
    "case_14b": (line("GST (10%)", product="", hours=""), "Tax", "description"),
    "case_14b_unknown": (line("Sales tax", product="New thing", hours=""), "Tax", "description"),
    "case_15": (line("VAT Switzerland (8.10%)", product="Taxes", hours=""), "Tax", "provider_type"),
    "case_15_padded": (line("anything", product=" TAXES ", hours=""), "Tax", "provider_type"),
    "case_16": (line("GST (10%)", product="Droplets"), "Usage", None),
    "case_16_hours": (line("GST (10%)", product="New thing"), "Usage", None),
    "case_17": (line("GST", amount="-$1", product="Taxes", hours=""), "Tax", "provider_type"),
    "case_17_credit": (line("Tax-exempt credit", amount="-$1", product="Credits", hours=""), "Credit", None),
    "adjustment": (line("Late fee", product="Adjustments", hours=""), "Adjustment", None),
    "support": (line("Premium", product="Support", hours=""), "Purchase", None),
    "unknown": (line("web", product="New thing", hours=""), "Usage", None),
}


@pytest.fixture(scope="module")
def categories(large_desk: Desk) -> dict[str, Stated]:
    contents = {case: csv_text([row]) for case, (row, *_) in CATEGORY_CASES.items()}
    return large_desk.read_cases(contents, columns="charge_category, tax_basis")


@pytest.mark.parametrize("case", CATEGORY_CASES)
def test_the_product_types_the_line_and_words_decide_only_where_it_does_not(
    categories: dict[str, Stated], case: str
) -> None:
    assert categories[case].lines == [CATEGORY_CASES[case][1:]]


def test_every_known_product_has_the_category_of_its_table(desk: Desk) -> None:
    rows = [line(product.title(), product=product.upper()) for product in CATEGORIES]
    (found,) = desk.read(csv_text(rows), columns="charge_category")
    assert [category for (category,) in found.lines] == list(CATEGORIES.values())


RESOURCES = (
    ("Droplets", "", "web-01 (s-1vcpu-1gb)", "web-01", "droplet"),
    ("Droplets", "", "web", "web", "droplet"),
    ("Droplets", "", "a (b) (c)", "a", "droplet"),
    ("Droplets", "", "a\n(b)\n(c)", "a", "droplet"),
    ("Kubernetes Clusters", "k8s-1", "pool (2 nodes)", "k8s-1", "kubernetes_cluster"),
    ("Database Clusters", "", "pg-1 (db)", "pg-1", "database"),
    ("Floating IPs", "", "Unused Floating IP - 1.2.3.4", "1.2.3.4", "reserved_ip"),
    ("Volumes", "", "data (100 GiB)", "data", "volume"),
    ("Taxes", "", "GST (10%)", None, None),
    ("New thing", "", "x", None, None),
)


def test_the_resource_is_named_by_the_description_or_the_group(desk: Desk) -> None:
    rows = [line(description, product=product, group=group) for product, group, description, *_ in RESOURCES]
    (found,) = desk.read(csv_text(rows), columns="resource_name, resource_type")
    assert found.lines == [(name, type_) for *_, name, type_ in RESOURCES]


def test_the_month_is_that_in_which_most_lines_that_are_no_tax_start_and_the_later_of_two(desk: Desk) -> None:
    may = line(start="2026-05-01 00:00:00 +0000", end="")
    tax = line("GST", product="Taxes", hours="", start="2026-06-01 00:00:00 +0000", end="")
    march = line(start="2026-04-01 00:00:00 +0200", end="")
    found = desk.read(csv_text([line(), may, *[tax] * 5]), csv_text([line(), line(), may]), csv_text([march]))
    months = [reading.invoices[0].lines_month for reading in found]
    assert months == [date(2026, 5, 1), date(2026, 4, 1), date(2026, 3, 1)]


FORMAT = DigitalOceanCsv()
NUMBERS = st.integers(0, 10**12).map(str)


@quickly(33)
@given(
    st.integers(1900, 2099),
    st.integers(1, 12),
    NUMBERS,
    NUMBERS,
    st.sampled_from(("", " (1)", " (12)")),
    st.sampled_from((".csv", ".CSV", ".csv.gz", ".csv.zst")),
    st.sampled_from((str, str.upper, str.lower)),
)
def test_the_provider_s_file_name_tells_account_number_and_month(
    year: int, month: int, account: str, number: str, copy: str, extension: str, case: Callable[[str], str]
) -> None:
    name = case(f"DigitalOcean Invoice {year} {MONTHS[month - 1]} ({account}-{number}){copy}{extension}")
    facts = FORMAT.facts_from_name(name)
    assert facts is not None
    assert (facts.account_id, facts.invoice_number, facts.month) == (account, number, date(year, month, 1))


@pytest.mark.parametrize(
    "name",
    [
        "DigitalOcean Invoice 2020 Jul (6173678-418071234)",
        "DigitalOcean Invoice 2020 Jul (6173678-418071234).pdf",
        "DigitalOcean Invoice 2020 Jul (6173678-418071234).csv.bz2",
        "DigitalOcean Invoice 2020 July (6173678-418071234).csv",
        "DigitalOcean Invoice 2020 Xyz (6173678-418071234).csv",
        "DigitalOcean Invoice 2020 07 (6173678-418071234).csv",
        "DigitalOcean Invoice 20 Jul (6173678-418071234).csv",
        "DigitalOcean Invoice 0001 Jan (6173678-418071234).csv",
        "DigitalOcean Invoice 2020 Jul (6173678).csv",
        "DigitalOcean Invoice 2020 Jul (-418071234).csv",
        "DigitalOcean Invoice 2020 Jul (6173678-418071234)(1).csv",
        "DigitalOcean Invoice 2020 Jul (6173678-418071234) (x).csv",
        "DigitalOcean Invoice 2020 Jul 6173678-418071234.csv",
        "DigitalOcean Invoice 2020 Jul (6173678-41807١٢).csv",
        "DigitalOcean Invoice 2020 Jul (a-b).csv",
        "my DigitalOcean Invoice 2020 Jul (6173678-418071234).csv",
        "DigitalOcean Invoice 2020 Jul (6173678-418071234).csv\n",
        "digitalocean.csv",
        "",
    ],
)
def test_any_other_file_name_tells_nothing(name: str) -> None:
    assert FORMAT.facts_from_name(name) is None


@quickly(66)
@given(st.text())
def test_no_file_name_raises(name: str) -> None:
    assert FORMAT.facts_from_name(name) is None


NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6), max_size=4)


@quickly(4, shrinks=False)
@given(st.lists(NAMES, min_size=5, max_size=12, unique_by=tuple))
def test_no_name_of_a_further_column_keeps_the_file_from_being_read(
    tmp_path_factory: pytest.TempPathFactory, headers: list[list[str]]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    found = desk.read(*(csv_text([[*line(), *("" for _ in names)]], header=(*HEADER, *names)) for names in headers))
    desk.reader.close()
    for names, reading in zip(headers, found, strict=True):
        lowered = [name.strip().lower() for name in (*HEADER, *names)]
        is_twice = any(name and lowered.count(name) > 1 for name in lowered)
        assert (reading.reason is not None) == is_twice


@pytest.mark.parametrize("header", [HEADER, TWO])
def test_lines_are_read_without_a_join_which_would_not_keep_their_order(
    tmp_path: Path, header: tuple[str, ...]
) -> None:
    path = tmp_path / "file.csv"
    path.write_text(csv_text([], header=header))
    layout = FORMAT.recognise(Head(text=path.read_text(), newline="\n"))
    assert isinstance(layout, DigitalOceanCsvLayout)
    with duckdb.connect() as connection:
        [plan] = connection.execute(
            f"EXPLAIN {layout.lines_sql([path], compression='none', options='sample_size = 1')}"
        ).fetchall()
    assert "READ_CSV" in plan[1]
    assert "JOIN" not in plan
