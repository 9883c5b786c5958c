"""The names of modules that operators' files have from before: they work, and say what to write now."""

import importlib
import sys

import pytest

from arcadia_dagster.defs.instance import InstanceInHome
from arcadia_dagster.defs.run_launcher import WatchedRunLauncher

CLASSES = {"run_launcher": WatchedRunLauncher, "instance": InstanceInHome}


@pytest.mark.parametrize("name", CLASSES)
def test_an_old_name_gives_the_same_class_and_a_warning_with_the_new_name(name: str) -> None:
    old = f"arcadia_dagster.automation.{name}"
    sys.modules.pop(old, None)
    with pytest.warns(FutureWarning, match=f"{old} is arcadia_dagster.defs.{name} now: write the new name"):
        module = importlib.import_module(old)
    assert getattr(module, CLASSES[name].__name__) is CLASSES[name]
