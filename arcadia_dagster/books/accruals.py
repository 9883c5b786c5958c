"""Accruals: what a month comes to that is not invoiced yet, booked on its last day and reversed on the next.

An accrual is net: tax is claimed with the invoice. It is kept like a bill, with its basis in words, and is never one: no finance
service gets it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from arcadia_dagster.billing.currency import to_minor
from arcadia_dagster.books.accounts import Accounts
from arcadia_dagster.books.bill import Bill, Charge, Row, Share, differences, rows_of
from arcadia_dagster.books.record import Booked


@dataclass(frozen=True, slots=True)
class Accrued:
    """What is not invoiced yet of an account at a provider.

    Attributes:
        source: The provider.
        account_id: The account there.
        currency: ISO 4217.
        vendor_name: The vendor.
        charges: What it comes to without tax, by tenant.
        basis: What that goes by, in words.
    """

    source: str
    account_id: str
    currency: str
    vendor_name: str
    charges: tuple[tuple[str, Charge], ...]
    basis: str


def entry(accrued: Accrued, month: date, last_day: date, accounts: Accounts) -> Bill:
    """The entry of an accrual, dated on the month's last day: expenses are debited, the account of accruals is credited."""
    rows: list[Row] = []
    for tenant in sorted({tenant for tenant, _ in accrued.charges}):
        own = [charge for of, charge in accrued.charges if of == tenant]
        net = to_minor(sum((charge.amount for charge in own), Decimal(0)), accrued.currency)
        rows += rows_of(own, [Share(tenant, (), net, 0)], accounts, source=accrued.source, currency=accrued.currency)
    name = f"accrual {month:%Y-%m} {accrued.currency}"
    return Bill(
        accrued.source,
        accrued.account_id,
        external_id=name,
        number=_number(month),
        vendor_name=accrued.vendor_name,
        month=month,
        dated=last_day,
        currency=accrued.currency,
        payable=accounts.accrued,
        rows=tuple(rows),
        document_sha256="",
        basis=accrued.basis,
    )


def changes(now: Sequence[Bill], known: Iterable[Booked]) -> list[Bill]:
    """What the accruals of a month differ by from those on record: together with these they are the accruals as they are now."""
    before = {booked.bill.name: booked.bill for booked in known}
    present = {bill.name: bill for bill in now}
    changed = []
    for name in sorted({*before, *present}):
        bill = present.get(name) or replace(
            before[name], rows=(), basis="it is invoiced, or nothing is known of it now"
        )
        if name in before:
            rows = differences(bill.rows, before[name].rows)
            bill = replace(bill, rows=rows, payable=before[name].payable, number=f"{bill.number}, change")
        if bill.rows:
            changed.append(bill)
    return changed


def repeated(known: Iterable[Booked], month: date) -> list[Bill]:
    """The accruals of a month as they are on record, each whole in one entry."""
    return [
        replace(booked.bill, number=_number(month))
        for booked in known
        if booked.bill.month == month and booked.bill.rows
    ]


def _number(month: date) -> str:
    return f"Accrual {month:%Y-%m}"


def with_reversals(bills: Iterable[Bill]) -> list[Bill]:
    """Each entry, followed by the one that takes it back on the next day."""
    return [
        one
        for bill in bills
        for one in (
            bill,
            replace(
                bill,
                number=f"{bill.number}, reversed",
                dated=bill.dated + timedelta(days=1),
                rows=tuple(replace(row, amount_minor=-row.amount_minor) for row in bill.rows),
            ),
        )
    ]
