"""Looking at an inbox: which files are there, which are complete, which are not for us.

An inbox is a folder (this module), a folder of a bucket (`bucket_inbox.py`), or several of both (`inboxes.py`): see `Inbox`.

A file in a folder is complete once it was renamed into place, or lay unchanged for a while. Its change time (ctime) tells both:
it is set by every write and every rename and cannot be set back, so a file that was copied with its old date is seen too.
"""

import errno
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Generic, Protocol, TypeVar

from arcadia_dagster.plain_file import NotPlainError, open_plain

TEMPORARY_SUFFIXES = (".part", ".partial", ".filepart", ".crdownload", ".download", ".tmp", ".temp", ".swp", "~")
"""What browsers, copy programs and editors call a file that they have not finished."""

TEMPORARY_PREFIXES = (".", "~$", "_tmp")

CONTROL_TOTAL_SUFFIX = ".total"
"""`<file>.total` beside a file states the total that its lines must sum to."""


LABEL_PATTERN: Final = r"^(?:s3|gs|az|file):[^/]*?::"
"""What the path of a file in a further inbox begins with, as a regular expression for Python and for SQL."""

_LABEL = re.compile(LABEL_PATTERN)
_CHUNK = 1 << 20


class InboxError(OSError):
    """An inbox cannot be looked at; the message names it and says why.

    Attributes:
        reason: The same without the inbox's name, for whoever writes it after that.
    """

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        """Take the message, and the reason where the message has more."""
        super().__init__(message)
        self.reason = message if reason is None else reason


class NotTakenError(Exception):
    """A file of the inbox was not taken; the message says why."""


class StillChangingError(NotTakenError):
    """The file changed while it was read: it is taken at a later look."""


@dataclass(frozen=True, slots=True)
class FileState:
    """A file's state at one look.

    Attributes:
        modified_ns: Modification time in nanoseconds since 1970 (UTC).
        changed_ns: Change time in nanoseconds since 1970 (UTC); of an object in a bucket its modification time.
        inode: The file's number in its file system; None of an object.
        version: What tells an object from another of its name, its ETag; None of a file in a folder.
    """

    byte_size: int
    modified_ns: int
    changed_ns: int
    inode: int | None
    version: str | None = None

    @classmethod
    def of(cls, status: os.stat_result) -> "FileState":
        """The state in the answer of `stat`."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    def is_complete(self, *, now_ns: int, settle_ns: int) -> bool:
        """Whether nobody is writing the file any more.

        Writing sets both times alike; a rename, or a copy that keeps the old date at its end, sets the change time
        only.
        """
        return self.changed_ns > self.modified_ns or now_ns - self.changed_ns >= settle_ns


@dataclass(frozen=True, slots=True)
class Entry:
    """What files in folders and in buckets have in common; see `Arriving`."""

    inbox_path: str

    @property
    def name(self) -> str:
        """The file's name."""
        return file_name_of(self.inbox_path)

    @property
    def is_control_total(self) -> bool:
        """Whether it states another file's total."""
        return self.name.lower().endswith(CONTROL_TOTAL_SUFFIX)


@dataclass(frozen=True, slots=True)
class InboxFile(Entry):
    """A file in a folder.

    Attributes:
        inbox_path: Its path below the inbox, with `/`; bytes that are not UTF-8 are escaped. In a further inbox the label of that
            comes first: see `label_of`.
        path: Where it is.
        state: As it was seen.
    """

    path: Path
    state: FileState

    @property
    def is_remote(self) -> bool:
        """No: it lies on a disk."""
        return False

    def content(self) -> Iterator[bytes]:
        """Its bytes, in pieces; see `Arriving.content`."""
        with self.opened() as source:
            self._assert_unchanged(source)
            read = 0
            # Read no more than the size that was seen: a file that grows as fast as it is read has no end.
            while read <= self.state.byte_size and (chunk := _read(source)):
                read += len(chunk)
                yield chunk
            self._assert_unchanged(source)

    def opened(self) -> BinaryIO:
        """The file, open for reading; never a link, even one that took its place since the look."""
        try:
            return open_plain(self.path, follows_links=False)
        except FileNotFoundError as error:
            raise StillChangingError("it was gone before it was read") from error
        except NotPlainError as error:
            raise NotTakenError(f"{error.strerror}; only plain files are taken") from error
        except OSError as error:
            reason = "it is a link" if error.errno == errno.ELOOP else f"it cannot be read ({error.strerror})"
            raise NotTakenError(f"{reason}; only plain, readable files are taken") from error

    def _assert_unchanged(self, source: BinaryIO) -> None:
        if FileState.of(os.fstat(source.fileno())) != self.state:
            raise StillChangingError("it changed while it was read")


