import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.landing.record import MISSING, RecordState, line_of, read_record
from arcadia_dagster_tests.kit.properties import quickly

SHA256 = "3f" * 32
AT = "2026-05-01T08:00:00+00:00"
RECEIVED = {"event": "received", "at": AT, "file_name": "a.csv", "inbox_path": "sub/a.csv"}
DECIDED = {"event": "decided", "at": AT, "decided_by": "ann", "reason": "paid twice"}
VOID = {**DECIDED, "decision": "void", "source": "digitalocean", "account_id": "77", "external_id": "1001"}
DISMISSED = {**DECIDED, "decision": "dismiss", "source": None, "account_id": None, "external_id": None}
RELEASED = {**VOID, "decision": "release", "overruled": ["it may be a duplicate"]}
TOTAL = {"event": "control_total", "at": AT, "file_name": "a.csv.total", "text": "USD 86.92"}
IDS = {"source": "digitalocean", "account_id": "77", "external_id": "1001"}
ALIAS = {"event": "alias", "at": AT, "alias_account_id": "77", "alias_external_id": "uuid", **IDS}
EVERY_KIND: list[Mapping[str, object]] = [
    RECEIVED,
    TOTAL,
    ALIAS,
    {**ALIAS, "alias_source": "do"},
    VOID,
    DISMISSED,
    RELEASED,
]


def content_of(*events: Mapping[str, object]) -> bytes:
    return b"".join(map(line_of, events))


WHOLE = content_of(RECEIVED, VOID)


def test_a_whole_record_tells_every_event_and_nothing_is_wrong_with_it() -> None:
    state = RecordState(5, 6)
    record = read_record(SHA256, content_of(*EVERY_KIND), state=state)
    assert (record.damage, list(record.events), record.state) == (None, EVERY_KIND, state)
    assert record.text == content_of(*EVERY_KIND).decode()
    assert (record.names, list(record.of("decided"))) == (["a.csv"], [VOID, DISMISSED, RELEASED])


