"""The asset `finance_records`: it pushes ready invoices to finance, and keeps finance's answers."""

from datetime import date, datetime

import dagster as dg

from arcadia_dagster.defs.assets import common, preview, versions
from arcadia_dagster.defs.run_tags import PUSHED_TAG
from arcadia_dagster.finance.delivery import Delivered
from arcadia_dagster.finance.errors import ConfigurationFailure
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.how_many import how_many
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.settings_file import SettingsFileError
from arcadia_dagster.stages.barring import barred
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.digests import contents
from arcadia_dagster.warehouse.resource import WarehouseResource

DUE_AT_TAG = "arcadia/due_at"
"""A run with this tag (a time in ISO 8601) leaves out invoices that are due later; any other run tries all."""

_PREVIEW = """
SELECT invoice_month, tenant_id, source, external_id, state, action, finance_invoice_id,
  strftime(pushed_to_finance_at, '%Y-%m-%d %H:%M:%S UTC') AS pushed_at, attempts, target, coalesce(last_error, '') AS error
FROM finance_records WHERE invoice_month IN ({months}) ORDER BY source, external_id
"""


def build(partitions: dg.MonthlyPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset for these months."""

    @dg.asset(
        deps=["raw_invoices", "cost_lines", "tax_split_totals", "allocations"],
        partitions_def=partitions,
        backfill_policy=common.BACKFILL_POLICY,
        group_name=common.FINANCE,
        kinds={"duckdb", "http"},
        owners=common.OWNERS,
        tags=common.SERVICE,
        metadata=common.table_metadata(schema.FINANCE_RECORDS),
        code_version=versions.code_version("finance_records", "transport", "finance", "sample"),
        description=(
            "What the finance service has. Each ready invoice is pushed once; finance answers `created` or `updated` and its id. "
            "What finance has already is not sent again; what fails for a while is left for a later run. Without "
            "SKYAI_FINANCE_SECRET nothing is pushed and everything else works."
        ),
    )
    def finance_records(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[WarehouseResource],
        finance: dg.ResourceParam[FinanceResource],
        landing: dg.ResourceParam[LandingResource],
    ) -> None:
        store = warehouse.get()
        months = common.months_of(context)
        if not finance.is_configured:
            waiting = finance.outstanding(store)
            count = sum(waiting.get(month, 0) for month in months)
            context.log.info(f"finance not configured, {count} waiting")
            common.tell(context, {PUSHED_TAG: f"nothing: finance not configured, {count} ready"})
            with store.read() as connection:
                made = contents(connection, [schema.FINANCE_RECORDS], months)
            shown = {m: {"finance": f"finance not configured, {waiting.get(m, 0)} waiting"} for m in months}
            common.note_months(context, made, shown, schema.FINANCE_RECORDS)
            return
        try:
            landing.assert_can_deliver(store)
            if finance.remark is not None:
                context.log.info(finance.remark)
            due_at = context.run.tags.get(DUE_AT_TAG)
            delivered = finance.deliver(
                store,
                months=months,
                due_at=datetime.fromisoformat(due_at) if due_at else None,
                barred=lambda: barred(store, landing.get_archive(), months),
                progress=lambda done, total: context.log.info(f"finance: {done} of {total} invoices dealt with"),
            )
        except (ConfigurationFailure, SettingsFileError) as failure:
            raise dg.Failure(f"nothing was pushed: {failure}", allow_retries=False) from failure
        _log(context, delivered)
        common.tell(context, {PUSHED_TAG: _in_one_line(delivered)})
        _show(context, store_months=months, warehouse=warehouse)
        if delivered.failure is not None:
            raise dg.Failure(
                f"the delivery was stopped: {delivered.failure}", allow_retries=False
            ) from delivered.failure

    return finance_records


def _in_one_line(delivered: Delivered) -> str:
    counts = {
        "created": len(delivered.created),
        "updated": len(delivered.updated),
        "deferred": len(delivered.deferred),
        "refused": len(delivered.refused),
        "abandoned": len(delivered.abandoned),
        "not tried": len(delivered.given_up) + len(delivered.barred),
    }
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing new"


def _log(context: dg.AssetExecutionContext, delivered: Delivered) -> None:
    context.log.info(
        f"finance: {len(delivered.created)} created, {len(delivered.updated)} updated, "
        f"{delivered.unchanged} unchanged and not sent"
    )
    if delivered.stopped is not None:
        context.log.warning(f"the delivery ended early, because finance is away: {delivered.stopped}")
    if delivered.synthetic:
        context.log.warning(f"{how_many(delivered.synthetic, 'sample invoice')} not sent: the target is no sandbox")
    for what, errors in (
        ("left for a later delivery", delivered.deferred),
        ("refused by finance", delivered.refused),
        ("abandoned: it needs a person", delivered.abandoned),
        ("not tried: it was given up and needs a person", delivered.given_up),
        ("not pushed", delivered.barred),
    ):
        for key, error in errors.items():
            context.log.warning(f"{key.source} {key.external_id}: {what}: {error}")


def _show(context: dg.AssetExecutionContext, *, store_months: list[date], warehouse: WarehouseResource) -> None:
    with warehouse.get().read() as connection:
        states = connection.execute(
            "SELECT invoice_month, state, count(*) FROM finance_records GROUP BY ALL"
        ).fetchall()
        by_month = preview.merged(
            preview.row_counts(connection, "finance_records", store_months),
            {month: dict.fromkeys(("delivered", "deferred", "refused", "abandoned"), 0) for month in store_months},
            *({month: {state: count}} for month, state, count in states),
            preview.named("records", preview.tables_by_month(connection, store_months, _PREVIEW)),
        )
        made = contents(connection, [schema.FINANCE_RECORDS], store_months)
    common.note_months(context, made, by_month, schema.FINANCE_RECORDS)
