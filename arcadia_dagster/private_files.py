"""Who may read what this program writes: its owner alone, whatever the umask of the shell or service that starts it.

Each process says so once, when it begins, and its children inherit it: the command line, the web server, Dagster's instance, and
each run. So every file is private from its first byte, also one that a library writes, such as a database's log. Files that
are there already stay as they are; `arcadia doctor` tells which of them others can read.
"""

import contextlib
import os
import resource
import stat
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Final, Literal, TypeAlias

_OWNER_ONLY: Final = 0o077
_GROUP_READS: Final = 0o027

_GROUP: Final = stat.S_IRGRP | stat.S_IWGRP
_OTHERS: Final = stat.S_IROTH | stat.S_IWOTH

Readers: TypeAlias = Literal["everybody", "its group"]

_umask_of_the_person: ContextVar[int | None] = ContextVar("_umask_of_the_person", default=None)


def write_privately(*, group_reads: bool) -> None:
    """From now on, this process and its children write files and folders that only their owner may read, and no core dump.

    A core dump is all that a process had in its memory, secrets too; a crash in a library's C++ would leave one in the home.

    Args:
        group_reads: Whether their group may read them too.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    os.umask(_GROUP_READS if group_reads else _OWNER_ONLY)


@contextlib.contextmanager
def writing_privately() -> Iterator[None]:
    """Within the block, what is written is for its owner only, but what `as_the_person_writes` is used for."""
    before = os.umask(_OWNER_ONLY)
    token = _umask_of_the_person.set(before)
    try:
        yield
    finally:
        _umask_of_the_person.reset(token)
        os.umask(before)


@contextlib.contextmanager
def as_the_person_writes() -> Iterator[None]:
    """Within the block, files are as the person's shell has them: for files that a person asks for in a folder of their own."""
    persons = _umask_of_the_person.get()
    if persons is None:
        yield
        return
    ours = os.umask(persons)
    try:
        yield
    finally:
        os.umask(ours)


def make_private(folder: Path, *, group_reads: bool) -> None:
    """Let others enter or read a folder no more: one that a person has made for the program.

    Raises:
        OSError: It is somebody else's.
    """
    folder.chmod(stat.S_IMODE(folder.stat().st_mode) & ~(_GROUP_READS if group_reads else _OWNER_ONLY))


def make_unchangeable(path: Path) -> None:
    """Let nobody write a file any more, and let those read it who may read its folder.

    Raises:
        OSError: It is not there, or is somebody else's.
    """
    path.chmod(stat.S_IRUSR | (path.parent.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)))


def readers_of(path: Path) -> Readers | None:
    """Who can read or write a file or a folder besides its owner and the system's administrator; None for nobody.

    A folder on the way to it that others may not enter keeps them out. Access lists beyond the mode are not looked at.

    Raises:
        OSError: It is not there, or a folder on the way cannot be looked at.
    """
    place = path.resolve()
    modes = [above.stat().st_mode for above in place.parents]
    mode = place.stat().st_mode
    entering = stat.S_IXOTH if stat.S_ISDIR(mode) else 0
    if mode & (_OTHERS | entering) and all(above & stat.S_IXOTH for above in modes):
        return "everybody"
    entering = stat.S_IXGRP if stat.S_ISDIR(mode) else 0
    if mode & (_GROUP | entering) and all(above & (stat.S_IXGRP | stat.S_IXOTH) for above in modes):
        return "its group"
    return None
