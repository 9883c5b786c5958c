r"""Regular expressions that people write, and the engine that reads them: RE2, as DuckDB has it.

RE2's time is linear in the text, whatever the pattern. That of Python's own engine grows exponentially with some patterns that
look harmless (`(\w+\s?)+-\d+`), and nothing can interrupt it. What RE2 cannot do in linear time it refuses: look-ahead,
look-behind and back-references. `\d`, `\w`, `\s` and `\b` know ASCII only; `\pL` is a letter of any script.

The time for each character depends on the length of the pattern with its counts, as in `\d{4}`, written out. With DuckDB 1.5.5
(measured 2026-11-28) patterns of up to 500 such characters took less than 4 us for each character of the text, and the longer
`((x?){31}){31}y` 33 us.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import duckdb

from arcadia_dagster.store.query import in_memory, text_literal

MOST_CHARACTERS = 500
"""How many characters a pattern may come to with its counts written out."""

_PART = re.compile(
    r"\\[pPx]\{[^}]*\}|\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|\{(\d+)(?:,(\d*))?\}|\((?:\?P<(\w+)>|(\?))?|.",
    re.DOTALL,
)


class PatternError(ValueError):
    """The pattern is none that is read; the message says why."""


@lru_cache(maxsize=1024)
def groups_of(pattern: str) -> tuple[str | None, ...]:
    """The groups that a pattern captures, in order, each with its name; None where it has none.

    Raises:
        PatternError: It is not read: RE2 refuses it, it comes to too many characters, or two groups have one name.
    """
    if r"\Q" in pattern:
        raise PatternError(r"\Q is not read; expected a backslash before each character that stands for itself")
    groups, characters = _parts(pattern)
    if characters > MOST_CHARACTERS:
        raise PatternError(
            f"with its counts, such as {{4}}, written out it has more than {MOST_CHARACTERS} characters; expected smaller ones"
        )
    try:
        with in_memory() as connection:
            # As a literal: DuckDB imports pandas to look at the first parameter of a process, which takes 0.3 s.
            connection.execute(f"SELECT regexp_matches('', {text_literal(pattern)})")
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0].removeprefix("Invalid Input Error: ")
        raise PatternError(
            f"not a regular expression of RE2: {reason}; look-ahead, look-behind and back-references are not read"
        ) from error
    named = [name for name in groups if name is not None]
    if len(set(named)) < len(named):
        raise PatternError("expected each group's name once")
    return groups


def full_matches(pattern: str, texts: Sequence[str]) -> dict[str, dict[str, str]]:
    """The texts that the pattern matches from their beginning to their end, each with what its named groups matched there.

    A group that matched nothing is left out.

    Raises:
        PatternError: See `groups_of`.
    """
    groups = groups_of(pattern)
    named = [name for name in groups if name is not None]
    names = ", ".join(text_literal(name or f"_{number}") for number, name in enumerate(groups))
    matched = f"regexp_extract(text, $2, [{names}])" if groups else "NULL"
    with in_memory() as connection:
        rows = connection.execute(
            f"SELECT text, {matched} FROM (SELECT unnest(CAST($1 AS VARCHAR[])) AS text) WHERE regexp_full_match(text, $2)",
            [list(dict.fromkeys(texts)), f"^(?:{pattern})$"],
        ).fetchall()
    return {text: {name: match[name] for name in named if match[name]} for text, match in rows}


def _parts(pattern: str) -> tuple[tuple[str | None, ...], int]:
    """The groups that a pattern captures, and how many characters it comes to with its counts written out."""
    groups: list[str | None] = []
    open_ = [0]
    last = 0
    for part in _PART.finditer(pattern):
        text, (least, most, name, is_plain) = part[0], part.groups()
        if text.startswith("("):
            groups += [] if is_plain else [name]
            open_.append(0)
            last = 0
        elif text == ")" and len(open_) > 1:
            last = open_.pop() + 1
            open_[-1] += last
        elif least is not None:
            times = max(int(least), int(most or 0), 1)
            open_[-1] += last * (times - 1)
            last *= times
        else:
            last = 1
            open_[-1] += 1
    return tuple(groups), sum(open_)
