"""The program that reads one PDF in a process of its own, with limits. It imports nothing of this package.

    python -I pdf_child.py < invoice.pdf > invoice.xml

How it ends tells what it found.
"""

import resource
import sys
from io import BytesIO
from typing import Final

FOUND: Final = 0
NOTHING: Final = 10
PASSWORD: Final = 11
SEVERAL: Final = 12
BROKEN: Final = 13
TOO_MUCH: Final = 14

_SECONDS = 20
_MEMORY = 1 << 30
_NAMES = frozenset({"factur-x.xml", "zugferd-invoice.xml", "xrechnung.xml"})
"""The names of the attached invoice by the standards: if one of these is no XML, the PDF is damaged."""

_ROOTS = frozenset({"CrossIndustryInvoice", "CrossIndustryDocument", "Invoice", "CreditNote"})


def main() -> int:
    """Read a PDF from the standard input, and write the invoice that is attached to it."""
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    content = sys.stdin.buffer.read()
    # Slow to import, and needed by this process alone.
    import logging  # noqa: PLC0415

    import facturx  # noqa: F401, PLC0415 - where it is not installed, that is told, and not that the PDF is broken
    from pypdf.errors import DependencyError, FileNotDecryptedError, WrongPasswordError  # noqa: PLC0415

    logging.disable()
    try:
        invoices = _invoices(content)
    except (DependencyError, FileNotDecryptedError, WrongPasswordError):
        return PASSWORD
    except (MemoryError, RecursionError):
        return TOO_MUCH
    except Exception:  # noqa: BLE001 - whatever a broken PDF makes of its reader, this process has nothing else to do
        return BROKEN
    if len(invoices) > 1:
        return SEVERAL
    if not invoices:
        return NOTHING
    sys.stdout.buffer.write(invoices.pop())
    return FOUND


def _invoices(content: bytes) -> set[bytes]:
    """The different electronic invoices that are attached."""
    from facturx import get_xml_from_pdf  # noqa: PLC0415
    from lxml import etree  # noqa: PLC0415
    from pypdf import PdfReader  # noqa: PLC0415

    _, first = get_xml_from_pdf(BytesIO(content), check_xsd=False)
    invoices = {first} if first else set()
    # The package returns the first one and does not tell whether there are others.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    for attached in PdfReader(BytesIO(content)).attachment_list:
        xml = attached.content
        try:
            root = etree.fromstring(xml, parser)
        except (etree.XMLSyntaxError, ValueError):
            if attached.name.lower() in _NAMES:
                raise
            continue
        if etree.QName(root).localname in _ROOTS:
            invoices.add(xml)
    return invoices


if __name__ == "__main__":
    sys.exit(main())
