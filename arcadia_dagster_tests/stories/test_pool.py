"""The pool of the steps that write the warehouse, with the limit that a person may set."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from arcadia_dagster.defs.jobs import DELIVER
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
APRIL = date(2026, 4, 1)
ANOTHER_RUN = "00000000-0000-4000-8000-000000000000"
POOL = "warehouse"


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The storage of `dagster.yaml`, in which one run at a time may write the warehouse, and another run does."""
    monkeypatch.setenv("ARCADIA_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(ROOT))
    with dg.DagsterInstance.get() as instance:
        instance.event_log_storage.set_concurrency_slots(POOL, 1)
        assert instance.event_log_storage.claim_concurrency_slot(POOL, ANOTHER_RUN, "documents").is_claimed
        yield instance


def messages(instance: dg.DagsterInstance) -> list[str]:
    return [entry.user_message for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]


def test_with_a_limit_a_run_waits_for_its_turn_at_the_warehouse_and_then_goes_on(
    project_with_finance: Project, instance: dg.DagsterInstance
) -> None:
    project = project_with_finance
    project.drop(invoice_name(), digitalocean(line(), tax()))
    with ThreadPoolExecutor(1) as threads:
        run = threads.submit(project.run, [APRIL], instance=instance)
        wait_until(lambda: any("blocked by limit for pool warehouse" in message for message in messages(instance)))
        assert list(project.inbox.iterdir()) != []
        assert not run.done()
        instance.event_log_storage.free_concurrency_slots_for_run(ANOTHER_RUN)
        assert run.result(timeout=60).success
    assert project.sandbox is not None
    assert len(project.sandbox.invoices()) == 1


def test_a_delivery_does_not_wait_for_a_turn_at_the_warehouse(
    project_with_finance: Project, instance: dg.DagsterInstance
) -> None:
    project = project_with_finance
    project.drop(invoice_name(), digitalocean(line(), tax()))
    finance, project.finance = project.finance, type(project.finance)()
    project.run([APRIL])
    project.finance = finance
    job = project.definitions().resolve_job_def(DELIVER)
    assert job.execute_in_process(instance=instance, partition_key="2026-04").success
    assert project.sandbox is not None
    assert len(project.sandbox.invoices()) == 1
