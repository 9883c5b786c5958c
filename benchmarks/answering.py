"""A finance service that answers at once, in a process of its own: it keeps the bodies in memory and looks at them when asked.

What it takes itself is told beside the row that it is for, by a loop that does nothing but write to sockets and read from them.
"""

import asyncio
import hashlib
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from benchmarks.measure import BenchmarkError

_HOST = "127.0.0.1"
_SUMS = "/sums"
_ROOT = Path(__file__).resolve().parents[1]
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_END = b"\r\n\r\n"
_ANSWER_BYTES = 4096


@contextmanager
def answering() -> Iterator[str]:
    """The service, running: its URL."""
    command = [sys.executable, "-m", "benchmarks.answering"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        try:
            url = process.stdout.readline().strip() if process.stdout else ""
            if not url:
                raise BenchmarkError("the service that answers at once did not start")
            yield url
        finally:
            process.terminate()


def received(url: str) -> dict[str, Any]:
    """How many invoices it was sent, how often, what they come to in minor units, and a hash of all bodies, in any order."""
    with urlopen(url + _SUMS) as answer:  # noqa: S310 - our own server
        found: dict[str, Any] = json.load(answer)
    return found


def raw_rate(url: str, path: str, body: bytes, *, connections: int, seconds: float) -> float:
    """Requests a second by a loop over sockets that neither makes requests nor reads answers."""
    place = urlsplit(url)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    request = head.encode() + _END + body
    done = 0
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_connection((place.hostname, place.port))) for _ in range(connections)
        ]
        for one in sockets:
            one.sendall(request)
        started = time.perf_counter()
        while time.perf_counter() < started + seconds:
            for one in sockets:
                if not one.recv(_ANSWER_BYTES).endswith(b"}"):
                    raise BenchmarkError("the service that answers at once sent half an answer")
                one.sendall(request)
                done += 1
        took = time.perf_counter() - started
    return done / took


class _Connection(asyncio.Protocol):
    """One connection, with requests one after the other."""

    def __init__(self, bodies: list[bytes]) -> None:
        self._bodies = bodies
        self._arrived = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        while (end := self._arrived.find(_END)) >= 0:
            length = _LENGTH.search(self._arrived, 0, end + 2)
            whole = end + len(_END) + (int(length[1]) if length else 0)
            if len(self._arrived) < whole:
                return
            head, body = bytes(self._arrived[:end]), bytes(self._arrived[end + len(_END) : whole])
            del self._arrived[:whole]
            if head.startswith(f"GET {_SUMS} ".encode()):
                self._answer(b"200 OK", json.dumps(_sums(self._bodies)).encode())
            else:
                self._bodies.append(body)
                self._answer(
                    b"201 Created", b'{"invoice_id":"%d","vendor_id":"1","action":"created"}' % len(self._bodies)
                )

    def _answer(self, status: bytes, body: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
        )


def _sums(bodies: list[bytes]) -> dict[str, Any]:
    by_id = {(one["source"], one["external_id"]): one["amount_gross_minor"] for one in map(json.loads, bodies)}
    digest = hashlib.sha256(b"\n".join(sorted(bodies))).hexdigest()
    return {"invoices": len(by_id), "gross_minor": sum(by_id.values()), "received": len(bodies), "bodies": digest}


async def _serve() -> None:
    bodies: list[bytes] = []
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(bodies), _HOST, 0)
    print(f"http://{_HOST}:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
