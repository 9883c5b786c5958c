"""The generator's own promises: what it says an invoice adds up to is what its bytes add up to."""

import csv
import io
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest

from arcadia_dagster_tests.kit.generate import HEADER, Totals, digitalocean_invoice, write_large, write_months

APRIL = date(2026, 4, 1)


def assert_states_its_sums(content: bytes, stated: Totals, currency: str = "USD") -> None:
    """Add the file up by other means than the generator's: the csv module and Decimal."""
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    amounts = [(row["product"], Decimal(row[currency].replace("$", "").replace(",", ""))) for row in rows]
    gross = sum((amount for _, amount in amounts), Decimal(0))
    tax = sum((amount for product, amount in amounts if product == "Taxes"), Decimal(0))
    assert (stated.gross, stated.tax, stated.net) == (gross, tax, gross - tax)
    assert stated.gross == stated.net + stated.tax
    assert stated.line_count == len(rows)


@pytest.mark.parametrize("header", [8, 9])
@pytest.mark.parametrize("lines", [2, 33, 700])
@pytest.mark.parametrize("seed", [1, 2, 99])
def test_stated_sums_equal_the_sums_of_the_rows(seed: int, lines: int, header: Literal[8, 9]) -> None:
    invoice = digitalocean_invoice(seed=seed, month=APRIL, lines=lines, header=header)
    assert_states_its_sums(invoice.content, invoice)
    assert invoice.line_count == lines
    assert invoice.content.decode().splitlines()[0] == ",".join(HEADER[:header])
    assert abs(invoice.tax - invoice.net / 10) <= Decimal("0.005")


def test_without_a_tax_rate_there_is_no_tax_line() -> None:
    invoice = digitalocean_invoice(seed=1, month=APRIL, lines=12, tax_rate=None)
    assert_states_its_sums(invoice.content, invoice)
    assert invoice.tax == 0
    assert b"Taxes" not in invoice.content


@pytest.mark.parametrize(("currency", "exponent"), [("USD", -2), ("EUR", -2), ("JPY", 0), ("KWD", -3)])
def test_a_currency_names_its_column_and_has_its_own_decimals(currency: str, exponent: int) -> None:
    invoice = digitalocean_invoice(seed=3, month=APRIL, lines=40, currency=currency)
    assert_states_its_sums(invoice.content, invoice, currency)
    assert {amount.as_tuple().exponent for amount in (invoice.gross, invoice.net, invoice.tax)} == {exponent}


def test_a_long_invoice_has_credits_thousands_separators_and_names_that_need_quotes() -> None:
    text = digitalocean_invoice(seed=1, month=APRIL, lines=700).content.decode()
    assert "\nCredits," in text
    assert ",-$" in text
    assert '"$2,278.08"' in text
    assert '"the ""old"" one' in text
    assert '"cache, eu' in text
    assert "\r" not in text


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = (digitalocean_invoice(seed=seed, month=APRIL, lines=50) for seed in (7, 7, 8))
    assert first == again
    assert first.content != other.content
    assert first.file_name != other.file_name


def test_an_invoice_without_a_charge_is_refused() -> None:
    with pytest.raises(ValueError, match="1 lines leave none"):
        digitalocean_invoice(seed=1, month=APRIL, lines=1)


def test_months_are_written_whole_and_under_the_providers_names(tmp_path: Path) -> None:
    invoices = write_months(tmp_path / "inbox", first=date(2025, 11, 1), months=3, lines=5, invoices_per_month=2)
    assert [invoice.month for invoice in invoices] == [
        *[date(2025, 11, 1)] * 2,
        *[date(2025, 12, 1)] * 2,
        *[date(2026, 1, 1)] * 2,
    ]
    assert invoices[-1].file_name == "DigitalOcean Invoice 2026 Jan (6173678-501000005).csv"
    written = {path.name: path.read_bytes() for path in (tmp_path / "inbox").iterdir()}
    assert written == {invoice.file_name: invoice.content for invoice in invoices}
    assert len(written) == 6


@pytest.mark.parametrize("lines", [2, 33, 120_000])
def test_a_large_invoice_states_its_sums_and_repeats_no_line(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "large.csv"
    totals = write_large(path, lines=lines, month=APRIL, seed=1)
    content = path.read_bytes()
    assert_states_its_sums(content, totals)
    assert totals.line_count == lines
    assert len(set(content.splitlines())) == lines + 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["large.csv"]


def test_the_same_seed_gives_the_same_large_invoice(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_large(tmp_path / name, lines=1_000, month=APRIL, seed=5)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
