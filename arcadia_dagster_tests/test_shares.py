"""Which stories CI runs."""

import pytest

from arcadia_dagster_tests.kit import shares
from arcadia_dagster_tests.kit.shares import ALWAYS, LONGEST, Share


@pytest.mark.parametrize("count", [1, 2, 5, 7])
def test_each_story_is_in_one_share_or_in_all_of_them(count: int) -> None:
    parts = [Share(number, count).modules() for number in range(1, count + 1)]
    for module in shares.all_modules():
        assert sum(module in part for part in parts) == (count if module.name in ALWAYS else 1), module
    assert frozenset[object]().union(*parts) == frozenset(shares.all_modules())


def test_each_module_that_is_named_exists() -> None:
    names = {module.name for module in shares.all_modules()}
    assert set(ALWAYS) <= names
    assert len(set(LONGEST)) == len(LONGEST)


@pytest.mark.parametrize("text", ["0/5", "6/5", "1", "a/b", "", "1/0", "-1/5"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Share.parse(text)
