"""Invoices that are one, and invoices that seem to be: never two records of one, and never one record of two."""

from datetime import UTC, date, datetime, timedelta

import pytest

from arcadia_dagster.warehouse.months import next_month
from arcadia_dagster_tests.kit import azure
from arcadia_dagster_tests.kit.api_documents import linode, linode_item, written
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.einvoices import Facts, Line, ubl
from arcadia_dagster_tests.kit.focus import as_csv, charge, lines_of, tax
from arcadia_dagster_tests.kit.outcomes import hold_reasons, pushed
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line
from arcadia_dagster_tests.kit.project import tax as do_tax


@pytest.mark.parametrize("second", ["export.csv", "later/export.csv"], ids=["same path", "another folder"])
def test_lines_that_come_under_another_id_are_never_pushed_beside_the_first(project: Project, second: str) -> None:
    project.drop("export.csv", as_csv(*lines_of("A1", 1, 2, 3), *lines_of("A2", 4, 5, 6)))
    assert pushed(project) == {"A1": 3000, "A2": 3000}
    project.drop(second, as_csv(*lines_of("B1", 1, 2, 3, 4, 5, 6), *lines_of("B1", 7, BilledCost="6.00")))
    assert pushed(project) == {"A1": 3000, "A2": 3000}
    assert "it has mostly the same lines as A1 and A2" in " ".join(hold_reasons(project, "B1"))
    project.settle("void", "A1")
    project.settle("void", "A2")
    assert pushed(project)["B1"] == 6600


def test_two_orders_of_a_day_that_are_alike_in_a_line_are_two_invoices(project: Project) -> None:
    project.drop("a.csv", as_csv(*lines_of("A1", 1)))
    project.drop("b.csv", as_csv(*lines_of("A2", 1, ChargePeriodStart="2026-04-01T05:00:00Z")))
    project.drop("c.csv", as_csv(*lines_of("A3", 1, 4, 5, 6)))
    assert pushed(project) == {"A1": 1000, "A2": 1000, "A3": 4000}


def of_no_account(number: str) -> bytes:
    found = linode(linode_item(25.2), id=number)
    return written({name: value for name, value in found.items() if name != "account"})


SMALL: dict[str, tuple[tuple[str, bytes], tuple[str, bytes]]] = {
    "one line": (("a.csv", as_csv(*lines_of("A1", 1))), ("b.csv", as_csv(*lines_of("A2", 1)))),
    "two lines in two folders": (
        ("a/export.csv", as_csv(*lines_of("A1", 1, 2))),
        ("b/export.csv", as_csv(*lines_of("A2", 2, 1))),
    ),
    "one folder": (("april/a.csv", as_csv(*lines_of("A1", 1))), ("april/b.csv", as_csv(*lines_of("A2", 1)))),
    "tax in one of them": (
        ("a.csv", as_csv(*lines_of("A1", 1))),
        ("b.csv", as_csv(*lines_of("A2", 1), tax(InvoiceId="A2", BilledCost="1.00"))),
    ),
    "the provider's own names": (
        (invoice_name(number="1001"), digitalocean(line(amount="$10.00"))),
        (invoice_name(number="1002"), digitalocean(line(amount="$10.00"), newline="\r\n")),
    ),
    "a server of an account that nothing names": (("a.json", of_no_account("A1")), ("b.json", of_no_account("A2"))),
}


@case("163")
@pytest.mark.parametrize("name", SMALL)
def test_an_invoice_of_a_line_or_two_under_two_numbers_is_never_pushed_twice(project: Project, name: str) -> None:
    for file_name, content in SMALL[name]:
        project.drop(file_name, content)
    assert pushed(project) == {}
    rows = project.query("SELECT external_id, hold_reasons FROM tax_split_totals ORDER BY external_id")
    for own, other in zip(rows, rows[::-1], strict=True):
        [reason] = own["hold_reasons"]
        assert reason.startswith(f"it has the amounts of {other['external_id']} of the same account and month")


def test_small_invoices_that_one_manifest_lists_are_two(project: Project) -> None:
    project.drop("e/manifest.json", azure.manifest("e/a.csv", "e/b.csv", rows=1))
    for file_name, invoice in (("a", "A1"), ("b", "A2")):
        project.drop(f"e/{file_name}.csv", as_csv(*lines_of(invoice, 1)))
    assert pushed(project) == {"A1": 1000, "A2": 1000}


