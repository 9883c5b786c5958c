"""AWS: what it states of its invoices (the Invoicing API), and their PDFs. The lines come in exports.

Requests are signed by Signature Version 4. That is the function below and no library: `botocore`, which has it too, is 14 MB
packed, and brings an HTTP client of its own, without our limits and our care for secrets. It would also find the credentials of
instance roles, which this does not.

The list is asked for by account and billing period, because without a period it covers one month only. Errors come as status
400 with their kind in the answer.

Source: the service model of AWS Invoicing 2024-12-01 in AWS's own client (`ListInvoiceSummaries`, `GetInvoicePDF`, protocol JSON
1.0), its endpoint rules, and AWS's description of Signature Version 4.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import quote

import httpx
from pydantic import AfterValidator, Field, SecretStr

from arcadia_dagster.how_many import how_many
from arcadia_dagster.providers.api import Api, Pace, Sign, inner
from arcadia_dagster.providers.errors import UnusableAnswer
from arcadia_dagster.providers.provider import (
    Account,
    Listed,
    Provider,
    ProviderSettings,
    Right,
    Wanted,
    id_in,
    months_before,
    state_of,
)
from arcadia_dagster.providers.token import usable
from arcadia_dagster.settings import List, Url

_REGION: Final = "us-east-1"  # the one in which the service is, for all of AWS's public regions
_SERVICE: Final = "invoicing"
_PAGE: Final = 100  # the most that the API gives
_MONTHS: Final = 13
_RECEIPT: Final = "PAYMENT_RECEIPT"
_PAPER_HOSTS: Final = ("amazonaws.com",)
_STATE: Final = (
    *("InvoiceType", "IssuedDate", "DueDate", "BillingPeriod", "BaseCurrencyAmount", "PaymentCurrencyAmount"),
    *("TaxAuthorityStatus", "PurchaseOrderNumber", "OriginalInvoiceId", "CommercialInvoiceId"),
)
_MEANINGS: Final = {
    "ThrottlingException": 429,
    "InternalServerException": 500,
    "AccessDeniedException": 403,
    "UnrecognizedClientException": 401,
    "InvalidSignatureException": 401,
    "IncompleteSignatureException": 401,
    "ExpiredTokenException": 401,
    "MissingAuthenticationTokenException": 401,
}
_ACCOUNT: Final = re.compile(r"\d{12}", re.ASCII)
_REFUSED: Final = {
    401: "it does not accept the key: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
    403: "the key may not read this: give its user or role the policy actions invoicing:ListInvoiceSummaries and "
    "invoicing:GetInvoicePDF in the account of ARCADIA_AWS_ACCOUNTS",
}


def _accounts(items: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_ACCOUNT.fullmatch(item) for item in items):
        raise ValueError("expected numbers of accounts with 12 digits, separated by commas, such as 111122223333")
    return items


class AwsSettings(ProviderSettings):
    """The settings of AWS, called as its command line calls them, where it has them."""

    needed: ClassVar[tuple[str, ...]] = ("accounts", "access_key_id", "secret_access_key")

    accounts: Annotated[List, AfterValidator(_accounts)] = Field(
        (),
        validation_alias="ARCADIA_AWS_ACCOUNTS",
        description="The numbers of the accounts that pay AWS, separated by commas; unset: nothing is fetched from it",
    )
    access_key_id: str = Field(
        "", validation_alias="AWS_ACCESS_KEY_ID", description="The key that AWS's Invoicing API is read with"
    )
    secret_access_key: SecretStr = Field(
        SecretStr(""), validation_alias="AWS_SECRET_ACCESS_KEY", description="The secret of that key"
    )
    session_token: SecretStr = Field(
        SecretStr(""),
        validation_alias="AWS_SESSION_TOKEN",
        description="The token of a key that is temporary, if it is",
    )
    url: Url = Field(
        f"https://invoicing.{_REGION}.api.aws",
        validation_alias="AWS_ENDPOINT_URL_INVOICING",
        description="Where AWS's Invoicing API is",
    )


class AwsAccount(Account):
    """The accounts whose invoices AWS states."""

    has_papers = True

    def __init__(self, api: Api, accounts: Sequence[str]) -> None:
        """Take the API and the numbers of the accounts."""
        super().__init__(api)
        self._accounts = accounts

    def entries(self, wanted: Wanted) -> list[dict[str, Any]]:
        """See `Account`. A receipt of a payment is no invoice."""
        months = months_before(wanted.today, _MONTHS) if wanted.months is None else wanted.months
        return [
            entry
            for account in self._accounts
            for month in sorted(months)
            if month >= wanted.first_month
            for entry in self._summaries(account, month)
            if entry.get("InvoiceType") != _RECEIPT
        ]

    def listed(self, entry: dict[str, Any]) -> Listed:
        """See `Account`."""
        id_, period = id_in(entry.get("InvoiceId"), "InvoiceId"), inner(entry, "BillingPeriod")
        try:
            month = date(int(period.get("Year", 0)), int(period.get("Month", 0)), 1)
        except (TypeError, ValueError) as error:
            raise UnusableAnswer(f"BillingPeriod: {dict(period)!r:.80}; expected a year and a month") from error
        label = f"{month:%Y-%m}-{id_}"
        return Listed(entry=entry, id=id_, months=(month,), label=label, state=state_of(entry, *_STATE))

    def document(self, invoice: Listed) -> dict[str, Any]:
        """See `Account`."""
        return {"InvoiceSummaries": [invoice.entry]}

    def paper(self, invoice: Listed) -> bytes | None:
        """See `Account`. Its address lets everybody read it for a while, and is asked for without our key."""
        named = f"the PDF of {invoice.name}"
        url = inner(self._ask("GetInvoicePDF", {"InvoiceId": invoice.id}), "InvoicePDF").get("DocumentUrl")
        return None if url is None else self.api.paper_elsewhere(url, _PAPER_HOSTS, named)

    def rights(self) -> Iterator[Right]:
        """See `Account`."""
        yield Right(what="invoices", try_it=self._counted)

    def _counted(self) -> str:
        [*_, month] = months_before(datetime.fromtimestamp(self.api.pace.clock(), UTC).date(), 2)
        summaries = [entry for account in self._accounts for entry in self._summaries(account, month)]
        return f"lists {how_many(len(summaries), 'invoice')} of {month:%Y-%m}"

    def _summaries(self, account: str, month: date) -> list[dict[str, Any]]:
        """All summaries of an account's billing period; pages say only whether there is another one."""
        wanted: dict[str, Any] = {
            "Selector": {"ResourceType": "ACCOUNT_ID", "Value": account},
            "Filter": {"BillingPeriod": {"Month": month.month, "Year": month.year}},
            "MaxResults": _PAGE,
        }
        summaries: list[dict[str, Any]] = []
        seen: set[str] = set()
        while True:
            answer = self._ask("ListInvoiceSummaries", wanted)
            summaries += self.api.entries_in(answer, "ListInvoiceSummaries", "InvoiceSummaries")
            token = answer.get("NextToken")
            if token is None:
                return summaries
            if not isinstance(token, str) or token in seen:
                raise UnusableAnswer("the answer for ListInvoiceSummaries names its next page by no new token")
            seen.add(token)
            wanted["NextToken"] = token

    def _ask(self, operation: str, question: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"Invoicing.{operation}"}
        return self.api.post("/", question, operation, headers)


