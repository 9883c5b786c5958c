"""Attacks that no other test tries: docs/attacks.md has all of them."""

import json
import resource
from pathlib import Path

import pytest

from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.hostile import (
    ARCHIVES,
    CONTENTS,
    NAMES,
    TERMINAL,
    WITHOUT_CONTROLS,
    api_document,
)
from arcadia_dagster_tests.kit.plain import build, land_only, warehouse_of
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.sandboxes import empty_sandbox
from arcadia_dagster_tests.kit.shell import Shell

GOOD = "DigitalOcean Invoice 2026 Apr (77-1001).csv"
WEB_PAGE = b"<html>"


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A home with every hostile file, and a good one among them."""
    project = Project(tmp_path_factory.mktemp("hostile") / "home")
    for name, (content, _) in {**CONTENTS, **ARCHIVES}.items():
        project.drop(name, content)
    for number, name in enumerate(NAMES):
        project.drop(name, b"%s%d" % (WEB_PAGE, number))
    project.drop(GOOD, digitalocean(line(), tax()))
    land_only(project.warehouse)
    return project


@pytest.mark.parametrize("name", [*CONTENTS, *ARCHIVES])
def test_a_hostile_file_is_rejected_with_words(landed: Project, name: str) -> None:
    expected = {**CONTENTS, **ARCHIVES}[name][1]
    document = landed.document(name)
    assert (document["status"], expected in document["reason"]) == ("rejected", True), document["reason"]
    assert len(document["reason"]) < 2000


def test_hostile_files_take_neither_the_others_with_them_nor_much_memory(landed: Project) -> None:
    assert landed.document(GOOD)["status"] == "accepted"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 * 2**20  # KiB


def test_a_name_of_a_file_is_a_name_and_nothing_else(landed: Project) -> None:
    known = {row["file_name"] for row in landed.query("SELECT file_name FROM documents")}
    assert known >= set(NAMES)
    beside = {path.name for folder in (landed.home.parent, Path.cwd(), Path("/")) for path in folder.iterdir()}
    assert not {"outside", "outside.csv"} & beside


def test_whatever_documents_say_no_command_prints_what_a_terminal_would_obey(arcadia: Shell) -> None:
    """Names, ids, accounts, vendors, services and reasons are a stranger's words."""
    (arcadia.inbox / f"{TERMINAL}.csv").write_bytes(WEB_PAGE)
    (arcadia.inbox / f"DigitalOcean Invoice 2026 Apr (77-1001){TERMINAL}.csv").write_bytes(
        digitalocean(line(description=f'"{WITHOUT_CONTROLS}"'), tax())
    )
    (arcadia.inbox / "api.json").write_bytes(api_document(TERMINAL))
    hostile = {
        name: f"{name}{WITHOUT_CONTROLS}"
        for name in ("InvoiceId", "BillingAccountId", "InvoiceIssuerName", "ServiceName")
    }
    (arcadia.inbox / "focus.csv").write_bytes(as_csv(charge(**hostile)))
    (arcadia.inbox / f"folder {TERMINAL}").mkdir()
    (arcadia.inbox / f"folder {TERMINAL}" / "link").symlink_to("/etc/passwd")
    arcadia.build()
    for command, code in (
        (("status",), 0),
        (("invoices",), 0),
        (("invoices", "--held"), 0),
        (("doctor",), 0),
        (("verify",), 0),
        (("tax", "2026-04"), 0),
        (("explain", f"{TERMINAL}.csv"), 0),
        (("explain", hostile["InvoiceId"]), 0),
        (("explain", f"nothing {TERMINAL}"), 1),
        (("void", f"nothing {TERMINAL}", "--reason", "x"), 1),
        (("statement", "2026-04", "--tenant", TERMINAL), 1),
        (("export", "bills", "2026-04", "--to", "books"), 0),
        (("export", "2026-04", "--to", f"folder {TERMINAL}"), 0),
    ):
        told = arcadia(*command, code=code)
        obeyed = {
            character for character in told.stdout + told.stderr if not (character.isprintable() or character == "\n")
        }
        assert obeyed == set(), command


def test_two_homes_on_one_finance_make_one_row_of_the_same_invoice(tmp_path: Path) -> None:
    with empty_sandbox() as sandbox:
        homes = [Project(tmp_path / name, sandbox=sandbox) for name in ("one", "other")]
        for home in homes:
            home.drop(invoice_name(), digitalocean(line(), tax()))
            home.build()
        [row] = sandbox.invoices()
        assert (row["times_received"], row["amount_gross_minor"]) == (2, 660)
        # A later version is known to one of them only. The row is the one that was pushed last, and nobody has it twice.
        homes[0].drop(invoice_name(), digitalocean(line(amount="$7.00"), tax(amount="$0.70")))
        homes[0].build()
        [row] = sandbox.invoices()
        assert row["amount_gross_minor"] == 770
        homes[1].build()
        assert [row["amount_gross_minor"] for row in sandbox.invoices()] == [770]


def test_what_documents_say_is_text_in_json_too(arcadia: Shell) -> None:
    (arcadia.inbox / f"{TERMINAL}.csv").write_bytes(WEB_PAGE)
    build(warehouse_of(arcadia.folder / "var"))
    told = arcadia("status", "--json").stdout
    [finding] = json.loads(told)["findings"]
    assert finding["subject"] == f"{TERMINAL}.csv"
    assert not {"\x1b", "\u009b", "\u202e"} & set(told)
