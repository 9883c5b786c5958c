"""Ending what `arcadia up` has started where it was killed itself, and can end nothing any more.

A process that gets SIGKILL, as from a machine that is out of memory, runs no further line. So a small process of its own reads a
pipe whose other end only the launcher has. The kernel closes that end however the launcher dies, on any system. What belongs to
the session of a process ends with it: code servers and runs.

The file is also a program, `python keeper.py`, and imports nothing of the package: it lives as long as the deployment.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import IO, Final

_STOPPED: Final = "stopped"
_GRACE_SECONDS: Final = 15.0
_LOOK_SECONDS: Final = 0.1


class Keeper:
    """Knows the processes that must not outlive this one."""

    def __init__(self) -> None:
        """Nothing is started yet."""
        self._process: subprocess.Popen[str] | None = None
        self._sessions: list[int] = []

    def start(self) -> None:
        """Start the process that watches this one; again where it has ended, as a machine that is out of memory may end it.

        Raises:
            OSError: It cannot be started.
        """
        if self._process is not None:
            if self._process.poll() is None:
                return
            with contextlib.suppress(OSError):
                self._input.close()
        self._process = subprocess.Popen(  # noqa: S603 - this file
            [sys.executable, "-I", "-S", __file__],
            # It needs no setting, and has no secret.
            env={},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            # Ctrl-C in a terminal reaches the launcher, which stops all in order.
            start_new_session=True,
        )
        for session in self._sessions:
            self._tell(str(session))

    def add(self, session: int) -> None:
        """Keep in mind a process that leads a session of its own."""
        self._sessions.append(session)
        self._tell(str(session))

    def stop(self) -> None:
        """All have ended, or were ended, in order."""
        if self._process is not None:
            self._tell(_STOPPED)
            with contextlib.suppress(OSError):
                self._input.close()
            self._process.wait()
            self._process = None

    def _tell(self, word: str) -> None:
        # Somebody may have ended it: the deployment goes on without it.
        with contextlib.suppress(OSError):
            self._input.write(f"{word}\n")
            self._input.flush()

    @property
    def _input(self) -> IO[str]:
        if self._process is None or self._process.stdin is None:
            raise OSError("the keeper was not started")
        return self._process.stdin


def keep(words: Iterable[str]) -> None:
    """Read what the launcher says until it is gone; end the sessions that it has named unless it has stopped in order."""
    sessions: list[int] = []
    for word in words:
        if word.strip() == _STOPPED:
            return
        sessions.append(int(word))
    end(sessions)


def end(sessions: Iterable[int]) -> None:
    """Ask all processes of the sessions to end, the last named first; then kill those that remain."""
    left = [session for session in reversed([*sessions]) if _signal(session, signal.SIGTERM)]
    deadline = time.monotonic() + _GRACE_SECONDS
    while (left := [session for session in left if _signal(session, 0)]) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    for session in left:
        _signal(session, signal.SIGKILL)


def _signal(session: int, number: int) -> bool:
    try:
        os.killpg(session, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    keep(sys.stdin)
