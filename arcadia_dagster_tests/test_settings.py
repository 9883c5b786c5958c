"""Settings: the defaults that people rely on, and what a wrong one says."""

import os
import re
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from arcadia_dagster.alerts.resource import AlertsResource
from arcadia_dagster.billing.approval import NO_LIMITS
from arcadia_dagster.commands.home import Home
from arcadia_dagster.definitions import build_defs
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.launcher import plan
from arcadia_dagster.providers.catalogue import CATALOGUE, SECTIONS
from arcadia_dagster.providers.resource import ProvidersResource
from arcadia_dagster.resources import Resources
from arcadia_dagster.settings import PATH_VARIABLES, Settings, SettingsError, as_markdown, load

SECRET = "never-to-be-seen-" * 4
SECRETS = ("SKYAI_FINANCE_SECRET", "DIGITALOCEAN_TOKEN", "ARCADIA_ALERT_WEBHOOK")

DEFAULTS = {
    "ARCADIA_HOME": Path("var").absolute(),
    "ARCADIA_INBOX": (str(Path("var/inbox").absolute()),),
    "ARCADIA_ARCHIVE": str(Path("var/archive").absolute()),
    "ARCADIA_WAREHOUSE": str(Path("var/arcadia.duckdb").absolute()),
    "ARCADIA_DATA_PATH": str(Path("var/lake").absolute()),
    "ARCADIA_FOCUS": Path("var/focus").absolute(),
    "ARCADIA_BUDGETS": Path("var/budgets.toml").absolute(),
    "ARCADIA_ACCOUNTS": Path("var/accounts.toml").absolute(),
    "ARCADIA_TENANTS": Path("var/tenants.toml").absolute(),
    "ARCADIA_SOURCES": Path("var/sources.toml").absolute(),
    "ARCADIA_FORMATS": Path("var/formats").absolute(),
    "ARCADIA_STATEMENTS": Path("var/statements").absolute(),
    "ARCADIA_DAGSTER_STORAGE": Path("var/dagster").absolute(),
    "ARCADIA_ASSET_PREFIX": "",
    "ARCADIA_COMPANY": "",
    "ARCADIA_CURRENCY": "",
    "ARCADIA_STATEMENTS_URL": "",
    "ARCADIA_FIRST_MONTH": date(2018, 1, 1),
    "ARCADIA_PARTITIONS": "all",
    "ARCADIA_SETTLE_SECONDS": 5.0,
    "ARCADIA_MAX_DOCUMENT_BYTES": 10 * 1024**3,
    "ARCADIA_SENSOR_SECONDS": 10,
    "ARCADIA_RUNS_PER_TICK": 4,
    "ARCADIA_LOCK_TIMEOUT": 60.0,
    "SKYAI_FINANCE_URL": "http://localhost:4010",
    "SKYAI_FINANCE_TENANT_ID": "platform-admin",
    "SKYAI_FINANCE_ROLES": ("admin",),
    "SKYAI_FINANCE_ISSUER": "arcadia_cloud",
    "SKYAI_FINANCE_SUBJECT": "",
    "SKYAI_FINANCE_READ_TIMEOUT": 15.0,
    "SKYAI_FINANCE_ABANDON_DAYS": 7.0,
    "SKYAI_FINANCE_CONCURRENCY": 8,
    "SKYAI_FINANCE_ALLOW_HTTP": False,
    "SKYAI_FINANCE_OPTIONAL_FIELDS": True,
    "SKYAI_FINANCE_LIST_PATH": "",
    "ARCADIA_SANDBOX_URL": "",
    "ARCADIA_APPROVE_OVER": NO_LIMITS,
    "ARCADIA_CLOSE_DAY": 5,
    "ARCADIA_UI_URL": "http://127.0.0.1:3000",
    "ARCADIA_HOSTS": (),
    "ARCADIA_USER_HEADER": "",
    "ARCADIA_LOG": "text",
    "ARCADIA_METRICS": False,
    "ARCADIA_GROUP_READS": False,
    "SKYAI_FINANCE_SECRET": SecretStr(""),
    "ARCADIA_ALERT_WEBHOOK": SecretStr(""),
}

