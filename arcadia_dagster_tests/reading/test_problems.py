from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.reading.format import UnreadableError
from arcadia_dagster.reading.problems import Problem, describe, physical_line, records_in
from arcadia_dagster_tests.kit.properties import quickly

NEWLINES = st.sampled_from(("\n", "\r\n", "\r"))


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, str, list[int]]:
    """A CSV text put together record by record, with the line on which each record begins."""
    newline = draw(NEWLINES)
    text = draw(st.sampled_from(("", "\ufeff")))
    begins = []
    number = 1
    for _ in range(draw(st.integers(1, 8))):
        blank = draw(st.integers(0, 2))
        cells, lines = [], 1
        for _ in range(draw(st.integers(1, 3))):
            breaks = draw(st.integers(0, 2))
            cell = draw(st.sampled_from(("x", "é😀", 'in"ch', "")))
            if breaks:
                cell = '"' + "a,b" + newline * breaks + '""quoted""' + '"'
                lines += breaks
            cells.append(cell)
        text += newline * blank + "a," + ",".join(cells) + newline
        begins.append(number + blank)
        number += blank + lines
    return text, newline, begins


@quickly(23)
@given(documents())
def test_the_line_of_a_record_is_the_one_an_editor_shows(tmp_path: Path, document: tuple[str, str, list[int]]) -> None:
    text, newline, begins = document
    path = tmp_path / "file.csv"
    path.write_bytes(text.encode())
    assert [physical_line(path, record, newline=newline) for record in range(len(begins))] == begins
    assert records_in(path) == len(begins)


@quickly(20)
@given(documents(), st.data())
def test_an_offset_is_on_the_line_an_editor_shows(
    tmp_path: Path, document: tuple[str, str, list[int]], data: st.DataObject
) -> None:
    text, newline, begins = document
    path = tmp_path / "file.csv"
    path.write_bytes(text.encode())
    begin = data.draw(st.sampled_from(begins))
    lines = text.split(newline)
    offset = len((newline.join(lines[: begin - 1]) + (newline if begin > 1 else "")).encode()) + 1
    for reported in {offset, max(offset - 1, 1)} if newline == "\r\n" else {offset}:
        assert describe(path, [Problem("bad", line_offset=reported)], newline=newline) == f"line {begin}, bad"


def test_offsets_beyond_a_chunk_are_found(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    record = b"x" * 99 + b"\r\n"
    path.write_bytes(record * 30_000)
    assert describe(path, [Problem("bad", line_offset=len(record) * 29_999)], newline="\r\n") == "line 30000, bad"


def test_the_first_three_problems_are_told_and_the_others_counted(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("h\n1\n2\n3\n4\n5\n")
    problems = [Problem(f"bad {record}", record=record) for record in range(1, 6)]
    told = describe(path, problems, newline="\n")
    assert told == "line 2, bad 1; line 3, bad 2; line 4, bad 3; and 2 more"
    assert describe(path, problems[:3], newline="\n") == "line 2, bad 1; line 3, bad 2; line 4, bad 3"
    assert describe(path, [Problem("as a whole")], newline="\n") == "as a whole"


@pytest.mark.parametrize("long", ["x" * 2_500_000, '"' + "x\n" * 1_500_000 + '"'])
def test_an_endless_record_is_told_and_not_read_into_memory(tmp_path: Path, long: str) -> None:
    path = tmp_path / "file.csv"
    path.write_text(f"h\n1\n{long}\n3\n")
    with pytest.raises(UnreadableError, match=r"^line 3: .*limit"):
        records_in(path)
    assert physical_line(path, 1, newline="\n") == 2
    assert physical_line(path, 3, newline="\n") in {2, 3}
