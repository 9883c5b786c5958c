"""The archive: every document's bytes under their SHA-256, never changed, with a record beside them.

    archive/3f/3f9a...          the bytes
    archive/3f/3f9a....jsonl    what is known of them that is not in them: names, arrival, ids learned, decisions
    archive/3f/heads.jsonl      how far each of these records goes

The record only grows, one event a line (`landing.record`). With it the whole warehouse can be rebuilt from the archive alone.
The lines of a record are a chain, and the index of heads tells where each ends (`landing.heads`).
"""

import hashlib
import os
import re
import shlex
import stat
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from arcadia_dagster.landing.heads import HEADS_FILE, Head, advanced, content_of, head_of, read_heads
from arcadia_dagster.landing.inbox import Arriving, FileState, NotTakenError
from arcadia_dagster.landing.record import MISSING, Event, Record, RecordState, grown, read_record, restored_by
from arcadia_dagster.plain_file import open_plain
from arcadia_dagster.private_files import make_unchangeable
from arcadia_dagster.reading.content import ArchivedDocument, Examiner

RECORD_SUFFIX = ".jsonl"
_CHUNK = 1 << 20
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_SHA256_DIGITS = 64
_SHELF_DIGITS = 2


class ArchiveError(OSError):
    """The archive cannot be written, or was changed; the message names it, the cause and what to do."""


class LostBytesError(ArchiveError):
    """A document's bytes are gone, or are not those that were archived. Other documents are none the worse for it."""

    def __init__(self, place: str, problem: str) -> None:
        """Say what a person does.

        Args:
            place: Where the bytes are, or were.
            problem: What is wrong with them, in words that follow the place.
        """
        super().__init__(
            f"{place} {problem}: restore it from the newest backup, or put the same file into the inbox again; then run "
            "`arcadia ingest`"
        )


class UnreadableKeptError(ArchiveError):
    """A file that was kept beside the documents cannot be read.

    Attributes:
        name: Its name in its folder.
        problem: Why, in words.
    """

    def __init__(self, place: str, problem: str) -> None:
        """Say what a person does.

        Args:
            place: Where the file is.
            problem: Why it cannot be read, in words.
        """
        super().__init__(f"{place} cannot be read ({problem}): restore it from the newest backup")
        self.name = place.rpartition("/")[2]
        self.problem = problem


