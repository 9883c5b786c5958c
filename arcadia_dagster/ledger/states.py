"""The states of an invoice's delivery to one finance service, and the only steps from one to another.

::

    (no record)
        | intend
        v        created, updated
     pending -------------------------> delivered
      ^ | |     refused by finance
      | | +---------------------------> refused
      | | may pass, or not sent            may pass, for too long
      | +---------------> deferred    pending -----------------> abandoned
      |                      |
      +----------------------+  intend: the next delivery, when it is due
      ^
      +-- delivered, refused, abandoned: only with another payload, or because a person asks

A record is `pending` from the commit of the intent until an answer is recorded, also through the death of the process.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class State(StrEnum):
    """How the delivery of an invoice stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    REFUSED = "refused"
    ABANDONED = "abandoned"


class Outcome(StrEnum):
    """What came of one attempt."""

    CREATED = "created"
    UPDATED = "updated"
    TRANSIENT = "transient"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    MISCONFIGURED = "misconfigured"
    NOT_SENT = "not_sent"


SETTLED: Final = frozenset({State.DELIVERED, State.REFUSED, State.ABANDONED})
"""No delivery tries an invoice in these states again by itself while its payload stays the same."""

NEEDS_A_PERSON: Final = frozenset({State.REFUSED, State.ABANDONED})

MAY_PASS: Final = frozenset({Outcome.TRANSIENT, Outcome.UNKNOWN})
"""Outcomes that time may mend; a wrong setting is none of them, for it waits for the setting only."""

_STEPS: Final[Mapping[State | None, frozenset[State]]] = MappingProxyType(
    {
        None: frozenset({State.PENDING}),
        # An intent without an answer, left by a process that died, is followed by another intent.
        State.PENDING: frozenset(State),
        **{state: frozenset({State.PENDING}) for state in State if state is not State.PENDING},
    }
)

_FIRST_DELAY: Final = timedelta(minutes=30)
LONGEST_DELAY: Final = timedelta(days=1)
"""No invoice waits for longer by itself: finance's own wish counts up to a day too (`transport.words`)."""


class IllegalStepError(Exception):
    """A record would go from a state to one that does not follow it: a defect of this program."""


def assert_step(before: State | None, after: State) -> None:
    """Check that one state may follow another.

    Raises:
        IllegalStepError: It may not.
    """
    if after not in _STEPS[before]:
        raise IllegalStepError(
            f"a delivery cannot go from {before or 'nothing'} to {after}. This is a defect: report it"
        )


_FEWEST_FAILURES: Final = 3
"""The fewest failures before a person is needed, however long they took: there may have been no tries in between."""


def state_after(outcome: Outcome, *, failures: int, failing_for: timedelta, abandon_after: timedelta) -> State:
    """The state that an answer leads to.

    Args:
        outcome: What came of the attempt.
        failures: How often attempts of this payload have failed in a row, this one included.
        failing_for: How long they have.
        abandon_after: After how long of that a person is needed.
    """
    match outcome:
        case Outcome.CREATED | Outcome.UPDATED:
            return State.DELIVERED
        case Outcome.REFUSED:
            return State.REFUSED
        case _ if outcome in MAY_PASS and failures >= _FEWEST_FAILURES and failing_for >= abandon_after:
            return State.ABANDONED
        case _:
            return State.DEFERRED


def delay(failures: int) -> timedelta:
    """How long scheduled deliveries leave an invoice alone after so many failures in a row: doubling, up to a day."""
    # Beyond as many doublings as make a day, the number would soon not fit.
    doublings = min(failures - 1, (LONGEST_DELAY // _FIRST_DELAY).bit_length())
    return min(_FIRST_DELAY * (1 << doublings), LONGEST_DELAY)


def is_outstanding_sql(*, state: str, pushed: str, payload: str) -> str:
    """SQL: whether a delivery should send an invoice: finance was never asked, something else is ready now, or it goes on.

    Args:
        state: The record's state, NULL where there is none.
        pushed: The hash of the payload that the record is about.
        payload: The hash of the payload as it is now.
    """
    settled = ", ".join(f"'{settled_state}'" for settled_state in sorted(SETTLED))
    return f"({state} IS NULL OR {pushed} <> {payload} OR {state} NOT IN ({settled}))"


def is_missing_sql(*, state: str, pushed: str, payload: str) -> str:
    """SQL: whether finance lacks the present version of an invoice, also where a person must act first."""
    return f"({state} IS NULL OR {pushed} <> {payload} OR {state} <> '{State.DELIVERED}')"
