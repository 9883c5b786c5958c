"""A document's record: all that is known of it besides its bytes, one event a line, as JSON. Only this module reads it.

    {"at": "2026-05-01T08:00:00+00:00", "event": "received", "file_name": "a.csv", "inbox_path": "a.csv", "previous": "9b1c..."}

A line that cannot be read may have said anything: that somebody voided the invoice, or under which id finance knows it. So a
record is whole only if each of its lines is one that this program writes, and it is damaged otherwise: no line is passed over.
Each line has the hash of all lines before it as `previous`, see `landing.heads`; the lines of version 0.1 have none.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from arcadia_dagster.landing.heads import Head, begin_chain
from arcadia_dagster.warehouse.keys import InvoiceKey

Event = dict[str, Any]
"""What happened, as a line tells it: `event` is its kind, `at` its time with the time zone."""

PREVIOUS: Final = "previous"
"""The member of a line that has the hash of the lines before it. It is no part of the event."""

_SHOWN = 60
_HASH_SHOWN = 12
_SHA256 = re.compile(r"[0-9a-f]{64}")
_AMOUNT = re.compile(r"-?\d{1,20}(\.\d{1,18})?")


class DamagedError(ValueError):
    """A line is not one that this program writes; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class RecordState:
    """The state of a record's file at one look: a file with the same state has the same text.

    Attributes:
        byte_size: Its length.
        changed_ns: Its change time (ctime) in nanoseconds since 1970 (UTC): nobody can set it back.
    """

    byte_size: int
    changed_ns: int


MISSING: Final = RecordState(0, 0)
"""The state of a record that is not there."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a document that is not in its bytes.

    Attributes:
        document_sha256: The document.
        state: How the record's file was when it was read.
        text: What the file says, exactly; of a damaged one, what it said when it was last read whole, empty where nobody knows.
        events: The events in the text; where the text is empty, the events in the lines that can be read.
        damage: What is wrong with it, with the line; None where it is whole.
    """

    document_sha256: str
    state: RecordState
    text: str
    events: tuple[Event, ...]
    damage: str | None

    def of(self, kind: str) -> Iterator[Event]:
        """The events of one kind."""
        return (event for event in self.events if event["event"] == kind)

    def last(self, kind: str) -> Event | None:
        """The last event of a kind; None where there is none."""
        return next((event for event in reversed(self.events) if event["event"] == kind), None)

    @property
    def received(self) -> list[Event]:
        """The arrivals, in their order; none where the lines that told them are damaged."""
        return sorted(self.of("received"), key=lambda event: event["at"])

    @property
    def names(self) -> list[str]:
        """The names that the document came under, in their order; its hash where no line tells one any more."""
        return [event["file_name"] for event in self.received] or [self.document_sha256]


def read_record(
    document_sha256: str,
    content: bytes | None,
    *,
    state: RecordState = MISSING,
    known: str | None = None,
    head: Head | None = None,
    problem: str = "it is missing",
) -> Record:
    """A record as its file has it.

    Args:
        document_sha256: The document.
        content: The file's bytes; None where they cannot be had.
        state: How the file was.
        known: What the record said when it was last read whole: it must begin with that, for records only grow.
        head: What the index of heads has of it: it must begin with the lines of that.
        problem: Why the bytes cannot be had.
    """
    if content is None:
        return _damaged(document_sha256, state, (), problem, known)
    events: list[Event] = []
    damage: str | None = None
    *lines, rest = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            events.append(event_of(line))
        except DamagedError as error:
            damage = damage or f"line {number}: {error}"
    if rest:
        damage = damage or f"line {len(lines) + 1}: it is cut off: no line end follows ({_shown(rest)})"
    if not content:
        damage = "it is empty"
    elif damage is None and not any(event["event"] == "received" for event in events):
        damage = "no line says under which name the document came"
    damage = (
        damage
        or broken(document_sha256, content)
        or _lost(known, content)
        or not_as_noted(document_sha256, content, head)
    )
    if damage is not None:
        return _damaged(document_sha256, state, events, damage, known)
    return Record(document_sha256, state, content.decode(), tuple(events), None)


