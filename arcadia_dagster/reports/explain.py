"""Where a figure comes from: finance's record back to files, hashes, lines, attempts and decisions."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from operator import itemgetter
from typing import Any

import duckdb

from arcadia_dagster.billing.agreement import Agreement
from arcadia_dagster.billing.rules import Rules
from arcadia_dagster.books.record import RecordError
from arcadia_dagster.finance.outstanding import Recipient, parts
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.descriptions import kept_documents, recorded_descriptions
from arcadia_dagster.landing.file_lines import physical_lines
from arcadia_dagster.landing.inbox import readable
from arcadia_dagster.landing.rules import known_rules, said
from arcadia_dagster.reports.booked import exports_of
from arcadia_dagster.reports.findings import find_about
from arcadia_dagster.store.query import fetch, text_literal
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.keys import InvoiceKey


class UnknownInvoiceError(LookupError):
    """There is no such invoice, or more than one; the message says what there is."""


class NoInvoiceError(UnknownInvoiceError):
    """There is no such invoice."""


def find(warehouse: Warehouse, text: str) -> InvoiceKey:
    """The invoice that a person means by its id, its number, another id of it, or `source/account/id`.

    Raises:
        UnknownInvoiceError: None is, or several are, meant by it.
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
    """
    with warehouse.read() as connection:
        wanted = text_literal(readable(text))
        rows = connection.execute(
            f"""
            SELECT DISTINCT source, account_id, external_id FROM document_invoices
            WHERE {wanted} IN (external_id, invoice_number, source || '/' || account_id || '/' || external_id)
            UNION SELECT source, account_id, invoice_external_id FROM finance_records
              WHERE {wanted} IN (external_id, invoice_external_id, source || '/' || account_id || '/' || invoice_external_id)
            UNION SELECT source, account_id, external_id FROM invoice_aliases WHERE alias_external_id = {wanted}
            ORDER BY ALL
            """
        ).fetchall()
    if not rows:
        raise NoInvoiceError(f"there is no invoice {text}; `arcadia status` shows the months there are")
    if len(rows) > 1:
        names = ", ".join("/".join(row) for row in rows)
        raise UnknownInvoiceError(f"{text} may be any of {names}; name one of them")
    return InvoiceKey(*rows[0])


def why_not_ready(warehouse: Warehouse, invoice: InvoiceKey) -> str:
    """Why an invoice cannot be pushed, to stand behind `it is`: what holds it, else that it is not built yet."""
    reasons = hold_reasons(warehouse, invoice)
    return f"held: {'; '.join(reasons)}" if reasons else "not built yet: run `arcadia ingest`"


def hold_reasons(warehouse: Warehouse, invoice: InvoiceKey) -> list[str]:
    """All that holds an invoice now, each reason in its own words; none where nothing does."""
    with warehouse.read() as connection:
        row = connection.execute(
            f"SELECT hold_reasons FROM tax_split_totals WHERE status = 'held' AND {invoice.condition}"
        ).fetchone()
    return [] if row is None else list(row[0])


def explain(
    warehouse: Warehouse,
    archive: Archive,
    invoice: InvoiceKey,
    *,
    max_lines: int | None = None,
    formats: Formats | None = None,
    recipient: Recipient | None = None,
) -> dict[str, Any]:
    """All that is known of an invoice, as plain values: amounts as decimal text, times in ISO 8601 (UTC).

    Keys: `invoice`, `is_stated` (whether a document states it still), `unwanted` (why it should not be in finance, where a
    person or its provider has decided so), `totals`, `allocations` (what each tenant bears), `finance` (a record for each target
    and tenant), `attempts`, `versions` (each with the names that its file came under), `lines` (with the physical line in the
    file), `added_lines` (those of them that bring it to what is stated), `rules` (what of `sources.toml` decided about it, each
    with its reason), `decisions`, `credit_notes` (the totals of those that name it), `aliases`, `stated` (what documents state of
    it: amounts, who is owed, until when), `agreement` (for each finance service that has it, or none: whether lines, statement
    and finance come to the same), `evidence` (PDF or XML that shows it and is not read, with where it lies), `findings` (see
    `Finding`; of what finance has only where a recipient is given), `waits` (why the recipient lacks a part of it that
    is ready, where that has a reason), `exports` (each time that it was written for the books, and
    why), `exports_problem` (why that cannot be told; None where it can).

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
    """
    of_account = f"source = {text_literal(invoice.source)} AND account_id = {text_literal(invoice.account_id)}"
    where = invoice.condition
    pushed = f"{of_account} AND invoice_external_id = {text_literal(invoice.external_id)}"
    with warehouse.read() as connection:
        totals = _rows(connection, f"SELECT * FROM tax_split_totals WHERE {where}")
        versions = _rows(
            connection,
            "SELECT raw.*, (SELECT list(struct_pack(inbox_path := inbox_path, received_at := received_at) "
            "ORDER BY received_at) FROM document_names AS name WHERE name.document_sha256 = raw.document_sha256) AS names "
            f"FROM raw_invoices AS raw WHERE {where} ORDER BY received_at DESC",
        )
        limit = "" if max_lines is None else f"LIMIT {max_lines}"
        lines = _rows(
            connection,
            f"SELECT * FROM cost_lines WHERE {where} ORDER BY document_sha256, line_number < 0, line_number {limit}",
        )
        added = _rows(
            connection, f"SELECT * FROM cost_lines WHERE {where} AND added_by IS NOT NULL ORDER BY line_number"
        )
        kept = kept_documents(connection)
        decided = _rows(connection, f"SELECT why FROM unwanted_invoices WHERE {pushed}")
        is_stated = bool(_rows(connection, f"SELECT 1 AS found FROM document_invoices WHERE {where} LIMIT 1"))
        explanation = {
            "invoice": invoice._asdict(),
            "is_stated": is_stated,
            "unwanted": decided[0]["why"] if decided else None,
            "totals": totals[0] if totals else None,
            "allocations": _rows(connection, f"SELECT * FROM allocations WHERE {where} ORDER BY tenant_id"),
            "finance": _rows(connection, f"SELECT * FROM finance_records WHERE {pushed} ORDER BY target, tenant_id"),
            "attempts": _rows(connection, f"SELECT * FROM finance_attempts WHERE {pushed} ORDER BY intended_at"),
            "rules": list(_rules(known_rules(connection), invoice, totals, versions, added)),
            "added_lines": added,
            "decisions": _rows(connection, f"SELECT * FROM decisions WHERE {where} ORDER BY decided_at"),
            "credit_notes": _rows(connection, _credit_notes_sql(invoice)),
            "findings": [finding.as_json() for finding in find_about(connection, invoice, recipient)],
            "stated": _stated(connection, where),
            "evidence": [
                {**row, "archived_at": archive.place_of(row["document_sha256"])}
                for row in _rows(
                    connection,
                    "SELECT document_sha256, file_name, basis, received_at FROM invoice_evidence "
                    f"JOIN documents USING (document_sha256) WHERE {where} ORDER BY received_at, document_sha256",
                )
            ],
            "agreement": _agreements(connection, where, totals),
            "waits": _waits(connection, invoice, totals, recipient),
        }
        aliases = _rows(connection, f"SELECT * FROM invoice_aliases WHERE {where} ORDER BY learned_at")
    also = [InvoiceKey(invoice.source, alias["alias_account_id"], alias["alias_external_id"]) for alias in aliases]
    return {
        **explanation,
        **_exports(warehouse, archive, [key.name for key in (invoice, *also)]),
        "aliases": aliases,
        "versions": versions,
        "lines": _with_physical_lines(archive, lines, formats or Formats(), kept),
    }


def _waits(
    connection: duckdb.DuckDBPyConnection,
    invoice: InvoiceKey,
    totals: Sequence[Mapping[str, Any]],
    recipient: Recipient | None,
) -> list[dict[str, str]]:
    if recipient is None or not totals:
        return []
    months = [date.fromisoformat(row["invoice_month"]) for row in totals]
    return [
        {"tenant_id": part.tenant_id, "external_id": part.external_id, "state": part.state, "reason": part.reason}
        for part in parts(connection, recipient, months).get(invoice, ())
        if part.reason is not None
    ]


def _exports(warehouse: Warehouse, archive: Archive, names: Collection[str]) -> dict[str, Any]:
    try:
        return {"exports": exports_of(warehouse, archive, names), "exports_problem": None}
    except RecordError as error:
        return {"exports": [], "exports_problem": str(error)}


def _rules(
    rules: Rules,
    invoice: InvoiceKey,
    totals: list[dict[str, Any]],
    versions: list[dict[str, Any]],
    added: list[dict[str, Any]],
) -> Iterator[dict[str, str]]:
    """The rules for the invoice's account that made a difference to it."""
    current = [version for version in versions if version["status"] == "current"]
    total: dict[str, Any] = totals[0] if totals else {}
    is_by_rule = any(version["id_basis"] == "rule" for version in current)
    has_tax = bool(total.get("amount_tax_minor"))
    ruling = rules.of(invoice.source, invoice.account_id)
    decides = {
        "invoice_id": is_by_rule if ruling.is_by_account_and_month else True,
        "final_after": is_by_rule,
        "tax": bool(total) and not has_tax,
        "rows_are_not_invoices_to_us": bool(ruling["rows_are_not_invoices_to_us"]),
        "issuer": True,
        "time_zone": True,
        "tolerance": any("sources.toml tolerates" in line["added_by"] for line in added),
        "tax_may_stand_alone": has_tax and total["amount_net_minor"] == 0,
        "only_stated": bool(current) and all(version["is_statement"] for version in current),
        "open_period": any(version["billing_ends_at"] is not None for version in current),
    }
    for key, rule in ruling.by.items():
        if decides[key]:
            yield {"key": key, "value": said(rule)[key], "of": rule.name, "reason": rule.reason}


