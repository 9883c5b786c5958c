"""What is exported is what the warehouse has, to the last digit, and no spreadsheet runs any of it."""

import csv
import re
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arcadia_dagster.billing.currency import EXPONENTS
from arcadia_dagster.reports.export import Content, Format, export
from arcadia_dagster.warehouse import Warehouse, hold, schema
from arcadia_dagster.warehouse.rows import insert
from arcadia_dagster_tests.kit import aws, focus
from arcadia_dagster_tests.kit.books import APRIL, MAY, TENANT, Books, invoice
from arcadia_dagster_tests.kit.plain import build, new_warehouse
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax

WIDE = Context(prec=60)
TARGET = "https://finance.example"
STARTS = "=+-@\t\r\n＝＋－＠"  # noqa: RUF001 - the wide forms, which are dangerous for being alike


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(new_warehouse(tmp_path))


def exported(warehouse: Warehouse, content: Content, format_: Format, **options: Any) -> Path:
    path = warehouse.path.parent / f"{content}.{format_}"
    [written] = export(warehouse, {content: path}, format=format_, **{"months": None, "target": TARGET, **options})
    assert (written.path, written.rows) == (path, len(rows_of(path)))
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def text_of(cell: str) -> str:
    """The text back, as docs/exports.md says."""
    return cell[1:] if re.match(rf"'+[{re.escape(STARTS)}]", cell) else cell


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
HOSTILE = st.one_of(
    TEXTS,
    st.builds("".join, st.tuples(st.text("'", max_size=2), st.sampled_from(STARTS), TEXTS)),
    st.sampled_from(['=HYPERLINK("http://evil.example")', "'=1", '"', "a,b", "a\r\nb", ""]),
)
AMOUNTS = st.decimals(-(10**15), 10**15, places=18, allow_nan=False)
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001 - the warehouse keeps UTC without saying so


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.tuples(HOSTILE, AMOUNTS, TIMES, st.sampled_from(sorted(EXPONENTS)), st.none() | HOSTILE), max_size=4
    )
)
def test_lines_come_back_from_both_formats_to_the_last_digit(books: Books, lines: list[tuple[Any, ...]]) -> None:
    rows = [
        {
            "document_sha256": "0" * 64,
            "line_number": number,
            "invoice_month": APRIL,
            "source": "s",
            "account_id": "a",
            "external_id": "-1",
            "description": text,
            "amount": amount,
            "charge_period_start": start,
            "currency": currency,
            "project": project,
        }
        for number, (text, amount, start, currency, project) in enumerate(lines, 1)
    ]
    with books.warehouse.write() as connection:
        connection.execute("DELETE FROM cost_lines")
        insert(connection, schema.COST_LINES, rows)
    cells = rows_of(exported(books.warehouse, "lines", "csv"))
    kept = rows_of(exported(books.warehouse, "lines", "parquet"))
    for row, cell, typed in zip(rows, cells, kept, strict=True):
        start, minor = (
            row["charge_period_start"].replace(tzinfo=UTC),
            WIDE.scaleb(row["amount"], EXPONENTS[row["currency"]]),
        )
        assert not any(cell[name].startswith(tuple(STARTS)) for name in ("description", "external_id", "project"))
        assert (text_of(cell["description"]), text_of(cell["external_id"])) == (row["description"], "-1")
        assert text_of(cell["project"]) == (row["project"] or "")
        assert (Decimal(cell["amount"]), Decimal(cell["amount_minor_exact"])) == (row["amount"], minor)
        assert datetime.fromisoformat(cell["charge_period_start"]) == start
        assert (typed["description"], typed["project"]) == (row["description"], row["project"])
        assert (typed["amount"], typed["amount_minor_exact"], typed["charge_period_start"]) == (
            row["amount"],
            minor,
            start,
        )


