"""Dagster's databases of events, kept open: nothing else about them is another than Dagster's own."""

import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import IntegrityError

from arcadia_dagster.defs.instance import InstanceInHome
from arcadia_dagster.defs.internals import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from arcadia_dagster.defs.storage import _MOST_OPEN, KeptOpenEventLog, SqliteStorage
from arcadia_dagster_tests.kit.project import instance_in
from arcadia_dagster_tests.kit.ui import PATIENCE

ROOT = Path(__file__).resolve().parents[2]


@dg.asset
def something() -> None:
    """An asset that is built at once."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with instance_in(tmp_path) as instance:
        assert isinstance(instance, InstanceInHome)
        yield instance


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "dagster" / "history" / "runs"


def run(instance: dg.DagsterInstance) -> str:
    return dg.materialize([something], instance=instance).run_id


def kinds(storage: SqliteEventLogStorage, run_id: str) -> list[str]:
    return [
        entry.get_dagster_event().event_type_value
        for entry in storage.get_logs_for_run(run_id)
        if entry.is_dagster_event
    ]


def open_at(barrier: Barrier, folder: Path) -> None:
    barrier.wait()
    SqliteStorage(str(folder))


def test_processes_that_open_a_new_storage_at_once_make_it_once(tmp_path: Path) -> None:
    # Forked, for they must begin at the same moment. Dagster's own was made by each: none could open it any more.
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    processes = [context.Process(target=open_at, args=(barrier, tmp_path)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    databases = list(tmp_path.rglob("*.db"))
    assert len(databases) == 3
    for database in databases:
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def test_the_instance_keeps_events_where_and_as_dagster_does(instance: dg.DagsterInstance, folder: Path) -> None:
    run_id = run(instance)
    assert isinstance(instance.event_log_storage, KeptOpenEventLog)
    assert (folder / f"{run_id}.db").exists()
    own = SqliteEventLogStorage(str(folder))
    assert kinds(own, run_id) == kinds(instance.event_log_storage, run_id)
    assert "PIPELINE_SUCCESS" in kinds(own, run_id)
    assert instance.get_latest_materialization_event(dg.AssetKey("something")) is not None


def test_dagster_yaml_may_still_name_another_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCADIA_HOME", str(tmp_path / "home"))
    (tmp_path / "dagster.yaml").write_text(
        f"instance_class: {{module: arcadia_dagster.defs.instance, class: InstanceInHome}}\n"
        f"storage: {{sqlite: {{base_dir: {tmp_path / 'mine'}}}}}\n",
        encoding="utf-8",
    )
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        run_id = run(instance)
        assert type(instance.event_log_storage) is SqliteEventLogStorage
    assert (tmp_path / "mine" / "history" / "runs" / f"{run_id}.db").exists()


def test_who_follows_a_run_in_another_process_sees_its_events_at_once(
    instance: dg.DagsterInstance, folder: Path
) -> None:
    """As the web server does for its pages: by the changes of the run's file."""
    own = SqliteEventLogStorage(str(folder))
    first = run(instance)
    seen = threading.Event()
    own.watch(first, None, lambda entry, _: seen.set() if entry.message == "hello" else None)
    try:
        instance.report_engine_event("hello", instance.get_run_by_id(first))
        assert seen.wait(PATIENCE)
    finally:
        own.dispose()


def test_who_reads_events_does_not_change_the_file_that_the_ui_follows(
    instance: dg.DagsterInstance, folder: Path
) -> None:
    run_id = run(instance)
    file = folder / f"{run_id}.db"
    os.utime(file, (0, 0))
    events = instance.event_log_storage
    assert isinstance(events, KeptOpenEventLog)
    assert "PIPELINE_SUCCESS" in kinds(events, run_id)
    assert file.stat().st_mtime == 0
    instance.report_engine_event("hello", instance.get_run_by_id(run_id))
    assert file.stat().st_mtime > 0


