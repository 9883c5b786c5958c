"""Reading documents for the register: by the present descriptions, unless that would lose an invoice.

A changed description may no longer read a document that it has read before, or may read other invoices in it. Nobody has
decided that the earlier invoices should go, and finance may have them. So the document counts as the description on its record
reads it, and its invoices are held until somebody corrects the description or decides. An invoice that gets another id by the
change, with the same lines, is not lost: before its first push its id is corrected, and after it the first id stays (see
`learning`). The result depends on the document's record, on people's decisions and on the descriptions, so a rebuilt warehouse
says the same.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from arcadia_dagster.billing.rules import Rules
from arcadia_dagster.formats.described import DescribedFormat
from arcadia_dagster.formats.described_layout import DescribedLayout
from arcadia_dagster.formats.reader import Reader, head_of
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.arrival import Arrival
from arcadia_dagster.landing.contents import Content
from arcadia_dagster.landing.descriptions import is_dismissed, recorded_description
from arcadia_dagster.landing.identity import Identity, Names, placed
from arcadia_dagster.landing.inbox import readable
from arcadia_dagster.landing.learning import aliases_of
from arcadia_dagster.landing.record import Record
from arcadia_dagster.landing.register import NO_MONTH, void_invoices
from arcadia_dagster.landing.rules import earlier_rules, known_rules
from arcadia_dagster.reading.content import ArchivedDocument, Encoding
from arcadia_dagster.reading.format import Reading, StatedInvoice
from arcadia_dagster.reading.zip_content import member_name
from arcadia_dagster.store.query import text_list
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.keys import InvoiceKey

_MOST_NAMED = 3
_HASH_SHOWN = 12


@dataclass(frozen=True, slots=True)
class _Stated:
    """An invoice that a reading states.

    Attributes:
        key: As the document and its names tell it.
        ordinal: Which of its document's.
        lines: What tells its lines from those of another invoice.
    """

    key: InvoiceKey
    ordinal: int
    lines: tuple[Any, ...]

    @classmethod
    def of(cls, invoice: StatedInvoice, identity: Identity) -> "_Stated":
        key = InvoiceKey(identity.source, identity.account_id, identity.external_id)
        lines = (invoice.line_count, invoice.lines_total, tuple(invoice.lines_sketch))
        return cls(key, invoice.ordinal, lines)


def arrivals(
    warehouse: Warehouse,
    archive: Archive,
    reader: Reader,
    documents: Sequence[ArchivedDocument],
    records: Mapping[str, Record],
) -> tuple[list[Arrival], dict[str, str]]:
    """Read the documents, so that they can be registered. The caller does not hold the warehouse's lock, for reading is slow.

    Args:
        warehouse: Where decisions and aliases are known.
        archive: Where earlier rules are kept.
        reader: Reads them; it keeps the lines.
        documents: The documents; each has arrived once.
        records: Their records, by their SHA-256.

    Returns:
        The documents that can be registered; and, by SHA-256, why the others cannot: such a document was accepted before, the
        present formats read it otherwise, and its record has no description that reads it.
    """
    kept = _kept(warehouse, reader, documents, records)
    readings = reader.read(documents, {sha256: by.described for sha256, by in kept.items()})
    for sha256, by in kept.items():
        readings[sha256] = by.marked(readings[sha256])
    described = {sha256: by.described for sha256, by in kept.items()}
    names = _names(reader.formats, readings, records, _inside(documents), described)
    lost = _lost(warehouse, archive, reader.formats, documents, readings, names, records)
    readable = [
        Arrival(
            document.byte_size,
            records[sha256],
            readings[sha256],
            names[sha256],
            kept[sha256].described if sha256 in kept else reader.formats.described(readings[sha256].format),
            is_kept=sha256 in kept,
        )
        for document in documents
        for sha256 in [document.document_sha256]
        if sha256 not in lost
    ]
    return readable, lost


def unread(record: Record, reason: str, content: Content | None = None) -> Arrival:
    """A document that nothing can be read of: it is registered as rejected, by the names on its record.

    Args:
        record: Its record.
        reason: Why.
        content: What it stated when it could be read, where that is known.
    """
    files, periods = ((), ()) if content is None else (content.files, content.periods)
    reading = Reading(record.document_sha256, None, reason, delivery=files, periods=periods)
    return Arrival(0, record, reading, Names.of(record.names, {}), is_unread=True)


@contextmanager
def reader_as_landed(warehouse: Warehouse, formats: Formats) -> Iterator[Reader]:
    """A reader for registered documents, with the rules that they were landed by, whatever `sources.toml` says now.

    Args:
        warehouse: Where they are registered.
        formats: The formats that documents are read by.
    """
    with warehouse.read() as connection:
        rules = known_rules(connection)
    with closing(Reader(warehouse.new_work_folder(), warehouse.stage, formats.with_rules(rules))) as reader:
        yield reader


@dataclass(frozen=True, slots=True)
class _Kept:
    """A document that counts as the description on its record reads it, and why."""

    described: DescribedFormat
    doubt: str

    def marked(self, reading: Reading) -> Reading:
        """The reading, with each invoice in doubt."""
        invoices = tuple(replace(invoice, doubts=(self.doubt, *invoice.doubts)) for invoice in reading.invoices)
        return replace(reading, invoices=invoices)


def _kept(
    warehouse: Warehouse, reader: Reader, documents: Sequence[ArchivedDocument], records: Mapping[str, Record]
) -> dict[str, _Kept]:
    """The documents in which the present formats lose an invoice."""
    recorded: dict[str, DescribedFormat] = {}
    by_digest: dict[str, DescribedFormat] = {}
    for document in documents:
        record = records[document.document_sha256]
        described = None if is_dismissed(record) else recorded_description(record)
        if described is not None and not _is_read_by(document, reader.formats, described):
            recorded[document.document_sha256] = by_digest.setdefault(described.digest, described)
    changed = [document for document in documents if document.document_sha256 in recorded]
    if not changed:
        return {}
    # A reader reads a document in one way only: this one only finds out, and the reader that keeps the lines reads it again.
    now = _read_aside(warehouse, reader.formats, changed)
    before = _read_aside(warehouse, reader.formats, changed, recorded)
    inside = _inside(changed)
    names_now = _names(reader.formats, now, records, inside)
    names_before = _names(reader.formats, before, records, inside, recorded)
    with warehouse.read() as connection:
        known = _Known.of(connection)
    kept = {}
    for document in changed:
        sha256 = document.document_sha256
        stated = list(_stated(now[sha256], names_now[sha256], reader.formats.rules))
        lost = known.lost(_stated(before[sha256], names_before[sha256], reader.formats.rules), stated, records[sha256])
        if lost:
            described = recorded[sha256]
            present = reader.formats.described(described.name)
            reason = _reason(document, now[sha256], stated, lost, present)
            doubt = _doubt(document, present or described, reason, lost, is_read=bool(stated))
            kept[sha256] = _Kept(described, doubt)
    return kept


def _is_read_by(document: ArchivedDocument, formats: Formats, described: DescribedFormat) -> bool:
    """Whether the formats read the document by this very description."""
    _, layout = formats.recognise(head_of(document))
    return isinstance(layout, DescribedLayout) and layout.digest == described.digest


def _read_aside(
    warehouse: Warehouse,
    formats: Formats,
    documents: Sequence[ArchivedDocument],
    by: Mapping[str, DescribedFormat] | None = None,
) -> dict[str, Reading]:
    with closing(Reader(warehouse.new_work_folder(), warehouse.stage, formats)) as reader:
        return reader.read(documents, by)


def _inside(documents: Iterable[ArchivedDocument]) -> dict[str, str]:
    """The names of the files in those documents that are ZIP archives of one, by the documents' SHA-256."""
    members = {
        document.document_sha256: member_name(document.path)
        for document in documents
        if document.encoding is Encoding.ZIP and document.facts.problem is None
    }
    return {sha256: readable(name) for sha256, name in members.items() if name is not None}


