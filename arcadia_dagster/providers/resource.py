"""DigitalOcean's API as a Dagster resource."""

from collections.abc import Callable, Collection
from datetime import date
from pathlib import Path

import dagster as dg
from pydantic import Field

from arcadia_dagster.providers.digitalocean import BASE_URL, DigitalOceanClient
from arcadia_dagster.providers.download import Fetched, fetch
from arcadia_dagster.warehouse import Warehouse


class DigitalOceanResource(dg.ConfigurableResource["DigitalOceanResource"]):
    """The account at DigitalOcean whose invoices are fetched. Without a token nothing is fetched, and all else works."""

    base_url: str = Field(default=BASE_URL, description="Where the API is.")
    token: str = Field(default="", repr=False, description="The token that it is read with; empty: nothing is fetched.")
    first_month: str = Field(default="2018-01-01", description="Invoices of earlier months are left out.")
    retry_delays: list[float] = Field(
        default=[1.0, 2.0, 5.0], description="Seconds before each retry, up to 10% longer."
    )

    def __repr__(self) -> str:
        """Without the token."""
        return f"DigitalOceanResource(base_url={self.base_url!r}, is_configured={self.is_configured})"

    @property
    def is_configured(self) -> bool:
        """Whether there is a token, right or wrong."""
        return bool(self.token.strip())

    def client(self) -> DigitalOceanClient:
        """A client for one fetch; to be closed, or used as a context manager.

        Raises:
            ConfigurationFailure: The token or the base URL cannot be right.
        """
        return DigitalOceanClient(self.token.strip(), self.base_url, retry_delays=tuple(self.retry_delays))

    def fetch(
        self,
        warehouse: Warehouse,
        inbox: Path,
        *,
        months: Collection[date] | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
    ) -> Fetched:
        """Put what is new into the inbox; see `download.fetch`.

        Raises:
            ConfigurationFailure: The token or the base URL cannot be right.
        """
        first = date.fromisoformat(self.first_month)
        with self.client() as client:
            return fetch(client, warehouse, inbox, first_month=first, months=months, progress=progress)
