"""What Azure states of its invoices, as its command line prints it and its API answers."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from arcadia_dagster.reading.statements import InvoiceStatement
from arcadia_dagster_tests.kit.documents import Desk
from arcadia_dagster_tests.kit.stated import azure_answer, azure_invoice

WHOLE = azure_invoice(
    gross=17.85,
    tax=2.85,
    billedAmount={"currency": "USD", "value": 33.99},
    azurePrepaymentApplied={"currency": "USD", "value": 15.46},
    creditAmount={"currency": "USD", "value": 2},
    freeAzureCreditApplied={"currency": "USD", "value": 1.53},
    amountDue={"currency": "USD", "value": 5},
    purchaseOrderNumber="PO-4711",
)
STATED = InvoiceStatement(
    source="azure",
    account_id="/providers/Microsoft.Billing/billingAccounts/1:2_2019-05-31/billingProfiles/AAAA-BBBB",
    external_id="G000000001",
    currency="USD",
    gross=Decimal("17.85"),
    net=Decimal("15.0"),
    tax=Decimal("2.85"),
    credits=Decimal("-16.99"),
    issued_on=date(2026, 5, 5),
    due_on=date(2026, 5, 31),
    period_start=date(2026, 4, 1),
    period_end=date(2026, 4, 30),
    purchase_order="PO-4711",
)


def only(desk: Desk, content: Any) -> InvoiceStatement:
    [found] = desk.read(content if isinstance(content, bytes) else json.dumps(content))
    assert (found.format, found.reason) == ("azure_invoices", None)
    [statement] = found.statements
    return statement


@pytest.mark.parametrize(
    "content",
    [WHOLE, [WHOLE], {"value": [WHOLE], "nextLink": None}, azure_answer(WHOLE), azure_answer(WHOLE, nextLink="")],
    ids=["show", "list", "a list as the API has it", "the API", "the API's last page"],
)
def test_gross_is_what_was_due_at_the_issue_and_what_credits_took_is_kept_beside_it(
    large_desk: Desk, content: bytes | dict[str, Any] | list[dict[str, Any]]
) -> None:
    assert only(large_desk, content) == STATED


@pytest.mark.parametrize(
    ("status", "stands"),
    [
        ("Due", "issued"),
        ("OverDue", "issued"),
        ("Locked", "issued"),
        ("Paid", "paid"),
        ("Void", "voided"),
        (None, "issued"),
    ],
)
def test_what_has_become_of_it_is_its_status(large_desk: Desk, status: str | None, stands: str) -> None:
    assert only(large_desk, azure_invoice(status=status)).status == stands


def test_a_voided_invoice_names_the_one_in_its_place_and_a_credit_note_the_one_that_it_is_about(
    large_desk: Desk,
) -> None:
    rebilled = {"rebillDetails": {"invoiceDocumentId": "G3", "creditNoteDocumentId": "G2", "rebillDetails": {}}}
    content = [
        azure_invoice("G1", status="Void", billedDocumentId="G3"),
        azure_invoice("G2", documentType="CreditNote", creditForDocumentId="G1"),
        azure_invoice("G4", gross=-11.9, tax=-1.9, documentType="CreditNote", creditForDocumentId="G1"),
        azure_invoice("G5", status="Void") | rebilled,
        azure_invoice("G3", creditForDocumentId=None),
    ]
    [found] = large_desk.read(json.dumps(content))
    told = {one.external_id: (one.kind, one.gross, one.tax, one.refers_to, one.replaced_by) for one in found.statements}
    whole, taken = (Decimal("11.9"), Decimal("1.9")), (Decimal("-11.9"), Decimal("-1.9"))
    assert told == {
        "G1": ("invoice", *whole, None, "G3"),
        "G2": ("credit_note", *taken, "G1", None),
        "G4": ("credit_note", *taken, "G1", None),
        "G5": ("invoice", *whole, None, "G3"),
        "G3": ("invoice", *whole, None, None),
    }


def test_an_account_without_a_total_states_what_was_billed_and_no_tax(large_desk: Desk) -> None:
    none = dict.fromkeys(("totalAmount", "subTotal", "taxAmount", "billingProfileId"))
    found = only(large_desk, azure_invoice("E1", billedAmount={"currency": "EUR", "value": 20.0}) | none)
    assert (found.gross, found.net, found.tax, found.currency) == (Decimal("20.0"), None, None, "EUR")
    assert found.account_id == "/providers/Microsoft.Billing/billingAccounts/1:2_2019-05-31"


@pytest.mark.parametrize("name", ["subTotal", "taxAmount", "azurePrepaymentApplied"])
def test_amounts_of_two_currencies_are_rejected_with_what_to_do(large_desk: Desk, name: str) -> None:
    [found] = large_desk.read(json.dumps(azure_invoice() | {name: {"currency": "EUR", "value": 1.9}}))
    assert found.reason == (
        f"the document: {name}, currency: EUR; expected USD, as its other amounts have: get the invoice from Azure again, "
        "and drop it in the place of this one"
    )
    nothing = json.dumps(azure_invoice(azurePrepaymentApplied={"currency": "EUR", "value": 0}))
    assert only(large_desk, nothing.encode()).currency == "USD"


def test_days_as_the_description_of_the_api_has_them_are_read_too(large_desk: Desk) -> None:
    days = {"invoicePeriodStartDate": "04-01-2026", "invoicePeriodEndDate": "04-30-2026"}
    found = only(large_desk, azure_invoice("G6") | days)
    assert (found.period_start, found.period_end) == (date(2026, 4, 1), date(2026, 4, 30))


WRONG: dict[str, tuple[Any, str]] = {
    "another status": ([azure_invoice(), azure_invoice(status="Lost")], "invoice 2, status: 'Lost'; expected Due or"),
    "no name": (azure_invoice() | {"name": None}, "name: missing; expected a text"),
    "no number": (
        azure_invoice(totalAmount={"currency": "USD", "value": "ten"}),
        "totalAmount, value: 'ten'; expected",
    ),
    "no day": (azure_invoice(dueDate="13-40-2026"), "dueDate: '2026-13-40'; expected a day"),
    "no currency": (
        azure_invoice() | dict.fromkeys(("totalAmount", "billedAmount", "amountDue")),
        "the document: totalAmount, currency: missing",
    ),
    "a page": ({"value": [azure_invoice()], "nextLink": "https://example.org/2"}, "nextLink: the rest of the list"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_read_is_named_with_its_place_and_nothing_is_taken(large_desk: Desk, case: str) -> None:
    content, reason = WRONG[case]
    [found] = large_desk.read(json.dumps(content))
    assert str(found.reason).startswith(reason)
    assert (found.invoices, found.statements) == ((), ())


def test_a_list_with_anything_else_in_it_is_not_taken_for_one_of_invoices(large_desk: Desk) -> None:
    [found] = large_desk.read(json.dumps([azure_invoice(), {"id": "1", "name": "web", "type": "droplet"}]))
    assert (found.format, found.reason is None, found.invoices) == ("listing", False, ())
