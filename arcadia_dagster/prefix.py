"""What a home's names in Dagster begin with, where several homes share one Dagster."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning of the names of a home's assets, jobs, schedules, sensors and groups.

    Attributes:
        text: Letters, digits and `_`, beginning with a letter; empty: the names stay as they are.
    """

    text: str = ""

    @classmethod
    def of_path(cls, path: Sequence[str]) -> "Prefix":
        """The prefix that the parts of an asset's key have."""
        return cls(path[0]) if len(path) > 1 else NO_PREFIX

    def name(self, name: str) -> str:
        """`acme_ingest_invoices`: a job, a schedule, a sensor or a group of the home."""
        return f"{self.text}_{name}" if self.text else name

    def without(self, name: str) -> str:
        """`ingest_invoices`: the name as every home has it; a name that is not of this home stays as it is."""
        return name.removeprefix(f"{self.text}_") if self.text else name

    def path(self, asset: str) -> tuple[str, ...]:
        """`acme/documents`: the parts of an asset's key."""
        return (self.text, asset) if self.text else (asset,)


NO_PREFIX: Final = Prefix()
