"""FOCUS 1.4 Invoice Detail and Billing Period, from any provider, as CSV and Parquet: what is invoiced, without its lines.

    BilledCost,BillingAccountId,BillingCurrency,...,InvoiceId,InvoiceIssueStatus,PaymentDueDate,PaymentTerms,ReferenceInvoiceId
    BillingPeriodStart,BillingPeriodEnd,BillingPeriodStatus,BillingPeriodCreated,BillingPeriodLastUpdated,InvoiceIssuerName

All rows of Invoice Detail with the same `InvoiceId`, issuer and account are one invoice. The sum of their `BilledCost`
is the gross amount; the sum of the rows of the charge category `Tax` is the tax. The program compares these with the
lines of Cost and Usage. An invoice whose `InvoiceIssueStatus` is `Voided` is voided. One that is `Open` is a preview:
it is shown and never pushed, and lines are not compared with it. One that comes to less than 0 and names another
invoice in `ReferenceInvoiceId` (or several, if it corrects several) is a credit note. The program also keeps the amount
that is paid in another currency (`PaymentCurrencyBilledCost`). The rows of an invoice must agree on its status and its
currencies, and on the days of issue and payment.

A Billing Period file says which periods of an issuer are open. `Open` means that the issuer may still add or change charges
of that period. So an invoice of such a period whose lines come from Cost and Usage, or from a Cost and Usage Report, is held.
A later file that says `Closed` lets it go: what the issuer changed last (`BillingPeriodLastUpdated`) counts, whatever arrived
first. A row is about all accounts of its issuer; with a column `BillingAccountId` it is about that account alone. It holds no
invoice that has only purchases and tax, for these are invoiced at once, nor an invoice that no document has lines of. A
rule of `sources.toml` can say otherwise: `open_period = "push"`, or `final_after` for invoices by account and month.

The program recognises its own Invoice Detail, dropped back into an inbox, and does not read it
(`arcadia_export`).
Source: the FinOps Open Cost and Usage Specification 1.4, datasets Invoice Detail and Billing Period. A time without an
offset is in UTC; NULL is an empty field or the word `NULL`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Self

from arcadia_dagster.billing.vendors import source_of
from arcadia_dagster.reading import semicolons
from arcadia_dagster.reading.format import BillingPeriod, Head, NameFacts, Periods, Refusal, UnreadableError
from arcadia_dagster.reading.json_values import MOST
from arcadia_dagster.reading.statements import InvoiceStatement, StatementsOnly, Status
from arcadia_dagster.reading.table_rows import Row, csv_rows, parquet_rows

_KNOWN_BY = frozenset({"invoiceissuestatus", "invoiceid", "billedcost"})
_NEEDED = (
    *("BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory"),
    *("InvoiceId", "InvoiceIssueStatus", "InvoiceIssuerName"),
)
"""The columns that every row must fill; the specification's other mandatory columns are read where they exist."""

_LINES = frozenset({"chargeperiodstart", "servicename"})
"""Mandatory columns of Cost and Usage that Invoice Detail does not have."""

_AMOUNTS = ("BilledCost", "PaymentCurrencyBilledCost")
_STATES: dict[str, Status] = {"Open": "draft", "Issued": "issued", "Voided": "voided"}
_CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
_TAX = "Tax"
_UNKNOWN = "unknown"

_PERIOD_KNOWN_BY = frozenset({"billingperiodstatus", "billingperiodstart", "billingperiodend", "invoiceissuername"})
_OPEN = "Open"
_PERIOD_STATES = (_OPEN, "Closed")
_EXACT = Context(prec=60)


