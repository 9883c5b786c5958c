"""Files that somebody made to do harm, small enough for a test, and what each is told to be."""

import gzip
import io
import json
import zipfile
from typing import Final

from arcadia_dagster_tests.kit.project import digitalocean, line, tax

DEEP: Final = 200_000
UBL: Final = b'<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"'
GOOD: Final = digitalocean(line(), tax())

# What a terminal would obey: it clears the screen, sets the title, or turns the direction of text around.
TERMINAL: Final = "\x1b[2J\x1b]0;title\x07\u009b31m\u202e\u2066\u0085\u2028"
WITHOUT_CONTROLS: Final = TERMINAL.replace("\x1b", "").replace("\x07", "")

CONTENTS: Final[dict[str, tuple[bytes, str]]] = {
    "deep array.json": (b"[" * DEEP + b"]" * DEEP, "it is not JSON: maximum recursion depth"),
    "deep object.json": (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "it is not JSON: maximum recursion depth"),
    "deep items.json": (
        b'{"invoice_items":[' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"]}",
        "it is not JSON: maximum recursion depth",
    ),
    "long number.json": (
        b'{"invoice_items":[{"product":"Droplets","amount":' + b"9" * 2_000_000 + b"}]}",
        "it is not JSON: Exceeds the limit",
    ),
    "many values.json": (b'{"a":1}\n' * 200_000, "it is not JSON: Extra data"),
    "large exponent.csv": (digitalocean(line(amount="1E+1000000000"), tax()), "line 2, column USD: '1E+1000000000'"),
    "long number.csv": (digitalocean(line(amount="9" * 1_000_000), tax()), "line 2, column USD: '999"),
    "wide.csv": (b",".join(b"c%d" % number for number in range(100_000)) + b"\n", "line 1: 'c0,c1,"),
    "open quotes.csv": (b'"' * 2_000_001, 'line 1: \'"""'),
    "NUL.csv": (GOOD.replace(b"Droplets", b"Drop\0lets"), "byte 84: control character 0x00"),
    "deep.xml": (b"<a>" * DEEP + b"</a>" * DEEP, "it is XML, of which nothing is read"),
    "deep invoice.xml": (UBL + b">" + b"<a>" * DEEP + b"</a>" * DEEP + b"</Invoice>", "more than 64 deep"),
    "many attributes.xml": (
        UBL + b"".join(b' a%d="x"' % number for number in range(100_000)) + b"/>",
        "an electronic invoice (XML) of a kind that is not read",
    ),
    "entities.xml": (
        b'<!DOCTYPE a [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>' + UBL + b">&b;</Invoice>",
        "it has a document type",
    ),
    "a file of ours.xml": (
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + UBL + b">&b;</Invoice>",
        "it has a document type",
    ),
    "no Parquet.parquet": (b"PAR1" + b"\x15\x00" * 100 + b"\xff\xff\xff\x7fPAR1", "it cannot be read as Parquet"),
    "deep.pdf": (b"%PDF-1.7\n" + b"[" * DEEP, "it is a PDF without an electronic invoice"),
    "twice.csv.gz": (gzip.compress(gzip.compress(GOOD)), "it is packed twice"),
    "cut off.csv.gz": (gzip.compress(GOOD)[:-9], "it cannot be unpacked"),
}


def zipped_as(*names: str) -> bytes:
    """A ZIP archive with a good invoice under each of the names."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, GOOD)
    return packed.getvalue()


ARCHIVES: Final[dict[str, tuple[bytes, str]]] = {
    "up.zip": (zipped_as("../../../outside.csv"), "would be written outside of its folder"),
    "absolute.zip": (zipped_as("/outside.csv"), "would be written outside of its folder"),
    "many.zip": (zipped_as(*(f"{number}.csv" for number in range(3000))), "it is a ZIP archive of 3000 files"),
}

# Names of files that a shell, SQL, a browser, Slack, Markdown, a spreadsheet or a terminal would take for something else.
NAMES: Final = (
    "$(touch outside).csv",
    "`touch outside`;touch outside.csv",
    "'; DROP TABLE documents; --.csv",
    "<img src=x onerror=alert(1)>.csv",
    "<!channel> <@U123> <http:&evil.example|Pay>.csv",
    "[click](javascript:alert(1)).csv",
    "=HYPERLINK(1).csv",
    "--reason.csv",
    f"{TERMINAL}.csv",
    "name\nof two lines.csv",
)


def api_document(text: str) -> bytes:
    """JSON whose keys and values have the text, by escapes."""
    return json.dumps({"invoice_items": [{"product": text, "amount": "1.00", text: text}]}).encode()
