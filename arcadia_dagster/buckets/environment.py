"""What the clouds' own tools take from the environment and the library does not: connection strings, other names, emulators.

All else it reads itself, by the names that `docs/buckets.md` lists. Nothing here is kept in a setting, shown or logged.
"""

import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from arcadia_dagster.loopback import is_loopback

ENDPOINTS: Final = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("STORAGE_EMULATOR_HOST", "GOOGLE_BASE_URL"),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
"""The variables that name another server than the cloud's own, by scheme; the first that is set counts."""

CREDENTIALS: Final = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN where they are temporary)",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_CONNECTION_STRING",
}
"""The variables that credentials are in, by scheme, as messages name them."""

ALLOW_HTTP: Final = {"s3": "AWS_ALLOW_HTTP", "gs": "GOOGLE_ALLOW_HTTP", "az": "AZURE_ALLOW_HTTP"}
"""The library's own variables that allow http:// to another machine, by scheme."""

# The emulator's account and key, which Microsoft publishes for everybody.
_EMULATOR: Final = {"UseDevelopmentStorage": "true"}


class VariableError(ValueError):
    """A variable cannot be right; the message names it, and never its value."""


def config(scheme: str, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What to tell the library of the environment, as its own settings.

    Args:
        scheme: One of `url.SCHEMES`.
        environ: The environment; the process's own where it is not given.

    Raises:
        VariableError: A variable cannot be right.
    """
    environ = os.environ if environ is None else environ
    if scheme == "gs" and (host := environ.get("STORAGE_EMULATOR_HOST")):
        # An emulator looks at no token, and Google's own clients have none there either.
        return {"base_url": host if "://" in host else f"http://{host}", "bearer_token": "none"}
    if scheme != "az":
        return {}
    options = _of_connection_string(environ.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    for name, variable in (
        ("account_name", "AZURE_STORAGE_ACCOUNT"),
        ("account_key", "AZURE_STORAGE_KEY"),
    ):
        if (value := environ.get(variable)) and name not in options:
            options[name] = value
    return options


def signature_of_access(scheme: str, environ: Mapping[str, str] | None = None) -> str | None:
    """The SAS that the environment has for Azure, and no key beside it; None where it has none.

    The library prefers an application (`AZURE_CLIENT_ID`) to a SAS. That application may be the one that reads Azure's billing
    API, and may not read the storage account.
    """
    environ = os.environ if environ is None else environ
    if scheme != "az":
        return None
    options = config(scheme, environ)
    if options.get("use_emulator") or options.get("account_key") or environ.get("AZURE_STORAGE_ACCOUNT_KEY"):
        return None
    named = (environ.get(name) for name in ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"))
    sas: str | None = next(filter(None, (options.get("sas_key"), *named)), None)
    return None if sas is None else sas.strip().removeprefix("?")


def endpoint(scheme: str, environ: Mapping[str, str] | None = None) -> str | None:
    """The server that the environment names in place of the cloud's own; None where it names none."""
    environ = os.environ if environ is None else environ
    named = next((environ[name] for name in ENDPOINTS[scheme] if environ.get(name)), None)
    if scheme == "az":
        return config(scheme, environ).get("endpoint", named)
    return config(scheme, environ).get("base_url", named)


def is_plain_to_this_machine(scheme: str, environ: Mapping[str, str] | None = None) -> bool:
    """Whether requests go by http:// to this machine, where nobody else can see the credentials in them."""
    parts = urlsplit(endpoint(scheme, environ) or "")
    return parts.scheme == "http" and is_loopback(parts.hostname or "")


def _of_connection_string(text: str) -> dict[str, Any]:
    """The parts of `AccountName=...;AccountKey=...;BlobEndpoint=...`.

    Source: https://learn.microsoft.com/en-us/azure/storage/common/storage-configure-connection-string
    """
    if not text.strip():
        return {}
    parts = dict(part.split("=", 1) for part in text.strip().strip(";").split(";") if "=" in part)
    if parts == _EMULATOR:
        return {"use_emulator": True}
    name = parts.get("AccountName")
    endpoint_ = parts.get("BlobEndpoint")
    if name is None and endpoint_ is None:
        raise VariableError(
            "AZURE_STORAGE_CONNECTION_STRING has no AccountName and no BlobEndpoint: copy it from the storage account's keys"
        )
    if endpoint_ is None:
        suffix = parts.get("EndpointSuffix", "core.windows.net")
        endpoint_ = f"{parts.get('DefaultEndpointsProtocol', 'https')}://{name}.blob.{suffix}"
    if name is None:
        name = (urlsplit(endpoint_).hostname or "").partition(".")[0]
    keys = {"account_key": parts.get("AccountKey"), "sas_key": parts.get("SharedAccessSignature")}
    return {
        "account_name": name,
        "endpoint": endpoint_.rstrip("/"),
        **{key: value for key, value in keys.items() if value},
    }
