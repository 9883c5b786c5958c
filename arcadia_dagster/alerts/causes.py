"""The memory of sent alerts: one for each cause, however many ticks and runs it lasts, and a new one if it comes back.

Plain functions over plain values. The memory is the sensor's cursor, which Dagster keeps over restarts.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

_MOST_TOLD: Final = 500
_LABEL_CHARACTERS: Final = 80
_FIRST_PAUSE_SECONDS: Final = 60.0
_LONGEST_PAUSE_SECONDS: Final = 1800.0
_LONGEST_WISH_SECONDS: Final = 86_400.0
"""What `transport.words` makes of a longer `Retry-After`."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong.

    Attributes:
        identity: A key of the cause, which stays the same; it means nothing to a person.
        label: Which invoice, file or step, in a few words. The words may be from a file.
        words: What is wrong with it. The words may be from a file, too.
        command: What to type, ready for a shell; empty where nothing can be typed.
    """

    identity: str
    label: str
    words: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """A check or a kind of run, and what is wrong about it now; nothing where all is well.

    Attributes:
        name: The same at each tick, such as `check nothing_held`.
        title: The headline.
        advice: What to do about such causes.
        link: Where to look.
        causes: What is wrong now.
        is_complete: Whether `causes` has every cause, so that any other cause is over.
        count: How many causes there are, with those that are not in `causes`.
    """

    name: str
    title: str = ""
    advice: str = ""
    link: str = ""
    causes: tuple[Cause, ...] = ()
    is_complete: bool = True
    count: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """The causes that alerts were sent for, and when to try again.

    Attributes:
        told: For each subject, the causes that were told and are not over: identity to label.
        runs_since: The storage id of the last end of a run that has been looked at; None before the first tick.
        failures: How many tries in a row the webhook has failed.
        not_before: Nothing is sent before this time (seconds since 1970).
    """

    told: dict[str, dict[str, str]] = field(default_factory=dict)
    runs_since: int | None = None
    failures: int = 0
    not_before: float = 0.0

    def as_cursor(self) -> str:
        """The memory as text."""
        return json.dumps(
            {
                "told": self.told,
                "runs_since": self.runs_since,
                "failures": self.failures,
                "not_before": self.not_before,
            }
        )

    def with_told(self, subject: Subject, causes: Iterable[Cause]) -> "Memory":
        """The memory with these causes as sent; it forgets the oldest where there are very many."""
        known = {
            **self.told.get(subject.name, {}),
            **{cause.identity: cause.label[:_LABEL_CHARACTERS] for cause in causes},
        }
        return replace(self, told={**self.told, subject.name: dict(list(known.items())[-_MOST_TOLD:])})

    def without(self, subject: Subject, identities: Iterable[str]) -> "Memory":
        """The memory without these causes, which are over."""
        gone = set(identities)
        left = {key: label for key, label in self.told.get(subject.name, {}).items() if key not in gone}
        remaining = {name: causes for name, causes in self.told.items() if name != subject.name}
        return replace(self, told={**remaining, subject.name: left} if left else remaining)

    def waits_at(self, now: float) -> bool:
        """Whether nothing is sent yet. A time that no failure sets was set while the clock was ahead, and does not count."""
        return now < self.not_before <= now + 2 * _LONGEST_WISH_SECONDS

    def after_failure(self, now: float, retry_after: float | None) -> "Memory":
        """Leave the webhook alone for as long as it asks, or for twice as long as the last time."""
        pause = min(_FIRST_PAUSE_SECONDS * 2**self.failures, _LONGEST_PAUSE_SECONDS)
        return replace(self, failures=min(self.failures + 1, 10), not_before=now + max(pause, retry_after or 0.0))


def remembered(cursor: str | None) -> Memory:
    """The memory that a cursor holds; an empty one where there is none or it is junk."""
    try:
        values: dict[str, Any] = json.loads(cursor or "{}")
        since = values.get("runs_since")
        return Memory(
            told={
                str(name): {str(key): str(label) for key, label in causes.items()}
                for name, causes in values.get("told", {}).items()
            },
            runs_since=None if since is None else int(since),
            failures=int(values.get("failures", 0)),
            not_before=float(values.get("not_before", 0.0)),
        )
    except (ValueError, TypeError, AttributeError):
        return Memory()


def news(memory: Memory, subject: Subject) -> tuple[Sequence[Cause], dict[str, str]]:
    """The causes of a subject that are new, and the sent ones that are over: identity to label."""
    labels = memory.told.get(subject.name, {})
    present = {cause.identity for cause in subject.causes}
    over = {key: label for key, label in labels.items() if key not in present} if subject.is_complete else {}
    return [cause for cause in subject.causes if cause.identity not in labels], over
