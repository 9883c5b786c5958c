"""What the program learns when it registers documents: another id of a known invoice, and the description that was used.

If a better name gives an invoice another id and finance has it under the first one, the first id stays and the other one
becomes its alias. If a document has both id and number of an invoice that is known by one of them, the known one stays.

What is learned depends on what finance had at that time: it goes on the document's record, so that a rebuild knows it too.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb

from arcadia_dagster.landing.arrival import Arrival
from arcadia_dagster.landing.descriptions import DESCRIBED, described_event
from arcadia_dagster.landing.record import Event
from arcadia_dagster.ledger.ledger import invoices_on_record
from arcadia_dagster.reading.format import UNKNOWN_ACCOUNT
from arcadia_dagster.store.query import text_list
from arcadia_dagster.warehouse.keys import InvoiceKey


def learn(
    connection: duckdb.DuckDBPyConnection,
    arrivals: Sequence[Arrival],
    stated: Sequence[Mapping[str, Any]],
    accepted: Collection[str],
) -> dict[str, list[Event]]:
    """The events that these documents' records lack.

    Args:
        connection: Where the documents are as they were registered before, or not yet.
        arrivals: The documents.
        stated: The invoices that they state, as rows of `document_invoices`, under the ids that the documents tell.
        accepted: Which of the documents are accepted, by their hashes.

    Returns:
        The events by the documents' hashes; nothing where nothing is learned.
    """
    wanted = text_list([arrival.record.document_sha256 for arrival in arrivals])
    learned: dict[str, list[Event]] = {}
    earlier = _Earlier.of(connection, wanted)
    aliases = aliases_of(connection, without=wanted)
    for arrival in arrivals:
        aliases |= {_named(event): _kept(event) for event in arrival.record.of("alias")}
    pushed = invoices_on_record(connection)
    numbered = _Numbered.of(connection, {row["invoice_number"] for row in stated} - {None}, without=wanted)
    yielding = _pushed_by_what_yields(connection, pushed, without=wanted)
    for row in stated:
        if row["is_statement"]:
            continue
        named = InvoiceKey.of(row)
        before = earlier.same_as(row)
        kept = None
        if named not in aliases and before is not None and before != named and before in pushed:
            kept = before
        elif named not in aliases and named not in pushed:
            kept = numbered.same_as(row, pushed) or yielding.get(_without_account(row))
        if kept is not None:
            learned.setdefault(row["document_sha256"], []).append(_alias(named=named, kept=kept))
            aliases[named] = kept
        numbered.add(row, aliases.get(named, named))
    for arrival in arrivals:
        sha256 = arrival.record.document_sha256
        if sha256 in accepted and (event := _new_description(arrival)) is not None:
            learned.setdefault(sha256, []).append(event)
    return learned


def aliases_of(connection: duckdb.DuckDBPyConnection, *, without: str = "") -> dict[InvoiceKey, InvoiceKey]:
    """The invoices that are known by another id: source, account and id, each with those that it is kept under.

    Args:
        connection: Where the warehouse is.
        without: SQL: a list of documents whose aliases do not count.
    """
    others = f"WHERE document_sha256 NOT IN ({without})" if without else ""
    rows = connection.execute(
        "SELECT coalesce(alias_source, source), alias_account_id, alias_external_id, source, account_id, external_id "
        f"FROM invoice_aliases {others}"
    ).fetchall()
    return {InvoiceKey(*row[:3]): InvoiceKey(*row[3:]) for row in rows}


class _Earlier:
    """The invoices that documents stated when they were registered before."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self._by_id: dict[tuple[str, str | None, str], InvoiceKey] = {}
        self._by_lines: dict[tuple[Any, ...], InvoiceKey] = {}
        self._invoices: dict[str, list[InvoiceKey]] = {}
        for sha256, source, account, stated_id, kept_id, *lines in rows:
            named = InvoiceKey(source, account, stated_id)
            self._by_id[sha256, account, stated_id] = named
            self._by_id.setdefault((sha256, None, stated_id), named)
            self._by_lines[sha256, *_hashable(lines)] = InvoiceKey(source, account, kept_id)
            self._invoices.setdefault(sha256, []).append(named)

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, wanted: str) -> "_Earlier":
        return cls(
            connection.execute(
                f"SELECT document_sha256, source, account_id, coalesce(stated_id, external_id), external_id, {', '.join(_LINES)} "
                f"FROM document_invoices WHERE document_sha256 IN ({wanted}) ORDER BY document_sha256, invoice_ordinal"
            ).fetchall()
        )

    def same_as(self, row: Mapping[str, Any]) -> InvoiceKey | None:
        """The same invoice then: the one with its id, under any source and account; else with its lines; else the only one."""
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
"""The columns that tell an invoice's lines from those of another invoice of its document."""


