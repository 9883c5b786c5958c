"""The job that fetches what is new at the providers. It fills the inbox, where the sensor finds the files like any others."""

from typing import Any

import dagster as dg

from arcadia_dagster.defs.runs import job_tags
from arcadia_dagster.how_many import how_many
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.prefix import Prefix
from arcadia_dagster.providers.catalogue import CATALOGUE
from arcadia_dagster.providers.errors import ProviderError
from arcadia_dagster.providers.provider import Provider
from arcadia_dagster.providers.resource import ProvidersResource
from arcadia_dagster.warehouse.resource import WarehouseResource

FETCH = "fetch_from_providers"


def to_inbox(provider: Provider[Any]) -> dg.OpDefinition:
    """The step that fetches from one provider. It fails where something was left, after all else was fetched."""
    variable = provider.settings.variable(provider.settings.needed[0])

    @dg.op(
        name=f"{provider.name}_to_inbox",
        description=(
            f"Puts each new or changed invoice of the account into the inbox, with all that {provider.title} states of it. "
            f"Without {variable} it does nothing."
        ),
    )
    def fetch(
        context: dg.OpExecutionContext,
        providers: dg.ResourceParam[ProvidersResource],
        warehouse: dg.ResourceParam[WarehouseResource],
        landing: dg.ResourceParam[LandingResource],
    ) -> None:
        if not providers.is_configured(provider):
            context.log.info(f"{variable} is unset: nothing was fetched")
            return
        try:
            fetched = providers.fetch(provider, warehouse.get(), landing.inbox_path)
        except ProviderError as error:
            raise dg.Failure(f"nothing was fetched: {error}", allow_retries=False) from error
        context.log.info(
            f"put into the inbox: {how_many(len(fetched.files), 'file')}; already there: {how_many(fetched.known, 'invoice')}"
        )
        context.add_output_metadata(
            {"files": fetched.files, "known_invoices": fetched.known, "before_first_month": fetched.older}
        )
        if fetched.left:
            left = "; ".join(f"{what}: {why}" for what, why in fetched.left.items())
            raise dg.Failure(
                f"put into the inbox: {how_many(len(fetched.files), 'file')}; left for the next fetch: {left}",
                allow_retries=False,
            )

    return fetch


_STEPS = tuple(to_inbox(provider) for provider in CATALOGUE)


def fetch_from_providers(prefix: Prefix) -> dg.JobDefinition:
    """The job. It has one step for each provider: what fails at one stops no other.

    Args:
        prefix: What the home's names begin with.
    """

    @dg.job(
        name=prefix.name(FETCH),
        tags=job_tags(FETCH, prefix),
        metadata={"on_the_command_line": "arcadia fetch"},
        description="Fetches what is new at the providers into the inbox; the sensor takes it from there.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        for step in _STEPS:
            step()

    return job
