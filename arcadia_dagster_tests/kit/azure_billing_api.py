"""Azure's billing API on this machine, with the authority that gives tokens: as the public API descriptions have them."""

import re
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

from arcadia_dagster.providers.azure import Azure
from arcadia_dagster_tests.kit.provider_api import PDF, Case, ProviderApi, address_of
from arcadia_dagster_tests.kit.scripted_server import Request, Step, answer

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
CLIENT = "535fb089-9ff3-47b6-9bfb-4f1264799865"
SECRET = "marked-client-secret-sampleCredentia1s~that-must-be-seen-nowhere"
TOKEN = "marked-access-token-eyJhbGciOiJSUzI1NiIsIng1dCI6IlhFZ"
ACCOUNT = "00000000-0000-0000-0000-000000000000:00000000-0000-0000-0000-000000000000_2019-05-31"
INVOICES = f"/providers/Microsoft.Billing/billingAccounts/{ACCOUNT}/invoices"


def amount(value: Decimal) -> dict[str, Any]:
    """Money as Azure writes it: a JSON number."""
    return {"currency": "EUR", "value": float(value)}


def invoice(number: int, month: date, total: str, **properties: Any) -> dict[str, Any]:
    """An invoice of a month, with 19 of tax."""
    name = f"G{12345600 + number:09}"
    return {
        "id": f"{INVOICES.removeprefix('/')}/{name}",
        "name": name,
        "type": "Microsoft.Billing/billingAccounts/invoices",
        "properties": {
            "status": "Due",
            "documentType": "Invoice",
            "invoiceDate": f"{month:%Y-%m}-28T17:32:28Z",
            "dueDate": f"{month:%Y-%m}-28T17:32:28Z",
            "invoicePeriodStartDate": f"{month}T00:00:00Z",
            "invoicePeriodEndDate": f"{month:%Y-%m}-28T00:00:00Z",
            "subTotal": amount(Decimal(total) - 19),
            "taxAmount": amount(Decimal(19)),
            "totalAmount": amount(Decimal(total)),
            "amountDue": amount(Decimal(total)),
            "documents": [{"kind": "Invoice", "name": f"DRS_{number}", "source": "DRS"}],
            **properties,
        },
    }


class BillingApi(ProviderApi):
    """The API of one billing account.

    Attributes:
        looks: How often a PDF is looked for before it is there.
        tokens: How many tokens were given.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.looks = 1
        self.tokens = 0
        self._looked = 0

    def step(self, request: Request) -> Step:
        address, wanted = address_of(request)
        if address == f"/{TENANT}/oauth2/v2.0/token":
            return self._token(request)
        if match := re.fullmatch(r"/papers/(.+)\.pdf", address):
            return answer(200, self.papers.get(match[1], PDF))
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return answer(
                401, {"error": {"code": "InvalidAuthenticationToken", "message": "The access token is invalid."}}
            )
        if wanted.get("api-version") != "2024-04-01":
            return answer(400, {"error": {"code": "MissingApiVersionParameter", "message": "api-version is required"}})
        return self._of_account(request, address, wanted)

    def _of_account(self, request: Request, address: str, wanted: dict[str, str]) -> Step:
        if address == INVOICES:
            return self._invoices(wanted)
        if match := re.fullmatch(rf"{INVOICES}/([^/]+)/(download|operationResults/.+)", address):
            return self._paper(request, match[1])
        return answer(404, {"error": {"code": "NotFound", "message": "not found"}})

    def _token(self, request: Request) -> Step:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        expected = {
            "client_id": CLIENT,
            "client_secret": SECRET,
            "grant_type": "client_credentials",
            "scope": f"{self.url}/.default",
        }
        if form != expected:
            return answer(401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret"})
        self.tokens += 1
        return answer(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN})

    def _invoices(self, wanted: dict[str, str]) -> Step:
        start, end = date.fromisoformat(wanted["periodStartDate"]), date.fromisoformat(wanted["periodEndDate"])
        found = [
            entry
            for entry in self.entries
            # One with a day that is none is listed whatever the days.
            if not str(entry["properties"]["invoicePeriodStartDate"])[:1].isdecimal()
            or f"{start}" <= entry["properties"]["invoicePeriodStartDate"][:10] <= f"{end}"
        ]
        skip = int(wanted.get("$skiptoken", "0"))
        page: dict[str, Any] = {"value": found[skip : skip + self.most]}
        if skip + self.most < len(found):
            page["nextLink"] = (
                f"https://management.azure.com{INVOICES}?api-version=2024-04-01&$skiptoken={skip + self.most}"
            )
        return answer(200, page)

    def _paper(self, request: Request, name: str) -> Step:
        if self._looked < self.looks:
            self._looked += 1
            operation = f"{self.url}{INVOICES}/{name}/operationResults/invoiceDownload_1?api-version=2024-04-01"
            return answer(202, Location=operation, Retry_After=10)
        self._looked = 0
        if request.method == "POST" and self.looks:
            return answer(409)
        return answer(200, {"url": f"{self.url}/papers/{name}.pdf?sv=2019-02-02&sr=b&sp=r"})


def _changed(entry: dict[str, Any], total: str) -> dict[str, Any]:
    properties = {"totalAmount": amount(Decimal(total)), "subTotal": amount(Decimal(total) - 19)}
    return {**entry, "properties": {**entry["properties"], **properties}}


AZURE = Case(
    provider=Azure(),
    api=BillingApi,
    environ={
        "ARCADIA_AZURE_BILLING_ACCOUNT": ACCOUNT,
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_CLIENT_SECRET": SECRET,
    },
    url="ARCADIA_AZURE_URL",
    other_urls=("AZURE_AUTHORITY_HOST",),
    secrets=(SECRET, TOKEN),
    entry=invoice,
    changed=_changed,
    lists=f"{INVOICES}?",
    wrong=(
        {"name": "../x"},
        {"name": None},
        {"name": 7},
        {"properties": {"invoicePeriodStartDate": "soon"}},
        {"properties": {"invoicePeriodStartDate": None}},
    ),
    format="azure_invoices",
    paper="/papers/",
)
