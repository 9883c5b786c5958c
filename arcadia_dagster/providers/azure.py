"""Azure: what it states of its invoices (the billing API), and their PDFs. The lines come in exports.

A list comes in pages; `nextLink` leads to the next one, of which only the parameters are used. A PDF is made on request: the API
answers 202, and then where it lies, which everybody may read for a while.

Source: the public API description of Azure Billing 2024-04-01 (`Invoices_ListByBillingAccount`,
`Invoices_DownloadByBillingAccount`, and their examples, which write days as 2018-01-31), and Microsoft's description of the
OAuth 2.0 client credentials flow. The variables of the credentials are those of Microsoft's own libraries.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

import httpx
from pydantic import Field, SecretStr

from arcadia_dagster.how_many import how_many
from arcadia_dagster.providers.api import Api, Pace, inner
from arcadia_dagster.providers.errors import ConfigurationFailure, UnusableAnswer
from arcadia_dagster.providers.provider import (
    Account,
    Listed,
    Provider,
    ProviderSettings,
    Right,
    Wanted,
    day_in,
    id_in,
    month_after,
    months_before,
    state_of,
)
from arcadia_dagster.providers.token import usable
from arcadia_dagster.settings import Url

_VERSION: Final = "2024-04-01"
_PART: Final = re.compile(r"[0-9A-Za-z:_.-]{1,200}", re.ASCII)
_PAPER_HOSTS: Final = ("blob.core.windows.net",)
_EARLY_SECONDS: Final = 300
_STATE: Final = (
    *("status", "documentType", "invoiceDate", "dueDate", "invoicePeriodStartDate", "invoicePeriodEndDate"),
    *("totalAmount", "subTotal", "taxAmount", "billedAmount", "azurePrepaymentApplied", "freeAzureCreditApplied"),
    *("billedDocumentId", "rebillDetails", "creditForDocumentId", "purchaseOrderNumber", "billingProfileId"),
)
_PRINTED: Final = frozenset({"Invoice", "CreditNote"})
_REFUSED: Final = {
    401: "it does not accept the token: check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
    403: "the application may not read this: give it the role Billing account reader on the billing account, and check "
    "ARCADIA_AZURE_BILLING_ACCOUNT",
}
_UNKNOWN: Final = "it does not know the application: check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"


class AzureSettings(ProviderSettings):
    """The settings of Azure, called as Microsoft's libraries call them, where they have them."""

    needed: ClassVar[tuple[str, ...]] = ("billing_account", "tenant", "client_id", "client_secret")

    billing_account: str = Field(
        "",
        validation_alias="ARCADIA_AZURE_BILLING_ACCOUNT",
        description="The name of the billing account whose invoices Azure states; unset: nothing is fetched from it",
    )
    tenant: str = Field(
        "", validation_alias="AZURE_TENANT_ID", description="The tenant of the application that reads it"
    )
    client_id: str = Field(
        "", validation_alias="AZURE_CLIENT_ID", description="The application that reads Azure's billing API"
    )
    client_secret: SecretStr = Field(
        SecretStr(""), validation_alias="AZURE_CLIENT_SECRET", description="The secret of that application"
    )
    url: Url = Field(
        "https://management.azure.com",
        validation_alias="ARCADIA_AZURE_URL",
        description="The address of Azure's billing API; the token is asked for this address",
    )
    authority: Url = Field(
        "https://login.microsoftonline.com",
        validation_alias="AZURE_AUTHORITY_HOST",
        description="Where the application gets its token",
    )


