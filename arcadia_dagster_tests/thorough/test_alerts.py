"""Failures reach a real receiver by the real sensor: once for each cause, and never at the cost of anything else."""

import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from arcadia_dagster.alerts.resource import AlertsResource
from arcadia_dagster.alerts.webhook import AlertError, webhook_problem
from arcadia_dagster.defs import checks
from arcadia_dagster.defs.ingest import IngestError
from arcadia_dagster.defs.jobs import INGEST
from arcadia_dagster.defs.runs import JOB_TAG
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.reports import findings
from arcadia_dagster.reports.decision_page import JOB as DECIDE
from arcadia_dagster_tests.kit.locations import ELSEWHERE, HERE, execute, sensor_context
from arcadia_dagster_tests.kit.project import SECRET, Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.scripted_server import ScriptedServer, Step, answer, hang_up, imported, say_nothing

MARKED = "T0000/B0000/marked-token-that-must-be-seen-nowhere"
APRIL = date(2026, 4, 1)
OK = answer(200, b"ok")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as own:
        yield own


class Watch:
    """The sensor, tick by tick, with the cursor that Dagster would keep."""

    def __init__(self, project: Project, instance: dg.DagsterInstance, url: str, *, deadline: float = 5.0) -> None:
        self.project, self.instance = project, instance
        self.cursor: str | None = None
        self.alerts = AlertsResource(webhook=f"{url}/services/{MARKED}", ui_url="http://ui:3000/", deadline=deadline)

    def tick(self) -> str:
        definitions = self.project.definitions()
        with sensor_context(definitions, self.instance, self.cursor, {"alerts": self.alerts}) as context:
            result = definitions.resolve_sensor_def("failures_to_webhook").evaluate_tick(context)
        self.cursor = result.cursor
        assert MARKED not in f"{result}{self.cursor}{self.alerts!r}"
        return str(result.skip_message)

    def forget_the_pause(self) -> None:
        self.cursor = json.dumps({**json.loads(self.cursor or "{}"), "not_before": 0})


def texts(server: ScriptedServer) -> list[str]:
    return [request.json()["text"] for request in server.requests]


def test_checks_are_told_once_for_each_cause_and_when_they_are_over_and_again_when_it_comes_back(
    project: Project, instance: dg.DagsterInstance
) -> None:
    bad = "<!channel> login.csv"
    project.drop(bad, b"<html>")
    project.drop(invoice_name(), digitalocean(line(amount="$1.00"), tax("GST", "$7.00")))
    with ScriptedServer(OK) as server:
        watch = Watch(project, instance, server.url)
        assert watch.tick() == "nothing new to report"
        project.run([APRIL], instance=instance)
        assert watch.tick() == "2 messages sent"
        rejected, held = sorted(texts(server), key=lambda text: "held" in text)
        assert "`&lt;!channel&gt; login.csv`" in rejected
        assert f"arcadia dismiss '{bad}'".replace("<", "&lt;").replace(">", "&gt;") in rejected
        assert "2026-04 digitalocean/77/1001" in held
        assert "`arcadia explain digitalocean/77/1001`" in held
        assert "<http://ui:3000/assets/tax_split_totals?view=checks&amp;checkDetail=nothing_held|" in held
        assert "tax" in held

        project.run([APRIL], instance=instance)
        assert watch.tick() == "nothing new to report"

        project.decide("dismiss", file_name=bad, reason="not an invoice")
        # What a person's command reports belongs to no run.
        project.report_checks(instance, close_day=28)
        assert watch.tick() == "1 message sent"
        assert texts(server)[-1].startswith(":white_check_mark: *Over: Check nothing_rejected")
        assert watch.tick() == "nothing new to report"
        report_rejected(instance)
        assert watch.tick() == "1 message sent"


