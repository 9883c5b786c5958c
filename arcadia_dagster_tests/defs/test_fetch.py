"""The daily schedule and its job, run by Dagster against a server that answers as the API's public description says."""

import logging
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from arcadia_dagster.definitions import build_defs
from arcadia_dagster.defs.fetch import FETCH
from arcadia_dagster.providers.catalogue import SWITCHES
from arcadia_dagster_tests.kit.digitalocean_api import DIGITALOCEAN, LISTS, TOKEN, DigitalOceanApi, invoice, uuid
from arcadia_dagster_tests.kit.leaks import files_with
from arcadia_dagster_tests.kit.linode_api import LINODE, LinodeApi
from arcadia_dagster_tests.kit.linode_api import invoice as linode_invoice
from arcadia_dagster_tests.kit.project import Project, instance_in_memory
from arcadia_dagster_tests.kit.provider_api import providers
from arcadia_dagster_tests.kit.scripted_server import Request, Step, answer


def definitions(project: Project, url: str = "", **options: Any) -> dg.Definitions:
    """With a token where there is a URL."""
    resource = providers(*([(DIGITALOCEAN, url)] if url else []), **options)
    return build_defs(environ=project.environ, resource_overrides={"providers": resource})


def run(
    project: Project, url: str = "", instance: dg.DagsterInstance | None = None, **options: Any
) -> dg.ExecuteInProcessResult:
    job = definitions(project, url, **options).resolve_job_def(FETCH)
    return job.execute_in_process(instance=instance, raise_on_error=False)


def tick(project: Project, url: str = "") -> dg.RunRequest | str | None:
    found = definitions(project, url)
    schedule = found.resolve_schedule_def("fetch_providers")
    at = datetime(2026, 5, 2, 5, 37, tzinfo=UTC)
    resources = {"providers": providers(*([(DIGITALOCEAN, url)] if url else []))}
    with instance_in_memory() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at, resources=resources)
        result = schedule.evaluate_tick(context)
    return result.run_requests[0] if result.run_requests else result.skip_message


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    [event] = [event for event in result.all_events if event.is_step_failure]
    failure = event.step_failure_data.user_failure_data
    assert failure is not None
    return str(failure.description)


def test_the_schedule_asks_for_a_run_a_day(project: Project) -> None:
    request = tick(project, "http://127.0.0.1:1")
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == "2026-05-02T05:37"
    assert definitions(project).resolve_schedule_def("fetch_providers").default_status.value == "RUNNING"


def test_without_a_token_the_schedule_says_that_nothing_is_fetched(project: Project) -> None:
    told = tick(project)
    assert isinstance(told, str)
    assert told.startswith("no provider is configured: set DIGITALOCEAN_TOKEN")
    assert all(variable in told for variable in SWITCHES)


def test_without_a_token_the_job_does_nothing_and_succeeds(project: Project) -> None:
    assert run(project).success
    assert list(project.inbox.iterdir()) == []


def test_the_job_fills_the_inbox_and_says_with_what(project: Project) -> None:
    with DigitalOceanApi([invoice(1), invoice(2, "2026-03")], lists=LISTS) as api:
        result = run(project, api.url)
    assert result.success
    names = {path.name for path in project.inbox.iterdir()}
    assert len(names) == 3
    [output] = [
        event for event in result.all_events if event.is_successful_output and event.step_key == "digitalocean_to_inbox"
    ]
    metadata = output.step_output_data.metadata
    files = metadata["files"].value
    assert isinstance(files, list)
    assert set(files) == names
    assert metadata["known_invoices"].value == 0


def test_what_is_left_makes_the_run_fail_after_all_else_was_fetched(project: Project) -> None:
    def fail(request: Request) -> Step | None:
        return answer(500) if uuid(1) in request.path else None

    with DigitalOceanApi([invoice(1, "2026-02"), invoice(2, "2026-03")], before=fail) as api:
        result = run(project, api.url)
    assert not result.success
    assert f"put into the inbox: 1 file; left for the next fetch: invoice {uuid(1)}" in failure_of(result)
    assert len(list(project.inbox.iterdir())) == 1


def test_what_fails_at_one_provider_stops_no_other(project: Project) -> None:
    with (
        DigitalOceanApi(before=lambda _: answer(401)) as api,
        LinodeApi([linode_invoice(1, date(2026, 4, 1), "119.00")]) as linode,
    ):
        resource = providers((DIGITALOCEAN, api.url), (LINODE, linode.url))
        found = build_defs(environ=project.environ, resource_overrides={"providers": resource})
        result = found.resolve_job_def(FETCH).execute_in_process(raise_on_error=False)
    assert "check DIGITALOCEAN_TOKEN" in failure_of(result)
    assert len([path for path in project.inbox.iterdir() if path.name.startswith("linode-invoice")]) == 1


def test_a_token_that_is_not_accepted_fails_the_run_with_the_settings_name(project: Project) -> None:
    with DigitalOceanApi(before=lambda _: answer(401)) as api:
        result = run(project, api.url)
    assert "check DIGITALOCEAN_TOKEN" in failure_of(result)


def test_invoices_before_the_first_month_are_left_out(tmp_path: Path) -> None:
    project = Project(tmp_path / "home", ARCADIA_FIRST_MONTH="2026-03")
    environ = {**project.environ, "DIGITALOCEAN_TOKEN": TOKEN}
    with DigitalOceanApi([invoice(1, "2026-02"), invoice(2, "2026-03")]) as api:
        found = build_defs(environ={**environ, "ARCADIA_DIGITALOCEAN_URL": api.url})
        assert found.resolve_job_def(FETCH).execute_in_process().success
    assert [path.name[21:28] for path in project.inbox.iterdir()] == ["2026-03"]


def repeating(status: int) -> Callable[[Request], Step]:
    """An answer that repeats all that it was sent."""
    return lambda request: answer(
        status,
        {"message": f"you sent {request.headers['authorization']}"},
        X_Token=TOKEN,
        Location=f"https://elsewhere.example/{TOKEN}",
    )


@pytest.mark.parametrize("status", [302, 401, 403, 404, 500])
def test_no_answer_makes_the_token_visible(
    project: Project, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        with DigitalOceanApi(before=repeating(status)) as api:
            result = run(project, api.url, instance)
        events = str(instance.all_logs(result.run_id))
    assert not result.success
    printed = capfd.readouterr()
    texts = (events, printed.out, printed.err, caplog.text, repr(definitions(project, "http://127.0.0.1:1")))
    assert not [text for text in texts if TOKEN in text]
    assert files_with(tmp_path, [TOKEN]) == []