def test_small_invoices_for_other_periods_or_of_two_accounts_are_two(project: Project) -> None:
    project.drop("a.csv", as_csv(*lines_of("A1", 1)))
    project.drop("b.csv", as_csv(*lines_of("A2", 1, ChargePeriodEnd="2026-05-01T00:00:00Z")))
    project.drop("c.csv", as_csv(*lines_of("A3", 1, BillingAccountId="222")))
    assert pushed(project) == {"A1": 1000, "A2": 1000, "A3": 1000}


def test_invoices_that_one_document_states_are_two_however_alike_they_are(project: Project) -> None:
    project.drop("a.csv", as_csv(*lines_of("A1", 1, 2, 3), *lines_of("A2", 1, 2, 3)))
    assert pushed(project) == {"A1": 3000, "A2": 3000}


@pytest.mark.parametrize("named_first", [True, False])
def test_a_file_without_the_providers_name_never_wins_over_one_with_it(project: Project, named_first: bool) -> None:
    lines = [line(description=f"web-{number}") for number in range(4)]
    named = (invoice_name(number="1001"), digitalocean(*lines))
    plain = ("invoice apr final.csv", digitalocean(*lines, do_tax(amount="$2.40")))
    for name, content in (named, plain) if named_first else (plain, named):
        project.drop(name, content)
    assert pushed(project) == {"1001": 2400}
    [held] = project.query("SELECT hold_reasons FROM tax_split_totals WHERE status = 'held'")
    assert "it has mostly the same lines as 1001" in held["hold_reasons"][0]


def test_a_real_invoice_is_held_while_finance_has_a_plain_file_of_its_lines(project: Project) -> None:
    lines = [line(description=f"web-{number}") for number in range(4)]
    project.drop("plain.csv", digitalocean(*lines, do_tax(amount="$2.40")))
    assert pushed(project) == {"unknown-2026-04-plain": 2640}
    project.drop(invoice_name(number="1001"), digitalocean(*lines))
    assert pushed(project) == {"unknown-2026-04-plain": 2640}
    project.settle("void", "unknown-2026-04-plain")
    assert pushed(project)["1001"] == 2400


def test_the_same_number_in_another_year_is_another_invoice_and_changes_nothing_of_the_first(project: Project) -> None:
    last_year = {"BillingPeriodStart": "2025-04-01T00:00:00Z"}
    project.drop("2025/a.csv", as_csv(*lines_of("0009", 1, 2, **last_year)))
    assert pushed(project) == {"0009": 2000}
    project.drop("2026/a.csv", as_csv(*lines_of("0009", 1, 2, 3)))
    assert pushed(project) == {"0009": 2000}
    assert project.invoice("0009")["invoice_month"] == date(2025, 4, 1)
    [reason] = hold_reasons(project, "0009-2026-04")
    assert reason.startswith("another invoice 0009 is in 2025-04")
    assert "arcadia release aws/111/0009-2026-04" in reason


def test_an_invoice_may_move_by_a_month(project: Project) -> None:
    project.drop("a/export.csv", as_csv(*lines_of("0009", 1, 2, BillingPeriodStart="2026-03-01T00:00:00Z")))
    assert pushed(project) == {"0009": 2000}
    project.drop("b/export.csv", as_csv(*lines_of("0009", 1, 2)))
    assert pushed(project) == {"0009": 2000}
    assert project.invoice("0009")["invoice_month"] == date(2026, 4, 1)


def test_an_id_of_an_open_billing_period_is_not_final_and_gives_way_to_the_invoice(project: Project) -> None:
    today = datetime.now(UTC).date()
    month = today.replace(day=1)
    open_ = {"BillingPeriodStart": f"{month}T00:00:00Z"}
    project.drop("draft.csv", as_csv(*lines_of("DRAFT-1", 1, 2, **open_)))
    project.drop("fee.csv", as_csv(*lines_of("FEE", 9, ChargeCategory="Purchase", **open_)))
    assert pushed(project) == {"FEE": 1000}, "an upfront fee is invoiced while its month is open"
    [reason] = hold_reasons(project, "DRAFT-1")
    assert reason.startswith(f"its billing period was open until {next_month(month)} 00:00 UTC when its document came")
    earlier = (month - timedelta(days=1)).replace(day=1)
    project.drop(
        "closed.csv",
        as_csv(
            *lines_of("INV", 1, 2, BillingPeriodStart=f"{earlier}T00:00:00Z"),
            tax(InvoiceId="INV", BilledCost="2.00", BillingPeriodStart=f"{earlier}T00:00:00Z"),
        ),
    )
    assert pushed(project) == {"FEE": 1000, "INV": 2200}


