"""`arcadia export bills` and `arcadia accruals`: a month for the books."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from arcadia_dagster.commands.common import (
    MISUSED,
    OK,
    CommandError,
    complaints,
    harmless,
    parse_months,
    print_json,
)
from arcadia_dagster.commands.home import Home
from arcadia_dagster.commands.person import person
from arcadia_dagster.how_many import how_many
from arcadia_dagster.private_files import as_the_person_writes

if TYPE_CHECKING:
    from arcadia_dagster.books.bill import Bill
    from arcadia_dagster.reports.accruals import Accruals
    from arcadia_dagster.reports.booking import Exported

_SUSPENSE_SHOWN = 10


def export_bills(options: argparse.Namespace) -> int:
    """Write what is new or has changed, and say what was exported before and what is not exported."""
    home = Home.open()
    from arcadia_dagster.books.record import RecordError
    from arcadia_dagster.reports.booking import export_bills as export

    months = parse_months(options.months, home.settings)
    folder = _folder(options.to)
    with complaints(RecordError):
        exported = export(
            home.existing_warehouse,
            home.archive,
            months=months,
            layout=options.layout,
            accounts=home.accounts,
            folder=folder,
            by=person(),
            now=datetime.now(UTC),
            again=options.again,
        )
    if options.json:
        print_json(_as_json(exported))
    else:
        for text in (*_lines(exported, home), *_without_tax_type(exported, options.layout, home)):
            print(harmless(text))
    return OK


def _folder(to: Path) -> Path:
    if to.exists() and not to.is_dir():
        raise CommandError(f"--to {to}: it is a file; name a folder", MISUSED)
    with complaints(), as_the_person_writes():
        to.mkdir(parents=True, exist_ok=True)
    return to


def _as_json(exported: "Exported") -> dict[str, object]:
    from arcadia_dagster.reports.amounts import amounts_as_json

    return {
        "files": [str(path) for path in exported.paths],
        "bills": [
            {
                "invoice": bill.name,
                "number": bill.number,
                "written": written,
                "month": f"{bill.month:%Y-%m}",
                "currency": bill.currency,
                **amounts_as_json(
                    {"gross": bill.gross_minor, "net": bill.net_minor, "tax": bill.tax_minor}, bill.currency
                ),
                "rows": [
                    {
                        **row.key._asdict(),
                        "account": row.account,
                        **amounts_as_json({"amount": row.amount_minor}, bill.currency),
                        "is_suspense": row.is_suspense,
                    }
                    for row in bill.rows
                ],
            }
            for bill, written in exported.bills
        ],
        "exported_before": [
            {
                "invoice": booked.bill.name,
                "exported_at": booked.exports[-1].at.isoformat(),
                "exported_by": booked.exports[-1].by,
                "files": list(booked.exports[-1].files),
            }
            for booked in exported.unchanged
        ],
        "not_exported": [{"invoice": one.name, "reason": one.reason} for one in exported.not_exported],
    }


def _lines(exported: "Exported", home: Home) -> Iterator[str]:
    from arcadia_dagster.billing.currency import format_minor

    for path in exported.paths:
        yield str(path)
    what = {"bill": "", "correction": "correction, ", "again": "again, "}
    for bill, written in exported.bills:
        amounts = ", ".join(
            f"{name} {format_minor(getattr(bill, f'{name}_minor'), bill.currency)}" for name in ("gross", "net", "tax")
        )
        yield f"  {what[written]}{bill.vendor_name} {bill.number} ({bill.name}): {amounts}"
    if not exported.bills:
        yield "nothing new to export: no file was written"
    before = [
        booked for booked in exported.unchanged if all(bill.name != booked.bill.name for bill, _ in exported.bills)
    ]
    if before:
        last = max((booked.exports[-1] for booked in before), key=lambda export: export.at)
        yield (
            f"exported before, and not written again: {how_many(len(before), 'invoice')}, the last at "
            f"{last.at:%Y-%m-%d %H:%M} UTC by {last.by} in {', '.join(last.files)}; `--again` writes them again"
        )
    for one in exported.not_exported:
        yield f"not exported: {one.name}: {one.reason}"
    yield from _suspense(exported, home)


def _suspense(exported: "Exported", home: Home) -> Iterator[str]:
    """What is in the suspense account: each service or tax once."""
    from arcadia_dagster.billing.currency import format_minor

    sums: dict[tuple[str, ...], int] = {}
    for bill, _ in exported.bills:
        for row in bill.rows:
            if row.is_suspense:
                project = f", project {row.key.project}" if row.key.project else ""
                key = (f"{row.key.kind} {bill.source}, {row.key.what}{project}", bill.currency)
                sums[key] = sums.get(key, 0) + row.amount_minor
    if sums:
        yield f"in the suspense account, for no rule of {home.settings.accounts} matches:"
        for (what, currency), amount in [*sums.items()][:_SUSPENSE_SHOWN]:
            yield f"  {what}: {format_minor(amount, currency)}"
        if len(sums) > _SUSPENSE_SHOWN:
            yield f"  and {len(sums) - _SUSPENSE_SHOWN} more; `--json` has all"


_TAX_TYPE = {"xero": ("Xero", "*TaxType"), "quickbooks": ("QuickBooks Online", "*LineTaxCode")}


def _without_tax_type(exported: "Exported", layout: str, home: Home) -> Iterator[str]:
    """How many rows lack what the accounting program asks for."""
    from arcadia_dagster.books.bill import taxed_rows

    if layout not in _TAX_TYPE:
        return
    program, column = _TAX_TYPE[layout]
    blank = sum(not one.tax_type for bill, _ in exported.bills for one in taxed_rows(bill, home.accounts))
    if blank:
        yield (
            f"{how_many(blank, 'row')} without {column}, which {program} asks for: name it in {home.settings.accounts}, with "
            "tax_type of a [[tax]] or an [[expense]], and no_tax_type for rows without tax"
        )


def accruals(options: argparse.Namespace) -> int:
    """Show what is not invoiced yet, beside what was accrued; write it where a folder is named."""
    home = Home.open()
    from arcadia_dagster.books.record import RecordError
    from arcadia_dagster.reports.accruals import export_accruals, show_accruals

    months = parse_months(options.month, home.settings)
    if len(months) > 1:
        raise CommandError(f"{options.month}: expected one month, such as 2026-11", MISUSED)
    if options.again and options.to is None:
        raise CommandError("--again: name the folder with --to", MISUSED)
    folder = None if options.to is None else _folder(options.to)
    with complaints(RecordError):
        if folder is None:
            found = show_accruals(home.existing_warehouse, home.archive, months[0], home.accounts)
        else:
            found = export_accruals(
                home.existing_warehouse,
                home.archive,
                month=months[0],
                layout=options.layout,
                accounts=home.accounts,
                folder=folder,
                by=person(),
                now=datetime.now(UTC),
                again=options.again,
            )
    if options.json:
        print_json(_accruals_as_json(found))
    else:
        for text in _accrual_lines(found, options.month, is_written=folder is not None):
            print(harmless(text))
    return OK


def _by_account(bill: "Bill") -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in bill.rows:
        sums[row.account] = sums.get(row.account, 0) + row.amount_minor
    return sums


def _accruals_as_json(found: "Accruals") -> dict[str, object]:
    from arcadia_dagster.reports.amounts import amounts_as_json

    return {
        "files": [str(path) for path in found.paths],
        "accruals": [
            {
                "source": bill.source,
                "account_id": bill.account_id,
                "currency": bill.currency,
                "basis": bill.basis,
                **amounts_as_json({"net": bill.net_minor}, bill.currency),
                "accounts": {
                    name: amounts_as_json({"net": minor}, bill.currency) for name, minor in _by_account(bill).items()
                },
            }
            for bill in found.entries
        ],
        "accrued": [
            {
                "source": one.booked.bill.source,
                "account_id": one.booked.bill.account_id,
                "currency": one.booked.bill.currency,
                "accrued_at": one.booked.exports[-1].at.isoformat(),
                "accrued_by": one.booked.exports[-1].by,
                **amounts_as_json(
                    {
                        "accrued": one.booked.bill.net_minor,
                        "invoiced": one.invoiced_minor,
                        "difference": one.difference_minor,
                    },
                    one.booked.bill.currency,
                ),
            }
            for one in found.compared
        ],
    }


def _accrual_lines(found: "Accruals", month: str, *, is_written: bool) -> Iterator[str]:
    from arcadia_dagster.billing.currency import format_minor

    for path in found.paths:
        yield str(path)
    if not found.entries:
        yield f"{month}: nothing is known that is not invoiced"
    for bill in found.entries:
        net = format_minor(bill.net_minor, bill.currency)
        yield f"{bill.source}/{bill.account_id}: {net} net, not invoiced: {bill.basis}"
        for account, amount in sorted(_by_account(bill).items()):
            yield f"  {account}: {format_minor(amount, bill.currency)}"
    for one in found.compared:
        bill, last = one.booked.bill, one.booked.exports[-1]
        accrued = f"accrued {format_minor(bill.net_minor, bill.currency)} at {last.at:%Y-%m-%d %H:%M} UTC by {last.by}"
        if one.difference_minor is None:
            yield f"{bill.source}/{bill.account_id}: {accrued}; its invoice has not come"
        else:
            yield (
                f"{bill.source}/{bill.account_id}: {accrued}; invoiced {format_minor(one.invoiced_minor, bill.currency)}, "
                f"difference {format_minor(one.difference_minor, bill.currency)}"
            )
    if is_written and not found.paths:
        yield (
            "all of it is on record: no file was written; `--again` writes it again"
            if found.compared
            else "there is nothing to write: no file was written"
        )
