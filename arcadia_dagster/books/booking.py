"""What an export writes: bills that are new, corrections of those that have changed, and nothing else."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from arcadia_dagster.books.bill import Bill, differences, ending_of, under_booked_names
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
        elif bill.currency != before.bill.currency and before.bill.rows:
            # Nothing is computed across currencies: what was booked is taken out whole, and the invoice is booked anew.
            written.append((_taken_out(before, today), "correction"))
            written += [(_correction(bill, before.corrections + 2, today), "correction")] if bill.rows else []
        elif rows := differences(under_booked_names(bill.rows, before.bill.rows), before.bill.rows):
            written.append(
                (
                    _correction(replace(bill, payable=before.bill.payable, rows=rows), before.corrections + 1, today),
                    "correction",
                )
            )
        else:
            unchanged.append(bill)
            if again:
                # Each as it was written: the books have the bill and its corrections under numbers of their own.
                written += [
                    (replace(one, terms=one.terms if one.corrects else bill.terms), "again") for one in before.written
                ]
    for name in sorted(gone):
        before = known[name]
        if before.bill.rows:
            written.append((_taken_out(before, today), "correction"))
    return Plan(tuple(written), tuple(unchanged))


def _taken_out(before: Booked, today: date) -> Bill:
    """What takes all that is booked of an invoice out again."""
    bill = replace(before.bill, rows=differences((), before.bill.rows), number=before.bill.own_number)
    return _correction(bill, before.corrections + 1, today)


def _correction(bill: Bill, number: int, today: date) -> Bill:
    return replace(
        bill,
        number=bill.number + ending_of(number),
        dated=today,
        corrects=number,
        terms=replace(bill.terms, due_on=None, payment=None),
    )
