"""Tokens, bodies and requests built by hand from the finance contract, with nothing of the package's own client."""

import base64
import enum
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

import httpx

from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES

SECRET = "a-shared-secret-of-the-sandbox's-own-tests-that-is-longer-than-sixty-four-bytes"
ISSUER = "arcadia_cloud"
TENANT = "platform-admin"
IMPORT = "/api/v1/integrations/cloud/import-invoice"


class LeftOut(enum.Enum):
    """Stands for a claim or field that is to be left out; an enum, so that test names are the same in every process."""

    LEFT_OUT = enum.auto()


LEFT_OUT = LeftOut.LEFT_OUT


def encode(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(**changes: object) -> dict[str, object]:
    now = int(time.time())
    return _changed(
        {
            "aud": ISSUER,
            "exp": now + 300,
            "iat": now,
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "nbf": now - 60,
            "roles": ["admin"],
            "sub": TENANT,
            "tenant_id": TENANT,
            "typ": "access",
        },
        changes,
    )


def sign(payload: object, *, key: bytes = SECRET.encode(), header: object = None, digest: str = "sha512") -> str:
    signed = f"{encode(header or {'alg': 'HS512', 'typ': 'JWT'})}.{encode(payload)}"
    return f"{signed}.{encode(hmac.new(key, signed.encode(), getattr(hashlib, digest)).digest())}"


def token(**changes: object) -> str:
    return sign(claims(**changes))


def invoice(**changes: object) -> dict[str, Any]:
    """The reference case, April 2026 of DigitalOcean, as a new invoice each time."""
    return _changed(
        {
            "source": "digitalocean",
            "external_id": str(uuid.uuid4()),
            "invoice_number": "418071234",
            "vendor": {"name": "DigitalOcean", "category": "cloud"},
            "currency": "USD",
            "amount_gross_minor": 8692,
            "amount_net_minor": 7902,
            "amount_tax_minor": 790,
            "issued_on": "2026-05-01",
            "period_start": "2026-04-01",
            "period_end": "2026-04-30",
            "line_count": 33,
            "document_sha256": "0f" * 32,
        },
        changes,
    )


class Client:
    """Talks to a running sandbox over loopback."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        # `trust_env=False`: a proxy of the machine's has no part in a talk over loopback.
        self.http = httpx.Client(base_url=sandbox.url, trust_env=False, verify=NO_AUTHORITIES)

    def push(self, body: object = None, *, bearer: str | None = None, **request: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token() if bearer is None else bearer}"} | request.pop("headers", {})
        content: dict[str, Any] = {} if "content" in request else {"json": body}
        return self.http.post(IMPORT, headers=headers, **content, **request)

    def rows(self, **filters: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get("/api/v1/invoices", params=filters).raise_for_status().json()
        return found


def _changed(values: dict[str, object], changes: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in {**values, **changes}.items() if value is not LEFT_OUT}
