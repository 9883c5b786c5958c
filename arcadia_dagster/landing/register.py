"""The register: which documents there are and which invoices they state, made from the archive's records and readings.

Registering the same document again with the same record changes nothing. Nothing here looks at the inbox, so that the
register made from the archive alone is the one that was made when the files arrived.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from arcadia_dagster.formats.described import DescribedFormat
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing import deliveries, statements
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.control_totals import ControlTotal, stated_of, totals_of
from arcadia_dagster.landing.descriptions import DESCRIBED, described_event, file_of
from arcadia_dagster.landing.identity import Identity, Names, placed
from arcadia_dagster.landing.issuers import name_issuers
from arcadia_dagster.landing.numbers_anew import tell_apart
from arcadia_dagster.landing.record import Event, Record, time_of
from arcadia_dagster.landing.records import months_of, note_records, record_row, registered
from arcadia_dagster.reading.format import UNKNOWN_ACCOUNT, Reading, StatedInvoice
from arcadia_dagster.reading.statements import InvoiceStatement
from arcadia_dagster.store.query import text_list
from arcadia_dagster.warehouse import months, schema
from arcadia_dagster.warehouse.rows import insert

NO_MONTH = (
    "neither its name nor its lines tell its month; expected the provider's file name, such as "
    "`DigitalOcean Invoice 2020 Jul (6173678-418071234).csv`, or lines with a start"
)


REPLACED = """
SELECT DISTINCT name.document_sha256, name.inbox_path, other.document_sha256 AS replaced_by
FROM document_names AS name
JOIN document_names AS other USING (inbox_path)
JOIN documents AS replacement ON replacement.document_sha256 = other.document_sha256
LEFT JOIN inbox_files AS lies USING (inbox_path)
WHERE replacement.status = 'accepted' AND name.document_sha256 <> other.document_sha256
  AND lies.document_sha256 IS DISTINCT FROM name.document_sha256
  AND (other.received_at > name.received_at OR lies.document_sha256 = other.document_sha256)
"""
"""SQL: each path of a document at which an accepted one came later, or was put back, with that one: `replaced_by`.

The path counts, not the file's name alone: files of different deliveries have the same names in folders of their own. A document
that lies at the path again is not replaced.
"""

NOT_REPLACED = f"""
SELECT * FROM documents AS document
WHERE status = 'rejected' AND document_sha256 NOT IN (
  SELECT document_sha256 FROM (SELECT document_sha256, inbox_path FROM document_names) AS name
  LEFT JOIN (SELECT DISTINCT document_sha256, inbox_path, true AS is_replaced FROM ({REPLACED})) AS replaced
    USING (document_sha256, inbox_path)
  GROUP BY document_sha256 HAVING bool_and(coalesce(is_replaced, false)))
"""
"""SQL: the rejected documents that no accepted one has replaced, or not at each path that they came under.

