"""Sensors: new invoice files start runs by themselves; failed runs are told in the log."""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg

from arcadia_dagster.buckets.url import names_bucket
from arcadia_dagster.defs import noted_months
from arcadia_dagster.defs.assets.common import range_of
from arcadia_dagster.defs.jobs import INGEST
from arcadia_dagster.defs.runs import OF_NO_MONTH, OwnRuns, months_of, months_of_backfills, range_tags
from arcadia_dagster.defs.work import Work, add_files, plan, versions_to_build
from arcadia_dagster.landing.descriptions import assert_usable
from arcadia_dagster.landing.inbox import Arriving, InboxError, Look
from arcadia_dagster.landing.known import known_files, known_months, outdated_documents
from arcadia_dagster.landing.records import changed_records
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.landing.routes import months_concerned
from arcadia_dagster.landing.rules import becoming_final, months_ruled_otherwise
from arcadia_dagster.prefix import Prefix
from arcadia_dagster.settings_file import SettingsFileError
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.warehouse import LockTimeoutError, Warehouse, WarehouseError
from arcadia_dagster.warehouse.relations import STAGES
from arcadia_dagster.warehouse.resource import WarehouseResource

WORK_TAG = "arcadia/work"
"""The tag with the work that a run was requested for."""

NEW_FILES = "new_invoice_files"
"""The sensor's name, before which comes the home's prefix."""

MONTHS_PER_RUN = 12
FAILURES = 3
_TICK_LOCK_TIMEOUT = 5.0

# Dagster ends a tick after a minute. What is left of large buckets is looked at in the next one.
_TICK_LOOK_SECONDS = 20.0
_TICK_SETTLE_SECONDS = 5.0
_UNDER_WAY = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def new_invoice_files(
    partitions: dg.MonthlyPartitionsDefinition, home: Path, *, seconds: int, runs_per_tick: int, prefix: Prefix
) -> dg.SensorDefinition:
    """The sensor: one run for each stretch of months with new files or with half-built stages.

    Args:
        partitions: The months that invoices may be of, whether or not Dagster knows them yet.
        home: The home, where the months are noted of which something is known.
        seconds: How long from one tick to the next.
        runs_per_tick: How many runs are requested in one tick at most; the rest waits for the next.
        prefix: What the home's names begin with.
    """

    @dg.sensor(
        name=prefix.name(NEW_FILES),
        job_name=prefix.name(INGEST),
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Looks at the inbox every {seconds} s. Complete new files start a run for their months, adjacent months in one run. "
            "Work whose run failed three times is left for a person: it is tried again when something about it changes."
        ),
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        warehouse: dg.ResourceParam[WarehouseResource],
        landing: dg.ResourceParam[LandingResource],
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        # A tick must be short: if the warehouse is busy, the next tick looks.
        store = warehouse.get_within(min(warehouse.lock_timeout, _TICK_LOCK_TIMEOUT))
        try:
            own = OwnRuns.of(context, prefix)
            under_way = _months_under_way(context.instance, own, partitions)
            works, look, known = _works(store, landing, range_of(partitions), without=under_way, resume=context.cursor)
        except (InboxError, LockTimeoutError, SettingsFileError, WarehouseError) as error:
            yield dg.SkipReason(str(error))
            return
        _note(context, landing, look)
        noted_months.note(home, known)
        requests: list[dg.RunRequest] = []
        given_up: list[str] = []
        for work in works:
            failures = _failures(context.instance, own, work)
            if failures >= FAILURES:
                given_up.append(work.name)
            elif len(requests) < runs_per_tick:
                requests.append(_request(work, failures, prefix))
        if given_up:
            context.log.error(
                f"{', '.join(given_up)}: {FAILURES} runs failed, no more are started for the same files; "
                "look at the failed runs, then launch the months by hand"
            )
        if not requests:
            reasons = [f"left for a person after {FAILURES} failed runs: {', '.join(given_up)}"] if given_up else []
            if under_way:
                reasons.append(
                    f"runs or backfills for {', '.join(f'{month:%Y-%m}' for month in sorted(under_way))} are under way"
                )
            yield dg.SkipReason("; ".join(reasons) or "nothing new in the inbox")
        yield from requests

    return sensor


