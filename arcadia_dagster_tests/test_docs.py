"""What the documents say is what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path

from arcadia_dagster import settings
from arcadia_dagster.formats import registry
from arcadia_dagster.stages import export
from arcadia_dagster.warehouse import schema

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_lists_every_setting_with_its_default() -> None:
    assert settings.as_markdown() in README


def test_the_description_of_the_formats_is_current() -> None:
    assert (ROOT / "docs" / "formats.md").read_text(encoding="utf-8") == registry.as_markdown()


def test_the_description_of_the_tables_is_current() -> None:
    assert (ROOT / "docs" / "tables.md").read_text(encoding="utf-8") == schema.as_markdown()


def test_the_description_of_the_exports_is_current() -> None:
    assert (ROOT / "docs" / "exports.md").read_text(encoding="utf-8") == export.as_markdown()


def test_every_local_link_in_the_documents_leads_somewhere() -> None:
    for document in (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_the_readme_names_every_package_and_module_of_the_layout() -> None:
    package = ROOT / "arcadia_dagster"
    names = {f"{path.name}/" for path in package.iterdir() if path.is_dir() and path.name != "__pycache__"}
    names |= {path.name for path in package.glob("*.py") if path.name != "__init__.py"}
    [layout] = re.findall(r"    arcadia_dagster/\n(.*?)    arcadia_dagster_tests/", README, flags=re.DOTALL)
    assert {name for name in names if name not in layout} == set()


def test_every_make_command_in_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = set(re.findall(r"make ([a-z-]+)", README)) - {"command"}
    assert {command for command in commands if not re.search(rf"^{command}:", makefile, flags=re.MULTILINE)} == set()


def test_constraints_name_packages_and_versions_only() -> None:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!-]+", line), line


def environment_lines() -> Iterator[tuple[str, str]]:
    """The lines of environment files in the documents: indented, a name, and whatever follows the equals sign."""
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        lines = document.read_text(encoding="utf-8").splitlines()
        yield from (found.groups() for line in lines if (found := re.fullmatch(r" {4}([A-Z][A-Z0-9_]*)=(.*)", line)))


def test_environment_files_in_the_documents_name_settings_and_have_no_comment_that_would_become_a_value() -> None:
    known = {name for field in settings.Settings.model_fields.values() if (name := str(field.validation_alias))}
    known |= {settings.SECRET_VARIABLE, settings.ALERT_VARIABLE, "DAGSTER_HOME"}
    found = list(environment_lines())
    assert len(found) >= 5
    assert [name for name, _ in found if name not in known] == []
    assert [value for _, value in found if not re.fullmatch(r"[^\s#'\"]+|'[^']*'", value)] == []