One page of an expired session may lie in the place of several invoices: each of them is lacking. A damaged record may have lost
its document's paths: what nobody knows is not replaced.
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A document to register.

    Attributes:
        byte_size: Its size.
        record: Its record in the archive.
        reading: What reading it gave.
        names: What its names tell.
        described: The description that it was read by; None where its format is the program's own, or there is none.
        is_kept: Whether that is the one on its record, for the present formats lose an invoice in it.
    """

    byte_size: int
    record: Record
    reading: Reading
    names: Names
    described: DescribedFormat | None = None
    is_kept: bool = False


def register(
    connection: duckdb.DuckDBPyConnection, archive: Archive, arrivals: Sequence[Arrival], formats: Formats
) -> set[date]:
    """Write what is known of these documents, in place of what was known before, within the caller's transaction.

    Where a better name gives an invoice another id, and finance has it by the first one, that id stays and the other
    becomes its alias, in the archive's record too. Where a document tells both id and number of an invoice that is known by one
    of them alone, that one stays.

    A document whose record is damaged is registered by what the record said when it was last read whole; where nobody knows that,
    what is known of the document stays; and where nothing is, it is registered by the lines that can be read.

    Returns:
        The months whose invoices are concerned: they are marked as changed.
    """
    lost = registered(
        connection, [one.record for one in arrivals if one.record.damage is not None and not one.record.text]
    )
    noted = note_records(connection, archive, lost.values())
    arrivals = [arrival for arrival in arrivals if arrival.record.document_sha256 not in lost]
    wanted = text_list([arrival.record.document_sha256 for arrival in arrivals])
    earlier = _Earlier.of(connection, wanted)
    touched = months_of(connection, wanted) | _months_after(connection, wanted)
    for table in (
        schema.DOCUMENTS,
        schema.DOCUMENT_NAMES,
        schema.DOCUMENT_INVOICES,
        schema.INVENTORIES,
        schema.DELIVERY_FILES,
        schema.STATED_INVOICES,
        schema.STATED_TAXES,
    ):
        connection.execute(f"DELETE FROM {table.name} WHERE document_sha256 IN ({wanted})")
    register_facts(connection, [arrival.record for arrival in arrivals])
    aliases = aliases_of(connection)
    pushed = _pushed(connection)
    tables = _Tables()
    stated = [(arrival, row) for arrival in arrivals for row in _document_rows(archive, arrival, tables, formats)]
    learned: dict[str, list[Event]] = {arrival.record.document_sha256: [] for arrival in arrivals}
    numbered = _Numbered.of(connection, {row["invoice_number"] for _, row in stated} - {None})
    yielding = _pushed_by_what_yields(connection, pushed)
    for _, row in stated:
        tables.invoices.append(row)
        if row["is_statement"]:
            # It gets the key of the invoice that it is about once all are there.
            continue
        named = (row["source"], row["account_id"], row["external_id"])
        before = earlier.same_as(row)
        if before is not None and before != named and before in pushed and named not in aliases:
            learned[row["document_sha256"]].append(_alias(named=named, kept=before))
            aliases[named] = before
        elif (
            named not in aliases
            and named not in pushed
            and (same := numbered.same_as(row) or yielding.get(_without_account(row))) is not None
        ):
            learned[row["document_sha256"]].append(_alias(named=named, kept=same))
            aliases[named] = same
        row["source"], row["account_id"], row["external_id"] = aliases.get(named, named)
        numbered.add(row)
    for arrival, row in zip(arrivals, tables.documents, strict=True):
        if row["status"] == "accepted" and (event := _new_description(arrival)) is not None:
            learned[row["document_sha256"]].append(event)
    _note_learned(connection, archive, arrivals, learned, tables)
    insert(connection, schema.DOCUMENTS, tables.documents)
    insert(connection, schema.DOCUMENT_NAMES, tables.names)
    insert(connection, schema.DOCUMENT_INVOICES, tables.invoices)
    insert(connection, schema.INVENTORIES, tables.inventory)
    insert(connection, schema.DELIVERY_FILES, tables.delivery)
    insert(connection, schema.STATED_INVOICES, tables.statements)
    insert(connection, schema.STATED_TAXES, tables.taxes)
    renamed, other_months = name_issuers(connection)
    tell_apart(connection, wanted)
    touched |= statements.place(connection)
    _find_sources(connection, text_list(sorted(renamed | {one.record.document_sha256 for one in arrivals})))
    touched |= other_months
    touched |= months_of(connection, wanted) | deliveries.months_beside(connection, wanted)
    touched |= _months_after(connection, wanted) | _months_beside_rejects(connection, wanted)
    months.touch(connection, schema.DOCUMENT_INVOICES.name, touched)
    return touched | noted


def _note_learned(
    connection: duckdb.DuckDBPyConnection,
    archive: Archive,
    arrivals: Sequence[Arrival],
    learned: Mapping[str, Sequence[Event]],
    tables: "_Tables",
) -> None:
    """Put what was learned just now, aliases and descriptions, on the record, and how that is by then into its document's row."""
    records = {arrival.record.document_sha256: arrival.record for arrival in arrivals}
    rows = [
        _fact(records[sha256], event, "learned_at")
        for sha256, events in learned.items()
        for event in events
        if event["event"] == "alias"
    ]
    insert(connection, schema.INVOICE_ALIASES, rows)
    # Nothing is appended to a damaged record: they are learned again with the next rebuild.
    grown = {sha256: events for sha256, events in learned.items() if events and records[sha256].damage is None}
    archive.append_all(grown)
    for row in tables.documents:
        sha256 = row["document_sha256"]
        row.update(record_row(archive, archive.record(sha256) if sha256 in grown else records[sha256]))


