"""The floor under a run: four assets in a row that do nothing, with the project's partitions.

It imports Dagster and, of the project, no more than its partitions and the module that names Dagster's internals.

Beside it, the project's own graph with steps that do nothing: what Dagster takes for as many assets and checks.
"""

from collections.abc import Iterable, Iterator
from datetime import date

import dagster as dg

from arcadia_dagster.defs.internals import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from arcadia_dagster.defs.partitions import monthly

NAMES = ("raw_invoices", "cost_lines", "tax_split_totals", "finance_records")
_JOB = "ingest_invoices"


def definitions() -> dg.Definitions:
    """Assets of the project's names, in the project's order, and a job for them."""
    partitions = monthly(date(2018, 1, 1))
    job = dg.define_asset_job(_JOB, selection=dg.AssetSelection.all(), executor_def=dg.in_process_executor)
    assets = [_asset(name, before, partitions) for name, before in zip(NAMES, ((), *zip(NAMES)), strict=False)]
    return dg.Definitions(assets=assets, jobs=[job])


def same_graph() -> dg.Definitions:
    """The project's assets and checks by name, order and partitions, none of which does anything."""
    from arcadia_dagster.definitions import defs  # noqa: PLC0415 - the floor itself does without

    graph = defs.resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.materializable_asset_keys]
    assets = [_asset(node.key.to_user_string(), node.parent_keys, node.partitions_def) for node in nodes]
    checks = [_checks(number, found.check_specs) for number, found in enumerate(defs.asset_checks or [])]
    job = dg.define_asset_job(_JOB, selection=dg.AssetSelection.all(), executor_def=dg.in_process_executor)
    return dg.Definitions(assets=assets, asset_checks=checks, jobs=[job])


def run(empty: dg.Definitions, instance: dg.DagsterInstance, first: str, last: str) -> int:
    """Run the job once for a range of months; how many materializations it made."""
    tags = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
    result = empty.resolve_job_def(_JOB).execute_in_process(instance=instance, tags=tags)
    return sum(event.is_step_materialization for event in result.all_events)


def run_here(empty: dg.Definitions, first: str, last: str) -> None:
    """The same on the instance of `DAGSTER_HOME`, as a whole process; prints the number."""
    with dg.DagsterInstance.get() as instance:
        print(run(empty, instance, first, last))


def _asset(
    name: str, before: Iterable[dg.AssetKey | str], partitions: dg.PartitionsDefinition | None
) -> dg.AssetsDefinition:
    @dg.asset(name=name, deps=list(before), partitions_def=partitions, backfill_policy=_one_run())
    def empty_asset() -> None:
        pass

    return empty_asset


def _checks(number: int, specs: Iterable[dg.AssetCheckSpec]) -> dg.AssetChecksDefinition:
    found = list(specs)

    @dg.multi_asset_check(name=f"empty_checks_{number}", specs=found)
    def empty_checks() -> Iterator[dg.AssetCheckResult]:
        for spec in found:
            yield dg.AssetCheckResult(passed=True, asset_key=spec.asset_key, check_name=spec.name)

    return empty_checks


def _one_run() -> dg.BackfillPolicy:
    return dg.BackfillPolicy.single_run()