class Archive:
    """The archive below a folder.

    Args:
        folder: Where it lies; made on first use.
        max_document_bytes: A larger file is not taken.
        inbox: The folder in which the files may still lie that documents came from; their paths are relative to it.
    """

    def __init__(self, folder: Path, *, max_document_bytes: int, inbox: Path | None = None) -> None:
        """Note where the archive is. Nothing is made yet."""
        self.folder = folder
        self.max_document_bytes = max_document_bytes
        self._inbox = inbox

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.folder)

    @property
    def lock_path(self) -> Path:
        """The lock that keeps two landings of this machine apart."""
        return self.folder / ".lock"

    def path_of(self, document_sha256: str) -> Path:
        """Where the document's bytes are on this machine; nothing is there where the archive lacks them."""
        return self._path(document_sha256)

    def place_of(self, document_sha256: str) -> str:
        """Where the document's bytes are, for a person."""
        return f"{self.name}/{key_of(document_sha256)}"

    def record_place(self, document_sha256: str) -> str:
        """Where the document's record is, for a person."""
        return self.place_of(document_sha256) + RECORD_SUFFIX

    def byte_size(self, document_sha256: str) -> int:
        """How many bytes the document has; 0 where the archive lacks it."""
        path = self._path(document_sha256)
        return path.stat().st_size if path.exists() else 0

    def archived_at(self, document_sha256: str) -> datetime:
        """When the document's bytes were archived (UTC, with its time zone)."""
        return datetime.fromtimestamp(self._path(document_sha256).stat().st_mtime, UTC)

    def has_record(self, document_sha256: str) -> bool:
        """Whether there is a record of the document, damaged or not."""
        return self.record_path(document_sha256).exists()

    def last_kept(self, folder: str, pattern: re.Pattern[str]) -> tuple[str, str] | None:
        """The name and the text of the last of the files that were kept in a folder beside the documents; None without one.

        Args:
            folder: The folder's name.
            pattern: What their names are like; the greatest is the last.

        Raises:
            UnreadableKeptError: It is no plain file, or cannot be read.
            OSError: The archive cannot be read.
        """
        name = max(self.names_kept(folder, pattern), default=None)
        return None if name is None else (name, self._text_kept(folder, name))

    def all_kept(self, folder: str, pattern: re.Pattern[str]) -> list[tuple[str, str]]:
        """The names and texts of all files that were kept in a folder beside the documents, by their names.

        Raises:
            UnreadableKeptError: One is no plain file, or cannot be read.
            OSError: The archive cannot be read.
        """
        names = sorted(self.names_kept(folder, pattern))
        return list(zip(names, self.each(lambda name: self._text_kept(folder, name), names), strict=True))

    def names_kept(self, folder: str, pattern: re.Pattern[str]) -> list[str]:
        """The names of the files that were kept in a folder beside the documents, where they are like this."""
        return [*self.kinds_kept(folder, pattern)]

    def kinds_kept(self, folder: str, pattern: re.Pattern[str]) -> dict[str, bool]:
        """The same names, each with whether a plain file is there, or a link to one. No file is opened."""
        place = self.folder / folder
        if not place.is_dir():
            return {}
        try:
            with os.scandir(place) as entries:
                return {entry.name: entry.is_file() for entry in entries if pattern.fullmatch(entry.name)}
        except OSError as error:
            raise _unreadable(error) from error

    def put_aside(self, folder: str, name: str) -> None:
        """Give what is in the place of a kept file, and is no plain file, another name beside it.

        Raises:
            ArchiveError: The archive cannot be written.
        """
        path = self.folder / folder / name
        with self._writing():
            path.rename(_name_beside(path))

    def _text_kept(self, folder: str, name: str) -> str:
        place = f"{self.name}/{folder}/{name}"
        try:
            return self._content_kept(folder, name).decode()
        except UnicodeDecodeError as error:
            raise UnreadableKeptError(place, "it is no UTF-8") from error
        except ArchiveError:
            raise
        except OSError as error:
            raise UnreadableKeptError(place, error.strerror or str(error)) from error

    def _content_kept(self, folder: str, name: str) -> bytes:
        with open_plain(self.folder / folder / name) as file:
            return file.read()

    def bytes_kept(self, folder: str, names: Iterable[str]) -> dict[str, bytes]:
        """The bytes of files that were kept in a folder beside the documents, by name, whatever they are now.

        None of a file that cannot be read.
        """
        return {name: self._bytes_kept(folder, name) for name in names}

    def _bytes_kept(self, folder: str, name: str) -> bytes:
        try:
            return self._content_kept(folder, name)
        except OSError:
            return b""

    def keep(self, folder: str, name: str, text: str) -> None:
        """Keep a file in a folder beside the documents. What is in its place and is no plain file stays beside it.

        Raises:
            OSError: The archive cannot be written.
        """
        try:
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise ArchiveError(
                f"{self.folder / folder} is a file where a folder must be: move it away, then run `arcadia ingest`"
            ) from None
        temporary = self.folder / folder / f".incoming-{name}"
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        make_unchangeable(temporary)
        path = self.folder / folder / name
        if os.path.lexists(path) and not path.is_file():
            self.put_aside(folder, name)
        temporary.rename(path)

    def copy_command(self, folder: str, name: str, path: Path) -> str:
        """What a person types to have a file that was kept."""
        return shlex.join(("cp", str(self.folder / folder / name), str(path)))

    def check(self) -> str:
        """Try to write to it; in words.

        Raises:
            OSError: It is not there, or cannot be written.
        """
        if not self.folder.is_dir():
            raise ArchiveError(f"{self.name} is no folder: run `arcadia init`, or set ARCADIA_ARCHIVE")
        probe = self.folder / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
        return f"{self.name} can be written"

    def _path(self, document_sha256: str) -> Path:
        return self.folder / key_of(document_sha256)

    def each(self, ask: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        """What one asks the archive of each item, in their order: one after another, for a disk answers at once.

        Raises:
            Exception: What `ask` raises.
        """
        return [ask(item) for item in items]

    def take(self, file: Arriving) -> ArchivedDocument:
        """Copy a file of the inbox into the archive, hashing and examining it in the same pass.

        Raises:
            StillChangingError: Somebody wrote to the file meanwhile.
            NotTakenError: The file is too large, or cannot be read.
            ArchiveError: The archive cannot be written (disk full). Nothing of the file is kept.
        """
        if file.state.byte_size > self.max_document_bytes:
            raise NotTakenError(
                f"it has {file.state.byte_size} bytes, more than ARCADIA_MAX_DOCUMENT_BYTES={self.max_document_bytes}"
            )
        with self._writing():
            return self._store(file.content(), file.state)

    def examine(self, document_sha256: str, *, was_accepted: bool = False) -> ArchivedDocument:
        """The archived document again, examined as when it was taken.

        Where its bytes have changed since, or are gone, and the inbox still has the file, they are taken again from there.

        Args:
            document_sha256: The document.
            was_accepted: Whether it was read whole before: then it may unpack into more than is taken now, for the setting may
                have been lowered since.

        Raises:
            LostBytesError: The archived bytes are gone, or are not those that were archived any more.
            ArchiveError: They cannot be read.
        """
        try:
            return self._examined(document_sha256, was_accepted=was_accepted)
        except LostBytesError:
            if not self._take_again(document_sha256):
                raise
        return self._examined(document_sha256, was_accepted=was_accepted)

    def examine_each(
        self, documents: Sequence[str], accepted: Collection[str]
    ) -> tuple[list[ArchivedDocument], dict[str, str]]:
        """Documents, each as `examine` does.

        Args:
            documents: The documents.
            accepted: Those that were read whole before.

        Returns:
            Those whose bytes are whole, in their order; and of the others what is wrong and what to do, by their SHA-256.

        Raises:
            ArchiveError: One of them cannot be read.
        """

        def examined(sha256: str) -> ArchivedDocument | LostBytesError:
            try:
                return self.examine(sha256, was_accepted=sha256 in accepted)
            except LostBytesError as error:
                return error

        found = dict(zip(documents, self.each(examined, documents), strict=True))
        whole = [document for document in found.values() if isinstance(document, ArchivedDocument)]
        return whole, {sha256: str(error) for sha256, error in found.items() if isinstance(error, LostBytesError)}

    def _examined(self, document_sha256: str, *, was_accepted: bool) -> ArchivedDocument:
        path = self.path_of(document_sha256)
        most = sys.maxsize if was_accepted else self.max_document_bytes
        digest, examiner = hashlib.sha256(), Examiner(max_bytes=most)
        try:
            with open_plain(path) as source:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    examiner.update(chunk)
        except FileNotFoundError as error:
            raise LostBytesError(str(path), "is missing") from error
        except OSError as error:
            raise LostBytesError(str(path), f"cannot be read ({error.strerror})") from error
        if digest.hexdigest() != document_sha256:
            raise LostBytesError(str(path), "was changed, for its SHA-256 is not its name any more")
        return ArchivedDocument(document_sha256, path, path.stat().st_size, *examiner.finish(path))

    def _take_again(self, document_sha256: str) -> bool:
        """Put a file of the inbox in the place of changed bytes, which stay beside it; whether there is such a file."""
        if self._inbox is None:
            return False
        for event in self.record(document_sha256).received:
            try:
                with open_plain(self._inbox / event["inbox_path"], follows_links=False) as source:
                    content = source.read(self.max_document_bytes + 1)
            except (OSError, ValueError):
                continue
            if hashlib.sha256(content).hexdigest() == document_sha256:
                self._replace_bytes(document_sha256, content)
                return True
        return False

    def _replace_bytes(self, document_sha256: str, content: bytes) -> None:
        path = self._path(document_sha256)
        with self._writing():
            path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(path):
                path.rename(_name_beside(path))
            self._put_all({path: content})
            make_unchangeable(path)

    def digest_of(self, document_sha256: str) -> str:
        """The SHA-256 of the document's bytes as they are now, which is its name unless somebody has changed them.

        Raises:
            ArchiveError: They cannot be read.
        """
        try:
            return _digest_of(self._path(document_sha256))
        except OSError as error:
            raise ArchiveError(f"it cannot be read ({error.strerror})") from error

    def append_all(self, events: Mapping[str, Sequence[Event]]) -> None:
        """Append events to the records of documents. After a crash, or a power cut, each record is the old one or the new one.

        Each record is written anew beside the old one and renamed over it, once all are safely on the disk: so a line that is
        cut off was damaged by somebody else. The caller holds the archive's lock.

        Raises:
            ArchiveError: The archive cannot be written, or a record is damaged: nothing is appended to that.
        """
        with self._writing():
            records = {sha256: self._grown(sha256, more) for sha256, more in events.items() if more}
            if records:
                # The heads come last: what a crash leaves behind is caught up with, what a head is ahead of would be lost.
                self._put_all(
                    {self.record_path(sha256): content for sha256, content in records.items()} | self._advanced(records)
                )

    def advance_heads(self, records: Mapping[str, bytes]) -> None:
        """Note in the index how far whole records go, as after a crash between a record and its head.

        The caller holds the archive's lock.

        Raises:
            ArchiveError: The archive cannot be written.
        """
        with self._writing():
            if changed := self._advanced(records):
                self._put_all(changed)

    def heads(self, documents: Iterable[str]) -> tuple[dict[str, Head], dict[str, str]]:
        """What the index has of the documents' records, by SHA-256, and what is wrong with it, by its place.

        Raises:
            ArchiveError: The bucket does not answer, or a file is in the place of a shelf.
        """
        wanted = set(documents)
        found, wrong = self.heads_in({shelf_of(sha256) for sha256 in wanted})
        return {sha256: head for sha256, head in found.items() if sha256 in wanted}, wrong

    def heads_in(self, shelves: Collection[str]) -> tuple[dict[str, Head], dict[str, str]]:
        """All that the index has of shelves, and what is wrong with it; see `heads`."""
        found: dict[str, Head] = {}
        wrong: dict[str, str] = {}
        shelves = sorted(shelves)
        for shelf, read in zip(shelves, self.each(self._heads_read, shelves), strict=True):
            heads, problem = read
            found |= heads
            if problem is not None:
                wrong[self.index_place(shelf)] = problem
        return found, wrong

    def index_shelves(self, shelves: Iterable[str], *, without: Collection[str]) -> None:
        """Make the index of heads of shelves that have none: an earlier version wrote their records. The caller holds the lock.

        Args:
            shelves: The shelves.
            without: Documents whose records are damaged although each of their lines can be read.

        Raises:
            ArchiveError: The archive cannot be read or written.
        """
        for shelf in shelves:
            whole = {sha256: content for sha256, content in self._whole_records(shelf).items() if sha256 not in without}
            self._put_index(shelf, content_of(advanced({}, whole)))

    def index_place(self, shelf: str) -> str:
        """Where the index of the heads of a shelf is, for a person."""
        return f"{self.name}/{shelf}/{HEADS_FILE}"

    def replace_record(self, document_sha256: str, content: bytes) -> None:
        """Put another record in the place of a damaged one, which stays beside it. The caller holds the archive's lock.

        Raises:
            ArchiveError: The archive cannot be written.
        """
        path, kept = self.record_path(document_sha256), {}
        with self._writing():
            if os.path.lexists(path):
                if stat.S_ISREG(path.lstat().st_mode):
                    kept = {_name_beside(path): path.read_bytes()}
                else:
                    path.rename(_name_beside(path))
            head = {document_sha256: head_of(document_sha256, content)}
            index = self._changed_index(shelf_of(document_sha256), lambda heads: {**heads, **head})
            self._put_all({**kept, path: content, **index})

    def record_bytes(self, document_sha256: str) -> bytes:
        """The record's file as it is, damaged or not; nothing where it is missing, or no plain file.

        Raises:
            ArchiveError: It cannot be read.
        """
        path = self.record_path(document_sha256)
        try:
            with open_plain(path) as file:
                return file.read()
        except OSError as error:
            if not path.is_file():
                return b""
            raise ArchiveError(f"{path} cannot be read ({error.strerror})") from error

    def record_path(self, document_sha256: str) -> Path:
        """Where the document's record is."""
        path = self._path(document_sha256)
        return path.with_name(path.name + RECORD_SUFFIX)

    def record(self, document_sha256: str, *, known: str | None = None, head: Head | None = None) -> Record:
        """The document's record.

        Args:
            document_sha256: The document.
            known: See `read_record`.
            head: See `read_record`.
        """
        path = self.record_path(document_sha256)
        try:
            with open_plain(path) as file:
                # The state from before reading: the next look sees what is written after it.
                state = _state(os.fstat(file.fileno()))
                return read_record(document_sha256, file.read(), state=state, known=known, head=head)
        except FileNotFoundError:
            return read_record(document_sha256, None, known=known)
        except OSError as error:
            # As if it was missing, so that it is tried again at each look.
            return read_record(document_sha256, None, known=known, problem=f"it cannot be read ({error.strerror})")

    def records(self) -> dict[str, RecordState]:
        """The state of every document's record; `MISSING` where the archive has the bytes alone."""
        return self.look()[0]

    def look(self) -> tuple[dict[str, RecordState], set[str]]:
        """The state of every document's record, as `records` gives it, and the shelves that have an index of heads."""
        if not self.folder.is_dir():
            return {}, set()
        states: dict[str, RecordState] = {}
        indexed: set[str] = set()
        try:
            with os.scandir(self.folder) as shelves:
                for shelf in shelves:
                    if len(shelf.name) == _SHELF_DIGITS and shelf.is_dir():
                        self._look_into(shelf, states, indexed)
        except OSError as error:
            raise _unreadable(error) from error
        return dict(sorted(states.items())), indexed

    @staticmethod
    def _look_into(shelf: "os.DirEntry[str]", states: dict[str, RecordState], indexed: set[str]) -> None:
        with os.scandir(shelf) as entries:
            for entry in entries:
                if entry.name == HEADS_FILE:
                    indexed.add(shelf.name)
                sha256, suffix = entry.name[:_SHA256_DIGITS], entry.name[_SHA256_DIGITS:]
                if suffix == RECORD_SUFFIX:
                    # What is no plain file is none: its document is held, see `record`.
                    states[sha256] = _state_of(entry)
                elif not suffix and len(sha256) == _SHA256_DIGITS:
                    states.setdefault(sha256, MISSING)

    def sync(self) -> None:
        """Make sure that what was archived outlives a power cut. Once for a batch: a sync for each file costs more."""
        os.sync()

    def _put_all(self, contents: Mapping[Path, bytes]) -> None:
        """Write each file anew beside the old one, and rename them over those once all are safely on the disk."""
        written = {path.with_name(f"{path.name}.new"): path for path in contents}
        try:
            for new, path in written.items():
                new.write_bytes(contents[path])
            self.sync()
            for new, path in written.items():
                new.rename(path)
            self.sync()
        except BaseException:
            for new in written:
                new.unlink(missing_ok=True)
            raise

    def _whole_records(self, shelf: str) -> dict[str, bytes]:
        """What the records of a shelf say, of those that are whole."""
        documents = self._documents_of(shelf)
        contents = zip(documents, self.each(self.record_bytes, documents), strict=True)
        return {sha256: content for sha256, content in contents if read_record(sha256, content).damage is None}

    def _documents_of(self, shelf: str) -> list[str]:
        """The documents of a shelf that have a record."""
        names = (path.name for path in (self.folder / shelf).glob(f"*{RECORD_SUFFIX}"))
        return sorted(name[:_SHA256_DIGITS] for name in names if len(name) == _SHA256_DIGITS + len(RECORD_SUFFIX))

    def _heads_read(self, shelf: str) -> tuple[dict[str, Head], str | None]:
        """The heads in a shelf's index, and what is wrong with it."""
        content, problem = self._readable_index(shelf)
        return read_heads(content or b"") if problem is None else ({}, problem)

    def _heads_of(self, shelf: str, content: bytes | None) -> tuple[dict[str, Head], str | None]:
        """The heads in a shelf's index, and what is wrong with it; those of its whole records where it has no index."""
        if content is None:
            return advanced({}, self._whole_records(shelf)), None
        return read_heads(content)

    def _index_path(self, shelf: str) -> Path:
        return self.folder / shelf / HEADS_FILE

    def _index(self, shelf: str) -> bytes | None:
        """A shelf's index of heads; None where there is none. Raises OSError where it cannot be read."""
        try:
            with open_plain(self._index_path(shelf)) as file:
                return file.read()
        except FileNotFoundError:
            return None
        except NotADirectoryError as error:
            raise ArchiveError(
                f"{self.name}/{shelf} cannot be read ({error.strerror}): move it away, then run `arcadia ingest`"
            ) from error

    def _readable_index(self, shelf: str) -> tuple[bytes | None, str | None]:
        """A shelf's index of heads; or None, and why what is in its place cannot be read."""
        try:
            return self._index(shelf), None
        except ArchiveError:
            raise
        except OSError as error:
            return None, f"it cannot be read ({error.strerror})"

    def _put_index(self, shelf: str, content: bytes) -> None:
        """Make the index of a shelf that has none."""
        with self._writing():
            self._put_all({self._index_path(shelf): content})

    def _advanced(self, records: Mapping[str, bytes]) -> dict[Path, bytes]:
        """The indexes that change once these records are in them."""
        changed: dict[Path, bytes] = {}
        for shelf, of_shelf in by_shelf(records).items():
            changed |= self._changed_index(shelf, partial(advanced, records=of_shelf))
        return changed

    def _changed_index(
        self, shelf: str, change: Callable[[Mapping[str, Head]], Mapping[str, Head]]
    ) -> dict[Path, bytes]:
        """A shelf's index with other heads; nothing where they are the same. A damaged one stays beside it."""
        path = self._index_path(shelf)
        before, unreadable = self._readable_index(shelf)
        if unreadable is not None:
            path.rename(_name_beside(path))
        heads, problem = self._heads_of(shelf, before)
        if problem is not None:
            _name_beside(path).write_bytes(before or b"")
        after = content_of(change(heads))
        return {} if after == before else {path: after}

    def _grown(self, document_sha256: str, events: Sequence[Event]) -> bytes:
        """What a record is to be once it has these events too."""
        path = self.record_path(document_sha256)
        before = path.read_bytes() if path.exists() else b""
        if before and (damage := read_record(document_sha256, before).damage) is not None:
            raise ArchiveError(
                f"{path} is damaged ({damage}), so nothing was added to it: {restored_by(document_sha256)}"
            )
        return grown(document_sha256, before, events)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except ArchiveError:
            raise
        except OSError as error:
            raise ArchiveError(
                f"the archive {self.name} cannot be written ({error.strerror}): make room, or move it to a larger disk and "
                "set ARCADIA_ARCHIVE, then run again; what was not archived is still in the inbox"
            ) from error

    def _placed(self, temporary: Path, document_sha256: str, byte_size: int) -> Path:
        """Put a file that was written beside the documents in its place."""
        path = self._path(document_sha256)
        # A power cut between archiving and syncing leaves a file that is too short, and bytes may change: it is replaced.
        if _has_digest(path, document_sha256, byte_size):
            temporary.unlink()
        else:
            path.parent.mkdir(exist_ok=True)
            if path.is_dir():
                path.rename(_name_beside(path))
            make_unchangeable(temporary)
            temporary.rename(path)
        return path

    def _store(self, content: Iterator[bytes], state: FileState) -> ArchivedDocument:
        self.folder.mkdir(parents=True, exist_ok=True)
        digest, examiner = hashlib.sha256(), Examiner(max_bytes=self.max_document_bytes)
        descriptor, name = tempfile.mkstemp(prefix=".incoming-", dir=self.folder)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as copy:
                for chunk in content:
                    digest.update(chunk)
                    examiner.update(chunk)
                    copy.write(chunk)
            path = self._placed(temporary, digest.hexdigest(), state.byte_size)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return ArchivedDocument(digest.hexdigest(), path, state.byte_size, *examiner.finish(path))


def _unreadable(error: OSError) -> ArchiveError:
    """The error of a folder that cannot be listed, in words."""
    return ArchiveError(
        f"{error.filename} cannot be read ({error.strerror}): see that this user may read it, then run this again"
    )


def _name_beside(path: Path) -> Path:
    """The name under which something damaged stays beside what takes its place."""
    return path.with_name(f"{path.name}.damaged-{path.lstat().st_mtime_ns}")


def key_of(document_sha256: str) -> str:
    """Where a document's bytes are below the archive."""
    return f"{shelf_of(document_sha256)}/{document_sha256}"


def by_shelf(records: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Records, each by its document's SHA-256, by the shelves that they are in."""
    shelves: dict[str, dict[str, bytes]] = {}
    for sha256, content in records.items():
        shelves.setdefault(shelf_of(sha256), {})[sha256] = content
    return shelves


def shelf_of(document_sha256: str) -> str:
    """The folder of the archive, its shelf, in which a document is."""
    return document_sha256[:_SHELF_DIGITS]


def _has_digest(path: Path, document_sha256: str, byte_size: int) -> bool:
    """Whether a file has the bytes of this document; not where it cannot be read."""
    try:
        return path.is_file() and path.stat().st_size == byte_size and _digest_of(path) == document_sha256
    except OSError:
        return False


def _digest_of(path: Path) -> str:
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _state_of(entry: os.DirEntry[str]) -> RecordState:
    """The state of a record's file; `MISSING` for a link that leads nowhere, and for anything but a plain file."""
    try:
        status = entry.stat()
    except OSError:
        return MISSING
    return _state(status) if stat.S_ISREG(status.st_mode) else MISSING


def _state(status: os.stat_result) -> RecordState:
    return RecordState(status.st_size, status.st_ctime_ns)