def test_invoices_have_their_amounts_in_major_and_minor_units_of_any_currency(books: Books) -> None:
    books.hold(
        invoice(1, amount_gross_minor=-8692, amount_net_minor=-7902, amount_tax_minor=-790),
        invoice(2, currency="JPY", hold_reasons=["-5 lines are odd", "so is the tax"], status="held"),
        invoice(3, currency="KWD"),
        invoice(4, currency=None, amount_gross_minor=None, amount_net_minor=None, amount_tax_minor=None),
    )
    cells = rows_of(exported(books.warehouse, "invoices", "csv"))
    assert [(row["currency"], row["amount_gross"], row["amount_gross_minor"]) for row in cells] == [
        ("USD", "-86.92", "-8692"),
        ("JPY", "660", "660"),
        ("KWD", "0.66", "660"),
        ("", "", ""),
    ]
    assert cells[1]["hold_reasons"] == "'-5 lines are odd; so is the tax"
    path = exported(books.warehouse, "invoices", "parquet")
    typed = rows_of(path)
    assert [row["amount_gross"] for row in typed] == [Decimal("-86.92"), Decimal(660), Decimal("0.66"), None]
    assert (typed[1]["hold_reasons"], typed[0]["invoice_month"]) == (["-5 lines are odd", "so is the tax"], APRIL)
    kept = pq.read_schema(path)
    assert kept.field("amount_gross").type == pa.decimal128(38, 4)
    assert kept.field("amount_gross_exact").type == pa.decimal128(38, 18)
    assert kept.field("received_at").type == pa.timestamp("us", tz="UTC")
    assert kept.field("period_start").type == pa.date32()


def test_a_row_is_what_a_tenant_bears_whatever_was_pushed_where_and_rows_have_one_order(books: Books) -> None:
    books.hold(*(invoice(number, invoice_month=MAY if number % 2 else APRIL) for number in (10, 9, 8, 7)))
    key = {"source": "digitalocean", "account_id": "77", "invoice_month": APRIL}
    parts = [
        {**key, "external_id": "8", "finance_external_id": f"8:{tenant}", "tenant_id": tenant, "projects": [tenant],
         "amount_gross_minor": gross, "amount_net_minor": gross - 20, "amount_tax_minor": 20, "line_count": 1}
        for tenant, gross in (("south", 460), ("north", 200))
    ]  # fmt: skip
    pushed = [(TARGET, "north"), (TARGET, "south"), ("https://sandbox.example", "south"), (TARGET, "west")]
    with books.warehouse.write() as connection:
        connection.execute("DELETE FROM allocations WHERE external_id = '8'")
        insert(connection, schema.ALLOCATIONS, parts)
        records = [
            {
                **key,
                "external_id": f"8:{tenant}",
                "tenant_id": tenant,
                "target": target,
                "finance_invoice_id": f"inv-{tenant}",
            }
            for target, tenant in pushed
        ]
        insert(connection, schema.FINANCE_RECORDS, records)
    rows = rows_of(exported(books.warehouse, "invoices", "csv"))
    assert [row["external_id"] for row in rows] == ["10", "8", "8", "7", "9"]
    found = [(row["tenant_id"], row["finance_invoice_id"], row["amount_gross"]) for row in rows]
    whole = (TENANT, "", "6.6")
    assert found == [whole, ("north", "inv-north", "2"), ("south", "inv-south", "4.6"), whole, whole]
    [month] = {row["invoice_month"] for row in rows_of(exported(books.warehouse, "invoices", "csv", months=[MAY]))}
    assert month == "2026-05-01"
    assert rows_of(exported(books.warehouse, "invoices", "parquet", months=[date(2020, 1, 1)])) == []


ROUTES = """
[[route]]
source = "digitalocean"
account = "78"
tenant = "acme"

[[route]]
source = "digitalocean"
account = "79"
project = "shop"
tenant = "acme"
"""


