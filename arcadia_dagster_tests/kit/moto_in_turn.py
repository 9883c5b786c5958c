"""Moto's server, which answers one write after the other: `python -m arcadia_dagster_tests.kit.moto_in_turn PORT`.

S3 compares an object's ETag and replaces the object in one step, which a record in a bucket relies on. Moto 5.2 compares
and then replaces, in a thread for each request: of two writers at once both may win, and one event is lost (seen on a
busy machine on 2026-11-30).
"""

import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def main() -> None:
    moto: WSGIApplication = DomainDispatcherApplication(create_backend_app)
    turn = threading.Lock()

    def in_turn(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "GET":
            return moto(environ, start_response)
        with turn:
            return moto(environ, start_response)

    run_simple("127.0.0.1", int(sys.argv[1]), in_turn, threaded=True)


if __name__ == "__main__":
    main()
