"""What a person reads where a lake is set and something of it is missing: each before Postgres is asked."""

import subprocess
import sys
from pathlib import Path

import pytest

from arcadia_dagster.warehouse import Warehouse, WarehouseError

# As on a machine without the extra `scale`: Python says of a module that is None that it is not there.
_WITHOUT = """
import sys
from pathlib import Path
sys.modules[sys.argv[1]] = None
from arcadia_dagster.warehouse import Warehouse, WarehouseError
try:
    with Warehouse("ducklake:postgres:dbname=lake", data_path=sys.argv[2]).read():
        pass
except WarehouseError as error:
    print(error)
"""


def test_a_lake_without_a_folder_for_its_files_names_the_setting() -> None:
    with pytest.raises(WarehouseError, match="set ARCADIA_DATA_PATH"):
        Warehouse("ducklake:postgres:dbname=lake")


def test_a_lake_without_its_packages_says_what_to_install(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", _WITHOUT, "psycopg2", str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == (
        "ARCADIA_WAREHOUSE=ducklake:...: psycopg2 is not installed; pip install 'arcadia-dagster[scale]'"
    )
