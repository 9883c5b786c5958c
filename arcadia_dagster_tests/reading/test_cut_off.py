"""A last value that is cut off is told from a file that merely lacks its last line end."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.reading.cut_off import cut_off_value
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import HEADER, as_csv, charge
from arcadia_dagster_tests.kit.project import Project

AMOUNT_LAST = (*(name for name in HEADER if name != "BilledCost"), "BilledCost")
WHOLE = as_csv(*(charge(BilledCost="1234.56", ChargeDescription=f"line {n}") for n in range(4)), header=AMOUNT_LAST)


@case("151")
@pytest.mark.parametrize("cut", [2, 3, 4, 5, 6, 7])
def test_a_file_whose_last_amount_is_cut_off_is_never_pushed_until_the_whole_one_comes(
    project_with_finance: Project, cut: int
) -> None:
    project = project_with_finance
    project.drop("a.csv", WHOLE[:-cut])
    project.build()
    [reason] = project.invoice("INV-1")["hold_reasons"]
    assert reason.startswith("a.csv: line 5, '1")
    assert "is the file cut off? If it is, drop the whole file under its name" in reason
    project.drop("a.csv", WHOLE)
    project.build()
    assert project.invoice("INV-1")["status"] == "ready"


@case("151")
def test_a_whole_file_without_its_last_line_end_is_ready(project_with_finance: Project) -> None:
    project = project_with_finance
    project.drop("a.csv", WHOLE[:-1])
    project.build()
    assert project.invoice("INV-1")["status"] == "ready"


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
