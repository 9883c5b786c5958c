"""Which invoice a document states: its account, its id and its month, from the document, its names and its lines.

In this order: what the document itself says; what the provider's own file name says; what the lines or the file's stem
say.
"""

import calendar
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from arcadia_dagster.formats.format import UNKNOWN_ACCOUNT, NameFacts, StatedInvoice

UNINVOICED = "uninvoiced"
"""The last part of the id of what an account has in a month and no invoice states yet."""

_COPY_NUMBER = re.compile(r" \(\d{1,2}\)$")
# Letters only: in `Invoice.1001` the number is what tells it from `Invoice.1002`.
_EXTENSION = re.compile(r"\.[A-Za-z]{1,8}(\.(gz|zip|zst))?$")


@dataclass(frozen=True, slots=True)
class Identity:
    """An invoice, placed.

    Attributes:
        id_basis: `document`, `file_name` (the provider's), or `derived` from the file's stem.
        month_basis: `document`, `file_name` or `lines`.
    """

    source: str
    account_id: str
    external_id: str
    id_basis: str
    invoice_number: str | None
    month: date
    month_basis: str

    @property
    def period_start(self) -> date:
        """The first day of the month."""
        return self.month

    @property
    def period_end(self) -> date:
        """The last day of the month, inclusive."""
        return self.month.replace(day=calendar.monthrange(self.month.year, self.month.month)[1])


@dataclass(frozen=True, slots=True)
class Names:
    """What the names that a document came under tell.

    Attributes:
        best: The name that tells most: the first that is a provider's own, one with the printed number before others; else the
            first.
        facts: What that name tells; None where it is not a provider's.
        conflict: The invoices that a provider's names for the same bytes tell, where they tell different ones; else None.
    """

    best: str
    facts: NameFacts | None
    conflict: str | None

    @classmethod
    def of(cls, names: Sequence[str], told: Mapping[str, NameFacts]) -> "Names":
        """Of a document.

        Args:
            names: Its names, in the order in which it came under them.
            told: What each that is a provider's tells, see `Formats.facts_from_names`.
        """
        own = [name for name in names if name in told]
        best = next((name for name in own if told[name].is_printed), own[0] if own else names[0])
        # One invoice has a number and an id of its provider's API: those two are no conflict.
        different = [
            {told[name] for name in own if told[name].is_printed is is_printed} for is_printed in (True, False)
        ]
        conflict = ", ".join(sorted(str(facts) for found in different if len(found) > 1 for facts in found)) or None
        return cls(best, told.get(best), conflict)


def identify(invoice: StatedInvoice, named: NameFacts | None, *, file_name: str) -> Identity | None:
    """Place an invoice, with what its file's name tells; None where neither document, name nor lines tell its month."""
    month, month_basis = _month(invoice, named)
    if month is None:
        return None
    account = invoice.account_id or (named and named.account_id) or UNKNOWN_ACCOUNT
    if invoice.external_id is not None:
        external_id, id_basis = invoice.external_id, "document"
    elif named is not None:
        # An API's id tells the invoice, and not that a file with its number is the same: that is in doubt as for other names.
        external_id, id_basis = named.invoice_number, "file_name" if named.is_printed else "derived"
    else:
        # What is not invoiced yet is one thing, whatever file it comes in.
        name = stem(file_name) if invoice.is_final else UNINVOICED
        external_id, id_basis = f"{account}-{month:%Y-%m}-{name}", "derived"
    return Identity(
        source=invoice.source,
        account_id=account,
        external_id=external_id,
        id_basis=id_basis,
        invoice_number=invoice.invoice_number or (named.invoice_number if named and named.is_printed else None),
        month=month,
        month_basis=month_basis,
    )


def stem(file_name: str) -> str:
    """The file name without its extension and without the ` (1)` of a second download."""
    return _COPY_NUMBER.sub("", _EXTENSION.sub("", file_name))


def _month(invoice: StatedInvoice, named: NameFacts | None) -> tuple[date | None, str]:
    if invoice.month is not None:
        return invoice.month, "document"
    if named is not None and named.month is not None:
        return named.month, "file_name"
    return invoice.lines_month, "lines"
