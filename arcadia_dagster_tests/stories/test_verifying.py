"""`arcadia verify`: whatever is changed at rest is found, named with its command, and the rest is not doubted."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from arcadia_dagster.landing import contents
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.heads import HEADS_FILE
from arcadia_dagster.landing.verifying import Doubt, Seal, SealError
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.verification.at_rest import NOTED_IN, Verification, note, noted, verify
from arcadia_dagster_tests.kit.plain import archive_of, build
from arcadia_dagster_tests.kit.project import SECRET, Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.shell import Shell

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NAME, OTHER = invoice_name(), invoice_name(number="1002")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Two invoices in finance, of which a person has voided one after that, and a file of rules."""
    folder = tmp_path_factory.mktemp("verifying")
    with RunningSandbox(database=folder / "finance.sqlite", secret=SECRET) as sandbox:
        project = Project(folder / "home", sandbox=sandbox)
        for amount in ("0.01", "0.02"):
            rule = f'[digitalocean]\ntolerance = {amount}\nreason = "a cent or two"\n'
            (project.home / "sources.toml").write_text(rule)
            project.drop(NAME, digitalocean(line(), tax()))
            project.drop(OTHER, digitalocean(line(amount="$7.00"), tax(amount="$0.70")))
            build(project.warehouse, resources=True)
        assert project.finance.deliver(project.warehouse).failure is None
        project.decide("void", reason="paid twice", now=NOW)
        build(project.warehouse, resources=True)
        yield project


@pytest.fixture
def project(kept: Project) -> Iterator[Project]:
    """The same; what a test changes in its archive and its warehouse is put back."""
    archive, copy = archive_of(kept.warehouse).folder, kept.home / "copy"
    shutil.copytree(archive, copy)
    shutil.copy2(kept.warehouse.path, kept.home / "copy.duckdb")
    yield kept
    shutil.rmtree(archive)
    copy.rename(archive)
    (kept.home / "copy.duckdb").replace(kept.warehouse.path)


def verified(project: Project, *, full: bool = True, sealed: Seal | None = None) -> Verification:
    return verify(project.warehouse, archive_of(project.warehouse), full=full, now=NOW, sealed=sealed)


def of(project: Project, name: str = NAME) -> tuple[Archive, str]:
    return archive_of(project.warehouse), project.document(name)["document_sha256"]


def record_of(project: Project) -> Path:
    archive, sha256 = of(project)
    return archive.record_path(sha256)


def index_of(project: Project) -> Path:
    archive, sha256 = of(project)
    return archive.folder / sha256[:2] / HEADS_FILE


def bytes_of(project: Project) -> Path:
    archive, sha256 = of(project)
    return archive.path_of(sha256)


