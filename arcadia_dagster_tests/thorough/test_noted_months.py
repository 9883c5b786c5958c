"""The first month that Dagster knows follows what the home has, where no setting says it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from arcadia_dagster.defs.first_month import NOTED_IN, first_partition, note, noted
from arcadia_dagster.defs.runs import first_month_of, job_tags
from arcadia_dagster.prefix import NO_PREFIX, Prefix
from arcadia_dagster.resources import Resources
from arcadia_dagster.settings import load
from arcadia_dagster.warehouse.resource import WarehouseResource
from arcadia_dagster_tests.kit.locations import sensor_context
from arcadia_dagster_tests.kit.project import Project, digitalocean, instance_in_memory, invoice_name, line, tax

APRIL, JUNE = date(2026, 4, 1), date(2026, 6, 1)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with instance_in_memory() as own:
        yield own


def first_key(project: Project) -> str:
    """The first partition of the definitions as they are when they are loaded now."""
    definitions = project.definitions()
    keys = {
        node.partitions_def.get_first_partition_key()
        for node in map(definitions.resolve_asset_graph().get, definitions.resolve_asset_graph().get_all_asset_keys())
        if node.partitions_def is not None
    }
    [key] = keys
    assert key is not None
    return key


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


def test_a_run_that_a_person_starts_in_dagster_notes_the_first_month_too(project: Project) -> None:
    project.drop("invoice.csv", of_month("2026-04"))
    job = project.definitions().resolve_implicit_global_asset_job_def()
    assert first_key(project) == "2018-01"
    assert job.execute_in_process(partition_key="2026-05").success
    assert first_key(project) == "2026-04"


def test_partitions_begin_with_the_first_month_of_the_home_and_an_older_one_still_comes(
    project: Project, instance: dg.DagsterInstance
) -> None:
    assert first_key(project) == "2018-01"
    project.drop(invoice_name(), of_month("2026-04"))
    assert tick(project, instance) == ["2026-04"]
    assert first_key(project) == "2026-04"
    project.run([APRIL], instance=instance)
    # Its name says the month: the run that takes it must have a partition for it.
    project.drop(invoice_name("2024 May", "1002"), of_month("2024-05"))
    assert tick(project, instance) == ["2024-05"]
    assert first_key(project) == "2024-05"
    project.run([date(2024, 5, 1)], instance=instance)
    # Only its content says the month: the run of another month lands it, and its own comes next.
    project.drop("some.csv", of_month("2023-03"))
    project.run([APRIL], instance=instance)
    assert first_key(project) == "2023-03"
    assert tick(project, instance) == ["2023-03"]
    project.run([date(2023, 3, 1)], instance=instance)
    rows = project.query("SELECT invoice_month, status FROM tax_split_totals ORDER BY ALL")
    assert [(row["invoice_month"], row["status"]) for row in rows] == [
        (date(2023, 3, 1), "ready"),
        (date(2024, 5, 1), "ready"),
        (APRIL, "ready"),
    ]
    assert instance.get_materialized_partitions(dg.AssetKey("tax_split_totals")) == {"2023-03", "2024-05", "2026-04"}


def test_a_home_that_an_earlier_version_has_filled_notes_its_first_month_at_the_next_look(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.drop(invoice_name(), of_month("2026-04"))
    project.build()
    assert noted(project.home) is None
    assert tick(project, instance) == []
    assert noted(project.home) == APRIL


def test_the_setting_wins_over_what_is_noted(project: Project) -> None:
    note(project.home, [APRIL])
    project.environ["ARCADIA_FIRST_MONTH"] = "2024-03"
    assert first_key(project) == "2024-03"


def test_the_earliest_month_is_noted_and_a_later_one_changes_nothing(tmp_path: Path) -> None:
    values = load({"ARCADIA_HOME": str(tmp_path)})
    for months, expected in (([], None), ([JUNE], JUNE), ([JUNE, APRIL], APRIL), ([JUNE], APRIL)):
        note(tmp_path, months)
        assert noted(tmp_path) == expected
    assert [path.name for path in tmp_path.iterdir()] == [NOTED_IN]
    assert first_partition(values) == APRIL


@pytest.mark.parametrize("content", [b"", b"soon\n", b"\xff\xfe", b"2026-13\n", b"2026-04\n" * 1000])
def test_a_note_that_cannot_be_read_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NOTED_IN).write_bytes(content)
    assert first_partition(load({"ARCADIA_HOME": str(tmp_path)})) == date(2018, 1, 1)
    note(tmp_path, [APRIL])
    assert noted(tmp_path) == APRIL


def test_a_run_that_a_person_launches_for_an_earlier_month_is_known_by_its_job_or_its_assets() -> None:
    may, acme = {"dagster/partition": "2019-05"}, Prefix("acme")

    def run(tags: dict[str, str], *assets: str) -> dg.DagsterRun:
        selection = frozenset(map(dg.AssetKey.from_user_string, assets))
        return dg.DagsterRun(job_name="some_job", run_id="1", tags=tags, asset_selection=selection or None)

    first = datetime(2019, 5, 1, tzinfo=UTC).date()
    of_ours = run({**may, **job_tags("ingest_invoices", NO_PREFIX)})
    assert first_month_of(of_ours, NO_PREFIX) == first
    assert first_month_of(of_ours, acme) is None
    assert first_month_of(run(may, "finance_records"), NO_PREFIX) == first
    assert first_month_of(run(may, "acme/finance_records"), acme) == first
    assert first_month_of(run(may, "acme/finance_records"), NO_PREFIX) is None
    assert first_month_of(run(may, "theirs"), NO_PREFIX) is None
    assert first_month_of(run(may), NO_PREFIX) is None
    assert first_month_of(run({"dagster/partition": "eu|2019"}, "cost_lines"), NO_PREFIX) is None