@dataclass(frozen=True)
class _Table:
    """Where the rows of a document are.

    Attributes:
        columns: Its header.
        types: The columns of a Parquet document with their types; None for CSV.
        delimiter: What separates the values of CSV.
        decimal_commas: The columns whose decimals are behind a comma.
    """

    columns: tuple[str, ...]
    types: tuple[tuple[str, str], ...] | None = None
    delimiter: str = ","
    decimal_commas: tuple[str, ...] = ()

    @classmethod
    def of(cls, head: Head, *, numbers: Iterable[str] = ()) -> "Self | Refusal":
        """The rows of a document whose header was known."""
        if head.columns is not None:
            return cls(head.header, tuple(head.columns.items()))
        commas: tuple[str, ...] = ()
        if head.delimiter == semicolons.DELIMITER:
            wanted = {number.lower() for number in numbers}
            positions = [position for position, name in enumerate(head.header) if name.lower() in wanted]
            has_commas = semicolons.has_decimal_commas(head, positions)
            if isinstance(has_commas, Refusal):
                return has_commas
            commas = tuple(head.header[position] for position in positions) if has_commas else ()
        return cls(head.header, None, head.delimiter, commas)

    def rows(self, path: Path) -> Iterator[Row]:
        """The rows."""
        if self.types is not None:
            return parquet_rows(path, dict(self.types))
        return csv_rows(path, self.columns, delimiter=self.delimiter, decimal_commas=self.decimal_commas)


class FocusInvoiceDetail:
    """The format of Invoice Detail."""

    name = "focus_invoice_detail"
    reading = 2

    def recognise(self, head: Head) -> "_Invoices | Refusal | None":
        """Known by its columns, in any order and case."""
        names = [name.lower() for name in head.header]
        if not set(names) >= _KNOWN_BY or not _LINES.isdisjoint(names):
            return None
        if (problem := _problem_of(names, _NEEDED)) is not None:
            return Refusal(problem)
        return _Invoices.of(head, numbers=_AMOUNTS)

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """The document tells all itself."""
        return None


class FocusBillingPeriod:
    """The format of Billing Period."""

    name = "focus_billing_period"
    reading = 3

    def recognise(self, head: Head) -> "_Periods | Refusal | None":
        """Known by its columns, in any order and case."""
        names = [name.lower() for name in head.header]
        if not set(names) >= _PERIOD_KNOWN_BY or "billedcost" in names:
            return None
        problem = _problem_of(names, ("BillingPeriodStart", "BillingPeriodEnd", "BillingPeriodStatus"))
        return _Periods.of(head) if problem is None else Refusal(problem)

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """It states no invoice."""
        return None


def _problem_of(names: Sequence[str], needed: Iterable[str]) -> str | None:
    """What is wrong with a header; None where nothing is."""
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        return f"line 1: column {', '.join(twice)} occurs more than once; expected each once"
    missing = [name for name in needed if name.lower() not in names]
    return f"line 1: column {', '.join(missing)} is missing, which FOCUS has as mandatory" if missing else None


class _Invoices(_Table, StatementsOnly):
    def statements(self, path: Path) -> list[InvoiceStatement]:
        invoices: dict[tuple[str, str, str], _Invoice] = {}
        # A decimal is added exactly, however many there are.
        with localcontext(_EXACT):
            for row in self.rows(path):
                key = (
                    source_of(row.needed_text("InvoiceIssuerName")) or _UNKNOWN,
                    row.needed_text("BillingAccountId"),
                    row.needed_text("InvoiceId"),
                )
                if key not in invoices:
                    invoices[key] = _Invoice(row)
                invoices[key].add(row)
            return [invoice.statement(*key) for key, invoice in invoices.items()]


class _Periods(_Table, Periods):
    def periods(self, path: Path) -> list[BillingPeriod]:
        return [_period(row) for row in self.rows(path)]


def _period(row: Row) -> BillingPeriod:
    starts_at, ends_at = _bounds(row)
    issuer = row.needed_text("InvoiceIssuerName")
    status = row.one_of("BillingPeriodStatus", {word.lower(): word for word in _PERIOD_STATES})
    return BillingPeriod(
        source=source_of(issuer) or _UNKNOWN,
        issuer_name=issuer,
        account_id=row.text("BillingAccountId"),
        starts_at=starts_at,
        ends_at=ends_at,
        is_open=status == _OPEN,
        updated_at=row.moment("BillingPeriodLastUpdated"),
    )


def _bounds(row: Row) -> tuple[datetime, datetime]:
    """When the row's billing period begins and ends.

    Raises:
        UnreadableError: They are no times, or it ends before it begins.
    """
    starts, ends = row.needed_moment("BillingPeriodStart"), row.needed_moment("BillingPeriodEnd")
    if ends <= starts:
        raise UnreadableError(
            f"{row.place}, column BillingPeriodEnd: {ends}; expected a time after its start, {starts}"
        )
    return starts, ends


