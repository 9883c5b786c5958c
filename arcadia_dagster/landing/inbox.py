"""Looking at the inbox: which files are there, which are complete, which are not for us.

A file is complete once it was renamed into place, or lay unchanged for a while. Its change time (ctime) tells both: it
is set by every write and every rename and cannot be set back, so a file that was copied with its old date is seen too.
"""

import os
import stat
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TEMPORARY_SUFFIXES = (".part", ".partial", ".filepart", ".crdownload", ".download", ".tmp", ".temp", ".swp", "~")
"""What browsers, copy programs and editors call a file that they have not finished."""

TEMPORARY_PREFIXES = (".", "~$", "_tmp")

CONTROL_TOTAL_SUFFIX = ".total"
"""`<file>.total` beside a file states the total that its lines must sum to."""


class InboxError(OSError):
    """The inbox is missing or cannot be read; the message names it and the setting."""


@dataclass(frozen=True, slots=True)
class FileState:
    """A file's state in the file system at one look.

    Attributes:
        modified_ns: Modification time in nanoseconds since 1970 (UTC).
        changed_ns: Change time in nanoseconds since 1970 (UTC).
    """

    byte_size: int
    modified_ns: int
    changed_ns: int
    inode: int

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
class InboxFile:
    """A file in the inbox.

    Attributes:
        inbox_path: Its path below the inbox, with `/`; bytes that are not UTF-8 are escaped.
        path: Where it is.
    """

    inbox_path: str
    path: Path
    state: FileState

    @property
    def name(self) -> str:
        """The file's name."""
        return self.inbox_path.rpartition("/")[2]

    @property
    def is_control_total(self) -> bool:
        """Whether it states another file's total."""
        return self.name.lower().endswith(CONTROL_TOTAL_SUFFIX)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the inbox found.

    Attributes:
        complete: Files that are new or changed since the last look, and complete.
        waiting: Files that are new or changed, and perhaps still being written.
        problems: Why an entry cannot be a document, by path.
        seen: How many files lie in the inbox in all, temporary ones not counted.
    """

    complete: list[InboxFile]
    waiting: list[InboxFile]
    problems: dict[str, str]
    seen: int


def fingerprint(status: os.stat_result) -> str:
    """What every look compares, for perhaps a hundred thousand files: equal fingerprints mean the same content."""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


FINGERPRINT_SQL = "concat_ws(':', byte_size, modified_ns, changed_ns, inode)"
"""The fingerprint of a registered state, as SQL."""


def look(inbox: Path, known: Mapping[str, str], *, now_ns: int, settle_seconds: float) -> Look:
    """Look at every file in the inbox and the folders below it. No link is followed.

    Args:
        inbox: The folder.
        known: The fingerprint of each file at the last look, by its path below the inbox.
        now_ns: The present time in nanoseconds since 1970 (UTC).
        settle_seconds: How long a file must lie unchanged to count as complete.

    Raises:
        InboxError: The inbox is missing or cannot be read.
    """
    found = Look([], [], {}, 0)
    settle_ns = int(settle_seconds * 1e9)
    seen = 0
    for entry, inbox_path in _entries(inbox, known, found.problems):
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        except OSError as error:
            found.problems[inbox_path] = f"it cannot be looked at ({error.strerror})"
            continue
        seen += 1
        if not stat.S_ISREG(status.st_mode):
            found.problems[inbox_path] = f"it is a {_kind(status.st_mode)}; only plain files are taken"
            continue
        if known.get(inbox_path) == fingerprint(status):
            continue
        state = FileState.of(status)
        file = InboxFile(inbox_path, Path(entry.path), state)
        is_complete = state.is_complete(now_ns=now_ns, settle_ns=settle_ns)
        (found.complete if is_complete else found.waiting).append(file)
    return Look(found.complete, found.waiting, found.problems, seen)


def is_temporary(name: str) -> bool:
    """Whether a file of this name is not finished, or was never meant for us."""
    return name.startswith(TEMPORARY_PREFIXES) or name.lower().endswith(TEMPORARY_SUFFIXES)


def _entries(inbox: Path, known: Container[str], problems: dict[str, str]) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Every entry that is no folder, with its path below the inbox."""
    folders = [(str(inbox), "")]
    while folders:
        folder, prefix = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    inbox_path = prefix + readable(entry.name)
                    if inbox_path not in known and is_temporary(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append((entry.path, f"{inbox_path}/"))
                    else:
                        yield entry, inbox_path
        except OSError as error:
            if not prefix:
                raise InboxError(
                    f"the inbox {inbox} cannot be read ({error.strerror}); make the folder or set ARCADIA_INBOX"
                ) from error
            problems[prefix] = f"the folder cannot be read ({error.strerror})"


def readable(name: str) -> str:
    """A name, or a path, as text: of bytes that are not UTF-8 each is escaped."""
    return name if name.isascii() else name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISLNK, "link"), (stat.S_ISFIFO, "named pipe"), (stat.S_ISSOCK, "socket"))
    return next((kind for test, kind in kinds if test(mode)), "device")
