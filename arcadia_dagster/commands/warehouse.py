"""`arcadia warehouse`: commands for the warehouse as a whole."""

import argparse
from pathlib import Path

from arcadia_dagster.commands.common import (
    OK,
    complaints,
    new_console,
    print_json,
)
from arcadia_dagster.commands.home import Home
from arcadia_dagster.warehouse import Warehouse


def copy(options: argparse.Namespace) -> int:
    """Copy all rows of one warehouse into another that is new, and compare them."""
    home = Home.open()
    from arcadia_dagster.warehouse.copy import copy

    with complaints():
        source = _named(home, options.source, options.from_data)
        target = _named(home, options.target, options.to_data)
        with new_console(stderr=True).status("copying") as shown:
            copied = copy(source, target, told=lambda table: shown.update(f"copying {table}"))
    if options.json:
        tables = [{"table": table.table, "rows": table.rows, "months": table.months} for table in copied]
        print_json({"from": source.name, "to": target.name, "tables": tables})
        return OK
    for table in copied:
        months = f" in {table.months:,} months" if table.months else ""
        print(f"{table.table:<18} {table.rows:>12,} rows{months}")
    print(
        "counts, sums and checksums of every table and month are the same in both; set ARCADIA_WAREHOUSE to the new one"
    )
    return OK


def _named(home: Home, location: str, data: Path | None) -> Warehouse:
    """A warehouse as a person names it: a file relative to where they are."""
    where = location if location.startswith("ducklake:") else Path(location).expanduser().absolute()
    return Warehouse(
        where,
        lock_timeout=home.settings.lock_timeout,
        data_path=data or home.settings.data_path,
        work_path=home.settings.lake_work,
    )
