"""Whether a bearer token is accepted, as finance's Guardian (Elixir) was seen to decide.

Deliberately plain `hmac` and `hashlib`: a JWT library here would agree with the client's JWT library where both are
wrong. The rules are those of the finance contract, section "Token", facts observed on Guardian 2.5; where the contract
is silent on an edge (a token in its very last second) this follows Guardian's `Guardian.Token.Jwt.Verify`.
"""

import base64
import hashlib
import hmac
import re

from arcadia_dagster.sandbox import strict_json
from arcadia_dagster.sandbox.errors import RefusedError

UNAUTHORIZED = 401
FORBIDDEN = 403

WRITER_ROLES = frozenset({"admin", "user"})
"""The roles that may write an invoice. `platform_admin` is not one of them, which was seen to surprise people."""

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE | re.ASCII)
# The signature may be empty here (`alg` none), so that the refusal can name the algorithm rather than the form.
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)", re.ASCII)


def verify(authorization: str | None, *, secret: bytes, issuer: str | None, now: int) -> str:
    """The tenant that the token speaks for.

    Args:
        authorization: The request's `Authorization` header, `Bearer <token>`, or None where it has none.
        secret: The shared secret's raw UTF-8 bytes, never base64-decoded.
        issuer: The only `iss` to accept, or None to accept any.
        now: The present in whole seconds since 1970-01-01 UTC. There is no allowance for clock drift.

    Raises:
        RefusedError: 401 where the token is not accepted, 403 where its roles are not.
    """
    claims = _signed_claims(authorization, secret)
    _check_times(claims, now)
    if claims.get("typ") != "access":
        raise RefusedError(UNAUTHORIZED, "the token's typ claim must be access")
    _text(claims, "sub")
    stated_issuer = _text(claims, "iss")
    if issuer is not None and stated_issuer != issuer:
        raise RefusedError(UNAUTHORIZED, "the token's iss is not the issuer that finance expects")
    if claims.get("aud") != stated_issuer:
        raise RefusedError(UNAUTHORIZED, "the token's aud must equal its iss")
    tenant_id = _text(claims, "tenant_id")
    _check_roles(claims.get("roles"))
    return tenant_id


def _signed_claims(authorization: str | None, secret: bytes) -> dict[str, object]:
    if authorization is None:
        raise RefusedError(UNAUTHORIZED, "the Authorization header is missing")
    bearer = _BEARER.fullmatch(authorization)
    if bearer is None:
        raise RefusedError(UNAUTHORIZED, "the Authorization header must be: Bearer <token>")
    parts = _COMPACT.fullmatch(bearer[1])
    if parts is None:
        raise RefusedError(UNAUTHORIZED, "the token must be three base64url parts without padding, joined by dots")
    header, payload, signature = parts.groups()

    stated = _segment(header, "header")
    # The algorithm is ours to choose, never the token's: this only gives a clearer reason than a wrong signature.
    if stated.get("alg") != "HS512":
        raise RefusedError(UNAUTHORIZED, "the token's alg must be HS512")
    if stated.get("typ") != "JWT":
        raise RefusedError(UNAUTHORIZED, "the token header's typ must be JWT")

    digest = hmac.new(secret, f"{header}.{payload}".encode("ascii"), hashlib.sha512).digest()
    # Comparing the encoded forms also refuses a signature whose last character carries stray bits.
    if not hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"="), signature.encode("ascii")):
        raise RefusedError(
            UNAUTHORIZED,
            "the token's signature is wrong: both sides need the same secret, its raw UTF-8 bytes as the key",
        )
    return _segment(payload, "payload")


def _segment(encoded: str, name: str) -> dict[str, object]:
    try:
        value = strict_json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except ValueError as error:
        raise RefusedError(UNAUTHORIZED, f"the token's {name} is not base64url JSON") from error
    if not isinstance(value, dict):
        raise RefusedError(UNAUTHORIZED, f"the token's {name} must be a JSON object")
    return value


def _check_times(claims: dict[str, object], now: int) -> None:
    expires, not_before, issued = (_seconds(claims, name) for name in ("exp", "nbf", "iat"))
    if expires < now:
        raise RefusedError(UNAUTHORIZED, f"the token expired {now - expires} s ago")
    if not_before > now:
        raise RefusedError(UNAUTHORIZED, f"the token's nbf is {not_before - now} s ahead of finance's clock")
    if issued > now:
        raise RefusedError(UNAUTHORIZED, f"the token's iat is {issued - now} s ahead of finance's clock")


def _seconds(claims: dict[str, object], name: str) -> int:
    value = claims.get(name)
    # True is an int to Python, not to JSON.
    if not isinstance(value, int) or isinstance(value, bool):
        raise RefusedError(UNAUTHORIZED, f"the token's {name} must be an integer, in seconds")
    return value


def _text(claims: dict[str, object], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise RefusedError(UNAUTHORIZED, f"the token's {name} must be a non-empty string")
    return value


def _check_roles(roles: object) -> None:
    if not isinstance(roles, list):
        raise RefusedError(FORBIDDEN, "the token's roles must be a list")
    if not any(isinstance(role, str) and role in WRITER_ROLES for role in roles):
        raise RefusedError(FORBIDDEN, "the token's roles must contain admin or user to import an invoice")
