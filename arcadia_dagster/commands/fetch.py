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
    load_settings,
    new_console,
    parse_months,
    print_json,
    progress,
    resources_of,
    warehouse_of,
)
from arcadia_dagster.settings import TOKEN_VARIABLE


def fetch(options: argparse.Namespace) -> int:
    """Put new and changed invoices into the inbox, and without months also what the account runs; exit 1 where some are left."""
    # Before the definitions are imported, which read the settings too.
    values = load_settings()
    if not values.digitalocean_token:
        raise CommandError(f"DigitalOcean is not configured: set {TOKEN_VARIABLE}", MISUSED)
    from arcadia_dagster.providers.errors import ProviderError

    months = parse_months(options.months, values) if options.months else None
    digitalocean = resources_of(values)["digitalocean"]
    if not values.inbox.exists():
        with complaints():
            values.inbox.mkdir(parents=True)
        print(f"made the inbox {values.inbox}", file=sys.stderr)
    console = new_console(stderr=True)
    with complaints(ProviderError), progress("fetch from DigitalOcean", console) as advance:
        fetched = digitalocean.fetch(warehouse_of(values), values.inbox, months=months, progress=advance)
    for what, why in fetched.left.items():
        console.print(f"{what}: left: {why}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    if options.json:
        print_json(asdict(fetched))
    else:
        for name in fetched.files:
            print(name)
        older = f", {fetched.older} older than ARCADIA_FIRST_MONTH" if fetched.older else ""
        print(f"{len(fetched.files)} new in {values.inbox}; {fetched.known} invoices were there already{older}")
        if fetched.files:
            print("run `arcadia ingest` to take them; a running deployment does it by itself")
    return FAILED if fetched.left else OK
