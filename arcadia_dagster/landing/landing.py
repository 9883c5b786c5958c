"""Landing: every complete file of the inbox is archived, read and registered, once.

It does not know Dagster; the asset `documents` and the command line call it. It registers files of any month and never changes
the inbox.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import duckdb

from arcadia_dagster.billing.rules import Rules
from arcadia_dagster.books import record
from arcadia_dagster.formats.reader import Reader
from arcadia_dagster.how_many import how_many
from arcadia_dagster.kept_names import number_of
from arcadia_dagster.landing import contents
from arcadia_dagster.landing.archive import Archive, ArchiveError, shelf_of
from arcadia_dagster.landing.arrival import Arrival
from arcadia_dagster.landing.book_exports import note_exports, unknown_exports
from arcadia_dagster.landing.descriptions import assert_none_gone, is_dismissed
from arcadia_dagster.landing.inbox import (
    CONTROL_TOTAL_SUFFIX,
    Arriving,
    Inbox,
    Look,
    NotTakenError,
    StillChangingError,
)
from arcadia_dagster.landing.known import ARCHIVED, Known, accepted_of, to_read_anew
from arcadia_dagster.landing.lost_bytes import lost_bytes, note_found_bytes, note_lost_bytes
from arcadia_dagster.landing.reading import arrivals, unread
from arcadia_dagster.landing.record import MISSING, Event, Record, RecordState, grown, timeless
from arcadia_dagster.landing.records import damaged_records, months_of, note_records, records_of, registered, texts_of
from arcadia_dagster.landing.register import is_registered_as_read, register, register_decided, register_facts
from arcadia_dagster.landing.rules import (
    KEPT_IN,
    months_ruled_otherwise,
    note_final,
    note_rules,
    version_to_keep,
)
from arcadia_dagster.landing.total_files import (
    documents_last_at,
    stated_by_files,
    text_of,
    totals_of_replaced_files,
    totals_taken_away,
)
from arcadia_dagster.reading.content import ArchivedDocument
from arcadia_dagster.store.query import text_list
from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.months import renew
from arcadia_dagster.warehouse.rows import insert

Item = TypeVar("Item")

# Wait this long for another landing: it may have much to read, and this one need not take the same files again.
_LANDING_SECONDS = 600.0
_SLICE_FILES = 5_000
_SLICE_BYTES = 2 << 30

# A bucket takes its time to answer, whatever the size; a disk does not.
_READ_AT_A_TIME = 8


@dataclass(slots=True)
class Landed:
    """What a landing did.

    Attributes:
        documents: The SHA-256 of each document that was registered for the first time.
        months: The months whose invoices changed.
        rejected: The new documents that were rejected, by name: why.
        described: The documents that a person's description reads in place of a format of the program, by name: which of each.
        waiting: Files that are still being written: the next landing takes them.
        problems: Files that could not be taken, by their path below the inbox: why.
        damaged: The documents whose records in the archive are damaged, by SHA-256: name and how. Their invoices are held.
        seen: How many files lie in the inbox.
    """

    documents: list[str] = field(default_factory=list)
    months: set[date] = field(default_factory=set)
    rejected: dict[str, str] = field(default_factory=dict)
    described: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, tuple[str, str]] = field(default_factory=dict)
    seen: int = 0

    @property
    def not_taken(self) -> list[str]:
        """The problems in sentences. What is wrong with an archived document names its place by itself."""
        return [
            problem if path.startswith(ARCHIVED) else f"{path}: not taken: {problem}"
            for path, problem in self.problems.items()
        ]

    @property
    def holding(self) -> list[str]:
        """The damaged records in sentences."""
        return [
            f"{name}: its record is damaged, so its invoices are held: {damage}"
            for name, damage in self.damaged.values()
        ]

    def in_words(self) -> str:
        """What came with it, in a few words: `2 new documents, 1 of them rejected`."""
        came = how_many(len(self.documents), "new document")
        if not self.rejected:
            return came
        return f"{came}, rejected" if len(self.documents) == 1 else f"{came}, {len(self.rejected):,} of them rejected"

    def notes(self) -> Iterator[str]:
        """What a person should know of it, in sentences."""
        yield from (f"{path}: still being written, left for the next time" for path in self.waiting)
        yield from self.not_taken
        yield from (f"{name}: rejected: {reason}" for name, reason in self.rejected.items())
        yield from self.holding
        yield from (f"{name}: read by the description {which}" for name, which in self.described.items())


def nothing_archived(archive: Archive, warehouse: Warehouse) -> str:
    """What a person does where the archive has nothing at all, and the warehouse has documents."""
    return (
        f"{archive.name} is empty, but documents of it are registered: is its disk there? Mount it, or restore it from the "
        f"newest backup. If it is lost for good, move {warehouse.name} away and run `arcadia ingest`, then `arcadia reconcile`"
    )


def keep_export(warehouse: Warehouse, archive: Archive, number: int, text: str) -> None:
    """Keep the record of an export to the books (see `books.record`), and note it. The caller holds the landing's lock.

    The warehouse's lock comes first, for who waits for that in vain must not have kept anything. After a crash between archive
    and warehouse the next landing, or export, notes it.

    Args:
        warehouse: Where it is noted.
        archive: The archive.
        number: Which export it is, from 1.
        text: What the record says.

    Raises:
        LockTimeoutError: A writer of the warehouse took longer than its lock's time-out.
        OSError, WarehouseError: One of them cannot be written.
    """
    before = archive.names_kept(record.KEPT_IN, record.VERSION)
    name = record.name_of(number, text)
    with warehouse.write_register() as connection:
        archive.keep(record.KEPT_IN, name, text)
        note_exports(connection, [*before, name])


class Landing:
    """The way of a file into the warehouse: `look`, `archive`, `read`, `register`; `land` does all four.

    Only this module writes to the archive. The caller of `archive`, `note`, `mend` and `register` holds the landing's lock.

    Args:
        warehouse: Where documents are registered.
        archive: Where their bytes and records are kept.
        reader: Reads the documents; it keeps the lines for the steps that follow in this process.
    """

    def __init__(self, warehouse: Warehouse, archive: Archive, reader: Reader) -> None:
        """Note what it works with. Nothing is opened yet."""
        self.warehouse = warehouse
        self._archive = archive
        self.reader = reader

    def land(self, inbox: Inbox, *, settle_seconds: float) -> Landed:
        """Take what is new in the inbox. A file that changed just now is waited for, `settle_seconds` at most.

        First it registers documents and events that the archive has and the warehouse does not: after a crash, and for a
        warehouse that was deleted or restored from a backup. A document whose record is damaged keeps what is known of it, and
        its invoices are held until the record is whole again.

        A document without a name in its record or the inbox is registered under its hash, and held.

        Args:
            inbox: Where files arrive.
            settle_seconds: How long a file that was not renamed into place must lie unchanged.

        Raises:
            InboxError: The inbox is missing or cannot be read.
            FormatsError: A description is gone by which a document was read that only the archive knows.
            LockTimeoutError: Another landing took longer than ten minutes, or a writer of the warehouse longer than its lock's
                time-out.
            OSError, WarehouseError: The archive or the warehouse cannot be written.
        """
        deadline = time.monotonic() + settle_seconds
        landed = Landed()
        timeout = max(self.warehouse.lock_timeout, _LANDING_SECONDS)
        while True:
            with self.warehouse.hold("landing", path=self._archive.lock_path, timeout=timeout):
                self.warehouse.sweep()
                course = _Pass(self, self._archive, landed)
                course.catch_up()
                in_inbox = self.look(inbox, course.known.fingerprints, settle_seconds=settle_seconds)
                pause = min(in_inbox.settled_in(settle_seconds), max(0.0, deadline - time.monotonic()))
                if not pause:
                    course.take(inbox, in_inbox)
                    return landed
            time.sleep(pause)

    def take_over(self) -> Landed:
        """Register what the archive has, as `land` does before it looks at an inbox. The caller keeps other landings away.

        Raises:
            FormatsError: A description is gone by which a document was read that only the archive knows.
            OSError, WarehouseError: The archive or the warehouse cannot be written.
        """
        landed = Landed()
        course = _Pass(self, self._archive, landed)
        course.catch_up()
        course.take_nameless()
        return landed

    def look(self, inbox: Inbox, fingerprints: Mapping[str, str], *, settle_seconds: float) -> Look[Arriving]:
        """What is new in the inbox.

        Args:
            inbox: Where files arrive.
            fingerprints: Each file as it was looked at last, by its path.
            settle_seconds: How long a file must lie unchanged.

        Raises:
            InboxError: The inbox is missing or cannot be read.
        """
        return inbox.look(fingerprints, now_ns=time.time_ns(), settle_seconds=settle_seconds)

    def archive(self, files: Sequence[Arriving], landed: Landed) -> list[tuple[Arriving, ArchivedDocument]]:
        """Copy files of the inbox into the archive, in the order of their arrival; `landed` gets those that cannot be copied."""
        taken: list[tuple[Arriving, ArchivedDocument]] = []
        remote = [file for file in files if file.is_remote]
        with ThreadPoolExecutor(_READ_AT_A_TIME) as pool:
            answers = dict(zip((file.inbox_path for file in remote), pool.map(self._taken, remote), strict=True))
        local = [file for file in files if not file.is_remote]
        answers |= zip((file.inbox_path for file in local), self._archive.each(self._taken, local), strict=True)
        for file in files:
            match answers[file.inbox_path]:
                case ArchivedDocument() as document:
                    taken.append((file, document))
                case StillChangingError():
                    landed.waiting.append(file.inbox_path)
                case NotTakenError() as problem:
                    landed.problems[file.inbox_path] = str(problem)
        return sorted(taken, key=lambda pair: (pair[0].state.changed_ns, pair[0].inbox_path))

    def _taken(self, file: Arriving) -> ArchivedDocument | NotTakenError:
        try:
            return self._archive.take(file)
        except NotTakenError as error:
            return error

    def note(self, events: Mapping[str, Sequence[Event]]) -> None:
        """Append events to the records of documents, by SHA-256.

        Decisions and learned ids go on the record before the warehouse knows them: after a crash in between, the next landing
        registers the record.

        Raises:
            ArchiveError: The archive cannot be written, or a record is damaged: nothing is appended to that.
        """
        self._archive.append_all(events)

    def advance_heads(self, records: Mapping[str, bytes]) -> None:
        """Note in the archive's index how far whole records go, where a crash came before that.

        Raises:
            ArchiveError: The archive cannot be written.
        """
        self._archive.advance_heads(records)

    def index_shelves(self, shelves: Iterable[str], *, without: Collection[str]) -> None:
        """Make the archive's index of heads where there is none; see `Archive.index_shelves`."""
        self._archive.index_shelves(shelves, without=without)

    def mend(self, document_sha256: str, lines: bytes, events: Sequence[Event]) -> Record:
        """Put a record of these lines and events in the place of a damaged one, which stays beside it.

        Returns:
            The record as it is now.

        Raises:
            ArchiveError: The archive cannot be written.
        """
        self._archive.replace_record(document_sha256, grown(document_sha256, lines, events))
        return self._archive.record(document_sha256)

    def keep_rules(self, rules: Rules) -> None:
        """Keep the file of rules in the archive, unless its last version there is the same.

        Raises:
            OSError: The archive cannot be written.
        """
        if (version := version_to_keep(self._archive, rules)) is not None:
            self._archive.keep(KEPT_IN, *version)

    def read(
        self, documents: Sequence[ArchivedDocument], records: Mapping[str, Record] | None = None
    ) -> tuple[list[Arrival], dict[str, str]]:
        """Read archived documents; see `reading.arrivals`.

        Args:
            documents: The documents.
            records: Records to use in place of those in the archive.
        """
        if records is None:
            records = records_of(self.warehouse, self._archive, [document.document_sha256 for document in documents])
        return arrivals(self.warehouse, self._archive, self.reader, documents, records)

    def read_again(self, record: Record) -> list[Arrival]:
        """Read a registered document anew, by this record, for `register_again`.

        If its bytes are lost, nothing but its dismissal changes what is registered of it.
        """
        sha256 = record.document_sha256
        whole, lost = self._archive.examine_each([sha256], accepted_of(self.warehouse, [sha256]))
        if lost:
            return [unread(record, lost[sha256])] if is_dismissed(record) else []
        return self.read(whole, {sha256: record})[0]

    def register(self, arrived: Sequence[Arrival], looked_at: Sequence[tuple[Arriving, str]] = ()) -> set[date]:
        """Write in one transaction what is known of the documents, and which files of the inbox hold them.

        What registering learns is put on the records first, outside of the transaction; then it is registered from there. The
        archive, which may be a bucket, is asked before the warehouse is locked.

        Returns:
            The months whose invoices are concerned: they are marked as changed.
        """
        nameless = [arrival.record.document_sha256 for arrival in arrived if not arrival.record.received]
        times = self._archive.each(self._archive.archived_at, nameless)
        archived_at = {sha256: time_.replace(tzinfo=None) for sha256, time_ in zip(nameless, times, strict=True)}
        while True:
            with self.warehouse.write_register() as connection:
                registered = register(connection, self._archive, arrived, self.reader.formats, archived_at)
                if not registered.learned:
                    _note_looked_at(connection, looked_at)
            if not registered.learned:
                self.keep_contents(registered.to_keep)
                return registered.months
            arrived = self._learn(arrived, registered.learned)

    def sync_contents(self, known: Known, problems: dict[str, str]) -> bool:
        """Have archive and warehouse know the same of what documents state.

        What lies in the place of a kept file that the warehouse knows, and is no plain file, is put aside, and the file is kept
        again.

        Args:
            known: What the warehouse knows.
            problems: Gets the kept files that were changed, which are not believed.

        Returns:
            Whether the warehouse knows more now.

        Raises:
            OSError, WarehouseError: One of them cannot be written.
        """
        kinds = self._archive.kinds_kept(contents.KEPT_IN, contents.VERSION)
        last = max(known.kept_in, default=0)
        place = f"{ARCHIVED}{contents.KEPT_IN}/"
        unknown = {name for name in kinds if number_of(name) > last or f"{place}{name}" in known.problems}
        names = sorted(name for name, is_plain in kinds.items() if is_plain or name in unknown)
        for name in kinds.keys() - names:
            self._archive.put_aside(contents.KEPT_IN, name)
        files = self._archive.bytes_kept(contents.KEPT_IN, [name for name in names if name in unknown])
        readable = contents.readable(files)
        for name in files.keys() - readable.keys():
            problems[f"{place}{name}"] = (
                f"{self._archive.name}/{contents.KEPT_IN}/{name} {contents.CHANGED}; then run `arcadia ingest`"
            )
        if readable:
            with self.warehouse.write_register() as connection:
                contents.take_over(connection, readable)
        if missing := known.kept_in - {number_of(name) for name in names}:
            with self.warehouse.read() as connection:
                again = [contents.kept_again(connection, number) for number in sorted(missing)]
            for file in again:
                self.keep_contents(file)
        if known.is_unkept and not readable:
            with self.warehouse.write_register() as connection:
                kept = contents.renewed(connection)
            self.keep_contents(kept)
        return bool(readable)

    def sync_exports(self, known: Known) -> None:
        """Note which exports to the books the archive keeps, where the warehouse does not know all of them.

        Args:
            known: What the warehouse knows.

        Raises:
            OSError, WarehouseError: The archive cannot be read, or the warehouse not written.
        """
        names = self._archive.names_kept(record.KEPT_IN, record.VERSION)
        if unknown := unknown_exports(known.exports, names):
            with self.warehouse.write_register() as connection:
                note_exports(connection, unknown)

    def keep_contents(self, file: contents.ToKeep | None) -> None:
        """Keep in the archive what documents state.

        Raises:
            OSError: The archive cannot be written.
        """
        if file is not None:
            self._archive.keep(contents.KEPT_IN, file.name, file.text)

    def is_registered_as_read(self, record: Record) -> bool:
        """Whether reading a registered document again, by this record, would change nothing that is registered of it."""
        with self.warehouse.read() as connection:
            return is_registered_as_read(connection, record, self.reader.formats)

    def register_decided(self, record: Record) -> set[date]:
        """Register a decision about an invoice, where reading its document again would change nothing.

        Returns:
            The months that the stages must build again.
        """
        with self.warehouse.write_register() as connection:
            return register_decided(connection, self._archive, record)

    def register_again(self, record: Record, arrived: Sequence[Arrival]) -> set[date]:
        """Register a document anew by its record.

        Where `read` found that it cannot be registered, its row stays and only the events of its record are noted.

        Returns:
            The months that the stages must build again.
        """
        if arrived:
            return self.register([replace(arrival, record=record) for arrival in arrived])
        with self.warehouse.write_register() as connection:
            register_facts(connection, [record])
            concerned = months_of(connection, text_list([record.document_sha256]))
            renew(connection, schema.COST_LINES.name, concerned)
            return concerned | note_records(connection, self._archive, [record])

    def _learn(self, arrived: Sequence[Arrival], learned: Mapping[str, Sequence[Event]]) -> list[Arrival]:
        """The same arrivals with what was learned on their records. A damaged record has it in memory alone, until a rebuild."""
        damaged = {arrival.record.document_sha256 for arrival in arrived if arrival.record.damage is not None}
        noted = {sha256: events for sha256, events in learned.items() if sha256 not in damaged and events}
        self.note(noted)
        records = dict(zip(noted, self._archive.each(self._archive.record, noted), strict=True))
        return [
            arrival
            if not (events := learned.get(arrival.record.document_sha256))
            else replace(arrival, record=replace(arrival.record, events=(*arrival.record.events, *events)))
            if arrival.record.document_sha256 in damaged
            else replace(arrival, record=records[arrival.record.document_sha256])
            for arrival in arrived
        ]


