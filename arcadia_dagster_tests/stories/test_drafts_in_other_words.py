"""A draft and the invoice that it becomes, under two ids and in other words: amounts and days alone tell that they are one."""

import itertools
from collections.abc import Sequence

from arcadia_dagster_tests.kit import aws
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.pasted import commands_in, type_in
from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.shell import Shell

Rows = list[dict[str, str | None]]
MONTH = {"ChargePeriodStart": "2026-04-01T00:00:00Z", "ChargePeriodEnd": "2026-05-01T00:00:00Z", "ResourceId": None}


def pushed(project: Project) -> dict[str, int]:
    project.build()
    assert project.sandbox is not None
    return {row["external_id"]: row["amount_gross_minor"] for row in project.sandbox.invoices()}


def of(invoice: str, words: str, amounts: Sequence[str], **values: str | None) -> Rows:
    return [
        charge(InvoiceId=invoice, ChargeDescription=f"{words} {number}", BilledCost=amount, **{**MONTH, **values})
        for number, amount in enumerate(amounts)
    ]


def days(invoice: str, words: str, amount: str) -> Rows:
    return [
        charge(
            InvoiceId=invoice,
            ChargeDescription=words,
            BilledCost=amount,
            ResourceId=None,
            ChargePeriodStart=f"2026-04-{day:02}T00:00:00Z",
            ChargePeriodEnd=f"2026-04-{day:02}T23:00:00Z",
        )
        for day in range(1, 29)
    ]


DRAFTS: dict[str, tuple[Rows, Rows]] = {
    "one line": (of("P-1", "estimated usage", ["84.00"]), of("INV-9", "usage", ["84.00"])),
    "one line, and tax": (
        [*of("P-1", "estimate", ["84.00"]), tax(InvoiceId="P-1", BilledCost="8.40")],
        [*of("INV-9", "usage", ["84.00"]), tax(InvoiceId="INV-9", BilledCost="8.40")],
    ),
    "lines of other sums": (
        of("P-1", "estimate", ["84.00", "16.00"]),
        of("INV-9", "usage", ["50.00", "25.00", "25.00"]),
    ),
    "the same words, twice": (of("P-1", "usage", ["84.00", "16.00"]), of("INV-9", "usage", ["84.00", "16.00"])),
    "most amounts, and one more": (
        of("P-1", "estimate", ["84.00", "16.00", "7.00"]),
        of("INV-9", "usage", ["84.00", "16.00", "7.00", "1.50"]),
    ),
    "without tax, and with it": (
        of("P-1", "estimate", ["84.00", "16.00", "7.00"]),
        [*of("INV-9", "usage", ["84.00", "16.00", "7.00"]), tax(InvoiceId="INV-9", BilledCost="10.70")],
    ),
    "a line a day": (days("P-1", "estimate", "0.25"), days("INV-9", "usage", "0.25")),
    "the same resources in other words": (
        of("P-1", "estimate", ["84.00", "16.00", "7.00"], ResourceId="i-1"),
        of("INV-9", "usage", ["84.00", "16.00", "7.00"], ResourceId="i-1"),
    ),
    "resources in one of them": (
        of("P-1", "estimate", ["84.00", "16.00"]),
        of("INV-9", "usage", ["84.00", "16.00"], ResourceId="i-1"),
    ),
}


def keyed(rows: Rows, key: str) -> Rows:
    """The rows with a key in their account and id, so that pairs in one home have nothing in common."""
    ids = ("BillingAccountId", "InvoiceId")
    return [{**row, **{name: f"{row[name]}{key}" for name in ids}} for row in rows]


@case("138")
def test_a_draft_in_other_words_is_never_pushed_beside_its_invoice(project: Project, arcadia: Shell) -> None:
    keys = {
        (name, draft_first): f"-{number}"
        for number, (name, draft_first) in enumerate(itertools.product(DRAFTS, (True, False)))
    }
    for (name, draft_first), key in keys.items():
        for rows in DRAFTS[name] if draft_first else DRAFTS[name][::-1]:
            project.drop(f"{rows[0]['InvoiceId']}{key}.csv", as_csv(*keyed(rows, key)))
    assert pushed(project) == {}
    for key in keys.values():
        [reason] = project.invoice(f"INV-9{key}")["hold_reasons"]
        assert reason.startswith(f"it has the amounts of P-1{key} of the same account and month")
        _, void_other, _ = commands_in(reason)
        type_in(arcadia, project, void_other)
    assert set(pushed(project)) == {f"INV-9{key}" for key in keys.values()}


