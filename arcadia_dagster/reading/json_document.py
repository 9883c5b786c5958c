"""JSON documents as Python reads them, whole."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arcadia_dagster.reading.content import open_content
from arcadia_dagster.reading.format import MAX_JSON_BYTES, UnreadableError
from arcadia_dagster.reading.unread import IN_SMALLER_FILES, WHOLE_AGAIN


def exact_json(path: Path) -> object:
    """The document, its numbers as text, as they are written.

    Raises:
        UnreadableError: It is no JSON, repeats a name in an object, or has NaN, Infinity or half a surrogate pair.
    """
    content = _parsed(path, json_value)
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise UnreadableError("a text ends with half a character; expected whole ones") from error
    return content


def exact_json_object(path: Path) -> dict[str, Any]:
    """The same, where it must be an object.

    Raises:
        UnreadableError: See `exact_json`; or it is no object.
    """
    return _object(exact_json(path))


def json_object(path: Path) -> dict[str, Any]:
    """The document as Python usually reads it.

    Raises:
        UnreadableError: It is no JSON object.
    """
    return _object(_parsed(path, json.loads))


def _parsed(path: Path, parse: Callable[[str], object]) -> object:
    with open_content(path) as file:
        text = file.read(MAX_JSON_BYTES + 1)
    if len(text) > MAX_JSON_BYTES:
        raise UnreadableError(
            f"it has more than {MAX_JSON_BYTES} bytes, which is the limit for JSON: {IN_SMALLER_FILES}"
        )
    try:
        return parse(text.decode("utf-8-sig"))
    except UnreadableError:
        raise
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"it is not JSON: {error}; {WHOLE_AGAIN}") from error


def _object(content: object) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise UnreadableError("expected a JSON object")
    return content


def json_value(text: str) -> object:
    """What the text says as JSON, its numbers as text.

    Raises:
        UnreadableError: An object repeats a name, or NaN or Infinity stands for a number.
        ValueError, RecursionError: It is no JSON.
    """
    return DECODER.decode(text)


def _no_number(text: str) -> None:
    raise UnreadableError(f"{text}: expected a number")


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise UnreadableError(f"{', '.join(twice)[:60]}: it is there more than once in an object; expected each once")
    return members


DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_no_number, object_pairs_hook=_named_once)
"""Reads JSON with its numbers as text; raises as `json_value` does."""
