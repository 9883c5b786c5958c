"""Bills and the invoices that they are of, made up."""

from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from arcadia_dagster.billing.currency import EXPONENTS
from arcadia_dagster.books.accounts import AccountRule, Accounts
from arcadia_dagster.books.bill import Bill, Charge, Share, Terms, rows_of

ACCOUNTS = Accounts(
    (
        AccountRule("expense", "6100", provider="digitalocean"),
        AccountRule("tax", "1200", tax_type="GST on Expenses"),
        AccountRule("payable", "2000"),
    ),
    no_tax_type="BAS Excluded",
)

# Whatever a document may state: quotes, formulas, line ends, what does not show.
WORDS = st.one_of(
    st.sampled_from(["Droplets", "Volumes", '=HYPERLINK("x")', 'a "quoted" \\ text', "two\nlines", "@Büro", "1E5", ""]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
)


def charge(what: str = "Droplets", amount: str = "6", *, project: str | None = None, is_tax: bool = False) -> Charge:
    return Charge(is_tax, what, project, Decimal(amount))


def bill(*charges: Charge, accounts: Accounts = ACCOUNTS, terms: Terms = Terms(), **change: Any) -> Bill:  # noqa: B008
    """A bill of these charges, which are whole cents, borne by one tenant."""
    charges = charges or (charge(), charge("GST Australia (10.00%)", "0.60", is_tax=True))
    net, tax = (sum(int(one.amount * 100) for one in charges if one.is_tax == is_tax) for is_tax in (False, True))
    values: dict[str, Any] = {
        "source": "digitalocean",
        "account_id": "77",
        "external_id": "1001",
        "number": "1001",
        "vendor_name": "DigitalOcean",
        "month": date(2026, 4, 1),
        "dated": date(2026, 4, 30),
        "currency": "USD",
        "document_sha256": "ab" * 32,
        **change,
    }
    return Bill(
        **values,
        payable=accounts.payable_of(values["source"]),
        rows=rows_of(charges, [Share("us", (), net, tax)], accounts, source=values["source"], currency="USD"),
        terms=terms,
    )


@st.composite
def invoices(draw: st.DrawFn) -> tuple[list[Charge], list[Share], str]:
    """Exact lines, what tenants bear of them in minor units, and the currency; as odd as documents may be."""
    currency = draw(st.sampled_from(["USD", "JPY", "KWD"]))
    amounts = st.decimals(-1000, 1000, places=6)
    projects = [None, "shop", "web"]
    charges = draw(
        st.lists(st.builds(Charge, st.booleans(), WORDS, st.sampled_from(projects), amounts), min_size=1, max_size=8)
    )
    unit = 10 ** EXPONENTS[currency]
    net, tax = (
        round(sum((one.amount for one in charges if one.is_tax == is_tax), Decimal(0)) * unit)
        for is_tax in (False, True)
    )
    if draw(st.booleans()):
        return charges, [Share("us", (), net, tax)], currency
    other_net, other_tax = draw(st.integers(-100, 100)), draw(st.integers(-100, 100))
    return (
        charges,
        [Share("acme", ("shop",), other_net, other_tax), Share("us", ("", "web"), net - other_net, tax - other_tax)],
        currency,
    )
