"""`arcadia fetch`: downloading what is new at the providers into the inbox."""

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

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
from arcadia_dagster.how_many import how_many

if TYPE_CHECKING:
    from arcadia_dagster.providers.provider import Provider
    from arcadia_dagster.providers.resource import ProvidersResource


def fetch(options: argparse.Namespace) -> int:
    """Put new and changed invoices into the inbox, and without months also what the account runs; exit 1 where some are left."""
    # Before the definitions are imported, which read the settings too.
    home = Home.open()
    from arcadia_dagster.providers.download import Fetched
    from arcadia_dagster.providers.errors import ProviderError

    providers = home.resources.providers
    wanted, given = _asked_for(options, providers)
    months = parse_months(given, home.settings) if given else None
    if not home.settings.inbox.exists():
        with complaints():
            home.settings.inbox.mkdir(parents=True)
        print(f"made the inbox {home.settings.inbox}", file=sys.stderr)
    console = new_console(stderr=True)
    together = Fetched()
    for provider in wanted:
        try:
            with complaints(), progress(f"fetch from {provider.title}", console) as advance:
                fetched = providers.fetch(
                    provider, home.warehouse, home.settings.inbox, months=months, progress=advance
                )
        except ProviderError as error:
            if len(wanted) == 1:
                raise CommandError(str(error)) from error
            fetched = Fetched(left={provider.title: str(error)})
        for what, why in fetched.left.items():
            console.print(f"{what}: left: {why}", style="yellow", highlight=False, markup=False, soft_wrap=True)
        together.add(fetched)
    if options.json:
        print_json(asdict(together))
    else:
        for name in together.files:
            print(name)
        older = f", {together.older} older than ARCADIA_FIRST_MONTH" if together.older else ""
        print(
            f"{len(together.files)} new in {home.settings.inbox}; already there: {how_many(together.known, 'invoice')}{older}"
        )
        if together.files:
            print("run `arcadia ingest` to take them; a running deployment does it by itself")
    return FAILED if together.left else OK


def _asked_for(options: argparse.Namespace, providers: "ProvidersResource") -> "tuple[list[Provider[Any]], str | None]":
    """The providers to fetch from, and the months as they were typed: the first word may be either."""
    from arcadia_dagster.providers import catalogue

    named = catalogue.provider(options.provider) if options.provider else None
    if named is not None:
        if not providers.is_configured(named):
            variable = named.settings.variable(named.settings.needed[0])
            raise CommandError(f"{named.title} is not configured: set {variable}", MISUSED)
        return [named], options.months
    if options.provider and (options.months or not options.provider[0].isdecimal()):
        names = ", ".join(one.name for one in catalogue.CATALOGUE)
        raise CommandError(f"there is no provider {options.provider}; expected one of {names}", MISUSED)
    if not providers.configured:
        raise CommandError(catalogue.NONE_IS_CONFIGURED, MISUSED)
    return providers.configured, options.provider
