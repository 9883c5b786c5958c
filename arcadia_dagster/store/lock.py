"""An advisory file lock with a bounded wait that can say who holds it.

`flock` belongs to an open file, not to a name or a process: it also keeps threads of one process apart, and the kernel
frees it when its holder dies, however it dies.
"""

import fcntl
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ADVICE = "wait for it to end or raise ARCADIA_LOCK_TIMEOUT"


NO_LOCKS = (
    "its file system keeps no two processes apart: put it on a local disk, or on a network disk that has locks (NFSv4)"
)


_LETS_GO_FIRST: Final = 2.0
"""Seconds for which who shares a lock stands behind somebody who waits to have it alone."""


class LockTimeoutError(TimeoutError):
    """The lock could not be had in the time allowed. The message names the lock and, where known, its holder."""


@contextmanager
def hold(
    path: Path,
    *,
    timeout: float,
    shared: bool = False,
    advice: str = ADVICE,
    turn: Path | None = None,
) -> Iterator[None]:
    """Hold the lock on `path` (made where missing), alone or with other `shared` holders.

    Without a turn, the kernel gives a shared lock at once while others share it, also where somebody waits to have it alone.
    Beside three processes that read in a loop, a writer waited for as long as they read (2026-11-29).

    Args:
        path: The lock's own file. It is never deleted: deleting a lock file is how two holders come to be.
        timeout: Seconds to wait at most.
        shared: Whether others may hold it shared at the same time.
        advice: What the message says to do; to be given where the time-out is not that setting's.
        turn: Another file, whose lock is held while this one is waited for: who comes first has it first. It only orders: who
            shares waits for it for two seconds at most, so that a holder may share the lock once more.

    Raises:
        LockTimeoutError: Somebody else held it for longer than `timeout`.
        OSError: The lock file cannot be made or opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + timeout
    has_turn = (
        None if turn is None else _taken(turn, fcntl.LOCK_EX, min(timeout, _LETS_GO_FIRST) if shared else timeout)
    )
    try:
        descriptor = _taken(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, max(0.0, until - time.monotonic()))
    finally:
        if has_turn is not None:
            _release(has_turn)
    if descriptor is None:
        raise LockTimeoutError(
            f"{path} was locked for more than {timeout:g} s by {_holders(path) or 'another process'}; {advice}"
        )
    try:
        yield
    finally:
        _release(descriptor)


_TRY = """
import fcntl, sys
try:
    fcntl.flock(sys.stdin, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit(1)
"""


def keeps_apart(folder: Path) -> bool:
    """Whether a lock in a folder keeps another process out: some file systems take every lock, and some none.

    Raises:
        OSError: It cannot be written.
    """
    with tempfile.NamedTemporaryFile(prefix=".lock-", dir=folder) as probe, Path(probe.name).open("rb") as other:
        try:
            fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        # Another process: over a network, the locks of one process may be one.
        tried = subprocess.run([sys.executable, "-I", "-S", "-c", _TRY], stdin=other, check=False)  # noqa: S603 - the text above
        return tried.returncode == 1


def _taken(path: Path, operation: int, timeout: float) -> int | None:
    """The descriptor that has the lock on a file; None where the time was over."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except IsADirectoryError as error:
        raise IsADirectoryError(error.errno, f"{error.strerror}, and a lock is a file: remove it", str(path)) from error
    try:
        is_acquired = _acquire(descriptor, operation, timeout)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: {NO_LOCKS}", str(path)) from error
    # Where it is not, the waiting thread owns the descriptor now and closes it when it wakes.
    return descriptor if is_acquired else None


def _acquire(descriptor: int, operation: int, timeout: float) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return _acquire_in_turn(descriptor, operation, timeout)
    except BaseException:
        os.close(descriptor)
        raise
    return True


def _acquire_in_turn(descriptor: int, operation: int, timeout: float) -> bool:
    """Wait in the kernel's queue, which is fair, where polling is not. Only a thread can do that with a time limit."""
    decision = threading.Lock()
    acquired = threading.Event()
    abandoned = False

    def wait() -> None:
        fcntl.flock(descriptor, operation)
        with decision:
            if abandoned:
                _release(descriptor)
            else:
                acquired.set()

    threading.Thread(target=wait, name="arcadia-lock", daemon=True).start()
    is_interrupted = True
    try:
        acquired.wait(timeout)
        is_interrupted = False
    finally:
        # Also on Ctrl-C: a thread that gets the lock after everybody has gone must let it go.
        with decision:
            abandoned = not acquired.is_set()
            if is_interrupted and not abandoned:
                _release(descriptor)
    return not abandoned


def _release(descriptor: int) -> None:
    # Unlocked, not only closed: a process that was forked meanwhile has the descriptor too, and the lock with it.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _holders(path: Path) -> str:
    """Who holds the lock, as `process 4711 (arcadia ingest)`, read from the kernel's table; empty where it has none."""
    try:
        status = path.stat()
        table = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return ""
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    holders = {
        int(fields[4])
        for fields in (line.split() for line in table.splitlines())
        if len(fields) >= 6 and fields[1] == "FLOCK" and fields[5] == wanted and int(fields[4]) > 0  # noqa: PLR2004
    }
    return ", ".join(_name(process) for process in sorted(holders))


def _name(process: int) -> str:
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return f"process {process}"
    return f"process {process} ({' '.join(words).strip()[:120]})"
