"""A file that is cut off within its last amount looks whole, and is never pushed."""

import pytest

from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import HEADER, as_csv, charge
from arcadia_dagster_tests.kit.project import Project

AMOUNT_LAST = (*(name for name in HEADER if name != "BilledCost"), "BilledCost")
WHOLE = as_csv(*(charge(BilledCost="1234.56", ChargeDescription=f"line {n}") for n in range(4)), header=AMOUNT_LAST)


@case("151")
@pytest.mark.parametrize("cut", [2, 3, 4, 5, 6, 7])
def test_a_file_whose_last_amount_is_cut_off_is_never_pushed_until_the_whole_one_comes(
    project: Project, cut: int
) -> None:
    project.drop("a.csv", WHOLE[:-cut])
    project.build()
    [reason] = project.invoice("INV-1")["hold_reasons"]
    assert reason.startswith("a.csv: line 5, the last value, '1")
    assert "is the file cut off? If it is, drop the whole file under its name" in reason
    project.drop("a.csv", WHOLE)
    project.build()
    assert project.invoice("INV-1")["status"] == "ready"


@case("151")
def test_a_whole_file_without_its_last_line_end_is_ready(project: Project) -> None:
    project.drop("a.csv", WHOLE[:-1])
    project.build()
    assert project.invoice("INV-1")["status"] == "ready"
