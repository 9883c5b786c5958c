"""The electronic invoice that is attached to a PDF, as Factur-X and ZUGFeRD have it.

A PDF is a program for its reader: a small one can take hours, or all memory. So another process reads it, with limits of time
and memory (`pdf_child`), and is ended when it passes them. That costs a quarter of a second of computing for each PDF
(2026-11-28), most of it for imports, so the results are cached.
Source: Factur-X 1.0 and ZUGFeRD 2, which attach the invoice (ISO 32000-2, 7.11.4); the package `factur-x` finds it.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from arcadia_dagster.reading import pdf_child
from arcadia_dagster.reading.content import open_content
from arcadia_dagster.reading.format import UnreadableError
from arcadia_dagster.reading.kept import Kept

MAX_PDF_BYTES: Final = 64 << 20
"""A larger PDF is not read: it would be in memory as a whole."""

_SECONDS = 120
"""How long it may take on a busy machine; the child's own limit is one of computing."""

_MAY_HAVE_MORE = (b"EmbeddedFile", b"ObjStm", b"/Encrypt")
"""A PDF with an attachment has one of these words; the other two hide the rest of the file. A PDF with none has no
attachment."""

_MOST_KEPT = 64 << 20
_LEAST_KEPT = 16 << 10
"""Of each PDF some bytes count at least, also if nothing is attached to it."""

_SHOWN = 200
_PDF = re.compile(r"\s{0,1000}%PDF-")


class NoPdfInvoiceError(UnreadableError):
    """Nothing can be read of a PDF: nobody knows whether an electronic invoice is attached to it. People may still read it."""


def is_pdf(start: str) -> bool:
    """Whether content that begins so is a PDF."""
    return _PDF.match(start) is not None


def attached_invoice(path: Path) -> bytes | None:
    """The XML of the electronic invoice that is attached to a PDF; None where there is none.

    Raises:
        UnreadableError: It cannot be read as a PDF, has a password, or several different electronic invoices.
        RuntimeError: A package that this needs is not installed.
    """
    return _FOUND.of(path)


def _attached(path: Path) -> bytes | None:
    with open_content(path) as file:
        content = file.read(MAX_PDF_BYTES + 1)
    if len(content) > MAX_PDF_BYTES:
        raise NoPdfInvoiceError(f"it is a PDF of more than {MAX_PDF_BYTES} bytes, which is the limit: {_SAVE_XML}")
    if not any(word in content for word in _MAY_HAVE_MORE):
        return None
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            # It imports nothing of the program, nor from the folder where it runs.
            [sys.executable, "-I", str(Path(pdf_child.__file__))],
            input=content,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NoPdfInvoiceError(_TOO_MUCH) from error
    match done.returncode:
        case pdf_child.FOUND:
            return done.stdout
        case pdf_child.NOTHING:
            return None
        case pdf_child.PASSWORD:
            raise NoPdfInvoiceError(
                "it is a PDF with a password: take the password off, and drop that; or drop the invoice's XML by itself"
            )
        case pdf_child.SEVERAL:
            raise UnreadableError(
                "it is a PDF with several electronic invoices that are not the same: save the one that counts from its "
                "attachments, and drop that"
            )
        case pdf_child.BROKEN:
            raise NoPdfInvoiceError(
                "it is a PDF that is damaged or not whole: download it again; or drop the invoice's XML by itself"
            )
        case 1:
            # The installation is wrong, not the document.
            last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:_SHOWN]
            raise RuntimeError(
                f"PDFs cannot be read ({last}): install what pyproject.toml names, with pip install -e ."
            )
        case _:
            raise NoPdfInvoiceError(_TOO_MUCH)


_SAVE_XML = "save the invoice's XML from its attachments, and drop that instead"
_TOO_MUCH = f"it is a PDF that takes more time or memory to read than is allowed: {_SAVE_XML}"

_FOUND: Final[Kept["bytes | None"]] = Kept(
    _attached, weight=lambda found: max(len(found or b""), _LEAST_KEPT), most=_MOST_KEPT
)