def test_a_draft_that_finance_has_keeps_its_invoice_from_it_until_a_person_settles_it(project: Project) -> None:
    draft, invoice = DRAFTS["one line"]
    project.drop("draft.csv", as_csv(*draft))
    assert pushed(project) == {"P-1": 8400}
    project.drop("invoice.csv", as_csv(*invoice))
    assert pushed(project) == {"P-1": 8400}
    project.settle("release", "INV-9")
    assert pushed(project) == {"P-1": 8400, "INV-9": 8400}


TWO: dict[str, tuple[Rows, Rows]] = {
    "orders of a day at one price": (
        of("A", "example.com", ["12.00"], ChargePeriodEnd="2026-04-02T00:00:00Z"),
        of("B", "example.org", ["12.00"], ChargePeriodEnd="2026-04-02T00:00:00Z"),
    ),
    "purchases": (
        of("A", "seat of ann", ["12.00"], ChargeCategory="Purchase"),
        of("B", "seat of ben", ["12.00"], ChargeCategory="Purchase"),
    ),
    "two accounts with one plan": (
        of("A", "plan", ["12.00", "6.00", "3.00"]),
        of("B", "plan", ["12.00", "6.00", "3.00"], BillingAccountId="222"),
    ),
    "two currencies": (of("A", "plan", ["12.00"]), of("B", "plan in Europe", ["12.00"], BillingCurrency="EUR")),
    "two halves of a month": (
        of("A", "first half", ["12.00", "6.00"], ChargePeriodEnd="2026-04-16T00:00:00Z"),
        of("B", "second half", ["12.00", "6.00"], ChargePeriodStart="2026-04-16T00:00:00Z"),
    ),
    "other resources": (
        of("A", "server a", ["12.00", "6.00", "3.00"], ResourceId="i-1"),
        of("B", "server b", ["12.00", "6.00", "3.00"], ResourceId="i-2"),
    ),
    "an invoice and its credit note": (of("A", "plan", ["12.00", "6.00"]), of("B", "credit", ["-12.00", "-6.00"])),
    "some amounts of many": (
        of("A", "plan", ["12.00", "6.00", "3.00"]),
        of("B", "others", ["12.00", "6.00", "3.00", "1.00", "2.00", "4.00", "5.00"]),
    ),
    "nothing": (of("A", "free", ["0.00"]), of("B", "trial", ["0.00"])),
}


def test_what_only_costs_the_same_is_two_invoices(project: Project) -> None:
    keys = {name: f"-{number}" for number, name in enumerate(TWO)}
    for name, key in keys.items():
        for rows in TWO[name]:
            project.drop(f"{rows[0]['InvoiceId']}{key}.csv", as_csv(*keyed(rows, key)))
    found = pushed(project)
    assert {name for name, key in keys.items() if not {f"A{key}", f"B{key}"} <= found.keys()} == set()


def test_invoices_that_one_document_states_are_two_though_they_come_to_the_same(project: Project) -> None:
    draft, invoice = DRAFTS["lines of other sums"]
    project.drop("both.csv", as_csv(*draft, *invoice))
    assert set(pushed(project)) == {"P-1", "INV-9"}


def test_two_reports_of_aws_with_an_invoice_each_of_the_same_sum_are_held(project: Project) -> None:
    for number, words in (("1", "estimate"), ("2", "usage")):
        rows = [
            aws.item(InvoiceId=number, ResourceId="", LineItemDescription=f"{words} {n}", UnblendedCost="7.00")
            for n in range(2)
        ]
        project.drop(f"{number}.csv", aws.as_csv(*rows))
    assert pushed(project) == {}