class _Pass:
    """One pass over archive and inbox, with the landing's lock held.

    Args:
        landing: The landing that takes documents.
        archive: Where it keeps them.
        landed: Gets what is done.
    """

    def __init__(self, landing: Landing, archive: Archive, landed: Landed) -> None:
        self._landing, self._archive, self._landed = landing, archive, landed
        self._warehouse, self._formats = landing.warehouse, landing.reader.formats
        self.known = Known.of(self._warehouse, self._formats)

    def catch_up(self) -> None:
        """Register the differences between the warehouse on one side, and the archive and the rules on the other."""
        # A crash came between archive and register, the warehouse is a new one or from a backup, or a record was changed.
        archived, indexed = self._archive.look()
        if self.known.records and not archived:
            raise ArchiveError(nothing_archived(self._archive, self._warehouse))
        self._landing.sync_exports(self.known)
        if self._landing.sync_contents(self.known, self._landed.problems):
            self.known = Known.of(self._warehouse, self._formats)
        behind = [
            sha256
            for sha256 in sorted(self.known.records.keys() | archived.keys())
            if _is_behind(self.known.records.get(sha256), archived.get(sha256, MISSING))
        ]
        if behind:
            self._restore(behind)
            self.known = Known.of(self._warehouse, self._formats)
        if gone := sorted(self.known.unregistered - archived.keys()):
            self._register_archived(gone)
            self.known = Known.of(self._warehouse, self._formats)
        self._tell_what_is_gone(archived, self._archive.heads_in(indexed)[0] if behind else ())
        shelves = {shelf_of(sha256) for sha256, state in archived.items() if state != MISSING}
        if unindexed := sorted(shelves - indexed):
            self._landing.index_shelves(unindexed, without=self.known.damaged)
        self.known.nameless = {sha256: [] for sha256 in archived if sha256 not in self.known.records}
        self._take_rules()

    def take_nameless(self) -> None:
        """Register the documents that have no name in their record or the inbox under their hash."""
        if self.known.nameless:
            self._register_archived(list(self.known.nameless))

    def take(self, inbox: Inbox, in_inbox: Look[Arriving]) -> None:
        """Archive, read and register what the look at the inbox found."""
        landed, known = self._landed, self.known
        landed.seen = in_inbox.seen
        landed.problems.update(in_inbox.problems)
        landed.waiting += [file.inbox_path for file in in_inbox.waiting]
        outdated = to_read_anew(self._warehouse, self._archive, self._formats, known.outdated)
        for hashes in _slices([(sha256, 0) for sha256 in outdated]):
            self._register(self._intact(hashes))
        documents = [file for file in in_inbox.complete if not file.is_control_total]
        for files in _slices([(file, file.state.byte_size) for file in documents]):
            self._take_files(files)
        if known.lost:
            # After the files: one of them may have the bytes again.
            self._register_archived(sorted(known.lost))
        self.take_nameless()
        totals = [file for file in in_inbox.complete if file.is_control_total]
        self._take_totals([*totals, *totals_of_replaced_files(inbox, in_inbox, known.documents)])
        with self._warehouse.read() as connection:
            stated = stated_by_files(connection)
            if landed.documents:
                known.damaged = damaged_records(connection)
                landed.rejected = _rejected(connection, landed.documents)
        landed.problems.update(totals_taken_away(stated, inbox))
        landed.damaged = known.damaged
        if landed.problems != known.problems:
            self._note_problems(in_inbox)

    def _restore(self, archived: Sequence[str]) -> None:
        """Register archived documents that the warehouse does not know, or not all of; note which records are damaged.

        Raises:
            FormatsError: A description is gone by which one of them was read.
        """
        for hashes in _slices([(sha256, 0) for sha256 in archived]):
            assert_none_gone(self._archive.each(self._archive.record, hashes), self._formats)
        anew: list[str] = []
        # Which ids are aliases must be known before the first invoice is placed.
        for hashes in _slices([(sha256, 0) for sha256 in archived]):
            texts = texts_of(self._warehouse, hashes)
            records = list(records_of(self._warehouse, self._archive, hashes).values())
            noted = [
                record for record in records if _is_registered(record, self.known, texts.get(record.document_sha256))
            ]
            others = [
                record
                for record in records
                if not _is_registered(record, self.known, texts.get(record.document_sha256))
            ]
            # A document without a name in its record gets the name of its file in the inbox, if that is still there.
            others = [record for record in others if record.damage is None or record.received]
            with self._warehouse.write_register() as connection:
                self._landed.months |= note_records(connection, self._archive, noted)
                register_facts(connection, others)
            self._landing.advance_heads(
                {record.document_sha256: record.text.encode() for record in records if record.damage is None}
            )
            anew += [record.document_sha256 for record in others]
        self._register_archived(anew)

    def _tell_what_is_gone(self, archived: Mapping[str, RecordState], indexed: Iterable[str]) -> None:
        """Tell of the documents of which only the index of heads has anything, and which no warehouse knows.

        Args:
            archived: What the archive has.
            indexed: What the index has; what was told before is told as long as it is so.
        """
        of_documents = (path.removeprefix(ARCHIVED) for path in self.known.problems if path.startswith(ARCHIVED))
        before = (sha256 for sha256 in of_documents if "/" not in sha256)
        for sha256 in {*indexed, *before} - archived.keys() - self.known.records.keys():
            self._landed.problems[f"{ARCHIVED}{sha256}"] = (
                f"{self._archive.place_of(sha256)} and its record are gone, and nobody knows which invoices it states: restore "
                "both from the newest backup, or put the file into the inbox again; then run `arcadia ingest`"
            )

    def _take_rules(self) -> None:
        """Apply the present rules: keep them, register the documents that they concern, note which invoices are final.

        The rules go into the warehouse after all documents that they concern: a crash in between leaves nothing out.
        """
        rules, news = self._formats.rules, self.known.rules
        self._landing.keep_rules(rules)
        if news.is_none:
            return
        months = set(news.months)
        self._register_archived(news.documents)
        if news.is_known and not news.final:
            return
        with self._warehouse.write_register() as connection:
            if not news.is_known:
                months |= months_ruled_otherwise(connection, rules)
                note_rules(connection, rules)
                renew(connection, schema.RAW_INVOICES.name, months)
                self._landed.months |= months
            self._landed.months |= note_final(connection, _now())

    def _register_archived(self, archived: Sequence[str]) -> None:
        """Register archived documents, in slices that are bounded in bytes."""
        sizes = self._archive.each(self._archive.byte_size, archived)
        for hashes in _slices(list(zip(archived, sizes, strict=True))):
            documents = self._intact(hashes)
            self._landed.documents += [
                document.document_sha256 for document in documents if document.document_sha256 not in self.known.records
            ]
            self._register(documents)

    def _intact(self, hashes: Sequence[str]) -> list[ArchivedDocument]:
        """The archived documents; one that was changed since, or is gone, is shown and held, and the others go on."""
        whole, lost = self._archive.examine_each(hashes, accepted_of(self._warehouse, hashes))
        if lost:
            self._note_lost(lost)
        return whole

    def _note_lost(self, lost: Mapping[str, str]) -> None:
        """Note that documents cannot be read any more. A new one is registered by the names on its record."""
        records = records_of(self._warehouse, self._archive, list(lost))
        with self._warehouse.read() as connection:
            known, noted = registered(connection, records.values()), lost_bytes(connection)
            stated = contents.contents_of(connection, lost)
        for sha256, its in records.items():
            name = f"{its.names[0]}: " if its.received else ""
            if not is_dismissed(its):
                self._landed.problems[f"{ARCHIVED}{sha256}"] = f"{name}{lost[sha256]}"
        new = [
            unread(its, lost[sha256], stated.get(sha256))
            for sha256, its in records.items()
            if sha256 not in known and its.received
        ]
        if new:
            self._landed.months |= self._landing.register(new)
        if not lost.items() <= noted.items():
            with self._warehouse.write_register() as connection:
                self._landed.months |= note_lost_bytes(connection, lost)

    def _take_files(self, files: Sequence[Arriving]) -> None:
        """Archive a slice of files, and register the documents that are new or have a new name."""
        landed, known = self._landed, self.known
        taken = self._landing.archive(files, landed)
        arrived: dict[str, ArchivedDocument] = {}
        arrivals: list[tuple[str, Event]] = []
        for file, document in taken:
            sha256 = document.document_sha256
            paths = known.paths.setdefault(sha256, set())
            if not paths:
                landed.documents.append(sha256)
            if file.inbox_path not in paths and not self._is_refused(file, sha256):
                paths.add(file.inbox_path)
                received = _received(file, known)
                if self._is_nameless(sha256):
                    known.nameless[sha256].append(received)
                    continue
                arrivals.append((sha256, received))
                arrived[sha256] = document
                known.nameless.pop(sha256, None)
        self._landing.note(self._news(arrivals))
        self._archive.sync()
        looked_at = [
            (file, document.document_sha256) for file, document in taken if file.inbox_path not in landed.problems
        ]
        self._register(list(arrived.values()), looked_at)
        known.documents.update({file.inbox_path: sha256 for file, sha256 in looked_at})

    def _take_totals(self, files: Sequence[Arriving]) -> None:
        """Note the totals that `<file>.total` states with the documents of those files."""
        landed, known = self._landed, self.known
        totals: list[tuple[str, Event]] = []
        looked_at = []
        besides = {file.inbox_path: file.inbox_path[: -len(CONTROL_TOTAL_SUFFIX)] for file in files}
        gone = documents_last_at(
            self._warehouse, [beside for beside in besides.values() if beside not in known.documents]
        )
        for file in files:
            beside = besides[file.inbox_path]
            sha256 = known.documents.get(beside) or gone.get(beside)
            if sha256 is None:
                landed.problems[file.inbox_path] = f"it states the total of {beside}, but no such document was landed"
                continue
            try:
                text = text_of(file)
            except StillChangingError:
                landed.waiting.append(file.inbox_path)
                continue
            except NotTakenError as error:
                landed.problems[file.inbox_path] = str(error)
                continue
            if self._is_refused(file, sha256):
                continue
            stated = {"event": "control_total", "file_name": file.name, "inbox_path": file.inbox_path, "text": text}
            totals.append((sha256, stated))
            looked_at.append((file, sha256))
        news = self._news(totals)
        self._landing.note(news)
        if looked_at:
            self._register(self._intact(list(news)), looked_at)

    def _register(self, documents: Sequence[ArchivedDocument], looked_at: Sequence[tuple[Arriving, str]] = ()) -> None:
        """Read the documents, and register them and what was looked at."""
        hashes = [document.document_sha256 for document in documents]
        records = {
            sha256: replace(record, events=(*record.events, *self.known.nameless.get(sha256, ())))
            for sha256, record in records_of(self._warehouse, self._archive, hashes).items()
        }
        arrivals, lost = self._landing.read(documents, records)
        self._landed.problems.update({f"{ARCHIVED}{sha256}": problem for sha256, problem in lost.items()})
        if lost.keys() & self.known.lost.keys():
            with self._warehouse.write_register() as connection:
                self._landed.months |= note_found_bytes(connection, lost)
        for arrival in arrivals:
            if arrival.reading.passed_over is not None:
                which = f"{arrival.reading.format}, instead of the program's own format {arrival.reading.passed_over}"
                self._landed.described[arrival.record.names[0]] = which
        if arrivals or looked_at:
            self._landed.months |= self._landing.register(arrivals, looked_at)

    def _is_nameless(self, sha256: str) -> bool:
        """Whether no line of the document's record has a name: nothing is appended to such a record."""
        return (
            sha256 in self.known.nameless
            and self._archive.has_record(sha256)
            and self._archive.record(sha256).damage is not None
        )

    def _is_refused(self, file: Arriving, sha256: str) -> bool:
        """Whether nothing can be noted of the file: the record of its document is damaged. It is tried again at each look."""
        if sha256 in self.known.damaged:
            _, damage = self.known.damaged[sha256]
            self._landed.problems[file.inbox_path] = f"the record of its document in the archive is damaged ({damage})"
        return sha256 in self.known.damaged

    def _news(self, events: Sequence[tuple[str, Event]]) -> dict[str, list[Event]]:
        """What of these events is to be noted: not what a record has already, as after a crash before it was registered."""
        documents = list(dict.fromkeys(sha256 for sha256, _ in events))
        records = dict(zip(documents, self._archive.each(self._archive.record, documents), strict=True))
        news: dict[str, list[Event]] = {}
        for sha256, event in events:
            before = [*records[sha256].of(event["event"]), *news.get(sha256, ())]
            same = [
                timeless(known)
                for known in before
                if known["event"] == event["event"] and known.get("inbox_path") == event.get("inbox_path")
            ]
            is_known = timeless(event) in same if event["event"] == "received" else same[-1:] == [timeless(event)]
            if not is_known:
                news.setdefault(sha256, []).append({"at": datetime.now(UTC).isoformat(), **event})
        return news

    def _note_problems(self, in_inbox: Look[Arriving]) -> None:
        """Note the files that could not be taken, for a check to show, and forget the others."""
        by_path = {file.inbox_path: file for file in in_inbox.complete}
        with self._warehouse.write_register() as connection:
            connection.execute("DELETE FROM inbox_files WHERE problem IS NOT NULL")
            rows = []
            for path, problem in self._landed.problems.items():
                connection.execute("DELETE FROM inbox_files WHERE inbox_path = ?", [path])
                file = by_path.get(path)
                rows.append(_file_row(file, None, problem) if file else {"inbox_path": path, "problem": problem})
            insert(connection, schema.INBOX_FILES, rows)


