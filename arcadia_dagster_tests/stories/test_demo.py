"""The demo shows what happened, and fails when what it claims did not hold."""

import io
import re
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from arcadia_dagster import demo

APRIL = "DigitalOcean Invoice 2026 Apr (0000000-900000004).csv"


def _run(sample: Path) -> str:
    console = Console(file=io.StringIO(), width=120)
    demo.run(sample, console=console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo.SAMPLE, tmp_path / "sample"))


@pytest.fixture
def small(sample: Path) -> Path:
    """Two of the months, which are enough; `make demo` shows all."""
    for file in (sample / "inbox").iterdir():
        if not file.name.startswith(("DigitalOcean Invoice 2026 Apr", "DigitalOcean Invoice 2026 May")):
            file.unlink()
    return sample


def _april(printed: str) -> list[str]:
    return [" ".join(line.split()) for line in printed.splitlines() if " 900000004 " in line]


def test_the_demo_prints_what_is_in_the_files_and_changing_one_line_changes_it(small: Path) -> None:
    file = small / "inbox" / APRIL
    text = file.read_text(encoding="utf-8")
    changed = re.sub(r"^(Droplets,,web-01 .*),\$6\.00,", r"\1,$7.23,", text, count=1, flags=re.MULTILINE)
    assert changed != text
    file.write_text(changed, encoding="utf-8")

    first, again, reissued = _april(_run(small))

    assert first.startswith("2026-04 900000004 33 88.15 80.25 7.90 USD created ")
    assert again.startswith("2026-04 900000004 33 88.15 80.25 7.90 USD updated ")
    assert reissued == again


def test_the_demo_fails_where_an_invoice_is_held(small: Path) -> None:
    file = small / "inbox" / APRIL
    file.write_text(re.sub(r"\$7\.90,", "$7900.00,", file.read_text(encoding="utf-8")), encoding="utf-8")

    with pytest.raises(demo.DemoError, match="held"):
        _run(small)


def test_the_demo_fails_where_the_bad_file_is_not_rejected(small: Path) -> None:
    [bad] = (small / "rejected").iterdir()
    bad.write_text(bad.read_text(encoding="utf-8").replace("$1.234,56", "$1,234.56"), encoding="utf-8")

    with pytest.raises(demo.DemoError, match="not rejected"):
        _run(small)
