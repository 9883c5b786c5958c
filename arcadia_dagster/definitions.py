"""The Dagster definitions: wiring, and nothing else. The only module that knows all the others.

Importing it opens no file but this package's own, no socket and no database.
"""

from collections.abc import Callable, Iterator, Mapping
from inspect import getdoc
from typing import Any

import dagster as dg

from arcadia_dagster import settings
from arcadia_dagster.defs import checks, file_checks, schedules, sensors
from arcadia_dagster.defs.alerts import failures_to_webhook
from arcadia_dagster.defs.assets import (
    cloud_resources,
    cost_lines,
    documents,
    external,
    finance_records,
    focus_export,
    monthly_statement,
    raw_invoices,
    tax_split_totals,
)
from arcadia_dagster.defs.assets.common import POOL
from arcadia_dagster.defs.decisions import decide_invoice
from arcadia_dagster.defs.fetch import fetch_from_providers
from arcadia_dagster.defs.jobs import close_month, deliver_invoices, ingest_invoices
from arcadia_dagster.defs.maintenance import maintain_daily, maintain_warehouse
from arcadia_dagster.defs.noted_months import partitioned
from arcadia_dagster.defs.partitions import monthly
from arcadia_dagster.defs.prefixed import with_prefix
from arcadia_dagster.defs.run_tags import LOCK_WAIT_TAG
from arcadia_dagster.defs.verification import verify_archive, verify_weekly
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.private_files import write_privately
from arcadia_dagster.resources import Resources
from arcadia_dagster.warehouse.resource import WarehouseResource


def build_defs(
    *, resource_overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> dg.Definitions:
    """Everything that Dagster needs to know.

    Args:
        resource_overrides: Resources by name (`warehouse`, `landing`, `finance`, `providers`, `statements`, `alerts`) in
            place of those that the settings make.
        environ: The environment to read settings from, now and in each run; the process's own where it is not given.

    Raises:
        SettingsError: A setting cannot be right.
        ValueError: An override is for no resource that there is.
    """
    values = settings.load(environ)
    prefix = values.prefix
    # What the UI shows no partition for may still come: the sensor and the stages know all months since the setting's.
    months = monthly(values.first_month)
    partitions = monthly(*partitioned(values))
    pool = prefix.name(POOL)
    assets, asset_checks = with_prefix(
        prefix,
        [
            documents.build(values.first_month, pool),
            raw_invoices.build(partitions, values.first_month, pool),
            cloud_resources.build(pool),
            cost_lines.build(partitions, values.first_month, pool),
            tax_split_totals.build(partitions, values.first_month, pool),
            finance_records.build(partitions),
            focus_export.build(partitions, values.first_month, values.focus),
            monthly_statement.build(partitions, values.first_month),
        ],
        external.build(),
        [
            *checks.CHECKS,
            checks.month_is_complete(values.close_day),
            file_checks.build(values.focus),
            checks.nothing_in_suspense(values.accounts, must_exist=values.is_set("accounts")),
        ],
    )
    return dg.Definitions(
        assets=assets,
        asset_checks=asset_checks,
        jobs=[
            ingest_invoices(prefix),
            deliver_invoices(prefix),
            decide_invoice(months, close_day=values.close_day, prefix=prefix),
            fetch_from_providers(prefix),
            close_month(checks.MONTH_IS_COMPLETE, prefix),
            verify_archive(prefix, values.first_month),
            *([maintain_warehouse(prefix)] if values.has_lake else []),
        ],
        sensors=[
            sensors.new_invoice_files(
                months,
                values.home,
                seconds=values.sensor_seconds,
                runs_per_tick=values.runs_per_tick,
                prefix=prefix,
            ),
            sensors.failed_runs_to_log(prefix),
            failures_to_webhook(
                [key for check in asset_checks for key in sorted(check.check_keys)],
                is_configured=bool(values.alert_webhook),
                prefix=prefix,
            ),
        ],
        schedules=[
            schedules.deliver_outstanding(prefix),
            schedules.fetch_providers(prefix),
            schedules.month_close(prefix),
            verify_weekly(prefix),
            *([maintain_daily(prefix)] if values.has_lake else []),
        ],
        resources={**_resources_of_runs(environ, resource_overrides or {}), "io_manager": _NOTHING_BETWEEN_STEPS},
        executor=dg.in_process_executor,
    )


# These resources have no fields that a run config could set. Dagster's own `ConfigurableResource` lets each launch set every
# field, or name the environment variable that it is read from: a web page in an engineer's browser could launch a run that
# sends a secret to the page's own address (tried on 2026-11-28: it arrived).
_NO_CONFIG: dict[str, Any] = {}

# Dagster's own IO manager would take a folder from the run config, and the variable that the folder's name is read from.
_NOTHING_BETWEEN_STEPS = dg.IOManagerDefinition(
    dg.mem_io_manager.resource_fn,
    config_schema=_NO_CONFIG,
    description="Steps hand on nothing but through the warehouse.",
)


def _resources_of_runs(
    environ: Mapping[str, str] | None, overrides: Mapping[str, Any]
) -> dict[str, dg.ResourceDefinition]:
    """The resources as Dagster has them: each is made when a run or a tick begins, of the environment as it is then."""
    resources = Resources.of(settings.load(environ)).by_name()
    if unknown := sorted(set(overrides) - set(resources)):
        raise ValueError(f"no resource is called {', '.join(unknown)}: expected {', '.join(resources)}")

    def given(name: str) -> Callable[[], Any]:
        return lambda: overrides[name]

    def of_settings(name: str) -> Callable[[], Any]:
        return lambda: getattr(Resources.of(settings.load(environ)), name)

    return {
        name: _resource_of_runs(
            given(name) if name in overrides else of_settings(name), getdoc(resource) or "", environ
        )
        for name, resource in resources.items()
    }


def _resource_of_runs(make: Callable[[], Any], about: str, environ: Mapping[str, str] | None) -> dg.ResourceDefinition:
    def from_the_environment(context: dg.InitResourceContext) -> Iterator[Any]:
        write_privately(group_reads=settings.load(environ).group_reads)
        resource = make()
        before = resource.waited_seconds if isinstance(resource, WarehouseResource) else 0.0
        try:
            yield resource
        finally:
            if isinstance(resource, LandingResource):
                resource.close()
            if isinstance(resource, WarehouseResource):
                _tell_wait(context, resource.waited_seconds - before)

    return dg.ResourceDefinition(
        from_the_environment, config_schema=_NO_CONFIG, description=about.partition("\n\nAttributes:")[0]
    )


_TOLD_FROM_SECONDS = 0.01


def _tell_wait(context: dg.InitResourceContext, seconds: float) -> None:
    """Say on the run how long it waited for the warehouse's locks, be it that it failed for that."""
    if context.run is not None and context.instance is not None and seconds >= _TOLD_FROM_SECONDS:
        context.instance.add_run_tags(context.run.run_id, {LOCK_WAIT_TAG: f"{seconds:.2f} s"})


defs = build_defs()
