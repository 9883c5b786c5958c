"""The token that shows finance who we are: a short-lived JWT, signed with the shared secret.

The claims are those that Guardian makes, and accepts, on the other side. What belongs here: the secret and
everything made from it. What does not: where and when a token is sent (`client.py`).
"""

import base64
import html
import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus

from jwt import InvalidKeyError, PyJWS
from jwt.algorithms import HMACAlgorithm

_ALGORITHM: Final = "HS512"
_RECOMMENDED_KEY_BYTES: Final = 64  # RFC 7518 section 3.2: a key as long as the hash, for HS512 64 bytes
_BACKDATED_SECONDS: Final = 60
_PIECE_CHARACTERS: Final = 20
_PIECE_OF_TOKEN: Final = re.compile(rf"[A-Za-z0-9_.-]{{{_PIECE_CHARACTERS},}}")
_ANY_TOKEN: Final = re.compile(r"eyJ[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){0,2}")


class _SharedSecretHS512(HMACAlgorithm):
    """HS512 that takes a key of any length without a warning.

    PyJWT 2.11 and later warn at every signature with a key under 64 bytes, and have no option to stop that. The
    other side decides how long the secret is, and `secret_remark` says it once. A filter of `warnings` instead would
    be global, and is not safe between threads.
    """

    def __init__(self) -> None:
        super().__init__(HMACAlgorithm.SHA512)

    def check_key_length(self, key: bytes) -> str | None:  # noqa: ARG002
        return None


def _signer() -> PyJWS:
    signer = PyJWS(algorithms=[])
    signer.register_algorithm(_ALGORITHM, _SharedSecretHS512())
    return signer


def secret_problem(secret: str) -> str | None:
    """Say why a shared secret cannot be right.

    Args:
        secret: The value of `SKYAI_FINANCE_SECRET`, as it was read.

    Returns:
        One sentence for the person who set it, without the secret; None where the secret can be used.
    """
    if not secret:
        return "SKYAI_FINANCE_SECRET is empty: expected the secret that is shared with the finance service"
    if secret != secret.strip():
        # A newline from a file or a copied blank gives other signatures: finance answers 401 and nobody sees why.
        return "SKYAI_FINANCE_SECRET begins or ends with whitespace: remove it (a trailing newline counts)"
    if any("\ud800" <= character <= "\udfff" for character in secret):
        return "SKYAI_FINANCE_SECRET is not valid UTF-8"
    try:
        _SharedSecretHS512().prepare_key(secret)
    except InvalidKeyError:
        return "SKYAI_FINANCE_SECRET looks like a public key, a certificate or a JWK: expected a plain shared secret"
    return None


