"""Dagster's instance, with all that it stores in the home, whatever starts it.

`dagster.yaml` can take a path from an environment variable, which must then be set, and knows no default: in a fresh clone
`dagster dev` and `dagster definitions validate` would end with a traceback. So the paths come from the settings, which have one.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from arcadia_dagster import settings
from arcadia_dagster.defs.internals import ConfigurableClassData, InstanceRef
from arcadia_dagster.private_files import write_privately


class InstanceInHome(dg.DagsterInstance):
    """Dagster's own instance; what `dagster.yaml` does not place elsewhere lies in the settings' folder for it."""

    @classmethod
    def config_schema(cls) -> Mapping[str, object]:
        """No key of its own in `dagster.yaml`."""
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Mapping[str, ConfigurableClassData | None]:  # noqa: ARG003
        """Where each storage is, by its name in `dagster.yaml`; absolute, so the same for every process that is started.

        Args:
            base_dir: Where Dagster would put it: beside `dagster.yaml`, or, for `dagster dev`, in a folder that is deleted.

        Raises:
            SettingsError: A setting cannot be right.
        """
        values = settings.load()
        write_privately(group_reads=values.group_reads)
        folder = values.dagster_storage
        if not folder.exists():
            folder.mkdir(parents=True)
            # A home that is new has no inbox, without which the first run would fail. One that goes missing later is an error.
            if values.inbox.is_relative_to(values.home):
                values.inbox.mkdir(parents=True, exist_ok=True)
        return {**InstanceRef.config_defaults(str(folder)), "storage": _storage(folder)}


def _storage(folder: Path) -> ConfigurableClassData:
    return ConfigurableClassData("arcadia_dagster.defs.storage", "SqliteStorage", json.dumps({"base_dir": str(folder)}))
