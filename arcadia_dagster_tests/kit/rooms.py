"""Which room of the package writes and reads which table, as its SQL says: names of tables after FROM, JOIN, INTO and UPDATE.

What is read here from the source is what docs/architecture.md shows. What tables are put together while the program runs cannot
be read from it: so `kit/statements.py` looks at each statement as it runs, and a test fails where one names a table that is not
in this list.

`python -m arcadia_dagster_tests.kit.rooms` writes the table in docs/architecture.md anew.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from arcadia_dagster.store.table import Table
from arcadia_dagster.warehouse import relations, schema
from arcadia_dagster_tests.kit.statements import NO_ROOM, Use, behind, read_in, written_in

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "arcadia_dagster"
PAGE = ROOT / "docs" / "architecture.md"

_TABLES = tuple(table.name for table in schema.TABLES)
# What puts rows into the table that it is given.
_WRITERS = {"insert", "replace"}
# What defines tables and views for others, and what has a database of its own.
_FUNCTIONS = {
    "ready_invoices_sql": relations.ready_invoices_sql(),
    "ruled_sql": relations.ruled_sql("raw_invoices"),
    "joined_invoices_sql": f"FROM {relations.joined_invoices_sql()}",
}


@cache
def uses() -> frozenset[Use]:
    """All uses of tables in the package; whoever reads a view reads the tables that it is made of."""
    return frozenset(
        use
        for path in (*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.sql"))
        if not (name := path.relative_to(PACKAGE).as_posix()).startswith(NO_ROOM)
        for use in _uses(name, path.read_text(encoding="utf-8"))
    )


def may(use: Use) -> bool:
    """Whether a room may use a table as it does: its SQL says so, or it writes the table."""
    return (use.room, use.table, True) in _of_rooms() or (use.room, use.table, use.writes) in _of_rooms()


@cache
def _of_rooms() -> frozenset[tuple[str, str, bool]]:
    return frozenset((use.room, use.table, use.writes) for use in uses())


def _uses(module: str, source: str) -> Iterator[Use]:
    if module.endswith(".sql"):
        # The module beside it runs it.
        yield from _in_sql(module.removesuffix(".sql") + ".py", source)
        return
    tree = ast.parse(source)
    yield from _in_tree(module, tree)
    for function in _sql_functions_from_elsewhere(tree, tree):
        # Whoever runs SQL that another room has written reads its tables.
        yield from (use for use in _in_tree(module, function) if not use.writes)


def _in_tree(module: str, tree: ast.AST) -> Iterator[Use]:
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr():
                parts = (part.value if isinstance(part, ast.Constant) else "?" for part in node.values)
                yield from _in_sql(module, "".join(map(str, parts)))
            case ast.Constant(value=str(text)):
                yield from _in_sql(module, text)
            case ast.Call(func=ast.Name(id=name)) if name in _FUNCTIONS:
                yield from _in_sql(module, _FUNCTIONS[name])
            case ast.Call(func=ast.Name(id=name)) if name in _WRITERS:
                for argument in node.args:
                    if isinstance(argument, ast.Attribute) and isinstance(argument.value, ast.Name):
                        table = getattr(schema, argument.attr, None) if argument.value.id == "schema" else None
                        if isinstance(table, Table):
                            yield Use(module, table.name, writes=True)


def _sql_functions_from_elsewhere(tree: ast.Module, part: ast.AST) -> Iterator[ast.stmt]:
    """The functions that return SQL and that a part of a module has from other modules, with all that they are made of."""
    called = {node.id for node in ast.walk(part) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("arcadia_dagster."):
            for alias in node.names:
                if alias.name.endswith("_sql") and alias.name in called - _FUNCTIONS.keys():
                    yield from _sql_function(str(node.module), alias.name)


@cache
def _sql_function(module: str, name: str) -> tuple[ast.stmt, ...]:
    path = ROOT / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    defined: dict[str, ast.stmt] = {}
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=known) | ast.AnnAssign(target=ast.Name(id=known)):
                defined[known] = node
            case ast.Assign(targets=[ast.Name(id=known)]):
                defined[known] = node
    own: dict[str, ast.stmt] = {}
    wanted = [name]
    while wanted:
        if (one := wanted.pop()) in defined and one not in own:
            own[one] = defined[one]
            wanted += [node.id for node in ast.walk(defined[one]) if isinstance(node, ast.Name)]
    return (*own.values(), *(other for part in own.values() for other in _sql_functions_from_elsewhere(tree, part)))


def _in_sql(module: str, text: str) -> Iterator[Use]:
    """What a text names where a statement names tables. It may be a part of a statement, which no parser reads."""
    yield from (Use(module, name, writes=True) for name in written_in(text) if name in _TABLES)
    yield from (Use(module, table, writes=False) for name in read_in(text) for table in behind(name))


def as_markdown() -> str:
    """The table, as docs/architecture.md has it."""
    lines = ["| table | written by | read by, besides |", "|---|---|---|"]
    for table in _TABLES:
        writers = {use.room for use in uses() if use.table == table and use.writes}
        readers = {use.room for use in uses() if use.table == table and not use.writes} - writers
        lines.append(f"| `{table}` | {_names(writers)} | {_names(readers)} |")
    return "\n".join(lines) + "\n"


def _names(rooms: set[str]) -> str:
    return ", ".join(f"`{room}/`" if (PACKAGE / room).is_dir() else f"`{room}.py`" for room in sorted(rooms))


def main() -> None:
    """Write the table in docs/architecture.md anew."""
    before, rest = PAGE.read_text(encoding="utf-8").split("| table | written by |", maxsplit=1)
    after = rest.partition("\n\n")[2]
    PAGE.write_text(f"{before}{as_markdown()}\n{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