def test_few_databases_are_open_at_a_time_and_all_are_whole(tmp_path: Path) -> None:
    storage = SqliteStorage.from_local(str(tmp_path))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as of_dagster:
        storage.register_instance(of_dagster)
    events = storage.event_log_storage
    assert isinstance(events, KeptOpenEventLog)
    runs = [str(uuid.uuid4()) for _ in range(_MOST_OPEN + 3)]
    for run_id in runs:
        assert events.get_logs_for_run(run_id) == []
    assert len(events._engines) == _MOST_OPEN  # noqa: SLF001
    events.dispose()
    assert list((tmp_path / "history" / "runs").glob("*-wal")) == []
    for run_id in runs:
        with sqlite3.connect(tmp_path / "history" / "runs" / f"{run_id}.db") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()


def test_a_run_that_somebody_deleted_is_not_read_from_what_was_open(instance: dg.DagsterInstance, folder: Path) -> None:
    run_id = run(instance)
    for path in folder.glob(f"{run_id}.db*"):
        path.unlink()
    events = instance.event_log_storage
    assert isinstance(events, KeptOpenEventLog)
    events._initialized_dbs.discard(run_id)  # noqa: SLF001 - as in a process that starts now
    assert kinds(events, run_id) == []


MONTHS = dg.StaticPartitionsDefinition([f"{year}-{month:02}" for year in (2025, 2026) for month in range(1, 13)])


@dg.asset(partitions_def=MONTHS, backfill_policy=dg.BackfillPolicy.single_run())
def of_months(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """An asset that makes all months of its run."""
    return dg.MaterializeResult(tags={"from": context.partition_key_range.start})


@dg.asset_check(asset=of_months)
def is_well() -> dg.AssetCheckResult:
    """A check that passes."""
    return dg.AssetCheckResult(passed=True)


def run_of_months(instance: dg.DagsterInstance) -> str:
    months = MONTHS.get_partition_keys()
    job = dg.define_asset_job("job", [of_months])
    result = (
        dg.Definitions([of_months], asset_checks=[is_well], jobs=[job])
        .resolve_job_def("job")
        .execute_in_process(
            instance=instance,
            tags={ASSET_PARTITION_RANGE_START_TAG: months[0], ASSET_PARTITION_RANGE_END_TAG: months[-1]},
        )
    )
    assert result.success
    return result.run_id


def rows_of(folder: Path, run_id: str) -> dict[str, list[tuple[object, ...]]]:
    """What Dagster keeps of a run, in both databases, but for what each run has of its own."""
    found = {}
    for database, table, columns in (
        (run_id, "event_logs", "dagster_event_type, step_key, asset_key, partition"),
        ("index", "event_logs", "dagster_event_type, step_key, asset_key, partition"),
        ("index", "asset_event_tags", "asset_key, key"),
        ("index", "asset_check_executions", "asset_key, check_name, execution_status"),
        ("index", "asset_keys", "asset_key, last_run_id = '{run_id}'"),
    ):
        with closing(sqlite3.connect(folder / f"{database}.db")) as connection:
            found[table if database == "index" else "events of the run"] = sorted(
                connection.execute(f"SELECT {columns} FROM {table}".format(run_id=run_id)).fetchall(), key=repr
            )
    return found


def test_events_that_are_stored_together_are_those_that_are_stored_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for name, size in (("one", "0"), ("together", "500"), ("some", "5")):
        home = tmp_path / name
        home.mkdir()
        with monkeypatch.context() as patched, instance_in(home) as instance:
            patched.setenv("DAGSTER_EVENT_BATCH_SIZE", size)
            run_id = run_of_months(instance)
            statuses = instance.get_materialized_partitions(dg.AssetKey("of_months"))
            assert statuses == set(MONTHS.get_partition_keys())
        found.append(rows_of(home / "dagster" / "history" / "runs", run_id))
    assert all(rows for rows in found[0].values())
    assert found[1] == found[0]
    assert found[2] == found[0]


@contextmanager
def commits() -> Iterator[list[str]]:
    """The names of the databases in the order of their commits."""
    databases: list[str] = []

    def note(connection: Connection) -> None:
        databases.append(Path(str(connection.engine.url.database)).stem)

    event.listen(Engine, "commit", note)
    try:
        yield databases
    finally:
        event.remove(Engine, "commit", note)


@pytest.fixture
def materializations(tmp_path: Path) -> list[dg.EventLogEntry]:
    """What Dagster gives together of an asset's months."""
    (tmp_path / "elsewhere").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "elsewhere")) as elsewhere:
        logs = elsewhere.event_log_storage.get_logs_for_run(run_of_months(elsewhere))
    found = [entry for entry in logs if entry.dagster_event and entry.dagster_event.is_step_materialization]
    assert len(found) == len(MONTHS.get_partition_keys())
    return found


