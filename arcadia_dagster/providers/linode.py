"""Akamai's Linode: the account's invoices with all their items, and what the account runs.

Lists come in pages of at most 500; each page states how many entries (`results`) there are in all. The API allows 200 requests of
lists a minute and says in `X-RateLimit-Remaining`, `X-RateLimit-Reset` and `Retry-After` when there are more.

Source: the public API description of Linode, version 4.173 and later: `GET /v4/account`, `/v4/account/invoices`,
`/v4/account/invoices/{invoiceId}/items`, the lists of resources, and "Rate limits" of its reference (Akamai TechDocs).
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from pydantic import Field, SecretStr

from arcadia_dagster.how_many import how_many
from arcadia_dagster.providers.api import Api, Pace
from arcadia_dagster.providers.provider import (
    Account,
    Listed,
    Provider,
    ProviderSettings,
    Right,
    Wanted,
    day_in,
    id_in,
    months_billed_on,
    number_in,
    state_of,
)
from arcadia_dagster.providers.token import bearer, usable
from arcadia_dagster.settings import Url

_INVOICES: Final = "/v4/account/invoices"
_PAGE: Final = 500  # the most that the API gives
_RESOURCES: Final = (
    ("linode", "/v4/linode/instances"),
    ("volume", "/v4/volumes"),
    ("nodebalancer", "/v4/nodebalancers"),
    ("lke_cluster", "/v4/lke/clusters"),
    ("database", "/v4/databases/instances"),
)
_REFUSED: Final = {
    401: "it does not accept the token: check LINODE_TOKEN, and whether it has expired",
    403: "the token or its user may not read this: give it read access, or check LINODE_TOKEN",
}


class LinodeSettings(ProviderSettings):
    """The settings of Linode; its Terraform provider and its Go library call the token so."""

    needed: ClassVar[tuple[str, ...]] = ("token",)

    token: SecretStr = Field(
        SecretStr(""),
        validation_alias="LINODE_TOKEN",
        description="The token that Linode's API is read with; unset: nothing is fetched from it",
    )
    url: Url = Field(
        "https://api.linode.com", validation_alias="ARCADIA_LINODE_URL", description="Where Linode's API is"
    )


class LinodeAccount(Account):
    """The account that the token belongs to."""

    _account: str | None = None

    def entries(self, wanted: Wanted) -> list[dict[str, Any]]:  # noqa: ARG002 - one list has all
        """See `Account`."""
        return self._complete(_INVOICES)

    def listed(self, entry: dict[str, Any]) -> Listed:
        """See `Account`. The list says when an invoice was made, not which month it is of."""
        id_, day = number_in(entry.get("id"), "id"), day_in(entry.get("date"), "date")
        return Listed(
            entry=entry,
            id=id_,
            months=months_billed_on(day),
            label=f"{day:%Y-%m}-{id_}",
            state=state_of(entry, "date", "subtotal", "tax", "tax_summary", "total"),
        )

    def document(self, invoice: Listed) -> dict[str, Any]:
        """See `Account`."""
        if self._account is None:
            self._account = id_in(self.api.get_object("/v4/account").get("euuid"), "euuid")
        return {
            "kind": "linode_invoice",
            "account": self._account,
            "invoice": invoice.entry,
            "items": self._complete(f"{_INVOICES}/{invoice.id}/items", with_ids=False),
        }

    def resources(self) -> list[dict[str, str | None]]:
        """See `Account`."""
        resources: list[dict[str, str | None]] = [
            {
                "id": number_in(entry.get("id"), "id"),
                "name": label if isinstance(label := entry.get("label"), str) else None,
                "type": type_,
                "project": None,
            }
            for type_, path in _RESOURCES
            for entry in self._complete(path)
        ]
        return sorted(resources, key=lambda resource: (str(resource["type"]), str(resource["id"])))

    def rights(self) -> Iterator[Right]:
        """See `Account`."""
        yield Right(what="invoices", try_it=lambda: f"lists {how_many(len(self._complete(_INVOICES)), 'invoice')}")
        yield Right(what="inventory", try_it=lambda: f"lists {how_many(len(self.resources()), 'resource')}")

    def _complete(self, path: str, *, with_ids: bool = True) -> list[dict[str, Any]]:
        return self.api.counted(
            path,
            "data",
            {"page_size": str(_PAGE)},
            total="results",
            id_of=(lambda entry: entry.get("id")) if with_ids else None,
        )


class Linode(Provider[LinodeSettings]):
    """Linode in the catalogue."""

    name = "linode"
    title = "Linode"
    settings = LinodeSettings
    rights = (
        "A personal access token (Cloud Manager, API Tokens) with *Read Only* for Account, and for Linodes, Volumes, "
        "NodeBalancers, Kubernetes and Databases, which the inventory lists. Its user needs the permission to read billing."
    )
    arrives = (
        "Each invoice with all its items, when Linode lists it (on the first of the next month), and again when its amounts "
        "change. Once a day the inventory of what the account runs."
    )
    witness = "The invoice's `total`, `subtotal`, `tax` and `tax_summary`. The items must sum to them."
    lacks = "PDFs of invoices: download each one in Cloud Manager, and drop it under a name with the invoice's number in it."

    def open(self, settings: LinodeSettings, pace: Pace) -> LinodeAccount:
        """See `Provider`."""
        token = usable(settings.token, "LINODE_TOKEN")
        return LinodeAccount(
            Api(
                title=self.title,
                url=settings.url,
                variable="ARCADIA_LINODE_URL",
                sign=bearer(token),
                secrets=(token,),
                refused=_REFUSED,
                pace=pace,
                quota=("x-ratelimit-remaining", "x-ratelimit-reset"),
                prefix="/v4/",
            )
        )
