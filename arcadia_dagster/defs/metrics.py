"""The web server's page `/metrics`, as Prometheus reads it. Each request asks the warehouse and Dagster afresh."""

import re
from collections.abc import Collection
from datetime import UTC, datetime
from time import monotonic
from typing import Final

import dagster as dg
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from arcadia_dagster.defs.health import problems
from arcadia_dagster.defs.jobs import INGEST
from arcadia_dagster.defs.run_tags import LOCK_WAIT_TAG
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.prefix import NO_PREFIX, Prefix
from arcadia_dagster.reports.measurements import Measurements, measure
from arcadia_dagster.warehouse import Warehouse

CONTENT_TYPE = CONTENT_TYPE_LATEST

_UNFINISHED: Final = {
    "queued": (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED),
    "working": (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING),
}
"""The states of a run that has not ended, and Dagster's statuses for each."""


def exposition(
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    finance: FinanceResource,
    prefix: Prefix = NO_PREFIX,
    *,
    unloaded: Collection[str] = (),
) -> bytes:
    """The figures of this moment in Prometheus' text format.

    Args:
        instance: Whose newest run of `ingest_invoices` is measured, and whose daemons must be heard.
        warehouse: Where invoices are.
        finance: The finance service that they go to.
        prefix: What the home's names begin with.
        unloaded: See `problems`.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
        ConfigurationFailure: The address of finance is none.
    """
    registry = CollectorRegistry()
    _gauge(registry, "arcadia_problems", "What does not work, as /health says").set(
        len(problems(instance, warehouse, unloaded))
    )
    if warehouse.exists():
        began = monotonic()
        with warehouse.read() as connection:
            _gauge(
                registry,
                "arcadia_warehouse_wait_seconds",
                "How long this request waited for the warehouse: for its lock, which writers hold, and for opening it",
            ).set(monotonic() - began)
            _of_records(registry, measure(connection, finance.recipient, datetime.now(UTC).replace(tzinfo=None)))
    _of_runs(registry, instance)
    _of_newest_run(registry, instance, prefix)
    return generate_latest(registry)


def _gauge(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=registry)


def _of_records(registry: CollectorRegistry, found: Measurements) -> None:
    invoices = _gauge(registry, "arcadia_invoices", "Invoices by state, as `arcadia invoices` lists them", "state")
    for state, count in found.invoices.items():
        invoices.labels(state).set(count)
    outstanding = _gauge(
        registry, "arcadia_outstanding", "Ready invoices, or parts, that finance does not have, by state", "state"
    )
    for state, count in found.outstanding.items():
        outstanding.labels(state).set(count)
    _gauge(
        registry,
        "arcadia_oldest_outstanding_seconds",
        "How long the oldest ready invoice has waited for finance since its newest document came",
    ).set(found.oldest_outstanding_seconds)
    _gauge(registry, "arcadia_rejected_documents", "Rejected documents that no good one has replaced").set(
        found.rejected_documents
    )
    _gauge(registry, "arcadia_stale_months", "Months with something that is not built yet").set(found.stale_months)
    answered = _gauge(registry, "arcadia_deliveries_last_day", "Answers of finance in the last 24 hours", "outcome")
    for outcome, count in found.deliveries.items():
        answered.labels(outcome).set(count)
    latency = _gauge(
        registry,
        "arcadia_delivery_seconds_last_day",
        "From a document's arrival to finance's first answer about its invoice, in the last 24 hours",
        "quantile",
    )
    for quantile, seconds in found.delivery_seconds.items():
        latency.labels(f"{quantile:g}").set(seconds)


def _of_runs(registry: CollectorRegistry, instance: dg.DagsterInstance) -> None:
    """How many runs wait in the queue, and work: all of the instance, for they share its places."""
    runs = _gauge(registry, "arcadia_runs", "Runs of this Dagster that wait for a place, or work", "state")
    for state, statuses in _UNFINISHED.items():
        runs.labels(state).set(instance.get_runs_count(dg.RunsFilter(statuses=[*statuses])))


def _of_newest_run(registry: CollectorRegistry, instance: dg.DagsterInstance, prefix: Prefix) -> None:
    ended = dg.RunsFilter(
        job_name=prefix.name(INGEST), statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    )
    for record in instance.get_run_records(ended, limit=1):
        if record.start_time is None or record.end_time is None:
            continue
        _gauge(registry, "arcadia_newest_run_timestamp_seconds", "When the newest run of ingest_invoices ended").set(
            record.end_time
        )
        _gauge(registry, "arcadia_newest_run_seconds", "How long it took").set(record.end_time - record.start_time)
        # A run that did not wait has no such tag, or what a person gave it.
        waited = re.fullmatch(r"(\d+\.\d+) s", record.dagster_run.tags.get(LOCK_WAIT_TAG, ""))
        _gauge(
            registry,
            "arcadia_newest_run_lock_wait_seconds",
            "How long it waited for the warehouse's locks, which other processes held",
        ).set(float(waited[1]) if waited else 0)
        steps = _gauge(
            registry, "arcadia_newest_run_step_seconds", "How long each of its steps took; `documents` lands", "step"
        )
        for step in instance.get_run_step_stats(record.dagster_run.run_id):
            if step.start_time is not None and step.end_time is not None:
                steps.labels(step.step_key).set(step.end_time - step.start_time)
