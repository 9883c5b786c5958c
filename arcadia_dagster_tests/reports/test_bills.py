"""What the books are told of invoices, and what is found of accounts and budgets."""

import csv
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from arcadia_dagster.books.accounts import AccountRule, Accounts
from arcadia_dagster.books.bill import Payment
from arcadia_dagster.books.budgets import Budget
from arcadia_dagster.commands.invoices import _terms
from arcadia_dagster.defs.checks import nothing_in_suspense
from arcadia_dagster.landing.budgets import take_budgets
from arcadia_dagster.reports.bills import bills
from arcadia_dagster.reports.budgets import budget_standings
from arcadia_dagster.reports.explain import explain
from arcadia_dagster.reports.export import export
from arcadia_dagster.reports.findings import of_budgets, of_suspense
from arcadia_dagster.reports.standing import standings
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.resource import WarehouseResource
from arcadia_dagster.warehouse.rows import insert
from arcadia_dagster_tests.kit.bills import ACCOUNTS
from arcadia_dagster_tests.kit.books import APRIL, Books, invoice
from arcadia_dagster_tests.kit.plain import archive_of, new_warehouse

WORDS = "paid in AUD 10.12, at 1.5333 AUD for one USD"


@pytest.fixture
def books(tmp_path: Path) -> Books:
    books = Books(new_warehouse(tmp_path))
    one = invoice(1001, invoice_ordinal=1, hold_reasons=[], released_reasons=[], is_nothing=False)
    books.hold(one)
    with books.warehouse.write() as connection:
        stated = {
            **{
                name: one[name]
                for name in ("document_sha256", "invoice_ordinal", "source", "account_id", "external_id")
            },
            "kind": "invoice",
            "status": "issued",
            "currency": "USD",
            "payment_currency": "AUD",
            "seller_name": "DO, LLC",
            "payment_amount": Decimal("10.12"),
            "payment_rate": Decimal("1.5333"),
        }
        insert(connection, schema.STATED_INVOICES, [stated])
        line = {
            **{name: one[name] for name in ("document_sha256", "source", "account_id", "external_id", "invoice_month")},
            "currency": "USD",
            "service_name": "Droplets",
            "description": "web-01",
        }
        insert(
            connection,
            schema.COST_LINES,
            [
                {**line, "line_number": 1, "charge_category": "Usage", "amount": Decimal("6.001")},
                {**line, "line_number": 2, "charge_category": "Tax", "description": "GST", "amount": Decimal("0.60")},
            ],
        )
    return books


def test_a_bill_has_the_rows_of_its_lines_and_what_is_known_of_it(books: Books) -> None:
    with books.warehouse.read() as connection:
        [bill] = bills(connection, [APRIL], ACCOUNTS)
    assert [(row.key.what, row.account, row.amount_minor) for row in bill.rows] == [
        ("Droplets", "6100", 600),
        ("Tax", "1200", 60),
    ]
    assert (bill.terms.seller_name, bill.terms.payment) == (
        "DO, LLC",
        Payment("AUD", Decimal("10.12"), Decimal("1.5333")),
    )


def test_the_statement_explain_and_the_export_show_it_as_it_is_stated(books: Books, tmp_path: Path) -> None:
    with books.warehouse.read() as connection:
        [shown] = standings(connection, [APRIL])[APRIL].invoices
    assert shown.paid == WORDS
    [stated] = explain(books.warehouse, archive_of(books.warehouse), InvoiceKey("digitalocean", "77", "1001"))["stated"]
    assert _terms(stated).endswith(WORDS)
    [written] = export(books.warehouse, {"invoices": tmp_path / "i.csv"}, format="csv", months=None, target="https://f")
    with written.path.open(encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["payment_currency"], row["payment_amount"], row["payment_rate"]) == ("AUD", "10.12", "1.5333")


def test_only_what_is_stated_is_said() -> None:
    assert Payment("EUR", None, None).words("USD") == "paid in EUR"
    assert Payment("EUR", Decimal("100.00"), None).words("USD") == "paid in EUR 100"


def test_the_check_of_the_accounts_lists_what_is_in_suspense(books: Books, tmp_path: Path) -> None:
    with books.warehouse.read() as connection:
        found = of_suspense(bills(connection, [APRIL], Accounts((AccountRule("tax", "1200"),))))
        assert of_suspense(bills(connection, [APRIL], ACCOUNTS)) == []
    assert [(one.facts["month"], one.facts["source"], one.what) for one in found] == [
        ("2026-04", "digitalocean", "expense Droplets: 6.00 USD")
    ]
    path = tmp_path / "accounts.toml"
    check = nothing_in_suspense(path, must_exist=False)

    def result() -> dg.AssetCheckResult:
        found = check(WarehouseResource(path=str(books.warehouse.path)))
        assert isinstance(found, dg.AssetCheckResult)
        return found

    assert result().description == f"there is no {path}"
    path.write_text("[[expense]]", encoding="utf-8")
    wrong = result()
    assert (wrong.passed, "expense 1: account is missing" in str(wrong.description)) == (False, True)
    path.write_text('[[tax]]\naccount = "1200"', encoding="utf-8")
    assert "found" in (result().metadata or {})


def test_a_budget_that_is_over_is_a_finding(books: Books) -> None:
    take_budgets(
        books.warehouse, Path("budgets.toml"), [Budget(Decimal(5), "USD"), Budget(Decimal(9), "USD", provider="x")]
    )
    with books.warehouse.read() as connection:
        [found] = of_budgets(budget_standings(connection, [APRIL])[APRIL])
    assert found.what == "over: 6.00 of 5 USD spent, 6.00 expected (final invoices)"
