from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.identity import Identity, Names, identify, stem
from arcadia_dagster.reading.format import NameFacts, StatedInvoice
from arcadia_dagster_tests.kit.properties import quickly

OWN = "DigitalOcean Invoice 2026 Apr (77-1001).csv"
FORMAT = "digitalocean_csv"
FORMATS = Formats()


def named(file_name: str, format_name: str = FORMAT) -> NameFacts | None:
    return FORMATS.facts_from_names(format_name, [file_name]).get(file_name)


def best(format_name: str | None, *names: str) -> str:
    return Names.of(names, FORMATS.facts_from_names(format_name, names)).best


def invoice(**told: Any) -> StatedInvoice:
    fields = {"lines_month": date(2026, 3, 1), **told}
    return StatedInvoice(ordinal=1, source="digitalocean", line_count=1, currencies=("USD",), **fields)


def placed(told: StatedInvoice, name: NameFacts | None, *, file_name: str) -> Identity:
    """Of an invoice that has a place."""
    found = identify(told, name, file_name=file_name)
    assert found is not None
    return found


def test_what_the_document_says_comes_first() -> None:
    told = invoice(account_id="5", external_id="uuid", invoice_number="9", month=date(2026, 2, 1))
    found = placed(told, named(OWN), file_name=OWN)
    assert (found.account_id, found.external_id, found.id_basis) == ("5", "uuid", "document")
    assert (found.invoice_number, found.month, found.month_basis) == ("9", date(2026, 2, 1), "document")


def test_the_provider_s_file_name_comes_second() -> None:
    found = placed(invoice(), named(OWN), file_name=OWN)
    assert (found.account_id, found.external_id, found.id_basis) == ("77", "1001", "file_name")
    assert (found.invoice_number, found.month, found.month_basis) == ("1001", date(2026, 4, 1), "file_name")


UUID = "b0a9bd23-0e2b-4c1a-9f5c-0c6a6a3d7d11"


def test_a_file_that_is_called_by_the_api_s_id_is_that_invoice() -> None:
    for name in (f"{UUID}.csv", f"{UUID.upper()}.CSV", f"{UUID} (1).csv", f"{UUID}.csv.gz"):
        found = placed(invoice(), named(name), file_name=name)
        assert (found.account_id, found.external_id, found.invoice_number) == ("unknown", UUID, None), name
        assert (found.month, found.month_basis) == (date(2026, 3, 1), "lines")
    assert named(f"{UUID[:-1]}.csv") is None
    assert named(f"x{UUID}.csv") is None


def test_a_number_and_an_id_of_the_api_are_one_invoice_and_the_number_is_the_better_name() -> None:
    names = [f"{UUID}.csv", OWN, "april.csv"]
    found = Names.of(names, FORMATS.facts_from_names(FORMAT, names))
    assert (found.best, found.conflict) == (OWN, None)
    names = [f"{UUID}.csv", f"{UUID.replace('b', 'c')}.csv"]
    assert "unknown/b0a9bd23" in str(Names.of(names, FORMATS.facts_from_names(FORMAT, names)).conflict)


def test_the_lines_and_the_stem_come_last() -> None:
    found = placed(invoice(), named("march (2).csv"), file_name="march (2).csv")
    assert (found.account_id, found.external_id, found.id_basis) == ("unknown", "unknown-2026-03-march", "derived")
    assert (found.invoice_number, found.month, found.month_basis) == (None, date(2026, 3, 1), "lines")
    known = placed(invoice(account_id="5"), None, file_name="march.csv")
    assert known.external_id == "5-2026-03-march"


def test_another_format_s_file_name_tells_nothing() -> None:
    found = placed(invoice(), named(OWN, "inventory_csv"), file_name=OWN)
    assert (found.account_id, found.id_basis) == ("unknown", "derived")


def test_without_any_month_there_is_no_place_for_an_invoice() -> None:
    assert identify(invoice(lines_month=None), None, file_name="march.csv") is None


@pytest.mark.parametrize(
    ("month", "last"), [(date(2026, 2, 1), 28), (date(2024, 2, 1), 29), (date(2026, 4, 1), 30), (date(2026, 12, 1), 31)]
)
def test_the_period_is_the_calendar_month(month: date, last: int) -> None:
    found = placed(invoice(month=month), None, file_name="x.csv")
    assert (found.period_start, found.period_end) == (month, month.replace(day=last))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("invoice.csv", "invoice"),
        ("invoice.CSV", "invoice"),
        ("invoice (1).csv", "invoice"),
        ("invoice (1).csv.gz", "invoice"),
        ("invoice (12)", "invoice"),
        ("invoice (1) (2).csv", "invoice (1)"),
        ("invoice(1).csv", "invoice(1)"),
        ("invoice (418071234).csv", "invoice (418071234)"),
        ("2026.04.csv", "2026.04"),
        ("Invoice.1001", "Invoice.1001"),
        ("Invoice.v2", "Invoice.v2"),
        ("invoice", "invoice"),
        ("invoice.csv.bak", "invoice.csv"),
        ("émoji 😀.csv", "émoji 😀"),
    ],
)
def test_the_stem_is_the_name_without_extension_and_copy_number(name: str, expected: str) -> None:
    assert stem(name) == expected


@quickly(10)
@given(st.from_regex(r"[a-z][a-z ]{0,10}[a-z]", fullmatch=True), st.integers(1, 99))
def test_a_second_download_has_the_stem_of_the_first(name: str, copy: int) -> None:
    assert stem(f"{name} ({copy}).csv") == stem(f"{name}.csv") == name


def test_the_best_name_is_the_first_that_is_the_provider_s_own() -> None:
    other = OWN.replace("1001", "1002")
    assert best(FORMAT, "a.csv", OWN, other) == OWN
    assert best(FORMAT, "b.csv", "a.csv") == "b.csv"
    assert best(None, "b.csv", OWN) == "b.csv"
