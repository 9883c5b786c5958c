"""Dagster's own files, `dagster.yaml` and `workspace.yaml`, and the folder that Dagster finds them in (`DAGSTER_HOME`).

A checkout has them in its root. A program that was installed from a wheel copies them into the home: Dagster takes any folder for
its home, and where that has no `dagster.yaml`, it keeps its databases there, with telemetry on (in site-packages, 2026-11-28).
"""

import os
import shutil
from pathlib import Path
from typing import Final

VARIABLE: Final = "DAGSTER_HOME"
INSTANCE: Final = "dagster.yaml"
WORKSPACE: Final = "workspace.yaml"
FOLDER: Final = Path(__file__).resolve().parent
"""Where this package has both files, as this version needs them."""

_ROOT = FOLDER.parents[1]


def checkout(started_in: Path) -> Path | None:
    """The checkout that the program runs from; None where it was installed from a wheel.

    Args:
        started_in: The folder that the program was started in, which comes first.
    """
    return next((folder for folder in (started_in, _ROOT) if (folder / INSTANCE).is_file()), None)


def dagster_home(home: Path) -> Path:
    """The folder of Dagster's files: the checkout, or the home, where `place` puts them.

    Args:
        home: The home, which need not be there yet.
    """
    return checkout(Path.cwd()) or home


def place(folder: Path) -> None:
    """Copy the files that the folder lacks. Those that it has stay as they are: people may change them.

    Args:
        folder: The folder; it is made where it is missing.

    Raises:
        OSError: It cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (INSTANCE, WORKSPACE):
        if not (folder / name).exists():
            part = shutil.copyfile(FOLDER / name, folder / f".{name}.{os.getpid()}.part")
            part.rename(folder / name)


def changed(folder: Path) -> list[str]:
    """The names of the files in the folder that are not as this version has them."""
    return [
        name
        for name in (INSTANCE, WORKSPACE)
        if not (folder / name).is_file() or (folder / name).read_bytes() != (FOLDER / name).read_bytes()
    ]
