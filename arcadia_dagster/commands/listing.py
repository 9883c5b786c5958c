"""`arcadia invoices`: which invoices there are and how each stands; which files are rejected, and why."""

import argparse
from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING

from arcadia_dagster.commands import text_table
from arcadia_dagster.commands.common import (
    OK,
    complaints,
    harmless,
    parse_months,
    print_json,
)
from arcadia_dagster.commands.home import Home

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
        found = listed(connection, home, months)
    if options.held:
        found = [one for one in found if one.state is InvoiceState.HELD]
    if options.outstanding:
        found = [one for one in found if one.state in OUTSTANDING]
    if options.json:
        _print_as_json(found)
    elif found:
        _print(found)
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


def _print_as_json(found: "Sequence[ListedInvoice]") -> None:
    from arcadia_dagster.reports.listing import sums

    print_json({"invoices": [one.as_json() for one in found], "totals": [total.as_json() for total in sums(found)]})


def _print(found: "Sequence[ListedInvoice]") -> None:
    from arcadia_dagster.billing.currency import format_minor
    from arcadia_dagster.reports.listing import sums

    rows = [_HEADER, *(tuple(map(harmless, _row(one))) for one in found)]
    head, *lines = text_table.lines(rows, right=_AMOUNTS)
    print(head)
    for one, line in zip(found, lines, strict=True):
        print(line)
        for reason in one.reasons:
            print(f"    {harmless(reason)}")
    print()
    for total in sums(found):
        gross, net, tax = (
            format_minor(amount, total.currency) for amount in (total.gross_minor, total.net_minor, total.tax_minor)
        )
        print(f"gross {gross}, net {net}, tax {tax}")
    print(f"{len(found)} invoice{'' if len(found) == 1 else 's'}; `arcadia explain INVOICE` says where one comes from")


def _row(one: "ListedInvoice") -> tuple[str, ...]:
    from arcadia_dagster.reports.listing import major_units

    gross, tax = (
        "" if (amount := major_units(minor, one.currency)) is None else amount
        for minor in (one.gross_minor, one.tax_minor)
    )
    more = f" and {len(one.documents) - 1} more" if len(one.documents) > 1 else ""
    document = one.documents[0].file_name + more if one.documents else ""
    currency = one.currency or ""
    return (
        f"{one.month:%Y-%m}",
        one.source,
        one.account_id,
        one.external_id,
        currency,
        gross,
        tax,
        one.state,
        "" if one.agreement is None else one.agreement.words,
        document,
    )


def _rejected(options: argparse.Namespace, home: Home, months: Collection[date] | None) -> int:
    from arcadia_dagster.reports.listing import not_taken, rejected

    with complaints(), home.warehouse.read() as connection:
        documents, others = rejected(connection, months), not_taken(connection, months)
    if options.json:
        print_json({"rejected": [one.as_json() for one in documents], "not_taken": [one.as_json() for one in others]})
    elif documents or others:
        _print_rejected(documents, others, home)
    else:
        print(f"no file is rejected{_in(options.months)}")
    return OK


def _print_rejected(documents: "Sequence[RejectedDocument]", others: "Sequence[NotTaken]", home: Home) -> None:
    from arcadia_dagster.reports.listing import short_hash

    for one in documents:
        for path in one.inbox_paths or (one.file_name,):
            print(harmless(path))
        print(f"    rejected: {harmless(one.reason)}")
        print(f"    received {one.received_at:%Y-%m-%d %H:%M} UTC, SHA-256 {short_hash(one.document_sha256)}")
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
        print(f"{len(others)} not taken: put right what is said of each, or move it out of {home.settings.inbox}")


def _in(months: str | None) -> str:
    return "" if months is None else f" in {months}"
