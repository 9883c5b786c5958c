"""What shows an invoice to people and is not read: a PDF without an electronic invoice in it, and XML of another kind.

A PDF that has a password, is damaged, or takes too long to read is such a file too: beside its invoice it is kept as
evidence, and alone it is rejected with what to do.

The archive keeps it like all documents. It is the evidence of an invoice if its name says so, in one of two ways. It
has the name of the invoice's document beside it, with another ending (`invoice-4711.csv` and `invoice-4711.pdf`). Or
its name contains the number or the id of exactly one invoice; the number has five characters or more and is not a date.
The file and its invoice may come in any order: a file that belongs to no invoice yet is rejected, with what to do,
until its invoice comes. The program reads nothing from a printed page or a picture. An electronic invoice needs no such
name: it says itself which invoice it is.
"""

from pathlib import Path

from arcadia_dagster.reading import unread
from arcadia_dagster.reading.format import Head, NameFacts, Refusal
from arcadia_dagster.reading.pdf_attachments import NoPdfInvoiceError, attached_invoice, is_pdf

_START = 64 << 10
_MARK = "\xef\xbb\xbf"
"""The byte order mark of UTF-8, read as Latin-1."""

_OF_NOTHING = (
    "; it belongs to no invoice yet. If it shows an invoice, drop it again under another name: under the name of the invoice's "
    "file and beside it, or under a name with the invoice's number in it"
)


def _what(start: str, path: Path) -> str:
    """What it is that is not read, in words; of a PDF that has a password or is damaged, what to do as well."""
    if is_pdf(start):
        try:
            attached = attached_invoice(path)
        except NoPdfInvoiceError as error:
            return str(error)
        if attached is not None:
            inside = attached[:_START].decode("latin-1").removeprefix(_MARK)
            return f"what is attached to this PDF is not read: {unread.no_table(inside)}"
    return f"{unread.no_table(start)}"


class Evidence:
    """The format itself."""

    name = "evidence"
    reading = 1

    def recognise(self, head: Head) -> Refusal | None:
        """Known by the beginning of PDF and XML, once no other format has taken it."""
        if head.path is None or not (is_pdf(head.text) or unread.is_other_xml(head.text)):
            return None
        return Refusal(f"{_what(head.text, head.path)}{_OF_NOTHING}")

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """Its name is compared with those of invoices once they are known, see `landing.evidence`."""
        return None
