"""What the command line says of documents and invoices: `status`, `explain FILE`, `invoices`."""

from pathlib import Path

import pytest

from arcadia_dagster_tests.kit.shell import Shell
from arcadia_dagster_tests.project import digitalocean, invoice_name, line, tax

PAGE = b"<html>log in</html>"
GOOD = digitalocean(line(), tax())


@pytest.fixture
def arcadia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, monkeypatch, capsys)


def of_month(month: str) -> bytes:
    return digitalocean(line(start=f"{month}-01 00:00:00 +0000", end=f"{month}-28 00:00:00 +0000"))


def put(arcadia: Shell, path: str, content: bytes) -> Path:
    """Put a file into the inbox, and land it."""
    file = arcadia.inbox / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    arcadia.build()
    return file


def rejected(arcadia: Shell) -> int:
    return sum(month["rejected"] for month in arcadia.status().values())


def test_status_counts_no_rejected_file_that_a_good_one_has_replaced(arcadia: Shell) -> None:
    put(arcadia, invoice_name(), PAGE)
    assert rejected(arcadia) == 1
    put(arcadia, invoice_name(), GOOD)
    assert rejected(arcadia) == 0


def test_a_good_file_of_the_same_name_in_another_folder_replaces_nothing(arcadia: Shell) -> None:
    put(arcadia, "2026-03/part-0.csv", of_month("2026-03"))
    put(arcadia, "2026-04/part-0.csv", PAGE)
    assert rejected(arcadia) == 1
    put(arcadia, "2026-05/part-0.csv", of_month("2026-05"))
    assert rejected(arcadia) == 1


def test_one_bad_page_in_the_place_of_two_invoices_counts_until_both_have_come(arcadia: Shell) -> None:
    put(arcadia, invoice_name(number="1001"), PAGE)
    put(arcadia, invoice_name(number="1002"), PAGE)
    put(arcadia, invoice_name(number="1001"), GOOD)
    assert rejected(arcadia) == 1
    put(arcadia, invoice_name(number="1002"), digitalocean(line(amount="$9.00")))
    assert rejected(arcadia) == 0


def test_the_file_that_was_there_before_a_bad_one_replaces_it_only_when_it_is_put_back(arcadia: Shell) -> None:
    put(arcadia, invoice_name(), GOOD)
    put(arcadia, invoice_name(), PAGE)
    assert rejected(arcadia) == 1
    put(arcadia, invoice_name(), GOOD)
    assert rejected(arcadia) == 0
    put(arcadia, invoice_name(), PAGE)
    assert rejected(arcadia) == 1
