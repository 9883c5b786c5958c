"""FOCUS from file to finance: many invoices a file, one invoice in several files, newer deliveries, lines without an invoice."""

from datetime import date
from typing import Any

from arcadia_dagster_tests.kit.focus import as_csv, as_parquet, charge, tax, usage
from arcadia_dagster_tests.kit.outcomes import hold_reasons, in_finance
from arcadia_dagster_tests.kit.plain import build
from arcadia_dagster_tests.kit.project import Project

APRIL = date(2026, 4, 1)


def test_each_invoice_of_a_file_goes_to_finance_under_its_issuer_and_what_has_no_id_is_shown_and_never_pushed(
    project: Project,
) -> None:
    project.drop(
        "export.parquet",
        as_parquet(
            charge(),
            tax(),
            charge(InvoiceId="INV-2", BillingAccountId="222", BillingCurrency="JPY", BilledCost="1000"),
            charge(
                InvoiceId="H-1",
                InvoiceIssuerName="Hetzner Online GmbH",
                ProviderName="Hetzner",
                ChargeCategory="Credit",
                BilledCost="-2.50",
            ),
            charge(InvoiceId=None, BillingPeriodStart="2026-05-01T00:00:00Z"),
        ),
    )
    result = project.run([APRIL, date(2026, 5, 1)])
    assert result.success
    assert project.sandbox is not None
    rows: dict[str, Any] = {row["external_id"]: row for row in project.sandbox.invoices()}
    assert {
        external_id: (
            row["source"],
            row["vendor_name"],
            row["currency"],
            row["amount_gross_minor"],
            row["amount_tax_minor"],
        )
        for external_id, row in rows.items()
    } == {
        "INV-1": ("aws", "Amazon Web Services", "USD", 660, 60),
        "INV-2": ("aws", "Amazon Web Services", "JPY", 1000, 0),
        "H-1": ("hetzner", "Hetzner Online", "USD", -250, 0),
    }
    [reason] = project.invoice("111-2026-05-uninvoiced")["hold_reasons"]
    assert reason.startswith("it is a preview or has no id: shown, never pushed")


def test_the_files_of_one_folder_are_one_delivery_also_where_they_come_one_after_another(project: Project) -> None:
    project.drop("cur/2026-04/part-0.csv", as_csv(*(usage(number) for number in range(10)), tax(BilledCost="1.00")))
    build(project.warehouse)
    assert in_finance(project) == {"INV-1": (1100, 1000, 100, 11)}

    project.drop("cur/2026-04/part-1.parquet", as_parquet(*(usage(number) for number in range(10, 14))))
    build(project.warehouse)

    assert in_finance(project) == {"INV-1": (1500, 1400, 100, 15)}
    assert len(project.lines("INV-1")) == 15


def test_a_newer_delivery_replaces_the_one_before_also_where_it_has_a_file_of_it_again(project: Project) -> None:
    first = as_csv(*(usage(number) for number in range(10)))
    project.drop("delivery-1/part-0.csv", first)
    project.drop("delivery-1/part-1.csv", as_csv(*(usage(number) for number in range(10, 20))))
    build(project.warehouse)
    assert in_finance(project) == {"INV-1": (2000, 2000, 0, 20)}

    project.drop("delivery-2/part-0.csv", first)
    project.drop("delivery-2/part-1.csv", as_csv(*(usage(number, BilledCost="3.00") for number in range(10, 15))))
    build(project.warehouse)

    assert in_finance(project) == {"INV-1": (2500, 2500, 0, 15)}


def test_an_invoice_that_the_file_at_its_path_does_not_state_any_more_is_held_with_the_ways_to_settle_it(
    project: Project,
) -> None:
    project.drop("aws/export.csv", as_csv(*(usage(number) for number in range(10)), usage(1, InvoiceId="INV-0")))
    build(project.warehouse)
    project.drop("aws/export.csv", as_csv(*(usage(number, BilledCost="3.00") for number in range(10))))
    build(project.warehouse)
    assert in_finance(project) == {"INV-1": (3000, 3000, 0, 10)}
    [reason] = hold_reasons(project, "INV-0")
    assert reason.startswith("what was delivered last (export.csv) states the account's month without it")
    assert 'arcadia void aws/111/INV-0 --reason "..."' in reason
    assert 'arcadia release aws/111/INV-0 --reason "..."' in reason