def _stated(connection: duckdb.DuckDBPyConnection, where: str) -> list[dict[str, Any]]:
    """What the current documents state of the invoice, each with its `taxes`: the tax by category and rate."""
    invoice = (
        f"SELECT DISTINCT document_sha256, invoice_ordinal, file_name, received_at FROM current_invoices WHERE {where}"
    )
    statements = _rows(
        connection,
        f"SELECT invoice.file_name, stated.* FROM ({invoice}) AS invoice "
        "JOIN stated_invoices AS stated USING (document_sha256, invoice_ordinal) "
        "ORDER BY invoice.received_at, document_sha256",
    )
    taxes = _rows(
        connection,
        f"SELECT tax.* FROM ({invoice}) AS invoice JOIN stated_taxes AS tax USING (document_sha256, invoice_ordinal) "
        "ORDER BY document_sha256, invoice_ordinal, tax_ordinal",
    )
    key = itemgetter("document_sha256", "invoice_ordinal")
    return [{**stated, "taxes": [tax for tax in taxes if key(tax) == key(stated)]} for stated in statements]


def _agreements(
    connection: duckdb.DuckDBPyConnection, where: str, totals: list[dict[str, Any]]
) -> list[dict[str, str | None]]:
    """Whether lines, statement and each finance service have the same total; empty where nothing is invoiced."""
    if not totals or totals[0]["is_nothing"]:
        return []
    taken = fetch(connection, f"SELECT target, amount_gross_minor FROM finance_amounts WHERE {where} ORDER BY target")
    figures = [(row["target"], row["amount_gross_minor"]) for row in taken] or [(None, None)]
    return [
        {"target": target, "words": agreement.words}
        for target, gross in figures
        if (agreement := Agreement.of(totals[0], gross)) is not None
    ]


