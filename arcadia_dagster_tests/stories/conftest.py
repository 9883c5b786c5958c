"""Fixtures that stories share: a story's project pushes to a finance service."""

from pathlib import Path

import pytest

from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.shell import Shell


@pytest.fixture
def project(project_with_finance: Project) -> Project:
    """A project that pushes to a sandbox."""
    return project_with_finance


@pytest.fixture
def project_without_finance(tmp_path: Path) -> Project:
    """A project that pushes nothing."""
    return Project(tmp_path / "home")


@pytest.fixture
def arcadia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """The command line in a folder beside the project's home."""
    folder = tmp_path / "shell"
    folder.mkdir()
    return Shell(folder, monkeypatch, capsys)
