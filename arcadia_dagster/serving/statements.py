"""The folder of the statements over HTTP, behind the guard: `python -m arcadia_dagster.serving.statements FOLDER --port 3001`."""

import argparse
import functools
from collections.abc import Sequence
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from arcadia_dagster import settings
from arcadia_dagster.serving.guard import FORBIDDEN, Names

HOST = "127.0.0.1"


class _Handler(SimpleHTTPRequestHandler):
    """Files, and the list of them, to those who may ask."""

    def __init__(self, *arguments: Any, names: Names, **options: Any) -> None:  # noqa: ANN401 - the base class's own
        self._names = names
        super().__init__(*arguments, **options)

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        hosts, origins = (self.headers.get_all(name) or [] for name in ("Host", "Origin"))
        reason = self._names.refusal("http", hosts, origins)
        if reason is not None:
            self.send_error(FORBIDDEN, explain=reason)
        return reason is None


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the folder on the loopback address until a signal ends it."""
    parser = argparse.ArgumentParser(description="Serve the statements' folder to this machine.", allow_abbrev=False)
    parser.add_argument("folder")
    parser.add_argument("--port", type=int, default=3001)
    options = parser.parse_args(arguments)
    values = settings.load()
    names = Names.of(HOST, hosts=values.hosts, url=values.statements_url, setting="ARCADIA_STATEMENTS_URL")
    handler = functools.partial(_Handler, directory=options.folder, names=names)
    with ThreadingHTTPServer((HOST, options.port), handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
