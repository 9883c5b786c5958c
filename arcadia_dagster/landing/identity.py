"""Which invoice a document states: its account, its id and its month, from the document, its names and its lines.

In this order: what the document itself says; what the provider's own file name says; what the lines or the file's stem
say.
"""

import calendar
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from arcadia_dagster.billing.rules import NO_RULING, Rules, Ruling
from arcadia_dagster.reading.format import UNKNOWN_ACCOUNT, NameFacts, StatedInvoice

UNINVOICED = "uninvoiced"
"""The last part of the id of an account's lines in a month that are not invoiced yet."""

_COPY_NUMBER = re.compile(r" \(\d{1,2}\)$")
_LONGEST_PERIOD = timedelta(days=400)
"""A longer billing period has no usable end, as in `billing.periods`."""
# Letters only: in `Invoice.1001` the number is what tells it from `Invoice.1002`.
_EXTENSION = re.compile(r"\.[A-Za-z]{1,8}(\.(gz|zip|zst))?$")


@dataclass(frozen=True, slots=True)
class Identity:
    """An invoice, placed.

    Attributes:
        id_basis: `document`, `file_name` (the provider's), `rule` (account and month, see `billing.rules`), or `derived` from the
            file's stem.
        month_basis: `document`, `file_name` or `lines`.
        vendor: The vendor's name as a person says it; None where nobody does.
        final_from: When an invoice by account and month is final (UTC, without an offset); None for all others.
        open_until: The end of its month (UTC, without an offset), where its id is derived from the file's stem; else None.
    """

    source: str
    account_id: str
    external_id: str
    id_basis: str
    invoice_number: str | None
    month: date
    month_basis: str
    vendor: str | None = None
    final_from: datetime | None = None
    open_until: datetime | None = None

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
        best: The name that tells most: the first provider's own name with a printed number, else the first provider's own, else
            the first.
        facts: The facts from that name, or from the name of the file in the archive; None where neither is a provider's own.
        conflict: The invoices that a provider's names for the same bytes name, where these differ; else None.
    """

    best: str
    facts: NameFacts | None
    conflict: str | None

    @classmethod
    def of(cls, names: Sequence[str], own_facts: Mapping[str, NameFacts], inside: str | None = None) -> "Names":
        """Of a document.

        Args:
            names: Its names, in the order in which it came under them.
            own_facts: The facts from each name that is a provider's own, see `Formats.facts_from_names`.
            inside: The name of the file in it, where it is a ZIP archive: it tells what a file of that name would.
        """
        own = [name for name in (*names, *([] if inside is None else [inside])) if name in own_facts]
        best = next((name for name in own if own_facts[name].is_printed), own[0] if own else names[0])
        # One invoice has a number and an id of its provider's API: those two are no conflict.
        different = [
            {own_facts[name] for name in own if own_facts[name].is_printed is is_printed}
            for is_printed in (True, False)
        ]
        conflict = (
            ", ".join(
                sorted(
                    str(facts) for facts_of_names in different if len(facts_of_names) > 1 for facts in facts_of_names
                )
            )
            or None
        )
        # People find it in the inbox by the archive's name.
        return cls(best if best in names else names[0], own_facts.get(best), conflict)


def identify(
    invoice: StatedInvoice, named: NameFacts | None, *, file_name: str, ruling: Ruling = NO_RULING
) -> Identity | None:
    """Place an invoice.

    Args:
        invoice: The invoice as its document states it.
        named: What its file's name tells; None where it is not the provider's.
        file_name: The file's name.
        ruling: What people know of its account: see `account_of`.

    Returns:
        Where it belongs; None where neither document, name nor lines tell its month.
    """
    month, month_basis = _month(invoice, named, ruling["time_zone"])
    if month is None:
        return None
    account = account_of(invoice, named)
    final_from = None
    if invoice.external_id is not None:
        external_id, id_basis = invoice.external_id, "document"
    elif named is not None:
        # An API's id names the invoice, but does not prove that a file with its number is the same one: that stays in doubt.
        external_id, id_basis = named.invoice_number, "file_name" if named.is_printed else "derived"
    elif not invoice.is_final and ruling.is_by_account_and_month:
        external_id, id_basis = f"{account}-{month:%Y-%m}", "rule"
        final_from = _period_end(invoice, month, ruling["time_zone"]) + ruling["final_after"]
    else:
        # All lines that are not invoiced yet are one, whatever file they come in.
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
        vendor=ruling["issuer"],
        final_from=final_from,
        open_until=_period_end(invoice, month, ruling["time_zone"])
        if id_basis == "derived" and invoice.is_final and not invoice.is_statement
        else None,
    )


def placed(
    invoices: Sequence[StatedInvoice], named: NameFacts | None, file_name: str, rules: Rules
) -> list[tuple[StatedInvoice, Identity | None]]:
    """The invoices of a document with where each belongs, by what people know of its account: see `identify`."""
    rulings = [rules.of(invoice.source, account_of(invoice, named)) for invoice in invoices]
    identities = [
        identify(invoice, named, file_name=file_name, ruling=ruling)
        for invoice, ruling in zip(invoices, rulings, strict=True)
    ]
    keys = [
        (identity.source, identity.account_id, identity.external_id) for identity in identities if identity is not None
    ]
    if len(set(keys)) < len(keys):
        # A zone would have two periods of the document in one month, and one of them would take the other's place.
        identities = [
            identify(invoice, named, file_name=file_name, ruling=ruling.without("time_zone"))
            for invoice, ruling in zip(invoices, rulings, strict=True)
        ]
    return list(zip(invoices, identities, strict=True))


def account_of(invoice: StatedInvoice, named: NameFacts | None) -> str:
    """The account of an invoice at its source; `unknown` where nothing tells."""
    return invoice.account_id or (named and named.account_id) or UNKNOWN_ACCOUNT


def stem(file_name: str) -> str:
    """The file name without its extension and without the ` (1)` of a second download."""
    return _COPY_NUMBER.sub("", _EXTENSION.sub("", file_name))


def _month(invoice: StatedInvoice, named: NameFacts | None, time_zone: str | None) -> tuple[date | None, str]:
    if invoice.month is not None:
        return _local_month(invoice, time_zone) or invoice.month, "document"
    if named is not None and named.month is not None:
        return named.month, "file_name"
    return invoice.lines_month, "lines"


def _local_month(invoice: StatedInvoice, time_zone: str | None) -> date | None:
    """The month in which the middle of the billing period lies in a zone; without an end, the one in which it begins there."""
    starts_at, ends_at = invoice.billing_starts_at, invoice.period_ends_at
    if time_zone is None or starts_at is None:
        return None
    has_end = ends_at is not None and timedelta(0) < ends_at - starts_at <= _LONGEST_PERIOD
    moment = starts_at + (ends_at - starts_at) / 2 if has_end and ends_at is not None else starts_at
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(time_zone)).date().replace(day=1)


def _period_end(invoice: StatedInvoice, month: date, time_zone: str | None) -> datetime:
    """The end of the billing period as the document has it, else of the month in its zone: in UTC, without an offset."""
    ends_at = invoice.period_ends_at
    starts_at = invoice.billing_starts_at
    if ends_at is not None and starts_at is not None and timedelta(0) < ends_at - starts_at <= _LONGEST_PERIOD:
        return ends_at
    zone = UTC if time_zone is None else ZoneInfo(time_zone)
    following = (month + timedelta(days=31)).replace(day=1)
    return datetime(following.year, following.month, 1, tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
