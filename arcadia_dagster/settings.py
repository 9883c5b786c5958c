"""Every setting: its environment variable, its type, its default and its meaning, once.

What only one module needs, such as a provider's token, that module declares itself, as a `Section`.

The launcher and the command line load `.env`, which is then a part of the environment; definitions read the environment only.
A secret is a `SecretStr`: no representation and no message shows it.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
)
from pydantic.fields import FieldInfo

from arcadia_dagster.billing.approval import NO_LIMITS, Limits
from arcadia_dagster.billing.currency import EXPONENTS
from arcadia_dagster.buckets.url import BucketUrl, names_bucket
from arcadia_dagster.loopback import FINANCE_PORT
from arcadia_dagster.prefix import Prefix

SECRET_VARIABLE = "SKYAI_FINANCE_SECRET"  # noqa: S105 - the variable's name
ALERT_VARIABLE = "ARCADIA_ALERT_WEBHOOK"
HOME_VARIABLE = "ARCADIA_HOME"

# The defaults that what is made of the settings has too, where it is made without them.
FINANCE_URL: Final = f"http://localhost:{FINANCE_PORT}"
_SENSOR_SECONDS: Final = 10
FINANCE_ROLES: Final = ("admin",)
FINANCE_ISSUER: Final = "arcadia_cloud"
FINANCE_READ_TIMEOUT: Final = 15.0
FINANCE_CONCURRENCY: Final = 8
FINANCE_ABANDON_DAYS: Final = 7.0
OWN_TENANT: Final = "platform-admin"
FIRST_MONTH: Final = date(2018, 1, 1)
SETTLE_SECONDS: Final = 5.0
LOCK_TIMEOUT: Final = 60.0
MAX_DOCUMENT_BYTES: Final = 10 * 2**30
UI_URL: Final = "http://127.0.0.1:3000"

_FINANCE_URL_VARIABLE = "SKYAI_FINANCE_URL"
_SANDBOX_URL_VARIABLE = "ARCADIA_SANDBOX_URL"

_EARLIEST_MONTH = date(1970, 1, 1)
_CREDENTIALS = re.compile(r"//\S*@")
_QUERY = re.compile(r"(://[^?\s]*)\?\S*")
_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_PASSWORD = re.compile(r"(?i)\bpassword\s*=|://[^/@]*:[^/@]*@")
_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,29})?")
_LAKE = "ducklake:"


class SettingsError(ValueError):
    """A setting cannot be right; the message names it, what was found and what is expected, one line for each."""


def _absolute(value: str) -> str:
    return str(Path(value).expanduser().absolute())


def _location(value: str) -> str:
    if not value.startswith(_LAKE):
        return _absolute(value)
    if _PASSWORD.search(value):
        raise ValueError(
            "expected no password here, for the UI and messages show it: set PGPASSWORD, or PGPASSFILE, or use ~/.pgpass"
        )
    return value


def _url(value: str) -> str:
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


def _month(value: str) -> date:
    try:
        month = datetime.strptime(value, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        raise ValueError("expected a month such as 2018-01") from None
    if not _EARLIEST_MONTH <= month <= datetime.now(UTC).date():
        raise ValueError(f"expected a month that has begun, {_EARLIEST_MONTH:%Y-%m} or later")
    return month


def _items(value: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in value.split(",") if item.strip())


def _inboxes(value: str) -> tuple[str, ...]:
    inboxes: list[str] = []
    for item in _items(value):
        if not names_bucket(item):
            inboxes.append(_absolute(item))
            continue
        try:
            inboxes.append(str(BucketUrl.parse(item)))
        except ValueError as error:
            raise ValueError(f"{error}; several inboxes are separated by commas") from None
    first = next((name for name in inboxes if not names_bucket(name)), None)
    for name in inboxes:
        if name != first and not names_bucket(name) and ":" in name:
            raise ValueError("expected no : in the path of a further folder; the first folder may have one")
    for name, other in permutations(inboxes, 2):
        if _lies_in(name, other):
            raise ValueError(
                f"expected inboxes that have no file in common: {name} lies in {other}"
                if name != other
                else f"{name} is named twice"
            )
    return tuple(inboxes)


def _folder_or_bucket(value: str) -> str:
    return str(BucketUrl.parse(value)) if names_bucket(value) else _absolute(value)


def _lies_in(name: str, other: str) -> bool:
    """Whether an inbox lies in another one, or is that."""
    if names_bucket(name) and names_bucket(other):
        return BucketUrl.parse(other).has(BucketUrl.parse(name))
    return not names_bucket(name) and not names_bucket(other) and Path(name).is_relative_to(other)


def _some(items: tuple[str, ...]) -> tuple[str, ...]:
    if not items:
        raise ValueError("expected at least one role, such as admin")
    return items


def _host_names(items: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(item.lower() for item in items)
    if not all(_HOST_NAME.fullmatch(name) or _is_address(name) for name in names):
        raise ValueError("expected names such as dagster.example.com, separated by commas, without https:// or port")
    return names


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _currency(value: str) -> str:
    if value and value not in EXPONENTS:
        raise ValueError("expected the code of a currency in ISO 4217, such as EUR")
    return value


def _prefix(value: str) -> str:
    if not _PREFIX.fullmatch(value):
        raise ValueError("expected at most 30 letters, digits and _ that begin with a letter, such as acme")
    return value


def _limits(value: str | Limits) -> Limits:
    return Limits.parse(value) if isinstance(value, str) else value


Place: TypeAlias = Annotated[Path, BeforeValidator(_absolute)]
"""A file or a folder: one that is set is relative to where the program was started."""
Location: TypeAlias = Annotated[str, BeforeValidator(_location)]
"""A file, as a `Place` is; or, for several machines, `ducklake:postgres:` and where Postgres is, without a password."""
Url: TypeAlias = Annotated[str, AfterValidator(_url)]
"""An http(s) URL with a host, without a user or a password."""
Month: TypeAlias = Annotated[date, BeforeValidator(_month)]
"""A month that has begun (UTC), such as `2018-01`, as its first day."""
ApprovalLimits: TypeAlias = Annotated[Limits, BeforeValidator(_limits)]
"""An amount a currency, `EUR 1000, USD 2000`, or `all`; and, after a comma, the first month: `from 2026-11`."""
InboxNames: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_inboxes)]
"""Folders and URLs of buckets, separated by commas."""
List: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_items)]
"""Texts, separated by commas."""


class _InHome:
    """The default place of a file or folder: in the home, under a name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, valid: dict[str, Any]) -> Any:  # noqa: ANN401 - a place or a location
        return valid["home"] / self.name


