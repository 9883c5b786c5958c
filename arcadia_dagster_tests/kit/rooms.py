"""Which room of the package writes and reads which table, as its SQL says: names of tables after FROM, JOIN, INTO and UPDATE.

`python -m arcadia_dagster_tests.kit.rooms` writes the table in docs/architecture.md anew.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from arcadia_dagster.warehouse import relations, schema

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "arcadia_dagster"
PAGE = ROOT / "docs" / "architecture.md"

_TABLES = tuple(table.name for table in schema.TABLES)
_READ = re.compile(r"(?<!DELETE )\b(?:FROM|JOIN)\s+([a-z_]+)\b")
_WRITTEN = re.compile(r"\b(?:INSERT INTO|DELETE FROM|UPDATE)\s+([a-z_]+)\b")
# What puts rows into the table that it is given.
_WRITERS = {"insert", "replace"}
# What defines tables and views for others, and what has a database of its own.
_NO_ROOM = ("warehouse/relations.py", "warehouse/schema.py", "warehouse/version_1.py", "sandbox/")
_FUNCTIONS = {
    "ready_invoices_sql": relations.ready_invoices_sql(),
    "ruled_sql": relations.ruled_sql("raw_invoices"),
    "joined_invoices_sql": f"FROM {relations.joined_invoices_sql()}",
}


@dataclass(frozen=True, slots=True)
class Use:
    """That a module writes or reads a table."""

    module: str
    table: str
    writes: bool

    @property
    def room(self) -> str:
        """The module's package, or the module at the package's edge."""
        return self.module.partition("/")[0].removesuffix(".py")


@cache
def uses() -> frozenset[Use]:
    """All uses of tables in the package; whoever reads a view reads the tables that it is made of."""
    return frozenset(
        use
        for path in (*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.sql"))
        if not (name := path.relative_to(PACKAGE).as_posix()).startswith(_NO_ROOM)
        for use in _uses(name, path.read_text(encoding="utf-8"))
    )


def _uses(module: str, source: str) -> Iterator[Use]:
    if module.endswith(".sql"):
        # The module beside it runs it.
        yield from _in_sql(module.removesuffix(".sql") + ".py", source)
        return
    for node in ast.walk(ast.parse(source)):
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
                        if isinstance(table, schema.Table):
                            yield Use(module, table.name, writes=True)


def _in_sql(module: str, text: str) -> Iterator[Use]:
    for name in _WRITTEN.findall(text):
        if name in _TABLES:
            yield Use(module, name, writes=True)
    for name in _READ.findall(text):
        for table in _behind(name):
            yield Use(module, table, writes=False)


@cache
def _behind(name: str) -> frozenset[str]:
    """The tables that a table or a view is made of; none behind another name, such as a subquery's."""
    if name in _TABLES:
        return frozenset({name})
    queries = {view.name: view.query for view in relations.VIEWS}
    return frozenset(table for one in _READ.findall(queries.get(name, "")) for table in _behind(one))


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
