"""Months as FOCUS: as the specification's model has it, judged by a validator that is not ours, and the same totals read back."""

import csv
import gzip
import io
import json
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from focus_data_toolkit.convert import convert_to_focus_1_4, read_csv_rows
from focus_data_toolkit.convert.detect import detect_focus_version
from focus_data_toolkit.model.validator import lint_focus_1_4_structure, load_model
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.billing.currency import to_minor
from arcadia_dagster.billing.services import SERVICES
from arcadia_dagster.reports.export import CONTENTS, FORMATS, export
from arcadia_dagster.reports.figures import currency_figures
from arcadia_dagster.reports.focus import (
    COST_AND_USAGE,
    INVOICE_DETAIL,
    INVOICE_DETAIL_COLUMNS,
    Exported,
    _amounts,
    cost_and_usage_columns,
    export_months,
)
from arcadia_dagster.sample import FOLDER as SAMPLE
from arcadia_dagster_tests.kit.api_documents import ovhcloud, written
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line
from arcadia_dagster_tests.kit.project import tax as tax_line
from arcadia_dagster_tests.kit.properties import from_attos, quickly

APRIL = date(2026, 4, 1)
EURO = {"BillingCurrency": "EUR", "InvoiceIssuerName": "Scaleway", "InvoiceId": "S-1"}
CHARGES = (
    charge(BilledCost="0.123456789012345678"),
    tax(),
    charge(ChargeCategory="Credit", BilledCost="-1.005", ConsumedQuantity=None, ConsumedUnit=None, ResourceId=None),
    charge(ChargeCategory="Purchase", BilledCost="12.345", **EURO),
    tax(BilledCost="2.345", **EURO),
    charge(ChargeCategory="Adjustment", BilledCost="-0.01", **EURO),
    charge(BilledCost="1500", BillingCurrency="JPY", InvoiceId="J-1", InvoiceIssuerName="Nihon Kumo"),
    charge(BilledCost="7.00", InvoiceId=None),
)


