"""A company's Dagster serves more than this project: the real web server with another code location beside ours, over GraphQL."""

import os
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster_tests.graphql import GraphQL
from arcadia_dagster_tests.locations import ELSEWHERE, HERE, REPOSITORY
from arcadia_dagster_tests.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.webserver import web_server

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

LAUNCH = """
mutation ($location: String!, $job: String!, $assets: [AssetKeyInput!], $tags: [ExecutionTag!]) {
  launchRun(executionParams: {
    selector: {repositoryName: "__repository__", repositoryLocationName: $location, jobName: $job, assetSelection: $assets}
    executionMetadata: {tags: $tags}
  }) { __typename ... on Error { message } ... on PythonError { stack } ... on LaunchRunSuccess { run { runId status } } }
}
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


@pytest.mark.timeout(300)
def test_the_sensor_asks_for_the_months_that_no_run_of_ours_is_for_whatever_runs_elsewhere(tmp_path: Path) -> None:
    project = Project(tmp_path / "home")
    for month, number in (("2026 Mar", "1001"), ("2026 Apr", "1002"), ("2026 May", "1003")):
        project.drop(invoice_name(month, number), digitalocean(line(), tax()))
    (tmp_path / "stranger.py").write_text(STRANGER, encoding="utf-8")
    (tmp_path / "workspace.yaml").write_text(WORKSPACE, encoding="utf-8")
    environ = {**os.environ, **project.environ, "DAGSTER_HOME": str(ROOT)}
    with web_server(tmp_path / "workspace.yaml", environ, tmp_path / "log") as graphql:
        for tags in (_range("eu-west", "us-east"), _range("2026-01-01", "2026-05-01"), {"dagster/partition": "a|b"}):
            launch(graphql, ELSEWHERE, "ingest_invoices", tags)
        assert tick(graphql) == [("2026-03-01", "2026-05-01")]
        # As the UI does for one partition of one asset.
        launch(graphql, HERE, "__ASSET_JOB", {"dagster/partition": "2026-04-01"}, assets=[{"path": ["cost_lines"]}])
        assert tick(graphql) == [("2026-03-01", "2026-03-01"), ("2026-05-01", "2026-05-01")]
        launch(graphql, HERE, "ingest_invoices", _range("2026-05-01", "2026-05-01"))
        assert tick(graphql) == [("2026-03-01", "2026-03-01")]


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
