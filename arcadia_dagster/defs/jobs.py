"""Jobs over the assets. What each is called begins with the home's prefix."""

import dagster as dg

from arcadia_dagster.defs.internals import UnresolvedAssetJobDefinition
from arcadia_dagster.defs.runs import job_tags
from arcadia_dagster.prefix import Prefix

INGEST = "ingest_invoices"
DELIVER = "deliver_invoices"
CLOSE = "close_month"


def ingest_invoices(prefix: Prefix) -> UnresolvedAssetJobDefinition:
    """Everything for the months of the run, from the inbox to finance, with all checks."""
    return dg.define_asset_job(
        prefix.name(INGEST),
        tags=job_tags(INGEST, prefix),
        selection=dg.AssetSelection.all(),
        metadata={"on_the_command_line": "arcadia ingest MONTH[..MONTH]"},
        description="From the inbox to finance for the run's months: every asset, and every check.",
        # Light steps: a process for each would take twenty times as long as the work.
        executor_def=dg.in_process_executor,
    )


def deliver_invoices(prefix: Prefix) -> UnresolvedAssetJobDefinition:
    """The last steps only, for what is ready and not in finance; the statement shows what finance holds."""
    return dg.define_asset_job(
        prefix.name(DELIVER),
        tags=job_tags(DELIVER, prefix),
        selection=dg.AssetSelection.assets(prefix.path("finance_records"), prefix.path("monthly_statement")),
        metadata={"on_the_command_line": "arcadia push MONTH[..MONTH]"},
        description=(
            "Pushes what is ready and not in finance for the run's months, checks that nothing is missing, and writes the "
            "months' statements."
        ),
        executor_def=dg.in_process_executor,
    )


def close_month(check: dg.AssetCheckKey, prefix: Prefix) -> UnresolvedAssetJobDefinition:
    """Only the check of the month's close.

    Args:
        check: That check, without a prefix.
        prefix: What the home's names begin with.
    """
    return dg.define_asset_job(
        prefix.name(CLOSE),
        tags=job_tags(CLOSE, prefix),
        selection=dg.AssetSelection.checks(
            dg.AssetCheckKey(dg.AssetKey(prefix.path(*check.asset_key.path)), check.name)
        ),
        metadata={"on_the_command_line": "arcadia status"},
        description="Checks that the latest month that has ended is complete for every account. It changes nothing.",
        executor_def=dg.in_process_executor,
    )
