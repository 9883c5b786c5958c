"""The program as its user runs it: commands and finance's sandbox as processes, in a home that is no one else's."""

import os
import re
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.measure import BenchmarkError

# What the script `arcadia` does that is installed with the program.
ARCADIA = "import sys; from arcadia_dagster.cli import main; sys.exit(main())"

_BUILD = (
    "import sys; from pathlib import Path; from arcadia_dagster_tests.kit.plain import build, warehouse_of; "
    "build(warehouse_of(Path(sys.argv[1])))"
)
_ROOT = Path(__file__).resolve().parents[1]


def environ_of(home: Path, **more: str) -> dict[str, str]:
    """Our environment without the settings of whoever runs the benchmarks, and with this home."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("ARCADIA_", "SKYAI_"))}
    ours.pop("DAGSTER_HOME", None)
    return {**ours, "ARCADIA_HOME": str(home), "ARCADIA_SETTLE_SECONDS": "0", **more}


def with_storage(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with Dagster's instance as `make run` has it: by the project's dagster.yaml, stored in the home."""
    return {**environ, "DAGSTER_HOME": str(_ROOT)}


def python(code: str, *arguments: str, cwd: Path, environ: Mapping[str, str]) -> str:
    """Run a line of Python in a process of its own; what it printed.

    Raises:
        BenchmarkError: It failed.
    """
    result = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", code, *arguments], cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    if result.returncode:
        told = f"{result.stdout[-2000:]}{result.stderr[-2000:]}"
        raise BenchmarkError(f"{code} {' '.join(arguments)} failed:\n{told}")
    return result.stdout


def arcadia(home: Path, *arguments: str, **environ: str) -> str:
    """Run a command of the program; what it printed. It runs in its home, so no `.env` is read."""
    return python(ARCADIA, *arguments, cwd=home, environ=environ_of(home, **environ))


def build_elsewhere(home: Path) -> None:
    """Land and build a home's inbox in another process: what it needs does not count as our memory, or our children's."""
    python(_BUILD, str(home), cwd=_ROOT, environ=environ_of(home))


@contextmanager
def sandbox(folder: Path) -> Iterator[tuple[str, str]]:
    """Finance's sandbox in a process of its own, with a fresh file: its URL and its secret."""
    secret = secrets.token_urlsafe(48)
    command = [sys.executable, "-c", ARCADIA, "finance-sandbox", "--port", "0", "--file", str(_finance_file(folder))]
    environ = environ_of(folder, SKYAI_FINANCE_SECRET=secret)
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            line = process.stdout.readline() if process.stdout else ""
            url = re.search(r"http://\S+", line)
            if url is None:
                raise BenchmarkError("the sandbox did not start")
            yield url[0], secret
        finally:
            process.terminate()


def finance_sums(folder: Path) -> dict[str, Any]:
    """What the sandbox of this folder has, and how often it was sent."""
    with closing(sqlite3.connect(_finance_file(folder))) as connection:
        query = "SELECT count(*), sum(amount_gross_minor), sum(times_received) FROM invoices"
        invoices, gross, received = connection.execute(query).fetchone()
    return {"invoices": invoices, "gross_minor": gross, "received": received}


def warehouse_sums(home: Path) -> dict[str, int]:
    """How many invoices and lines the warehouse of this home has, and what they come to."""
    with duckdb.connect(str(home / "arcadia.duckdb"), read_only=True) as connection:
        query = (
            "SELECT count(*), sum(line_count), sum(amount_gross_minor), (SELECT count(*) FROM cost_lines) "
            "FROM tax_split_totals"
        )
        names = ("invoices", "lines", "gross_minor", "cost_lines")
        return {name: int(value) for name, value in zip(names, connection.execute(query).fetchall()[0], strict=True)}


def stated_sums(invoices: Sequence[Any]) -> dict[str, int]:
    """What the generator says of its invoices, as `warehouse_sums` names it."""
    lines = sum(invoice.line_count for invoice in invoices)
    gross = sum(int(invoice.gross * 100) for invoice in invoices)
    return {"invoices": len(invoices), "lines": lines, "gross_minor": gross, "cost_lines": lines}


def _finance_file(folder: Path) -> Path:
    return folder / "finance.sqlite"
