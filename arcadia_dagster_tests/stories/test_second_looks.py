"""What looks like an ordinary invoice, and counts twice, without its tax, or in another currency than it is invoiced in."""

from datetime import date

import pytest

from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.einvoices import Facts, Line, cii, ubl
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.project import Project

GOOGLE = {"InvoiceIssuerName": "Google Cloud EMEA Limited", "ProviderName": "Google Cloud"}


def rows(month: str, amount: str = "10.00") -> list[dict[str, str | None]]:
    """A charge and its tax of a month."""
    period = {
        "BillingPeriodStart": f"{month}-01T00:00:00Z",
        "ChargePeriodStart": f"{month}-01T00:00:00Z",
        "ChargePeriodEnd": f"{month}-02T00:00:00Z",
    }
    return [charge(BilledCost=amount, **period), tax(BilledCost="1.00", **period)]


def in_finance(project: Project) -> dict[str, tuple[int, int]]:
    """What finance has of each invoice: gross and tax in minor units."""
    assert project.sandbox is not None
    return {
        row["external_id"]: (row["amount_gross_minor"], row["amount_tax_minor"]) for row in project.sandbox.invoices()
    }


def held(project: Project) -> dict[str, str]:
    """Why each invoice is held."""
    return {row["external_id"]: " ".join(row["hold_reasons"]) for row in project.query("FROM waiting_invoices")}


@case("142")
def test_a_number_that_each_month_has_is_an_invoice_of_each_month(project: Project) -> None:
    for month, amount in (("2026-04", "10.00"), ("2026-05", "3.00"), ("2026-06", "4.00")):
        project.drop(f"{month}.csv", as_csv(*rows(month, amount)))
        project.build()
    assert in_finance(project) == {"INV-1": (1100, 100)}
    assert set(held(project)) == {"INV-1-2026-05", "INV-1-2026-06"}
    project.settle("release", "INV-1-2026-06")
    project.build()
    assert in_finance(project) == {"INV-1": (1100, 100), "INV-1-2026-06": (500, 100)}


@case("142")
def test_a_number_that_an_electronic_invoice_had_a_year_ago_is_another_invoice(project: Project) -> None:
    project.drop("this year.xml", ubl(Facts(number="7")))
    project.build()
    then = Facts(number="7", issued="2025-10-31", start="2025-10-01", end="2025-10-31")
    project.drop("a year ago.xml", ubl(then))
    project.build()
    assert in_finance(project) == {"7": (11900, 1900)}
    assert "another invoice 7 is in 2026-10" in held(project)["7-2025-10"]
    assert project.invoice("7")["invoice_month"] == date(2026, 10, 1)


@case("143")
def test_an_id_of_several_billing_periods_is_held(project: Project) -> None:
    project.drop("both.csv", as_csv(*rows("2026-04"), *rows("2026-05")))
    project.build()
    assert in_finance(project) == {}
    assert "its rows are of several billing periods (2026-04, 2026-05)" in held(project)["INV-1"]


@case("144")
def test_what_is_stated_in_another_currency_is_no_witness(project: Project) -> None:
    project.drop("lines.csv", as_csv(charge(BilledCost="100.00", InvoiceId="G1", **GOOGLE)))
    stated = Facts(
        number="G1", seller="Google Cloud EMEA Limited", buyer_number="111", start="2026-04-01", end="2026-04-30"
    )
    project.drop("stated.xml", ubl(stated))
    project.build()
    assert in_finance(project) == {}
    reason = held(project)["G1"]
    assert "its documents have several currencies (lines.csv: USD, stated.xml: EUR)" in reason
    assert "--as-stated" not in reason


@case("145")
@pytest.mark.parametrize("more", [[], [charge(BilledCost="5.00", ChargeDescription="more")]], ids=["less", "grown"])
def test_an_invoice_that_has_lost_its_tax_is_held(project: Project, more: list[dict[str, str | None]]) -> None:
    project.drop("april.csv", as_csv(*rows("2026-04")))
    project.build()
    project.drop("april.csv", as_csv(rows("2026-04")[0], *more))
    project.build()
    assert in_finance(project) == {"INV-1": (1100, 100)}
    assert "it states no tax, and april.csv, which came earlier, states some" in held(project)["INV-1"]
    project.settle("release", "INV-1")
    project.build()
    assert in_finance(project)["INV-1"][1] == 0


@case("146")
def test_a_correction_of_tax_below_0_does_not_say_what_the_tax_is(project: Project) -> None:
    project.drop("april.csv", as_csv(charge(BilledCost="100.00", **GOOGLE), tax(BilledCost="-1.00", **GOOGLE)))
    project.drop(
        "credit.csv",
        as_csv(
            charge(BilledCost="-100.00", InvoiceId="C-1", ChargeDescription="given back", **GOOGLE),
            tax(BilledCost="-19.00", InvoiceId="C-1", **GOOGLE),
        ),
    )
    project.build()
    assert in_finance(project) == {"C-1": (-11900, -1900)}
    assert "its document states amounts before tax, and not the tax" in held(project)["INV-1"]


@case("147")
def test_what_is_paid_in_advance_does_not_count_twice(project: Project) -> None:
    advance = Facts(
        number="P1", type_code="386", lines=(Line("100.00", "Prepayment", "for October"),), issued="2026-10-01"
    )
    project.drop("advance.xml", cii(advance))
    project.build()
    project.drop("invoice.xml", cii(Facts(totals=(("prepaid", "119.00"),), preceding=("P1",))))
    project.build()
    assert in_finance(project) == {"P1": (11900, 1900)}
    assert "119.00 EUR of it is paid in advance, and it refers to P1" in held(project)["R0012345678"]
    project.drop("later.xml", cii(Facts(number="R-3", totals=(("prepaid", "59.50"),))))
    project.drop(
        "by card.xml", cii(Facts(number="R-4", lines=(Line("100.00", "Backup"),), totals=(("prepaid", "119.00"),)))
    )
    project.build()
    assert in_finance(project) == {"P1": (11900, 1900), "R-4": (11900, 1900)}
    assert "59.50 EUR of it is paid in advance: an invoice of the advance payment counts too" in held(project)["R-3"]


@case("206")
def test_a_credit_that_stands_on_an_invoice_counts_once(project: Project) -> None:
    credit = charge(InvoiceId="INV-1", ChargeDescription="Credit note CN-1001", BilledCost="-5.00")
    project.drop("invoice.csv", as_csv(charge(InvoiceId="INV-1"), credit))
    for number in ("CN-1001", "CN-1002"):
        words = {"InvoiceId": number, "ChargeDescription": f"Refund of disk {number[-1]}"}
        project.drop(f"{number}.csv", as_csv(charge(**words, BilledCost="-5.00")))
    project.build()
    assert in_finance(project) == {"INV-1": (100, 0), "CN-1002": (-500, 0)}
    assert "a line of INV-1 gives back, which has its number in its words" in held(project)["CN-1001"]
