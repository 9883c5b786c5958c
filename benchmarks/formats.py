"""Row 9: a document of each format of costs, from the inbox to `tax_split_totals`, beside bare DuckDB with the same columns."""

import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from arcadia_dagster_tests.kit.generate import Totals
from benchmarks import aws, described, focus, sums
from benchmarks.bare_duckdb import files_in
from benchmarks.measure import Samples, Side, require, side_by_side
from benchmarks.report import Results
from benchmarks.size import Size, counted

_MOST = 1.3
_MOST_OF_ONE_STREAM = 1.2
_NOTE = (
    "the floor archives and hashes the bytes, stores all columns of `cost_lines` and reads no others, as ours does, and knows "
    "how everything is written beforehand."
)


@dataclass(frozen=True, slots=True)
class _Document:
    """One kind of document.

    Attributes:
        name: The file's name.
        what: What the results call it.
        write: Writes so many lines into a file.
        floor: The function of bare DuckDB.
        alone: The function that reads the document and does nothing else; it is there for one stream, which one core reads.
        others: Other functions by what the results call them, such as polars; they neither archive nor hash.
        descriptions: The files of the folder of formats.
    """

    name: str
    what: str
    write: Callable[..., Totals]
    floor: str
    alone: str = ""
    others: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)


_DOCUMENTS = (
    _Document("focus.csv", "FOCUS CSV", focus.write, "focus:bare_csv", others={"polars": "focus:polars_csv"}),
    _Document("focus.csv.gz", "FOCUS CSV.gz", focus.write, "focus:bare_csv", alone="focus:csv_alone"),
    _Document(
        "focus.parquet", "FOCUS Parquet", focus.write, "focus:bare_parquet", others={"polars": "focus:polars_parquet"}
    ),
    _Document("cur.csv.gz", "AWS CSV.gz", aws.write, "aws:bare_csv", alone="aws:csv_alone"),
    _Document("cur.parquet", "AWS Parquet", aws.write, "aws:bare_parquet"),
    _Document(
        described.NAME,
        "described CSV",
        described.write,
        "described:bare",
        descriptions={"examplehost.toml": described.DESCRIPTION},
    ),
)


def measure(results: Results, *, size: Size, rows: Collection[str]) -> None:  # noqa: ARG001 - one row
    """Measure the row."""
    lines = size.pick(tiny=2_000, quick=200_000, full=1_000_000)
    for document in _DOCUMENTS:
        found = _found(document, lines=lines, runs=size.pick(tiny=1, quick=3, full=5))
        work = f"{document.what} of {counted(lines)} lines, landing to totals"
        ours, bare = found.pop("ours"), found.pop("bare DuckDB")
        against = "bare DuckDB, tuned, with the same columns, archived bytes and hash"
        results.compare("9", work, ours, against, bare, most=_MOST, note=_NOTE)
        if (alone := found.pop("reading alone", None)) is not None:
            against = "DuckDB that reads the same columns of the one stream, and does nothing else"
            results.compare("9", work, ours, against, alone, most=_MOST_OF_ONE_STREAM)
        for label, samples in found.items():
            results.compare("9", work, ours, f"{label}, nothing archived or hashed", samples)


def _found(document: _Document, *, lines: int, runs: int) -> dict[str, Samples]:
    with tempfile.TemporaryDirectory(prefix="arcadia-bench-") as folder:
        source, descriptions = Path(folder) / "files", Path(folder) / "formats"
        source.mkdir()
        descriptions.mkdir()
        for name, text in document.descriptions.items():
            (descriptions / name).write_text(text, encoding="utf-8")
        totals = document.write(source / document.name, lines=lines)
        ours = {"source": str(source), **({"descriptions": str(descriptions)} if document.descriptions else {})}
        functions = {"bare DuckDB": document.floor, **document.others}
        if document.alone:
            functions["reading alone"] = document.alone
        sides = [Side(label, function, {"source": str(source)}) for label, function in functions.items()]
        found = side_by_side(Side("ours", "reading:ours", ours), *sides, runs=runs)
        same = {label: found[label] for label in ("ours", "bare DuckDB")}
        require(same, sums.expected([totals], archived=files_in(str(source))))
    alone = {label: samples for label, samples in found.items() if label == "reading alone"}
    require(alone, {"lines": lines})
    require({label: samples for label, samples in found.items() if label not in alone}, sums.expected([totals]))
    return found
