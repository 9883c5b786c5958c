"""Which documents depend on which description of a format: no description may disappear without a message.

If a description cannot be used, or is gone although documents were read by it, no run and no command takes any file. Otherwise
its documents would be rejected, and their invoices in finance would seem to be nobody's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from arcadia_dagster.formats.described import DescribedFormat
from arcadia_dagster.formats.description import Description
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.record import Event, Record
from arcadia_dagster.settings_file import SettingsFileError
from arcadia_dagster.warehouse import Warehouse

DESCRIBED = "described"
"""The event on a document's record that says by which description it was read, and what that description said."""


class FormatsError(SettingsFileError):
    """A description cannot be used, or is gone; the message names the file, the key and what to do. Nothing was taken."""


@dataclass(frozen=True, slots=True)
class _Read:
    """Documents that were read by one description.

    Attributes:
        name: What the description calls their format.
        described_in: The description's file; None where it came with the program.
        documents: How many they are.
        example: The name of one of them.
    """

    name: str
    described_in: str | None
    documents: int
    example: str


def problems(connection: duckdb.DuckDBPyConnection | None, formats: Formats) -> list[str]:
    """Why these descriptions cannot be used, each in a sentence that says what to do; empty where they can.

    Args:
        connection: An open warehouse; None where there is none yet.
        formats: The formats with the descriptions as they are now.
    """
    if wrong := formats.descriptions.problems.values():
        # One of them may be what seems to be gone.
        return [f"{problem}; nothing is taken until it is right: see `arcadia formats`" for problem in wrong]
    if connection is None:
        return []
    rows = connection.execute(
        "SELECT format, described_in, count(*), min(file_name) FROM accepted_documents "
        "WHERE format IS NOT NULL GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return list(_gone((_Read(*row) for row in rows), formats))


def assert_usable(warehouse: Warehouse, formats: Formats) -> None:
    """Check that the descriptions can be used, and that none is gone by which documents were read.

    Raises:
        FormatsError: One cannot, or is gone.
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
    """
    with warehouse.read() as connection:
        assert_usable_for(connection, formats)


def assert_usable_for(connection: duckdb.DuckDBPyConnection, formats: Formats) -> None:
    """The same for an open warehouse."""
    if wrong := problems(connection, formats):
        raise FormatsError("; ".join(wrong))


def assert_none_gone(records: Iterable[Record], formats: Formats) -> None:
    """The same for documents that the archive knows, and the warehouse does not yet.

    Raises:
        FormatsError: A description is gone by which one of them was read.
    """
    read: dict[tuple[str, str | None], _Read] = {}
    for record in records:
        event = record.last(DESCRIBED)
        if event is not None and not is_dismissed(record):
            key = (event["description"]["name"], event["file"])
            count = read[key].documents if key in read else 0
            read[key] = _Read(*key, count + 1, record.names[0])
    if gone := list(_gone(read.values(), formats)):
        raise FormatsError("; ".join(gone))


def is_dismissed(record: Record) -> bool:
    """Whether a person has taken the document out."""
    return any(event["decision"] == "dismiss" for event in record.of("decided"))


def read_by(record: Record) -> str | None:
    """The name of the description that the document was accepted by last; None where its record has none."""
    event = record.last(DESCRIBED)
    return None if event is None else str(event["description"]["name"])


def recorded_description(record: Record) -> DescribedFormat | None:
    """The description that the document was accepted by last; None where its record has none that can still be parsed."""
    event = record.last(DESCRIBED)
    if event is None:
        return None
    try:
        description = Description.model_validate(event["description"])
    except ValueError:
        return None
    return DescribedFormat(description, Path(event["file"] or f"{description.name}.toml"))


def kept_documents(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The documents that the description on their record reads, for the present formats lose an invoice in them."""
    return {
        sha256 for (sha256,) in connection.execute("SELECT document_sha256 FROM documents WHERE is_kept").fetchall()
    }


def recorded_descriptions(archive: Archive, documents: Iterable[str]) -> dict[str, DescribedFormat]:
    """The descriptions on the records of these documents, where there are some, by SHA-256."""
    descriptions = (
        (record.document_sha256, recorded_description(record)) for record in archive.each(archive.record, documents)
    )
    return {sha256: described for sha256, described in descriptions if described is not None}


def described_event(described: DescribedFormat | None, format_name: str | None) -> Event:
    """The event that says that a document was accepted by a description; or, after one, by a format of the program's own."""
    description = (
        {"name": format_name}
        if described is None
        else described.description.model_dump(mode="json", exclude_defaults=True)
    )
    return {"event": DESCRIBED, "file": file_of(described), "description": description}


def file_of(described: DescribedFormat | None) -> str | None:
    """The file of a person's own description; None where there is none, or it comes with the program."""
    return None if described is None or described.comes_with_the_program else str(described.path)


def _gone(read: Iterable[_Read], formats: Formats) -> Iterator[str]:
    for reading in read:
        present = formats.described(reading.name)
        if not formats.is_described(reading.name) or (
            present is not None and (reading.described_in is None or not present.comes_with_the_program)
        ):
            continue
        where = reading.described_in or f"the description {reading.name}"
        documents = (
            f"{reading.example}"
            if reading.documents == 1
            else f"{reading.documents} documents ({reading.example}, ...)"
        )
        verb = "was" if reading.documents == 1 else "were"
        yield (
            f"{where} is gone, but {documents} {verb} read by it as {reading.name}. No file is taken until you put it back. If "
            f'its documents should no longer count: `arcadia formats retire {reading.name} --reason "..."`'
        )
