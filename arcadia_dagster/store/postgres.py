"""A session with the lake's Postgres whose every wait is bounded, and the advisory locks that writers take in it.

A lock belongs to its session: Postgres frees it when the session ends, however its process ends. Where the machine is gone
with it, the server notices by keepalives that it is told to send.
"""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from select import select
from typing import Any

import psycopg2
from psycopg2 import errors, extensions

from arcadia_dagster.store.errors import WarehouseError
from arcadia_dagster.store.lock import LockTimeoutError
from arcadia_dagster.store.storage import AssertHeld

CONNECT_SECONDS = 10
_ANSWER_SECONDS = 30.0

# An application's name may have 63 bytes.
_MOST_NAME = 63

# A session whose machine is gone is ended after 25 s, and one that waits for a lock in vain leaves the queue after five.
_SESSION = """
SELECT set_config('application_name', %s, false), set_config('lock_timeout', %s, false),
  set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
  set_config('tcp_keepalives_count', '3', false), set_config('client_connection_check_interval', '5s', false),
  set_config('idle_session_timeout', '0', false)
"""

_HOLDERS = """
SELECT activity.application_name, coalesce(host(activity.client_addr), 'the same machine as Postgres')
FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND ((held.classid::bigint << 32) | held.objid::bigint) = %s
"""


class Session:
    """A session with Postgres, for one thread.

    Its socket is waited for with a time limit here, not in the client library: Ctrl-C comes through, and a server that does
    not answer is not waited for longer than a statement may take.
    """

    def __init__(self, dsn: str, *, lock_seconds: float = 1.0) -> None:
        """Connect.

        Args:
            dsn: Where Postgres is.
            lock_seconds: How long a statement may wait for a lock.

        Raises:
            psycopg2.OperationalError: Postgres cannot be reached, or does not let us in.
        """
        self._connection = psycopg2.connect(dsn, async_=True)
        try:
            self._wait(CONNECT_SECONDS)
            name = f"arcadia process {os.getpid()} on {socket.gethostname()}"
            # Zero would stand for no limit.
            milliseconds = max(1, int(lock_seconds * 1000))
            self.query(_SESSION, [name[:_MOST_NAME], f"{milliseconds}ms"])
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the session, and with it whatever it has locked."""
        self._connection.close()

    def query(self, statement: str, parameters: Sequence[Any] = (), *, seconds: float = _ANSWER_SECONDS) -> list[Any]:
        """The rows that a statement answers with.

        Raises:
            psycopg2.Error: It failed, or took longer than so many seconds.
        """
        cursor = self._connection.cursor()
        cursor.execute(statement, parameters)
        self._wait(seconds)
        return cursor.fetchall() if cursor.description else []

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (state := self._connection.poll()) != extensions.POLL_OK:
            descriptor = [self._connection.fileno()]
            reading = descriptor if state == extensions.POLL_READ else []
            writing = descriptor if state == extensions.POLL_WRITE else []
            if not any(select(reading, writing, [], max(0.0, deadline - time.monotonic()))):
                raise psycopg2.OperationalError(f"Postgres did not answer within {seconds:g} s")


@contextmanager
def session(dsn: str, name: str, *, lock_seconds: float = 1.0) -> Iterator[Session]:
    """A session that ends with the block.

    Raises:
        WarehouseError: Postgres cannot be reached; the message says so of the warehouse with this name.
    """
    try:
        opened = Session(dsn, lock_seconds=lock_seconds)
    except psycopg2.Error as error:
        raise unreachable(name, error) from error
    try:
        yield opened
    finally:
        opened.close()


def unreachable(name: str, error: Exception) -> WarehouseError:
    """What to tell a person whom Postgres does not answer."""
    return WarehouseError(
        f"{name}: Postgres does not answer ({' '.join(str(error).split())}); see that it runs and lets this user in, "
        "then run again"
    )


@contextmanager
def hold_advisory(dsn: str, name: str, what: str, *, timeout: float, advice: str) -> Iterator[AssertHeld]:
    """Hold a lock in Postgres, alone, among all machines. Waiting is in turn.

    Args:
        dsn: Where Postgres is; the lock counts within its database.
        name: What messages call the warehouse.
        what: What is locked.
        timeout: Seconds to wait at most.
        advice: What the message says to do when they are over.

    Raises:
        LockTimeoutError: Another session held it for longer.
        WarehouseError: Postgres cannot be reached.
    """
    key = int.from_bytes(sha256(f"arcadia {what}".encode()).digest()[:8], signed=True)
    with session(dsn, name, lock_seconds=timeout) as own:
        try:
            own.query("SELECT pg_advisory_lock(%s)", [key], seconds=timeout + _ANSWER_SECONDS)
        except errors.LockNotAvailable as error:
            holders = ", ".join(f"{who} ({where})" for who, where in own.query(_HOLDERS, [key]))
            raise LockTimeoutError(
                f"{name}: the lock `{what}` was held for more than {timeout:g} s by {holders or 'another process'}; {advice}"
            ) from error
        except psycopg2.Error as error:
            raise unreachable(name, error) from error

        def assert_held() -> None:
            """A session that answers still has its lock."""
            try:
                own.query("SELECT 1")
            except psycopg2.Error as error:
                raise WarehouseError(
                    f"{name}: the session with Postgres that held the lock `{what}` has ended "
                    f"({' '.join(str(error).split())}); nothing was written: run again"
                ) from error

        yield assert_held