def failed_runs_to_log(prefix: Prefix) -> dg.SensorDefinition:
    """The sensor that writes one line for each failed run, and one for each of its steps that failed.

    Args:
        prefix: What the home's names begin with.
    """

    @dg.run_failure_sensor(
        name=prefix.name("failed_runs_to_log"),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Writes every failed run to the daemon's log, with the steps that failed and why.",
    )
    def sensor(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        context.log.error(f"run {run.run_id} of {run.job_name} failed: {context.failure_event.message}")
        for event in context.get_step_failure_events():
            context.log.error(f"{event.step_key}: {event.step_failure_data.error_display_string.splitlines()[0]}")

    return sensor


def _months_under_way(
    instance: dg.DagsterInstance, own: OwnRuns, partitions: dg.MonthlyPartitionsDefinition
) -> set[date]:
    """The months of our runs and backfills that have not ended: as they build, their months look like other work each time.

    Without the runs of `arcadia ingest`: nobody notices where one of them was killed.
    """
    runs = instance.get_runs(own.of_server(_UNDER_WAY))
    built = {dg.AssetKey(own.prefix.path(stage)) for stage in STAGES}
    return {month for run in runs for month in months_of(run, partitions)} | months_of_backfills(
        instance, built, partitions
    )


def _works(
    warehouse: Warehouse, landing: LandingResource, range_: MonthRange, *, without: set[date], resume: str | None
) -> tuple[list[Work], Look[Arriving], list[date]]:
    """What there is to do; what the look at the inboxes found, which goes on where the last one stopped; the months known."""
    routes, formats = landing.get_routes(), landing.get_formats()
    assert_usable(warehouse, formats)
    # Listed before the warehouse is opened, for nobody can write it meanwhile.
    archived = landing.get_archive().records() if landing.has_quick_archive else None
    with warehouse.read() as connection:
        known = known_files(connection)
        noted = known_months(connection, range_.first, range_.last)
        rerouted = dict.fromkeys(months_concerned(connection, routes), f"{routes}")
        ruled = dict.fromkeys(months_ruled_otherwise(connection, formats.rules), f"{formats.rules}")
        final = dict.fromkeys(becoming_final(connection, datetime.now(UTC).replace(tzinfo=None)), "final by now")
        due = {
            month: [version]
            for month, version in {**versions_to_build(connection), **rerouted, **ruled, **final}.items()
            if month in range_
        }
        to_land: list[str] = []
        for sha256, month in outdated_documents(connection, formats):
            parts = due.setdefault(month, []) if month is not None and month in range_ else to_land
            parts.append(f"{sha256}:{formats.descriptions.digest}")
        # A landing looks at all records, and makes the months of damaged ones due.
        if archived is not None and (changed := changed_records(connection, archived)):
            to_land += (f"{sha256}:{now.byte_size}:{now.changed_ns}" for sha256, now in changed.items())
    in_inbox = _look(landing, known, resume)
    # A person who copies a file waits for its run: not for the next look too. Each look at a bucket is paid for.
    pause = in_inbox.settled_in(landing.settle_seconds)
    if 0 < pause <= _TICK_SETTLE_SECONDS and not any(map(names_bucket, landing.names)):
        time.sleep(pause)
        in_inbox = _look(landing, known, resume)
    to_land += add_files(due, in_inbox.complete, range_)
    todo = {month: parts for month, parts in due.items() if month not in without}
    return plan(todo, to_land, longest=MONTHS_PER_RUN), in_inbox, noted


def _look(landing: LandingResource, known: Mapping[str, str], resume: str | None) -> Look[Arriving]:
    return landing.get_inboxes().look(
        known,
        now_ns=time.time_ns(),
        settle_seconds=landing.settle_seconds,
        until=time.monotonic() + _TICK_LOOK_SECONDS,
        resume=resume or None,
    )


def _note(context: dg.SensorEvaluationContext, landing: LandingResource, in_inbox: Look[Arriving]) -> None:
    """Note where the next look goes on, and tell in the log which inboxes cannot be looked at."""
    if (in_inbox.resume or "") != (context.cursor or ""):
        context.update_cursor(in_inbox.resume or "")
    for place in landing.names:
        if place in in_inbox.problems:
            context.log.warning(f"{place}: not taken: {in_inbox.problems[place]}")


def _failures(instance: dg.DagsterInstance, own: OwnRuns, work: Work) -> int:
    return instance.get_runs_count(own.of_server([dg.DagsterRunStatus.FAILURE], {WORK_TAG: work.key}))


def _request(work: Work, failures: int, prefix: Prefix) -> dg.RunRequest:
    run_key, tags = f"{work.key}:{failures}", {WORK_TAG: work.key}
    if work.months:
        return dg.RunRequest(run_key, tags={**range_tags(work.months), **tags})
    return dg.RunRequest(run_key, tags=tags, asset_selection=[dg.AssetKey(prefix.path(asset)) for asset in OF_NO_MONTH])
