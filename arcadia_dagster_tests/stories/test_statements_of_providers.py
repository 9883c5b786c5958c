"""What each provider states of its invoices meets the lines of its exports: where they agree, and where they part."""

import json
import shlex
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster_tests.kit import aws
from arcadia_dagster_tests.kit.api_documents import scaleway, scaleway_invoice, written
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.einvoices import Facts, Tax, cii
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.pasted import commands_in, paste
from arcadia_dagster_tests.kit.project import SECRET, Project
from arcadia_dagster_tests.kit.sandboxes import execute
from arcadia_dagster_tests.kit.shell import Shell
from arcadia_dagster_tests.kit.stated import (
    azure_invoice,
    cost_row,
    cost_table,
    detail,
    detail_of_tax,
    details_csv,
    details_parquet,
)

OF_LINES: dict[str, Any] = {
    "number": "INV-1",
    "seller": "Amazon Web Services, Inc.",
    "buyer_number": "111",
    "currency": "USD",
    "start": "2026-04-01",
    "end": "2026-04-30",
    "lines": (),
}
AZURE = {"InvoiceIssuerName": "Microsoft", "ProviderName": "Microsoft", "InvoiceId": "G000000001"}


def in_finance(project: Project) -> dict[str, tuple[int, int]]:
    """Net and tax of each invoice that finance has, in minor units."""
    assert project.sandbox is not None
    rows = project.sandbox.invoices()
    return {row["external_id"]: (row["amount_net_minor"], row["amount_tax_minor"]) for row in rows}


def reasons(project: Project, external_id: str) -> str:
    invoice = project.invoice(external_id)
    assert invoice["status"] == "held"
    return " || ".join(invoice["hold_reasons"])


@case("130")
def test_an_aws_month_of_parts_and_its_summaries_is_one_record_that_two_documents_agree_on(project: Project) -> None:
    project.drop("cur/1.csv", aws.as_csv(aws.item(UnblendedCost="4.00")))
    project.drop("cur/2.csv", aws.as_csv(aws.item(UnblendedCost="2.00", ResourceId="b"), aws.tax()))
    project.drop(
        "summaries.json", aws.summaries({"InvoiceId": "2001", "DueDate": "2026-06-01", "PurchaseOrderNumber": "PO-1"})
    )
    project.build()
    assert in_finance(project) == {"2001": (600, 60)}
    [stated] = project.query(
        "SELECT external_id, purchase_order, strftime(due_on, '%Y-%m-%d') AS due_on FROM stated_invoices"
    )
    assert stated == {"external_id": "2001", "purchase_order": "PO-1", "due_on": "2026-06-01"}


FILES: dict[str, tuple[str, bytes]] = {
    "lines": ("lines.csv", as_csv(charge(), tax())),
    "summaries": ("summaries.json", aws.summaries({})),
    "detail": ("detail.csv", details_csv(detail(), detail_of_tax())),
}


@case("131")
@pytest.mark.parametrize("order", list(permutations(FILES)), ids=" then ".join)
def test_three_documents_of_one_invoice_are_one_record_in_whatever_order_they_come(
    project: Project, order: tuple[str, ...]
) -> None:
    for what in order:
        project.drop(*FILES[what])
        project.build()
    assert in_finance(project) == {"INV-1": (600, 60)}
    assert len(project.query("FROM tax_split_totals")) == 1
    assert project.invoice("INV-1")["status"] == "ready"


@case("131")
def test_two_statements_that_differ_hold_the_invoice_and_dismissing_the_wrong_one_settles_it(project: Project) -> None:
    project.drop(*FILES["lines"])
    project.drop(*FILES["summaries"])
    project.drop("detail.csv", details_csv(detail(BilledCost="7.00"), detail_of_tax()))
    project.build()
    reason = reasons(project, "INV-1")
    assert reason.startswith(
        "what its issuer states of it cannot be used: detail.csv states USD 7.6 tax 0.6, summaries.json states USD 6.6 tax 0.6"
    )
    assert "the word none" not in reason
    sha256 = project.document("detail.csv")["document_sha256"]
    assert f'arcadia dismiss {sha256[:12]} --reason "..."' in reason
    project.decide("dismiss", file_name="detail.csv")
    project.build()
    assert in_finance(project) == {"INV-1": (600, 60)}


