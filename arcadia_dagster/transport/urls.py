"""Which URL a secret may be sent to."""

import re
from typing import Final

import httpx

from arcadia_dagster.loopback import is_loopback

_PORTS: Final = range(1, 65536)


def parsed_url(base_url: str) -> httpx.URL | None:
    """Parse an http(s) URL; None for any other text, so that no exception in a chain quotes it."""
    try:
        url = httpx.URL(base_url)
        url.raw_host.decode("ascii").encode("idna")  # as the resolver will do
    except (httpx.InvalidURL, UnicodeError):
        return None
    # httpx percent-encodes blanks: a blank after the URL would become part of its path.
    usable = url.scheme in {"http", "https"} and url.host and not re.search(r"\s", base_url)
    return url if usable and (url.port is None or url.port in _PORTS) else None


def exposure(url: httpx.URL, *, allow_http: bool = False, allowed_by: str = "") -> str | None:
    """Say why nothing should be sent to a valid base URL; None where requests may go there.

    Args:
        url: The base URL.
        allow_http: Whether `http://` may leave this machine, which shows the token to the network.
        allowed_by: The setting that allows it, where there is one.
    """
    if url.userinfo:
        return "holds a user or a password: remove it, a token is sent instead"
    if url.query or url.fragment:
        return "has a query or a fragment: expected the base URL alone"
    if url.scheme == "http" and not allow_http and not is_loopback(url.host):
        remedy = f", or set {allowed_by}=true" if allowed_by else ""
        return f"would send the token over the network in the clear: use https://{remedy}"
    return None
