"""An invoice is exported to the books once, a changed one as a correction, and the archive knows what was exported."""

import csv
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.books import record
from arcadia_dagster.books.layouts import Layout
from arcadia_dagster.reports.booking import Exported, export_bills
from arcadia_dagster.reports.explain import explain
from arcadia_dagster.verification.at_rest import verify
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster_tests.kit.bills import ACCOUNTS
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.focus import tax as focus_tax
from arcadia_dagster_tests.kit.plain import archive_of
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.shell import Shell

APRIL = date(2026, 4, 1)
NOW = datetime(2026, 6, 2, 8, 0, tzinfo=UTC)

Export = Callable[..., Exported]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def export(project: Project, tmp_path: Path) -> Export:
    def run(layout: Layout = "bills", **options: Any) -> Exported:
        (tmp_path / "out").mkdir(exist_ok=True)
        values: dict[str, Any] = {"months": [APRIL], "accounts": ACCOUNTS, "by": "ann", "now": NOW, **options}
        return export_bills(
            project.warehouse, archive_of(project.warehouse), layout=layout, folder=tmp_path / "out", **values
        )

    return run


def booked(folder: Path) -> dict[str, Decimal]:
    """What all plain files together say of each invoice."""
    sums: dict[str, Decimal] = {}
    for path in sorted(folder.glob("bills-*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                sums[row["invoice"]] = sums.get(row["invoice"], Decimal(0)) + Decimal(row["amount"])
    return sums


def test_a_second_export_says_so_and_writes_nothing(project: Project, export: Export, tmp_path: Path) -> None:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.drop(invoice_name(number="1002"), digitalocean(line(amount="$1.00"), tax("GST", "$2.00")))
    project.build()
    first = export()
    assert [path.name for path in first.paths] == ["bills-2026-04-000001.csv"]
    assert [(bill.name, bill.gross_minor) for bill, _ in first.bills] == [("digitalocean/77/1001", 660)]
    [held] = first.not_exported
    assert held.name == "digitalocean/77/1002"
    assert held.reason.startswith("held: ")
    second = export()
    assert (second.paths, second.bills) == ((), ())
    [before] = second.unchanged
    assert (before.exports[-1].by, before.exports[-1].files) == ("ann", ("bills-2026-04-000001.csv",))
    # Another program has books of its own; and a person may ask for a file once more.
    assert len(export("xero").bills) == 1
    assert [written for _, written in export(again=True).bills] == ["again"]
    # A deleted warehouse exports nothing twice.
    project.warehouse.path.unlink()
    project.build()
    assert export().bills == ()
    assert [one.name for one in (tmp_path / "archive" / "books").iterdir() if one.suffix == ".json"] != []


def test_a_changed_invoice_is_exported_as_a_correction_and_a_void_one_is_taken_out(
    project: Project, export: Export, tmp_path: Path
) -> None:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.build()
    export()
    newer = invoice_name().replace(".csv", " (1).csv")
    project.drop(newer, digitalocean(line(amount="$7.00"), tax(amount="$0.70")))
    project.build()
    changed = export()
    assert changed.not_exported == ()
    [(correction, written)] = changed.bills
    assert (written, correction.number, correction.dated) == ("correction", "1001-C1", NOW.date())
    assert [(row.key.what, row.amount_minor) for row in correction.rows] == [("Droplets", 100), ("Tax", 10)]
    assert booked(tmp_path / "out") == {"digitalocean/77/1001": Decimal("7.70")}
    project.decide("void", file_name=newer)
    project.build()
    [(reversal, _)] = export().bills
    assert (reversal.number, reversal.gross_minor) == ("1001-C2", -770)
    assert booked(tmp_path / "out") == {"digitalocean/77/1001": Decimal("0.00")}
    assert export().bills == ()


def test_an_invoice_whose_name_is_learned_later_is_not_exported_twice(project: Project, export: Export) -> None:
    content = digitalocean(line(), tax())
    project.drop("april.csv", content)
    project.build()
    assert len(export().bills) == 1
    project.drop(invoice_name(), content)
    project.build()
    second = export()
    assert (second.bills, len(second.unchanged)) == ((), 1)


def test_an_invoice_in_another_currency_takes_the_first_booking_out_and_is_booked_anew(
    project: Project, export: Export
) -> None:
    project.drop("a.csv", as_csv(charge(BilledCost="100"), focus_tax(BilledCost="10")))
    project.build()
    export()
    project.drop(
        "a.csv",
        as_csv(charge(BilledCost="90", BillingCurrency="EUR"), focus_tax(BilledCost="9", BillingCurrency="EUR")),
    )
    project.build()
    project.settle("release", "INV-1")
    project.build()
    found = [(bill.number, bill.currency, bill.gross_minor, why) for bill, why in export().bills]
    assert found == [("INV-1-C1", "USD", -11000, "correction"), ("INV-1-C2", "EUR", 9900, "correction")]
    assert export().bills == ()
    # Once more: each as it was written.
    again = [(bill.number, bill.currency, bill.gross_minor) for bill, _ in export(again=True).bills]
    assert again == [("INV-1", "USD", 11000), ("INV-1-C1", "USD", -11000), ("INV-1-C2", "EUR", 9900)]
    assert export().bills == ()


def test_a_dismissed_invoice_is_taken_out_and_one_that_is_merely_not_stated_stays(
    project: Project, export: Export
) -> None:
    path = project.drop(invoice_name(), digitalocean(line(), tax()))
    project.build()
    export()
    project.decide("dismiss", "1001")
    path.unlink()
    project.build()
    [(reversal, _)] = export().bills
    assert reversal.gross_minor == -660


def test_a_record_that_is_missing_or_was_changed_stops_the_export(
    project: Project, export: Export, tmp_path: Path
) -> None:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.build()
    export()
    export("xero")
    first, second = sorted((tmp_path / "archive" / "books").iterdir())
    shutil.move(first, tmp_path / "kept")
    with pytest.raises(record.RecordError, match="record 000001 of books/ in the archive is missing"):
        export()
    told = explain(project.warehouse, archive_of(project.warehouse), InvoiceKey("digitalocean", "77", "1001"))
    assert (told["exports"], told["exports_problem"][:13]) == ([], "record 000001")
    shutil.move(tmp_path / "kept", first)
    second.chmod(0o644)
    second.write_text(second.read_text().replace("ann", "bob"))
    with pytest.raises(record.RecordError, match="cannot be read"):
        export()


GONE = "record 000001 of books/ in the archive is missing: restore it from a backup; nothing is exported meanwhile"


def doubts(project: Project) -> list[tuple[str, str, str]]:
    found = verify(project.warehouse, archive_of(project.warehouse), full=True, now=NOW).doubts
    return [(doubt.kind, doubt.what, doubt.command) for doubt in found]


def noted(project: Project) -> list[str]:
    return [row["name"] for row in project.query("SELECT name FROM book_exports ORDER BY number")]


@pytest.fixture
def exported(project: Project, export: Export) -> Path:
    """The folder of the archive with the record of one export."""
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.build()
    assert len(export().bills) == 1
    return archive_of(project.warehouse).folder / record.KEPT_IN


@pytest.mark.parametrize("is_folder", [False, True], ids=["the file", "the folder"])
def test_the_last_record_that_is_gone_is_doubted_and_stops_each_export_until_it_is_back(
    project: Project, export: Export, exported: Path, arcadia: Shell, is_folder: bool
) -> None:
    [gone] = [exported] if is_folder else exported.iterdir()
    gone.rename(project.home / "elsewhere")
    home = str(project.home)

    def assert_refused() -> None:
        for layout in ("bills", "xero"):
            with pytest.raises(record.RecordError, match=GONE):
                export(layout)
        assert GONE in arcadia("accruals", "2026-04", code=1, ARCADIA_HOME=home).stderr
        assert doubts(project) == [("kept", "number 1 is gone: restore it from the newest backup", "")]

    assert_refused()
    project.build()
    assert_refused()
    arcadia("rebuild", ARCADIA_HOME=home)
    assert_refused()
    assert not list(exported.glob("*"))
    (project.home / "elsewhere").rename(gone)
    assert doubts(project) == []
    second = export()
    assert (second.bills, len(second.unchanged)) == ((), 1)


def test_a_record_in_the_place_of_another_is_not_taken_for_it(project: Project, export: Export, exported: Path) -> None:
    [path] = exported.iterdir()
    text = path.read_text(encoding="utf-8").replace('"ann"', '"bob"')
    path.unlink()
    (exported / record.name_of(1, text)).write_text(text, encoding="utf-8")
    project.build()
    with pytest.raises(record.RecordError, match=GONE):
        export()
    assert doubts(project) == [("kept", "number 1 is gone: restore it from the newest backup", "")]


@pytest.mark.parametrize("catches_up", ["landing", "export"])
def test_an_export_that_a_crash_kept_from_the_warehouse_is_noted_by_the_next(
    project: Project, export: Export, tmp_path: Path, catches_up: str
) -> None:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.build()
    before = project.warehouse.path.read_bytes()
    export()
    project.warehouse.path.write_bytes(before)
    assert noted(project) == []
    assert doubts(project) == [("register", "the warehouse does not know it", "arcadia ingest")]
    if catches_up == "landing":
        project.build()
    else:
        assert export().bills == ()
        export(again=True)
    assert noted(project) == sorted(path.name for path in (tmp_path / "archive" / "books").iterdir())
    assert doubts(project) == []


def test_a_home_of_an_earlier_version_notes_its_exports_with_its_first_landing(
    project: Project, exported: Path
) -> None:
    [path] = exported.iterdir()
    project.change("DROP TABLE book_exports", "DELETE FROM schema_version WHERE version = 10")
    project = Project(project.home)
    project.build()
    assert noted(project) == [path.name]
    assert doubts(project) == []


def test_a_landing_that_finds_nothing_new_writes_nothing(project: Project, exported: Path) -> None:
    assert noted(project) == [path.name for path in exported.iterdir()]
    before = project.warehouse.path.read_bytes()
    assert project.landed_problems() == {}
    assert project.warehouse.path.read_bytes() == before


def test_an_export_that_somebody_made_up_in_the_warehouse_is_not_believed_by_a_rebuild(
    project: Project, export: Export, exported: Path, arcadia: Shell
) -> None:
    project.change("INSERT INTO book_exports VALUES (2, 'another')")
    assert (
        "register",
        "it is not what landing wrote: somebody has changed it; build it anew",
        "arcadia rebuild",
    ) in doubts(project)
    with pytest.raises(record.RecordError, match="record 000002"):
        export()
    arcadia("rebuild", ARCADIA_HOME=str(project.home))
    assert noted(project) == [path.name for path in exported.iterdir()]
    assert (doubts(project), export().bills) == ([], ())


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (os.mkfifo, "it is no plain file"),
    "a folder": (Path.mkdir, "it is no plain file"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), "No such file or directory"),
    "no text": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "it is no UTF-8"),
}


