"""OVHcloud's API on this machine: ids, bills, details, and signatures that it checks, as OVHcloud's own client makes them."""

import hashlib
import re
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from arcadia_dagster.providers.ovhcloud import OvhCloud
from arcadia_dagster_tests.kit.api_documents import ovh_detail, price
from arcadia_dagster_tests.kit.clocks import NOW
from arcadia_dagster_tests.kit.provider_api import PDF, Case, ProviderApi, address_of
from arcadia_dagster_tests.kit.scripted_server import Request, Step, answer

KEY = "7kbG7Bk7S9Nt7ZSV"
APPLICATION_SECRET = "marked-application-secret-EXEgWIz07P0HYwtQDs7cNIqCiQaWSuHF"
CONSUMER_KEY = "marked-consumer-key-MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1"
PASSWORD = "marked-password-of-a-bill"
AHEAD = 1234
"""By how many seconds the API's clock is ahead of ours."""


def bill(number: int, month: date, total: str, **fields: Any) -> dict[str, Any]:
    """A bill of the second day after the month that it is of, with 19 of tax."""
    made = date(month.year + month.month // 12, month.month % 12 + 1, 2)
    id_ = f"FR{12345600 + number}"
    return {
        "billId": id_,
        "date": f"{made}T15:49:06+02:00",
        "orderId": 123456700 + number,
        "password": PASSWORD,
        "pdfUrl": f"/cgi-bin/order/bill.pdf?reference={id_}&passwd={PASSWORD}",
        "url": f"https://www.ovh.com/cgi-bin/order/bill.cgi?reference={id_}&passwd={PASSWORD}",
        "priceWithTax": price(float(total)),
        "priceWithoutTax": price(float(Decimal(total) - 19)),
        "tax": price(19.0),
        **fields,
    }


def refund(number: int, month: date, total: str, of: str, **fields: Any) -> dict[str, Any]:
    """A refund for a bill."""
    found = bill(number, month, total)
    id_ = f"AV{12345600 + number}"
    del found["billId"]
    return {**found, "refundId": id_, "originalBillId": of, **fields}


class OvhCloudApi(ProviderApi):
    """The API of one account.

    Attributes:
        details: The details of bills that have others than one for all of it, by the bill's id.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.details: dict[str, list[dict[str, Any]]] = {}
        self.url += "/1.0"

    def step(self, request: Request) -> Step:
        address, wanted = address_of(request)
        address = address.removeprefix("/1.0")
        if address == "/auth/time":
            return answer(200, int(NOW) + AHEAD)
        if address == "/cgi-bin/order/bill.pdf":
            return answer(200, self.papers.get(wanted["reference"], PDF))
        if not self._is_signed(request):
            return answer(403, {"message": "This credential is not valid", "class": "Client::Forbidden"})
        return self._of_account(address, wanted)

    def _of_account(self, address: str, wanted: dict[str, str]) -> Step:
        if address == "/me":
            return answer(200, {"nichandle": "ab1234-ovh", "currency": {"code": "EUR"}})
        if match := re.fullmatch(r"/me/(bill|refund)", address):
            return answer(200, [entry[f"{match[1]}Id"] for entry in self._dated(match[1], wanted)])
        if match := re.fullmatch(r"/me/(bill|refund)/([^/]+)(/details(?:/([^/]+))?)?", address):
            found = next((entry for entry in self.entries if entry.get(f"{match[1]}Id") == match[2]), None)
            if found is not None:
                return self._of_bill(found, match[1], has_details=match[3] is not None, detail=match[4])
        return answer(404, {"message": "The requested object does not exist", "class": "Client::NotFound"})

    def _dated(self, kind: str, wanted: dict[str, str]) -> list[dict[str, Any]]:
        start, end = wanted.get("date.from", "0001")[:10], wanted.get("date.to", "9999")[:10]
        return [
            entry
            for entry in self.entries
            # One with a day that is none is listed whatever the days.
            if f"{kind}Id" in entry
            and (not str(entry.get("date"))[:1].isdecimal() or start <= entry["date"][:10] <= end)
        ]

    def _of_bill(self, found: dict[str, Any], kind: str, *, has_details: bool, detail: str | None) -> Step:
        id_ = found[f"{kind}Id"]
        net = found["priceWithoutTax"]["value"] if isinstance(found.get("priceWithoutTax"), dict) else 0.0
        made = date.fromisoformat(str(found["date"])[:10]) if has_details else date(2026, 5, 2)
        month = date(made.year - (made.month == 1), (made.month - 2) % 12 + 1, 1)
        period = {"periodStart": f"{month}", "periodEnd": f"{made:%Y-%m}-01"}
        details = self.details.get(id_, [ovh_detail(net, **period)])
        if detail is not None:
            return answer(200, {**details[int(detail) - 1], f"{kind}DetailId": detail})
        if has_details:
            return answer(200, [str(number) for number in range(1, len(details) + 1)])
        link = found.get("pdfUrl")
        return answer(200, {**found, "pdfUrl": self.url + link if isinstance(link, str) and link[:1] == "/" else link})

    def _is_signed(self, request: Request) -> bool:
        parts = urlsplit(self.url)
        time = request.headers.get("x-ovh-timestamp", "")
        signed = "+".join(
            (
                APPLICATION_SECRET,
                CONSUMER_KEY,
                request.method,
                f"{parts.scheme}://{parts.netloc}{request.path}",
                request.body.decode(),
                time,
            )
        )
        return (
            request.headers.get("x-ovh-application") == KEY
            and request.headers.get("x-ovh-consumer") == CONSUMER_KEY
            # The test's clock stands still but for pauses.
            and int(NOW) + AHEAD <= int(time or 0) <= int(NOW) + AHEAD + 7200
            and request.headers.get("x-ovh-signature") == f"$1${hashlib.sha1(signed.encode()).hexdigest()}"  # noqa: S324
        )


def _changed(entry: dict[str, Any], total: str) -> dict[str, Any]:
    return {
        **entry,
        "priceWithTax": price(float(total)),
        "priceWithoutTax": price(float(Decimal(total) - 19)),
    }


OVHCLOUD = Case(
    provider=OvhCloud(),
    api=OvhCloudApi,
    environ={
        "OVH_APPLICATION_KEY": KEY,
        "OVH_APPLICATION_SECRET": APPLICATION_SECRET,
        "OVH_CONSUMER_KEY": CONSUMER_KEY,
    },
    url="ARCADIA_OVHCLOUD_URL",
    secrets=(APPLICATION_SECRET, CONSUMER_KEY),
    entry=bill,
    changed=_changed,
    whole=lambda number, _month: f"/me/bill/FR{12345600 + number}/details",
    lists="/me/bill?",
    wrong=({"billId": "../../credit"}, {"billId": "a b"}, {"date": "soon"}, {"date": None}, {"priceWithTax": None}),
    format="ovhcloud_json",
    paper="/cgi-bin/order/bill.pdf",
)
