"""The webhook for alerts as a Dagster resource."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from arcadia_dagster.alerts.webhook import send


class AlertsResource(dg.ConfigurableResource["AlertsResource"]):
    """Where failed runs and checks are told. Without a webhook nothing is told, and all else works."""

    webhook: str = Field(
        default="", repr=False, description="The webhook, whose address is a secret; empty: alerts are off."
    )
    ui_url: str = Field(default="http://127.0.0.1:3000", description="Where people see the Dagster UI, for links.")
    deadline: float = Field(default=5.0, description="Seconds that a whole message may take.")

    def __repr__(self) -> str:
        """Without the webhook."""
        return f"AlertsResource(ui_url={self.ui_url!r}, is_configured={self.is_configured})"

    @property
    def is_configured(self) -> bool:
        """Whether there is a webhook, right or wrong."""
        return bool(self.webhook.strip())

    def send(self, payload: Mapping[str, Any]) -> None:
        """Send a message; see `webhook.send`.

        Raises:
            AlertError: It did not get through.
        """
        send(self.webhook.strip(), payload, deadline=self.deadline)
