"""Damaged records in the archive: what such a record may have said is not taken for unsaid, and nobody else waits for it."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from arcadia_dagster.decisions.decision import Decision, DecisionError
from arcadia_dagster.decisions.mending import mend
from arcadia_dagster.landing.records import barred_invoices
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.warehouse.months import stale
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.plain import archive_of, build
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NAME, OTHER = invoice_name(), invoice_name(number="1002")

Damage = Callable[[bytes], bytes]

LINES_LOST: dict[str, Damage] = {
    "no JSON": lambda record: record.replace(b'"decision": "void"', b'"decision"; "void"'),
    "JSON, but no object": lambda record: record.splitlines(keepends=True)[0] + b"[]\n",
    "of an unknown kind": lambda record: record.replace(b'"event": "decided"', b'"event": "decidad"'),
    "without a field": lambda record: record.replace(b'"external_id": "1001", ', b""),
    "cut off": lambda record: record[:-20],
    "without its line end": lambda record: record[:-1],
    "with NUL bytes": lambda record: record.replace(b"void", bytes(4)),
    "no text": lambda record: record.replace(b"void", b"\xff\xfe\xfd\xfc"),
    "of NUL bytes only": lambda record: bytes(len(record)),
    "empty": lambda record: record[:0],
    "with a line too many": lambda record: record + b"\n",
}
"""What may become of a record, so that no line, or not the last, can be read any more."""

LINES_CHANGED: dict[str, Damage] = {
    "without its last line": lambda record: record.splitlines(keepends=True)[0],
    "with another decision": lambda record: record.replace(b'"void"', b'"end" '),
    "about another invoice": lambda record: record.replace(b'"external_id": "1001"', b'"external_id": "9999"'),
}
"""The same, where each line can be read: the warehouse knows what it said, and without it the index of heads tells."""


def record_path(project: Project, name: str = NAME) -> Path:
    return archive_of(project.warehouse).record_path(project.document(name)["document_sha256"])


def damaged(project: Project, damage: Damage, name: str = NAME) -> Callable[[], None]:
    """Damage a document's record; what is returned restores it from the backup."""
    path = record_path(project, name)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert path.read_bytes() != whole

    def restore() -> None:
        path.unlink()
        path.write_bytes(whole)

    return restore


def in_finance(project: Project) -> list[str]:
    assert project.sandbox is not None
    return [row["external_id"] for row in project.sandbox.invoices()]


@pytest.fixture(scope="module")
def home_of_voided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two invoices, of which a person has voided one before it was pushed."""
    project = Project(tmp_path_factory.mktemp("voided") / "home")
    project.drop(NAME, digitalocean(line(), tax()))
    project.drop(OTHER, digitalocean(line(amount="$7.00"), tax(amount="$0.70")))
    build(project.warehouse)
    project.decide("void", reason="paid twice", now=NOW)
    build(project.warehouse)
    return project.home


@pytest.fixture
def voided(home_of_voided: Path, tmp_path: Path, sandbox: RunningSandbox) -> Project:
    """A copy of them, with a finance service."""
    return Project(shutil.copytree(home_of_voided, tmp_path / "home"), sandbox=sandbox)


def each_voided(project: Project, kinds: Iterable[str]) -> dict[str, str]:
    """An invoice of its own for each kind of damage, voided before it was pushed, and one that is not: their documents' hashes.

    One world for all kinds: a world for each of them takes eight times as long.
    """
    names = {kind: invoice_name(account=str(100 + number)) for number, kind in enumerate(kinds)}
    for number, name in enumerate(names.values()):
        project.drop(name, digitalocean(line(amount=f"${number + 10}.00"), tax()))
    project.drop(OTHER, digitalocean(line(amount="$7.00"), tax(amount="$0.70")))
    build(project.warehouse)
    for number, name in enumerate(names.values()):
        invoice = ("digitalocean", str(100 + number), "1001")
        project.decide("void", file_name=name, invoice=invoice, reason="paid twice", now=NOW)
    build(project.warehouse)
    return {kind: project.document(name)["document_sha256"] for kind, name in names.items()}


def each_damaged(project: Project, documents: dict[str, str], damages: Mapping[str, Damage | None]) -> dict[str, bytes]:
    """Damage the record of each document in its own way, None takes it away; the records as they were."""
    whole = {}
    for kind, sha256 in documents.items():
        path, damage = path_of(project, sha256), damages[kind]
        whole[kind] = path.read_bytes()
        if damage is None:
            path.unlink()
            continue
        path.write_bytes(damage(whole[kind]))
        assert path.read_bytes() != whole[kind], kind
    return whole


def restore_each(project: Project, documents: dict[str, str], whole: Mapping[str, bytes]) -> None:
    for kind, sha256 in documents.items():
        path = path_of(project, sha256)
        path.unlink()
        path.write_bytes(whole[kind])


def path_of(project: Project, sha256: str) -> Path:
    return archive_of(project.warehouse).record_path(sha256)


def reasons_of(project: Project, sha256: str) -> list[str]:
    """Why the document's invoice is held."""
    [row] = project.query("SELECT hold_reasons FROM tax_split_totals WHERE document_sha256 = ?", [sha256])
    reasons: list[str] = row["hold_reasons"]
    return reasons