def _hashable(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


class _Numbered:
    """The invoices with a number: an API names an invoice by an id of its own, a file's name by the number alone."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[tuple[str, str], bool]] = {}

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, numbers: Iterable[str], *, without: str) -> "_Numbered":
        """The invoices that other documents state with one of these numbers, in the order in which they came."""
        numbered = cls()
        relation = connection.execute(
            # By the id that is stated: what is told apart by its month has the number of the other one.
            "SELECT source, invoice_number, account_id, coalesce(stated_id, external_id) AS stated, "
            "bool_and(coalesce(yields, false)) FROM document_invoices "
            f"WHERE invoice_number IN ({text_list(sorted(numbers))}) AND NOT coalesce(is_statement, false) "
            f"AND document_sha256 NOT IN ({without}) "
            "GROUP BY ALL ORDER BY min(received_at), account_id, stated"
        )
        for source, number, account, external_id, yields in relation.fetchall():
            numbered._known.setdefault((source, number), {})[account, external_id] = yields
        return numbered

    def add(self, row: Mapping[str, Any], kept: InvoiceKey) -> None:
        """Know one more, by the key that it is kept under."""
        source, account, external_id = kept
        if row["invoice_number"] is not None:
            invoices = self._known.setdefault((source, row["invoice_number"]), {})
            invoices[account, external_id] = invoices.get((account, external_id), True) and bool(row["yields"])

    def same_as(self, row: Mapping[str, Any], pushed: Collection[InvoiceKey]) -> InvoiceKey | None:
        """The invoice that came first under the other one of the two names, id and number; None where there is none.

        One of the two invoices must have the number as its id: two ids that share a number are two invoices. A document that
        yields, such as an electronic invoice, names an invoice for others only where finance has it by that name, and never
        leaves it without the account that others state.

        Args:
            row: The invoice, as a row of `document_invoices`.
            pushed: What finance has, or may have.
        """
        source, number, own_id, own_account = (
            row[name] for name in ("source", "invoice_number", "external_id", "account_id")
        )
        for (account, external_id), yields in self._known.get((source, number), {}).items():
            is_by_number = (own_id == number) != (external_id == number)
            known = InvoiceKey(source, account, external_id)
            if not is_by_number or not (account == own_account or UNKNOWN_ACCOUNT in {account, own_account}):
                continue
            if not yields:
                return known
            if known in pushed:
                return InvoiceKey(source, own_account if account == UNKNOWN_ACCOUNT else account, external_id)
        return None


def _pushed_by_what_yields(
    connection: duckdb.DuckDBPyConnection, pushed: set[InvoiceKey], *, without: str
) -> dict[tuple[str, str] | None, InvoiceKey]:
    """The invoices that finance has from documents that yield, and which alone tell their account; by source and id.

    Lines that come later without an account belong to this invoice, and not to another one without an account.
    """
    rows = connection.execute(
        "SELECT DISTINCT source, account_id, external_id FROM document_invoices "
        f"WHERE yields AND account_id <> '{UNKNOWN_ACCOUNT}' AND document_sha256 NOT IN ({without})"
    ).fetchall()
    by_id: dict[tuple[str, str], list[InvoiceKey]] = {}
    for key in (InvoiceKey(*row) for row in rows):
        if key in pushed:
            by_id.setdefault((key.source, key.external_id), []).append(key)
    return {named: accounts[0] for named, accounts in by_id.items() if len(accounts) == 1}


def _without_account(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """Source and id of an invoice whose account its document does not tell; None where it does."""
    return (row["source"], row["external_id"]) if row["account_id"] == UNKNOWN_ACCOUNT else None


def _alias(*, named: InvoiceKey, kept: InvoiceKey) -> Event:
    event = {
        "event": "alias",
        "at": datetime.now(UTC).isoformat(),
        "source": kept.source,
        "alias_account_id": named.account_id,
        "alias_external_id": named.external_id,
        "account_id": kept.account_id,
        "external_id": kept.external_id,
    }
    return event if named.source == kept.source else {**event, "alias_source": named.source}


def _named(event: Event) -> InvoiceKey:
    """What an alias stands for."""
    source = event.get("alias_source") or event["source"]
    return InvoiceKey(source, event["alias_account_id"], event["alias_external_id"])


def _kept(event: Event) -> InvoiceKey:
    """What the invoice is kept under."""
    return InvoiceKey.of(event)


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
