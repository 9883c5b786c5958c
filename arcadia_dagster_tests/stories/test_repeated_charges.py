"""Files of one delivery are summed: what two of them state in other words, columns or detail is never pushed twice."""

from collections.abc import Mapping
from typing import Any

import pytest

from arcadia_dagster_tests.kit import aws
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import as_csv, as_parquet, charge, tax
from arcadia_dagster_tests.kit.project import Project

Row = Mapping[str, Any]
NO_RESOURCE: dict[str, str | None] = {"ResourceId": None, "ResourceName": None}


def of(amount: str, text: str, **more: str | None) -> dict[str, str | None]:
    return charge(BilledCost=amount, ChargeDescription=text, **more)


def hours(count: int, amount: str, **more: str | None) -> list[dict[str, str | None]]:
    return [
        of(
            amount,
            "EC2",
            ChargePeriodStart=f"2026-04-01T{n:02}:00:00Z",
            ChargePeriodEnd=f"2026-04-01T{n + 1:02}:00:00Z",
            **more,
        )
        for n in range(count)
    ]


def days(count: int, amount: str, first: int = 1, /, **more: str | None) -> list[dict[str, str | None]]:
    return [
        of(
            amount,
            "EC2",
            ChargePeriodStart=f"2026-04-{n:02}T00:00:00Z",
            ChargePeriodEnd=f"2026-04-{n + 1:02}T00:00:00Z",
            **more,
        )
        for n in range(first, first + count)
    ]


def month(amount: str, **more: str | None) -> dict[str, str | None]:
    return of(amount, "EC2 of the month", ChargePeriodEnd="2026-05-01T00:00:00Z", **more)


DETAIL = [of("10.00", "a"), of("20.00", "b"), of("70.00", "c"), tax(BilledCost="10.00")]
CUR = [
    aws.item(),
    aws.item(UnblendedCost="4.00", LineItemDescription="b", ResourceId="r-2"),
    aws.tax(UnblendedCost="1.00"),
]

TWICE: dict[str, tuple[tuple[str, bytes], tuple[str, bytes]]] = {
    "a legacy report and CUR 2.0": (("a.csv", aws.as_csv(*CUR)), ("b.csv", aws.as_csv(*CUR, is_cur2=True))),
    "one line each in both reports": (("a.csv", aws.as_csv(CUR[0])), ("b.csv", aws.as_csv(CUR[0], is_cur2=True))),
    "by the hour and by the day": (
        ("h.csv", as_csv(*hours(10, "1.00"), tax())),
        ("d.csv", as_csv(*days(1, "10.00"), tax())),
    ),
    "by the hour so far, and by the day": (("h.csv", as_csv(*hours(9, "1.00"))), ("d.csv", as_csv(*days(1, "10.00")))),
    "by the day and for the month": (
        ("d.csv", as_csv(*days(27, "1.00", **NO_RESOURCE))),
        ("m.csv", as_csv(month("27.00", **NO_RESOURCE))),
    ),
    "by the day so far, and for the month": (("d.csv", as_csv(*days(20, "1.00"))), ("m.csv", as_csv(month("27.00")))),
    "in detail and by service": (
        ("d.csv", as_csv(*DETAIL)),
        ("s.csv", as_csv(of("100.00", "Amazon EC2", **NO_RESOURCE), tax(BilledCost="10.00"))),
    ),
    "a file with the total of the other": (
        ("d.csv", as_csv(*DETAIL)),
        ("t.csv", as_csv(of("100.00", "what is due", ServiceName="All", **NO_RESOURCE))),
    ),
    "in other words": (
        ("a.csv", as_csv(*DETAIL)),
        ("b.csv", as_csv(*({**row, "ChargeDescription": f"{row['ChargeDescription']} (renamed)"} for row in DETAIL))),
    ),
    "in other words, with taxes by name": (
        ("a.csv", as_csv(*DETAIL)),
        ("b.csv", as_csv(*(row | {"ChargeDescription": f"n {n}", **NO_RESOURCE} for n, row in enumerate(DETAIL)))),
    ),
    "rounded as CSV and exact as Parquet": (
        ("a.csv", as_csv(of("10.00", "a"), of("20.00", "b"))),
        ("b.parquet", as_parquet(of("10.004", "renamed a"), of("19.996", "renamed b"))),
    ),
}


