"""AWS's Invoicing API on this machine: JSON 1.0 by POST, pages by token, and signatures that it checks.

The signature is made anew from the request, by the steps that AWS describes, and compared.
"""

import hashlib
import hmac
import re
from datetime import date
from decimal import Decimal
from typing import Any

from arcadia_dagster.providers.aws import Aws
from arcadia_dagster_tests.kit.provider_api import PDF, Case, ProviderApi, address_of
from arcadia_dagster_tests.kit.scripted_server import Request, Step, answer

KEY = "AKIDEXAMPLE"
SECRET = "marked-secret-access-key-wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SESSION = "marked-session-token-AQoDYXdzEJr1K7rhZ0W"
ACCOUNT = "111122223333"


def summary(number: int, month: date, total: str, **fields: Any) -> dict[str, Any]:
    """The summary of an invoice as the API answers: amounts as text, times as seconds; 19 of tax."""
    net = f"{Decimal(total) - 19:.2f}"
    return {
        "AccountId": ACCOUNT,
        "InvoiceId": f"EUINGB26-{1000 + number}",
        "IssuedDate": 1777680000,
        "DueDate": 1780272000,
        "Entity": {"InvoicingEntity": "Amazon Web Services EMEA SARL"},
        "BillingPeriod": {"Month": month.month, "Year": month.year},
        "InvoiceType": "INVOICE",
        "BaseCurrencyAmount": {
            "TotalAmount": total,
            "TotalAmountBeforeTax": net,
            "CurrencyCode": "USD",
            "AmountBreakdown": {
                "Taxes": {"Breakdown": [{"Description": "VAT", "Amount": "19.00"}], "TotalAmount": "19.00"}
            },
        },
        **fields,
    }


def error(kind: str, message: str = "no", status: int = 400) -> Step:
    """An error as the protocol has it."""
    return answer(status, {"__type": f"com.amazonaws.invoicing#{kind}", "message": message})


class InvoicingApi(ProviderApi):
    """The API of one account."""

    def step(self, request: Request) -> Step:
        address, _ = address_of(request)
        if match := re.fullmatch(r"/papers/(.+)\.pdf", address):
            return answer(200, self.papers.get(match[1], PDF))
        if not _is_signed(request):
            return error("InvalidSignatureException", "The request signature we calculated does not match")
        asked = request.json()
        match request.headers.get("x-amz-target"):
            case "Invoicing.ListInvoiceSummaries":
                return self._summaries(asked)
            case "Invoicing.GetInvoicePDF":
                url = f"{self.url}/papers/{asked['InvoiceId']}.pdf?X-Amz-Signature=0"
                return answer(200, {"InvoicePDF": {"InvoiceId": asked["InvoiceId"], "DocumentUrl": url}})
        return error("UnknownOperationException")

    def _summaries(self, asked: dict[str, Any]) -> Step:
        size = asked.get("MaxResults", 100)
        if not 1 <= size <= 100 or asked["Selector"]["ResourceType"] != "ACCOUNT_ID":
            return error("ValidationException")
        found = [
            entry
            for entry in self.entries
            if asked["Selector"]["Value"] == ACCOUNT
            # One with a period that is none is listed whatever the period.
            and (
                not isinstance(entry["BillingPeriod"], dict)
                or entry["BillingPeriod"] == asked["Filter"]["BillingPeriod"]
            )
        ]
        start, size = int(asked.get("NextToken", "0")), min(size, self.most)
        more = {"NextToken": str(start + size)} if start + size < len(found) else {}
        return answer(200, {"InvoiceSummaries": found[start : start + size], **more})


def _is_signed(request: Request) -> bool:
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/us-east-1/invoicing/aws4_request, SignedHeaders=(.+), "
        r"Signature=([0-9a-f]{64})",
        request.headers.get("authorization", ""),
    )
    if found is None or found[1] != KEY:
        return False
    day, names, signature = found[2], found[3].split(";"), found[4]
    # Whatever says what is asked for must be signed.
    if not {"host", "x-amz-date", "x-amz-target"} <= set(names):
        return False
    lines = "".join(f"{name}:{request.headers[name]}\n" for name in names)
    canonical = f"POST\n/\n\n{lines}\n{found[3]}\n{hashlib.sha256(request.body).hexdigest()}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{day}/us-east-1/invoicing/aws4_request\n{hashed}"
    key = f"AWS4{SECRET}".encode()
    for part in (day, "us-east-1", "invoicing", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == signature


def _changed(entry: dict[str, Any], total: str) -> dict[str, Any]:
    base = {**entry["BaseCurrencyAmount"], "TotalAmount": total, "TotalAmountBeforeTax": f"{Decimal(total) - 19:.2f}"}
    return {**entry, "BaseCurrencyAmount": base}


AWS = Case(
    provider=Aws(),
    api=InvoicingApi,
    environ={
        "ARCADIA_AWS_ACCOUNTS": ACCOUNT,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    },
    besides={"AWS_SESSION_TOKEN": SESSION},
    url="AWS_ENDPOINT_URL_INVOICING",
    secrets=(SECRET, SESSION),
    entry=summary,
    changed=_changed,
    lists="/",
    wrong=({"InvoiceId": "../x"}, {"InvoiceId": None}, {"BillingPeriod": "2026-04"}, {"BillingPeriod": None}),
    format="aws_invoice_summaries",
    paper="/papers/",
)
