import csv
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.formats.reader import Reader
from arcadia_dagster.reading.content import ArchivedDocument
from arcadia_dagster_tests.kit.documents import END, HEADER, START, Desk, Stated, csv_text, line
from arcadia_dagster_tests.kit.generate import write_large
from arcadia_dagster_tests.kit.properties import quickly

INVENTORY = "id,name,type\n1,web-01,droplet\n"
EURO_HEADER = ("description", "product", "EUR", "hours", "start", "end")


def test_documents_of_every_shape_are_read_at_once_and_each_by_itself(desk: Desk) -> None:
    euro = csv_text([("web", "Droplets", "€5.00", "1", "", "")], header=EURO_HEADER)
    found = desk.read(
        csv_text([line("one", "$1.00")]),
        INVENTORY,
        euro,
        "<!doctype html><title>Log in</title>",
        csv_text([line("two", "$2.00"), line("three", "oops")]),
        csv_text([line("four", "$4.00")]),
        '[{"id": 7, "name": null, "type": "Load Balancer"}]',
        b"\xff\xfea\0",
    )
    assert [(reading.format, reading.reason is None) for reading in found] == [
        ("digitalocean_csv", True),
        ("inventory_csv", True),
        ("digitalocean_csv", True),
        (None, False),
        ("digitalocean_csv", False),
        ("digitalocean_csv", True),
        ("inventory_json", True),
        (None, False),
    ]
    assert [reading.lines for reading in found] == [
        [(1, "one", Decimal(1))],
        [],
        [(1, "web", Decimal(5))],
        [],
        [],
        [(1, "four", Decimal(4))],
        [],
        [],
    ]
    assert [invoice.currencies for reading in found for invoice in reading.invoices] == [("USD",), ("EUR",), ("USD",)]


def test_more_documents_than_one_statement_reads_are_read_each_by_itself(desk: Desk) -> None:
    count = 1_203
    found = desk.read(
        *(csv_text([line(f"{n}", f"${n}"), line("tax", "oops" if n % 400 == 7 else "$1")]) for n in range(count))
    )
    for n, reading in enumerate(found):
        if n % 400 == 7:
            assert str(reading.reason).startswith("line 3, column USD: 'oops'")
        else:
            assert (reading.reason, reading.lines) == (None, [(1, f"{n}", Decimal(n)), (2, "tax", Decimal(1))])


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\",'= \t"), max_size=12)
AMOUNTS = st.integers(-(10**6), 10**6).map(lambda cents: Decimal(cents) / 100)


@quickly(6, shrinks=False)
@given(
    st.lists(st.lists(st.tuples(TEXTS, AMOUNTS), min_size=1, max_size=6), min_size=1, max_size=8),
    st.sampled_from(("\n", "\r\n", "\r")),
    st.booleans(),
)
def test_lines_keep_their_text_their_amount_and_their_order(
    tmp_path_factory: pytest.TempPathFactory, documents: list[list[tuple[str, Decimal]]], newline: str, quote_all: bool
) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    documents = [list(document) for document in dict.fromkeys(tuple(document) for document in documents)]
    contents = [
        csv_text([line(text, str(amount)) for text, amount in document], newline=newline, quote_all=quote_all)
        for document in documents
    ]
    found = desk.read(*contents)
    desk.reader.close()
    assert [(reading.reason, reading.lines) for reading in found] == [
        (None, [(number, *stated) for number, stated in enumerate(document, 1)]) for document in documents
    ]
    assert [reading.invoices[0].line_count for reading in found] == [len(document) for document in documents]


TEXT_CASES = {
    "case_28": 'two\nlines, "quotes", commas, 😀',
    "case_28_line_ends": "\r\n\r",
    **{f"case_29_{ord(first)}": f"{first}1+1" for first in "=+-@\t"},
    "case_30": "<script>alert(1)</script>",
    "padded": " padded ",
    "null": "NULL",
    "backslash": "\\N",
    "comment": "#",
    "mark": "\ufeff",
    "decomposed": "e\u0301",
    "line_separator": "\u2028",
    "long": "x" * 100_000,
}


