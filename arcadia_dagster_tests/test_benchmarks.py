"""The benchmarks as a program: what becomes of a row that fails, what is written, who quotes it. `make bench-smoke` runs them."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Collection
from datetime import date
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import psutil
import pytest

import benchmarks.__main__ as program
from arcadia_dagster.cli import main
from arcadia_dagster.definitions import build_defs
from arcadia_dagster_tests.kit.generate import Totals, write_large
from arcadia_dagster_tests.kit.project import Project, digitalocean, instance_in_memory, invoice_name, line, tax
from benchmarks import aws, bare_duckdb, described, empty, focus, sums
from benchmarks.answering import answering, raw_rate, received
from benchmarks.measure import BenchmarkError, Stopwatch
from benchmarks.report import COSTS_BEGIN, COSTS_END, Comparison, Results, as_markdown, costs_table, write_costs
from benchmarks.size import Size, counted
from benchmarks.soak import largest_of
from benchmarks.starting import TOTALS_EXPLAINED

ROOT = Path(__file__).resolve().parent.parent
PERFORMANCE = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")


def row_of(number: str, work: str = "work") -> Comparison:
    return Comparison(number, work, "", "1 s", "1.00x", "", None)


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of which some fail: before they find anything, or after; with our error, or with any."""
    works, fails, fails_late, says_nothing = (ModuleType(f"benchmarks.{name}") for name in ("a", "b", "c", "d"))

    def measure(results: Results, *, size: Size, rows: Collection[str]) -> None:
        for row in rows:
            results.add(row_of(row, f"row {row} at {size.value}"))
            results.cost(row, f"work of row {row}", 0.00123)

    def fail(results: Results, *, size: Size, rows: Collection[str]) -> None:
        raise BenchmarkError("our assets and checks, empty: {'materializations': 8}\ninstead of 5 | 6")

    def fail_late(results: Results, *, size: Size, rows: Collection[str]) -> None:
        measure(results, size=size, rows=list(rows)[:1])
        raise KeyError("gross")

    def say_nothing(results: Results, *, size: Size, rows: Collection[str]) -> None:
        pass

    for module, function in ((works, measure), (fails, fail), (fails_late, fail_late), (says_nothing, say_nothing)):
        module.measure = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(program, "ROWS", {("1", "2"): "c", ("3",): "b", ("4",): "a", ("5",): "d", ("5b", "10"): "a"})


@pytest.mark.parametrize("options", [[], ["--full"], ["--tiny"]])
def test_a_row_that_fails_is_told_of_the_others_are_written_and_the_command_fails(
    rows: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    out = tmp_path / "results.md"
    assert program.main(["--rows", "1", "2", "3", "4", "5", "5b", "10", "--out", str(out), *options]) == 1
    written, told = out.read_text(encoding="utf-8"), capsys.readouterr().err
    size = (options or ["--quick"])[0].removeprefix("--")
    for row in (1, 4, "5b", 10):
        assert f"| {row} | row {row} at {size} |" in written
    for failed, error in (
        ("1, 2", "KeyError: 'gross'"),
        ("3", "BenchmarkError: our assets and checks, empty: {'materializations': 8}"),
        ("5", "BenchmarkError: it found nothing"),
    ):
        assert re.search(rf"^\| {failed} \|.*\*\*failed\*\* \|$", written, flags=re.MULTILINE)
        assert f"Row {failed}:\n\n    {error}" in written
        assert f"row {failed} failed: {error}" in told
    assert re.findall(r"^\| (\w+) \| row", written, flags=re.MULTILINE) == ["1", "4", "5b", "10"]
    assert "    instead of 5 | 6" in written
    assert "| work of row 4 | 1.2 ms | 4 |" in written


def test_rows_that_work_are_no_failure_and_tiny_ones_write_nothing(
    rows: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "FOLDER", tmp_path)
    monkeypatch.setattr(program, "COSTS", tmp_path / "performance.md")
    monkeypatch.setattr(program, "ROWS", {("4",): "a", ("5b", "10"): "a"})
    assert program.main(["--tiny", "--rows", "4", "5b", "10"]) == 0
    assert "rows 4, 5b, 10: they work" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "performance.md").write_text(
        f"Before.\n\n{COSTS_BEGIN}\nold\n{COSTS_END}\n\nAfter.\n", encoding="utf-8"
    )
    assert program.main([]) == 0
    quoted = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert re.fullmatch(rf"Before\.\n\n{COSTS_BEGIN}\n\n\| one .*\n\n{COSTS_END}\n\nAfter\.\n", quoted, flags=re.DOTALL)
    assert quoted_costs(quoted) in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")


def test_a_row_that_this_machine_cannot_measure_is_told_of_and_is_no_failure(
    rows: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = ModuleType("benchmarks.needs")

    def leave_out(results: Results, *, size: Size, rows: Collection[str]) -> None:
        results.leave_out("12", "it needs Postgres: apt-get install postgresql")

    needs.measure = leave_out  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, needs.__name__, needs)
    monkeypatch.setattr(program, "ROWS", {("4",): "a", ("12",): "needs"})
    out = tmp_path / "results.md"
    assert program.main(["--rows", "4", "12", "--out", str(out)]) == 0
    assert "| 12 | left out: it needs Postgres: apt-get install postgresql | | | | | |" in out.read_text(
        encoding="utf-8"
    )
    assert "row 12 is left out: it needs Postgres: apt-get install postgresql" in capsys.readouterr().err


