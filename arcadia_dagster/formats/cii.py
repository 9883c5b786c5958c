"""Electronic invoices in the syntax of UN/CEFACT's Cross Industry Invoice: where it has the business terms of EN 16931.

Source: CEN/TS 16931-3-3 (the syntax binding to CII D16B), as Factur-X 1.0, ZUGFeRD 2 and XRechnung publish it, with their
profiles MINIMUM, BASIC WL, BASIC, EN 16931 and EXTENDED.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal

from arcadia_dagster.formats.einvoice_facts import CREDIT_NOTES, EInvoice, Line, Party, Tax, Totals, money_of
from arcadia_dagster.reading.format import UnreadableError
from arcadia_dagster.reading.xml_document import Element

_DATA = "urn:un:unece:uncefact:data:"
CROSS_INDUSTRY_INVOICE = f"{_DATA}standard:CrossIndustryInvoice:100"
NAMESPACES = (
    CROSS_INDUSTRY_INVOICE,
    f"{_DATA}standard:ReusableAggregateBusinessInformationEntity:100",
    f"{_DATA}standard:QualifiedDataType:100",
    f"{_DATA}standard:UnqualifiedDataType:100",
)
ROOTS = (f"{CROSS_INDUSTRY_INVOICE} CrossIndustryInvoice",)
"""The root of its documents, with its namespace."""

_NO_LINES = frozenset({"GROUP", "INFORMATION"})
"""Lines of the profile EXTENDED that head others or only inform: their amounts are no part of the sums."""

_VAT_NUMBER = "VA"
_DAY_DIGITS = 8
_DAY_FORMATS = frozenset({"102", "203", "204"})
"""CCYYMMDD, and with minutes or seconds behind it (UNCL 2379)."""


def read_cii(root: Element) -> EInvoice:
    """The invoice or credit note.

    Raises:
        UnreadableError: Something is missing, or cannot be read.
    """
    document = root.needed("ExchangedDocument")
    trade = root.needed("SupplyChainTradeTransaction")
    agreement = trade.needed("ApplicableHeaderTradeAgreement")
    settlement = trade.needed("ApplicableHeaderTradeSettlement")
    currency = settlement.needed_text("InvoiceCurrencyCode")
    type_code = document.needed_text("TypeCode")
    is_test = root.only("ExchangedDocumentContext/TestIndicator/Indicator")
    payment = settlement.first("PaymentApplicableTradeCurrencyExchange")
    period = "BillingSpecifiedPeriod"
    return EInvoice(
        number=document.needed_text("ID"),
        type_code=type_code,
        is_credit=type_code in CREDIT_NOTES,
        issued_on=_day(document.needed("IssueDateTime/DateTimeString")),
        due_on=_day_at(settlement, "SpecifiedTradePaymentTerms/DueDateDateTime/DateTimeString"),
        currency=currency,
        seller=_party(agreement.needed("SellerTradeParty")),
        buyer=_buyer(agreement.first("BuyerTradeParty")),
        lines=(*_lines(trade, currency), *_adjustments(settlement, currency)),
        taxes=tuple(_taxes(settlement, currency)),
        totals=_totals(settlement, currency),
        period_start=_day_at(settlement, f"{period}/StartDateTime/DateTimeString"),
        period_end=_day_at(settlement, f"{period}/EndDateTime/DateTimeString"),
        delivered_on=_day_at(
            trade, "ApplicableHeaderTradeDelivery/ActualDeliverySupplyChainEvent/OccurrenceDateTime/DateTimeString"
        ),
        terms=settlement.text_at("SpecifiedTradePaymentTerms/Description"),
        purchase_order=agreement.text_at("BuyerOrderReferencedDocument/IssuerAssignedID"),
        preceding=tuple(
            text
            for reference in settlement.all("InvoiceReferencedDocument")
            if (text := reference.text_at("IssuerAssignedID"))
        ),
        payment_currency=None if payment is None else payment.text_at("TargetCurrencyCode"),
        payment_rate=None if payment is None else payment.amount_at("ConversionRate"),
        is_test=is_test is not None and is_test.is_true(),
    )


def _buyer(buyer: Element | None) -> Party:
    # Its global id is that of the company, and not the seller's number for it.
    return Party(None) if buyer is None else _party(buyer, buyer.text_at("ID"))


def _party(party: Element, number: str | None = None) -> Party:
    trade_name = party.text_at("SpecifiedLegalOrganization/TradingBusinessName")
    registrations = list(party.all("SpecifiedTaxRegistration/ID"))
    registrations.sort(key=lambda registration: registration.attributes.get("schemeID") != _VAT_NUMBER)
    tax_ids = (registration.text for registration in registrations)
    return Party(
        party.text_at("Name") or trade_name,
        trade_name,
        next((tax_id for tax_id in tax_ids if tax_id), None) or party.text_at("SpecifiedLegalOrganization/ID"),
        party.text_at("PostalTradeAddress/CountryID"),
        number,
    )


def _lines(trade: Element, currency: str) -> Iterator[Line]:
    for line in trade.all("IncludedSupplyChainTradeLineItem"):
        if line.text_at("AssociatedDocumentLineDocument/LineStatusReasonCode") in _NO_LINES:
            continue
        settlement = line.needed("SpecifiedLineTradeSettlement")
        quantity = line.only("SpecifiedLineTradeDelivery/BilledQuantity")
        amount = settlement.needed("SpecifiedTradeSettlementLineMonetarySummation/LineTotalAmount")
        yield Line(
            "line",
            money_of(amount, currency),
            line.text_at("SpecifiedTradeProduct/Name"),
            line.text_at("SpecifiedTradeProduct/Description")
            or line.text_at("AssociatedDocumentLineDocument/IncludedNote/Content"),
            None if quantity is None else quantity.amount(),
            None if quantity is None else quantity.attributes.get("unitCode"),
            _day_at(settlement, "BillingSpecifiedPeriod/StartDateTime/DateTimeString"),
            _day_at(settlement, "BillingSpecifiedPeriod/EndDateTime/DateTimeString"),
        )


def _adjustments(settlement: Element, currency: str) -> Iterator[Line]:
    for adjustment in settlement.all("SpecifiedTradeAllowanceCharge"):
        yield Line(
            "charge" if adjustment.needed("ChargeIndicator/Indicator").is_true() else "allowance",
            money_of(adjustment.needed("ActualAmount"), currency),
            description=adjustment.text_at("Reason"),
        )
    # Of the profile EXTENDED: a charge for bringing it.
    for charge in settlement.all("SpecifiedLogisticsServiceCharge"):
        yield Line(
            "charge", money_of(charge.needed("AppliedAmount"), currency), description=charge.text_at("Description")
        )


def _taxes(settlement: Element, currency: str) -> Iterator[Tax]:
    for tax in settlement.all("ApplicableTradeTax"):
        taxable = tax.only("BasisAmount")
        yield Tax(
            money_of(tax.needed("CalculatedAmount"), currency),
            tax.text_at("CategoryCode"),
            tax.amount_at("RateApplicablePercent"),
            None if taxable is None else money_of(taxable, currency),
            tax.text_at("ExemptionReason"),
            tax.text_at("TypeCode") or "VAT",
        )


def _totals(settlement: Element, currency: str) -> Totals:
    total = settlement.needed("SpecifiedTradeSettlementHeaderMonetarySummation")

    def stated(name: str) -> Decimal | None:
        # Tax and other totals may be stated a second time, in the currency for accounting (BT-111).
        amounts = [amount for amount in total.all(name) if amount.attributes.get("currencyID", currency) == currency]
        if len(amounts) > 1:
            raise UnreadableError(f"line {amounts[1].line}, {name}: it is there a second time; expected it once")
        return money_of(amounts[0], currency) if amounts else None

    with_tax = stated("GrandTotalAmount")
    if with_tax is None:
        raise UnreadableError(
            f"line {total.line}, {total.name}: GrandTotalAmount is missing; expected it in {currency[:20]}"
        )
    return Totals(
        with_tax,
        stated("TaxBasisTotalAmount"),
        stated("TaxTotalAmount"),
        stated("LineTotalAmount"),
        stated("AllowanceTotalAmount"),
        stated("ChargeTotalAmount"),
        stated("TotalPrepaidAmount"),
        stated("RoundingAmount"),
        stated("DuePayableAmount"),
    )


def _day_at(element: Element, path: str) -> date | None:
    day = element.first(path)
    return None if day is None else _day(day)


def _day(element: Element) -> date:
    digits = (element.text or "")[:_DAY_DIGITS]
    is_known = element.attributes.get("format", "102") in _DAY_FORMATS
    if is_known and digits.isascii() and digits.isdecimal() and len(digits) == _DAY_DIGITS:
        with suppress(ValueError):
            return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    raise element.wrong("a day such as 20261031, with the format 102")
