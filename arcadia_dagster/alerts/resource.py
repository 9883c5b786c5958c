"""The webhook for alerts as a resource of the sensor."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from arcadia_dagster.alerts.webhook import DEADLINE, send
from arcadia_dagster.prefix import Prefix
from arcadia_dagster.reports.decision_page import Form
from arcadia_dagster.settings import UI_URL


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertsResource:
    """Where failed runs and checks are told. Without a webhook nothing is told, and all else works.

    Attributes:
        webhook: The webhook, whose address is a secret; empty: alerts are off.
        ui_url: Where people see the Dagster UI, for links.
        tells_persons_apart: Whether the UI knows who launches a run, where it must; see `Form`.
        deadline: Seconds that a whole message may take.
    """

    webhook: str = field(default="", repr=False)
    ui_url: str = UI_URL
    tells_persons_apart: bool = True
    deadline: float = DEADLINE

    @property
    def is_configured(self) -> bool:
        """Whether there is a webhook, right or wrong."""
        return bool(self.webhook.strip())

    def form(self, prefix: Prefix) -> Form:
        """Where people decide about what they are told of.

        Args:
            prefix: What the names of the home's jobs begin with.
        """
        return Form(self.ui_url, prefix, self.tells_persons_apart)

    def send(self, payload: Mapping[str, Any]) -> None:
        """Send a message; see `webhook.send`.

        Raises:
            AlertError: It did not get through.
        """
        send(self.webhook.strip(), payload, deadline=self.deadline)
