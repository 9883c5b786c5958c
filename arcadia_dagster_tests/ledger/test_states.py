"""The states of a delivery: only the drawn steps, and no way to be forgotten."""

from datetime import timedelta

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.ledger import states
from arcadia_dagster.ledger.states import MAY_PASS, SETTLED, IllegalStepError, Outcome, State

WEEK = timedelta(days=7)
OUTCOMES = st.sampled_from(list(Outcome))
FAILURES = st.integers(1, 6)
SPANS = st.timedeltas(timedelta(0), timedelta(days=400))


@given(OUTCOMES, FAILURES, SPANS)
def test_every_answer_leads_from_pending_to_a_state_that_may_follow_it(
    outcome: Outcome, failures: int, failing_for: timedelta
) -> None:
    after = states.state_after(outcome, failures=failures, failing_for=failing_for, abandon_after=WEEK)
    states.assert_step(State.PENDING, after)
    assert after is not State.PENDING


@given(OUTCOMES, FAILURES, SPANS)
def test_only_what_may_pass_is_abandoned_and_only_after_its_time_and_three_tries(
    outcome: Outcome, failures: int, failing_for: timedelta
) -> None:
    after = states.state_after(outcome, failures=failures, failing_for=failing_for, abandon_after=WEEK)
    assert (after is State.ABANDONED) == (outcome in MAY_PASS and failures >= 3 and failing_for >= WEEK)


@pytest.mark.parametrize("state", [None, *State])
def test_an_intent_may_follow_every_state_and_nothing_else_may_follow_an_answer(state: State | None) -> None:
    states.assert_step(state, State.PENDING)
    for after in set(State) - {State.PENDING}:
        if state is State.PENDING:
            states.assert_step(state, after)
        else:
            with pytest.raises(IllegalStepError, match=after):
                states.assert_step(state, after)


@given(st.integers(1, 10_000))
def test_delays_never_shrink_and_end_at_a_day(failures: int) -> None:
    assert timedelta(minutes=30) <= states.delay(failures) <= states.delay(failures + 1) <= timedelta(days=1)


@pytest.mark.parametrize("state", [None, *State])
@pytest.mark.parametrize("is_changed", [False, True])
def test_an_invoice_is_outstanding_unless_it_is_settled_and_missing_unless_finance_has_it(
    state: State | None, is_changed: bool
) -> None:
    columns = {name: name for name in ("state", "pushed", "payload")}
    asked = f"{states.is_outstanding_sql(**columns)}, {states.is_missing_sql(**columns)}"
    query = f"SELECT {asked} FROM (SELECT $1 AS state, $2 AS pushed, 'b' AS payload)"
    pushed = None if state is None else "a" if is_changed else "b"
    with duckdb.connect() as connection:
        row = connection.execute(query, [state, pushed]).fetchone()
    changed = is_changed and state is not None
    assert row == (state not in SETTLED or changed, state is not State.DELIVERED or changed)
