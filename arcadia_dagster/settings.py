"""Every setting: its environment variable, its default and its meaning, once.

The launcher and the command line load `.env` and validate; definitions read the environment only. The secrets are never
kept here: whoever needs one reads it when it is used.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

SECRET_VARIABLE = "SKYAI_FINANCE_SECRET"  # noqa: S105 - the variable's name
TOKEN_VARIABLE = "DIGITALOCEAN_TOKEN"  # noqa: S105 - the variable's name
ALERT_VARIABLE = "ARCADIA_ALERT_WEBHOOK"
HOME_VARIABLE = "ARCADIA_HOME"

_FINANCE_URL_VARIABLE = "SKYAI_FINANCE_URL"
_SANDBOX_URL_VARIABLE = "ARCADIA_SANDBOX_URL"

_EARLIEST_MONTH = date(1970, 1, 1)
_CREDENTIALS = re.compile(r"//\S*@")
_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_PASSWORD = re.compile(r"(?i)\bpassword\s*=|://[^/@]*:[^/@]*@")


class SettingsError(ValueError):
    """A setting cannot be right; the message names it, what was found and what is expected, one line for each."""


class Settings(BaseModel):
    """The settings, from the environment. Times are in seconds; months are their first day (UTC)."""

    model_config = ConfigDict(frozen=True, validate_default=False, allow_inf_nan=False)

    home: Path = Field(
        default_factory=lambda: Path("var").absolute(),
        validation_alias="ARCADIA_HOME",
        description="Where state lies (default: `var` here); the files and folders below are in it unless set",
    )
    inbox: Path = Field(
        Path("inbox"), validation_alias="ARCADIA_INBOX", description="The folder that invoice files are dropped in"
    )
    archive: Path = Field(
        Path("archive"), validation_alias="ARCADIA_ARCHIVE", description="Every document's bytes, kept for ever"
    )
    warehouse: str = Field(
        "arcadia.duckdb",
        validation_alias="ARCADIA_WAREHOUSE",
        description=(
            "The DuckDB file with all tables; or `ducklake:postgres:` and where Postgres is, for several machines: "
            "see [past one machine](scale-out.md)"
        ),
    )
    data_path: Path = Field(
        Path("lake"),
        validation_alias="ARCADIA_DATA_PATH",
        description="The folder of a lake's files, which all machines share; a DuckDB file needs none",
    )
    focus: Path = Field(
        Path("focus"),
        validation_alias="ARCADIA_FOCUS",
        description="The folder that each month is written to as FOCUS files",
    )
    tenants: Path = Field(
        Path("tenants.toml"),
        validation_alias="ARCADIA_TENANTS",
        description="The routing table, where there is one: which tenant bears what",
    )
    sources: Path = Field(
        Path("sources.toml"),
        validation_alias="ARCADIA_SOURCES",
        description="What you know of sources and accounts that documents do not say, where there is [something](sources.md)",
    )
    formats: Path = Field(
        Path("formats"),
        validation_alias="ARCADIA_FORMATS",
        description="The folder with your descriptions of formats, where there are [some](describing-a-format.md)",
    )
    statements: Path = Field(
        Path("statements"),
        validation_alias="ARCADIA_STATEMENTS",
        description="The folder that the monthly statements are written to",
    )
    dagster_storage: Path = Field(
        Path("dagster"),
        validation_alias="ARCADIA_DAGSTER_STORAGE",
        description="The folder with what Dagster itself keeps: runs, events, logs",
    )
    statements_url: str = Field(
        "",
        validation_alias="ARCADIA_STATEMENTS_URL",
        description="Where the statements are served over HTTP, for links in the UI; `make run` serves them and sets this",
    )
    first_month: date = Field(
        date(2018, 1, 1), validation_alias="ARCADIA_FIRST_MONTH", description="The first month that has a partition"
    )
    settle_seconds: float = Field(
        5.0,
        validation_alias="ARCADIA_SETTLE_SECONDS",
        ge=0,
        le=3600,
        description="How long a file that was not renamed into the inbox must lie unchanged",
    )
    max_document_bytes: int = Field(
        10 * 2**30, validation_alias="ARCADIA_MAX_DOCUMENT_BYTES", gt=0, description="A larger file is not taken"
    )
    sensor_seconds: int = Field(
        30,
        validation_alias="ARCADIA_SENSOR_SECONDS",
        ge=1,
        le=86400,
        description="How long from one look of the sensor at the inbox to the next (5 at least in effect)",
    )
    runs_per_tick: int = Field(
        4,
        validation_alias="ARCADIA_RUNS_PER_TICK",
        ge=1,
        le=100,
        description="How many runs the sensor requests at a time; a run has at most 12 months",
    )
    lock_timeout: float = Field(
        60.0, validation_alias="ARCADIA_LOCK_TIMEOUT", gt=0, description="How long to wait for the warehouse at most"
    )
    finance_url: str = Field(
        "http://localhost:4010", validation_alias=_FINANCE_URL_VARIABLE, description="The finance service's base URL"
    )
    finance_tenant_id: str = Field(
        "platform-admin", validation_alias="SKYAI_FINANCE_TENANT_ID", min_length=1, description="The identity's tenant"
    )
    finance_roles: tuple[str, ...] = Field(
        ("admin",), validation_alias="SKYAI_FINANCE_ROLES", description="The identity's roles, separated by commas"
    )
    finance_issuer: str = Field(
        "arcadia_cloud", validation_alias="SKYAI_FINANCE_ISSUER", min_length=1, description="Issuer of the token"
    )
    finance_subject: str = Field(
        "", validation_alias="SKYAI_FINANCE_SUBJECT", description="Subject of the token (default: the tenant id)"
    )
    finance_read_timeout: float = Field(
        15.0, validation_alias="SKYAI_FINANCE_READ_TIMEOUT", gt=0, description="How long to wait for an answer's bytes"
    )
    finance_concurrency: int = Field(
        8, validation_alias="SKYAI_FINANCE_CONCURRENCY", ge=1, le=64, description="How many invoices are sent at a time"
    )
    finance_abandon_days: float = Field(
        7.0,
        validation_alias="SKYAI_FINANCE_ABANDON_DAYS",
        gt=0,
        le=365,
        description="For how many days an invoice that does not get through is tried again; then a person is needed",
    )
    finance_allow_http: bool = Field(
        False,  # noqa: FBT003 - the default of a named field
        validation_alias="SKYAI_FINANCE_ALLOW_HTTP",
        description="Whether plain http:// may be used to other machines",
    )
    finance_optional_fields: bool = Field(
        True,  # noqa: FBT003 - the default of a named field
        validation_alias="SKYAI_FINANCE_OPTIONAL_FIELDS",
        description="Whether the payload has invoice number, dates and evidence, which a finance service may refuse",
    )
    finance_list_path: str = Field(
        "",
        validation_alias="SKYAI_FINANCE_LIST_PATH",
        pattern=r"^(/[!-~]*)?$",
        description="Where below its URL the finance service lists its invoices, if it can; `arcadia reconcile` needs it",
    )
    sandbox_url: str = Field(
        "",
        validation_alias=_SANDBOX_URL_VARIABLE,
        description="The base URL that is a sandbox: sample invoices go there and nowhere else",
    )
    digitalocean_url: str = Field(
        "https://api.digitalocean.com",
        validation_alias="ARCADIA_DIGITALOCEAN_URL",
        description="Where DigitalOcean's API is",
    )

    close_day: int = Field(
        5,
        validation_alias="ARCADIA_CLOSE_DAY",
        ge=1,
        le=28,
        description="The day of a month (UTC) from which the month before must have every account's invoice",
    )
    ui_url: str = Field(
        "http://127.0.0.1:3000",
        validation_alias="ARCADIA_UI_URL",
        description="Where people see the Dagster UI: the links of alerts lead there, and pages from there may use it",
    )

    hosts: tuple[str, ...] = Field(
        (),
        validation_alias="ARCADIA_HOSTS",
        description=(
            "Further host names, separated by commas, that UI, statements and sandbox answer to, where a proxy or another name "
            "leads to them ([operations](operations.md#pages-of-other-sites))"
        ),
    )

    @field_validator("first_month", mode="before")
    @classmethod
    def _month(cls, value: Any) -> Any:  # noqa: ANN401 - whatever the environment has
        return _parsed_month(value) if isinstance(value, str) else value

    @field_validator("first_month")
    @classmethod
    def _past_month(cls, value: date) -> date:
        if not _EARLIEST_MONTH <= value <= datetime.now(UTC).date():
            raise ValueError(f"expected a month that has begun, {_EARLIEST_MONTH:%Y-%m} or later")
        return value

    @field_validator("finance_roles", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, str):
            return value
        roles = tuple(role.strip() for role in value.split(",") if role.strip())
        if not roles:
            raise ValueError("expected at least one role, such as admin")
        return roles

    @field_validator("hosts", mode="before")
    @classmethod
    def _host_names(cls, value: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, str):
            return value
        names = tuple(name.strip().lower() for name in value.split(",") if name.strip())
        if not all(_HOST_NAME.fullmatch(name) or _is_address(name) for name in names):
            raise ValueError(
                "expected names such as dagster.example.com, separated by commas, without https:// or port"
            )
        return names

    @field_validator("warehouse")
    @classmethod
    def _without_password(cls, value: str) -> str:
        if value.startswith("ducklake:") and _PASSWORD.search(value):
            raise ValueError(
                "expected no password here, for the UI and messages show it: set PGPASSWORD, or PGPASSFILE, or use ~/.pgpass"
            )
        return value

    @field_validator("finance_url", "sandbox_url", "digitalocean_url", "ui_url", "statements_url")
    @classmethod
    def _url(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            has_host = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            has_host = False
        if not has_host:
            raise ValueError("expected a URL that begins with http:// or https:// and has a host")
        if "@" in parts.netloc:
            raise ValueError("expected a URL without a user or a password: a token is sent instead")
        return value

    @property
    def inbox_path(self) -> Path:
        """The inbox, in the home unless it is set to be elsewhere."""
        return self.home / self.inbox

    @property
    def archive_path(self) -> Path:
        """The archive, in the home unless it is set to be elsewhere."""
        return self.home / self.archive

    @property
    def focus_path(self) -> Path:
        """Where FOCUS files are written, in the home unless it is set to be elsewhere."""
        return self.home / self.focus

    @property
    def tenants_path(self) -> Path:
        """The routing table, in the home unless it is set to be elsewhere."""
        return self.home / self.tenants

    @property
    def sources_path(self) -> Path:
        """The standing rules for sources and accounts, in the home unless they are set to be elsewhere."""
        return self.home / self.sources

    @property
    def formats_path(self) -> Path:
        """The folder of the descriptions of formats, in the home unless it is set to be elsewhere."""
        return self.home / self.formats

    @property
    def statements_path(self) -> Path:
        """The folder of the statements, in the home unless it is set to be elsewhere."""
        return self.home / self.statements

    @property
    def dagster_storage_path(self) -> Path:
        """The folder with what Dagster itself keeps, in the home unless it is set to be elsewhere."""
        return self.home / self.dagster_storage

    @property
    def warehouse_location(self) -> str:
        """The warehouse: a path in the home, or elsewhere, or another kind of warehouse."""
        return self.warehouse if self.has_lake else str(self.home / self.warehouse)

    @property
    def has_lake(self) -> bool:
        """Whether the warehouse is a lake, for several machines."""
        return self.warehouse.startswith("ducklake:")

    @property
    def lake_path(self) -> Path:
        """The folder of a lake's files, in the home unless it is set to be elsewhere."""
        return self.home / self.data_path