@case("132")
@pytest.mark.parametrize("written", [details_csv, details_parquet], ids=["csv", "parquet"])
def test_a_voided_invoice_is_never_pushed_and_a_correction_is_a_record_of_its_own_once_it_is_released(
    project: Project, written: Callable[..., bytes]
) -> None:
    content = written(
        detail(InvoiceId="OLD", InvoiceIssueStatus="Voided"),
        detail(InvoiceId="CN", BilledCost="-2.00", ChargeCategory="Credit", ReferenceInvoiceId="INV-0"),
        detail(InvoiceId="NEXT", InvoiceIssueStatus="Open"),
    )
    project.drop("detail", content)
    project.build()
    assert in_finance(project) == {}
    assert "it is voided" in reasons(project, "OLD")
    assert "detail states it, and no document has its lines" in reasons(project, "CN")
    assert "it is a preview or has no id: shown, never pushed" in reasons(project, "NEXT")
    project.settle("release", "CN")
    project.build()
    assert in_finance(project) == {"CN": (-200, 0)}


@case("132")
def test_lines_of_a_voided_invoice_are_held_and_what_takes_its_place_is_named(project: Project) -> None:
    project.drop("lines.csv", as_csv(charge(**AZURE), tax(**AZURE)))
    project.drop(
        "invoices.json", json.dumps([azure_invoice(gross=6.6, tax=0.6, status="Void", billedDocumentId="G9")]).encode()
    )
    project.build()
    reason = reasons(project, "G000000001")
    assert reason.startswith(
        "invoices.json says that its issuer has taken it back, and G9 takes its place: arcadia void"
    )
    assert in_finance(project) == {}


def _breakdown(tax_amount: str) -> dict[str, Any]:
    whole = aws.comes_to("6.60", "6.00")["BaseCurrencyAmount"]
    return {"BaseCurrencyAmount": {**whole, "AmountBreakdown": {"Taxes": {"TotalAmount": tax_amount}}}}


def _of_azure(net: float) -> bytes:
    return json.dumps([azure_invoice(gross=6.6, tax=0.6, subTotal={"currency": "USD", "value": net})]).encode()


def _totals_of(net: str) -> bytes:
    totals = (("net", net), ("gross", "6.60"), ("due", "6.60"))
    return cii(Facts(**OF_LINES, taxes=(Tax("0.60", net, "10"),), totals=totals))


CONTRADICTIONS = {
    "AWS": ("INV-1", {}, aws.summaries(_breakdown("0.50")), aws.summaries(_breakdown("0.60"))),
    "Azure": ("G000000001", AZURE, _of_azure(5.5), _of_azure(6.0)),
    "an electronic invoice without lines": (
        "INV-1",
        {},
        _totals_of("5.00"),
        _totals_of("6.00"),
    ),
}


@case("154")
@pytest.mark.parametrize("issuer", CONTRADICTIONS)
def test_a_statement_whose_net_and_tax_are_not_its_total_holds_the_invoice(project: Project, issuer: str) -> None:
    external_id, of, wrong, right = CONTRADICTIONS[issuer]
    project.drop("lines.csv", as_csv(charge(**of), tax(**of)))
    project.drop("stated", wrong)
    project.build()
    assert "which come to" in reasons(project, external_id)
    assert "get it from its issuer again, and put it in the place of this one" in reasons(project, external_id)
    assert in_finance(project) == {}
    project.drop("stated", right)
    project.build()
    assert in_finance(project) == {external_id: (600, 60)}


