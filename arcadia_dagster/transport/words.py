"""Making other services' words fit to be shown, and reading their `Retry-After`."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

_QUOTED_CHARACTERS: Final = 300
_DELAY_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_LONGEST_PAUSE_SECONDS: Final = 86_400.0


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Read a `Retry-After` header (RFC 9110 section 10.2.3).

    Args:
        value: Seconds (`120`) or an HTTP date, which is in UTC (`Wed, 21 Oct 2026 07:28:00 GMT`); None for no header.
        now: The time, in seconds since 1970-01-01 UTC.

    Returns:
        Seconds from now, 0 for a date in the past, a day at most. None where
        there is no header or it is neither of the two.
    """
    if value is None:
        return None
    if _DELAY_SECONDS.fullmatch(value):
        return min(float(value), _LONGEST_PAUSE_SECONDS)
    try:
        date = parsedate_to_datetime(value)
        at = (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):  # what the parser raises for one garbage or another
        return None
    return min(max(0.0, at - now), _LONGEST_PAUSE_SECONDS)


def quoted(words: str) -> str:
    """Somebody else's words: short, on one line and harmless to a terminal."""
    text = words.strip()
    short = text if len(text) <= _QUOTED_CHARACTERS else text[:_QUOTED_CHARACTERS] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short) or "(no words)"
