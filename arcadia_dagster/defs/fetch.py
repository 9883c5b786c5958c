"""The job that fetches what is new at the providers. It fills the inbox, where the sensor finds the files like any others."""

import dagster as dg

from arcadia_dagster.defs.runs import JOB_TAG
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.providers.errors import ProviderError
from arcadia_dagster.providers.resource import DigitalOceanResource
from arcadia_dagster.warehouse.resource import WarehouseResource

FETCH = "fetch_from_providers"


@dg.op(
    description=(
        "Puts each new or changed invoice of the DigitalOcean account, with all its items and its summary, into the inbox, and "
        "once a day what the account runs. Without DIGITALOCEAN_TOKEN it does nothing."
    )
)
def digitalocean_to_inbox(
    context: dg.OpExecutionContext,
    digitalocean: dg.ResourceParam[DigitalOceanResource],
    warehouse: dg.ResourceParam[WarehouseResource],
    landing: dg.ResourceParam[LandingResource],
) -> None:
    """Fetch from DigitalOcean; the run fails where something was left, after all else was fetched."""
    if not digitalocean.is_configured:
        context.log.info("DIGITALOCEAN_TOKEN is unset: nothing was fetched")
        return
    try:
        fetched = digitalocean.fetch(warehouse.get(), landing.inbox_path)
    except ProviderError as error:
        raise dg.Failure(f"nothing was fetched: {error}", allow_retries=False) from error
    context.log.info(f"{len(fetched.files)} files were put into the inbox, {fetched.known} invoices were there already")
    context.add_output_metadata(
        {"files": fetched.files, "known_invoices": fetched.known, "before_first_month": fetched.older}
    )
    if fetched.left:
        left = "; ".join(f"{what}: {why}" for what, why in fetched.left.items())
        raise dg.Failure(
            f"{len(fetched.files)} files were put into the inbox; left for the next fetch: {left}", allow_retries=False
        )


@dg.job(
    name=FETCH,
    tags={JOB_TAG: FETCH},
    metadata={"on_the_command_line": "arcadia fetch digitalocean"},
    description="Fetches what is new at the providers into the inbox; the sensor takes it from there.",
    executor_def=dg.in_process_executor,
)
def fetch_from_providers() -> None:
    """One step for each provider."""
    digitalocean_to_inbox()
