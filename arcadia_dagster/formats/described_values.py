"""How the numbers and times of a described format are written: as patterns, in SQL, and in words."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime

from arcadia_dagster.formats.description import Description
from arcadia_dagster.reading import amounts
from arcadia_dagster.store.query import text_literal


def symbols_of(description: Description) -> tuple[str, ...]:
    """What may stand beside a number: the currency's code and symbol."""
    code = description.currency
    return () if code is None else tuple(filter(None, (code, amounts.symbol_of(code))))


def bare_number(text: str, description: Description) -> str:
    """The number without the currency that is written beside it."""
    for symbol in symbols_of(description) or tuple(amounts.SYMBOLS):
        text = re.sub(rf" *{re.escape(symbol)}$", "", re.sub(rf"^([-+(]?) *{re.escape(symbol)} *", r"\1", text))
    return text


_APOSTROPHES, _SPACES = "'\N{RIGHT SINGLE QUOTATION MARK}", " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"


def _groups_of(description: Description) -> list[tuple[str, bool]]:
    """The marks that may stand between thousands, and whether a number with them needs decimals to be clear."""
    match description.thousands_mark:
        case None:
            return [(_APOSTROPHES, False), (_SPACES, False), ("," if description.decimal_mark == "." else ".", True)]
        case "":
            return []
        case "'":
            return [(_APOSTROPHES, False)]
        case " ":
            return [(_SPACES, False)]
        case mark:
            return [(mark, False)]


def marks_of(description: Description) -> str:
    """All marks that may stand between thousands."""
    return "".join(mark for mark, _ in _groups_of(description))


def number_pattern(description: Description) -> str:
    """How numbers are written, as a regular expression; with another mark than that for decimals, it is no number."""
    decimal = re.escape(description.decimal_mark)
    arms = [rf"\d+({decimal}\d*)?", rf"{decimal}\d+"]
    for marks, needs_decimals in _groups_of(description):
        grouped = "|".join(rf"\d{{1,3}}({re.escape(mark)}\d{{3}})+" for mark in marks)
        arms.append(rf"({grouped}){decimal}\d+" if needs_decimals else rf"({grouped})({decimal}\d*)?")
    return rf"[-+(\N{{MINUS SIGN}}]?({'|'.join(arms)})([eE][+-]?\d{{1,3}})?[-)]?".replace(
        r"\N{MINUS SIGN}", "\N{MINUS SIGN}"
    )


def written_amount(description: Description) -> str:
    """What an amount looks like, in words."""
    return f"an amount such as 1{description.thousands_mark or ''}234{description.decimal_mark}56"


def lowered_sql(values: Sequence[str]) -> str:
    """SQL: texts as they are compared, whatever their case."""
    return ", ".join(f"lower(trim({text_literal(value)}))" for value in values)


MOST = 10**12
"""What a stated total must be less than, so that those of any document can be added and compared."""

MONTHS = "['%Y-%m', '%Y%m']"
"""SQL: how months may be written besides as days."""


def strptime_sql(text: str, formats: str) -> str:
    """SQL: the time, NULL where it is none or of another century: Python knows fewer years than DuckDB."""
    read = f"try_strptime(trim({text}), {formats})"
    return f"CASE WHEN {read} BETWEEN TIMESTAMP '1900-01-01' AND TIMESTAMP '2100-01-01' THEN {read} END"


def is_time(text: str, format_: str) -> bool:
    """Whether a text is a time in this format."""
    try:
        datetime.strptime(text, format_).replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def month_of(text: str | None) -> date | None:
    """The month that a file's name tells, its first day; None where it is none."""
    for format_ in ("%Y-%m", "%Y%m"):
        try:
            return None if text is None else datetime.strptime(text, format_).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    return None