def test_events_that_are_stored_together_are_one_commit_of_each_database(
    instance: dg.DagsterInstance, materializations: list[dg.EventLogEntry]
) -> None:
    instance.event_log_storage.get_logs_for_run(materializations[0].run_id)  # makes its database
    with commits() as databases:
        instance.event_log_storage.store_event_batch(materializations)
    assert sorted(databases) == sorted([materializations[0].run_id, "index"])


def test_a_run_of_many_months_commits_the_events_of_each_asset_together(instance: dg.DagsterInstance) -> None:
    with commits() as databases:
        run_id = run_of_months(instance)
    assert 0 < databases.count("index") < len(MONTHS.get_partition_keys())
    assert databases.count(run_id) < len(instance.event_log_storage.get_logs_for_run(run_id))


def test_of_events_that_cannot_all_be_stored_together_none_is(
    instance: dg.DagsterInstance, folder: Path, materializations: list[dg.EventLogEntry]
) -> None:
    run_id = materializations[0].run_id
    events = instance.event_log_storage
    assert events.get_logs_for_run(run_id) == []
    with closing(sqlite3.connect(folder / "index.db")) as connection:
        connection.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON event_logs WHEN NEW.partition = '2026-07'"
            " BEGIN SELECT raise(ABORT, 'broken'); END"
        )
    with pytest.raises(IntegrityError, match="broken"):
        events.store_event_batch(materializations)
    assert events.get_logs_for_run(run_id) == []
    assert instance.get_materialized_partitions(dg.AssetKey("of_months")) == set()
    with closing(sqlite3.connect(folder / "index.db")) as connection:
        connection.execute("DROP TRIGGER broken")
    events.store_event_batch(materializations)
    assert len(events.get_logs_for_run(run_id)) == len(materializations)
    assert instance.get_materialized_partitions(dg.AssetKey("of_months")) == set(MONTHS.get_partition_keys())


def test_events_wait_for_another_process_that_writes(
    instance: dg.DagsterInstance, folder: Path, materializations: list[dg.EventLogEntry]
) -> None:
    with closing(sqlite3.connect(folder / "index.db", isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM event_logs")
        timer = threading.Timer(0.5, other.execute, ["COMMIT"])
        timer.start()
        instance.event_log_storage.store_event_batch(materializations)
        timer.join()
    assert instance.get_materialized_partitions(dg.AssetKey("of_months")) == set(MONTHS.get_partition_keys())


def test_wiped_events_are_gone_and_new_ones_come(instance: dg.DagsterInstance) -> None:
    before = run(instance)
    events = instance.event_log_storage
    assert isinstance(events, KeptOpenEventLog)
    events.wipe()
    assert kinds(events, before) == []
    assert "PIPELINE_SUCCESS" in kinds(events, run(instance))


_KILLED = """
import os, dagster as dg
@dg.asset
def something(): ...
with dg.DagsterInstance.get() as instance:
    print(dg.materialize([something], instance=instance).run_id, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_has_committed_is_there(instance: dg.DagsterInstance) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    events = instance.event_log_storage
    assert isinstance(events, KeptOpenEventLog)
    assert "PIPELINE_SUCCESS" in kinds(events, killed.stdout.split()[-1])
