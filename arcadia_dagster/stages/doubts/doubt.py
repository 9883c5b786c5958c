"""A kind of doubt, and the tables that it may query."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from arcadia_dagster.warehouse.months import month_list


@dataclass(frozen=True, slots=True)
class Scope:
    """The invoices to judge. The SQL of a doubt may name these relations, besides the warehouse's tables.

    `part`: the current rows of `raw_invoices` of the months. `raw`: one row an invoice, from the documents that state it
    together. `listed`: what manifests list (`landing.deliveries.listed_sql`). `apart`: what a person voided, and
    what is no invoice to us.
    `release`: the versions that a person released. `unstated`: what the last delivery does not state any more. `rounded`: an
    invoice's totals in minor units.

    Attributes:
        months: The months whose invoices are judged.
        has_manifests: Whether any delivery has a manifest.
    """

    months: Collection[date]
    has_manifests: bool

    @property
    def month_list(self) -> str:
        """The months as SQL lists them."""
        return month_list(self.months)


@dataclass(frozen=True, slots=True)
class Doubt:
    """One kind of doubt. A person may overrule it for the version that they saw.

    Attributes:
        sql: A SELECT of `source`, `account_id`, `external_id` and `text`, one row for each invoice that is in doubt.
        needs: A SELECT of what the doubt is about. Where it has no row nothing is in doubt, and DuckDB, which takes 1 to 25 ms
            to plan one of these doubts (2026-11-29), need not plan it. Empty: the doubt is always looked for.
    """

    sql: str
    needs: str = ""


def several_of_an_account(which: str) -> str:
    """SQL: what `Doubt.needs` where it compares such invoices of one account and month. Most accounts have one a month.

    Args:
        which: SQL: which invoices of `raw`.
    """
    return (
        f"SELECT 1 FROM raw WHERE is_final AND {which} GROUP BY source, account_id, invoice_month HAVING count(*) > 1"
    )
