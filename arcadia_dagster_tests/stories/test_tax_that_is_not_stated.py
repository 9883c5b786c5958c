"""Documents that cannot state tax: no tax stated is not a tax of 0."""

from collections.abc import Callable

import pytest

from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import as_csv, as_json, as_parquet, charge, tax
from arcadia_dagster_tests.kit.project import Project


def test_an_export_of_azure_is_before_tax_until_its_total_is_stated(project: Project) -> None:
    azure = {"InvoiceIssuerName": "Microsoft Ireland Operations Limited", "ProviderName": "Microsoft"}
    project.drop("charges.csv", as_csv(charge(InvoiceId="G1", **azure)))
    project.drop(
        "with tax.csv", as_csv(charge(InvoiceId="G2", ChargeDescription="b", **azure), tax(InvoiceId="G2", **azure))
    )
    project.drop("free of tax.csv", as_csv(charge(InvoiceId="G3", ChargeDescription="c", **azure)))
    project.drop("free of tax.csv.total", b"USD 6.00")
    project.build()
    assert project.sandbox is not None
    assert {row["external_id"]: row["amount_tax_minor"] for row in project.sandbox.invoices()} == {"G2": 60, "G3": 0}
    [reason] = project.invoice("G1")["hold_reasons"]
    assert reason.startswith("its document states amounts before tax, and not the tax")


AZURE = {"InvoiceIssuerName": "Microsoft Ireland Operations Limited", "ProviderName": "Microsoft"}
PARTNER = {"InvoiceIssuerName": "Contoso Cloud Partner GmbH", "ProviderName": "Microsoft"}
ZERO = {"BilledCost": "0.00", "ChargeDescription": "Tax"}
WITHOUT_TAX: dict[str, tuple[dict[str, str | None], ...]] = {
    "of Azure through a partner": (charge(**PARTNER),),
    "of Azure through a partner, with a tax of 0": (charge(**PARTNER), tax(**ZERO, **PARTNER)),
    "of Azure with a tax of 0": (charge(**AZURE), tax(**ZERO, **AZURE)),
    "of Oracle": (charge(InvoiceIssuerName="Oracle Deutschland B.V. & Co. KG", ProviderName="Oracle"),),
    "of Google": (charge(InvoiceIssuerName="Google Cloud EMEA Limited", ProviderName="Google Cloud"),),
    "of AWS through a reseller": (charge(InvoiceIssuerName="Bechtle GmbH", ProviderName="AWS"),),
    "of two providers through one reseller": (
        charge(InvoiceIssuerName="Insight", ProviderName="Insight"),
        charge(InvoiceIssuerName="Insight", ProviderName="Microsoft", ChargeDescription="b"),
    ),
}
"""Exports that nothing is known from about tax, and what is on their invoice."""

WRITTEN: dict[str, Callable[..., bytes]] = {"csv": as_csv, "parquet": as_parquet, "json": as_json}


@case("108")
@pytest.mark.parametrize("written", WRITTEN)
def test_an_export_that_cannot_know_the_tax_is_held_until_somebody_says_it(project: Project, written: str) -> None:
    names = {f"INV-{number}": rows for number, rows in enumerate(WITHOUT_TAX.values())}
    for name, rows in names.items():
        # Each charges a resource of its own: small invoices alike would be held for that.
        own = {"InvoiceId": name, "ResourceId": f"resource of {name}"}
        project.drop(f"{name}.{written}", WRITTEN[written](*({**row, **own} for row in rows)))
    project.build()
    assert finance(project) == {}
    for name in names:
        [reason] = project.invoice(name)["hold_reasons"]
        assert reason.startswith("its document states amounts before tax, and not the tax")

    # Each way that is given works to the end: the tax of the one, a rule for the others.
    for name in ("INV-1", "INV-2", "INV-3"):
        project.drop(f"{name}.{written}.total", b"USD 7.14 tax 1.14")
    rules = [rule_of(project, name) for name in ("INV-0", "INV-4", "INV-5", "INV-6")]
    (project.home / "sources.toml").write_text("".join(dict.fromkeys(rules)))
    project.build()
    # A rule is for the account, and what is stated of one of its invoices wins.
    assert finance(project) == {
        **{f"INV-{number}": (600, 0) for number in (0, 4, 5)},
        **{f"INV-{number}": (714, 114) for number in (1, 2, 3)},
        "INV-6": (1200, 0),
    }


def test_tax_that_is_stated_as_rows_needs_nobody(project: Project) -> None:
    rows = [
        *(charge(InvoiceId="A", **PARTNER), tax(InvoiceId="A", **PARTNER)),
        charge(InvoiceId="B"),
        *(charge(InvoiceId="C", ChargeDescription="c"), tax(InvoiceId="C", **ZERO)),
        charge(InvoiceId="D", ProviderName="Datadog", ChargeDescription="sold by AWS"),
        charge(InvoiceId="E", InvoiceIssuerName="Alphacloud Ltd", ProviderName="Alphacloud", ChargeDescription="e"),
    ]
    project.drop("all.csv", as_csv(*rows))
    # Its parts come to the invoice together, and one of them alone has the tax.
    project.drop("parts/1.csv", as_csv(charge(InvoiceId="F", **PARTNER)))
    project.drop(
        "parts/2.csv", as_csv(charge(InvoiceId="F", ChargeDescription="f", **PARTNER), tax(InvoiceId="F", **PARTNER))
    )
    project.build()
    assert finance(project) == {
        "A": (660, 60),
        **dict.fromkeys(("B", "C", "D", "E"), (600, 0)),
        "F": (1260, 60),
    }


def test_months_without_tax_of_aws_and_of_an_account_with_a_rule_are_never_held_anew(project: Project) -> None:
    (project.home / "sources.toml").write_text(
        '[contoso-cloud-partner]\ntax = "not stated"\nreason = "reverse charge"\n'
    )
    for month in range(1, 7):
        times = {
            "BillingPeriodStart": f"2026-{month:02}-01T00:00:00Z",
            "ChargePeriodStart": f"2026-{month:02}-01T00:00:00Z",
            "ChargePeriodEnd": f"2026-{month:02}-02T00:00:00Z",
        }
        project.drop(f"aws-{month}.csv", as_csv(charge(InvoiceId=f"AWS-{month}", **times)))
        project.drop(f"csp-{month}.csv", as_csv(charge(InvoiceId=f"CSP-{month}", **PARTNER, **times)))
        project.build()
        assert len(finance(project)) == 2 * month


def finance(project: Project) -> dict[str, tuple[int, int]]:
    """Gross and tax of each invoice that finance has, in minor units."""
    assert project.sandbox is not None
    rows = project.sandbox.invoices()
    return {row["external_id"]: (row["amount_gross_minor"], row["amount_tax_minor"]) for row in rows}


def rule_of(project: Project, external_id: str) -> str:
    """The line of sources.toml that the invoice's hold gives to paste."""
    [reason] = project.invoice(external_id)["hold_reasons"]
    return str(reason).partition("at the top of sources.toml: ")[2].replace("...", "none is due") + "\n"
