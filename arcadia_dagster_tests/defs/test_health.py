"""What the web server's page `/health` finds wrong."""

import time

import dagster as dg
from dagster._daemon.types import DaemonHeartbeat

from arcadia_dagster.defs.health import HEARD_WITHIN_SECONDS, problems
from arcadia_dagster.warehouse import Warehouse, hold
from arcadia_dagster_tests.kit.project import Project, instance_in_memory


def test_a_missing_or_broken_warehouse_is_told(project: Project) -> None:
    home = project.home
    with instance_in_memory() as instance:
        unheard = [one for one in problems(instance, project.warehouse) if "has never been heard" in one]
        assert problems(instance, Warehouse(home / "nowhere.duckdb")) == [
            *unheard,
            "there is no warehouse yet: run `arcadia init`",
        ]
        (home / "broken.duckdb").write_bytes(b"no database")
        [broken] = set(problems(instance, Warehouse(home / "broken.duckdb"))) - set(unheard)
        assert "broken.duckdb" in broken


def test_a_daemon_that_has_never_been_heard_is_named(project: Project) -> None:
    project.warehouse.create()
    with dg.instance_for_test() as instance:
        required = instance.get_required_daemon_types()
        assert {"SCHEDULER", "SENSOR"} <= set(required)
        assert problems(instance, project.warehouse) == [
            f"the daemon {name} has never been heard" for name in sorted(required)
        ]


def test_a_daemon_is_named_once_it_was_silent_for_three_minutes(project: Project) -> None:
    project.warehouse.create()
    with dg.instance_for_test() as instance:
        for name in instance.get_required_daemon_types():
            ago = HEARD_WITHIN_SECONDS + (60 if name == "SENSOR" else -60)
            instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - ago, name, "a", errors=[]))
        assert problems(instance, project.warehouse) == ["the daemon SENSOR has not been heard for 4 minutes"]


def test_a_code_location_that_cannot_be_loaded_is_named_and_a_warehouse_that_others_write_is_well(
    project: Project,
) -> None:
    project.warehouse.create()
    busy = Warehouse(project.warehouse.path, lock_timeout=0.2)
    with instance_in_memory() as instance, hold(project.warehouse.lock_path, timeout=5):
        found = problems(instance, busy, ["acme"])
    assert [one for one in found if "has never been heard" not in one] == [
        "the code location acme cannot be loaded: its page in the UI says why"
    ]
