"""Lists of invoices, payments and costs, which look like inventories: they are rejected, with what to do instead.

    id,name,type,amount,due date
    [{"id": 123, "label": "Invoice", "date": "2026-10-01T05:00:00", "total": 132.5, ...}]

Command lines print such lists (`linode-cli account invoices-list`, `ovhcloud account invoices list`,
`doctl billing-history list`). They state totals without charges, or payments. Read as an inventory, their invoices would never
be seen. A list is no inventory if the words of a column are those of an amount, a tax, a currency, or a day of issue or
payment. A person's description of such a file comes first.
Source: the public API descriptions of Linode, OVHcloud and DigitalOcean.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from arcadia_dagster.billing.currency import EXPONENTS
from arcadia_dagster.reading.format import Head, NameFacts, Refusal

_MONEY = frozenset(
    {
        *("amount", "amounts", "subtotal", "currency", "gross", "balance", "due", "owed", "paid", "unpaid"),
        *(
            "charge",
            "charges",
            "charged",
            "tax",
            "taxes",
            "taxed",
            "untaxed",
            "pretax",
            "vat",
            "gst",
            "refund",
            "refunds",
        ),
        *("invoice", "invoices", "invoiced", "billed", "payment", "payments"),
        *("betrag", "brutto", "netto", "mwst", "ust", "rechnung", "rechnungsnummer", "montant", "facture", "tva"),
        *("importe", "factura", "importo", "fattura", "iva"),
    }
)
"""Words that suffice alone. `net`, `price`, `period` and `credit` do not: resources have these too."""

_WHOLE = frozenset(
    {
        *("total", "totals", "sub total", "total price", "total cost", "grand total", "sum", "bill", "date"),
        *("datum", "summe", "gesamt", "gesamtbetrag", "kosten"),
    }
)
"""Names that suffice as a whole, but not within a longer one such as `total memory`."""

_TOGETHER = (
    (frozenset({"billing"}), frozenset({"period", "month", "date", "start", "end"})),
    (frozenset({"issue", "issued"}), frozenset({"date", "on", "at", "day"})),
)
"""Words that suffice two at a time: certificates have issuers, and a billing account is an account."""

_COSTS = frozenset({"cost", "costs"})
_COSTS_OF_SOMEBODY = frozenset(
    {
        *(
            "center",
            "centers",
            "centre",
            "centres",
            "code",
            "object",
            "unit",
            "group",
            "owner",
            "allocation",
            "category",
        ),
        *("element", "pool", "team", "department", "tag"),
    }
)
"""What follows `cost` in the name of a tag that resources have."""

_TYPES = frozenset(
    {f"{word}{plural}" for word in ("invoice", "receipt", "refund", "payment", "bill") for plural in ("", "s")}
)
_CREDIT_NOTES = re.compile(r"\bcredit (note|memo)s?\b")

_NO_LINES = (
    "it states totals and not what is charged for: put the invoices themselves into the inbox, each with its lines, in a format "
    "of docs/formats.md"
)
_DISMISS = "; or `arcadia dismiss 'FILE NAME' --reason ...`, if it is not needed"


@dataclass(frozen=True, slots=True)
class _Kind:
    """A list that is known.

    Attributes:
        what: What it is.
        member: The member of the document that is the list, which no other document has; None for any.
        names: Names that a record of it has.
        advice: What to do instead.
    """

    what: str
    member: str | None
    names: frozenset[str]
    advice: str


_DIGITALOCEAN = (
    "it states totals and not what is charged for: fetch the invoices with `arcadia fetch digitalocean`, or each with `doctl "
    "invoice get UUID --output json` or `doctl invoice csv UUID UUID.csv`"
)

_KINDS = (
    *(
        _Kind("DigitalOcean's list of invoices (doctl invoice list)", None, names, _DIGITALOCEAN)
        for names in (frozenset({"invoice_uuid", "invoice_period"}), frozenset({"invoices", "invoice_preview"}))
    ),
    _Kind(
        "DigitalOcean's billing history",
        "billing_history",
        frozenset(),
        "payments, credits and refunds of an account are no invoices: fetch the invoices with `arcadia fetch digitalocean`, or "
        "download their CSV",
    ),
    _Kind("a list of Linode's payments", None, frozenset({"usd", "date"}), "payments are no invoices"),
    _Kind(
        "a list of Linode's invoices",
        None,
        frozenset({"label", "date", "total"}),
        "it states totals and not what is charged for: fetch the invoices with `arcadia fetch linode`, or put each into a file "
        'with its items, as {"kind": "linode_invoice", '
        '"invoice": {...}, "items": [...]} (docs/formats.md)',
    ),
    _Kind(
        "a list of OVHcloud's bills",
        None,
        frozenset({"billId", "priceWithTax"}),
        "it states totals and not what is charged for: fetch the bills with `arcadia fetch ovhcloud`, or put each into a file "
        'with its details, as {"kind": "ovhcloud_bill", '
        '"bill": {...}, "details": [...]} (docs/formats.md)',
    ),
    _Kind(
        "a list of OVHcloud's refunds",
        None,
        frozenset({"refundId", "priceWithTax"}),
        "it states totals and not what is refunded: fetch the refunds with `arcadia fetch ovhcloud`, or put each into a file "
        'with its details, as {"kind": "ovhcloud_refund", '
        '"refund": {...}, "details": [...]} (docs/formats.md)',
    ),
)


class Listing:
    """The format itself: nothing of it is read."""

    name = "listing"
    reading = 3

    def recognise(self, head: Head) -> Refusal | None:
        """Recognised by the known lists, and by an inventory's columns beside those of invoices."""
        if head.json is not None:
            return _of_json(head.json)
        if not {"id", "name", "type"} <= {column.lower() for column in head.header}:
            return None
        money = names_of_money(head.header)
        return Refusal(f"line 1: {_no_inventory(money)}") if money else None

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """A list states no invoice."""
        return None


