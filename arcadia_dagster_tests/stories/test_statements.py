"""What an issuer states of its invoices, beside the lines that other documents have: the second witness of a record."""

from itertools import permutations

import pytest

from arcadia_dagster_tests.kit.aws import comes_to, credit_memo, summaries
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.project import Project

LINES = as_csv(charge(), tax())


def in_finance(project: Project) -> dict[str, tuple[int, int]]:
    assert project.sandbox is not None
    return {
        row["external_id"]: (row["amount_net_minor"], row["amount_tax_minor"]) for row in project.sandbox.invoices()
    }


@pytest.mark.parametrize("order", list(permutations(["lines", "statement"])), ids=" then ".join)
@pytest.mark.parametrize("together", [True, False], ids=["at once", "one after the other"])
def test_an_invoice_whose_lines_and_statement_agree_is_one_invoice_and_ready(
    project: Project, order: tuple[str, ...], together: bool
) -> None:
    documents = {"lines": ("lines.csv", LINES), "statement": ("statement.json", summaries({}))}
    for number, what in enumerate(order):
        project.drop(*documents[what])
        if not together or number == 1:
            project.build()
    assert in_finance(project) == {"INV-1": (600, 60)}
    [invoice] = project.query("FROM tax_split_totals")
    assert (invoice["status"], invoice["line_count"]) == ("ready", 2)


@pytest.mark.parametrize(
    ("gross", "net", "words"),
    [
        ("6.61", "6.01", "the total that it states, 6.61 USD, differs from the sum of its lines, 6.60 USD"),
        ("6.60", "6.01", "the tax that it states, 0.59 USD, differs from the sum of its tax lines, 0.60 USD"),
    ],
)
def test_a_cent_between_lines_and_statement_holds_the_invoice(
    project: Project, gross: str, net: str, words: str
) -> None:
    project.drop("lines.csv", LINES)
    project.drop("statement.json", summaries(comes_to(gross, net)))
    project.build()
    assert in_finance(project) == {}
    assert any(words in reason for reason in project.invoice("INV-1")["hold_reasons"])
    project.release_as_stated("INV-1")
    project.build()
    assert in_finance(project) == {
        "INV-1": (int(net.replace(".", "")), int(gross.replace(".", "")) - int(net.replace(".", "")))
    }


def test_what_is_only_stated_waits_for_its_lines_or_for_a_person_and_its_lines_must_agree(project: Project) -> None:
    project.drop("statement.json", summaries({}))
    project.build()
    [reason] = project.invoice("INV-1")["hold_reasons"]
    assert reason.startswith("statement.json states it, and no document has its lines")
    assert 'arcadia release aws/111/INV-1 --reason "..."' in reason
    project.settle("release", "INV-1")
    project.build()
    assert in_finance(project) == {"INV-1": (600, 60)}
    project.drop("lines.csv", as_csv(charge(BilledCost="5.00"), tax()))
    project.build()
    assert project.invoice("INV-1")["status"] == "held"
    assert in_finance(project) == {"INV-1": (600, 60)}
    assert len(project.lines("INV-1")) == 2


def test_a_credit_note_counts_below_zero_and_names_its_invoice(project: Project) -> None:
    project.drop("lines.csv", LINES)
    project.drop("statement.json", summaries({}, credit_memo("CN-1", **comes_to("2.20", "2.00"))))
    project.build()
    project.settle("release", "CN-1")
    project.build()
    assert in_finance(project) == {"INV-1": (600, 60), "CN-1": (-200, -20)}
    [stated] = project.query("FROM stated_invoices WHERE external_id = 'CN-1'")
    assert (stated["kind"], stated["refers_to"], str(stated["amount_gross"])[:5]) == ("credit_note", "INV-1", "-2.20")


def test_a_newer_statement_takes_the_place_of_an_older_one_and_a_rebuild_changes_nothing(project: Project) -> None:
    project.drop("lines.csv", LINES)
    project.drop("statement.json", summaries(comes_to("7.00", "6.40")))
    project.build()
    assert project.invoice("INV-1")["status"] == "held"
    project.drop("later.json", summaries({}))
    project.build()
    assert in_finance(project) == {"INV-1": (600, 60)}
    project.forget_warehouse()
    project.build()
    assert project.invoice("INV-1")["status"] == "ready"
    assert in_finance(project) == {"INV-1": (600, 60)}


def test_a_statement_that_does_not_know_the_account_is_of_the_invoice_with_its_id(project: Project) -> None:
    project.drop("statement.json", summaries({"AccountId": None}))
    project.build()
    project.drop("lines.csv", LINES)
    project.build()
    assert in_finance(project) == {"INV-1": (600, 60)}
    assert len(project.query("FROM tax_split_totals")) == 1


def test_a_statement_of_another_invoice_changes_nothing_of_this_one(project: Project) -> None:
    project.drop("lines.csv", LINES)
    project.drop("statement.json", summaries({"InvoiceId": "INV-2", **comes_to("1.00", "1.00")}))
    project.build()
    assert in_finance(project) == {"INV-1": (600, 60)}
    assert project.invoice("INV-2")["status"] == "held"


def pushed(project: Project, external_id: str) -> dict[str, object]:
    """What finance was told of the invoice besides its amounts."""
    assert project.sandbox is not None
    [row] = [row for row in project.sandbox.invoices() if row["external_id"] == external_id]
    terms = ("due_on", "purchase_order", "seller_tax_id", "kind", "reference")
    return {name: dict(row)[name] for name in (*terms, "times_received")}


def test_finance_is_told_what_the_issuer_states_besides_once_it_is_known(project: Project) -> None:
    project.drop("lines.csv", LINES)
    project.build()
    known = dict.fromkeys(("due_on", "purchase_order", "seller_tax_id", "kind", "reference"))
    assert pushed(project, "INV-1") == {**known, "times_received": 1}
    terms = {"DueDate": "2026-06-01T00:00:00Z", "PurchaseOrderNumber": "PO-7"}
    project.drop("statement.json", summaries(terms, credit_memo("CN-1", **comes_to("2.20", "2.00"))))
    project.build()
    known |= {"due_on": "2026-06-01", "purchase_order": "PO-7", "kind": "invoice"}
    assert pushed(project, "INV-1") == {**known, "times_received": 2}
    project.settle("release", "CN-1")
    project.build()
    told = pushed(project, "CN-1")
    assert (told["kind"], told["reference"]) == ("credit_note", "INV-1")
    project.build()
    assert pushed(project, "INV-1")["times_received"] == 2
