"""Schedules: deliver outstanding invoices again, fetch new files from the providers, check the month's close."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import dagster as dg

from arcadia_dagster.defs.assets.finance_records import DUE_AT_TAG
from arcadia_dagster.defs.fetch import FETCH
from arcadia_dagster.defs.jobs import CLOSE, DELIVER
from arcadia_dagster.defs.runs import range_tags
from arcadia_dagster.defs.sensors import MONTHS_PER_RUN
from arcadia_dagster.defs.work import stretches
from arcadia_dagster.finance.errors import ConfigurationFailure
from arcadia_dagster.finance.outstanding import REROUTED
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.ledger.states import NEEDS_A_PERSON
from arcadia_dagster.prefix import Prefix
from arcadia_dagster.providers.catalogue import NONE_IS_CONFIGURED
from arcadia_dagster.providers.resource import ProvidersResource
from arcadia_dagster.settings_file import SettingsFileError
from arcadia_dagster.warehouse import LockTimeoutError, WarehouseError
from arcadia_dagster.warehouse.resource import WarehouseResource


def deliver_outstanding(prefix: Prefix) -> dg.ScheduleDefinition:
    """The schedule: one run for each stretch of adjacent months.

    Args:
        prefix: What the home's names begin with.
    """

    @dg.schedule(
        name=prefix.name("deliver_outstanding"),
        job_name=prefix.name(DELIVER),
        cron_schedule="17 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=(
            "Every hour, requests every month with invoices that are ready, not in finance, and due. What fails is due again "
            "after half an hour, then after twice as long each time, up to a day."
        ),
    )
    def schedule(
        context: dg.ScheduleEvaluationContext,
        warehouse: dg.ResourceParam[WarehouseResource],
        landing: dg.ResourceParam[LandingResource],
        finance: dg.ResourceParam[FinanceResource],
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if not finance.is_configured:
            yield dg.SkipReason("finance not configured")
            return
        try:
            landing.assert_can_deliver(warehouse.get())
            outstanding = finance.outstanding(warehouse.get(), due_at=context.scheduled_execution_time)
            lacking = [] if outstanding else finance.lacking(warehouse.get())
        except (ConfigurationFailure, LockTimeoutError, SettingsFileError, WarehouseError) as error:
            yield dg.SkipReason(str(error))
            return
        if not outstanding:
            yield dg.SkipReason(_why_none(lacking))
        time = context.scheduled_execution_time
        for months in stretches(outstanding, longest=MONTHS_PER_RUN):
            tags = {**range_tags(months), DUE_AT_TAG: time.isoformat()}
            yield dg.RunRequest(run_key=f"{time:%Y-%m-%dT%H:%M}:{months[0]}", tags=tags)

    return schedule


def _why_none(lacking: Sequence[tuple[str, int, datetime | None]]) -> str:
    """Why there is nothing to deliver now, from `FinanceResource.lacking`."""
    if not lacking:
        return "finance has every ready invoice"
    counts = [
        f"{count} {state}" + (f" (the first is due at {due:%Y-%m-%d %H:%M} UTC)" if due is not None else "")
        for state, count, due in lacking
    ]
    of_people = {state for state, _, _ in lacking} & {*NEEDS_A_PERSON, REROUTED}
    person = f"; what is {' or '.join(sorted(of_people))} needs a person" if of_people else ""
    return f"nothing is due; finance does not have {', '.join(counts)}{person}"


def fetch_providers(prefix: Prefix) -> dg.ScheduleDefinition:
    """The schedule: one run a day, for whichever providers are configured.

    Args:
        prefix: What the home's names begin with.
    """

    @dg.schedule(
        name=prefix.name("fetch_providers"),
        job_name=prefix.name(FETCH),
        cron_schedule="37 5 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every day, fetches new and changed invoices, and what the account runs, into the inbox.",
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, providers: dg.ResourceParam[ProvidersResource]
    ) -> dg.RunRequest | dg.SkipReason:
        if not providers.configured:
            return dg.SkipReason(NONE_IS_CONFIGURED)
        return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}")

    return schedule


def month_close(prefix: Prefix) -> dg.ScheduleDefinition:
    """The schedule of the check of the month's close.

    Args:
        prefix: What the home's names begin with.
    """
    return dg.ScheduleDefinition(
        name=prefix.name("month_close"),
        job_name=prefix.name(CLOSE),
        # After the fetch from the providers.
        cron_schedule="7 6 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every day, checks that the latest month that has ended is complete for every account.",
    )
