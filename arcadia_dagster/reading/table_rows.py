"""Rows of a table, CSV or Parquet, whose values are few and each matters, such as statements of invoices.

An error names its place. Tables of many records are read by DuckDB.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb

from arcadia_dagster.reading import columns_without_header, semicolons
from arcadia_dagster.reading.csv_reader import identifier
from arcadia_dagster.reading.format import UnreadableError
from arcadia_dagster.reading.json_values import amount_of
from arcadia_dagster.reading.problems import expected_time, whole_records
from arcadia_dagster.reading.unread import WHOLE_AGAIN
from arcadia_dagster.store.query import text_literal

_SLICE = 10_000
_NULLS = frozenset({"", "NULL"})
"""FOCUS 1.2, Null Handling; as CSV has it."""


class Row:
    """One row.

    Args:
        values: Its values by column name in small letters; None where the row has none.
        names: How the columns are spelt.
        place: Where it is, such as `line 3`.
    """

    def __init__(self, values: Mapping[str, str | None], names: Mapping[str, str], place: str) -> None:
        """Nothing is looked at yet."""
        self._values = values
        self._names = names
        self.place = place

    def text(self, name: str) -> str | None:
        """The value without the space around it; None where it is missing, blank or NULL."""
        text = (self._values.get(name.lower()) or "").strip()
        return None if text in _NULLS else text

    def needed_text(self, name: str) -> str:
        """The same, which must be there."""
        text = self.text(name)
        if text is None:
            raise self._wrong(name, "a value")
        return text

    def one_of(self, name: str, words: Mapping[str, str]) -> str:
        """What a word, in any case, stands for; the meanings are by the words in small letters."""
        meaning = words.get(self.needed_text(name).lower())
        if meaning is None:
            raise self._wrong(name, " or ".join(words.values()))
        return meaning

    def amount(self, name: str) -> Decimal | None:
        """An exact amount such as `-1234.56`; None where there is none."""
        text = self.text(name)
        amount = None if text is None else amount_of(text)
        if text is not None and amount is None:
            raise self._wrong(name, "an amount such as 1234.56")
        return amount

    def needed_amount(self, name: str) -> Decimal:
        """The same, which must be there."""
        amount = self.amount(name)
        if amount is None:
            raise self._wrong(name, "an amount such as 1234.56")
        return amount

    def moment(self, name: str) -> datetime | None:
        """A time, in UTC without an offset; of one without an offset it is taken to be in UTC."""
        text = self.text(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise self._wrong(name, expected_time(text, "a time such as 2026-10-01T00:00:00Z")) from error
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo is not None else moment

    def needed_moment(self, name: str) -> datetime:
        """The same, which must be there."""
        moment = self.moment(name)
        if moment is None:
            raise self._wrong(name, "a time such as 2026-10-01T00:00:00Z")
        return moment

    def _wrong(self, name: str, expected: str) -> UnreadableError:
        text = self.text(name)
        shown = "blank" if text is None else repr(text[:80])
        return UnreadableError(
            f"{self.place}, column {self._names.get(name.lower(), name)}: {shown}; expected {expected}"
        )


def csv_rows(
    path: Path, columns: Sequence[str], *, delimiter: str = ",", decimal_commas: Collection[str] = ()
) -> Iterator[Row]:
    """The rows of a CSV document below its header.

    Args:
        path: The document, packed or not.
        columns: Its header.
        delimiter: What separates its values.
        decimal_commas: The columns whose decimals are behind a comma.

    Raises:
        UnreadableError: A record is no CSV, has not as many values as there are columns, or has one in a column without a header.
    """
    empty = columns_without_header.without_header(columns)
    lower = [name.lower() for name in columns]
    names = dict(zip(lower, columns, strict=True))
    with_commas = {name.lower() for name in decimal_commas}
    for line, values in itertools.islice(whole_records(path, len(columns), delimiter=delimiter), 1, None):
        if (problem := columns_without_header.problem_of(line, values, empty, delimiter=delimiter)) is not None:
            raise UnreadableError(problem)
        cells = zip(lower, values, strict=True)
        row = {name: semicolons.with_point(value) if name in with_commas else value for name, value in cells}
        yield Row(row, names, f"line {line}")


def parquet_rows(path: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    """The rows of a Parquet document.

    Args:
        path: The document.
        columns: Its columns with their types, as DuckDB names them.

    Raises:
        UnreadableError: It cannot be read.
    """
    texts = ", ".join(_text_sql(name, type_) for name, type_ in columns.items())
    lower = [name.lower() for name in columns]
    names = {name.lower(): name for name in columns}
    try:
        with duckdb.connect() as connection:
            relation = connection.execute(f"SELECT {texts} FROM read_parquet({text_literal(str(path))})")
            slices = iter(lambda: relation.fetchmany(_SLICE), [])
            for number, values in enumerate(itertools.chain.from_iterable(slices), start=1):
                yield Row(dict(zip(lower, values, strict=True)), names, f"record {number}")
    except duckdb.Error as error:
        raise UnreadableError(
            f"it cannot be read as Parquet: {str(error).partition(chr(10))[0][:200]}; {WHOLE_AGAIN}"
        ) from error


def _text_sql(name: str, type_: str) -> str:
    """SQL: a column as text; a time in UTC, without the database of zones that a cast would look for."""
    column = identifier(name)
    if type_ == "TIMESTAMP WITH TIME ZONE":
        return f"CAST(make_timestamp(epoch_us({column})) AS VARCHAR)"
    return f"CAST({column} AS VARCHAR)"
