"""DigitalOcean's API as a resource of runs."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from arcadia_dagster.providers.digitalocean import BASE_URL, DigitalOceanClient
from arcadia_dagster.providers.download import Fetched, fetch
from arcadia_dagster.warehouse import Warehouse


@dataclass(frozen=True, kw_only=True, slots=True)
class DigitalOceanResource:
    """The account at DigitalOcean whose invoices are fetched. Without a token nothing is fetched, and all else works.

    Attributes:
        base_url: Where the API is.
        token: The token that it is read with; empty: nothing is fetched.
        first_month: Invoices of earlier months are left out.
        retry_delays: Seconds before each retry, up to 10% longer.
    """

    base_url: str = BASE_URL
    token: str = field(default="", repr=False)
    first_month: date = date(2018, 1, 1)
    retry_delays: Sequence[float] = (1.0, 2.0, 5.0)

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
        with self.client() as client:
            return fetch(client, warehouse, inbox, first_month=self.first_month, months=months, progress=progress)