def test_exact_amounts_are_the_sums_of_the_files_lines_unless_the_invoice_is_split(tmp_path: Path) -> None:
    """Summed here from the files, by another reader than ours."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (tmp_path / "tenants.toml").write_text(ROUTES, encoding="utf-8")
    files = {
        # Borne by the own tenant; by another, all of it; held for its total.
        ("77", "1"): digitalocean(line(amount="$0.004"), line(amount="$10.0000000001"), tax(amount="$1.00049")),
        ("78", "2"): digitalocean(line(amount="$5.125"), line("Credits", "Goodwill", "-$0.0000001", hours="")),
        ("77", "3"): digitalocean(line(amount="$6.001"), tax(amount="$0.5999")),
        # Borne by nobody, for its currency has no minor units.
        ("111", "INV-1"): focus.as_csv(focus.charge(BillingCurrency="XTS", BilledCost="7.00000000001")),
        # Split: the own tenant's part has the tax only, and no project.
        ("79", "5"): digitalocean(line("Credits", "Goodwill", "-$9.99"), tax(amount="$0.333").replace(",shop,", ",,")),
    }
    for (account, number), content in files.items():
        (inbox / invoice_name(number=number, account=account)).write_bytes(content)
    (inbox / f"{invoice_name(number='3')}.total").write_text("99.00", encoding="utf-8")
    warehouse = new_warehouse(tmp_path)
    build(warehouse)
    typed = rows_of(exported(warehouse, "invoices", "parquet"))
    assert [(row["account_id"], row["external_id"], row["tenant_id"], row["status"]) for row in typed] == [
        ("111", "INV-1", None, "held"),
        ("77", "1", TENANT, "ready"),
        ("77", "3", TENANT, "held"),
        ("78", "2", "acme", "ready"),
        ("79", "5", "acme", "ready"),
        ("79", "5", TENANT, "ready"),
    ]
    assert typed[-1]["projects"] == []
    for row, cell in zip(typed, rows_of(exported(warehouse, "invoices", "csv")), strict=True):
        is_split = row["account_id"] == "79"
        sums = (None, None) if is_split else sums_of(files[row["account_id"], row["external_id"]])
        assert (row["amount_gross_exact"], row["amount_tax_exact"]) == sums
        shown = (cell["amount_gross_exact"], cell["amount_tax_exact"])
        assert tuple(Decimal(text) if text else None for text in shown) == sums


def sums_of(content: bytes) -> tuple[Decimal, Decimal]:
    """The exact sums of a file's lines, and of its tax lines."""
    rows = list(csv.DictReader(content.decode().splitlines()))
    amounts = [Decimal((row.get("BilledCost") or row["USD"]).replace("$", "")) for row in rows]
    taxes = [amount for row, amount in zip(rows, amounts, strict=True) if row.get("product") == "Taxes"]
    return sum(amounts, Decimal()), sum(taxes, Decimal())


def test_csv_is_as_rfc_4180_has_it(books: Books) -> None:
    books.hold(invoice(1, file_name="\u00fc,\r\n.csv"))
    content = exported(books.warehouse, "invoices", "csv").read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n") == 3  # one is quoted
    assert content.endswith(b"\r\n")
    assert '"ü,\r\n.csv"'.encode() in content


def test_a_failure_leaves_nothing_behind_and_the_old_file_as_it_was(books: Books, tmp_path: Path) -> None:
    books.hold(invoice(1))
    old = tmp_path / "invoices.csv"
    old.write_text("old", encoding="utf-8")
    before = set(tmp_path.iterdir())
    with pytest.raises(OSError, match=r"lines\.csv"):
        export(
            books.warehouse,
            {"invoices": old, "lines": tmp_path / "nowhere" / "lines.csv"},
            format="csv",
            months=None,
            target=TARGET,
        )
    assert old.read_text(encoding="utf-8") == "old"
    assert set(tmp_path.iterdir()) <= {*before, tmp_path / "arcadia.duckdb.lock"}


def test_an_export_disturbs_no_other_reader(books: Books) -> None:
    books.hold(invoice(1))
    path = exported(books.warehouse, "invoices", "csv")
    again = Warehouse(books.warehouse.path, lock_timeout=5)
    with again.read(), hold(books.warehouse.delivery_lock_path, timeout=5):
        assert exported(books.warehouse, "invoices", "csv") == path


def test_an_invoice_that_two_files_state_together_is_one_row(tmp_path: Path) -> None:
    project = Project(tmp_path)
    lines = [aws.item(LineItemDescription=f"line {number}", UnblendedCost="1.00") for number in range(9)]
    project.drop("cur/20260401-20260501/a1/cur-1.csv", aws.as_csv(*lines[:5], aws.tax(UnblendedCost="1.00")))
    project.drop("cur/20260401-20260501/a1/cur-2.csv", aws.as_csv(*lines[5:]))
    build(project.warehouse)
    [row] = rows_of(exported(project.warehouse, "invoices", "csv"))
    assert (row["external_id"], row["amount_gross"], row["line_count"]) == ("2001", "10", "10")
    assert project.query("SELECT document_sha256, file_name FROM invoices") == [
        {"document_sha256": row["document_sha256"], "file_name": row["file_name"]}
    ]
