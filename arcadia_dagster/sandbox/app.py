"""Finance over HTTP: the import that the contract describes, and ways to look at what came in."""

import sqlite3
import time
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from arcadia_dagster.sandbox import body, page, token
from arcadia_dagster.sandbox.errors import RefusedError, SandboxStartError
from arcadia_dagster.sandbox.store import Store

IMPORT_PATH = "/api/v1/integrations/cloud/import-invoice"

MAX_BODY_BYTES = 1_048_576
"""The largest request body that is read: 1 MiB, some five hundred times the invoice of the reference case."""

_EXPECTED_ERRORS = (RefusedError, HTTPException, ClientDisconnect, sqlite3.Error)

_FILTERS = frozenset({"tenant_id", "source", "external_id"})

# The page needs its own style and nothing else: were a value ever to slip through the escaping, it could do nothing.
_PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def create_app(database: Path, secret: str, issuer: str | None = None) -> Starlette:
    """The finance sandbox as an ASGI application, without a lifespan: nothing needs closing after it.

    Args:
        database: The SQLite file that keeps the rows; made, with its folder, where missing.
        secret: The secret shared with the client. Its raw UTF-8 bytes are the key.
        issuer: The only token issuer (`iss`) to accept, or None to accept any.

    Raises:
        SandboxStartError: The secret is empty, has whitespace around it or is not UTF-8, or the database is unusable.
    """
    service = _Service(Store(database), _key(secret), issuer)
    app = Starlette(
        routes=[
            Route("/", service.show_page),
            Route("/api/v1/health", service.answer_health),
            Route("/api/v1/invoices", service.list_invoices),
            Route(IMPORT_PATH, service.import_invoice, methods=["POST"]),
        ],
        exception_handlers=dict.fromkeys(_EXPECTED_ERRORS, _answer_error),
    )
    # A redirected POST becomes a GET, so a path with a slash too many is simply not found.
    app.router.redirect_slashes = False
    return app


def _key(secret: str) -> bytes:
    try:
        key = secret.encode("utf-8")
    except UnicodeEncodeError:
        fault = "is not valid UTF-8"
    else:
        if secret and secret == secret.strip():
            return key
        # Whitespace is usually the newline of `echo secret > file`; a client that trims it has every token refused.
        fault = "has whitespace around it" if secret else "is empty"
    # Raised out here, without the UnicodeEncodeError as its context: that one quotes the secret.
    message = f"the finance secret {fault}: check SKYAI_FINANCE_SECRET"
    raise SandboxStartError(message)


class _Service:
    """The endpoints. Whatever touches the database runs in a worker thread: the event loop never waits for a disk."""

    def __init__(self, store: Store, key: bytes, issuer: str | None) -> None:
        self._store = store
        self._key = key
        self._issuer = issuer

    async def import_invoice(self, request: Request) -> Response:
        content = await _read(request)
        tenant_id = token.verify(
            request.headers.get("authorization"), secret=self._key, issuer=self._issuer, now=int(time.time())
        )
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the Content-Type must be application/json")
        invoice = body.parse(content)
        receipt = await run_in_threadpool(self._store.receive, tenant_id, invoice)
        return JSONResponse(
            {"vendor_id": receipt.vendor_id, "invoice_id": receipt.invoice_id, "action": receipt.action},
            status_code=HTTPStatus.CREATED if receipt.action == "created" else HTTPStatus.OK,
        )

    def list_invoices(self, request: Request) -> Response:
        unknown = sorted(set(request.query_params) - _FILTERS)
        if unknown:
            # Ignoring a misspelt filter would answer with every row, which looks like an answer.
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"the filters are {', '.join(sorted(_FILTERS))}")
        return JSONResponse(self._store.invoices(**request.query_params), headers={"Cache-Control": "no-store"})

    def answer_health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok", "invoices": self._store.count()}, headers={"Cache-Control": "no-store"})

    def show_page(self, _request: Request) -> Response:
        return HTMLResponse(page.render(self._store.invoices()), headers=_PAGE_HEADERS)


async def _read(request: Request) -> bytes:
    """The request's body.

    One that is too large is read to its end without being kept: answering before would cut the connection while the
    client still writes, and it would see a broken pipe instead of the reason.

    Raises:
        RefusedError: 413, the body is larger than `MAX_BODY_BYTES`.
        ClientDisconnect: The client went away before the end.
    """
    content = bytearray()
    too_large = False
    async for chunk in request.stream():
        too_large = too_large or len(content) + len(chunk) > MAX_BODY_BYTES
        if not too_large:
            content += chunk
    if too_large:
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {MAX_BODY_BYTES} bytes")
    return bytes(content)


def _error(status: int, *reasons: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": "; ".join(reasons), "reasons": list(reasons)}, status_code=status, headers=headers)


def _answer_error(request: Request, error: Exception) -> Response:
    """Every error that is expected, as JSON; any other is a defect, answered 500 and logged with its traceback."""
    match error:
        case RefusedError(status=status, reasons=reasons):
            challenge = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
            return _error(status, *reasons, headers=challenge)
        case HTTPException(status_code=status, detail=detail, headers=headers):
            kept = None if headers is None else dict(headers)
            return _error(status, f"{request.method} {request.url.path}: {detail}", headers=kept)
        case ClientDisconnect():
            # The client is gone, which is its right: nothing was kept, and nobody reads this.
            return _error(HTTPStatus.BAD_REQUEST, "the client went away")
        case sqlite3.Error():
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, f"the sandbox cannot use its database: {error}")
        case _:
            raise error
