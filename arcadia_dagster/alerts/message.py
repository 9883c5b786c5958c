"""The words of an alert, as Slack's incoming webhooks take them (Mattermost and others do too): `{"text": ...}`.

File names, descriptions and what finance says are strangers' words: they are shortened, on one line, and mention nobody. What is
said follows Slack's rules for escaping text (`&`, `<`, `>`).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from arcadia_dagster.alerts.causes import Cause, Subject
from arcadia_dagster.transport.words import quoted

# A space without width: a special character before it loses its meaning.
_NOTHING: Final = "\u200b"
_SHOWN_CAUSES: Final = 5
_LABEL_CHARACTERS: Final = 120
_WORDS_CHARACTERS: Final = 280
_MOST_CHARACTERS: Final = 3500


def alert(subject: Subject, causes: Sequence[Cause]) -> dict[str, Any]:
    """What is wrong, with which invoice or file, what to do, and where to look."""
    lines = [f":red_circle: *{_escaped(subject.title)}*"]
    for cause in causes[:_SHOWN_CAUSES]:
        lines.append(f"• {_code(cause.label, _LABEL_CHARACTERS)} {_plain(cause.words)}".rstrip())
        if (command := _command(cause.command)) is not None:
            lines.append(f"    {command}")
    # Causes that were sent before are not counted in `and ... more`.
    unlisted = max(subject.count - len(subject.causes), 0)
    if (more := max(len(causes) - _SHOWN_CAUSES, 0) + unlisted) > 0:
        lines.append(f"and {more} more")
    if subject.advice:
        lines.append(f"What to do: {_plain(subject.advice)}")
    return _payload([*lines, _link(subject.link)])


def resolved(subject: Subject, labels: Iterable[str]) -> dict[str, Any]:
    """The message that causes are over."""
    known = list(labels)
    shown = ", ".join(_code(label, _LABEL_CHARACTERS) for label in known[:_SHOWN_CAUSES])
    more = f" and {len(known) - _SHOWN_CAUSES} more" if len(known) > _SHOWN_CAUSES else ""
    return _payload([f":white_check_mark: *Over: {_escaped(subject.title)}*", f"{shown}{more}", _link(subject.link)])


def _payload(lines: Iterable[str]) -> dict[str, Any]:
    text = "\n".join(line for line in lines if line)
    # Slack must not fetch linked pages and show them below.
    return {"text": text[:_MOST_CHARACTERS], "unfurl_links": False, "unfurl_media": False}


def _link(url: str) -> str:
    return f"<{_escaped(url)}|Look at it in Dagster>" if url else ""


def _plain(words: str) -> str:
    """Somebody else's words, without bold type, mentions, links or an end of code."""
    short = _shortened(quoted(words), _WORDS_CHARACTERS) if words.strip() else ""
    return _escaped(re.sub(r"[*_~@]|:(?=//)", lambda sign: f"{sign[0]}{_NOTHING}", short.replace("`", "'")))


def _code(words: str, most: int) -> str:
    """A name as code, in which nothing is a mention or a link."""
    return f"`{_escaped(_shortened(quoted(words), most).replace('`', chr(39)))}`"


def _command(command: str) -> str | None:
    """A command to be copied: whole, or not at all."""
    if not command or "`" in command or not command.isprintable() or len(command) > _WORDS_CHARACTERS:
        return None
    return f"`{_escaped(command)}`"


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
