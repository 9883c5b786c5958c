"""Files that are not read, with what is said of each: what it is, and what to do instead."""

import gzip
import io
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq

from arcadia_dagster_tests.kit.einvoices import pdf
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.packed import zipped

GOOD = as_csv(charge())
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + b"\x3e\0\3\0\xfe\xff\t\0" + bytes(480)
TYPES = b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
MAIL = (
    b"Return-Path: <billing@example.com>\r\nReceived: from mail.example.com\r\n by mx.example.org; Thu, 1 Oct 2026\r\n"
    b"Subject: Your invoice\r\nFrom: billing@example.com\r\nMIME-Version: 1.0\r\n\r\nBilledCost,BillingCurrency\r\n"
)


def _parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), file)
    return file.getvalue()


PARQUET = _parquet()


def tar(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("invoice.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def office(*names: str) -> bytes:
    return zipped(
        ("[Content_Types].xml", TYPES), ("_rels/.rels", b"<Relationships/>"), *((name, b"<x/>") for name in names)
    )


def open_document(kind: str) -> bytes:
    mime = f"application/vnd.oasis.opendocument.{kind}".encode()
    return zipped(("mimetype", mime), ("content.xml", b"<x/>"), ("META-INF/manifest.xml", b"<x/>"), method=0)


SPREADSHEET = "download the CSV from the provider instead; if there is none, save the sheet as `CSV UTF-8`"
INSTEAD = "drop the invoice's lines as its provider exports them"
CASES: dict[str, tuple[bytes, str, str]] = {
    "XLSX": (office("xl/workbook.xml", "xl/worksheets/sheet1.xml"), "it is an Excel workbook (XLSX): ", SPREADSHEET),
    "XLSB": (office("xl/workbook.bin"), "it is an Excel workbook (XLSB): ", SPREADSHEET),
    "DOCX": (office("word/document.xml"), "it is a text document (DOCX): ", INSTEAD),
    "another of Office": (office("visio/document.xml"), "it is an Office file: ", SPREADSHEET),
    "ODS": (open_document("spreadsheet"), "it is a spreadsheet (ODS): ", SPREADSHEET),
    "ODS template": (open_document("spreadsheet-template"), "it is a spreadsheet (ODS): ", SPREADSHEET),
    "ODT": (open_document("text"), "it is a text document (ODT): ", INSTEAD),
    "Numbers": (zipped(("Index/Document.iwa", b"x"), ("preview.jpg", b"x")), "it is a Numbers spreadsheet: ", SPREADSHEET),
    "XLS": (OLE + "Root Entry\0Workbook".encode("utf-16-le"), "it is an Excel workbook (XLS): ", SPREADSHEET),
    "XLS, its names far behind": (
        OLE + b"\x09\x08\x10\0\0\x06\5\0" + bytes(100_000) + "Workbook".encode("utf-16-le"),
        "it is an Excel workbook (XLS): ",
        SPREADSHEET,
    ),
    "password": (OLE + "EncryptedPackage".encode("utf-16-le"), "it is an Office file with a password: take the", SPREADSHEET),
    "MSG": (OLE + "__substg1.0_0037001F".encode("utf-16-le"), "it is an Outlook mail (MSG): ", "save what is attached to it"),
    "DOC": (OLE + "WordDocument".encode("utf-16-le"), "it is a file of Office as it was until 2003", SPREADSHEET),
    "Excel's XML": (
        b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<Workbook xmlns="urn:x"/>',
        "line 1: it is an Excel workbook (XML): ",
        SPREADSHEET,
    ),
    "PDF": (pdf({}), "it is a PDF without an electronic invoice in it", INSTEAD),
    "PDF of ASCII": (b"\r\n%PDF-1.4\n1 0 obj <<>> endobj", "it is a PDF without an electronic invoice in it", INSTEAD),
    "RTF": (b"{\\rtf1\\ansi\\deff0 Invoice}", "it is rich text (RTF): ", INSTEAD),
    "PNG": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "it is a picture (PNG): ", INSTEAD),
    "JPEG": (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "it is a picture (JPEG): ", INSTEAD),
    "GIF": (b"GIF89a\1\0\1\0", "it is a picture (GIF): ", INSTEAD),
    "TIFF": (b"II*\0\x08\0\0\0", "it is a picture (TIFF): ", INSTEAD),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0", "it is a picture: ", INSTEAD),
    "mail": (MAIL, "it is a mail: ", "save what is attached to it"),
    "mail of a mailbox": (b"From a@example.com Thu Oct  1 2026\n" + MAIL, "it is a mail: ", "save what is attached"),
    "mail, not UTF-8": (MAIL + b"Gr\xfc\xdfe", "it is a mail: ", "save what is attached"),
    "web page": (b"\n<!DOCTYPE html>\n<html><title>Log in</title>", "line 1: it is a web page, perhaps a login", "sign in"),
    "web page, not UTF-8": (b"<html><title>Anmeldung f\xfcr", "line 1: it is a web page, perhaps a login", "sign in"),
    "web page, a comment first": (b"<!-- x --><HTML lang=en>", "line 1: it is a web page, perhaps a login", "sign in"),
    "table of a web page": (b"<table border=1><tr><td>BilledCost", "line 1: it is a web page", "sign in"),
    "error in XML": (
        b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code>',
        "line 1: it is an error answer (XML), and no invoice",
        "download the invoice again",
    ),
    "electronic invoice": (
        b'<?xml version="1.0"?>\n<!-- x -->\n<ubl:Invoice xmlns:ubl="urn:oasis:names:x">',
        "line 1: it is an electronic invoice (XML) of a kind that is not read",
        INSTEAD,
    ),
    "other XML": (b"<costs><cost>1</cost></costs>", "line 1: it is XML, of which nothing is read", INSTEAD),
    "UTF-16": (GOOD.decode().encode("utf-16"), "byte 0: UTF-16 text; save it as UTF-8", "`CSV UTF-8`"),
    "UTF-16, no mark": (GOOD.decode().encode("utf-16-le"), "byte 1: UTF-16 text; save it as UTF-8", "`CSV UTF-8`"),
    "UTF-16 BE, no mark": (GOOD.decode().encode("utf-16-be"), "byte 0: UTF-16 text; save it as UTF-8", "`CSV UTF-8`"),
    "UTF-32": (GOOD.decode().encode("utf-32"), "byte 0: UTF-32 text", "save it as UTF-8"),
    "NUL bytes": (bytes(5_000), "byte 0: it begins with nothing but NUL bytes", "drop it again"),
    "TSV": (GOOD.replace(b",", b"\t"), "line 1: it is a table with tabs (TSV)", "save it as CSV with commas"),
    "TSV of nobody": (b"a\tb\n1,5\t2\n", "line 1: it is a table with tabs (TSV)", 'describe it with `delimiter = "\\t"`'),
    "sep=,": (b"sep=,\r\n" + GOOD, "line 1: 'sep=,' is a hint for spreadsheets", "take this line out"),
    "sep=; in quotes": (b'\xef\xbb\xbf"sep=;"\n' + GOOD, "line 1: '\"sep=;\"' is a hint for spreadsheets", "take this line"),
    "SEP= a tab": (b"SEP=\t\n" + GOOD, "line 1: 'SEP=' is a hint for spreadsheets", "take this line"),
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "it is a pointer of Git LFS",
        "git lfs pull",
    ),
    "link": (b"[InternetShortcut]\r\nURL=https://example.com", "it is a link to a web page", "download the invoice"),
    "PGP": (b"-----BEGIN PGP MESSAGE-----\n\nhQEMA", "it is encrypted with PGP", "decrypt it"),
    "tar": (tar(GOOD), "it is a tar archive", "unpack it"),
    "tar.gz": (gzip.compress(tar(GOOD)), "it is a tar archive", "unpack it"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "it is a 7-Zip archive", "unpack it"),
    "RAR": (b"Rar!\x1a\x07\x01\0", "it is a RAR archive", "unpack it"),
    "bzip2": (b"BZh91AY&SY\1\2\3", "it is packed with bzip2", "unpack it"),
    "xz": (b"\xfd7zXZ\0\0\4", "it is packed with xz", "unpack it"),
    "SQLite": (b"SQLite format 3\0\x10", "it is an SQLite database", "save its table as CSV or Parquet"),
    "Avro": (b"Obj\1\4\x14avro.codec", "it is Avro", "save its table as CSV or Parquet"),
    "empty": (b"", "the file is empty", "export it, again"),
    "a mark and blanks": (b"\xef\xbb\xbf \r\n\t\n", "the file is empty", "export it, again"),
    "Parquet of another kind": (PARQUET, "it is Parquet, and its columns (a) are", "put in a FOCUS export"),
    "two files in a ZIP": (zipped(("a.csv", GOOD), ("b.csv", GOOD)), "it is a ZIP archive of 2 files", "unpack it"),
}  # fmt: skip
