"""Bills: an invoice as rows of accounts, which sum to it to the minor unit; and what a changed one differs by.

Rows come of the invoice's exact lines. The net of a tenant's part is split over its services and projects by the largest
remainder, and its tax over the taxes: nothing is computed anew, and all rows together are the invoice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal, NamedTuple

from arcadia_dagster.billing.allocation import apportioned
from arcadia_dagster.billing.currency import EXPONENTS
from arcadia_dagster.books.accounts import Accounts, Subject

ANY_TAX: Final = "Tax"
"""What a row of a tax is called of which no rule names the code."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What an invoice's lines of one kind come to, exactly.

    Attributes:
        is_tax: Whether they are tax.
        what: The service's name; of a tax the words of its line.
        project: Their project, or None.
        amount: In major units.
    """

    is_tax: bool
    what: str
    project: str | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Share:
    """What a tenant bears of an invoice, in minor units.

    Attributes:
        tenant_id: The tenant.
        projects: The projects that it bears, empty text for lines without one; none where it bears all.
        net_minor: Without tax.
        tax_minor: The tax.
    """

    tenant_id: str
    projects: tuple[str, ...]
    net_minor: int
    tax_minor: int


class RowKey(NamedTuple):
    """What a row is for; an invoice has one row for each."""

    kind: Literal["expense", "tax"]
    what: str
    project: str
    tenant_id: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a bill, in minor units of its currency.

    Attributes:
        key: What it is for: the service, or the tax, with project and tenant.
        account: The account of the books.
        tax_type: What the books call the tax; empty where they have no name for it.
        amount_minor: The amount.
        is_suspense: Whether no rule matched it.
    """

    key: RowKey
    account: str
    tax_type: str
    amount_minor: int
    is_suspense: bool = False


@dataclass(frozen=True, slots=True)
class Payment:
    """What a document states of the currency that is paid in: nothing is computed from a rate that no document states.

    Attributes:
        currency: ISO 4217.
        amount: What is paid in it, or None.
        rate: Units of it for one of the invoice's currency, or None.
    """

    currency: str
    amount: Decimal | None
    rate: Decimal | None

    def words(self, currency: str | None) -> str:
        """What is stated, in words; only what is.

        Args:
            currency: The invoice's.
        """
        amount = "" if self.amount is None else f" {plain(self.amount)}"
        rate = "" if self.rate is None else f", at {plain(self.rate)} {self.currency} for one {currency}"
        return f"paid in {self.currency}{amount}{rate}"


def plain(amount: Decimal) -> Decimal:
    """The amount without the zeros that only its column gives it, and never as `1E+2`."""
    return Decimal(f"{amount.normalize():f}")


@dataclass(frozen=True, slots=True)
class Terms:
    """What is known of a bill besides its amounts; None: not known."""

    due_on: date | None = None
    terms: str | None = None
    purchase_order: str | None = None
    seller_name: str | None = None
    seller_tax_id: str | None = None
    seller_country: str | None = None
    refers_to: str | None = None
    payment: Payment | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """What is owed by one invoice, or what a changed one differs by from what was exported of it.

    Attributes:
        source: Who issued the invoice, as finance knows it.
        account_id: The account there.
        external_id: The invoice's id.
        number: The number that the books know it by; of a correction with its own ending, such as `-C1`.
        vendor_name: The vendor.
        month: The invoice's month, its first day (UTC).
        dated: The day it is booked on.
        currency: ISO 4217.
        payable: The account of what is owed.
        rows: What it is for; together the invoice.
        document_sha256: The document that states it.
        corrects: Which correction of the invoice it is, from 1; 0: it is the invoice.
        terms: What else is known.
        basis: Of an accrual, which is no invoice, what it goes by; empty for a bill.
    """

    source: str
    account_id: str
    external_id: str
    number: str
    vendor_name: str
    month: date
    dated: date
    currency: str
    payable: str
    rows: tuple[Row, ...]
    document_sha256: str
    corrects: int = 0
    terms: Terms = field(default_factory=Terms)
    basis: str = ""

    @property
    def name(self) -> str:
        """How commands name the invoice: `source/account/id`."""
        return f"{self.source}/{self.account_id}/{self.external_id}"

    @property
    def own_number(self) -> str:
        """The invoice's own number, also of a correction."""
        return self.number.removesuffix(ending_of(self.corrects))

    @property
    def gross_minor(self) -> int:
        """What is owed."""
        return sum(row.amount_minor for row in self.rows)

    @property
    def tax_minor(self) -> int:
        """The tax in it."""
        return sum(row.amount_minor for row in self.rows if row.key.kind == "tax")

    @property
    def net_minor(self) -> int:
        """What is owed without tax."""
        return self.gross_minor - self.tax_minor

    def due(self, accounts: Accounts) -> date:
        """When it is to be paid: as documents state it, else as `accounts.toml` says, else at once."""
        return self.terms.due_on or self.dated + timedelta(days=accounts.due_days or 0)


