"""Nothing but settings: a month of two clouds from buckets and of five providers from their APIs, each invoice once."""

import gzip
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from arcadia_dagster import cli
from arcadia_dagster.definitions import build_defs
from arcadia_dagster.defs.fetch import FETCH
from arcadia_dagster.defs.jobs import INGEST
from arcadia_dagster.reports.witnesses import agreements
from arcadia_dagster.resources import Resources
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.sandbox.store import InvoiceRow
from arcadia_dagster.settings import load
from arcadia_dagster_tests.kit import aws, azure, focus
from arcadia_dagster_tests.kit.aws_invoicing_api import ACCOUNT as AWS_ACCOUNT
from arcadia_dagster_tests.kit.aws_invoicing_api import AWS
from arcadia_dagster_tests.kit.azure_billing_api import AZURE
from arcadia_dagster_tests.kit.buckets import Store
from arcadia_dagster_tests.kit.linode_api import LINODE
from arcadia_dagster_tests.kit.locations import HERE, execute, sensor_context
from arcadia_dagster_tests.kit.ovhcloud_api import OVHCLOUD
from arcadia_dagster_tests.kit.project import SECRET, instance_in_memory
from arcadia_dagster_tests.kit.provider_api import ProviderApi
from arcadia_dagster_tests.kit.scaleway_api import SCALEWAY

CASES = (AWS, AZURE, LINODE, SCALEWAY, OVHCLOUD)
# The month before the last one: AWS is asked for the last thirteen, and OVHcloud's bill of it has been made.
_TODAY = datetime.now(UTC).date()
MONTH = ((_TODAY.replace(day=1) - timedelta(days=1)).replace(day=1) - timedelta(days=1)).replace(day=1)
NEXT = (MONTH + timedelta(days=32)).replace(day=1)
AWS_FOLDER = f"cur/{MONTH:%Y%m%d}-{NEXT:%Y%m%d}"
AZURE_FOLDER = f"focus/{MONTH:%Y%m%d}-{NEXT - timedelta(days=1):%Y%m%d}/run-1"
EXPECTED = {
    ("aws", "EUINGB26-1001"): (11900, 1900),
    ("azure", "G012345601"): (11900, 1900),
    ("linode", "123001"): (11900, 100),
    ("ovhcloud", "FR12345601"): (11900, 1900),
    ("scaleway", "3f4f8da2-e4c6-4998-8c70-000000000001"): (11900, 1900),
}


def put_aws(store: Store, bucket: str) -> None:
    """A report in two parts, and its manifest."""
    own = {
        "InvoiceId": "EUINGB26-1001",
        "PayerAccountId": AWS_ACCOUNT,
        "BillingPeriodStartDate": f"{MONTH}T00:00:00Z",
        "BillingPeriodEndDate": f"{NEXT}T00:00:00Z",
        "UsageStartDate": f"{MONTH}T00:00:00Z",
        "UsageEndDate": f"{MONTH + timedelta(days=1)}T00:00:00Z",
    }
    rows = [
        [aws.item(LineItemId="a", UnblendedCost="60.00", **own)],
        [aws.item(LineItemId="b", UnblendedCost="40.00", **own), aws.tax(UnblendedCost="19.00", **own)],
    ]
    keys = [f"exports/{AWS_FOLDER}/cur-{number}.csv.gz" for number in (1, 2)]
    period = {"start": f"{MONTH:%Y%m%d}T000000.000Z", "end": f"{NEXT:%Y%m%d}T000000.000Z"}
    manifest = aws.manifest(*keys, account=AWS_ACCOUNT, billingPeriod=period)
    store.put(bucket, f"exports/{AWS_FOLDER}/cur-Manifest.json", manifest)
    for key, part in zip(keys, rows, strict=True):
        store.put(bucket, key, gzip.compress(aws.as_csv(*part)))


def put_azure(store: Store, bucket: str) -> None:
    """A FOCUS export in two parts, which has no tax, and its manifest."""
    own = {
        "BillingCurrency": "EUR",
        "BillingPeriodStart": f"{MONTH}T00:00:00Z",
        "ChargePeriodStart": f"{MONTH}T00:00:00Z",
        "ChargePeriodEnd": f"{MONTH + timedelta(days=1)}T00:00:00Z",
        "InvoiceId": "G012345601",
        "InvoiceIssuerName": "Microsoft",
        "ProviderName": "Microsoft",
    }
    parts = {
        f"{AZURE_FOLDER}/part_{number}_0001.csv": focus.as_csv(focus.usage(number, BilledCost="50.00", **own))
        for number in (0, 1)
    }
    for path, content in {f"{AZURE_FOLDER}/manifest.json": azure.manifest(*parts, rows=1), **parts}.items():
        store.put(bucket, path, content)


