"""`arcadia rebuild`: a new warehouse from the archive."""

import argparse
from datetime import UTC, datetime

from arcadia_dagster.commands.common import FAILED, OK, complaints, harmless
from arcadia_dagster.commands.home import Home


def rebuild(options: argparse.Namespace) -> int:  # noqa: ARG001 - every command takes its options
    """Move the warehouse away, build a new one, compare the two, and say what only finance knows."""
    home = Home.open()
    from arcadia_dagster.verification.rebuilding import rebuild as build_anew

    with complaints():
        done = build_anew(home.warehouse, home.landing, home.months, datetime.now(UTC))
    if done.moved_to is not None:
        print(f"the warehouse of before is now {done.moved_to}")
    print(f"{done.documents:,} documents and {done.months:,} months are built from the archive")
    for problem in done.problems:
        print(harmless(problem))
    if done.incomparable is not None:
        print(harmless(f"the two cannot be compared: {done.incomparable}"))
    for table, months in done.differing.items():
        names = ", ".join("rows without a month" if month is None else f"{month:%Y-%m}" for month in months)
        print(f"{table} differs from before in {names}")
    if done.moved_to is not None and done.unreadable is None:
        print(f"{done.records:,} records of what finance answered were taken over")
    else:
        print(
            "what finance answered is not in the archive: run `arcadia reconcile`, then `arcadia ingest`, which pushes each "
            "invoice once more; finance keeps one row for each"
        )
    home.show_changes()
    return FAILED if done.problems else OK