def register_facts(connection: duckdb.DuckDBPyConnection, records: Iterable[Record]) -> None:
    """Write the aliases and decisions that the records tell, in place of what they told before."""
    records = list(records)
    wanted = text_list([record.document_sha256 for record in records])
    for table in (schema.INVOICE_ALIASES, schema.DECISIONS):
        connection.execute(f"DELETE FROM {table.name} WHERE document_sha256 IN ({wanted})")
    insert(
        connection,
        schema.INVOICE_ALIASES,
        [_fact(record, event, "learned_at") for record in records for event in record.of("alias")],
    )
    insert(
        connection,
        schema.DECISIONS,
        [_fact(record, event, "decided_at") for record in records for event in record.of("decided")],
    )


class _Numbered:
    """The invoices that have a number: an API knows one by an id of its own, and a file's name by the number alone."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], list[tuple[str, str]]] = {}

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, numbers: Iterable[str]) -> "_Numbered":
        """Those that were registered with one of these numbers, in the order in which they came."""
        numbered = cls()
        relation = connection.execute(
            "SELECT source, invoice_number, account_id, external_id FROM document_invoices "
            f"WHERE invoice_number IN ({text_list(sorted(numbers))}) AND NOT coalesce(is_statement, false) "
            "GROUP BY ALL ORDER BY min(received_at), account_id, external_id"
        )
        for source, number, account, external_id in relation.fetchall():
            numbered._known.setdefault((source, number), []).append((account, external_id))
        return numbered

    def add(self, row: dict[str, Any]) -> None:
        """Know one more, by the id that it is kept under."""
        if row["invoice_number"] is not None:
            known = self._known.setdefault((row["source"], row["invoice_number"]), [])
            if (key := (row["account_id"], row["external_id"])) not in known:
                known.append(key)

    def same_as(self, row: dict[str, Any]) -> tuple[str, str, str] | None:
        """The invoice that was known first by the other of its two names; None where there is none.

        One of the two is named by the number: two ids that share a number are two invoices.
        """
        source, number, own_id, own_account = (
            row[name] for name in ("source", "invoice_number", "external_id", "account_id")
        )
        for account, external_id in self._known.get((source, number), []):
            is_by_number = (own_id == number) != (external_id == number)
            if is_by_number and (account == own_account or UNKNOWN_ACCOUNT in {account, own_account}):
                return source, account, external_id
        return None


class _Tables:
    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.names: list[dict[str, Any]] = []
        self.invoices: list[dict[str, Any]] = []
        self.inventory: list[dict[str, Any]] = []
        self.delivery: list[dict[str, Any]] = []
        self.statements: list[dict[str, Any]] = []
        self.taxes: list[dict[str, Any]] = []


def _document_rows(archive: Archive, arrival: Arrival, tables: _Tables, formats: Formats) -> list[dict[str, Any]]:
    """Add the document's own rows to the tables; return those of the invoices that it states."""
    record, reading = arrival.record, arrival.reading
    name = arrival.names.best
    received_at = min(map(time_of, record.received), default=None) or _archived_at(archive, record)
    tables.names += [
        {
            "document_sha256": record.document_sha256,
            "file_name": event["file_name"],
            "inbox_path": event["inbox_path"],
            "received_at": time_of(event),
        }
        for event in record.received
    ]
    status, reason = "accepted", reading.reason
    identities: list[tuple[StatedInvoice, Identity]] = []
    if reason is None:
        found = placed(reading.invoices, arrival.names.facts, name, formats.rules)
        identities = [(invoice, identity) for invoice, identity in found if identity is not None]
        if len(identities) < len(found):
            reason = NO_MONTH
    if reason is not None:
        status, identities = "rejected", []
    dismissal = next((event for event in record.of("decided") if event["decision"] == "dismiss"), None)
    if dismissal is not None:
        status, identities = "dismissed", []
        reason = f"dismissed by {dismissal['decided_by']}: {dismissal['reason']}" + (f" ({reason})" if reason else "")
    tables.documents.append(
        {
            "document_sha256": record.document_sha256,
            "file_name": name,
            "byte_size": arrival.byte_size,
            "format": reading.format,
            "received_at": received_at,
            "invoice_month": min((identity.month for _, identity in identities), default=None),
            "status": status,
            "reason": reason,
            "record_count": reading.records,
            "read_by": formats.read_by(reading.format, is_rejected=status == "rejected"),
            "described_in": file_of(arrival.described) if status == "accepted" else None,
            "is_kept": arrival.is_kept,
        }
    )
    if status == "accepted":
        tables.inventory += [
            {
                "document_sha256": record.document_sha256,
                "line_number": row.line_number,
                "resource_id": row.resource_id,
                "resource_name": row.resource_name,
                "resource_type": row.resource_type,
                "account_id": row.account_id or "unknown",
                "project": row.project,
                "received_at": received_at,
            }
            for row in reading.inventory
        ]
        tables.delivery += [
            {
                "document_sha256": record.document_sha256,
                "folder": file.folder,
                "file_name": file.file_name,
                "row_count": file.rows,
            }
            for file in reading.delivery
        ]
        for ordinal, stated in enumerate(reading.statements, start=1):
            tables.statements.append(_statement_row(record.document_sha256, ordinal, stated))
            tables.taxes += _tax_rows(record.document_sha256, ordinal, stated)
    totals = totals_of(record.of("control_total"))
    ids = [{identity.external_id, identity.invoice_number or identity.external_id} for _, identity in identities]
    others = set().union(*ids)
    return [
        _invoice_row(
            record,
            invoice,
            identity,
            stated_of(totals, own, others),
            received_at,
            arrival.names.conflict,
            file_name=name,
        )
        for (invoice, identity), own in zip(identities, ids, strict=True)
    ]


