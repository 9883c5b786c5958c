"""TOML files that people write, read within bounds: of their size, and of how deep what they say lies.

Python's parser has neither bound: a key of 100,000 parts took it a minute and 1.7 GB (Python 3.11), for it keeps each
beginning of such a key. Both are looked at before it begins.
"""

import os
import re
import stat
import tomllib
from datetime import date, time
from pathlib import Path
from typing import Any

MOST_DEEP = 10
"""How many parts a key may have, and how many brackets may lie in one another. What people write here has two of each."""

_SHOWN = 80

# One after another, without trying anything twice: linear in the text. An end of the text ends whatever is open there.
_TOKEN = re.compile(
    r'''
    (?:"""(?:\\.|"{1,2}(?!")|[^"\\])*+(?:"{3,5}|\\?\Z))
    |(?:\'\'\'(?:'{1,2}(?!')|[^'])*+(?:'{3,5}|\Z))
    |(?:"(?:\\.|[^"\\\n])*+(?:"|\\?\Z|(?=\n)))
    |(?:'[^'\n]*+(?:'|\Z|(?=\n)))
    |\#[^\n]*+
    |[\[\]{}.,=\n]
    |[^\[\]{}.,=\n"'\#]++
    ''',
    re.DOTALL | re.VERBOSE,
)


class TomlError(ValueError):
    """The file cannot be read, or is not TOML; the message names it and says why."""


def read_toml(path: Path, *, max_bytes: int) -> dict[str, Any]:
    """What a TOML file says.

    Args:
        path: The file.
        max_bytes: A larger one is not read.

    Raises:
        FileNotFoundError: There is none.
        TomlError: It is no plain file, cannot be read, is too large or too deep, or is not TOML.
    """
    content = _read(path, max_bytes)
    if len(content) > max_bytes:
        raise TomlError(f"{path} has more than {max_bytes} bytes; expected a file that a person writes")
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise TomlError(f"{path} is not TOML: byte {error.start} is not UTF-8; save it as UTF-8") from error
    if (line := _too_deep(text)) is not None:
        raise TomlError(
            f"{path} is not TOML as people write it here: line {line} has a key of more than {MOST_DEEP} parts, or more than "
            f"{MOST_DEEP} brackets in one another"
        )
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise TomlError(f"{path} is not TOML: {error}") from error


def shown(value: object) -> str:
    """A value of such a file as a message shows it, on one line and not too long."""
    match value:
        case dict():
            return "a table"
        case list():
            return "a list"
        case date() | time():
            return value.isoformat()
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
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise TomlError(f"{path} cannot be read: it is no plain file")
        with os.fdopen(descriptor, "rb") as file:
            return file.read(max_bytes + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise TomlError(f"{path} cannot be read: {error.strerror}") from error


def _too_deep(text: str) -> int | None:
    """The first line, from 1, on which something is deeper than it may be; None where nothing is."""
    line, brackets, dots = 1, 0, 0
    for token in _TOKEN.finditer(text):
        match token[0]:
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
        line += token[0].count("\n")
    return None
