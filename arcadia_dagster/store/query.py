"""Small help with queries."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import resources
from string import Template
from typing import Any

import duckdb


def fetch(connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """The rows that a query answers with, each by column name."""
    result = connection.execute(query, list(parameters)) if parameters else connection.execute(query)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def has_row(connection: duckdb.DuckDBPyConnection, query: str) -> bool:
    """Whether a SELECT has a row."""
    return connection.execute(f"SELECT EXISTS ({query})").fetchone() == (True,)


def met(connection: duckdb.DuckDBPyConnection, needs: Iterable[str]) -> set[str]:
    """Those of these SELECTs that have a row. An empty text stands for no need, and is among them."""
    each = [query for query in dict.fromkeys(needs) if query]
    if not each:
        return {""}
    has_row = connection.execute(f"SELECT {', '.join(f'EXISTS ({query})' for query in each)}").fetchone() or ()
    return {"", *(query for query, is_met in zip(each, has_row, strict=True) if is_met)}


@contextmanager
def in_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for a SELECT that needs no warehouse, to an engine that this process keeps: starting one takes 10 ms."""
    with _engine().cursor() as connection:
        yield connection


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


@contextmanager
def temporary_tables(connection: duckdb.DuckDBPyConnection) -> Iterator[Callable[[str, str], None]]:
    """A function that makes a temporary table of this name from this SELECT. They are gone when the block ends.

    Where an error ends the block they go with the caller's transaction, or with its connection.
    """
    made: list[str] = []

    def make(name: str, query: str) -> None:
        connection.execute(f"CREATE TEMP TABLE {name} AS {query}")
        made.append(name)

    yield make
    for name in made:
        connection.execute(f"DROP TABLE temp.{name}")


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, name: str, rows: object) -> Iterator[None]:
    """Within the block, rows of Arrow are a relation of this name: the connection keeps them no longer than that."""
    connection.register(name, rows)
    try:
        yield
    finally:
        connection.unregister(name)


def statement(module: str, **parts: str) -> str:
    """The statement in the `.sql` file beside a module, which has the module's name, with its parts filled in.

    Args:
        module: The module's `__name__`.
        parts: SQL for each `$name` in the file: lists of literals, or relations. A `$` that is none is written `$$`.

    Raises:
        KeyError: A part is not given.
    """
    return _template(module).substitute(parts)


@cache
def _template(module: str) -> Template:
    package, _, name = module.rpartition(".")
    return Template(resources.files(package).joinpath(f"{name}.sql").read_text(encoding="utf-8"))


def text_literal(value: str) -> str:
    """SQL: a text as a literal, where no parameter can stand, such as a path.

    Also in commands that must be quick: DuckDB imports pandas, which takes half a second, as soon as a parameter is bound.
    """
    return "'" + value.replace("'", "''") + "'"


def text_list(values: Iterable[str]) -> str:
    """SQL: texts as literals for `IN (...)`; a list that matches nothing where there are none."""
    return ", ".join(text_literal(value) for value in values) or "NULL"
