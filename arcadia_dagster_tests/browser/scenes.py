"""What the pages under test show: the sample; everything odd at once; very many invoices; nothing."""

from datetime import date
from pathlib import Path

from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.project import Project

APRIL = date(2026, 4, 1)
QUARTER = (APRIL, date(2026, 5, 1), date(2026, 6, 1))
NAMES = (
    "<script>document.title = 'taken over'</script>",
    '</script><img src="https://example.com/x.png" onerror="console.error(1)">',
    "{{ 7*7 }}",
    "מחשוב ענן \u202egnp.exe",
    "\N{ROCKET} rocket",
    "x" * 300,
    "a b " * 80,
    "web-01",
)
SCENES = ("sample", "hostile", "many", "empty")


def sample(project: Project, folder: Path) -> None:
    """The sample's inbox, in finance."""
    for path in (folder / "inbox").iterdir():
        project.drop_copy(path)
    project.build()


def hostile(project: Project, folder: Path) -> None:
    """Names that nobody should have, several currencies, amounts below zero and very large, held and rejected things."""
    rows = [
        charge(
            ResourceName=name,
            ServiceName=name,
            SubAccountName=name,
            ChargeDescription=name,
            BilledCost=f"{n}.333333333",
        )
        for n, name in enumerate(NAMES, 1)
    ]
    project.drop(
        "export.csv",
        as_csv(
            *rows,
            tax(BilledCost="12.345"),
            charge(ChargeCategory="Credit", BilledCost="-3.005"),
            charge(InvoiceId="J" * 120, BillingCurrency="JPY", BilledCost="999999999999"),
            charge(
                InvoiceId="K",
                BillingCurrency="KWD",
                BilledCost="-1234567.8915",
                ChargeCategory="Credit",
                InvoiceIssuerName=NAMES[1],
            ),
            charge(InvoiceId=NAMES[0], BillingCurrency="EUR"),
            tax(InvoiceId=NAMES[0], BillingCurrency="EUR", BilledCost="7"),
            charge(InvoiceId="MIX"),
            charge(InvoiceId="MIX", BillingCurrency="EUR"),
        ),
    )
    before = [
        charge(InvoiceId=f"B-{n}", BillingPeriodStart="2026-03-01T00:00:00Z", BilledCost="99999999.99") for n in (1, 2)
    ]
    project.drop("before.csv", as_csv(*before))
    project.drop("DigitalOcean Invoice 2026 Apr (1-1).csv", b"<html><b>" + b"long" * 100)
    project.build()


def many(project: Project, folder: Path) -> None:
    """Five hundred invoices."""
    project.finance = type(project.finance)()
    project.drop(
        "export.csv",
        as_csv(*(charge(InvoiceId=f"I-{n:04}", BilledCost=f"{n}.005", ResourceName=f"r-{n}") for n in range(500))),
    )
    project.build()


def empty(project: Project, folder: Path) -> None:
    """A month of which nothing came."""
