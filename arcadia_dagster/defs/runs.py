"""Which location a run belongs to, and which months it or a backfill is for: one Dagster instance may serve several locations.

Dagster labels each run that a code location's server starts with `repository@location` (the tag `.dagster/repository`). A run
in the process of a command, as of `arcadia ingest`, has no such label: there the tags of our jobs count.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import dagster as dg

from arcadia_dagster.defs.internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
    REPOSITORY_LABEL_TAG,
    BulkActionsFilter,
    BulkActionStatus,
)
from arcadia_dagster.defs.partitions import key_of, month_of
from arcadia_dagster.prefix import Prefix

JOB_TAG = "arcadia/job"
"""The tag of every run of a job of ours, whoever starts it: the job's name."""

PREFIX_TAG = "arcadia/prefix"
"""The tag of every run of a job of a home that has a prefix, whoever starts it: the prefix."""

PERSON_TAG = "arcadia/person"
"""The tag of a run that a person launched in the UI: the name by which the proxy knows them; see `run_coordinator`."""


def job_tags(job: str, prefix: Prefix) -> dict[str, str]:
    """The tags by which the runs of a job are known as those of a home.

    Args:
        job: The job's name as every home has it.
        prefix: What the home's names begin with.
    """
    return {JOB_TAG: prefix.name(job), **({PREFIX_TAG: prefix.text} if prefix.text else {})}


OF_NO_MONTH: Final = ("documents", "cloud_resources")
"""The assets that a landing makes, whatever the month."""


@dataclass(frozen=True, slots=True)
class OwnRuns:
    """The runs of this code location.

    Attributes:
        label: `repository@location`, by which Dagster labels the runs that the location's server starts; empty where the sensor
            is evaluated without a server.
        prefix: What the names of the location's jobs begin with.
    """

    label: str
    prefix: Prefix

    @classmethod
    def of(cls, context: dg.SensorEvaluationContext, prefix: Prefix) -> "OwnRuns":
        """The runs of the code location that evaluates the sensor."""
        origin = context.code_location_origin
        return cls("" if origin is None else f"{context.repository_name}@{origin.location_name}", prefix)

    def __contains__(self, run: dg.DagsterRun) -> bool:
        """Whether the run is ours, in a server's process or in a command's."""
        if run.remote_job_origin is not None:
            return not self.is_elsewhere(run)
        return JOB_TAG in run.tags and run.tags.get(PREFIX_TAG, "") == self.prefix.text

    def is_elsewhere(self, run: dg.DagsterRun) -> bool:
        """Whether another code location's server started the run."""
        origin = run.remote_job_origin
        return origin is not None and origin.repository_origin.get_label() != self.label

    def of_server(
        self, statuses: Sequence[dg.DagsterRunStatus], tags: Mapping[str, str] | None = None
    ) -> dg.RunsFilter:
        """A filter for the runs with these statuses and tags that the location's server started."""
        return dg.RunsFilter(statuses=statuses, tags={**(tags or {}), REPOSITORY_LABEL_TAG: self.label})


def range_tags(months: Sequence[date]) -> dict[str, str]:
    """The tags that make one run cover these adjacent months."""
    return {
        ASSET_PARTITION_RANGE_START_TAG: key_of(months[0]),
        ASSET_PARTITION_RANGE_END_TAG: key_of(months[-1]),
    }


def partition_range(run: dg.DagsterRun) -> tuple[str, str]:
    """The run's first and last partition by their keys, whatever these are; empty where it has none."""
    only = run.tags.get(PARTITION_NAME_TAG, "")
    return run.tags.get(ASSET_PARTITION_RANGE_START_TAG, only), run.tags.get(ASSET_PARTITION_RANGE_END_TAG, only)


def months_of(run: dg.DagsterRun, partitions: dg.MonthlyPartitionsDefinition) -> set[date]:
    """The months that the run is for; none where its tags name no partition of ours."""
    keys = partitions.get_partition_keys()
    first, last = partition_range(run)
    if first not in keys or last not in keys:
        return set()
    return {month_of(key) for key in keys[keys.index(first) : keys.index(last) + 1]}


_BACKFILL_IS_UNDER_WAY = (BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING)


def months_of_backfills(
    instance: dg.DagsterInstance, assets: Collection[dg.AssetKey], partitions: dg.MonthlyPartitionsDefinition
) -> set[date]:
    """The months of backfills of these assets that have not ended, those too for which no run is requested yet.

    A backfill makes what is not partitioned first, and then one asset after another where it must: between two of its runs the
    warehouse shows its months as half built.

    Args:
        instance: Where backfills are recorded.
        assets: Assets of ours that have a partition a month.
        partitions: The months there are.
    """
    targets = [
        backfill.asset_backfill_data.target_subset.partitions_subsets_by_asset_key
        for backfill in instance.get_backfills(BulkActionsFilter(statuses=_BACKFILL_IS_UNDER_WAY))
        if backfill.asset_backfill_data is not None
    ]
    keys = {
        name
        for target in targets
        for asset, subset in target.items()
        if asset in assets
        for name in subset.get_partition_keys()
    }
    return {month_of(key) for key in keys.intersection(partitions.get_partition_keys())}
