"""A month of AWS and one of Hetzner end as records that two documents agree on; a cent between them is held with what it is."""

import gzip
import json
from datetime import UTC, date, datetime

import pytest

from arcadia_dagster.finance.outstanding import Recipient
from arcadia_dagster.finance.reconcile import differences, listed, on_record
from arcadia_dagster.reports.explain import explain, find
from arcadia_dagster.reports.witnesses import agreements
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.statement.pages import make_pages
from arcadia_dagster_tests.kit.aws import as_csv, comes_to, item, manifest, summaries, tax
from arcadia_dagster_tests.kit.einvoices import Facts, zugferd
from arcadia_dagster_tests.kit.plain import archive_of
from arcadia_dagster_tests.kit.project import Project, checks_of

APRIL, OCTOBER = date(2026, 4, 1), date(2026, 10, 1)
FOLDER = "cur/20260401-20260501"
NUMBER = "080000869173"
AWS, HETZNER = "aws/111/2001", f"hetzner/K0123456789/{NUMBER}"


@pytest.fixture
def project(project: Project) -> Project:
    """A project that reads by the descriptions that come with the program too."""
    project.describe()
    return project


def usage(*numbers: int) -> list[dict[str, str]]:
    """Different lines of one dollar each."""
    return [item(LineItemDescription=f"line {number}", UnblendedCost="1.00") for number in numbers]


def drop_both_months(
    project: Project, *, aws: tuple[str, str] = ("15.00", "14.00"), server: str = "60.00", **facts: object
) -> None:
    """An AWS month (a report in two parts, its manifest, what AWS states of its invoices) and a Hetzner month (CSV and PDF)."""
    keys = [f"billing/{FOLDER}/a1/{name}" for name in ("cur-1.csv.gz", "cur-2.csv.gz")]
    project.drop(f"{FOLDER}/a1/cur-Manifest.json", manifest(*keys))
    parts = (as_csv(*usage(*range(10))), as_csv(*usage(*range(10, 14)), tax(UnblendedCost="1.00")))
    for number, part in enumerate(parts, start=1):
        project.drop(f"{FOLDER}/a1/cur-{number}.csv.gz", gzip.compress(part))
    terms = {"DueDate": "2026-06-01T00:00:00Z", "PurchaseOrderNumber": "PO-9"}
    project.drop("invoice-summaries.json", summaries({"InvoiceId": "2001", **comes_to(*aws), **terms}))
    lines = (
        f'Server,Cloud server CX22,2026-10-01,2026-10-31,720,"0.0833","{server}",1\n'
        'Volume,Volume 100 GB,2026-10-01,2026-10-31,1,"40.00","40.00",\n'
    )
    project.drop(f"Hetzner_2026-11-03_{NUMBER}.csv", lines.encode())
    project.drop(f"Hetzner_{NUMBER}.pdf", zugferd(Facts(number=NUMBER).with_(**facts)))


def in_finance(project: Project) -> dict[str, tuple[int, int, str | None, str | None]]:
    assert project.sandbox is not None
    return {
        f"{row['source']}/{row['external_id']}": (
            row["amount_gross_minor"],
            row["amount_tax_minor"],
            row["due_on"],
            row["purchase_order"],
        )
        for row in project.sandbox.invoices()
    }


def words(project: Project) -> dict[str, str]:
    """What lines, statement and finance come to, of each invoice."""
    assert project.sandbox is not None
    with project.warehouse.read() as connection:
        found = agreements(connection, project.sandbox.url)
    return {key.name: one.words for key, one in found.items()}


def test_each_ends_as_a_record_that_two_documents_agree_on(project: Project) -> None:
    drop_both_months(project)
    result = project.run()
    assert result.success
    assert in_finance(project) == {
        "aws/2001": (1500, 100, "2026-06-01", "PO-9"),
        f"hetzner/{NUMBER}": (11900, 1900, "2026-11-14", "PO-7"),
    }
    found = words(project)
    assert len(found) == 2
    assert set(found.values()) == {"lines = stated = finance"}
    for name in found:
        told = explain(project.warehouse, archive_of(project.warehouse), find(project.warehouse, name))
        assert [one["words"] for one in told["agreement"]] == ["lines = stated = finance"]
        assert [(one["status"], one["kind"]) for one in told["stated"]] == [("issued", "invoice")]
    check = checks_of(result)["every_invoice_is_stated"]
    assert (check.passed, check.description) == (True, "invoices with a second witness: 2 of 2")
    shares = {row["account_id"]: row["percent_of_spend"] for row in listed_rows(check)}
    assert set(shares.values()) == {"100.0"}
    months = MonthRange(APRIL, datetime.now(UTC).date().replace(day=1))
    pages = make_pages(
        project.warehouse, archive_of(project.warehouse), project.home / "statements", [APRIL, OCTOBER], months
    )
    for page in pages.values():
        assert '<dd data-agreement="agrees">lines = stated = finance</dd>' in page.path.read_text()


