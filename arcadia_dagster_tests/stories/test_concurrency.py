"""Two and three processes at once, on one warehouse: nothing is lost, nothing counted twice, nothing seen half done."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.finance.outstanding import Recipient
from arcadia_dagster.reports.findings import why_missing
from arcadia_dagster.reports.undelivered import Undelivered, undelivered
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.stages.cost_lines import build_cost_lines
from arcadia_dagster.stages.raw_invoices import build_raw_invoices
from arcadia_dagster.stages.reconciling import unreconciled
from arcadia_dagster.stages.tax_split_totals import build_tax_split_totals
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.months import stale
from arcadia_dagster_tests.kit.plain import RANGE, archive_of, build, land_only, reader_of
from arcadia_dagster_tests.kit.processes import Holder
from arcadia_dagster_tests.kit.project import SECRET, Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.worker import Worker, together

APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)


def content(cents: int, lines: int = 1, month: str = "2026-04") -> str:
    """An invoice of some lines, and of a gross in cents."""
    start = f"{month}-01 00:00:00 +0000"
    rows = [line(description=f"web-{n}", amount=f"${cents / 100:.2f}", start=start, end=start) for n in range(lines)]
    return digitalocean(*rows, tax(amount="$0.00")).decode()


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Worker]]:
    """Three processes that have imported what they need, two of them Dagster too."""
    log = tmp_path_factory.mktemp("workers") / "log"
    with ExitStack() as stack:
        started = [stack.enter_context(Worker(log)) for _ in range(3)]
        together(*((worker, "ready_for_jobs", {}) for worker in started[:2]))
        yield started


def run_job(worker: Worker, project: Project, month: date, files: dict[str, str]) -> tuple[Worker, str, dict[str, Any]]:
    assert project.sandbox is not None
    order = {"home": str(project.home), "months": [str(month)], "url": project.sandbox.url, "files": files}
    return worker, "run_job", order


def test_two_runs_at_once_with_a_new_invoice_each_lose_none_and_push_each_once(
    project_with_finance: Project, workers: list[Worker]
) -> None:
    project = project_with_finance
    project.drop(invoice_name(number="9"), content(900).encode())
    together(
        run_job(workers[0], project, APRIL, {invoice_name(number="0"): content(100)}),
        # The other run also brings a new version of an invoice that the first may be just summing up.
        run_job(
            workers[1],
            project,
            APRIL,
            {invoice_name(number="1"): content(101), invoice_name(number="9"): content(901)},
        ),
    )
    totals = project.query("SELECT external_id, amount_gross_minor FROM tax_split_totals")
    expected = {"0": 100, "1": 101, "9": 901}
    assert {row["external_id"]: row["amount_gross_minor"] for row in totals} == expected
    with project.warehouse.read() as connection:
        assert unreconciled(connection) == []
        assert stale(connection) == set()
    # And of two months, each with a file of the other's: whoever lands first takes both.
    together(
        run_job(workers[0], project, APRIL, {invoice_name("2026 May", "8"): content(800, month="2026-05")}),
        run_job(workers[1], project, MAY, {invoice_name(number="7"): content(700)}),
    )
    with project.warehouse.read() as connection:
        left = stale(connection)
    run_job_of_what_is_left = project.run(sorted(left)) if left else None
    assert run_job_of_what_is_left is None or run_job_of_what_is_left.success
    expected |= {"7": 700, "8": 800}
    assert project.sandbox is not None
    rows = {row["external_id"]: row for row in project.sandbox.invoices()}
    assert {number: row["amount_gross_minor"] for number, row in rows.items()} == expected
    assert {row["times_received"] for number, row in rows.items() if number != "9"} == {1}


def test_a_reader_sees_a_month_before_or_after_and_never_half_of_it(
    project_without_finance: Project, workers: list[Worker], tmp_path: Path
) -> None:
    project = project_without_finance
    home, stop = str(project.home), tmp_path / "stop"
    sizes = (40, 60, 40, 60)
    versions = [{invoice_name(): content(100 + n, size)} for n, size in enumerate(sizes)]
    with project.warehouse.write():
        pass
    workers[2].tell("watch", home=home, stop=str(stop))
    workers[0].ask("build_months", home=home, months=["2026-04-01"], versions=versions)
    stop.touch()
    seen = workers[2].hear()

    lines = [[size + 1, size * (100 + n)] for n, size in enumerate(sizes)]
    assert [figures for figures in seen["lines"] if figures not in [[0, None], *lines]] == []
    assert [
        figures for figures in seen["totals"] if figures not in [[0, None], *([1, cents] for _, cents in lines)]
    ] == []
    assert len(seen["lines"]) > 2, "the reader saw too little to tell"


def test_two_deliveries_at_once_push_each_invoice_once(
    project_without_finance: Project, sandbox: RunningSandbox, workers: list[Worker]
) -> None:
    project = project_without_finance
    for number in range(60):
        project.drop(invoice_name(number=str(number)), content(100 + number).encode())
    build(project.warehouse)
    order = {"home": str(project.home), "url": sandbox.url, "secret": SECRET}
    done = together((workers[0], "deliver", order), (workers[1], "deliver", order))
    assert sum(answer["created"] for answer in done) == 60
    assert sum(answer["updated"] + answer["deferred"] for answer in done) == 0
    assert [row["times_received"] for row in sandbox.invoices()] == [1] * 60


def test_a_new_version_between_two_steps_of_a_run_makes_neither_run_fail_nor_lose_anything(
    project_without_finance: Project,
) -> None:
    """Two runs, step by step, in the worst order."""
    project = project_without_finance
    store, archive, months = project.warehouse, archive_of(project.warehouse), [APRIL]
    project.drop(invoice_name(), content(100).encode())
    build(store)

    def check_of_any_run() -> list[str]:
        with store.read() as connection:
            return unreconciled(connection)

    def build_raw(months: list[date]) -> None:
        with store.write() as connection:
            build_raw_invoices(connection, months, RANGE)

    def build_totals(months: list[date]) -> None:
        with store.write() as connection:
            build_tax_split_totals(connection, months, RANGE)

    with reader_of(store) as ours, reader_of(store) as theirs:
        project.drop(invoice_name(number="1002"), content(300).encode())
        land_only(store)
        build_raw(months)
        build_cost_lines(store, archive, ours, months, RANGE)
        # The other run brings two lines where there was one.
        project.drop(invoice_name(), content(70, 2).encode())
        land_only(store)
        build_raw(months)
        assert check_of_any_run() == [], "it would block our push"
        build_totals(months)
        build_cost_lines(store, archive, theirs, months, RANGE)
        assert check_of_any_run() == [], "it would block our push"
        build_totals(months)
    with store.read() as connection:
        assert (unreconciled(connection), stale(connection)) == ([], set())
    assert (project.invoice()["amount_gross_minor"], project.invoice("1002")["amount_gross_minor"]) == (140, 300)


ANSWERED = """
UPDATE finance_records SET state = 'delivered', finance_invoice_id = 'f-1'
"""
INTENDED = """
UPDATE finance_records SET state = 'pending', finance_invoice_id = NULL
"""

# Another process, in the middle of a delivery: it records the answer once somebody waits for the lock of deliveries.
DELIVERING = f"""
import sys, time
from pathlib import Path
import duckdb
from arcadia_dagster.warehouse import hold
lock = Path(sys.argv[1])
warehouse = str(lock).removesuffix(".delivery.lock")
with hold(lock, timeout=30):
    print("held", flush=True)
    inode = f":{{lock.stat().st_ino}} "
    while not any("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines()):
        time.sleep(0.02)
    with hold(Path(f"{{warehouse}}.lock"), timeout=30), duckdb.connect(warehouse) as connection:
        connection.execute('''{ANSWERED}''')
"""


def test_an_invoice_that_another_process_is_just_delivering_is_no_failure_of_ours(
    project_without_finance: Project, sandbox: RunningSandbox, workers: list[Worker]
) -> None:
    project = project_without_finance
    project.drop(invoice_name(), content(100).encode())
    build(project.warehouse)
    workers[0].ask("deliver", home=str(project.home), url=sandbox.url, secret=SECRET)
    recipient = Recipient(sandbox.url, True)
    lock = project.warehouse.path.with_name("arcadia.duckdb.delivery.lock")
    impatient = Warehouse(project.warehouse.path, lock_timeout=0.1)

    def intend() -> None:
        with project.warehouse.write() as connection:
            connection.execute(INTENDED)

    intend()
    with Holder(lock, script=DELIVERING):
        assert undelivered(project.warehouse, recipient, [APRIL]) == Undelivered([], [])
    intend()
    with Holder(lock):
        found = undelivered(impatient, recipient, [APRIL])
        assert ([one.invoice for one in found.others], found.failed) == (["digitalocean/77/1001"], [])
    # Nobody is at it: the process that sent it has died.
    found = undelivered(project.warehouse, recipient, [APRIL])
    assert ([why_missing(one) for one in found.failed], found.others) == (["no answer is recorded"], [])
