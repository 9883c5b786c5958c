"""What the web server's page `/health` finds wrong."""

from arcadia_dagster.defs.health import problems
from arcadia_dagster.warehouse import Warehouse
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
    with instance_in_memory() as instance:
        required = instance.get_required_daemon_types()
        assert problems(instance, project.warehouse) == [
            f"the daemon {name} has never been heard" for name in sorted(required)
        ]