WRONG = {
    "ARCADIA_FIRST_MONTH": ("2018-13", "January", "2018", "2018-01-01", "2999-01", "0001-01"),
    "ARCADIA_SETTLE_SECONDS": ("-1", "3601", "nan", "5s"),
    "ARCADIA_MAX_DOCUMENT_BYTES": ("0", "-5", "10GB", "1.5"),
    "ARCADIA_SENSOR_SECONDS": ("0", "-5", "1.5", "30s"),
    "ARCADIA_LOCK_TIMEOUT": ("0", "-1", "nan", "inf", "soon"),
    "SKYAI_FINANCE_URL": ("localhost:4010", "ftp://finance", "http://", "http://finance:x", "https://key@finance"),
    "ARCADIA_ASSET_PREFIX": ("a-b", "a/b", "1a", "_a", "a b", "a" * 31),
    "ARCADIA_CURRENCY": ("euro", "eur", "XXX"),
    "ARCADIA_APPROVE_OVER": ("1000", "EUR 1000, all", "eur 1000", "from 2026-11"),
    "ARCADIA_CLOSE_DAY": ("0", "29", "last", "1.5"),
    "ARCADIA_USER_HEADER": ("X_User", "X User", "X-User:"),
    "ARCADIA_HOSTS": ("https://dagster.example.com", "dagster:3000", "fe:3000", "one two", "*", "a,.b", "a/b"),
    "SKYAI_FINANCE_ROLES": (",", " , "),
    "SKYAI_FINANCE_READ_TIMEOUT": ("0", "inf", "15s"),
    "SKYAI_FINANCE_ABANDON_DAYS": ("0", "366", "a week"),
    "SKYAI_FINANCE_CONCURRENCY": ("0", "65", "2.5", "many"),
    "SKYAI_FINANCE_ALLOW_HTTP": ("perhaps",),
    "SKYAI_FINANCE_OPTIONAL_FIELDS": ("2",),
    "SKYAI_FINANCE_LIST_PATH": ("invoices", "/in voices"),
    "ARCADIA_SANDBOX_URL": ("sandbox",),
}


def test_every_setting_has_the_default_that_people_rely_on() -> None:
    values = load({})
    found = {str(field.validation_alias): getattr(values, name) for name, field in Settings.model_fields.items()}
    assert found == DEFAULTS


PROVIDERS = {
    "DIGITALOCEAN_TOKEN": SecretStr(""),
    "ARCADIA_DIGITALOCEAN_URL": "https://api.digitalocean.com",
    "LINODE_TOKEN": SecretStr(""),
    "ARCADIA_LINODE_URL": "https://api.linode.com",
    "SCW_SECRET_KEY": SecretStr(""),
    "SCW_DEFAULT_ORGANIZATION_ID": "",
    "SCW_API_URL": "https://api.scaleway.com",
    "OVH_APPLICATION_KEY": "",
    "OVH_APPLICATION_SECRET": SecretStr(""),
    "OVH_CONSUMER_KEY": SecretStr(""),
    "OVH_ENDPOINT": "ovh-eu",
    "ARCADIA_OVHCLOUD_URL": "",
    "ARCADIA_AWS_ACCOUNTS": (),
    "AWS_ACCESS_KEY_ID": "",
    "AWS_SECRET_ACCESS_KEY": SecretStr(""),
    "AWS_SESSION_TOKEN": SecretStr(""),
    "AWS_ENDPOINT_URL_INVOICING": "https://invoicing.us-east-1.api.aws",
    "ARCADIA_AZURE_BILLING_ACCOUNT": "",
    "AZURE_TENANT_ID": "",
    "AZURE_CLIENT_ID": "",
    "AZURE_CLIENT_SECRET": SecretStr(""),
    "ARCADIA_AZURE_URL": "https://management.azure.com",
    "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com",
}


def test_every_setting_of_a_provider_has_the_default_that_people_rely_on() -> None:
    values = load({})
    found = {
        str(field.validation_alias): getattr(values.section(section), name)
        for section in SECTIONS
        for name, field in section.model_fields.items()
    }
    assert found == PROVIDERS


@pytest.mark.parametrize("wrong", ["api.example.com", "ftp://api.example.com", "https://token@api.example.com"])
def test_a_wrong_setting_of_a_provider_is_named_and_shows_no_secret(wrong: str) -> None:
    for provider in CATALOGUE:
        url = provider.settings.variable("url")
        with pytest.raises(SettingsError) as refused:
            Resources.of(load({url: wrong}))
        assert str(refused.value).startswith(f"{url}=")
        assert "token@" not in str(refused.value)


