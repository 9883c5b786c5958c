"""Scaleway: the organization's invoices with their states, the consumption of their months, and their PDFs.

Lists come in pages of at most 100; each page states how many entries (`total_count`) there are in all. The list has all that the
API states of an invoice. Beside an invoice of the type `periodic` its month's consumption is fetched, which becomes its lines
where it comes to the invoice's totals, see `formats/scaleway.py`. What is bought ahead (the type `purchase`) has none.

Taxes (`GET /billing/v2beta1/taxes`) are not fetched: they are of a month, not of an invoice, and binary fractions. The invoice
states its tax exactly.

Source: Scaleway's billing API v2beta1, as its Go and Python clients have it (`ListInvoices`, `ListConsumptions`, and
`DownloadInvoice`, whose answer is a file with its content in base64), and the Go client for the names of the variables.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from pydantic import Field, SecretStr

from arcadia_dagster.how_many import how_many
from arcadia_dagster.providers.api import Api, Pace, pdf
from arcadia_dagster.providers.errors import UnusableAnswer
from arcadia_dagster.providers.provider import (
    Account,
    Listed,
    Provider,
    ProviderSettings,
    Right,
    Wanted,
    id_in,
    state_of,
)
from arcadia_dagster.providers.token import usable
from arcadia_dagster.settings import Url

_INVOICES: Final = "/billing/v2beta1/invoices"
_CONSUMPTION: Final = "/billing/v2beta1/consumptions"
_PAGE: Final = 100  # the most that the API gives
_MONTH: Final = re.compile(r"(19|20)\d\d-(0[1-9]|1[0-2])(-01.*)?", re.ASCII | re.DOTALL)
_STATE: Final = (
    *("state", "type", "number", "billing_period", "issued_date", "due_date"),
    *("total_taxed", "total_tax", "total_untaxed"),
)
_REFUSED: Final = {
    401: "it does not accept the key: check SCW_SECRET_KEY",
    403: "the key may not read this: give its IAM application the permission set BillingReadOnly, or check SCW_SECRET_KEY",
}


class ScalewaySettings(ProviderSettings):
    """The settings of Scaleway, called as its command line and its Go client call them."""

    needed: ClassVar[tuple[str, ...]] = ("secret_key",)

    secret_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="SCW_SECRET_KEY",
        description="The secret key that Scaleway's API is read with; unset: nothing is fetched from it",
    )
    organization: str = Field(
        "",
        validation_alias="SCW_DEFAULT_ORGANIZATION_ID",
        description="The organization whose invoices are fetched; unset: all that the key may read",
    )
    url: Url = Field("https://api.scaleway.com", validation_alias="SCW_API_URL", description="Where Scaleway's API is")


class ScalewayAccount(Account):
    """The organization that the key belongs to."""

    has_papers = True

    def __init__(self, api: Api, organization: str) -> None:
        """Take the API and the organization; blank for all that the key may read."""
        super().__init__(api)
        self._organization = organization

    def entries(self, wanted: Wanted) -> list[dict[str, Any]]:  # noqa: ARG002 - one list has all
        """See `Account`."""
        return self._invoices()

    def listed(self, entry: dict[str, Any]) -> Listed:
        """See `Account`."""
        id_, period = id_in(entry.get("id"), "id"), entry.get("billing_period")
        if not isinstance(period, str) or _MONTH.fullmatch(period) is None:
            raise UnusableAnswer(f"billing_period: {period!r:.80}; expected a month such as 2026-04")
        month = datetime.strptime(period[:7], "%Y-%m").replace(tzinfo=UTC).date()
        label = f"{month:%Y-%m}-{id_}"
        return Listed(entry=entry, id=id_, months=(month,), label=label, state=state_of(entry, *_STATE))

    def document(self, invoice: Listed) -> dict[str, Any]:
        """See `Account`."""
        document: dict[str, Any] = {"invoices": [invoice.entry], "total_count": 1}
        if invoice.entry.get("type") == "periodic":
            organization = id_in(invoice.entry.get("organization_id"), "organization_id")
            document["consumption"] = self._consumption(organization, f"{min(invoice.months):%Y-%m}")
        return document

    def paper(self, invoice: Listed) -> bytes | None:
        """See `Account`. What is not issued has none."""
        if not invoice.entry.get("issued_date"):
            return None
        path = f"{_INVOICES}/{invoice.id}/download"
        content = self.api.get_object(path, {"file_type": "pdf"}).get("content")
        try:
            return pdf(
                base64.b64decode(content if isinstance(content, str) else "", validate=True), self.api.named(path)
            )
        except (binascii.Error, ValueError) as error:
            raise UnusableAnswer(f"the answer for {self.api.named(path)} has no content in base64") from error

    def rights(self) -> Iterator[Right]:
        """See `Account`."""
        yield Right(what="invoices", try_it=lambda: f"lists {how_many(len(self._invoices()), 'invoice')}")
        yield Right(what="consumption", try_it=self._try_consumption)

    def _try_consumption(self) -> str:
        wanted = {"organization_id": self._organization} if self._organization else {}
        answer = self.api.get_object(_CONSUMPTION, {**wanted, "page": "1", "page_size": "1"})
        self.api.entries_in(answer, _CONSUMPTION, "consumptions")
        return "tells the consumption of this month"

    def _consumption(self, organization: str, month: str) -> dict[str, Any]:
        """An organization's consumption in a month: all pages of it, and the discount on it."""
        rows, beside = self.api.counted_beside(
            _CONSUMPTION,
            "consumptions",
            {"organization_id": organization, "billing_period": month, "page_size": str(_PAGE)},
            total="total_count",
            beside=("total_discount_untaxed_value", "updated_at"),
        )
        return {"consumptions": rows, **beside}

    def _invoices(self) -> list[dict[str, Any]]:
        wanted = {"organization_id": self._organization} if self._organization else {}
        return self.api.counted(
            _INVOICES,
            "invoices",
            {**wanted, "page_size": str(_PAGE)},
            total="total_count",
            id_of=lambda entry: entry.get("id"),
        )