@case("193")
def test_a_draft_whose_place_a_draft_with_another_id_has_taken_counts_no_more(project: Project) -> None:
    open_ = {"BillingPeriodStart": f"{datetime.now(UTC).date().replace(day=1)}T00:00:00Z"}
    project.drop("month.csv", as_csv(*lines_of("D-17", 1, 2, **open_), *lines_of("D-17b", 7, **open_)))
    project.drop("other.csv", as_csv(*lines_of("E-1", 8, 9, **open_)))
    project.drop("released.csv", as_csv(*lines_of("R-1", 5, **open_)))
    project.build()
    project.settle("release", "R-1")
    assert pushed(project) == {"R-1": 1000}
    project.drop("month.csv", as_csv(*lines_of("D-18", 1, 2, 3, **open_)))
    project.drop("released.csv", as_csv(*lines_of("R-2", 5, 6, **open_)))
    assert pushed(project) == {"R-1": 1000}
    rows = project.query("SELECT external_id FROM tax_split_totals ORDER BY external_id")
    assert [row["external_id"] for row in rows] == ["D-18", "E-1", "R-1", "R-2"]
    assert "what was delivered last (released.csv) states the account's month without it" in " ".join(
        hold_reasons(project, "R-1")
    )
    project.drop("month.csv", as_csv(*lines_of("D-17", 1, 2, **open_)))
    project.build()
    rows = project.query("SELECT external_id FROM tax_split_totals ORDER BY external_id")
    assert [row["external_id"] for row in rows] == ["D-17", "E-1", "R-1", "R-2"]


@case("196")
@pytest.mark.parametrize("order", [("e.xml", "l.csv"), ("l.csv", "e.xml")])
def test_lines_of_another_account_than_the_pushed_electronic_invoice_are_held_with_both_accounts(
    project: Project, order: tuple[str, str]
) -> None:
    stated = Facts(number="R-1", seller="Amazon Web Services EMEA SARL", buyer_number="K", lines=(Line("100.00"),))
    line = charge(InvoiceId="R-1", BillingAccountId="A", BillingCurrency="EUR", BilledCost="100.00")
    vat = tax(InvoiceId="R-1", BillingAccountId="A", BillingCurrency="EUR", BilledCost="19.00")
    files = {"e.xml": ubl(stated), "l.csv": as_csv(line, vat)}
    for name in order:
        project.drop(name, files[name])
        assert pushed(project) == {"R-1": 11900}
    reasons = hold_reasons(project, "R-1")
    assert len(reasons) == (1 if order[0] == "e.xml" else 0)
    for reason in reasons:
        assert reason.startswith(
            "finance has it of account K, as a document states it, and its lines, which came later, are of"
        )


def test_one_id_under_two_sources_is_held_where_the_account_is_the_same(project: Project) -> None:
    project.drop("one.csv", as_csv(*lines_of("INV-1", 1, 2, InvoiceIssuerName="Examplecloud Ltd", ProviderName=None)))
    project.drop(
        "two.csv", as_csv(*lines_of("INV-1", 3, 4, InvoiceIssuerName="Example Cloud Holding", ProviderName=None))
    )
    assert pushed(project) == {}
    held = project.query("SELECT source, hold_reasons FROM tax_split_totals ORDER BY source")
    assert [row["source"] for row in held] == ["example-cloud-holding", "examplecloud"]
    assert all("has its id: the same invoice from another export?" in row["hold_reasons"][0] for row in held)


def test_two_invoices_of_one_file_with_like_lines_are_two(project: Project) -> None:
    project.drop("export.csv", as_csv(*lines_of("A", 1, 2, 3, 4), *lines_of("B", 1, 2, 3, 4)))
    assert pushed(project) == {"A": 4000, "B": 4000}


