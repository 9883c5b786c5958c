"""The job and the schedule that keep a lake in order; a warehouse in one file needs neither."""

import dagster as dg

from arcadia_dagster.defs.runs import JOB_TAG
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


@dg.job(
    name=MAINTAIN,
    tags={JOB_TAG: MAINTAIN},
    description="Compacts the lake's files and forgets its old snapshots. Figures do not change.",
    executor_def=dg.in_process_executor,
)
def maintain_warehouse() -> None:
    """One step."""
    maintain_lake()


maintain_daily = dg.ScheduleDefinition(
    name="maintain_daily",
    job=maintain_warehouse,
    # When nobody waits for anything.
    cron_schedule="47 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day, compacts the lake's files and forgets its old snapshots.",
)
