"""FOCUS as JSON, an object a row: read like the table that it is, to the last digit, however it is laid out."""

import gzip
import io
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.reading import json_records
from arcadia_dagster.reading.format import UnreadableError
from arcadia_dagster_tests.kit.documents import Desk, Stated, invoices_of
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.json_records import lines, record
from arcadia_dagster_tests.kit.packed import zipped
from arcadia_dagster_tests.kit.properties import quickly
from arcadia_dagster_tests.kit.texts import AMOUNTS, TEXTS

COLUMNS = (
    "line_number, invoice_ordinal, charge_category, service_name, description, project, resource_id, charge_period_start, "
    "charge_period_end, quantity, unit, amount, currency"
)


LAYOUTS: dict[str, Callable[[list[str]], str]] = {
    "lines": lambda records: "\n".join(records) + "\n",
    "lines of Windows, without the last end": lambda records: "\ufeff" + "\r\n".join(records),
    "blank lines": lambda records: "\n\n" + "\n \n".join(records) + "\n\n",
    "one after the other": "".join,
    "list": lambda records: f"[{','.join(records)}]",
    "list on lines": lambda records: "\n[\n  " + "\n  ,\n  ".join(records) + "\n]\n",
    "indented": lambda records: "\n".join(one.replace('","', '",\n  "').replace("{", "{\n ", 1) for one in records),
}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "ZIP": lambda content: zipped(("focus.jsonl", content)),
}
LONG = st.decimals(-(10**9), 10**9, places=18).map("{:f}".format)


@quickly(12)
@given(
    st.lists(
        st.tuples(AMOUNTS | LONG, TEXTS | st.text(TEXTS.map(lambda text: text[0]), max_size=9), st.booleans()),
        min_size=1,
    ),
    st.sampled_from(list(LAYOUTS)),
    st.sampled_from(list(PACKERS)),
    st.booleans(),
)
def test_rows_as_json_are_the_lines_of_the_same_csv(
    tmp_path_factory: pytest.TempPathFactory,
    charges: list[tuple[str, str, bool]],
    layout: str,
    packer: str,
    leaves_out: bool,
) -> None:
    rows = [
        (tax if is_tax else charge)(BilledCost=cost, ChargeDescription=text, InvoiceId=f"INV-{len(text) % 2}")
        for cost, text, is_tax in charges
    ]
    records = [record(row, leaves_out=leaves_out) for row in rows]
    content = PACKERS[packer](LAYOUTS[layout](records).encode())
    desk = Desk(tmp_path_factory.mktemp("records"))
    table, found = desk.read(as_csv(*rows), content, columns=COLUMNS)
    assert (found.format, found.reason) == ("focus", None)
    assert found.lines == table.lines
    # A text may be the name of a total: that is in doubt in both, and each says where in its own way.
    assert [replace(one, doubts=()) for one in found.invoices] == [replace(one, doubts=()) for one in table.invoices]
    assert [len(one.doubts) for one in found.invoices] == [len(one.doubts) for one in table.invoices]
    assert sum(line[11] for line in found.lines) == sum(Decimal(cost) for cost, *_ in charges)


@quickly(6)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_members_and_which_row_has_which_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, chance: Random
) -> None:
    rows = [charge(), tax(), charge(InvoiceId=None, ResourceId=None), charge(InvoiceIssuerName=None, BilledCost="1")]
    names = list(rows[0])
    records = []
    for row in rows:
        chance.shuffle(names)
        records.append(record(row, leaves_out=chance.random() < 0.5, names=names))
    desk = Desk(tmp_path_factory.mktemp("order"))
    table, found = desk.read(as_csv(*rows), "\n".join(records), columns=COLUMNS)
    assert (found.reason, found.lines, invoices_of(found)) == (None, table.lines, invoices_of(table))


def test_numbers_keep_every_digit(desk: Desk) -> None:
    costs = ["0.1", "0.10000000000000000555", "1e-7", "-1.81E-8", "12345678901234567890.123456789012345678", "7", "-0"]
    (found,) = desk.read(lines(*(charge(BilledCost=cost, ConsumedQuantity=None) for cost in costs[:4] + costs[5:])))
    assert [amount for *_, amount in found.lines] == [
        *(
            Decimal("0.1"),
            Decimal("0.100000000000000006"),
            Decimal("1e-7"),
            Decimal("-1.81E-8"),
            Decimal(7),
            Decimal(0),
        ),
    ]
    (large,) = desk.read(lines(charge(BilledCost="12345678901.123456789012345678")))
    assert large.lines[0][2] == Decimal("12345678901.123456789012345678")