@pytest.mark.parametrize(("put", "problem"), NO_FILES.values(), ids=NO_FILES)
def test_what_lies_in_a_records_place_and_cannot_be_read_is_named_and_nothing_waits_for_it(
    project: Project, export: Export, tmp_path: Path, put: Callable[[Path], object], problem: str
) -> None:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.build()
    export()
    [path] = (tmp_path / "archive" / "books").iterdir()
    path.rename(tmp_path / "kept")
    put(path)
    with pytest.raises(record.RecordError) as error:
        export()
    assert str(error.value) == (
        f"the record books/{path.name} of the archive cannot be read ({problem}): restore it from a backup; nothing is exported "
        "meanwhile, for it tells what was"
    )
    assert len([*(tmp_path / "out").iterdir()]) == 1


@pytest.mark.parametrize(("put", "problem"), NO_FILES.values(), ids=NO_FILES)
def test_what_lies_in_the_place_of_kept_rules_is_one_line_with_the_remedy(
    arcadia: Shell, put: Callable[[Path], object], problem: str
) -> None:
    (arcadia.folder / "var" / "sources.toml").write_text(
        '[aws]\ntolerance = 0.01\nreason = "a cent"\n', encoding="utf-8"
    )
    arcadia("ingest")
    [path] = (arcadia.folder / "var" / "archive" / "sources").iterdir()
    path.unlink()
    put(path)
    told = arcadia("ingest", code=1)
    assert f"{path.name} cannot be read ({problem}): restore it from the newest backup" in told.stdout + told.stderr


