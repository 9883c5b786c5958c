"""DigitalOcean's API: the account's invoices with all their items, and what the account runs.

What belongs here: pages, and whether an answer is what the API's public description says. The preview of the open month is left
out: it is no invoice.

Lists come in pages. A list is complete once its last page names no next one and as many entries came as `meta.total`
states on every page; where that number changes on the way, the list is read again from its beginning.

Source: the public API description of DigitalOcean, `GET /v2/customers/my/invoices` and the lists of resources.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, ClassVar, Final

from pydantic import Field, SecretStr

from arcadia_dagster.how_many import how_many
from arcadia_dagster.providers.api import Api, Pace, inner
from arcadia_dagster.providers.errors import UnusableAnswer
from arcadia_dagster.providers.provider import Account, Listed, Provider, ProviderSettings, Right, Wanted, id_in
from arcadia_dagster.providers.token import bearer, usable
from arcadia_dagster.settings import Url
from arcadia_dagster.transport.words import quoted

BASE_URL: Final = "https://api.digitalocean.com"
INVOICE_KIND: Final = "digitalocean_invoice"
PAGE: Final = 200
"""Entries a page, the most that the API gives; without asking it gives 20."""

_INVOICES: Final = "/v2/customers/my/invoices"
_MONTH: Final = re.compile(r"(19|20)\d\d-(0[1-9]|1[0-2])", re.ASCII)
_REFUSED: Final = {
    401: "it does not accept the token: check DIGITALOCEAN_TOKEN",
    403: "the token may not read this: give it the scope to read it, or check DIGITALOCEAN_TOKEN",
}
_MOST_ENTRIES: Final = 1_000_000


class DigitalOceanSettings(ProviderSettings):
    """The settings of DigitalOcean; its command line reads a token of the same kind."""

    needed: ClassVar[tuple[str, ...]] = ("token",)

    token: SecretStr = Field(
        SecretStr(""),
        validation_alias="DIGITALOCEAN_TOKEN",
        description="The token that DigitalOcean's API is read with; unset: nothing is fetched from it",
    )
    url: Url = Field(BASE_URL, validation_alias="ARCADIA_DIGITALOCEAN_URL", description="Where DigitalOcean's API is")


@dataclass(frozen=True, slots=True)
class _Kind:
    """A list of resources.

    Attributes:
        type: How inventories name what it lists.
        path: Where it is.
        key: What the list is called in the answer.
        is_paged: Whether the API describes pages of it.
    """

    type: str
    path: str
    key: str
    is_paged: bool = True


_KINDS: Final = (
    _Kind("droplet", "/v2/droplets", "droplets"),
    # Not among the droplets unless asked for.
    _Kind("droplet", "/v2/droplets?type=gpus", "droplets"),
    _Kind("volume", "/v2/volumes", "volumes"),
    _Kind("snapshot", "/v2/snapshots", "snapshots"),
    _Kind("database", "/v2/databases", "databases", is_paged=False),
    _Kind("kubernetes_cluster", "/v2/kubernetes/clusters", "kubernetes_clusters"),
    _Kind("load_balancer", "/v2/load_balancers", "load_balancers"),
    _Kind("reserved_ip", "/v2/reserved_ips", "reserved_ips"),
    _Kind("app", "/v2/apps", "apps"),
)


class DigitalOceanClient(Account):
    """Reads one account, or team, of DigitalOcean: the one that the token belongs to."""

    has_papers = True

    def __init__(self, token: str, base_url: str = BASE_URL, pace: Pace | None = None) -> None:
        """Check token and URL; no connection is made yet.

        Args:
            token: A token of the API, which may read billing and the resources.
            base_url: Where the API is.
            pace: How long it may take.

        Raises:
            ConfigurationFailure: The token or the URL cannot be used; the message repeats neither.
        """
        token = usable(token, "DIGITALOCEAN_TOKEN")
        super().__init__(
            Api(
                title="DigitalOcean",
                url=base_url,
                variable="ARCADIA_DIGITALOCEAN_URL",
                sign=bearer(token),
                secrets=(token,),
                refused=_REFUSED,
                pace=pace or Pace(),
                quota=("ratelimit-remaining", "ratelimit-reset"),
                prefix="/v2/",
            )
        )

    def entries(self, wanted: Wanted) -> list[dict[str, Any]]:  # noqa: ARG002 - one list has all
        """See `Account`."""
        return self.invoices()

    def listed(self, entry: dict[str, Any]) -> Listed:
        """See `Account`. Lists of old did not tell when an invoice was changed; another amount is a change too."""
        uuid = id_in(entry.get("invoice_uuid"), "invoice_uuid")
        period = entry.get("invoice_period")
        if not isinstance(period, str) or _MONTH.fullmatch(period) is None:
            raise UnusableAnswer(f"invoice_period: {period!r:.80}; expected a month such as 2026-04")
        month = datetime.strptime(period, "%Y-%m").replace(tzinfo=UTC).date()
        changed_at = re.sub(r"[:-]", "", str(entry.get("updated_at") or "")) or str(entry.get("amount"))
        return Listed(entry=entry, id=uuid, months=(month,), label=f"{period}-{uuid}", changed_at=changed_at)

    def document(self, invoice: Listed) -> dict[str, Any]:
        """See `Account`."""
        return {
            "kind": INVOICE_KIND,
            "invoice": invoice.entry,
            "items": self.invoice_items(invoice.id),
            "summary": self.invoice_summary(invoice.id),
        }

    def paper(self, invoice: Listed) -> bytes | None:
        """See `Account`."""
        try:
            return self.api.paper(f"{_INVOICES}/{id_in(invoice.id, 'invoice_uuid')}/pdf")
        except UnusableAnswer as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def rights(self) -> Iterator[Right]:
        """See `Account`."""
        yield Right(what="invoices", try_it=lambda: f"lists {how_many(len(self.invoices()), 'invoice')}")
        yield Right(what="inventory", try_it=lambda: f"lists {how_many(len(self.resources()), 'resource')}")

    def invoices(self) -> list[dict[str, Any]]:
        """Every invoice as the list states it, newest first; not the preview.

        Raises:
            ProviderError: There is no complete list.
        """
        return self._complete(_INVOICES, "invoices", id_of=lambda entry: entry.get("invoice_uuid"))

    def invoice_items(self, invoice_uuid: str) -> list[dict[str, Any]]:
        """All items of an invoice, as the API states them and in its order.

        Raises:
            ProviderError: They are not all there.
        """
        return self._complete(f"{_INVOICES}/{id_in(invoice_uuid, 'invoice_uuid')}", "invoice_items")

    def invoice_summary(self, invoice_uuid: str) -> dict[str, Any]:
        """An invoice's summary as the API states it.

        Raises:
            ProviderError: There is none, or it is another invoice's.
        """
        summary = self.api.get_object(f"{_INVOICES}/{id_in(invoice_uuid, 'invoice_uuid')}/summary")
        if summary.get("invoice_uuid", invoice_uuid) != invoice_uuid:
            raise UnusableAnswer(f"the summary of invoice {invoice_uuid} is that of another invoice")
        return summary

    def resources(self) -> list[dict[str, str | None]]:
        """See `Account`.

        The account is not told: the API knows it by another name than the invoices, and ids are unique without it.
        """
        projects = dict(self._projects())
        rows = [
            _resource(kind.type, entry, projects)
            for kind in _KINDS
            for entry in self._complete(kind.path, kind.key, id_of=_id_of, is_paged=kind.is_paged)
        ]
        return sorted(rows, key=lambda resource: (str(resource["type"]), str(resource["id"])))

    def _projects(self) -> Iterator[tuple[str, str]]:
        """The project's name for each resource that is in one, by the resource's id."""
        for project in self._complete("/v2/projects", "projects", id_of=_id_of):
            name = project.get("name")
            path = f"/v2/projects/{id_in(_id_of(project), 'id')}/resources"
            for resource in self._complete(path, "resources"):
                # `do:droplet:4126873`
                _, _, id_ = str(resource.get("urn")).rpartition(":")
                if isinstance(name, str):
                    yield id_, name

    def _complete(
        self,
        path: str,
        key: str,
        *,
        id_of: Callable[[dict[str, Any]], object] | None = None,
        is_paged: bool = True,
    ) -> list[dict[str, Any]]:
        """All entries of a list; one that is not paged may come without `meta` and `links`."""
        return self.api.complete(path, lambda: self._read_pages(path, key, is_paged=is_paged), id_of=id_of)

    def _read_pages(self, path: str, key: str, *, is_paged: bool) -> tuple[list[dict[str, Any]], str]:
        """The entries of all pages, and why they are not all; blank where they are."""
        entries: list[dict[str, Any]] = []
        total: int | None = None
        page = 0
        while True:
            page += 1
            answer = self.api.get_object(path, {"page": str(page), "per_page": str(PAGE)} if is_paged else {})
            on_page = self.api.entries_in(answer, path, key)
            stated = _total(answer, self.api.named(path), default=None if is_paged else len(on_page))
            if total is not None and stated != total:
                return entries, f"its total changed from {total} to {stated} on page {page}"
            total = stated
            entries += on_page
            came = f"{how_many(len(entries), 'entry', 'entries')} came, and its total is {total}"
            if not _has_next(answer, self.api.named(path)):
                return entries, "" if len(entries) == total else came
            if not on_page or len(entries) >= min(total, _MOST_ENTRIES):
                return entries, f"{came}, but there is a page {page + 1}"


class DigitalOcean(Provider[DigitalOceanSettings]):
    """DigitalOcean in the catalogue."""

    name = "digitalocean"
    title = "DigitalOcean"
    settings = DigitalOceanSettings
    rights = (
        "A token (control panel, API) with the scope `billing:read`, and `read` for droplets, volumes, snapshots, databases, "
        "Kubernetes, load balancers, reserved IPs, apps and projects; or a token with full read access."
    )
    arrives = (
        "Each invoice with all its items and its summary, when DigitalOcean lists it (in the first days of the next month), and "
        "again when it changes. Once a day the inventory of what the account runs."
    )
    witness = "The summary's total and tax. The items must sum to them."
    lacks = "The preview of the open month, because it is not an invoice."

    def open(self, settings: DigitalOceanSettings, pace: Pace) -> DigitalOceanClient:
        """See `Provider`."""
        return DigitalOceanClient(settings.token.get_secret_value(), settings.url, pace)


def _total(answer: Mapping[str, Any], named: str, *, default: int | None) -> int:
    total = inner(answer, "meta").get("total", default)
    if isinstance(total, bool) or not isinstance(total, int):
        raise UnusableAnswer(f"the answer for {named} does not state its total: meta.total is missing")
    return total


def _has_next(answer: Mapping[str, Any], named: str) -> bool:
    next_ = inner(answer, "links", "pages").get("next")
    if next_ is not None and not isinstance(next_, str):
        raise UnusableAnswer(f"the answer for {named} names its next page by no link")
    return bool(next_)


def _id_of(entry: Mapping[str, Any]) -> str:
    """The resource's id; that of a reserved IP is its address.

    Raises:
        UnusableAnswer: It has none.
    """
    id_ = entry.get("id", entry.get("ip"))
    if isinstance(id_, bool) or not isinstance(id_, str | int) or not str(id_).strip():
        raise UnusableAnswer(f"a resource has no id: {quoted(repr(entry))}")
    return str(id_)


def _resource(type_: str, entry: Mapping[str, Any], projects: Mapping[str, str]) -> dict[str, str | None]:
    id_ = _id_of(entry)
    names: Sequence[object] = (entry.get("name"), inner(entry, "spec").get("name"), entry.get("ip"))
    name = next((name for name in names if isinstance(name, str)), None)
    return {"id": id_, "name": name, "type": type_, "project": projects.get(id_)}
