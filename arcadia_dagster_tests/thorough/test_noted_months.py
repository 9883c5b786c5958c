"""Which months have a partition: in the UI those that the home knows, and everywhere else all."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime
from multiprocessing import get_context
from pathlib import Path

import dagster as dg
import pytest

from arcadia_dagster.defs.noted_months import FIRST, LAST, note, partitioned
from arcadia_dagster.resources import Resources
from arcadia_dagster.settings import load
from arcadia_dagster.warehouse.resource import WarehouseResource
from arcadia_dagster_tests.kit.locations import sensor_context
from arcadia_dagster_tests.kit.project import Project, digitalocean, instance_in_memory, invoice_name, line, tax

APRIL, MAY, JUNE = date(2026, 4, 1), date(2026, 5, 1), date(2026, 6, 1)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with instance_in_memory() as own:
        yield own


def keys(project: Project) -> list[str]:
    """The partitions of the definitions as they are when they are loaded now."""
    definitions = project.definitions()
    found = {
        tuple(node.partitions_def.get_partition_keys())
        for node in map(definitions.resolve_asset_graph().get, definitions.resolve_asset_graph().get_all_asset_keys())
        if node.partitions_def is not None
    }
    [of_all] = found
    return [*of_all]


def known_to_the_ui(project: Project) -> list[str]:
    return _keys_of(project, "known")


def since_first(project: Project) -> list[str]:
    return _keys_of(project, "since-first")


def _keys_of(project: Project, which: str) -> list[str]:
    project.environ["ARCADIA_PARTITIONS"] = which
    try:
        return keys(project)
    finally:
        del project.environ["ARCADIA_PARTITIONS"]


def present_month() -> str:
    return f"{datetime.now(UTC):%Y-%m}"


def of_month(month: str) -> bytes:
    return digitalocean(line(start=f"{month}-01 00:00:00 +0000", end=f"{month}-28 00:00:00 +0000"), tax())


def tick(project: Project, instance: dg.DagsterInstance) -> list[str]:
    definitions = project.definitions()
    resources = {
        "warehouse": WarehouseResource(path=str(project.warehouse.path)),
        "landing": Resources.of(load(project.environ)).landing,
    }
    with sensor_context(definitions, instance, None, resources) as context:
        result = definitions.resolve_sensor_def("new_invoice_files").evaluate_tick(context)
    return [request.tags["dagster/asset_partition_range_start"] for request in result.run_requests or ()]


def test_a_run_has_every_month_whatever_the_home_knows_and_notes_what_it_has_landed(project: Project) -> None:
    every = keys(project)
    assert (every[0], every[-1]) == ("2018-01", present_month())
    project.drop("invoice.csv", of_month("2026-04"))
    # One in the future is held, and ends nothing. A bad one has no month of its own.
    project.drop("future.csv", of_month("2126-04"))
    project.drop(invoice_name("2019 Jan", "9"), b"no invoice")
    job = project.definitions().resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(partition_key="2026-02").success
    assert keys(project) == every
    assert known_to_the_ui(project) == ["2026-04"]
    assert since_first(project)[0] == "2026-04"
    assert since_first(project)[-1] == present_month()


def test_the_ui_has_the_months_of_the_home_and_an_older_one_still_comes(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.drop(invoice_name(), of_month("2026-04"))
    assert tick(project, instance) == ["2026-04"]
    project.run([APRIL], instance=instance)
    assert known_to_the_ui(project) == ["2026-04"]
    project.drop(invoice_name("2024 May", "1002"), of_month("2024-05"))
    assert tick(project, instance) == ["2024-05"]
    project.run([date(2024, 5, 1)], instance=instance)
    # Only its content says the month: the run of another month lands it, and its own comes next.
    project.drop("some.csv", of_month("2023-03"))
    project.run([APRIL], instance=instance)
    assert known_to_the_ui(project)[0] == "2023-03"
    assert tick(project, instance) == ["2023-03"]
    project.run([date(2023, 3, 1)], instance=instance)
    rows = project.query("SELECT invoice_month, status FROM tax_split_totals ORDER BY ALL")
    assert [(row["invoice_month"], row["status"]) for row in rows] == [
        (date(2023, 3, 1), "ready"),
        (date(2024, 5, 1), "ready"),
        (APRIL, "ready"),
    ]
    assert instance.get_materialized_partitions(dg.AssetKey("tax_split_totals")) == {"2023-03", "2024-05", "2026-04"}


def test_what_was_noted_by_mistake_and_what_a_person_dismisses_is_gone_at_the_next_look(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.drop(invoice_name(), of_month("2026-04"))
    project.drop("wrong.csv", of_month("2019-01"))
    project.build()
    note(project.home, [date(2018, 2, 1), JUNE])
    assert tick(project, instance) == []
    assert (known_to_the_ui(project)[0], known_to_the_ui(project)[-1]) == ("2019-01", "2026-04")
    project.decide("dismiss", file_name="wrong.csv")
    tick(project, instance)
    assert known_to_the_ui(project) == ["2026-04"]
    (project.home / LAST).unlink()
    tick(project, instance)
    assert known_to_the_ui(project) == ["2026-04"]


def test_the_first_month_of_the_setting_wins_over_what_is_noted(project: Project) -> None:
    note(project.home, [APRIL])
    project.environ["ARCADIA_FIRST_MONTH"] = "2024-03"
    assert known_to_the_ui(project)[0] == since_first(project)[0] == keys(project)[0] == "2024-03"
    assert known_to_the_ui(project)[-1] == "2026-04"
    # What is known is before it: it ends nothing.
    project.environ["ARCADIA_FIRST_MONTH"] = "2026-06"
    assert (known_to_the_ui(project)[0], known_to_the_ui(project)[-1]) == ("2026-06", present_month())


@pytest.mark.parametrize(
    "content", [b"", b"soon\n", b"\xff\xfe", b"2026-13\n", b"2026-04\n" * 1000, b"9999-12\n", b"2126-01\n"]
)
def test_a_note_that_cannot_be_right_says_nothing_and_is_written_anew(tmp_path: Path, content: bytes) -> None:
    for name in (FIRST, LAST):
        (tmp_path / name).write_bytes(content)
    values = load({"ARCADIA_HOME": str(tmp_path), "ARCADIA_PARTITIONS": "known"})
    assert partitioned(values) == (date(2018, 1, 1), None)
    note(tmp_path, [APRIL])
    assert partitioned(values) == (APRIL, APRIL)
    note(tmp_path, [])
    assert partitioned(values) == (APRIL, APRIL)


def test_the_present_month_as_the_last_one_goes_on_with_the_calendar(tmp_path: Path) -> None:
    values = load({"ARCADIA_HOME": str(tmp_path), "ARCADIA_PARTITIONS": "known"})
    note(tmp_path, [APRIL, datetime.now(UTC).date().replace(day=1)])
    assert partitioned(values) == (APRIL, None)


def test_a_note_that_cannot_be_written_stops_nothing(
    project: Project, instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    (project.home / LAST).mkdir()
    project.drop(invoice_name(), of_month("2026-04"))
    project.run([APRIL], instance=instance)
    assert "last-month cannot be written, so the UI shows other months" in caplog.text
    assert since_first(project)[0] == "2026-04"


def test_a_month_that_is_built_with_another_is_recorded_too(project: Project, instance: dg.DagsterInstance) -> None:
    """An invoice moves from April to May, and a run of April builds both."""
    project.drop(invoice_name("2026 Apr"), of_month("2026-04"))
    project.run([APRIL], instance=instance)
    project.drop(invoice_name("2026 May"), of_month("2026-05"))
    project.run([APRIL], instance=instance)
    for asset in ("raw_invoices", "cost_lines", "tax_split_totals", "focus_export", "monthly_statement"):
        assert instance.get_materialized_partitions(dg.AssetKey(asset)) == {"2026-04", "2026-05"}, asset
    assert project.query("SELECT invoice_month FROM tax_split_totals") == [{"invoice_month": MAY}]


AS_A_CODE_SERVER = """
import sys
from arcadia_dagster.defs.noted_months import partitioned
from arcadia_dagster.settings import load
home, *sys.argv = sys.argv[1:]
print(*partitioned(load({"ARCADIA_HOME": home})))
"""


def test_a_code_server_begins_with_the_first_month_known_and_a_run_that_it_starts_has_all(project: Project) -> None:
    note(project.home, [APRIL])
    for arguments, expected in ((["api", "grpc", "--socket", "s"], APRIL), (["api", "execute_run"], date(2018, 1, 1))):
        command = [sys.executable, "-c", AS_A_CODE_SERVER, str(project.home), "dagster", *arguments]
        told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=project.home)
        assert told.stdout.strip() == f"{expected} None"
    with ProcessPoolExecutor(1, get_context("spawn"), _as_code_server) as started:
        assert started.submit(partitioned, load({"ARCADIA_HOME": str(project.home)})).result() == (
            date(2018, 1, 1),
            None,
        )


def _as_code_server() -> None:
    sys.argv = ["dagster", "api", "grpc", "--socket", "s"]
