"""The case that must always hold."""

from datetime import date

from arcadia_dagster.demo import SAMPLE
from arcadia_dagster_tests.kit.project import Project, checks_of

NAME = "DigitalOcean Invoice 2026 Apr (0000000-900000004).csv"
APRIL = date(2026, 4, 1)


def test_the_april_2026_invoice_is_in_finance_once_with_33_lines_and_its_tax_apart(
    project_with_finance: Project,
) -> None:
    project = project_with_finance
    project.drop_copy(SAMPLE / "inbox" / NAME)

    result = project.run([APRIL])

    assert project.sandbox is not None
    [row] = project.sandbox.invoices()
    assert (row["source"], row["tenant_id"], row["external_id"]) == ("digitalocean", "platform-admin", "900000004")
    assert (row["vendor_name"], row["vendor_category"]) == ("DigitalOcean", "cloud")
    assert (row["amount_gross_minor"], row["amount_net_minor"], row["amount_tax_minor"]) == (8692, 7902, 790)
    assert (row["currency"], row["line_count"]) == ("USD", 33)
    assert (row["period_start"], row["period_end"]) == ("2026-04-01", "2026-04-30")
    [record] = project.query("SELECT * FROM finance_records")
    assert (record["state"], record["action"], record["finance_invoice_id"]) == (
        "delivered",
        "created",
        row["invoice_id"],
    )
    assert record["pushed_to_finance_at"] is not None
    assert checks_of(result)["every_ready_invoice_is_in_finance"].passed


def test_a_second_push_is_answered_updated_and_finance_keeps_one_row(project_with_finance: Project) -> None:
    project = project_with_finance
    project.drop_copy(SAMPLE / "inbox" / NAME)
    project.run([APRIL])

    delivered = project.finance.deliver(project.warehouse, again=True)

    assert (len(delivered.created), len(delivered.updated)) == (0, 1)
    assert project.sandbox is not None
    [row] = project.sandbox.invoices()
    assert row["times_received"] == 2
    [record] = project.query("SELECT * FROM finance_records")
    assert (record["action"], record["attempts"]) == ("updated", 2)


def test_what_finance_has_is_not_pushed_again(project_with_finance: Project) -> None:
    project = project_with_finance
    project.drop_copy(SAMPLE / "inbox" / NAME)
    project.run([APRIL])
    project.run([APRIL])

    assert project.sandbox is not None
    [row] = project.sandbox.invoices()
    assert row["times_received"] == 1


def test_without_finance_configured_the_ingest_works_and_says_how_many_wait(project: Project) -> None:
    project.drop_copy(SAMPLE / "inbox" / NAME)

    result = project.run([APRIL])

    assert result.success
    assert project.invoice("900000004")["amount_gross_minor"] == 8692
    check = checks_of(result)["every_ready_invoice_is_in_finance"]
    assert check.passed
    assert check.description == "finance not configured, 1 waiting"
    assert project.query("SELECT * FROM finance_records") == []