class Scaleway(Provider[ScalewaySettings]):
    """Scaleway in the catalogue."""

    name = "scaleway"
    title = "Scaleway"
    settings = ScalewaySettings
    rights = "An API key (console, IAM) of an application or a user with the permission set `BillingReadOnly`."
    arrives = (
        "Each invoice with its totals, its PDF, and its month's consumption by project, product and resource. For the open month "
        "a draft arrives, which the program shows and never pushes. Scaleway issues the invoice in the first days of the next "
        "month. It arrives again, with its consumption, when its state or its amounts change."
    )
    witness = (
        "The invoice's `total_taxed`, `total_untaxed` and `total_tax`. The consumption becomes the invoice's lines only if it, "
        "less the discount, sums to them to the cent."
    )
    lacks = (
        "An inventory, and tax by line: tax is one line. Scaleway does not say which invoice a month's consumption belongs to. "
        "If the consumption does not sum to the invoice (a month with two invoices, or something that is bought ahead), the "
        "invoice gets one line for its total before tax. That line says what the consumption sums to. Then lines and second "
        "witness are the same totals, so they prove nothing about each other."
    )

    def open(self, settings: ScalewaySettings, pace: Pace) -> ScalewayAccount:
        """See `Provider`."""
        key = usable(settings.secret_key, "SCW_SECRET_KEY")
        api = Api(
            title=self.title,
            url=settings.url,
            variable="SCW_API_URL",
            sign=lambda _method, _url, _headers, _body: {"X-Auth-Token": key},
            secrets=(key,),
            refused=_REFUSED,
            pace=pace,
        )
        return ScalewayAccount(api, settings.organization)
