"""The folder of the statements over HTTP, behind the guard: `python -m arcadia_dagster.serving.statements FOLDER --port 3001`.

It gives out plain files that lie in the folder, and nothing else: no list of a folder, no name that begins with a point, such as
a lock or a page that is being written, and nothing outside that a link leads to.

The documents that pages link to lie in a folder below it, see `statement.shown`. They are others' files. So each is served
only under its own SHA-256, with or without the ending, as PDF or as plain text, and a browser runs nothing that it has in it.
"""

import argparse
import functools
import io
import json
import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from arcadia_dagster import settings
from arcadia_dagster.serving.guard import FORBIDDEN, Names

HOST = "127.0.0.1"


DOCUMENTS = "documents"
_DOCUMENT = re.compile(r"/documents/(?P<sha256>[0-9a-f]{64})(?P<ending>\.pdf|\.txt)?", re.ASCII)
_NO_PAGE = (
    b"No statement has been made yet. The first one is made when an invoice has been read: see `arcadia status`.\n"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; base-uri 'none'"
_TYPES = {".pdf": "application/pdf", ".txt": "text/plain; charset=utf-8"}


class _Handler(SimpleHTTPRequestHandler):
    """Files to those who may ask."""

    _document: Path | None = None

    def __init__(self, *arguments: Any, names: Names, logs_json: bool, **options: Any) -> None:  # noqa: ANN401 - the base class's own
        self._names, self._logs_json = names, logs_json
        super().__init__(*arguments, **options)

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        hosts, origins = (self.headers.get_all(name) or [] for name in ("Host", "Origin"))
        reason = self._names.refusal("http", hosts, origins)
        if reason is not None:
            self.send_error(FORBIDDEN, explain=reason)
        return reason is None

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        self._document = None
        asked = urlsplit(self.path).path
        # However it is written: as the base class would read it.
        inside = Path(self.translate_path(self.path)).relative_to(self.directory).parts
        if inside[:1] != (DOCUMENTS,):
            if self._is_shown(inside):
                return super().send_head()
            self.send_error(HTTPStatus.NOT_FOUND, explain="there is no such page")
            return None
        named = _DOCUMENT.fullmatch(asked)
        endings = () if named is None else (named["ending"],) if named["ending"] else tuple(_TYPES)
        for ending in endings:
            file = Path(self.directory, DOCUMENTS, f"{named and named['sha256']}{ending}")
            if file.is_file() and not file.is_symlink():
                self._document = file
                self.path = f"/{DOCUMENTS}/{file.name}"
                return super().send_head()
        self.send_error(HTTPStatus.NOT_FOUND, explain="no invoice is shown by a document of this hash")
        return None

    def _is_shown(self, inside: Sequence[str]) -> bool:
        """Whether it is the folder itself, or a plain file in it that is meant to be read."""
        place = Path(self.directory, *(inside or ("index.html",)))
        try:
            if any(part.startswith(".") for part in inside):
                return False
            # A link may lead to another page: one that leads out of the folder could lead to the warehouse.
            is_ours = place.resolve().is_relative_to(Path(self.directory).resolve())
            return is_ours and (place.is_file() or not (inside or place.exists()))
        except (OSError, RuntimeError, ValueError):
            # Too long for a name, a link that leads to itself, or a NUL in the name.
            return False

    def list_directory(self, path: str | os.PathLike[str]) -> io.BytesIO | None:  # noqa: ARG002 - it is the folder
        """What is answered in place of a list, as long as the folder has no page."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(_NO_PAGE)))
        self.end_headers()
        return io.BytesIO(_NO_PAGE)

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        return super().guess_type(path) if self._document is None else _TYPES[self._document.suffix]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the base class's own
        """A line of the log: the base class's, or a JSON object with the names that Dagster's log has."""
        if not self._logs_json:
            super().log_message(format, *args)
            return
        line = {
            "event": format % args,
            "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "logger": "statements",
            "level": "info",
        }
        print(json.dumps(line), file=sys.stderr, flush=True)  # noqa: T201

    def end_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        if self._document is not None:
            self.send_header("Content-Disposition", f'inline; filename="{self._document.name}"')
            self.send_header("Content-Security-Policy", _POLICY)
            self.send_header("X-Frame-Options", "DENY")
        super().end_headers()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the folder on the loopback address until a signal ends it."""
    parser = argparse.ArgumentParser(description="Serve the statements' folder to this machine.", allow_abbrev=False)
    parser.add_argument("folder")
    parser.add_argument("--port", type=int, default=3001)
    options = parser.parse_args(arguments)
    values = settings.load()
    names = Names.of(HOST, hosts=values.hosts, url=values.statements_url, setting="ARCADIA_STATEMENTS_URL")
    handler = functools.partial(_Handler, directory=options.folder, names=names, logs_json=values.log == "json")
    with ThreadingHTTPServer((HOST, options.port), handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
