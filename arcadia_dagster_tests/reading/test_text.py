import codecs
import csv
import io
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from arcadia_dagster.reading import unread
from arcadia_dagster.reading.text import HEAD_BYTES, TextExaminer, TextFacts
from arcadia_dagster.reading.unread import WHOLE_AGAIN
from arcadia_dagster_tests.kit.documents import csv_text
from arcadia_dagster_tests.kit.properties import quickly


def facts(content: bytes, *cuts: int) -> TextFacts:
    examiner = TextExaminer()
    edges = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
    for start, end in pairwise(edges):
        examiner.update(content[start:end])
    return examiner.facts()


@quickly(50)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.lists(st.sampled_from([b"\r", b"\n", b'"', b"a", b",", b"\xc3", b"\xa9", b"\xef\xbb\xbf", b"\x00"])).map(
            b"".join
        ),
        st.text(max_size=40).map(lambda text: text.encode("utf-8", "ignore")),
        st.text(max_size=20).map(lambda text: text.encode("utf-16", "ignore")),
    ),
    st.lists(st.integers(0, 100), max_size=12),
)
def test_how_the_bytes_are_cut_into_chunks_does_not_matter(content: bytes, cuts: list[int]) -> None:
    assert facts(content, *cuts) == facts(content) == facts(content, *range(len(content)))


@quickly(40)
@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "ignore")))
def test_bytes_are_text_exactly_where_python_decodes_them_and_no_control_byte_is_among_them(content: bytes) -> None:
    # What is known as something else is told as that.
    assume(unread.binary(content) is None and unread.no_table(content.decode("latin-1")) is None)
    problem = facts(content).problem
    first_control = next(
        (at for at, byte in enumerate(content) if (byte < 32 and byte not in b"\t\r\n") or byte == 127), None
    )
    try:
        content.decode()
        first_bad = None
    except UnicodeDecodeError as error:
        first_bad = error.start
    offsets = [offset for offset in (first_control, first_bad) if offset is not None]
    if not offsets:
        assert problem is None
    else:
        assert problem is not None
        assert problem.startswith(f"byte {min(offsets)}: ")


UTF_16 = "UTF-16 text; save it as UTF-8 (in a spreadsheet `CSV UTF-8`, in PowerShell `-Encoding utf8`)"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(
            "producté".encode("latin-1"),
            f"byte 7: the file ends within a UTF-8 character: {WHOLE_AGAIN}",
            id="case_2_latin_1_at_the_end",
        ),
        pytest.param(
            "Zürich, Köln".encode("latin-1"), "byte 1: 0xfc is not UTF-8; save the file as UTF-8", id="case_2_latin_1"
        ),
        pytest.param("€5".encode("cp1252"), "byte 0: 0x80 is not UTF-8; save the file as UTF-8", id="case_2_cp1252"),
        pytest.param("a,b".encode("utf-16"), f"byte 0: {UTF_16}", id="case_2_utf_16"),
        pytest.param(codecs.BOM_UTF16_BE + "a".encode("utf-16-be"), f"byte 0: {UTF_16}", id="case_2_be"),
        pytest.param(
            "a".encode("utf-16-le"), "byte 1: control character 0x00; expected text", id="case_2_without_mark"
        ),
        pytest.param(b"ab\x00c", "byte 2: control character 0x00; expected text", id="case_2_nul"),
        pytest.param(b"ab\x1b[31m", "byte 2: control character 0x1b; expected text", id="case_2_escape"),
        pytest.param(b"\x7f", "byte 0: control character 0x7f; expected text", id="case_2_delete"),
        pytest.param(
            "ü".encode() * 3 + b"\xff", "byte 6: 0xff is not UTF-8; save the file as UTF-8", id="case_2_offset"
        ),
        pytest.param(b"\xed\xa0\x80", "byte 0: 0xed is not UTF-8; save the file as UTF-8", id="case_2_surrogate"),
        pytest.param(b"\xc0\xaf", "byte 0: 0xc0 is not UTF-8; save the file as UTF-8", id="case_2_overlong"),
        pytest.param("\ufefftab\there, naïve 😀\r\n".encode(), None, id="case_1"),
    ],
)
def test_what_is_not_utf_8_text_is_named_with_its_offset(content: bytes, problem: str | None) -> None:
    assert facts(content).problem == problem


CELL = st.text(st.sampled_from('ab",\n\r é'), max_size=6)
NEWLINES = st.sampled_from(("\n", "\r\n", "\r"))


@quickly(40)
@given(
    st.lists(st.lists(CELL, min_size=2, max_size=3), min_size=1, max_size=6),
    NEWLINES,
    st.booleans(),
    st.booleans(),
    st.sampled_from(("", "\ufeff")),
    st.integers(0, 3),
    st.booleans(),
)
def test_records_are_counted_as_the_csv_module_counts_them(
    rows: list[list[str]], newline: str, quote_all: bool, keeps_end: bool, mark: str, blanks: int, has_header: bool
) -> None:
    text = csv_text(rows, header=("h1", "h2") if has_header else ("h1 only",), newline=newline, quote_all=quote_all)
    header, rest = text.split(newline, 1)
    text = header + newline * (1 + blanks) + rest + newline * blanks
    if not keeps_end:
        text = text.removesuffix(newline)
    found = facts((mark + text).encode())
    assert found.records == sum(1 for record in csv.reader(io.StringIO(text, newline="")) if record)
    assert found.newline == newline
    assert found.problem is None


@pytest.mark.parametrize(
    ("content", "newline", "records"),
    [
        (b"", "\n", 0),
        (b"\n", "\n", 0),
        (b"\r", "\r", 0),
        (b"\r\n\r\n", "\r\n", 0),
        (b"a", "\n", 1),
        (b"a\r", "\r", 1),
        (b"a\r\n", "\r\n", 1),
        (b"a\n\nb", "\n", 2),
        (b"\xef\xbb\xbf", "\n", 0),
        (b"\xef\xbb\xbf\na", "\n", 1),
        (b'"a\n\n\nb"\n', "\n", 1),
        (b'""', "\n", 1),
        (b'"never closed\n\n', "\n", 1),
    ],
)
def test_records_of_small_texts(content: bytes, newline: str, records: int) -> None:
    found = facts(content)
    assert (found.newline, found.records) == (newline, records)


def test_the_head_is_the_first_64_kib() -> None:
    content = b"0123456789" * 20_000
    found = facts(content, 1, 7, 70_000)
    assert found.head == content[:HEAD_BYTES]