def changed(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def flipped(path: Path, at: int = 40) -> None:
    content = path.read_bytes()
    changed(path, content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def test_nothing_is_doubted_where_nothing_was_changed(kept: Project) -> None:
    found = verified(kept)
    assert (found.doubts, found.documents, found.invoices, found.deliveries) == ((), 2, 2, 2)
    assert (found.lines, found.byte_size) == (3, sum(bytes_of_all(kept)))
    assert verified(kept, full=False).doubts == ()


def bytes_of_all(project: Project) -> list[int]:
    return [row["byte_size"] for row in project.query("FROM documents")]


def execute(project: Project, *statements: str) -> None:
    with project.warehouse.write() as connection:
        for statement in statements:
            connection.execute(statement)


def more(minor: int) -> str:
    """Gross and net that are more by so many minor units."""
    return f"amount_gross_minor = amount_gross_minor + {minor}, amount_net_minor = amount_net_minor + {minor}"


CHANGES: dict[str, tuple[Callable[[Project], object], str, str]] = {
    "a byte of a document": (lambda project: flipped(bytes_of(project)), "bytes", "arcadia ingest"),
    "the end of a document": (lambda project: os.truncate(bytes_of(project), 30), "bytes", "arcadia ingest"),
    "a document is gone": (lambda project: bytes_of(project).unlink(), "bytes", "arcadia ingest"),
    "a byte of a record": (lambda project: flipped(record_of(project)), "record", "arcadia mend"),
    "the last line of a record": (
        lambda project: changed(record_of(project), record_of(project).read_bytes().splitlines(keepends=True)[0]),
        "record",
        "arcadia mend",
    ),
    "a record is gone": (lambda project: record_of(project).unlink(), "record", "arcadia mend"),
    "a byte of the index": (lambda project: flipped(index_of(project), at=0), "heads", "arcadia ingest"),
    "the index is gone": (lambda project: index_of(project).unlink(), "heads", "arcadia ingest"),
    "the index is empty": (lambda project: changed(index_of(project), b""), "heads", "arcadia ingest"),
    "a folder in place of the index": (
        lambda project: made_a_folder(index_of(project)),
        "heads",
        "arcadia ingest",
    ),
    "a byte of the rules": (
        lambda project: flipped(min((archive_of(project.warehouse).folder / "sources").iterdir())),
        "kept",
        "",
    ),
    "the first rules are gone": (
        lambda project: min((archive_of(project.warehouse).folder / "sources").iterdir()).unlink(),
        "kept",
        "",
    ),
    "a decision in the warehouse": (
        lambda project: execute(project, "UPDATE decisions SET reason = 'paid once'"),
        "register",
        "arcadia rebuild",
    ),
    "a name in the warehouse": (
        lambda project: execute(project, "DELETE FROM document_names"),
        "register",
        "arcadia rebuild",
    ),
    "a total": (
        lambda project: execute(project, "UPDATE tax_split_totals SET amount_gross_minor = amount_gross_minor + 1"),
        "totals",
        "arcadia rebuild",
    ),
    "a line": (
        lambda project: execute(project, "UPDATE cost_lines SET amount = amount + 1"),
        "totals",
        "arcadia rebuild",
    ),
    "a total in minor units with what its tenant bears": (
        lambda project: execute(project, f"UPDATE tax_split_totals SET {more(1)}", f"UPDATE allocations SET {more(1)}"),
        "totals",
        "arcadia rebuild",
    ),
    "what a tenant bears": (
        lambda project: execute(project, f"UPDATE allocations SET {more(1)}"),
        "totals",
        "arcadia rebuild",
    ),
    "lines, totals and what tenants bear": (
        lambda project: execute(
            project,
            "UPDATE cost_lines SET amount = amount + 1 WHERE charge_category <> 'Tax'",
            f"UPDATE tax_split_totals SET amount_gross = amount_gross + 1, {more(100)}",
            f"UPDATE allocations SET {more(100)}",
        ),
        "totals",
        "arcadia rebuild",
    ),
    "a total's currency": (
        lambda project: execute(project, "UPDATE tax_split_totals SET currency = 'EUR'"),
        "totals",
        "arcadia rebuild",
    ),
    "tax that becomes net": (
        lambda project: execute(project, "UPDATE cost_lines SET charge_category = 'Usage'"),
        "totals",
        "arcadia rebuild",
    ),
    "an attempt": (
        lambda project: execute(project, "UPDATE finance_attempts SET outcome = 'refused'"),
        "deliveries",
        "arcadia reconcile",
    ),
    "an attempt is gone": (
        lambda project: execute(project, "DELETE FROM finance_attempts"),
        "deliveries",
        "arcadia reconcile",
    ),
    "a table is gone": (lambda project: execute(project, "DROP TABLE cost_lines"), "warehouse", ""),
    "a column is gone": (
        lambda project: execute(project, "ALTER TABLE finance_attempts DROP COLUMN outcome"),
        "warehouse",
        "",
    ),
    "a column more": (
        lambda project: execute(project, "ALTER TABLE documents ADD COLUMN somebodys INTEGER"),
        "warehouse",
        "arcadia rebuild",
    ),
    "a default": (
        lambda project: execute(project, "ALTER TABLE cost_lines ALTER COLUMN description SET DEFAULT 'GST'"),
        "warehouse",
        "arcadia rebuild",
    ),
    "an index": (
        lambda project: execute(project, "CREATE INDEX somebodys ON documents (document_sha256)"),
        "warehouse",
        "arcadia rebuild",
    ),
    "a function that hides functions": (
        lambda project: execute(
            project, "CREATE MACRO duckdb_functions() AS TABLE SELECT 'x' AS function_name, 'y' AS database_name"
        ),
        "warehouse",
        "arcadia rebuild",
    ),
    "who bears it": (
        lambda project: execute(project, "UPDATE tenant_routes SET tenant_id = 'another'"),
        "register",
        "arcadia rebuild",
    ),
    "what waits for a second person": (
        lambda project: execute(project, "DELETE FROM approval_limits; DELETE FROM tenant_routes"),
        "register",
        "arcadia rebuild",
    ),
    "what was built of what": (
        lambda project: execute(project, "UPDATE stage_versions SET built_from = version"),
        "register",
        "arcadia rebuild",
    ),
}


@pytest.mark.parametrize(("change", "kind", "command"), CHANGES.values(), ids=CHANGES)
def test_what_is_changed_at_rest_is_found_with_the_command_that_settles_it(
    project: Project, change: Callable[[Project], object], kind: str, command: str
) -> None:
    change(project)
    doubts = verified(project).doubts
    assert {doubt.kind for doubt in doubts} == {kind}
    assert all(doubt.command.startswith(command) for doubt in doubts)


def test_a_document_and_its_record_that_are_gone_together_are_told_with_and_without_the_warehouse(
    project: Project,
) -> None:
    _, sha256 = of(project)
    bytes_of(project).unlink()
    record_of(project).unlink()
    (project.inbox / NAME).rename(project.home / "elsewhere.csv")
    assert {doubt.kind for doubt in verified(project).doubts} == {"bytes", "record"}
    project.forget_warehouse()
    # As an earlier version left it.
    shutil.rmtree(archive_of(project.warehouse).folder / contents.KEPT_IN)
    landed = build(project.warehouse, resources=True)
    try:
        [problem] = landed.problems.values()
        assert "and its record are gone, and nobody knows which invoices it states" in problem
        assert build(project.warehouse, resources=True).problems == landed.problems
        [doubt] = verified(project).doubts
        assert (doubt.kind, doubt.subject) == ("record", sha256)
    finally:
        (project.home / "elsewhere.csv").rename(project.inbox / NAME)


def test_a_lost_index_is_made_anew_by_the_next_landing(project: Project) -> None:
    before = index_of(project).read_bytes()
    index_of(project).unlink()
    build(project.warehouse, resources=True)
    assert index_of(project).read_bytes() == before
    assert verified(project).doubts == ()


def test_what_lies_in_the_indexs_place_and_is_no_file_stays_beside_the_one_that_is_made_anew(project: Project) -> None:
    made_a_folder(index_of(project))
    project.decide("end", reason="the last one", now=NOW)
    assert index_of(project).is_file()
    assert [path.is_dir() for path in index_of(project).parent.glob(f"{HEADS_FILE}.damaged-*")] == [True]
    build(project.warehouse, resources=True)
    assert verified(project).doubts == ()


def test_a_head_that_a_crash_left_behind_is_no_damage_and_is_caught_up_with(project: Project) -> None:
    archive, sha256 = of(project)
    before = index_of(project).read_bytes()
    project.decide("end", reason="the last one", now=NOW)
    after = index_of(project).read_bytes()
    changed(index_of(project), before)
    execute(project, "UPDATE documents SET record_bytes = 0")
    build(project.warehouse, resources=True)
    assert index_of(project).read_bytes() == after != before
    assert (archive.record(sha256).damage, verified(project).doubts) == (None, ())


def test_a_seal_shows_that_nothing_was_removed_and_what_came_since_is_no_doubt(project: Project) -> None:
    seal = verified(project).seal
    assert seal is not None
    again = Seal.parse(json.dumps(seal.as_json()), "seal.json")
    assert again == seal
    project.decide("end", reason="the last one", now=NOW)
    assert verified(project, sealed=again).doubts == ()

    # Somebody who may write everything takes the void out, and makes index and warehouse agree with it.
    lines = record_of(project).read_bytes().splitlines(keepends=True)
    changed(record_of(project), lines[0])
    for index in archive_of(project.warehouse).folder.glob(f"*/{HEADS_FILE}"):
        index.unlink()
    project.forget_warehouse()
    build(project.warehouse, resources=True)
    assert verified(project).doubts == ()
    [doubt] = verified(project, sealed=again).doubts
    assert (doubt.kind, doubt.subject) == ("seal", of(project)[1])


def test_a_seal_that_is_no_text_or_no_file_is_refused_in_a_line(kept: Project, arcadia: Shell, tmp_path: Path) -> None:
    seal, pipe = tmp_path / "seal.json", tmp_path / "pipe"
    seal.write_bytes(bytes(range(256)))
    os.mkfifo(pipe)
    for named, problem in (
        (seal, "is no seal that `arcadia verify --seal` has written"),
        (pipe, "cannot be read (it is no plain file)"),
        (tmp_path, "cannot be read (it is no plain file)"),
        (tmp_path / "missing", "cannot be read (No such file or directory)"),
    ):
        told = arcadia("verify", "--against", str(named), code=1, ARCADIA_HOME=str(kept.home)).stderr
        assert f"{named} {problem}" in told


def test_a_seal_names_nothing_but_documents(kept: Project) -> None:
    seal = verified(kept).seal
    assert seal is not None
    values = seal.as_json()
    values["heads"] = {f"../../{name}": head for name, head in values["heads"].items()}
    with pytest.raises(SealError, match="not all of its names are those of documents"):
        Seal.parse(json.dumps(values), "seal.json")


def test_a_note_that_cannot_be_written_hides_no_doubt(project: Project, arcadia: Shell) -> None:
    bytes_of(project).unlink()
    (project.home / NOTED_IN).unlink(missing_ok=True)
    (project.home / NOTED_IN).mkdir()
    found = arcadia("verify", code=1, ARCADIA_HOME=str(project.home))
    assert "bytes " in found.stdout
    assert f"{NOTED_IN}: Is a directory" in found.stderr
    assert not list(project.home.glob(f".{NOTED_IN}*"))
    (project.home / NOTED_IN).rmdir()


def test_a_warehouse_that_cannot_be_read_keeps_no_archive_from_being_verified(project: Project) -> None:
    flipped(bytes_of(project))
    os.truncate(project.warehouse.path, 5_000)
    found = verified(project)
    assert [doubt.kind for doubt in found.doubts] == ["bytes", "warehouse"]
    assert (found.documents, found.lines) == (2, 3)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"heads": {"a": 1}}', "[" * 100_000])
def test_a_file_that_is_no_seal_is_refused(text: str) -> None:
    with pytest.raises(SealError, match=r"seal\.json is no seal"):
        Seal.parse(text, "seal.json")


def test_the_command_prints_each_doubt_and_exits_with_1_and_the_doctor_says_when_it_last_was(
    project: Project, arcadia: Shell
) -> None:
    home = {"ARCADIA_HOME": str(project.home)}
    assert "nothing is doubted" in arcadia("verify", "--full", "--seal", "seal.json", environ=home).stdout
    assert "a seal is never replaced" in arcadia("verify", "--seal", "seal.json", environ=home, code=1).stderr
    assert "nothing that was sealed on" in arcadia("verify", "--against", "seal.json", environ=home).stdout
    flipped(bytes_of(project))
    told = arcadia("verify", "--full", environ=home, code=1).stdout
    assert "where the inbox has the file the next landing takes it again" in told
    [doubt] = json.loads(arcadia("verify", "--full", "--json", environ=home, code=1).stdout)["doubts"]
    assert doubt["kind"] == "bytes"
    verdicts = json.loads(arcadia("doctor", "--json", environ=home, code=1).stdout)
    [verdict] = [verdict for verdict in verdicts if verdict["what"] == "verified"]
    assert (verdict["verdict"], "every byte: 1 doubts" in verdict["text"]) == ("failed", True)


def test_the_command_of_a_doubt_is_printed_once(project: Project, arcadia: Shell) -> None:
    flipped(record_of(project))
    flipped(index_of(project), at=0)
    told = arcadia("verify", code=1, ARCADIA_HOME=str(project.home)).stdout
    assert told.count("arcadia mend") == 1
    assert "made anew: arcadia ingest\n" in told


def test_a_note_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert noted(tmp_path) is None
    found = Verification(NOW, False, 0, 0, 0, 0, 0, (Doubt("bytes", "a", "b", ""),), None)
    note(tmp_path, found)
    last = noted(tmp_path)
    assert last is not None
    assert (last.at, last.is_full, last.doubts) == (NOW, False, 1)
    (tmp_path / "verified.json").write_text("{}")
    assert noted(tmp_path) is None
