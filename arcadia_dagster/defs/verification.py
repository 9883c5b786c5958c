"""The job and the schedule that verify everything at rest. They change nothing."""

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg

from arcadia_dagster.defs.runs import job_tags
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.prefix import Prefix
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.verification.at_rest import note, verify
from arcadia_dagster.verification.building_anew import Build
from arcadia_dagster.warehouse.resource import WarehouseResource

VERIFY = "verify_archive"


def verify_archive(prefix: Prefix, first_month: date) -> dg.JobDefinition:
    """The job, with one step: the same as `arcadia verify --full`.

    Args:
        prefix: What the home's names begin with.
        first_month: The first month that invoices may be of.
    """

    @dg.op(
        description=(
            "Hashes every byte of the archive, compares records, register, totals and finance's records, and builds all months "
            "beside to compare them. It fails where something is doubted."
        )
    )
    def verify_at_rest(
        context: dg.OpExecutionContext,
        warehouse: dg.ResourceParam[WarehouseResource],
        landing: dg.ResourceParam[LandingResource],
    ) -> None:
        build = Build(landing, MonthRange.since(first_month))
        found = verify(warehouse.get(), landing.get_archive(), full=True, now=datetime.now(UTC), build=build)
        note(Path(landing.home), found)
        context.add_output_metadata(
            {
                "documents": found.documents,
                "bytes": found.byte_size,
                "record_lines": found.lines,
                "doubts": len(found.doubts),
            }
        )
        if found.doubts:
            doubts = "; ".join(f"{doubt.subject}: {doubt.what}" for doubt in found.doubts[:3])
            raise dg.Failure(
                f"{len(found.doubts)} doubts about what is at rest: {doubts}; run `arcadia verify --full` to see all of them",
                allow_retries=False,
            )

    @dg.job(
        name=prefix.name(VERIFY),
        tags=job_tags(VERIFY, prefix),
        metadata={"on_the_command_line": "arcadia verify --full"},
        description="Verifies that no byte and no line at rest was changed. It changes nothing.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        verify_at_rest()

    return job


def verify_weekly(prefix: Prefix) -> dg.ScheduleDefinition:
    """The schedule of that job.

    Args:
        prefix: What the home's names begin with.
    """
    return dg.ScheduleDefinition(
        name=prefix.name("verify_weekly"),
        job_name=prefix.name(VERIFY),
        # On Sunday, when nobody waits for anything.
        cron_schedule="27 3 * * 0",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every week, verifies that no byte and no line at rest was changed.",
    )
