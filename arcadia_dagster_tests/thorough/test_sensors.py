"""The sensor and the schedule, evaluated with a real instance on a real home."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.execution.backfill import BulkActionStatus

from arcadia_dagster.defs.sensors import WORK_TAG
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.resources import Resources
from arcadia_dagster.settings import load
from arcadia_dagster.warehouse.resource import WarehouseResource
from arcadia_dagster_tests.kit.books import SECRET, Books
from arcadia_dagster_tests.kit.books import invoice as totals
from arcadia_dagster_tests.kit.locations import ELSEWHERE, HERE, add_backfill, add_run, sensor_context
from arcadia_dagster_tests.kit.plain import new_warehouse
from arcadia_dagster_tests.kit.project import (
    Project,
    checks_of,
    digitalocean,
    instance_in_memory,
    invoice_name,
    line,
    tax,
)
from arcadia_dagster_tests.kit.scripted_server import ScriptedServer, Step, answer, imported


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with instance_in_memory() as own:
        yield own


def tick(project: Project, instance: dg.DagsterInstance, cursor: str | None = None) -> list[dg.RunRequest]:
    return list(evaluate(project, instance, cursor).run_requests or [])


def evaluate(project: Project, instance: dg.DagsterInstance, cursor: str | None = None) -> SensorExecutionData:
    definitions = project.definitions()
    resources = {
        "warehouse": WarehouseResource(path=str(project.warehouse.path)),
        "landing": Resources.of(load(project.environ)).landing,
    }
    sensor = definitions.resolve_sensor_def("new_invoice_files")
    with sensor_context(definitions, instance, cursor, resources) as context:
        return sensor.evaluate_tick(context)


def months(request: dg.RunRequest) -> tuple[str, str]:
    return request.tags["dagster/asset_partition_range_start"], request.tags["dagster/asset_partition_range_end"]


def invoice(month: str, number: str) -> bytes:
    start, end = f"{month}-01 00:00:00 +0000", f"{month}-28 00:00:00 +0000"
    return digitalocean(line(start=start, end=end), tax())


def test_adjacent_months_share_a_request_and_others_have_their_own(
    project: Project, instance: dg.DagsterInstance
) -> None:
    for name, month in (("2026 Jan", "2026-01"), ("2026 Feb", "2026-02"), ("2026 May", "2026-05")):
        project.drop(invoice_name(name, number=month.replace("-", "")), invoice(month, name))
    requests = tick(project, instance)
    assert [months(request) for request in requests] == [("2026-01", "2026-02"), ("2026-05", "2026-05")]


@pytest.mark.parametrize(("settle", "asked"), [("0.5", 1), ("60", 0)])
def test_a_file_that_is_being_copied_is_waited_for_a_few_seconds_and_else_left_to_the_next_look(
    project: Project, instance: dg.DagsterInstance, settle: str, asked: int
) -> None:
    project.environ["ARCADIA_SETTLE_SECONDS"] = settle
    (project.inbox / invoice_name()).write_bytes(digitalocean(line(), tax()))
    assert len(tick(project, instance)) == asked


def test_the_same_files_ask_for_the_same_run_until_it_has_run_and_then_for_none(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    [first], [second] = tick(project, instance), tick(project, instance)
    assert first.run_key == second.run_key
    project.run([datetime(2026, 4, 1, tzinfo=UTC).date()], instance=instance)
    result = evaluate(project, instance)
    assert not result.run_requests
    assert "nothing new" in str(result.skip_message)


def land(project: Project, instance: dg.DagsterInstance, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """Run what a tick asks for of no month."""
    assert not [tag for tag in request.tags if "partition" in tag]
    definitions = project.definitions()
    result = definitions.resolve_job_def("ingest_invoices").execute_in_process(
        instance=instance,
        asset_selection=request.asset_selection,
        tags=dict(request.tags),
        resources=definitions.resources,
    )
    assert {
        event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key
    } == {
        "documents",
        "cloud_resources",
    }
    return result


def test_a_bad_file_asks_for_a_landing_once_and_never_raises(project: Project, instance: dg.DagsterInstance) -> None:
    project.drop("login.csv", b"<html>")
    [request] = tick(project, instance)
    result = land(project, instance, request)
    assert not checks_of(result)["nothing_rejected"].passed
    [run] = instance.get_runs()
    assert run.tags["arcadia/came"] == "1 new document, rejected"
    assert tick(project, instance) == []
    assert project.document("login.csv")["status"] == "rejected"


def test_a_file_without_a_name_of_the_provider_s_is_landed_first_and_its_own_month_asked_for_next(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.drop("invoice.csv", digitalocean(line(), tax()))
    [request] = tick(project, instance)
    land(project, instance, request)
    [request] = tick(project, instance)
    assert months(request) == ("2026-04", "2026-04")


def test_what_people_say_of_a_source_asks_for_the_months_that_it_concerns_and_half_of_it_for_none(
    project: Project, instance: dg.DagsterInstance
) -> None:
    april = datetime(2026, 4, 1, tzinfo=UTC).date()
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.run([april], instance=instance)
    rules = project.home / "sources.toml"
    rules.write_text('[aws]\ntax = "not stated"\nreason = "of another source"\n')
    assert tick(project, instance) == []
    rules.write_text('[digitalocean]\nissuer = "DigitalOcean, LLC"\n')
    assert "line 1: digitalocean: reason is missing" in str(evaluate(project, instance).skip_message)
    rules.write_text('[digitalocean]\nissuer = "DigitalOcean, LLC"\nreason = "as on the invoice"\n')
    [request] = tick(project, instance)
    assert months(request) == ("2026-04", "2026-04")
    project.run([april], instance=instance)
    assert tick(project, instance) == []

    # What is final by time alone asks for its month.
    with project.warehouse.write() as connection:
        connection.execute("UPDATE document_invoices SET is_final = false, final_from = TIMESTAMP '2026-05-06'")
    [request] = tick(project, instance)
    assert months(request) == ("2026-04", "2026-04")


def test_a_record_that_is_damaged_while_nothing_else_happens_asks_for_a_run_that_holds_its_invoice(
    project: Project, instance: dg.DagsterInstance
) -> None:
    april = datetime(2026, 4, 1, tzinfo=UTC).date()
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.run([april], instance=instance)
    assert tick(project, instance) == []
    [path] = (project.home / "archive").glob(f"??/{64 * '?'}.jsonl")
    path.write_bytes(path.read_bytes()[:-1])
    [request] = tick(project, instance)
    land(project, instance, request)
    [request] = tick(project, instance)
    assert months(request) == ("2026-04", "2026-04")
    project.run([april], instance=instance)
    assert tick(project, instance) == []
    assert project.invoice()["status"] == "held"


def test_work_that_failed_three_times_is_left_for_a_person_until_it_changes(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    keys = set()
    for _ in range(3):
        [request] = tick(project, instance)
        keys.add(request.run_key)
        add_run(instance, HERE, dg.DagsterRunStatus.FAILURE, request.tags)
        # A copy of this project elsewhere, on the same files.
        for _ in range(3):
            add_run(instance, ELSEWHERE, dg.DagsterRunStatus.FAILURE, request.tags)
    assert len(keys) == 3
    result = evaluate(project, instance)
    assert not result.run_requests
    assert "left for a person after 3 failed runs: 2026-04" in str(result.skip_message)
    project.drop(invoice_name(), digitalocean(line(amount="$7.00"), tax("GST (10%)", "$0.70")))
    [request] = tick(project, instance)
    assert request.tags[WORK_TAG].startswith("2026-04:")


def test_a_cursor_of_junk_changes_nothing(project: Project, instance: dg.DagsterInstance) -> None:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    assert [request.run_key for request in tick(project, instance, "junk {")] == [
        request.run_key for request in tick(project, instance)
    ]


def test_an_inbox_that_is_missing_is_a_reason_to_skip_with_the_setting(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.inbox.rmdir()
    assert "ARCADIA_INBOX" in str(evaluate(project, instance).skip_message)


def test_the_schedule_asks_for_every_month_with_outstanding_invoices_however_old(
    project_with_finance: Project, instance: dg.DagsterInstance
) -> None:
    project = project_with_finance
    schedule = project.definitions().resolve_schedule_def("deliver_outstanding")

    def evaluated() -> list[tuple[str, str]]:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 11, 1, 10, 17, tzinfo=UTC),
            resources={
                "warehouse": WarehouseResource(path=str(project.warehouse.path)),
                "landing": LandingResource(inbox=str(project.inbox), archive=str(project.home / "archive")),
                "finance": project.finance,
            },
        )
        with context:
            return [months(request) for request in schedule.evaluate_tick(context).run_requests or []]

    assert evaluated() == []
    for name, month in (("2019 Jan", "2019-01"), ("2019 Feb", "2019-02"), ("2026 Apr", "2026-04")):
        project.drop(invoice_name(name, number=month.replace("-", "")), invoice(month, name))
    silent = Project(project.home)
    silent.run([datetime(2019, 1, 1, tzinfo=UTC).date(), datetime(2019, 2, 1, tzinfo=UTC).date()])
    silent.run([datetime(2026, 4, 1, tzinfo=UTC).date()])
    assert evaluated() == [("2019-01", "2019-02"), ("2026-04", "2026-04")]


@pytest.mark.parametrize(
    ("answered", "reason"),
    [
        (imported("inv-1"), r"finance has every ready invoice"),
        (
            answer(422, b"no such vendor"),
            r"nothing is due; finance does not have 2 refused; what is refused needs a person",
        ),
        (
            answer(503),
            r"nothing is due; finance does not have 2 deferred \(the first is due at \d{4}-\d\d-\d\d \d\d:\d\d UTC\)",
        ),
    ],
)
def test_the_schedule_says_truly_why_there_is_nothing_to_deliver(tmp_path: Path, answered: Step, reason: str) -> None:
    books = Books(new_warehouse(tmp_path))
    books.hold(totals(1), totals(2))
    with ScriptedServer(answered) as server:
        books.deliver(server.url)
        resources = {
            "warehouse": WarehouseResource(path=str(books.warehouse.path)),
            "landing": LandingResource(inbox=str(tmp_path), archive=str(tmp_path)),
            "finance": FinanceResource(base_url=server.url, sandbox_url=server.url, secret=SECRET),
        }
        now = datetime.now(UTC)
        with dg.build_schedule_context(scheduled_execution_time=now, resources=resources) as context:
            result = Project(tmp_path).definitions().resolve_schedule_def("deliver_outstanding").evaluate_tick(context)
    assert not result.run_requests
    assert re.fullmatch(reason, str(result.skip_message))


def april_and_may(project: Project) -> None:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.drop(invoice_name("2026 May", "1002"), invoice("2026-05", "2026 May"))


def ranged(first: str, last: str) -> dict[str, str]:
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


BOTH = ("2026-04", "2026-05")


@pytest.mark.parametrize(
    ("tags", "requested"),
    [
        ({"dagster/partition": "2026-04"}, [("2026-05", "2026-05")]),
        (ranged("2026-03", "2026-04"), [("2026-05", "2026-05")]),
        (ranged("2018-01", "2026-05"), []),
    ],
)
def test_months_of_a_run_under_way_are_not_requested_until_it_ends(
    project: Project, instance: dg.DagsterInstance, tags: dict[str, str], requested: list[tuple[str, str]]
) -> None:
    april_and_may(project)
    for status in ("NOT_STARTED", "QUEUED", "STARTING", "STARTED", "CANCELING"):
        add_run(instance, HERE, dg.DagsterRunStatus[status], tags)
        result = evaluate(project, instance)
        assert [months(request) for request in result.run_requests or []] == requested
        if not requested:
            assert "2026-04, 2026-05 are under way" in str(result.skip_message)
        instance.report_run_canceled(instance.get_runs(limit=1)[0])
        assert [months(request) for request in tick(project, instance)] == [BOTH]


def test_months_of_a_backfill_are_not_requested_until_it_ends(project: Project, instance: dg.DagsterInstance) -> None:
    april_and_may(project)
    backfill = add_backfill(instance, project.definitions(), dg.AssetKey("raw_invoices"), ["2026-03", "2026-04"])
    assert [months(request) for request in tick(project, instance)] == [("2026-05", "2026-05")]
    instance.update_backfill(backfill._replace(status=BulkActionStatus.COMPLETED_SUCCESS))
    assert [months(request) for request in tick(project, instance)] == [BOTH]


NO_MONTHS: tuple[dict[str, str], ...] = (
    {},
    ranged("eu-west", "us-east"),
    ranged("2026-04-01-05:00", "2026-05-01-05:00"),
    ranged("0001-01-01", "9999-12-31"),
    ranged("2026-05", "2026-04"),
    ranged("", ""),
    {"dagster/asset_partition_range_start": "2026-04"},
    {"dagster/asset_partition_range_end": "2026-04"},
    {"dagster/partition": "a|b"},
)


@pytest.mark.parametrize(
    "whose",
    [{"location": ELSEWHERE}, {"location": HERE, "repository": "another"}, {"location": None}],
    ids=["elsewhere", "another repository", "a process of its own"],
)
def test_runs_of_others_neither_end_the_tick_nor_keep_our_months(
    project: Project, instance: dg.DagsterInstance, whose: dict[str, Any]
) -> None:
    april_and_may(project)
    for tags in (*NO_MONTHS, ranged(*BOTH), {"dagster/partition": "2026-04"}):
        add_run(instance, status=dg.DagsterRunStatus.STARTED, tags=tags, **whose)
    assert [months(request) for request in tick(project, instance)] == [BOTH]


def test_runs_of_ours_that_are_for_no_month_keep_none(project: Project, instance: dg.DagsterInstance) -> None:
    april_and_may(project)
    for tags in NO_MONTHS:
        add_run(instance, HERE, dg.DagsterRunStatus.STARTED, tags)
    assert [months(request) for request in tick(project, instance)] == [BOTH]
