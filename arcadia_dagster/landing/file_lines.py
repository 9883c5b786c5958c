"""Which line of a file a record begins on: what an editor shows, where the warehouse counts a document's records."""

from itertools import count, islice

from arcadia_dagster.formats.described import DescribedFormat
from arcadia_dagster.formats.reader import head_of
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.archive import Archive, LostBytesError
from arcadia_dagster.reading.format import Csv, Inventory, Manifest, Periods, Refusal
from arcadia_dagster.reading.problems import record_lines
from arcadia_dagster.reading.statements import StatementsOnly


def physical_lines(
    archive: Archive, document_sha256: str, formats: Formats, *, up_to: int, by: DescribedFormat | None = None
) -> dict[int, int]:
    """The line of the archived file on which each line's record begins, both from 1; empty where nobody can tell.

    Args:
        archive: Where the file is.
        document_sha256: The document.
        formats: The formats that documents are read by.
        up_to: The last line to tell of.
        by: The description that reads the document, whatever the formats say of it.
    """
    try:
        document = archive.examine(document_sha256)
    except LostBytesError:
        return {}
    path, facts = document.path, document.facts
    # Parquet has no lines, and JSON none that are its records'.
    if facts.problem is not None or not facts.newline or facts.head.lstrip()[:1] in {b"{", b"["}:
        return {}
    head = head_of(document)
    layout = by.recognise(head) if by is not None else formats.recognise(head)[1]
    if (
        layout is None
        or isinstance(layout, Refusal | Inventory | Manifest | Periods | StatementsOnly)
        or not isinstance(csv := layout.lines_in(path), Csv)
    ):
        return {}
    begins = record_lines(path, newline=facts.newline, delimiter=csv.delimiter, first_line=csv.first_line)
    records = islice(begins, int(csv.has_header), int(csv.has_header) + -(-up_to // csv.lines_each))
    numbers = count(1)
    return {next(numbers): line for line in records for _ in range(csv.lines_each)}
