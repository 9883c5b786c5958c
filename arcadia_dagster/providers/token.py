"""Credentials that are sent as they are: a token in one header."""

import re
from typing import Final

from pydantic import SecretStr

from arcadia_dagster.providers.api import Sign
from arcadia_dagster.providers.errors import ConfigurationFailure

_TOKEN: Final = re.compile(r"[!-~]+")


def usable(secret: SecretStr | str, variable: str) -> str:
    """A secret as text, without blanks around it.

    Raises:
        ConfigurationFailure: It cannot be one; the message does not repeat it.
    """
    text = (secret.get_secret_value() if isinstance(secret, SecretStr) else secret).strip()
    if _TOKEN.fullmatch(text) is None:
        raise ConfigurationFailure(f"{variable} is blank, or has characters that no token has")
    return text


def bearer(token: str) -> Sign:
    """Signs requests with a bearer token (RFC 6750)."""
    return lambda _method, _url, _headers, _body: {"Authorization": f"Bearer {token}"}
