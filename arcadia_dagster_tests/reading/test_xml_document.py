"""XML is read within bounds, and whatever is wrong with it is told as that."""

import gc
import time
import tracemalloc
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.reading import xml_document
from arcadia_dagster.reading.format import UnreadableError
from arcadia_dagster.reading.xml_document import read_xml, root_of
from arcadia_dagster_tests.kit.einvoices import cii, ubl
from arcadia_dagster_tests.kit.properties import quickly

LAUGHS = "".join(f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 10))
DANGEROUS = {
    "billion laughs": f'<!DOCTYPE a [<!ENTITY l0 "lol">{LAUGHS}]><a>&l9;</a>',
    "billion laughs in an attribute": f'<!DOCTYPE a [<!ENTITY l0 "lol">{LAUGHS}]><a b="&l9;"/>',
    "external entity": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>',
    "external document type": '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
    "parameter entity": '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x">%x;]><a/>',
    "quadratic": f'<!DOCTYPE a [<!ENTITY x "{"x" * 50_000}">]><a>{"&x;" * 50_000}</a>',
}


@pytest.mark.parametrize("kind", DANGEROUS)
def test_a_document_type_is_refused_before_anything_in_it_is_looked_at(kind: str) -> None:
    with pytest.raises(UnreadableError, match="document type"):
        read_xml(f'<?xml version="1.0"?>{DANGEROUS[kind]}'.encode(), ())
    assert root_of(DANGEROUS[kind]) is None


BOUNDS = {
    "deep": (b"<a>" * 100_000, "64 deep"),
    "many": (b"<a>" + b"<b/>" * (xml_document._MAX_ELEMENTS + 1) + b"</a>", "elements, which is the limit"),  # noqa: SLF001
    "cut off": (b"<a><b>1</b>", "line 1: it is not XML: no element found"),
    "garbage": (b"<a>\x00</a>", "line 1: it is not XML"),
    "nothing": (b"", "it is not XML"),
    "half a character": (b"<a>\xc3</a>", "the byte 0xc3 is not"),
    "two roots": (b"<a/>\n<b/>", "line 2: it is not XML"),
    "an encoding of nobody": (b'<?xml version="1.0" encoding="klingon"?><a/>', "it is not XML"),
    "an encoding of no text": (b'<?xml version="1.0" encoding="hex"?><a/>', "it is not XML"),
    "a multi-byte encoding": (b'<?xml version="1.0" encoding="shift_jis"?><a/>', "it is not XML"),
    "an entity of nobody": (b"<a>&nbsp;</a>", "it is not XML"),
    "a prefix of nobody": (b"<x:a/>", "it is not XML"),
}


@pytest.mark.parametrize("kind", BOUNDS)
def test_what_passes_a_bound_or_is_no_xml_is_refused_with_words(kind: str) -> None:
    content, words = BOUNDS[kind]
    with pytest.raises(UnreadableError, match=words):
        read_xml(content, ())


def test_what_is_refused_takes_little_time_and_memory() -> None:
    tracemalloc.start()
    started = time.process_time()
    for content in (*(f'<?xml version="1.0"?>{one}'.encode() for one in DANGEROUS.values()), b"<a>" * 1_000_000):
        with pytest.raises(UnreadableError):
            read_xml(content, ())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - started < 5
    assert peak < 64 << 20


def test_text_that_is_not_read_is_not_kept() -> None:
    tracemalloc.start()
    root = read_xml(b"<a><attached>" + b"QUJD\n" * 2_000_000 + b"</attached><b>1</b></a>", ())
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert root.text_at("b") == "1"
    assert kept < 1 << 20
    with pytest.raises(UnreadableError, match="more than 10000 characters"):
        root.text_at("attached")


@given(st.integers(min_value=-(10**20) + 1, max_value=10**20 - 1), st.text("0123456789", max_size=18))
@quickly(200)
def test_an_amount_is_read_to_its_last_digit(whole: int, decimals: str) -> None:
    text = f"{whole}.{decimals}" if decimals else f"{whole}"
    found = read_xml(f"<a><b> {text}\n</b></a>".encode(), ()).amount_at("b")
    assert found is not None
    assert found == Decimal(text)
    assert found.as_tuple() == Decimal(text).as_tuple()


@pytest.mark.parametrize(
    "text",
    ["", "1,5", "1.234,56", "1e5", "NaN", "INF", "\u0661", "1 000", "0x1", "--1", "1" * 21, f"0.{'1' * 19}", "€ 1"],
)
def test_what_is_no_amount_is_told_with_its_line(text: str) -> None:
    root = read_xml(f"<a>\n<b>{text}</b></a>".encode(), ())
    with pytest.raises(UnreadableError, match=r"line 2, b: .*; expected an amount"):
        root.amount_at("b")


def test_a_value_that_is_there_twice_is_nobodys_to_choose() -> None:
    with pytest.raises(UnreadableError, match="line 3, b: it is there a second time"):
        read_xml(b"<a>\n<b>1</b>\n<b>2</b></a>", ()).amount_at("b")


def test_only_elements_of_the_named_namespaces_are_called_by_their_name() -> None:
    root = read_xml(b'<a xmlns="urn:x"><b xmlns="urn:y">1</b><b>2</b></a>', ("urn:x",))
    assert root.text_at("b") == "2"


WHOLE = [ubl(), cii()]


@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=8), st.integers(0, 40)), max_size=4),
)
@quickly(300)
def test_whatever_is_done_to_its_bytes_nothing_else_is_raised(
    content: bytes, changes: list[tuple[int, bytes, int]]
) -> None:
    for place, put, taken in changes:
        at = place % (len(content) + 1)
        content = content[:at] + put + content[at + taken :]
    root_of(content.decode("latin-1"))
    with suppress(UnreadableError):
        read_xml(content, ())
