"""No case of the list of odd and bad input, docs/bad-input.md, is without a test."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "bad-input.md"


def cases_of_the_page() -> list[str]:
    """The numbers of the cases, in the page's order."""
    return re.findall(r"^\| (\d+[a-z]?) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def cases_with_a_test() -> Iterator[str]:
    """The cases that the tests of the modules beside this one have in their ids."""
    for path in sorted(set(Path(__file__).parent.glob("test_*.py")) - {Path(__file__)}):
        module = importlib.import_module(f"{__package__}.{path.stem}")
        for name, function in vars(module).items():
            if name.startswith("test_"):
                for mark in getattr(function, "pytestmark", []):
                    if mark.name == "parametrize":
                        ids = [str(getattr(parameters, "id", "")) for parameters in mark.args[1]]
                        yield from (id_.removeprefix("case_") for id_ in ids if id_.startswith("case_"))


def test_every_case_of_odd_and_bad_input_has_a_test() -> None:
    cases = cases_of_the_page()
    assert len(cases) == len(set(cases)) >= 44
    assert set(cases_with_a_test()) == set(cases)
