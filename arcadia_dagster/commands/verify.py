"""`arcadia verify`: whether everything at rest is what it must be."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from arcadia_dagster.commands.common import FAILED, OK, CommandError, complaints, harmless, print_json
from arcadia_dagster.commands.home import Home
from arcadia_dagster.how_many import how_many
from arcadia_dagster.private_files import as_the_person_writes


def verify(options: argparse.Namespace) -> int:
    """Verify archive, register, totals and finance's records; write or compare a seal where one is named."""
    home = Home.open()
    from arcadia_dagster.landing.verifying import Seal, SealError
    from arcadia_dagster.verification.at_rest import note
    from arcadia_dagster.verification.at_rest import verify as verify_all
    from arcadia_dagster.verification.building_anew import Build

    with complaints(SealError):
        sealed = None if options.against is None else Seal.read(options.against)
        build = Build(home.landing, home.months)
        now = datetime.now(UTC)
        found = verify_all(home.warehouse, home.archive, full=options.full, now=now, sealed=sealed, build=build)
    if options.json:
        print_json(found.as_json())
    else:
        for doubt in found.doubts:
            print(harmless(str(doubt)))
        hashed = "all hashed" if found.is_full else "their lengths compared; --full hashes them"
        print(
            f"{how_many(found.documents, 'document')} of {how_many(found.byte_size, 'byte')} ({hashed}), "
            f"{how_many(found.lines, 'line')} of their records, {how_many(found.invoices, 'invoice')}, "
            f"{how_many(found.deliveries, 'record')} of finance: "
            + (how_many(len(found.doubts), "doubt") if found.doubts else "nothing is doubted")
        )
        if sealed is not None and not any(doubt.kind == "seal" for doubt in found.doubts):
            print(f"nothing that was sealed on {sealed.sealed_at:%Y-%m-%d %H:%M} UTC was changed or removed")
    # After the report: where the disk is full, that is what a person needs.
    if home.settings.home.is_dir():
        with complaints():
            note(home.settings.home, found)
    if options.seal is not None:
        if found.seal is None:
            raise CommandError(f"{options.seal} is not written, for the archive is doubted; settle the doubts first")
        with complaints():
            _write(options.seal, json.dumps(found.seal.as_json(), indent=1) + "\n")
    return FAILED if found.doubts else OK


def _write(file: Path, text: str) -> None:
    """Write a seal into a new file: an earlier one is never replaced."""
    try:
        with as_the_person_writes(), file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise CommandError(f"{file} is there already; a seal is never replaced: name a new file") from None