def names_of_money(names: Iterable[str]) -> list[str]:
    """The names of columns that say that a list is of invoices, payments or costs, in their order."""
    return [name for name in dict.fromkeys(names) if _is_of_money(name)]


def type_of_money(type_: str) -> bool:
    """Whether a record's type says that it is an invoice or a payment, and no resource."""
    words = _words(type_)
    return not _TYPES.isdisjoint(words) or _CREDIT_NOTES.search(" ".join(words)) is not None


def _of_json(document: object) -> Refusal | None:
    for member, records in _lists_in(document):
        names = {str(name) for record in records for name in record}
        for kind in _KINDS:
            if kind.member in {None, member} and kind.names <= names and (kind.names or kind.member):
                return Refusal(f"it is {kind.what}: {kind.advice}{_DISMISS}")
        if member in {None, "resources"} and (money := names_of_money(_in_order(records))):
            return Refusal(_no_inventory(money))
    return None


def _lists_in(document: object) -> Iterator[tuple[str | None, list[dict[Any, Any]]]]:
    """The lists of objects that a document is or has, with the member that each is, and an object as a list of one."""
    if isinstance(document, list):
        yield None, [record for record in document if isinstance(record, dict)]
    elif isinstance(document, dict):
        for member, value in document.items():
            if isinstance(value, list):
                yield member, [record for record in value if isinstance(record, dict)]
        yield "", [document]


def _in_order(records: Sequence[dict[Any, Any]]) -> list[str]:
    return list(dict.fromkeys(str(name) for record in records for name in record))


def _no_inventory(money: Sequence[str]) -> str:
    return (
        f"{', '.join(money[:4])}: lists of invoices, payments or costs have this, and an inventory of resources has not; "
        f"{_NO_LINES}; if it is an inventory, leave these columns out"
    )


def _is_of_money(name: str) -> bool:
    # ISO 4217 codes in capitals, as in the header of an amount; in small letters some are words, such as `all` and `top`.
    if name.strip() in EXPONENTS:
        return True
    words = _words(name)
    if " ".join(words) in _WHOLE or not _MONEY.isdisjoint(words):
        return True
    if any(not one.isdisjoint(words) and not other.isdisjoint(words) for one, other in _TOGETHER):
        return True
    return any(
        word in _COSTS and (position + 1 == len(words) or words[position + 1] not in _COSTS_OF_SOMEBODY)
        for position, word in enumerate(words)
    )


def _words(name: str) -> list[str]:
    """`invoicePeriodStartDate`, `invoice_period_start_date` and `Invoice Period Start Date` are the same words."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return re.findall(r"[^\W\d_]+", apart.lower())
