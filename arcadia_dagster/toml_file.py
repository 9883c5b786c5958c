"""TOML files that people write, read within bounds of size and depth.

Python's parser has neither bound: a key of 100,000 parts took it a minute and 1.7 GB (Python 3.11), for it keeps each
beginning of such a key. The module checks both bounds before it parses.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import date, time
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from arcadia_dagster.plain_file import open_plain
from arcadia_dagster.settings_file import SettingsFileError

MOST_DEEP = 10
"""How many parts a key may have, and how deep brackets may nest. Real files have two of each."""

_SHOWN = 80

# One after another, without trying anything twice: linear in the text, and in no memory. Not with possessive quantifiers: Python
# 3.11.2, which Debian 12 has, matches those wrongly (seen on 2026-11-28).
_TOKEN = re.compile(r"""\"{3}|'{3}|"|'|\#[^\n]*|[\[\]{}.,=\n]|[^\[\]{}.,=\n"'\#]+""")
_END = {
    '"' * 3: re.compile(r'\\.|"{3,5}', re.DOTALL),
    "'" * 3: re.compile("'{3,5}"),
    '"': re.compile(r'\\.|"|(?=\n)', re.DOTALL),
    "'": re.compile("'|(?=\n)"),
}
"""For each beginning of a quoted text, the pattern of its end, or of an escape before it."""


class TomlError(SettingsFileError):
    """The file cannot be read, or is not TOML; the message names it and says why."""


def read_toml(path: Path, *, max_bytes: int) -> dict[str, Any]:
    """What a TOML file says. Numbers with a point are exact: `Decimal`, as all amounts are.

    Args:
        path: The file.
        max_bytes: A larger one is not read.

    Raises:
        FileNotFoundError: There is none.
        TomlError: It is no plain file, cannot be read, is too large or too deep, or is not TOML.
    """
    return parse_toml(read_text(path, max_bytes=max_bytes), path)


def read_text(path: Path, *, max_bytes: int) -> str:
    """The text of a file that a person writes, with line feeds alone at the ends of its lines.

    Raises:
        FileNotFoundError: There is none.
        TomlError: It is no plain file, cannot be read, is too large, or is not UTF-8.
    """
    content = _read(path, max_bytes)
    if len(content) > max_bytes:
        raise TomlError(f"{path} has more than {max_bytes} bytes; expected a file that a person writes")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise TomlError(f"{path} is not TOML: byte {error.start} is not UTF-8; save it as UTF-8") from error


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """What the text of a TOML file says, see `read_toml`.

    Raises:
        TomlError: It is too deep, or is not TOML; the message names the file.
    """
    if (line := _too_deep(text)) is not None:
        raise TomlError(
            f"{path} is not TOML as people write it here: line {line} has a key of more than {MOST_DEEP} parts, or more than "
            f"{MOST_DEEP} brackets in one another"
        )
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise TomlError(f"{path} is not TOML: {error}") from error


def lines_of_keys(text: str) -> dict[tuple[str, ...], int]:
    """The line, from 1, on which each table and key of a TOML text stands, by its path.

    Args:
        text: TOML that `parse_toml` has read.
    """
    keys, line = _Keys(), 1
    for token in _tokens(text):
        keys.take(token, line)
        line += token.count("\n")
    keys.take("\n", line)
    return keys.found


def _tokens(text: str) -> Iterator[str]:
    """The tokens of a text, all of it; a text in quotes is one, and ends with the file where nothing else ends it."""
    at = 0
    while (match := _TOKEN.match(text, at)) is not None:
        end = match.end()
        if (ends := _END.get(match[0])) is not None:
            passed = (mark for mark in ends.finditer(text, end) if not mark[0].startswith("\\"))
            end = next((mark.end() for mark in passed), len(text))
        yield text[at:end]
        at = end


