"""DigitalOcean's API on this machine: answers as its public description says, and fails where a test wants it to.

    with DigitalOceanApi(invoices=[invoice()], items={...}) as api:
        ...  # talk to api.url with api.token

What it lists are plain lists, which a test may change between two requests.
"""

import json
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from arcadia_dagster.providers.digitalocean import DigitalOcean
from arcadia_dagster_tests.kit.provider_api import Case, ProviderApi
from arcadia_dagster_tests.kit.scripted_server import Request, Step, answer

TOKEN = "dop_v1_marked-token-that-must-be-seen-nowhere-0123456789abcdef"
UUID = "22737513-0ea7-4206-8ceb-98a575af7681"

# Resources as the API lists them, by the address of the list.
LISTS: dict[str, list[Any]] = {
    "/v2/droplets": [{"id": 4126873, "name": "web-01", "status": "active"}, {"id": 31, "name": "web-02"}],
    "/v2/droplets?type=gpus": [{"id": 99, "name": "gpu-01"}],
    "/v2/volumes": [{"id": "506f78a4-e098-11e5-ad9f-000f53306ae1", "name": "data"}],
    "/v2/snapshots": [{"id": "6372321", "name": "web-01 before", "resource_type": "droplet"}],
    "/v2/databases": [{"id": "9cc10173-e9ea-4176-9dbc-a4cee4c4ff30", "name": "backend", "engine": "pg"}],
    "/v2/kubernetes/clusters": [{"id": "bd5f5959-5e1e-4205-a714-a914373942af", "name": "prod"}],
    "/v2/load_balancers": [{"id": "4de7ac8b-495b-4884-9a69-1050c6793cd6", "name": "entry"}],
    "/v2/reserved_ips": [{"ip": "45.55.96.47", "droplet": None, "region": {"name": "Sydney 1"}}],
    "/v2/apps": [{"id": "4f6c71e2-1e90-4762-9fee-6cc4a0a9f2cf", "spec": {"name": "shop"}}],
    "/v2/projects": [{"id": "4e1bfbc3-dc3e-41f2-a18f-1b4d7ba71679", "name": "my-web-api"}],
    "/v2/projects/4e1bfbc3-dc3e-41f2-a18f-1b4d7ba71679/resources": [
        {"urn": "do:droplet:31"},
        {"urn": "do:floatingip:45.55.96.47"},
        {"urn": "do:domain:example.com"},
    ],
}


def uuid(number: int) -> str:
    return f"22737513-0ea7-4206-8ceb-{number:012}"


def invoice(number: int = 1, period: str = "2026-04", amount: str = "86.92", **fields: Any) -> dict[str, Any]:
    """An entry of the list of invoices."""
    return {
        "invoice_uuid": uuid(number),
        "invoice_id": str(418071233 + number),
        "amount": amount,
        "invoice_period": period,
        "updated_at": f"{period}-28T06:31:50Z",
        **fields,
    }


def item(**fields: Any) -> dict[str, Any]:
    """An item of an invoice."""
    return {
        "product": "Droplets",
        "resource_uuid": "",
        "resource_id": "4126873",
        "group_description": "",
        "description": "web-01 (s-1vcpu-1gb)",
        "amount": "6.00",
        "duration": "720",
        "duration_unit": "Hours",
        "start_time": "2026-04-01T00:00:00Z",
        "end_time": "2026-05-01T00:00:00Z",
        "project_name": "shop",
        "category": "iaas",
        **fields,
    }


