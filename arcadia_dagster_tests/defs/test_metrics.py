"""The page `/metrics`: what Prometheus' own parser reads of it."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import dagster as dg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from arcadia_dagster.definitions import build_defs
from arcadia_dagster.defs.ingest import IngestError, ingest
from arcadia_dagster.defs.metrics import exposition
from arcadia_dagster.reports.measurements import measure
from arcadia_dagster.warehouse import Warehouse, hold
from arcadia_dagster.warehouse.resource import WarehouseResource
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.locations import add_run
from arcadia_dagster_tests.kit.project import Project, digitalocean, instance_in_memory, invoice_name, line, tax
from arcadia_dagster_tests.kit.waiting import wait_until


def figures(text: bytes) -> dict[str, float]:
    """Each sample by its name and labels, as a query of Prometheus writes it."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_the_figures_are_those_of_the_records_and_of_the_newest_run(project_with_finance: Project) -> None:
    project = project_with_finance
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.drop(invoice_name(number="1002"), digitalocean(line(amount="$1.00"), tax("GST", "$2.00")))
    project.drop("broken.csv", b"no invoice")
    with instance_in_memory() as instance:
        definitions = build_defs(
            resource_overrides={
                "warehouse": WarehouseResource(path=str(project.warehouse.path)),
                "finance": project.finance,
            },
            environ={
                "ARCADIA_HOME": str(project.home),
                "ARCADIA_INBOX": str(project.inbox),
                "ARCADIA_SETTLE_SECONDS": "0",
            },
        )
        ingest(definitions, instance, [datetime(2026, 4, 1, tzinfo=UTC).date()])
        found = figures(exposition(instance, project.warehouse, project.finance))
    wanted = {
        'arcadia_invoices{state="pushed"}': 1,
        'arcadia_invoices{state="ready"}': 0,
        'arcadia_invoices{state="held"}': 1,
        "arcadia_oldest_outstanding_seconds": 0,
        "arcadia_rejected_documents": 1,
        "arcadia_stale_months": 0,
        'arcadia_deliveries_last_day{outcome="created"}': 1,
    }
    assert {name: found[name] for name in wanted} == wanted
    assert found["arcadia_warehouse_wait_seconds"] > 0
    assert not [name for name in found if name.startswith("arcadia_outstanding")]
    latency = [
        found[f'arcadia_delivery_seconds_last_day{{quantile="{quantile}"}}'] for quantile in ("0.5", "0.95", "1")
    ]
    assert latency == [latency[0]] * 3
    assert 0 < latency[0] < 60
    steps = {name for name in found if name.startswith("arcadia_newest_run_step_seconds")}
    assert 'arcadia_newest_run_step_seconds{step="documents"}' in steps
    assert sum(found[name] for name in steps) <= found["arcadia_newest_run_seconds"]


def test_runs_that_wait_in_the_queue_and_those_that_work_are_counted(project: Project) -> None:
    statuses = {
        dg.DagsterRunStatus.QUEUED: 2,
        dg.DagsterRunStatus.STARTED: 1,
        dg.DagsterRunStatus.SUCCESS: 3,
        dg.DagsterRunStatus.FAILURE: 1,
    }
    with instance_in_memory() as instance:
        for status, count in statuses.items():
            for _ in range(count):
                add_run(instance, "arcadia", status, {})
        found = figures(exposition(instance, project.warehouse, project.finance))
    assert {name: value for name, value in found.items() if name.startswith("arcadia_runs{")} == {
        'arcadia_runs{state="queued"}': 2,
        'arcadia_runs{state="working"}': 1,
    }


def test_how_long_a_run_waited_for_the_locks_of_others_is_a_figure_and_a_tag_of_the_run(project: Project) -> None:
    project.build()
    lock = project.warehouse.lock_path

    def held_until_somebody_waits(is_held: Event) -> None:
        with hold(lock, timeout=5):
            is_held.set()
            inode = f":{lock.stat().st_ino} "
            wait_until(
                lambda: any(
                    "->" in one and inode in one for one in Path("/proc/locks").read_text(encoding="ascii").splitlines()
                )
            )
            time.sleep(0.5)

    is_held = Event()
    with instance_in_memory() as instance, ThreadPoolExecutor(1) as other:
        holding = other.submit(held_until_somebody_waits, is_held)
        assert is_held.wait(60)
        project.run([datetime(2026, 4, 1, tzinfo=UTC).date()], instance=instance)
        holding.result()
        found = figures(exposition(instance, project.warehouse, project.finance))[
            "arcadia_newest_run_lock_wait_seconds"
        ]
        [run] = instance.get_runs()
        assert run.tags["arcadia/waited_for_locks"] == f"{found:.2f} s"
        instance.add_run_tags(run.run_id, {"arcadia/waited_for_locks": "a person's words"})
        without = figures(exposition(instance, project.warehouse, project.finance))
    assert 0.5 <= found < 60
    assert without["arcadia_newest_run_lock_wait_seconds"] == 0


def test_a_run_that_failed_because_it_waited_too_long_says_for_how_long(project: Project) -> None:
    project.build()
    short = WarehouseResource(path=str(project.warehouse.path), lock_timeout=0.6)
    definitions = build_defs(resource_overrides={"warehouse": short}, environ=project.environ)
    with instance_in_memory() as instance, hold(project.warehouse.lock_path, timeout=5):
        with pytest.raises(IngestError, match=r"was locked for more than 0\.6 s"):
            ingest(definitions, instance, [datetime(2026, 4, 1, tzinfo=UTC).date()])
        [run] = instance.get_runs()
    assert float(run.tags["arcadia/waited_for_locks"].removesuffix(" s")) >= 0.6


def test_what_waits_for_finance_is_counted_by_state_with_its_age(project: Project) -> None:
    project.drop("a.csv", as_csv(charge(InvoiceId="A"), charge(InvoiceId="B")))
    project.build()
    later = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=3)
    with project.warehouse.read() as connection:
        found = measure(connection, project.finance.recipient, later)
    assert (found.outstanding, found.deliveries, found.delivery_seconds) == ({"not pushed": 2}, {}, {})
    assert {state: count for state, count in found.invoices.items() if count} == {"ready": 2}
    assert found.oldest_outstanding_seconds == pytest.approx(3 * 3600, abs=120)


def test_a_home_without_a_warehouse_has_a_problem_and_no_figures_but_those_of_runs(project: Project) -> None:
    with instance_in_memory() as instance:
        found = figures(exposition(instance, Warehouse(project.home / "nowhere.duckdb"), project.finance))
    assert found["arcadia_problems"] > 0
    assert set(found) == {"arcadia_problems", 'arcadia_runs{state="queued"}', 'arcadia_runs{state="working"}'}
