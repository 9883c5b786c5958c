"""`arcadia export`: invoices and lines as files for other programs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from arcadia_dagster.commands.common import (
    MISUSED,
    OK,
    CommandError,
    complaints,
    harmless,
    new_console,
    parse_months,
    print_json,
)
from arcadia_dagster.commands.home import Home
from arcadia_dagster.private_files import as_the_person_writes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcadia_dagster.reports.export import Content, Format


def export(options: argparse.Namespace) -> int:
    """Write invoices, lines or both into a folder, or one of them into a file."""
    home = Home.open()
    from arcadia_dagster.finance.target import target_of
    from arcadia_dagster.reports.export import CONTENTS, export

    months = parse_months(options.months, home.settings) if options.months else None
    wanted: Sequence[Content] = [content for content in CONTENTS if getattr(options, content)] or CONTENTS
    format_, files = _files(options.to, wanted, options.format, options.months)
    warehouse = home.existing_warehouse
    with new_console(stderr=True).status("writing"), complaints(ValueError):
        written = export(warehouse, files, format=format_, months=months, target=target_of(home.settings.finance_url))
    if options.json:
        print_json({"files": [{"path": str(file.path), "rows": file.rows} for file in written]})
        return OK
    for content, file in zip(files, written, strict=True):
        print(harmless(f"{file.path}: {file.rows:,} {content if file.rows != 1 else content.removesuffix('s')}"))
    return OK


def _files(
    to: Path, wanted: "Sequence[Content]", format_: "Format | None", months: str | None
) -> tuple["Format", dict["Content", Path]]:
    """The format and the file of each: `--to` is a file where it ends like one, else a folder."""
    from arcadia_dagster.reports.export import FORMATS

    named = next((extension for extension in FORMATS if to.suffix.lower() == f".{extension}"), None)
    if named is None or to.is_dir():
        if to.exists() and not to.is_dir():
            raise CommandError(
                f"--to {to}: it is a file; name a folder, or a file that ends with .csv or .parquet", MISUSED
            )
        with complaints(), as_the_person_writes():
            to.mkdir(parents=True, exist_ok=True)
        chosen = format_ or "csv"
        period = "" if months is None else "-" + months.replace("..", "-to-")
        return chosen, {content: to / f"{content}{period}.{chosen}" for content in wanted}
    if format_ not in {None, named}:
        raise CommandError(f"--to {to} is not --format {format_}: leave one of them out", MISUSED)
    if len(wanted) > 1:
        raise CommandError(f"--to {to} is one file: say --invoices or --lines, or name a folder for both", MISUSED)
    with complaints(), as_the_person_writes():
        to.parent.mkdir(parents=True, exist_ok=True)
    return named, {wanted[0]: to}
