"""Reasons that people give for decisions and rules: a text that is no reason is refused, on the command line and in files."""

from typing import Final

_NO_REASONS: Final = frozenset({"todo", "tbd", "tba", "fixme", "xxx", "na", "none", "null", "reason", "why"})
"""Placeholders for a reason that is still to be written, in small letters and without marks."""

EXPECTED: Final = "why this is so, in words"
"""What a reason is."""


def is_reason(text: str) -> bool:
    """Whether a text says why: it has a letter or a digit, and is not what one writes to fill the place."""
    said = "".join(character for character in text.lower() if character.isalnum())
    return bool(said) and said not in _NO_REASONS
