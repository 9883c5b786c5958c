"""JSON as RFC 8259 has it, and nothing that Python's reader accepts beyond it."""

import json
from typing import NoReturn


def loads(data: bytes) -> object:
    """The value that UTF-8 JSON states.

    Raises:
        ValueError: It is not UTF-8 or not JSON, holds NaN or Infinity, names a field twice, or nests too deeply.
    """
    try:
        value: object = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError as error:
        message = "it nests too deeply"
        raise ValueError(message) from error
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        # Which of the two a reader takes is its own affair (RFC 8259 section 4), so money must not depend on it.
        message = "an object names the same field twice"
        raise ValueError(message)
    return values


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)
