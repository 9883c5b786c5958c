"""Which tenant bears what: routes from a line to a tenant, and an invoice split into parts that sum to it exactly.

An allocation in the accounting sense: nothing is computed anew, each minor unit of the invoice goes to one tenant. Parts that
do not come out even are rounded by the largest remainder (Hamilton's method), so each is less than one minor unit from its exact
share, and all of them together are the invoice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    """

    source: str
    account_id: str | None
    project: str | None
    tenant_id: str

    def covers(self, other: "Route") -> bool:
        """Whether every line that the other matches is matched by this one too."""
        return (
            self.source == other.source
            and self.account_id in {None, other.account_id}
            and self.project in {None, other.project}
        )


@dataclass(frozen=True, slots=True)
class Routes:
    """All routes, in order: the first that matches decides. A line that none matches is borne by the identity's own tenant."""

    routes: Sequence[Route] = ()

    def of_account(self, source: str, account_id: str) -> "Routes":
        """The routes that may match lines of an account."""
        return Routes(
            [route for route in self.routes if route.source == source and route.account_id in {None, account_id}]
        )

    @property
    def splits(self) -> bool:
        """Whether invoices are split by project."""
        return any(route.project is not None for route in self.routes)

    def tenant_of(self, project: str | None) -> str | None:
        """The tenant of an account's lines of a project; None: the identity's own."""
        return next((route.tenant_id for route in self.routes if route.project in {None, project}), None)


@dataclass(frozen=True, slots=True)
class Charges:
    """What lines come to, exactly, in major units.

    Attributes:
        net: The lines that are not tax.
        tax: The tax lines.
        line_count: How many lines.
    """

    net: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    line_count: int = 0

    def __add__(self, other: "Charges") -> "Charges":
        """Both together."""
        return Charges(self.net + other.net, self.tax + other.tax, self.line_count + other.line_count)


@dataclass(frozen=True, slots=True)
class Part:
    """What a tenant bears of an invoice, in minor units.

    Attributes:
        amount_gross_minor: Net and tax.
        amount_tax_minor: The tax in it.
        line_count: How many lines are its own; tax that all share is nobody's.
    """

    amount_gross_minor: int
    amount_tax_minor: int
    line_count: int

    @property
    def amount_net_minor(self) -> int:
        """Gross less tax."""
        return self.amount_gross_minor - self.amount_tax_minor


def split(
    routes: Routes,
    by_project: Mapping[str | None, Charges],
    common_tax: Decimal,
    *,
    gross_minor: int,
    tax_minor: int,
    currency: str,
) -> dict[str | None, Part]:
    """Split an invoice by project.

    A line goes to the tenant of its project. Tax that names no project was charged on all of the invoice, so each tenant bears it
    in proportion to its net; where nothing is taxed, it goes where lines without a project go.

    Args:
        routes: Those of the invoice's account.
        by_project: What the lines of each project come to; those without one, but for their tax, under None.
        common_tax: The tax lines that name no project, in major units.
        gross_minor: The invoice's gross, in minor units.
        tax_minor: Its tax, in minor units.
        currency: Its currency, of ISO 4217.

    Returns:
        Each tenant's part, None being the identity's own tenant. Gross, net and tax of the parts sum to those of the invoice.
    """
    borne: dict[str | None, Charges] = {}
    for project, charges in by_project.items():
        tenant = routes.tenant_of(project)
        borne[tenant] = borne.get(tenant, Charges()) + charges
    taxes = _with_share(borne, Fraction(common_tax), routes.tenant_of(None))
    # In an order of their own, so that equal remainders go to the same tenants whatever the order of the lines.
    tenants = sorted(taxes, key=lambda tenant: (tenant is not None, tenant or ""))
    unit = 10 ** EXPONENTS[currency]
    exact_tax = [taxes[tenant] * unit for tenant in tenants]
    exact_net = [Fraction(borne.get(tenant, Charges()).net) * unit for tenant in tenants]
    gross = largest_remainder(gross_minor, [net + tax for net, tax in zip(exact_net, exact_tax, strict=True)])
    tax = largest_remainder(tax_minor, exact_tax)
    return {
        tenant: Part(gross[place], tax[place], borne.get(tenant, Charges()).line_count)
        for place, tenant in enumerate(tenants)
    }


def _with_share(
    borne: Mapping[str | None, Charges], common_tax: Fraction, otherwise: str | None
) -> dict[str | None, Fraction]:
    """Each tenant's tax, with its share of what names no project."""
    taxes = {tenant: Fraction(charges.tax) for tenant, charges in borne.items()}
    net = sum((Fraction(charges.net) for charges in borne.values()), Fraction(0))
    if net:
        return {tenant: tax + common_tax * Fraction(borne[tenant].net) / net for tenant, tax in taxes.items()}
    return {**taxes, otherwise: taxes.get(otherwise, Fraction(0)) + common_tax} if common_tax or not taxes else taxes


def tenant_sql(own_tenant: str) -> str:
    """SQL: the tenant of a row `part` of `allocations`, outer-joined.

    Args:
        own_tenant: SQL: the identity's own tenant.
    """
    return f"coalesce(part.tenant_id, {own_tenant})"


def finance_id_sql(external_id: str, own_tenant: str) -> str:
    """SQL: the id by which finance knows an invoice, or its row `part` of `allocations`, outer-joined.

    It hangs on nothing but the invoice's id, whether its account is split, and the tenant: not on how many parts there are.

    Args:
        external_id: SQL: the invoice's own id.
        own_tenant: SQL: the identity's own tenant.
    """
    return f"CASE WHEN part.is_split THEN {external_id} || ':' || {tenant_sql(own_tenant)} ELSE {external_id} END"


def largest_remainder(total: int, exact: Sequence[Fraction]) -> list[int]:
    """Whole numbers that sum to the total, each less than one from its exact share.

    Args:
        total: The sum of the shares, rounded.
        exact: The shares. Of those with equal remainders the first is rounded up first.
    """
    whole = [share.numerator // share.denominator for share in exact]
    largest = sorted(range(len(exact)), key=lambda place: (whole[place] - exact[place], place))
    for place in largest[: total - sum(whole)]:
        whole[place] += 1
    return whole