def _names(
    formats: Formats,
    readings: Mapping[str, Reading],
    records: Mapping[str, Record],
    inside: Mapping[str, str],
    by: Mapping[str, DescribedFormat] | None = None,
) -> dict[str, Names]:
    """What the documents' names tell: a query for each description, however many documents there are."""
    by = by or {}
    groups: dict[str | DescribedFormat | None, list[str]] = {}
    for sha256, reading in readings.items():
        groups.setdefault(by.get(sha256, reading.format), []).append(sha256)
    names_of: dict[str, Names] = {}
    for group, members in groups.items():
        names = {sha256: records[sha256].names for sha256 in members}
        within = [inside[sha256] for sha256 in members if sha256 in inside]
        every = list(dict.fromkeys([*(name for own in names.values() for name in own), *within]))
        own_names = (
            group.facts_from_names(every)
            if isinstance(group, DescribedFormat)
            else formats.facts_from_names(group, every)
        )
        names_of |= {sha256: Names.of(own, own_names, inside.get(sha256)) for sha256, own in names.items()}
    return names_of


def _stated(reading: Reading, names: Names, rules: Rules) -> Iterator[_Stated]:
    """The invoices that the reading states; none where the document is rejected."""
    if reading.reason is None:
        invoices = placed(reading.invoices, names.facts, names.best, rules)
        stated = [_Stated.of(invoice, identity) for invoice, identity in invoices if identity is not None]
        if len(stated) == len(invoices):
            yield from stated


