"""The finance sandbox that `make run` starts in a home: the home keeps its port, and the secret that both ends share.

So each command in that home uses the same address as the deployment, whether or not the sandbox runs. The home keeps the port
only, for such a sandbox is always on this machine: no file in a home can send invoices elsewhere.
"""

import contextlib
import secrets
import shlex
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from arcadia_dagster.loopback import FINANCE_PORT
from arcadia_dagster.plain_file import write_whole

HOST: Final = "127.0.0.1"
SANDBOX_FOLDER: Final = "sandbox"
"""The folder of a home in which `make run` makes another, with a sandbox, as long as no finance service is configured."""

SECRET_FILE: Final = "finance-secret"  # noqa: S105 - the file's name
"""The file of a home with the secret of its sandbox."""

_PORT_FILE: Final = "finance-port"
_OWNER_ONLY: Final = 0o600
_CONNECT_SECONDS: Final = 2.0
_MOST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class HomeSandbox:
    """The sandbox of a home.

    Attributes:
        home: The home.
        port: The TCP port on the loopback address where it is, or will be.
        secret: The secret that tokens are signed with.
    """

    home: Path
    port: int
    secret: str = field(repr=False)

    @classmethod
    def of(cls, home: Path) -> Self | None:
        """The sandbox of the home, where it was last; None where none was ever planned in it.

        Raises:
            OSError: A file of the home cannot be read.
        """
        secret, port = _kept(home / SECRET_FILE), _kept(home / _PORT_FILE)
        is_port = port.isdecimal() and 0 < int(port) <= _MOST_PORT
        return cls(home, int(port) if is_port else FINANCE_PORT, secret) if secret else None

    @classmethod
    def planned(cls, home: Path, port: int | None = None) -> Self:
        """A sandbox to start in the home: at this port, or where it was last, else at the usual one.

        The secret is made once, so that tokens stay valid over restarts; its owner alone may read it.

        Raises:
            OSError: A file of the home cannot be read or written.
        """
        file = home / SECRET_FILE
        before = cls.of(home)
        if before is None:
            home.mkdir(parents=True, exist_ok=True)
            before = cls(home, FINANCE_PORT, secrets.token_urlsafe(64))
            write_whole(file, before.secret, mode=_OWNER_ONLY)
        file.chmod(0o600)  # also where the home was copied, or unpacked
        return replace(before, port=port or before.port)

    @property
    def url(self) -> str:
        """Its base URL: the name of the target that records are kept under."""
        return f"http://{HOST}:{self.port}"

    @property
    def advice(self) -> str:
        """What to type where it is not running."""
        home = f"ARCADIA_HOME={shlex.quote(str(self.home))}"
        return f"start it in another terminal with `{home} arcadia finance-sandbox`, or everything with `{home} arcadia up`"

    def is_running(self) -> bool:
        """Whether anything listens where it is."""
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=_CONNECT_SECONDS):
            return True
        return False

    def remember(self) -> None:
        """Keep the port in the home.

        Raises:
            OSError: It cannot be written.
        """
        write_whole(self.home / _PORT_FILE, str(self.port), mode=_OWNER_ONLY)


def _kept(file: Path) -> str:
    """What the file has; nothing where it is missing, or is no file of ours."""
    try:
        return file.read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return ""
