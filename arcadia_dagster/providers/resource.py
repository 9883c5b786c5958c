"""The providers as a resource of runs: those that the settings name, and what they need."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from arcadia_dagster.providers.api import RETRY_DELAYS, Pace
from arcadia_dagster.providers.catalogue import CATALOGUE
from arcadia_dagster.providers.download import Fetched, fetch
from arcadia_dagster.providers.provider import Account, Provider, ProviderSettings
from arcadia_dagster.settings import FIRST_MONTH, Settings
from arcadia_dagster.warehouse import Warehouse


@dataclass(frozen=True, kw_only=True, slots=True)
class ProvidersResource:
    """The accounts at providers whose invoices are fetched. What is not configured is not fetched, and all else works.

    Attributes:
        settings: The settings of each provider, by its name.
        first_month: Invoices of earlier months are left out.
        retry_delays: Seconds before each retry, up to 10% longer.
    """

    settings: dict[str, ProviderSettings] = field(default_factory=dict)
    first_month: date = FIRST_MONTH
    retry_delays: Sequence[float] = RETRY_DELAYS

    @classmethod
    def of(cls, values: Settings) -> "ProvidersResource":
        """The providers that the settings name.

        Raises:
            SettingsError: A setting of one of them cannot be right.
        """
        sections = {provider.name: values.section(provider.settings) for provider in CATALOGUE}
        return cls(settings=sections, first_month=values.first_month)

    @property
    def configured(self) -> list[Provider[Any]]:
        """The providers that are set up, rightly or wrongly."""
        return [provider for provider in CATALOGUE if self.is_configured(provider)]

    def is_configured(self, provider: Provider[Any]) -> bool:
        """Whether a provider is set up, rightly or wrongly."""
        settings = self.settings.get(provider.name)
        return settings is not None and settings.is_wanted

    def open(self, provider: Provider[Any]) -> Account:
        """The account at a provider that is configured; to be closed, or used as a context manager.

        Raises:
            ConfigurationFailure: A setting is missing or cannot be right.
        """
        settings = self.settings[provider.name]
        settings.assert_complete()
        return provider.open(settings, Pace(retry_delays=tuple(self.retry_delays)))

    def fetch(
        self,
        provider: Provider[Any],
        warehouse: Warehouse,
        inbox: Path,
        *,
        months: Collection[date] | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
    ) -> Fetched:
        """Put what is new at a provider into the inbox; see `download.fetch`.

        Raises:
            ConfigurationFailure: A setting is missing or cannot be right.
        """
        with self.open(provider) as account:
            return fetch(
                account,
                provider.name,
                warehouse,
                inbox,
                first_month=self.first_month,
                months=months,
                progress=progress,
            )