def test_every_setting_has_a_meaning_in_the_table_of_the_readme() -> None:
    table = as_markdown(*SECTIONS)
    for variable in DEFAULTS | PROVIDERS:
        assert f"| `{variable}` | " in table
    assert all(line.count("|") == 4 and not line.endswith("| None |") for line in table.splitlines())


def test_hosts_are_names_or_addresses() -> None:
    assert load({"ARCADIA_HOSTS": " Dagster.example.com, box,10.1.2.3 ,fd00::1,"}).hosts == (
        "dagster.example.com",
        "box",
        "10.1.2.3",
        "fd00::1",
    )


def test_what_lies_in_the_home_follows_it() -> None:
    values = load({"ARCADIA_HOME": "/srv/arcadia"})
    assert values.tenants == Path("/srv/arcadia/tenants.toml")
    assert values.inbox == Path("/srv/arcadia/inbox")
    assert values.archive == "/srv/arcadia/archive"
    assert values.warehouse == "/srv/arcadia/arcadia.duckdb"


def test_a_relative_path_is_relative_to_where_the_program_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ann")
    environ = {"ARCADIA_HOME": "state", "ARCADIA_INBOX": "drop/here", "ARCADIA_ARCHIVE": "~/archive"}
    values = load({**environ, "ARCADIA_WAREHOUSE": "figures.duckdb"})
    assert values.home == tmp_path / "state"
    assert values.inbox == tmp_path / "drop" / "here"
    assert values.archive == "/home/ann/archive"
    assert values.statements == tmp_path / "state" / "statements"
    assert values.warehouse == str(tmp_path / "figures.duckdb")


def test_several_inboxes_are_folders_and_buckets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = load({"ARCADIA_INBOX": "s3://billing/exports/, drop ,gs://invoices,/mnt/more,az://exports/focus"})
    assert values.inbox == tmp_path / "drop"
    assert values.names_inbox
    assert values.further_inboxes == ("s3://billing/exports", "gs://invoices", "/mnt/more", "az://exports/focus")
    again = load({**values.places()})
    assert (again.inbox, again.further_inboxes) == (values.inbox, values.further_inboxes)


def test_a_bucket_whose_cloud_charges_for_each_look_is_looked_at_once_a_minute_unless_it_is_set() -> None:
    assert load({"ARCADIA_INBOX": "in, s3://bills"}).sensor_seconds == 60
    assert load({"ARCADIA_INBOX": "in, s3://bills", "ARCADIA_SENSOR_SECONDS": "5"}).sensor_seconds == 5
    assert load({"ARCADIA_INBOX": "in, more"}).sensor_seconds == 10


def test_where_no_folder_is_named_downloads_go_into_the_home_which_need_not_have_one() -> None:
    values = load({"ARCADIA_HOME": "/srv/arcadia", "ARCADIA_INBOX": "s3://billing"})
    assert (values.inbox, values.names_inbox) == (Path("/srv/arcadia/inbox"), False)
    assert values.further_inboxes == ("s3://billing",)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ftp://billing", "expected s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"),
        ("s3://", "expected the name of a bucket after s3://"),
        ("s3://billing/a//b", "expected a prefix such as billing/exports"),
        ("s3://billing/../x", "expected a prefix such as billing/exports"),
        ("/a,/a/b", "/a/b lies in /a"),
        ("s3://billing,s3://billing/exports", "s3://billing/exports lies in s3://billing"),
        ("/a,/a", "/a is named twice"),
        ("/a,/b:c", "expected no : in the path of a further folder"),
    ],
)
def test_an_inbox_that_cannot_be_one_is_refused(value: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(expected)):
        load({"ARCADIA_INBOX": value})


@pytest.mark.parametrize(
    "value",
    ["s3://AKIA:{}@billing/x", "az://exports?sv=2021&sig={}", "gs://ab,s3://user:{}@billing", "az://exports/a?sig={}"],
)
def test_credentials_in_the_url_of_a_bucket_are_refused_and_never_shown(value: str) -> None:
    with pytest.raises(SettingsError, match="without credentials") as raised:
        load({"ARCADIA_INBOX": value.format(SECRET)})
    assert SECRET not in repr(raised.getrepr(chain=True))


