"""Several workers on one lake, as a company runs them: real Postgres, Redis, web server, daemon, workers and finance.

One test, for starting takes longer than most of its steps: a story in the order in which it happens.
"""

import contextlib
import time
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.months import months_from
from arcadia_dagster_tests.kit.graphql import BACKFILL, BACKFILL_STATUS, GraphQLError
from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES
from arcadia_dagster_tests.kit.plain import build, new_warehouse
from arcadia_dagster_tests.kit.postgres import Postgres
from arcadia_dagster_tests.kit.project import SECRET, digitalocean, line, tax
from arcadia_dagster_tests.scale.deployment import Deployment

RUNS = """
query {
  runsOrError { __typename ... on Error { message } ... on PythonError { stack }
    ... on Runs { results { runId status parentRunId tags { key value } } } }
}
"""

LAND = """
mutation {
  launchRun(executionParams: {
    selector: {repositoryName: "__repository__", repositoryLocationName: "arcadia_dagster", jobName: "__ASSET_JOB",
      assetSelection: [{path: ["documents"]}]}
  }) { __typename ... on Error { message } ... on PythonError { stack } ... on LaunchRunSuccess { run { runId } } }
}
"""

PARTITIONED = ("raw_invoices", "cost_lines", "tax_split_totals", "finance_records")
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
LINES = 20
MONTHS = months_from(date(2024, 1, 1), 24)


def drop_all(inbox: Path, *, cents: int) -> None:
    """An invoice for each month, of amounts that are of this round alone."""
    for number, month in enumerate(MONTHS):
        rows = [
            line(
                description=f"web-{one}",
                amount=f"${one + 1}.{(cents + number + one) % 100:02}",
                start=f"{month:%Y-%m}-01 00:00:00 +0000",
                end=f"{month:%Y-%m}-28 23:59:59 +0000",
            )
            for one in range(LINES)
        ]
        name = f"DigitalOcean Invoice {month:%Y %b} (77-{1000 + number}).csv"
        part = inbox / f".{name}.part"
        part.write_bytes(digitalocean(*rows, tax(amount=f"$3.{cents % 100:02}")))
        part.rename(inbox / name)


class Story:
    def __init__(self, deployment: Deployment, postgres: Postgres, lake: Warehouse, sandbox: RunningSandbox) -> None:
        self.deployment, self.postgres, self.lake, self.sandbox = deployment, postgres, lake, sandbox
        self.inbox = deployment.home / "inbox"

    def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.deployment.ask(RUNS)["runsOrError"]["results"]
        return found

    def land(self) -> None:
        """A run takes in what lies in the inbox: the months are made of that by several."""
        run: str = self.deployment.ask(LAND)["launchRun"]["run"]["runId"]

        def status() -> str | None:
            return next((one["status"] for one in self.runs() if one["runId"] == run and one["status"] in ENDED), None)

        assert self.deployment.wait("the landing", status) == "SUCCESS"

    def backfill(self) -> str:
        names = [f"{month:%Y-%m}" for month in MONTHS]
        answer = self.deployment.ask(BACKFILL, assets=[{"path": [name]} for name in PARTITIONED], months=names)
        found: str = answer["launchPartitionBackfill"]["backfillId"]
        return found

    def runs_of(self, backfill: str) -> list[dict[str, Any]]:
        return [run for run in self.runs() if {"key": "dagster/backfill", "value": backfill} in run["tags"]]

    def wait_for_started(self, backfill: str, count: int) -> None:
        """So many runs are under way, each at a worker of its own."""

        def started() -> bool:
            return [run["status"] for run in self.runs_of(backfill)].count("STARTED") == count

        self.deployment.wait(f"{count} runs at once", started)

    def wait_for_end(self, backfill: str) -> list[dict[str, Any]]:
        """The backfill is over, and no run is under way; the server may be without its database meanwhile."""

        def ended() -> list[dict[str, Any]] | None:
            with contextlib.suppress(GraphQLError, httpx.HTTPError):
                status = self.deployment.ask(BACKFILL_STATUS, id=backfill)["partitionBackfillOrError"]["status"]
                runs = self.runs_of(backfill)
                over = status.startswith("COMPLETED") or status == "FAILED"
                return runs if over and all(run["status"] in ENDED for run in runs) else None
            return None

        return self.deployment.wait("the end of the backfill", ended)

    def finance(self) -> dict[str, int]:
        """What finance holds of each invoice, in minor units; each once."""
        rows = httpx.get(f"{self.sandbox.url}/api/v1/invoices", timeout=30, verify=NO_AUTHORITIES).json()
        found = {row["external_id"]: row["amount_gross_minor"] for row in rows}
        assert len(found) == len(rows), "finance has an invoice twice"
        return found