class Month:
    """April 2026 of a company with many kinds of invoices, written as FOCUS."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder / "home")
        self.project.drop_copy(SAMPLE / "inbox" / "DigitalOcean Invoice 2026 Apr (0000000-900000004).csv")
        self.project.drop_copy(SAMPLE / "inbox" / "cloud-resources.csv")
        self.project.drop(invoice_name(), digitalocean(line(start="", end=""), line("Sundries", "=1+1"), tax_line()))
        self.project.drop(invoice_name(number="1002"), digitalocean(line(), tax_line(amount="$90.00")))  # held
        self.project.drop("charges.csv", as_csv(*CHARGES))
        self.project.build()
        self.project.decide("void")
        self.project.build()
        self.folder = folder / "focus"
        self.exported = self.export()

    def export(self) -> Exported:
        with self.project.warehouse.read() as connection:
            return export_months(connection, self.folder, [APRIL])[APRIL]

    def path(self, name: str, suffix: str) -> Path:
        return self.folder / "2026-04" / f"{name}.{suffix}"

    def rows(self, name: str) -> list[dict[str, str]]:
        with self.path(name, "csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Month:
    return Month(tmp_path_factory.mktemp("focus"))


def test_invoice_detail_passes_the_validator(month: Month) -> None:
    rows = month.rows(INVOICE_DETAIL)
    assert len(rows) == month.exported.details > 10
    assert lint_focus_1_4_structure("Invoice Detail", rows).messages() == []


def test_the_validator_fails_on_bad_data(month: Month) -> None:
    for name, value in (
        ("BilledCost", "a lot"),
        ("ChargeCategory", "Gift"),
        ("InvoiceId", ""),
        ("BillingCurrency", "US$"),
    ):
        rows = month.rows(INVOICE_DETAIL)
        rows[0][name] = value
        assert lint_focus_1_4_structure("Invoice Detail", rows).messages() != [], name


def test_cost_and_usage_is_version_1_2_and_becomes_1_4_without_a_complaint(month: Month) -> None:
    rows = read_csv_rows(month.path(COST_AND_USAGE, "csv"))
    assert len(rows) == month.exported.lines
    assert detect_focus_version(rows[0]) == "1.2"
    result = convert_to_focus_1_4(rows)
    converted = result.datasets["Cost and Usage"]
    assert lint_focus_1_4_structure("Cost and Usage", converted).messages() == []
    assert sum(Decimal(row["BilledCost"]) for row in converted) == sum(Decimal(row["BilledCost"]) for row in rows)


def test_columns_types_nulls_and_values_are_those_of_the_model(month: Month) -> None:
    datasets = load_model()["datasets"]
    renamed = {"ProviderName": "ServiceProviderName", "PublisherName": "HostProviderName"}  # as 1.2 calls them
    for name, dataset in ((COST_AND_USAGE, "Cost and Usage"), (INVOICE_DETAIL, "Invoice Detail")):
        columns = datasets[dataset]["columns"]
        table = pq.read_table(month.path(name, "parquet"))
        found = {renamed.get(column, column) for column in table.column_names}
        mandatory = {column for column, known in columns.items() if known["feature_level"] == "Mandatory"}
        assert mandatory - found == set(), "since 1.3 or 1.4 or missing"
        assert {column for column in found if not column.startswith("x_")} - set(columns) == set()
        for field in table.schema:
            known = columns.get(renamed.get(field.name, field.name))
            if known is None:
                continue
            types = {"Decimal": "decimal128(38, 18)", "Date/Time": "timestamp[us, tz=UTC]"}
            assert str(field.type) == types.get(known["data_type"], "string"), field.name
            values = table[field.name].to_pylist()
            assert known["allows_nulls"] or None not in values, field.name
            if known["allowed_values"]:
                assert {value for value in values if value is not None} <= set(known["allowed_values"]), field.name


def test_the_columns_that_the_catalog_shows_are_those_of_the_file_with_their_types(month: Month) -> None:
    types = {"BIGINT": "int", "TIMESTAMP": "timestamp[us, tz=UTC]", "VARCHAR": "string"}
    schema = pq.read_schema(month.path(COST_AND_USAGE, "parquet"))
    shown = cost_and_usage_columns()
    assert list(shown) == schema.names
    assert [
        field.name for field in schema if types.get(shown[field.name], "decimal128(38, 18)") not in str(field.type)
    ] == []


def test_every_known_service_has_a_category_and_a_subcategory_of_the_specification() -> None:
    parents = load_model()["service_subcategory_parents"]
    for services in SERVICES.values():
        assert {subcategory: category for category, subcategory in services.values()}.items() <= parents.items()


def test_parquet_and_csv_have_the_same_to_the_last_digit(month: Month) -> None:
    for name in (COST_AND_USAGE, INVOICE_DETAIL):
        table = pq.read_table(month.path(name, "parquet")).to_pylist()
        for row, text in zip(table, month.rows(name), strict=True):
            assert {column: _text(value) for column, value in row.items()} == text


def test_what_a_spreadsheet_would_run_is_as_the_document_has_it_because_programs_read_focus(month: Month) -> None:
    # `arcadia export` writes for spreadsheets, and puts a ' before it.
    assert [row["ChargeDescription"] for row in month.rows(COST_AND_USAGE) if row["ServiceName"] == "Sundries"] == [
        "=1+1"
    ]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        shown = f"{value:f}".rstrip("0").rstrip(".")
        return "0" if shown == "-0" else shown
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if hasattr(value, "strftime") else str(value)


def test_the_lines_are_exactly_those_of_the_warehouse(month: Month) -> None:
    stated = month.project.query("SELECT amount::VARCHAR AS amount FROM cost_lines WHERE invoice_month = ?", [APRIL])
    exported = [Decimal(row["BilledCost"]) for row in month.rows(COST_AND_USAGE)]
    assert sorted(exported) == sorted(Decimal(row["amount"]) for row in stated)


def test_each_invoice_of_the_details_sums_to_what_is_pushed(month: Month) -> None:
    sums: dict[str, Decimal] = {}
    taxes: dict[str, Decimal] = {}
    status = {}
    for row in month.rows(INVOICE_DETAIL):
        sums[row["InvoiceId"]] = sums.get(row["InvoiceId"], Decimal(0)) + Decimal(row["BilledCost"])
        if row["ChargeCategory"] == "Tax":
            taxes[row["InvoiceId"]] = Decimal(row["BilledCost"])
        status[row["InvoiceId"]] = row["InvoiceIssueStatus"]
    assert (sums["900000004"], taxes["900000004"]) == (Decimal("86.92"), Decimal("7.90"))
    totals = month.project.query("SELECT * FROM tax_split_totals")
    exponent = {"JPY": 0, "USD": 2, "EUR": 2}
    expected = {
        row["external_id"]: Decimal(row["amount_gross_minor"]).scaleb(-exponent[row["currency"]])
        for row in totals
        if row["external_id"] in sums
    }
    assert sums == expected
    assert set(sums) == {"900000004", "1001", "1002", "INV-1", "S-1", "J-1"}, "what is not invoiced yet has no details"
    assert {number for number, found in status.items() if found == "Voided"} == {"1001"}


def of_another_program(month: Month, suffix: str) -> bytes:
    """The same lines without the marks by which an inbox knows what this program wrote."""
    table = pq.read_table(month.path(COST_AND_USAGE, "parquet"))
    kept = [name for name in table.column_names if not name.startswith("x_") and name != "BillingAccountType"]
    if suffix == "csv":
        return _as_csv(kept, month.rows(COST_AND_USAGE))
    file = io.BytesIO()
    pq.write_table(table.select(kept), file)
    return file.getvalue()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_read_back_it_gives_the_same_totals_to_the_minor_unit(month: Month, tmp_path: Path, suffix: str) -> None:
    other = Project(tmp_path / "home")
    other.drop(f"april.{suffix}", of_another_program(month, suffix))
    other.build()
    columns = "source, external_id, currency, amount_gross_minor, amount_net_minor, amount_tax_minor, line_count"
    query = f"SELECT {columns} FROM tax_split_totals WHERE external_id NOT LIKE '%uninvoiced%' ORDER BY ALL"
    before, after = month.project.query(query), other.query(query)
    assert [row for row in after if row not in before] == []
    assert {row["external_id"] for row in before} - {row["external_id"] for row in after} == set()


def test_exporting_again_changes_no_byte_and_leaves_nothing_else(month: Month) -> None:
    before = {path.name: path.read_bytes() for path in (month.folder / "2026-04").iterdir()}
    assert sorted(before) == sorted(path.name for path in month.exported.files)
    month.export()
    assert {path.name: path.read_bytes() for path in (month.folder / "2026-04").iterdir()} == before


def test_months_that_are_written_together_have_the_bytes_that_each_has_alone(tmp_path: Path) -> None:
    project = Project(tmp_path / "home")
    for number in (2, 3, 5):
        start = f"2026-{number:02}-01T00:00:00Z"
        of_month = {
            "BillingPeriodStart": start,
            "ChargePeriodStart": start,
            "ChargePeriodEnd": f"2026-{number:02}-02T00:00:00Z",
        }
        # An invoice without an id is not final: its month has lines, and no details.
        ids = (f"INV-{number}-1", f"INV-{number}-2") if number != 3 else (None,)
        project.drop(f"{number}.csv", as_csv(*(charge(InvoiceId=name, **of_month) for name in ids for _ in range(3))))
    project.build()
    months = [date(2026, number, 1) for number in (2, 3, 4, 5)]
    with project.warehouse.read() as connection:
        together = export_months(connection, tmp_path / "together", months)
        alone = {month: export_months(connection, tmp_path / "alone", [month])[month] for month in months}
    assert [(one.lines, one.details) for one in together.values()] == [(6, 2), (3, 0), (0, 0), (6, 2)]
    for month in months:
        assert (together[month].lines, together[month].details) == (alone[month].lines, alone[month].details)
        names = [path.name for path in together[month].files]
        assert names == [path.name for path in alone[month].files]
        assert [path.read_bytes() for path in together[month].files] == [
            path.read_bytes() for path in alone[month].files
        ]
        assert sorted(names) == sorted(path.name for path in (tmp_path / "together" / f"{month:%Y-%m}").iterdir())
    assert sorted(path.name for path in (tmp_path / "together").iterdir()) == [f"{month:%Y-%m}" for month in months]


def test_a_month_without_invoices_has_files_without_rows(month: Month, tmp_path: Path) -> None:
    with month.project.warehouse.read() as connection:
        [exported] = export_months(connection, tmp_path, [date(2026, 3, 1)]).values()
    assert (exported.lines, exported.details, len(exported.files)) == (0, 0, 4)
    names = pq.read_table(tmp_path / "2026-03" / f"{INVOICE_DETAIL}.parquet").column_names
    assert names == [column.name for column in INVOICE_DETAIL_COLUMNS]


AMOUNTS = st.dictionaries(
    st.sampled_from(["Usage", "Purchase", "Credit", "Adjustment", "Tax"]),
    st.integers(-(10**24), 10**24).map(from_attos),
    min_size=1,
)


@given(AMOUNTS, st.sampled_from(["USD", "JPY", "KWD"]))
@quickly(60)
def test_categories_in_whole_minor_units_sum_to_gross_with_the_tax_that_is_pushed(
    amounts: dict[str, Decimal], currency: str
) -> None:
    def minor(exact: Fraction) -> int:
        return to_minor(from_attos(int(exact * 10**18)), currency)

    gross = minor(sum((Fraction(amount) for amount in amounts.values()), Fraction(0)))
    tax_minor = minor(Fraction(amounts.get("Tax", Decimal(0))))
    if set(amounts) == {"Tax"}:
        gross = tax_minor
    row = {
        "currency": currency,
        "amount_gross_minor": gross,
        "amount_tax_minor": tax_minor,
        "categories": [{"category": category, "amount": amount} for category, amount in amounts.items()],
    }
    found = dict(_amounts(row))
    assert sorted(found) == sorted(amounts)
    assert minor(sum((Fraction(amount) for amount in found.values()), Fraction(0))) == gross
    assert minor(Fraction(found.get("Tax", Decimal(0)))) == tax_minor


def test_nothing_that_the_program_wrote_is_taken_back(month: Month, tmp_path: Path) -> None:
    project = Project(tmp_path / "home")
    written = {path.name: path.read_bytes() for path in month.exported.files}
    for name in (COST_AND_USAGE, INVOICE_DETAIL):
        text, table = written[f"{name}.csv"].decode(), pq.read_table(month.path(name, "parquet"))
        # As a spreadsheet, or a person, leaves them.
        written[f"{name} packed.csv"] = gzip.compress(text.encode())
        written[f"{name} turned around.csv"] = _as_csv(table.column_names[::-1], month.rows(name))
        written[f"{name} with a title.csv"] = b"April 2026,,\r\n\r\n" + text.encode()
        # And as the first version wrote them, or without the columns that are only ours.
        plain = [column for column in table.column_names if not column.startswith("x_")]
        written[f"{name} plain.csv"] = _as_csv(plain, month.rows(name))
        written[f"{name} with semicolons.csv"] = _as_csv(plain, month.rows(name), delimiter=";")
        file = io.BytesIO()
        if name == COST_AND_USAGE:
            plain += ["x_LineNumber", "x_DocumentSha256"]
        pq.write_table(table.select(plain), file)
        written[f"{name} plain.parquet"] = file.getvalue()
        written[f"{name}.json"] = json.dumps(month.rows(name)).encode()
        written[f"{name}.jsonl"] = "".join(f"{json.dumps(row)}\n" for row in month.rows(name)).encode()
    files: dict[Any, Path] = {content: tmp_path / f"{content}" for content in CONTENTS}
    for kind in FORMATS:
        export(month.project.warehouse, files, format=kind, months=None, target="")
        written |= {f"{path.name}.{kind}": path.read_bytes() for path in files.values()}
    for name, content in written.items():
        project.drop(name, content)
    project.build()
    found = {row["file_name"]: (row["status"], row["format"], row["reason"]) for row in project.query("FROM documents")}
    assert set(found) == set(written)
    wrong = {name: row for name, row in found.items() if row[:2] != ("rejected", "arcadia_export")}
    assert wrong == {}
    assert all("it is an export of this program" in str(reason) for *_, reason in found.values())
    assert project.query("FROM tax_split_totals") == []


def _as_csv(columns: list[str], rows: list[dict[str, str]], delimiter: str = ",") -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, delimiter=delimiter, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def test_every_line_has_a_service_whatever_its_provider_gives(tmp_path: Path) -> None:
    project = Project(tmp_path / "home")
    project.drop("bill.json", written(ovhcloud()))
    nameless = {"ServiceName": None, "ChargeDescription": None, "InvoiceIssuerName": "Microsoft", "InvoiceId": "G1"}
    rows = [charge(**nameless)]
    rows += [charge(**nameless, ChargeCategory=category, BilledCost="-1") for category in ("Adjustment", "Credit")]
    project.drop("nameless.csv", as_csv(*rows, tax(**nameless)))
    project.build()
    with project.warehouse.read() as connection:
        export_months(connection, tmp_path / "focus", [APRIL])
        figures = currency_figures(connection, [APRIL])[APRIL]
    with (tmp_path / "focus" / "2026-04" / f"{COST_AND_USAGE}.csv").open(encoding="utf-8", newline="") as file:
        found = sorted((row["ChargeCategory"], row["ServiceName"]) for row in csv.DictReader(file))
    assert found == [
        *(("Adjustment", "Adjustments"), ("Credit", "Credits"), ("Tax", "Taxes"), ("Tax", "Taxes")),
        *(("Usage", "Microsoft Azure"), ("Usage", "OVHcloud")),
    ]
    dollars = next(one for one in figures if one.currency == "USD")
    assert {row.name for row in dollars.services.rows} == {"Adjustments", "Credits", "Microsoft Azure"}
    assert [row.name for row in dollars.credits_.rows] == ["Credits"]
    assert [row.name for row in dollars.taxes.rows] == ["Taxes"]


@pytest.mark.parametrize("run", [APRIL, date(2026, 5, 1)])
def test_an_invoice_that_moves_is_in_the_files_of_its_new_month_only_whichever_month_is_run(
    project: Project, run: date
) -> None:
    project.drop(invoice_name("2026 Apr", "1001"), digitalocean(line(amount="$5.00"), tax_line()))
    project.drop(invoice_name("2026 Apr", "1002"), digitalocean(line(), tax_line()))
    project.run([APRIL])
    may = line(amount="$5.00", start="2026-05-01 00:00:00 +0000", end="2026-05-31 00:00:00 +0000")
    project.drop(invoice_name("2026 May", "1001"), digitalocean(may, tax_line()))
    project.run([run])
    assert {month: _invoices_in(project.home / "focus" / month) for month in ("2026-04", "2026-05")} == {
        "2026-04": {"1002"},
        "2026-05": {"1001"},
    }


def _invoices_in(folder: Path) -> set[str]:
    """The invoices that the files of a month have, which all files agree on."""
    found = []
    for name in (COST_AND_USAGE, INVOICE_DETAIL):
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            found.append({row["InvoiceId"] for row in csv.DictReader(file)})
        found.append(set(pq.read_table(folder / f"{name}.parquet").column("InvoiceId").to_pylist()))
    assert found.count(found[0]) == len(found)
    return found[0]
