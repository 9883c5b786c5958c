"""The electronic invoice that is attached to a PDF, as Factur-X and ZUGFeRD have it.

A PDF is a program for its reader: a small one can take hours, or all memory. So it is read by another process, which may take no
more than is said there, and is ended where it does. That costs a third of a second a PDF; so what was found is kept for the next
question.
Source: Factur-X 1.0 and ZUGFeRD 2, which attach the invoice (ISO 32000-2, 7.11.4); the package `factur-x` finds it.
"""

import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Final

from arcadia_dagster.reading import pdf_child
from arcadia_dagster.reading.content import open_content
from arcadia_dagster.reading.format import UnreadableError

MAX_PDF_BYTES: Final = 64 << 20
"""A larger PDF is not read: it would be in memory as a whole."""

_SECONDS = 120
"""How long it may take on a busy machine; the child's own limit is one of computing."""

_KEPT = 16
_PDF = re.compile(r"\s{0,1000}%PDF-")


def is_pdf(start: str) -> bool:
    """Whether content that begins so is a PDF."""
    return _PDF.match(start) is not None


def attached_invoice(path: Path) -> bytes | None:
    """The XML of the electronic invoice that is attached to a PDF; None where there is none.

    Raises:
        UnreadableError: It cannot be read as a PDF, has a password, or several different electronic invoices.
    """
    state = path.stat()
    return _attached(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=_KEPT)
def _attached(path: Path, _size: int, _changed: int) -> bytes | None:
    with open_content(path) as file:
        content = file.read(MAX_PDF_BYTES + 1)
    if len(content) > MAX_PDF_BYTES:
        raise UnreadableError(f"it is a PDF of more than {MAX_PDF_BYTES} bytes, which is the limit")
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
        raise UnreadableError(_TOO_MUCH) from error
    match done.returncode:
        case pdf_child.FOUND:
            return done.stdout
        case pdf_child.NOTHING:
            return None
        case pdf_child.PASSWORD:
            raise UnreadableError(
                "it is a PDF with a password: take the password off, and drop that; or drop the invoice's XML by itself"
            )
        case pdf_child.SEVERAL:
            raise UnreadableError(
                "it is a PDF with several electronic invoices that are not the same: save the one that counts from its "
                "attachments, and drop that"
            )
        case pdf_child.BROKEN:
            raise UnreadableError(
                "it is a PDF that is damaged or not whole: download it again; or drop the invoice's XML by itself"
            )
        case _:
            raise UnreadableError(_TOO_MUCH)


_TOO_MUCH = (
    "it is a PDF that takes more time or memory to read than is allowed: save the invoice's XML from its attachments, and drop "
    "that instead"
)