@pytest.fixture(scope="module")
def descriptions(large_desk: Desk) -> dict[str, Stated]:
    contents = {case: csv_text([line(text), line("next")]) for case, text in TEXT_CASES.items()}
    return large_desk.read_cases(contents, columns="description")


@pytest.mark.parametrize("case", TEXT_CASES)
def test_a_description_is_kept_exactly(descriptions: dict[str, Stated], case: str) -> None:
    assert descriptions[case].lines == [(TEXT_CASES[case],), ("next",)]


RECORDS = 200_000


def numbered(numbers: Iterable[int]) -> str:
    """Records with their number as description, some of which have a line end in it."""
    rest = f"720,{START},{END},$0.01,shop,iaas\n"
    products = ("Droplets", "Taxes", "?")
    return csv_text([]) + "".join(
        f'{products[n % 3]},,"{n}\n",{rest}' if n % 7 == 0 else f"{products[n % 3]},,{n},{rest}" for n in numbers
    )


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, list[ArchivedDocument]]]:
    """A document of many lines, a small one, and one more."""
    desk = Desk(tmp_path_factory.mktemp("large"))
    contents = (numbered(range(RECORDS)), csv_text([line("0", "$9")]), numbered(range(0, RECORDS, 10)))
    documents = [desk.archive(content) for content in contents]
    readings = desk.reader.read(documents)
    assert [reading.reason for reading in readings.values()] == [None] * 3
    yield desk, documents
    desk.reader.close()


