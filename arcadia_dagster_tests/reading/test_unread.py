"""What is not read says what it is, and what to do instead, whatever it is called."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.reading import unread
from arcadia_dagster_tests.kit.documents import Desk, Stated, csv_text, line
from arcadia_dagster_tests.kit.properties import quickly
from arcadia_dagster_tests.kit.unread import CASES, GOOD


@pytest.fixture(scope="module")
def found(large_desk: Desk) -> dict[str, Stated]:
    contents = {label: content for label, (content, *_) in CASES.items()}
    packed = {f"{label}, packed": gzip.compress(content) for label, content in contents.items() if content[:2] != b"PK"}
    return large_desk.read_cases(contents | packed)


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_read_says_what_it_is_and_what_to_do(found: dict[str, Stated], case: str) -> None:
    _, what, to_do = CASES[case]
    packed = found.get(f"{case}, packed", found[case])
    assert str(found[case].reason).startswith(what)
    assert to_do in str(found[case].reason)
    if case not in {"tar.gz", "Parquet of another kind"}:
        assert packed.reason == found[case].reason


READ = st.sampled_from(
    [GOOD.decode(), csv_text([line()]), csv_text([line()], newline="\r"), "a,b\n1,2\n", "{}", '[{"a": 1}]']
)


@given(READ, st.text(max_size=30))
@quickly(200)
def test_nothing_is_said_of_tables_and_json_whatever_their_texts_are(start: str, text: str) -> None:
    quoted = text.replace('"', '""')
    assert unread.no_table(f'{start}"{quoted}"') is None
    assert unread.text(f'{start}"{quoted}"') is None


def test_a_mail_is_one_only_by_headers_that_a_table_has_not() -> None:
    for start in (
        "subject,from\n1,2\n",
        "From: to\n1",
        "date: x\nto: y\n",
        "from;subject\na: b\nfrom: c\nsubject: d\n",
    ):
        assert unread.no_table(start) is None, start


@given(st.binary(max_size=600), st.sampled_from([b"", *(content[:40] for content, *_ in CASES.values())]))
@quickly(300)
def test_whatever_a_file_begins_with_it_is_told_without_an_error(content: bytes, start: bytes) -> None:
    words = unread.binary(start + content)
    assert words is None or ":" in words or ";" in words
    unread.text((start + content).decode("latin-1"))