PATHS = {
    "ARCADIA_HOME": "home",
    "ARCADIA_INBOX": "inbox",
    "ARCADIA_ARCHIVE": "archive",
    "ARCADIA_WAREHOUSE": "warehouse",
    "ARCADIA_DATA_PATH": "data_path",
    "ARCADIA_FOCUS": "focus",
    "ARCADIA_ACCOUNTS": "accounts",
    "ARCADIA_BUDGETS": "budgets",
    "ARCADIA_TENANTS": "tenants",
    "ARCADIA_SOURCES": "sources",
    "ARCADIA_FORMATS": "formats",
    "ARCADIA_STATEMENTS": "statements",
    "ARCADIA_DAGSTER_STORAGE": "dagster_storage",
}


@pytest.mark.parametrize("variable", PATHS)
def test_every_path_means_the_same_place_to_a_command_and_to_what_it_starts_in_another_folder(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {variable: "./mine", "HOME": str(tmp_path)})
    monkeypatch.chdir(tmp_path)
    assert str(getattr(Home.open().settings, PATHS[variable])) == str(tmp_path / "mine")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert str(getattr(load(), PATHS[variable])) == str(tmp_path / "mine")


def test_no_path_of_the_real_deployment_reaches_the_sandbox(tmp_path: Path) -> None:
    environ = dict.fromkeys(PATHS, str(tmp_path / "real")) | {"ARCADIA_HOME": str(tmp_path)}
    sandbox = plan(load(environ), environ, port=1, statements_port=2, sandbox_port=3)
    values = load(sandbox.environ)
    own = str(tmp_path / "sandbox")
    assert {variable for variable, name in PATHS.items() if not str(getattr(values, name)).startswith(own)} == set()


def test_every_setting_that_is_a_path_is_one_of_these() -> None:
    assert set(PATHS) == PATH_VARIABLES


def test_a_setting_that_is_blank_is_unset_and_the_blanks_around_one_do_not_count() -> None:
    assert load(dict.fromkeys(DEFAULTS, " ")) == load({})
    environ = {"SKYAI_FINANCE_TENANT_ID": " north ", "SKYAI_FINANCE_URL": " https://finance.example ", "OTHER": "x"}
    values = load(environ)
    assert (values.finance_tenant_id, values.finance_url) == ("north", "https://finance.example")
    assert load({"SKYAI_FINANCE_ROLES": " admin, user,"}).finance_roles == ("admin", "user")


