"""What becomes of invoices as further files and decisions come: four rounds of files, decisions and pushes, told once.

Each claim below has a month and invoice ids of its own, so that all of them happen side by side in one warehouse, as they
would in a year of use.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.finance.delivery import Delivered
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.stages.reconciling import unreconciled
from arcadia_dagster.warehouse.months import stale
from arcadia_dagster_tests.kit.plain import RANGE, build, land_only
from arcadia_dagster_tests.kit.project import SECRET, Project, digitalocean, invoice_name, line

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
REAL_ROUNDS = 4


def month(text: str) -> date:
    return datetime.strptime(text, "%Y %b").replace(tzinfo=UTC).date()


def invoice(of: str, net: int = 600, tax_minor: int = 60) -> bytes:
    """A file with one droplet and its tax, in minor units."""
    start = f"{month(of)} 00:00:00 +0000"
    return digitalocean(
        line(amount=f"${net / 100:.2f}", start=start, end=start),
        line("Taxes", "GST Australia (10.00%)", f"${tax_minor / 100:.2f}", hours="", start=start, end=start),
    )


@dataclass(frozen=True)
class Round:
    """How things were after a round."""

    totals: dict[str, dict[str, Any]]
    finance: dict[str, dict[str, Any]]
    early: Delivered
    delivered: Delivered


class Story:
    """Files are dropped and decisions taken; then everything is built and pushed, and how things are is kept."""

    def __init__(self, project: Project, sandbox: RunningSandbox) -> None:
        self.project = project
        self.sandbox = sandbox
        self.rounds: list[Round] = []
        self.touched: dict[str, set[date]] = {}

    def decide(self, what: Any, name: str, of: str | None = None, account: str = "77") -> None:
        invoice = None if of is None else ("digitalocean", account, of)
        self.touched[f"{what} {name}"] = self.project.decide(what, file_name=name, invoice=invoice, now=NOW)

    def end_round(self, *, push: bool = True, but: frozenset[date] = frozenset()) -> None:
        """Build what is stale, but for some months that nobody asks for, and push, also in between."""
        project = self.project
        land_only(project.warehouse)
        # A delivery may come at any moment: here, between landing and building.
        early = project.finance.deliver(project.warehouse) if push else Delivered()
        with project.warehouse.read() as connection:
            months = {month for month in stale(connection) if month in RANGE}
        assert but <= months
        build(project.warehouse, months - but)
        delivered = project.finance.deliver(project.warehouse) if push else Delivered()
        totals = project.query("SELECT * FROM tax_split_totals")
        assert len({row["external_id"] for row in totals if row["account_id"] == "77"}) == sum(
            row["account_id"] == "77" for row in totals
        ), "an invoice is in two months"
        with project.warehouse.read() as connection:
            assert unreconciled(connection) == []
            assert {month for month in stale(connection) if month in RANGE} == set()
        self.rounds.append(
            Round(
                {row["external_id"] + ("" if row["account_id"] != "78" else " of 78"): row for row in totals},
                {str(row["external_id"]): dict(row) for row in self.sandbox.invoices()},
                early,
                delivered,
            )
        )

    def gross(self, external_id: str) -> list[int | None]:
        """The invoice's gross after each round."""
        rounds = [round_.totals.get(external_id) for round_ in self.rounds]
        return [None if row is None else row["amount_gross_minor"] for row in rounds]

    def status(self, external_id: str) -> list[str | None]:
        rounds = [round_.totals.get(external_id) for round_ in self.rounds]
        return [None if row is None else row["status"] for row in rounds]

    def in_finance(self, external_id: str) -> list[int | None]:
        """The gross that finance has after each round."""
        rounds = [round_.finance.get(external_id) for round_ in self.rounds]
        return [None if row is None else row["amount_gross_minor"] for row in rounds]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder: Path = tmp_path_factory.mktemp("story")
    with RunningSandbox(database=folder / "finance.sqlite", secret=SECRET) as sandbox:
        project = Project(folder / "home", sandbox=sandbox)
        told = Story(project, sandbox)
        _first_round(told)
        _second_round(told)
        _third_round(told)
        _fourth_round(told)
        yield told


def name(of: str, number: str, *, account: str = "77", copy: int | None = None) -> str:
    found = invoice_name(of, number, account)
    return found if copy is None else found.replace(".csv", f" ({copy}).csv")


def _first_round(story: Story) -> None:
    drop = story.project.drop
    drop(name("2025 Jan", "101"), invoice("2025 Jan"))
    drop("february.csv", invoice("2025 Feb"))
    drop("both.csv", invoice("2025 Oct", 700, 70))
    drop(name("2025 Oct", "1001"), invoice("2025 Oct", 700, 70))
    drop(f"{name('2025 Nov', '1101')}.total", b"6.60\n")
    story.end_round(push=False)