def test_files_that_cannot_be_written_leave_nothing_on_record(project: Project, export: Export, tmp_path: Path) -> None:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.build()
    (tmp_path / "out").write_text("a file in its place")
    with pytest.raises(OSError, match="out"):
        export()
    (tmp_path / "out").unlink()
    assert len(export().bills) == 1


def test_the_commands_say_what_was_written_what_was_before_and_what_has_no_account(arcadia: Shell) -> None:
    (arcadia.inbox / invoice_name()).write_bytes(
        digitalocean(line(), line("Volumes", "disk", "$1.00"), tax(amount="$0.70"))
    )
    arcadia.build()
    accounts = arcadia.folder / "var" / "accounts.toml"
    accounts.write_text('[[expense]]\nservice = "Droplets"\naccount = "6100"\n', encoding="utf-8")
    printed = arcadia("export", "bills", "2026-04", "--as", "xero", "--to", "books").stdout
    assert "books/xero-2026-04-000001.csv\n" in printed
    assert "3 rows without *TaxType, which Xero asks for" in printed
    assert "DigitalOcean 1001 (digitalocean/77/1001): gross 7.70 USD, net 7.00 USD, tax 0.70 USD" in printed
    assert "expense digitalocean, Volumes, project shop: 1.00 USD" in printed
    assert "tax digitalocean, Tax: 0.70 USD" in printed
    assert (
        "exported before, and not written again: 1 invoice"
        in arcadia("export", "bills", "2026-04", "--as", "xero").stdout
    )
    found = json.loads(arcadia("export", "bills", "2026-04", "--as", "journal", "--to", "books", "--json").stdout)
    assert (found["bills"][0]["gross"], found["not_exported"]) == ("7.70", [])
    told = [text for text in arcadia("explain", "1001").stdout.splitlines() if "exported to the books" in text]
    assert [text.split(", at ")[0].strip() for text in told] == [
        "exported to the books, xero",
        "exported to the books, journal",
    ]
    assert told[0].endswith(": 1001 of 7.70 USD, in xero-2026-04-000001.csv")
    [xero, journal] = json.loads(arcadia("explain", "1001", "--json").stdout)["exports"]
    assert (xero["written"], xero["gross"], journal["books"]) == ("bill", "7.70", "journal")
    arcadia("accruals", "2026-05", "--to", "books")
    [accrued] = json.loads(arcadia("accruals", "2026-05", "--json").stdout)["accrued"]
    assert (accrued["accrued"], accrued["invoiced"]) == ("7.00", None)
    accounts.write_text("acounts = 1", encoding="utf-8")
    assert "there is no such key" in arcadia("export", "bills", "2026-04", code=1).stderr
    assert "expected one month" in arcadia("accruals", "2026-04..2026-05", code=2).stderr
