"""Azure's own statement of its invoices: what `az billing invoice list` and `show` print, and its billing invoices API answers.

    [{"name": "G012345678", "type": "Microsoft.Billing/billingAccounts/invoices", "status": "Due", "documentType": "Invoice",
     "subTotal": {"currency": "EUR", "value": 100.0}, "taxAmount": {"currency": "EUR", "value": 19.0}, "totalAmount": ...}]
    {"value": [{"name": "G012345678", "type": "...", "properties": {"status": "Due", ...}}], "nextLink": null}

Azure's exports have no tax, and this document has it: the two together make a whole invoice. Gross is `totalAmount`,
the amount due when the invoice was issued. The subtotal, before tax, is the charges and refunds less what Azure credits
(`freeAzureCreditApplied`) and a prepayment (`azurePrepaymentApplied`) have paid. The program keeps these two amounts,
because an export's lines do not have them. It does not read `amountDue`, the amount still open today. Invoices of the
Online Services Program have no `totalAmount`: their amount is `billedAmount`, and their tax is not known. An
invoice whose subtotal and tax do not come to its total is held, and a document with amounts of several currencies is
rejected. The account is the billing profile, else the billing account. An
invoice whose status is `Void` is voided, and names the invoice
that replaces it (`billedDocumentId`, or `rebillDetails`). A credit note counts below 0 whatever its sign, and names the
invoice that it is about (`creditForDocumentId`). The period's end is inclusive.
Source: the public API descriptions of Azure Billing, versions 2020-05-01 and 2024-04-01 (Invoices), which say what each
amount is and which agreements have it, and Microsoft Learn, Billing summary of an invoice: "Total = Charges - Azure
Credit + Tax". Not confirmed by an invoice of our own: whether the amounts of a credit note have a sign, and whether
`billedAmount` has tax in it.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from arcadia_dagster.reading.format import Head, NameFacts, UnreadableError
from arcadia_dagster.reading.json_document import exact_json
from arcadia_dagster.reading.json_values import Node
from arcadia_dagster.reading.statements import InvoiceStatement, Kind, StatementsOnly, Status

Word = TypeVar("Word")

_SOURCE = "azure"
_TYPE = re.compile(r"microsoft\.billing/.*invoices", re.IGNORECASE)
_KNOWN_BY = "invoicePeriodStartDate"
_TELLING = ("totalAmount", "billedAmount", "amountDue")
"""The amounts whose currency is that of the invoice, the first of them that names one."""

_AMOUNTS = (*_TELLING, "subTotal", "taxAmount", "azurePrepaymentApplied", "freeAzureCreditApplied")
_KINDS: dict[str, Kind] = {"Invoice": "invoice", "CreditNote": "credit_note", "Other": "invoice"}
_STATES: dict[str, Status] = {
    **dict.fromkeys(("Due", "OverDue", "Locked", "Other"), "issued"),
    "Paid": "paid",
    "Void": "voided",
}
_ACCOUNT = re.compile(r"(?P<account>.*/billingAccounts/[^/]+)/.*", re.IGNORECASE)
_AMERICAN = re.compile(r"(?P<month>\d\d)-(?P<day>\d\d)-(?P<year>\d{4})", re.ASCII)
"""How the API's description says that days are written; its answers have ISO 8601."""


class AzureInvoices:
    """The format itself."""

    name = "azure_invoices"
    reading = 2

    def recognise(self, head: Head) -> "_Invoices | None":
        """Known by invoices of the type that Azure gives them, or with the beginning of their period, and nothing else."""
        invoices = list(_invoices_in(head.json))
        return _Invoices() if invoices and all(map(_is_invoice, invoices)) else None

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """The document tells all itself."""
        return None


class _Invoices(StatementsOnly):
    def statements(self, path: Path) -> list[InvoiceStatement]:
        document = exact_json(path)
        if isinstance(document, dict) and document.get("nextLink"):
            raise UnreadableError("nextLink: the rest of the list is not in this file; expected all of it")
        invoices = list(_invoices_in(document))
        place = "invoice" if len(invoices) > 1 else "the document"
        return [_statement(_node(invoice, number, place)) for number, invoice in enumerate(invoices, start=1)]


def _node(invoice: dict[str, Any], number: int, place: str) -> Node:
    """An invoice, with what the API has in `properties` as the command line prints it."""
    where = place if place == "the document" else f"{place} {number}"
    properties = invoice.get("properties")
    return Node(invoice | properties if isinstance(properties, dict) else invoice, where)