def _invoice_row(
    record: Record,
    invoice: StatedInvoice,
    identity: Identity,
    control: ControlTotal,
    received_at: datetime,
    names_conflict: str | None,
    *,
    file_name: str,
) -> dict[str, Any]:
    currency = invoice.currencies[0] if len(invoice.currencies) == 1 else None
    return {
        "document_sha256": record.document_sha256,
        "invoice_ordinal": invoice.ordinal,
        "source": identity.source,
        "account_id": identity.account_id,
        "external_id": identity.external_id,
        "invoice_number": identity.invoice_number,
        "invoice_month": identity.month,
        "period_start": identity.period_start,
        "period_end": identity.period_end,
        "issued_on": invoice.issued_on,
        "currency": currency,
        "stated_total": invoice.stated_total if control.total is None else control.total,
        "stated_tax": _stated_tax(invoice, control),
        "stated_problem": control.problem_for(currency),
        "line_count": invoice.line_count,
        "lines_total": invoice.lines_total,
        "lines_sketch": list(invoice.lines_sketch),
        "charges_sketch": list(invoice.charges_sketch),
        "charge_days": list(invoice.charge_days),
        "names_conflict": names_conflict,
        "id_basis": identity.id_basis,
        "month_basis": identity.month_basis,
        "lines_month": invoice.lines_month,
        "is_final": invoice.is_final or _is_past(identity.final_from),
        "final_from": identity.final_from,
        "states_tax": invoice.states_tax or bool(invoice.stated_tax) or bool(control.tax),
        "stated_by": control.stated_by
        or (file_name if invoice.is_statement and invoice.stated_total is not None else None),
        "is_statement": invoice.is_statement,
        "yields": invoice.yields,
        "vendor_by_rule": identity.vendor,
        "vendor_name": invoice.vendor_name,
        "unnamed_issuer": invoice.unnamed_issuer,
        "may_be_part": invoice.may_be_part,
        "lacks_tax": invoice.lacks_tax,
        "doubts": list(invoice.doubts),
        "rounded_lines": invoice.rounded_lines,
        "open_reason": invoice.open_reason,
        "refers_to": invoice.refers_to,
        "withdrawn": invoice.withdrawn,
        "open_until": _open_until(invoice, received_at),
        "received_at": received_at,
    }


def _statement_row(document_sha256: str, ordinal: int, stated: InvoiceStatement) -> dict[str, Any]:
    same = (
        *("source", "account_id", "external_id", "invoice_number", "kind", "status", "currency", "issued_on", "due_on"),
        *("period_start", "period_end", "terms", "purchase_order", "seller_name", "seller_tax_id", "seller_country"),
        *(
            "buyer_name",
            "buyer_tax_id",
            "refers_to",
            "replaced_by",
            "payment_currency",
            "payment_amount",
            "payment_rate",
        ),
    )
    return {
        "document_sha256": document_sha256,
        "invoice_ordinal": ordinal,
        **{name: getattr(stated, name) for name in same},
        **{f"amount_{name}": getattr(stated, name) for name in ("gross", "net", "tax", "credits")},
    }


def _tax_rows(document_sha256: str, ordinal: int, stated: InvoiceStatement) -> list[dict[str, Any]]:
    return [
        {
            "document_sha256": document_sha256,
            "invoice_ordinal": ordinal,
            "tax_ordinal": number,
            "category": tax.category,
            "rate": tax.rate,
            "taxable_amount": tax.taxable,
            "tax_amount": tax.amount,
            "reason": tax.reason,
        }
        for number, tax in enumerate(stated.taxes, start=1)
    ]


