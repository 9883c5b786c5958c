"""Who runs a command, as the operating system knows it: that name goes on record with what the person decides."""

import os
import pwd
from pathlib import Path
from typing import Final

_LOGIN: Final = Path("/proc/self/loginuid")
_NOBODY: Final = 2**32 - 1
"""What Linux has there where nobody has logged in, as in a container or a service."""


def person(login: Path = _LOGIN) -> str:
    """The name of the account that the person has logged in with, else of the account that the command runs as.

    Linux keeps the first of the two through `sudo` and `su`, so that persons who work as one service account are told apart.
    Variables such as `LOGNAME` do not count, for everybody can set them to another person's name.

    Args:
        login: Where Linux has the id of the account of the login.
    """
    try:
        account = int(login.read_text(encoding="ascii"))
    except (OSError, ValueError):
        account = _NOBODY
    return _name(os.getuid() if account == _NOBODY else account)


def _name(account: int) -> str:
    try:
        return pwd.getpwuid(account).pw_name
    except KeyError:
        # A container may run as an account that has no name there.
        return f"uid {account}"