class _Invoice:
    """One invoice, gathered from its rows."""

    def __init__(self, row: Row) -> None:
        self._first = row
        self._same: dict[str, object] = {}
        self._gross = self._tax = Decimal(0)
        self._paid: Decimal | None = None
        self._starts: datetime | None = None
        self._ends: datetime | None = None
        self._texts: dict[str, dict[str, None]] = {
            name: {} for name in ("InvoiceIssuerName", "PaymentTerms", "PurchaseOrderNumber", "ReferenceInvoiceId")
        }

    def add(self, row: Row) -> None:
        """Count a row to it.

        Raises:
            UnreadableError: It contradicts an earlier row, or cannot be read.
        """
        amount = row.needed_amount("BilledCost")
        self._gross += amount
        if row.one_of("ChargeCategory", {name.lower(): name for name in _CATEGORIES}) == _TAX:
            self._tax += amount
        if abs(self._gross) >= MOST:
            raise UnreadableError(
                f"{row.place}, column BilledCost: with it the invoice comes to {self._gross}; expected less"
            )
        starts, ends = _bounds(row)
        self._starts = starts if self._starts is None else min(self._starts, starts)
        self._ends = ends if self._ends is None else max(self._ends, ends)
        paid = row.amount("PaymentCurrencyBilledCost")
        if paid is not None:
            self._paid = paid if self._paid is None else self._paid + paid
        words = {word.lower(): word for word in _STATES}
        self._agree(row, "InvoiceIssueStatus", row.one_of("InvoiceIssueStatus", words))
        self._agree(row, "BillingCurrency", row.needed_text("BillingCurrency").upper())
        self._agree(row, "PaymentCurrency", row.text("PaymentCurrency"))
        for name in ("InvoiceIssueDate", "PaymentDueDate"):
            self._agree(row, name, row.moment(name))
        for name, texts in self._texts.items():
            if (text := row.text(name)) is not None:
                texts[text] = None

    def statement(self, source: str, account_id: str, external_id: str) -> InvoiceStatement:
        """The invoice."""
        refers_to = [name for name in self._texts["ReferenceInvoiceId"] if name != external_id]
        is_credit_note = self._gross < 0 and bool(refers_to)
        currency, paid_in = str(self._same["BillingCurrency"]), self._same["PaymentCurrency"]
        is_paid_otherwise = paid_in is not None and paid_in != currency
        return InvoiceStatement(
            source=source,
            account_id=account_id,
            external_id=external_id,
            currency=currency,
            kind="credit_note" if is_credit_note else "invoice",
            status=_STATES[str(self._same["InvoiceIssueStatus"])],
            gross=self._gross,
            net=self._gross - self._tax,
            tax=self._tax,
            issued_on=_day(self._same["InvoiceIssueDate"]),
            due_on=_day(self._same["PaymentDueDate"]),
            period_start=_day(self._starts),
            # Its end is exclusive.
            period_end=None if self._ends is None else (self._ends - timedelta(microseconds=1)).date(),
            terms=self._joined("PaymentTerms"),
            purchase_order=self._joined("PurchaseOrderNumber"),
            seller_name=next(iter(self._texts["InvoiceIssuerName"])),
            refers_to=", ".join(refers_to) or None,
            payment_currency=str(paid_in) if is_paid_otherwise else None,
            payment_amount=self._paid if is_paid_otherwise else None,
        )

    def _agree(self, row: Row, name: str, value: object) -> None:
        earlier = self._same.setdefault(name, value)
        if earlier != value:
            raise UnreadableError(
                f"{row.place}, column {name}: {_shown(value)}, and {_shown(earlier)} in {self._first.place} of the same invoice; "
                "expected one for all of its rows"
            )

    def _joined(self, name: str) -> str | None:
        return ", ".join(self._texts[name]) or None


def _day(moment: object) -> date | None:
    return moment.date() if isinstance(moment, datetime) else None


def _shown(value: object) -> str:
    return "blank" if value is None else str(value)
