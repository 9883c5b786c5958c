"""What the flow has besides its assets: no run makes it by itself, and it has no events. The lineage shows where it belongs."""

import dagster as dg

from arcadia_dagster.defs.assets import common
from arcadia_dagster.warehouse import schema


def build() -> tuple[dg.AssetSpec, ...]:
    """The routing table, what each tenant bears, and the invoices at the finance service.

    They have no partitions: the catalog would show each month as missing for ever.
    """
    return (
        dg.AssetSpec(
            "tenant_routes",
            group_name=common.FINANCE,
            kinds={"toml", "duckdb"},
            owners=common.OWNERS,
            metadata=common.table_metadata(schema.TENANT_ROUTES),
            description=(
                "The routing table `tenants.toml`: which tenant bears which lines. People write it, and each run lands it with "
                "the documents. `arcadia doctor` lists it. Where a month was built by another one, the sensor requests it again."
            ),
        ),
        dg.AssetSpec(
            "allocations",
            deps=["cost_lines", "tenant_routes"],
            group_name=common.FINANCE,
            kinds={"duckdb"},
            owners=common.OWNERS,
            metadata=common.table_metadata(schema.ALLOCATIONS),
            description=(
                "What each tenant bears of each invoice, as parts that sum to it. The step of `tax_split_totals` writes it in "
                "the same transaction, so it has no events of its own: each month there shows what tenants bear."
            ),
        ),
        dg.AssetSpec(
            "invoices_at_finance",
            deps=["finance_records"],
            group_name=common.FINANCE,
            kinds={"http"},
            owners=common.OWNERS,
            description=(
                "The invoices as the finance service has them, on the other side of `finance_records`. This program does not see "
                "them change. `arcadia reconcile` compares the two if the service lists its invoices (SKYAI_FINANCE_LIST_PATH)."
            ),
        ),
    )
