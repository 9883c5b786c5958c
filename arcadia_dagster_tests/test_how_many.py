"""A number and its noun agree."""

import pytest

from arcadia_dagster.how_many import how_many


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (1_234_567, "1,234,567 entries")]
)
def test_a_number_of_things_has_the_noun_for_one_or_for_several(number: int, said: str) -> None:
    assert how_many(number, "entry", "entries") == said
    assert how_many(number, "line") == said.replace("entries", "lines").replace("entry", "line")
