"""What an issuer itself states of an invoice, beside what its lines come to: the second witness of a record.

Amounts are in major units of the currency, exact, and signed: a credit note counts with the opposite sign of what it states,
whatever its syntax. What a document does not tell is None.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["invoice", "credit_note"]

Status: TypeAlias = Literal["draft", "issued", "paid", "voided"]


@dataclass(frozen=True, slots=True)
class StatedTax:
    """One row of an invoice's tax breakdown (EN 16931, BG-23).

    Attributes:
        category: The tax category's code (UNCL 5305): `S` standard rate, `Z` zero rate, `E` exempt, `AE` reverse charge, `K`
            intra-community supply, `G` export, `O` outside of the scope.
        rate: In percent, such as 19.
        taxable: The amount that is taxed.
        amount: The tax.
        reason: Why there is none, in the issuer's words.
    """

    category: str | None
    rate: Decimal | None
    taxable: Decimal | None
    amount: Decimal | None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceStatement:
    """An invoice as its issuer states it.

    Attributes:
        source: Who issued it, as finance knows it.
        account_id: The account there.
        external_id: Its id, which finance tells it apart by: the same as documents with its lines have.
        invoice_number: The number printed on it.
        kind: Whether it is owed or given back.
        status: What has become of it: `voided` where its issuer has taken it back, `draft` where it is not issued yet.
        currency: ISO 4217 code of the amounts.
        gross: What is owed, tax included.
        net: The same without tax.
        tax: The tax.
        credits: What credits and prepayments have taken from it, below 0; lines may leave them out.
        taxes: The tax by category and rate.
        issued_on: The day of issue.
        due_on: The day on which it is to be paid.
        period_start: The first day of what it bills.
        period_end: The last day of that, inclusive.
        terms: The terms of payment, in the issuer's words.
        purchase_order: The buyer's order that it refers to.
        seller_name: The legal seller.
        seller_tax_id: The seller's tax or VAT number.
        seller_country: ISO 3166-1 alpha-2.
        buyer_name: The legal buyer.
        buyer_tax_id: The buyer's tax or VAT number.
        refers_to: The id or number of the invoice that a credit note is about.
        replaced_by: The id of the invoice that has taken its place, where it is voided.
        payment_currency: ISO 4217 code of what is paid, where it is another currency.
        payment_amount: What is paid in that currency.
        payment_rate: Units of the payment currency for one of the currency.
        doubts: What holds the invoice until a person releases it, beside what differs from its lines: each a sentence.
    """

    source: str
    external_id: str
    currency: str
    account_id: str | None = None
    invoice_number: str | None = None
    kind: Kind = "invoice"
    status: Status = "issued"
    gross: Decimal | None = None
    net: Decimal | None = None
    tax: Decimal | None = None
    credits: Decimal | None = None
    taxes: tuple[StatedTax, ...] = field(default=())
    issued_on: date | None = None
    due_on: date | None = None
    period_start: date | None = None
    period_end: date | None = None
    terms: str | None = None
    purchase_order: str | None = None
    seller_name: str | None = None
    seller_tax_id: str | None = None
    seller_country: str | None = None
    buyer_name: str | None = None
    buyer_tax_id: str | None = None
    refers_to: str | None = None
    replaced_by: str | None = None
    payment_currency: str | None = None
    payment_amount: Decimal | None = None
    payment_rate: Decimal | None = None
    doubts: tuple[str, ...] = field(default=())


class Statements(ABC):
    """How a document is read for what it states of invoices. A layout with lines may be one too."""

    __slots__ = ()

    @abstractmethod
    def statements(self, path: Path) -> list[InvoiceStatement]:
        """The invoices that it states, in its order: of a layout with lines, in that of its invoices.

        Raises:
            UnreadableError: The document is not what it seemed.
        """


class StatementsOnly(Statements):
    """How a document is read that states invoices without their lines."""

    __slots__ = ()