def empty_inbox(project: Project) -> None:
    for file in project.inbox.iterdir():
        file.unlink()


def assert_held_by_its_record(project: Project, invoice: dict[str, Any], path: Path) -> None:
    assert (invoice["status"], invoice["can_release"]) == ("held", False)
    assert str(path) in invoice["hold_reasons"][0]
    assert "restore that file from the newest backup, then run `arcadia ingest`" in invoice["hold_reasons"][0]
    [found] = project.query("SELECT * FROM documents WHERE document_sha256 = ?", [invoice["document_sha256"]])
    assert str(path) in found["record_damage"]


def assert_each_held_by_its_record(project: Project, documents: dict[str, str]) -> None:
    for sha256 in documents.values():
        [invoice] = project.query("SELECT * FROM tax_split_totals WHERE document_sha256 = ?", [sha256])
        assert_held_by_its_record(project, invoice, path_of(project, sha256))


def assert_each_held_as_paid_twice(project: Project, documents: dict[str, str]) -> None:
    for kind, sha256 in documents.items():
        [reason] = reasons_of(project, sha256)
        assert "paid twice" in reason, kind


def test_voided_invoices_whose_records_are_damaged_are_not_pushed_and_the_others_are(
    project_with_finance: Project,
) -> None:
    project, damages = project_with_finance, {**LINES_LOST, **LINES_CHANGED}
    documents = each_voided(project, damages)
    whole = each_damaged(project, documents, damages)
    project.build()
    assert_each_held_by_its_record(project, documents)
    for kind, sha256 in documents.items():
        assert any("paid twice" in reason for reason in reasons_of(project, sha256)), kind
    assert in_finance(project) == ["1002"]

    restore_each(project, documents, whole)
    project.build()
    assert_each_held_as_paid_twice(project, documents)
    assert in_finance(project) == ["1002"]


@pytest.mark.parametrize("is_in_inbox", [False, True])
def test_a_rebuild_from_damaged_records_shows_the_documents_and_holds_their_invoices(
    project_with_finance: Project, is_in_inbox: bool
) -> None:
    project, damages = project_with_finance, {**LINES_LOST, **LINES_CHANGED}
    documents = each_voided(project, damages)
    names = {sha256: name for name, sha256 in names_of(project)}
    whole = each_damaged(project, documents, damages)
    if not is_in_inbox:
        empty_inbox(project)
    project.forget_warehouse()
    project.build()

    for kind, sha256 in documents.items():
        [document] = project.query("SELECT * FROM documents WHERE document_sha256 = ?", [sha256])
        assert document["status"] == "accepted", kind
        # The archive keeps the names apart from the record, too.
        assert document["file_name"] == names[sha256], kind
    assert_each_held_by_its_record(project, documents)
    assert in_finance(project) == ["1002"]

    project.build()
    assert (in_finance(project), len(project.query("FROM tax_split_totals"))) == (["1002"], len(documents) + 1)

    restore_each(project, documents, whole)
    project.build()
    assert_each_held_as_paid_twice(project, documents)
    assert (in_finance(project), len(project.query("FROM tax_split_totals"))) == (["1002"], len(documents) + 1)


def names_of(project: Project) -> list[tuple[str, str]]:
    """The name of each document, and its hash."""
    return [
        (row["file_name"], row["document_sha256"])
        for row in project.query("SELECT file_name, document_sha256 FROM documents")
    ]