def _credit_notes_sql(invoice: InvoiceKey) -> str:
    """SQL: the totals of the current credit notes that name the invoice, by its id or its number."""
    return f"""
    SELECT DISTINCT total.external_id, total.invoice_month, total.currency, total.amount_gross_minor, total.amount_net_minor,
      total.amount_tax_minor
    FROM current_invoices AS note JOIN tax_split_totals AS total USING (source, account_id, external_id)
    WHERE note.source = {text_literal(invoice.source)} AND note.refers_to IN (
      SELECT unnest([external_id, invoice_number]) FROM document_invoices WHERE {invoice.condition})
    ORDER BY ALL
    """


def _with_physical_lines(
    archive: Archive, lines: list[dict[str, Any]], formats: Formats, kept: Collection[str]
) -> list[dict[str, Any]]:
    last: dict[str, int] = {}
    for line in lines:
        last[line["document_sha256"]] = max(line["line_number"], last.get(line["document_sha256"], 0))
    by = recorded_descriptions(archive, [sha256 for sha256 in last if sha256 in kept])
    places = {
        sha256: physical_lines(archive, sha256, formats, up_to=record, by=by.get(sha256))
        for sha256, record in last.items()
    }
    for line in lines:
        line["file_line"] = places[line["document_sha256"]].get(line["line_number"])
    return lines


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    return [{name: _plain(value) for name, value in row.items()} for row in fetch(connection, query)]


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of the warehouse
    match value:
        case Decimal():
            return f"{value.normalize():f}"
        case list():
            return [_plain(part) for part in value]
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case None | bool() | int() | str():
            return value
        case _:
            return value.isoformat()
