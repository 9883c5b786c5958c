"""A table, as the program describes it before there is one."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, SQL type and meaning."""

    name: str
    type: str
    description: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its meaning, its columns in order, and the columns whose values together occur once.

    A lake keeps the files of a large table apart by `partitioned_by`; a file has no use for it.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = field(default=())
    partitioned_by: tuple[str, ...] = field(default=())

    @property
    def column_names(self) -> str:
        """The columns as SQL lists them."""
        return ", ".join(column.name for column in self.columns)

    def without(self, names: Collection[str]) -> "Table":
        """The table without some of its columns, for a comparison that they do not matter for."""
        return replace(self, columns=tuple(column for column in self.columns if column.name not in names))

    @property
    def ddl(self) -> str:
        """The statement that creates the table."""
        columns = ",\n  ".join(f"{column.name} {column.type}" for column in self.columns)
        return f"CREATE TABLE {self.name} (\n  {columns}\n)"