class _FileInHome(_InHome):
    def __call__(self, valid: dict[str, Any]) -> str:
        return str(super().__call__(valid))


class _OnlyInHome(_InHome):
    def __call__(self, valid: dict[str, Any]) -> tuple[str, ...]:
        return (str(super().__call__(valid)),)


def _sensor_seconds(valid: dict[str, Any]) -> int:
    """A person waits for files that lie in a folder, and to look at a folder costs nothing; each look at a bucket is paid for."""
    return 60 if any(names_bucket(name) for name in valid["inboxes"]) else _SENSOR_SECONDS


class Section(BaseModel):
    """Settings that a module declares itself: each field with its variable as `validation_alias`, its default and its meaning."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, extra="ignore")


Declared = TypeVar("Declared", bound=Section)


class Settings(BaseModel):
    """The settings, from the environment. Times are in seconds; months are their first day (UTC)."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, extra="ignore")

    home: Place = Field(
        default_factory=lambda: Path("var").absolute(),
        validation_alias=HOME_VARIABLE,
        description="Where state lies (default: `var` here); the files and folders below are in it unless set",
    )
    inboxes: InboxNames = Field(
        default_factory=_OnlyInHome("inbox"),
        validation_alias="ARCADIA_INBOX",
        description=(
            "The folder that invoice files are dropped in; or several, separated by commas: folders and "
            "[buckets](buckets.md), such as `s3://bucket/prefix`"
        ),
    )
    archive: Annotated[str, BeforeValidator(_folder_or_bucket)] = Field(
        default_factory=_FileInHome("archive"),
        validation_alias="ARCADIA_ARCHIVE",
        description="Every document's bytes, kept for ever: a folder, or a [bucket](buckets.md#the-archive-in-a-bucket)",
    )
    warehouse: Location = Field(
        default_factory=_FileInHome("arcadia.duckdb"),
        validation_alias="ARCADIA_WAREHOUSE",
        description=(
            "The DuckDB file with all tables; or `ducklake:postgres:` and where Postgres is, for several machines: "
            "see [past one machine](scale-out.md)"
        ),
    )
    data_path: Annotated[str, BeforeValidator(_folder_or_bucket)] = Field(
        default_factory=_FileInHome("lake"),
        validation_alias="ARCADIA_DATA_PATH",
        description=(
            "Where a lake's files lie: a folder that all machines share, or a "
            "[bucket](buckets.md#the-files-of-a-lake-in-a-bucket); a DuckDB file needs none"
        ),
    )
    focus: Place = Field(
        default_factory=_InHome("focus"),
        validation_alias="ARCADIA_FOCUS",
        description="The folder that each month is written to as FOCUS files",
    )
    tenants: Place = Field(
        default_factory=_InHome("tenants.toml"),
        validation_alias="ARCADIA_TENANTS",
        description="The routing table, where there is one: which tenant bears what",
    )
    sources: Place = Field(
        default_factory=_InHome("sources.toml"),
        validation_alias="ARCADIA_SOURCES",
        description="What you know of sources and accounts that documents do not say, where there is [something](sources.md)",
    )
    accounts: Place = Field(
        default_factory=_InHome("accounts.toml"),
        validation_alias="ARCADIA_ACCOUNTS",
        description="The accounts of your books, where there are [some](books.md)",
    )
    budgets: Place = Field(
        default_factory=_InHome("budgets.toml"),
        validation_alias="ARCADIA_BUDGETS",
        description="What may be spent in a month, where there are [budgets](books.md#budgets)",
    )
    formats: Place = Field(
        default_factory=_InHome("formats"),
        validation_alias="ARCADIA_FORMATS",
        description="The folder with your descriptions of formats, where there are [some](describing-a-format.md)",
    )
    statements: Place = Field(
        default_factory=_InHome("statements"),
        validation_alias="ARCADIA_STATEMENTS",
        description="The folder that the monthly statements are written to",
    )
    dagster_storage: Place = Field(
        default_factory=_InHome("dagster"),
        validation_alias="ARCADIA_DAGSTER_STORAGE",
        description="The folder with what Dagster itself keeps: runs, events, logs",
    )
    asset_prefix: Annotated[str, AfterValidator(_prefix)] = Field(
        "",
        validation_alias="ARCADIA_ASSET_PREFIX",
        description=(
            "What the keys of assets and the names of jobs, schedules, sensors and groups begin with, such as `acme`, where "
            "[several homes share one Dagster](operations.md#several-homes-in-one-dagster)"
        ),
    )
    company: str = Field(
        "",
        validation_alias="ARCADIA_COMPANY",
        max_length=200,
        description="The company's name, as statements and tax pages show it",
    )
    own_currency: Annotated[str, AfterValidator(_currency)] = Field(
        "",
        validation_alias="ARCADIA_CURRENCY",
        description="The company's own currency, such as `EUR`: statements show it before all others; nothing is converted",
    )
    statements_url: Url = Field(
        "",
        validation_alias="ARCADIA_STATEMENTS_URL",
        description="Where the statements are served over HTTP, for links in the UI; `make run` serves them and sets this",
    )
    first_month: Month = Field(
        FIRST_MONTH,
        validation_alias="ARCADIA_FIRST_MONTH",
        description=(
            "The first month that invoices may be of, and the first that has a partition; one of a month before is held, and the "
            "reason says what to set"
        ),
    )
    partitions: Literal["all", "since-first", "known"] = Field(
        "all",
        validation_alias="ARCADIA_PARTITIONS",
        description=(
            "Which months have a partition: `all` from `ARCADIA_FIRST_MONTH` to the present one, `since-first` from the first "
            "one that the home has something of to the present one, `known` from the first to the last that it has something of. "
            "Unset: `known` in the web server, `since-first` in other code servers, and `all` in runs, commands and the daemon "
            "of `arcadia up`"
        ),
    )
    settle_seconds: float = Field(
        SETTLE_SECONDS,
        validation_alias="ARCADIA_SETTLE_SECONDS",
        ge=0,
        le=3600,
        description="How long a file that was not renamed into the inbox must lie unchanged",
    )
    max_document_bytes: int = Field(
        MAX_DOCUMENT_BYTES,
        validation_alias="ARCADIA_MAX_DOCUMENT_BYTES",
        gt=0,
        description="A larger file is not taken",
    )
    sensor_seconds: int = Field(
        default_factory=_sensor_seconds,
        validation_alias="ARCADIA_SENSOR_SECONDS",
        ge=1,
        le=86400,
        description="How long from one look of the sensor at the inbox to the next; where an inbox is in a bucket, the "
        "default is 60; less than 5 counts as 5",
    )
    runs_per_tick: int = Field(
        4,
        validation_alias="ARCADIA_RUNS_PER_TICK",
        ge=1,
        le=100,
        description="How many runs the sensor requests at a time; a run has at most 12 months",
    )
    lock_timeout: float = Field(
        LOCK_TIMEOUT,
        validation_alias="ARCADIA_LOCK_TIMEOUT",
        gt=0,
        description="How long to wait for the warehouse at most",
    )
    finance_url: Url = Field(
        FINANCE_URL, validation_alias=_FINANCE_URL_VARIABLE, description="The finance service's base URL"
    )
    finance_tenant_id: str = Field(
        OWN_TENANT, validation_alias="SKYAI_FINANCE_TENANT_ID", min_length=1, description="The identity's tenant"
    )
    finance_roles: Annotated[List, AfterValidator(_some)] = Field(
        FINANCE_ROLES, validation_alias="SKYAI_FINANCE_ROLES", description="The identity's roles, separated by commas"
    )
    finance_issuer: str = Field(
        FINANCE_ISSUER, validation_alias="SKYAI_FINANCE_ISSUER", min_length=1, description="Issuer of the token"
    )
    finance_subject: str = Field(
        "", validation_alias="SKYAI_FINANCE_SUBJECT", description="Subject of the token (default: the tenant id)"
    )
    finance_read_timeout: float = Field(
        FINANCE_READ_TIMEOUT,
        validation_alias="SKYAI_FINANCE_READ_TIMEOUT",
        gt=0,
        description="How long to wait for an answer's bytes",
    )
    finance_concurrency: int = Field(
        FINANCE_CONCURRENCY,
        validation_alias="SKYAI_FINANCE_CONCURRENCY",
        ge=1,
        le=64,
        description="How many invoices are sent at a time",
    )
    finance_abandon_days: float = Field(
        FINANCE_ABANDON_DAYS,
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
        description=(
            "Whether the payload has invoice number, dates, evidence and what issuers state besides, which a finance service may "
            "refuse"
        ),
    )
    finance_list_path: str = Field(
        "",
        validation_alias="SKYAI_FINANCE_LIST_PATH",
        pattern=r"^(/[!-~]*)?$",
        description="Where below its URL the finance service lists its invoices, if it can; `arcadia reconcile` needs it",
    )
    sandbox_url: Url = Field(
        "",
        validation_alias=_SANDBOX_URL_VARIABLE,
        description="The base URL that is a sandbox: sample invoices go there and nowhere else",
    )
    approve_over: ApprovalLimits = Field(
        NO_LIMITS,
        validation_alias="ARCADIA_APPROVE_OVER",
        description=(
            "Which invoices wait until a second person [approves](manual.md#a-second-person) them: an amount a currency, tax "
            "included, such as `EUR 1000, USD 2000`, or `all`; with `from 2026-11`, only those of that month and later"
        ),
    )
    close_day: int = Field(
        5,
        validation_alias="ARCADIA_CLOSE_DAY",
        ge=1,
        le=28,
        description="From this day of a month on (UTC), every account's invoice of the month before is expected",
    )
    ui_url: Url = Field(
        UI_URL,
        validation_alias="ARCADIA_UI_URL",
        description=(
            "Where people see the Dagster UI: the links of alerts lead there, and of statements where it is set, and pages from "
            "there may use it"
        ),
    )

    hosts: Annotated[List, AfterValidator(_host_names)] = Field(
        (),
        validation_alias="ARCADIA_HOSTS",
        description=(
            "Further host names, separated by commas, that UI, statements and sandbox answer to, where a proxy or another name "
            "leads to them ([operations](operations.md#pages-of-other-sites))"
        ),
    )

    user_header: str = Field(
        "",
        validation_alias="ARCADIA_USER_HEADER",
        pattern=r"^[A-Za-z0-9-]*$",
        description=(
            "The header in which a proxy names the person who has logged in, such as `X-Forwarded-User`: runs that they launch "
            "are tagged with it ([operations](operations.md#who-may-do-what)); unset: nobody is named"
        ),
    )

    log: Literal["text", "json"] = Field(
        "text",
        validation_alias="ARCADIA_LOG",
        description=(
            "`json`: what `arcadia up` starts, and the web server by itself, log one JSON object a line "
            "([operations](operations.md#is-it-well))"
        ),
    )

    metrics: bool = Field(
        False,  # noqa: FBT003 - the default of a named field
        validation_alias="ARCADIA_METRICS",
        description="Whether the web server has the page `/metrics` for Prometheus ([operations](operations.md#is-it-well))",
    )

    group_reads: bool = Field(
        False,  # noqa: FBT003 - the default of a named field
        validation_alias="ARCADIA_GROUP_READS",
        description=(
            "Whether the group of a file may read what is written, as a web server that serves the statements must; unset: the "
            "owner only ([operations](operations.md#who-can-read-the-files))"
        ),
    )

    finance_secret: SecretStr = Field(
        SecretStr(""),
        validation_alias=SECRET_VARIABLE,
        description="The shared secret that tokens are signed with; unset: finance is not configured",
    )
    alert_webhook: SecretStr = Field(
        SecretStr(""),
        validation_alias=ALERT_VARIABLE,
        description="The address of a webhook (Slack's, or one like it) for failures, a secret; unset: alerts are off",
    )

    _environ: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def inbox(self) -> Path:
        """The folder that people drop files in, and downloads are put in: the first that is named, else that of the home."""
        named = next((name for name in self.inboxes if not names_bucket(name)), None)
        return self.home / "inbox" if named is None else Path(named)

    @property
    def names_inbox(self) -> bool:
        """Whether that folder is one of the inboxes that are named, or there is no other."""
        return str(self.inbox) in self.inboxes

    @property
    def further_inboxes(self) -> tuple[str, ...]:
        """The other inboxes: folders, by their absolute paths, and buckets, by their URLs."""
        return tuple(name for name in self.inboxes if name != str(self.inbox))

    @property
    def written_places(self) -> tuple[str, ...]:
        """Every folder, file or bucket that what this program writes lies in, besides the home."""
        lake = self.data_path if self.has_lake else self.warehouse
        return (self.archive, lake, str(self.focus), str(self.statements), str(self.dagster_storage))

    @property
    def lake_work(self) -> Path:
        """What the temporary files of a lake lie beside."""
        return self.home / "lake"

    @property
    def archive_cache(self) -> Path:
        """Where copies of an archive in a bucket lie."""
        return self.home / "archive-copies"

    @property
    def has_lake(self) -> bool:
        """Whether the warehouse is a lake, for several machines."""
        return self.warehouse.startswith(_LAKE)

    @property
    def names_finance(self) -> bool:
        """Whether a person has said which finance service to push to, or with which secret."""
        return not self.model_fields_set.isdisjoint({"finance_url", "finance_secret"})

    @property
    def prefix(self) -> Prefix:
        """What the home's names in Dagster begin with."""
        return Prefix(self.asset_prefix)

    def section(self, declared: type[Declared]) -> Declared:
        """The settings that a module declares, from the same environment.

        Raises:
            SettingsError: One of them cannot be right.
        """
        variables = {str(field.validation_alias) for field in declared.model_fields.values()}
        try:
            return declared.model_validate({name: value for name, value in self._environ.items() if name in variables})
        except ValidationError as error:
            raise SettingsError("\n".join(_complaints(error))) from None

    def is_set(self, name: str) -> bool:
        """Whether a person has set the setting, be it to its default."""
        return name in self.model_fields_set

    @property
    def named_ui_url(self) -> str:
        """Where people see the Dagster UI, if somebody has said so; else empty, for its default may be no address of theirs."""
        return self.ui_url if self.is_set("ui_url") else ""

    @property
    def tells_persons_apart(self) -> bool:
        """Whether the UI knows who launches a run, or no invoice waits for a second person."""
        return self.approve_over.are_none or bool(self.user_header)

    def places(self) -> dict[str, str]:
        """The home, and the files and folders that are set, by their variables: paths that mean the same in every folder."""
        return {
            variable: _as_variable(getattr(self, name))
            for name, variable in _variables().items()
            if variable in PATH_VARIABLES and (name == "home" or self.is_set(name))
        }


