"""When the turn of an invoice comes that finance did not take."""

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from arcadia_dagster.finance.outstanding import is_due_sql

NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("waits_for", "expected"),
    [
        (None, True),
        (timedelta(0), True),
        (timedelta(seconds=1), False),
        # A day is the longest wait, and a tick may come some hours after its time.
        (timedelta(days=1, hours=12), False),
        # The clock was a year ahead when finance did not take it.
        (timedelta(days=365), True),
    ],
)
def test_an_invoice_waits_for_its_turn_but_not_for_a_clock_that_was_ahead(
    waits_for: timedelta | None, expected: bool
) -> None:
    not_before = None if waits_for is None else (NOW + waits_for).replace(tzinfo=None)
    [found] = duckdb.execute(
        f"SELECT {is_due_sql(NOW)} FROM (SELECT ?::TIMESTAMP AS not_before)", [not_before]
    ).fetchall()
    assert found == (expected,)
