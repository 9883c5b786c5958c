"""The commands of `arcadia`, one module for each group of commands.

What belongs here: what a command prints and asks for. What does not: the work itself, which a notebook can call too. Dagster and
pandas are imported only where a command needs them, for `arcadia status` must be quick.

A module is imported when it is first asked for: the command line knows all of them, and runs one.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arcadia_dagster.commands import books as books
    from arcadia_dagster.commands import documents as documents
    from arcadia_dagster.commands import export as export
    from arcadia_dagster.commands import fetch as fetch
    from arcadia_dagster.commands import formats as formats
    from arcadia_dagster.commands import invoices as invoices
    from arcadia_dagster.commands import listing as listing
    from arcadia_dagster.commands import machine as machine
    from arcadia_dagster.commands import months as months
    from arcadia_dagster.commands import rebuild as rebuild
    from arcadia_dagster.commands import statement as statement
    from arcadia_dagster.commands import tax as tax
    from arcadia_dagster.commands import verify as verify
    from arcadia_dagster.commands import warehouse as warehouse


def __getattr__(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"module {__name__} has no attribute {name}") from error
