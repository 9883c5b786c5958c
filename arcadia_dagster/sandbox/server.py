"""Serving the sandbox: until Ctrl-C for a person, in a background thread for tests and the demo."""

import contextlib
import errno
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from arcadia_dagster.sandbox.app import create_app
from arcadia_dagster.sandbox.errors import SandboxStartError
from arcadia_dagster.sandbox.store import InvoiceRow, Store
from arcadia_dagster.serving.guard import Guard, Names

DEFAULT_HOST = "127.0.0.1"

_START_SECONDS = 10.0
# How long requests under way may take to end once the sandbox stops. They take milliseconds, or hang.
_GRACE_SECONDS = 1


def serve(
    *,
    host: str = DEFAULT_HOST,
    port: int,
    database: Path,
    secret: str,
    issuer: str | None = None,
    hosts: Iterable[str] = (),
    on_accepting: Callable[[int], None] = lambda port: None,  # noqa: ARG005
) -> None:
    """Run the sandbox until Ctrl-C or a termination signal; prints one line once it accepts requests.

    Args:
        host: The address or name to listen on. Reading needs no token: beyond loopback, others see the rows.
        port: The TCP port, or 0 for any free one.
        database: The SQLite file that keeps the rows; made, with its folder, where missing.
        secret: The secret shared with the client.
        issuer: The only token issuer (`iss`) to accept, or None to accept any.
        hosts: Further names that it may be asked for by, besides `host` and those of loopback.
        on_accepting: Is called with the port once requests are accepted.

    Raises:
        SandboxStartError: The secret or the database is unusable, or the port cannot be had.
    """
    app = _guarded(create_app(database, secret, issuer), host, hosts)
    with _listen(host, port) as listener:
        line = f"Finance sandbox: {_url(listener)} (rows in {database}, Ctrl-C stops it)"
        if not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
            line += "; other machines can reach it and read its rows without a token"

        def accepting() -> None:
            on_accepting(listener.getsockname()[1])
            print(line, flush=True)  # noqa: T201

        server = _Server(app, on_accepting=accepting)
        # uvicorn ends in good order on a signal and then raises it again for its caller, who is done here.
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


class RunningSandbox:
    """A context manager: the sandbox in a background thread, on a free loopback port.

    On entry it returns once requests are accepted; on exit once the server has stopped and its thread has ended. The
    database stays, so that a second one can go on with it. One object can be entered once at a time.

    Attributes:
        database: The SQLite file that keeps the rows.

        with RunningSandbox(database=folder / "finance.sqlite", secret=secret) as sandbox:
            push(sandbox.url)
            assert len(sandbox.invoices()) == 1
    """

    def __init__(self, *, database: Path, secret: str, issuer: str | None = None, port: int = 0) -> None:
        """Check the arguments, which are those of `serve`; nothing listens yet.

        Raises:
            SandboxStartError: The secret or the database is unusable.
        """
        self._app = _guarded(create_app(database, secret, issuer), DEFAULT_HOST)
        self.database = database
        self._store = Store(database)
        self._port = port
        self._url: str | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The base URL, as `http://127.0.0.1:49152`, without a slash at its end.

        Raises:
            RuntimeError: It has not been started.
        """
        if self._url is None:
            message = "the sandbox has not been started: enter it with `with`"
            raise RuntimeError(message)
        return self._url

    def invoices(self) -> list[InvoiceRow]:
        """Every row that finance has, newest period first; also after the sandbox has stopped."""
        return self._store.invoices()

    def __enter__(self) -> Self:
        accepting = threading.Event()
        listener = _listen(DEFAULT_HOST, self._port)
        self._url = _url(listener)
        self._server = _Server(self._app, on_accepting=accepting.set)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="finance-sandbox", daemon=True
        )
        self._thread.start()
        if not accepting.wait(_START_SECONDS):
            self._stop()
            listener.close()
            message = f"the sandbox did not accept requests within {_START_SECONDS:g} s"
            raise SandboxStartError(message)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()


class _Server(uvicorn.Server):
    """uvicorn, silent but for warnings, that tells when it accepts requests."""

    def __init__(self, app: ASGIApp, on_accepting: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                # Named, not found out: the same behaviour whichever speed-ups happen to be installed.
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        self._on_accepting = on_accepting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_accepting()


def _guarded(app: ASGIApp, host: str, hosts: Iterable[str] = ()) -> Guard:
    return Guard(app, Names.of(host, hosts=hosts))


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, bound before the server starts, so that a port in use is one clear line.

    Raises:
        SandboxStartError: The port is in use or not allowed, or the host is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio switches Nagle's algorithm off only where it sees TCP in the socket, and
    # `socket.create_server` leaves it unsaid: measured, 44 ms for every request instead of 2 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A restart may have the port at once, as the last connections' TIME_WAIT belongs to nobody.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            message = f"port {port} on {host} is in use: stop what runs there, or choose another port"
        else:
            message = f"cannot listen on {host} port {port}: {error}"
        raise SandboxStartError(message) from error
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