@case("132")
def test_what_its_provider_voids_after_it_is_in_finance_is_told_until_its_commands_are_pasted(
    project: Project, arcadia: Shell, tmp_path: Path
) -> None:
    assert project.sandbox is not None
    at = {
        "ARCADIA_HOME": str(project.home),
        "SKYAI_FINANCE_URL": project.sandbox.url,
        "SKYAI_FINANCE_SECRET": SECRET,
        "SKYAI_FINANCE_LIST_PATH": "/api/v1/invoices",
    }

    def told() -> list[dict[str, Any]]:
        shown = json.loads(arcadia("status", "--json", environ=at).stdout)["findings"]
        return [one for one in shown if one["kind"] in {"nothing_held", "finance_has_nothing_else"}]

    project.drop("lines.csv", as_csv(charge(), tax()))
    project.drop("detail.csv", details_csv(detail(), detail_of_tax()))
    project.build()
    assert (in_finance(project), told()) == ({"INV-1": (600, 60)}, [])
    gone = {"InvoiceIssueStatus": "Voided"}
    project.drop("detail.csv", details_csv(detail(**gone), detail_of_tax(**gone)))
    project.build()
    [held] = told()
    [void] = commands_in(held["what"])[:1]
    assert "detail.csv says that its issuer has taken it back: arcadia void aws/111/INV-1" in held["what"]
    paste(arcadia, project, void)
    [left] = told()
    assert left["kind"] == "finance_has_nothing_else"
    assert "remove a void or dismissed invoice in finance by hand, then run `arcadia reconcile`" in left["advice"]
    assert left["command"] == "arcadia reconcile"
    pasted = shlex.split(left["command"])[1:]
    assert "remove it in finance by hand" in arcadia(*pasted, environ=at, code=1).stdout
    assert project.sandbox is not None
    execute(project.sandbox, "DELETE FROM invoices")
    arcadia(*pasted, environ=at)
    assert (told(), in_finance(project)) == ([], {})


@case("132")
def test_an_open_invoice_is_no_witness_of_its_lines(project: Project) -> None:
    project.drop("lines.csv", as_csv(charge(), tax()))
    project.drop("detail.csv", details_csv(detail(BilledCost="1.00", InvoiceIssueStatus="Open")))
    project.build()
    assert in_finance(project) == {"INV-1": (600, 60)}


@case("133")
@pytest.mark.parametrize("order", [("lines", "invoices"), ("invoices", "lines")], ids=" then ".join)
def test_an_azure_export_without_tax_and_its_invoice_are_ready_with_that_tax_as_a_line(
    project: Project, order: tuple[str, ...]
) -> None:
    documents = {
        "lines": ("lines.csv", as_csv(charge(BilledCost="10.00", **AZURE))),
        "invoices": ("invoices.json", json.dumps([azure_invoice()]).encode()),
    }
    for what in order:
        project.drop(*documents[what])
        project.build()
    assert in_finance(project) == {"G000000001": (1000, 190)}
    added = [line for line in project.lines("G000000001") if line["added_by"] is not None]
    assert [(line["charge_category"], f"{line['amount']:.2f}") for line in added] == [("Tax", "1.90")]
    assert added[0]["added_by"] == "invoices.json states USD 11.9 tax 1.9"


@case("133")
def test_an_invoice_of_azure_that_says_there_is_no_tax_is_enough_and_one_that_says_nothing_of_it_is_not(
    project: Project,
) -> None:
    second = {**AZURE, "InvoiceId": "E2", "ChargeDescription": "b", "BilledCost": "10.00"}
    project.drop("lines.csv", as_csv(charge(BilledCost="10.00", **AZURE), charge(**second)))
    silent = azure_invoice("E2", billedAmount=_money(10)) | dict.fromkeys(("totalAmount", "subTotal", "taxAmount"))
    project.drop("invoices.json", json.dumps([azure_invoice(gross=10.0, tax=0.0), silent]).encode())
    project.build()
    assert in_finance(project) == {"G000000001": (1000, 0)}
    assert reasons(project, "E2").startswith("its document states amounts before tax, and not the tax")


