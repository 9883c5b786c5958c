"""A document is lost, and the warehouse is built anew without it: what it stated is known all the same, and holds its invoices.

Which invoices a document states is in the archive apart from the document and its record (`landing.contents`).
"""

import csv
import gzip
import io
import json
import os
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from arcadia_dagster.landing import contents
from arcadia_dagster.verification.at_rest import verify
from arcadia_dagster_tests.kit import aws, stated
from arcadia_dagster_tests.kit.focus import as_csv, charge, lines_of
from arcadia_dagster_tests.kit.focus import tax as focus_tax
from arcadia_dagster_tests.kit.held import forget
from arcadia_dagster_tests.kit.plain import archive_of, build
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.shell import Shell
from arcadia_dagster_tests.kit.stated import detail, detail_of_tax, details_csv

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NAME = invoice_name()
DELIVERY = "cur/20260401-20260501/a1"


class Case(NamedTuple):
    """Files in the order in which they come, which of them is lost, and what its invoice is held for then."""

    files: Mapping[str, bytes]
    lost: str
    says: str


def periods_csv(**changed: str) -> bytes:
    row = stated.period(**changed)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(row))
    writer.writeheader()
    writer.writerow(row)
    return text.getvalue().encode()


def cur(*numbers: int) -> bytes:
    lines = (aws.item(LineItemDescription=f"line {number}", UnblendedCost="1.00") for number in numbers)
    return gzip.compress(aws.as_csv(*lines, aws.tax(UnblendedCost="1.00")))


STATED_IT_TOO = " stated it too, and may be a part or a newer version of it"
CASES = {
    "a newer version under another name": Case(
        {
            "2026-05-01/p-aaa.csv": as_csv(*lines_of("INV-1", 1, 2)),
            "2026-05-02/p-bbb.csv": as_csv(*lines_of("INV-1", 1, 2, 3)),
        },
        "2026-05-02/p-bbb.csv",
        f"p-bbb.csv{STATED_IT_TOO}",
    ),
    "a part": Case(
        {"d/one.csv": as_csv(*lines_of("INV-1", 1, 2)), "d/two.txt": as_csv(*lines_of("INV-1", 3, 4))},
        "d/two.txt",
        f"two.txt{STATED_IT_TOO}",
    ),
    "what its issuer states": Case(
        {
            "lines.csv": as_csv(charge(), focus_tax()),
            "detail.csv": details_csv(detail(), detail_of_tax()),
        },
        "detail.csv",
        f"detail.csv{STATED_IT_TOO}",
    ),
    "the manifest of half a delivery": Case(
        {
            f"{DELIVERY}/cur-Manifest.json": aws.manifest(
                f"billing/{DELIVERY}/cur-1.csv.gz", f"billing/{DELIVERY}/cur-2.csv.gz"
            ),
            f"{DELIVERY}/cur-1.csv.gz": cur(*range(10)),
        },
        f"{DELIVERY}/cur-Manifest.json",
        "1 of the 2 files that the manifest of its delivery lists are not there",
    ),
    "that its billing period is open": Case(
        {"lines.csv": as_csv(charge()), "periods.csv": periods_csv()}, "periods.csv", "its billing period"
    ),
}


def bytes_alone(project: Project, path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"x")


def bytes_and_record(project: Project, path: Path) -> None:
    path.unlink()
    path.with_name(f"{path.name}.jsonl").unlink()


def its_shelf(project: Project, path: Path) -> None:
    shutil.rmtree(path.parent)


def totals(project: Project) -> list[tuple[str, str, int]]:
    rows = project.query(
        "SELECT external_id, status, amount_gross_minor FROM tax_split_totals ORDER BY external_id, account_id"
    )
    return [(row["external_id"], row["status"], row["amount_gross_minor"]) for row in rows]


def reasons(project: Project) -> list[str]:
    return [
        reason for row in project.query("SELECT hold_reasons FROM tax_split_totals") for reason in row["hold_reasons"]
    ]


def archived(project: Project, name: str) -> Path:
    document = project.query("SELECT document_sha256 FROM document_names WHERE inbox_path = ?", [name])
    return archive_of(project.warehouse).path_of(document[0]["document_sha256"])