class Deployment:
    """What the daemon does, of a deployment of which nothing is known but its environment."""

    def __init__(self, environ: Mapping[str, str], instance: dg.DagsterInstance) -> None:
        self.definitions = build_defs(environ=environ)
        self.instance = instance
        self.cursor: str | None = None
        values = load(environ)
        self.resources = Resources.of(values)
        self.warehouse = self.resources.warehouse.get()

    def fetch(self) -> bool:
        """Evaluate the daily schedule, and execute its run; whether all was fetched."""
        schedule = self.definitions.resolve_schedule_def("fetch_providers")
        context = dg.build_schedule_context(
            instance=self.instance,
            scheduled_execution_time=datetime.now(UTC),
            resources={"providers": self.resources.providers},
        )
        with context:
            [request] = schedule.evaluate_tick(context).run_requests or []
        run = self._run(FETCH, request)
        return run.status is dg.DagsterRunStatus.SUCCESS

    def ticks(self) -> int:
        """Evaluate the sensor, and execute its runs, until it asks for none; how many runs there were."""
        runs = 0
        while requests := self._tick():
            runs += len(requests)
            assert runs < 10
        return runs

    def _tick(self) -> list[dg.RunRequest]:
        sensor = self.definitions.resolve_sensor_def("new_invoice_files")
        own = {"warehouse": self.resources.warehouse, "landing": self.resources.landing}
        with sensor_context(self.definitions, self.instance, self.cursor, own) as context:
            evaluated = sensor.evaluate_tick(context)
        self.cursor = evaluated.cursor
        requests = list(evaluated.run_requests or [])
        for request in requests:
            run = self._run(INGEST, request)
            assert run.status is dg.DagsterRunStatus.SUCCESS
        return requests

    def check(self, name: str) -> dg.AssetCheckEvaluation:
        """What the last run says of a check."""
        [record] = self.instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey("tax_split_totals"), name), limit=1
        )
        assert record.event is not None
        found: dg.AssetCheckEvaluation = record.event.get_dagster_event().asset_check_evaluation_data
        return found

    def query(self, query: str) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as connection:
            return connection.execute(query).fetchall()

    def _run(self, job: str, request: dg.RunRequest) -> dg.DagsterRun:
        definition = self.definitions.resolve_job_def(job)
        if request.asset_selection:
            definition = definition.get_subset(asset_selection=set(request.asset_selection))
        run = execute(self.instance, HERE, definition, request.tags)
        found = self.instance.get_run_by_id(run.run_id)
        assert found is not None
        return found


@pytest.fixture
def apis() -> Iterator[dict[str, ProviderApi]]:
    with ExitStack() as stack:
        yield {case.provider.name: stack.enter_context(case.api()) for case in CASES}


@pytest.mark.parametrize("any_server", ["az"], indirect=True)
def test_a_month_of_everything_is_in_finance_once_with_its_second_witness(
    s3: Store,
    store: Store,
    apis: dict[str, ProviderApi],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    aws_bucket, azure_bucket = s3.new_bucket(), store.new_bucket()
    put_aws(s3, aws_bucket)
    put_azure(store, azure_bucket)
    environ = {
        "ARCADIA_HOME": str(tmp_path),
        "ARCADIA_INBOX": f"{tmp_path}/inbox,{aws_bucket}/exports,{azure_bucket}",
        "ARCADIA_SETTLE_SECONDS": "0",
        "SKYAI_FINANCE_SECRET": SECRET,
        **s3.environ(),
        **store.environ(),
    }
    for case in CASES:
        api = apis[case.provider.name]
        api.entries.append(case.entry(1, MONTH, "119.00"))
        environ |= {**case.environ, **dict.fromkeys((case.url, *case.other_urls), api.url)}
    with (
        RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET) as sandbox,
        instance_in_memory() as instance,
    ):
        environ["SKYAI_FINANCE_URL"] = sandbox.url
        # Credentials of buckets are no settings: the library takes them from the process's environment.
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        assert cli.main(["init"]) == 0
        assert cli.main(["doctor"]) == 0, capsys.readouterr().out
        deployment = Deployment(environ, instance)
        assert deployment.fetch()
        assert deployment.ticks()
        assert deployment.query("SELECT external_id, hold_reasons FROM tax_split_totals WHERE status <> 'ready'") == []
        first = in_finance(sandbox)
        assert {key: (row["amount_gross_minor"], row["amount_tax_minor"]) for key, row in first.items()} == EXPECTED
        with deployment.warehouse.read() as connection:
            agreed = agreements(connection, sandbox.url)
        assert {key.source: found.words for key, found in agreed.items()} == dict.fromkeys(
            (source for source, _ in EXPECTED), "lines = stated = finance"
        )
        check = deployment.check("every_invoice_is_stated")
        assert (check.passed, check.description) == (True, "invoices with a second witness: 5 of 5")
        evidence = deployment.query("SELECT source FROM invoice_evidence ORDER BY source")
        assert [source for (source,) in evidence] == ["aws", "azure", "ovhcloud", "scaleway"]
        # The next day: nothing is new, and nothing is sent again.
        assert deployment.fetch()
        assert deployment.ticks() == 0
        assert in_finance(sandbox) == first
        assert {row["times_received"] for row in first.values()} == {1}


def in_finance(sandbox: RunningSandbox) -> dict[tuple[str, str], InvoiceRow]:
    """Finance's rows, of which each invoice has one."""
    rows = sandbox.invoices()
    found = {(row["source"], row["external_id"]): row for row in rows}
    assert len(found) == len(rows), "finance has an invoice twice"
    return found