@dataclass(frozen=True, slots=True)
class _Known:
    """What the warehouse knows of invoices.

    Attributes:
        aliases: Those that are known by another id.
        void: Those that must not be in finance, as people decided.
    """

    aliases: Mapping[InvoiceKey, InvoiceKey]
    void: frozenset[InvoiceKey]

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection) -> "_Known":
        return cls(aliases_of(connection), frozenset(void_invoices(connection)))

    def lost(self, before: Iterable[_Stated], now: Sequence[_Stated], record: Record) -> list[_Stated]:
        """The earlier invoices that a document does not state now, except those that a person has voided.

        Args:
            before: What it stated.
            now: What it states.
            record: Its record, which may have a decision that the warehouse does not know yet.
        """
        decided = {InvoiceKey.of(event) for event in record.of("decided") if event["decision"] == "void"}
        void = self.void | decided
        return [invoice for invoice in before if void.isdisjoint(self._ids(invoice)) and not self._has(now, invoice)]

    def _has(self, stated: Iterable[_Stated], wanted: _Stated) -> bool:
        """Whether the reading has the invoice: under its id, whatever its account is now, or with the same lines."""
        return any(
            not self._ids(wanted).isdisjoint(self._ids(invoice))
            or invoice.key.external_id == wanted.key.external_id
            or (invoice.ordinal == wanted.ordinal and invoice.lines == wanted.lines)
            for invoice in stated
        )

    def _ids(self, invoice: _Stated) -> set[InvoiceKey]:
        return {invoice.key, self.aliases.get(invoice.key, invoice.key)}


def _lost(
    warehouse: Warehouse,
    archive: Archive,
    formats: Formats,
    documents: Sequence[ArchivedDocument],
    readings: Mapping[str, Reading],
    names: Mapping[str, Names],
    records: Mapping[str, Record],
) -> dict[str, str]:
    """The documents that would lose a registered invoice by any description, each with the reason.

    Lines without an invoice's id cannot be lost, and neither can an invoice whose id a person's rule changes.
    """
    with warehouse.read() as connection:
        by = known_rules(connection)
        rows = connection.execute(
            "SELECT document_sha256, invoice_ordinal, source, account_id, coalesce(stated_id, external_id), "
            "line_count, lines_total, lines_sketch, format, read_by "
            "FROM document_invoices JOIN documents USING (document_sha256) "
            f"WHERE document_sha256 IN ({text_list(readings)}) AND (is_final OR id_basis <> 'derived')"
        ).fetchall()
        known = _Known.of(connection) if rows else None
    registered: dict[str, list[_Stated]] = {}
    read_by: dict[str, tuple[str | None, str]] = {}
    for sha256, ordinal, source, account, external_id, count, total, sketch, *reading in rows:
        is_named_anew = by.of(source, account)["invoice_id"] != formats.rules.of(source, account)["invoice_id"]
        if not is_dismissed(records[sha256]) and not is_named_anew:
            lines = (count, total, tuple(sketch or ()))
            registered.setdefault(sha256, []).append(_Stated(InvoiceKey(source, account, external_id), ordinal, lines))
            read_by[sha256] = (reading[0], reading[1])
    if known is None:
        return {}
    stated = {sha256: list(_stated(readings[sha256], names[sha256], formats.rules)) for sha256 in registered}
    lost = {sha256: known.lost(before, stated[sha256], records[sha256]) for sha256, before in registered.items()}
    by_rules = {sha256 for sha256 in lost if lost[sha256] and formats.has_other_id_rules(*read_by[sha256])}
    by_earlier_rules = _stated_by_earlier_rules(
        warehouse, archive, formats, [one for one in documents if one.document_sha256 in by_rules], read_by, records
    )
    for sha256, invoices in by_earlier_rules.items():
        # In a cost table a rule is for the rows of a provider, and its invoice may be of an issuer that only another document
        # names. What the present program still reads by the rules of then is lost by nothing but the change of the rules.
        if not known.lost(registered[sha256], invoices, records[sha256]):
            lost[sha256] = []
    return {
        sha256: _why_not_registered(names[sha256].best, sha256, readings[sha256], stated[sha256], its)
        for sha256, its in lost.items()
        if its
    }


