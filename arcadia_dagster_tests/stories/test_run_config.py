"""Whoever can launch a run cannot say where a secret goes, which one it is, or where files are: tried over GraphQL.

The fields to try are those of the repository's own run config schemas, so that a resource that joins is tried too; and those that
our resources once had.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._config import ConfigType

from arcadia_dagster.definitions import build_defs
from arcadia_dagster_tests.kit.digitalocean_api import TOKEN, DigitalOceanApi
from arcadia_dagster_tests.kit.graphql import LAUNCH, GraphQL, GraphQLError
from arcadia_dagster_tests.kit.leaks import files_with
from arcadia_dagster_tests.kit.project import digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.scripted_server import ScriptedServer, answer, imported
from arcadia_dagster_tests.kit.ui import web_server

SECRETS = {
    "SKYAI_FINANCE_SECRET": "marked-finance-secret-of-sixty-four-bytes-that-nobody-else-gets!",
    "DIGITALOCEAN_TOKEN": TOKEN,
    "ARCADIA_ALERT_WEBHOOK": "https://hooks.example.com/marked-webhook-that-nobody-else-gets",
}
# Before our resources lost their fields, these said where secrets and files go.
ONCE_FIELDS = (
    "base_url", "secret", "token", "webhook", "allow_http", "sandbox_url", "list_path", "inbox", "archive", "formats", "tenants",
    "path", "data_path", "folder", "url", "ui_url", "base_dir",
)  # fmt: skip

JOBS = """
query {
  repositoryOrError(repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "arcadia_dagster"}) {
    __typename ... on Error { message } ... on PythonError { stack } ... on Repository { pipelines { name } }
  }
}
"""

AGAIN = """
mutation ($run: String!, $job: String!, $config: RunConfigData!) {
  launchRunReexecution(executionParams: {
    selector: {repositoryName: "__repository__", repositoryLocationName: "arcadia_dagster", jobName: $job}
    runConfigData: $config
    executionMetadata: {parentRunId: $run, rootRunId: $run}
  }) { __typename ... on Error { message } ... on PythonError { stack } ... on LaunchRunSuccess { run { runId } } }
}
"""

SCHEMA = """
query ($job: String!, $assets: [AssetKeyInput!]) {
  runConfigSchemaOrError(
    selector: {
      repositoryName: "__repository__", repositoryLocationName: "arcadia_dagster", pipelineName: $job, assetSelection: $assets
    }
  ) {
    __typename ... on Error { message } ... on PythonError { stack }
    ... on RunConfigSchema {
      rootConfigType { key }
      allConfigTypes { key ... on CompositeConfigType { fields { name configTypeKey } } }
    }
  }
}
"""

STATUS = """
query ($run: ID!) {
  runOrError(runId: $run) { __typename ... on Error { message } ... on PythonError { stack } ... on Run { status runConfigYaml } }
}
"""


class Ui:
    """The server, and what a person or a page can launch there."""

    def __init__(
        self, url: str, home: Path, attacker: ScriptedServer, api: DigitalOceanApi, finance: ScriptedServer
    ) -> None:
        self.graphql = GraphQL(url)
        self.home, self.attacker, self.api, self.finance = home, attacker, api, finance

    def launch(self, job: str, config: dict[str, Any], month: str | None = "2026-04") -> str | None:
        """The run's id; None where the run config was refused."""
        return self._launched(
            "launchRun",
            LAUNCH,
            job=job,
            assets=selection(job),
            config=json.dumps(config),
            tags=[] if job == "fetch_from_providers" else [{"key": "dagster/partition", "value": month}],
        )

    def launch_again(self, run: str, job: str, config: dict[str, Any]) -> str | None:
        return self._launched("launchRunReexecution", AGAIN, run=run, job=job, config=json.dumps(config))

    def _launched(self, mutation: str, query: str, **variables: Any) -> str | None:
        try:
            found: str = self.graphql.ask(query, **variables)[mutation]["run"]["runId"]
        except GraphQLError as error:
            if "RunConfigValidationInvalid" not in str(error):
                raise
            return None
        return found

    def succeed(self, job: str) -> str:
        """A run as the UI launches it, once it has ended well."""
        run = self.launch(job, {})
        assert run is not None
        deadline = time.monotonic() + 100
        while (status := self.graphql.ask(STATUS, run=run)["runOrError"]["status"]) not in {"SUCCESS", "FAILURE"}:
            assert time.monotonic() < deadline, status
            time.sleep(0.2)
        assert status == "SUCCESS"
        return run

    def fields(self, job: str) -> dict[str, set[str]]:
        """Each resource that a run config of the job may name, with the fields that it may fill in; none where it has a form."""
        found = self.graphql.ask(SCHEMA, job=job, assets=selection(job))["runConfigSchemaOrError"]
        types = {
            one["key"]: {f["name"]: f["configTypeKey"] for f in one.get("fields", ())}
            for one in found["allConfigTypes"]
        }
        root = types[found["rootConfigType"]["key"]]
        resources = types[root["resources"]] if "resources" in root else {}
        return {name: set(types[types[key]["config"]]) for name, key in resources.items()}