def broken(document_sha256: str, content: bytes) -> str | None:
    """At which line, each of which can be read, it is seen that the lines before it are not what they were; None where nowhere.

    Args:
        document_sha256: The document.
        content: The lines, each with its line end.
    """
    digest = begin_chain(document_sha256)
    first: int | None = None
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        previous = json.loads(line).get(PREVIOUS)
        if previous is None and first is not None:
            return f"line {number}: it has no {PREVIOUS!r}, and line {first} before it has"
        if previous is not None and previous != digest.hexdigest():
            return f"line {number}: the lines before it are not those that it was written after"
        if previous is not None:
            first = first or number
        digest.update(line + b"\n")
    return None


def not_as_noted(document_sha256: str, content: bytes, head: Head | None) -> str | None:
    """How a record contradicts what the index of heads has noted of it; None where it does not."""
    if head is None or head.is_of(document_sha256, content):
        return None
    if (lines := content.count(b"\n")) < head.lines:
        return f"it ends after line {lines}, and the index of heads counts {head.lines}"
    return f"line {head.lines}, or one before it, is not what it was when the index of heads noted it"


def _damaged(
    document_sha256: str, state: RecordState, readable: Sequence[Event], damage: str, known: str | None
) -> Record:
    events = readable if known is None else [event_of(line) for line in known.encode().split(b"\n")[:-1]]
    return Record(document_sha256, state, known or "", tuple(events), damage)


def restored_by(document_sha256: str) -> str:
    """What a person does about the damaged record of a document, in words that follow what is wrong."""
    return (
        "restore that file from the newest backup, then run `arcadia ingest`; without a backup run "
        f"`arcadia mend {document_sha256[:_HASH_SHOWN]} --reason ...`"
    )


def line_of(event: Mapping[str, Any]) -> bytes:
    """An event as the line of a record, with its line end."""
    return json.dumps(event, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def grown(document_sha256: str, before: bytes, events: Sequence[Mapping[str, Any]]) -> bytes:
    """A record once it has these events too, each as a line that has the hash of the lines before it.

    Args:
        document_sha256: The document.
        before: The record's lines before.
        events: What is appended.
    """
    digest = begin_chain(document_sha256)
    digest.update(before)
    lines = [before]
    for event in events:
        lines.append(line_of({**event, PREVIOUS: digest.hexdigest()}))
        digest.update(lines[-1])
    return b"".join(lines)


def event_of(line: bytes) -> Event:
    """The event that a line tells.

    Raises:
        DamagedError: It is none that this program writes.
    """
    try:
        event = json.loads(line.decode(), object_pairs_hook=_object)
        # Half of a surrogate pair is JSON, and no text.
        json.dumps(event, ensure_ascii=False).encode()
    except DamagedError:
        raise
    except UnicodeError as error:
        raise DamagedError(f"it is not UTF-8 text ({_shown(line)})") from error
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"it is not JSON ({_shown(line)})") from error
    if not isinstance(event, dict):
        raise DamagedError(f"it is not a JSON object ({_shown(line)})")
    kind = event.get("event")
    fields = _FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise DamagedError(
            f"its event is {_shown(kind)}; expected {', '.join(_FIELDS)}. A newer version of the program may have written it"
        )
    for name, field in {"at": _TIME, PREVIOUS: _PREVIOUS, **fields}.items():
        if name not in event and not field.is_optional:
            raise DamagedError(f"it has no {name!r}")
        if name in event and not field.is_right(event[name]):
            raise DamagedError(f"its {name!r} is {_shown(event[name])}; expected {field.expected}")
    event.pop(PREVIOUS, None)
    if unknown := event.keys() - fields.keys() - {"at", "event"}:
        raise DamagedError(
            f"it has the unknown field {', '.join(sorted(unknown))!r}. A newer version of the program may have written it"
        )
    return event


def timeless(event: Mapping[str, Any]) -> Event:
    """An event without its time: an equal one is nothing new."""
    return {name: value for name, value in event.items() if name != "at"}


