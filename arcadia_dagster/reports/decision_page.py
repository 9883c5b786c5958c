"""The page of the UI on which a person decides: the launchpad of one job, with what the decision is about filled in."""

import json
from dataclasses import dataclass, replace
from typing import Final, Self
from urllib.parse import quote, urlsplit

from arcadia_dagster.prefix import NO_PREFIX, Prefix
from arcadia_dagster.settings import Settings

JOB: Final = "decide_invoice"
"""The job's name, before which comes the home's prefix."""

LOOK: Final = "look"
"""What the form says until a person has chosen a decision: it changes nothing."""

_OF_TWO_PERSONS: Final = frozenset({"release", "approve"})
"""Where invoices wait for a second person, these come from two persons that must be told apart."""


@dataclass(frozen=True, slots=True)
class Form:
    """The form on which people of a home decide in the UI.

    Attributes:
        url: The address of the UI, or only its path, for a link on a page of the UI itself; None: nobody has said.
        prefix: What the names of the home's jobs begin with.
        tells_persons_apart: Whether it knows who launches a run, or no invoice waits for a second person. Else it refuses
            releases and approvals.
    """

    url: str | None = None
    prefix: Prefix = NO_PREFIX
    tells_persons_apart: bool = True

    @classmethod
    def of(cls, values: Settings, url: str | None) -> Self:
        """The form of a home, with its settings."""
        return cls(url, values.prefix, values.tells_persons_apart)

    @property
    def on_a_page_of_the_ui(self) -> Self:
        """The same for a link of the UI to itself: it leads there by whatever name the person has reached it."""
        return replace(self, url=None if self.url is None else urlsplit(self.url).path)

    def link(self, decision: str, about: str) -> str:
        """The address of the page; nothing is decided before the person has written a reason and launched it.

        Args:
            decision: What is chosen on it.
            about: The invoice or the file, as commands name it.

        Returns:
            The address; empty where there is none, or the form would refuse the decision.
        """
        if self.url is None or (decision in _OF_TWO_PERSONS and not self.tells_persons_apart):
            return ""
        # JSON of a text is YAML too, and what the launchpad shows is YAML.
        config = "".join(
            f"{name}: {json.dumps(value, ensure_ascii=False)}\n"
            for name, value in (("invoice", about), ("decision", decision), ("reason", ""))
        )
        # `guess` finds the code location that has the job: its name is up to the workspace.
        job = self.prefix.name(JOB)
        return f"{self.url.rstrip('/')}/guess/{job}/playground/setup?mode=default&config={quote(config, safe='')}"


NO_FORM: Final = Form()
"""Where nobody has said how people reach the UI."""
