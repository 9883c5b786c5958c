"""Heads: a record that was changed anywhere, or ends earlier, is seen by its chain or by the index."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.heads import HEADS_FILE, Head, advanced, content_of, head_of, read_heads
from arcadia_dagster.landing.record import broken, grown, line_of, read_record
from arcadia_dagster_tests.kit.properties import quickly

SHA256, OTHER = "3f" * 32, "4a" * 32
AT = "2026-05-01T08:00:00+00:00"
RECEIVED = {"event": "received", "at": AT, "file_name": "a.csv", "inbox_path": "sub/a.csv"}
TOTAL = {"event": "control_total", "at": AT, "file_name": "a.csv.total", "text": "USD 86.92"}
LEGACY = line_of(RECEIVED) + line_of(TOTAL)
WHOLE = grown(SHA256, b"", [RECEIVED, TOTAL, TOTAL, TOTAL])


def test_each_line_has_the_head_of_the_lines_before_it() -> None:
    record = read_record(SHA256, WHOLE)
    assert (record.damage, list(record.events)) == (None, [RECEIVED, TOTAL, TOTAL, TOTAL])
    assert grown(SHA256, grown(SHA256, b"", [RECEIVED, TOTAL]), [TOTAL, TOTAL]) == WHOLE
    assert b'"previous": "' + head_of(SHA256, b"").sha256.encode() in WHOLE.splitlines()[0]


def test_a_record_without_a_chain_is_taken_over_and_goes_on_as_one() -> None:
    assert read_record(SHA256, LEGACY).damage is None
    content = grown(SHA256, LEGACY, [TOTAL])
    assert read_record(SHA256, content).damage is None
    changed = read_record(SHA256, content.replace(b"86.92", b"86.93", 1)).damage
    assert changed == "line 3: the lines before it are not those that it was written after"


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (WHOLE.replace(b"a.csv", b"b.csv", 1), "line 2: the lines before it are not those"),
        (b"".join(WHOLE.splitlines(keepends=True)[1:]), "no line says under which name"),
        (WHOLE.splitlines(keepends=True)[0] + LEGACY, "line 2: it has no 'previous', and line 1 before it has"),
        (grown(OTHER, b"", [RECEIVED]), "line 1: the lines before it are not those"),
        (
            b"".join(WHOLE.splitlines(keepends=True)[n] for n in (0, 2, 1, 3)),
            "line 2: the lines before it are not those",
        ),
    ],
    ids=["changed", "first line gone", "without its chain", "of another document", "exchanged"],
)
def test_a_line_that_is_changed_moved_or_of_another_document_is_seen(content: bytes, damage: str) -> None:
    assert str(read_record(SHA256, content).damage).startswith(damage)


def test_a_record_that_ends_earlier_or_otherwise_than_the_index_says_is_damaged() -> None:
    head = head_of(SHA256, WHOLE)
    shorter = b"".join(WHOLE.splitlines(keepends=True)[:3])
    assert read_record(SHA256, shorter, head=head).damage == "it ends after line 3, and the index of heads counts 4"
    last = WHOLE[::-1].replace(b"29.68"[::1], b"39.68", 1)[::-1]
    changed = read_record(SHA256, last, head=head).damage
    assert changed == "line 4, or one before it, is not what it was when the index of heads noted it"
    assert read_record(SHA256, grown(SHA256, WHOLE, [TOTAL]), head=head).damage is None


def test_the_index_advances_with_a_record_and_stays_where_the_record_is_not_its_own() -> None:
    heads = advanced({}, {SHA256: LEGACY, OTHER: LEGACY})
    content = grown(SHA256, LEGACY, [TOTAL])
    after = advanced(heads, {SHA256: content, OTHER: LEGACY.replace(b"a.csv", b"b.csv")})
    assert after == {SHA256: head_of(SHA256, content), OTHER: heads[OTHER]}
    assert advanced(after, {SHA256: LEGACY}) == after, "who wrote less has seen less"
    assert read_heads(content_of(after)) == (after, None)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"x\n", "line 1 is not one that this program writes"),
        (content_of({SHA256: Head(1, OTHER)}) * 2, "line 2 is not one"),
        (content_of({SHA256: Head(1, OTHER)}).replace(b"1}", b"true}"), "line 1 is not one"),
        (content_of({SHA256: Head(1, OTHER)})[:-1], "line 1 is cut off"),
    ],
)
def test_an_index_that_cannot_be_read_says_at_which_line(content: bytes, problem: str) -> None:
    assert str(read_heads(content)[1]).startswith(problem)


@quickly(60)
@given(st.data())
def test_whatever_is_changed_cut_off_or_put_in_is_seen_without_the_warehouse(data: st.DataObject) -> None:
    head = head_of(SHA256, WHOLE)
    start = data.draw(st.integers(0, len(WHOLE)))
    end = data.draw(st.integers(start, min(len(WHOLE), start + 200)))
    changed = WHOLE[:start] + data.draw(st.binary(max_size=5)) + WHOLE[end:]
    is_same = changed.startswith(WHOLE)
    assert is_same or read_record(SHA256, changed, head=head).damage is not None


def test_a_chain_needs_no_index_to_show_that_its_middle_was_changed() -> None:
    lines = WHOLE.splitlines(keepends=True)
    for number in range(len(lines) - 1):
        other = [*lines[:number], lines[number].replace(b"08:00", b"09:00"), *lines[number + 1 :]]
        assert (
            broken(SHA256, b"".join(other))
            == f"line {number + 2}: the lines before it are not those that it was written after"
        )


NEIGHBOUR = "3f" + "5b" * 31


def archive_with_two_records(folder: Path) -> Archive:
    """An archive with two records on one shelf, as landing writes them."""
    (folder / SHA256[:2]).mkdir()
    archive = Archive(folder, max_document_bytes=1_000)
    archive.append_all({SHA256: [RECEIVED], NEIGHBOUR: [RECEIVED]})
    return archive


def test_a_mended_record_takes_its_neighbours_into_an_index_that_was_lost(tmp_path: Path) -> None:
    archive = archive_with_two_records(tmp_path)
    before, _ = archive.heads([NEIGHBOUR])
    (tmp_path / "3f" / HEADS_FILE).unlink()
    archive.replace_record(SHA256, WHOLE)
    assert archive.heads([SHA256, NEIGHBOUR]) == ({SHA256: head_of(SHA256, WHOLE), **before}, {})


def test_a_mended_record_leaves_a_damaged_index_beside_the_new_one(tmp_path: Path) -> None:
    archive = archive_with_two_records(tmp_path)
    index = tmp_path / "3f" / HEADS_FILE
    damaged = index.read_bytes()[:-9]
    index.write_bytes(damaged)
    archive.replace_record(SHA256, WHOLE)
    [kept] = index.parent.glob(f"{HEADS_FILE}.damaged-*")
    assert kept.read_bytes() == damaged
    assert archive.heads([SHA256])[0] == {SHA256: head_of(SHA256, WHOLE)}
