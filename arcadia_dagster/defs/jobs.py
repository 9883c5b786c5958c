"""Jobs over the assets."""

import dagster as dg

from arcadia_dagster.defs.internals import UnresolvedAssetJobDefinition
from arcadia_dagster.defs.runs import JOB_TAG

INGEST = "ingest_invoices"
DELIVER = "deliver_invoices"
CLOSE = "close_month"


def ingest_invoices() -> UnresolvedAssetJobDefinition:
    """Everything for the months of the run, from the inbox to finance, with all checks."""
    return dg.define_asset_job(
        INGEST,
        tags={JOB_TAG: INGEST},
        selection=dg.AssetSelection.all(),
        metadata={"on_the_command_line": "arcadia ingest MONTH[..MONTH]"},
        description="From the inbox to finance for the run's months: every asset, and every check.",
        # Light steps: a process for each would take twenty times as long as the work.
        executor_def=dg.in_process_executor,
    )


def deliver_invoices() -> UnresolvedAssetJobDefinition:
    """The last steps only, for what is ready and not in finance; the statement shows what finance holds."""
    return dg.define_asset_job(
        DELIVER,
        tags={JOB_TAG: DELIVER},
        selection=dg.AssetSelection.assets("finance_records", "monthly_statement"),
        metadata={"on_the_command_line": "arcadia push MONTH[..MONTH]"},
        description=(
            "Pushes what is ready and not in finance for the run's months, checks that nothing is missing, and writes the "
            "months' statements."
        ),
        executor_def=dg.in_process_executor,
    )


def close_month(check: dg.AssetCheckKey) -> UnresolvedAssetJobDefinition:
    """Only the check of the month's close.

    Args:
        check: That check.
    """
    return dg.define_asset_job(
        CLOSE,
        tags={JOB_TAG: CLOSE},
        selection=dg.AssetSelection.checks(check),
        metadata={"on_the_command_line": "arcadia status"},
        description="Checks that the latest month that has ended is complete for every account. It changes nothing.",
        executor_def=dg.in_process_executor,
    )