def test_a_document_without_a_place_for_the_costs_is_not_written(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"{COSTS_BEGIN}\n", encoding="utf-8")
    with pytest.raises(BenchmarkError, match="lacks the lines"):
        write_costs(Results(), document)
    assert document.read_text(encoding="utf-8") == f"{COSTS_BEGIN}\n"


def test_numbers_are_written_for_people() -> None:
    assert [counted(number) for number in (10_000_000, 200_000, 1_500, 20)] == ["10M", "200k", "1500", "20"]
    results = Results()
    for seconds in (75.2, 1.03, 0.22, 0.00497, 0.000996, 4.46e-06, 3e-10):
        results.cost("1", "one", seconds)
    assert [cost.amount for cost in results.costs] == ["75 s", "1 s", "220 ms", "5 ms", "1 ms", "4.5 µs", "0.0003 µs"]
    assert costs_table(results) in as_markdown(results, command="make bench", seconds=1)


# What rows compare with.


def test_row_5s_own_graph_has_a_step_for_each_asset() -> None:
    graph = build_defs(environ={}).resolve_asset_graph()
    with instance_in_memory() as instance:
        assert empty.run(empty.same_graph(), instance, "2026-04", "2026-04") == len(graph.materializable_asset_keys)
    of_empty = empty.same_graph().resolve_asset_graph()
    assert set(of_empty.asset_check_keys) == set(graph.asset_check_keys)
    for key in graph.materializable_asset_keys:
        assert of_empty.get(key).parent_keys == graph.get(key).parent_keys


def test_row_8_finds_the_totals_that_explain_prints_once(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.build()
    for name, value in {**project.environ, "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAGSTER_HOME", str(ROOT))
    assert main(["explain", "1001"]) == 0
    printed = capsys.readouterr().out
    assert "borne by" in printed
    assert [found.strip() for found in re.findall(TOTALS_EXPLAINED, printed)] == ["gross 6.60 USD"]


@pytest.mark.parametrize(
    ("write", "name", "floor"),
    [
        (focus.write, "focus.csv", focus.bare_csv),
        (focus.write, "focus.csv.gz", focus.bare_csv),
        (focus.write, "focus.parquet", focus.bare_parquet),
        (aws.write, "cur.csv.gz", aws.bare_csv),
        (aws.write, "cur.parquet", aws.bare_parquet),
        (described.write, described.NAME, described.bare),
        (partial(write_large, month=date(2024, 7, 1), seed=1), "do.csv", bare_duckdb.whole),
    ],
)
def test_a_floor_keeps_the_bytes_and_stores_every_column_that_we_store(
    tmp_path: Path, write: Callable[..., Totals], name: str, floor: Callable[..., dict[str, Any]]
) -> None:
    source, folder = tmp_path / "files", tmp_path / "floor"
    source.mkdir()
    folder.mkdir()
    totals = write(source / name, lines=40)
    found = floor(Stopwatch(), folder, source=str(source))
    assert found == sums.expected([totals], archived=[source / name])


def test_the_service_that_answers_at_once_tells_what_it_was_sent() -> None:
    bodies = [json.dumps({"source": "a", "external_id": str(number), "amount_gross_minor": 5}) for number in (1, 2)]
    with answering() as url, httpx.Client(base_url=url, trust_env=False) as client:
        for body in (*bodies, bodies[0]):
            answer = client.post("/any", content=body)
            assert (answer.status_code, answer.json()["action"]) == (201, "created")
        found = received(url)
        assert {**found, "bodies": ""} == {"invoices": 2, "gross_minor": 10, "received": 3, "bodies": ""}
        assert raw_rate(url, "/any", bodies[1].encode(), connections=2, seconds=0.01) > 0
        assert received(url)["bodies"] != found["bodies"]


# Who quotes the results.


def quoted_costs(document: str) -> str:
    """What a document quotes."""
    [quoted] = re.findall(rf"{re.escape(COSTS_BEGIN)}\n\n(.*)\n\n{re.escape(COSTS_END)}", document, flags=re.DOTALL)
    return str(quoted)


def test_a_process_that_has_ended_takes_no_memory_in_a_long_run() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.DEVNULL)
    try:
        process = psutil.Process(ended.pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            pass
        assert largest_of([process]) == {}
        [(count, largest)] = largest_of([process, psutil.Process(), psutil.Process()]).values()
        assert (count, largest > 0) == (2, True)
    finally:
        ended.wait()


def test_what_the_documents_say_of_costs_is_what_the_results_say() -> None:
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    assert f"## What one of each costs\n\n{quoted_costs(PERFORMANCE)}\n" in results


def test_no_figure_that_was_measured_stands_outside_of_what_is_quoted() -> None:
    own = PERFORMANCE.replace(quoted_costs(PERFORMANCE), "")
    figures = re.findall(
        r"\d[\d.,]*(?:\s?(?:to|-)\s?\d[\d.,]*)?\s?(?:s|ms|µs|us|seconds?|minutes?|hours?|[KMG]i?B|x|%)\b", own
    )
    assert figures == []


def test_every_row_of_the_results_is_a_row_of_the_program() -> None:
    known = {row for rows in program.ROWS for row in rows}
    for name in ("RESULTS.md", "RESULTS-full.md"):
        results = (ROOT / "benchmarks" / name).read_text(encoding="utf-8")
        assert set(re.findall(r"^\| (\d+b?) \| ", results, flags=re.MULTILINE)) <= known
    assert set(re.findall(r"rows? (\d+b?)", PERFORMANCE)) <= known
