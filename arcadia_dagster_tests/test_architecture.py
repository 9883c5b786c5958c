"""Imports point one way. That only the edge of the program knows Dagster is a rule of the linter, in `pyproject.toml`."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from string import Template

import pytest

from arcadia_dagster.store.table import Table
from arcadia_dagster.warehouse import schema
from arcadia_dagster_tests.kit import rooms

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "arcadia_dagster"

# From the bottom up: a package, or a module beside the packages, may import those before it, and nothing after it.
LAYERS = (
    "garbage",
    "how_many",
    "keeper",
    "kept_names",
    "loopback",
    "plain_file",
    "prefix",
    "private_files",
    "settings_file",
    "text_table",
    "toml_file",
    "toml_tables",
    "sample",
    "billing",
    "books",
    "buckets",
    "settings",
    "transport",
    "serving",
    "dagster_home",
    "home_sandbox",
    "sandbox",
    "store",
    "warehouse",
    "ledger",
    "reading",
    "formats",
    "landing",
    "stages",
    "verification",
    "decisions",
    "providers",
    "finance",
    "reports",
    "statement",
    "alerts",
    "resources",
    "defs",
    "automation",
    "definitions",
    "launcher",
    "demo",
    "commands",
    "cli",
)


@cache
def modules() -> dict[str, ast.Module]:
    """All that the package consists of, by name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def _imports(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _parts_of_ours(tree: ast.Module) -> set[str]:
    own = {name.removeprefix("arcadia_dagster.") for name in _imports(tree) if name.startswith("arcadia_dagster.")}
    return {name.split(".")[0] for name in own}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_package_imports_only_those_below_it(layer: str) -> None:
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    for name, tree in modules().items():
        if name.split(".")[0] == layer:
            assert _parts_of_ours(tree) & above == set(), name


MOST_FLOORS = 12
"""The rooms in the longest chain of imports, on 2026-11-29. A change at its bottom may concern each room of it."""


def longest_chain(below: Mapping[str, set[str]]) -> tuple[str, ...]:
    """The longest chain of rooms of which each imports the one before it; `below` has what each room imports."""

    @cache
    def chain_to(room: str) -> tuple[str, ...]:
        return (*max(map(chain_to, sorted(below[room])), key=len, default=()), room)

    return max(map(chain_to, sorted(below)), key=len)


def test_the_longest_chain_of_rooms_is_found() -> None:
    below = {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "a"}, "e": set()}
    assert longest_chain(below) == ("a", "b", "d")


def test_the_house_grows_by_no_floor_unseen() -> None:
    below: dict[str, set[str]] = {room: set() for room in LAYERS}
    for name, tree in modules().items():
        room = name.split(".")[0]
        if room in below:
            below[room] |= (_parts_of_ours(tree) & set(LAYERS)) - {room}
    chain = longest_chain(below)
    assert len(chain) == MOST_FLOORS, " <- ".join(chain)


def test_the_page_draws_the_rooms_in_their_order() -> None:
    drawn = re.search(r"^ {4}(\w+(?:\.py)?(?: <- [\w.]+)+)$", rooms.PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert drawn is not None
    places = [LAYERS.index(name.removesuffix(".py")) for name in drawn[1].split(" <- ")]
    assert places == sorted(places)


def test_every_package_and_module_has_its_layer() -> None:
    assert {name.split(".")[0] for name in modules()} - {"__init__"} == set(LAYERS)
    assert len(set(LAYERS)) == len(LAYERS)


def test_dagsters_internals_are_named_in_one_place_with_the_reason_of_each() -> None:
    places = [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "benchmarks").rglob("*.py")]
    named = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in places
        for imported in _imports(ast.parse(path.read_text(encoding="utf-8")))
        if re.match(r"dagster\w*\._", imported)
    }
    assert named == {"arcadia_dagster/defs/internals.py"}
    source = (PACKAGE / "defs" / "internals.py").read_text(encoding="utf-8")
    uses = re.split(r"\n\n+", source.partition("__all__")[0])[3:]
    assert len(uses) >= 10
    assert [use for use in uses if "import" in use and not use.lstrip().startswith("#")] == []


def test_the_sandbox_and_the_client_share_no_code() -> None:
    for name, tree in modules().items():
        if name.startswith("sandbox"):
            assert not {"finance", "settings"} & _parts_of_ours(tree), name
            assert not any(imported.split(".")[0] == "jwt" for imported in _imports(tree)), name