def _invoices_in(document: object) -> Iterator[dict[str, Any]]:
    """The objects that a list, an answer's `value`, or one object is."""
    if isinstance(document, dict):
        document = document.get("value", [document])
    if isinstance(document, list):
        yield from (member for member in document if isinstance(member, dict))


def _is_invoice(member: dict[str, Any]) -> bool:
    properties = member.get("properties")
    members = member | properties if isinstance(properties, dict) else member
    type_ = member.get("type")
    return _KNOWN_BY in members or (isinstance(type_, str) and _TYPE.fullmatch(type_.strip()) is not None)


def _statement(invoice: Node) -> InvoiceStatement:
    kind = _meaning(invoice, "documentType", _KINDS, "invoice")
    sign = -1 if kind == "credit_note" else 1
    tax, net, total, billed = (
        _money(invoice, name, sign) for name in ("taxAmount", "subTotal", "totalAmount", "billedAmount")
    )
    gross = billed if total is None else total
    status = _meaning(invoice, "status", _STATES, "issued")
    currency = _currency(invoice)
    credits_ = [
        amount
        for name in ("azurePrepaymentApplied", "freeAzureCreditApplied")
        if (amount := invoice.object(name).amount("value")) is not None
    ]
    return InvoiceStatement(
        source=_SOURCE,
        account_id=invoice.text("billingProfileId") or _account(invoice.text("id")),
        external_id=invoice.needed_text("name"),
        currency=currency,
        kind=kind,
        status=status,
        gross=gross,
        net=None if total is None else net,
        tax=None if total is None else tax,
        credits=-sign * sum(map(abs, credits_), Decimal(0)) if any(credits_) else None,
        issued_on=_day(invoice, "invoiceDate"),
        due_on=_day(invoice, "dueDate"),
        period_start=_day(invoice, _KNOWN_BY),
        period_end=_day(invoice, "invoicePeriodEndDate"),
        purchase_order=invoice.text("purchaseOrderNumber"),
        refers_to=invoice.text("creditForDocumentId") if kind == "credit_note" else None,
        replaced_by=_replaced_by(invoice) if status == "voided" else None,
    )


def _currency(invoice: Node) -> str:
    """The one currency of the amounts that are read.

    Raises:
        UnreadableError: They name none, or several.
    """
    named = {name: code for name in _AMOUNTS if (code := invoice.object(name).text("currency")) is not None}
    if not named.keys() & set(_TELLING):
        raise UnreadableError(f"{invoice.place}: totalAmount, currency: missing; expected an ISO 4217 code")
    currency = next(named[name] for name in _TELLING if name in named)
    for name, code in named.items():
        if code != currency and invoice.object(name).amount("value"):
            raise UnreadableError(
                f"{invoice.place}: {name}, currency: {code}; expected {currency}, as its other amounts have: get the invoice "
                "from Azure again, and drop it in the place of this one"
            )
    return currency


def _meaning(invoice: Node, name: str, meanings: Mapping[str, Word], missing: Word) -> Word:
    """The meaning of a word; the usual one where the word is missing, as in earlier versions of the API."""
    return missing if invoice.text(name) is None else invoice.one_of(name, meanings)


def _money(invoice: Node, name: str, sign: int) -> Decimal | None:
    amount = invoice.object(name).amount("value")
    return None if amount is None else -abs(amount) if sign < 0 else amount


def _account(resource_id: str | None) -> str | None:
    """The billing account that an invoice's own id begins with."""
    match = None if resource_id is None else _ACCOUNT.fullmatch(resource_id)
    return None if match is None else match["account"]


def _day(invoice: Node, name: str) -> date | None:
    text = invoice.text(name)
    american = None if text is None else _AMERICAN.fullmatch(text)
    if american is None:
        return invoice.day(name)
    return Node({name: f"{american['year']}-{american['month']}-{american['day']}"}, invoice.place).day(name)


def _replaced_by(invoice: Node) -> str | None:
    """The invoice that was billed in place of a voided one: its place depends on the API's version and on the agreement."""
    rebill = invoice.object("rebillDetails")
    return invoice.text("billedDocumentId") or rebill.text("invoiceDocumentId") or rebill.text("latestInvoiceId")
