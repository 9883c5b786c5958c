"""The names of files that are kept for good, one after the other: the number of each, and the beginning of its SHA-256.

    000001-3f9a0c1d2e4b.json

So a file that was changed does not fit its name, and a missing number shows.
"""

import hashlib
import re
from typing import Final

_NUMBER_DIGITS: Final = 6
_HASH_DIGITS: Final = 12


def pattern_of(ending: str) -> re.Pattern[str]:
    """What the names of a kind are like.

    Args:
        ending: What follows the last dot.
    """
    return re.compile(rf"\d{{{_NUMBER_DIGITS}}}-[0-9a-f]{{{_HASH_DIGITS}}}\.{ending}")


def name_of(number: int, text: str, ending: str) -> str:
    """The name of a file.

    Args:
        number: Which one it is, from 1.
        text: What it says.
        ending: What follows the last dot.
    """
    return f"{number:0{_NUMBER_DIGITS}}-{_digest_of(text.encode())}.{ending}"


def number_of(name: str) -> int:
    """Which file it is, from 1."""
    return int(name[:_NUMBER_DIGITS])


def is_whole(name: str, content: bytes) -> bool:
    """Whether a file has what was kept under this name."""
    return _digest_of(content) == name[_NUMBER_DIGITS + 1 :].partition(".")[0]


def _digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_HASH_DIGITS]
