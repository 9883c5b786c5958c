"""Opening files that somebody else may have put there: plain ones only."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


class NotPlainError(OSError):
    """What lies there is no plain file: a folder, a pipe, a device."""

    def __init__(self) -> None:
        """Its `strerror` is a part of a sentence, as that of the kernel is."""
        super().__init__(errno.EINVAL, "it is no plain file")


def open_plain(path: Path, *, follows_links: bool = True) -> BinaryIO:
    """A plain file, open for reading. Opening never waits for the other end of a pipe.

    Args:
        path: The file.
        follows_links: Whether it may be a link to a plain file.

    Raises:
        NotPlainError: It is no plain file.
        OSError: It is not there or cannot be read; ELOOP where it is a link that is not followed, or leads to itself.
    """
    link = 0 if follows_links else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | link)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotPlainError
    return os.fdopen(descriptor, "rb")
