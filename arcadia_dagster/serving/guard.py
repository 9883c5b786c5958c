"""Who may ask this program's servers: people and programs that mean this server, and no page of another site.

A browser sends requests for every page that its user opens, also to servers on the user's own machine. Two headers tell such
requests apart, and no page can change them. `Host` is the name that the browser asks for: it shows a page whose own name was
made to lead here (DNS rebinding). `Origin` is the site of the page that asks; a browser always sends it with a request that may
change something. An image, a link or a form needs no script and no permission to send a request. So a GET, or a body that a
form can send, changes nothing.

Rules: https://fetch.spec.whatwg.org/#cors-safelisted-request-header (which content types need no permission), and
https://datatracker.ietf.org/doc/html/rfc6454#section-7 (Origin).
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

LOOPBACK = ("localhost", "127.0.0.1", "::1")

FORBIDDEN, UNSUPPORTED_TYPE = 403, 415

_Site: TypeAlias = tuple[str, str, int]
"""Scheme, host and port, in lower case: what a browser calls an origin."""

_AUTHORITY = re.compile(r"(\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(:(?P<port>[0-9]{1,5}))?")
_PORTS = {"http": 80, "https": 443}
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_QUOTED_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a server answers to.

    Attributes:
        hosts: What `Host` may name, in lower case, without a port: the port of a tunnel is not ours.
        sites: The sites of its own pages that `Host` does not give: those of a proxy that speaks TLS for it.
        setting: The setting that such a site is said by.
    """

    hosts: frozenset[str]
    sites: frozenset[_Site]
    setting: str

    @classmethod
    def of(cls, listening: str, *, hosts: Iterable[str] = (), url: str = "", setting: str = "") -> "Names":
        """The loopback names, and those given.

        Args:
            listening: The name or address that the server listens at; an address that means all addresses (`0.0.0.0`) is no
                name.
            hosts: Further names, as of a proxy.
            url: Where people see the server, if somebody has said it.
            setting: The setting that the URL is said by, if there is one.
        """
        parts = urlsplit(url)
        site = _site(parts.scheme, parts.netloc)
        names = {*LOOPBACK, *hosts, *([site[1]] if site else []), *([] if _is_any(listening) else [listening])}
        return cls(frozenset(name.lower() for name in names), frozenset({site} if site else ()), setting)

    def refusal(self, scheme: str, hosts: Sequence[str], origins: Sequence[str]) -> str | None:
        """Why a request is refused, and what to do if it should not be; None where it may pass.

        Args:
            scheme: `http` or `https`, as the request came in.
            hosts: Its values of `Host`.
            origins: Its values of `Origin`; programs other than browsers send none.
        """
        asked = _site(scheme, hosts[0]) if len(hosts) == 1 else None
        if asked is None:
            return "refused: expected one Host header, with the name of this server"
        if asked[1] not in self.hosts:
            return (
                f"refused: this server is not called {asked[1]}. If people reach it by that name, set ARCADIA_HOSTS={asked[1]} "
                "and start it again"
            )
        # Behind a proxy that speaks TLS the name came in as plain HTTP; a page that came so itself is not ours. A tunnel to a
        # loopback name has a port of its own.
        is_said = asked[1] not in LOOPBACK and any(site[1] == asked[1] for site in self.sites)
        own = self.sites if is_said else {asked, *self.sites}
        # `null`, which frames and files send, is no site, and two values are none either.
        if not origins or (len(origins) == 1 and _site_of(origins[0]) in own):
            return None
        reason = f"refused: pages of {_quoted(origins[0])} may not ask this server"
        if self.setting and _site_of(origins[0]) is not None:
            reason += f". If people see this server there, set {self.setting}={_quoted(origins[0])} and start it again"
        return reason


class Guard:
    """An ASGI application that passes on to another one only the requests that are allowed.

    Args:
        app: The application.
        names: What the server is called.
        only_json: Whether requests that may change something must have a JSON body, which no form of another site can send.
    """

    def __init__(self, app: ASGIApp, names: Names, *, only_json: bool = False) -> None:
        """Stand in front of the application."""
        self._app = app
        self._names = names
        self._only_json = only_json

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scheme = scope.get("scheme", "http").replace("ws", "http")
        reason = self._names.refusal(scheme, headers.getlist("host"), headers.getlist("origin"))
        if scope["type"] == "websocket":
            await (self._app if reason is None else WebSocketClose(code=1008))(scope, receive, send)
        elif reason is not None:
            await refused(FORBIDDEN, reason)(scope, receive, send)
        elif self._only_json and scope["method"] not in _READING and not _is_json(headers):
            unread = (
                "refused: expected the header Content-Type: application/json, which no page of another site can send"
            )
            await refused(UNSUPPORTED_TYPE, unread)(scope, receive, send)
        else:
            await self._app(scope, receive, _framed_by_its_own_pages(send))


def refused(status: int, reason: str) -> PlainTextResponse:
    """The answer to a request that is refused."""
    return PlainTextResponse(f"{reason}\n", status, {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})


def _framed_by_its_own_pages(send: Send) -> Send:
    """No page of another site may frame this one and lay its own buttons over ours."""

    async def framed(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("X-Frame-Options", "SAMEORIGIN")
        await send(message)

    return framed


def _is_json(headers: Headers) -> bool:
    """By the type itself: `text/plain; a=application/json` is a type that forms may send."""
    types = headers.getlist("content-type")
    return len(types) == 1 and types[0].partition(";")[0].strip().lower() == "application/json"


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return not host


def _site_of(origin: str) -> _Site | None:
    scheme, _, authority = origin.partition("://")
    return _site(scheme, authority)


def _site(scheme: str, authority: str) -> _Site | None:
    scheme = scheme.lower()
    match = _AUTHORITY.fullmatch(authority.lower())
    if match is None or scheme not in _PORTS:
        return None
    return scheme, match["address"] or match["name"], int(match["port"] or _PORTS[scheme])


def _quoted(text: str) -> str:
    return text[:_QUOTED_CHARACTERS].encode("ascii", "backslashreplace").decode()
