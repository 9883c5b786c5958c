"""What the rows found, as text for a terminal and as `RESULTS.md`."""

import os
import platform
import re
import statistics
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.measure import BenchmarkError, Samples, ratios

PACKAGES = ("dagster", "duckdb", "pandas", "pyarrow", "httpx", "polars", "dlt")

COSTS_BEGIN = "<!-- From benchmarks/RESULTS.md: `make bench` writes it anew. -->"
COSTS_END = "<!-- End of what is from benchmarks/RESULTS.md. -->"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One line of the results: what was measured, what it is compared with, and the target.

    Attributes:
        row: The row's number, such as `5`, or `5b` for one that belongs to it.
        work: What was done.
        against: What it is compared with.
        figure: What came out, such as `2.31 s (2.28..2.40) against 1.80 s (1.77..1.92)`.
        ratio: The result that the target is about, such as `1.28x`.
        target: The target, such as `<= 1.3x`.
        met: Whether it was met; None where there is no target.
        note: What else to know.
    """

    row: str
    work: str
    against: str
    figure: str
    ratio: str
    target: str
    met: bool | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one of something costs.

    Attributes:
        row: The row that it follows from.
        what: One of what.
        amount: How much, with its unit.
    """

    row: str
    what: str
    amount: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Rows that could not be measured to their end.

    Attributes:
        rows: Their numbers: `5`, or `1, 2`.
        error: What went wrong.
    """

    rows: str
    error: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that this machine cannot measure, which is no failure.

    Attributes:
        row: Its number.
        why: What is missing, and how to have it.
    """

    row: str
    why: str


@dataclass(slots=True)
class Results:
    """What all rows found."""

    comparisons: list[Comparison] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def compare(
        self,
        row: str,
        work: str,
        mine: Samples,
        against: str,
        other: Samples,
        *,
        most: float | None = None,
        note: str = "",
    ) -> None:
        """Add a ratio of times, the median over pairs of runs, that should be `most` at most; None: it has no target."""
        found = statistics.median(ratios(mine, other))
        figure = f"{mine.shown} against {other.shown}"
        target, met = ("", None) if most is None else (f"<= {most:g}x", found <= most)
        self.comparisons.append(Comparison(row, work, against, figure, f"{found:.2f}x", target, met, note))

    def add(self, comparison: Comparison) -> None:
        """Add a line that is no plain ratio."""
        self.comparisons.append(comparison)

    def cost(self, row: str, what: str, seconds: float) -> None:
        """Add what one of something takes."""
        # Two digits, and never `2.2e+02` or `1000 µs`.
        shown = float(f"{seconds:.2g}")
        unit, name = next(one for one in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")) if shown >= one[0] or one[1] == "µs")
        self.costs.append(Cost(row, what, f"{float(f'{shown / unit:.2g}'):g} {name}"))

    def leave_out(self, row: str, why: str) -> None:
        """Add a row that this machine cannot measure."""
        self.left_out.append(LeftOut(row, why))

    def fail(self, rows: Collection[str], error: Exception) -> None:
        """Add rows that failed. What they found before stands."""
        text = str(error).strip() or "no more is known"
        self.failures.append(Failure(", ".join(rows), f"{type(error).__name__}: {text}"))


def in_order(row: str) -> tuple[int, str]:
    """A key that sorts `5`, `5b`, `6`, `10`."""
    number = re.match(r"\d+", row)
    return (int(number[0]), row) if number else (0, row)


def table(results: Results) -> str:
    """The lines as a Markdown table, with those rows that failed."""
    rows = [
        "| # | work | against | seconds: median (least..most) | result | target | |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in sorted(results.comparisons, key=lambda comparison: in_order(comparison.row)):
        verdict = {True: "met", False: "**missed**", None: ""}[one.met]
        rows.append(
            f"| {one.row} | {one.work} | {one.against} | {one.figure} | {one.ratio} | {one.target} | {verdict} |"
        )
    rows += [f"| {one.row} | left out: {one.why} | | | | | |" for one in results.left_out]
    rows += [f"| {failure.rows} | not measured, see below | | | | | **failed** |" for failure in results.failures]
    return "\n".join(rows)


def costs_table(results: Results) -> str:
    """What one of each costs, as a Markdown table."""
    found = sorted(results.costs, key=lambda cost: in_order(cost.row))
    return "\n".join(
        ["| one | costs | row |", "|---|---|---|", *(f"| {one.what} | {one.amount} | {one.row} |" for one in found)]
    )


def write_costs(results: Results, document: Path) -> None:
    """Replace what a document quotes of the results, between the two lines that say so."""
    before, begin, rest = document.read_text(encoding="utf-8").partition(COSTS_BEGIN)
    _, end, after = rest.partition(COSTS_END)
    if not (begin and end):
        raise BenchmarkError(f"{document} lacks the lines {COSTS_BEGIN!r} and {COSTS_END!r}")
    document.write_text(f"{before}{COSTS_BEGIN}\n\n{costs_table(results)}\n\n{COSTS_END}{after}", encoding="utf-8")


def as_markdown(results: Results, *, command: str, seconds: float) -> str:
    """The whole of `RESULTS.md`."""
    notes = [f"- Row {one.row}, {one.work}: {one.note}" for one in results.comparisons if one.note]
    failures = [
        line
        for failure in results.failures
        for line in (f"Row {failure.rows}:", "", *(f"    {told}" for told in failure.error.splitlines()), "")
    ]
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
            table(results),
            "",
            *(["## Failed", "", *failures] if failures else []),
            *(["## What one of each costs", "", costs_table(results), ""] if results.costs else []),
            *(["## Notes", "", *notes, ""] if notes else []),
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
