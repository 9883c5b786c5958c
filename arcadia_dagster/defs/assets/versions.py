"""Data versions and code versions for Dagster, so that the UI shows exactly the stale months as stale.

A month's data version stands for its content: made again with the same content, it has the same version, and what comes after it
stays fresh. An asset's code version stands for the source of all that makes it.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import dagster as dg

from arcadia_dagster.defs.internals import (
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    StepExecutionContext,
    execute_step,
)
from arcadia_dagster.defs.partitions import key_of

FOLDER = "defs/assets"
PACKAGE = Path(__file__).resolve().parents[2]

# Every asset lands, reads or builds by these. `definitions.py` and `resources.py` are left out: they hand on what the settings
# say, and another setting is no other code.
_SHARED = (
    *(f"{FOLDER}/{name}.py" for name in ("__init__", "common", "preview", "versions")),
    *(
        "defs/__init__.py",
        "defs/noted_months.py",
        "defs/internals.py",
        "defs/partitions.py",
        "defs/run_tags.py",
        "how_many.py",
        "kept_names.py",
        "loopback.py",
        "plain_file.py",
        "prefix.py",
        "private_files.py",
        "settings.py",
        "settings_file.py",
        "toml_file.py",
        "toml_tables.py",
    ),
    *("billing", "books", "buckets", "store", "warehouse", "ledger", "reading", "formats", "landing", "stages"),
)


def parts_of(asset: str, *others: str) -> tuple[str, ...]:
    """The source of an asset: folders and single files of the package, by their paths in it."""
    return (f"{FOLDER}/{asset}.py", *_SHARED, *others)


def code_version(asset: str, *others: str) -> str:
    """A hash of the source of all that makes an asset: each change of the source gives another version, and nothing else does.

    It reads the package's own files, as importing does. So nobody has to remember to raise a number, at the price that a
    change of words alone counts as a change.

    Args:
        asset: The asset.
        others: What makes it besides its own module and what all assets share; see `parts_of`.
    """
    return hashlib.sha256("".join(_digest(part) for part in parts_of(asset, *others)).encode()).hexdigest()[:12]


@cache
def _digest(part: str) -> str:
    path = PACKAGE / part
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    else:
        # A module's long statement is in a file beside it, of the same name.
        files = [file for file in (path, path.with_suffix(".sql")) if file.is_file()]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.relative_to(PACKAGE).as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def version_of_files(paths: Iterable[Path]) -> str:
    """The data version of files: a hash of their bytes."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Made:
    """What a step has made of a month.

    Attributes:
        version: Stands for the month's content.
        metadata: What the UI shows of it.
    """

    version: str
    metadata: Mapping[str, Any]


_made: WeakKeyDictionary[StepExecutionContext, Mapping[str, Made]] = WeakKeyDictionary()


def note(context: dg.AssetExecutionContext, made: Mapping[date, Made]) -> None:
    """Have Dagster record these months as materialized when the step ends, each with its own version and metadata.

    Args:
        context: The step's.
        made: The months that the step has made: the run's months, and the months that had to be made with them.
    """
    _made[context.get_step_execution_context()] = {key_of(month): made[month] for month in sorted(made)}


def _own_versions(
    asset_key: dg.AssetKey,
    asset_partitions: Iterable[str],
    output: object,
    output_def: object,
    io_manager_metadata: Mapping[str, object],
    step_context: StepExecutionContext,
    execution_type: object,
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    """Dagster's events for the partitions that a step has made, each with the version and metadata that were noted.

    Dagster gives all partitions of a run one data version. There is no public way to give each its own but a second event,
    which doubles what a run costs (a run over 60 months: 3 s more for each asset, 2026-11).
    """
    made = _made.get(step_context, {})
    partitions = [*asset_partitions]
    others = [month for month in made if month not in partitions] if partitions else []
    # The run's months come last, for readers of the asset's latest event see the last one.
    for event in _EVENTS(
        asset_key, [*others, *partitions], output, output_def, io_manager_metadata, step_context, execution_type
    ):
        month = None if event.partition is None else made.get(event.partition)
        if month is None or not isinstance(event, dg.AssetMaterialization):
            yield event
        else:
            yield dg.AssetMaterialization(
                event.asset_key,
                partition=event.partition,
                metadata={**event.metadata, **month.metadata},
                tags={
                    **(event.tags or {}),
                    DATA_VERSION_TAG: month.version,
                    DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
                },
            )


_EVENTS: Callable[..., Iterator[dg.AssetMaterialization | dg.AssetObservation]] = execute_step._get_output_asset_events  # noqa: SLF001 - see above
execute_step._get_output_asset_events = _own_versions  # noqa: SLF001
