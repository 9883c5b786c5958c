"""The job and the schedule that keep a lake in order; a warehouse in one file needs neither."""

import dagster as dg

from arcadia_dagster.defs.runs import job_tags
from arcadia_dagster.prefix import Prefix
from arcadia_dagster.store.maintenance import maintain
from arcadia_dagster.warehouse.resource import WarehouseResource

MAINTAIN = "maintain_warehouse"


@dg.op(
    description="Merges the lake's small files, forgets snapshots that are older than a day, and deletes what nobody needs."
)
def maintain_lake(context: dg.OpExecutionContext, warehouse: dg.ResourceParam[WarehouseResource]) -> None:
    """Under the lock of all writers."""
    done = maintain(warehouse.get())
    context.add_output_metadata({"merged": done.merged, "snapshots": done.snapshots, "deleted": done.deleted})


def maintain_warehouse(prefix: Prefix) -> dg.JobDefinition:
    """The job, with one step.

    Args:
        prefix: What the home's names begin with.
    """

    @dg.job(
        name=prefix.name(MAINTAIN),
        tags=job_tags(MAINTAIN, prefix),
        description="Compacts the lake's files and forgets its old snapshots. Figures do not change.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        maintain_lake()

    return job


def maintain_daily(prefix: Prefix) -> dg.ScheduleDefinition:
    """The schedule of that job.

    Args:
        prefix: What the home's names begin with.
    """
    return dg.ScheduleDefinition(
        name=prefix.name("maintain_daily"),
        job_name=prefix.name(MAINTAIN),
        # When nobody waits for anything.
        cron_schedule="47 2 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every day, compacts the lake's files and forgets its old snapshots.",
    )
