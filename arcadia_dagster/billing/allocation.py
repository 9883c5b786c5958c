"""Which tenant bears what: routes from a line to a tenant, and an invoice split into parts that sum to it exactly.

An allocation in the accounting sense: nothing is computed anew, each minor unit of the invoice goes to one tenant. Parts that
do not come out even are rounded by the largest remainder (Hamilton's method), and all of them together are the invoice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from arcadia_dagster.billing.currency import EXPONENTS


@dataclass(frozen=True, slots=True)
class Route:
    """One way from lines to a tenant.

    Attributes:
        source: Whose invoices: the source as finance knows it.
        account_id: Of which account; None: of any.
        project: Lines of which project; None: whatever their project, if any.
        tenant_id: Who bears them.
        first_month: From which month on, its first day (UTC); None: always.
    """

    source: str
    account_id: str | None
    project: str | None
    tenant_id: str
    first_month: date | None = None

    def covers(self, other: "Route") -> bool:
        """Whether every line that the other matches is matched by this one too."""
        begins = self.first_month is None or (other.first_month is not None and self.first_month <= other.first_month)
        return (
            self.source == other.source
            and self.account_id in {None, other.account_id}
            and self.project in {None, other.project}
            and begins
        )


@dataclass(frozen=True, slots=True)
class Routes:
    """All routes, in order: the first that matches decides.

    Attributes:
        routes: The routes.
        own_tenant: The identity's own tenant, which bears what no route matches.
    """

    routes: tuple[Route, ...]
    own_tenant: str

    def of(self, source: str, account_id: str, month: date) -> "Routes":
        """The routes that may match lines of an account's invoices of a month."""
        routes = [
            route
            for route in self.routes
            if route.source == source
            and route.account_id in {None, account_id}
            and (route.first_month is None or route.first_month <= month)
        ]
        return Routes(tuple(routes), self.own_tenant)

    @property
    def splits(self) -> bool:
        """Whether invoices are split by project."""
        return any(route.project is not None for route in self.routes)

    def tenant_of(self, project: str | None) -> str:
        """The tenant of an account's lines of a project."""
        tenants = (route.tenant_id for route in self.routes if route.project in {None, project})
        return next(tenants, self.own_tenant)


@dataclass(frozen=True, slots=True)
class Charges:
    """What lines come to, exactly, in major units.

    Attributes:
        net: The lines that are not tax.
        tax: The tax lines.
        charged: The lines that are not tax and above zero: tax was charged on these, and credits do not reduce them.
        line_count: How many lines.
    """

    net: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    charged: Decimal = Decimal(0)
    line_count: int = 0

    def __add__(self, other: "Charges") -> "Charges":
        """Both together."""
        return Charges(
            self.net + other.net, self.tax + other.tax, self.charged + other.charged, self.line_count + other.line_count
        )


@dataclass(frozen=True, slots=True)
class Part:
    """What a tenant bears of an invoice, in minor units.

    Attributes:
        amount_net_minor: Without tax.
        amount_tax_minor: The tax.
        line_count: How many lines are its own; tax that all share is nobody's.
        projects: The projects whose lines it bears; an empty text stands for the lines without one.
    """

    amount_net_minor: int
    amount_tax_minor: int
    line_count: int
    projects: tuple[str, ...] = ()

    @property
    def amount_gross_minor(self) -> int:
        """Net and tax."""
        return self.amount_net_minor + self.amount_tax_minor


def split(
    routes: Routes,
    by_project: Mapping[str | None, Charges],
    common_tax: Decimal,
    *,
    net_minor: int,
    tax_minor: int,
    currency: str,
) -> dict[str, Part]:
    """Split an invoice by project.

    A line goes to the tenant of its project. Tax that names no project was charged on all of the invoice, so each tenant bears it
    in proportion to its charges, credits left aside; where nothing is charged, it goes where lines without a project go.

    Args:
        routes: The routes of the invoice's account and month.
        by_project: The charges of each project; lines without a project, except their tax, are under None.
        common_tax: The tax lines that name no project, in major units.
        net_minor: The invoice's net, in minor units.
        tax_minor: Its tax, in minor units.
        currency: Its currency, of ISO 4217.

    Returns:
        Each tenant's part. Gross, net and tax of the parts sum to those of the invoice.
    """
    borne: dict[str, Charges] = {}
    projects: dict[str, list[str]] = {}
    for project, charges in by_project.items():
        tenant = routes.tenant_of(project)
        borne[tenant] = borne.get(tenant, Charges()) + charges
        projects.setdefault(tenant, []).append(project or "")
    taxes = _with_share(borne, Fraction(common_tax), routes.tenant_of(None))
    # In an order of their own, so that equal remainders go to the same tenants whatever the order of the lines.
    tenants = sorted(taxes)
    unit = 10 ** EXPONENTS[currency]
    net = apportioned(net_minor, [Fraction(borne.get(tenant, Charges()).net) * unit for tenant in tenants])
    tax = apportioned(tax_minor, [taxes[tenant] * unit for tenant in tenants])
    return {
        tenant: Part(
            net[place],
            tax[place],
            borne.get(tenant, Charges()).line_count,
            tuple(sorted(projects.get(tenant, ()))),
        )
        for place, tenant in enumerate(tenants)
    }


def _with_share(borne: Mapping[str, Charges], common_tax: Fraction, otherwise: str) -> dict[str, Fraction]:
    """Each tenant's tax, with its share of what names no project."""
    taxes = {tenant: Fraction(charges.tax) for tenant, charges in borne.items()}
    charged = sum((Fraction(charges.charged) for charges in borne.values()), Fraction(0))
    if charged:
        return {tenant: tax + common_tax * Fraction(borne[tenant].charged) / charged for tenant, tax in taxes.items()}
    return {**taxes, otherwise: taxes.get(otherwise, Fraction(0)) + common_tax} if common_tax or not taxes else taxes


def apportioned(total: int, exact: Sequence[Fraction]) -> list[int]:
    """Whole numbers that sum to the total, each less than one from its exact share, by the largest remainder.

    A total may be rounded otherwise than the sum of its shares (net is gross less tax): the largest share takes the difference.

    Args:
        total: What the whole numbers sum to.
        exact: The shares. Of those with equal remainders the first is rounded up first.
    """
    if not exact:
        return []
    whole = [share.numerator // share.denominator for share in exact]
    exact_sum = sum(exact, Fraction(0))
    nearest = min(
        max(total, exact_sum.numerator // exact_sum.denominator), -(-exact_sum.numerator // exact_sum.denominator)
    )
    by_remainder = sorted(range(len(exact)), key=lambda place: (whole[place] - exact[place], place))
    for place in by_remainder[: nearest - sum(whole)]:
        whole[place] += 1
    largest = max(range(len(exact)), key=lambda place: abs(exact[place]))
    whole[largest] += total - nearest
    return whole


def finance_id(external_id: str, tenant_id: str, *, is_split: bool) -> str:
    """The id by which finance knows an invoice, or a tenant's part of it.

    It depends on the invoice's id, on whether its account is split, and on the tenant; never on the number of parts.
    """
    return f"{external_id}:{tenant_id}" if is_split else external_id
