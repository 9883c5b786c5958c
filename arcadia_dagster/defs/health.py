"""Whether a deployment works, in a form that a load balancer and a monitor understand: the web server's page `/health`."""

import time
from collections.abc import Collection, Iterator
from typing import Final

import dagster as dg

from arcadia_dagster.warehouse import LockTimeoutError, Warehouse, WarehouseError

HEARD_WITHIN_SECONDS: Final = 180
"""How long a daemon may be silent. Each gives a sign of life every 30 s, and a tick of its work ends after a minute.
Dagster itself waits for half an hour (1.13.27, 2026-11-30)."""


PATIENCE_SECONDS: Final = 2.0
"""How long the page waits for the warehouse while others write it. Load balancers and Prometheus give up after 5 to 10 s."""


def problems(instance: dg.DagsterInstance, warehouse: Warehouse, unloaded: Collection[str] = ()) -> list[str]:
    """What does not work, a sentence for each; none where all is well.

    Args:
        instance: Whose daemons must have been heard lately.
        warehouse: What must be there and readable. One that is being written for longer than its time-out is well.
        unloaded: The names of code locations that could not be loaded.
    """
    of_locations = [f"the code location {name} cannot be loaded: its page in the UI says why" for name in unloaded]
    return [*of_locations, *_of_daemons(instance), *_of_warehouse(warehouse)]


def _of_daemons(instance: dg.DagsterInstance) -> Iterator[str]:
    for name, status in sorted(instance.get_daemon_statuses().items()):
        if not status.required:
            continue
        if (last := status.last_heartbeat) is None:
            yield f"the daemon {name} has never been heard"
        elif (silent := time.time() - last.timestamp) > HEARD_WITHIN_SECONDS:
            yield f"the daemon {name} has not been heard for {silent / 60:.0f} minutes"


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