_FIGURES = (
    """
    SELECT source, account_id, external_id, invoice_month, currency, amount_gross_minor, amount_net_minor, amount_tax_minor,
      line_count, status FROM tax_split_totals ORDER BY ALL
    """,
    "SELECT invoice_month, count(*), sum(amount), sum(hash(description)) FROM cost_lines GROUP BY ALL ORDER BY ALL",
    "SELECT external_id, count(*) FROM finance_records WHERE state = 'delivered' GROUP BY ALL ORDER BY ALL",
    "FROM allocations ORDER BY ALL",
)


def figures(warehouse: Warehouse) -> dict[str, list[Any]]:
    """Everything that is money, and whose."""
    with warehouse.read() as connection:
        return {query: connection.execute(query).fetchall() for query in _FIGURES}


@pytest.mark.timeout(1200)
def test_two_workers_make_of_24_months_what_one_machine_makes_whatever_dies_meanwhile(
    postgres: Postgres, tmp_path: Path
) -> None:
    location = postgres.new_database("shared_lake")
    postgres.new_database("dagster")
    home, alone = tmp_path / "home", tmp_path / "alone"
    lake = Warehouse(location, data_path=home / "lake", lock_timeout=60)
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET) as sandbox:
        environ = {
            "ARCADIA_WAREHOUSE": location,
            "ARCADIA_DAGSTER_POSTGRES": f"postgresql+psycopg2://arcadia@127.0.0.1:{postgres.port}/dagster",
            "SKYAI_FINANCE_URL": sandbox.url,
            "ARCADIA_SANDBOX_URL": sandbox.url,
            "SKYAI_FINANCE_SECRET": SECRET,
            # A run may have to wait until the other worker has started.
            "ARCADIA_LOCK_TIMEOUT": "180",
        }
        with Deployment(home, environ) as deployment:
            story = Story(deployment, postgres, lake, sandbox)
            # The sensor has looked, at nothing: what is run from now on is what is asked for.
            deployment.wait("the sensor", lambda: "Sensor new_invoice_files skipped" in deployment.log("daemon"))
            drop_all(story.inbox, cents=7)
            story.land()
            a_worker_is_killed_and_its_run_is_done_again(story)
            all_is_as_on_one_machine(story, alone / "first")
            drop_all(story.inbox, cents=31)
            story.land()
            postgres_goes_away_and_comes_back(story)
            all_is_as_on_one_machine(story, alone / "second")


def a_worker_is_killed_and_its_run_is_done_again(story: Story) -> None:
    with story.lake.write():
        # No run can end now. A worker that comes later is given the run that the other is not at yet.
        backfill = story.backfill()
        story.wait_for_started(backfill, 1)
        story.deployment.start_worker("two")
        story.wait_for_started(backfill, 2)
    story.deployment.kill("one")
    # As a service manager does. It has the name of the one that died, and must not be taken for it.
    story.deployment.start_worker("one")
    runs = story.wait_for_end(backfill)
    again = [run for run in runs if run["parentRunId"]]
    assert again, "the killed worker's run was not done again"
    assert [run["status"] for run in runs].count("SUCCESS") == 2


def postgres_goes_away_and_comes_back(story: Story) -> None:
    with story.lake.write():
        backfill = story.backfill()
        story.wait_for_started(backfill, 2)
    story.postgres.stop()
    # Longer than Dagster tries by itself.
    time.sleep(8)
    story.postgres.start()
    story.wait_for_end(backfill)
    # What was half-way then has failed, or was done again; the next run makes all of it whole.
    again = story.wait_for_end(story.backfill())
    assert {run["status"] for run in again if not run["parentRunId"]} == {"SUCCESS"}


def all_is_as_on_one_machine(story: Story, home: Path) -> None:
    (home / "inbox").mkdir(parents=True)
    for file in story.inbox.iterdir():
        (home / "inbox" / file.name).write_bytes(file.read_bytes())
    warehouse = new_warehouse(home)
    with RunningSandbox(database=home / "finance.sqlite", secret=SECRET) as sandbox:
        finance = FinanceResource(base_url=sandbox.url, sandbox_url=sandbox.url, secret=SECRET)
        build(warehouse)
        finance.deliver(warehouse)
        expected = httpx.get(f"{sandbox.url}/api/v1/invoices", timeout=30, verify=NO_AUTHORITIES).json()
    assert figures(story.lake) == figures(warehouse)
    assert story.finance() == {row["external_id"]: row["amount_gross_minor"] for row in expected}
    assert len(expected) == 24
    with story.lake.read() as connection:
        for table in schema.TABLES:
            if table.key:
                key = ", ".join(table.key)
                twice = f"SELECT {key} FROM {table.name} GROUP BY {key} HAVING count(*) > 1"
                assert connection.execute(twice).fetchall() == [], table.name