def test_a_record_that_is_gone_holds_its_invoice_with_and_without_the_warehouse(voided: Project) -> None:
    path = record_path(voided)
    whole = path.read_bytes()
    for is_rebuilt in (False, True):
        path.unlink()
        if is_rebuilt:
            for file in voided.inbox.iterdir():
                file.unlink()
            voided.forget_warehouse()
        voided.build()
        [invoice] = voided.query("SELECT * FROM tax_split_totals WHERE status = 'held'")
        assert_held_by_its_record(voided, invoice, path)
        assert "it is missing" in invoice["hold_reasons"][0]
        path.write_bytes(whole)
        voided.build()
        [reason] = voided.invoice()["hold_reasons"]
        assert ("paid twice" in reason, in_finance(voided)) == (True, ["1002"])


def test_a_damage_that_changes_neither_length_nor_date_is_noticed(voided: Project) -> None:
    path = record_path(voided)
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"void", b"voix"))
    assert path.stat().st_size == before.st_size
    voided.build()
    assert_held_by_its_record(voided, voided.invoice(), path)
    assert "line 2: its 'decision' is 'voix'" in voided.invoice()["hold_reasons"][0]


def test_nobody_can_decide_about_a_document_whose_record_is_damaged(voided: Project) -> None:
    refusals: dict[Decision, str] = {
        "release": "cannot be released",
        **dict.fromkeys(("void", "dismiss", "end"), "so no decision can be "),
    }
    damaged(voided, lambda record: record[:-20])
    content = record_path(voided).read_bytes()
    for is_noticed in (False, True):
        if is_noticed:
            voided.build()
        for decision, refusal in refusals.items():
            with pytest.raises(DecisionError, match=refusal):
                voided.decide(decision)
            assert record_path(voided).read_bytes() == content


def test_a_decision_on_the_record_of_an_older_version_is_not_lost_with_it(voided: Project) -> None:
    newer = NAME.replace(".csv", " (1).csv")
    voided.drop(newer, digitalocean(line(amount="$8.00"), tax(amount="$0.80")))
    voided.build()
    assert "paid twice" in voided.invoice()["hold_reasons"][0]
    damaged(voided, lambda record: record.splitlines(keepends=True)[0] + b"{}\n")
    voided.forget_warehouse()
    voided.build()
    invoice = voided.invoice()
    assert (invoice["amount_gross_minor"], invoice["status"], invoice["can_release"]) == (880, "held", False)
    assert "line 2: its event is None" in invoice["hold_reasons"][0]
    assert in_finance(voided) == ["1002"]


def test_a_damaged_record_takes_no_new_name_and_no_total_and_the_landing_goes_on(voided: Project) -> None:
    damaged(voided, lambda record: record[:-1])
    voided.drop(f"again/{NAME}", digitalocean(line(), tax()))
    voided.drop(f"{NAME}.total", b"USD 1.00")
    voided.drop(invoice_name(number="1003"), digitalocean(line(amount="$9.00")))
    landed = build(voided.warehouse)
    assert sorted(landed.problems) == [f"{NAME}.total", f"again/{NAME}"]
    assert all("the record of its document in the archive is damaged" in text for text in landed.problems.values())
    assert [name for name, _ in landed.damaged.values()] == [NAME]
    assert voided.invoice("1003")["status"] == "ready"


def test_what_a_restored_record_could_not_take_meanwhile_is_taken_then(voided: Project) -> None:
    restore = damaged(voided, lambda record: record[:-1])
    voided.drop(f"again/{NAME}", digitalocean(line(), tax()))
    voided.build()
    restore()
    landed = build(voided.warehouse)
    assert (landed.problems, landed.damaged) == ({}, {})
    sha256 = voided.document(NAME)["document_sha256"]
    names = [event["inbox_path"] for event in archive_of(voided.warehouse).record(sha256).of("received")]
    assert names == [NAME, f"again/{NAME}"]


def test_only_the_totals_of_a_damaged_documents_months_are_built_anew(voided: Project) -> None:
    voided.build()
    [before] = voided.query("SELECT version FROM stage_versions WHERE stage = 'document_invoices'")
    damaged(voided, lambda record: record[:-1])
    voided.build()
    [after] = voided.query("SELECT version FROM stage_versions WHERE stage = 'document_invoices'")
    assert after == before
    with voided.warehouse.read() as connection:
        assert stale(connection) == set()
    [totals] = voided.query("SELECT version FROM stage_versions WHERE stage = 'tax_split_totals'")
    voided.build()
    assert voided.query("SELECT version FROM stage_versions WHERE stage = 'tax_split_totals'") == [totals]


