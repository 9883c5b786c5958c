"""While files are read and the archive is asked, which may be a bucket, others can write the warehouse."""

import hashlib
import shutil
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.billing.rules import Rules
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing import contents
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.heads import Head
from arcadia_dagster.landing.inbox import FolderInbox
from arcadia_dagster.landing.landing import Landing
from arcadia_dagster.landing.record import Record, RecordState
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.landing.rule_use import of_nothing
from arcadia_dagster.landing.rules import parse_rules
from arcadia_dagster.reading.content import ArchivedDocument
from arcadia_dagster.reports.documents import document_meant
from arcadia_dagster.resources import Resources
from arcadia_dagster.settings import load
from arcadia_dagster.warehouse import LockTimeoutError, Warehouse
from arcadia_dagster.warehouse.resource import WarehouseResource
from arcadia_dagster_tests.kit.locations import sensor_context
from arcadia_dagster_tests.kit.plain import reader_of
from arcadia_dagster_tests.kit.project import Project, digitalocean, instance_in_memory, invoice_name, line, tax


class Beside:
    """Another process, which writes the warehouse at once or fails."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = Warehouse(warehouse.path, lock_timeout=0.05)
        self.writes = 0

    def write(self) -> None:
        with self._warehouse.write():
            self.writes += 1


class Watched(Archive):
    """An archive beside which another process writes the warehouse whenever it is asked for something."""

    def __init__(self, project: Project) -> None:
        super().__init__(project.home / "archive", max_document_bytes=1 << 30)
        self.beside = Beside(project.warehouse)

    def path_of(self, document_sha256: str) -> Path:
        self.beside.write()
        return super().path_of(document_sha256)

    def archived_at(self, document_sha256: str) -> datetime:
        self.beside.write()
        return super().archived_at(document_sha256)

    def look(self) -> tuple[dict[str, RecordState], set[str]]:
        self.beside.write()
        return super().look()

    def heads_in(self, shelves: Collection[str]) -> tuple[dict[str, Head], dict[str, str]]:
        self.beside.write()
        return super().heads_in(shelves)

    def record(self, document_sha256: str, *, known: str | None = None, head: Head | None = None) -> Record:
        self.beside.write()
        return super().record(document_sha256, known=known, head=head)

    def examine(self, document_sha256: str, *, was_accepted: bool = False) -> ArchivedDocument:
        self.beside.write()
        return super().examine(document_sha256, was_accepted=was_accepted)


@pytest.fixture
def landed(project: Project) -> Project:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.build()
    return project


def test_the_archive_is_asked_before_a_document_without_a_record_is_registered(landed: Project) -> None:
    [document] = landed.query("SELECT * FROM documents")
    (landed.home / "archive" / document["document_sha256"][:2] / f"{document['document_sha256']}.jsonl").unlink()
    # As an earlier version left it: nothing else has the name.
    shutil.rmtree(landed.home / "archive" / contents.KEPT_IN)
    for file in landed.inbox.iterdir():
        file.unlink()
    landed.forget_warehouse()
    archive = Watched(landed)
    with reader_of(landed.warehouse) as reader:
        Landing(landed.warehouse, archive, reader).land(FolderInbox(landed.inbox), settle_seconds=0)
    [nameless] = landed.query("SELECT * FROM documents")
    assert nameless["file_name"] == document["document_sha256"]
    assert archive.beside.writes > 2


def test_documents_are_read_for_rules_that_match_nothing_while_the_warehouse_is_closed(landed: Project) -> None:
    archive = Watched(landed)
    rules = parse_rules('[digitalocean]\ninvoice_id = "no_such_column"\nreason = "theirs"\n', Path("sources.toml"))
    assert "no document of it has such a column" in of_nothing(landed.warehouse, archive, rules, Formats())[0]
    assert archive.beside.writes == 1
    assert of_nothing(landed.warehouse, archive, Rules(), Formats()) == []


def test_a_file_that_a_person_names_is_hashed_while_the_warehouse_is_closed(
    landed: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "a copy.csv"
    copy.write_bytes(digitalocean(line(), tax()))
    beside, digest = Beside(landed.warehouse), hashlib.file_digest

    def file_digest(*arguments: Any) -> Any:
        beside.write()
        return digest(*arguments)

    monkeypatch.setattr(hashlib, "file_digest", file_digest)
    meant = document_meant(landed.warehouse, str(copy), landed.inbox, max_bytes=1 << 30)
    assert meant.document_sha256 == landed.query("SELECT * FROM documents")[0]["document_sha256"]
    assert beside.writes == 1


def test_the_sensor_lists_the_archive_before_it_opens_the_warehouse(
    landed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Watched(landed)

    def get_archive(resource: LandingResource) -> Archive:
        return archive

    monkeypatch.setattr(LandingResource, "get_archive", get_archive)
    definitions = landed.definitions()
    resources = {
        "warehouse": WarehouseResource(path=str(landed.warehouse.path)),
        "landing": Resources.of(load(landed.environ)).landing,
    }
    with instance_in_memory() as instance, sensor_context(definitions, instance, None, resources) as context:
        definitions.resolve_sensor_def("new_invoice_files").evaluate_tick(context)
    assert archive.beside.writes == 1


def test_who_writes_beside_an_open_warehouse_is_told(landed: Project) -> None:
    with landed.warehouse.read(), pytest.raises(LockTimeoutError):
        Beside(landed.warehouse).write()