class _Keys:
    """The tables and keys of a text that is TOML, token by token."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, ...], int] = {}
        self._table: tuple[str, ...] = ()
        self._key: tuple[str, ...] = ()
        self._inline: list[tuple[str, ...]] = []
        self._words = ""
        self._brackets = 0
        self._is_value = self._is_header = False
        self._takes = {
            "=": self._name,
            "{": self._open,
            "}": self._close,
            "[": self._open_bracket,
            "]": self._close_bracket,
            ",": self._next,
            "\n": self._end_line,
        }

    def take(self, token: str, line: int) -> None:
        """Go on by a token, which begins on a line."""
        if (take := self._takes.get(token)) is not None:
            take(line)
        elif not self._is_value and not token.startswith("#"):
            self._words += token

    def _name(self, line: int) -> None:
        if not self._is_value:
            self._key = (self._inline[-1] if self._inline else self._table) + _parts(self._words.strip())
            self.found.setdefault(self._key, line)
            self._is_value = True

    def _open(self, _line: int) -> None:
        # What lies in an array has no path.
        if not self._brackets:
            self._inline.append(self._key)
            self._words, self._is_value = "", False

    def _close(self, _line: int) -> None:
        if not self._brackets:
            self._inline.pop()
            self._is_value = True

    def _open_bracket(self, _line: int) -> None:
        if self._is_value:
            self._brackets += 1
        else:
            self._is_header = True

    def _close_bracket(self, _line: int) -> None:
        self._brackets -= self._is_value

    def _next(self, _line: int) -> None:
        if self._inline and not self._brackets:
            self._words, self._is_value = "", False

    def _end_line(self, line: int) -> None:
        if self._is_header:
            self._table = _parts(self._words.strip())
            self.found.setdefault(self._table, line)
        if not self._brackets and not self._inline:
            self._words, self._is_value, self._is_header = "", False, False


def _parts(words: str) -> tuple[str, ...]:
    """The parts of a key as TOML has them: `a."b/c"` is `a` and `b/c`."""
    parts: list[str] = []
    table: Any = tomllib.loads(f"{words} = 0") if words else 0
    while isinstance(table, dict):
        ((name, table),) = table.items()
        parts.append(name)
    return tuple(parts)


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """The nearest of the known names, in words that end a sentence; empty where none is near."""
    names = {name.lower(): name for name in sorted(known)}
    matches = get_close_matches(text.lower(), names, n=1, cutoff=0.7)
    return f"; did you mean {names[matches[0]]!r}?" if matches else ""


def shown(value: object) -> str:
    """A value of such a file as a message shows it, on one line and not too long."""
    match value:
        case dict():
            return "a table"
        case list():
            return "a list"
        case date() | time():
            return value.isoformat()
        case Decimal():
            return f"{value!s:.{_SHOWN}}"
        case int() if not -(10**_SHOWN) < value < 10**_SHOWN:
            # Python refuses to write out an integer of many digits.
            return f"a number of more than {_SHOWN} digits"
        case _:
            return f"{value!r:.{_SHOWN}}"


def shown_key(key: object) -> str:
    """A key of such a file as a message shows it: as it is written, unless it is too long or does not show."""
    text = str(key)
    return text if text.isprintable() and len(text) <= _SHOWN else f"{text!r:.{_SHOWN}}"


def _read(path: Path, max_bytes: int) -> bytes:
    """The beginning of the file, one byte more than it may have. A pipe or a device is not waited for."""
    try:
        with open_plain(path) as file:
            return file.read(max_bytes + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise TomlError(f"{path} cannot be read: {error.strerror}") from error


def _too_deep(text: str) -> int | None:
    """The first line, from 1, on which something is deeper than it may be; None where nothing is."""
    line, brackets, dots = 1, 0, 0
    for token in _tokens(text):
        match token:
            case ".":
                dots += 1
            case "[" | "{":
                brackets, dots = brackets + 1, 0
            case "]" | "}":
                brackets, dots = max(brackets - 1, 0), 0
            case "," | "=" | "\n":
                dots = 0
        if brackets > MOST_DEEP or dots >= MOST_DEEP:
            return line
        line += token.count("\n")
    return None