def test_the_archive_is_written_in_one_place() -> None:
    writing = {"append_all", "replace_record", "keep", "take"}
    places = {
        name
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in writing and "archive" in ast.unparse(node.value)
    }
    assert places == {"landing.landing"}


def test_a_room_reads_no_table_of_a_room_above_it() -> None:
    owners = {use.table: use.room for use in rooms.uses() if use.writes}
    # The modules at the package's edge, such as the demo, are above all rooms.
    above = {
        f"{use.module} reads {use.table}"
        for use in rooms.uses()
        if use.room in LAYERS and LAYERS.index(owners[use.table]) > LAYERS.index(use.room)
    }
    assert above == set()


def test_the_statement_asks_no_table_anything() -> None:
    assert {f"{use.module} reads {use.table}" for use in rooms.uses() if use.room == "statement"} == set()


def test_commands_parse_call_and_print_and_ask_no_table_anything() -> None:
    found = {f"{use.module} reads {use.table}" for use in rooms.uses() if use.room == "commands"}
    for name, tree in modules().items():
        if name.split(".")[0] == "commands":
            found |= {f"{name}:{line}: {what}" for line, what in _sql_in(tree)}
    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        "connection.execute(query)",
        "run = connection.execute\nrun(query)",
        "map(connection.execute, queries)",
        "warehouse.stage().sql('FROM line')",
        "with warehouse.read() as opened:\n    opened.table('documents')",
        "from arcadia_dagster.store.query import fetch",
        "import duckdb\nask = duckdb.connect",
        "from duckdb import connect",
        "from arcadia_dagster.finance.outstanding import missing_sql",
        "query = 'SELECT count(*) FROM documents'",
        "query = f'FROM {table}'",
    ],
)
def test_sql_in_a_command_is_seen_however_it_is_run(source: str) -> None:
    assert [*_sql_in(ast.parse(source))]


_RUNS_SQL = frozenset({"sql", "query", "table", "view", "from_query"})
_IS_SQL = re.compile(r"\b(SELECT|INSERT INTO|DELETE FROM|CREATE TABLE)\b|^\s*FROM\b|\bFROM [a-z_]+\b")


def _sql_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """What runs SQL, makes it or is made for it, with the line it is in."""
    connections = {
        item.optional_vars.id
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        for item in node.items
        if isinstance(item.context_expr, ast.Call) and isinstance(item.optional_vars, ast.Name)
        if ast.unparse(item.context_expr.func).endswith((".read", ".write", ".stage"))
    }
    for name in _imports(tree):
        if name.startswith("duckdb.") or ".store.query" in name or ".relations" in name or name.endswith("_sql"):
            yield 1, f"imports {name}"
    for node in ast.walk(tree):
        match node:
            # Without a call too: `run = connection.execute`.
            case ast.Attribute(attr="execute" | "executemany" as attr):
                yield node.lineno, f".{attr}"
            case ast.Call(func=ast.Attribute(attr=attr)) if attr in _RUNS_SQL:
                yield node.lineno, f".{attr}()"
            # A connection is handed on to whoever knows the tables: commands may name its type.
            case ast.Attribute(value=ast.Name(id="duckdb"), attr=attr) if attr != "DuckDBPyConnection":
                yield node.lineno, f"duckdb.{attr}"
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in connections:
                yield node.lineno, f"{name}.{attr}"
            case ast.Constant(value=str(text)) if _IS_SQL.search(text):
                yield node.lineno, text


@pytest.mark.parametrize("table", schema.TABLES, ids=lambda table: table.name)
def test_a_table_is_written_by_one_room(table: Table) -> None:
    assert len({use.room for use in rooms.uses() if use.table == table.name and use.writes}) == 1