class Aws(Provider[AwsSettings]):
    """AWS in the catalogue."""

    name = "aws"
    title = "AWS"
    settings = AwsSettings
    rights = (
        "A key of a user or a role with the policy actions `invoicing:ListInvoiceSummaries` and `invoicing:GetInvoicePDF` in the "
        "account that pays. The program does not use the credentials of instance roles: set the variables."
    )
    arrives = (
        "The totals of each invoice and credit memo of the last 13 billing periods, and its PDF. They arrive when AWS has issued "
        "the invoice (in the first days of the next month), and again when it changes. Fetch earlier months by name, such as "
        "`arcadia fetch aws 2024-01..2024-12`. The lines do not arrive: put a cost and usage report or a FOCUS export into the "
        "inbox."
    )
    witness = (
        "What arrives is the second witness for the lines of the export: the total, the tax and the exchange rate."
    )
    lacks = "The API has neither the lines nor an inventory."

    def open(self, settings: AwsSettings, pace: Pace) -> AwsAccount:
        """See `Provider`."""
        key = usable(settings.access_key_id, "AWS_ACCESS_KEY_ID")
        secret = usable(settings.secret_access_key, "AWS_SECRET_ACCESS_KEY")
        session = settings.session_token.get_secret_value()
        session = usable(session, "AWS_SESSION_TOKEN") if session else ""
        api = Api(
            title=self.title,
            url=settings.url,
            variable=settings.variable("url"),
            sign=signature_4(key, secret, session, region=_REGION, service=_SERVICE, clock=pace.clock),
            secrets=(secret, session),
            refused=_REFUSED,
            pace=pace,
            status_of=_status_of,
        )
        return AwsAccount(api, settings.accounts)


def signature_4(key: str, secret: str, session: str, *, region: str, service: str, clock: Callable[[], float]) -> Sign:
    """Signs requests without a query by AWS's Signature Version 4.

    Args:
        key: The id of the access key.
        secret: Its secret.
        session: The token of a temporary key; blank for none.
        region: The region that is asked.
        service: The service that is asked, as signatures name it.
        clock: The time, in seconds since 1970-01-01 UTC.
    """

    def sign(method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        time = f"{datetime.fromtimestamp(clock(), UTC):%Y%m%dT%H%M%SZ}"
        own = {"X-Amz-Date": time, **({"X-Amz-Security-Token": session} if session else {})}
        # Several blanks of a value count as one, and what a path has encoded is encoded once more.
        signed = {name.lower(): " ".join(value.split()) for name, value in {**headers, **own}.items()}
        path = quote(url.raw_path.decode("ascii").partition("?")[0], safe="/~")
        signed = dict(sorted({**signed, "host": url.netloc.decode("ascii")}.items()))
        names = ";".join(signed)
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        request = "\n".join((method, path, "", lines, names, hashlib.sha256(body).hexdigest()))
        scope = f"{time[:8]}/{region}/{service}/aws4_request"
        text = "\n".join(("AWS4-HMAC-SHA256", time, scope, hashlib.sha256(request.encode()).hexdigest()))
        derived = f"AWS4{secret}".encode()
        for part in scope.split("/"):
            derived = hmac.digest(derived, part.encode(), "sha256")
        signature = hmac.digest(derived, text.encode(), "sha256").hex()
        credential = f"Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**own, "Authorization": f"AWS4-HMAC-SHA256 {credential}"}

    return sign


def _status_of(status: int, content: bytes) -> int:
    """What an error means: its kind is in `__type`, such as `com.amazonaws.invoicing#ThrottlingException`."""
    try:
        kind = json.loads(content).get("__type", "")
    except (ValueError, AttributeError, RecursionError):
        return status
    return _MEANINGS.get(str(kind).rpartition("#")[2], status)
