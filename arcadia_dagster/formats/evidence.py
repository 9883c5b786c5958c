"""What shows an invoice to people and is not read: a PDF without an electronic invoice in it, and XML of another kind.

It is kept in the archive as all documents are, and belongs to an invoice as its evidence where its name says so: where it is
called as the document of the invoice is that lies beside it, but for the ending (`invoice-4711.csv` and `invoice-4711.pdf`), or
where its name has the number or the id of just one invoice in it, of five characters or more and no date. Whichever comes
first: what belongs to no invoice yet is rejected with what to do, until its invoice comes. Nothing is read from what is printed
on a page, nor from pictures. An electronic invoice needs no name: it says itself which invoice it is.
"""

from arcadia_dagster.reading import unread
from arcadia_dagster.reading.format import Head, NameFacts, Refusal
from arcadia_dagster.reading.pdf_attachments import is_pdf

_OF_NOTHING = (
    "; it is evidence of nothing yet: if it shows an invoice, give it the name of that invoice's file and put it beside that, or "
    "put the invoice's number into its name, and drop it again"
)


class Evidence:
    """The format itself."""

    name = "evidence"
    reading = 1

    def recognise(self, head: Head) -> Refusal | None:
        """Known by the beginning of PDF and XML, once no other format has taken it."""
        if head.path is None or not (is_pdf(head.text) or unread.is_other_xml(head.text)):
            return None
        return Refusal(f"{unread.no_table(head.text)}{_OF_NOTHING}")

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """Its name is compared with those of invoices once they are known, see `landing.evidence`."""
        return None
