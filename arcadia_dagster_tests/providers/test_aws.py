"""What is special about AWS: signatures, errors that come as status 400, pages by token, and what is no invoice."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from arcadia_dagster.providers.aws import signature_4
from arcadia_dagster.providers.download import Fetched
from arcadia_dagster.providers.errors import ConfigurationFailure, ProviderError, TransientFailure, UnusableAnswer
from arcadia_dagster_tests.kit.aws_invoicing_api import ACCOUNT, AWS, InvoicingApi, error, summary
from arcadia_dagster_tests.kit.fetching import FetchingHome
from arcadia_dagster_tests.kit.scripted_server import Request, Step, answer

APRIL = date(2026, 4, 1)


class Home(FetchingHome):
    """A home that is fetched into from AWS."""

    def fetch(self, api: InvoicingApi, **options: Any) -> Fetched:
        account = AWS.provider.open(AWS.settings(api.url), self.pace)
        return self.fetch_from(account, "aws", **{"months": [APRIL], **options})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_request_is_signed_as_in_awss_own_example() -> None:
    """`post-vanilla` of the test suite that AWS publishes for Signature Version 4."""
    now = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    sign = signature_4("AKIDEXAMPLE", secret, "", region="us-east-1", service="service", clock=lambda: now)
    signed = sign("POST", httpx.URL("https://example.amazonaws.com/"), {}, b"")
    assert signed == {
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    }


@pytest.mark.parametrize(
    ("kind", "raised", "says"),
    [
        ("AccessDeniedException", ConfigurationFailure, "invoicing:ListInvoiceSummaries"),
        ("UnrecognizedClientException", ConfigurationFailure, "AWS_ACCESS_KEY_ID"),
        ("ExpiredTokenException", ConfigurationFailure, "AWS_SESSION_TOKEN"),
        ("ThrottlingException", TransientFailure, "429"),
        ("InternalServerException", TransientFailure, "500"),
        ("ValidationException", UnusableAnswer, "400"),
    ],
)
def test_an_error_is_what_its_kind_says_whatever_its_status(
    home: Home, kind: str, raised: type[ProviderError], says: str
) -> None:
    with InvoicingApi(before=lambda _: error(kind)) as api, pytest.raises(raised, match=says):
        home.fetch(api)
    assert len(home.sleeper.pauses) == (3 if raised is TransientFailure else 0)


def test_a_page_that_names_itself_as_the_next_ends_the_list(home: Home) -> None:
    page = answer(200, {"InvoiceSummaries": [summary(1, APRIL, "119.00")], "NextToken": "1"})
    with InvoicingApi(before=lambda _: page) as api, pytest.raises(UnusableAnswer, match="no new token"):
        home.fetch(api)


def test_without_months_the_last_thirteen_periods_are_asked_for(home: Home) -> None:
    asked: list[tuple[int, int]] = []

    def note(request: Request) -> Step | None:
        if request.headers.get("x-amz-target") == "Invoicing.ListInvoiceSummaries":
            period = request.json()["Filter"]["BillingPeriod"]
            asked.append((period["Year"], period["Month"]))
        return None

    with InvoicingApi([summary(1, APRIL, "119.00")], before=note) as api:
        assert len(home.fetch(api, months=None, first_month=date(2025, 6, 1)).files) == 2
    assert asked[0] == (2025, 6)
    assert asked[-1] == (2026, 5)
    assert len(asked) == 12


def test_a_receipt_is_no_invoice_and_a_credit_memo_counts_below_0(home: Home) -> None:
    entries = [
        summary(1, APRIL, "119.00", InvoiceType="PAYMENT_RECEIPT"),
        summary(2, APRIL, "119.00", InvoiceType="CREDIT_MEMO", OriginalInvoiceId="EUINGB26-900"),
    ]
    with InvoicingApi(entries) as api:
        home.fetch(api)
    home.land()
    rows = home.rows("SELECT account_id, external_id, kind, amount_gross, amount_tax, refers_to FROM stated_invoices")
    assert rows == [(ACCOUNT, "EUINGB26-1002", "credit_note", -119, -19, "EUINGB26-900")]


@pytest.mark.parametrize("accounts", ["1111", "111122223333;444455556666", "all"])
def test_what_is_no_account_is_refused(accounts: str) -> None:
    with pytest.raises(ValueError, match="12 digits"):
        AWS.settings("http://127.0.0.1:1", ARCADIA_AWS_ACCOUNTS=accounts)
