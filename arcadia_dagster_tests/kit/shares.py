"""Which modules of the stories run: all of them, or those that always run and a share of the others.

All stories take 45 minutes of two cores (2,532 tests, 4,726 s of processor time, 2026-11-30), and CI has 30 minutes for all it
does. So CI runs what a wrong record, a lost invoice or a broken installation would show in, and each day another tenth of the
others. `make test-stories` runs all of them.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Self

_TESTS: Final = Path(__file__).resolve().parents[1]
FOLDERS: Final = ("stories", "thorough")

ALWAYS: Final = (
    "test_deployment.py",
    "test_fresh_clone.py",
    "test_installed_wheel.py",
    "test_released_homes.py",
    "test_outcomes_of_deliveries.py",
    "test_one_invoice_twice.py",
    "test_bad_input_money.py",
    "test_bad_input_identity.py",
    "test_changed_rows_are_not_pushed.py",
    "test_archive_ahead.py",
    "test_secrets.py",
    "test_sensors.py",
    "test_ingest_crashes.py",
    "test_delivery_crashes.py",
    "test_concurrency.py",
    "test_model_of_delivery.py",
    "test_model_of_landing_and_delivery.py",
)
"""Modules of the stories that each share has."""

LONGEST: Final = (
    "test_deployment.py",
    "test_every_way_on.py",
    "test_lost_and_built_anew.py",
    "test_issuers_over_files.py",
    "test_order_of_arrival.py",
    "test_ordinary_year.py",
    "test_bad_input_descriptions.py",
    "test_statements_of_providers.py",
    "test_parts_that_look_like_versions.py",
    "test_deliveries.py",
    "test_einvoices_beside_others.py",
    "test_pasted_commands.py",
    "test_cli.py",
    "test_bad_input_sources.py",
    "test_changed_in_the_warehouse.py",
    "test_arrival.py",
    "test_one_invoice_twice.py",
    "test_repairing.py",
    "test_evidence.py",
    "test_versions.py",
    "test_unreadable_files.py",
    "test_describing_a_format.py",
    "test_changed_rows_are_not_pushed.py",
    "test_damaged_records.py",
    "test_parts_and_versions.py",
    "test_sandbox_home.py",
    "test_control_totals_of_invoices.py",
    "test_page.py",
    "test_fresh_clone.py",
    "test_decisions_and_their_documents.py",
    "test_cli_lists.py",
    "test_einvoices.py",
    "test_sensors.py",
    "test_alerts.py",
    "test_described_tables.py",
    "test_assets.py",
)
"""The modules that take longest, the longest first (processor time, 2026-11-30)."""


def place(module: str) -> int:
    """A module's place by how long it takes; those that are not listed come last."""
    return LONGEST.index(module) if module in LONGEST else len(LONGEST)


@dataclass(frozen=True, slots=True)
class Share:
    """One of several shares of the stories.

    Attributes:
        number: Which one; 1 is the first.
        count: How many there are.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2/5`.

        Raises:
            ValueError: It is no such text, or there is no such share.
        """
        number, _, count = text.partition("/")
        share = cls(int(number), int(count))
        if not 1 <= share.number <= share.count:
            raise ValueError(f"there is no share {text}")
        return share

    @cache  # noqa: B019 - a run has one share
    def modules(self) -> frozenset[Path]:
        """The modules of this share. Each module is in one share or in all of them; long and short ones are in each."""
        return frozenset(
            [
                *(module for module in all_modules() if module.name in ALWAYS),
                *[module for module in all_modules() if module.name not in ALWAYS][self.number - 1 :: self.count],
            ]
        )


@cache
def all_modules() -> tuple[Path, ...]:
    """The modules with stories, the longest first."""
    found = [module for folder in FOLDERS for module in (_TESTS / folder).glob("test_*.py")]
    return tuple(sorted(found, key=lambda module: (place(module.name), module.name)))