def test_a_lone_later_file_with_other_lines_is_held_as_part_or_replacement_and_a_person_may_say_replacement(
    project: Project,
) -> None:
    project.drop("april.csv", as_csv(*(usage(number) for number in range(10))))
    build(project.warehouse)
    assert in_finance(project) == {"INV-1": (1000, 1000, 0, 10)}

    project.drop("april-more.csv", as_csv(*(usage(number) for number in range(20, 25))))
    build(project.warehouse)

    [reason] = hold_reasons(project)
    assert "a part of it, or a replacement?" in reason
    assert project.invoice("INV-1")["can_release"]
    assert in_finance(project) == {"INV-1": (1000, 1000, 0, 10)}, "finance keeps what it had"


def test_a_lone_later_file_with_mostly_the_same_lines_is_a_new_version(project: Project) -> None:
    project.drop("april.csv", as_csv(*(usage(number) for number in range(10))))
    build(project.warehouse)
    project.drop("april-final.csv", as_csv(*(usage(number) for number in range(11))))
    build(project.warehouse)
    assert in_finance(project) == {"INV-1": (1100, 1100, 0, 11)}


def test_two_files_of_a_folder_with_mostly_the_same_lines_are_never_added_up(project: Project) -> None:
    project.drop("aws/april.csv", as_csv(*(usage(number) for number in range(10))))
    project.drop("aws/april-final.csv", as_csv(*(usage(number) for number in range(11))))
    build(project.warehouse)
    [reason] = hold_reasons(project)
    assert reason.startswith("most lines of april-final.csv are also in the other files of its folder")
    assert in_finance(project) == {}


def test_an_invoice_whose_files_are_of_two_billing_periods_is_one_invoice_of_the_month_of_most_lines(
    project: Project,
) -> None:
    may = {"BillingPeriodStart": "2026-05-01T00:00:00Z"}
    project.drop("aws/a.csv", as_csv(*(usage(number) for number in range(10))))
    build(project.warehouse)
    assert project.invoice("INV-1")["invoice_month"] == APRIL
    project.drop("aws/b.csv", as_csv(*(usage(number, **may) for number in range(10, 25))))
    build(project.warehouse)
    assert project.invoice("INV-1")["invoice_month"] == date(2026, 5, 1)
    assert in_finance(project) == {"INV-1": (2500, 2500, 0, 25)}
    assert {line["invoice_month"] for line in project.lines("INV-1")} == {date(2026, 5, 1)}


def test_the_same_delivery_again_under_any_names_changes_nothing(project: Project) -> None:
    content = as_csv(*(usage(number) for number in range(10)))
    project.drop("aws/april.csv", content)
    build(project.warehouse)
    assert in_finance(project) == {"INV-1": (1000, 1000, 0, 10)}
    project.drop("aws/april copy.csv", content)
    project.drop("april.csv", content)
    build(project.warehouse)
    assert in_finance(project) == {"INV-1": (1000, 1000, 0, 10)}
    assert project.finance.deliver(project.warehouse).unchanged == 1


def test_what_is_not_invoiced_yet_is_shown_as_it_is_now_and_gives_way_to_the_invoice(project: Project) -> None:
    open_: dict[str, str | None] = {"InvoiceId": None}
    project.drop("week-1.csv", as_csv(*(usage(number) | open_ for number in range(5))))
    build(project.warehouse)
    project.drop("week-2.csv", as_csv(*(usage(number) | open_ for number in range(10))))
    build(project.warehouse)
    [row] = project.query("SELECT external_id, line_count, status FROM tax_split_totals")
    assert row == {"external_id": "111-2026-04-uninvoiced", "line_count": 10, "status": "held"}

    project.drop("final.csv", as_csv(*(usage(number) for number in range(12))))
    build(project.warehouse)

    [row] = project.query("SELECT external_id, line_count, status FROM tax_split_totals")
    assert row == {"external_id": "INV-1", "line_count": 12, "status": "ready"}
    assert in_finance(project) == {"INV-1": (1200, 1200, 0, 12)}
