"""Routes lead every line to one tenant; the parts of an invoice are the invoice, to the minor unit."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.billing.allocation import Charges, Part, Route, Routes, apportioned, split
from arcadia_dagster.billing.currency import EXPONENTS, to_minor
from arcadia_dagster_tests.kit.properties import from_attos, quickly

ATTOS = st.integers(-(10**24), 10**24)
PROJECTS = st.sampled_from([None, "shop", "lab", "web", "ops", "other"])
CURRENCIES = st.sampled_from(["USD", "JPY", "KWD"])
OWN = "platform-admin"
APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)


def charges_of(net: int, tax: int, charged: int, line_count: int) -> Charges:
    return Charges(from_attos(net), from_attos(tax), from_attos(max(net, charged)), line_count)


CHARGES = st.builds(charges_of, ATTOS, ATTOS, st.integers(0, 10**24), st.integers(1, 9))

ROUTES = Routes(
    (
        Route("digitalocean", None, "shop", "acme"),
        Route("digitalocean", None, "lab", "acme"),
        Route("digitalocean", None, "web", "zenith"),
    ),
    OWN,
)
CATCH_ALL = Routes((*ROUTES.routes, Route("digitalocean", None, None, "rest")), OWN)
OWN_NAMED = Routes((Route("digitalocean", None, "shop", OWN), *ROUTES.routes[1:]), OWN)


def net(amount: str, lines: int = 1) -> Charges:
    exact = Decimal(amount)
    return Charges(exact, charged=max(exact, Decimal(0)), line_count=lines)


def totals(by_project: Mapping[str | None, Charges], common_tax: Decimal, currency: str) -> dict[str, Any]:
    # Exactly: arithmetic of decimals would round to 28 digits.
    tax = sum((Fraction(charges.tax) for charges in by_project.values()), Fraction(common_tax))
    gross = sum((Fraction(charges.net) for charges in by_project.values()), tax)
    gross_minor, tax_minor = (to_minor(from_attos(int(exact * 10**18)), currency) for exact in (gross, tax))
    return {"net_minor": gross_minor - tax_minor, "tax_minor": tax_minor, "currency": currency}


@given(
    st.dictionaries(PROJECTS, CHARGES, max_size=6),
    ATTOS.map(from_attos),
    CURRENCIES,
    st.sampled_from([ROUTES, CATCH_ALL, OWN_NAMED]),
)
@quickly(100)
def test_the_parts_of_an_invoice_sum_to_it_in_gross_net_and_tax(
    by_project: dict[str | None, Charges], common_tax: Decimal, currency: str, routes: Routes
) -> None:
    stated = totals(by_project, common_tax, currency)
    parts = split(routes, by_project, common_tax, **stated)
    assert sum(part.amount_net_minor for part in parts.values()) == stated["net_minor"]
    assert sum(part.amount_tax_minor for part in parts.values()) == stated["tax_minor"]
    assert all(part.amount_gross_minor == part.amount_net_minor + part.amount_tax_minor for part in parts.values())
    assert sum(part.line_count for part in parts.values()) == sum(charges.line_count for charges in by_project.values())
    assert set(parts) <= {routes.tenant_of(project) for project in (*by_project, None)}
    borne = [project for part in parts.values() for project in part.projects]
    assert sorted(borne) == sorted(project or "" for project in by_project)


POSITIVE = st.integers(0, 10**20).map(lambda attos: Charges(from_attos(attos), charged=from_attos(attos), line_count=1))


@given(st.dictionaries(PROJECTS, POSITIVE, min_size=1, max_size=6), st.integers(0, 10**20).map(from_attos), CURRENCIES)
@quickly(100)
def test_where_nothing_is_negative_no_part_is(
    by_project: dict[str | None, Charges], common_tax: Decimal, currency: str
) -> None:
    stated = totals(by_project, common_tax, currency)
    parts = split(ROUTES, by_project, common_tax, **stated)
    assert all(part.amount_tax_minor >= 0 for part in parts.values())
    # Gross and tax are each rounded once, so an invoice's own net may be a unit below nothing.
    assert all(part.amount_net_minor >= min(0, stated["net_minor"]) for part in parts.values())


@given(st.dictionaries(PROJECTS, CHARGES, min_size=1, max_size=6), ATTOS.map(from_attos), st.randoms())
@quickly()
def test_the_parts_do_not_hang_on_the_order_of_the_lines(
    by_project: dict[str | None, Charges], common_tax: Decimal, random: Any
) -> None:
    stated = totals(by_project, common_tax, "USD")
    shuffled = dict(random.sample(list(by_project.items()), len(by_project)))
    assert split(ROUTES, shuffled, common_tax, **stated) == split(ROUTES, by_project, common_tax, **stated)


@given(st.lists(st.fractions(-1000, 1000), min_size=1, max_size=9), st.integers(-1, 2))
@quickly(100)
def test_a_part_is_less_than_one_minor_unit_from_its_exact_share_but_for_what_the_total_differs_by(
    shares: list[Fraction], differs: int
) -> None:
    exact = sum(shares, Fraction(0))
    below = exact.numerator // exact.denominator
    total = below + differs
    whole = apportioned(total, shares)
    assert sum(whole) == total
    beyond = max(0, -differs, total + (-exact.numerator // exact.denominator))
    assert all(abs(part - share) < 1 + beyond for part, share in zip(whole, shares, strict=True))


def test_tax_that_names_no_project_is_borne_in_proportion_to_the_charges() -> None:
    by_project: dict[str | None, Charges] = {"shop": net("60.00", 2), "web": net("15.00"), "other": net("4.02")}
    assert split(ROUTES, by_project, Decimal("7.90"), net_minor=7902, tax_minor=790, currency="USD") == {
        OWN: Part(402, 40, 1, ("other",)),
        "acme": Part(6000, 600, 2, ("shop",)),
        "zenith": Part(1500, 150, 1, ("web",)),
    }


def test_tax_that_names_its_project_is_borne_by_that_projects_tenant() -> None:
    by_project: dict[str | None, Charges] = {
        "shop": net("10") + Charges(tax=Decimal(3), line_count=1),
        "web": net("10"),
    }
    parts = split(ROUTES, by_project, Decimal(0), net_minor=2000, tax_minor=300, currency="USD")
    assert parts == {"acme": Part(1000, 300, 2, ("shop",)), "zenith": Part(1000, 0, 1, ("web",))}


def test_a_credit_moves_no_tax_between_tenants() -> None:
    by_project: dict[str | None, Charges] = {"shop": net("100"), "lab": net("50"), None: net("-140")}
    parts = split(ROUTES, by_project, Decimal(2), net_minor=1000, tax_minor=200, currency="USD")
    assert {tenant: part.amount_tax_minor for tenant, part in parts.items()} == {"acme": 200, OWN: 0}
    assert {tenant: part.amount_net_minor for tenant, part in parts.items()} == {"acme": 15000, OWN: -14000}


def test_tax_on_nothing_goes_where_lines_without_a_project_go() -> None:
    assert split(CATCH_ALL, {}, Decimal(1), net_minor=0, tax_minor=100, currency="USD") == {"rest": Part(0, 100, 0)}
    parts = split(ROUTES, {"shop": net("0")}, Decimal(1), net_minor=0, tax_minor=100, currency="USD")
    assert parts == {OWN: Part(0, 100, 0), "acme": Part(0, 0, 1, ("shop",))}


def test_a_route_to_the_identitys_own_tenant_makes_no_second_part() -> None:
    by_project: dict[str | None, Charges] = {"shop": net("60"), None: net("1")}
    parts = split(OWN_NAMED, by_project, Decimal(0), net_minor=6100, tax_minor=0, currency="USD")
    assert parts == {OWN: Part(6100, 0, 2, ("", "shop"))}


def test_equal_remainders_are_rounded_up_in_the_tenants_order() -> None:
    third = Charges(from_attos(10**18 // 3 + 10**16), charged=Decimal(1), line_count=1)
    by_project: dict[str | None, Charges] = dict.fromkeys(("web", "shop", "x"), third)
    stated = totals(by_project, Decimal(0), "USD")
    assert stated["net_minor"] == 103
    parts = split(ROUTES, by_project, Decimal(0), **stated)
    assert {tenant: part.amount_gross_minor for tenant, part in parts.items()} == {"acme": 35, OWN: 34, "zenith": 34}


def test_the_first_route_that_matches_decides() -> None:
    routes = Routes(
        (
            Route("aws", "1", "shop", "a"),
            Route("aws", "1", None, "b"),
            Route("aws", None, "shop", "c"),
            Route("gcp", None, None, "d"),
        ),
        OWN,
    )
    one, two = routes.of("aws", "1", APRIL), routes.of("aws", "2", APRIL)
    assert [one.tenant_of(project) for project in ("shop", "lab", None)] == ["a", "b", "b"]
    assert [two.tenant_of(project) for project in ("shop", "lab", None)] == ["c", OWN, OWN]
    assert (one.splits, two.splits, routes.of("gcp", "1", APRIL).splits) == (True, True, False)
    assert routes.of("oci", "1", APRIL) == Routes((), OWN)


def test_a_route_begins_with_its_first_month() -> None:
    routes = Routes((Route("aws", None, "shop", "a", MAY), Route("aws", None, None, "b", APRIL)), OWN)
    assert [routes.of("aws", "1", month).tenant_of("shop") for month in (date(2026, 3, 1), APRIL, MAY)] == [
        OWN,
        "b",
        "a",
    ]
    assert not routes.of("aws", "1", APRIL).splits
    always, later = Route("aws", None, None, "x"), Route("aws", None, "shop", "y", MAY)
    assert (always.covers(later), later.covers(always), Route("aws", None, None, "x", MAY).covers(later)) == (
        True,
        False,
        True,
    )


def test_minor_units_are_those_of_the_currency() -> None:
    by_project: dict[str | None, Charges] = {"shop": net("1.5"), "web": net("1.5")}
    for currency, exponent in (("JPY", 0), ("KWD", 3)):
        total = to_minor(Decimal(3), currency)
        parts = split(ROUTES, by_project, Decimal(0), net_minor=total, tax_minor=0, currency=currency)
        assert (
            sum(part.amount_gross_minor for part in parts.values()) == 3 * 10**exponent == 3 * 10 ** EXPONENTS[currency]
        )
