"""Two homes with prefixes of their own in one Dagster: whatever one does there, the other has nothing of it."""

from collections.abc import Iterator, Mapping
from datetime import date

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from prometheus_client.parser import text_string_to_metric_families

from arcadia_dagster.alerts.resource import AlertsResource
from arcadia_dagster.definitions import build_defs
from arcadia_dagster.defs import checks
from arcadia_dagster.defs.jobs import INGEST
from arcadia_dagster.defs.metrics import exposition
from arcadia_dagster.defs.runs import job_tags
from arcadia_dagster.prefix import NO_PREFIX, Prefix
from arcadia_dagster.reports.decision_page import Form
from arcadia_dagster.resources import Resources
from arcadia_dagster.settings import UI_URL, load
from arcadia_dagster.warehouse.resource import WarehouseResource
from arcadia_dagster_tests.kit.locations import add_backfill, add_run, execute, sensor_context
from arcadia_dagster_tests.kit.project import Project, digitalocean, instance_in_memory, invoice_name, line, tax
from arcadia_dagster_tests.kit.scripted_server import ScriptedServer, answer

ACME, GLOBEX = "acme", "globex"
APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)
HELD = digitalocean(line(amount="$1.00"), tax("GST", "$7.00"))


class Home(Project):
    """A home with a prefix, in a code location that is called like it."""

    @property
    def prefix(self) -> Prefix:
        return load(self.environ).prefix

    def key(self, asset: str) -> dg.AssetKey:
        return dg.AssetKey([self.prefix.text, asset])

    def tick(
        self, instance: dg.DagsterInstance, sensor: str, cursor: str | None = None, **resources: object
    ) -> SensorExecutionData:
        definitions = self.definitions()
        with sensor_context(definitions, instance, cursor, resources, location=self.prefix.text) as context:
            return definitions.resolve_sensor_def(self.prefix.name(sensor)).evaluate_tick(context)

    def requested(self, instance: dg.DagsterInstance) -> list[str]:
        landing, warehouse = Resources.of(load(self.environ)).landing, WarehouseResource(path=str(self.warehouse.path))
        requests = self.tick(instance, "new_invoice_files", landing=landing, warehouse=warehouse).run_requests
        return [request.tags["dagster/asset_partition_range_start"] for request in requests or ()]

    def drop_month(self, month: str, number: str) -> None:
        name = f"{date.fromisoformat(f'{month}-01'):%Y %b}"
        lines = line(start=f"{month}-01 00:00:00 +0000", end=f"{month}-28 00:00:00 +0000"), tax()
        self.drop(invoice_name(name, number), digitalocean(*lines))


