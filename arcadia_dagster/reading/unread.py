"""Files of kinds that are not read: what such a file is, in a person's words, and what to do instead.

The first bytes of the content decide, never the name. Sources: the formats' own specifications ([MS-CFB] for old Office files
and mails, ISO 32000-1 for PDF, ISO 15948 for PNG, RFC 1952 for gzip, RFC 5322 for mails, POSIX for tar) and Git LFS's.
"""

import codecs
import re
from collections.abc import Sequence

INSTEAD = "drop the invoice's lines as its provider exports them: CSV, JSON or Parquet (docs/formats.md)"
"""What a person does about a document that only people can read."""

_SPREADSHEET = (
    "download the CSV from the provider instead; if there is none, save the sheet as `CSV UTF-8` with commas, and look at long "
    "ids, times and amounts before you do, which spreadsheets change"
)
_UNPACK = "unpack it, and drop what is in it"
_PICTURE = f"nothing is read from pictures: {INSTEAD}"
_TABLE = "save its table as CSV or Parquet, and drop that"
_AGAIN = "unpack it until it is packed once at most, and drop that"

WHOLE_AGAIN = "download or export it again, and drop that in its place"
"""What a person does about a file that is damaged or was not copied whole."""

IN_SMALLER_FILES = "export fewer lines or invoices into each file, and drop those in its place"
"""What a person does about a file that is larger than is read."""

AS_TABLE = "export it as CSV or Parquet, and drop that in its place"
"""What a person does about JSON of rows that cannot be read, however often it is exported as JSON."""

XML_AGAIN = "ask its sender for it again, and drop that in its place"
"""What a person does about an electronic invoice that cannot be read: only its sender may change it."""

