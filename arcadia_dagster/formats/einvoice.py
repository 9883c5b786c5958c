"""Electronic invoices by EN 16931, of any vendor: UBL 2.1 and UN/CEFACT CII, as XML or attached to a PDF.

    <Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2">...
    <CreditNote xmlns="urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2">...
    <rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100">...

These are XRechnung, Peppol BIS Billing 3.0 with its profile of Australia and New Zealand, PINT, Factur-X and ZUGFeRD 2.
The program uses such a file in two ways. First, it is the issuer's statement of the invoice: amounts with and without
tax, tax by category and rate, due date, order, seller and buyer. Second, if no other document has the invoice's lines,
it is the invoice itself. If another document has the lines, such as the provider's CSV, the two must agree.

| what is read | where it comes from |
|---|---|
| source | the seller (BT-27, BT-28), as of all issuers: Hetzner Online GmbH is `hetzner`, another its name |
| account | the number that the seller knows the buyer by (BT-46, `SupplierAssignedAccountID`), unless it is a registry's |
| id, number | BT-1 |
| month | the periods of the lines (BG-26), else of the invoice (BG-14), else the day of delivery (BT-72), else the day of issue |
| lines | BG-25 with their net amounts; allowances and charges of the whole invoice (BG-20, BG-21) as lines of their own |
| tax | a line for each category and rate (BG-23), of reverse charge at 0 too |
| total, tax | BT-112 and BT-110; what is prepaid (BT-113) and what the payment is rounded by (BT-114) are no part of them |

A credit note counts with the opposite sign of what it states: the root `CreditNote`, and the types (BT-3) 81, 83, 261,
262, 296, 308, 381, 396, 420, 458 and 532 in any syntax. A credit note of less than nothing is held, because by the
standard its amount is owed. A corrected invoice (384) counts as it states. It is held if its amount is owed: it
replaces an earlier invoice, which a person must void. A proforma invoice (325) is shown and never pushed. An invoice
without lines (Factur-X MINIMUM and BASIC WL) only states totals. The document is held if its sums (BT-106 to BT-115)
differ from its parts, even by a minor unit. It is also held if tax is stated in a category that has none (Z, E, AE, K, G,
O), if tax is not its rate of the taxable amount, or if the taxable amounts do not come to the total without tax; the last
two tolerate a difference below 1, as the official rules do.

What the program checks of a file: that it is XML with the elements that it needs, that amounts and days are written as the
standard says, and the sums and taxes above. It does not run the official schemas (XSD) and rules (schematron) over the
files that it reads: a file that breaks only these, such as one without a buyer's address, is read. The schematrons need a
processor of XSLT 2, a package of 39 MB. If you must refuse invoices that are not valid, for
instance before you deduct input tax, run a validator such as KoSIT's before the inbox. The project's own test files are
valid by the official XSDs of UBL 2.1 and Factur-X, which a test checks.

Say who you are in `sources.toml` (`buyer_tax_ids`): then an invoice that states the tax id of another buyer (BT-48, else its
registry number, BT-47) is held. As long as nobody has said it, an invoice is held if earlier invoices of the same account
state another buyer. Finance gets the buyer's tax id (`buyer_tax_id`) too.

The one invoice in an envelope of Peppol (`StandardBusinessDocument`) or SOAP is read as if it came alone; an envelope with
none or several is rejected. A byte order mark tells the encoding, else the declaration of XML; one that is wrong is
rejected, because names would come out garbled.

XML with a document type (`<!DOCTYPE`) is not read, nor are more than 64 MB, 500,000 elements, or elements 64 deep. A PDF is read
by a process of its own with 20 seconds and 1 GB; only what is attached to it is read, never what is printed on it.
Source: EN 16931-1 and CEN/TS 16931-3-2 and -3-3; Peppol BIS Billing 3.0; XRechnung 3; Factur-X 1.0 (ZUGFeRD 2); PINT A-NZ.
"""

from pathlib import Path
from typing import Any, Final

from arcadia_dagster.formats import cii, ubl
from arcadia_dagster.formats.api_json import ApiLayout, list_in
from arcadia_dagster.formats.einvoice_facts import EInvoice
from arcadia_dagster.reading.content import DAMAGED, open_content
from arcadia_dagster.reading.format import Head, NameFacts, Refusal, UnreadableError
from arcadia_dagster.reading.kept import Kept
from arcadia_dagster.reading.pdf_attachments import NoPdfInvoiceError, attached_invoice, is_pdf
from arcadia_dagster.reading.statements import InvoiceStatement, Statements, StatementsOnly
from arcadia_dagster.reading.unread import INSTEAD, WHOLE_AGAIN
from arcadia_dagster.reading.xml_document import MAX_XML_BYTES, Element, read_xml, root_of

_NAMESPACES = (*ubl.NAMESPACES, *cii.NAMESPACES)
_ROOTS = frozenset({*ubl.ROOTS, *cii.ROOTS})
_NAMES = frozenset(root.rpartition(" ")[2] for root in _ROOTS)
_ENVELOPES = frozenset(
    {
        "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader StandardBusinessDocument",
        "http://schemas.xmlsoap.org/soap/envelope/ Envelope",
        "http://www.w3.org/2003/05/soap-envelope Envelope",
    }
)
"""What networks send an invoice in: Peppol and others (UN/CEFACT SBDH 1.3), and web services (SOAP 1.1 and 1.2)."""
_START = 64 << 10
_MARK = "\xef\xbb\xbf"
"""The byte order mark of UTF-8, read as Latin-1."""