@case("117")
@pytest.mark.parametrize(
    ("taxed", "size", "order", "place"),
    [
        (False, 2, ("A", "B", "C"), "{}.csv"),
        (True, 1, ("C", "A", "B"), "{}.csv"),
        (True, 2, ("A", "C", "B"), "{}/export.csv"),
    ],
)
def test_an_invoice_that_consists_of_two_other_ones_is_never_pushed_beside_both(
    project: Project, taxed: bool, size: int, order: tuple[str, ...], place: str
) -> None:
    numbers = {"A": range(size), "B": range(size, 2 * size), "C": range(2 * size)}
    for name in order:
        found = lines_of(name, *numbers[name])
        found += [tax(InvoiceId=name, BilledCost=f"{len(found)}.00")] if taxed else []
        project.drop(place.format(name), as_csv(*found))
    assert pushed(project) == {}
    for name in order:
        [reason] = hold_reasons(project, name)
        assert reason.startswith("C consists of A and B of the same account and month")
    project.settle("void", "C")
    assert pushed(project) == dict.fromkeys("AB", size * (1100 if taxed else 1000))


def test_an_invoice_with_a_line_of_each_of_two_others_is_one_of_its_own(project: Project) -> None:
    project.drop("a.csv", as_csv(*lines_of("A", 1, 2)))
    project.drop("b.csv", as_csv(*lines_of("B", 3, 4)))
    project.drop("c.csv", as_csv(*lines_of("C", 1, 3)))
    assert pushed(project) == {"A": 2000, "B": 2000, "C": 2000}


def test_one_thing_that_is_bought_again_and_again_makes_no_invoice_of_invoices(project: Project) -> None:
    project.drop("bought.csv", as_csv(*lines_of("A", 1), *lines_of("B", 1), *lines_of("C", 1)))
    project.drop("D.csv", as_csv(*lines_of("D", 1, 1, 9)))
    assert pushed(project) == {"A": 1000, "B": 1000, "C": 1000, "D": 3000}


def test_a_purchase_that_many_invoices_have_and_its_refund_are_no_invoice_of_invoices(project: Project) -> None:
    bought = [row for name in "ABCD" for row in lines_of(name, 1)]
    refund = lines_of("E", 2, BilledCost="-10.00", ChargeCategory="Credit")
    both = [row | {"InvoiceId": "F"} for row in (bought[0], *refund)]
    for name, found in {"bought": bought, "E": refund, "F": both}.items():
        project.drop(f"{name}.csv", as_csv(*found))
    assert pushed(project) == dict.fromkeys("ABCD", 1000) | {"E": -1000, "F": 0}


def grown(invoice: str, amount: str) -> bytes:
    return as_csv(
        *(
            charge(InvoiceId=invoice, ChargeDescription=f"server {n}", ResourceId=f"i-{n}", BilledCost=amount)
            for n in range(4)
        )
    )


@case("118")
@pytest.mark.parametrize(
    ("draft", "amounts", "draft_first"),
    [
        ("DRAFT-2026-04", ("7.00", "9.00"), True),
        ("P-17", ("9.00", "7.00"), True),
        ("P-17", ("7.00", "9.00"), False),
        ("DRAFT-2026-04", ("9.00", "7.00"), False),
    ],
)
def test_a_draft_that_has_grown_is_never_pushed_beside_the_invoice_that_it_became(
    project: Project, draft: str, amounts: tuple[str, str], draft_first: bool
) -> None:
    files = [("draft.csv", grown(draft, amounts[0])), ("invoice.csv", grown("INV-9", amounts[1]))]
    for name, content in files if draft_first else files[::-1]:
        project.drop(name, content)
    assert draft not in pushed(project)
    assert f"arcadia void aws/111/{draft} " in " ".join(hold_reasons(project, draft))
    project.settle("void", draft)
    assert pushed(project) == {"INV-9": 400 * int(amounts[1][0])}


def test_an_id_that_says_that_it_is_a_draft_gives_way_to_the_invoice_of_its_month_whatever_both_state(
    project: Project,
) -> None:
    project.drop("draft.csv", as_csv(*lines_of("2026-04-draft", 1)))
    assert pushed(project) == {"2026-04-draft": 1000}
    project.drop("invoice.csv", as_csv(*lines_of("INV-9", 2, 3)))
    assert pushed(project) == {"2026-04-draft": 1000, "INV-9": 2000}
    [reason] = hold_reasons(project, "2026-04-draft")
    assert reason.startswith("its id says that it is a draft, and INV-9 is of the same account and month")


def test_a_credit_note_for_the_same_resources_is_one_of_its_own(project: Project) -> None:
    project.drop("invoice.csv", grown("INV-9", "9.00"))
    project.drop("credit.csv", grown("CR-9", "-1.00"))
    assert pushed(project) == {"INV-9": 3600, "CR-9": -400}
