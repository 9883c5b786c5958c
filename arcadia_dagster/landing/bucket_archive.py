"""The archive in a bucket. It is laid out as in a folder, so the cloud's own tools can copy one to the other.

A document's bytes are written once, under their SHA-256. A record is written under the condition that it is still the one that
was read, so that of two writers none loses an event. What must be a file, for DuckDB, is copied to this machine when it is first
needed, and kept while there is room.
"""

import hashlib
import os
import re
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar
from uuid import uuid4

from arcadia_dagster.buckets.bucket import Bucket, Object
from arcadia_dagster.buckets.errors import BucketError
from arcadia_dagster.buckets.url import BucketUrl
from arcadia_dagster.landing.archive import (
    RECORD_SUFFIX,
    Archive,
    ArchiveError,
    LostBytesError,
    by_shelf,
    key_of,
    shelf_of,
)
from arcadia_dagster.landing.heads import HEADS_FILE, Head, advanced, content_of, head_of
from arcadia_dagster.landing.record import MISSING, Event, Record, RecordState, grown, read_record, restored_by
from arcadia_dagster.private_files import make_unchangeable

CACHE_BYTES: Final = 20 << 30
"""How much of the archive is kept on this machine at most, but for what was used within the last hour."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_IN_USE_SECONDS: Final = 3600.0
_SMALL: Final = 16 << 20
_ASKED_AT_A_TIME: Final = 8
_TRIES: Final = 20
_DOCUMENT: Final = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})(\.jsonl)?")
_INDEX: Final = re.compile(rf"([0-9a-f]{{2}})/{re.escape(HEADS_FILE)}")

_COPY: Final = {
    "s3": "aws s3 cp {url}/{key} {path}",
    "gs": "gcloud storage cp {url}/{key} {path}",
    "az": "az storage blob download --container-name {bucket} --name {whole} --file {path}",
}


class BucketArchive(Archive):
    """The archive in a bucket; see `Archive`.

    Args:
        url: Where it is.
        cache: The folder of this machine for copies; it may be deleted while nothing runs.
        max_document_bytes: A larger file is not taken.
        cache_bytes: See `CACHE_BYTES`.
    """

    def __init__(self, url: BucketUrl, *, cache: Path, max_document_bytes: int, cache_bytes: int = CACHE_BYTES) -> None:
        """Note where the archive is. Nothing is asked yet."""
        super().__init__(cache, max_document_bytes=max_document_bytes)
        self.url = url
        self._cache_bytes = cache_bytes
        self._bucket = Bucket(url)

    @property
    def name(self) -> str:
        """Its URL."""
        return str(self.url)

    def path_of(self, document_sha256: str) -> Path:
        """The document's bytes on this machine, copied there if they are not yet; nothing is there where the archive lacks them.

        Raises:
            ArchiveError: They cannot be copied, or are not what was archived any more.
        """
        path = self._path(document_sha256)
        if not path.exists():
            self._copy(document_sha256, path)
        if path.exists():
            # In use: it stays while others make room.
            os.utime(path)
        return path

    def byte_size(self, document_sha256: str) -> int:
        """How many bytes the document has; 0 where the archive lacks it."""
        document = self._asked(lambda: self._bucket.head(key_of(document_sha256)))
        return 0 if document is None else document.byte_size

    def archived_at(self, document_sha256: str) -> datetime:
        """When the document's bytes were archived (UTC, with its time zone)."""
        document = self._asked(lambda: self._bucket.head(key_of(document_sha256)))
        if document is None:
            raise ArchiveError(f"{self.place_of(document_sha256)} is missing; restore it from a backup")
        return document.modified_at

    def has_record(self, document_sha256: str) -> bool:
        """Whether there is a record of the document, damaged or not."""
        return self._asked(lambda: self._bucket.head(_record_key(document_sha256))) is not None

    def each(self, ask: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        """The same, several at a time: a bucket takes its time to answer, whatever the size; see `Archive.each`."""
        with ThreadPoolExecutor(_ASKED_AT_A_TIME) as pool:
            return list(pool.map(ask, items))

    def digest_of(self, document_sha256: str) -> str:
        """The SHA-256 of the bytes in the bucket, whatever copies this machine has; see `Archive.digest_of`."""
        key, digest = key_of(document_sha256), hashlib.sha256()
        try:
            there = self._bucket.head(key)
            if there is None:
                raise ArchiveError("it is missing")
            for piece in self._bucket.read(key, there.byte_size, there.version):
                digest.update(piece)
        except BucketError as error:
            raise ArchiveError(f"it cannot be read ({error})") from error
        return digest.hexdigest()

    def append_all(self, events: Mapping[str, Sequence[Event]]) -> None:
        """Append events to the records of documents, each as a whole or not at all; see `Archive.append_all`."""
        news = [(sha256, more) for sha256, more in events.items() if more]
        records = self.each(lambda document: self._append(*document), news)
        self.advance_heads({sha256: content for (sha256, _), content in zip(news, records, strict=True)})

    def advance_heads(self, records: Mapping[str, bytes]) -> None:
        """Note in the index how far whole records go; see `Archive.advance_heads`."""
        shelves = by_shelf(records).items()
        self.each(lambda shelf: self._change_index(shelf[0], lambda heads: advanced(heads, shelf[1])), shelves)

    def replace_record(self, document_sha256: str, content: bytes) -> None:
        """Put another record in the place of a damaged one, which stays beside it."""
        key = _record_key(document_sha256)
        stored = self._asked(lambda: self._bucket.get(key))
        at = None
        if stored is not None:
            damaged, at = stored
            kept = f"{key}.damaged-{hashlib.sha256(damaged).hexdigest()[:12]}"
            self._asked(lambda: self._bucket.put(kept, damaged, instead_of=None))
        if not self._asked(lambda: self._bucket.put(key, content, instead_of=at)):
            raise ArchiveError(
                f"{self.name}/{key}: another process wrote to it at the same time, so nothing was changed: run this again"
            )
        head = {document_sha256: head_of(document_sha256, content)}
        self._change_index(shelf_of(document_sha256), lambda heads: {**heads, **head})

    def record_bytes(self, document_sha256: str) -> bytes:
        """The record as it is, damaged or not; nothing where it is missing."""
        stored = self._asked(lambda: self._bucket.get(_record_key(document_sha256)))
        return b"" if stored is None else stored[0]

    def record(self, document_sha256: str, *, known: str | None = None, head: Head | None = None) -> Record:
        """The document's record; see `Archive.record`."""
        try:
            stored = self._bucket.get(_record_key(document_sha256))
        except BucketError as error:
            return read_record(document_sha256, None, known=known, problem=f"it cannot be read ({error})")
        if stored is None:
            return read_record(document_sha256, None, known=known)
        content, written = stored
        return read_record(document_sha256, content, state=_state(written), known=known, head=head)

    def look(self) -> tuple[dict[str, RecordState], set[str]]:
        """The state of every document's record, and the shelves that have an index of heads; see `Archive.look`."""
        states: dict[str, RecordState] = {}
        indexed: set[str] = set()
        listed = self._asked(lambda: list(self._bucket.pages()))
        for one in (one for page in listed for one in page):
            if (index := _INDEX.fullmatch(one.key)) is not None:
                indexed.add(index[1])
            match = _DOCUMENT.fullmatch(one.key)
            if match is None:
                continue
            if match[2]:
                states[match[1]] = _state(one)
            else:
                states.setdefault(match[1], MISSING)
        return dict(sorted(states.items())), indexed

    def sync(self) -> None:
        """Make room on this machine. The bucket has what was written to it."""
        copies = [(status.st_mtime, status.st_size, path) for path, status in self._copies()]
        total = sum(size for _, size, _ in copies)
        in_use = time.time() - _IN_USE_SECONDS
        for used, size, path in sorted(copies):
            if total <= self._cache_bytes or used > in_use:
                return
            path.unlink(missing_ok=True)
            total -= size

    def kinds_kept(self, folder: str, pattern: re.Pattern[str]) -> dict[str, bool]:
        """The names of the files that were kept in a folder: a bucket has nothing but plain ones; see `Archive.kinds_kept`."""
        listed = self._asked(lambda: list(self._bucket.pages(folder=folder)))
        names = (one.key.rpartition("/")[2] for page in listed for one in page)
        return {name: True for name in names if pattern.fullmatch(name)}

    def _content_kept(self, folder: str, name: str) -> bytes:
        stored = self._asked(lambda: self._bucket.get(f"{folder}/{name}"))
        if stored is None:
            raise ArchiveError(f"{self.name}/{folder}/{name} is gone meanwhile: run again")
        return stored[0]

    def bytes_kept(self, folder: str, names: Iterable[str]) -> dict[str, bytes]:
        """The bytes of files that were kept in a folder, by name; see `Archive.bytes_kept`."""
        names = list(names)
        stored = self.each(lambda name: self._asked(lambda: self._bucket.get(f"{folder}/{name}")), names)
        return {name: found[0] for name, found in zip(names, stored, strict=True) if found is not None}

    def keep(self, folder: str, name: str, text: str) -> None:
        """Keep a file in a folder beside the documents; one of that name stays as it is."""
        self._asked(lambda: self._bucket.put(f"{folder}/{name}", text.encode(), instead_of=None))

    def copy_command(self, folder: str, name: str, path: Path) -> str:
        """What a person types to have a file that was kept."""
        key = f"{folder}/{name}"
        whole = f"{self.url.prefix}/{key}" if self.url.prefix else key
        return _COPY[self.url.scheme].format(
            url=self.url, key=key, bucket=self.url.bucket, whole=whole, path=shlex.quote(str(path))
        )

    def check(self) -> str:
        """Write a small object and read it, and read it once more after it was replaced; in words.

        Raises:
            ArchiveError: It cannot be written or read, or does not look at conditions.
        """
        key, first = ".doctor", self._asked(lambda: self._bucket.get(".doctor"))
        before = None if first is None else first[1]
        if not self._asked(lambda: self._bucket.put(key, uuid4().hex.encode(), instead_of=before)):
            raise ArchiveError(f"{self.name}: another process tests it at this moment: run this again")
        if self._asked(lambda: self._bucket.put(key, b"", instead_of=None)):
            raise ArchiveError(
                f"{self.name}: the store ignores the condition If-None-Match, so that of two writers one would lose what it "
                "wrote: set ARCADIA_ARCHIVE to a bucket of another store, or to a folder"
            )
        return f"{self.name} can be written and read; copies for DuckDB are in {self.folder}"

    def _placed(self, temporary: Path, document_sha256: str, byte_size: int) -> Path:
        key = key_of(document_sha256)
        there = self._asked(lambda: self._bucket.head(key))
        if there is None or there.byte_size != byte_size or self.digest_of(document_sha256) != document_sha256:
            if byte_size <= _SMALL and there is None:
                content = temporary.read_bytes()
                # Whoever was faster has written the same bytes.
                self._asked(lambda: self._bucket.put(key, content, instead_of=None))
            else:
                self._asked(lambda: self._bucket.put_file(key, temporary))
        return super()._placed(temporary, document_sha256, byte_size)

    def _append(self, document_sha256: str, more: Sequence[Event]) -> bytes:
        """Append to a record; what it says then is returned."""
        key = _record_key(document_sha256)
        intended: bytes | None = None
        for _ in range(_TRIES):
            stored = self._asked(lambda: self._bucket.get(key))
            before, at = (b"", None) if stored is None else stored
            if intended is not None and before.startswith(intended):
                # The answer to our own request was lost, not the request.
                return before
            if before and (damage := read_record(document_sha256, before).damage) is not None:
                raise ArchiveError(
                    f"{self.name}/{key} is damaged ({damage}), so nothing was added to it: {restored_by(document_sha256)}"
                )
            intended = grown(document_sha256, before, more)
            content, of = intended, at
            if self._asked(lambda: self._bucket.put(key, content, instead_of=of)):  # noqa: B023 - called at once
                return content
        raise ArchiveError(
            f"{self.name}/{key}: other processes wrote to it during each of {_TRIES} tries: run this again"
        )

    def _index(self, shelf: str) -> bytes | None:
        stored = self._asked(lambda: self._bucket.get(f"{shelf}/{HEADS_FILE}"))
        return None if stored is None else stored[0]

    def _put_index(self, shelf: str, content: bytes) -> None:
        # Whoever was faster has made it of the same records.
        self._asked(lambda: self._bucket.put(f"{shelf}/{HEADS_FILE}", content, instead_of=None))

    def _change_index(self, shelf: str, change: Callable[[Mapping[str, Head]], Mapping[str, Head]]) -> None:
        """Write a shelf's index anew, under the condition that it is still the one that was read."""
        key = f"{shelf}/{HEADS_FILE}"
        for _ in range(_TRIES):
            stored = self._asked(lambda: self._bucket.get(key))
            before, at = (None, None) if stored is None else stored
            heads, problem = self._heads_of(shelf, before)
            if problem is not None:
                kept = f"{key}.damaged-{hashlib.sha256(before or b'').hexdigest()[:12]}"
                damaged = before or b""
                self._asked(lambda: self._bucket.put(kept, damaged, instead_of=None))  # noqa: B023 - called at once
            content, of = content_of(change(heads)), at
            if content == before:
                return
            if self._asked(lambda: self._bucket.put(key, content, instead_of=of)):  # noqa: B023 - called at once
                return
        raise ArchiveError(
            f"{self.name}/{key}: other processes wrote to it during each of {_TRIES} tries: run this again"
        )

    def _documents_of(self, shelf: str) -> list[str]:
        listed = self._asked(lambda: list(self._bucket.pages(folder=shelf)))
        matches = (_DOCUMENT.fullmatch(f"{shelf}/{one.key.rpartition('/')[2]}") for page in listed for one in page)
        return sorted(match[1] for match in matches if match is not None and match[2])

    def _copy(self, document_sha256: str, path: Path) -> None:
        """Copy a document to this machine, if the archive has it and its bytes are what its name says."""
        key = key_of(document_sha256)
        there = self._asked(lambda: self._bucket.head(key))
        if there is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".incoming-{uuid4().hex}")
        digest = hashlib.sha256()
        try:
            with temporary.open("wb") as file:
                for piece in self._bucket.read(key, there.byte_size, there.version):
                    digest.update(piece)
                    file.write(piece)
            if digest.hexdigest() != document_sha256:
                raise LostBytesError(
                    self.place_of(document_sha256), "was changed, for its SHA-256 is not its name any more"
                )
            make_unchangeable(temporary)
            temporary.rename(path)
        except BucketError as error:
            raise ArchiveError(f"{self.place_of(document_sha256)} cannot be read ({error})") from error
        finally:
            temporary.unlink(missing_ok=True)

    def _copies(self) -> Iterable[tuple[Path, os.stat_result]]:
        return [(path, path.stat()) for path in self.folder.glob("[0-9a-f][0-9a-f]/*") if path.is_file()]

    def _asked(self, ask: Callable[[], _Result]) -> _Result:
        try:
            return ask()
        except BucketError as error:
            raise ArchiveError(
                f"the archive cannot be used: {error}; what was not archived is still in the inbox"
            ) from error


def _record_key(document_sha256: str) -> str:
    return key_of(document_sha256) + RECORD_SUFFIX


def _state(one: Object) -> RecordState:
    """The state of a record: in place of a change time it has a number that is made of its ETag, which no two versions share."""
    digest = hashlib.sha256((one.version or one.modified_at.isoformat()).encode()).digest()
    return RecordState(one.byte_size, int.from_bytes(digest[:8]) >> 1)


def archive_at(place: str, *, cache: Path, max_document_bytes: int, inbox: Path | None = None) -> Archive:
    """The archive at a place: a folder's path, or a bucket's URL.

    Args:
        place: Where it is.
        cache: For a bucket, the folder of this machine for copies.
        max_document_bytes: A larger file is not taken.
        inbox: For a folder, where files may still lie that documents came from; see `Archive`.
    """
    if "://" not in place:
        return Archive(Path(place), max_document_bytes=max_document_bytes, inbox=inbox)
    return BucketArchive(BucketUrl.parse(place), cache=cache, max_document_bytes=max_document_bytes)
