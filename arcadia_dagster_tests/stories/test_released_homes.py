"""Homes that earlier versions have written: this version opens each, and finds in it what that version found."""

import json
import tarfile
from pathlib import Path

import pytest

from arcadia_dagster import __version__
from arcadia_dagster_tests.kit.released_home import FINANCE, FOLDER, INVOICES, facts
from arcadia_dagster_tests.kit.shell import Shell

HOMES = sorted(FOLDER.glob("home-*.tar.xz"))


def test_a_released_version_has_left_its_home() -> None:
    assert ".dev" in __version__ or FOLDER / f"home-{__version__}.tar.xz" in HOMES


@pytest.mark.parametrize("home", HOMES, ids=lambda home: home.name.removesuffix(".tar.xz"))
def test_an_older_home_keeps_its_invoices_and_pushes_none_of_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    arcadia = Shell(tmp_path, monkeypatch, capsys)
    with tarfile.open(home) as archive:
        # Python has filters from 3.11.4 on; this archive is our own.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tmp_path / "var")  # noqa: S202
    before = json.loads((tmp_path / "var" / INVOICES).read_text(encoding="utf-8"))
    assert {invoice["state"] for invoice in before} == {"pushed", "held", "voided"}

    # Nobody listens at finance's address: whatever were sent there would fail.
    arcadia("ingest", environ=FINANCE)
    assert "0 created, 0 updated" in arcadia("push", "2026-04..2026-06", environ=FINANCE).stdout
    assert facts(arcadia("invoices", "--json", environ=FINANCE).stdout) == before

    (tmp_path / "var" / "arcadia.duckdb").unlink()
    arcadia("ingest")
    unsent = [{**invoice, "state": invoice["state"].replace("pushed", "ready")} for invoice in before]
    assert facts(arcadia("invoices", "--json").stdout) == unsent
