"""Linode's API on this machine: pages of `data` with `results`, as the public API description of Linode says."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

from arcadia_dagster.providers.linode import Linode
from arcadia_dagster_tests.kit.provider_api import Case, ProviderApi, address_of
from arcadia_dagster_tests.kit.scripted_server import Request, Step, answer

TOKEN = "marked-linode-token-that-must-be-seen-nowhere-0123456789abcdef"
ACCOUNT = "E1AF5EEC-526F-487D-B317EBEB34C87D71"
RESOURCES = {
    "/v4/linode/instances": [{"id": 123, "label": "web-01", "status": "running"}],
    "/v4/volumes": [{"id": 12345, "label": "my-volume", "size": 30}],
    "/v4/nodebalancers": [{"id": 12, "label": "balancer12345"}],
    "/v4/lke/clusters": [{"id": 1234, "label": "lkecluster12345"}],
    "/v4/databases/instances": [{"id": 7, "label": "example-db", "engine": "mysql"}],
}


def money(text: str) -> float:
    """Money as Linode writes it: a JSON number."""
    return float(Decimal(text))


def invoice(number: int, month: date, total: str, **fields: Any) -> dict[str, Any]:
    """An entry of the list: made on the first day after the month that it is of."""
    made = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    tax = Decimal("1.00")
    return {
        "id": 123000 + number,
        "date": f"{made}T05:00:00",
        "label": "Invoice",
        "billing_source": "linode",
        "subtotal": money(str(Decimal(total) - tax)),
        "tax": money(str(tax)),
        "tax_summary": [{"name": "PA STATE TAX", "tax": money(str(tax))}],
        "total": money(total),
        **fields,
    }


def item(entry: dict[str, Any], share: str | None = None, **fields: Any) -> dict[str, Any]:
    """An item of an invoice, for all of it or a share."""
    made = date.fromisoformat(entry["date"][:10])
    month = date(made.year - (made.month == 1), (made.month - 2) % 12 + 1, 1)
    amount = money(share) if share is not None else entry["subtotal"]
    return {
        "amount": amount,
        "from": f"{month}T00:00:00",
        "label": "Linode 2GB - web-01 (123)",
        "quantity": 720,
        "region": "us-west",
        "tax": 0,
        "to": f"{month:%Y-%m}-28T23:59:59",
        "total": amount,
        "type": "hourly",
        "unit_price": "0.0075",
        **fields,
    }


class LinodeApi(ProviderApi):
    """The API of one account.

    Attributes:
        items: The items of invoices that have others than one for all of it, by the invoice's id.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.items: dict[int, list[dict[str, Any]]] = {}
        self.resources = RESOURCES

    def step(self, request: Request) -> Step:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return answer(401, {"errors": [{"reason": "Invalid Token"}]})
        address, wanted = address_of(request)
        if address == "/v4/account":
            return answer(200, {"euuid": ACCOUNT, "company": "Example", "balance": 0})
        if address == "/v4/account/invoices":
            return self._page(self.entries, wanted)
        if match := re.fullmatch(r"/v4/account/invoices/(\d+)/items", address):
            found = next(entry for entry in self.entries if entry["id"] == int(match[1]))
            return self._page(self.items.get(found["id"], [item(found)]), wanted)
        if address in self.resources:
            return self._page(self.resources[address], wanted)
        return answer(404, {"errors": [{"reason": "Not found"}]})

    def _page(self, entries: list[dict[str, Any]], wanted: dict[str, str]) -> Step:
        size, page = int(wanted.get("page_size", "100")), int(wanted.get("page", "1"))
        if not 25 <= size <= 500:
            return answer(400, {"errors": [{"field": "page_size", "reason": "Must be 25-500"}]})
        size = min(size, self.most)
        pages = max(1, -(-len(entries) // size))
        found = entries[(page - 1) * size : page * size]
        return answer(
            200,
            {"data": found, "page": page, "pages": pages, "results": len(entries)},
            X_RateLimit_Limit=200,
            X_RateLimit_Remaining=199,
            X_RateLimit_Reset=1777593660,
        )


def _changed(entry: dict[str, Any], total: str) -> dict[str, Any]:
    return {**entry, "total": money(total), "subtotal": money(str(Decimal(total) - Decimal(str(entry["tax"]))))}


LINODE = Case(
    provider=Linode(),
    api=LinodeApi,
    environ={"LINODE_TOKEN": TOKEN},
    url="ARCADIA_LINODE_URL",
    secrets=(TOKEN,),
    entry=invoice,
    changed=_changed,
    whole=lambda number, _month: f"/v4/account/invoices/{123000 + number}/items",
    lists="/v4/account/invoices?",
    wrong=({"id": "../../profile"}, {"id": None}, {"id": True}, {"date": "soon"}, {"date": None}),
    format="linode_json",
)