def in_finance(project: Project) -> dict[str, int]:
    assert project.sandbox is not None
    return {row["external_id"]: row["amount_gross_minor"] for row in project.sandbox.invoices()}


@case("148")
@pytest.mark.parametrize("name", TWICE)
def test_one_delivery_that_states_its_charges_twice_is_never_pushed_as_their_sum(project: Project, name: str) -> None:
    files = TWICE[name]
    for file_name, content in files:
        project.drop(f"export/{file_name}", content)
    project.build()
    [held] = project.query("SELECT external_id, hold_reasons FROM tax_split_totals WHERE status = 'held'")
    [reason] = held["hold_reasons"]
    assert "lie in one delivery and charge for the same days" in reason
    assert all(f"{file_name} (" in reason for file_name, _ in files)
    assert in_finance(project) == {}
    project.decide("dismiss", file_name=files[1][0])
    project.build()
    [kept] = project.query("SELECT status, amount_gross_minor FROM tax_split_totals")
    assert (kept["status"], in_finance(project)) == ("ready", {held["external_id"]: kept["amount_gross_minor"]})


PARTS: dict[str, tuple[tuple[bytes, bytes], int]] = {
    "each of one charge of one amount": ((as_csv(of("6.00", "a")), as_csv(of("6.00", "b"))), 1200),
    "of one sum on other days": ((as_csv(*days(2, "3.00")), as_csv(*days(1, "6.00", 10))), 1200),
    "by the hour, of two days": (
        (as_csv(*hours(5, "1.00")), as_csv(*days(3, "2.00", 5))),
        1100,
    ),
    "with a fee for the month in one of them": (
        (as_csv(*hours(5, "1.00")), as_csv(month("9.00", ChargeCategory="Purchase", ServiceName="Support"))),
        1400,
    ),
    "with the same amounts for other resources": (
        (
            as_csv(*(of(f"{n}.00", "vm", ResourceId=f"a-{n}") for n in range(1, 5))),
            as_csv(*(of(f"{n}.00", "vm", ResourceId=f"b-{n}") for n in range(1, 5))),
        ),
        2000,
    ),
}


@case("148")
@pytest.mark.parametrize("name", PARTS)
def test_parts_of_one_export_are_no_doubt_whatever_they_come_to(project: Project, name: str) -> None:
    contents, gross = PARTS[name]
    for number, content in enumerate(contents):
        project.drop(f"export/part-{number}.csv", content)
    project.build()
    assert in_finance(project) == {"INV-1": gross}


@case("149")
@pytest.mark.parametrize("resource", [{}, NO_RESOURCE], ids=["of a resource", "of none"])
def test_a_line_that_lies_in_two_parts_is_never_pushed_twice(project: Project, resource: dict[str, str | None]) -> None:
    first, second = (
        [of("10.00", "a"), of("20.00", "b"), of("70.00", "c", **resource)],
        [of("5.00", "d"), of("6.00", "e")],
    )
    project.drop("export/1.csv", as_csv(*first))
    project.drop("export/2.csv", as_csv(first[-1], *second, tax(BilledCost="11.00")))
    project.build()
    [reason] = project.invoice("INV-1")["hold_reasons"]
    assert "is also record" in reason
    assert in_finance(project) == {}
    project.drop("export/2.csv", as_csv(*second, tax(BilledCost="11.00")))
    project.build()
    assert in_finance(project) == {"INV-1": 12200}


@case("149")
def test_equal_lines_without_a_resource_in_two_parts_are_two_charges(project: Project) -> None:
    seat = of("10.00", "seat", **NO_RESOURCE)
    project.drop("export/1.csv", as_csv(of("1.00", "a"), seat, seat, of("2.00", "z")))
    project.drop("export/2.csv", as_csv(of("3.00", "b"), seat, of("4.00", "y"), of("5.00", "x")))
    project.build()
    assert in_finance(project) == {"INV-1": 4500}
