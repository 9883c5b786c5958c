"""The asset `monthly_statement`: the month as a page that a person reads."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg

from arcadia_dagster.billing.currency import from_minor
from arcadia_dagster.defs.assets import common, versions
from arcadia_dagster.defs.run_tags import WAITS_TAG
from arcadia_dagster.reports.standing import INVOICE_COLUMNS
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.statement.pages import Page
from arcadia_dagster.statement.resource import StatementsResource
from arcadia_dagster.warehouse.resource import WarehouseResource

# A page has no columns; its JSON for programs has a list of invoices, and these are its fields.
_INVOICES = dg.TableSchema(
    [dg.TableColumn(name, type=type_, description=about) for name, (type_, about) in INVOICE_COLUMNS.items()]
)


def build(partitions: dg.MonthlyPartitionsDefinition, first_month: date) -> dg.AssetsDefinition:
    """The asset for these months.

    Args:
        partitions: The months that Dagster knows.
        first_month: Invoices of earlier months are held.
    """

    @dg.asset(
        deps=["raw_invoices", "cost_lines", "tax_split_totals", "finance_records"],
        partitions_def=partitions,
        backfill_policy=common.BACKFILL_POLICY,
        group_name=common.STATEMENTS,
        kinds={"html"},
        owners=common.OWNERS,
        tags=common.FILES,
        metadata={"dagster/column_schema": _INVOICES},
        code_version=versions.code_version("monthly_statement", "finance", "reports", "sample", "statement"),
        description=(
            "The month as one HTML file that opens offline and prints on A4: spend against last month and last year, by "
            "provider, service, project and resource; tax, credits and movers; what is held or rejected and what to do; what "
            "finance holds; every invoice with its document's hash. A run also makes the pages of other months that show "
            "something that has changed. `arcadia statement 2026-04` makes a page anew at any time. The page has its figures as "
            "JSON for programs: the columns are the fields of its list `invoices`."
        ),
    )
    def monthly_statement(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[WarehouseResource],
        statements: dg.ResourceParam[StatementsResource],
    ) -> None:
        months = common.months_of(context)
        range_ = MonthRange.since(first_month)
        pages = statements.make(warehouse.get(), months, range_)
        for month in months:
            if month not in pages:
                context.log.info(f"{month:%Y-%m}: another run is building its figures, and makes its statement")
        waits = _waiting([pages[month] for month in months if month in pages])
        common.tell(context, {WAITS_TAG: waits})
        made = {month: versions.version_of_files([page.path]) for month, page in pages.items() if month in range_}
        by_month = {month: _metadata(page, statements.link_to(month)) for month, page in pages.items()}
        common.note_months(context, made, by_month)

    return monthly_statement


def _waiting(pages: Sequence[Page]) -> str:
    """What of the run's months waits for a person, or for finance."""
    held = sum(len(page.standing.held) for page in pages)
    # A file whose month is not known is on several pages.
    rejected = len({document.sha256 for page in pages for document in page.standing.rejected})
    counts = {"held": held, "rejected": rejected}
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing"


def _metadata(page: Page, link: str) -> dict[str, Any]:
    """The link, and the headline figures: floats, which the UI plots and nothing is computed from."""
    metadata: dict[str, Any] = {
        "statement": dg.MetadataValue.url(link),
        "path": dg.MetadataValue.path(str(page.path.absolute())),
        "invoices": len(page.standing.invoices),
        "held": len(page.standing.held),
        "rejected": len(page.standing.rejected),
    }
    if page.standing.as_of is not None:
        metadata["as_of"] = f"{page.standing.as_of:%Y-%m-%d %H:%M:%S} UTC"
    for figures in page.currencies:
        for what in ("gross", "net", "tax"):
            amount = from_minor(getattr(figures.totals, what), figures.currency)
            metadata[f"{what}_{figures.currency}"] = dg.MetadataValue.float(float(amount))
    return metadata