def without(event: Mapping[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in event.items() if key != name}


DAMAGED = {
    b"": "it is empty",
    b"\n": "line 1: it is not JSON ('')",
    WHOLE[:-1]: "line 2: it is cut off: no line end follows",
    WHOLE[:-30]: "line 2: it is cut off",
    WHOLE[:20]: "line 1: it is cut off",
    WHOLE.replace(b"void", b"\x00\x00\x00\x00"): "line 2: it is not JSON",
    WHOLE.replace(b"void", b"\xff\xfe\xfd\xfc"): "line 2: it is not UTF-8 text",
    bytes(len(WHOLE)): "line 1: it is cut off",
    WHOLE.replace(b'{"at"', b'["at"'): "line 1: it is not JSON",
    content_of(RECEIVED) + b"[]\n": "line 2: it is not a JSON object ('[]')",
    content_of(RECEIVED) + b"null\n": "line 2: it is not a JSON object ('null')",
    content_of(RECEIVED) + b'"void"\n': "line 2: it is not a JSON object",
    content_of(RECEIVED) + b"NaN\n": "line 2: it is not a JSON object",
    content_of(RECEIVED)
    + b"{}\n": "line 2: its event is None; expected received, control_total, alias, described, decided",
    content_of(RECEIVED) + b"\n" + content_of(VOID): "line 2: it is not JSON ('')",
    content_of(RECEIVED) + b"[" * 100_000 + b"\n": "line 2: it is not JSON ('[[[",
    content_of(RECEIVED) + b"9" * 10_000 + b"\n": "line 2: it is not JSON ('999",
    content_of(RECEIVED) + b'{"event": ["void"]}\n': "line 2: its event is ['void']",
    content_of(RECEIVED, {**VOID, "event": "decidedd"}): "line 2: its event is 'decidedd'",
    content_of(
        RECEIVED, {**VOID, "decision": "voix"}
    ): "line 2: its 'decision' is 'voix'; expected one of release, dismiss, void",
    content_of(RECEIVED, without(VOID, "external_id")): "line 2: it has no 'external_id'",
    content_of(RECEIVED, {**VOID, "external_id": 1001}): "line 2: its 'external_id' is 1001; expected a text or null",
    content_of(
        RECEIVED, {**RELEASED, "overruled": "all"}
    ): "line 2: its 'overruled' is 'all'; expected a list of texts",
    content_of(
        RECEIVED, {**VOID, "at": "yesterday"}
    ): "line 2: its 'at' is 'yesterday'; expected a time with its time zone",
    content_of(RECEIVED, {**VOID, "at": "2026-05-01T08:00:00"}): "line 2: its 'at' is '2026-05-01T08:00:00'",
    content_of(
        RECEIVED, {**VOID, "at": "0001-01-01T00:00:00+14:00"}
    ): "line 2: its 'at' is '0001-01-01T00:00:00+14:00'",
    content_of(RECEIVED, without(VOID, "at")): "line 2: it has no 'at'",
    content_of(RECEIVED, {**VOID, "undone": True}): "line 2: it has the unknown field 'undone'",
    content_of(RECEIVED) + content_of(VOID).replace(b'"decision"', b'"reason"'): "line 2: it says something twice",
    content_of(RECEIVED) + content_of(VOID).replace(b"paid", rb"\ud800"): "line 2: it is not UTF-8 text",
    content_of(VOID): "no line says under which name the document came",
    content_of(without(RECEIVED, "file_name"), VOID): "line 1: it has no 'file_name'",
}


@pytest.mark.parametrize(("content", "damage"), DAMAGED.items(), ids=DAMAGED.values())
def test_a_line_that_cannot_be_read_is_named_and_no_line_is_passed_over(content: bytes, damage: str) -> None:
    record = read_record(SHA256, content)
    assert record.damage is not None
    assert damage in record.damage
    assert (record.text, record.document_sha256) == ("", SHA256)
    assert record.names == (["a.csv"] if RECEIVED in record.events else [SHA256])


def test_the_first_line_that_cannot_be_read_is_named_and_those_that_can_be_are_told() -> None:
    record = read_record(SHA256, content_of(RECEIVED) + b"x\ny\n" + content_of(VOID) + b"z")
    assert record.damage == "line 2: it is not JSON ('x')"
    assert list(record.events) == [RECEIVED, VOID]


@pytest.mark.parametrize("known", [None, WHOLE.decode()])
def test_a_record_that_is_missing_or_cannot_be_had_is_damaged(known: str | None) -> None:
    record = read_record(SHA256, None, known=known)
    assert (record.damage, record.state) == ("it is missing", MISSING)
    assert list(record.events) == ([] if known is None else [RECEIVED, VOID])
    assert read_record(SHA256, None, known=known, problem="it cannot be read").damage == "it cannot be read"


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (content_of(RECEIVED), "it ends after line 1, but had 2 lines when it was last read whole"),
        (content_of(RECEIVED, TOTAL), "line 2: it has changed since the record was last read whole"),
        (content_of(TOTAL, RECEIVED, VOID), "line 1: it has changed since"),
        (WHOLE.replace(b"paid", b"held"), "line 2: it has changed since"),
        (WHOLE[:-1], "line 2: it is cut off"),
        (b"", "it is empty"),
    ],
)
def test_a_record_that_has_lost_what_it_said_is_damaged_and_tells_what_it_said(content: bytes, damage: str) -> None:
    record = read_record(SHA256, content, known=WHOLE.decode())
    assert damage in str(record.damage)
    assert (list(record.events), record.text) == ([RECEIVED, VOID], WHOLE.decode())


def test_a_record_that_has_grown_is_whole() -> None:
    record = read_record(SHA256, WHOLE + content_of(RELEASED), known=WHOLE.decode())
    assert (record.damage, list(record.events)) == (None, [RECEIVED, VOID, RELEASED])


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@quickly(100)
@given(texts, texts, st.data())
def test_a_line_may_say_anything_and_whatever_is_cut_off_or_overwritten_is_noticed(
    name: str, reason: str, data: st.DataObject
) -> None:
    received, void = {**RECEIVED, "file_name": name}, {**VOID, "reason": reason}
    content = content_of(received, void)
    assert list(read_record(SHA256, content).events) == [received, void]

    end = data.draw(st.integers(0, len(content) - 1))
    if content[:end] != content_of(received):
        assert read_record(SHA256, content[:end]).damage is not None
    assert read_record(SHA256, content[:end], known=content.decode()).damage is not None

    start, wrong = data.draw(st.integers(0, len(content) - 1)), data.draw(st.binary(min_size=1, max_size=5))
    overwritten = content[:start] + wrong + content[start + len(wrong) :]
    # What JSON reads alike says the same: a space between two members, an escape.
    if overwritten != content:
        record = read_record(SHA256, overwritten, known=content.decode())
        assert record.damage is not None
        assert json.loads(json.dumps(list(record.events))) == [received, void]
