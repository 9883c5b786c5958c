"""The sample is what its README says it is. Read with the csv module alone, so that no defect of ours can hide here."""

import csv
import re
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

import arcadia_dagster

SAMPLE = Path(arcadia_dagster.__file__).parent / "sample"
INVOICES = sorted(SAMPLE.glob("*/DigitalOcean Invoice *.csv"))
INBOX = [path for path in INVOICES if path.parent.name == "inbox"]
GOOD = [path for path in INVOICES if path.parent.name != "rejected"]
REJECTED = [path for path in INVOICES if path.parent.name == "rejected"]
NAME = re.compile(
    r"DigitalOcean Invoice (?P<year>\d{4}) (?P<month>[A-Z][a-z]{2}) "
    r"\((?P<account>\d+)-(?P<number>\d+)\)(?: \(\d+\))?\.csv"
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
AMOUNT = re.compile(r"-?\$\d{1,3}(,\d{3})*\.\d{2}")
APRIL = SAMPLE / "inbox" / "DigitalOcean Invoice 2026 Apr (0000000-900000004).csv"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def amount_of(row: dict[str, str]) -> Decimal:
    assert AMOUNT.fullmatch(row["USD"]), row["USD"]
    return Decimal(row["USD"].replace("$", "").replace(",", ""))


def sums(path: Path) -> tuple[Decimal, Decimal, Decimal]:
    """Gross, net, tax."""
    rows = rows_of(path)
    gross = sum(map(amount_of, rows), Decimal(0))
    tax = sum((amount_of(row) for row in rows if row["product"] == "Taxes"), Decimal(0))
    return gross, gross - tax, tax


def parts(path: Path) -> dict[str, str]:
    match = NAME.fullmatch(path.name)
    assert match, path.name
    return match.groupdict()


def month_of(path: Path) -> str:
    name = parts(path)
    return f"{name['year']}-{MONTHS.index(name['month']) + 1:02d}"


def test_april_2026_is_the_reference_case() -> None:
    rows = rows_of(APRIL)
    assert len(rows) == 33
    assert sums(APRIL) == (Decimal("86.92"), Decimal("79.02"), Decimal("7.90"))
    assert [(row["description"], row["USD"]) for row in rows if row["product"] == "Taxes"] == [
        ("GST Australia (10.00%)", "$7.90")
    ]


def test_the_inbox_has_every_month_from_october_2025_to_may_2026() -> None:
    assert sorted({month_of(path) for path in INBOX}) == [
        *(f"2025-{month}" for month in (10, 11, 12)),
        *(f"2026-0{month}" for month in (1, 2, 3, 4, 5)),
    ]


@pytest.mark.parametrize("path", INVOICES, ids=lambda path: path.name)
def test_every_file_name_is_the_providers_with_the_synthetic_account(path: Path) -> None:
    assert parts(path)["account"] == "0000000"


@pytest.mark.parametrize("path", INVOICES, ids=lambda path: path.name)
def test_every_file_is_plain_utf8_with_line_feeds_and_a_known_header(path: Path) -> None:
    content = path.read_bytes()
    assert b"\r" not in content
    assert content.endswith(b"\n")
    header = content.decode("utf-8").splitlines()[0]
    full = "product,group_description,description,hours,start,end,USD,project_name,category"
    assert header == (full.removesuffix(",category") if month_of(path) == "2025-10" else full)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_every_dated_line_lies_in_the_months_invoice(path: Path) -> None:
    year, month = map(int, month_of(path).split("-"))
    following = f"{year + month // 12}-{month % 12 + 1:02d}-01 00:00:00 +0000"
    for row in rows_of(path):
        if row["start"]:
            assert f"{year}-{month:02d}-01 00:00:00 +0000" <= row["start"] < row["end"] <= following, row


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_every_tax_with_a_rate_is_that_rate_of_the_net(path: Path) -> None:
    _, net, _ = sums(path)
    for row in rows_of(path):
        if row["product"] == "Taxes" and (rate := re.search(r"\((\d+\.\d+)%\)", row["description"])):
            exact = net * Decimal(rate[1]) / 100
            assert amount_of(row) == exact.quantize(Decimal("0.01"), ROUND_HALF_UP), row


def test_the_readme_says_synthetic_and_states_what_the_files_add_up_to() -> None:
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    assert "synthetic" in readme.splitlines()[2]
    table = {
        (cells[0], cells[1]): cells[2:7]
        for line in readme.splitlines()
        if (cells := [cell.strip() for cell in line.strip("|").split("|")])[0] in {"inbox", "reissued", "rejected"}
    }
    expected = {
        (path.parent.name, parts(path)["number"]): [
            month_of(path),
            str(len(rows_of(path))),
            *(["-"] * 3 if path in REJECTED else (f"{amount:.2f}" for amount in sums(path))),
        ]
        for path in INVOICES
    }
    assert table == expected


def test_the_cases_people_meet_are_all_there() -> None:
    invoices = {path: rows_of(path) for path in INBOX}
    taxes = {path: [row for row in rows if row["product"] == "Taxes"] for path, rows in invoices.items()}
    assert max(Counter(map(month_of, INBOX)).values()) == 2, "two invoices in a month"
    assert any(not rows for rows in taxes.values()), "no tax at all"
    assert any(
        len({row["description"] for row in rows}) > 1 and min(map(amount_of, rows)) > 0 for rows in taxes.values()
    )
    assert any(amount_of(row) < 0 for rows in taxes.values() for row in rows), "a tax refund"
    credits_ = [row for rows in invoices.values() for row in rows if row["product"] == "Credits"]
    assert credits_
    assert all(amount_of(row) < 0 for row in credits_)
    assert any(not row["start"] and not row["end"] for row in credits_), "blank dates"
    assert any("," in row["USD"] for rows in invoices.values() for row in rows), "thousands separators"
    assert Counter(tuple(row.values()) for row in invoices[APRIL]).most_common(1)[0][1] == 2, "two equal lines"
    taxi = [row for row in invoices[APRIL] if row["description"].startswith("taxi-api (")]
    assert [(row["product"], bool(row["hours"])) for row in taxi] == [("Droplets", True), ("Droplet Backups", False)]


def test_the_reissue_is_the_same_invoice_with_another_gross() -> None:
    (reissue,) = (SAMPLE / "reissued").glob("*.csv")
    original = SAMPLE / "inbox" / reissue.name.replace(" (1).csv", ".csv")
    assert original.is_file()
    assert parts(reissue) == parts(original)
    assert sums(reissue)[0] != sums(original)[0]


def test_the_rejected_file_is_wrong_in_its_third_amount_only() -> None:
    (path,) = REJECTED
    wrong = [(line, row["USD"]) for line, row in enumerate(rows_of(path), 1) if not AMOUNT.fullmatch(row["USD"])]
    assert wrong == [(3, "$1.234,56")]


def test_most_resources_are_in_the_inventory_and_one_name_is_ambiguous() -> None:
    resources = rows_of(SAMPLE / "inbox" / "cloud-resources.csv")
    assert list(resources[0]) == ["id", "name", "type", "account", "project"]
    assert {row["account"] for row in resources} == {"0000000"}
    assert len({row["id"] for row in resources}) == len(resources)
    names = Counter((row["type"], row["name"]) for row in resources)
    assert [name for name, count in names.items() if count > 1] == [("droplet", "ci-runner")]
    droplets = [row for path in INBOX for row in rows_of(path) if row["product"] == "Droplets"]
    known = [row for row in droplets if ("droplet", row["description"].split(" (")[0]) in names]
    assert len(droplets) * 0.9 < len(known) < len(droplets)