def ending_of(corrects: int) -> str:
    """What a correction's number ends with; nothing for 0, the invoice itself."""
    return f"-C{corrects}" if corrects else ""


def rows_of(
    charges: Iterable[Charge], shares: Sequence[Share], accounts: Accounts, *, source: str, currency: str
) -> tuple[Row, ...]:
    """The rows of an invoice.

    Args:
        charges: All that its lines come to.
        shares: Who bears it: parts that sum to the invoice.
        accounts: The accounts of the books.
        source: Who issued it.
        currency: Its currency, of ISO 4217.

    Returns:
        Rows without zeros, in a fixed order. Those of a tenant sum to its net and its tax.
    """
    charges = [*charges]
    unit = 10 ** EXPONENTS[currency]
    rows: list[Row] = []
    for share in sorted(shares, key=lambda one: one.tenant_id):
        own = [one for one in charges if not one.is_tax and _bears(share, shares, one.project)]
        net = _booked(own, share.tenant_id, accounts, source)
        exact = [amount * unit for amount in net.values()]
        rows += _apportioned(net, share.net_minor, exact, _unknown(share.tenant_id, accounts, source))
        tax = _taxes([one for one in charges if one.is_tax], share.tenant_id, accounts, source)
        rows += _apportioned(
            tax, share.tax_minor, _scaled([*tax.values()], share.tax_minor, unit), _any_tax(share, accounts, source)
        )
    return tuple(sorted((row for row in rows if row.amount_minor), key=lambda row: row.key))


def _bears(share: Share, shares: Sequence[Share], project: str | None) -> bool:
    if len(shares) == 1:
        return True
    return (project or "") in share.projects


def _booked(charges: Iterable[Charge], tenant_id: str, accounts: Accounts, source: str) -> dict[Row, Fraction]:
    """What each row without its amount comes to, exactly, in major units."""
    booked: dict[Row, Fraction] = {}
    for charge in charges:
        rule = accounts.rule_of("expense", Subject(source, charge.what, charge.project, tenant_id))
        row = Row(
            RowKey("expense", charge.what, charge.project or "", tenant_id),
            accounts.suspense if rule is None else rule.account,
            (rule.tax_type if rule is not None else None) or accounts.no_tax_type,
            0,
            is_suspense=rule is None,
        )
        booked[row] = booked.get(row, Fraction(0)) + Fraction(charge.amount)
    return booked


def _taxes(charges: Iterable[Charge], tenant_id: str, accounts: Accounts, source: str) -> dict[Row, Fraction]:
    """The same of the taxes. Only the codes that a rule names have rows of their own: some providers word each line otherwise."""
    booked: dict[Row, Fraction] = {}
    for charge in charges:
        row = _tax_row(charge.what, tenant_id, accounts, source)
        booked[row] = booked.get(row, Fraction(0)) + Fraction(charge.amount)
    return booked


def _tax_row(code: str | None, tenant_id: str, accounts: Accounts, source: str) -> Row:
    rule = accounts.rule_of("tax", Subject(source, tenant=tenant_id, code=code))
    what = ANY_TAX if rule is None or rule.code is None else rule.code
    return Row(
        RowKey("tax", what, "", tenant_id),
        accounts.suspense if rule is None else rule.account,
        (rule.tax_type if rule is not None else None) or "",
        0,
        is_suspense=rule is None,
    )


def _any_tax(share: Share, accounts: Accounts, source: str) -> Row:
    return _tax_row(None, share.tenant_id, accounts, source)


def _unknown(tenant_id: str, accounts: Accounts, source: str) -> Row:
    """The row of a net that no line explains."""
    [row] = _booked([Charge(is_tax=False, what="", project=None, amount=Decimal(0))], tenant_id, accounts, source)
    return row


def _scaled(weights: Sequence[Fraction], total: int, unit: int) -> list[Fraction]:
    """The weights as shares of the total: each tenant bears a part of each tax."""
    whole = sum(weights, Fraction(0))
    return [weight * total / whole if whole else weight * unit for weight in weights]


