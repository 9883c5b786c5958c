"""No case of the list of odd and bad input is without a test."""

import importlib
from collections.abc import Iterator
from pathlib import Path

CASES = (*map(str, range(1, 15)), "14b", *map(str, range(15, 41)))


def cases_with_a_test() -> Iterator[str]:
    """The cases that the tests of the modules beside this one have in their ids."""
    for path in sorted(Path(__file__).parent.glob("test_bad_input_*.py")):
        module = importlib.import_module(f"{__package__}.{path.stem}")
        for name, function in vars(module).items():
            if name.startswith("test_"):
                for mark in getattr(function, "pytestmark", []):
                    if mark.name == "parametrize":
                        yield from (parameters.id.removeprefix("case_") for parameters in mark.args[1])


def test_every_case_of_odd_and_bad_input_has_a_test() -> None:
    assert set(cases_with_a_test()) == set(CASES)