def test_records_that_were_copied_to_another_disk_are_read_once_and_nothing_is_built_anew(voided: Project) -> None:
    voided.build()
    [before] = voided.query("SELECT sum(version) AS versions FROM stage_versions")
    for name in (NAME, OTHER):
        path = record_path(voided, name)
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    landed = build(voided.warehouse)
    assert (landed.documents, landed.months, landed.damaged) == ([], set(), {})
    assert voided.query("SELECT sum(version) AS versions FROM stage_versions") == [before]
    states = archive_of(voided.warehouse).records()
    for row in voided.query("FROM documents"):
        state = states[row["document_sha256"]]
        assert (row["record_bytes"], row["record_changed_ns"]) == (state.byte_size, state.changed_ns)


@pytest.mark.parametrize("damage", [None, LINES_LOST["no JSON"]], ids=["whole", "damaged"])
def test_what_an_earlier_version_registered_is_kept_and_held_where_its_record_is_damaged(
    voided: Project, damage: Damage | None
) -> None:
    if damage is not None:
        damaged(voided, damage)
    with voided.warehouse.write_register() as connection:
        connection.execute("UPDATE documents SET record = NULL, record_changed_ns = NULL")
    landed = build(voided.warehouse)
    assert len(landed.damaged) == (damage is not None)
    assert any("paid twice" in reason for reason in voided.invoice()["hold_reasons"])
    known = {row["file_name"]: row["record"] for row in voided.query("FROM documents")}
    assert known[OTHER] == record_path(voided, OTHER).read_text()
    assert known[NAME] == (record_path(voided).read_text() if damage is None else None)
    voided.build()
    assert in_finance(voided) == ["1002"]


def test_a_push_without_a_landing_before_it_leaves_out_an_invoice_whose_record_was_damaged_meanwhile(
    project_with_finance: Project,
) -> None:
    project = project_with_finance
    for name, amount in ((NAME, "$5.00"), (OTHER, "$7.00")):
        project.drop(name, digitalocean(line(amount=amount), tax(amount="$0.50")))
    build(project.warehouse)
    restore = damaged(project, lambda record: record[:-5])
    archive = archive_of(project.warehouse)
    done = project.finance.deliver(project.warehouse, barred=lambda: barred_invoices(project.warehouse, archive))
    assert in_finance(project) == ["1002"]
    [(key, why)] = done.barred.items()
    assert (key.external_id, str(record_path(project)) in why) == ("1001", True)
    restore()
    done = project.finance.deliver(project.warehouse, barred=lambda: barred_invoices(project.warehouse, archive))
    assert ([key.external_id for key in done.created], done.barred) == (["1001"], {})


def mended(project: Project, name: str = NAME, reason: str = "no backup") -> list[str]:
    warehouse, archive = project.warehouse, archive_of(project.warehouse)
    [row] = project.query(
        "SELECT document_sha256 FROM documents WHERE file_name = ? OR starts_with(document_sha256, ?)", [name, name]
    )
    _, lost = mend(warehouse, archive, document_sha256=row["document_sha256"], reason=reason, by="ada", now=NOW)
    return lost


WITNESSED = {**{kind: LINES_LOST[kind] for kind in ("no JSON", "cut off", "empty")}, **LINES_CHANGED}


def test_mended_records_say_what_the_warehouse_knows_and_nothing_is_lost(project_with_finance: Project) -> None:
    project = project_with_finance
    documents = each_voided(project, WITNESSED)
    whole = each_damaged(project, documents, WITNESSED)
    project.build()
    for kind, sha256 in documents.items():
        path = path_of(project, sha256)
        assert mended(project, sha256) == [], kind
        assert path.read_bytes().startswith(whole[kind]), kind
        [kept] = path.parent.glob(f"{path.name}.damaged-*")
        assert kept.read_bytes() == WITNESSED[kind](whole[kind]), kind
    project.build()
    assert_each_held_as_paid_twice(project, documents)
    assert in_finance(project) == ["1002"]

    project.forget_warehouse()
    project.build()
    assert_each_held_as_paid_twice(project, documents)
    assert in_finance(project) == ["1002"]


UNKNOWN: dict[str, Damage | None] = {
    **{kind: LINES_LOST[kind] for kind in ("no JSON", "empty", "with a line too many")},
    "missing": None,
}


