"""What an import request states, checked as strictly as the finance contract's section "Request" allows."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from arcadia_dagster.sandbox import strict_json
from arcadia_dagster.sandbox.errors import RefusedError

BAD_REQUEST = 400
UNPROCESSABLE = 422

_INT64 = range(-(2**63), 2**63)
_FIELDS = (
    "source",
    "external_id",
    "invoice_number",
    "vendor",
    "currency",
    "amount_gross_minor",
    "amount_net_minor",
    "amount_tax_minor",
    "issued_on",
    "period_start",
    "period_end",
    "line_count",
    "document_sha256",
    "due_on",
    "purchase_order",
    "seller_tax_id",
    "buyer_tax_id",
    "kind",
    "reference",
)
_KINDS = ("invoice", "credit_note")
_VENDOR_FIELDS = ("name", "category")


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice as a request states it.

    Amounts are in minor units of `currency` (ISO 4217), and net plus tax is gross. Dates are ISO 8601 calendar dates
    without a zone; `period_end` is the last day, inclusive. What the contract lets a client leave out may be None.
    """

    source: str
    external_id: str
    invoice_number: str | None
    vendor_name: str
    vendor_category: str | None
    currency: str
    amount_gross_minor: int
    amount_net_minor: int
    amount_tax_minor: int
    issued_on: str | None
    period_start: str | None
    period_end: str | None
    line_count: int | None
    document_sha256: str | None
    due_on: str | None
    purchase_order: str | None
    seller_tax_id: str | None
    buyer_tax_id: str | None
    kind: str | None
    reference: str | None


def parse(body: bytes) -> Invoice:
    """The invoice that a request's body states.

    Raises:
        RefusedError: 400 where the body is not JSON; 422 with every reason where it is not an invoice.
    """
    try:
        values = strict_json.loads(body)
    except ValueError as error:
        raise RefusedError(BAD_REQUEST, f"the body is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise RefusedError(UNPROCESSABLE, "the body must be a JSON object")
    reader = _Reader()
    invoice = _invoice(reader, values)
    if reader.reasons:
        raise RefusedError(UNPROCESSABLE, *reader.reasons)
    return invoice


def _invoice(reader: "_Reader", values: dict[str, object]) -> Invoice:
    """Read every field, so that one answer names everything that is wrong."""
    reader.refuse_unknown(values, _FIELDS)
    vendor = values.get("vendor")
    if not isinstance(vendor, dict):
        reader.reasons.append("vendor must be an object with a name")
        vendor = dict[str, object](name="-")
    reader.refuse_unknown(vendor, _VENDOR_FIELDS, within="vendor.")
    invoice = Invoice(
        source=reader.text("source", values.get("source")),
        external_id=reader.text("external_id", values.get("external_id")),
        invoice_number=reader.optional_text("invoice_number", values.get("invoice_number")),
        vendor_name=reader.text("vendor.name", vendor.get("name")),
        vendor_category=reader.optional_text("vendor.category", vendor.get("category")),
        currency=reader.currency(values.get("currency")),
        amount_gross_minor=reader.integer("amount_gross_minor", values.get("amount_gross_minor")),
        amount_net_minor=reader.integer("amount_net_minor", values.get("amount_net_minor")),
        amount_tax_minor=reader.integer("amount_tax_minor", values.get("amount_tax_minor")),
        issued_on=reader.optional_date("issued_on", values.get("issued_on")),
        period_start=reader.optional_date("period_start", values.get("period_start")),
        period_end=reader.optional_date("period_end", values.get("period_end")),
        line_count=reader.optional_count("line_count", values.get("line_count")),
        document_sha256=reader.optional_sha256("document_sha256", values.get("document_sha256")),
        due_on=reader.optional_date("due_on", values.get("due_on")),
        purchase_order=reader.optional_text("purchase_order", values.get("purchase_order")),
        seller_tax_id=reader.optional_text("seller_tax_id", values.get("seller_tax_id")),
        buyer_tax_id=reader.optional_text("buyer_tax_id", values.get("buyer_tax_id")),
        kind=reader.optional_kind("kind", values.get("kind")),
        reference=reader.optional_text("reference", values.get("reference")),
    )
    if not reader.reasons:
        reader.reasons.extend(_contradictions(invoice))
    return invoice


def _contradictions(invoice: Invoice) -> Iterable[str]:
    total = invoice.amount_net_minor + invoice.amount_tax_minor
    if total != invoice.amount_gross_minor:
        yield f"amount_net_minor + amount_tax_minor is {total}, not amount_gross_minor, {invoice.amount_gross_minor}"
    start, end = invoice.period_start, invoice.period_end
    if (start is None) != (end is None):
        yield "period_start and period_end must be given together"
    elif start is not None and end is not None and end < start:
        yield f"period_end, {end}, is before period_start, {start}"


class _Reader:
    """Reads fields and collects what is wrong with them; a field that is wrong reads as some value of its type."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def refuse_unknown(self, values: dict[str, object], known: tuple[str, ...], within: str = "") -> None:
        """A misspelt optional field would otherwise be lost without a word."""
        self.reasons.extend(
            f"{within}{ascii(name)[1:-1]} is not a field of an invoice" for name in values if name not in known
        )

    def text(self, name: str, value: object) -> str:
        if isinstance(value, str) and value.strip() and not any(map(_unstorable, value)):
            return value
        self.reasons.append(f"{name} must be a non-empty string without control characters")
        return ""

    def optional_text(self, name: str, value: object) -> str | None:
        return None if value is None else self.text(name, value)

    def currency(self, value: object) -> str:
        if isinstance(value, str) and re.fullmatch("[A-Z]{3}", value):
            return value
        self.reasons.append("currency must be three capital letters (ISO 4217)")
        return ""

    def integer(self, name: str, value: object) -> int:
        # True is an int to Python, not to JSON; beyond 64 bits no database column would hold it.
        if isinstance(value, int) and not isinstance(value, bool) and value in _INT64:
            return value
        self.reasons.append(f"{name} must be an integer in minor units of the currency, within 64 bits")
        return 0

    def optional_count(self, name: str, value: object) -> int | None:
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value in _INT64:
            return value
        self.reasons.append(f"{name} must be an integer, not negative")
        return 0

    def optional_date(self, name: str, value: object) -> str | None:
        # `fromisoformat` also takes 20260401 and 2026-W14-3; the contract's form is the one that comes back out.
        if value is None or (isinstance(value, str) and _is_date(value)):
            return value
        self.reasons.append(f"{name} must be a date like 2026-04-30")
        return None

    def optional_kind(self, name: str, value: object) -> str | None:
        if value is None or (isinstance(value, str) and value in _KINDS):
            return value
        self.reasons.append(f"{name} must be {' or '.join(_KINDS)}")
        return None

    def optional_sha256(self, name: str, value: object) -> str | None:
        if value is None or (isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value)):
            return value
        self.reasons.append(f"{name} must be 64 lower-case hexadecimal digits")
        return None


def _unstorable(character: str) -> bool:
    """Control characters, and lone surrogates: an escaped half of a pair is JSON, but not text that UTF-8 can store."""
    return unicodedata.category(character) in {"Cc", "Cs"}


def _is_date(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