def secret_remark(secret: str) -> str | None:
    """Say, once at start-up, that a usable secret is shorter than it should be.

    Args:
        secret: The value of `SKYAI_FINANCE_SECRET`.

    Returns:
        One sentence for 1 to 63 bytes of UTF-8, without the secret; None otherwise, and for a secret that
        `secret_problem` refuses.
    """
    if secret_problem(secret) or len(secret.encode()) >= _RECOMMENDED_KEY_BYTES:
        return None
    return (
        f"SKYAI_FINANCE_SECRET is shorter than {_RECOMMENDED_KEY_BYTES} bytes: it works, "
        f"but a key for {_ALGORITHM} should have at least that (RFC 7518 section 3.2)"
    )


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are for finance.

    Attributes:
        tenant_id: The tenant that our invoices are stored under, unless a route leads to another.
        roles: Our roles; finance's write rule accepts `admin` or `user`.
        issuer: The `iss` and `aud` claims; must be the issuer that finance's Guardian is set up with.
        subject: The `sub` claim; empty: the tenant's id.
    """

    tenant_id: str
    roles: tuple[str, ...]
    issuer: str
    subject: str


class TokenMint:
    """Makes access tokens, and keeps each tenant's current one until half of its life is over.

    So no request has a token that is about to expire, however long the run. Safe to use from several threads.
    """

    def __init__(
        self,
        secret: str,
        identity: Identity,
        *,
        lifetime_seconds: int = 300,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        """Keep the secret; no token is made yet.

        Args:
            secret: The shared secret. Its UTF-8 bytes are the key, as in Guardian; it is never base64-decoded.
            identity: Who the tokens speak for.
            lifetime_seconds: From now to a new token's expiry, in seconds.
            clock: The time, in seconds since 1970-01-01 UTC.
            new_id: A new `jti` claim: a lower-case UUID, version 4.

        Raises:
            ValueError: The secret cannot be right, with `secret_problem`'s sentence.
        """
        if problem := secret_problem(secret):
            raise ValueError(problem)
        self._secret = secret
        self._identity = identity
        self._lifetime = lifetime_seconds
        self._clock = clock
        self._new_id = new_id
        self._signer = _signer()
        self._lock = threading.Lock()
        self._current: dict[str, tuple[str, int]] = {}
        self._spellings = _spellings(secret)
        self._pieces: set[str] = set()

    def __repr__(self) -> str:
        return f"TokenMint(identity={self._identity!r}, lifetime_seconds={self._lifetime})"

    def token(self, tenant_id: str | None = None) -> str:
        """Give a token with at least half of its life left.

        Args:
            tenant_id: The tenant that it speaks for; the identity's own where None.

        Returns:
            The token, for `Authorization: Bearer`.
        """
        tenant_id = tenant_id or self._identity.tenant_id
        with self._lock:
            token, expires = self._current.get(tenant_id, ("", 0))
            left = expires - self._clock()
            # More than a whole life left means that the clock was set back: such a token would not be valid yet.
            return token if self._lifetime / 2 <= left <= self._lifetime else self._mint(tenant_id)

    def refresh(self) -> str:
        """Make a new token of the identity's own tenant, whatever is left of the current one.

        Returns:
            The new token, which `token` gives from now on.
        """
        with self._lock:
            return self._mint(self._identity.tenant_id)

    def redact(self, text: str) -> str:
        """Take the secret, and whatever looks like a token, out of a text from outside.

        Args:
            text: For example an error page that repeats our request, as it is or escaped for JSON, HTML or a URL.

        Returns:
            The text with `[secret]` and `[token]` in their place.
        """
        for spelling in self._spellings:
            text = text.replace(spelling, "[secret]")
        return _PIECE_OF_TOKEN.sub(self._redacted_piece, _ANY_TOKEN.sub("[token]", text))

    def _redacted_piece(self, piece: re.Match[str]) -> str:
        """A token may be wrapped, cut off, or have something before it."""
        starts = range(len(piece[0]) - _PIECE_CHARACTERS + 1)
        has_part = any(piece[0][start : start + _PIECE_CHARACTERS] in self._pieces for start in starts)
        return "[token]" if has_part else piece[0]

    def _mint(self, tenant_id: str) -> str:
        now = int(self._clock())
        expires = now + self._lifetime
        # Guardian allows no clock drift: a token from a clock two seconds ahead of finance's would be a 401.
        begins = now - _BACKDATED_SECONDS
        claims = {
            "aud": self._identity.issuer,
            "exp": expires,
            "iat": begins,
            "iss": self._identity.issuer,
            "jti": self._new_id(),
            "nbf": begins,
            "roles": list(self._identity.roles),
            "sub": self._identity.subject or tenant_id,
            "tenant_id": tenant_id,
            "typ": "access",
        }
        payload = json.dumps(claims, separators=(",", ":")).encode()
        token = self._signer.encode(payload, self._secret.encode(), algorithm=_ALGORITHM)
        self._current[tenant_id] = (token, expires)
        self._pieces |= _pieces(token)
        return token


def _spellings(secret: str) -> list[str]:
    """How a text from outside may write the secret, the longest first."""
    raw = secret.encode()
    spellings = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        html.escape(secret),
        html.escape(secret, quote=False),
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        raw.decode("latin-1"),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }
    return sorted(spellings, key=len, reverse=True)


def _pieces(text: str) -> set[str]:
    """Every substring of the secret that is long enough to be no chance match."""
    return {text[start : start + _PIECE_CHARACTERS] for start in range(len(text) - _PIECE_CHARACTERS + 1)}
