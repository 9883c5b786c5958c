"""How many invoices go between two commits."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.finance.batches import BATCH, LARGEST_BATCH, Batches
from arcadia_dagster.warehouse.keys import DeliveryKey


def keys(count: int) -> list[DeliveryKey]:
    return [DeliveryKey("tenant", "source", "account", str(number)) for number in range(count)]


def sizes(count: int, seconds: list[float]) -> list[int]:
    """The sizes of the batches, where so many seconds lie between one and the next; the last of them repeats."""
    times = accumulate([0.0, *seconds, *[seconds[-1]] * count])
    batches = Batches(keys(count), lambda: next(times))
    return [len(batch) for batch in iter(batches.take, [])]


@given(st.integers(0, 3_000), st.lists(st.floats(0, 10), min_size=1, max_size=20))
def test_every_invoice_is_in_one_batch_in_its_turn(count: int, seconds: list[float]) -> None:
    times = accumulate([0.0, *seconds, *[seconds[-1]] * count])
    batches = Batches(keys(count), lambda: next(times))
    taken = list(iter(batches.take, []))
    assert [key for batch in taken for key in batch] == keys(count)
    assert all(BATCH <= len(batch) <= LARGEST_BATCH for batch in taken[:-1])


def test_batches_grow_while_finance_is_quick_and_not_before_it_has_answered() -> None:
    assert sizes(2_500, [0.2]) == [50, 50, 100, 200, 400, 800, 800, 100]


def test_batches_stay_where_a_turn_takes_seconds() -> None:
    assert sizes(250, [2.0]) == [50, 50, 50, 50, 50]


def test_batches_shrink_where_finance_becomes_slow() -> None:
    assert sizes(1_000, [0.2, 0.2, 0.2, 0.2, 0.2, 5.0, 5.0, 5.0, 5.0]) == [50, 50, 100, 200, 400, 200]
