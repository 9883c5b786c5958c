"""OVHcloud: the account's bills and refunds with their details, and their PDFs.

Each call is signed: `X-Ovh-Signature` is `$1$` and the SHA-1 of the application's secret, the consumer key, the method, the
address, the body and the time, joined by `+`. The time is that of the API (`GET /auth/time`), which need not be ours.

A list has ids alone, and no pages. It is asked for by the days of the bills. Bills that have arrived are read again for 62 days,
or where their months are asked for by name; older ones are taken as they came. A bill's `password`, `url` and `pdfUrl`, which let
everybody read it, are not kept.

Source: OVHcloud's public API schemas of `/me` (`/me/bill`, `/me/refund` with `date.from` and `date.to`, billing.Bill,
billing.BillDetail, billing.Refund, billing.RefundDetail), and OVHcloud's own Python client for signatures, addresses and the
names of the variables.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import Any, ClassVar, Final, Literal

import httpx
from pydantic import Field, SecretStr

from arcadia_dagster.how_many import how_many
from arcadia_dagster.providers.api import Api, Pace, inner
from arcadia_dagster.providers.errors import UnusableAnswer
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
    months_billed_on,
    number_in,
    state_of,
)
from arcadia_dagster.providers.token import usable
from arcadia_dagster.settings import Url

_KINDS: Final = ("bill", "refund")
_READ_AGAIN_DAYS: Final = 62
_BEFORE_THE_FIRST: Final = date(1999, 1, 1)  # the year in which OVHcloud began
_OPEN_TO_ALL: Final = ("password", "url", "pdfUrl")
_PAPER_HOSTS: Final = ("ovh.com", "ovh.net", "ovhcloud.com", "soyoustart.com", "kimsufi.com")
_ADDRESSES: Final = {
    "ovh-eu": "https://eu.api.ovh.com/1.0",
    "ovh-ca": "https://ca.api.ovh.com/1.0",
    "ovh-us": "https://api.us.ovhcloud.com/1.0",
    "soyoustart-eu": "https://eu.api.soyoustart.com/1.0",
    "soyoustart-ca": "https://ca.api.soyoustart.com/1.0",
    "kimsufi-eu": "https://eu.api.kimsufi.com/1.0",
    "kimsufi-ca": "https://ca.api.kimsufi.com/1.0",
}
_KEYS: Final = "OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET and OVH_CONSUMER_KEY"
_REFUSED: Final = {
    401: f"it does not accept the keys: check {_KEYS}",
    403: f"the consumer key may not read this, or has expired: ask for a new one with GET on /me, /me/bill* and /me/refund*, "
    f"and check {_KEYS}",
}

Endpoint = Literal["ovh-eu", "ovh-ca", "ovh-us", "soyoustart-eu", "soyoustart-ca", "kimsufi-eu", "kimsufi-ca"]


class OvhCloudSettings(ProviderSettings):
    """The settings of OVHcloud, called as its own clients call them."""

    needed: ClassVar[tuple[str, ...]] = ("application_key", "application_secret", "consumer_key")

    application_key: str = Field(
        "",
        validation_alias="OVH_APPLICATION_KEY",
        description="The key of the application that reads OVHcloud's API; unset: nothing is fetched from it",
    )
    application_secret: SecretStr = Field(
        SecretStr(""), validation_alias="OVH_APPLICATION_SECRET", description="The secret of that application"
    )
    consumer_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="OVH_CONSUMER_KEY",
        description="The key that lets the application read your account at OVHcloud",
    )
    endpoint: Endpoint = Field(
        "ovh-eu",
        validation_alias="OVH_ENDPOINT",
        description=f"Which of OVHcloud's APIs has the account: one of {', '.join(f'`{name}`' for name in _ADDRESSES)}",
    )
    url: Url = Field(
        "",
        validation_alias="ARCADIA_OVHCLOUD_URL",
        description="Where OVHcloud's API is, with its version; unset: where `OVH_ENDPOINT` says",
    )


@dataclass(slots=True)
class _Signature:
    """Signs requests with the API's time, which is asked for once."""

    key: str
    secret: str = field(repr=False)
    consumer_key: str = field(repr=False)
    api: Api | None = field(default=None, repr=False)
    ahead: int | None = None

    def __call__(self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:  # noqa: ARG002
        # The API is asked for its time before ours is read: the other way round, the second may change in between, and the
        # request is signed for a time before the one that the API has just stated.
        ahead = self._ahead()
        time = str(int(self._now()) + ahead)
        signed = "+".join((self.secret, self.consumer_key, method, str(url), body.decode(), time))
        digest = hashlib.sha1(signed.encode()).hexdigest()  # noqa: S324 - the API's way to sign
        return {
            "X-Ovh-Application": self.key,
            "X-Ovh-Consumer": self.consumer_key,
            "X-Ovh-Timestamp": time,
            "X-Ovh-Signature": f"$1${digest}",
        }

    def _now(self) -> float:
        return self._opened.pace.clock()

    def _ahead(self) -> int:
        """By how many seconds the API's clock is ahead of ours."""
        if self.ahead is None:
            api = self._opened
            content = api.content("GET", httpx.URL(f"{api.url}/auth/time"), "auth/time", with_credentials=False)
            self.ahead = int(number_in(api.json_in(content, "/auth/time"), "auth/time")) - int(self._now())
        return self.ahead

    @property
    def _opened(self) -> Api:
        if self.api is None:
            raise AssertionError("a request is signed for an API")
        return self.api


class OvhCloudAccount(Account):
    """The account that the consumer key belongs to."""

    _account: str | None = None

    def __init__(self, api: Api, *, has_papers: bool) -> None:
        """Take the API, and whether it lets a program read PDFs."""
        super().__init__(api)
        self.has_papers = has_papers

    def entries(self, wanted: Wanted) -> list[dict[str, Any]]:
        """See `Account`: ids alone, and the whole bill where one that has arrived is read again."""
        recent_from = wanted.today - timedelta(days=_READ_AGAIN_DAYS)
        stretches: list[tuple[date, date | None]] = [(wanted.first_month, None)]
        if wanted.months is not None:
            stretches = [_days_of(month) for month in sorted(wanted.months) if month >= wanted.first_month]
        invoices = []
        for kind in _KINDS:
            recent = set(self._ids(kind, recent_from, None)) if wanted.months is None else set()
            ids = [id_ for start, end in stretches for id_ in self._ids(kind, start, end)]
            for id_ in dict.fromkeys(ids):
                if wanted.has(kind, id_) and (wanted.months is not None or id_ in recent):
                    invoices.append(self._bill(kind, id_))
                else:
                    invoices.append({f"{kind}Id": id_})
        return invoices

    def listed(self, entry: dict[str, Any]) -> Listed:
        """See `Account`."""
        kind = next(kind for kind in _KINDS if f"{kind}Id" in entry)
        id_ = id_in(entry.get(f"{kind}Id"), f"{kind}Id")
        if "priceWithTax" not in entry:
            return Listed(entry=entry, id=id_, months=(), label=id_, kind=kind)
        prices = {name: inner(entry, name).get("value") for name in ("priceWithTax", "priceWithoutTax", "tax")}
        if prices["priceWithTax"] is None:
            raise UnusableAnswer(f"priceWithTax of {kind} {id_} has no value")
        return Listed(
            entry=entry,
            id=id_,
            months=months_billed_on(day_in(entry.get("date"), "date")),
            label=id_,
            kind=kind,
            state={**prices, **state_of(entry, "date")},
        )

    def looked_up(self, invoice: Listed) -> Listed:
        """See `Account`."""
        return self.listed(self._bill(invoice.kind, invoice.id)) if invoice.is_id_alone else invoice

    def document(self, invoice: Listed) -> dict[str, Any]:
        """See `Account`."""
        if self._account is None:
            self._account = id_in(self.api.get_object("/me").get("nichandle"), "nichandle")
        path = f"/me/{invoice.kind}/{invoice.id}/details"
        details = [self.api.get_object(f"{path}/{id_in(id_, 'an id')}") for id_ in self._list(path, {})]
        bill = {name: value for name, value in invoice.entry.items() if name not in _OPEN_TO_ALL}
        kind = f"ovhcloud_{invoice.kind}"
        return {"kind": kind, "account": self._account, invoice.kind: bill, "details": details}

    def paper(self, invoice: Listed) -> bytes | None:
        """See `Account`. Its address lets everybody read it, and is asked for without our keys."""
        bill = self.looked_up(invoice)
        if not bill.entry.get("pdfUrl"):
            return None
        return self.api.paper_elsewhere(bill.entry["pdfUrl"], _PAPER_HOSTS, f"the PDF of {bill.name}")

    def rights(self) -> Iterator[Right]:
        """See `Account`."""
        for kind in _KINDS:
            yield Right(what="invoices" if kind == "bill" else f"{kind}s", try_it=partial(self._counted, kind))

    def _counted(self, kind: str) -> str:
        return f"lists {how_many(len(self._ids(kind, _BEFORE_THE_FIRST, None)), kind)}"

    def _bill(self, kind: str, id_: str) -> dict[str, Any]:
        bill = self.api.get_object(f"/me/{kind}/{id_in(id_, f'{kind}Id')}")
        if bill.get(f"{kind}Id") != id_ or "priceWithTax" not in bill:
            raise UnusableAnswer(f"the answer for me/{kind}/{id_} is not that {kind}, or has no priceWithTax")
        return bill

    def _ids(self, kind: str, start: date, end: date | None) -> list[str]:
        """The ids of the bills of these days, the last one included."""
        until = {} if end is None else {"date.to": f"{end}T23:59:59+00:00"}
        return self._list(f"/me/{kind}", {"date.from": f"{start}T00:00:00+00:00", **until})

    def _list(self, path: str, wanted: Mapping[str, str]) -> list[str]:
        ids = self.api.get(path, wanted)
        if not isinstance(ids, list) or not all(isinstance(id_, str | int) for id_ in ids):
            raise UnusableAnswer(f"the answer for {self.api.named(path)} is no list of ids")
        return [str(id_) for id_ in ids]


class OvhCloud(Provider[OvhCloudSettings]):
    """OVHcloud in the catalogue."""

    name = "ovhcloud"
    title = "OVHcloud"
    settings = OvhCloudSettings
    rights = (
        "An application (`https://eu.api.ovh.com/createToken/`, or that page of your region) whose consumer key may `GET` `/me`, "
        "`/me/bill`, `/me/bill/*`, `/me/refund` and `/me/refund/*`."
    )
    arrives = (
        "Each bill and each refund with all its details, and its PDF, when OVHcloud lists it. For 62 days the program reads a "
        "bill again at each fetch, and it arrives again if its prices have changed. A fetch of named months reads all bills of "
        "those months again, however old they are. The first fetch sends a request for each detail, which takes some minutes for "
        "2,000 bills."
    )
    witness = "The bill's `priceWithTax`, `priceWithoutTax` and `tax`. The details must sum to them."
    lacks = "An inventory, and PDFs in the US region: only a person who has logged in can download them."

    def open(self, settings: OvhCloudSettings, pace: Pace) -> OvhCloudAccount:
        """See `Provider`."""
        signature = _Signature(
            usable(settings.application_key, "OVH_APPLICATION_KEY"),
            usable(settings.application_secret, "OVH_APPLICATION_SECRET"),
            usable(settings.consumer_key, "OVH_CONSUMER_KEY"),
        )
        api = signature.api = Api(
            title=self.title,
            url=settings.url or _ADDRESSES[settings.endpoint],
            variable="ARCADIA_OVHCLOUD_URL",
            sign=signature,
            secrets=(signature.secret, signature.consumer_key),
            refused=_REFUSED,
            pace=pace,
        )
        return OvhCloudAccount(api, has_papers=settings.endpoint != "ovh-us")


def _days_of(month: date) -> tuple[date, date]:
    """The days on which a bill of a month may be dated: from the month's first day to the end of the next month."""
    return month, month_after(month, 2) - timedelta(days=1)