BAD = {
    "an amount": (lines(charge(), charge(BilledCost='"1.234,56"')), "record 2, column BilledCost: '1.234,56'; expected"),
    "null": (lines(charge(BilledCost="null")), "record 1, column BilledCost: blank; expected"),
    "true": (lines(charge(BilledCost="true")), "record 1, column BilledCost: 'true'; expected"),
    "an object": (lines(charge(BilledCost='{"usd": 1}')), "record 1, column BilledCost: '{\"usd\": \"1\"}'; expected"),
    "NaN": (lines(charge(), charge(BilledCost="NaN")), "record 2: NaN: expected a number"),
    "milliseconds": (
        lines(charge()).replace(b'"2026-04-01T00:00:00Z"', b"1775001600000"),
        "record 1, column BillingPeriodStart: '1775001600000'; expected a time such as 2026-04-01T00:00:00Z",
    ),
    "a name twice": (lines(charge()).replace(b"{", b'{"BilledCost": 1, ', 1), "record 1: BilledCost: it is there more than once"),
    "a name in two cases": (
        lines(charge(), charge()).replace(b'"x_Extra":null', b'"billedcost": 1'),
        "as JSON: column billedcost occurs more than once",
    ),
    "a member that no row has": (
        lines(charge(ServiceName=None), leaves_out=True),
        "as JSON: column ServiceName is missing, which FOCUS has as mandatory",
    ),
    "cut off": (lines(charge(), charge())[:-9], "record 2: it is not JSON, or cut off"),
    "a list that is cut off": (b"[" + lines(charge(), charge(), end=","), "record 3: 'the end of the document' before it"),
    "a list without a comma": (b"[" + lines(charge(), charge()) + b"]", "record 2: '{' before it; expected ','"),
    "two lists": (b"[" + lines(charge()) + b"]\n[]", "after record 1: '['; expected the end of the document"),
    "a comma too many": (b"[" + lines(charge()) + b",]", "record 2: ']'; expected an object"),
    "commas between lines": (lines(charge(), charge(), end=",\n"), "record 2: ','; expected an object"),
    "a row that is a list": (lines(charge()) + b'\n[1, "a"]', "record 2: '['; expected an object"),
    "a list of rows that are lists": (b"[" + lines(charge()) + b', ["a"]]', "record 2: '['; expected an object"),
    "half a character": (
        lines(charge(ChargeDescription="?")).replace(b'"?"', b'"\\ud83d"'),
        "record 1, column ChargeDescription: '\\ud83d'; expected text",
    ),
    "NUL": (
        lines(charge(ChargeDescription="?")).replace(b'"?"', b'"a\\u0000"'),
        "record 1, column ChargeDescription: 'a\\x00'; expected text",
    ),
    "a long text": (lines(charge(ChargeDescription="x" * 300_000)), "record 1: it is longer than 200000 characters"),
    "a long record": (lines(charge(), charge(x_Extra="x" * 4_000_000), charge()), "record 2: it is not JSON (Untermi"),
    "nested": (lines(charge(Tags="[" * 100_000)), "it is not JSON"),
}  # fmt: skip


@pytest.fixture(scope="module")
def rejected(large_desk: Desk) -> dict[str, Stated]:
    return large_desk.read_cases({label: content for label, (content, _) in BAD.items()})


@pytest.mark.parametrize("case", BAD)
def test_a_record_that_cannot_be_read_is_named(rejected: dict[str, Stated], case: str) -> None:
    assert (rejected[case].reason or "").startswith(BAD[case][1])
    assert rejected[case].invoices == ()


def test_a_large_document_is_read_in_little_memory() -> None:
    one = record(charge())
    count = 20_000
    content = "[" + ",".join([one] * count) + "]"
    file = io.StringIO(content)
    tracemalloc.start()
    found = sum(1 for _ in json_records.records_in(file))
    most_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found, most_bytes < len(content)) == (count, True)


@given(st.text(st.sampled_from('{}[],:"\\ \n01aeE.-nul'), max_size=40), st.sampled_from(["", '{"a":1}', '[{"a":1}']))
@quickly(300)
def test_whatever_a_document_says_its_records_are_those_of_python_or_an_error(text: str, start: str) -> None:
    content = start + text
    try:
        found = list(json_records.records_in(io.StringIO(content)))
    except UnreadableError:
        return
    values = json.loads(content) if content.lstrip().startswith("[") else _one_after_the_other(content)
    assert [list(one) for one in found] == [list(one) for one in values]


def _one_after_the_other(content: str) -> list[Any]:
    decoder, values = json.JSONDecoder(), []
    while content := content.strip(" \n"):
        value, end = decoder.raw_decode(content)
        values.append(value)
        content = content[end:]
    return values
