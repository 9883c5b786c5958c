"""A real HTTP server on this machine that does, request by request, what a script says.

    with ScriptedServer(answer(503), hang_up, imported()) as server:
        ...  # talk to server.url
    assert len(server.requests) == 3

A step is a function of the connection's handler and the request it has read; it returns whether the connection stays
open. The last step is repeated. A service that is broken in some way is a step that breaks in that way, so the
client under test meets real sockets and no imitation of them.
"""

import json
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from typing import Any, Self, cast


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    port: int  # the client's: requests over one connection have the same

    @property
    def token(self) -> str:
        return self.headers["authorization"].removeprefix("Bearer ")

    def json(self) -> Any:
        return json.loads(self.body)


class _Handler(socketserver.StreamRequestHandler):
    server: "ScriptedServer"

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client may leave at any moment, and on purpose
            while request := self._next_request():
                if not self.server.next_step(request)(self, request):
                    return

    def send(self, content: bytes) -> None:
        self.wfile.write(content)
        self.wfile.flush()

    def pause(self, seconds: float | None = None) -> bool:
        """Wait; whether the server is still running afterwards."""
        return not self.server.stopping.wait(seconds)

    def _next_request(self) -> Request | None:
        # The beginning of a TLS handshake, for which there is no certificate here.
        if cast("BufferedReader", self.rfile).peek(1)[:1] == b"\x16":
            return Request("TLS", "", {}, b"", self.client_address[1])
        method, _, rest = self.rfile.readline().decode("latin-1").partition(" ")
        headers = {}
        while line := self.rfile.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if not rest:
            return None
        body = self.rfile.read(int(headers.get("content-length", "0")))
        return Request(method, rest.split(" ")[0], headers, body, self.client_address[1])


Step = Callable[[_Handler, Request], bool]


class ScriptedServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = False

    def __init__(self, *script: Step) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self._script = script
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        for connection in self._connections:
            with suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()  # waits for the handlers

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def next_step(self, request: Request) -> Step:
        with self._lock:
            self.requests.append(request)
            return self._script[min(len(self.requests), len(self._script)) - 1]


def head(status: int, **headers: object) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(status: int, body: bytes | object = b"", *, then_close: bool = False, **headers: object) -> Step:
    """Answer; anything but bytes becomes JSON. `then_close` closes the connection without having announced it."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def step(handler: _Handler, request: Request) -> bool:
        handler.send(head(status, Content_Length=len(content), **headers) + content)
        return not then_close

    return step


def imported(invoice_id: object = "inv-1", action: object = "created", vendor_id: object = "ven-1") -> Step:
    return answer(200, {"vendor_id": vendor_id, "invoice_id": invoice_id, "action": action})


def raw(*pieces: bytes, pause: float = 0.0) -> Step:
    """Send exactly these bytes, with pauses of so many seconds between them, and close."""

    def step(handler: _Handler, request: Request) -> bool:
        for piece in pieces:
            handler.send(piece)
            if pause and not handler.pause(pause):
                break
        return False

    return step


@dataclass
class Endless:
    """Send a beginning, then the same piece for ever or so many times; counts the pieces that were taken."""

    beginning: bytes
    piece: bytes
    pause: float = 0.0
    times: int | None = None
    sent: int = field(default=0, init=False)

    def __call__(self, handler: _Handler, _request: Request) -> bool:
        handler.send(self.beginning)
        while self.sent != self.times and handler.pause(self.pause):
            handler.send(self.piece)
            self.sent += 1
        return False


def hang_up(handler: _Handler, request: Request) -> bool:
    """Close the connection in order, without an answer."""
    return False


def reset(handler: _Handler, request: Request) -> bool:
    """Drop the connection, as a crashed process or a firewall does."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def say_nothing(handler: _Handler, request: Request) -> bool:
    """Take the request and stay silent."""
    handler.pause()
    return False
