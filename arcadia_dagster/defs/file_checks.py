"""The checks of the files that are written for others: FOCUS files and statements.

Each reads the files of the run's months, as another program does, and compares them with the warehouse. Started without a month,
it reads all that there are.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import dagster as dg

from arcadia_dagster.defs.partitions import month_of
from arcadia_dagster.how_many import how_many
from arcadia_dagster.reports import focus_agreement
from arcadia_dagster.statement import agreement
from arcadia_dagster.statement.resource import StatementsResource
from arcadia_dagster.warehouse.resource import WarehouseResource

_SHOWN = 3

FOCUS: Final = dg.AssetCheckKey(dg.AssetKey("focus_export"), "focus_files_agree")
STATEMENTS: Final = dg.AssetCheckKey(dg.AssetKey("monthly_statement"), "statements_agree")


def build(focus: Path) -> dg.AssetChecksDefinition:
    """Both checks, as one step: the warehouse is opened once.

    Args:
        focus: Where the folders with the months' FOCUS files are.
    """

    @dg.multi_asset_check(
        specs=[
            dg.AssetCheckSpec(
                FOCUS.name,
                asset=FOCUS.asset_key,
                description="The Parquet files of each month have the lines, invoices and amounts of the warehouse. The CSV "
                "files are written of the same rows, and are not read.",
            ),
            dg.AssetCheckSpec(
                STATEMENTS.name,
                asset=STATEMENTS.asset_key,
                description="The page of each month states the ready invoices of the warehouse, and what they come to.",
            ),
        ],
        can_subset=True,
        description="Whether the files that others read have the figures of the warehouse.",
    )
    def file_checks(
        context: dg.AssetCheckExecutionContext,
        warehouse: dg.ResourceParam[WarehouseResource],
        statements: dg.ResourceParam[StatementsResource],
    ) -> Iterator[dg.AssetCheckResult]:
        """A check fails where somebody has changed a file, or its month was built anew since and the file was not."""
        pages = Path(statements.folder)
        with warehouse.get().read() as connection:
            for key in context.selected_asset_check_keys:
                if key.name == FOCUS.name:
                    months = _of_run(context, focus_agreement.months_with_files(focus))
                    differing = focus_agreement.differences(connection, focus, months)
                    advice = f"materialize `{key.asset_key.to_user_string()}` of these months again"
                else:
                    months = _of_run(context, agreement.months_with_pages(pages))
                    differing = agreement.differences(connection, pages, months)
                    advice = "`arcadia statement` with a month writes its page again"
                yield _result(key, months, differing, advice)

    return file_checks


def _of_run(context: dg.AssetCheckExecutionContext, known: Collection[date]) -> set[date]:
    """The months that have files: those of the run; all of them where the run is for no month."""
    op = context.op_execution_context
    is_for_months = op.has_partition_key or op.has_partition_key_range
    return {*known} & {*map(month_of, op.partition_keys)} if is_for_months else {*known}


def _result(
    key: dg.AssetCheckKey, months: Collection[date], differing: Sequence[str], advice: str
) -> dg.AssetCheckResult:
    more = f"; and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
    agree = f"{how_many(len(months), 'month')} {'agrees' if len(months) == 1 else 'agree'} with the warehouse"
    return dg.AssetCheckResult(
        passed=not differing,
        check_name=key.name,
        asset_key=key.asset_key,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{'; '.join(differing[:_SHOWN])}{more}: {advice}" if differing else agree,
        metadata={"months": len(months), "differences": len(differing)},
    )
