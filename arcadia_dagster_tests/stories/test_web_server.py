"""The real web server, asked by GraphQL as its pages ask it, with another code location beside ours on an instance that is not
ours, as a company has."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from arcadia_dagster_tests.kit.graphql import LAUNCH, GraphQL
from arcadia_dagster_tests.kit.locations import ELSEWHERE, HERE, REPOSITORY
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.webserver import web_server

PARTITIONED = ("raw_invoices", "cost_lines", "tax_split_totals", "finance_records", "focus_export", "monthly_statement")
ROOT = Path(__file__).resolve().parents[2]

STRANGER = """
import dagster as dg

@dg.job
def ingest_invoices(): ...

defs = dg.Definitions(jobs=[ingest_invoices])
"""

WORKSPACE = f"""
load_from:
  - python_module: {{module_name: arcadia_dagster.definitions, location_name: {HERE}, working_directory: "{ROOT}"}}
  - python_file: {{relative_path: stranger.py, location_name: {ELSEWHERE}}}
"""

TICK = """
mutation ($sensor: SensorSelector!) {
  sensorDryRun(selectorData: $sensor, cursor: null) {
    __typename ... on Error { message } ... on PythonError { stack }
    ... on DryRunInstigationTick { evaluationResult {
      skipReason error { message stack } runRequests { tags { key value } } } }
  }
}
"""


STALE = """
query ($asset: AssetKeyInput!, $month: String!) {
  assetNodeOrError(assetKey: $asset) { __typename
    ... on AssetNode { staleStatus(partition: $month) staleCauses(partition: $month) { category reason key { path } } } }
}
"""

JANUARY = date(2025, 1, 1)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("company") / "home")


@pytest.fixture(scope="module")
def graphql(project: Project) -> Iterator[GraphQL]:
    folder = project.home.parent
    (folder / "stranger.py").write_text(STRANGER, encoding="utf-8")
    (folder / "workspace.yaml").write_text(WORKSPACE, encoding="utf-8")
    (dagster_home := dagster_home_of(project)).mkdir()
    (dagster_home / "dagster.yaml").write_text("telemetry: {enabled: false}", encoding="utf-8")
    environ = {**os.environ, **project.environ, "DAGSTER_HOME": str(dagster_home)}
    with web_server(folder / "workspace.yaml", environ, folder / "log") as running:
        yield running


def dagster_home_of(project: Project) -> Path:
    """Where the company's own instance stores what it keeps."""
    return project.home.parent / "dagster_home"


@pytest.mark.timeout(300)
def test_the_sensor_asks_for_the_months_that_no_run_of_ours_is_for_whatever_runs_elsewhere(
    project: Project, graphql: GraphQL
) -> None:
    for month, number in (("2026 Mar", "1001"), ("2026 Apr", "1002"), ("2026 May", "1003")):
        project.drop(invoice_name(month, number), digitalocean(line(), tax()))
    for tags in (_range("eu-west", "us-east"), _range("2026-01", "2026-05"), {"dagster/partition": "a|b"}):
        launch(graphql, ELSEWHERE, "ingest_invoices", tags)
    assert tick(graphql) == [("2026-03", "2026-05")]
    # As the UI does for one partition of one asset.
    launch(graphql, HERE, "__ASSET_JOB", {"dagster/partition": "2026-04"}, assets=[{"path": ["cost_lines"]}])
    assert tick(graphql) == [("2026-03", "2026-03"), ("2026-05", "2026-05")]
    launch(graphql, HERE, "ingest_invoices", _range("2026-05", "2026-05"))
    assert tick(graphql) == [("2026-03", "2026-03")]


@pytest.mark.timeout(300)
def test_what_comes_after_a_month_that_was_made_otherwise_is_shown_as_stale(
    project: Project, graphql: GraphQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home_of(project)))
    job = project.definitions().resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.get() as instance:

        def materialize(*assets: str) -> None:
            subset = job.get_subset(asset_selection={dg.AssetKey(asset) for asset in assets})
            assert subset.execute_in_process(instance=instance, partition_key=f"{JANUARY:%Y-%m}").success

        january = line(start="2025-01-01 00:00:00 +0000", end="2025-01-31 23:59:59 +0000")
        project.drop(invoice_name("2025 Jan", "2001"), digitalocean(january, tax()))
        project.run([JANUARY], instance=instance)
        assert stale(graphql) == {}
        materialize("raw_invoices")
        assert stale(graphql) == {}
        project.drop(invoice_name("2025 Jan", "2001"), digitalocean(january, january, tax()))
        materialize("documents", "raw_invoices")
        new = "DATA: raw_invoices has a new data version"
        assert stale(graphql) == {asset: new for asset in PARTITIONED if asset != "raw_invoices"}
        for count in range(2, len(PARTITIONED) + 1):
            materialize(PARTITIONED[count - 1])
            assert list(stale(graphql)) == [*PARTITIONED[count:]]


def stale(graphql: GraphQL) -> dict[str, str]:
    """Why each asset's January is not fresh, of those that are not."""
    found = {}
    for asset in PARTITIONED:
        node = graphql.ask(STALE, asset={"path": [asset]}, month=f"{JANUARY:%Y-%m}")["assetNodeOrError"]
        causes = [
            f"{cause['category']}: {'/'.join(cause['key']['path'])} {cause['reason']}" for cause in node["staleCauses"]
        ]
        if node["staleStatus"] != "FRESH":
            found[asset] = "; ".join(causes)
    return found


def _range(first: str, last: str) -> dict[str, str]:
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


def launch(graphql: GraphQL, location: str, job: str, tags: dict[str, str], assets: Any = None) -> None:
    told = [{"key": key, "value": value} for key, value in tags.items()]
    launched = graphql.ask(LAUNCH, location=location, job=job, assets=assets, tags=told)["launchRun"]
    assert launched["run"]["status"] == "QUEUED"


def tick(graphql: GraphQL) -> list[tuple[str, str]]:
    """The months that our sensor asks runs for now."""
    sensor = {"repositoryName": REPOSITORY, "repositoryLocationName": HERE, "sensorName": "new_invoice_files"}
    result = graphql.ask(TICK, sensor=sensor)["sensorDryRun"]["evaluationResult"]
    assert result["error"] is None, result["error"]
    tags = [{tag["key"]: tag["value"] for tag in request["tags"]} for request in result["runRequests"] or ()]
    return [
        (found["dagster/asset_partition_range_start"], found["dagster/asset_partition_range_end"]) for found in tags
    ]