PATH_VARIABLES: Final = frozenset(
    str(found.validation_alias)
    for name, found in Settings.model_fields.items()
    if found.annotation is Path or name == "warehouse"
)
"""The variables of the settings that are paths: relative to where the program was started, or unset and in the home."""


def absolute_paths(environ: Mapping[str, str]) -> dict[str, str]:
    """What the path settings that are set mean, by their variables: paths that mean the same in every folder.

    Args:
        environ: The environment, or a part of it. A variable that is blank is not set.
    """
    values = {name: environ.get(name, "").strip() for name in PATH_VARIABLES}
    return {
        name: str(Path(value).expanduser().absolute())
        for name, value in values.items()
        if value and not value.startswith("ducklake:")
    }


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings from the environment, validated.

    Raises:
        SettingsError: A setting cannot be right.
    """
    variables = os.environ if environ is None else environ
    values = {
        str(field.validation_alias): variables[str(field.validation_alias)].strip()
        for field in Settings.model_fields.values()
        if variables.get(str(field.validation_alias), "").strip()
    }
    try:
        return Settings.model_validate({**values, **absolute_paths(values)})
    except ValidationError as error:
        raise SettingsError("\n".join(_complaints(error))) from None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def names_finance(environ: Mapping[str, str]) -> bool:
    """Whether a person has said which finance service to push to, or with which secret."""
    return any(environ.get(name, "").strip() for name in (_FINANCE_URL_VARIABLE, SECRET_VARIABLE))


def in_sandbox(environ: Mapping[str, str], *, home: Path, url: str, secret: str) -> dict[str, str]:
    """The environment of a home whose finance service is a sandbox of its own.

    Places outside of the home are those of real invoices, and how finance lists them is told of the real one: both are left out.

    Args:
        environ: The environment, which names no finance service.
        home: The home.
        url: The sandbox's base URL.
        secret: The secret shared with it.
    """
    rest = {name: value for name, value in environ.items() if name not in {*PATH_VARIABLES, "SKYAI_FINANCE_LIST_PATH"}}
    sandbox = {_FINANCE_URL_VARIABLE: url, _SANDBOX_URL_VARIABLE: url, SECRET_VARIABLE: secret}
    return {**rest, HOME_VARIABLE: str(home), **sandbox}


def _complaints(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(str(part) for part in found['loc'])}={_shown(found['input'])}: "
        f"{found['msg'].removeprefix('Value error, ')}"
        for found in error.errors()
    ]


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever the environment has
    """What was found, without what may be a secret."""
    shown = repr(value)
    return "'...'" if shown.startswith("'ducklake:") and _PASSWORD.search(shown) else _CREDENTIALS.sub("//...@", shown)


def _parsed_month(text: str) -> date:
    try:
        return datetime.strptime(text.strip(), "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        raise ValueError("expected a month such as 2018-01") from None


def as_markdown() -> str:
    """All settings, as docs/settings.md has them."""
    rows = [
        (str(found.validation_alias), _shown_default(name, found.default), str(found.description))
        for name, found in Settings.model_fields.items()
    ]
    rows += [
        (SECRET_VARIABLE, "unset", "The shared secret that tokens are signed with; unset: finance is not configured"),
        (TOKEN_VARIABLE, "unset", "The token that DigitalOcean's API is read with; unset: nothing is fetched"),
        (
            ALERT_VARIABLE,
            "unset",
            "The webhook (Slack's, or one like it) that failures are told to, a secret; unset: alerts are off",
        ),
    ]
    lines = [f"| `{variable}` | {default} | {meaning} |" for variable, default, meaning in rows]
    return "\n".join(("| variable | default | meaning |", "|---|---|---|", *lines)) + "\n"


def _shown_default(name: str, default: Any) -> str:  # noqa: ANN401 - any setting's default
    if default in {"", ()}:
        return "unset"
    shown = str(default)
    if name == "home":
        shown = "var"
    elif isinstance(default, date):
        shown = f"{default:%Y-%m}"
    elif isinstance(default, bool):
        shown = str(default).lower()
    elif isinstance(default, tuple):
        shown = ",".join(default)
    elif isinstance(default, float):
        shown = f"{default:g}"
    return f"`{shown}`"