class Arriving(Protocol):
    """A file that lies in an inbox, in a folder or a bucket."""

    @property
    def inbox_path(self) -> str:
        """Its path; unique among all inboxes."""

    @property
    def name(self) -> str:
        """The file's name."""

    @property
    def state(self) -> FileState:
        """As it was seen."""

    @property
    def is_control_total(self) -> bool:
        """Whether it states another file's total."""

    @property
    def is_remote(self) -> bool:
        """Whether reading it is mostly waiting, so that several are read at a time."""

    def content(self) -> Iterator[bytes]:
        """Its bytes, in pieces, all of them of the file as it was seen.

        Raises:
            StillChangingError: It is gone, or another one now.
            NotTakenError: It is no plain file any more, or cannot be read.
        """


_File = TypeVar("_File", bound=Arriving, covariant=True)  # noqa: PLC0105


@dataclass(frozen=True, slots=True)
class Look(Generic[_File]):
    """What one look at the inbox found.

    Attributes:
        complete: Files that are new or changed since the last look, and complete.
        waiting: Files that are new or changed, and perhaps still being written.
        problems: Why an entry cannot be a document, by path; or why an inbox cannot be looked at, by its name.
        seen: How many files lie in the inbox in all, temporary ones not counted.
        resume: Where the next look should go on, where the time was over; else None.
    """

    complete: Sequence[_File]
    waiting: Sequence[_File]
    problems: dict[str, str]
    seen: int
    resume: str | None = None

    def settled_in(self, settle_seconds: float) -> float:
        """Seconds until the file that changed last has shown that nobody writes to it any more; 0 where none is waited for."""
        if not self.waiting:
            return 0.0
        youngest = max(file.state.changed_ns for file in self.waiting) / 1e9
        return max(0.05, youngest + settle_seconds - time.time())


class Inbox(Protocol):
    """Where files arrive. It is read only: nothing in it is changed."""

    def look(
        self,
        known: Mapping[str, str],
        *,
        now_ns: int,
        settle_seconds: float,
        until: float | None = None,
        resume: str | None = None,
    ) -> Look[Arriving]:
        """Look at every file in it.

        Args:
            known: The fingerprint of each file at the last look, by its path.
            now_ns: The present time in nanoseconds since 1970 (UTC).
            settle_seconds: How long a file must lie unchanged to count as complete.
            until: When to stop (`time.monotonic`), whatever is left; None to look at all of it.
            resume: Where an earlier look stopped.

        Raises:
            InboxError: Nothing of it can be looked at.
        """

    def file_at(self, inbox_path: str) -> Arriving | None:
        """The file that lies at a path, as the last look at all of it found it; None where none does, or nobody knows."""


@dataclass(slots=True)
class FolderInbox:
    """A folder, and the folders below it.

    Attributes:
        folder: Where it is.
        label: What its files' paths begin with; empty for the first folder.
        must_exist: Whether it is an error that it is not there.
    """

    folder: Path
    label: str = ""
    must_exist: bool = True

    def look(
        self,
        known: Mapping[str, str],
        *,
        now_ns: int,
        settle_seconds: float,
        until: float | None = None,  # noqa: ARG002 - a folder is looked at in one go: 100,000 files in a second
        resume: str | None = None,  # noqa: ARG002
    ) -> Look[InboxFile]:
        """Look at every file in it; see `Inbox`. No link is followed."""
        if not self.must_exist and not self.folder.exists():
            return Look([], [], {}, 0)
        return look(self.folder, known, now_ns=now_ns, settle_seconds=settle_seconds, label=self.label)

    def file_at(self, inbox_path: str) -> InboxFile | None:
        """The file that lies there now."""
        path = self.folder / inbox_path.removeprefix(self.label)
        with suppress(OSError):
            if path.exists():
                return InboxFile(inbox_path, path, FileState.of(path.lstat()))
        return None


def label_of(name: str) -> str:
    """What the paths of files in a further inbox begin with: `s3://billing/exports` gives `s3:billing:exports::`.

    It has no `/`, so that a file that lies directly in any inbox is known by the lack of one in its path, and it ends in `::`,
    which no inbox has in it.

    Args:
        name: A bucket's URL, or a folder's absolute path.
    """
    scheme, _, rest = name.partition("://") if "://" in name else ("file", "", name)
    return f"{scheme}:{rest.strip('/').replace('/', ':')}::"