@pytest.mark.parametrize(
    ("name", "lose"),
    [
        *((name, bytes_alone) for name in CASES),
        ("a newer version under another name", its_shelf),
        ("a part", bytes_and_record),
        ("the manifest of half a delivery", its_shelf),
        ("that its billing period is open", bytes_and_record),
    ],
)
def test_an_invoice_is_held_while_a_document_is_lost_that_concerned_it_and_is_what_it_was_once_that_is_back(
    project: Project, name: str, lose: Callable[[Project, Path], None], arcadia: Shell
) -> None:
    case = CASES[name]
    for path, content in case.files.items():
        project.drop(path, content)
        project.build()
    before = totals(project)
    lose(project, archived(project, case.lost))
    forget(project)
    landed = build(project.warehouse)
    assert {status for _, status, _ in totals(project)} == {"held"}
    assert any(case.says in reason for reason in reasons(project))
    assert any("put the same file into the inbox again" in problem for problem in landed.problems.values())
    project.drop(case.lost, case.files[case.lost])
    project.build()
    if lose is not bytes_alone:
        # The record may have had decisions, so a person says that there were none.
        assert {status for _, status, _ in totals(project)} == {"held"}
        home = str(project.home)
        arcadia(
            "mend",
            project.document(Path(case.lost).name)["document_sha256"],
            "--reason",
            "no backup",
            ARCADIA_HOME=home,
        )
        project.build()
        for row in project.query("SELECT external_id, hold_reasons FROM tax_split_totals"):
            if any("which may have said that this invoice is void" in reason for reason in row["hold_reasons"]):
                project.settle("release", row["external_id"])
        project.build()
    assert totals(project) == before, reasons(project)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Three invoices, of which the second came in two versions."""
    project = Project(tmp_path_factory.mktemp("lost") / "home")
    for number, amount in (("1001", "$6.00"), ("1002", "$7.00"), ("1002", "$8.00"), ("1003", "$9.00")):
        project.drop(invoice_name(number=number), digitalocean(line(amount=amount)))
        project.build()
    return project


@pytest.fixture
def several(kept: Project, tmp_path: Path) -> Project:
    """A copy of them."""
    return Project(shutil.copytree(kept.home, tmp_path / "several"))


def test_an_older_version_that_is_lost_holds_nothing(several: Project) -> None:
    [row] = several.query(
        "SELECT document_sha256 FROM document_names WHERE file_name = ? ORDER BY received_at LIMIT 1",
        [invoice_name(number="1002")],
    )
    bytes_alone(several, archive_of(several.warehouse).path_of(row["document_sha256"]))
    before = totals(several)
    forget(several)
    several.build()
    assert totals(several) == before == [("1001", "ready", 600), ("1002", "ready", 800), ("1003", "ready", 900)]


def test_files_of_one_name_in_several_folders_hold_each_other_no_more_than_their_invoices_do(project: Project) -> None:
    for number in range(1, 4):
        project.drop(f"{number}/invoice.csv", as_csv(charge(InvoiceId=f"INV-{number}", BilledCost=f"{number}.00")))
    project.build()
    bytes_alone(project, archived(project, "3/invoice.csv"))
    forget(project)
    project.build()
    assert [(name, status) for name, status, _ in totals(project)] == [("INV-1", "ready"), ("INV-2", "ready")]


def test_a_newer_version_whose_record_alone_is_gone_keeps_the_older_one_from_finance(
    project: Project, arcadia: Shell
) -> None:
    for folder, amount in (("a", "$6.00"), ("b", "$14.00")):
        project.drop(f"{folder}/{invoice_name()}", digitalocean(line(amount=amount)))
        project.build()
    project.settle("release", "1001")
    record = archive_of(project.warehouse).record_path(archived(project, f"b/{invoice_name()}").name)
    record.unlink()
    said = arcadia("rebuild", code=1, ARCADIA_HOME=str(project.home)).stdout
    assert "its record is damaged, so its invoices are held" in said
    assert totals(project) == [("1001", "held", 1400)]


def test_half_a_delivery_is_held_when_nothing_but_the_record_of_its_manifest_is_gone(project: Project) -> None:
    case = CASES["the manifest of half a delivery"]
    for path, content in case.files.items():
        project.drop(path, content)
    project.build()
    archive_of(project.warehouse).record_path(archived(project, case.lost).name).unlink()
    forget(project)
    project.build()
    assert {status for _, status, _ in totals(project)} == {"held"}


def test_a_void_that_was_lost_with_an_older_version_holds_the_newer_one(project: Project) -> None:
    project.drop(NAME, digitalocean(line(amount="$6.00")))
    project.build()
    project.settle("void", "1001")
    older = archived(project, NAME)
    project.drop(NAME, digitalocean(line(amount="$8.00")))
    project.build()
    bytes_and_record(project, older)
    forget(project)
    project.build()
    assert totals(project) == [("1001", "held", 800)]


def test_an_invoice_that_a_lost_one_is_alike_is_held_as_long_as_nobody_can_compare_them(project: Project) -> None:
    for number in (1, 2):
        project.drop(f"{number}.csv", as_csv(*lines_of(f"INV-{number}", 1, 2, 3)))
        project.build()
    before = totals(project)
    bytes_alone(project, archived(project, "1.csv"))
    forget(project)
    project.build()
    assert totals(project) == [("INV-2", "held", 3000)]
    project.drop("1.csv", as_csv(*lines_of("INV-1", 1, 2, 3)))
    project.build()
    assert totals(project) == before


def test_a_rejected_file_that_is_lost_holds_what_it_lay_beside(project: Project) -> None:
    project.drop("d/one.csv", as_csv(*lines_of("INV-1", 1, 2)))
    project.drop("d/two.csv", b"no table at all\n")
    project.build()
    before = totals(project)
    assert {status for _, status, _ in before} == {"held"}
    its_shelf(project, archived(project, "d/two.csv"))
    forget(project)
    project.build()
    assert totals(project) == before


def test_a_rebuild_knows_what_the_warehouse_of_before_knew_of_a_lost_document(several: Project, arcadia: Shell) -> None:
    newest = invoice_name(number="1003")
    path = archived(several, newest)
    shutil.rmtree(archive_of(several.warehouse).folder / contents.KEPT_IN)
    bytes_and_record(several, path)
    (several.inbox / newest).unlink()
    said = arcadia("rebuild", code=1, ARCADIA_HOME=str(several.home)).stdout
    assert f"{newest}: {path} is missing" in said


def test_a_rebuild_without_a_shelf_fails_in_words_and_finance_keeps_what_it_has(
    project_with_finance: Project, arcadia: Shell
) -> None:
    project, name = project_with_finance, invoice_name(number="1002")
    for number in ("1001", "1002"):
        project.drop(invoice_name(number=number), digitalocean(line(amount=f"${number}.00"), tax()))
    project.build()
    assert project.finance.deliver(project.warehouse).failure is None
    path = archived(project, name)
    if path.parent == archived(project, invoice_name()).parent:
        bytes_and_record(project, path)
    else:
        its_shelf(project, path)
    (project.inbox / name).unlink()
    said = arcadia("rebuild", code=1, ARCADIA_HOME=str(project.home)).stdout
    assert f"{name}: {path} is missing: restore it from the newest backup" in said
    assert [row["external_id"] for row in project.query("SELECT external_id FROM tax_split_totals")] == ["1001"]
    assert project.document(name)["status"] == "rejected"


def test_a_home_of_an_earlier_version_keeps_what_its_documents_state_at_the_next_landing(several: Project) -> None:
    folder = archive_of(several.warehouse).folder / contents.KEPT_IN
    shutil.rmtree(folder)
    with several.warehouse.write_register() as connection:
        connection.execute("DELETE FROM document_contents")
    several.build()
    [file] = folder.iterdir()
    told = [json.loads(text) for text in file.read_text().splitlines()]
    assert sorted(one["invoices"][0]["id"] for one in told) == ["1001", "1002", "1002", "1003"]
    assert verified(several) == []
    several.build()
    assert [*folder.iterdir()] == [file]


def verified(project: Project) -> list[tuple[str, str]]:
    doubts = verify(project.warehouse, archive_of(project.warehouse), full=True, now=NOW).doubts
    return [(doubt.kind, doubt.what) for doubt in doubts]


def test_a_crash_before_the_file_is_kept_is_made_good_by_the_next_landing(
    several: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = type(archive_of(several.warehouse))
    with monkeypatch.context() as patched:

        def crashed(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(archive, "keep", crashed)
        several.drop(invoice_name(number="1004"), digitalocean(line(amount="$4.00")))
        with pytest.raises(KeyboardInterrupt):
            several.build()
    several.build()
    assert verified(several) == []
    assert len([*(archive_of(several.warehouse).folder / contents.KEPT_IN).iterdir()]) == 5
    assert ("1004", "ready", 400) in totals(several)


@pytest.fixture
def folder(several: Project) -> Path:
    return archive_of(several.warehouse).folder / contents.KEPT_IN


def test_a_kept_file_that_is_changed_is_doubted_and_not_believed(several: Project, folder: Path) -> None:
    file = sorted(folder.iterdir())[1]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes().replace(b"1002", b"1001"))
    assert ("kept", "it was changed: restore it from the newest backup; if nobody has it, move it away") in verified(
        several
    )
    forget(several)
    landed = build(several.warehouse)
    assert any(f"{file} was changed" in problem for problem in landed.problems.values())


def test_a_kept_file_that_is_gone_is_doubted_and_written_again_by_the_next_landing(
    several: Project, folder: Path
) -> None:
    file = sorted(folder.iterdir())[1]
    content = file.read_bytes()
    file.unlink()
    assert verified(several) == [("kept", "the archive does not keep what it states")]
    several.build()
    assert file.read_bytes() == content
    assert verified(several) == []


NO_FILES: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("put", NO_FILES.values(), ids=NO_FILES)
def test_what_lies_in_a_kept_files_place_and_is_no_file_is_put_aside_and_the_file_is_written_again(
    several: Project, folder: Path, put: Callable[[Path], object]
) -> None:
    file = sorted(folder.iterdir())[1]
    content = file.read_bytes()
    file.unlink()
    put(file)
    assert ("kept", "the archive does not keep what it states") in verified(several)
    several.build()
    assert file.read_bytes() == content
    assert len([*folder.glob(f"{file.name}.damaged-*")]) == 1
    assert verified(several) == []


@pytest.mark.parametrize("put", NO_FILES.values(), ids=NO_FILES)
def test_a_kept_file_that_is_no_file_is_told_where_no_warehouse_knows_what_it_said(
    several: Project, folder: Path, put: Callable[[Path], object]
) -> None:
    kept = sorted(folder.iterdir())
    for file in kept:
        file.unlink()
        put(file)
    forget(several)
    landed = build(several.warehouse)
    assert len([problem for problem in landed.problems.values() if "was changed: restore it" in problem]) == len(kept)
    build(several.warehouse)


def test_a_seal_shows_that_kept_files_were_there_which_somebody_has_removed_with_the_warehouse(
    several: Project, folder: Path
) -> None:
    archive = archive_of(several.warehouse)
    sealed = verify(several.warehouse, archive, full=True, now=NOW).seal
    assert sealed is not None
    assert len(sealed.kept) == 4
    shutil.rmtree(folder)
    forget(several)
    several.build()
    doubts = verify(several.warehouse, archive, full=True, now=NOW, sealed=sealed).doubts
    assert [doubt.kind for doubt in doubts] == ["seal"] * 4
    assert f"{archive.name}/{sealed.kept[0]} is gone; it was sealed on 2026-06-01" in doubts[0].what


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("DELETE FROM document_invoices WHERE external_id = '1001'", "it stated 1001, which the warehouse lacks"),
        ("UPDATE document_invoices SET external_id = '9' WHERE external_id = '1001'", "it stated 1001"),
        ("UPDATE document_contents SET content = replace(content, '1001', '1009')", "is not in the warehouse"),
    ],
)
def test_a_register_that_states_another_invoice_than_the_document_did_is_doubted(
    several: Project, change: str, says: str
) -> None:
    with several.warehouse.write() as connection:
        connection.execute(change)
    assert any(kind == "register" and says in what for kind, what in verified(several))


def test_an_archive_that_is_not_there_is_told_and_not_made_anew(several: Project, arcadia: Shell) -> None:
    archive = archive_of(several.warehouse).folder
    archive.rename(archive.with_name("elsewhere"))
    warehouse = several.warehouse.path.read_bytes()
    for command in (["ingest"], ["rebuild"]):
        said = arcadia(*command, code=1, ARCADIA_HOME=str(several.home))
        assert (
            f"{archive} is empty, but documents of it are registered: is its disk there?" in said.stdout + said.stderr
        )
    assert several.warehouse.path.read_bytes() == warehouse
    shutil.rmtree(archive)
    archive.with_name("elsewhere").rename(archive)
    assert verified(several) == []


def test_a_rebuild_that_fails_leaves_the_warehouse_of_before_in_its_place(several: Project, arcadia: Shell) -> None:
    before = several.warehouse.path.read_bytes()
    killed = several.warehouse.path.with_name("arcadia.duckdb.new")
    killed.write_bytes(b"of a rebuild that was killed")
    (several.home / "tenants.toml").write_text("[[tenant]\n")
    arcadia("rebuild", code=1, ARCADIA_HOME=str(several.home))
    assert several.warehouse.path.read_bytes() == before
    assert [*several.home.glob("*.before-*")] == []
    (several.home / "tenants.toml").unlink()
    arcadia("rebuild", code=0, ARCADIA_HOME=str(several.home))
    assert len([*several.home.glob("*.before-*")]) == 1
    assert not killed.exists()


def test_a_warehouse_that_can_be_read_in_part_only_is_built_anew_and_not_compared(
    several: Project, arcadia: Shell
) -> None:
    before = totals(several)
    with several.warehouse.write() as connection:
        connection.execute("DROP TABLE cost_lines CASCADE")
    said = arcadia("rebuild", code=0, ARCADIA_HOME=str(several.home)).stdout
    assert "the two cannot be compared: " in said
    assert "0 records of what finance answered were taken over" in said
    assert totals(several) == before


def test_a_rebuild_of_a_garbled_warehouse_advises_nothing_that_it_has_just_done(
    several: Project, arcadia: Shell
) -> None:
    several.warehouse.path.write_bytes(b"no warehouse at all")
    said = arcadia("rebuild", code=0, ARCADIA_HOME=str(several.home)).stdout
    [told] = [text for text in said.splitlines() if text.startswith("the two cannot be compared: ")]
    assert f"{several.warehouse.path} cannot be opened as a warehouse (" in told
    assert ("arcadia rebuild" in told, "ARCADIA_WAREHOUSE" in told) == (False, False)


def test_a_folder_in_the_place_of_a_document_holds_it_and_all_others_go_on(several: Project) -> None:
    name = invoice_name(number="1003")
    path = archived(several, name)
    path.unlink()
    path.mkdir()
    (several.inbox / name).unlink()
    several.drop(invoice_name(number="1004"), digitalocean(line(amount="$4.00")))
    several.build()
    assert ("1003", "held", 900) in totals(several)
    assert ("1004", "ready", 400) in totals(several)
    assert any("cannot be read (it is no plain file)" in reason for reason in reasons(several))


def test_a_document_that_was_dismissed_for_its_lost_bytes_is_no_doubt_any_more(
    several: Project, arcadia: Shell
) -> None:
    name = invoice_name(number="1003")
    bytes_alone(several, path := archived(several, name))
    (several.inbox / name).unlink()
    several.build()
    home = str(several.home)
    arcadia("dismiss", path.name[:12], "--reason", "nobody has it", code=0, ARCADIA_HOME=home)
    several.build()
    assert verified(several) == []
    for command in (["ingest"], ["verify", "--full"], ["rebuild"], ["ingest"], ["verify", "--full"]):
        told = arcadia(*command, code=0, ARCADIA_HOME=home)
        assert "is missing" not in told.stdout + told.stderr, command


def test_a_folder_in_the_place_of_a_document_goes_beside_when_its_file_comes_again(several: Project) -> None:
    name = invoice_name(number="1003")
    path = archived(several, name)
    path.unlink()
    path.mkdir()
    several.drop(name, (several.inbox / name).read_bytes())
    several.drop(invoice_name(number="1004"), digitalocean(line(amount="$4.00")))
    several.build()
    assert totals(several)[-2:] == [("1003", "ready", 900), ("1004", "ready", 400)]
    assert [one.is_dir() for one in path.parent.glob(f"{path.name}.damaged-*")] == [True]


def test_a_file_in_the_place_of_a_folder_is_one_line_that_says_which(several: Project, arcadia: Shell) -> None:
    kept = archive_of(several.warehouse).folder / "contents"
    shutil.rmtree(kept)
    kept.write_bytes(b"")
    several.drop(invoice_name(number="1004"), digitalocean(line(amount="$4.00")))
    told = arcadia("ingest", code=1, ARCADIA_HOME=str(several.home))
    assert f"{kept} is a file where a folder must be: move it away, then run `arcadia ingest`" in told.stderr
    kept.unlink()
    several.build()
    assert ("1004", "ready", 400) in totals(several)
