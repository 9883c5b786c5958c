"""A home in which every table has rows, and of every kind: two rounds of files and decisions."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from arcadia_dagster.billing.approval import Limits
from arcadia_dagster.demo import SAMPLE
from arcadia_dagster.reports.booking import Exported, export_bills
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster_tests.kit.aws import comes_to, summaries
from arcadia_dagster_tests.kit.bills import ACCOUNTS
from arcadia_dagster_tests.kit.einvoices import pdf
from arcadia_dagster_tests.kit.plain import archive_of, build, land_only
from arcadia_dagster_tests.kit.project import SECRET, Project, digitalocean, invoice_name, line, tax

APPROVED_OVER: Final = "all, from 9999-01"
"""`ARCADIA_APPROVE_OVER` of that home: no invoice waits."""
OF_THE_FUTURE: Final = Limits.parse(APPROVED_OVER)
NOW: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
_BILLING_PERIOD = (
    b"BillingPeriodStart,BillingPeriodEnd,BillingPeriodStatus,InvoiceIssuerName\n"
    b"2026-04-01T00:00:00Z,2026-05-01T00:00:00Z,Closed,Examplecloud Ltd\n"
)


def home_with_a_past(folder: Path) -> Project:
    """Such a home, and the end of its finance service."""
    with RunningSandbox(database=folder / "finance.sqlite", secret=SECRET) as sandbox:
        project = Project(folder / "home", sandbox=sandbox, ARCADIA_APPROVE_OVER=APPROVED_OVER)
        have_a_past(project)
    return project


def export_april(project: Project) -> Exported:
    """Export the bills of April to the books."""
    folder = project.home / "exported"
    folder.mkdir(exist_ok=True)
    return export_bills(
        project.warehouse,
        archive_of(project.warehouse),
        months=[date(2026, 4, 1)],
        layout="bills",
        accounts=ACCOUNTS,
        folder=folder,
        by="ann",
        now=NOW,
    )


def have_a_past(project: Project) -> None:
    """Land, build and deliver both rounds. The project has a finance service."""
    route = '[[route]]\nsource = "digitalocean"\nproject = "shop"\ntenant = "acme"\n'
    (project.home / "tenants.toml").write_text(route)
    rules = 'buyer_tax_ids = ["DE123456789"]\n[digitalocean]\ntolerance = 0.02\nreason = "a cent or two"\n'
    (project.home / "sources.toml").write_text(rules)
    (project.home / "budgets.toml").write_text('[[budget]]\nproject = "shop"\namount = 5\ncurrency = "USD"\n')
    project.drop("before it was named.csv", digitalocean(line(), tax()))
    project.drop("pushed before it was named.csv", digitalocean(line(amount="$7.00", description="backups")))
    land_only(project.warehouse)
    for file in sorted(path for folder in ("inbox", "rejected") for path in (SAMPLE / folder).iterdir()):
        project.drop_copy(file)
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.drop(invoice_name("2026 Mar", "3001"), digitalocean(line(amount="$8.00")))  # of another month: held
    project.drop(invoice_name("2026 Mar", "3002"), digitalocean(line(amount="$9.00")))
    april = invoice_name(number="4001")
    project.drop(april, digitalocean(line(amount="$10.00", description="totalled")))
    project.drop(f"sub/{april}", digitalocean(line(amount="$11.00", description="totalled")))
    project.drop(f"{april}.total", b"USD 99.00")
    project.drop("future.csv", digitalocean(line(start="2098-01-01 00:00:00 +0000", end="2098-01-31 23:59:59 +0000")))
    project.drop("no invoice.txt", b"\x00\x01")
    project.drop("delivery/billing-period.csv", _BILLING_PERIOD)
    project.drop("delivery/Manifest.json", b'{"assemblyId": "a", "reportKeys": ["report/1.csv"]}')
    taxes = {"Breakdown": [{"Description": "VAT", "Amount": "0.60", "Rate": "10"}], "TotalAmount": "0.60"}
    stated = comes_to("6.60", "6.00")["BaseCurrencyAmount"] | {"AmountBreakdown": {"Taxes": taxes}}
    project.drop("summaries.json", summaries({"BaseCurrencyAmount": stated}))
    project.drop("summaries.pdf", pdf({}))
    build(project.warehouse, resources=True, approve_over=OF_THE_FUTURE)
    assert project.finance.deliver(project.warehouse).failure is None
    assert export_april(project).paths

    for file in (SAMPLE / "reissued").iterdir():
        project.drop_copy(file)
    project.drop(
        invoice_name(number="2001"), digitalocean(line(amount="$7.00", description="backups"))
    )  # a name for one that finance has
    project.drop(april, digitalocean(line(amount="$12.00", description="totalled")))
    project.drop("cloud-resources.json", b'[{"id": "1", "name": "web-01", "type": "Droplet", "account": "77"}]')
    may = "DigitalOcean Invoice 2026 May (0000000-900000005).csv"
    land_only(project.warehouse)
    project.decide("release", "3001", file_name=invoice_name("2026 Mar", "3001"), now=NOW)
    project.decide("void", file_name=may, invoice=("digitalocean", "0000000", "900000005"), now=NOW)
    project.decide("dismiss", file_name=invoice_name("2026 Mar", "3002"), now=NOW)
    project.decide("dismiss", file_name="no invoice.txt", now=NOW)
    build(project.warehouse, resources=True, approve_over=OF_THE_FUTURE)
    assert project.finance.deliver(project.warehouse).failure is None
