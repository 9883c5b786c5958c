"""How many threads DuckDB uses: one for what is small, all for what is not.

Handing work to threads costs more than it saves where there is little: of an invoice of 33 lines, from file to totals, one thread
takes two thirds of the time of two, and half of the processor's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

SMALL_BYTES: Final = 16 << 20
"""Up to this size, a database file or the text of a statement's rows is small."""


def use_threads_for(connection: duckdb.DuckDBPyConnection, byte_size: int | None) -> None:
    """Have the connection's engine use as many threads as work of this size (None: unknown) is worth."""
    connection.execute("SET threads = 1" if byte_size is not None and byte_size <= SMALL_BYTES else "RESET threads")


@contextmanager
def one_thread(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Within the block, the connection's engine uses one thread, whatever the size of the work; then as many as before."""
    [(threads,)] = connection.execute("SELECT current_setting('threads')").fetchall()
    connection.execute("SET threads = 1")
    try:
        yield
    finally:
        connection.execute(f"SET threads = {threads}")
