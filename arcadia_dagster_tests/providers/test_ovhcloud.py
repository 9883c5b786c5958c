"""What is special about OVHcloud: signed calls, ids without bills, refunds, and links that let everybody read a bill."""

import itertools
import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.providers.download import Fetched
from arcadia_dagster_tests.kit.api_documents import ovh_detail
from arcadia_dagster_tests.kit.fetching import NOW, FetchingHome
from arcadia_dagster_tests.kit.ovhcloud_api import OVHCLOUD, PASSWORD, OvhCloudApi, bill, refund
from arcadia_dagster_tests.kit.scripted_server import ScriptedServer, answer

APRIL = date(2026, 4, 1)


class Home(FetchingHome):
    """A home that is fetched into from OVHcloud."""

    def fetch(self, api: OvhCloudApi, **options: Any) -> Fetched:
        settings = OVHCLOUD.settings(api.url)
        return self.fetch_from(OVHCLOUD.provider.open(settings, self.pace), "ovhcloud", **options)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_all_details_are_fetched_and_the_time_is_asked_for_once(home: Home) -> None:
    with OvhCloudApi([bill(1, APRIL, "119.00")]) as api:
        api.details["FR12345601"] = [ovh_detail(50.0), ovh_detail(30.0), ovh_detail(20.0)]
        [name, _] = home.fetch(api).files
        assert api.count("/1.0/auth/time") == 1
    document = json.loads((home.inbox / name).read_bytes())
    assert [detail["totalPrice"]["value"] for detail in document["details"]] == ["50.0", "30.0", "20.0"]
    assert (document["kind"], document["account"]) == ("ovhcloud_bill", "ab1234-ovh")


def test_a_request_is_never_signed_for_a_time_before_the_one_that_the_api_states(home: Home) -> None:
    seconds = itertools.count(int(NOW.timestamp()))

    def passes() -> float:
        return float(next(seconds))

    with OvhCloudApi([bill(1, APRIL, "119.00")]) as api:
        account = OVHCLOUD.provider.open(OVHCLOUD.settings(api.url), replace(home.pace, clock=passes))
        assert len(home.fetch_from(account, "ovhcloud").files) == 2


def test_a_refund_counts_below_0_and_names_its_bill(home: Home) -> None:
    with OvhCloudApi([bill(1, APRIL, "119.00"), refund(2, APRIL, "-119.00", of="FR12345601")]) as api:
        names = home.fetch(api).files
    assert len(names) == 4
    assert len([name for name in names if name.startswith("ovhcloud-refund-AV12345602-")]) == 2
    home.land()
    rows = home.rows("SELECT kind, amount_gross, refers_to FROM stated_invoices ORDER BY kind DESC")
    assert rows == [("invoice", 119, None), ("credit_note", -119, "FR12345601")]


def test_what_lets_everybody_read_a_bill_is_kept_nowhere(home: Home) -> None:
    with OvhCloudApi([bill(1, APRIL, "119.00")]) as api:
        told = str(home.fetch(api))
        asked = [request for request in api.requests if "bill.pdf" in request.path]
    assert [name for name in asked[0].headers if name.startswith("x-ovh")] == []
    assert PASSWORD not in told
    assert not [path for path in home.inbox.iterdir() if PASSWORD.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    "link", ["http://www.ovh.com/bill.pdf", "https://ovh.com.example/x.pdf", "file:///etc/passwd", 7]
)
def test_a_link_that_leads_elsewhere_is_not_followed(home: Home, link: object) -> None:
    with OvhCloudApi([bill(1, APRIL, "119.00", pdfUrl=link)]) as api:
        fetched = home.fetch(api)
    assert len(fetched.files) == 1
    assert "leads to none of ovh.com" in str(fetched.left)


def test_a_link_to_another_server_of_this_machine_is_not_followed(home: Home) -> None:
    with ScriptedServer(answer(200, b"%PDF-1.4")) as elsewhere:
        link = elsewhere.url.replace("127.0.0.1", "localhost") + "/x.pdf"
        with OvhCloudApi([bill(1, APRIL, "119.00", pdfUrl=link)]) as api:
            home.fetch(api)
    assert elsewhere.requests == []


def test_bills_that_have_arrived_are_read_again_for_two_months_and_then_by_name_only(home: Home) -> None:
    with OvhCloudApi([bill(1, APRIL, "119.00")]) as api:
        home.fetch(api)
        for days, months, reads in ((30, None, 1), (100, None, 0), (100, [APRIL], 1)):
            before = api.count("/1.0/me/bill/FR12345601")
            now = NOW + timedelta(days=days)
            assert home.fetch(api, now=now, months=months) == Fetched(known=1)
            assert api.count("/1.0/me/bill/FR12345601") - before == reads


def test_two_thousand_bills_that_have_arrived_are_known_by_their_ids(home: Home) -> None:
    bills = [bill(number, date(2020, 1, 1), "119.00") for number in range(2000)]
    for entry in bills:
        (home.inbox / f"ovhcloud-bill-{entry['billId']}-20200203T053700Z-rev-1.json").touch()
        (home.inbox / f"ovhcloud-bill-{entry['billId']}-20200203T053700Z-rev-1.pdf").touch()
    with OvhCloudApi(bills) as api:
        assert home.fetch(api) == Fetched(known=2000)
        assert len(api.requests) == 5, "the time, and the lists of bills and refunds"


def test_in_the_us_region_no_pdf_is_asked_for(home: Home) -> None:
    with OvhCloudApi([bill(1, APRIL, "119.00")]) as api:
        account = OVHCLOUD.provider.open(OVHCLOUD.settings(api.url, OVH_ENDPOINT="ovh-us"), home.pace)
        assert len(home.fetch_from(account, "ovhcloud").files) == 1
        assert not [path for path in api.paths if "pdf" in path]


def test_the_endpoint_says_where_the_api_is(home: Home) -> None:
    urls = {}
    for endpoint in ("ovh-eu", "ovh-ca", "ovh-us"):
        with OVHCLOUD.provider.open(OVHCLOUD.settings("", OVH_ENDPOINT=endpoint), home.pace) as account:
            urls[endpoint] = account.api.url
    assert urls == {
        "ovh-eu": "https://eu.api.ovh.com/1.0",
        "ovh-ca": "https://ca.api.ovh.com/1.0",
        "ovh-us": "https://api.us.ovhcloud.com/1.0",
    }