def path_at(place: str, further: Sequence[str]) -> str:
    """The path of a file in a further inbox that a person names by its URL, or its absolute path; any other text as it is.

    Args:
        place: What the person typed.
        further: The further inboxes, as the settings name them.
    """
    inbox = next((name for name in further if place.startswith(f"{name}/")), None)
    return place if inbox is None else label_of(inbox) + place.removeprefix(f"{inbox}/")


def place_at(inbox_path: str, folder: Path, further: Sequence[str]) -> str:
    """Where the file at a path lies, for a person: its URL, or its path in the file system.

    Args:
        inbox_path: The path.
        folder: The folder whose files' paths have no label.
        further: The further inboxes, as the settings name them.
    """
    inbox = next((name for name in further if inbox_path.startswith(label_of(name))), None)
    return str(folder / inbox_path) if inbox is None else f"{inbox}/{inbox_path.removeprefix(label_of(inbox))}"


def file_name_of(inbox_path: str) -> str:
    """The name of the file at a path."""
    return _LABEL.sub("", inbox_path).rpartition("/")[2]


def fingerprint(status: os.stat_result) -> str:
    """What every look compares, for perhaps a hundred thousand files: equal fingerprints mean the same content."""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def fingerprint_of_object(byte_size: int, version: str) -> str:
    """The same of an object in a bucket."""
    return f"{byte_size}:{version}"


FINGERPRINT_SQL = (
    "CASE WHEN version IS NULL THEN concat_ws(':', byte_size, modified_ns, changed_ns, inode) "
    "ELSE concat_ws(':', byte_size, version) END"
)
"""The fingerprint of a registered state, as SQL."""


def look(
    inbox: Path, known: Mapping[str, str], *, now_ns: int, settle_seconds: float, label: str = ""
) -> Look[InboxFile]:
    """Look at every file in the inbox and the folders below it. No link is followed.

    Args:
        inbox: The folder.
        known: The fingerprint of each file at the last look, by its path below the inbox.
        now_ns: The present time in nanoseconds since 1970 (UTC).
        settle_seconds: How long a file must lie unchanged to count as complete.
        label: What each path begins with.

    Raises:
        InboxError: The inbox is missing or cannot be read.
    """
    complete: list[InboxFile] = []
    waiting: list[InboxFile] = []
    problems: dict[str, str] = {}
    settle_ns = int(settle_seconds * 1e9)
    seen = 0
    for entry, inbox_path, before in _entries(inbox, known, problems, label):
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        except OSError as error:
            problems[inbox_path] = f"it cannot be looked at ({error.strerror})"
            continue
        seen += 1
        # First, for it ends the look at nearly all of perhaps a hundred thousand files: only plain files are known.
        if before is not None and before == fingerprint(status):
            continue
        if not stat.S_ISREG(status.st_mode):
            problems[inbox_path] = f"it is a {_kind(status.st_mode)}; only plain files are taken"
            continue
        state = FileState.of(status)
        file = InboxFile(inbox_path, Path(entry.path), state)
        is_complete = state.is_complete(now_ns=now_ns, settle_ns=settle_ns)
        (complete if is_complete else waiting).append(file)
    return Look(complete, waiting, problems, seen)


def is_temporary(name: str) -> bool:
    """Whether a file of this name is not finished, or was never meant for us."""
    return name.startswith(TEMPORARY_PREFIXES) or name.lower().endswith(TEMPORARY_SUFFIXES)


def _entries(
    inbox: Path, known: Mapping[str, str], problems: dict[str, str], label: str
) -> Iterator[tuple[os.DirEntry[str], str, str | None]]:
    """Every entry that is no folder, with its path below the inbox, and its fingerprint at the last look."""
    folders = [(str(inbox), label)]
    while folders:
        folder, prefix = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    inbox_path = prefix + readable(entry.name)
                    before = known.get(inbox_path)
                    if before is None and is_temporary(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append((entry.path, f"{inbox_path}/"))
                    else:
                        yield entry, inbox_path, before
        except OSError as error:
            if prefix == label:
                why = f"cannot be read ({error.strerror}); make the folder or set ARCADIA_INBOX"
                raise InboxError(f"the inbox {inbox} {why}", reason=f"it {why}") from error
            problems[prefix] = f"the folder cannot be read ({error.strerror})"


def readable(name: str) -> str:
    """A name, or a path, as text: of bytes that are not UTF-8 each is escaped."""
    return name if name.isascii() else name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _read(source: BinaryIO) -> bytes:
    try:
        return source.read(_CHUNK)
    except OSError as error:
        raise NotTakenError(f"it cannot be read ({error.strerror})") from error


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISLNK, "link"), (stat.S_ISFIFO, "named pipe"), (stat.S_ISSOCK, "socket"))
    return next((kind for test, kind in kinds if test(mode)), "device")
