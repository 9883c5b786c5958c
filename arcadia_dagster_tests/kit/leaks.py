"""Looks for what must be nowhere: in files, whatever they are, and in the tables of a warehouse, which compresses its texts."""

from collections.abc import Collection, Iterable
from pathlib import Path

from arcadia_dagster.warehouse import Warehouse, schema


def files_with(folder: Path, needles: Iterable[str], *, besides: Collection[str] = ()) -> list[str]:
    """The files below a folder that contain one of the texts, but for those with these names."""
    wanted = [needle.encode() for needle in needles]
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name not in besides and any(needle in path.read_bytes() for needle in wanted)
    )


def tables_with(warehouse: Warehouse, needles: Iterable[str]) -> list[str]:
    """The tables that have one of the texts in some value."""
    found = []
    wanted = list(needles)
    with warehouse.read() as connection:
        for table in schema.TABLES:
            rows = str(connection.execute(f"FROM {table.name}").fetchall())
            found += [table.name] if any(needle in rows for needle in wanted) else []
    return found
