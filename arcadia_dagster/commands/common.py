"""What all commands share: errors in one line, months as people type them, tables that fit a terminal."""

import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from arcadia_dagster.settings import Settings
from arcadia_dagster.settings_file import SettingsFileError
from arcadia_dagster.warehouse import LockTimeoutError, WarehouseError

if TYPE_CHECKING:
    from rich.console import Console


OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130


class CommandError(Exception):
    """A command cannot be carried out; the message is one line, with the remedy."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        """Keep the exit code with the message."""
        super().__init__(message)
        self.code = code


@contextlib.contextmanager
def complaints(*kinds: type[Exception]) -> Iterator[None]:
    """Turn errors that a person can mend into one line: the given types, and those of files and the warehouse."""
    shown: tuple[type[Exception], ...] = (LockTimeoutError, WarehouseError, SettingsFileError, OSError, *kinds)
    try:
        yield
    except shown as error:
        raise CommandError(_told(error)) from error


def _told(error: Exception) -> str:
    """An error in words: that of the system as the file and what is wrong with it, without a number."""
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return str(error)


_NOT_WRAPPED = 1 << 20


def new_console(*, stderr: bool = False) -> "Console":
    """The console for tables and progress bars.

    Into a pipe or a file it prints each row on one line and no colour, whatever `COLUMNS` or `FORCE_COLOR` say: a program reads
    it, and cannot use a folded id.

    Args:
        stderr: Whether it is the standard error stream; else the standard output.
    """
    from rich.console import Console

    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    options: dict[str, Any] = {} if is_terminal else {"force_terminal": False, "no_color": True, "width": _NOT_WRAPPED}
    return Console(stderr=stderr, highlight=False, emoji=False, **options)


def print_json(value: Any) -> None:  # noqa: ANN401 - plain values
    r"""Print plain values as JSON. Letters of any script stay; what a terminal would obey becomes `\u202e` and the like.

    JSON itself asks for that below U+0020 only. But a terminal obeys U+009B too, and U+202E turns the text behind it around.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False)
    print("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def harmless(text: str) -> str:
    r"""A file's words, or its name, on one line: control and invisible characters become `\x1b` and the like."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def line_name(file_line: int | None, record: int) -> str:
    """A line as commands name it: by the line of the file that an editor shows; where a file has none, by its record.

    Args:
        file_line: The line of the file, from 1; None where the file has no lines, as Parquet, or its records are not on them.
        record: The ordinal of the record in its document, from 1; what the program has added itself has none, and comes below 1.
    """
    if file_line is not None:
        return str(file_line)
    return f"record {record}" if record > 0 else "added"


@contextlib.contextmanager
def progress(what: str, console: "Console") -> Iterator[Callable[[int, int], None]]:
    """A progress bar, called with the number done and the number of all; nothing where the console is no terminal."""
    if not console.is_terminal:
        yield lambda done, total: None  # noqa: ARG005
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def parse_months(text: str, values: Settings) -> list[date]:
    """`2026-04` or `2026-01..2026-12`, as months that have a partition.

    Raises:
        CommandError: It is neither, or lies outside of the months there are.
    """
    from arcadia_dagster.warehouse.months import next_month

    parts = text.split("..")
    try:
        first, last = (datetime.strptime(part, "%Y-%m").replace(tzinfo=UTC).date() for part in (parts[0], parts[-1]))
        is_range = len(parts) <= 2  # noqa: PLR2004 - a range has two ends
    except ValueError:
        is_range = False
    if not is_range:
        raise CommandError(f"{text}: expected a month such as 2026-04, or a range such as 2026-01..2026-12", MISUSED)
    if last < first:
        raise CommandError(f"{text}: expected the earlier month first: {last:%Y-%m}..{first:%Y-%m}", MISUSED)
    if first < values.first_month or last > datetime.now(UTC).date():
        raise CommandError(
            f"{text}: months go from ARCADIA_FIRST_MONTH={values.first_month:%Y-%m} to the present one", MISUSED
        )
    months = [first]
    while months[-1] < last:
        months.append(next_month(months[-1]))
    return months


def parse_period(text: str, values: Settings) -> list[date]:
    """`2026-Q3`, `2026`, or what `parse_months` takes, as months that have a partition.

    Of a year or a quarter, those that have begun.

    Raises:
        CommandError: It is none of them, or has no such month.
    """
    match = re.fullmatch(r"(\d{4})(?:-[Qq]([1-4]))?", text, re.ASCII)
    if match is None:
        try:
            return parse_months(text, values)
        except CommandError as error:
            if "expected a month such as" not in str(error):
                raise
            raise CommandError(
                f"{text}: expected a quarter such as 2026-Q3, a year such as 2026, a month such as 2026-04, or a range such as "
                "2026-01..2026-06",
                MISUSED,
            ) from error
    first, count = (1, 12) if match[2] is None else (int(match[2]) * 3 - 2, 3)
    today = datetime.now(UTC).date()
    year = int(match[1])
    months = [date(year, month, 1) for month in range(first, first + count)] if year else []
    begun = [month for month in months if values.first_month <= month <= today]
    if not begun:
        raise CommandError(
            f"{text}: months go from ARCADIA_FIRST_MONTH={values.first_month:%Y-%m} to the present one", MISUSED
        )
    return begun
