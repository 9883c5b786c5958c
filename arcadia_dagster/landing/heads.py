"""Heads: how far each record goes, in an index beside the records, so that a record cannot become shorter without a word.

    archive/3f/heads.jsonl    {"document_sha256": "3f9a...", "head": "77c0...", "lines": 2}

A head is the SHA-256 of the document's own SHA-256, a line end, and the record's first `lines` lines, each with its line end:

    { echo 3f9a...; head -n 2 3f9a....jsonl; } | sha256sum

Each line of a record has the head of the lines before it as `previous`. So a line that is changed, taken out or put in is seen
at the next line, and one at the end by the index. A record is written before its head: after a crash in between, the index has
one of the record's earlier heads, and the next landing advances it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

HEADS_FILE: Final = "heads.jsonl"
"""The index of the heads of the documents in one folder of the archive."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Head:
    """How far a record goes.

    Attributes:
        lines: How many lines it has.
        sha256: The hash of the document's own and of all these lines.
    """

    lines: int
    sha256: str

    def is_of(self, document_sha256: str, content: bytes) -> bool:
        """Whether a record begins with the lines that this is the head of."""
        lines = content.split(b"\n")[: self.lines]
        return head_of(document_sha256, b"".join(line + b"\n" for line in lines)) == self


def is_sha256(text: str) -> bool:
    """Whether a text is written as a SHA-256 is."""
    return _SHA256.fullmatch(text) is not None


def head_of(document_sha256: str, content: bytes) -> Head:
    """The head of a whole record."""
    digest = begin_chain(document_sha256)
    digest.update(content)
    return Head(content.count(b"\n"), digest.hexdigest())


def begin_chain(document_sha256: str) -> "hashlib._Hash":
    """The hash to go on with, line by line: a line that follows has it as `previous`."""
    return hashlib.sha256(document_sha256.encode() + b"\n")


def read_heads(content: bytes) -> tuple[dict[str, Head], str | None]:
    """The heads in an index, by the document's SHA-256, and what is wrong with the first line that cannot be read, if any."""
    heads: dict[str, Head] = {}
    problem: str | None = None
    *lines, rest = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        entry = _entry_of(line)
        if entry is None or entry[0] in heads:
            problem = problem or f"line {number} is not one that this program writes"
        else:
            heads[entry[0]] = entry[1]
    if rest:
        problem = problem or f"line {len(lines) + 1} is cut off"
    return heads, problem


def _entry_of(line: bytes) -> tuple[str, Head] | None:
    try:
        entry: Any = json.loads(line)
        document, head, lines = entry["document_sha256"], entry["head"], entry["lines"]
        is_right = _SHA256.fullmatch(document) and _SHA256.fullmatch(head) and type(lines) is int and lines > 0
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return (document, Head(lines, head)) if is_right and len(entry) == 3 else None  # noqa: PLR2004 - the three above


def content_of(heads: Mapping[str, Head]) -> bytes:
    """An index of these heads."""
    return b"".join(
        json.dumps({"document_sha256": sha256, "head": head.sha256, "lines": head.lines}).encode() + b"\n"
        for sha256, head in sorted(heads.items())
    )


def advanced(heads: Mapping[str, Head], records: Mapping[str, bytes]) -> dict[str, Head]:
    """The heads once these records are in the index: the head of each, where the record begins with what the index has of it.

    A head that the record does not begin with stays, for somebody has changed one of the two, or wrote more meanwhile.
    """
    after = dict(heads)
    for sha256, content in records.items():
        before = heads.get(sha256)
        if before is None or before.is_of(sha256, content):
            after[sha256] = head_of(sha256, content)
    return after
