"""DuckDB's CSV reader with the options under which it guesses nothing.

`auto_detect=false` with every column VARCHAR: no value is changed, and what a value means is decided by one later cast.
`strict_mode` stays on: without it `$1,234.00` is read as `$1`. The header line is compared by the formats themselves,
for DuckDB ignores the names in it: swapped columns would load silently.
"""

from collections.abc import Sequence
from pathlib import Path

from arcadia_dagster.store.query import text_literal
from arcadia_dagster.store.threads import SMALL_BYTES

MAX_LINE_BYTES = 2_000_000
"""A longer record is rejected; DuckDB's own default."""

_BUFFER_BYTES = 8 * MAX_LINE_BYTES
"""DuckDB's unit of parallel work: its default is twice as much, which one core alone would read of most files."""

_SMALL_FILE = 256 << 10
"""The mean size of files whose records are gathered before anything is made of them."""

_EXPANSION = 8
"""About how many bytes of text a byte of a packed file stands for."""


def are_gathered(paths: Sequence[Path], compression: str) -> bool:
    """Whether the records of CSV files are gathered in memory before anything is made of them.

    DuckDB computes whole expressions for the records of one file at a time: for 1,000 files of 33 lines that took three times as
    long as for as many lines at once (2026-11-29). One thread alone keeps the order of what is gathered: whoever reads so many
    files must set it.

    Args:
        paths: The files, which exist.
        compression: How they are packed, as DuckDB names it.
    """
    if len(paths) == 1:
        return False
    expansion = 1 if compression == "none" else _EXPANSION
    byte_size = sum(path.stat().st_size for path in paths) * expansion
    return byte_size <= min(SMALL_BYTES, len(paths) * _SMALL_FILE)


def read_csv_sql(
    paths: Sequence[Path],
    columns: Sequence[str],
    *,
    compression: str,
    options: str,
    delimiter: str = ",",
    has_header: bool = True,
    first_line: int = 1,
) -> str:
    """SQL: the records of CSV files that share a header, every column as text, with `filename`, in the files' order.

    Args:
        paths: The files.
        columns: A name for each column, in the file's order; the header line itself is skipped.
        compression: How they are packed, as DuckDB names it.
        options: Further options of `read_csv`.
        delimiter: What separates the values.
        has_header: Whether the first record is a header.
        first_line: The line, from 1, in which that is.
    """
    files = ", ".join(text_literal(str(path)) for path in paths)
    types = ", ".join(f"{text_literal(column)}: 'VARCHAR'" for column in columns)
    records = (
        f"read_csv([{files}], auto_detect = false, header = {has_header}, skip = {first_line - 1}, columns = {{{types}}}, "
        f"delim = {text_literal(delimiter)}, quote = '\"', "
        f"escape = '\"', strict_mode = true, compression = '{compression}', max_line_size = {MAX_LINE_BYTES}, "
        f"buffer_size = {_BUFFER_BYTES}, filename = true, {options})"
    )
    return (
        f"(WITH record AS MATERIALIZED (FROM {records}) FROM record)" if are_gathered(paths, compression) else records
    )


def identifier(name: str) -> str:
    """SQL: the name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def repeated(names: Sequence[str]) -> list[str]:
    """The names that occur more than once, in order."""
    return sorted({name for name in names if names.count(name) > 1})
