"""Electronic invoices in the syntax of UBL 2.1: where it has the business terms of EN 16931.

Source: CEN/TS 16931-3-2 (the syntax binding to UBL 2.1), as Peppol BIS Billing 3.0 and XRechnung publish it; OASIS UBL 2.1
for what is beside it (`SupplierAssignedAccountID`, `PaymentCurrencyCode`).
"""

from collections.abc import Iterator
from decimal import Decimal

from arcadia_dagster.formats.einvoice_facts import CREDIT_NOTES, EInvoice, Line, Party, Tax, Totals, money_of
from arcadia_dagster.reading.format import UnreadableError
from arcadia_dagster.reading.xml_document import Element

_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
INVOICE = f"{_UBL}Invoice-2"
CREDIT_NOTE = f"{_UBL}CreditNote-2"
NAMESPACES = (INVOICE, CREDIT_NOTE, f"{_UBL}CommonAggregateComponents-2", f"{_UBL}CommonBasicComponents-2")
ROOTS = (f"{INVOICE} Invoice", f"{CREDIT_NOTE} CreditNote")
"""The roots of its documents, with their namespace."""

_NOT_ORDERED = "NA"
"""Peppol's placeholder for a purchase order where only the seller's order is known."""

_VAT = frozenset({"VAT", "GST"})
"""The tax schemes of a number for VAT: `GST` is that of Peppol's Australian profile."""


def read_ubl(root: Element) -> EInvoice:
    """The invoice or credit note.

    Raises:
        UnreadableError: Something is missing, or cannot be read.
    """
    is_credit_note = root.name == "CreditNote"
    type_code = root.text_at("CreditNoteTypeCode" if is_credit_note else "InvoiceTypeCode")
    type_code = type_code or ("381" if is_credit_note else "380")
    currency = root.needed_text("DocumentCurrencyCode")
    order = root.text_at("OrderReference/ID")
    return EInvoice(
        number=root.needed_text("ID"),
        type_code=type_code,
        is_credit=is_credit_note or type_code in CREDIT_NOTES,
        issued_on=root.needed("IssueDate").day(),
        due_on=root.day_at("DueDate") or root.day_at("PaymentMeans/PaymentDueDate"),
        currency=currency,
        seller=_party(root.needed("AccountingSupplierParty/Party")),
        buyer=_buyer(root.first("AccountingCustomerParty")),
        lines=(*_lines(root, currency), *_adjustments(root, currency)),
        taxes=tuple(_taxes(root, currency)),
        totals=_totals(root, currency),
        period_start=root.day_at("InvoicePeriod/StartDate"),
        period_end=root.day_at("InvoicePeriod/EndDate"),
        delivered_on=root.day_at("Delivery/ActualDeliveryDate"),
        terms=root.text_at("PaymentTerms/Note"),
        purchase_order=None if order == _NOT_ORDERED else order,
        preceding=tuple(
            text
            for reference in root.all("BillingReference")
            for name in ("InvoiceDocumentReference/ID", "CreditNoteDocumentReference/ID")
            if (text := reference.text_at(name))
        ),
        payment_currency=root.text_at("PaymentCurrencyCode"),
        payment_amount=root.amount_at("LegalMonetaryTotal/PayableAlternativeAmount"),
        payment_rate=root.amount_at("PaymentExchangeRate/CalculationRate"),
    )


def _buyer(customer: Element | None) -> Party:
    party = customer and customer.first("Party")
    if customer is None or party is None:
        return Party(None)
    ids = (
        identification.text
        for identification in party.all("PartyIdentification/ID")
        if "schemeID" not in identification.attributes
    )
    number = customer.text_at("SupplierAssignedAccountID") or next(
        (identifier for identifier in ids if identifier), None
    )
    return _party(party, number)


def _party(party: Element, number: str | None = None) -> Party:
    trade_name = party.text_at("PartyName/Name")
    # A seller may have a number for other taxes too (BT-32), such as a German Steuernummer, in front of that for VAT (BT-31).
    schemes = sorted(party.all("PartyTaxScheme"), key=lambda scheme: scheme.text_at("TaxScheme/ID") not in _VAT)
    tax_ids = (scheme.text_at("CompanyID") for scheme in schemes)
    return Party(
        party.text_at("PartyLegalEntity/RegistrationName") or trade_name,
        trade_name,
        next((tax_id for tax_id in tax_ids if tax_id), None) or party.text_at("PartyLegalEntity/CompanyID"),
        party.text_at("PostalAddress/Country/IdentificationCode"),
        number,
    )


def _lines(root: Element, currency: str) -> Iterator[Line]:
    is_credit_note = root.name == "CreditNote"
    for line in root.all("CreditNoteLine" if is_credit_note else "InvoiceLine"):
        quantity = line.only("CreditedQuantity" if is_credit_note else "InvoicedQuantity")
        yield Line(
            "line",
            money_of(line.needed("LineExtensionAmount"), currency),
            line.text_at("Item/Name"),
            line.text_at("Item/Description") or line.text_at("Note"),
            None if quantity is None else quantity.amount(),
            None if quantity is None else quantity.attributes.get("unitCode"),
            line.day_at("InvoicePeriod/StartDate"),
            line.day_at("InvoicePeriod/EndDate"),
        )


def _adjustments(root: Element, currency: str) -> Iterator[Line]:
    for adjustment in root.all("AllowanceCharge"):
        yield Line(
            "charge" if adjustment.needed("ChargeIndicator").is_true() else "allowance",
            money_of(adjustment.needed("Amount"), currency),
            description=adjustment.text_at("AllowanceChargeReason"),
        )


def _taxes(root: Element, currency: str) -> Iterator[Tax]:
    for total in _own_tax_totals(root, currency):
        for tax in total.all("TaxSubtotal"):
            taxable, rate = tax.only("TaxableAmount"), tax.amount_at("TaxCategory/Percent")
            yield Tax(
                money_of(tax.needed("TaxAmount"), currency),
                tax.text_at("TaxCategory/ID"),
                tax.amount_at("Percent") if rate is None else rate,
                None if taxable is None else money_of(taxable, currency),
                tax.text_at("TaxCategory/TaxExemptionReason"),
                tax.text_at("TaxCategory/TaxScheme/ID") or "VAT",
            )


def _own_tax_totals(root: Element, currency: str) -> list[Element]:
    """The totals of tax in the invoice's currency: a further one may be in that in which tax is accounted for (BT-111)."""
    totals = list(root.all("TaxTotal"))
    own = [total for total in totals if total.needed("TaxAmount").attributes.get("currencyID", currency) == currency]
    if totals and not own:
        raise UnreadableError(
            f"line {totals[0].line}, TaxTotal: it is not in {currency}; expected the tax in the invoice's currency"
        )
    return own


def _totals(root: Element, currency: str) -> Totals:
    total = root.needed("LegalMonetaryTotal")

    def stated(name: str) -> Decimal | None:
        amount = total.only(name)
        return None if amount is None else money_of(amount, currency)

    own = _own_tax_totals(root, currency)
    with_tax = money_of(total.needed("TaxInclusiveAmount"), currency)
    return Totals(
        with_tax,
        stated("TaxExclusiveAmount"),
        sum((money_of(tax_total.needed("TaxAmount"), currency) for tax_total in own), Decimal(0)) if own else None,
        stated("LineExtensionAmount"),
        stated("AllowanceTotalAmount"),
        stated("ChargeTotalAmount"),
        stated("PrepaidAmount"),
        stated("PayableRoundingAmount"),
        stated("PayableAmount"),
    )
