"""What accounts are charged, with sums known in advance: the truth that documents of any format then state.

The same arguments give the same charges, on any machine. Amounts are exact decimals before tax; tax is a charge of its own.
"""

import calendar
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random


@dataclass(frozen=True, slots=True)
class Account:
    """A customer's account at a provider; all of its amounts are in one currency, with two decimals."""

    account_id: str
    currency: str = "USD"
    tax_rate: Decimal = Decimal("0.10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One line of an invoice, for the days from `first` to `last`, both included."""

    service: str
    description: str
    amount: Decimal
    first: date
    last: date
    resource: str = ""
    category: str = "Usage"

    @property
    def is_tax(self) -> bool:
        return self.category == "Tax"

    @property
    def end(self) -> date:
        """The day after the last."""
        return self.last + timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """What an account is charged in a month. Without a number it is not invoiced yet."""

    account: Account
    month: date
    number: str | None
    charges: tuple[Charge, ...]

    @property
    def gross(self) -> Decimal:
        return _cents(sum((charge.amount for charge in self.charges), Decimal(0)))

    @property
    def tax(self) -> Decimal:
        return _cents(sum((charge.amount for charge in self.charges if charge.is_tax), Decimal(0)))

    @property
    def net(self) -> Decimal:
        return self.gross - self.tax

    @property
    def untaxed(self) -> tuple[Charge, ...]:
        return tuple(charge for charge in self.charges if not charge.is_tax)

    @property
    def end(self) -> date:
        """The first day of the month after."""
        return month_after(self.month)


def month_after(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def monthly(
    account: Account, month: date, number: str, *, is_quiet: bool = False, is_corrected: bool = False
) -> Invoice:
    """A month as providers state it that charge once a month: a line in whole cents for each thing that there is.

    Every month has the same plan, and the same license twice; the rest differs by account and month. A quiet month has the plan
    alone, which every account has alike. A correction makes one line dearer and adds another.
    """
    random = _random(account, month)

    def line(
        service: str, description: str, amount: str | Decimal, resource: str = "", category: str = "Usage"
    ) -> Charge:
        last = month_after(month) - timedelta(days=1)
        return Charge(
            service=service,
            description=description,
            amount=Decimal(amount),
            first=month,
            last=last,
            resource=resource,
            category=category,
        )

    charges = [line("Support", "Support plan", "29.00", category="Purchase")]
    if not is_quiet:
        late = Decimal("0.37") if is_corrected else Decimal(0)
        charges += [line("Licenses", "License for one seat", "12.50", category="Purchase")] * 2
        charges += [
            line("Droplets", "web-01 (s-1vcpu-1gb)", "6.00", f"{account.account_id}-web-01"),
            line("Droplets", "db-01 (s-2vcpu-4gb)", "24.00", f"{account.account_id}-db-01"),
            line(
                "Volumes",
                "data (100GB)",
                _cents(Decimal(random.randint(900, 1100)) / 100),
                f"{account.account_id}-data",
            ),
            line("Bandwidth", "Traffic", _cents(Decimal(random.randint(100, 9000)) / 100) + late),
        ]
        if month.month % 3 == 0:
            charges.append(line("Credits", "Credit for an outage", "-3.10", category="Credit"))
        if is_corrected:
            charges.append(line("Droplets", "job-01 (s-1vcpu-1gb)", "0.21", f"{account.account_id}-job-01"))
    return _taxed(account, month, number, charges)


def metered(
    account: Account,
    month: date,
    number: str | None,
    *,
    through: int | None = None,
    is_quiet: bool = False,
    is_corrected: bool = False,
) -> Invoice:
    """A month as providers state it that meter: a line a day for each thing that there is, with more decimals than cents.

    Args:
        account: Whose month it is.
        month: Its first day.
        number: The invoice's; None while it is not invoiced.
        through: The last day that is stated: the month so far. All days where None.
        is_quiet: Nothing but the plan, and half an hour of one server.
        is_corrected: One day is dearer, and one has a line more.
    """
    random = _random(account, month)
    whole = month.replace(day=calendar.monthrange(month.year, month.month)[1])
    charges = [
        Charge(
            service="Support",
            description="Support plan",
            amount=Decimal("29.00"),
            first=month,
            last=whole,
            category="Purchase",
        )
    ]
    for number_of_day in range(1, whole.day + 1):
        day = month.replace(day=number_of_day)
        today = [
            _of_day(day, "Compute", "web-01, per hour", Decimal("0.2000000000"), f"{account.account_id}-web-01"),
            _of_day(day, "Compute", "db-01, per hour", Decimal("0.8012345678"), f"{account.account_id}-db-01"),
            _of_day(day, "Network", "Traffic, per GB", Decimal(random.randint(1, 10**10)) / 10**10),
        ]
        if is_corrected and number_of_day == 10:
            today[2] = replace(today[2], amount=today[2].amount + Decimal("0.1234567891"))
            today.append(_of_day(day, "Storage", "Snapshots, per GB", Decimal("0.0000000181")))
        if not is_quiet:
            charges += today
        elif number_of_day == 2:
            charges.append(
                _of_day(day, "Compute", "web-01, per hour", Decimal("0.0041666667"), f"{account.account_id}-web-01")
            )
    if month.month % 3 == 0 and not is_quiet:
        charges.append(replace(_of_day(whole, "Credits", "Credit for an outage", Decimal("-3.10")), category="Credit"))
    so_far = [charge for charge in charges if through is None or charge.first.day <= through]
    return _taxed(account, month, number, so_far)


def expected(invoices: Iterable[Invoice]) -> dict[str, tuple[str, str, int, int, int]]:
    """What finance is to have of these invoices, by number: month, currency, and gross, net and tax in minor units."""
    return {
        str(invoice.number): (
            invoice.month.isoformat(),
            invoice.account.currency,
            int(invoice.gross.scaleb(2)),
            int(invoice.net.scaleb(2)),
            int(invoice.tax.scaleb(2)),
        )
        for invoice in invoices
    }


def _random(account: Account, month: date) -> Random:
    # A text seed is hashed with SHA-512: the same everywhere, whatever PYTHONHASHSEED says.
    return Random(f"{account.account_id}/{month:%Y-%m}")


def _of_day(day: date, service: str, description: str, amount: Decimal, resource: str = "") -> Charge:
    return Charge(service=service, description=description, amount=amount, first=day, last=day, resource=resource)


def _taxed(account: Account, month: date, number: str | None, charges: list[Charge]) -> Invoice:
    amount = _cents(sum((charge.amount for charge in charges), Decimal(0)) * account.tax_rate)
    last = month_after(month) - timedelta(days=1)
    tax = Charge(service="Taxes", description="VAT (10%)", amount=amount, first=month, last=last, category="Tax")
    return Invoice(
        account=account, month=month, number=number, charges=(*charges, *([tax] if account.tax_rate else []))
    )


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
