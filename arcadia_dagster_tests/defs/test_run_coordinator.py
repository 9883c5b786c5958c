"""Who launched a run, as the proxy in front of the UI says."""

from collections.abc import Iterator, Mapping

import dagster as dg
import pytest
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.utils import make_new_run_id
from dagster._core.workspace.context import WorkspaceRequestContext
from dagster._core.workspace.workspace import CurrentWorkspace
from starlette.requests import HTTPConnection

from arcadia_dagster.defs.run_coordinator import AttributedRunCoordinator
from arcadia_dagster.defs.runs import PERSON_TAG
from arcadia_dagster_tests.kit.locations import remote_origin
from arcadia_dagster_tests.kit.project import instance_in_memory


class Launches:
    """An instance, and runs that are launched on it."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._coordinator = AttributedRunCoordinator()
        self._coordinator.register_instance(instance)

    def __call__(
        self, headers: Mapping[str, str] | None, tags: Mapping[str, str], parent: str | None = None
    ) -> dg.DagsterRun:
        """The run as it is in the queue; by the daemon, if there are no headers."""
        run = dg.DagsterRun(
            job_name="ingest_invoices",
            run_id=make_new_run_id(),
            tags=tags,
            remote_job_origin=remote_origin(),
            parent_run_id=parent,
            root_run_id=parent,
        )
        self._instance.add_run(run)
        raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        source = None if headers is None else HTTPConnection({"type": "http", "headers": raw})
        workspace = WorkspaceRequestContext(
            instance=self._instance,
            current_workspace=CurrentWorkspace(code_location_entries={}),
            process_context=None,  # type: ignore[arg-type] # the coordinator asks for headers alone
            version=None,
            source=source,
            read_only=False,
        )
        return self._coordinator.submit_run(SubmitRunContext(run, workspace))


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Launches]:
    monkeypatch.setenv("ARCADIA_USER_HEADER", "X-Forwarded-User")
    with instance_in_memory() as instance:
        yield Launches(instance)


def test_a_run_has_the_name_that_the_proxy_gives_whatever_its_tags_say(launch: Launches) -> None:
    run = launch({"X-Forwarded-User": "ann"}, {PERSON_TAG: "the chief"})
    assert (run.tags[PERSON_TAG], run.status) == ("ann", dg.DagsterRunStatus.QUEUED)
    assert launch({}, {PERSON_TAG: "the chief"}).tags[PERSON_TAG] == ""
    assert PERSON_TAG not in launch({}, {}).tags


def test_a_run_that_the_daemon_starts_again_keeps_the_name_and_takes_none_from_tags(launch: Launches) -> None:
    first = launch({"X-Forwarded-User": "ann"}, {})
    assert launch(None, first.tags, first.run_id).tags[PERSON_TAG] == "ann"
    assert launch(None, {PERSON_TAG: "the chief"}).tags[PERSON_TAG] == ""
    assert launch({"X-Forwarded-User": "bob"}, first.tags, first.run_id).tags[PERSON_TAG] == "bob"


def test_without_the_setting_no_header_names_anybody(launch: Launches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARCADIA_USER_HEADER")
    assert PERSON_TAG not in launch({"X-Forwarded-User": "ann"}, {}).tags
    assert launch({"X-Forwarded-User": "ann"}, {PERSON_TAG: "the chief"}).tags[PERSON_TAG] == ""


@pytest.mark.parametrize("headers", [None, {}])
def test_a_run_that_repeats_another_tells_nothing_of_what_that_one_did(
    launch: Launches, headers: dict[str, str] | None
) -> None:
    told = {"arcadia/came": "1 new document", "arcadia/pushed": "1 created", "arcadia/waited_for_locks": "1.00 s"}
    first = launch({}, {})
    again = launch(headers, {**told, "mine": "yes"}, first.run_id).tags
    assert {tag: again[tag] for tag in told} == dict.fromkeys(told, "")
    assert again["mine"] == "yes"