def summary(entry: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The summary of an invoice."""
    return {
        "invoice_uuid": entry["invoice_uuid"],
        "billing_period": entry["invoice_period"],
        "amount": entry["amount"],
        "user_name": "Sammy Shark",
        "user_company": "Example Pty Ltd",
        "user_email": "sammy@example.com",
        "user_billing_address": {"address_line1": "101 Example St", "city": "Sydney", "country_iso2_code": "AU"},
        "product_charges": {
            "name": "Product usage charges",
            "amount": "79.02",
            "items": [{"amount": "79.02", "name": "Droplets", "count": "8"}],
        },
        "overages": {"name": "Overages", "amount": "0.00"},
        "taxes": {"name": "Taxes", "amount": "7.90"},
        "credits_and_adjustments": {"name": "Credits & adjustments", "amount": "0.00"},
        **fields,
    }


class DigitalOceanApi(ProviderApi):
    """The API of one account.

    Attributes:
        items: The items of each invoice, by its UUID.
        pdfs: The PDF of each invoice that has one, by its UUID.
        lists: The resources, by the address of their list.
    """

    def __init__(
        self,
        invoices: list[dict[str, Any]] | None = None,
        items: dict[str, list[dict[str, Any]]] | None = None,
        *,
        pdfs: dict[str, bytes] | None = None,
        lists: dict[str, list[Any]] | None = None,
        before: Callable[[Request], Step | None] | None = None,
        most: int = 200,
        headers: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(invoices, before=before)
        self.items = items or {}
        self.pdfs = pdfs or {}
        self.lists = lists or {}
        self.most = most
        self.headers: dict[str, Any] = {
            "ratelimit_limit": 5000,
            "ratelimit_remaining": 4816,
            "ratelimit_reset": 1444931833,
        }
        self.headers |= headers or {}

    @property
    def invoices(self) -> list[dict[str, Any]]:
        """The entries of the list."""
        return self.entries

    def step(self, request: Request) -> Step:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return answer(401, {"id": "Unauthorized", "message": "Unable to authenticate you"})
        address, wanted = urlsplit(request.path).path, parse_qs(urlsplit(request.path).query)
        if address == "/v2/customers/my/invoices":
            preview = invoice(99, "2026-05", "1.00")
            return self._page(address, "invoices", self.invoices, wanted, invoice_preview=preview)
        if match := re.fullmatch(r"/v2/customers/my/invoices/([^/]+)(/summary|/pdf)?", address):
            return self._invoice(address, match[1], wanted, part=match[2])
        return self._resources(address, wanted, listed=address + ("?type=gpus" if "type" in wanted else ""))

    def _invoice(self, address: str, id_: str, wanted: dict[str, list[str]], *, part: str | None) -> Step:
        found = next((entry for entry in self.invoices if entry["invoice_uuid"] == id_), None)
        if found is None or (part == "/pdf" and id_ not in self.pdfs):
            return answer(404, {"id": "not_found", "message": "The resource you requested could not be found."})
        if part == "/pdf":
            return answer(200, self.pdfs[id_], **{**self.headers, "Content_Type": "application/pdf"})
        if part == "/summary":
            return answer(200, summary(found), **self.headers)
        return self._page(address, "invoice_items", self.items.get(id_, [item()]), wanted)

    def _resources(self, address: str, wanted: dict[str, list[str]], *, listed: str) -> Step:
        entries = self.lists.get(listed, [])
        if address == "/v2/databases":
            return answer(200, {"databases": entries}, **self.headers)
        key = address.rpartition("/")[2].replace("clusters", "kubernetes_clusters")
        return self._page(address, key, entries, wanted)

    def _page(
        self, address: str, key: str, entries: list[Any], wanted: dict[str, list[str]], **besides: object
    ) -> Step:
        size = min(int(wanted.get("per_page", ["20"])[0]), self.most)
        page = int(wanted.get("page", ["1"])[0])
        last = max(1, -(-len(entries) // size))
        links = {}
        if page < last:
            base = f"https://api.digitalocean.com{address}?per_page={size}&page="
            links = {"pages": {"next": f"{base}{page + 1}", "last": f"{base}{last}"}}
        content = {
            key: entries[(page - 1) * size : page * size],
            **besides,
            "links": links,
            "meta": {"total": len(entries)},
        }
        return answer(200, json.dumps(content).encode(), **self.headers)


def _charged(number: int, month: date, total: str) -> dict[str, Any]:
    return invoice(number, f"{month:%Y-%m}", total)


class _WholeApi(DigitalOceanApi):
    """One whose items come to the total, where a test does not say otherwise."""

    def _invoice(self, address: str, id_: str, wanted: dict[str, list[str]], *, part: str | None) -> Step:
        found = next((entry for entry in self.invoices if entry["invoice_uuid"] == id_), None)
        if found is None or part is not None or id_ in self.items:
            return super()._invoice(address, id_, wanted, part=part)
        month = found["invoice_period"]
        times = {"start_time": f"{month}-01T00:00:00Z", "end_time": f"{month}-28T00:00:00Z"}
        net = f"{Decimal(found['amount']) - Decimal('7.90'):.2f}"
        items = [item(amount=net, **times), item(product="Taxes", amount="7.90", **times)]
        return self._page(address, "invoice_items", items, wanted)


def _changed(entry: dict[str, Any], total: str) -> dict[str, Any]:
    return {
        **entry,
        "amount": total,
        "updated_at": f"{entry['invoice_period']}-28T09:00:{int(Decimal(total)) % 60:02}Z",
    }


DIGITALOCEAN = Case(
    provider=DigitalOcean(),
    api=_WholeApi,
    environ={"DIGITALOCEAN_TOKEN": TOKEN},
    url="ARCADIA_DIGITALOCEAN_URL",
    secrets=(TOKEN,),
    entry=_charged,
    changed=_changed,
    whole=lambda number, _month: f"{uuid(number)}?",
    lists="/v2/customers/my/invoices?",
    wrong=(
        {"invoice_uuid": "../../etc/passwd"},
        {"invoice_uuid": None},
        {"invoice_period": "2026-13"},
        {"invoice_period": "../2026-04"},
        {"invoice_period": None},
    ),
    format="digitalocean_json",
)
