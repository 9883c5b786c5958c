"""Every statement that DuckDB runs while the tests run, with the module that runs it and the tables that it names.

A statement is looked at as it runs. So it counts however it was put together: of parts, in lower case, by an alias of
`execute`, or as a relation of DuckDB's. `kit/rooms.py` says which room may write and read which table.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache, wraps
from threading import Lock
from typing import Any, Final

import duckdb

from arcadia_dagster.warehouse import relations, schema

NO_ROOM: Final = (
    *("warehouse/relations.py", "warehouse/schema.py", "warehouse/version_1.py"),
    *("warehouse/copy.py", "warehouse/digests.py", "store/ducklake.py", "sandbox/"),
)
"""What defines tables and views for others, what copies, hashes or partitions all tables, and what has a database of its own."""

_PACKAGE: Final = "arcadia_dagster."
_TESTS: Final = "tests"
_OTHERS: Final = ("arcadia_dagster_tests.", "benchmarks.")
# These run what they are given: it is the statement of whoever gives it.
_RUN_ANYTHING: Final = frozenset({"store/query.py", "warehouse/rows.py"})
_HELPERS: Final = ("store/query.py", "warehouse/")

_TABLES: Final = frozenset(table.name for table in schema.TABLES)
_VIEWS: Final = {view.name: view.query for view in relations.VIEWS}

# What runs SQL or names a table, with the position of that text among the arguments.
_RUNNERS: Final = ("execute", "executemany", "sql", "query", "from_query", "table", "view", "append")
_PLACES: Final[Mapping[Any, Mapping[str, int]]] = {
    duckdb.DuckDBPyConnection: dict.fromkeys(_RUNNERS, 1),
    duckdb.DuckDBPyRelation: {"query": 2, "insert_into": 1},
    duckdb: dict.fromkeys(_RUNNERS, 0),
}
# They are given the name of the table that they write.
_WRITERS: Final = frozenset({"append", "insert_into"})

_TEXT_OR_COMMENT: Final = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_ONE: Final = r'(?:"?\w+"?\.)*"?(\w+)"?'
_NAMED: Final = re.compile(rf"\b({'|'.join([*_TABLES, *_VIEWS])})\b", re.IGNORECASE)
_WRITTEN: Final = re.compile(
    r"\b(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|DELETE\s+FROM|UPDATE|MERGE\s+INTO|TRUNCATE(?:\s+TABLE)?|ALTER\s+TABLE"
    rf"|(?:CREATE(?:\s+OR\s+REPLACE)?|DROP)\s+TABLE(?:\s+IF\s+(?:NOT\s+)?EXISTS)?|COPY)\s+{_ONE}",
    re.IGNORECASE,
)
_READ: Final = re.compile(rf"(?<!DELETE )\b(?:FROM|JOIN|USING)\s+{_ONE}", re.IGNORECASE)
# The next names of a list after FROM.
_FURTHER: Final = re.compile(rf"(?:\s+(?:AS\s+)?\w+)?\s*,\s*{_ONE}", re.IGNORECASE)
# What stands before the query or the condition of a statement that is no SELECT.
_BEFORE_QUERY: Final = re.compile(r"^.*?(?=\b(?:SELECT|FROM|WITH)\b)", re.IGNORECASE | re.DOTALL)
_parser: Final = duckdb.connect()
_parsing: Final = Lock()


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """That a module writes or reads a table."""

    module: str
    table: str
    writes: bool

    @property
    def room(self) -> str:
        """The module's package, or the module at the package's edge."""
        return self.module.partition("/")[0].removesuffix(".py")


def written_in(text: str) -> set[str]:
    """The names that stand in a statement, or a part of one, where it names what it writes."""
    return {name.lower() for name in _WRITTEN.findall(text)}


def read_in(text: str) -> set[str]:
    """The names that stand in a statement, or a part of one, where it names what it reads; each of a list after FROM too."""
    names = set()
    for first in _READ.finditer(text):
        names.add(first[1].lower())
        further = _FURTHER.match(text, first.end())
        while further is not None:
            names.add(further[1].lower())
            further = _FURTHER.match(text, further.end())
    return names


@lru_cache(maxsize=10_000)
def tables_in(statement: str) -> frozenset[tuple[str, bool]]:
    """The warehouse's tables that a whole statement uses, each with whether it writes it. A view is the tables behind it."""
    # Most statements name none, and some have 30,000 characters, in which the pattern takes 25 times as long as this.
    lowered = statement.lower()
    if not any(name in lowered for name in (*_TABLES, *_VIEWS)) or not _NAMED.search(statement):
        return frozenset()
    return _tables_in(_TEXT_OR_COMMENT.sub(_bare, statement))


