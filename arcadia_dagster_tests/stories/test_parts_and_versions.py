"""Files that state one invoice: what is a part is summed, what is a version takes the place of the one before, and what may be
either is held, whichever came first."""

from collections.abc import Iterable

import pytest

from arcadia_dagster_tests.kit import aws
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.project import Project

PART_OR_REPLACEMENT = "a part of it, or a replacement?"
TWICE = "are also in the other files of its folder"


def daily(days: Iterable[int], **values: str | None) -> list[dict[str, str | None]]:
    """A charge of one dollar for each of the days of April."""
    return [
        charge(
            **{
                "BilledCost": "1.00",
                "ChargePeriodStart": f"2026-04-{day:02}T00:00:00Z",
                "ChargePeriodEnd": f"2026-04-{day:02}T12:00:00Z",
                **values,
            }
        )
        for day in days
    ]


def pushed(project: Project) -> dict[str, int]:
    project.build()
    assert project.sandbox is not None
    return {row["external_id"]: row["amount_gross_minor"] for row in project.sandbox.invoices()}


def reasons(project: Project) -> list[str]:
    return list(project.invoice("INV-1")["hold_reasons"])


SLICES = {
    "by days": (daily(range(1, 16)), daily(range(16, 31))),
    "by sub-account": (daily(range(1, 31), SubAccountName="a"), daily(range(1, 31), SubAccountName="b")),
    "by service": (daily(range(1, 31)), daily(range(1, 31), ServiceName="Storage")),
    "one day each": (daily([1]), daily([2])),
    "a long one and a short one": (daily(range(1, 31), SubAccountName="a") * 9, daily([30], SubAccountName="b")),
}


FOLDERS, LONE_FILES = "{}/export.csv", "export-{}.csv"


@pytest.mark.parametrize(
    ("slices", "place", "order"),
    [
        *(pytest.param(slices, FOLDERS, 1, id=name) for name, slices in SLICES.items()),
        pytest.param(SLICES["by days"], LONE_FILES, 1, id="lone files"),
        pytest.param(SLICES["a long one and a short one"], FOLDERS, -1, id="a short one and a long one"),
    ],
)
def test_a_slice_of_an_invoice_never_takes_the_place_of_another(
    project: Project, slices: tuple[list[dict[str, str | None]], ...], place: str, order: int
) -> None:
    whole = 100 * sum(map(len, slices))
    first, second = list(enumerate(slices))[::order]
    project.drop(place.format(first[0]), as_csv(*first[1]))
    had = pushed(project)
    project.drop(place.format(second[0]), as_csv(*second[1]))
    assert pushed(project) == had
    [reason] = reasons(project)
    assert PART_OR_REPLACEMENT in reason
    # The way out that the reason names.
    for number, rows in enumerate(slices):
        project.drop(f"whole/{number}.csv", as_csv(*rows))
    assert pushed(project) == {"INV-1": whole}


def test_a_slice_of_other_days_never_takes_the_place_of_another_however_many_charges_both_have(
    project: Project,
) -> None:
    fees = daily([1] * 20, ChargeDescription="fee")
    project.drop("first/export.csv", as_csv(*fees, *daily(range(1, 11))))
    assert pushed(project) == {"INV-1": 3000}
    project.drop("second/export.csv", as_csv(*fees, *daily(range(11, 31))))
    assert pushed(project) == {"INV-1": 3000}
    assert PART_OR_REPLACEMENT in reasons(project)[0]


def test_a_copy_of_one_part_in_another_folder_never_takes_the_place_of_all_parts(project: Project) -> None:
    parts = [as_csv(*daily(range(start, start + 10))) for start in (1, 11, 21)]
    for number, content in enumerate(parts):
        project.drop(f"parts/{number}.csv", content)
    project.drop("copy/0.csv", parts[0])
    assert pushed(project) == {}
    assert PART_OR_REPLACEMENT in reasons(project)[0]


def test_of_a_new_delivery_of_which_only_a_part_has_come_nothing_is_pushed(project: Project) -> None:
    parts = [as_csv(*daily(range(start, start + 10))) for start in (1, 11, 21)]
    for number, content in enumerate(parts):
        project.drop(f"2026-05-04/{number}.csv", content)
    assert pushed(project) == {"INV-1": 3000}
    for number in (0, 1):
        project.drop(
            f"2026-05-05/{number}.csv", as_csv(*daily(range(10 * number + 1, 10 * number + 11), BilledCost="2.00"))
        )
    assert pushed(project) == {"INV-1": 3000}
    assert PART_OR_REPLACEMENT in reasons(project)[0]
    project.drop("2026-05-05/2.csv", as_csv(*daily(range(21, 31), BilledCost="2.00")))
    assert pushed(project) == {"INV-1": 6000}


def test_a_month_that_grows_is_a_new_version_each_time_however_much_it_grows(project: Project) -> None:
    project.drop("day-01/export.csv", as_csv(*daily([1])))
    assert pushed(project) == {"INV-1": 100}
    project.drop("day-03/export.csv", as_csv(*daily(range(1, 4)), *daily(range(1, 4), SubAccountName="b")))
    assert pushed(project) == {"INV-1": 600}
    many = [row for number in range(30) for row in daily(range(1, 31), ResourceId=f"r-{number}")]
    project.drop("day-30/export.csv", as_csv(*daily(range(1, 31)), *daily(range(1, 31), SubAccountName="b"), *many))
    assert pushed(project) == {"INV-1": 96000}


