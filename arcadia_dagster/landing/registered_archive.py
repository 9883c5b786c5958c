"""An archive as a warehouse has registered it, for a second look: nothing is written to it, and what came later is not in it.

So all documents can be registered anew beside the warehouse, while others land.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from arcadia_dagster.books import record as books
from arcadia_dagster.kept_names import number_of
from arcadia_dagster.landing import contents
from arcadia_dagster.landing.archive import Archive, ArchiveError
from arcadia_dagster.landing.book_exports import known_exports
from arcadia_dagster.landing.heads import Head
from arcadia_dagster.landing.record import MISSING, Event, Record, RecordState, read_record
from arcadia_dagster.landing.records import known_states
from arcadia_dagster.reading.content import ArchivedDocument
from arcadia_dagster.warehouse import Warehouse

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class WouldWriteError(ArchiveError):
    """Registering the documents anew would add to the archive: it does not have all that the warehouse learned of them."""


class RegisteredArchive(Archive):
    """The documents of an archive that a warehouse has registered, with the records that it knows.

    Records and index of heads are those of the warehouse: whoever uses it has compared them with the archive's.

    Args:
        of: The archive.
        warehouse: Where its documents are registered.
    """

    def __init__(self, of: Archive, warehouse: Warehouse) -> None:
        """Note which documents and kept files there are.

        Raises:
            LockTimeoutError, WarehouseError: See `Warehouse.read`.
        """
        super().__init__(of.folder, max_document_bytes=of.max_document_bytes)
        self._of = of
        with warehouse.read() as connection:
            states = known_states(connection)
            texts = connection.execute("SELECT document_sha256, record FROM documents").fetchall()
            self._kept_in = contents.kept_in(connection)
            self._exports = set(known_exports(connection).values())
        self._texts = {sha256: text for sha256, text in texts if text is not None}
        self._states = {sha256: states[sha256] if sha256 in self._texts else MISSING for sha256, _ in texts}

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._of.name

    def path_of(self, document_sha256: str) -> Path:
        """Where the document's bytes are; see `Archive.path_of`."""
        return self._of.path_of(document_sha256)

    def byte_size(self, document_sha256: str) -> int:
        """How many bytes the document has; 0 where it is missing."""
        return self._of.byte_size(document_sha256)

    def archived_at(self, document_sha256: str) -> datetime:
        """When the document was archived; see `Archive.archived_at`."""
        return self._of.archived_at(document_sha256)

    def each(self, ask: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        """Ask for each item; see `Archive.each`."""
        return self._of.each(ask, items)

    def kinds_kept(self, folder: str, pattern: re.Pattern[str]) -> dict[str, bool]:
        """The names of the files that were kept in a folder; of what documents state, and of exports, those that it knows.

        Nothing is put aside: whatever lies there is taken for a plain file, which cannot be read then.
        """
        names = self._of.names_kept(folder, pattern)
        if folder == contents.KEPT_IN:
            names = [name for name in names if number_of(name) in self._kept_in]
        elif folder == books.KEPT_IN:
            names = [name for name in names if name in self._exports]
        return dict.fromkeys(names, True)

    def _content_kept(self, folder: str, name: str) -> bytes:
        return self._of._content_kept(folder, name)  # noqa: SLF001 - it is an archive itself

    def bytes_kept(self, folder: str, names: Iterable[str]) -> dict[str, bytes]:
        """The bytes of files that were kept in a folder; see `Archive.bytes_kept`."""
        return self._of.bytes_kept(folder, names)

    def examine(self, document_sha256: str, *, was_accepted: bool = False) -> ArchivedDocument:
        """The document, if its bytes are whole. Nothing is put in the place of lost ones.

        Raises:
            LostBytesError: They are not.
        """
        return self._examined(document_sha256, was_accepted=was_accepted)

    def look(self) -> tuple[dict[str, RecordState], set[str]]:
        """The state of each document's record; there is no index of heads."""
        return dict(self._states), set()

    def heads_in(self, shelves: Collection[str]) -> tuple[dict[str, Head], dict[str, str]]:  # noqa: ARG002 - see above
        """Nothing: there is no index of heads."""
        return {}, {}

    def record(self, document_sha256: str, *, known: str | None = None, head: Head | None = None) -> Record:
        """The document's record as the warehouse knows it."""
        text = self._texts.get(document_sha256)
        if text is None:
            return read_record(document_sha256, None, known=known)
        return read_record(document_sha256, text.encode(), state=self._states[document_sha256], known=known, head=head)

    def append_all(self, events: Mapping[str, Sequence[Event]]) -> None:
        """Refuse events.

        Raises:
            WouldWriteError: There are some.
        """
        if news := sorted(f"{event['event']} of {sha256}" for sha256, more in events.items() for event in more):
            raise WouldWriteError(f"{self.name} does not have all that was learned of its documents: {', '.join(news)}")

    def keep(self, folder: str, name: str, text: str) -> None:  # noqa: ARG002 - nothing is kept
        """Refuse a file.

        Raises:
            WouldWriteError: Always.
        """
        raise WouldWriteError(f"{self.name}/{folder} does not have all that documents and people have stated")

    def advance_heads(self, records: Mapping[str, bytes]) -> None:
        """Write no index of heads."""

    def index_shelves(self, shelves: Iterable[str], *, without: Collection[str]) -> None:
        """Write no index of heads."""

    def sync(self) -> None:
        """Make no room on this machine."""


def forget_dismissed(copy: Warehouse) -> None:
    """Forget in a copy what reads dismissed documents and why it could not: they do not count, whatever that is now."""
    with copy.write() as connection:
        connection.execute(
            "UPDATE documents SET reason = NULL, read_by = NULL, bytes_damage = NULL WHERE status = 'dismissed'"
        )
