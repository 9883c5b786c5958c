"""A last value that is cut off is told from a file that merely lacks its last line end."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.reading.cut_off import cut_off_value


@given(
    st.lists(st.decimals(-9999, 9999, places=2), min_size=3, max_size=9),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_numbers_of_one_kind_are_no_doubt_and_one_of_fewer_decimals_is(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[object], delimiter: str, newline: str
) -> None:
    path: Path = tmp_path_factory.mktemp("cut") / "a.csv"
    text = newline.join(["name" + delimiter + "cost", *(f"x{delimiter}{number}" for number in numbers)])
    for ending, found in (("", None), (newline, None)):
        path.write_bytes((text + ending).encode())
        assert cut_off_value(path, newline) is found
    path.write_bytes(text[:-1].encode())
    assert cut_off_value(path, newline) == str(numbers[-1])[:-1]