CHARGES = (charge(BilledCost="10.004"), charge(BilledCost="5.004", ResourceId="b", ServiceName="Amazon S3"))
CREDIT = charge(BilledCost="-3.00", ChargeCategory="Credit", ChargeDescription="Promotion", ConsumedQuantity=None)
# The lines, what is stated (gross and net), and what the difference is.
DIFFERENCES: dict[str, tuple[tuple[dict[str, str | None], ...], tuple[str, str | None], str]] = {
    "the tax": (
        (*CHARGES, tax(BilledCost="1.00")),
        ("16.51", "15.01"),
        "the difference of 0.50 USD is that of the tax",
    ),
    "its own tax": (
        (*CHARGES, tax(BilledCost="1.00")),
        ("15.01", None),
        "the difference of -1.00 USD is the tax of its lines: it is stated without it",
    ),
    "its credits": (
        (*CHARGES, CREDIT),
        ("15.01", "15.01"),
        "the difference of 3.00 USD is what its credits come to: it is stated without them",
    ),
    "a line": (
        (*CHARGES, charge(BilledCost="7.00", ChargeDescription="NAT gateway")),
        ("15.01", "15.01"),
        "the difference of -7.00 USD is exactly one of its lines: NAT gateway",
    ),
    "rounding each line": (
        CHARGES,
        ("15.00", "15.00"),
        "what is stated is what rounding each of its lines by itself gives",
    ),
    "a cent": (CHARGES, ("15.02", "15.02"), "the difference of 0.01 USD is as small as a rounding"),
    "the tax and a cent": (
        CHARGES,
        ("17.87", "15.02"),
        "the difference of 2.86 USD is tax of 2.85 USD and 0.01 USD, as small as a rounding",
    ),
    "nothing known": (CHARGES, ("99.00", "99.00"), ""),
}


@case("134")
@pytest.mark.parametrize("named", DIFFERENCES)
def test_where_lines_and_statement_part_the_reason_says_what_the_difference_is(project: Project, named: str) -> None:
    lines, (gross, net), words = DIFFERENCES[named]
    project.drop("lines.csv", as_csv(*lines))
    base = {"TotalAmount": gross, "TotalAmountBeforeTax": net, "CurrencyCode": "USD"}
    project.drop("summaries.json", aws.summaries({"BaseCurrencyAmount": base}))
    project.build()
    reason = reasons(project, "INV-1")
    assert "if summaries.json is wrong: drop the right one under its name, or take it out: arcadia dismiss" in reason
    assert "the word none" not in reason
    total = next(one for one in project.invoice("INV-1")["hold_reasons"] if one.startswith("the total that it states"))
    assert total.endswith(f'--reason "..."; {words}' if words else '--reason "..."')


@case("134")
def test_what_credits_and_a_prepayment_have_taken_from_an_invoice_of_azure_is_named_beside_its_tax(
    project: Project,
) -> None:
    project.drop("lines.csv", as_csv(charge(BilledCost="10.00", **AZURE)))
    invoice = azure_invoice(gross=7.14, tax=1.14, azurePrepaymentApplied=_money(3), freeAzureCreditApplied=_money(1))
    project.drop("invoices.json", json.dumps(invoice).encode())
    project.build()
    assert (
        "the difference of -2.86 USD is tax of 1.14 USD and -4.00 USD, what credits and prepayments have taken from it"
        in reasons(project, "G000000001")
    )


@case("134")
def test_a_total_in_a_file_and_a_statement_that_part_each_say_what_to_do(project: Project) -> None:
    project.drop("lines.csv", as_csv(charge(), tax()))
    project.drop("lines.csv.total", b"USD 7.00")
    project.drop("summaries.json", aws.summaries({}))
    project.build()
    reason = reasons(project, "INV-1")
    assert reason.startswith(
        "what its issuer states of it cannot be used: lines.csv.total states USD 7, summaries.json states"
    )
    assert "arcadia dismiss" in reason
    assert "write the word none into the file" in reason
    project.drop("lines.csv.total", b"none")
    project.build()
    assert in_finance(project) == {"INV-1": (600, 60)}


