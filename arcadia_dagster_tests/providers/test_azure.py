"""What is special about Azure: a token from elsewhere, pages by link, PDFs that are made on request."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.providers.download import Fetched
from arcadia_dagster.providers.errors import ConfigurationFailure, UnusableAnswer
from arcadia_dagster_tests.kit.azure_billing_api import AZURE, INVOICES, TENANT, BillingApi, invoice
from arcadia_dagster_tests.kit.fetching import FetchingHome, failing
from arcadia_dagster_tests.kit.scripted_server import ScriptedServer, answer

APRIL = date(2026, 4, 1)


class Home(FetchingHome):
    """A home that is fetched into from Azure."""

    def fetch(self, api: BillingApi, **options: Any) -> Fetched:
        account = AZURE.provider.open(AZURE.settings(api.url), self.pace)
        return self.fetch_from(account, "azure", **options)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_one_token_serves_until_it_is_about_to_expire(home: Home) -> None:
    with BillingApi([invoice(1, APRIL, "119.00")]) as api:
        account = AZURE.provider.open(AZURE.settings(api.url), home.pace)
        [right] = account.rights()
        for later, tokens in ((0, 1), (3000, 1), (400, 2)):
            home.sleeper.now += later
            right.try_it()
            assert api.tokens == tokens
        account.close()


@pytest.mark.parametrize("status", [400, 401])
def test_an_application_that_is_not_known_is_a_wrong_setting(home: Home, status: int) -> None:
    refused = answer(status, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret"})
    with (
        BillingApi(before=failing("/oauth2/", step=refused)) as api,
        pytest.raises(ConfigurationFailure, match="check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"),
    ):
        home.fetch(api)


@pytest.mark.parametrize("body", [{}, {"access_token": 7}, {"access_token": "x", "expires_in": "soon"}, ["x"]])
def test_an_answer_without_a_token_is_not_taken(home: Home, body: object) -> None:
    with BillingApi(before=failing("/oauth2/", step=answer(200, body))) as api, pytest.raises(UnusableAnswer):
        home.fetch(api)


def test_a_pdf_is_waited_for_as_long_as_azure_says(home: Home) -> None:
    with BillingApi([invoice(1, APRIL, "119.00")]) as api:
        api.looks = 3
        fetched = home.fetch(api)
    assert len(fetched.files) == 2
    assert home.sleeper.pauses == [10, 10, 10]


def test_a_pdf_that_is_never_done_is_left(home: Home) -> None:
    with BillingApi([invoice(1, APRIL, "119.00")]) as api:
        api.looks = 1000
        fetched = home.fetch(api)
    assert len(fetched.files) == 1
    assert "after 10 looks" in str(fetched.left)


def test_neither_a_page_nor_a_pdf_is_looked_for_elsewhere(home: Home) -> None:
    with ScriptedServer(answer(200, {"value": []})) as elsewhere, BillingApi([invoice(1, APRIL, "119.00")]) as api:
        link = elsewhere.url.replace("127.0.0.1", "localhost")
        page = answer(200, {"value": [], "nextLink": f"{link}{INVOICES}"})
        api.before = failing(f"{INVOICES}?", step=page)
        with pytest.raises(UnusableAnswer, match="no new link"):
            home.fetch(api)
        api.before = failing("/download", step=answer(202, Location=f"{link}/x", Retry_After=1))
        assert "to another address" in str(home.fetch(api).left)
    assert elsewhere.requests == []


def test_an_invoice_without_a_pdf_is_taken_without_one(home: Home) -> None:
    with BillingApi([invoice(1, APRIL, "119.00", documents=[{"kind": "Transactions"}])]) as api:
        fetched = home.fetch(api)
        assert (len(fetched.files), fetched.left) == (1, {})
        assert not [path for path in api.paths if path.endswith("/download")]


def test_a_voided_invoice_comes_again_and_a_credit_note_counts_below_0(home: Home) -> None:
    with BillingApi([invoice(1, APRIL, "119.00")]) as api:
        home.fetch(api)
        void = invoice(1, APRIL, "119.00", status="Void", billedDocumentId="G012345602")
        note = invoice(3, APRIL, "119.00", documentType="CreditNote", creditForDocumentId="G012345601")
        api.entries[:] = [void, note]
        home.fetch(api)
    home.land()
    rows = home.rows(
        "SELECT external_id, kind, status, amount_gross, refers_to, replaced_by FROM stated_invoices ORDER BY ALL"
    )
    assert rows == [
        ("G012345601", "invoice", "issued", 119, None, None),
        ("G012345601", "invoice", "voided", 119, None, "G012345602"),
        ("G012345603", "credit_note", "issued", -119, "G012345601", None),
    ]


@pytest.mark.parametrize("variable", ["ARCADIA_AZURE_BILLING_ACCOUNT", "AZURE_TENANT_ID", "AZURE_CLIENT_ID"])
@pytest.mark.parametrize("wrong", ["../x", "a b", "a?b", "a/b"])
def test_a_name_that_would_lead_elsewhere_is_refused(home: Home, variable: str, wrong: str) -> None:
    with pytest.raises(ConfigurationFailure, match=variable):
        AZURE.provider.open(AZURE.settings("http://127.0.0.1:1", **{variable: wrong}), home.pace)


def test_the_token_is_asked_for_at_the_authority_and_sent_to_the_api_alone(home: Home) -> None:
    with BillingApi([invoice(1, APRIL, "119.00")]) as api:
        home.fetch(api)
        with_token = {request.path.partition("?")[0] for request in api.requests if "authorization" in request.headers}
    assert not [path for path in with_token if TENANT in path or path.startswith("/papers")]
