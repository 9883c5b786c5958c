"""For each kind of rejection, a document that is rejected so, and what a person does who reads the reason."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import zstandard

from arcadia_dagster_tests.kit import unread
from arcadia_dagster_tests.kit.digitalocean_api import item
from arcadia_dagster_tests.kit.digitalocean_json import written
from arcadia_dagster_tests.kit.einvoices import Facts, pdf, peppol_envelope, ubl
from arcadia_dagster_tests.kit.focus import as_csv, as_json, charge, tax
from arcadia_dagster_tests.kit.packed import zipped
from arcadia_dagster_tests.kit.project import digitalocean, line
from arcadia_dagster_tests.kit.stated import cost_row, cost_table

Change = Callable[[bytes], bytes]


def provider_again(number: int) -> bytes:
    """The invoice of this number as its provider exports it: 6.60 USD."""
    own = {"InvoiceId": f"INV-{number}", "BillingAccountId": f"{number:012}"}
    return as_csv(charge(**own, ChargeDescription="Rechner in Zürich"), tax(**own))


@dataclass(frozen=True, slots=True)
class Rejected:
    """A kind of rejection.

    Attributes:
        spoils: Makes the document that is rejected from the one that the provider exports.
        tells: Words of what the reason tells a person to do.
        mends: What the person does with the rejected document; None where they get it from the provider again.
    """

    spoils: Change
    tells: str
    mends: Change | None = None


def _always(content: bytes) -> Change:
    return lambda _: content


def _swapped(old: bytes, new: bytes) -> Change:
    def change(content: bytes) -> bytes:
        assert old in content
        return content.replace(old, new, 1)

    return change


def _from_tar(content: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        member = archive.extractfile(archive.getmembers()[0])
        assert member is not None
        return member.read()


def _first_of_zip(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(archive.namelist()[0])


def _locked(content: bytes) -> bytes:
    packed = bytearray(zipped(("a.csv", content)))
    # The flag of both headers, the file's own and the directory's (APPNOTE.TXT 4.3.7, 4.3.12, 4.4.4).
    packed[packed.rindex(b"PK\x03\x04") + 6] |= 1
    packed[packed.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(packed)


def _without_first_line(content: bytes) -> bytes:
    return content.partition(b"\n")[2]


def _as_json(cut: int) -> Change:
    return lambda _: as_json(charge(), charge(ChargeDescription="b"))[:-cut]


DOWNLOAD = "download the file again, and drop it without opening it in a spreadsheet"
AGAIN = "download or export it again, and drop that in its place"
TABLE = "export it as CSV or Parquet, and drop that in its place"
SENDER = "ask its sender for it again"
UNPACK = "unpack it, and drop what is in it"
OWN = b"BilledCost,BillingAccountId,BillingCurrency,InvoiceId,x_DocumentSha256,x_LineNumber\n6.00,1,USD,INV-1,aa,1\n"
INVENTORY = b"id,name,type,amount\n1,web,droplet,6.00\n"
XML = ubl(Facts(number="R-1"))
BOXED = XML.partition(b"?>")[2]
NESTED = as_json(charge()) + b'{"x": ' + b"[" * 90_000 + b"\n"
PAGE = written({"invoice_items": [item()], "links": {"pages": {"next": "https://x/?page=2"}}, "meta": {"total": 21}})
GOOGLE = cost_table(cost_row("Usage", "6.00", "6.00"), total="$6.00").replace(b",", b";")
ZUGFERD_1 = b'<?xml version="1.0"?><rsm:CrossIndustryDocument xmlns:rsm="urn:ferd:CrossIndustryDocument:invoice:1p0"/>'
TWO_IN_ONE = b'<?xml version="1.0"?><Box>' + BOXED + BOXED + b"</Box>"

CASES: dict[str, Rejected] = {
    **{label: Rejected(_always(content), to_do) for label, (content, _, to_do) in unread.CASES.items()},
    # What a person can do with the file that they have.
    "UTF-16": Rejected(
        lambda good: good.decode().encode("utf-16"), "save it as UTF-8", lambda bad: bad.decode("utf-16").encode()
    ),
    "UTF-32": Rejected(
        lambda good: good.decode().encode("utf-32"), "save it as UTF-8", lambda bad: bad.decode("utf-32").encode()
    ),
    "Latin-1": Rejected(
        lambda good: good.decode().encode("latin-1"),
        "save the file as UTF-8",
        lambda bad: bad.decode("latin-1").encode(),
    ),
    "TSV": Rejected(
        lambda good: good.replace(b",", b"\t"), "save it as CSV with commas", lambda bad: bad.replace(b"\t", b",")
    ),
    "sep=,": Rejected(lambda good: b"sep=,\r\n" + good, "take this line out", _without_first_line),
    "tar": Rejected(unread.tar, UNPACK, _from_tar),
    "bzip2": Rejected(bz2.compress, UNPACK, bz2.decompress),
    "xz": Rejected(lzma.compress, UNPACK, lzma.decompress),
    "gzip twice": Rejected(
        lambda good: gzip.compress(gzip.compress(good)), "unpack it until it is packed once at most", gzip.decompress
    ),
    "ZIP twice": Rejected(
        lambda good: gzip.compress(zipped(("a.csv", good))),
        "unpack it until it is packed once at most",
        gzip.decompress,
    ),
    "Zstandard in gzip": Rejected(
        lambda good: gzip.compress(zstandard.compress(good)),
        "unpack it until it is packed once at most",
        gzip.decompress,
    ),
    "Parquet in gzip": Rejected(_always(gzip.compress(unread.PARQUET)), UNPACK),
    "LZ4": Rejected(_always(b"\x04\x22\x4d\x18" + bytes(20)), UNPACK),
    "Arrow": Rejected(_always(b"ARROW1\0\0" + bytes(20)), "save its table as CSV or Parquet"),
    "a total in a ZIP": Rejected(
        lambda good: zipped(("a.csv", good), ("a.csv.total", b"USD 6.60")),
        "drop the document and its .total",
        _first_of_zip,
    ),
    "a ZIP with a password": Rejected(_locked, "unpack it, and drop the file that is in it"),
    "a ZIP that is packed otherwise": Rejected(
        lambda good: zipped(("a.csv", good), method=zipfile.ZIP_BZIP2), "unpack it, and drop the file", _first_of_zip
    ),
    "a ZIP that leads out": Rejected(lambda good: zipped(("../a.csv", good)), "drop the file itself", _first_of_zip),
    "a ZIP before a ZIP": Rejected(
        lambda good: zipped(("b.csv", b"b")) + zipped(("a.csv", good)),
        "unpack it, and drop the file that you mean",
        _first_of_zip,
    ),
    "nothing in a ZIP": Rejected(_always(zipped()), "drop the file itself"),
    "mixed line ends": Rejected(
        _always(digitalocean(line(), newline="\r\n") + digitalocean(line(description="b")).partition(b"\n")[2]),
        "save it with one kind of line end",
    ),
    "a note of one's own": Rejected(
        lambda good: good.replace(b"\n", b",paid\n").replace(b",paid\n", b",\n", 1),
        "delete it",
        lambda bad: bad.replace(b",paid\n", b",\n"),
    ),
    # What only the provider can give anew.
    "cut gzip": Rejected(lambda good: gzip.compress(good)[:-9], AGAIN),
    "cut ZIP": Rejected(lambda good: zipped(("a.csv", good))[:-40], "drop it again"),
    "cut within a character": Rejected(lambda good: good[: good.index("ü".encode()) + 1], AGAIN),
    "cut Parquet": Rejected(_always(unread.PARQUET[:-9]), AGAIN),
    "cut JSON": Rejected(_as_json(9), AGAIN),
    "JSON that is nested too deep": Rejected(_always(NESTED), TABLE),
    "a record of JSON that is too long": Rejected(
        _always(as_json(charge(), charge(x_Extra="x" * 4_000_000), charge())), TABLE
    ),
    "values of JSON that are too long": Rejected(_always(as_json(charge(ChargeDescription="x" * 250_000))), TABLE),
    "a page of JSON that is not all": Rejected(_always(PAGE), AGAIN),
    "numbers in two ways of writing": Rejected(
        lambda good: good.replace(b",", b";").replace(b"6.00", b"6,00", 1), DOWNLOAD
    ),
    "Google's table as a spreadsheet saves it": Rejected(_always(GOOGLE), DOWNLOAD),
    "a header that is too long": Rejected(_swapped(b"x_Extra", b"x" * 70_000), AGAIN),
    "no JSON": Rejected(_always(b'{"invoice": '), AGAIN),
    "a quote that is not closed": Rejected(lambda good: good + b'"6.00,', DOWNLOAD),
    "no amounts": Rejected(_always(digitalocean(line()).replace(b"USD", b"Money", 1)), DOWNLOAD),
    "an inventory with amounts": Rejected(_always(INVENTORY), "put the invoices themselves into the inbox"),
    "an inventory of invoices": Rejected(
        _always(b"id,name,type\n1,web,invoice\n"), "put each invoice into a file with its lines"
    ),
    "our own export": Rejected(_always(OWN), "Take it out of the inbox"),
    "a list of payments": Rejected(_always(b'[{"usd": 6, "date": "2026-04-01"}]'), "arcadia dismiss 'FILE NAME'"),
    "cut XML": Rejected(_always(XML[:-20]), SENDER),
    "XML of no encoding": Rejected(_always(XML.replace(b"UTF-8", b"klingon", 1)), SENDER),
    "XML with a document type": Rejected(
        _always(XML.replace(b"?>", b"?><!DOCTYPE a>", 1)), "ask its sender for one without"
    ),
    "two electronic invoices": Rejected(_always(peppol_envelope(XML, XML)), "as a file of its own, and drop those"),
    "an envelope of something else": Rejected(_always(peppol_envelope(b"<Order/>")), "drop the invoice by itself"),
    "XML around an electronic invoice": Rejected(_always(TWO_IN_ONE), "as a file of its own, and drop it"),
    "XML that is nested too deep": Rejected(
        _always(XML.replace(b"<cbc:ID>", b"<a>" * 70 + b"</a>" * 70 + b"<cbc:ID>", 1)), SENDER
    ),
    "a text of XML that is too long": Rejected(_always(XML.replace(b">R-1<", b">" + b"R" * 10_001 + b"<")), SENDER),
    "a PDF with a password": Rejected(_always(pdf({"factur-x.xml": XML}, password="x")), "take the password off"),
    "a PDF with two invoices": Rejected(
        _always(pdf({"factur-x.xml": XML, "xrechnung.xml": ubl(Facts(number="R-2"))})), "save the one that counts"
    ),
    "a PDF that is cut off": Rejected(_always(pdf({"factur-x.xml": XML})[:-400]), "download it again"),
    "a PDF with another invoice": Rejected(
        _always(pdf({"ZUGFeRD-invoice.xml": ZUGFERD_1})), "ask its sender for one in UBL 2.1"
    ),
    # What says what was expected instead.
    "an amount that is none": Rejected(_swapped(b"6.00", b"abc"), "expected an amount such as 1234.56"),
    "a day that is none": Rejected(_swapped(b"2026-04-02T00:00:00Z", b"04/02/2026 00:00"), DOWNLOAD),
    "a column twice": Rejected(_swapped(b"x_Extra", b"BilledCost"), "expected each once"),
    "a column too few": Rejected(_swapped(b"BillingCurrency", b"Currency"), "expected"),
    "a value too many": Rejected(lambda good: good.rstrip(b"\n") + b",,7\n", "expected"),
    "a header of nobody": Rejected(_swapped(b"BilledCost", b"Cost"), "expected"),
    "only a header": Rejected(lambda good: good.partition(b"\n")[0] + b"\n", "expected at least one line"),
    "a control character": Rejected(_swapped(b"Rechner", b"Rech\x07ner"), "expected text"),
}

OUT_OF_REACH = {
    "bytes: raise that setting, or export fewer lines or invoices into each file, and drop those in its place",
    "bytes, which is the limit for JSON: export fewer lines or invoices into each file, and drop those in its place",
    "bytes, which is the limit for XML: ask its sender for it again, and drop that in its place",
    "elements, which is the limit: ask its sender for it again, and drop that in its place",
    "bytes, which is the limit: save the invoice's XML from its attachments, and drop that instead",
    (
        "it is a PDF that takes more time or memory to read than is allowed: save the invoice's XML from its attachments, and "
        "drop that instead"
    ),
    "it is a ZIP archive of many files: unpack it, and drop its files, those of one delivery in one folder",
    # A PDF without an invoice is known before it is read as one.
    (
        "it is a PDF without an electronic invoice in it: drop the invoice's lines as its provider exports them: CSV, JSON or "
        "Parquet (docs/formats.md)"
    ),
}
"""Words of limits, which take much memory to pass, and of what never comes so far."""
