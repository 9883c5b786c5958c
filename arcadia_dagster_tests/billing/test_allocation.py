"""Routes lead every line to one tenant; the parts of an invoice are the invoice, to the minor unit."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.billing.allocation import Charges, Part, Route, Routes, largest_remainder, split
from arcadia_dagster.billing.currency import EXPONENTS, to_minor
from arcadia_dagster_tests.properties import from_attos, quickly

ATTOS = st.integers(-(10**24), 10**24)
PROJECTS = st.sampled_from([None, "shop", "lab", "web", "ops", "other"])
CURRENCIES = st.sampled_from(["USD", "JPY", "KWD"])
CHARGES = st.builds(Charges, ATTOS.map(from_attos), ATTOS.map(from_attos), st.integers(1, 9))

ROUTES = Routes(
    [
        Route("digitalocean", None, "shop", "acme"),
        Route("digitalocean", None, "lab", "acme"),
        Route("digitalocean", None, "web", "zenith"),
    ]
)
CATCH_ALL = Routes([*ROUTES.routes, Route("digitalocean", None, None, "rest")])


def totals(by_project: Mapping[str | None, Charges], common_tax: Decimal, currency: str) -> dict[str, Any]:
    # Exactly: arithmetic of decimals would round to 28 digits.
    tax = sum((Fraction(charges.tax) for charges in by_project.values()), Fraction(common_tax))
    gross = sum((Fraction(charges.net) for charges in by_project.values()), tax)
    minor = {
        f"{name}_minor": to_minor(from_attos(int(exact * 10**18)), currency)
        for name, exact in (("gross", gross), ("tax", tax))
    }
    return {**minor, "currency": currency}


@given(
    st.dictionaries(PROJECTS, CHARGES, max_size=6),
    ATTOS.map(from_attos),
    CURRENCIES,
    st.sampled_from([ROUTES, CATCH_ALL]),
)
@quickly(100)
def test_the_parts_of_an_invoice_sum_to_it_in_gross_net_and_tax(
    by_project: dict[str | None, Charges], common_tax: Decimal, currency: str, routes: Routes
) -> None:
    stated = totals(by_project, common_tax, currency)
    parts = split(routes, by_project, common_tax, **stated)
    assert sum(part.amount_gross_minor for part in parts.values()) == stated["gross_minor"]
    assert sum(part.amount_tax_minor for part in parts.values()) == stated["tax_minor"]
    assert sum(part.amount_net_minor for part in parts.values()) == stated["gross_minor"] - stated["tax_minor"]
    assert sum(part.line_count for part in parts.values()) == sum(charges.line_count for charges in by_project.values())
    assert set(parts) <= {routes.tenant_of(project) for project in (*by_project, None)}


@given(st.dictionaries(PROJECTS, CHARGES, min_size=1, max_size=6), ATTOS.map(from_attos), st.randoms())
@quickly()
def test_the_parts_do_not_hang_on_the_order_of_the_lines(
    by_project: dict[str | None, Charges], common_tax: Decimal, random: Any
) -> None:
    stated = totals(by_project, common_tax, "USD")
    shuffled = dict(random.sample(list(by_project.items()), len(by_project)))
    assert split(ROUTES, shuffled, common_tax, **stated) == split(ROUTES, by_project, common_tax, **stated)


@given(st.lists(st.fractions(-1000, 1000), max_size=9), st.booleans())
@quickly(100)
def test_a_rounded_part_is_less_than_one_minor_unit_from_its_exact_share(shares: list[Fraction], up: bool) -> None:
    exact = sum(shares, Fraction(0))
    total = -(-exact.numerator // exact.denominator) if up else exact.numerator // exact.denominator
    whole = largest_remainder(total, shares)
    assert sum(whole) == total
    # Where there is nothing between two integers to round to, rounding up takes a whole unit from nobody.
    assert all(abs(part - share) < 1 for part, share in zip(whole, shares, strict=True))


def test_tax_that_names_no_project_is_borne_in_proportion_to_net() -> None:
    by_project: dict[str | None, Charges] = {
        "shop": Charges(Decimal("60.00"), line_count=2),
        "web": Charges(Decimal("15.00"), line_count=1),
        "other": Charges(Decimal("4.02"), line_count=1),
    }
    assert split(ROUTES, by_project, Decimal("7.90"), gross_minor=8692, tax_minor=790, currency="USD") == {
        None: Part(442, 40, 1),
        "acme": Part(6600, 600, 2),
        "zenith": Part(1650, 150, 1),
    }


def test_tax_that_names_its_project_is_borne_by_that_projects_tenant() -> None:
    by_project: dict[str | None, Charges] = {
        "shop": Charges(Decimal(10), Decimal(3), 2),
        "web": Charges(Decimal(10), line_count=1),
    }
    parts = split(ROUTES, by_project, Decimal(0), gross_minor=2300, tax_minor=300, currency="USD")
    assert parts == {"acme": Part(1300, 300, 2), "zenith": Part(1000, 0, 1)}


def test_a_tenant_with_a_credit_gets_back_the_tax_on_it() -> None:
    by_project: dict[str | None, Charges] = {
        "shop": Charges(Decimal(100), line_count=1),
        "web": Charges(Decimal(-10), line_count=1),
    }
    parts = split(ROUTES, by_project, Decimal(9), gross_minor=9900, tax_minor=900, currency="USD")
    assert parts == {"acme": Part(11000, 1000, 1), "zenith": Part(-1100, -100, 1)}


def test_tax_on_nothing_goes_where_lines_without_a_project_go() -> None:
    assert split(CATCH_ALL, {}, Decimal(1), gross_minor=100, tax_minor=100, currency="USD") == {
        "rest": Part(100, 100, 0)
    }
    parts = split(
        ROUTES, {"shop": Charges(Decimal(0), line_count=1)}, Decimal(1), gross_minor=100, tax_minor=100, currency="USD"
    )
    assert parts == {None: Part(100, 100, 0), "acme": Part(0, 0, 1)}


def test_three_equal_shares_of_a_cent_too_many_are_rounded_in_the_tenants_order() -> None:
    third: dict[str | None, Charges] = {
        name: Charges(from_attos(10**18 // 3 + 10**16), line_count=1) for name in ("web", "shop", "x")
    }
    stated = totals(third, Decimal(0), "USD")
    assert stated["gross_minor"] == 103
    parts = split(ROUTES, third, Decimal(0), **stated)
    assert [part.amount_gross_minor for part in parts.values()] == [35, 34, 34]


def test_the_first_route_that_matches_decides() -> None:
    routes = Routes(
        [
            Route("aws", "1", "shop", "a"),
            Route("aws", "1", None, "b"),
            Route("aws", None, "shop", "c"),
            Route("gcp", None, None, "d"),
        ]
    )
    one, two = routes.of_account("aws", "1"), routes.of_account("aws", "2")
    assert [one.tenant_of(project) for project in ("shop", "lab", None)] == ["a", "b", "b"]
    assert [two.tenant_of(project) for project in ("shop", "lab", None)] == ["c", None, None]
    assert (one.splits, two.splits, routes.of_account("gcp", "1").splits) == (True, True, False)
    assert routes.of_account("oci", "1") == Routes([])


def test_minor_units_are_those_of_the_currency() -> None:
    by_project: dict[str | None, Charges] = {
        "shop": Charges(Decimal("1.5"), line_count=1),
        "web": Charges(Decimal("1.5"), line_count=1),
    }
    for currency, exponent in (("JPY", 0), ("KWD", 3)):
        total = to_minor(Decimal(3), currency)
        parts = split(ROUTES, by_project, Decimal(0), gross_minor=total, tax_minor=0, currency=currency)
        assert (
            sum(part.amount_gross_minor for part in parts.values()) == 3 * 10**exponent == 3 * 10 ** EXPONENTS[currency]
        )
