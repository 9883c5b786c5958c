"""Plain files: only these are opened where somebody else may have put something; and small ones are written whole."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


class NotPlainError(OSError):
    """What lies there is no plain file: a folder, a pipe, a device."""

    def __init__(self) -> None:
        """Its `strerror` is a part of a sentence, as that of the kernel is."""
        super().__init__(errno.EINVAL, "it is no plain file")


def open_plain(path: Path, *, follows_links: bool = True) -> BufferedReader:
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


def write_whole(file: Path, text: str, *, mode: int = 0o666) -> None:
    """Write a small file, all of it or nothing, whoever reads or writes it meanwhile.

    Args:
        file: The file; its folder exists.
        text: What it has then, as UTF-8.
        mode: Who may do what with it, as far as the umask lets them.

    Raises:
        OSError: It cannot be written.
    """
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as opened:
            opened.write(text)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        # Under the name of the file that is wanted.
        raise OSError(error.errno, error.strerror, str(file)) from error