def test_what_nobody_knows_any_more_holds_the_invoices_until_a_person_has_looked(project_with_finance: Project) -> None:
    project = project_with_finance
    documents = each_voided(project, UNKNOWN)
    each_damaged(project, documents, UNKNOWN)
    empty_inbox(project)
    project.forget_warehouse()
    project.build()
    lost = {kind: mended(project, sha256) for kind, sha256 in documents.items()}
    project.build()
    assert in_finance(project) == ["1002"]
    before = {kind: reasons_of(project, sha256) for kind, sha256 in documents.items()}
    for kind, sha256 in documents.items():
        [invoice] = project.query("SELECT * FROM tax_split_totals WHERE document_sha256 = ?", [sha256])
        assert invoice["status"] == "held", kind
        if lost[kind]:
            [reason] = [reason for reason in before[kind] if "was mended" in reason]
            assert f"arcadia void digitalocean/{invoice['account_id']}/{invoice['external_id']} --reason" in reason
        else:  # only an empty line too many: each line could be read
            assert any("paid twice" in reason for reason in before[kind])
    assert [kind for kind, lines in lost.items() if not lines] == ["with a line too many"]
    project.forget_warehouse()
    project.build()
    assert {kind: reasons_of(project, sha256) for kind, sha256 in documents.items()} == before


def test_a_release_settles_what_a_mended_record_left_open(voided: Project) -> None:
    damaged(voided, LINES_LOST["no JSON"])
    voided.forget_warehouse()
    voided.build()
    [lost] = mended(voided)
    assert '"decision"; "void"' in lost
    voided.build()
    assert (voided.invoice()["status"], voided.invoice()["can_release"]) == ("held", True)
    voided.decide("release")
    voided.build()
    assert sorted(in_finance(voided)) == ["1001", "1002"]


def as_a_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def as_a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("make", [as_a_pipe, as_a_link_to_itself, as_a_folder])
def test_what_lies_in_a_records_place_and_is_no_file_keeps_nobody_waiting_and_is_mended(
    voided: Project, make: Callable[[Path], None]
) -> None:
    path = record_path(voided)
    path.unlink()
    make(path)
    voided.build()
    assert_held_by_its_record(voided, voided.invoice(), path)
    assert in_finance(voided) == ["1002"]
    assert mended(voided) == []
    voided.build()
    [reason] = voided.invoice()["hold_reasons"]
    assert ("paid twice" in reason, in_finance(voided)) == (True, ["1002"])


def test_a_mended_document_keeps_the_id_that_a_rule_of_its_source_gave_its_invoice(
    project_without_finance: Project,
) -> None:
    project = project_without_finance
    rule = 'invoice_id = "account and month"\nfinal_after = "1d"\nreason = "it states no ids"\n'
    (project.home / "sources.toml").write_text(f"[aws]\n{rule}", encoding="utf-8")
    project.drop("no ids.csv", as_csv(charge(InvoiceId=None)))
    build(project.warehouse)
    [before] = project.query("SELECT external_id, id_basis FROM document_invoices")
    assert before["id_basis"] == "rule"
    damaged(project, lambda record: record[:-1], "no ids.csv")
    assert mended(project, "no ids.csv") == []
    assert project.query("SELECT external_id, id_basis FROM document_invoices") == [before]


def test_a_whole_record_is_not_mended(voided: Project) -> None:
    with pytest.raises(DecisionError, match="is whole"):
        mended(voided)


@pytest.mark.parametrize("decide", [mended, lambda project, reason: project.decide("void", reason=reason)])
def test_a_reason_that_is_no_text_is_refused_before_anything_is_written(
    voided: Project, decide: Callable[..., Any]
) -> None:
    damaged(voided, LINES_LOST["cut off"])
    content = record_path(voided).read_bytes()
    with pytest.raises(DecisionError, match="is not UTF-8 text"):
        decide(voided, reason="caf\udce9")
    assert record_path(voided).read_bytes() == content


def test_every_place_where_a_person_looks_tells_of_a_damaged_record(voided: Project) -> None:
    path = record_path(voided)
    damaged(voided, lambda record: record[:-1])
    result = voided.run()
    [check] = [one for one in result.get_asset_check_evaluations() if one.check_name == "archive_records_are_whole"]
    assert (check.passed, "restore the damaged records from the newest backup" in str(check.description)) == (
        False,
        True,
    )
    listed = check.metadata["list"]
    assert isinstance(listed, dg.TableMetadataValue)
    shown = json.dumps([record.data for record in listed.records])
    assert f"{path}: line 2: it is cut off" in shown