def test_lines_are_numbered_in_the_order_of_the_file_however_large_it_is(
    large: tuple[Desk, list[ArchivedDocument]],
) -> None:
    desk, (first, small, second) = large
    for document, step, count in ((first, 1, RECORDS), (second, 10, RECORDS // 10), (small, 1, 1)):
        lines = desk.reader.lines_sql([document.document_sha256])
        with desk.warehouse.stage() as connection:
            found = connection.execute(
                "SELECT count(*), count(DISTINCT line_number), min(line_number), max(line_number), "
                f"count_if(CAST(trim(description, chr(10)) AS INTEGER) = (line_number - 1) * {step}) FROM ({lines})"
            ).fetchone()
        assert found == (count, count, 1, count, count)


class _LittleMemory:
    """A connection that has little memory once the stage is written, which takes as much for any number of lines."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, query: str) -> duckdb.DuckDBPyConnection:
        result = self._connection.execute(query)
        if query.startswith("COPY"):
            self._connection.execute("SET threads = 1")
            self._connection.execute("SET memory_limit = '36MB'")
        return result


def test_a_document_needs_no_more_memory_for_having_more_lines(tmp_path: Path) -> None:
    count = 300_000
    path = tmp_path / "inbox.csv"
    write_large(path, lines=count, month=date(2026, 4, 1), seed=1)
    desk = Desk(tmp_path)

    @contextmanager
    def little_memory() -> Iterator[duckdb.DuckDBPyConnection]:
        with desk.warehouse.stage() as connection:
            yield cast("duckdb.DuckDBPyConnection", _LittleMemory(connection))

    reader = Reader(tmp_path / "stages", little_memory)
    document = desk.archive(path.read_bytes())
    reading = reader.read([document])[document.document_sha256]
    reader.close()
    assert reading.reason is None
    assert [invoice.line_count for invoice in reading.invoices] == [count]


def test_lines_of_several_documents_come_together_each_with_its_own_numbers(
    large: tuple[Desk, list[ArchivedDocument]],
) -> None:
    desk, (_, small, second) = large
    counted = desk.lines(
        small.document_sha256,
        second.document_sha256,
        columns="count(*) OVER (PARTITION BY document_sha256), max(line_number) OVER (PARTITION BY document_sha256)",
    )
    assert sorted(set(counted)) == [(1, 1), (RECORDS // 10, RECORDS // 10)]


@pytest.mark.parametrize(("newline", "records"), [("\n", 30_000), ("\r\n", 2_000), ("\r", 2_000)])
def test_a_bad_record_deep_in_a_large_file_is_told_with_its_line(desk: Desk, newline: str, records: int) -> None:
    content = csv_text([line()] * records + [line('two\n"lines"')], newline=newline)
    short = content + f"short,row{newline}" + f"{','.join(line())}{newline}" * 100
    bad_value = csv_text([line()] * records + [line(amount="x")], newline=newline)
    found = desk.read(short, bad_value)
    # Where lines do not end with LF, the one in the description is text.
    expected = records + (4 if newline == "\n" else 3)
    assert found[0].reason == f"line {expected}, expected 9 columns, found 2 (found 'short,row')"
    assert str(found[1].reason).startswith(f"line {records + 2}, column USD: 'x'; expected an amount such as")


GOOD = csv_text([line("good", "$1.00")])


UNREADABLE = {
    "case_4_short_last_row": (
        csv_text([line(), line()]) + "Droplets,,web,1\n",
        "line 4, expected 9 columns, found 4 (found 'Droplets,,web,1')",
    ),
    "case_4_long_row": (csv_text([line(), ("a", *line())]), "line 3, expected 9 columns, found 10"),
    "case_4_unclosed_quote": (
        csv_text([line()]) + 'Droplets,,"never closed,1,,,$1.00,p,c\n' + csv_text([line()] * 3),
        "line 3, column 3: a quote that is not closed",
    ),
    "after_two_physical_lines": (
        csv_text([line('two\nlines "quoted"')]) + "short\n",
        "line 4, expected 9 columns, found 1 (found 'short')",
    ),
    "text_beside_quotes": (csv_text([line()]) + 'Droplets,,"a"b,1,,,$1.00,p,c\n', "line 3, column 3: a quote"),
    "mixed_line_ends": (csv_text([line()], newline="\r\n") + ",".join(line()) + "\n", "its line ends are mixed"),
    "carriage_return_at_the_end": (csv_text([line()]) + ",".join(line()) + "\r", "its line ends are mixed"),
    "case_33_long_line": (
        csv_text([line(), line("x" * 2_100_000)]),
        "line 3, the line is longer than 2000000 bytes, which is the limit",
    ),
    "case_33_field_of_10_mb": (
        csv_text([line(), line("x" * 10_000_000), line()]),
        "line 3, the line is longer than 2000000 bytes, which is the limit",
    ),
    "case_33_field_of_40_mb": (csv_text([line("x" * 40_000_000)]), "line 2: it cannot be read as CSV"),
    "case_33_long_record": (csv_text([line("x\n" * 1_500_000)]), "line 2, the line is longer than 2000000 bytes"),
    "case_3_header_only": (csv_text([]), "line 1: there is a header and nothing below it"),
    "case_3_header_alone": (csv_text([]).strip(), "line 1: there is a header and nothing below it"),
    "case_3_blank_lines": (csv_text([]) + "\n\n", "line 1: there is a header and nothing below it"),
    "case_3_empty": ("", "the file is empty"),
    "case_3_mark_only": ("\ufeff", "the file is empty"),
    "case_3_blank": (" \n\n", "the file is empty"),
    "case_3_html": ("<!DOCTYPE html><html>", "line 1: it is a web page"),
    "case_3_xml": ('<?xml version="1.0"?><Error/>', "line 1: it is an error answer (XML)"),
    "case_3_json": ('{"id": "unauthorized"}', "line 1: it is JSON of an unknown shape"),
    "unknown_header": ("a,b\n1,2\n", "line 1: 'a,b' is the header of no known format"),
    "blank_first_line": ("\n" + GOOD, "line 1: '' is the header of no known format"),
    "a_sum_no_minor_unit_holds": (
        csv_text([line(), line(amount="99999999999999999999")]),
        "line 3, amount: with it the amounts come to 1",
    ),
    "a_sum_of_two_signs": (
        csv_text([line(amount="60000000000000"), line(amount="-60000000000000")]),
        "line 2, amount: with it the amounts come to 120,000,000,000,000",
    ),
}


@pytest.fixture(scope="module")
def unreadable(large_desk: Desk) -> dict[str, Stated]:
    bad = {case: content for case, (content, _) in UNREADABLE.items()}
    return large_desk.read_cases({"first": GOOD, **bad, "last": csv_text([line("other", "$2.00")])})


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_document_that_cannot_be_read_is_rejected_with_its_line(unreadable: dict[str, Stated], case: str) -> None:
    assert UNREADABLE[case][1] in str(unreadable[case].reason)
    assert (unreadable[case].invoices, unreadable[case].lines) == ((), [])


def test_a_document_that_cannot_be_read_does_not_touch_its_neighbours(unreadable: dict[str, Stated]) -> None:
    assert {case for case, reading in unreadable.items() if reading.reason is None} == {"first", "last"}
    assert unreadable["first"].lines == [(1, "good", Decimal(1))]
    assert unreadable["last"].lines == [(1, "other", Decimal(2))]


def test_each_of_many_broken_documents_keeps_its_own_problems(desk: Desk) -> None:
    many = csv_text([line()]) + "a,b\n" * 200
    one = csv_text([line(), line()]) + "short\n"
    found = desk.read(many, one, GOOD)
    assert str(found[0].reason).startswith("line 3, expected 9 columns, found 2 (found 'a,b'); line 4, ")
    assert " more" in str(found[0].reason)
    assert found[1].reason == "line 4, expected 9 columns, found 1 (found 'short')"
    assert found[2].reason is None


BAD_VALUES = {
    "case_11": ({"amount": "1.234,56"}, "column USD: '1.234,56'; expected an amount such as 1234.56"),
    "case_12": ({"amount": ""}, "column USD: blank; expected an amount"),
    "case_12_spaces": ({"amount": "  "}, "column USD: blank; expected an amount"),
    "case_12_nan": ({"amount": "NaN"}, "column USD: 'NaN'; expected an amount"),
    "long_value": ({"amount": "x" * 500}, f"column USD: '{'x' * 80}'; expected an amount"),
    "hours": ({"hours": "ten"}, "column hours: 'ten'; expected a number of hours, or nothing"),
    "case_27": (
        {"start": "2026-04-01 00:00:00"},
        "column start: '2026-04-01 00:00:00'; expected a time with its offset",
    ),
    "case_27_no_day": ({"end": "2026-02-31 00:00:00 +0000"}, "column end: '2026-02-31 00:00:00 +0000'"),
    "case_27_ambiguous": ({"start": "03/04/2026"}, "column start: '03/04/2026'"),
    "case_27_backwards": (
        {"start": "2026-05-01 00:00:00 +0000", "end": "2026-04-01 00:00:00 +0000"},
        "column end: '2026-04-01 00:00:00 +0000'; expected a time not before the start",
    ),
    "far_future": ({"end": "9999-12-31 23:59:59 -0200"}, "column end: '9999-12-31 23:59:59 -0200'"),
}


@pytest.fixture(scope="module")
def bad_values(large_desk: Desk) -> dict[str, Stated]:
    contents = {
        case: csv_text([line("a\nb"), line(), line(**values), line(**values)])
        for case, (values, _) in BAD_VALUES.items()
    }
    return large_desk.read_cases({**contents, "good": GOOD})


@pytest.mark.parametrize("case", BAD_VALUES)
def test_a_value_that_cannot_be_read_is_told_with_line_column_value_and_expectation(
    bad_values: dict[str, Stated], case: str
) -> None:
    reason = BAD_VALUES[case][1]
    assert f"line 5, {reason}" in str(bad_values[case].reason)
    assert f"; line 6, {reason}" in str(bad_values[case].reason)
    assert bad_values["good"].reason is None


def test_blank_times_are_allowed(desk: Desk) -> None:
    (found,) = desk.read(
        csv_text([line(start="", end="", hours="")]), columns="charge_period_start, charge_period_end, quantity, unit"
    )
    assert found.lines == [(None, None, None, None)]
    assert found.invoices[0].lines_month is None


def test_a_document_that_was_read_before_the_limit_of_rows_is_not_told_twice(desk: Desk) -> None:
    document = desk.archive(GOOD)
    first = desk.reader.read([document])
    again = desk.reader.read([document])
    assert first == again
    assert desk.lines(document.document_sha256, columns="count(*) OVER ()") == [(1,)]


def test_reading_nothing_gives_nothing(desk: Desk) -> None:
    assert desk.reader.read([]) == {}
    assert desk.lines(columns="document_sha256, line_number, description, amount, charge_category") == []


def test_lines_of_a_document_that_was_not_read_cannot_be_asked_for(desk: Desk) -> None:
    with pytest.raises(KeyError):
        desk.reader.lines_sql(["0" * 64])


def test_close_deletes_the_stage_and_the_reader_can_go_on(desk: Desk) -> None:
    document = desk.archive(GOOD)
    desk.reader.read([document])
    stages = desk.folder / "stages"
    assert len(list(stages.glob("*.parquet"))) == 1
    desk.reader.close()
    assert list(desk.folder.glob("stages/*")) == []
    assert not desk.reader.has(document.document_sha256)
    desk.reader.close()
    desk.reader.read([document])
    assert desk.reader.has(document.document_sha256)


@pytest.mark.parametrize("name", ["it's", "a[b]*?", "ünï", "a b,c", "$HOME", "{x}", "100%"])
def test_any_folder_can_hold_an_archive(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    desk = Desk(folder)
    short = csv_text([line()]) + "short\n"
    good, bad = desk.read(GOOD, short)
    desk.reader.close()
    assert good.lines == [(1, "good", Decimal(1))]
    assert bad.reason == "line 3, expected 9 columns, found 1 (found 'short')"


def as_the_csv_module_reads(content: str) -> list[tuple[str, str]] | None:
    """The descriptions and amounts; None where it is no good CSV."""
    try:
        rows = list(csv.reader(io.StringIO(content.removeprefix("\ufeff"), newline=""), strict=True))
    except csv.Error:
        return None
    if any(row and len(row) != len(HEADER) for row in rows):
        return None
    return [(row[2], row[6]) for row in rows[1:] if row]


BREAKS = st.sampled_from(['"', '""', "\n", "\r", "\r\n", ",", '"\n', '",', ',"', "\n\n", " ", "\\", '\n"', "é", "x"])


@quickly(6, shrinks=False)
@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(TEXTS, st.sampled_from(("1.00", "2.50", "-3"))), min_size=1, max_size=4),
            st.sampled_from(("\n", "\r\n", "\r")),
            st.booleans(),
            st.lists(st.tuples(st.integers(0, 10_000), BREAKS), max_size=3),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=10,
    )
)
def test_a_damaged_file_is_rejected_or_read_as_it_stands(
    tmp_path_factory: pytest.TempPathFactory,
    documents: list[tuple[list[tuple[str, str]], str, bool, list[tuple[int, str]], int]],
) -> None:
    contents = []
    for rows, newline, quote_all, damages, cut in documents:
        header = csv_text([], newline=newline)
        body = csv_text([line(text, amount) for text, amount in rows], newline=newline, quote_all=quote_all)
        body = body.split(newline, 1)[1]
        for at, piece in damages:
            body = body[: at % (len(body) + 1)] + piece + body[at % (len(body) + 1) :]
        contents.append(header + body[: len(body) - cut])
    contents = list(dict.fromkeys(contents))
    desk = Desk(tmp_path_factory.mktemp("desk"))
    found = desk.read(*contents)
    desk.reader.close()
    for content, reading in zip(contents, found, strict=True):
        if reading.reason is None:
            expected = as_the_csv_module_reads(content)
            assert expected is not None, content
            assert [number for number, _, _ in reading.lines] == list(range(1, len(expected) + 1))
            assert [(text, amount) for _, text, amount in reading.lines] == [
                (text, Decimal(amount.strip())) for text, amount in expected
            ], content


def test_reading_leaves_no_file_open(desk: Desk) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - how many, not which

    desk.read(GOOD)
    before = count()
    for number in range(3):
        desk.read(csv_text([line(str(number))]), csv_text([line(str(number))]) + "short\n", f"{number}")
    assert count() == before
