"""What an export writes: bills that are new, corrections of those that have changed, and nothing else."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from arcadia_dagster.books.bill import Bill, differences
from arcadia_dagster.books.record import Booked, Written


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write.

    Attributes:
        written: The bills, and why each is written.
        unchanged: The bills that were exported as they are now.
    """

    written: tuple[tuple[Bill, Written], ...]
    unchanged: tuple[Bill, ...]


def plan(
    bills: Sequence[Bill],
    known: Mapping[str, Booked],
    *,
    gone: Collection[str],
    today: date,
    again: bool = False,
) -> Plan:
    """What to write of the invoices as they are now.

    A changed invoice is written as a correction: what it differs by, under its number with `-C1`, dated today, for the month of
    the first one may be closed. So nothing that was booked is touched, and all exports together are the invoice.

    Args:
        bills: The invoices that may be exported.
        known: What is on record in these books, by the names of the invoices.
        gone: The names of those on record that must not be in the books any more.
        today: The day of corrections (UTC).
        again: Whether to write bills again that were exported; changed ones are corrected all the same.
    """
    written: list[tuple[Bill, Written]] = []
    unchanged: list[Bill] = []
    for bill in bills:
        before = known.get(bill.name)
        if before is None:
            # An invoice that comes to nothing in every row has nothing to book.
            written += [(bill, "bill")] if bill.rows else []
        elif rows := differences(bill.rows, before.bill.rows):
            written.append(
                (_correction(replace(bill, payable=before.bill.payable, rows=rows), before, today), "correction")
            )
        else:
            unchanged.append(bill)
            if again:
                # As it was booked: accounts.toml may say otherwise by now.
                written.append((replace(bill, payable=before.bill.payable, rows=before.bill.rows), "again"))
    for name in sorted(gone):
        before = known[name]
        if rows := differences((), before.bill.rows):
            number = before.bill.number.removesuffix(_ending(before.bill.corrects))
            bill = replace(before.bill, rows=rows, number=number)
            written.append((_correction(bill, before, today), "correction"))
    return Plan(tuple(written), tuple(unchanged))


def _correction(bill: Bill, before: Booked, today: date) -> Bill:
    number = before.corrections + 1
    return replace(
        bill,
        number=bill.number + _ending(number),
        dated=today,
        corrects=number,
        terms=replace(bill.terms, due_on=None, payment=None),
    )


def _ending(corrects: int) -> str:
    return f"-C{corrects}" if corrects else ""
