"""Scaleway's billing API on this machine: pages of invoices and of consumption, as Scaleway's clients have them."""

import base64
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from arcadia_dagster.providers.scaleway import Scaleway
from arcadia_dagster_tests.kit.api_documents import money, scaleway_invoice
from arcadia_dagster_tests.kit.provider_api import PDF, Case, ProviderApi, address_of
from arcadia_dagster_tests.kit.scripted_server import Request, Step, answer

KEY = "9c7be1d2-marked-secret-key-that-must-be-seen-nowhere-0d5f"
ORGANIZATION = "6867048b-fe12-4e96-835e-41c79a39604b"


def uuid(number: int) -> str:
    return f"3f4f8da2-e4c6-4998-8c70-{number:012}"


def amount(text: str) -> dict[str, Any]:
    """Money as Scaleway writes it."""
    whole, fraction = divmod(Decimal(text), 1)
    return money(int(whole), int(fraction * 10**9))


def invoice(number: int, month: date, total: str, **fields: Any) -> dict[str, Any]:
    """An entry of the list, issued, with 19 of tax."""
    after = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return scaleway_invoice(
        id=uuid(number),
        organization_id=ORGANIZATION,
        billing_period=f"{month:%Y-%m}",
        start_date=f"{month}T00:00:00Z",
        stop_date=f"{after}T00:00:00Z",
        issued_date=f"{after}T08:00:00Z",
        due_date=f"{after:%Y-%m}-28T00:00:00Z",
        number=4711 + number,
        total_taxed=amount(total),
        total_tax=money(19),
        total_untaxed=amount(str(Decimal(total) - 19)),
        **{"state": "issued", **fields},
    )


def consumed(value: str, **fields: Any) -> dict[str, Any]:
    """An entry of the consumption: one server, unless told otherwise."""
    return {
        "value": amount(value),
        "product_name": "DEV1-S",
        "resource_name": "web-01",
        "sku": "/compute/dev1_s/run_par1",
        "project_id": "105bdce1-64c0-48ab-899d-868455867ecf",
        "category_name": "Compute",
        "unit": "hour",
        "billed_quantity": "720",
        **fields,
    }


class ScalewayApi(ProviderApi):
    """The API of one organization.

    Attributes:
        consumption: What was consumed in each month, and the discount on it.
        updated_at: When the consumption was brought up to date.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.consumption: dict[str, tuple[list[dict[str, Any]], float]] = {}
        self.updated_at = "2026-05-02T00:00:00Z"

    def step(self, request: Request) -> Step:
        if request.headers.get("x-auth-token") != KEY:
            return answer(
                401, {"message": "authentication is denied", "method": "api_key", "type": "denied_authentication"}
            )
        address, wanted = address_of(request)
        if address == "/billing/v2beta1/invoices":
            return self._page("invoices", self.entries, wanted)
        if address == "/billing/v2beta1/consumptions":
            rows, discount = self.consumption.get(wanted.get("billing_period", "2026-05"), ([], 0))
            beside = {"total_discount_untaxed_value": discount, "updated_at": self.updated_at}
            return self._page("consumptions", rows, wanted, **beside)
        if match := re.fullmatch(r"/billing/v2beta1/invoices/([^/]+)/download", address):
            content = base64.b64encode(self.papers.get(match[1], PDF)).decode()
            return answer(200, {"name": f"{match[1]}.pdf", "content_type": "application/pdf", "content": content})
        return answer(404, {"message": "resource is not found", "type": "not_found"})

    def _page(self, name: str, entries: list[dict[str, Any]], wanted: Mapping[str, str], **beside: Any) -> Step:
        size, page = int(wanted.get("page_size", "20")), int(wanted.get("page", "1"))
        if size > 100:
            return answer(400, {"message": "invalid argument(s)", "type": "invalid_arguments"})
        size = min(size, self.most)
        if wanted.get("organization_id") not in {None, ORGANIZATION}:
            return answer(403, {"message": "insufficient permissions", "type": "permissions_denied"})
        found = entries[(page - 1) * size : page * size]
        return answer(200, {"total_count": len(entries), name: found, **beside})


def _changed(entry: dict[str, Any], total: str) -> dict[str, Any]:
    return {**entry, "total_taxed": amount(total), "total_untaxed": amount(str(Decimal(total) - 19))}


SCALEWAY = Case(
    provider=Scaleway(),
    api=ScalewayApi,
    environ={"SCW_SECRET_KEY": KEY},
    besides={"SCW_DEFAULT_ORGANIZATION_ID": ORGANIZATION},
    url="SCW_API_URL",
    secrets=(KEY,),
    entry=invoice,
    changed=_changed,
    whole=lambda _number, month: (
        f"/billing/v2beta1/consumptions?organization_id={ORGANIZATION}&billing_period={month:%Y-%m}&"
    ),
    lists="/billing/v2beta1/invoices?",
    wrong=(
        {"id": "../x"},
        {"id": None},
        {"billing_period": "2026-13"},
        {"billing_period": None},
        {"billing_period": 4},
    ),
    format="scaleway_json",
    paper="/download",
)