def decided(decision: str, *, invoice: InvoiceKey | None, reason: str, by: str, at: datetime, **more: object) -> Event:
    """The event of a decision.

    Args:
        decision: One of `DECISIONS`.
        invoice: The invoice; None for a decision about a whole document.
        reason: Why, in the person's words.
        by: Who.
        at: When, with its time zone.
        more: What else a decision of that kind tells.
    """
    source, account_id, external_id = invoice or (None, None, None)
    return {
        "at": at.astimezone(UTC).isoformat(),
        "event": "decided",
        "decision": decision,
        "decided_by": by,
        "source": source,
        "account_id": account_id,
        "external_id": external_id,
        "reason": reason.strip(),
        **more,
    }


def time_of(event: Mapping[str, Any]) -> datetime:
    """When an event happened, in UTC without the offset, as the warehouse keeps it."""
    return _utc(event["at"])


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def _lost(known: str | None, content: bytes) -> str | None:
    """The known lines that a record lacks although all its lines can be read; None where it lacks none."""
    if known is None or content.startswith(known.encode()):
        return None
    before, now = known.split("\n")[:-1], content.decode().split("\n")[:-1]
    number = next((n for n, (a, b) in enumerate(zip(before, now, strict=False), 1) if a != b), None)
    if number is None:
        return f"it ends after line {len(now)}, but had {len(before)} lines when it was last read whole"
    return f"line {number}: it has changed since the record was last read whole"


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise DamagedError("it says something twice")
    return members


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever a damaged file has
    text = repr(value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


@dataclass(frozen=True, slots=True)
class _Field:
    is_right: Callable[[Any], bool]
    expected: str
    is_optional: bool = False


def _is_sha256(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _is_text(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, str)


def _is_time(value: Any) -> bool:  # noqa: ANN401
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None and bool(_utc(value))
    except (ValueError, OverflowError):
        return False


def _is_text_or_none(value: Any) -> bool:  # noqa: ANN401
    return value is None or isinstance(value, str)


def _is_texts(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def _is_description(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, dict) and isinstance(value.get("name"), str)


def _is_amount_or_none(value: Any) -> bool:  # noqa: ANN401
    return value is None or (isinstance(value, str) and _AMOUNT.fullmatch(value) is not None)


DECISIONS: Final = ("release", "dismiss", "void", "end", "mend", "approve")
"""What people decide."""

_TEXT = _Field(_is_text, "a text")
_TEXT_OR_NONE = _Field(_is_text_or_none, "a text or null")
_TIME = _Field(_is_time, "a time with its time zone")
_PREVIOUS = _Field(_is_sha256, "a SHA-256", is_optional=True)
_INVOICE = {"source": _TEXT, "account_id": _TEXT, "external_id": _TEXT}

_FIELDS: Final[Mapping[str, Mapping[str, _Field]]] = {
    "received": {"file_name": _TEXT, "inbox_path": _TEXT},
    "control_total": {"file_name": _TEXT, "inbox_path": _Field(_is_text, "a text", is_optional=True), "text": _TEXT},
    "alias": {
        **_INVOICE,
        "alias_account_id": _TEXT,
        "alias_external_id": _TEXT,
        "alias_source": _Field(_is_text, "a text", is_optional=True),
    },
    "described": {
        "file": _TEXT_OR_NONE,
        "description": _Field(_is_description, "an object with a 'name'"),
    },
    "decided": {
        **dict.fromkeys(_INVOICE, _TEXT_OR_NONE),
        "decision": _Field(lambda value: value in DECISIONS, f"one of {', '.join(DECISIONS)}"),
        "decided_by": _TEXT,
        "reason": _TEXT,
        "overruled": _Field(_is_texts, "a list of texts", is_optional=True),
        **dict.fromkeys(
            ("stated_total", "stated_tax", "approved_gross", "approved_tax"),
            _Field(_is_amount_or_none, "an amount as text, or null", is_optional=True),
        ),
        "approved_currency": _Field(_is_text, "a text", is_optional=True),
    },
}
"""What the events of each kind tell, besides their time."""
