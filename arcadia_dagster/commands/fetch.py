"""`arcadia fetch`: downloading what is new at a provider into the inbox."""

import argparse
import sys
from dataclasses import asdict

from arcadia_dagster.commands.common import (
    FAILED,
    MISUSED,
    OK,
    CommandError,
    complaints,
    new_console,
    parse_months,
    print_json,
    progress,
)
from arcadia_dagster.commands.home import Home
from arcadia_dagster.settings import TOKEN_VARIABLE


def fetch(options: argparse.Namespace) -> int:
    """Put new and changed invoices into the inbox, and without months also what the account runs; exit 1 where some are left."""
    # Before the definitions are imported, which read the settings too.
    home = Home.open()
    if not home.settings.digitalocean_token:
        raise CommandError(f"DigitalOcean is not configured: set {TOKEN_VARIABLE}", MISUSED)
    from arcadia_dagster.providers.errors import ProviderError

    months = parse_months(options.months, home.settings) if options.months else None
    digitalocean = home.resources.digitalocean
    if not home.settings.inbox.exists():
        with complaints():
            home.settings.inbox.mkdir(parents=True)
        print(f"made the inbox {home.settings.inbox}", file=sys.stderr)
    console = new_console(stderr=True)
    with complaints(ProviderError), progress("fetch from DigitalOcean", console) as advance:
        fetched = digitalocean.fetch(home.warehouse, home.settings.inbox, months=months, progress=advance)
    for what, why in fetched.left.items():
        console.print(f"{what}: left: {why}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    if options.json:
        print_json(asdict(fetched))
    else:
        for name in fetched.files:
            print(name)
        older = f", {fetched.older} older than ARCADIA_FIRST_MONTH" if fetched.older else ""
        print(f"{len(fetched.files)} new in {home.settings.inbox}; {fetched.known} invoices were there already{older}")
        if fetched.files:
            print("run `arcadia ingest` to take them; a running deployment does it by itself")
    return FAILED if fetched.left else OK
