"""What the documents say is what the code does."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from arcadia_dagster import cli, settings
from arcadia_dagster.definitions import build_defs
from arcadia_dagster.formats import registry
from arcadia_dagster.providers import catalogue
from arcadia_dagster.reports import export
from arcadia_dagster.warehouse import schema
from arcadia_dagster_tests.conftest import SETTINGS_OF_PEOPLE

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))
ARCHITECTURE = ROOT / "docs" / "architecture.md"
LONGEST_README = 130

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    text = re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    found: dict[str, int] = {}
    anchors = set()
    for heading in re.findall(r"^#{1,6} (.+)$", text, flags=re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        anchors.add(f"{name}-{found[name]}" if name in found else name)
        found[name] = found.get(name, 0) + 1
    return anchors


def links_of(page: Path) -> list[str]:
    """The links of a page that lead to other places in the project."""
    return re.findall(r"\]\((?!https?:|mailto:)([^)]+)\)", text_of(page))


def test_the_page_of_settings_lists_every_setting_with_its_default() -> None:
    assert settings.as_markdown(*catalogue.SECTIONS) in text_of(ROOT / "docs" / "settings.md")


def test_the_page_of_providers_has_each_of_the_catalogue() -> None:
    assert (ROOT / "docs" / "providers.md").read_text(encoding="utf-8") == catalogue.as_markdown()


def test_the_readme_is_short() -> None:
    assert len(text_of(ROOT / "README.md").splitlines()) <= LONGEST_README


def test_the_index_leads_to_every_page_of_the_documents() -> None:
    linked = set(links_of(ROOT / "docs" / "README.md"))
    pages = {page.name for page in (ROOT / "docs").iterdir() if page.suffix in {".md", ".ipynb"}} - {"README.md"}
    assert pages <= linked


def test_the_description_of_the_formats_is_current() -> None:
    assert (ROOT / "docs" / "formats.md").read_text(encoding="utf-8") == registry.as_markdown()


def test_the_description_of_the_tables_is_current() -> None:
    assert (ROOT / "docs" / "tables.md").read_text(encoding="utf-8") == schema.as_markdown()


def test_the_description_of_the_exports_is_current() -> None:
    assert (ROOT / "docs" / "exports.md").read_text(encoding="utf-8") == export.as_markdown()


@each_page
def test_every_link_within_the_project_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    for link in links_of(page):
        path, _, anchor = unquote(link).partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


def test_what_is_checked_of_links_finds_what_is_wrong(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page: `arcadia x`\n```\n# no heading\n```\n## Twice\n## Twice\n[there](#twice-1), [web](https://a.b)\n"
    )
    assert anchors_of(page) == {"a-page-arcadia-x", "twice", "twice-1"}
    assert links_of(page) == ["#twice-1"]


@pytest.mark.parametrize("page", [ROOT / "CONTRIBUTING.md", ARCHITECTURE], ids=lambda page: page.name)
def test_every_path_that_is_named_for_who_changes_the_code_exists(page: Path) -> None:
    named = set(re.findall(r"`([a-z_0-9./]+(?:/|\.py|\.md|\.sql|\.j2|\.css|\.yaml|\.toml))`", text_of(page)))
    roots = (ROOT, ROOT / "arcadia_dagster", ROOT / "arcadia_dagster_tests")
    inputs = {"sources.toml", "tenants.toml"}
    assert named
    assert {name for name in named - inputs if not any((root / name).exists() for root in roots)} == set()


def test_the_layout_names_every_package_and_module() -> None:
    package = ROOT / "arcadia_dagster"
    names = {f"{path.name}/" for path in package.iterdir() if path.is_dir() and path.name != "__pycache__"}
    names |= {path.name for path in package.glob("*.py") if path.name != "__init__.py"}
    [layout] = re.findall(
        r"    arcadia_dagster/\n(.*?)    arcadia_dagster_tests/", text_of(ARCHITECTURE), flags=re.DOTALL
    )
    assert {name for name in names if not re.search(rf"(^|\s){re.escape(name)}\s", layout)} == set()


@each_page
def test_every_make_command_in_the_documents_exists(page: Path) -> None:
    makefile = text_of(ROOT / "Makefile")
    commands = set(re.findall(r"(?:`|^ {4})make ([a-z-]+)", text_of(page), flags=re.MULTILINE))
    assert {command for command in commands if not re.search(rf"^{command}:", makefile, flags=re.MULTILINE)} == set()


@each_page
def test_every_command_of_arcadia_in_the_documents_exists(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    commands = set(re.findall(r"^ {4}([a-z-]+)(?: |$)", capsys.readouterr().out, flags=re.MULTILINE))
    named = set(re.findall(r"(?:`|^ {4})arcadia ([a-z][a-z-]*)", text_of(page), flags=re.MULTILINE))
    assert {"ingest", "finance-sandbox"} <= commands
    assert named - commands == set()


def test_what_make_sets_for_tests_reaches_them() -> None:
    names = re.findall(r"([A-Z_]+)=\S+ \$\(BIN\)/python -m pytest", text_of(ROOT / "Makefile"))
    assert set(names) == {"HISTORIES"}
    assert not any(name.startswith(SETTINGS_OF_PEOPLE) for name in names)
    histories = [text_of(path) for path in (ROOT / "arcadia_dagster_tests/stories").glob("test_model_*.py")]
    assert [text.count('os.environ.get("HISTORIES"') for text in histories] == [1] * len(names)


def test_the_hooks_before_a_commit_are_commands_of_make_check_and_need_no_network() -> None:
    [repository] = yaml.safe_load(text_of(ROOT / ".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    hooks = {hook["entry"].replace(" --force-exclude", "") for hook in repository["hooks"]}
    [recipe] = re.findall(r"^check:.*\n((?:\t.*\n)+)", text_of(ROOT / "Makefile"), flags=re.MULTILINE)
    commands = {line.strip("\t@").removesuffix(" .").replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()}
    assert len(hooks) >= 3
    assert hooks <= commands


def test_constraints_name_packages_and_versions_only() -> None:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!-]+", line), line


def test_each_requirement_of_each_extra_has_a_version_that_it_allows() -> None:
    pinned = dict(line.split("==") for line in text_of(ROOT / "constraints.txt").splitlines() if "==" in line)
    versions = {canonicalize_name(name): version for name, version in pinned.items()}
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
    required = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    assert len(required) >= 30
    for requirement in map(Requirement, required):
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement


def test_the_page_of_operations_names_every_check_sensor_schedule_and_job() -> None:
    definitions = build_defs(environ={"ARCADIA_WAREHOUSE": "ducklake:postgres:host=db dbname=lake"})
    names = {key.name for key in definitions.resolve_asset_graph().asset_check_keys}
    for found in (definitions.sensors, definitions.schedules, definitions.resolve_all_job_defs()):
        names |= {one.name for one in found or ()}
    page = text_of(ROOT / "docs" / "operations.md")
    assert {name for name in names - {"__ASSET_JOB"} if f"`{name}`" not in page} == set()


def environment_lines() -> Iterator[tuple[str, str]]:
    """The lines of environment files in the documents: indented, a name, and whatever follows the equals sign."""
    for page in PAGES:
        lines = text_of(page).splitlines()
        yield from (
            (found[1], found[2]) for line in lines if (found := re.fullmatch(r" {4}([A-Z][A-Z0-9_]*)=(.*)", line))
        )


def test_environment_files_in_the_documents_name_settings_and_have_no_comment_that_would_become_a_value() -> None:
    known = {str(field.validation_alias) for field in settings.Settings.model_fields.values()} | {"DAGSTER_HOME"}
    found = list(environment_lines())
    assert len(found) >= 5
    assert [name for name, _ in found if name not in known] == []
    assert [value for _, value in found if not re.fullmatch(r"[^\s#'\"]+|'[^']*'", value)] == []


@pytest.mark.parametrize("page", ["promises.md", "attacks.md"])
def test_every_test_that_a_promise_or_an_attack_names_exists(page: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", text_of(ROOT / "docs" / page)))
    defined = {
        name
        for path in (ROOT / "arcadia_dagster_tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named
    assert named - defined == set()


def test_each_attack_has_a_number_of_its_own_and_a_test() -> None:
    rows = [line for line in text_of(ROOT / "docs" / "attacks.md").splitlines() if re.match(r"\| \d", line)]
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, len(rows) + 1))
    assert [row for row in rows if "`test_" not in row] == []