def _is_behind(known: RecordState | None, archived: RecordState) -> bool:
    """Whether a record must be read. Bytes without one are a document whose arrival a crash cut short: its file comes again."""
    return archived != MISSING if known is None else archived != known


def _is_registered(record: Record, known: Known, text: str | None) -> bool:
    """Whether a record has nothing new: its text is the registered one, or it is damaged."""
    before = known.records.get(record.document_sha256)
    if before is None:
        return False
    if text is None and record.damage is None and record.document_sha256 not in known.damaged:
        # Registered by an earlier version, which kept its length only.
        return record.state.byte_size == before.byte_size
    return record.damage is not None or record.text == text


def _now() -> datetime:
    """The time, in UTC without an offset, as the warehouse keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


def _rejected(connection: duckdb.DuckDBPyConnection, documents: Sequence[str]) -> dict[str, str]:
    """Which of the documents were rejected, by name: why."""
    return dict(
        connection.execute(
            "SELECT file_name, reason FROM documents WHERE status = 'rejected' "
            f"AND document_sha256 IN ({text_list(documents)}) ORDER BY file_name"
        ).fetchall()
    )


def _received(file: Arriving, known: Known) -> Event:
    """The arrival: by the file's change time, and never before what was received earlier.

    A folder that is moved into the inbox keeps the change times of its files; versions must not change places for that.
    """
    at = datetime.fromtimestamp(file.state.changed_ns / 1e9, UTC)
    if known.latest is not None:
        at = max(at, known.latest + timedelta(microseconds=1))
    known.latest = at
    return {"event": "received", "at": at.isoformat(), "file_name": file.name, "inbox_path": file.inbox_path}


def _note_looked_at(connection: duckdb.DuckDBPyConnection, looked_at: Sequence[tuple[Arriving, str]]) -> None:
    """Note which document each file holds, so that it is looked at again only once it changes."""
    paths = text_list([file.inbox_path for file, _ in looked_at])
    connection.execute(f"DELETE FROM inbox_files WHERE inbox_path IN ({paths})")
    insert(connection, schema.INBOX_FILES, [_file_row(file, sha256, None) for file, sha256 in looked_at])


def _file_row(file: Arriving, sha256: str | None, problem: str | None) -> dict[str, Any]:
    return {
        "inbox_path": file.inbox_path,
        "byte_size": file.state.byte_size,
        "modified_ns": file.state.modified_ns,
        "changed_ns": file.state.changed_ns,
        "inode": file.state.inode,
        "version": file.state.version,
        "document_sha256": sha256,
        "problem": problem,
    }


def _slices(items: Sequence[tuple[Item, int]]) -> Iterator[list[Item]]:
    """The items in slices that are bounded in number and in bytes, so that memory is too."""
    slice_: list[Item] = []
    size = 0
    for item, byte_size in items:
        if slice_ and (len(slice_) >= _SLICE_FILES or size + byte_size > _SLICE_BYTES):
            yield slice_
            slice_, size = [], 0
        slice_.append(item)
        size += byte_size
    if slice_:
        yield slice_
