"""The name of a finance service. Reading what was pushed needs no client, whose import takes 0.2 s."""

import re
from typing import Final

# `HTTPS://Finance.example:443/` has another name, `http://localhost:4010` has none. Parsing takes httpx, which takes 0.13 s to
# import (2026-11-29): a third of what `arcadia status` takes.
_IS_ITS_NAME: Final = re.compile(
    r"https?://(127\.0\.0\.1|[a-z][a-z0-9]{0,60}(\.[a-z][a-z0-9]{0,60}){0,9})(:([1-9]\d{3}|[1-5]\d{4}))?(/[a-z][a-z0-9_]*)*/?"
)


def target_of(base_url: str) -> str:
    """Name the finance service that a base URL leads to, so that records can be kept apart by it.

    Args:
        base_url: For example `HTTPS://key@Finance.example:443/books/`.

    Returns:
        The URL without credentials, query, fragment, trailing slash and default port, scheme and host in lower
        case: `https://finance.example/books`. Naming a target again changes nothing.

    Raises:
        ValueError: It is no http or https URL with a host. The message does not repeat the URL.
    """
    if _IS_ITS_NAME.fullmatch(base_url):
        return base_url.rstrip("/")
    from arcadia_dagster.transport.urls import parsed_url  # noqa: PLC0415 - see above

    url = parsed_url(base_url)
    if url is None:
        message = "not an http:// or https:// URL with a host, such as http://localhost:4010"
        raise ValueError(message)
    return str(url.copy_with(userinfo=b"", query=None, fragment=None)).rstrip("/")