@case("134")
def test_what_is_stated_without_a_total_is_never_pushed_until_somebody_writes_it(project: Project) -> None:
    nothing = dict.fromkeys(("totalAmount", "billedAmount", "subTotal", "taxAmount"))
    project.drop("invoices.json", json.dumps([azure_invoice("G7") | nothing]).encode())
    project.build()
    reason = reasons(project, "G7")
    assert reason.startswith("invoices.json states this invoice without its total, and no document has its lines")
    assert not project.invoice("G7")["can_release"]
    project.drop("invoices.json.total", b"USD 11.90 tax 1.90")
    project.build()
    assert reasons(project, "G7").startswith("invoices.json.total states it, and no document has its lines")
    project.settle("release", "G7")
    project.build()
    assert in_finance(project) == {"G7": (1000, 190)}


TABLE = (
    cost_row("Usage", "100.004", "100.00"),
    cost_row("Tax", "19.00", "19.00", service="", sku="VAT"),
    cost_row("Rounding error", "-0.004", "0.00", service="", sku="", quantity="", unit="", start="", end=""),
    cost_row("Total", "119.00", "119.00", service="", sku="", quantity="", unit="", start="", end=""),
)


@case("135")
def test_a_cost_table_of_google_is_ready_where_its_rows_come_to_what_is_stated_above_them(project: Project) -> None:
    project.drop("with tax.csv", cost_table(*TABLE, total="$119.00"))
    usage = cost_row("Usage", "50.00", "50.00", sku="N1")
    project.drop("free of tax.csv", cost_table(usage, total="$50.00", number="5000000031"))
    project.build()
    assert in_finance(project) == {"5000000030": (10000, 1900), "5000000031": (5000, 0)}
    due = project.query("SELECT external_id, strftime(due_on, '%Y-%m-%d') AS due FROM stated_invoices ORDER BY ALL")
    assert [row["due"] for row in due] == ["2026-05-30", "2026-05-30"]


@case("135")
def test_a_cost_table_whose_download_left_out_tax_or_savings_is_held(project: Project) -> None:
    project.drop("no tax.csv", cost_table(TABLE[0], total="$119.00"))
    project.drop("no savings.csv", cost_table(cost_row("Usage", "80.00", "80.00", sku="N1"), total="$5.72", number="2"))
    project.build()
    assert in_finance(project) == {}
    held = reasons(project, "5000000030")
    assert held.startswith(
        "the total that it states, 119.00 USD, differs from the sum of its lines, 100.00 USD, which have no tax"
    )
    assert "the total that it states, 5.72 USD, differs from the sum of its lines, 80.00 USD" in reasons(project, "2")
    project.drop("no tax.csv.total", b"USD 119.00 tax 19.00")
    project.build()
    assert in_finance(project) == {"5000000030": (10000, 1900)}


@case("136")
def test_what_an_api_states_beside_its_lines_is_kept_and_what_cannot_be_read_of_it_holds_the_invoice(
    project: Project,
) -> None:
    project.drop("good.json", written(scaleway(scaleway_invoice(id="a"))))
    late = scaleway_invoice(id="b", due_date="soon", organization_id="org-2", billing_period="2026-03")
    project.drop("bad.json", written(scaleway(late)))
    project.build()
    assert in_finance(project) == {"a": (1234, 247)}
    assert reasons(project, "b").startswith("bad.json: invoices, 1, due_date: 'soon'; expected a day")
    [stated] = project.query(
        "SELECT external_id, seller_name, strftime(due_on, '%Y-%m-%d') AS due FROM stated_invoices"
    )
    assert stated == {"external_id": "a", "seller_name": "Scaleway", "due": "2026-06-03"}
    project.settle("release", "b")
    project.build()
    assert in_finance(project) == {"a": (1234, 247), "b": (1234, 247)}


def _money(value: float) -> dict[str, Any]:
    return {"currency": "USD", "value": value}