_MOST_LINES_KEPT = 200_000
_WEIGHT = 10
"""What an electronic invoice weighs besides its lines, in lines."""

_FIELDS = (
    *(
        "account",
        "external_id",
        "invoice_number",
        "month",
        "issued",
        "total",
        "tax",
        "category",
        "service",
        "description",
    ),
    *("start", "end", "quantity", "unit", "amount", "currency", "draft", "refers_to", "doubt", "source", "vendor"),
)


def read_einvoice(path: Path) -> EInvoice:
    """The electronic invoice that a document is, or that is attached to it.

    Raises:
        UnreadableError: It is none, or cannot be read as one.
    """
    return _KEPT.of(path)


def _read(path: Path) -> EInvoice:
    content = _xml(path)
    root = read_xml(content, _NAMESPACES)
    if root.name in _ENVELOPES:
        root = _inside(root)
    match root.name:
        case "Invoice" | "CreditNote":
            return ubl.read_ubl(root)
        case "CrossIndustryInvoice":
            return cii.read_cii(root)
        case name:
            raise UnreadableError(
                f"line {root.line}: it is {name[:60]}; expected an Invoice, a CreditNote or a CrossIndustryInvoice"
            )


def _inside(envelope: Element) -> Element:
    """The one invoice in an envelope.

    Raises:
        UnreadableError: There is none in it, or there are several.
    """
    name = envelope.name.rpartition(" ")[2]
    invoices: list[Element] = []
    others = [envelope]
    while others:
        for element in others.pop().children:
            (invoices if element.name in _NAMES else others).append(element)
    if len(invoices) == 1:
        return invoices[0]
    if not invoices:
        raise UnreadableError(
            f"line {envelope.line}: it is an envelope ({name}) without a UBL or CII invoice in it: unpack what is in it, "
            "and drop the invoice by itself, as UBL 2.1 or CII"
        )
    raise UnreadableError(
        f"line {max(element.line for element in invoices)}: it is an envelope ({name}) with {len(invoices)} invoices: save each "
        "of them (the whole element Invoice, CreditNote or CrossIndustryInvoice) as a file of its own, and drop those"
    )


def _xml(path: Path) -> bytes:
    try:
        with open_content(path) as file:
            content = file.read(MAX_XML_BYTES + 1)
    except DAMAGED as error:
        raise UnreadableError(f"it cannot be unpacked: {error}; {WHOLE_AGAIN}") from error
    if not is_pdf(content[:_START].decode("latin-1").removeprefix(_MARK)):
        return content
    attached = attached_invoice(path)
    if attached is None:
        raise UnreadableError(f"it is a PDF without an electronic invoice in it: {INSTEAD}")
    return attached


_KEPT: Final = Kept(_read, weight=lambda invoice: len(invoice.lines) + _WEIGHT, most=_MOST_LINES_KEPT)


class _Layout(ApiLayout, Statements):
    """An invoice with its lines; see the module."""

    source = "unknown"
    yields = True
    columns = {"records": "JSON[]"}  # noqa: RUF012 - a constant
    records = "[{'record': x} FOR x IN records]"
    fields = {name: f"record->>'$.{name}'" for name in _FIELDS}  # noqa: RUF012
    named = {  # noqa: RUF012
        "external_id": "BT-1, the number",
        "total": "BT-112, the total with tax",
        "tax": "BT-110, the tax",
        "issued": "BT-2, the day of issue",
        "currency": "BT-5, the currency",
        "amount": "a line's net amount or a tax",
        "quantity": "BT-129, a quantity",
        "start": "the start of a period",
        "end": "the end of a period",
        "month": "BT-72, the day of delivery",
    }

    def document(self, path: Path) -> dict[str, Any]:
        """The lines as the facts have them."""
        return {"records": read_einvoice(path).records()}

    def count(self, document: dict[str, Any]) -> int:
        """See `ApiLayout`."""
        return len(list_in(document, "records"))

    def statements(self, path: Path) -> list[InvoiceStatement]:
        """The one invoice that it states."""
        return [read_einvoice(path).statement()]


class _Stated(StatementsOnly):
    """An invoice without lines."""

    def statements(self, path: Path) -> list[InvoiceStatement]:
        """The one invoice that it states."""
        return [read_einvoice(path).statement()]


def _is_einvoice(start: str) -> bool:
    """Whether XML that begins so is an electronic invoice; with a document type too, so that the rejection says why."""
    if not start.lstrip().startswith("<"):
        return False
    root = root_of(start)
    return (
        root in _ROOTS
        or root in _ENVELOPES
        or ("<!DOCTYPE" in start and any(root.split()[0] in start for root in _ROOTS))
    )


_LAYOUT = _Layout()
_STATED = _Stated()


class EInvoices:
    """The format itself."""

    name = "einvoice"
    reading = 6

    def recognise(self, head: Head) -> "_Layout | _Stated | Refusal | None":
        """Known by the root of XML and its namespace, and by such XML in a PDF."""
        if head.path is None:
            return None
        try:
            if is_pdf(head.text):
                attached = attached_invoice(head.path)
                if attached is None or not _is_einvoice(attached[:_START].decode("latin-1").removeprefix(_MARK)):
                    # It may show an invoice to people all the same: `evidence` says what it is.
                    return None
            elif not _is_einvoice(head.text):
                return None
            invoice = read_einvoice(head.path)
            # Make the lines here already: a problem here can still reject the document with its reason.
            invoice.records()
        except NoPdfInvoiceError:
            return None
        except UnreadableError as error:
            return Refusal(str(error), stands=True)
        return _LAYOUT if invoice.has_lines else _STATED

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """The document tells all itself."""
        return None