def listed_rows(check: object) -> list[dict[str, object]]:
    table = check.metadata["second_witnesses"]  # type: ignore[attr-defined]
    return [dict(record.data) for record in table.records]


@pytest.mark.parametrize(
    ("changes", "name", "agreement", "reason"),
    [
        (
            {"aws": ("15.01", "14.01")},
            "aws/2001",
            "lines 15.00 USD, stated 0.01 USD more, not in finance",
            "the difference of 0.01 USD is as small as a rounding",
        ),
        (
            {"aws": ("15.00", "14.01")},
            "aws/2001",
            "lines = stated, not in finance",
            "the tax that it states, 0.99 USD, differs from the sum of its tax lines, 1.00 USD",
        ),
        (
            {"aws": ("14.00", "14.00")},
            "aws/2001",
            "lines 15.00 USD, stated 1.00 USD less, not in finance",
            "the difference of -1.00 USD is that of the tax",
        ),
        (
            {"server": "60.01"},
            f"hetzner/{NUMBER}",
            "lines 100.01 EUR, stated 18.99 EUR more, not in finance",
            "is tax of 19.00 EUR and -0.01 EUR, as small as a rounding",
        ),
    ],
)
def test_a_cent_between_the_two_is_held_with_what_it_is(
    project: Project, changes: dict[str, object], name: str, agreement: str, reason: str
) -> None:
    drop_both_months(project, **changes)  # type: ignore[arg-type]
    project.build()
    assert set(in_finance(project)) == {"aws/2001", f"hetzner/{NUMBER}"} - {name}
    invoice = project.invoice(name.partition("/")[2])
    assert any(reason in one for one in invoice["hold_reasons"]), invoice["hold_reasons"]
    [found] = [text for key, text in words(project).items() if key.endswith(invoice["external_id"])]
    assert found == agreement
    project.release_as_stated(invoice["external_id"])
    project.build()
    assert set(in_finance(project)) == {"aws/2001", f"hetzner/{NUMBER}"}


def test_what_finance_has_otherwise_is_told_with_the_two_that_agree(project: Project) -> None:
    drop_both_months(project)
    project.build()
    assert project.sandbox is not None
    ours = on_record(project.warehouse, Recipient(project.sandbox.url, is_sandbox=True))
    rows = [{**row, "amount_gross_minor": row["amount_gross_minor"] + 1} for row in project.sandbox.invoices()]
    told = differences("platform-admin", ours, listed(json.loads(json.dumps(rows)), {"aws", "hetzner"}))
    assert len(told) == 2
    assert told[0].what.endswith("(lines = stated, finance 0.01 USD more)")
    assert told[1].what.endswith("(lines = stated, finance 0.01 EUR more)")


def test_an_invoice_of_an_account_that_states_its_invoices_is_missed_where_it_is_not_stated(project: Project) -> None:
    drop_both_months(project)
    project.build()
    may = {"BillingPeriodStartDate": "2026-05-01T00:00:00Z", "BillingPeriodEndDate": "2026-06-01T00:00:00Z"}
    times = {"UsageStartDate": "2026-05-01T00:00:00Z", "UsageEndDate": "2026-05-02T00:00:00Z"}
    project.drop(
        "cur/20260501-20260601/cur-1.csv", as_csv(item(InvoiceId="3001", UnblendedCost="5.00", **may, **times))
    )
    check = checks_of(project.run())["every_invoice_is_stated"]
    assert not check.passed
    assert str(check.description).startswith(
        "invoices with a second witness: 2 of 3; not stated: 1 found in 2026-05: its issuer stated the totals of earlier invoices"
    )
    shares = {row["source"]: row["percent_of_spend"] for row in listed_rows(check)}
    assert shares == {"aws": "75.0", "hetzner": "100.0"}


def test_where_nobody_states_anything_nothing_is_missed(project: Project) -> None:
    project.drop("cur/20260401-20260501/cur-1.csv", as_csv(*usage(*range(3))))
    check = checks_of(project.run())["every_invoice_is_stated"]
    assert (check.passed, check.description) == (True, "invoices with a second witness: 0 of 1")
    assert words(project) == {"aws/111/2001": "lines = finance, stated by nobody"}