def _second_round(story: Story) -> None:
    drop = story.project.drop
    drop("the same bytes.csv", invoice("2025 Jan"))
    drop(name("2025 Feb", "201"), invoice("2025 Feb"))
    drop("march.csv", invoice("2025 Mar"))
    drop(name("2025 Apr", "401"), invoice("2025 Apr"))
    for number in ("501", "502", "503", "504"):
        drop(name("2025 May", number), invoice("2025 May", int(number), 0))
    drop(name("2025 Jul", "701"), invoice("2025 Jul"))
    drop(name("2025 Aug", "801"), invoice("2026 Jan"))
    drop(name("2025 Sep", "901"), invoice("2025 Sep"))
    drop(name("2025 Nov", "1101"), invoice("2025 Nov"))
    drop(name("2025 Dec", "1201"), invoice("2025 Dec"))
    drop(name("2025 Dec", "1202"), invoice("2025 Dec", 100, 10))
    story.project.warehouse.path.parent.joinpath("inbox", "later").mkdir()
    land_only(story.project.warehouse)
    drop(f"later/{name('2026 Feb', '1201', account='78')}", invoice("2026 Feb"))
    story.end_round()


def _third_round(story: Story) -> None:
    drop = story.project.drop
    drop(name("2025 Mar", "301"), invoice("2025 Mar"))
    drop(name("2025 Apr", "401"), invoice("2025 Apr", 500, 50))
    drop(name("2025 Apr", "501"), invoice("2025 Apr", 501, 0))
    drop(name("2025 Jun", "504"), invoice("2025 Jun", 504, 0))
    drop(name("2025 Jul", "701", copy=1), invoice("2025 Jul", 500, 50))
    drop(name("2025 Nov", "1101"), invoice("2025 Nov", 500, 50))
    story.decide("release", name("2025 Aug", "801"), "801")
    story.decide("release", name("2025 Aug", "801"), "801")
    story.decide("void", name("2025 Sep", "901"), "901")
    story.decide("dismiss", name("2025 Dec", "1201"))
    # Nobody asks for the old month of one that moved, nor for the new month of the other.
    story.end_round(but=frozenset({month("2025 May"), month("2025 Jun")}))


def _fourth_round(story: Story) -> None:
    drop = story.project.drop
    drop(name("2025 Mar", "301", copy=1), invoice("2025 Mar", 500, 50))
    story.decide("dismiss", name("2025 Jul", "701", copy=1))
    drop(name("2025 Aug", "801"), invoice("2026 Jan", 500, 50))
    drop(name("2025 Sep", "901"), invoice("2025 Sep", 500, 50))
    drop(f"{name('2025 Nov', '1101')}.total", b"USD 5.50")
    story.end_round()


def test_each_round_is_delivered_without_a_failure(story: Story) -> None:
    assert len(story.rounds) == REAL_ROUNDS
    for round_ in story.rounds:
        for delivered in (round_.early, round_.delivered):
            assert (delivered.failure, delivered.deferred, delivered.refused) == (None, {}, {})


def test_finance_has_one_row_for_each_invoice_ever_pushed_and_no_other(story: Story) -> None:
    expected = {"101", "201", "401", "501", "502", "503", "504", "701", "801", "901", "1001", "1101", "1201", "1202"}
    assert set(story.rounds[-1].finance) == expected | {"unknown-2025-03-march"}


def test_the_same_bytes_under_another_name_change_nothing(story: Story) -> None:
    assert story.gross("101") == [660] * REAL_ROUNDS
    document = story.project.document(name("2025 Jan", "101"))
    names = story.project.query(
        "SELECT file_name FROM document_names WHERE document_sha256 = ? ORDER BY 1", [document["document_sha256"]]
    )
    assert [row["file_name"] for row in names] == [name("2025 Jan", "101"), "the same bytes.csv"]
    assert story.rounds[-1].finance["101"]["times_received"] == 1


def test_the_same_bytes_under_two_names_in_one_landing_count_once(story: Story) -> None:
    assert story.gross("1001")[0] == 770
    assert story.rounds[0].totals["1001"]["line_count"] == 2
    assert len(story.project.lines("1001")) == 2


def test_a_better_name_before_the_first_push_corrects_the_id(story: Story) -> None:
    assert story.gross("unknown-2025-02-february") == [660, None, None, None]
    assert story.gross("201") == [None, 660, 660, 660]
    assert story.in_finance("201")[-1] == 660
    # The delivery that came before the id was corrected in the totals did not push it under the old one.
    assert "unknown-2025-02-february" not in story.rounds[-1].finance
    assert sorted(key.external_id for key in story.rounds[1].early.created) == ["1001", "101"]


