"""What the rows found, as text for a terminal and as `RESULTS.md`."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.measure import Samples, ratios

PACKAGES = ("dagster", "duckdb", "pandas", "pyarrow", "httpx", "polars", "dlt")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One line of the results: what was measured, what it is compared with, and the target.

    Attributes:
        row: The row's number.
        work: What was done.
        against: What it is compared with.
        figure: What came out, such as `2.31 s (2.28..2.40) against 1.80 s (1.77..1.92)`.
        ratio: The result that the target is about, such as `1.28x`.
        target: The target, such as `<= 1.3x`.
        met: Whether it was met; None where there is no target.
        note: What else to know.
    """

    row: int
    work: str
    against: str
    figure: str
    ratio: str
    target: str
    met: bool | None
    note: str = ""


@dataclass(slots=True)
class Results:
    """What all rows found."""

    comparisons: list[Comparison] = field(default_factory=list)

    def compare(
        self, row: int, work: str, mine: Samples, against: str, other: Samples, *, most: float, note: str = ""
    ) -> None:
        """Add a ratio of times, the median over pairs of runs, that should be `most` at most."""
        found = statistics.median(ratios(mine, other))
        figure = f"{mine.median:.3g} s ({mine.spread}) against {other.median:.3g} s ({other.spread})"
        self.comparisons.append(
            Comparison(row, work, against, figure, f"{found:.2f}x", f"<= {most:g}x", found <= most, note)
        )

    def add(self, comparison: Comparison) -> None:
        """Add a line that is no plain ratio."""
        self.comparisons.append(comparison)


def table(comparisons: Sequence[Comparison]) -> str:
    """The lines as a Markdown table."""
    rows = [
        "| # | work | against | seconds: median (least..most) | result | target | |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in comparisons:
        verdict = {True: "met", False: "**missed**", None: ""}[one.met]
        rows.append(
            f"| {one.row} | {one.work} | {one.against} | {one.figure} | {one.ratio} | {one.target} | {verdict} |"
        )
    return "\n".join(rows)


def as_markdown(results: Results, *, command: str, seconds: float) -> str:
    """The whole of `RESULTS.md`."""
    notes = [f"- Row {one.row}, {one.work}: {one.note}" for one in results.comparisons if one.note]
    return "\n".join(
        [
            "# Results",
            "",
            f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d} in {seconds:.0f} s. Each side ran in a process",
            "of its own, in turn with the other; ratios are medians over pairs. Every side's sums were checked.",
            "",
            f"- Machine: {_machine()}",
            f"- Versions: Python {platform.python_version()}, {', '.join(_versions())}",
            "",
            table(results.comparisons),
            "",
            *(notes and ["## Notes", "", *notes, ""]),
        ]
    )


def _machine() -> str:
    model = "unknown processor"
    if (info := Path("/proc/cpuinfo")).exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {len(os.sched_getaffinity(0))} processors, {memory:.0f} GiB, {platform.system()}"


def _versions() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return found