def test_a_failed_run_is_told_once_until_one_of_its_months_was_well(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    with ScriptedServer(OK) as server, ScriptedServer(answer(401), answer(401), imported()) as finance:
        project.finance = FinanceResource(base_url=finance.url, secret=SECRET, retry_delays=[])
        watch = Watch(project, instance, server.url)
        watch.tick()
        for _ in range(2):
            with pytest.raises(IngestError):
                project.run([APRIL], instance=instance)
            watch.tick()
        [run] = [text for text in texts(server) if "Run of" in text]
        assert "for 2026-04 failed" in run
        assert "`finance_records`" in run
        assert "SKYAI" in run
        assert "arcadia ingest 2026-04" in run
        assert "<http://ui:3000/runs/" in run
        project.run([APRIL], instance=instance)
        watch.tick()
        assert sum("Over: Run of" in text for text in texts(server)) == 1
        assert watch.tick() == "nothing new to report"


def job_that(*, fails: bool, tags: dict[str, str] | None = None, name: str = INGEST) -> dg.JobDefinition:
    """A job that is called like ours."""

    @dg.op
    def work() -> None:
        if fails:
            raise dg.Failure("the disk is full")

    @dg.job(name=name, tags=tags, executor_def=dg.in_process_executor)
    def job() -> None:
        work()

    return job


def test_a_decision_that_is_refused_is_told_to_nobody_but_the_person(
    project: Project, instance: dg.DagsterInstance
) -> None:
    with ScriptedServer(OK) as server:
        watch = Watch(project, instance, server.url)
        watch.tick()
        execute(instance, HERE, job_that(fails=True, name=DECIDE), {})
        assert watch.tick() == "nothing new to report"


def test_only_runs_of_our_own_location_are_told_and_settle_what_was_told(
    project: Project, instance: dg.DagsterInstance
) -> None:
    april = {"dagster/partition": "2026-04"}
    with ScriptedServer(OK) as server:
        watch = Watch(project, instance, server.url)
        watch.tick()
        for whose in (ELSEWHERE, None):
            execute(instance, whose, job_that(fails=True), april)
            execute(instance, whose, job_that(fails=True), {"dagster/partition": "eu-west|2026"})
        assert watch.tick() == "nothing new to report"
        execute(instance, HERE, job_that(fails=True), april)
        assert watch.tick() == "1 message sent"
        assert "for 2026-04 failed" in texts(server)[0]
        for whose in (ELSEWHERE, None):
            execute(instance, whose, job_that(fails=False), april)
        assert watch.tick() == "nothing new to report"
        execute(instance, HERE, job_that(fails=False), april)
        assert watch.tick() == "1 message sent"
        assert texts(server)[-1].startswith(":white_check_mark: *Over: Run of ingest_invoices")


def test_every_job_of_ours_marks_its_runs_so_that_those_of_a_command_are_told_too(project: Project) -> None:
    project.environ["ARCADIA_WAREHOUSE"] = "ducklake:postgres:dbname=lake"
    jobs = list(project.definitions().jobs or ())
    assert len(jobs) == 7
    assert {job.name: (job.tags or {}).get(JOB_TAG) for job in jobs} == {job.name: job.name for job in jobs}


def test_a_check_of_another_location_whose_asset_has_the_same_name_says_nothing_of_ours(
    project: Project, instance: dg.DagsterInstance
) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("nothing_rejected", asset="documents")])
    def documents() -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster knows the bare class only
        check = dg.AssetCheckResult(passed=False, check_name="nothing_rejected", description="theirs")
        return dg.MaterializeResult(check_results=[check])

    theirs = dg.Definitions([documents], executor=dg.in_process_executor).resolve_implicit_global_asset_job_def()
    with ScriptedServer(OK) as server:
        watch = Watch(project, instance, server.url)
        execute(instance, ELSEWHERE, theirs, {})
        assert watch.tick() == "nothing new to report"
        report_rejected(instance)
        for _ in range(2):
            execute(instance, ELSEWHERE, theirs, {})
        assert watch.tick() == "1 message sent"
        assert "login.csv" in texts(server)[0]


def test_a_month_that_is_not_complete_is_told_by_the_daily_job_with_what_is_missing(
    project: Project, instance: dg.DagsterInstance
) -> None:
    closed = (datetime.now(UTC).date().replace(day=1) - timedelta(days=1)).replace(day=1)
    month = (closed - timedelta(days=1)).replace(day=1)
    times = {"start": f"{month} 00:00:00 +0000", "end": f"{month} 23:00:00 +0000"}
    project.drop(invoice_name(f"{month:%Y %b}"), digitalocean(line(**times), tax()))
    project.build()
    project.environ["ARCADIA_CLOSE_DAY"] = "1"
    result = project.definitions().resolve_job_def("close_month").execute_in_process(instance=instance)
    [check] = result.get_asset_check_evaluations()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    with ScriptedServer(OK) as server:
        Watch(project, instance, server.url).tick()
        [text] = texts(server)
    assert f"`{closed:%Y-%m} digitalocean/77` missing" in text
    assert "`arcadia end digitalocean/77 --reason '...'`" in text
    assert f"last {month:%Y-%m}" in text


def test_what_finance_has_not_is_told_with_a_command_that_means_one_invoice_and_pushes_nothing_twice(
    project: Project, instance: dg.DagsterInstance
) -> None:
    for number in ("1001", "1002"):
        project.drop(invoice_name(number=number), digitalocean(line(description=f"web-{number}"), tax()))
    project.build()
    with ScriptedServer(OK) as server, ScriptedServer(imported()) as finance:
        project.finance = FinanceResource(base_url=finance.url, secret=SECRET, retry_delays=[])
        project.finance.deliver(project.warehouse)
        with project.warehouse.write() as connection:
            connection.execute(
                "UPDATE finance_records SET state = 'refused', last_error = 'no such vendor' WHERE external_id = '1001'"
            )
            connection.execute("UPDATE finance_records SET tenant_id = 'another' WHERE external_id = '1002'")
        project.report_checks(instance, close_day=28)
        Watch(project, instance, server.url).tick()
    [text] = [text for text in texts(server) if "every_ready_invoice_is_in_finance" in text]
    assert "`arcadia push digitalocean/77/1001 --again`" in text
    assert "no such vendor" in text
    # It would be there twice: finance has it under another tenant.
    assert "`arcadia push digitalocean/77/1002`" in text
    assert "routed otherwise since" in text


