"""The resources that the settings make. It knows no Dagster: a command uses them too, outside of a run."""

from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from arcadia_dagster.alerts.resource import AlertsResource
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.providers.resource import ProvidersResource
from arcadia_dagster.settings import Settings
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.statement.pages import Company
from arcadia_dagster.statement.resource import StatementsResource
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.months import stale
from arcadia_dagster.warehouse.resource import WarehouseResource


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What runs and commands use; each field is the name of a resource in Dagster."""

    warehouse: WarehouseResource
    landing: LandingResource
    finance: FinanceResource
    providers: ProvidersResource
    statements: StatementsResource
    alerts: AlertsResource

    @classmethod
    def of(cls, values: Settings, warehouse: Warehouse | None = None) -> "Resources":
        """The resources that the settings make, ready to be used.

        Args:
            values: The settings.
            warehouse: The warehouse, where there is one already; else one is made when it is first needed.

        Raises:
            SettingsError: A setting that a provider declares cannot be right.
        """
        landing = LandingResource.of(values)
        return cls(
            warehouse=WarehouseResource.of(values, warehouse),
            landing=landing,
            finance=FinanceResource.of(values),
            providers=ProvidersResource.of(values),
            statements=StatementsResource(
                folder=str(values.statements),
                archive=landing.get_archive(),
                url=values.statements_url,
                company=Company.of(values),
            ),
            alerts=AlertsResource(
                webhook=values.alert_webhook.get_secret_value(),
                ui_url=values.ui_url,
                tells_persons_apart=values.tells_persons_apart,
            ),
        )

    def months_to_run(self, range_: MonthRange) -> list[date]:
        """The months that a run has something to do for: one of their stages is stale, or something is not in finance yet."""
        warehouse = self.warehouse.get()
        with warehouse.read() as connection:
            months = stale(connection)
        if self.finance.is_configured:
            months |= set(self.finance.outstanding(warehouse))
        return sorted(month for month in months if month in range_)

    def by_name(self) -> dict[str, Any]:
        """The resources by their names."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