def _stated_tax(invoice: StatedInvoice, control: ControlTotal) -> Decimal | None:
    """The tax that is stated of the invoice: of a part, a control total says that of the whole, and its document its own."""
    is_of_whole = control.total is not None and invoice.may_be_part
    return control.tax if control.tax is not None or is_of_whole else invoice.stated_tax


def _is_past(moment: datetime | None) -> bool:
    """Whether a time, in UTC without an offset, has come."""
    return moment is not None and moment <= datetime.now(UTC).replace(tzinfo=None)


def _open_until(invoice: StatedInvoice, received_at: datetime) -> datetime | None:
    """The end of the billing period, where the document came before: until then the id may change (FOCUS 1.2, InvoiceId)."""
    ends_at = invoice.billing_ends_at
    return ends_at if ends_at is not None and received_at < ends_at else None


class _Earlier:
    """The invoices that documents stated when they were registered before."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self._by_id: dict[tuple[str, str | None, str], tuple[str, str, str]] = {}
        self._by_lines: dict[tuple[Any, ...], tuple[str, str, str]] = {}
        self._invoices: dict[str, list[tuple[str, str, str]]] = {}
        for sha256, source, account, stated_id, kept_id, *lines in rows:
            known = (source, account, stated_id)
            self._by_id[sha256, account, stated_id] = known
            self._by_id.setdefault((sha256, None, stated_id), known)
            self._by_lines[sha256, *_hashable(lines)] = (source, account, kept_id)
            self._invoices.setdefault(sha256, []).append(known)

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, wanted: str) -> "_Earlier":
        return cls(
            connection.execute(
                f"SELECT document_sha256, source, account_id, coalesce(stated_id, external_id), external_id, {', '.join(_LINES)} "
                f"FROM document_invoices WHERE document_sha256 IN ({wanted}) ORDER BY document_sha256, invoice_ordinal"
            ).fetchall()
        )

    def same_as(self, row: dict[str, Any]) -> tuple[str, str, str] | None:
        """The same invoice then: by its id, for source and account may be called otherwise now; by its lines; or the only one."""
        sha256, account, external_id = row["document_sha256"], row["account_id"], row["external_id"]
        for by in (account, None):
            if (same := self._by_id.get((sha256, by, external_id))) is not None:
                return same
        # A rule or a description that says in which column the id is gives the same lines another one.
        if (same := self._by_lines.get((sha256, *_hashable(row[name] for name in _LINES)))) is not None:
            return same
        invoices = self._invoices.get(sha256, [])
        return invoices[0] if len(invoices) == 1 and row["id_basis"] != "document" else None


_LINES = ("invoice_ordinal", "line_count", "lines_total", "lines_sketch")
"""What tells an invoice's lines from those of another one of its document."""


def _hashable(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


def _find_sources(connection: duckdb.DuckDBPyConnection, wanted: str) -> None:
    """Lead decisions to the invoice that they were made about where its source has another name now."""
    connection.execute(
        f"""
        UPDATE decisions AS decision SET source = invoice.source
        FROM document_invoices AS invoice
        WHERE decision.document_sha256 IN ({wanted}) AND invoice.document_sha256 = decision.document_sha256
          AND invoice.account_id = decision.account_id AND invoice.external_id = decision.external_id
          AND invoice.source <> decision.source
        """
    )


def _months_beside_rejects(connection: duckdb.DuckDBPyConnection, wanted: str) -> set[date]:
    """The months of the invoices of the folders in which one of these documents lies and one is rejected, or was.

    While it is, it may have lines of theirs.
    """
    rows = connection.execute(
        f"""
        WITH lying AS (
          SELECT document_sha256, regexp_extract(inbox_path, '^(.*)/', 1) AS folder FROM document_names
          WHERE contains(inbox_path, '/')
        ), concerned AS (
          SELECT folder FROM lying WHERE document_sha256 IN ({wanted})
          INTERSECT
          SELECT folder FROM lying SEMI JOIN (FROM documents WHERE status <> 'accepted') AS other USING (document_sha256)
        )
        SELECT DISTINCT invoice_month FROM document_invoices
        SEMI JOIN (FROM lying SEMI JOIN concerned USING (folder)) AS beside USING (document_sha256)
        WHERE may_be_part
        """
    ).fetchall()
    return {month for (month,) in rows}


def _months_after(connection: duckdb.DuckDBPyConnection, wanted: str) -> set[date]:
    """The next month of each account's, where these documents change whether all invoices of a month of its state tax.

    An invoice without tax is held where those of the month before had some.
    """
    rows = connection.execute(
        f"""
        WITH changed AS (
          SELECT source, account_id, invoice_month,
            bool_and(states_tax) FILTER (is_final) AS state_tax,
            bool_and(states_tax) FILTER (is_final AND document_sha256 NOT IN ({wanted})) AS stated_tax
          FROM document_invoices
          SEMI JOIN (FROM document_invoices WHERE document_sha256 IN ({wanted})) AS own
            USING (source, account_id, invoice_month)
          GROUP BY ALL HAVING state_tax IS DISTINCT FROM stated_tax
        )
        SELECT DISTINCT min(later.invoice_month)
        FROM changed JOIN document_invoices AS later
          ON later.source = changed.source AND later.account_id = changed.account_id
          AND later.invoice_month > changed.invoice_month
        GROUP BY changed.source, changed.account_id, changed.invoice_month
        """
    ).fetchall()
    return {month for (month,) in rows}


def aliases_of(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str, str], tuple[str, str, str]]:
    """The invoices that are known by another id: source, account and id, each with those that it is kept under."""
    rows = connection.execute(
        "SELECT coalesce(alias_source, source), alias_account_id, alias_external_id, source, account_id, external_id "
        "FROM invoice_aliases"
    ).fetchall()
    return {(source, account, external_id): (*kept,) for source, account, external_id, *kept in rows}