def test_a_better_name_after_the_first_push_becomes_an_alias_and_finance_keeps_one_row(story: Story) -> None:
    kept = "unknown-2025-03-march"
    assert story.gross(kept) == [None, 660, 660, 550]
    assert story.gross("301") == [None] * REAL_ROUNDS
    [alias] = story.project.query("SELECT * FROM invoice_aliases")
    assert (alias["alias_account_id"], alias["alias_external_id"]) == ("77", "301")
    assert (alias["account_id"], alias["external_id"]) == ("unknown", kept)
    row = story.rounds[-1].finance[kept]
    assert (row["invoice_number"], row["amount_gross_minor"], row["times_received"]) == ("301", 550, 3)
    assert "301" not in story.rounds[-1].finance


def test_a_reissue_supersedes_and_is_pushed_as_updated(story: Story) -> None:
    assert story.gross("401") == [None, 660, 550, 550]
    assert story.in_finance("401") == [None, 660, 550, 550]
    assert story.rounds[-1].finance["401"]["times_received"] == 2
    versions = story.project.query("SELECT status FROM raw_invoices WHERE external_id = '401' ORDER BY received_at")
    assert [row["status"] for row in versions] == ["superseded", "current"]
    assert len(story.project.lines("401")) == 2


@pytest.mark.parametrize(
    ("number", "to"), [("501", "2025 Apr"), ("504", "2025 Jun")], ids=["built for its new month", "for its old month"]
)
def test_a_reissue_that_changes_its_month_rebuilds_both_months(story: Story, number: str, to: str) -> None:
    before, after = story.rounds[1], story.rounds[2]
    assert before.totals[number]["invoice_month"] == month("2025 May")
    assert after.totals[number]["invoice_month"] == month(to)
    assert {row["invoice_month"] for row in story.project.lines(number)} == {month(to)}
    assert after.finance[number]["period_start"] == month(to).isoformat()
    assert after.finance[number]["times_received"] == 2
    [record] = story.project.query("SELECT * FROM finance_records WHERE external_id = ?", [number])
    assert record["invoice_month"] == month(to)


def test_the_neighbours_of_an_invoice_that_moved_stay_where_they_are(story: Story) -> None:
    for number in ("502", "503"):
        assert story.gross(number) == [None, int(number), int(number), int(number)]
        assert story.rounds[-1].finance[number]["times_received"] == 1


def test_a_dismissed_newer_version_makes_the_older_current_again(story: Story) -> None:
    assert story.gross("701") == [None, 660, 550, 660]
    assert story.in_finance("701") == [None, 660, 550, 660]
    newer = name("2025 Jul", "701", copy=1)
    assert story.touched[f"dismiss {newer}"] == {month("2025 Jul")}
    document = story.project.document(newer)
    assert (document["status"], document["reason"]) == ("dismissed", "dismissed by ann: asked the provider")


def test_a_released_invoice_is_ready_until_a_newer_version_comes(story: Story) -> None:
    assert story.status("801") == [None, "held", "ready", "held"]
    assert len(story.rounds[2].totals["801"]["released_reasons"]) == 1
    assert story.in_finance("801") == [None, None, 660, 660]
    [decision] = story.project.query("SELECT * FROM decisions WHERE decision = 'release'")  # it was taken twice
    assert (decision["decided_by"], decision["decided_at"]) == ("ann", NOW.replace(tzinfo=None))


def test_a_voided_invoice_is_not_pushed_any_more_whatever_comes(story: Story) -> None:
    assert story.status("901") == [None, "ready", "held", "held"]
    assert story.gross("901")[-1] == 550
    assert story.in_finance("901") == [None, 660, 660, 660]
    assert story.rounds[-1].totals["901"]["hold_reasons"] == [
        "voided by ann: asked the provider; if finance has it, remove it there by hand"
    ]


def test_a_control_total_may_come_first_and_counts_also_when_its_file_is_replaced(story: Story) -> None:
    assert story.status("1101") == [None, "ready", "held", "ready"]
    [reason] = story.rounds[2].totals["1101"]["hold_reasons"]
    assert "6.60 USD, differs from the sum of its lines, 5.50 USD" in reason
    assert story.in_finance("1101") == [None, 660, 660, 550]


def test_two_invoices_of_one_month_are_two(story: Story) -> None:
    second = story.rounds[1]
    assert {second.totals[number]["invoice_month"] for number in ("1201", "1202")} == {month("2025 Dec")}
    assert (second.finance["1201"]["amount_gross_minor"], second.finance["1202"]["amount_gross_minor"]) == (660, 110)


def test_a_dismissed_invoice_is_gone_and_frees_one_of_another_month_that_was_held_for_its_id(story: Story) -> None:
    assert story.gross("1201") == [None, 660, None, None]
    assert story.status("1201 of 78") == [None, "held", "ready", "ready"]
    dismissed = story.touched[f"dismiss {name('2025 Dec', '1201')}"]
    assert dismissed == {month("2025 Dec"), month("2026 Feb")}
