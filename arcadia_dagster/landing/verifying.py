"""Verifying what is at rest: each byte, each record, the index of heads, the kept files, and the register against all of them.

It changes nothing. Whoever writes the archive is kept away while records and register are compared; documents are hashed after
that, for they never change.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from arcadia_dagster.books import record as books
from arcadia_dagster.kept_names import is_whole, number_of
from arcadia_dagster.landing import contents
from arcadia_dagster.landing.archive import Archive, ArchiveError, shelf_of
from arcadia_dagster.landing.book_exports import known_exports, unknown_exports
from arcadia_dagster.landing.heads import Head, head_of, is_sha256
from arcadia_dagster.landing.record import MISSING, Record, restored_by, time_of
from arcadia_dagster.landing.records import damage_of
from arcadia_dagster.landing.rules import KEPT_IN, KEPT_NAME
from arcadia_dagster.plain_file import open_plain
from arcadia_dagster.store.query import fetch, text_list
from arcadia_dagster.warehouse import Warehouse

INGEST: Final = "arcadia ingest"
REBUILD: Final = "arcadia rebuild"

_SLICE: Final = 5_000
_DECISION: Final = ("decision", "decided_by", "source", "account_id", "external_id", "reason")


class SealError(ValueError):
    """A seal cannot be read; the message names the file and says why."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something at rest that is not what it must be.

    Attributes:
        kind: `bytes`, `record`, `heads`, `kept`, `register`, `seal`, `warehouse`, `totals` or `deliveries`.
        subject: What it is about: a file's name, a place, an invoice.
        what: What is wrong, and what to do.
        command: What to type; empty where a person must do something else first.
    """

    kind: str
    subject: str
    what: str
    command: str

    def __str__(self) -> str:
        """One line for a person, with the command once."""
        command = f": {self.command}" if self.command and self.command not in self.what else ""
        return f"{self.kind:<10} {self.subject}: {self.what}{command}"

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"kind": self.kind, "subject": self.subject, "what": self.what, "command": self.command}


@dataclass(slots=True)
class Archived:
    """What was found of the archive.

    Attributes:
        heads: The head of each whole record, by the document's SHA-256.
        records: What each of them says.
        kept: The files that are kept beside the documents, each with its folder.
        documents: How many documents there are.
        byte_size: How many bytes they have.
        hashed: How many of these bytes were hashed.
        doubts: What is wrong.
    """

    heads: dict[str, Head] = field(default_factory=dict)
    records: dict[str, bytes] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    documents: int = 0
    byte_size: int = 0
    hashed: int = 0
    doubts: list[Doubt] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Seal:
    """Where the archive stood at one moment, for an auditor to keep elsewhere.

    Attributes:
        sealed_at: When (UTC, with its time zone).
        archive: What messages called the archive.
        heads: The head of each document's record, by SHA-256.
        kept: The files that are kept beside the documents, each with its folder: their names have the beginnings of their hashes.
    """

    sealed_at: datetime
    archive: str
    heads: Mapping[str, Head]
    kept: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values, as the file has them."""
        return {
            "sealed_at": self.sealed_at.isoformat(),
            "archive": self.archive,
            "documents": len(self.heads),
            "lines": sum(head.lines for head in self.heads.values()),
            "heads": {sha256: [head.lines, head.sha256] for sha256, head in sorted(self.heads.items())},
            "kept": list(self.kept),
        }

    @classmethod
    def read(cls, file: Path) -> Self:
        """The seal in a file.

        Raises:
            SealError: It has none, or cannot be read.
        """
        try:
            with open_plain(file) as opened:
                return cls.parse(opened.read().decode(), str(file))
        except OSError as error:
            raise SealError(f"{file} cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise SealError(f"{file} is no seal that `arcadia verify --seal` has written") from error

    @classmethod
    def parse(cls, text: str, name: str) -> Self:
        """A seal as its file has it.

        Args:
            text: The file's text.
            name: The file's name, for messages.

        Raises:
            SealError: It is none.
        """
        try:
            values = json.loads(text)
            heads = {str(sha256): Head(int(lines), str(head)) for sha256, (lines, head) in values["heads"].items()}
            # Seals of before have none.
            kept = tuple(map(str, values.get("kept", ())))
            seal = cls(datetime.fromisoformat(values["sealed_at"]).astimezone(UTC), str(values["archive"]), heads, kept)
            counts = (values["documents"], values["lines"])
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise SealError(f"{name} is no seal that `arcadia verify --seal` has written") from error
        if not all(map(is_sha256, heads)):
            raise SealError(f"{name} was changed: not all of its names are those of documents")
        if counts != (len(heads), sum(head.lines for head in heads.values())):
            raise SealError(f"{name} was changed: its counts are not those of its heads")
        return seal


def seal_of(archive: Archive, found: Archived, now: datetime) -> Seal:
    """The seal of an archive in which nothing is doubted."""
    return Seal(now.astimezone(UTC), archive.name, found.heads, tuple(found.kept))


def verify_archive(warehouse: Warehouse, archive: Archive, *, full: bool, is_readable: bool = True) -> Archived:
    """Verify the archive, and what the register says of it.

    Args:
        warehouse: Where documents are registered; there need not be one.
        archive: The archive.
        full: Whether each byte is hashed; else the lengths are compared.
        is_readable: Whether the warehouse can be read; else the archive is compared with nothing but itself.

    Raises:
        LockTimeoutError: A landing took longer than the lock's time-out.
        ArchiveError, WarehouseError: One of them cannot be read.
    """
    found = Archived()
    with warehouse.hold("landing", path=archive.lock_path):
        archived, indexed = archive.look()
        registered = _registered(warehouse) if is_readable else {}
        heads, wrong = archive.heads_in(indexed)
        found.doubts += [Doubt("heads", place, f"{problem}; {_ANEW}", INGEST) for place, problem in wrong.items()]
        for hashes in _slices(sorted(archived.keys() | registered.keys())):
            records = archive.each(partial(_record, archive, registered, heads), hashes)
            facts = _facts(warehouse, hashes) if registered else {}
            for record in records:
                state = archived.get(record.document_sha256, MISSING)
                of_document = facts.get(record.document_sha256)
                of_record = _of_record(archive, record, registered, heads, of_document, has_record=state != MISSING)
                found.doubts += (doubt for doubt in of_record if is_readable or doubt.kind != "register")
                if record.damage is None:
                    content = record.text.encode()
                    found.records[record.document_sha256] = content
                    found.heads[record.document_sha256] = head_of(record.document_sha256, content)
        found.doubts += [
            Doubt("record", sha256, f"{archive.place_of(sha256)} and its record are gone; {_BOTH}", INGEST)
            for sha256 in sorted(heads.keys() - archived.keys() - registered.keys())
        ]
        kept = {folder: sorted(archive.names_kept(folder, pattern)) for folder, pattern in _KEPT}
        found.kept = [f"{folder}/{name}" for folder, names in kept.items() for name in names]
        exports = _known_exports(warehouse) if is_readable else None
        found.doubts += _of_numbered(archive, KEPT_IN, kept[KEPT_IN], {})
        found.doubts += _of_numbered(archive, books.KEPT_IN, kept[books.KEPT_IN], exports or {})
        if exports is not None:
            found.doubts += (
                Doubt("register", f"{archive.name}/{books.KEPT_IN}/{name}", "the warehouse does not know it", INGEST)
                for name in unknown_exports(exports, kept[books.KEPT_IN])
            )
        found.doubts += _of_contents(warehouse if is_readable else None, archive, kept[contents.KEPT_IN])
    _verify_bytes(archive, sorted(archived), registered, found, full=full)
    return found


_ANEW = "move that file away, and it is made anew"
_BOTH = "restore both from the newest backup, or put the file into the inbox again"


@dataclass(frozen=True, slots=True)
class _Registered:
    file_name: str
    byte_size: int | None
    record: str | None
    is_lost: bool
    is_given_up: bool
    """A person dismissed it after its bytes were lost."""


def _registered(warehouse: Warehouse) -> dict[str, _Registered]:
    if not warehouse.exists():
        return {}
    with warehouse.read() as connection:
        rows = connection.execute(
            "SELECT document_sha256, file_name, byte_size, record, bytes_damage IS NOT NULL, "
            "status = 'dismissed' AND byte_size = 0 FROM documents"
        ).fetchall()
    return {sha256: _Registered(*row) for sha256, *row in rows}


def _record(archive: Archive, registered: Mapping[str, _Registered], heads: Mapping[str, Head], sha256: str) -> Record:
    known = registered.get(sha256)
    return archive.record(sha256, known=None if known is None else known.record, head=heads.get(sha256))


_Facts = tuple[Counter[tuple[Any, ...]], Counter[tuple[Any, ...]]]
"""The names and the decisions of a document."""


def _facts(warehouse: Warehouse, hashes: Sequence[str]) -> dict[str, _Facts]:
    """What the register has of the records of documents."""
    wanted = text_list(hashes)
    with warehouse.read() as connection:
        names = fetch(connection, f"SELECT * FROM document_names WHERE document_sha256 IN ({wanted})")
        decisions = fetch(connection, f"SELECT * FROM decisions WHERE document_sha256 IN ({wanted})")
    facts: dict[str, _Facts] = {sha256: (Counter(), Counter()) for sha256 in hashes}
    for row in names:
        facts[row["document_sha256"]][0][row["received_at"], row["file_name"], row["inbox_path"]] += 1
    for row in decisions:
        facts[row["document_sha256"]][1][row["decided_at"], *(row[name] for name in _DECISION)] += 1
    return facts


def _of_record(
    archive: Archive,
    record: Record,
    registered: Mapping[str, _Registered],
    heads: Mapping[str, Head],
    facts: _Facts | None,
    *,
    has_record: bool,
) -> Iterator[Doubt]:
    """What is wrong with a document's record, its head, or what the register has of it."""
    sha256 = record.document_sha256
    known = registered.get(sha256)
    name = known.file_name if known is not None else record.names[0]
    if known is None and not has_record:
        yield Doubt(
            "register", sha256, f"{archive.place_of(sha256)} has no record, and nobody has registered it", INGEST
        )
        return
    if record.damage is not None:
        mend = f"arcadia mend {sha256[:12]} --reason ..."
        yield Doubt(
            "record", name, f"{damage_of(archive, record)}; nothing of it is pushed; {restored_by(sha256)}", mend
        )
        return
    if known is None or record.text != known.record:
        yield Doubt("register", name, "the warehouse does not know all that its record says", INGEST)
        return
    head = heads.get(sha256)
    if head is None or head.lines < record.text.count("\n"):
        place = archive.index_place(shelf_of(sha256))
        yield Doubt("heads", name, f"{place} does not have the head of its record; {_ANEW}", INGEST)
    if facts is not None:
        of_record = (
            Counter((time_of(event), event["file_name"], event["inbox_path"]) for event in record.received),
            Counter((time_of(event), *(event[name] for name in _DECISION)) for event in record.of("decided")),
        )
        for what, told, kept in zip(("names", "decisions"), of_record, facts, strict=True):
            if told != kept:
                yield Doubt(
                    "register", name, f"the {what} in the warehouse are not those on its record; build it anew", REBUILD
                )


_KEPT = ((KEPT_IN, KEPT_NAME), (books.KEPT_IN, books.VERSION), (contents.KEPT_IN, contents.VERSION))


def _known_exports(warehouse: Warehouse) -> dict[int, str] | None:
    """The exports to the books that the warehouse knows; None where there is no warehouse."""
    if not warehouse.exists():
        return None
    with warehouse.read() as connection:
        return known_exports(connection)


def _of_numbered(archive: Archive, folder: str, names: Sequence[str], known: Mapping[int, str]) -> Iterator[Doubt]:
    """What is wrong with the kept files of a folder: the name of each is its number, and the beginning of its hash.

    Args:
        archive: The archive.
        folder: The folder.
        names: The names of the files that are there.
        known: The names of those that the warehouse knows, by their numbers.
    """
    for number, name in known.items():
        if name not in names:
            place = f"{archive.name}/{folder}/{name}"
            yield Doubt("kept", place, f"number {number} is gone: restore it from the newest backup", "")
    for number, (name, content) in enumerate(archive.bytes_kept(folder, names).items(), 1):
        place = f"{archive.name}/{folder}/{name}"
        if not is_whole(name, content):
            yield Doubt("kept", place, "it was changed: restore it from the newest backup", "")
        if number_of(name) != number:
            if number not in known:
                yield Doubt("kept", place, f"number {number} before it is gone: restore it from the newest backup", "")
            break


def _of_contents(warehouse: Warehouse | None, archive: Archive, names: Sequence[str]) -> Iterator[Doubt]:
    """Where archive, warehouse and register do not agree on what the documents state; `names` are those of the kept files."""
    files = archive.bytes_kept(contents.KEPT_IN, names)
    readable = contents.readable(files)
    for name in sorted(files.keys() - readable.keys()):
        yield Doubt("kept", f"{archive.name}/{contents.KEPT_IN}/{name}", f"it {contents.CHANGED}", INGEST)
    if warehouse is None or not warehouse.exists():
        return
    told = contents.lines_in(readable)
    with warehouse.read() as connection:
        known, changed = contents.lines_known(connection), contents.changed_since(connection)
    for sha256 in sorted(told.keys() | known.keys()):
        number, line = known.get(sha256, (0, ""))
        if sha256 not in told:
            yield Doubt("kept", sha256, "the archive does not keep what it states", INGEST)
        elif told[sha256][1] != line:
            is_behind = told[sha256][0] > number
            what = "what the archive keeps of what it states is not in the warehouse" + (
                "" if is_behind else "; build it anew"
            )
            yield Doubt("register", sha256, what, INGEST if is_behind else REBUILD)
    for sha256, what in changed:
        yield Doubt("register", sha256, f"{what}; build it anew", REBUILD)


def _verify_bytes(
    archive: Archive, documents: Iterable[str], registered: Mapping[str, _Registered], found: Archived, *, full: bool
) -> None:
    """Verify the documents' bytes: the hash of each, or their lengths alone."""
    for hashes in _slices([*documents, *sorted(registered.keys() - set(documents))]):
        sizes = archive.each(archive.byte_size, hashes)
        digests = archive.each(partial(_digest, archive), hashes) if full else hashes
        for sha256, size, digest in zip(hashes, sizes, digests, strict=True):
            known = registered.get(sha256)
            name = sha256 if known is None else known.file_name
            found.documents += 1
            found.byte_size += size
            found.hashed += size if full else 0
            is_short = known is not None and known.byte_size is not None and size != known.byte_size
            if known is not None and known.is_given_up:
                continue
            if full and digest == sha256 and known is not None and known.is_lost:
                what = "its bytes were lost when they were read last, and are whole again"
                found.doubts.append(Doubt("register", name, what, INGEST))
            elif digest != sha256 or is_short or (known is not None and known.is_lost):
                why = digest if isinstance(digest, ArchiveError) else "it is not what was archived any more"
                found.doubts.append(
                    Doubt(
                        "bytes",
                        name,
                        f"{archive.place_of(sha256)}: {why}; nothing is read from it; where the inbox has the file the next "
                        "landing takes it again, else restore it from the newest backup",
                        INGEST,
                    )
                )


def _digest(archive: Archive, sha256: str) -> str | ArchiveError:
    try:
        return archive.digest_of(sha256)
    except ArchiveError as error:
        return error


def against(seal: Seal, archive: Archive, found: Archived) -> list[Doubt]:
    """What was changed or removed since the archive was sealed: every sealed head must be one of the present record's heads."""
    when = f"{seal.sealed_at:%Y-%m-%d %H:%M} UTC"
    doubts = [
        Doubt(
            "seal",
            name,
            f"{archive.name}/{name} is gone; it was sealed on {when}: restore it from the newest backup",
            "",
        )
        for name in sorted(set(seal.kept) - set(found.kept))
    ]
    for sha256, head in sorted(seal.heads.items()):
        content = found.records.get(sha256)
        if content is not None and head.is_of(sha256, content):
            continue
        is_gone = content is None and not archive.has_record(sha256)
        how = "is gone" if is_gone else "does not begin any more with the lines that were sealed"
        doubts.append(
            Doubt(
                "seal",
                sha256,
                f"{archive.record_place(sha256)} {how}; it was sealed on {when}: restore that file from the newest backup",
                "",
            )
        )
    return doubts


def _slices(hashes: Sequence[str]) -> Iterator[Sequence[str]]:
    return (hashes[start : start + _SLICE] for start in range(0, len(hashes), _SLICE))