def _apportioned(rows: Mapping[Row, object], total: int, exact: Sequence[Fraction], otherwise: Row) -> list[Row]:
    if not rows:
        return [replace(otherwise, amount_minor=total)]
    # In an order of their own, so that equal remainders go to the same rows whatever the order of the lines.
    ordered = sorted(zip(rows, exact, strict=True), key=lambda one: one[0].key)
    amounts = apportioned(total, [share for _, share in ordered])
    return [replace(row, amount_minor=amount) for (row, _), amount in zip(ordered, amounts, strict=True)]


def differences(now: Iterable[Row], before: Iterable[Row]) -> tuple[Row, ...]:
    """What rows differ by from what was exported before: together with that they are the invoice.

    A row keeps the account that it was exported to, whatever `accounts.toml` says by now: what was booked there is corrected
    there.
    """
    rows: dict[RowKey, Row] = {}
    for row in before:
        amount = rows[row.key].amount_minor if row.key in rows else 0
        rows[row.key] = replace(rows.get(row.key, row), amount_minor=amount - row.amount_minor)
    for row in now:
        amount = rows[row.key].amount_minor if row.key in rows else 0
        rows[row.key] = replace(rows.get(row.key, row), amount_minor=amount + row.amount_minor)
    return tuple(sorted((row for row in rows.values() if row.amount_minor), key=lambda row: row.key))


def under_booked_names(now: Sequence[Row], before: Sequence[Row]) -> tuple[Row, ...]:
    """The rows with each tenant's taxes under the names that they were booked by.

    A rule of `accounts.toml` that names the code of a tax takes it out of the row of all taxes, and puts it back when it is gone.
    That changes nothing about an invoice that is booked already.
    """
    rows = {row.key: row for row in now}
    booked = {row.key: row for row in before}
    for tenant_id in {key.tenant_id for key in booked if key.kind == "tax"}:
        any_tax = RowKey("tax", ANY_TAX, "", tenant_id)
        own = {key for key in (*rows, *booked) if key.kind == "tax" and key.tenant_id == tenant_id and key != any_tax}
        named, unnamed = sorted(own - booked.keys()), sorted(own - rows.keys())
        amount = rows[any_tax].amount_minor if any_tax in rows else 0
        was = booked[any_tax].amount_minor if any_tax in booked else 0
        if named and any_tax in booked and amount != was:
            amount += sum(rows.pop(key).amount_minor for key in named)
            rows[any_tax] = replace(booked[any_tax], amount_minor=amount)
        elif unnamed and any_tax in rows and amount != was:
            rows[any_tax] = replace(rows[any_tax], amount_minor=was)
            rows |= {key: booked[key] for key in unnamed}
            rest = amount - was - sum(booked[key].amount_minor for key in unnamed)
            largest = max(unnamed, key=lambda key: (abs(booked[key].amount_minor), key))
            rows[largest] = replace(booked[largest], amount_minor=booked[largest].amount_minor + rest)
    return tuple(sorted(rows.values(), key=lambda row: row.key))


@dataclass(frozen=True, slots=True)
class TaxedRow:
    """A row as programs import it that compute tax: a net amount, and the tax on it."""

    row: Row
    net_minor: int
    tax_minor: int
    tax_type: str


def taxed_rows(bill: Bill, accounts: Accounts) -> list[TaxedRow]:
    """The rows with the tax on each, which sum to the bill.

    If the books have one name (`tax_type`) for all tax of the bill, each row of a tenant bears a part of that tenant's tax, in
    proportion to its amount; documents hardly say which line a tax is for. Otherwise each tax is a row of its own, on its own
    account.
    """
    expenses = [row for row in bill.rows if row.key.kind == "expense"]
    taxes = [row for row in bill.rows if row.key.kind == "tax"]
    names = {row.tax_type for row in taxes}
    parts: dict[Row, int] = {}
    alone: list[Row] = []
    for tenant_id in sorted({row.key.tenant_id for row in taxes}):
        own = [row for row in taxes if row.key.tenant_id == tenant_id]
        tax = sum(row.amount_minor for row in own)
        # Tax was charged on what was charged; credits do not reduce it. Of a credit note it is the other way round.
        bearing = [
            row for row in expenses if row.key.tenant_id == tenant_id and tax and (row.amount_minor > 0) == (tax > 0)
        ]
        if len(names) != 1 or "" in names or not bearing:
            alone += own
            continue
        whole = sum(row.amount_minor for row in bearing)
        shares = [Fraction(tax * row.amount_minor, whole) for row in bearing]
        parts |= dict(zip(bearing, apportioned(tax, shares), strict=True))
    return [
        *(
            TaxedRow(row, row.amount_minor, parts.get(row, 0), *names if row in parts else (row.tax_type,))
            for row in expenses
        ),
        *(TaxedRow(row, row.amount_minor, 0, accounts.no_tax_type) for row in alone),
    ]
