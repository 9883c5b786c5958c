"""What was exported to the books, on record: each export is a file of JSON in the archive, which is never changed.

    archive/books/000001-3f9a0c1d2e4b.json

The numbers count the exports. What is on record of an invoice is the sum of its rows over all exports to the same books: the
invoice as it was exported last. So a rebuilt warehouse exports nothing twice.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final, Literal

from arcadia_dagster import kept_names
from arcadia_dagster.books.bill import Bill, Row, RowKey, Terms

KEPT_IN: Final = "books"
"""The folder of the archive with the records."""

_ENDING: Final = "json"
VERSION: Final = kept_names.pattern_of(_ENDING)

Written = Literal["bill", "correction", "again"]
"""Why a bill was written: it is new, it corrects an earlier one, or a person asked for it once more."""


class RecordError(ValueError):
    """A record cannot be read; the message names it. Nothing is exported meanwhile, for it may have been exported."""


@dataclass(frozen=True, slots=True)
class Export:
    """One export.

    Attributes:
        at: When, with its time zone.
        by: Who.
        books: The layout that was written, or `accruals`.
        files: The names of the files.
        bills: What is in them, and why.
    """

    at: datetime
    by: str
    books: str
    files: tuple[str, ...]
    bills: tuple[tuple[Bill, Written], ...]


@dataclass(frozen=True, slots=True)
class Booked:
    """What is on record of an invoice in some books.

    Attributes:
        bill: The newest one; its rows are those of all exports together.
        corrections: How many corrections there are.
        exports: The exports that it is in, in their order.
    """

    bill: Bill
    corrections: int
    exports: tuple[Export, ...]

    @property
    def written(self) -> tuple[Bill, ...]:
        """The bill and its corrections, each as it was written."""
        return tuple(
            one for export in self.exports for one, why in export.bills if one.name == self.bill.name and why != "again"
        )


def text_of(export: Export) -> str:
    """An export as its record says it."""
    return json.dumps(
        {
            "at": export.at.astimezone(UTC).isoformat(),
            "by": export.by,
            "books": export.books,
            "files": list(export.files),
            "bills": [{"written": written, **_of_bill(bill)} for bill, written in export.bills],
        },
        ensure_ascii=False,
        indent=1,
        sort_keys=True,
    )


def name_of(number: int, text: str) -> str:
    """The name of a record.

    Args:
        number: Which export it is, from 1.
        text: What the record says.
    """
    return kept_names.name_of(number, text, _ENDING)


def read(name: str, text: str) -> Export:
    """The export that a record tells.

    Raises:
        RecordError: It is not what was written, or a newer version of this program wrote it.
    """
    if name != name_of(kept_names.number_of(name), text):
        raise unreadable(name, "it was changed")
    try:
        values = json.loads(text)
        return Export(
            datetime.fromisoformat(values["at"]),
            values["by"],
            values["books"],
            tuple(values["files"]),
            tuple((_bill(one), one["written"]) for one in values["bills"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(name, str(error)) from error


def unreadable(name: str, problem: str) -> RecordError:
    """The error of a record that cannot be read.

    Args:
        name: The record's name.
        problem: Why, in words.
    """
    return RecordError(
        f"the record {KEPT_IN}/{name} of the archive cannot be read ({problem}): restore it from a backup; nothing is exported "
        "meanwhile, for it tells what was"
    )


def booked(exports: Iterable[Export], books: str) -> dict[str, Booked]:
    """What is on record in some books, by the names of the invoices (`source/account/id`)."""
    found: dict[str, Booked] = {}
    for export in exports:
        if export.books != books:
            continue
        for bill, written in export.bills:
            before = found.get(bill.name)
            rows = bill.rows if before is None else _together(before.bill.rows, bill.rows if written != "again" else ())
            found[bill.name] = Booked(
                replace(bill if before is None or written != "again" else before.bill, rows=rows),
                (0 if before is None else before.corrections) + (written == "correction"),
                # A reissue in another currency is two of one export.
                (*(() if before is None else (one for one in before.exports if one is not export)), export),
            )
    return found


def _together(before: Sequence[Row], more: Sequence[Row]) -> tuple[Row, ...]:
    rows = {row.key: row for row in before}
    for row in more:
        amount = rows[row.key].amount_minor if row.key in rows else 0
        rows[row.key] = replace(row, amount_minor=amount + row.amount_minor)
    return tuple(sorted((row for row in rows.values() if row.amount_minor), key=lambda row: row.key))


def _of_bill(bill: Bill) -> dict[str, Any]:
    return {
        **{name: getattr(bill, name) for name in _TEXTS},
        "month": bill.month.isoformat(),
        "dated": bill.dated.isoformat(),
        "corrects": bill.corrects,
        "basis": bill.basis,
        "rows": [
            {
                **row.key._asdict(),
                "account": row.account,
                "tax_type": row.tax_type,
                "amount_minor": row.amount_minor,
                "is_suspense": row.is_suspense,
            }
            for row in bill.rows
        ],
    }


_TEXTS: Final = (
    *("source", "account_id", "external_id", "number", "vendor_name", "currency", "payable"),
    "document_sha256",
)


def _bill(values: Mapping[str, Any]) -> Bill:
    return Bill(
        **{name: values[name] for name in _TEXTS},
        month=date.fromisoformat(values["month"]),
        dated=date.fromisoformat(values["dated"]),
        corrects=values["corrects"],
        rows=tuple(
            Row(
                RowKey(row["kind"], row["what"], row["project"], row["tenant_id"]),
                row["account"],
                row["tax_type"],
                row["amount_minor"],
                row["is_suspense"],
            )
            for row in values["rows"]
        ),
        terms=Terms(),
        basis=values["basis"],
    )