def selection(job: str) -> list[dict[str, list[str]]] | None:
    """The assets that are chosen where a person materializes assets, which no job of ours is for."""
    assets = ("cloud_resources", "raw_invoices", "finance_records", "monthly_statement")
    return [{"path": [name]} for name in assets] if job == "__ASSET_JOB" else None


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    home = tmp_path_factory.mktemp("home")
    (home / "inbox").mkdir()
    (home / "inbox" / invoice_name()).write_bytes(digitalocean(line(), tax()))
    with ExitStack() as stack:
        attacker = stack.enter_context(ScriptedServer(answer(200, {})))
        finance = stack.enter_context(ScriptedServer(imported()))
        api = stack.enter_context(DigitalOceanApi())
        environ = {**SECRETS, "SKYAI_FINANCE_URL": finance.url, "ARCADIA_DIGITALOCEAN_URL": api.url}
        url = stack.enter_context(web_server(home, environ=environ))
        yield Ui(url, home, attacker, api, finance)


def values(attacker: str) -> tuple[Any, ...]:
    """What an attacker would fill in: an address, a variable, a permission; a number and a list, if only those are taken."""
    return attacker, {"env": "SKYAI_FINANCE_SECRET"}, True, 1, [attacker]


def test_no_launch_can_fill_in_a_field_of_a_resource(ui: Ui) -> None:
    jobs = {job["name"]: ui.fields(job["name"]) for job in ui.graphql.ask(JOBS)["repositoryOrError"]["pipelines"]}
    assert set(jobs) >= {"ingest_invoices", "deliver_invoices", "fetch_from_providers", "close_month", "__ASSET_JOB"}
    ours = {"warehouse", "landing", "finance", "providers", "statements", "alerts", "io_manager"}
    assert ours <= {resource for resources in jobs.values() for resource in resources}
    launched = [
        (job, resource, name, value)
        for job, resources in jobs.items()
        for resource, fields in resources.items()
        for name in sorted({*fields, *ONCE_FIELDS})
        for value in values(ui.attacker.url)[: None if name in fields else 1]
        if ui.launch(job, {"resources": {resource: {"config": {name: value}}}})
    ]
    assert launched == []
    assert ui.attacker.requests == []


def test_the_launches_that_took_the_secret_are_refused(ui: Ui) -> None:
    url = ui.attacker.url
    token = {"env": "SKYAI_FINANCE_SECRET"}
    assert (
        ui.launch("fetch_from_providers", {"resources": {"providers": {"config": {"base_url": url, "token": token}}}})
        is None
    )
    for job in ("deliver_invoices", "ingest_invoices", "__ASSET_JOB"):
        config = {"base_url": url, "secret": token, "allow_http": True, "sandbox_url": url}
        assert ui.launch(job, {"resources": {"finance": {"config": config}}}) is None
        assert ui.launch(job, {"resources": {"finance": {"config": {"base_url": url}}}}) is None
    assert ui.attacker.requests == []


def test_runs_read_the_secrets_of_their_process_and_keep_them_nowhere(ui: Ui) -> None:
    fetched = ui.succeed("fetch_from_providers")
    assert {request.token for request in ui.api.requests} == {SECRETS["DIGITALOCEAN_TOKEN"]}
    ingested = ui.succeed("ingest_invoices")
    assert [request.json()["external_id"] for request in ui.finance.requests] == ["1001"]
    config = {"resources": {"providers": {"config": {"base_url": ui.attacker.url}}}}
    assert ui.launch_again(fetched, "fetch_from_providers", config) is None
    assert ui.attacker.requests == []
    for run in (fetched, ingested):
        assert ui.graphql.ask(STATUS, run=run)["runOrError"]["runConfigYaml"].strip() == "{}"
    assert not [told for told in ui.graphql.answers if any(secret in told for secret in SECRETS.values())]
    assert files_with(ui.home, SECRETS.values()) == []


# Dagster's own: how a run logs and whether a step is tried again. No variable is read, and nothing is sent.
HARMLESS = {"execution", "loggers"}


def leaves(type_: ConfigType, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every place of a run config that takes a value, with the kind of value."""
    fields = getattr(type_, "fields", None)
    if fields is None:
        yield path, type_.key
        return
    for name, field in fields.items():
        yield from leaves(field.config_type, (*path, name))


def open_places(definitions: dg.Definitions) -> set[str]:
    """The places of all jobs' run configs that take a value; a configuration that no op has declared is one that none reads."""
    found = set()
    for job in definitions.get_repository_def().get_all_jobs():
        for path, kind in leaves(job.run_config_schema.config_type):
            if path[0] not in HARMLESS and not (path[0] == "ops" and path[2:] == ("config",) and kind == "Any"):
                found.add(f"{job.name}: {'.'.join(path)}")
    return found


FORM = {f"decide_invoice: {name}" for name in ("invoice", "decision", "reason")}
"""What a person decides: names that are looked for in tables, one of a list of words, and a text that is kept."""


def test_no_job_has_a_place_in_its_run_config_that_our_code_would_read_but_the_form_of_decisions(
    tmp_path: Path,
) -> None:
    for environ in ({"ARCADIA_HOME": str(tmp_path)}, {"ARCADIA_WAREHOUSE": "ducklake:postgres:dbname=lake"}):
        assert open_places(build_defs(environ=environ)) == FORM


class Exposed(dg.ConfigurableResource["Exposed"]):
    url: str = ""


class Named(dg.Config):
    path: str = ""


def test_a_place_that_somebody_adds_is_found() -> None:
    @dg.op
    def send(config: Named, exposed: Exposed) -> None: ...

    @dg.job
    def sending() -> None:
        send()

    definitions = dg.Definitions(jobs=[sending], resources={"exposed": Exposed()})
    expected = {"sending: ops.send.config.path", "sending: resources.exposed.config.url"}
    assert open_places(definitions) >= expected


def test_an_override_for_no_resource_is_an_error() -> None:
    with pytest.raises(ValueError, match="no resource is called finances: expected warehouse, "):
        build_defs(environ={}, resource_overrides={"finances": object()})
