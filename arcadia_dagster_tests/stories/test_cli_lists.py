"""What the command line says of documents and invoices: `status`, `explain FILE`, `invoices`."""

import hashlib
import json
import os
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster_tests.kit.plain import land_only, warehouse_of
from arcadia_dagster_tests.kit.project import HEADER, SECRET, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.shell import Shell

PAGE = b"<html>log in</html>"
GOOD = digitalocean(line(), tax())


def of_month(month: str, description: str = "web-09") -> bytes:
    return digitalocean(
        line(description=description, start=f"{month}-01 00:00:00 +0000", end=f"{month}-28 00:00:00 +0000")
    )


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


@pytest.fixture
def finance(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings of a finance service that runs."""
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET) as sandbox:
        yield {"SKYAI_FINANCE_URL": sandbox.url, "SKYAI_FINANCE_SECRET": SECRET}


def listed(arcadia: Shell, *arguments: str, **environ: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(arcadia("invoices", "--json", *arguments, environ=environ).stdout)
    return found


def states(arcadia: Shell, *arguments: str, **environ: str) -> dict[str, str]:
    return {one["external_id"]: one["state"] for one in listed(arcadia, *arguments, **environ)["invoices"]}


def test_the_list_has_every_invoice_with_its_amounts_its_state_and_its_document(
    arcadia: Shell, finance: dict[str, str]
) -> None:
    put(arcadia, invoice_name(number="1"), digitalocean(line(), tax()))
    put(
        arcadia, invoice_name(number="2"), digitalocean(line(description="web-02", amount="$1.00"), tax(amount="$7.00"))
    )
    put(arcadia, invoice_name("2026 Mar", "3"), of_month("2026-03"))
    arcadia("void", "3", "--reason", "paid twice")
    arcadia.build(**finance)
    put(arcadia, invoice_name("2026 Mar", "4"), of_month("2026-03", "db-01"))
    (arcadia.inbox / invoice_name("2026 Mar", "5")).write_bytes(of_month("2026-03", "db-02"))
    land_only(warehouse_of(arcadia.folder / "var"))

    found = listed(arcadia, **finance)

    assert {one["external_id"]: one["state"] for one in found["invoices"]} == {
        "3": "voided",
        "4": "ready",
        "5": "unbuilt",
        "1": "pushed",
        "2": "held",
    }
    first = found["invoices"][3]
    assert (first["month"], first["source"], first["account_id"]) == ("2026-04", "digitalocean", "77")
    assert (first["gross_minor"], first["gross"], first["tax_minor"], first["tax"]) == (660, "6.60", 60, "0.60")
    assert [one["file_name"] for one in first["documents"]] == [invoice_name(number="1")]
    assert states(arcadia, "--held", **finance) == {"2": "held"}
    [reason] = listed(arcadia, "--held", **finance)["invoices"][0]["reasons"]
    assert "its tax of 7.00 USD is more than its net" in reason
    assert states(arcadia, "2026-04", **finance) == {"1": "pushed", "2": "held"}
    assert states(arcadia, "--outstanding", **finance) == {"4": "ready"}
    arcadia.build()
    assert states(arcadia, "--outstanding", **finance) == {"4": "ready", "5": "ready"}
    arcadia("dismiss", invoice_name("2026 Mar", "4"), "--reason", "not ours")
    assert states(arcadia, **finance)["4"] == "unbuilt"
    arcadia.build()
    assert "4" not in states(arcadia, **finance)
    # Without a finance service that is configured all of them wait for one.
    assert states(arcadia, "--outstanding") == {"1": "ready", "5": "ready"}
    assert arcadia("invoices", environ=finance).stdout == arcadia("invoices", environ=finance).stdout
    assert "set SKYAI_FINANCE_SECRET" in arcadia("invoices", "--outstanding").stdout


def test_the_sums_and_counts_of_a_months_list_are_those_of_status(arcadia: Shell) -> None:
    put(arcadia, invoice_name(number="1"), digitalocean(line(), tax()))
    put(
        arcadia, invoice_name(number="2"), digitalocean(line(description="web-02", amount="$1.00"), tax(amount="$7.00"))
    )
    put(
        arcadia, invoice_name(number="3"), digitalocean(line(description="web-03", amount="$9.00"), tax(amount="$0.90"))
    )
    put(arcadia, "yen.csv", digitalocean(line(amount="900"), header=HEADER.replace("USD", "JPY")))
    arcadia("void", "2", "--reason", "paid twice")
    arcadia.build()
    month = arcadia.status()["2026-04"]
    found = listed(arcadia, "2026-04")
    assert [one["currency"] for one in month["totals"]] == ["JPY", "USD"]
    assert found["totals"] == month["totals"]
    assert len(found["invoices"]) == month["invoices"] == 4
    assert month["held"] == len(listed(arcadia, "--held")["invoices"])
    assert "2" not in states(arcadia, "--held")


def test_a_person_reads_what_is_held_and_why_and_the_sums_of_each_currency(arcadia: Shell) -> None:
    put(arcadia, invoice_name(number="[bold]7"), digitalocean(line(amount="$1000.00"), tax(amount="$100.00")))
    put(
        arcadia, invoice_name(number="2"), digitalocean(line(description="web-02", amount="$1.00"), tax(amount="$7.00"))
    )
    printed = arcadia("invoices", COLUMNS="40").stdout
    assert "gross 1,108.00 USD, net 1,001.00 USD, tax 107.00 USD" in printed.splitlines()
    [row] = [row for row in printed.splitlines() if row.startswith("2026-04") and " held " in row]
    assert row.endswith(invoice_name(number="2"))
    assert "    its tax of 7.00 USD is more than its net of 1.00 USD" in printed
    assert "[bold]7" in printed


def test_what_finance_did_not_take_is_outstanding_with_the_reason(arcadia: Shell) -> None:
    put(arcadia, invoice_name(number="1"), digitalocean(line(), tax()))
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    environ = {"SKYAI_FINANCE_URL": url, "SKYAI_FINANCE_SECRET": SECRET}
    arcadia("push", "1", code=1, environ=environ)
    [one] = listed(arcadia, "--outstanding", **environ)["invoices"]
    assert one["state"] == "deferred"
    assert url in " ".join(one["reasons"])


def test_rejected_files_are_listed_with_path_and_reason_until_a_good_one_comes(arcadia: Shell) -> None:
    put(arcadia, f"may/{invoice_name('2026 May')}", PAGE)
    put(arcadia, "a [bold]b\n\x1b[2J.csv", digitalocean(line(amount='"1.234,56"')))
    (arcadia.inbox / "link.csv").symlink_to("/etc/passwd")
    arcadia.build()

    found = listed(arcadia, "--rejected")

    assert [one["inbox_paths"] for one in found["rejected"]] == [
        [f"may/{invoice_name('2026 May')}"],
        ["a [bold]b\n\x1b[2J.csv"],
    ]
    assert found["rejected"][0]["months"] == ["2026-05"]
    assert "line 2, column USD: '1.234,56'" in found["rejected"][1]["reason"]
    assert [one["inbox_path"] for one in found["not_taken"]] == ["link.csv"]
    printed = arcadia("invoices", "--rejected").stdout
    assert "a [bold]b\\n\\x1b[2J.csv\n    rejected: line 2, column USD: '1.234,56'" in printed
    assert "link.csv\n    not taken: it is a link" in printed
    [command] = re.findall(r"arcadia dismiss ([0-9a-f]{12}) --reason", printed)
    assert listed(arcadia, "--rejected", "2026-05")["rejected"] == found["rejected"][:1]

    arcadia("dismiss", command, "--reason", "no invoice")
    put(arcadia, "a [bold]b\n\x1b[2J.csv", GOOD)
    (arcadia.inbox / "link.csv").unlink()
    arcadia.build()
    assert listed(arcadia, "--rejected") == {"rejected": [], "not_taken": []}
    assert arcadia("invoices", "--rejected").stdout == "no file is rejected\n"


@pytest.mark.parametrize(
    ("which", "empty"), [((), "invoices"), (("--held",), "invoices"), (("--rejected",), "rejected")]
)
def test_a_home_without_anything_is_told_what_to_do_and_none_is_made(
    arcadia: Shell, which: tuple[str, ...], empty: str
) -> None:
    assert "drop invoice files into" in arcadia("invoices", *which).stdout
    assert listed(arcadia, *which)[empty] == []
    assert not (arcadia.folder / "var" / "arcadia.duckdb").exists()
    arcadia("init")
    assert arcadia("invoices", *which).stdout.startswith("no ")
    assert listed(arcadia, *which)[empty] == []


@pytest.mark.parametrize("command", [("invoices",), ("invoices", "--rejected"), ("explain", "x.csv")])
def test_a_list_of_a_warehouse_that_a_run_holds_waits_and_then_says_so_in_one_line(
    arcadia: Shell, command: tuple[str, ...]
) -> None:
    arcadia("init")
    with warehouse_of(arcadia.folder / "var").write():
        told = arcadia(*command, code=1, ARCADIA_LOCK_TIMEOUT="0.05").stderr
    assert "ARCADIA_LOCK_TIMEOUT" in told


@pytest.mark.parametrize("arguments", [("--held", "--rejected"), ("2026-13",), ("--held", "--outstanding")])
def test_a_list_that_cannot_be_meant_exits_with_2(arcadia: Shell, arguments: tuple[str, ...]) -> None:
    arcadia("invoices", *arguments, code=2)


def test_a_rejected_file_is_explained_by_its_path_its_name_and_its_hash(
    arcadia: Shell,
) -> None:
    file = put(arcadia, f"may/{invoice_name()}", digitalocean(line(amount='"1.234,56"')))
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    printed = arcadia("explain", invoice_name()).stdout
    for text in (
        "rejected: line 2, column USD: '1.234,56'",
        "format digitalocean_csv",
        f"SHA-256 {sha256}",
        f"in the inbox as may/{invoice_name()}, landed {datetime.now(UTC):%Y-%m-%d}",
        str(arcadia.folder / "var" / "archive"),
        f"put a good file in its place, '{file}'",
        f"arcadia dismiss {sha256[:12]} --reason",
    ):
        assert text in printed
    for name in (f"may/{invoice_name()}", str(file), f"var/inbox/may/{invoice_name()}", sha256[:8], sha256.upper()):
        assert arcadia("explain", name).stdout == printed
    assert f"no invoice {sha256[:7]}, and no document" in arcadia("explain", sha256[:7], code=1).stderr
    found = json.loads(arcadia("explain", invoice_name(), "--json").stdout)
    assert (found["document"]["status"], found["document"]["document_sha256"]) == ("rejected", sha256)
    assert (found["invoices"], found["is_replaced"]) == ([], False)


def test_a_replaced_file_is_explained_with_what_replaced_it_and_that_with_what_it_replaced(arcadia: Shell) -> None:
    put(arcadia, invoice_name(), PAGE)
    put(arcadia, invoice_name(), GOOD)
    page, good = (hashlib.sha256(content).hexdigest()[:12] for content in (PAGE, GOOD))
    bad = arcadia("explain", page).stdout
    assert f"replaced there by {good}" in bad
    assert "nothing is left to do" in bad
    assert "arcadia dismiss" not in bad
    printed = arcadia("explain", invoice_name()).stdout
    assert f"it has replaced {page} at {invoice_name()}, which was rejected: line 1: it is a web page" in printed
    assert "digitalocean/77/1001 of 2026-04: ready, gross 6.60, net 6.00, tax 0.60 USD" in printed


def test_a_document_is_explained_with_the_invoices_that_it_states_and_why_they_are_held(arcadia: Shell) -> None:
    put(arcadia, invoice_name(), digitalocean(line(amount="$1.00"), tax(amount="$7.00")))
    printed = arcadia("explain", invoice_name()).stdout
    assert "digitalocean/77/1001 of 2026-04: held, gross 8.00" in printed
    assert "    its tax of 7.00 USD is more than its net of 1.00 USD" in printed
    assert "arcadia release digitalocean/77/1001 --reason ..." in printed
    newer = invoice_name().replace(".csv", " (1).csv")
    put(arcadia, newer, GOOD)
    current = hashlib.sha256(GOOD).hexdigest()[:12]
    assert f"another version of it is current, from {current}" in arcadia("explain", invoice_name()).stdout
    arcadia("dismiss", newer, "--reason", "a draft")
    assert "a draft" in arcadia("explain", newer).stdout


def test_a_file_from_elsewhere_is_known_by_its_bytes_and_one_that_was_not_landed_is_told_so(
    arcadia: Shell,
) -> None:
    put(arcadia, invoice_name(), GOOD)
    mine = arcadia.folder / "downloaded [x].csv"
    mine.write_bytes(GOOD)
    assert "digitalocean/77/1001 of 2026-04" in arcadia("explain", str(mine)).stdout
    mine.write_bytes(GOOD + b"\n")
    assert "was not landed: no document has its bytes" in arcadia("explain", str(mine), code=1).stderr
    same_name = arcadia.folder / invoice_name()
    same_name.write_bytes(GOOD + b"\n")
    assert "other bytes, which were not landed" in arcadia("explain", invoice_name()).stdout
    assert "is a folder: name a file" in arcadia("explain", str(arcadia.folder), code=1).stderr


def test_what_lies_in_the_inbox_and_is_no_document_yet_is_told_about(arcadia: Shell) -> None:
    arcadia("init")
    waiting = arcadia.inbox / invoice_name()
    waiting.write_bytes(GOOD)
    assert "is not landed yet: run `arcadia ingest`" in arcadia("explain", invoice_name(), code=1).stderr
    (arcadia.inbox / "x.csv.part").write_bytes(GOOD)
    assert "is not finished" in arcadia("explain", "x.csv.part", code=1).stderr
    (arcadia.inbox / "link.csv").symlink_to(waiting)
    (arcadia.inbox / f"{invoice_name()}.total").write_text("6.60", encoding="utf-8")
    arcadia.build()
    assert "was not taken: it is a link" in arcadia("explain", "link.csv", code=1).stderr
    assert "states the total that this document must come to" in arcadia("explain", f"{invoice_name()}.total").stdout
    waiting.write_bytes(GOOD + b"\n")
    assert "has changed since it was landed" in arcadia("explain", invoice_name()).stdout
    waiting.unlink()
    assert "is no longer in the inbox" in arcadia("explain", str(waiting)).stdout


def test_a_name_of_several_documents_lists_them_and_each_is_explained_by_its_hash(arcadia: Shell) -> None:
    pages = [f"<html>{number}</html>".encode() for number in range(2)]
    for number, page in enumerate(pages):
        put(arcadia, f"{number}/part-0.csv", page)
    told = arcadia("explain", "part-0.csv", code=1).stderr
    assert "may be any of 2 documents" in told
    for number, page in enumerate(pages):
        sha256 = hashlib.sha256(page).hexdigest()[:12]
        assert f"{sha256} ({number}/part-0.csv, rejected, received" in told
        assert f"{number}/part-0.csv" in arcadia("explain", sha256).stdout


@pytest.mark.parametrize(
    "name", [b"caf\xe9.csv", "caf\u00e9 [bold]\u202e.csv".encode(), b"a\nb\x1b[2J'.csv", b"-- $(x).csv"]
)
def test_a_file_is_explained_listed_and_dismissed_whatever_its_name(arcadia: Shell, name: bytes) -> None:
    (arcadia.inbox / os.fsdecode(name)).write_bytes(PAGE)
    arcadia.build()
    printed = arcadia("explain", "--", os.fsdecode(name)).stdout + arcadia("invoices", "--rejected").stdout
    assert printed.count("rejected: line 1: it is a web page") == 2
    assert all(character.isprintable() or character == "\n" for character in printed)
    arcadia("dismiss", "--reason", "x", "--", os.fsdecode(name))
    assert rejected(arcadia) == 0


def test_what_names_nothing_gets_one_line(arcadia: Shell) -> None:
    put(arcadia, invoice_name(), GOOD)
    for text in ("\udcff", "'", "''); DROP TABLE documents; --", "", ".", "~", "/", "%", "*"):
        assert len(arcadia("explain", "--", text, code=1).stderr.splitlines()) == 1
    assert states(arcadia) == {"1001": "ready"}


def test_a_reason_or_an_account_that_is_not_utf_8_is_kept_escaped(arcadia: Shell) -> None:
    put(arcadia, invoice_name(), PAGE)
    assert "there is no account \\xff" in arcadia("end", "\udcff", "--reason", "x", code=1).stderr
    arcadia("dismiss", invoice_name(), "--reason", "caf\udce9")
    assert "caf\\xe9" in arcadia("explain", invoice_name()).stdout


def test_a_rejected_document_whose_record_has_lost_its_paths_is_still_listed_and_explained(arcadia: Shell) -> None:
    put(arcadia, invoice_name(), PAGE)
    with warehouse_of(arcadia.folder / "var").write() as connection:
        connection.execute("DELETE FROM document_names")
        connection.execute("UPDATE documents SET record_damage = 'line 1 is no JSON'")
    assert rejected(arcadia) == 1
    assert f"{invoice_name()}\n    rejected: line 1: it is a web page" in arcadia("invoices", "--rejected").stdout
    sha256 = hashlib.sha256(PAGE).hexdigest()[:12]
    for name in (sha256, invoice_name()):
        printed = arcadia("explain", name).stdout
        assert "its record is damaged, so nothing of it is pushed: line 1 is no JSON" in printed
        assert "arcadia mend DOCUMENT" in printed