def test_two_routes_of_one_source_are_two_causes(project: Project, instance: dg.DagsterInstance) -> None:
    routes = [
        {"route_number": str(number), "source": "digitalocean", "account": "(any)", "project": name, "tenant_id": name}
        for number, name in enumerate(("north", "south"), 1)
    ]
    with ScriptedServer(OK) as server:
        watch = Watch(project, instance, server.url)
        report_failed(instance, "tax_split_totals", "every_route_is_used", *routes[:1])
        assert watch.tick() == "1 message sent"
        report_failed(instance, "tax_split_totals", "every_route_is_used", *routes)
        assert watch.tick() == "1 message sent"
        first, second = texts(server)
    assert "`digitalocean/(any)/north`" in first
    assert "`digitalocean/(any)/south`" in second
    assert "north" not in second


def test_what_an_earlier_version_evaluated_is_told_by_the_next_evaluation(
    project: Project, instance: dg.DagsterInstance
) -> None:
    with ScriptedServer(OK) as server:
        watch = Watch(project, instance, server.url)
        report_rejected(instance)
        watch.tick()
        rows = [dg.TableRecord({"file": "login.csv", "problem": "it is a web page"})]
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("documents"),
                check_name="nothing_rejected",
                passed=False,
                metadata={"found": 1, "list": dg.TableMetadataValue(rows, dg.TableSchema([]))},
            )
        )
        assert watch.tick() == "nothing new to report"
        report_rejected(instance)
        assert watch.tick() == "nothing new to report"


@pytest.mark.parametrize(
    ("dead", "told"),
    [
        (say_nothing, "the webhook took too long: no complete answer within 0.5 s"),
        (hang_up, "no complete answer from the webhook: "),
        (answer(404, b"no_service"), "answered 404 (no_service): check ARCADIA_ALERT_WEBHOOK"),
        (answer(500, MARKED.encode()), "answered 500"),
        (answer(302, Location=f"https://elsewhere.example/{MARKED}"), "answered 302"),
        (answer(400, b"invalid_payload"), "answered 400 (invalid_payload)"),
    ],
)
def test_what_does_not_get_through_is_told_later_and_nothing_shows_the_address(
    project: Project,
    instance: dg.DagsterInstance,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    dead: Step,
    told: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    report_rejected(instance)
    with ScriptedServer(dead, OK) as server:
        watch = Watch(project, instance, server.url, deadline=0.5)
        assert told in watch.tick()
        assert "next message is sent after" in watch.tick()
        watch.forget_the_pause()
        assert watch.tick() == "1 message sent"
        assert len(server.requests) == 2
        assert server.requests[0].path == f"/services/{MARKED}"
    printed = capfd.readouterr()
    assert not [text for text in (caplog.text, printed.out, printed.err) if "marked-token" in text]


def test_a_webhook_that_asks_for_a_pause_gets_it(project: Project, instance: dg.DagsterInstance) -> None:
    report_rejected(instance)
    with ScriptedServer(answer(429, Retry_After=7200)) as server:
        watch = Watch(project, instance, server.url)
        watch.tick()
    assert json.loads(str(watch.cursor))["not_before"] > time.time() + 7000


def test_a_webhook_without_tls_is_refused_but_on_this_machine(project: Project, instance: dg.DagsterInstance) -> None:
    assert webhook_problem("https://hooks.slack.com/services/x") is None
    for url in ("http://hooks.slack.com/x", "hooks.slack.com", "https://", "ftp://h/x"):
        problem = webhook_problem(url)
        assert problem is not None
        assert "slack" not in problem
        with pytest.raises(AlertError, match="ARCADIA_ALERT_WEBHOOK"):
            AlertsResource(webhook=url).send({})


def test_alerts_are_off_until_the_webhook_is_set(project: Project, instance: dg.DagsterInstance) -> None:
    sensor = project.definitions().resolve_sensor_def("failures_to_webhook")
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    watch = Watch(project, instance, "")
    watch.alerts = AlertsResource()
    assert watch.tick() == "alerts are off: set ARCADIA_ALERT_WEBHOOK"
    project.environ["ARCADIA_ALERT_WEBHOOK"] = f"https://hooks.slack.com/{MARKED}"
    definitions = project.definitions()
    assert definitions.resolve_sensor_def("failures_to_webhook").default_status is dg.DefaultSensorStatus.RUNNING
    assert MARKED not in repr(definitions.resources)


def report_rejected(instance: dg.DagsterInstance) -> None:
    """A check that failed, without a run."""
    report_failed(instance, "documents", "nothing_rejected", {"file": "login.csv", "problem": "it is a web page"})


def report_failed(instance: dg.DagsterInstance, asset: str, check: str, *rows: dict[str, Any]) -> None:
    """A check that found these rows, without a run."""
    [kind] = [kind for kind in findings.KINDS if kind.name == check]
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(asset),
            check_name=check,
            passed=False,
            metadata={
                "found": len(rows),
                checks.FINDINGS: dg.JsonMetadataValue([kind.finding(row).as_json() for row in rows]),
            },
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(rows)} found",
        )
    )