def test_a_charge_whose_amount_grows_with_the_month_is_the_same_charge(project: Project) -> None:
    for day in (1, 2, 30):
        project.drop(f"day-{day}/export.csv", as_csv(*daily([1] * 3, BilledCost=f"{day}.00")))
        assert pushed(project) == {"INV-1": 300 * day}


def test_what_a_person_released_as_the_whole_invoice_is_what_the_next_delivery_is_compared_to(project: Project) -> None:
    project.drop("first/export.csv", as_csv(*daily(range(1, 16))))
    pushed(project)
    project.drop("second/export.csv", as_csv(*daily(range(16, 31))))
    pushed(project)
    project.settle("release", "INV-1")
    assert pushed(project) == {"INV-1": 1500}
    project.drop("third/export.csv", as_csv(*daily(range(16, 31)), *daily([30], ChargeDescription="late")))
    assert pushed(project) == {"INV-1": 1600}


LEFT_OVER = {
    "of the run before": [daily(range(1, 13)), daily(range(13, 25)), daily(range(17, 25))],
    "the month so far, three times": [daily(range(1, 11)), daily(range(1, 21)), daily(range(1, 31))],
    "an export that has grown": [
        [charge(ChargeDescription=f"line {number}", BilledCost=amount) for number, amount in enumerate(amounts)]
        for amounts in (("10.00", "20.00", "10.00"), ("15.00", "30.00", "15.00"))
    ],
    "small beside large ones": [daily(range(1, 31), SubAccountName="a") * 9, daily(range(1, 31)), daily([30])],
}


@pytest.mark.parametrize("files", LEFT_OVER.values(), ids=LEFT_OVER)
def test_a_file_whose_lines_are_in_the_other_files_of_its_folder_is_never_counted_beside_them(
    project: Project, files: list[list[dict[str, str | None]]]
) -> None:
    for number, rows in enumerate(files):
        project.drop(f"shards/{number}.csv", as_csv(*rows))
    assert pushed(project) == {}
    [reason] = reasons(project)
    assert TWICE in reason


def test_dismissing_what_is_left_over_settles_it(project: Project) -> None:
    for number, rows in enumerate(LEFT_OVER["of the run before"]):
        project.drop(f"shards/{number}.csv", as_csv(*rows))
    pushed(project)
    project.decide("dismiss", file_name="2.csv", reason="of an earlier export")
    assert pushed(project) == {"INV-1": 2400}


def test_parts_with_the_tiers_of_a_price_are_summed(project: Project) -> None:
    for number in (1, 2):
        tiers = [charge(BilledCost=f"{number}.0{tier}", ChargeDescription="requests") for tier in range(3)]
        project.drop(f"parts/{number}.csv", as_csv(*tiers))
    assert pushed(project) == {"INV-1": 906}


def test_two_exports_of_an_invoice_in_one_folder_are_not_summed(project: Project) -> None:
    project.drop("both/focus.csv", as_csv(*(charge(ChargeDescription=f"{number}") for number in range(3))))
    items = [aws.item(InvoiceId="INV-1", PayerAccountId="111", LineItemDescription=f"{n}") for n in range(3)]
    project.drop("both/cur.csv", aws.as_csv(*items))
    project.build()
    assert {row["amount_gross_minor"] for row in project.query("FROM tax_split_totals")} == {
        row["amount_gross_minor"] for row in project.query("FROM tax_split_totals WHERE line_count = 3")
    }


def test_parts_with_a_few_equal_lines_are_summed(project: Project) -> None:
    # Of no resource: a resource is charged for once.
    cent = daily([15], ChargeDescription="rounding", BilledCost="0.01", ResourceId=None)
    project.drop("parts/0.csv", as_csv(*daily(range(1, 16)), *cent))
    project.drop("parts/1.csv", as_csv(*daily(range(16, 31)), *cent))
    assert pushed(project) == {"INV-1": 3002}


AZURE_RUNS = (
    "focus/20260401-20260430/202604151200/0a1b2c3d-1111-2222-3333-444455556666/part_0.csv",
    "focus/20260401-20260430/202605051200/9f1b2c3d-1111-2222-3333-44445555aaaa/part_0.csv",
)


@case("115")
@pytest.mark.parametrize("is_turned", [False, True])
def test_a_later_run_of_an_azure_export_is_newer_whatever_the_runs_ids_are(project: Project, is_turned: bool) -> None:
    azure = {"ProviderName": "Microsoft", "InvoiceIssuerName": "Microsoft"}
    amounts = ("6.00", "9.00")
    for number in (1, 0) if is_turned else (0, 1):
        row, its_tax = charge(BilledCost=amounts[number], **azure), tax(**azure)
        project.drop(AZURE_RUNS[number], as_csv(row, its_tax))
        project.build()
    # An earlier run that comes last replaces nothing.
    assert (project.invoice("INV-1")["status"], pushed(project)) == ("ready", {"INV-1": 960})