XLSX = f"it is an Excel workbook (XLSX): {_SPREADSHEET}"
XLSB = f"it is an Excel workbook (XLSB): {_SPREADSHEET}"
ODS = f"it is a spreadsheet (ODS): {_SPREADSHEET}"
NUMBERS = f"it is a Numbers spreadsheet: {_SPREADSHEET}"
DOCX = f"it is a text document (DOCX): {INSTEAD}"
ODT = f"it is a text document (ODT): {INSTEAD}"
OFFICE = f"it is an Office file: {_SPREADSHEET}"

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"{\\rtf", f"it is rich text (RTF): {INSTEAD}"),
    (b"\x89PNG\r\n\x1a\n", f"it is a picture (PNG): {_PICTURE}"),
    (b"\xff\xd8\xff", f"it is a picture (JPEG): {_PICTURE}"),
    (b"GIF87a", f"it is a picture (GIF): {_PICTURE}"),
    (b"GIF89a", f"it is a picture (GIF): {_PICTURE}"),
    (b"II*\0", f"it is a picture (TIFF): {_PICTURE}"),
    (b"MM\0*", f"it is a picture (TIFF): {_PICTURE}"),
    (b"\xfd7zXZ\0", f"it is packed with xz: {_UNPACK}, or pack it with gzip"),
    (b"\x04\x22\x4d\x18", f"it is packed with LZ4: {_UNPACK}, or pack it with gzip"),
    (b"7z\xbc\xaf\x27\x1c", f"it is a 7-Zip archive: {_UNPACK}"),
    (b"Rar!\x1a\x07", f"it is a RAR archive: {_UNPACK}"),
    # Content that is packed once is unpacked first; this is content that is packed twice.
    (b"\x1f\x8b", f"it is packed twice (gzip within): {_AGAIN}"),
    (b"\x28\xb5\x2f\xfd", f"it is packed twice (Zstandard within): {_AGAIN}"),
    (b"PK\x03\x04", f"it is packed twice (a ZIP archive, or a spreadsheet, within): {_AGAIN}"),
    (b"PAR1", f"it is Parquet that is packed once more: {_UNPACK}"),
    (b"SQLite format 3\0", f"it is an SQLite database: {_TABLE}"),
    (b"Obj\x01", f"it is Avro: {_TABLE}"),
    (b"ARROW1\0\0", f"it is Arrow: {_TABLE}"),
)
_PATTERNS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), f"it is packed with bzip2: {_UNPACK}, or pack it with gzip"),
    (re.compile(rb"(?s:.{257})ustar"), f"it is a tar archive: {_UNPACK}"),
    (re.compile(rb"(?s:RIFF....WEBP|....ftyp(heic|heix|mif1|avif))"), f"it is a picture: {_PICTURE}"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_FIGURE = r"([A-Z]{3} )?\$?-?\d{1,14}(\.\d{1,18})?( [A-Z]{3})?"
_LINE_OF_TOTAL = rf"(\S{{1,80}} )?{_FIGURE}( tax {_FIGURE})?"
_TOTAL = re.compile(rf"(?=.*\b[A-Z]{{3}}\b){_LINE_OF_TOTAL}(\s+{_LINE_OF_TOTAL}){{0,20}}")
"""What `landing.control_totals` reads, with a currency: like nothing else."""

_SAMPLE = 2_000
_SHORTEST_SAMPLE = 8
_UTF16 = "UTF-16 text; save it as UTF-8 (in a spreadsheet `CSV UTF-8`, in PowerShell `-Encoding utf8`)"


def binary(start: bytes) -> str | None:
    """The kind of a binary content that begins so, and what to do; None where it is not known."""
    if (words := next((words for magic, words in _MAGIC if start.startswith(magic)), None)) is not None:
        return words
    if (words := next((words for pattern, words in _PATTERNS if pattern.match(start)), None)) is not None:
        return words
    if start.startswith(_OLE):
        return _ole(start)
    return _wide_text(start)


def _ole(start: bytes) -> str:
    """Old Office files and mails are alike but for the names of their streams, which may lie beyond the start."""
    if _wide("EncryptedPackage") in start:
        return f"it is an Office file with a password: take the password off; or {_SPREADSHEET}"
    if _wide("__substg1.0_") in start or _wide("__properties_version1.0") in start:
        return f"it is an Outlook mail (MSG): {_MAIL}"
    if _wide("Workbook") in start or _wide("Book") in start or b"\x09\x08\x10\0\0\x06" in start:
        return f"it is an Excel workbook (XLS): {_SPREADSHEET}"
    return f"it is a file of Office as it was until 2003 (XLS, DOC), or an Outlook mail (MSG): {_SPREADSHEET}"


def _wide(text: str) -> bytes:
    return text.encode("utf-16-le")


def _wide_text(start: bytes) -> str | None:
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "byte 0: UTF-32 text; save it as UTF-8"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return f"byte 0: {_UTF16}"
    sample = start[:_SAMPLE]
    even, odd = sample[::2], sample[1::2]
    if sample and not sample.strip(b"\0"):
        return "byte 0: it begins with nothing but NUL bytes: it was not copied whole; drop it again"
    if len(sample) < _SHORTEST_SAMPLE:
        return None
    for zeros, others, at in ((odd, even, 1), (even, odd, 0)):
        # Nearly all of a table is in the first 256 characters.
        if zeros.count(0) * 10 > len(zeros) * 9 and 0 not in others:
            return f"byte {at}: {_UTF16}"
    return None


_WEB_PAGE = (
    "it is a web page, perhaps a login page, and no invoice; sign in, and download the invoice again as CSV or JSON"
)
_MAIL = "save what is attached to it, and drop that; invoices in the text of a mail are not read"
_MAIL_HEADER = re.compile(
    r"(?P<name>received|return-path|delivered-to|from|to|subject|date|message-id|mime-version|content-type|x-[\w-]+|"
    r"dkim-signature|arc-seal|reply-to|sender|cc|authentication-results): ?\S",
    re.IGNORECASE,
)
_OF_EVERY_MAIL = {"from", "subject", "mime-version", "message-id", "received"}
_FEWEST, _LINES = 2, 40
_HINT = re.compile(r'"?sep=(?P<mark>.)"?\s*', re.IGNORECASE)
_HTML = re.compile(r"<(!doctype html|html|head|body|table)\b", re.IGNORECASE)
_BEFORE_MARKUP = re.compile(r"(<\?.*?\?>|<!--.*?-->|\s)*", re.DOTALL)
_ROOT = re.compile(r"<(?:[\w.-]+:)?(?P<name>[\w.-]+)")
_E_INVOICES = (
    "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2",
    "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2",
    "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
)
"""The namespaces of those that are read."""

_OTHER_E_INVOICES = {
    "CrossIndustryDocument": "ZUGFeRD 1",
    "FatturaElettronica": "FatturaPA",
    "Facturae": "Facturae",
    "Invoice": "none of UBL 2.1",
    "CreditNote": "none of UBL 2.1",
    "CrossIndustryInvoice": "none of CII D16B",
}


def no_table(content: str) -> str | None:
    """The kind of a text that begins so, and what to do; None where it may be a table or JSON."""
    content = content.lstrip()
    if content.startswith("%PDF-"):
        return f"it is a PDF without an electronic invoice in it, so only people can read it: {INSTEAD}"
    if content.startswith("<"):
        return _markup(content)
    if content.startswith("version https://git-lfs.github.com/spec/"):
        return "it is a pointer of Git LFS, and not the file itself: run `git lfs pull`, and drop the file"
    if content.startswith("[InternetShortcut]"):
        return "it is a link to a web page: open it, and download the invoice itself"
    if content.startswith("-----BEGIN PGP MESSAGE-----"):
        return "it is encrypted with PGP: decrypt it, and drop what is in it"
    return f"it is a mail: {_MAIL}" if _is_mail(content) else None


def text(content: str) -> str | None:
    """The same, and for a table that is not read, why, where that is known."""
    content = content.lstrip("\r\n ")
    if not content.strip():
        return "the file is empty; expected an invoice: download it, or export it, again"
    if (words := no_table(content)) is not None:
        return words
    if content.startswith(("{", "[")):
        return None
    first = content.partition("\n")[0].partition("\r")[0]
    if (hint := _HINT.fullmatch(first)) is not None:
        return (
            f"line 1: {first.strip()!r} is a hint for spreadsheets, and no header: take this line out, and drop the file again; "
            f"or download it again without opening it in a spreadsheet ({hint['mark']!r} separates the values)"
        )
    return _total_or_tabs(content, first)


def _total_or_tabs(content: str, first: str) -> str | None:
    if _TOTAL.fullmatch(content.strip()) is not None:
        return (
            f"{first.strip()[:80]!r} is a total, and no document; expected it under the name of its document with .total after "
            "it: rename it, such as from a.csv.total.txt, which Notepad writes, to a.csv.total"
        )
    if first.count("\t") > max(first.count(mark) for mark in ",;|"):
        return (
            'line 1: it is a table with tabs (TSV): save it as CSV with commas, or describe it with `delimiter = "\\t"` '
            "(docs/describing-a-format.md)"
        )
    return None


def _is_mail(content: str) -> bool:
    lines = content.splitlines()[:_LINES]
    if lines and lines[0].startswith("From "):
        lines = lines[1:]
    names = []
    for line in lines:
        if (header := _MAIL_HEADER.match(line)) is not None:
            names.append(header["name"].lower())
        elif not line.startswith((" ", "\t")) or not names:
            break
    return len(set(names)) >= _FEWEST and not _OF_EVERY_MAIL.isdisjoint(names)


def _markup(content: str) -> str:
    before = _BEFORE_MARKUP.match(content)
    element = content[before.end() :] if before else content
    if _HTML.match(element):
        return f"line 1: {_WEB_PAGE}"
    root = _ROOT.match(element)
    name = root["name"] if root else ""
    if name in _OTHER_E_INVOICES:
        return (
            f"line 1: it is an electronic invoice (XML) of a kind that is not read, {_OTHER_E_INVOICES[name]}: ask its "
            f"sender for one in UBL 2.1 or CII (EN 16931, as XRechnung, Peppol and Factur-X are); or {INSTEAD}"
        )
    if any(namespace in element for namespace in _E_INVOICES):
        return (
            f"line 1: it is XML ({name[:60]}) around an electronic invoice: save that (the whole element Invoice, CreditNote or "
            "CrossIndustryInvoice, with its namespaces) as a file of its own, and drop it"
        )
    if name == "Workbook":
        return f"line 1: it is an Excel workbook (XML): {_SPREADSHEET}"
    if name == "Error":
        return "line 1: it is an error answer (XML), and no invoice: the link has perhaps expired; download the invoice again"
    return f"line 1: it is XML, of which nothing is read: {INSTEAD}"


def is_other_xml(content: str) -> bool:
    """Whether text that begins so is XML that may show an invoice to people: no web page, no workbook, no error's answer."""
    content = content.lstrip()
    if not content.startswith("<"):
        return False
    before = _BEFORE_MARKUP.match(content)
    element = content[before.end() :] if before else content
    root = _ROOT.match(element)
    return _HTML.match(element) is None and root is not None and root["name"] not in {"Workbook", "Error"}


def columns(names: Sequence[str], known: str) -> str:
    """What to say of a Parquet document whose columns no format knows, and what to do.

    Args:
        names: Its columns.
        known: The names of the formats that are read, in words.
    """
    return (
        f"it is Parquet, and its columns ({', '.join(names)[:120]}) are those of no known format: put in a FOCUS export or a "
        f"Cost and Usage Report as its provider exports it, with all columns; expected one of: {known}"
    )