def _stated_by_earlier_rules(
    warehouse: Warehouse,
    archive: Archive,
    formats: Formats,
    documents: Sequence[ArchivedDocument],
    read_by: Mapping[str, tuple[str | None, str]],
    records: Mapping[str, Record],
) -> dict[str, list[_Stated]]:
    """What the present program states of documents by the rules for ids that they were read by, where those are known."""
    stated: dict[str, list[_Stated]] = {}
    for then in [formats.with_rules(rules) for rules in earlier_rules(archive)] if documents else ():
        its = [one for one in documents if not then.has_other_id_rules(*read_by[one.document_sha256])]
        readings = _read_aside(warehouse, then, [one for one in its if one.document_sha256 not in stated])
        names = _names(then, readings, records, _inside(its))
        stated |= {sha256: list(_stated(readings[sha256], names[sha256], then.rules)) for sha256 in readings}
    return stated


def _why_not_registered(
    file_name: str, sha256: str, now: Reading, stated: Sequence[_Stated], lost: Sequence[_Stated]
) -> str:
    """Why a document stays as it is registered, in a sentence."""
    states = (
        f"the program now reads {_listed('/'.join(invoice.key) for invoice in stated)} in it"
        if stated
        else f"the program can no longer read it ({now.reason or NO_MONTH})"
    )
    return (
        f"{file_name} was accepted with {_listed('/'.join(invoice.key) for invoice in lost)}, but {states}. So it stays as it "
        "was accepted. If a description of yours reads it, correct that description: `arcadia formats` names it. If none does, "
        "this is a defect of the program: report it. If the document should not count: "
        f'`arcadia dismiss {sha256[:_HASH_SHOWN]} --reason "..."`'
    )


def _reason(
    document: ArchivedDocument,
    now: Reading,
    stated: Sequence[_Stated],
    lost: Sequence[_Stated],
    present: DescribedFormat | None,
) -> str:
    """What the present formats read in the document, in words that follow the name of its description."""
    if not stated:
        why = now.reason or NO_MONTH
        if now.format is None and present is not None and present.recognise(head_of(document)) is None:
            why = present.why_not(head_of(document))
        return f"as it is now, does not read it ({why})"
    ids = _listed("/".join(invoice.key) for invoice in stated)
    return f"as it is now, reads {ids} in it, but no longer {_listed('/'.join(invoice.key) for invoice in lost)}"


def _listed(ids: Iterable[str]) -> str:
    known = list(dict.fromkeys(ids))
    more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    return ", ".join(known[:_MOST_NAMED]) + more


def _doubt(
    document: ArchivedDocument, described: DescribedFormat, reason: str, lost: Sequence[_Stated], *, is_read: bool
) -> str:
    """The sentence that holds its invoices; its file comes before it, and the command that releases one after it."""
    path = shlex.quote(str(described.path))
    ways = [
        f"{described.path.name}, {reason}",
        f"correct that description, until `arcadia formats try {path} FILE` shows the invoice, then `arcadia ingest`",
        f'if the document should not count: `arcadia dismiss {document.document_sha256[:_HASH_SHOWN]} --reason "..."`',
        "until then it counts as it was read before",
    ]
    if is_read:
        ids = [shlex.quote("/".join(invoice.key)) for invoice in lost]
        void = ", ".join(f'`arcadia void {id_} --reason "..."`' for id_ in ids[:_MOST_NAMED])
        more = ", and so for the others" if len(ids) > _MOST_NAMED else ""
        ways.insert(2, f"if what it states now is right: {void}{more}")
    return "; ".join(ways)