@dataclass(slots=True)
class _Token:
    """Signs requests with a token of the application, which is asked for when there is none or it is about to expire."""

    api: Api
    tenant: str
    client_id: str
    secret: str = field(repr=False)
    scope: str
    secrets: list[str] = field(repr=False)
    token: str = field(default="", repr=False)
    until: float = 0.0

    def __call__(self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:  # noqa: ARG002
        if self.api.pace.clock() >= self.until:
            self._ask()
        return {"Authorization": f"Bearer {self.token}"}

    def _ask(self) -> None:
        form = {
            "client_id": self.client_id,
            "client_secret": self.secret,
            "grant_type": "client_credentials",
            "scope": self.scope,
        }
        answer = self.api.json_in(
            self.api.content(
                "POST",
                httpx.URL(f"{self.api.url}/{self.tenant}/oauth2/v2.0/token"),
                "a token",
                body=urlencode(form).encode(),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            ),
            "a token",
        )
        token = answer.get("access_token") if isinstance(answer, dict) else None
        lasts = answer.get("expires_in") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not str(lasts).isdecimal():
            raise UnusableAnswer("the answer for a token has no access_token with its expires_in")
        self.token = usable(token, "access_token")
        self.secrets.append(self.token)
        self.until = self.api.pace.clock() + max(float(str(lasts)) - _EARLY_SECONDS, 0.0)


class AzureAccount(Account):
    """A billing account."""

    has_papers = True

    def __init__(self, api: Api, authority: Api, billing_account: str) -> None:
        """Take the API, where its token is from, and the billing account's name."""
        super().__init__(api)
        self._authority = authority
        self._path = f"/providers/Microsoft.Billing/billingAccounts/{billing_account}/invoices"

    def close(self) -> None:
        """See `Account`."""
        self._authority.close()
        super().close()

    def entries(self, wanted: Wanted) -> list[dict[str, Any]]:
        """See `Account`."""
        if wanted.months is None:
            return self._invoices(wanted.first_month, wanted.today)
        months = [month for month in wanted.months if month >= wanted.first_month]
        return self._invoices(min(months), month_after(max(months)) - timedelta(days=1)) if months else []

    def listed(self, entry: dict[str, Any]) -> Listed:
        """See `Account`. The month is that of the middle of its period, which lies in the month of its start or of its end."""
        id_, properties = id_in(entry.get("name"), "name"), inner(entry, "properties")
        days = [_day(properties, name) for name in ("invoicePeriodStartDate", "invoicePeriodEndDate")]
        months = tuple(sorted({day.replace(day=1) for day in days}))
        return Listed(
            entry=entry,
            id=id_,
            months=months,
            label=f"{months[-1]:%Y-%m}-{id_}",
            state=state_of(properties, *_STATE),
        )

    def document(self, invoice: Listed) -> dict[str, Any]:
        """See `Account`."""
        return {"value": [invoice.entry]}

    def paper(self, invoice: Listed) -> bytes | None:
        """See `Account`. Only where the invoice says that there is one."""
        documents = inner(invoice.entry, "properties").get("documents")
        kinds = (
            {one.get("kind") for one in documents if isinstance(one, dict)} if isinstance(documents, list) else set()
        )
        if not kinds & _PRINTED:
            return None
        place = self.api.done(f"{self._path}/{invoice.id}/download", {"api-version": _VERSION})
        return self.api.paper_elsewhere(place.get("url"), _PAPER_HOSTS, f"the PDF of {invoice.name}")

    def rights(self) -> Iterator[Right]:
        """See `Account`."""
        yield Right(what="invoices", try_it=self._counted)

    def _counted(self) -> str:
        today = datetime.fromtimestamp(self.api.pace.clock(), UTC).date()
        [*_, start] = months_before(today, 3)
        return f"lists {how_many(len(self._invoices(start, today)), 'invoice')} since {start:%Y-%m}"

    def _invoices(self, start: date, end: date) -> list[dict[str, Any]]:
        """The invoices of the periods between two days, the last one included."""
        params = {"api-version": _VERSION, "periodStartDate": f"{start}", "periodEndDate": f"{end}"}
        return self.api.complete(
            self._path, lambda: (self._pages(params), ""), id_of=lambda entry: str(entry.get("name"))
        )

    def _pages(self, params: Mapping[str, str]) -> list[dict[str, Any]]:
        invoices: list[dict[str, Any]] = []
        asked = {tuple(sorted(params.items()))}
        while True:
            answer = self.api.get_object(self._path, params)
            invoices += self.api.entries_in(answer, self._path, "value")
            link = answer.get("nextLink")
            if not link:
                return invoices
            params = {**params, **(dict(httpx.URL(link).params) if isinstance(link, str) else {})}
            page = tuple(sorted(params.items()))
            if page in asked:
                raise UnusableAnswer(f"the answer for {self.api.named(self._path)} names its next page by no new link")
            asked.add(page)


class Azure(Provider[AzureSettings]):
    """Azure in the catalogue."""

    name = "azure"
    title = "Azure"
    settings = AzureSettings
    rights = (
        "An application (Microsoft Entra ID, App registrations) with a client secret, and the role *Billing account reader* on "
        "the billing account (Cost Management + Billing, Access control)."
    )
    arrives = (
        "The totals of each invoice and credit note since `ARCADIA_FIRST_MONTH`, and its PDF. They arrive when Azure lists the "
        "invoice (in the first days of the next month), and again when its state or its amounts change. The lines do not arrive: "
        "put an export into the inbox."
    )
    witness = "What arrives is the second witness for the lines of the export: the total, and the tax that Azure's exports lack."
    lacks = (
        "The API has neither the lines nor an inventory. It lists no invoices of an Enterprise Agreement. Of an account of the "
        "Online Services Program it has only the billed amount, without the tax."
    )

    def open(self, settings: AzureSettings, pace: Pace) -> AzureAccount:
        """See `Provider`."""
        secret = usable(settings.client_secret, "AZURE_CLIENT_SECRET")
        parts = {name: getattr(settings, name) for name in ("billing_account", "tenant", "client_id")}
        for name, value in parts.items():
            if _PART.fullmatch(value) is None:
                raise ConfigurationFailure(f"{settings.variable(name)} has characters that no such name has")
        secrets = [secret]
        authority = Api(
            title=self.title,
            url=settings.authority,
            variable=settings.variable("authority"),
            sign=lambda _method, _url, _headers, _body: {},
            secrets=secrets,
            refused={400: _UNKNOWN, 401: _UNKNOWN},
            pace=pace,
        )
        token = _Token(
            authority,
            settings.tenant,
            settings.client_id,
            secret,
            scope=f"{settings.url.rstrip('/')}/.default",
            secrets=secrets,
        )
        api = Api(
            title=self.title,
            url=settings.url,
            variable=settings.variable("url"),
            sign=token,
            secrets=secrets,
            refused=_REFUSED,
            pace=pace,
            prefix="/providers/Microsoft.Billing/",
        )
        return AzureAccount(api, authority, settings.billing_account)


def _day(properties: Mapping[str, Any], name: str) -> date:
    """A day of the period; one that is missing is that of the invoice."""
    return day_in(properties.get(name) or properties.get("invoiceDate"), name)