@pytest.mark.parametrize(("variable", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_one_line_that_names_the_variable(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as found:
        load({variable: value, "SKYAI_FINANCE_SECRET": SECRET})
    [told] = str(found.value).splitlines()
    assert told.startswith(f"{variable}=")
    assert "should" in told or "expected" in told
    assert SECRET not in told


def test_all_wrong_values_are_told_at_once_one_line_each_and_never_the_secret() -> None:
    wrong = {name: values[0] for name, values in WRONG.items()}
    with pytest.raises(SettingsError) as found:
        load({**wrong, "SKYAI_FINANCE_SECRET": SECRET})
    lines = str(found.value).splitlines()
    assert sorted(line.partition("=")[0] for line in lines) == sorted(wrong)
    assert SECRET not in str(found.value)
    assert found.value.__cause__ is None  # pydantic's own words, which quote every value, do not come along


@pytest.mark.parametrize(
    "url", ["https://ann:pass-word@finance", "ftp://ann:pass-word@finance", "http://pass-word@h:x"]
)
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError) as found:
        load({"SKYAI_FINANCE_URL": url})
    assert "pass-word" not in str(found.value)


@pytest.mark.parametrize("where", ["dbname=arcadia password=pass-word", "postgresql://ann:pass-word@db/arcadia"])
def test_a_password_in_the_address_of_a_lake_is_refused_and_not_repeated(where: str) -> None:
    with pytest.raises(SettingsError, match=r"ARCADIA_WAREHOUSE=.*PGPASSFILE") as found:
        load({"ARCADIA_WAREHOUSE": f"ducklake:postgres:{where}"})
    assert "pass-word" not in str(found.value)


def test_a_first_month_may_be_the_present_one() -> None:
    present = datetime.now(UTC).date().replace(day=1)
    assert load({"ARCADIA_FIRST_MONTH": f"{present:%Y-%m}"}).first_month == present


def test_finance_has_the_time_limits_and_retries_of_its_contract() -> None:
    finance = FinanceResource()
    assert finance.read_timeout == 15.0
    assert finance.retry_delays == (1.0, 2.0)
    assert (finance.base_url, finance.tenant_id, finance.roles) == (
        "http://localhost:4010",
        "platform-admin",
        ("admin",),
    )
    assert (finance.issuer, finance.concurrency, finance.allow_http) == ("arcadia_cloud", 8, False)
    assert not finance.is_configured


def test_every_setting_reaches_the_resource_that_needs_it() -> None:
    environ = {
        "ARCADIA_HOME": "/srv",
        "ARCADIA_SETTLE_SECONDS": "7",
        "ARCADIA_MAX_DOCUMENT_BYTES": "1000",
        "ARCADIA_LOCK_TIMEOUT": "9",
        "SKYAI_FINANCE_URL": "https://finance.example",
        "SKYAI_FINANCE_TENANT_ID": "north",
        "SKYAI_FINANCE_ROLES": "user,admin",
        "SKYAI_FINANCE_ISSUER": "us",
        "SKYAI_FINANCE_SUBJECT": "robot",
        "SKYAI_FINANCE_READ_TIMEOUT": "3",
        "SKYAI_FINANCE_ABANDON_DAYS": "0.5",
        "SKYAI_FINANCE_CONCURRENCY": "2",
        "SKYAI_FINANCE_ALLOW_HTTP": "true",
        "SKYAI_FINANCE_OPTIONAL_FIELDS": "false",
        "SKYAI_FINANCE_LIST_PATH": "/api/v2/invoices",
        "ARCADIA_SANDBOX_URL": "http://localhost:4010",
    }
    resources = Resources.of(load(environ)).by_name()
    landing, warehouse, finance = resources["landing"], resources["warehouse"], resources["finance"]
    assert (landing.inbox, landing.archive) == ("/srv/inbox", "/srv/archive")
    assert (landing.settle_seconds, landing.max_document_bytes) == (7, 1000)
    assert (warehouse.path, warehouse.lock_timeout) == ("/srv/arcadia.duckdb", 9)
    assert (finance.base_url, finance.tenant_id, finance.roles) == (
        "https://finance.example",
        "north",
        ("user", "admin"),
    )
    assert (finance.issuer, finance.subject, finance.read_timeout) == ("us", "robot", 3)
    assert (finance.concurrency, finance.allow_http, finance.optional_fields) == (2, True, False)
    assert (finance.abandon_days, finance.list_path) == (0.5, "/api/v2/invoices")
    assert finance.sandbox_url == "http://localhost:4010"


def test_no_representation_shows_a_secret() -> None:
    environ = dict.fromkeys(SECRETS, SECRET)
    resources = Resources.of(load(environ)).by_name()
    assert all(resources[name].is_configured for name in ("finance", "alerts"))
    assert [provider.name for provider in resources["providers"].configured] == ["digitalocean"]
    assert all(SECRET not in repr(resource) + str(resource) for resource in resources.values())
    assert SECRET not in repr(load(environ))


def test_each_run_reads_the_environment_as_it_is_then() -> None:
    seen = []

    def token_of(providers: ProvidersResource) -> str:
        token: SecretStr = providers.settings["digitalocean"].model_dump()["token"]
        return token.get_secret_value()

    @dg.op
    def look(
        finance: dg.ResourceParam[FinanceResource],
        providers: dg.ResourceParam[ProvidersResource],
        alerts: dg.ResourceParam[AlertsResource],
        landing: dg.ResourceParam[LandingResource],
    ) -> None:
        seen.append((finance.secret, finance.base_url, token_of(providers), alerts.webhook, landing.inbox))

    environ = {"ARCADIA_HOME": "/one"}
    definitions = build_defs(environ=environ)

    @dg.job(resource_defs=definitions.resources)
    def looking() -> None:
        look()

    assert looking.execute_in_process().success
    environ |= {
        **dict.fromkeys(SECRETS, SECRET),
        "ARCADIA_HOME": "/other",
        "SKYAI_FINANCE_URL": "https://finance.example",
    }
    assert looking.execute_in_process().success
    assert seen == [
        ("", "http://localhost:4010", "", "", "/one/inbox"),
        (SECRET, "https://finance.example", SECRET, SECRET, "/other/inbox"),
    ]


def test_nobody_sees_the_secret_in_the_representation_of_the_resource() -> None:
    finance = FinanceResource(secret=SECRET)
    assert finance.is_configured
    assert SECRET not in repr(finance)
    assert SECRET not in str(finance)
    assert SECRET not in repr(finance.recipient)


def test_the_tests_see_no_setting_of_the_person_who_runs_them() -> None:
    assert not [name for name in os.environ if name.startswith(("ARCADIA_", "SKYAI_"))]
