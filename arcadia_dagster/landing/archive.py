"""The archive: every document's bytes under their SHA-256, never changed, with a record beside them.

    archive/3f/3f9a...          the bytes
    archive/3f/3f9a....jsonl    what is known of them that is not in them: names, arrival, ids learned, decisions

The record is append-only, one JSON object a line. With it the whole warehouse can be rebuilt from the archive alone.
"""

import errno
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from arcadia_dagster.formats.content import Examiner
from arcadia_dagster.formats.reader import ArchivedDocument
from arcadia_dagster.landing.inbox import FileState, InboxFile

RECORD_SUFFIX = ".jsonl"
_CHUNK = 1 << 20
_SHA256_DIGITS = 64


class NotTakenError(Exception):
    """A file of the inbox was not taken; the message says why."""


class ArchiveError(OSError):
    """The archive cannot be written, or was changed; the message names it, the cause and what to do."""


class StillChangingError(NotTakenError):
    """The file changed while it was read: it is taken at a later look."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a document that is not in its bytes: events in the order in which they happened."""

    document_sha256: str
    events: tuple[dict[str, Any], ...]

    def of(self, kind: str) -> Iterator[dict[str, Any]]:
        """The events of one kind."""
        return (event for event in self.events if event["event"] == kind)


class Archive:
    """The archive below a folder.

    Args:
        folder: Where it lies; made on first use.
        max_document_bytes: A larger file is not taken.
    """

    def __init__(self, folder: Path, *, max_document_bytes: int) -> None:
        """Note where the archive is. Nothing is made yet."""
        self.folder = folder
        self.max_document_bytes = max_document_bytes

    @property
    def lock_path(self) -> Path:
        """The lock that keeps two landings apart."""
        return self.folder / ".lock"

    def path_of(self, document_sha256: str) -> Path:
        """Where the document's bytes are."""
        return self.folder / document_sha256[:2] / document_sha256

    def take(self, file: InboxFile) -> ArchivedDocument:
        """Copy a file of the inbox into the archive, hashing and examining it in the same pass.

        Raises:
            StillChangingError: Somebody wrote to the file meanwhile.
            NotTakenError: The file is too large, or cannot be read.
            ArchiveError: The archive cannot be written (disk full). Nothing of the file is kept.
        """
        with opened(file) as source:
            if file.state.byte_size > self.max_document_bytes:
                raise NotTakenError(
                    f"it has {file.state.byte_size} bytes, more than "
                    f"ARCADIA_MAX_DOCUMENT_BYTES={self.max_document_bytes}"
                )
            _assert_unchanged(source, file.state)
            with self._writing():
                return self._store(source, file.state)

    def examine(self, document_sha256: str) -> ArchivedDocument:
        """The archived document again, examined as when it was taken.

        Raises:
            ArchiveError: The archived bytes are not those that were archived any more.
        """
        path = self.path_of(document_sha256)
        digest, examiner = hashlib.sha256(), Examiner(max_bytes=self.max_document_bytes)
        with path.open("rb") as source:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                examiner.update(chunk)
        if digest.hexdigest() != document_sha256:
            raise ArchiveError(f"{path} was changed: its SHA-256 is not its name any more; restore it from a backup")
        return ArchivedDocument(document_sha256, path, path.stat().st_size, *examiner.finish(path))

    def append(self, document_sha256: str, events: Iterable[dict[str, Any]]) -> None:
        """Append events to a document's record.

        Raises:
            ArchiveError: The archive cannot be written.
        """
        lines = "".join(json.dumps(event, ensure_ascii=False, sort_keys=True) + "\n" for event in events).encode()
        path = self.path_of(document_sha256)
        with self._writing(), path.with_name(path.name + RECORD_SUFFIX).open("a+b") as record:
            if record.tell():
                # A crash in mid-append leaves a torn last line, which must not swallow the next one.
                record.seek(-1, os.SEEK_END)
                lines = lines if record.read() == b"\n" else b"\n" + lines
            record.write(lines)

    def record(self, document_sha256: str) -> Record:
        """The document's record; empty where there is none yet."""
        path = self.path_of(document_sha256)
        try:
            lines = path.with_name(path.name + RECORD_SUFFIX).read_bytes().split(b"\n")
        except FileNotFoundError:
            lines = []
        return Record(document_sha256, tuple(_events(lines)))

    def documents(self) -> list[str]:
        """The SHA-256 of every document that has a record, in order."""
        if not self.folder.is_dir():
            return []
        return sorted(
            path.name.removesuffix(RECORD_SUFFIX)
            for path in self.folder.glob(f"??/*{RECORD_SUFFIX}")
            if len(path.name) == _SHA256_DIGITS + len(RECORD_SUFFIX)
        )

    def sync(self) -> None:
        """Make sure that what was archived outlives a power cut. Once for a batch: a sync for each file costs more."""
        os.sync()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ArchiveError(
                f"the archive {self.folder} cannot be written ({error.strerror}): make room or set ARCADIA_ARCHIVE, then run "
                "again; what was not archived is still in the inbox"
            ) from error

    def _store(self, source: BinaryIO, state: FileState) -> ArchivedDocument:
        self.folder.mkdir(parents=True, exist_ok=True)
        digest, examiner = hashlib.sha256(), Examiner(max_bytes=self.max_document_bytes)
        descriptor, name = tempfile.mkstemp(prefix=".incoming-", dir=self.folder)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as copy:
                # No more than was seen: a file that grows as fast as it is read has no end.
                while copy.tell() <= state.byte_size and (chunk := _read(source)):
                    digest.update(chunk)
                    examiner.update(chunk)
                    copy.write(chunk)
            _assert_unchanged(source, state)
            path = self.path_of(digest.hexdigest())
            # A power cut between archiving and syncing leaves a file that is too short: it is replaced.
            if path.exists() and path.stat().st_size == state.byte_size:
                temporary.unlink()
            else:
                path.parent.mkdir(exist_ok=True)
                temporary.chmod(0o444)
                temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return ArchivedDocument(digest.hexdigest(), path, state.byte_size, *examiner.finish(path))


def opened(file: InboxFile) -> BinaryIO:
    """A file of the inbox, open for reading.

    Raises:
        StillChangingError: It is gone.
        NotTakenError: It is no plain file any more, or cannot be read.
    """
    try:
        # Never a link, even one that took the file's place since the look; never waiting for a pipe's other end.
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise StillChangingError("it was gone when it was to be read") from error
    except OSError as error:
        reason = "it is a link" if error.errno == errno.ELOOP else f"it cannot be read ({error.strerror})"
        raise NotTakenError(f"{reason}; only plain, readable files are taken") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotTakenError("it is no plain file; only plain files are taken")
    return os.fdopen(descriptor, "rb")


def _read(source: BinaryIO) -> bytes:
    try:
        return source.read(_CHUNK)
    except OSError as error:
        raise NotTakenError(f"it cannot be read ({error.strerror})") from error


def _assert_unchanged(source: BinaryIO, state: FileState) -> None:
    if FileState.of(os.fstat(source.fileno())) != state:
        raise StillChangingError("it changed while it was read")


def _events(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            # A crash in mid-append leaves a torn last line; the next landing appends the event again.
            continue
