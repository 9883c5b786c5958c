"""Several code locations on one Dagster instance: runs as their servers start them, and a sensor as ours evaluates it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.execution.asset_backfill import AssetBackfillData
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.utils import make_new_run_id

from arcadia_dagster.defs.jobs import INGEST

HERE, ELSEWHERE = "arcadia_dagster", "elsewhere"
REPOSITORY = "__repository__"


def sensor_context(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    cursor: str | None,
    resources: Mapping[str, Any],
    *,
    location: str = HERE,
) -> dg.SensorEvaluationContext:
    """The context of a tick in the server of a code location, ours if no other is given."""
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, definitions=definitions, resources=resources
    ) as context:
        return dg.SensorEvaluationContext(
            instance_ref=None,
            instance=instance,
            cursor=cursor,
            definitions=definitions,
            resources=context.resource_defs,
            repository_name=REPOSITORY,
            code_location_origin=RegisteredCodeLocationOrigin(location),
        )


def add_run(
    instance: dg.DagsterInstance,
    location: str | None,
    status: dg.DagsterRunStatus,
    tags: Mapping[str, str],
    *,
    repository: str = REPOSITORY,
    job: str = INGEST,
) -> None:
    """A run of a location's server, or of a command's own process where no location is given."""
    instance.add_run(
        dg.DagsterRun(
            job_name=job,
            run_id=make_new_run_id(),
            tags=tags,
            status=status,
            remote_job_origin=None if location is None else remote_origin(location, repository, job),
        )
    )


def add_backfill(
    instance: dg.DagsterInstance, definitions: dg.Definitions, asset: dg.AssetKey, months: Sequence[str]
) -> PartitionBackfill:
    """A backfill of an asset's months that was requested, and has no run yet."""
    partitions = definitions.resolve_asset_graph().get(asset).partitions_def
    assert partitions is not None
    target = AssetGraphSubset({asset: partitions.subset_with_partition_keys(months)}, set())  # type: ignore[call-arg] # mypy sees no defaults
    now = datetime.now(UTC).timestamp()
    backfill = PartitionBackfill(
        backfill_id=f"backfill of {asset.to_user_string()}",
        status=BulkActionStatus.REQUESTED,
        from_failure=False,
        tags={},
        backfill_timestamp=now,
        asset_selection=[asset],
        asset_backfill_data=AssetBackfillData.empty(target, now, instance),
    )
    instance.add_backfill(backfill)
    return backfill


def execute(
    instance: dg.DagsterInstance, location: str | None, job: dg.JobDefinition, tags: Mapping[str, str]
) -> dg.DagsterRun:
    """Execute a job as the server of a location does, or a command where no location is given; the run."""
    run = instance.create_run_for_job(
        job, tags=tags, remote_job_origin=None if location is None else remote_origin(location, REPOSITORY, job.name)
    )
    execute_run(InMemoryJob(job), run, instance)
    return run


def remote_origin(location: str = HERE, repository: str = REPOSITORY, job: str = INGEST) -> RemoteJobOrigin:
    """Where a run's job is: in the server of a location."""
    return RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), repository), job)
