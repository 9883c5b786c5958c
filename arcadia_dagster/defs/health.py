"""Whether a deployment works, in a form that a load balancer and a monitor understand: the web server's page `/health`."""

from collections.abc import Iterator

import dagster as dg

from arcadia_dagster.warehouse import LockTimeoutError, Warehouse, WarehouseError


def problems(instance: dg.DagsterInstance, warehouse: Warehouse) -> list[str]:
    """What does not work, a sentence for each; none where all is well.

    Args:
        instance: Whose daemons must have been heard lately.
        warehouse: What must be there and readable. One that is being written is well.
    """
    return [*_of_daemons(instance), *_of_warehouse(warehouse)]


def _of_daemons(instance: dg.DagsterInstance) -> Iterator[str]:
    for name, status in sorted(instance.get_daemon_statuses().items()):
        if status.required and not status.healthy:
            last = status.last_heartbeat
            yield f"the daemon {name} {'has never been heard' if last is None else 'has not been heard lately'}"


def _of_warehouse(warehouse: Warehouse) -> Iterator[str]:
    try:
        if not warehouse.exists():
            yield "there is no warehouse yet: run `arcadia init`"
            return
        with warehouse.read():
            pass
    except LockTimeoutError:
        return
    except (WarehouseError, OSError) as error:
        yield str(error)
