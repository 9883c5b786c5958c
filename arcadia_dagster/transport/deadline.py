"""One request with a deadline for all of it, from connecting to the last byte of the answer.

httpx has time-outs for each read, so a server that sends a byte now and then holds a request for ever. The deadline
for a whole request is kept below httpx, where the socket is read, so that it holds for headers and body alike.
"""

import logging
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import httpcore
import httpx

# At DEBUG it logs the headers of every answer, in which a server may repeat our token.
logging.getLogger("httpcore.http11").setLevel(logging.INFO)

EXCHANGE_FAILED: Final = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
"""What is raised when the network or the other side fails."""

Breakage: TypeAlias = Literal["unresolved", "no TLS", "too slow", "no HTTP", "dropped"]
"""How a request without a complete answer failed."""


def authorities() -> ssl.SSLContext:
    """Whose certificates to trust: certifi's list, or what SSL_CERT_FILE or SSL_CERT_DIR name.

    Raises:
        ValueError: They name no certificates.
    """
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # which does not name the file
        message = f"SSL_CERT_FILE or SSL_CERT_DIR names no readable certificates: {error}"
        raise ValueError(message) from error


@contextmanager
def exchange(deadline: float) -> Iterator["Exchange"]:
    """Give the request within the block so many seconds in all, from connecting to the last byte."""
    begun = Exchange(expires=time.monotonic() + deadline)
    running = _EXCHANGE.set(begun)
    try:
        yield begun
    finally:
        _EXCHANGE.reset(running)


def breakage(error: Exception, begun: "Exchange") -> tuple[Breakage, str]:
    """Tell a failure that may pass (`too slow`, `dropped`) from one that will not, with the words of its cause.

    Args:
        error: One of EXCHANGE_FAILED.
        begun: The exchange in which it was raised.
    """
    # httpcore drops the chain of causes, but keeps what it caught as its error's argument.
    cause = error.args[0] if error.args else error
    kind: Breakage = "dropped"
    # A resolver that is away for a while says nothing about the name.
    if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
        kind = "unresolved"
    # An end of the stream in the middle of the handshake is a dropped connection, not a disagreement about TLS.
    elif isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        kind = "no TLS"
    elif isinstance(error, httpcore.TimeoutException):
        kind = "too slow"
    elif begun.garbled(error):
        kind = "no HTTP"
    return kind, str(cause)


def beginning_of(response: httpx.Response, exchange: "Exchange", most: int) -> bytes:
    """Read an answer up to its limit, and cut off the rest.

    A status other than 2xx says enough by itself: if the connection breaks after it, the words that came are enough.
    """
    content = bytearray()
    try:
        for part in response.iter_raw():
            content += part
            if len(content) > most:
                break
    except EXCHANGE_FAILED as error:
        if response.is_success and not exchange.garbled(error):
            raise
    return bytes(content)


@dataclass(slots=True)
class Exchange:
    """One request under way.

    Attributes:
        expires: When it must be over, on the monotonic clock.
        ended: Whether the other side has closed the connection, which tells a dropped answer from a malformed one.
    """

    expires: float
    ended: bool = False

    def expired(self) -> bool:
        """Whether its time is over."""
        return time.monotonic() >= self.expires

    def garbled(self, error: Exception) -> bool:
        """Whether the other side said what is not HTTP, rather than too little of it."""
        return isinstance(error, httpcore.ProtocolError) and not self.ended

    def limit(self, timeout: float | None) -> float:
        """Cap the time-out of one step by what is left of the request."""
        left = self.expires - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left if timeout is None else min(timeout, left)


# httpcore reads a connection in the thread that uses it, but does not tell it for which request.
_EXCHANGE: ContextVar[Exchange] = ContextVar("exchange")


class _DeadlineStream(httpcore.NetworkStream):
    """A connection with the deadline of the request that uses it, for every step."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        exchange = _EXCHANGE.get()
        data = self._stream.read(max_bytes, exchange.limit(timeout))
        exchange.ended = not data
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _EXCHANGE.get().limit(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        # Python limits a handshake as a whole, and an early error here would leave the connection open.
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


class _DeadlineBackend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        limit = _EXCHANGE.get().limit(timeout)
        return _DeadlineStream(super().connect_tcp(host, port, limit, local_address, socket_options))


class _Answer(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class DeadlineTransport(httpx.BaseTransport):
    """httpx's own transport, but over connections with a deadline, for which httpx has no option."""

    def __init__(self, ssl_context: ssl.SSLContext | None) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context,
            max_connections=None,  # as many as there are threads
            keepalive_expiry=5.0,
            network_backend=_DeadlineBackend(),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; the answer's body is read as it is used."""
        url = request.url
        response = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Answer(response),
            extensions=response.extensions,
        )

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()
