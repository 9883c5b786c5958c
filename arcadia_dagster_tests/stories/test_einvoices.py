"""Electronic invoices: alone they are the invoice, beside its lines they are the second witness."""

from collections.abc import Collection
from decimal import Decimal

import pytest

from arcadia_dagster.formats import einvoice
from arcadia_dagster.reading import xml_document
from arcadia_dagster.reading.xml_document import Element
from arcadia_dagster.reports.explain import explain, find
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.einvoices import (
    PEPPOL,
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
from arcadia_dagster_tests.kit.plain import archive_of
from arcadia_dagster_tests.kit.project import Project

NUMBER = "080000869173"
CSV_NAME = f"Hetzner_2026-11-03_{NUMBER}.csv"
CSV = b"""Server,Cloud server CX22,2026-10-01,2026-10-31,720,"0.0833","60.00",1
Volume,Volume 100 GB,2026-10-01,2026-10-31,1,"40.00","40.00",
"""
REVERSE = Tax("0.00", "100.00", "0", "AE", "Reverse charge")
BOTH = pytest.mark.parametrize("syntax", SYNTAXES)


@pytest.fixture
def project(project: Project) -> Project:
    """A project that reads by the descriptions that come with the program too, such as that of Hetzner's CSV."""
    project.describe()
    return project


def finance(project: Project) -> dict[str, tuple[int, int, int, str]]:
    """What finance has, by the invoice's id: gross, net, tax, currency."""
    assert project.sandbox is not None
    rows = project.sandbox.invoices()
    assert len({row["external_id"] for row in rows}) == len(rows)
    return {
        row["external_id"]: (
            row["amount_gross_minor"],
            row["amount_net_minor"],
            row["amount_tax_minor"],
            row["currency"],
        )
        for row in rows
    }


@case("121")
def test_alone_it_is_the_invoice_of_any_vendor(project: Project) -> None:
    australian = Facts(
        currency="AUD",
        scheme="GST",
        seller="Amazon Web Services Australia Pty Ltd",
        seller_tax_id="63605345891",
        taxes=(Tax("10.00", "100.00", "10"),),
    )
    files = {
        "xrechnung.xml": ubl(Facts(number="X-1", seller="Eine Cloud GmbH", customization=XRECHNUNG)),
        "peppol.xml": ubl(Facts(number="P-1", seller="Snowflake Inc.", customization=PEPPOL, start=None, end=None)),
        "au.xml": ubl(australian.with_(number="AU-1", customization=PEPPOL_AU)),
        "zugferd.pdf": zugferd(Facts(number="Z-1")),
        # Google's own exports are before tax; its invoice says that there is none.
        "reverse.xml": cii(Facts(number="G-1", seller="Google Cloud EMEA Limited", taxes=(REVERSE,))),
    }
    for name, content in files.items():
        project.drop(name, content)
    project.build()
    assert finance(project) == {
        "X-1": (11900, 10000, 1900, "EUR"),
        "P-1": (11900, 10000, 1900, "EUR"),
        "AU-1": (11000, 10000, 1000, "AUD"),
        "Z-1": (11900, 10000, 1900, "EUR"),
        "G-1": (10000, 10000, 0, "EUR"),
    }
    assert {number: project.invoice(number)["source"] for number in finance(project)} == {
        "X-1": "eine-cloud",
        "P-1": "snowflake",
        "AU-1": "aws",
        "Z-1": "hetzner",
        "G-1": "gcp",
    }
    assert {project.invoice(number)["account_id"] for number in finance(project)} == {"K0123456789"}
    [tax] = [line for line in project.lines("G-1") if line["charge_category"] == "Tax"]
    assert (tax["amount"], tax["description"]) == (0, "VAT 0% (reverse charge: Reverse charge)")
    stated = project.query("SELECT * FROM stated_invoices WHERE external_id = 'AU-1'")[0]
    assert (stated["seller_tax_id"], stated["purchase_order"]) == ("63605345891", "PO-7")
    [witness] = explain(project.warehouse, archive_of(project.warehouse), find(project.warehouse, "G-1"))["stated"]
    [row] = witness["taxes"]
    assert (row["category"], row["rate"], row["taxable_amount"], row["tax_amount"]) == ("AE", "0", "100", "0")
    assert row["reason"] == "Reverse charge"


@case("121")
@pytest.mark.parametrize("first", ["csv", "pdf", "both"])
def test_beside_its_lines_it_is_the_second_witness_whichever_comes_first(project: Project, first: str) -> None:
    files = {"csv": (CSV_NAME, CSV), "pdf": (f"Hetzner_{NUMBER}.pdf", zugferd(Facts(number=NUMBER)))}
    for what in files if first == "both" else [first]:
        project.drop(*files[what])
    if first != "both":
        project.build()
        for what in files.keys() - {first}:
            project.drop(*files[what])
    project.build()
    assert finance(project) == {NUMBER: (11900, 10000, 1900, "EUR")}
    invoice = project.invoice(NUMBER)
    assert (invoice["status"], invoice["hold_reasons"]) == ("ready", [])
    current = project.query(
        "SELECT file_name, is_statement FROM raw_invoices WHERE status = 'current' ORDER BY is_statement"
    )
    assert current == [
        {"file_name": CSV_NAME, "is_statement": False},
        {"file_name": f"Hetzner_{NUMBER}.pdf", "is_statement": True},
    ]
    amounts = [
        (line["charge_category"], line["amount"]) for line in project.lines(NUMBER) if line["charge_category"] != "Tax"
    ]
    assert sorted(amounts) == [("Usage", Decimal(40)), ("Usage", Decimal(60))]
    project.forget_warehouse()
    project.build()
    assert finance(project) == {NUMBER: (11900, 10000, 1900, "EUR")}


@case("121")
@BOTH
def test_a_cent_of_difference_is_held_with_both_figures(project: Project, syntax: str) -> None:
    project.drop(CSV_NAME, CSV)
    other = Facts(number=NUMBER, lines=(Line("60.00"), Line("40.01")), taxes=(Tax("0.00", "100.01", "0", "AE"),))
    project.drop("invoice.xml", SYNTAXES[syntax](other))
    project.drop("itself.xml", SYNTAXES[syntax](Facts(number="S-1", totals=(("gross", "119.01"), ("due", "119.01")))))
    project.build()
    assert finance(project) == {}
    [reason] = project.invoice(NUMBER)["hold_reasons"]
    assert reason.startswith("the total that it states, 100.01 EUR, differs from the sum of its lines, 100.00 EUR")
    [reason] = project.invoice("S-1")["hold_reasons"]
    assert reason.startswith("the total that it states, 119.01 EUR, differs from the sum of its lines, 119.00 EUR")
    project.release_as_stated(NUMBER)
    project.settle("release", "S-1")
    project.build()
    assert finance(project) == {NUMBER: (10001, 10001, 0, "EUR"), "S-1": (11900, 10000, 1900, "EUR")}


@case("122")
@BOTH
def test_a_credit_note_counts_below_nothing_in_any_syntax(project: Project, syntax: str) -> None:
    project.drop("invoice.xml", SYNTAXES[syntax](Facts(number="R-1")))
    project.drop("credit.xml", SYNTAXES[syntax](Facts(number="C-1", type_code="381", preceding=("R-1",))))
    negative = Facts(number="C-2", type_code="381", lines=(Line("-1.00", "Fee"),), taxes=(Tax("-0.19", "-1.00"),))
    project.drop("owed.xml", SYNTAXES[syntax](negative))
    corrected = Facts(
        number="K-1", type_code="384", preceding=("R-1",), lines=(Line("7.00", "Fee"),), taxes=(Tax("0", "7"),)
    )
    project.drop("corrected.xml", SYNTAXES[syntax](corrected))
    project.drop("proforma.xml", SYNTAXES[syntax](corrected.with_(number="F-1", type_code="325")))
    project.build()
    assert finance(project) == {"R-1": (11900, 10000, 1900, "EUR"), "C-1": (-11900, -10000, -1900, "EUR")}
    stated = project.query("SELECT kind, refers_to, amount_gross FROM stated_invoices WHERE external_id = 'C-1'")
    assert stated == [{"kind": "credit_note", "refers_to": "R-1", "amount_gross": Decimal(-119)}]
    held = {number: " ".join(project.invoice(number)["hold_reasons"]) for number in ("C-2", "K-1", "F-1")}
    assert "owed.xml: it is a credit note of -1.19 EUR" in held["C-2"]
    assert "corrected.xml: it is a corrected invoice (384), which replaces R-1" in held["K-1"]
    assert "it is a preview or has no id" in held["F-1"]
    project.settle("release", "K-1")
    project.build()
    assert finance(project)["K-1"] == (700, 700, 0, "EUR")


@case("153")
@BOTH
def test_tax_that_its_category_or_rate_does_not_bear_is_held_until_somebody_releases_it(
    project: Project, syntax: str
) -> None:
    taxed = Tax("19.00", "100.00", "19", "AE", "Reverse charge")
    project.drop("reverse.xml", SYNTAXES[syntax](Facts(number="A-1", seller="A GmbH", taxes=(taxed,))))
    project.drop(
        "rate.xml", SYNTAXES[syntax](Facts(number="B-1", seller="B GmbH", taxes=(Tax("19.00", "100.00", "7"),)))
    )
    part = Facts(number="C-1", seller="C GmbH", taxes=(Tax("7.60", "40.00"),))
    project.drop("part.xml", SYNTAXES[syntax](part))
    project.build()
    assert finance(project) == {}
    held = {number: " ".join(project.invoice(number)["hold_reasons"]) for number in ("A-1", "B-1", "C-1")}
    assert (
        "reverse.xml: it states 19.00 EUR of VAT in the category AE, reverse charge, which has none: ask" in held["A-1"]
    )
    assert "rate.xml: it states 19.00 EUR of VAT at 7 % on 100.00 EUR, which comes to 7: ask its sender" in held["B-1"]
    assert (
        "part.xml: its taxable amounts (BT-116) come to 40.00 EUR, and its total without tax to 100.00" in held["C-1"]
    )
    project.settle("release", "C-1")
    project.drop("reverse.xml", SYNTAXES[syntax](Facts(number="A-1", seller="A GmbH", taxes=(REVERSE,))))
    project.build()
    assert finance(project) == {"A-1": (10000, 10000, 0, "EUR"), "C-1": (10760, 10000, 760, "EUR")}


REJECTED = {
    "laughs.xml": (
        ubl(declaration='<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'),
        "it has a document type",
    ),
    "file.xml": (cii(declaration='<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'), "it has a document type"),
    "deep.xml": (ubl().replace(b"<cac:InvoiceLine>", b"<x>" * 100 + b"<cac:InvoiceLine>"), "64 deep"),
    "cut.xml": (cii()[:-30], "it is not XML"),
    "comma.xml": (ubl().replace(b">60.00<", b">60,00<"), "LineExtensionAmount: '60,00'; expected an amount"),
    "plain.pdf": (pdf({}), "it is a PDF without an electronic invoice in it, so only people can read it"),
    "picture.pdf": (pdf({"a.png": b"\x89PNG"}), "it is a PDF without an electronic invoice in it"),
    "locked.pdf": (pdf({"factur-x.xml": cii()}, password="secret"), "it is a PDF with a password"),
    "half.pdf": (zugferd()[:900], "it is a PDF that is damaged or not whole: download it again"),
    "two.pdf": (pdf({"factur-x.xml": cii(), "b.xml": ubl(Facts(number="B"))}), "several electronic invoices"),
}


@case("123")
def test_what_is_dangerous_or_damaged_is_rejected_with_words_and_the_others_go_on(project: Project) -> None:
    for name, (content, _) in REJECTED.items():
        project.drop(name, content)
    project.drop("good.xml", cii(Facts(number="R-1")))
    project.build()
    for name, (_, words) in REJECTED.items():
        document = project.document(name)
        assert document["status"] == "rejected", name
        assert words in document["reason"], name
    assert finance(project) == {"R-1": (11900, 10000, 1900, "EUR")}


@case("160")
def test_an_invoice_in_an_envelope_counts_once_and_what_to_unwrap_or_convert_is_said(project: Project) -> None:
    lie = ubl(Facts(number="L-1", seller="Größer AG")).decode().encode("latin-1")
    rejected = {
        "two.xml": (peppol_envelope(ubl(Facts(number="E-2")), cii(Facts(number="E-3"))), "with 2 invoices: save each"),
        "none.xml": (peppol_envelope(b"<Order/>"), "without a UBL or CII invoice in it"),
        "lie.xml": (lie, "the byte 0xf6 is not"),
    }
    project.drop("peppol.xml", peppol_envelope(ubl(Facts(number="E-1"))))
    project.drop("alone.xml", ubl(Facts(number="E-1")))
    project.drop("soap.xml", soap_envelope(cii(Facts(number="S-1", seller="Eine Cloud GmbH"))))
    for name, (content, _) in rejected.items():
        project.drop(name, content)
    project.build()
    assert finance(project) == dict.fromkeys(("E-1", "S-1"), (11900, 10000, 1900, "EUR"))
    for name, (_, words) in rejected.items():
        document = project.document(name)
        assert document["status"] == "rejected", name
        assert words in document["reason"], name
    # What the reason says to do: iconv -f WINDOWS-1252 -t UTF-8.
    project.drop("lie.xml", lie.decode("cp1252").encode())
    project.build()
    assert finance(project)["L-1"] == (11900, 10000, 1900, "EUR")


def test_each_is_parsed_once_in_a_landing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []

    def read_xml(content: bytes, namespaces: Collection[str]) -> Element:
        parsed.append(content)
        return xml_document.read_xml(content, namespaces)

    monkeypatch.setattr(einvoice, "read_xml", read_xml)
    project.drop("a.xml", ubl(Facts(number="X-1")))
    project.drop("b.xml", cii(Facts(number="X-2")))
    project.drop("c.pdf", zugferd(Facts(number="X-3")))
    project.build()
    assert {row["external_id"] for row in project.query("FROM tax_split_totals")} == {"X-1", "X-2", "X-3"}
    assert len(parsed) == len(set(parsed)) == 3


@case("162")
@pytest.mark.parametrize("folder", ["", "2026-10/"])
def test_two_of_one_number_that_differ_by_a_cent_are_held_in_whatever_folder_they_lie(
    project: Project, folder: str
) -> None:
    def facts(number: str, amount: str = "40.00", tax: str = "19.00", name: str = "Volume") -> Facts:
        lines = (Line("60.00", number), Line(amount, name))
        taxes = (Tax(tax, f"{60 + Decimal(amount)}"),)
        return Facts(number=number, seller=f"{number} GmbH", lines=lines, taxes=taxes)

    pairs = {
        "MORE": (ubl(facts("MORE")), zugferd(facts("MORE", "40.01"))),
        "LESS": (zugferd(facts("LESS")), cii(facts("LESS", "39.99"))),
        "TAX": (cii(facts("TAX")), ubl(facts("TAX", "39.99", "19.01"))),
        "SAME": (ubl(facts("SAME")), zugferd(facts("SAME"))),
        # A profile that says less of its lines.
        "WORDS": (ubl(facts("WORDS")), zugferd(facts("WORDS", name="Volume, 100 GB"))),
    }
    for number, documents in pairs.items():
        for copy, document in enumerate(documents):
            project.drop(f"{folder}{number}{'-b' * copy}.{'pdf' if document.startswith(b'%PDF') else 'xml'}", document)
    project.build()
    assert set(finance(project)) == {"SAME", "WORDS"}
    held = {
        row["external_id"]: row["hold_reasons"]
        for row in project.query("SELECT external_id, hold_reasons FROM tax_split_totals WHERE status = 'held'")
    }
    assert set(held) == {"MORE", "LESS", "TAX"}
    for number, reasons in held.items():
        assert len(reasons) == 1
        assert f"nothing says that this is newer than {number}" in reasons[0]
