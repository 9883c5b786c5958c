"""The providers that there are. To add one, name it here; nothing else in the program knows them by name."""

from typing import Any, Final

from arcadia_dagster.providers.aws import Aws
from arcadia_dagster.providers.azure import Azure
from arcadia_dagster.providers.digitalocean import DigitalOcean
from arcadia_dagster.providers.linode import Linode
from arcadia_dagster.providers.ovhcloud import OvhCloud
from arcadia_dagster.providers.provider import Provider
from arcadia_dagster.providers.scaleway import Scaleway

CATALOGUE: Final[tuple[Provider[Any], ...]] = (DigitalOcean(), Linode(), Scaleway(), OvhCloud(), Aws(), Azure())

SECTIONS: Final = tuple(provider.settings for provider in CATALOGUE)
"""The settings of all providers, for docs/settings.md."""

VARIABLES: Final = frozenset(section.variable(name) for section in SECTIONS for name in section.model_fields)
"""The environment variables of all providers."""

SWITCHES: Final = tuple(section.variable(section.needed[0]) for section in SECTIONS)
"""The variable of each provider that makes it wanted."""

NONE_IS_CONFIGURED: Final = f"no provider is configured: set {', or '.join(SWITCHES)} (docs/providers.md)"


def provider(name: str) -> Provider[Any] | None:
    """The provider of a name; None where there is none."""
    return next((found for found in CATALOGUE if found.name == name), None)


_WITHOUT_API: Final = {
    "Hetzner": (
        "Hetzner's public APIs (Cloud, Robot, Storage Box) have prices and resources, but no invoices. Its account page has each "
        "invoice as PDF and as CSV: drop both, and give the PDF the name of the CSV. If the PDF is an electronic invoice, it "
        "also states the total and the tax."
    ),
    "Vultr": (
        "Vultr's API v2 lists invoices (`/v2/billing/invoices`) and their items, each with its total. Its public documentation "
        "does not say whether the totals include tax, nor whether the items sum to the invoice's amount. So the program fetches "
        "nothing: it would have to hold each invoice, because its tax is not known. Describe Vultr's CSV instead "
        "([describing-a-format.md](describing-a-format.md)), with a `.total` file beside it for the tax "
        "([sources.md](sources.md#totals-and-tax-that-a-document-does-not-state))."
    ),
    "UpCloud": (
        "UpCloud's API 1.3 sums what each resource costs in a month (`/1.3/account/billing/summary/2026-04`). It has no "
        "invoices: neither their numbers nor their tax. So the program fetches nothing. Drop the CSV of the invoice that UpCloud "
        "sends, and describe that CSV ([describing-a-format.md](describing-a-format.md))."
    ),
}
"""Providers from which nothing can be fetched, and what to do instead."""

_HEAD: Final = """# Providers that are fetched from

Set the variables of a provider, and the program downloads its invoices. A running deployment fetches daily at 05:37 UTC (schedule
`fetch_providers`). You can also fetch by hand:

    arcadia fetch                             # all providers that are configured
    arcadia fetch linode                      # one provider
    arcadia fetch linode 2026-01..2026-04     # only these months, and no inventory
    arcadia doctor                            # what each provider's credentials may read

A fetch puts each new or changed invoice into the inbox as one JSON file. If the provider has a PDF of it, the PDF lies beside it
under the same name. Once a day the fetch adds an inventory of what the account runs, if the provider lists that. The program
treats these files like all other files.

If an invoice cannot be fetched whole, the program keeps nothing of it. The message says why, and the next fetch tries again. If a
PDF cannot be fetched, the program asks for it again for 14 days; after that, fetch its month by name. If a provider lists only
the day of an invoice, a fetch of a month takes the invoices of that month and of the next.

Credentials need only the right to read. The program sends them only to the provider's address, and never shows them. Set an
address only if you reach the API through a proxy of your own.

"""


def as_markdown() -> str:
    """The page of the providers, docs/providers.md."""
    rows = "\n".join(
        f"| [{one.title}](#{one.title.lower()}) | "
        f"{', '.join(f'`{one.settings.variable(name)}`' for name in one.settings.needed)} | {one.witness} |"
        for one in CATALOGUE
    )
    table = f"| provider | needs | second witness |\n|---|---|---|\n{rows}\n"
    others = "".join(f"\n## {title}\n\n{words}\n" for title, words in _WITHOUT_API.items())
    return f"{_HEAD}{table}{''.join(map(_section, CATALOGUE))}{others}"


def _section(provider: Provider[Any]) -> str:
    settings = "\n".join(
        f"| `{field.validation_alias}` | {field.description} |" for field in provider.settings.model_fields.values()
    )
    return (
        f"\n## {provider.title}\n\n"
        f"- **Rights.** {provider.rights}\n"
        f"- **What arrives.** {provider.arrives}\n"
        f"- **Second witness.** {provider.witness}\n"
        f"- **What cannot be had.** {provider.lacks}\n\n"
        f"| setting | meaning |\n|---|---|\n{settings}\n"
    )