def _as_variable(value: Any) -> str:  # noqa: ANN401 - a path, a location or several of them
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _variables() -> dict[str, str]:
    """The environment variable of each setting, by the setting's name."""
    return {name: str(field.validation_alias) for name, field in Settings.model_fields.items()}


PATH_VARIABLES: Final = frozenset(
    variable
    for name, variable in _variables().items()
    if name == "home" or isinstance(Settings.model_fields[name].default_factory, _InHome)
)
"""The variables of the settings that are paths: relative to where the program was started, or unset and in the home."""


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings from the environment, validated.

    Args:
        environ: The environment; the process's own where it is not given.

    Raises:
        SettingsError: A setting cannot be right.
    """
    given = os.environ if environ is None else environ
    # A variable that is blank is not set, and blanks around a value do not count.
    named = {name: value.strip() for name, value in given.items() if value.strip()}
    try:
        # The finance secret is taken as it is: whoever uses it says that a blank or a newline around it is wrong.
        values = Settings.model_validate(
            {name: given[name] if name == SECRET_VARIABLE else named[name] for name in named}
        )
    except ValidationError as error:
        raise SettingsError("\n".join(_complaints(error))) from None
    values._environ = named  # noqa: SLF001 - ours
    return values


def in_sandbox(environ: Mapping[str, str], *, home: Path, url: str, secret: str) -> dict[str, str]:
    """The environment of a home whose finance service is a sandbox of its own.

    It leaves out places outside of the home, which are those of real invoices, and the list path of the real finance service.

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
        f"{'.'.join(str(part) for part in detail['loc'])}={_shown(detail['input'])}: "
        f"{detail['msg'].removeprefix('Value error, ')}"
        for detail in error.errors()
        # What lies in the home has no default while another setting is wrong: it is not wrong itself.
        if detail["type"] != "default_factory_not_called"
    ]


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever the environment has
    """What was found, without what may be a secret."""
    shown = repr(value)
    if shown.startswith(f"'{_LAKE}") and _PASSWORD.search(shown):
        return "'...'"
    # What follows a question mark in a bucket's URL may be a signature.
    return _QUERY.sub(r"\1?...", _CREDENTIALS.sub("//...@", shown))


def as_markdown(*sections: type[Section]) -> str:
    """All settings, as docs/settings.md has them: those of everybody, and then those that modules declare themselves."""
    declared: tuple[type[BaseModel], ...] = (Settings, *sections)
    lines = [
        f"| `{field.validation_alias}` | {_shown_default(name, field)} | {field.description} |"
        for model in declared
        for name, field in model.model_fields.items()
    ]
    return "\n".join(("| variable | default | meaning |", "|---|---|---|", *lines)) + "\n"


def _shown_default(name: str, field: FieldInfo) -> str:
    if name == "home":
        return "`var`"
    if field.default_factory is _sensor_seconds:
        return f"`{_SENSOR_SECONDS}`"
    match field.default_factory or field.default:
        case _InHome() as place:
            shown = place.name
        case SecretStr() | Limits() | "" | ():
            return "unset"
        case bool(default):
            shown = str(default).lower()
        case date() as default:
            shown = f"{default:%Y-%m}"
        case tuple() as default:
            shown = ",".join(default)
        case float(default):
            shown = f"{default:g}"
        case default:
            shown = str(default)
    return f"`{shown}`"
