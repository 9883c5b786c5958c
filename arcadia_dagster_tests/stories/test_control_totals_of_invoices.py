"""Control totals as people write, correct and withdraw them: beside one part, beside several, beside copies, in any order."""

import shutil

import pytest

from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.plain import new_warehouse
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line

PARTS = {
    f"d/part-{number}.csv": as_csv(charge(BilledCost=f"{number}0.00", ChargeDescription=f"server {number}"), *more)
    for number, more in ((1, ()), (2, (tax(BilledCost="6.00"),)), (3, ()))
}
"""One invoice of three files: 66.00 with a tax of 6.00."""


@pytest.fixture
def project(project_without_finance: Project) -> Project:
    return project_without_finance


def ready(project: Project) -> dict[str, int]:
    """What finance would get: the gross of each invoice that is ready, in minor units."""
    with project.warehouse.read() as connection:
        rows = connection.execute("SELECT external_id, amount_gross_minor FROM tax_split_totals WHERE status = 'ready'")
        return dict(rows.fetchall())


def drop(project: Project, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        project.drop(name, content)
    project.build()


def reasons(project: Project, external_id: str = "INV-1") -> str:
    return "; ".join(project.invoice(external_id)["hold_reasons"])


def rebuilt(project: Project) -> None:
    project.warehouse.path.unlink()
    project.warehouse = new_warehouse(project.home)
    project.build()


@case("111")
@pytest.mark.parametrize(
    ("beside", "text"),
    [
        ((1,), b"USD 66.00"),
        ((2,), b"66.00 tax 6.00"),
        ((3,), b"INV-1 USD 66.00 tax 6.00"),
        ((1, 2), b"66.00"),
        ((1, 2, 3), b"USD 66.00 tax 6.00"),
    ],
)
def test_a_total_beside_any_parts_is_that_of_the_whole_invoice(
    project: Project, beside: tuple[int, ...], text: bytes
) -> None:
    drop(project, PARTS | {f"d/part-{number}.csv.total": text for number in beside})
    assert (reasons(project), ready(project)) == ("", {"INV-1": 6600})


@pytest.mark.parametrize("beside", [(1,), (1, 2, 3)])
def test_a_total_beside_parts_that_their_sum_does_not_come_to_holds_the_invoice(
    project: Project, beside: tuple[int, ...]
) -> None:
    drop(project, PARTS | {f"d/part-{number}.csv.total": b"USD 70.00" for number in beside})
    told = reasons(project)
    assert "the total that it states, 70.00 USD, differs from the sum of its lines, 66.00 USD" in told
    for number in beside:
        assert f"d/part-{number}.csv.total" in told
    assert ready(project) == {}


@pytest.mark.parametrize(
    ("beside", "texts"),
    [
        ((1, 2), (b"USD 66.00", b"USD 10.00")),
        ((3, 1), (b"66.00 tax 6.00", b"66.00 tax 5.00")),
        ((2, 3), (b"66.00", b"66.01")),
    ],
)
def test_two_parts_that_state_different_totals_hold_the_invoice_and_are_named(
    project: Project, beside: tuple[int, int], texts: tuple[bytes, bytes]
) -> None:
    drop(
        project,
        PARTS | {f"d/part-{number}.csv.total": text for number, text in zip(beside, texts, strict=True)},
    )
    told = reasons(project)
    for number, text in zip(beside, texts, strict=True):
        shown = text.decode().removeprefix("USD ").replace(".00", "")
        assert f"d/part-{number}.csv.total states USD {shown}" in told
    assert "write the word none into the one that is wrong" in told
    assert ready(project) == {}
    project.drop(f"d/part-{beside[1]}.csv.total", b"none")
    project.build()
    assert ready(project) == {"INV-1": 6600}


def test_one_part_says_the_tax_and_another_the_total_alone(project: Project) -> None:
    drop(project, PARTS | {"d/part-1.csv.total": b"USD 66.00", "d/part-3.csv.total": b"66.00 tax 6.00"})
    assert ready(project) == {"INV-1": 6600}


def test_copies_of_a_document_with_different_totals_hold_it_whichever_came_last(project: Project) -> None:
    content = as_csv(charge(BilledCost="10.00"))
    drop(project, {"a.csv": content, "a.csv.total": b"USD 10.00"})
    drop(project, {"copy/a.csv": content, "copy/a.csv.total": b"USD 12.00"})
    told = reasons(project)
    assert "a.csv.total states USD 10" in told
    assert "copy/a.csv.total states USD 12" in told
    rebuilt(project)
    assert reasons(project) == told
    drop(project, {"copy/a.csv.total": b"None\n"})
    assert reasons(project) == ""
    rebuilt(project)
    assert reasons(project) == ""


@case("112")
@pytest.mark.parametrize(
    ("word", "wrong"),
    [
        (b"none", b"USD 99.00"),
        (b" NONE \n", b"nonsense"),
        (b"\xef\xbb\xbfnone", b"EUR 10.00"),
        (b"None", b"USD 10.00 tax 3.00"),
        (b"none\r\n", b""),
    ],
)
def test_a_total_is_withdrawn_by_the_word_none_and_stays_so_after_a_rebuild(
    project: Project, word: bytes, wrong: bytes
) -> None:
    drop(project, {"a.csv": as_csv(charge(BilledCost="10.00")), "a.csv.total": wrong})
    assert "the word none into a.csv.total" in reasons(project)
    drop(project, {"a.csv.total": word})
    assert (reasons(project), ready(project)) == ("", {"INV-1": 1000})
    rebuilt(project)
    assert (reasons(project), project.invoice("INV-1")["amount_gross_minor"]) == ("", 1000)
    (project.inbox / "a.csv.total").unlink()
    assert project.landed_problems() == {}


def test_a_total_that_is_taken_away_still_counts_and_that_is_said_until_it_is_settled(project: Project) -> None:
    name = invoice_name()
    drop(project, {name: digitalocean(line(amount="$10.00")), f"{name}.total": b"USD 12.00"})
    (project.inbox / f"{name}.total").unlink()
    for _ in range(2):
        [(path, problem)] = project.landed_problems().items()
        assert path == f"{name}.total"
        assert "put a file with the word none there" in problem
    project.build()
    assert "differs from the sum of its lines" in reasons(project, "1001")
    rebuilt(project)
    assert list(project.landed_problems()) == [f"{name}.total"]
    drop(project, {f"{name}.total": b"none"})
    assert (project.landed_problems(), ready(project)) == ({}, {"1001": 1000})


def test_an_inbox_that_is_cleared_withdraws_nothing(project: Project) -> None:
    drop(project, {"a.csv": as_csv(charge(BilledCost="10.00")), "a.csv.total": b"USD 12.00"})
    shutil.rmtree(project.inbox)
    project.inbox.mkdir()
    assert project.landed_problems() == {}
    rebuilt(project)
    assert "differs from the sum of its lines, 10.00 USD" in reasons(project)
    # The file is gone everywhere but in the archive, and what is stated of it can still be corrected.
    drop(project, {"a.csv.total": b"USD 10.00"})
    assert (project.landed_problems(), ready(project)) == ({}, {"INV-1": 1000})


def test_a_corrected_total_counts_in_whatever_order_it_was_corrected(project: Project) -> None:
    drop(project, {"a.csv": as_csv(charge(BilledCost="10.00"))})
    for text, is_held in ((b"12.00", True), (b"10.00", False), (b"12.00", True), (b"none", False), (b"12.00", True)):
        drop(project, {"a.csv.total": text})
        assert bool(reasons(project)) is is_held
        rebuilt(project)
        assert bool(reasons(project)) is is_held