def test_the_table_of_rooms_and_tables_is_current() -> None:
    assert rooms.as_markdown() in rooms.PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "spelling",
    [
        *("decision = 'void'", "decision = 'release'", "decision = 'dismiss'"),
        *("status = 'accepted'", "finance_records WHERE finance_invoice_id"),
        *("status = 'current'", "record_damage IS NOT NULL", "(is_replaced, false)", "built_from IS DISTINCT FROM"),
        *(
            "FROM finance_records WHERE payload_sha256",
            "FROM source_rules WHERE",
            "record.external_id = part.external_id",
        ),
    ],
)
def test_what_a_relation_is_defined_by_is_spelled_once(spelling: str) -> None:
    # The first version's migration stays as it was.
    spelled = {
        path.relative_to(PACKAGE).as_posix()
        for path in (*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.sql"))
        if spelling in path.read_text(encoding="utf-8") and path.name != "version_1.py"
    }
    assert spelled == {"warehouse/relations.py"}


_SCREEN = 40

# They are composed: of columns, formats or conditions that Python lists. In `landing/evidence.py` a list comprehension stands,
# which sqlfluff 4.5 cannot read.
COMPOSED = {
    "stages.allocations",
    "formats.api_json",
    "formats.cost_table",
    "formats.described_invoices",
    "formats.described_layout",
    "formats.digitalocean_csv",
    "formats.digitalocean_json",
    "formats.gcp_cost_table",
    "landing.evidence",
    "stages.doubts.identity",
    "stages.doubts.parts",
    "stages.doubts.repeats",
}


def _long_statements(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """The line of each statement that is longer than a screen, and how many parts it is composed of: a whole one each."""
    parts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr(values=values):
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "?" for part in values)
                composed_of = sum(isinstance(part, ast.FormattedValue) for part in values)
            case ast.Constant(value=str(text)):
                composed_of = 0
            case _:
                continue
        if id(node) not in parts and text.count("\n") > _SCREEN and re.search(r"\b(SELECT|FROM)\b", text):
            yield node.lineno, composed_of


def test_a_statement_longer_than_a_screen_is_in_a_file_of_its_own_or_composed_of_parts() -> None:
    long = {name: [*_long_statements(tree)] for name, tree in modules().items()}
    # Its columns are those of the first release, one a line.
    assert {name for name, found in long.items() if found} - {"warehouse.version_1"} == COMPOSED
    assert [name for name in COMPOSED for _, parts in long[name] if parts < 5] == []


@pytest.mark.parametrize("part", ["'text'", "{one}", "{one} AND {another}"])
def test_a_long_statement_is_seen_however_its_parts_lie_in_it(part: str) -> None:
    lines = "\n".join(["SELECT 1", *["AND true"] * 25, part, *["AND true"] * 25])
    assert [*_long_statements(ast.parse(f'statement = f"""{lines}"""'))] == [(1, part.count("{"))]


def test_every_statement_in_a_file_is_its_module_s_and_names_its_parts() -> None:
    files = sorted(PACKAGE.rglob("*.sql"))
    assert len(files) >= 2
    for path in files:
        called = _statement_parts(ast.parse(path.with_suffix(".py").read_text(encoding="utf-8")))
        assert called == set(Template(path.read_text(encoding="utf-8")).get_identifiers()), path


def _statement_parts(tree: ast.Module) -> set[str | None]:
    """The parts that a module fills its statement with."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    [call] = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "statement"]
    assert [ast.unparse(argument) for argument in call.args] == ["__name__"]
    return {keyword.arg for keyword in call.keywords}


def test_no_float_takes_part_in_the_arithmetic_of_money() -> None:
    to_float = re.compile(r"(\bAS\s+|::)(DOUBLE|FLOAT|REAL)\s*[),]")
    for name, tree in modules().items():
        if name.split(".")[0] in {"billing", "books", "reading", "formats", "stages", "reports", "statement"}:
            nodes = list(ast.walk(tree))
            calls = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
            texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
            assert "float" not in calls, name
            assert not any(to_float.search(text.upper()) for text in texts), name


def test_what_is_installed_has_every_file_that_the_program_reads() -> None:
    packed = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    found = {path for pattern in packed["package-data"][PACKAGE.name] for path in PACKAGE.glob(pattern)}
    files = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    assert {str(path) for path in files - found} == set()


def test_no_test_module_imports_another_what_they_share_is_in_the_kit() -> None:
    found = {
        f"{path.relative_to(TESTS)} imports {imported}"
        for path in [*TESTS.rglob("*.py"), *(TESTS.parent / "benchmarks").rglob("*.py")]
        for imported in _imports(ast.parse(path.read_text(encoding="utf-8")))
        if re.match(r"arcadia_dagster_tests(\.\w+)*\.test_\w+$", imported)
    }
    assert found == set()
