"""Files of `[[tables]]` that people write, such as routes and budgets: what their readers check in the same way."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from arcadia_dagster.toml_file import TomlError, did_you_mean, read_text, shown, shown_key

MOST_BYTES: Final = 1 << 20
"""The largest file that is read."""

_MOST_CHARACTERS: Final = 200


def read_if_there(path: Path, *, named_by: str) -> str | None:
    """The text of a file; None where there is no such file, and nobody has named it.

    Args:
        path: The file.
        named_by: The variable by which a person has named the file, so that it must exist; empty where nobody has.

    Raises:
        TomlError: It does not exist although it is named, or see `read_text`.
    """
    try:
        return read_text(path, max_bytes=MOST_BYTES)
    except FileNotFoundError as error:
        if named_by:
            raise TomlError(f"{path} does not exist; {named_by} names it") from error
        return None


def tables_of(content: Mapping[str, Any], name: str, what: str, path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """The tables of a name in a file, each with what messages call it: the file, its name, and its number from 1.

    Args:
        content: What the file says.
        name: The name that stands in two brackets above each of them.
        what: What a person calls one of them.
        path: The file.

    Raises:
        TomlError: The name is of something else.
    """
    stated = content.get(name, [])
    if not isinstance(stated, list) or not all(isinstance(entry, dict) for entry in stated):
        raise TomlError(f"{path}: {name}: expected [[{name}]], in two brackets, above each {what}")
    return ((entry, f"{path}, {name} {number}") for number, entry in enumerate(stated, start=1))


def assert_known(keys: Collection[str], known: Collection[str], where: str) -> None:
    """Check that a table has known keys only.

    Raises:
        TomlError: It has another one; the message names the nearest that is known.
    """
    if unknown := sorted(set(keys) - set(known)):
        near = did_you_mean(unknown[0], known)
        raise TomlError(f"{where}: {shown_key(unknown[0])}: there is no such key; expected {', '.join(known)}{near}")


def text_of(value: object, where: str) -> str:
    """A value that is text on one line, without blanks around it.

    Raises:
        TomlError: It is not.
    """
    if not isinstance(value, str):
        raise TomlError(f"{where} = {shown(value)}: expected text in quotes")
    if not value or value != value.strip() or not value.isprintable() or len(value) > _MOST_CHARACTERS:
        raise TomlError(f"{where} = {shown(value)}: expected text without blanks around it")
    return value
