"""The benchmark of several workers on a lake, with next to no input: does it work?"""

import re

import pytest

from benchmarks.workers import main


@pytest.mark.timeout(300)
def test_each_way_fills_a_lake_with_all_months(capsys: pytest.CaptureFixture[str]) -> None:
    # One worker alone fills it in row 12 of `make bench-smoke`.
    main(["--lines", "20", "--months", "2", "--workers", "2"])
    rows = re.findall(r"^\| (replace|append) \| (\d+) \| (\d) \| ", capsys.readouterr().out, flags=re.MULTILINE)
    assert rows == [(way, months, "2") for way, months in WAYS]


WAYS = (("replace", "1"), ("replace", "12"), ("append", "1"))
