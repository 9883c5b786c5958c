import os
import subprocess
import sys
from pathlib import Path

from arcadia_dagster.store.scratch import scratch_path, sweep

MAKE = "import sys; from pathlib import Path; from arcadia_dagster.store.scratch import scratch_path; "
MAKE += "path = scratch_path(Path(sys.argv[1]), 'work'); path.mkdir(); (path / 'part').touch(); print(path)"


def test_what_a_dead_process_left_is_deleted_and_what_a_living_one_uses_is_not(tmp_path: Path) -> None:
    beside = tmp_path / "arcadia.duckdb"
    made = subprocess.run([sys.executable, "-c", MAKE, beside], check=True, capture_output=True, text=True)
    dead = Path(made.stdout.strip())
    own = scratch_path(beside, "work")
    own.mkdir()
    elsewhere = tmp_path / f"arcadia.duckdb.work.another-host.{os.getpid()}.abc"
    elsewhere.mkdir()
    other_kind = tmp_path / "arcadia.duckdb.work-of-art"
    other_kind.mkdir()
    assert dead.exists()

    sweep(beside, "work")

    assert not dead.exists()
    assert all(path.is_dir() for path in (own, elsewhere, other_kind))


def test_two_names_are_never_the_same(tmp_path: Path) -> None:
    assert scratch_path(tmp_path / "a", "work") != scratch_path(tmp_path / "a", "work")