def _bare(found: re.Match[str]) -> str:
    """What stands for a text or a comment: statements that differ in paths, days and the like alone are parsed once."""
    if not found[0].startswith("'"):
        return " "
    # Of `query_table('documents')`.
    return found[0] if _NAMED.fullmatch(found[0][1:-1]) else "''"


@lru_cache(maxsize=10_000)
def _tables_in(bare: str) -> frozenset[tuple[str, bool]]:
    written = written_in(bare) & _TABLES
    read = {table for name in _read_by(bare) for table in behind(name)}
    return frozenset([*((name, True) for name in written), *((name, False) for name in read - written)])


@cache
def behind(name: str) -> frozenset[str]:
    """The tables that a table or a view is made of; none behind another name, such as a subquery's."""
    if name in _TABLES:
        return frozenset({name})
    return frozenset(table for table, _ in tables_in(_VIEWS[name])) if name in _VIEWS else frozenset()


def _read_by(bare: str) -> set[str]:
    """What DuckDB's parser says is read; where it cannot tell, as of a file that is gone by now, what stands after FROM."""
    for text in (bare, _BEFORE_QUERY.sub("", bare, count=1)):
        try:
            with _parsing:
                return {name.lower().rpartition(".")[2].strip('"') for name in _parser.get_table_names(text)}
        except duckdb.Error:
            continue
    return read_in(bare)


class Recorder:
    """What ran and must not run.

    Args:
        is_allowed: Whether a use of a table is one that the rooms may have.
    """

    def __init__(self, is_allowed: Callable[[Use], bool]) -> None:
        self._is_allowed = is_allowed
        self._wrong: list[str] = []

    def take(self) -> list[str]:
        """What was seen since the last call, each with its module and its statement."""
        wrong, self._wrong = self._wrong, []
        return wrong

    @contextmanager
    def recording(self) -> Iterator["Recorder"]:
        """Look at every statement of this process until the block ends."""
        originals = [(place, name, getattr(place, name)) for place, names in _PLACES.items() for name in names]
        for place, name, original in originals:
            setattr(place, name, self._looking(original, name, _PLACES[place][name]))
        try:
            yield self
        finally:
            for place, name, original in originals:
                setattr(place, name, original)

    def _looking(self, original: Callable[..., Any], name: str, position: int) -> Callable[..., Any]:
        @wraps(original)
        def look(*arguments: Any, **named: Any) -> Any:
            given = [*arguments[position : position + 1], *named.values()]
            for text in (getattr(value, "query", value) for value in given):
                if isinstance(text, str):
                    self._note(_whole(name, text))
            return original(*arguments, **named)

        return look

    def _note(self, statement: str) -> None:
        helpers: list[str] = []
        for module in _callers():
            if module.startswith(NO_ROOM) or module == _TESTS:
                return
            if not module.startswith(_HELPERS):
                break
            helpers.append(module)
        else:
            module = "a thread that no module has started"
        # A command may ask a function below it, such as `months.stale`, and may hand nobody a statement of its own.
        if module.startswith("commands/") and set(helpers) <= _RUN_ANYTHING:
            self._wrong.append(f"{module} runs SQL: {statement}")
        for table, writes in tables_in(statement):
            # `warehouse/` has a table of its own beside the statements that it is given.
            if not any(self._is_allowed(Use(caller, table, writes)) for caller in (module, *helpers)):
                self._wrong.append(f"{module} {'writes' if writes else 'reads'} {table}: {statement}")


def _whole(name: str, text: str) -> str:
    if name in _WRITERS:
        return f"INSERT INTO {text}"
    return f"FROM {text}" if name in {"table", "view"} else text


def _callers() -> Iterator[str]:
    """The modules of the package that called, from the inside outwards; `_TESTS` for a module of the tests."""
    frame = inspect.currentframe()
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith(_OTHERS):
            if name != __name__:
                yield _TESTS
        elif name.startswith(_PACKAGE):
            yield name.removeprefix(_PACKAGE).replace(".", "/") + ".py"
        frame = frame.f_back
