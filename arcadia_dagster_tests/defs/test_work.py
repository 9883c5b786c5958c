from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.defs.work import add_files, plan, stretches
from arcadia_dagster.landing.inbox import FileState, InboxFile
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.warehouse.months import next_month
from arcadia_dagster_tests.kit.project import invoice_name

FIRST, PRESENT = date(2018, 1, 1), date(2026, 11, 1)
MONTHS = st.dates(date(2018, 1, 1), date(2026, 11, 1)).map(lambda day: day.replace(day=1))


def _file(name: str, size: int = 1) -> InboxFile:
    return InboxFile(name, Path("inbox") / name, FileState(size, 1, 1, 1))


@given(st.sets(MONTHS), st.integers(1, 24))
def test_stretches_are_adjacent_months_bounded_and_together_all_of_them(months: set[date], longest: int) -> None:
    found = stretches(months, longest=longest)
    assert [month for stretch in found for month in stretch] == sorted(months)
    assert all(len(stretch) <= longest for stretch in found)
    assert all(next_month(a) == b for stretch in found for a, b in pairwise(stretch))
    full = [(a, b) for a, b in pairwise(found) if next_month(a[-1]) == b[0]]
    assert all(len(before) == longest for before, _ in full)


@pytest.mark.parametrize("name", ["invoice.csv", invoice_name("2017 Dec"), invoice_name("2027 Jan")])
def test_a_file_whose_name_tells_no_month_with_a_partition_is_only_landed_where_no_month_is_due(name: str) -> None:
    due: dict[date, list[str]] = {}
    to_land = add_files(due, [_file(name)], MonthRange(FIRST, PRESENT))
    assert (due, len(to_land)) == ({}, 1)
    [work] = plan(due, to_land, longest=12)
    assert (work.months, work.name) == ((), "landing")


def test_a_file_is_for_the_month_that_its_name_tells() -> None:
    due: dict[date, list[str]] = {}
    assert add_files(due, [_file(invoice_name("2026 Apr"))], MonthRange(FIRST, PRESENT)) == []
    assert set(due) == {date(2026, 4, 1)}


def test_what_is_to_land_goes_with_the_latest_month_that_is_due() -> None:
    due = {date(2026, 1, 1): ["1-0-0-0"]}
    to_land = add_files(due, [_file("inventory.csv"), _file(invoice_name())], MonthRange(FIRST, PRESENT))
    january, april = plan(due, to_land, longest=12)
    assert [january, april] != plan(due, longest=12)
    assert [january] == plan(due, longest=12)[:1]
    assert april.months == (date(2026, 4, 1),)


def test_the_same_work_has_the_same_digest_and_a_changed_file_another() -> None:
    def digest(size: int) -> str:
        due: dict[date, list[str]] = {}
        to_land = add_files(due, [_file(invoice_name()), _file("b.csv", size)], MonthRange(FIRST, PRESENT))
        return plan(due, to_land, longest=12)[0].digest

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


def test_work_is_named_by_its_months() -> None:
    due = {date(2026, 1, 1): ["a"], date(2026, 2, 1): ["b"], date(2026, 4, 1): ["c"]}
    assert [work.name for work in plan(due, longest=12)] == ["2026-01..2026-02", "2026-04"]