World = tuple[dg.DagsterInstance, Home, Home]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Acme has run April, whose invoice is held, and Globex has run May, in which nothing is."""
    with instance_in_memory() as instance:
        acme, globex = (
            Home(tmp_path_factory.mktemp(name) / "home", ARCADIA_ASSET_PREFIX=name) for name in (ACME, GLOBEX)
        )
        acme.drop(invoice_name(), HELD)
        acme.run([APRIL], instance=instance)
        globex.drop_month("2026-05", "1002")
        globex.run([MAY], instance=instance)
        yield instance, acme, globex


def names(definitions: dg.Definitions) -> set[str]:
    """Whatever of a code location Dagster keeps under a name that another one could have."""
    repository = definitions.get_repository_def()
    specs = definitions.resolve_all_asset_specs()
    return {
        *(spec.key.to_user_string() for spec in specs),
        *(str(spec.group_name) for spec in specs),
        *(key.to_user_string() for key in repository.asset_graph.asset_check_keys),
        *(job.name for job in repository.get_all_jobs() if not job.name.startswith("__")),
        *(schedule.name for schedule in repository.schedule_defs),
        *(sensor.name for sensor in repository.sensor_defs),
        *(pool for spec in specs for pool in repository.asset_graph.get(spec.key).pools or ()),
    }


def test_every_name_in_dagster_begins_with_the_prefix_and_none_changes_without_one() -> None:
    lake = {"ARCADIA_WAREHOUSE": "ducklake:postgres:dbname=lake"}
    plain, prefixed = (names(build_defs(environ={**lake, "ARCADIA_ASSET_PREFIX": text})) for text in ("", ACME))
    assert all(name.startswith(("acme/", "acme_")) for name in prefixed)
    assert {name[len("acme/") :] for name in prefixed} == plain
    assert {"documents", "tax_split_totals:month_is_complete", "ingest_invoices", "1_invoices", "warehouse"} <= plain


def test_a_run_is_of_the_assets_and_checks_of_its_own_home(both: World) -> None:
    instance, acme, globex = both
    for home, month, waits in ((acme, "2026-04", "1 held"), (globex, "2026-05", "nothing")):
        assert instance.get_materialized_partitions(home.key("tax_split_totals")) == {month}
        [run] = instance.get_runs(dg.RunsFilter(tags={"arcadia/prefix": home.prefix.text}))
        assert run.job_name == run.tags["arcadia/job"] == f"{home.prefix.text}_ingest_invoices"
        assert run.tags["arcadia/waits"] == waits
    assert {key.path[0] for key in instance.all_asset_keys()} == {ACME, GLOBEX}


def test_the_columns_of_a_home_come_from_its_own_tables(both: World) -> None:
    instance, *homes = both
    for home in homes:
        for table in ("cloud_resources", "raw_invoices", "finance_records"):
            event = instance.get_latest_materialization_event(home.key(table))
            assert event is not None
            assert event.asset_materialization is not None
            lineage = event.asset_materialization.metadata["dagster/column_lineage"].value
            assert isinstance(lineage, dg.TableColumnLineage)
            found = {dep.asset_key.path[0] for deps in lineage.deps_by_column.values() for dep in deps}
            assert found == {home.prefix.text}


def evaluation(instance: dg.DagsterInstance, home: Home, asset: str, check: str) -> dg.AssetCheckEvaluation:
    key = dg.AssetCheckKey(home.key(asset), check)
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert record.evaluation is not None
    return record.evaluation


def test_what_a_command_settles_is_evaluated_under_its_home_s_prefix(both: World) -> None:
    instance, acme, globex = both
    for home, passed in ((acme, False), (globex, True)):
        warehouse = WarehouseResource(path=str(home.warehouse.path))
        for reported in (False, True):
            if reported:
                checks.report(instance, warehouse, home.finance, close_day=28, form=Form(UI_URL, home.prefix))
            assert evaluation(instance, home, "tax_split_totals", "nothing_held").passed is passed
            assert evaluation(instance, home, "finance_records", "every_ready_invoice_is_in_finance").passed
    decide = evaluation(instance, acme, "tax_split_totals", "nothing_held").metadata["decide"].value
    assert "(/guess/acme_decide_invoice/playground" in str(decide)
    assert not any(len(key.path) < 2 for key in instance.all_asset_keys())


def test_the_sensor_of_a_home_requests_its_own_months_whatever_runs_in_the_other(both: World) -> None:
    instance, acme, globex = both
    assert acme.requested(instance) == globex.requested(instance) == []
    acme.drop_month("2026-06", "1003")
    assert acme.requested(instance) == ["2026-06"]
    assert globex.requested(instance) == []
    globex.drop_month("2026-06", "1004")
    june = {"dagster/partition": "2026-06"}
    add_run(instance, ACME, dg.DagsterRunStatus.STARTED, june, job="acme_ingest_invoices")
    assert acme.requested(instance) == []
    assert globex.requested(instance) == ["2026-06"]
    instance.report_run_canceled(instance.get_runs(limit=1)[0])
    add_backfill(instance, globex.definitions(), globex.key("cost_lines"), ["2026-06"])
    assert acme.requested(instance) == ["2026-06"]
    assert globex.requested(instance) == []


def failing(home: Home) -> dg.JobDefinition:
    """A job that is called like the home's own."""

    @dg.op
    def work() -> None:
        raise dg.Failure("the disk is full")

    @dg.job(name=home.prefix.name(INGEST), executor_def=dg.in_process_executor)
    def job() -> None:
        work()

    return job


def test_an_alert_is_of_one_home(both: World) -> None:
    instance, *homes = both
    told: dict[str, list[str]] = {}
    with ScriptedServer(answer(200, b"ok")) as server:
        alerts = AlertsResource(webhook=f"{server.url}/services/x", ui_url="http://ui:3000")
        # The first look tells what the checks have found; earlier failures of runs are no news.
        cursors = [home.tick(instance, "failures_to_webhook", alerts=alerts).cursor for home in homes]
        tags = {**job_tags(INGEST, homes[1].prefix), "dagster/partition": "2026-05"}
        execute(instance, None, failing(homes[1]), tags)
        found = [request.json()["text"] for request in server.requests]
        for home, cursor in zip(homes, cursors, strict=True):
            before = len(server.requests)
            home.tick(instance, "failures_to_webhook", cursor, alerts=alerts)
            told[home.prefix.text] = [request.json()["text"] for request in server.requests[before:]]
    assert found
    assert all("/assets/acme/" in text for text in found)
    assert told[ACME] == []
    [text] = told[GLOBEX]
    assert "Run of globex_ingest_invoices for 2026-05 failed" in text
    assert "`arcadia ingest 2026-05`" in text


def newest(instance: dg.DagsterInstance, home: Home, prefix: Prefix) -> Mapping[str, float]:
    text = exposition(instance, home.warehouse, home.finance, prefix).decode()
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "arcadia_newest_run_timestamp_seconds"
    }


def test_metrics_measure_the_newest_run_of_the_home(both: World) -> None:
    instance, acme, globex = both
    ends = [list(newest(instance, home, home.prefix).values()) for home in (acme, globex)]
    assert ends[0] < ends[1]
    assert newest(instance, acme, NO_PREFIX) == {}
