"""The first month that Dagster knows, and the last one in our web server, follow what the home has, where no setting says it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from arcadia_dagster.defs.noted_months import FIRST, LAST, first_partition, last_partition, note, noted
from arcadia_dagster.defs.runs import first_month_of, job_tags
from arcadia_dagster.prefix import NO_PREFIX, Prefix
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


def first_key(project: Project) -> str:
    return keys(project)[0]


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
    assert noted(project.home, FIRST) is None
    assert tick(project, instance) == []
    assert [noted(project.home, name) for name in (FIRST, LAST)] == [APRIL, APRIL]


def test_the_setting_wins_over_what_is_noted(project: Project) -> None:
    note(project.home, [APRIL])
    project.environ["ARCADIA_FIRST_MONTH"] = "2024-03"
    assert first_key(project) == "2024-03"


def test_the_earliest_and_the_latest_month_are_noted_and_one_between_changes_nothing(tmp_path: Path) -> None:
    values = load({"ARCADIA_HOME": str(tmp_path), "ARCADIA_PARTITIONS_UNTIL": "known"})
    for months, expected in (
        ([], (None, None)),
        ([MAY], (MAY, MAY)),
        ([MAY, APRIL], (APRIL, MAY)),
        ([MAY], (APRIL, MAY)),
        ([JUNE], (APRIL, JUNE)),
    ):
        note(tmp_path, months)
        assert (noted(tmp_path, FIRST), noted(tmp_path, LAST)) == expected
    assert {path.name for path in tmp_path.iterdir()} == {FIRST, LAST}
    assert (first_partition(values), last_partition(values)) == (APRIL, JUNE)


def test_the_last_partition_is_the_present_month_or_by_a_setting_the_last_one_that_the_home_knows(
    project: Project,
) -> None:
    project.environ["ARCADIA_PARTITIONS_UNTIL"] = "known"
    assert keys(project)[-1] == present_month()
    project.drop(invoice_name(), of_month("2026-04"))
    # One in the future is held, and ends nothing.
    project.drop("future.csv", of_month("2126-04"))
    job = project.definitions().resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(partition_key="2026-04").success
    assert keys(project) == ["2026-04"]
    # A run may be for the present month, of which nothing is known.
    project.environ["ARCADIA_PARTITIONS_UNTIL"] = "present"
    assert keys(project)[-1] == present_month()


def test_a_last_month_before_the_first_one_of_the_setting_ends_nothing(project: Project) -> None:
    note(project.home, [APRIL])
    project.environ |= {"ARCADIA_FIRST_MONTH": "2026-06", "ARCADIA_PARTITIONS_UNTIL": "known"}
    assert (keys(project)[0], keys(project)[-1]) == ("2026-06", present_month())


def test_a_month_that_is_built_with_another_is_shown_as_built_though_the_run_has_no_partition_for_it(
    project: Project, instance: dg.DagsterInstance
) -> None:
    """An invoice moves from April to May, and a run of April, which knows no later partition, builds both."""
    project.environ["ARCADIA_PARTITIONS_UNTIL"] = "known"
    project.drop(invoice_name("2026 Apr"), of_month("2026-04"))
    project.run([APRIL], instance=instance)
    project.drop(invoice_name("2026 May"), of_month("2026-05"))
    assert keys(project) == ["2026-04"]
    project.run([APRIL], instance=instance)
    assert keys(project) == ["2026-04", "2026-05"]
    for asset in ("raw_invoices", "cost_lines", "tax_split_totals", "focus_export", "monthly_statement"):
        assert instance.get_materialized_partitions(dg.AssetKey(asset)) == {"2026-04", "2026-05"}, asset
    assert project.query("SELECT invoice_month FROM tax_split_totals") == [{"invoice_month": MAY}]


@pytest.mark.parametrize("content", [b"", b"soon\n", b"\xff\xfe", b"2026-13\n", b"2026-04\n" * 1000])
def test_a_note_that_cannot_be_read_says_nothing(tmp_path: Path, content: bytes) -> None:
    for name in (FIRST, LAST):
        (tmp_path / name).write_bytes(content)
    values = load({"ARCADIA_HOME": str(tmp_path), "ARCADIA_PARTITIONS_UNTIL": "known"})
    assert (first_partition(values), last_partition(values)) == (date(2018, 1, 1), None)
    note(tmp_path, [APRIL])
    assert (first_partition(values), last_partition(values)) == (APRIL, APRIL)


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
