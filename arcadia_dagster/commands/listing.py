"""`arcadia invoices`: which invoices there are and how each stands; which files are rejected, and why."""

import argparse
from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING

from arcadia_dagster import text_table
from arcadia_dagster.commands.common import (
    OK,
    complaints,
    harmless,
    parse_months,
    print_json,
)
from arcadia_dagster.commands.home import Home
from arcadia_dagster.how_many import how_many

if TYPE_CHECKING:
    import duckdb

    from arcadia_dagster.reports.listing import ListedInvoice, NotTaken, RejectedDocument

_HEADER = ("month", "source", "account", "invoice", "currency", "gross", "tax", "state", "agreement", "document")
_AMOUNTS = (5, 6)


def invoices(options: argparse.Namespace) -> int:
    """List invoices with their amounts and their state; or, with `--rejected`, the files that are rejected or were not taken."""
    home = Home.open()
    months = parse_months(options.months, home.settings) if options.months else None
    warehouse = home.warehouse
    with complaints():
        exists = warehouse.exists()
    if not exists:
        if options.json:
            print_json({"rejected": [], "not_taken": []} if options.rejected else {"invoices": [], "totals": []})
        else:
            print(
                f"nothing in {warehouse.name} yet: drop invoice files into {home.settings.inbox} and run `arcadia ingest`"
            )
        return OK
    if options.rejected:
        return _rejected(options, home, months)
    from arcadia_dagster.finance.standing import OUTSTANDING, InvoiceState

    with complaints(ValueError), warehouse.read() as connection:
        shown = listed(connection, home, months)
    if options.held:
        shown = [invoice for invoice in shown if invoice.state is InvoiceState.HELD]
    if options.outstanding:
        shown = [invoice for invoice in shown if invoice.state in OUTSTANDING]
    if options.json:
        _print_as_json(shown)
    elif shown:
        _print(shown)
        if options.outstanding and not home.settings.finance_secret:
            print(home.not_configured)
    else:
        what = "is held" if options.held else "is ready and not in finance" if options.outstanding else "is there"
        print(f"no invoice {what}{_in(options.months)}")
        if not (options.held or options.outstanding or options.months):
            print(f"drop invoice files into {home.settings.inbox} and run `arcadia ingest`")
    return OK


def listed(
    connection: "duckdb.DuckDBPyConnection", home: Home, months: Collection[date] | None
) -> "list[ListedInvoice]":
    """The invoices of these months, or all, as they stand with the finance service that the settings name.

    Raises:
        ValueError: The settings name none that can be right.
    """
    from arcadia_dagster.finance.outstanding import parts
    from arcadia_dagster.reports.listing import invoices
    from arcadia_dagster.reports.witnesses import agreements

    recipient = home.resources.finance.recipient
    return invoices(
        connection, parts(connection, recipient, months), months, agreements(connection, recipient.target, months)
    )


def _print_as_json(shown: "Sequence[ListedInvoice]") -> None:
    from arcadia_dagster.reports.listing import sums

    print_json(
        {"invoices": [invoice.as_json() for invoice in shown], "totals": [total.as_json() for total in sums(shown)]}
    )


def _print(shown: "Sequence[ListedInvoice]") -> None:
    from arcadia_dagster.billing.currency import format_minor
    from arcadia_dagster.reports.listing import sums

    rows = [_HEADER, *(tuple(map(harmless, _row(invoice))) for invoice in shown)]
    width = text_table.window_width()
    head, *lines = text_table.lines(rows, right=_AMOUNTS, width=width)
    print(head)
    for invoice, line in zip(shown, lines, strict=True):
        print(line)
        for reason in invoice.reasons:
            print(*text_table.wrapped(harmless(reason), width), sep="\n")
    print()
    for total in sums(shown):
        gross, net, tax = (
            format_minor(amount, total.currency) for amount in (total.gross_minor, total.net_minor, total.tax_minor)
        )
        print(f"gross {gross}, net {net}, tax {tax}")
    print(f"{how_many(len(shown), 'invoice')}; `arcadia explain INVOICE` says where one comes from")


def _row(invoice: "ListedInvoice") -> tuple[str, ...]:
    from arcadia_dagster.reports.amounts import major_units

    gross, tax = (
        "" if (amount := major_units(minor, invoice.currency)) is None else amount
        for minor in (invoice.gross_minor, invoice.tax_minor)
    )
    more = f" and {len(invoice.documents) - 1} more" if len(invoice.documents) > 1 else ""
    document = invoice.documents[0].file_name + more if invoice.documents else ""
    currency = invoice.currency or ""
    return (
        f"{invoice.month:%Y-%m}",
        invoice.source,
        invoice.account_id,
        invoice.external_id,
        currency,
        gross,
        tax,
        invoice.state,
        "" if invoice.agreement is None else invoice.agreement.words,
        document,
    )


def _rejected(options: argparse.Namespace, home: Home, months: Collection[date] | None) -> int:
    from arcadia_dagster.reports.listing import not_taken, rejected

    with complaints(), home.warehouse.read() as connection:
        documents, others = rejected(connection, months), not_taken(connection, months)
    if options.json:
        print_json(
            {"rejected": [file.as_json() for file in documents], "not_taken": [file.as_json() for file in others]}
        )
    elif documents or others:
        _print_rejected(documents, others, home)
    else:
        print(f"no file is rejected{_in(options.months)}")
    return OK


def _print_rejected(documents: "Sequence[RejectedDocument]", others: "Sequence[NotTaken]", home: Home) -> None:
    from arcadia_dagster.reports.listing import short_hash

    for document in documents:
        for path in document.inbox_paths or (document.file_name,):
            print(harmless(path))
        print(f"    rejected: {harmless(document.reason)}")
        print(f"    received {document.received_at:%Y-%m-%d %H:%M} UTC, SHA-256 {short_hash(document.document_sha256)}")
    for other in others:
        print(f"{harmless(other.inbox_path)}\n    not taken: {harmless(other.problem)}")
    print()
    if documents:
        example = short_hash(documents[0].document_sha256)
        print(
            f"{len(documents)} rejected: put a good file at the same path in {home.settings.inbox}, or take "
            f"{'it' if len(documents) == 1 else 'one'} out: arcadia dismiss {example} --reason ..."
        )
    if others:
        print(
            f"{len(others)} not taken: correct what is wrong with each, or move the file out of {home.settings.inbox}"
        )


def _in(months: str | None) -> str:
    return "" if months is None else f" in {months}"