def _pushed(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str, str]]:
    """The invoices that finance has, or may have."""
    return set(
        connection.execute("SELECT DISTINCT source, account_id, invoice_external_id FROM finance_records").fetchall()
    )


def _pushed_by_what_yields(
    connection: duckdb.DuckDBPyConnection, pushed: set[tuple[str, str, str]]
) -> dict[tuple[str, str] | None, tuple[str, str, str]]:
    """The invoices that finance has from documents that yield, and which alone tell their account; by source and id.

    Lines that come later and do not tell the account are of the same invoice, and not of another one of no account.
    """
    rows = connection.execute(
        "SELECT DISTINCT source, account_id, external_id FROM document_invoices "
        f"WHERE yields AND account_id <> '{UNKNOWN_ACCOUNT}'"
    ).fetchall()
    found: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for source, account, external_id in rows:
        if (source, account, external_id) in pushed:
            found.setdefault((source, external_id), []).append((source, account, external_id))
    return {key: accounts[0] for key, accounts in found.items() if len(accounts) == 1}


def _without_account(row: dict[str, Any]) -> tuple[str, str] | None:
    """Source and id of an invoice whose account its document does not tell; None where it does."""
    return (row["source"], row["external_id"]) if row["account_id"] == UNKNOWN_ACCOUNT else None


def _alias(*, named: tuple[str, str, str], kept: tuple[str, str, str]) -> Event:
    event = {
        "event": "alias",
        "at": datetime.now(UTC).isoformat(),
        "source": kept[0],
        "alias_account_id": named[1],
        "alias_external_id": named[2],
        "account_id": kept[1],
        "external_id": kept[2],
    }
    return event if named[0] == kept[0] else {**event, "alias_source": named[0]}


def _archived_at(archive: Archive, record: Record) -> datetime:
    """When the document's bytes were archived (UTC): where no line tells when it came, this is about then."""
    modified = archive.path_of(record.document_sha256).stat().st_mtime
    return datetime.fromtimestamp(modified, UTC).replace(tzinfo=None)


def _new_description(arrival: Arrival) -> Event | None:
    """The event that says by which description the document was accepted, or that it was by none any more; None if known."""
    known = arrival.record.last(DESCRIBED)
    if arrival.is_kept or (arrival.described is None and known is None):
        return None
    event = described_event(arrival.described, arrival.reading.format)
    known = known or {}
    if (known.get("description"), known.get("file") is None) == (event["description"], event["file"] is None):
        return None
    return {**event, "at": datetime.now(UTC).isoformat()}


def _fact(record: Record, event: dict[str, Any], time_column: str) -> dict[str, Any]:
    values = {name: value for name, value in event.items() if name not in {"event", "at"}}
    # JSON has no decimals: amounts are text in the archive.
    values |= {name: Decimal(values[name]) for name in ("stated_total", "stated_tax") if values.get(name) is not None}
    return {**values, "document_sha256": record.document_sha256, time_column: time_of(event)}
