"""A document on its way into the register."""

from dataclasses import dataclass

from arcadia_dagster.formats.described import DescribedFormat
from arcadia_dagster.landing.identity import Names
from arcadia_dagster.landing.record import Record
from arcadia_dagster.reading.format import Reading


@dataclass(frozen=True, slots=True)
class Arrival:
    """A document to register.

    Attributes:
        byte_size: Its size.
        record: Its record in the archive.
        reading: What reading it gave.
        names: What its names tell.
        described: The description that it was read by; None where its format is the program's own, or there is none.
        is_unread: Whether its bytes are lost, so that nobody knows what it states.
        is_kept: Whether that is the one on its record, for the present formats lose an invoice in it.
    """

    byte_size: int
    record: Record
    reading: Reading
    names: Names
    described: DescribedFormat | None = None
    is_unread: bool = False
    is_kept: bool = False
