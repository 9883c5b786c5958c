"""A server that lists a bucket of very many objects, as S3 does; moto takes a second for each page of such a bucket."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

_PAGE = 1_000


def _page(objects: int, query: str) -> bytes:
    asked = parse_qs(query)
    first = int(asked.get("continuation-token", ["0"])[0])
    if "start-after" in asked and "continuation-token" not in asked:
        first = int(asked["start-after"][0].rpartition("/")[2].partition(".")[0]) + 1
    last = min(first + _PAGE, objects)
    entries = "".join(
        f"<Contents><Key>exports/{number // 1000:05}/{number:08}.csv</Key><LastModified>2026-05-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{number:032x}&quot;</ETag><Size>{1000 + number}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for number in range(first, last)
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>bucket</Name><KeyCount>{last - first}</KeyCount>{entries}"
        f"{more if last < objects else '<IsTruncated>false</IsTruncated>'}</ListBucketResult>"
    ).encode()


@contextmanager
def listing_of(objects: int) -> Iterator[str]:
    """The address of a server, in a process of its own, with one bucket of so many objects, until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "arcadia_dagster_tests.kit.bucket_listing", str(objects)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def _serve(objects: int) -> None:
    pages: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            query = urlsplit(self.path).query
            body = pages.get(query)
            if body is None:
                body = pages[query] = _page(objects, query)
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201 - whoever started it reads this
    server.serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
